#ifndef SCHEDD_STORE_QUEUE_H
#define SCHEDD_STORE_QUEUE_H

/*
 * The queues that this process knows: what it knows of each, how they are
 * found, and what the tick reads of them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/list.h"
#include "store/store.h"

struct call;

enum { RATE_SLOTS = 60, RATE_LONG_SLOTS = 32 };

/* Numbers of a queue as the last tick read them. Times are Redis's ms, 0 =
 * none. */
struct queue_numbers {
	uint64_t counts[TASK_STATE_COUNT];
	uint64_t lanes[LANE_COUNT];
	int64_t oldest_at;
	int64_t due[DUTY_COUNT]; /* [DUTY_WORKERS]: of the clean-up */
	uint64_t workers;        /* that hold a lease */
	uint64_t amiss;          /* how much does not add up: store.amiss */
	bool broken; /* a key has the wrong type: the numbers are old */
	bool paused;
	bool moving; /* to another backend: nothing is to be done to it */
	unsigned overridden;
	uint64_t override[POLICY_FIELD_COUNT];
	struct store_totals totals;
};

struct queue {
	struct store *store;
	struct queue *hash_next;
	char name[NAME_MAX_LEN + 1];
	struct span key;     /* "sched:{name}:" */
	bool registered;     /* is in the set of queues; queue_set_ sets both */
	bool renewed;        /* was put there again since a removal was sent */
	unsigned dropping;   /* removals under way */
	uint64_t listed;     /* store->listings when it was put there */
	int64_t used_us;     /* when it was last asked for */
	bool configured;     /* has a section of its own */
	bool misplaced;      /* is not where the settings have it; was told */
	bool partial;        /* is not in the history; was told */
	uint64_t doubted[2]; /* the listings, here and where it seems to live,
				that tell whether it is in two places */

	struct list dirty_link;    /* on store->dirty while it has calls */
	struct list touched_link;  /* on store->touched until the next tick */
	uint64_t ticked;           /* the tick that read it last */
	struct call *push, *work;  /* gathered, not sent */
	unsigned pushing, working; /* calls of theirs under way */

	struct list fresh;   /* takes that were not asked for yet */
	struct list waiting; /* takes that wait, longest first */
	size_t waiting_count;
	size_t wake;  /* how many of them to ask for in this turn */
	uint64_t seq; /* raised when more came into todo than waited for it */

	bool unwalked;         /* was used since the task check walked it */
	unsigned walks;        /* of the task check, by this process */
	int64_t walk_again_us; /* not before */

	struct queue_numbers numbers;
	struct store_counters counters;
	int64_t pushed_at, taken_at; /* last, here; Redis's ms, 0 = never */
	int64_t untaken_us; /* since when nobody took, as far as is known */
	uint32_t rate_at[RATE_SLOTS][RATE_COUNT]; /* rate.c */
	uint32_t rate_long[RATE_LONG_SLOTS][RATE_COUNT];
	int64_t rate_long_at;
};

/* ---- queue.c ---------------------------------------------------------- */

/* A key of a queue of this backend; name "": the prefix of all of them, as
 * scripts take it. */
void queue_add_key(const struct store *s, struct buf *args, const char *queue,
    const char *name);
size_t queue_hash(struct span name);
struct queue *queue_find(const struct store *s, struct span name);
/*
 * The queue of that name, made when it is new. One that is only asked for (a
 * take or a report on a name that nobody pushed to) is forgotten again when
 * it is idle, and is counted apart, so that made-up names leave room for
 * real ones. NULL past limits.max_queues, or ASKED_MAX_QUEUES.
 */
struct queue *queue_ask(struct store *s, struct span name);
struct queue *queue_make(struct store *s, struct span name);
bool queue_exists(const struct queue *q);
void queue_set_registered(struct queue *q, bool yes);
void queue_set_configured(struct queue *q, bool yes);
/* Why its tasks cannot be asked for, else ERR_OK. */
enum err queue_refusal(const struct store *s, const struct queue *q);
void queue_policy(const struct queue *q, struct queue_policy *out);
void queue_touch(struct queue *q);
/* Sends SADD once for a queue that Redis does not know yet, or may not know
 * any more; did it? */
bool queue_register(struct queue *q);
/* The same whatever is thought to be known: another schedd may have removed
 * it. */
void queue_register_again(struct queue *q);
/* It was removed from Redis. */
void queue_forget(struct queue *q);
void queue_fill_info(const struct queue *q, struct store_queue_info *out);
/* The same with what only the answer for a single one has. */
void queue_fill_whole(const struct queue *q, struct store_queue_info *out);
/* Forgets those that were only asked for. */
void queues_drop_idle(struct store *s);
void queues_load(struct store *s, void (*cb)(enum err err, struct store *s));
void queues_free(struct store *s);
/* Something may have come into todo: ask for up to n waiting takes. */
void queue_wake(struct queue *q, size_t n);

/* ---- rate.c ----------------------------------------------------------- */

/* Once a second. */
void rates_sample(struct queue *q);
void rates_fill(const struct queue *q, double rates[RATE_COUNT]);
void rates_fill_long(const struct queue *q, double rates_5m[RATE_COUNT],
    double rates_15m[RATE_COUNT]);
void rates_reset(struct queue *q);

/* ---- tick.c ----------------------------------------------------------- */

/* Its numbers, fresh from Redis; cb gets what store_queue_get gives. */
void queue_read(struct queue *q, store_queue_cb *cb, void *arg);
/* The same for an operation that cannot be asked of Redis at all. */
void queue_answer_err(
    struct store *s, enum err err, store_queue_cb *cb, void *arg);

#endif
