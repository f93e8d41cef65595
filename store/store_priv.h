#ifndef SCHEDD_STORE_STORE_PRIV_H
#define SCHEDD_STORE_STORE_PRIV_H

/*
 * What the files of store/ share: the store, its queues, and the script
 * calls that gather the operations of one loop turn.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/conf.h"
#include "core/list.h"
#include "core/loop.h"
#include "store/redis_conn.h"
#include "store/store.h"

struct redisReply;
struct redis_child;
struct worker_table;

enum {
	CALL_MAX_ITEMS = 1000,          /* tasks of gathered pushes */
	CALL_MAX_BYTES = 4 << 20,       /* their bytes, unless one has more */
	CALL_MAX_ARGS_BYTES = 80 << 20, /* bound of any call's arguments */
	REPORT_MAX_ITEMS = 2000,
	TAKE_MAX_TASKS = 3000, /* counts of gathered takes */
	CALL_POOL = 64,        /* calls and ops kept for the next turn */
	OP_POOL = 1024,
	RATE_SLOTS = 60,
	ASKED_MAX_QUEUES = 1000, /* names that were only asked for */
	WHEEL_SLOTS = 1024,
	WHEEL_TICK_MS = 100
};

/* One script call that serves the operations of a turn. */
struct call {
	struct store *store;
	struct queue *queue;
	struct list ops; /* struct op or struct store_take, in order */
	size_t ops_count;
	struct buf args;
	unsigned argc;
	size_t items;
};

/* A completion that comes from the loop without asking Redis. */
struct done {
	struct list link;
	void (*fn)(struct done *d);
};

/* Numbers of a queue as the last tick read them. Times are Redis's ms, 0 =
 * none. */
struct queue_numbers {
	uint64_t counts[TASK_STATE_COUNT];
	uint64_t lanes[LANE_COUNT];
	int64_t oldest_at;
	int64_t due[DUTY_COUNT]; /* [DUTY_WORKERS]: of the clean-up */
	bool broken; /* a key has the wrong type: the numbers are old */
	bool paused;
	unsigned overridden;
	uint64_t override[POLICY_FIELD_COUNT];
	struct store_totals totals;
};

struct queue {
	struct store *store;
	struct queue *hash_next;
	char name[NAME_MAX_LEN + 1];
	struct span key; /* "sched:{name}:" */
	bool registered; /* is in the set of queues */
	int64_t used_us; /* when it was last asked for */
	bool configured; /* has a section of its own */

	struct list dirty_link;   /* on store->dirty while it has calls */
	struct list touched_link; /* on store->touched until the next tick */
	uint64_t ticked;          /* the tick that read it last */
	struct call *push, *report;

	struct list fresh;   /* takes that were not asked for yet */
	struct list waiting; /* takes that wait, longest first */
	size_t waiting_count;
	size_t wake;  /* how many of them to ask for in this turn */
	uint64_t seq; /* raised when more came into todo than waited for it */

	struct queue_numbers numbers;
	struct store_counters counters;
	uint32_t rate_at[RATE_SLOTS][RATE_COUNT]; /* low bits of counters */
};

struct store {
	struct loop *loop;
	const struct conf *conf;
	const struct conf_redis *redis;
	struct redis_child *child;
	struct redis_conn *conn;
	char *password;

	store_ready_cb *ready_cb;
	void *ready_arg;
	bool told_ready;
	bool names_loaded;
	struct timer names_timer; /* to read them again */
	bool draining;            /* no take waits any more */
	bool closing;
	int64_t ready_at_us;
	void (*close_cb)(void *arg);
	void *close_arg;

	struct queue **buckets;
	size_t bucket_count;
	struct queue **sorted; /* by name */
	size_t queue_count;
	size_t tick_next; /* where the next tick goes on */
	uint64_t tick_serial;

	unsigned up_slot;                     /* of METRIC_STORE_UP */
	unsigned gathered_slot[SCRIPT_COUNT]; /* of METRIC_STORE_GATHERED */
	struct list dirty, touched;
	struct list call_pool, op_pool; /* links are those of ops */
	size_t call_pool_count, op_pool_count;
	struct post flush_post;
	struct list done;
	struct post done_post;

	struct list wheel[WHEEL_SLOTS];
	uint64_t wheel_at; /* the tick up to which it was emptied */
	struct timer wheel_timer;
	size_t waiting;
	struct store_taken *taken; /* scratch of take replies */

	int64_t redis_now;    /* as of the last tick */
	int64_t redis_now_us; /* our monotonic time then */
	int64_t first_beat;   /* oldest heartbeat, 0 = none */
	unsigned sweeps;      /* under way: they count on the order of queues */
	int64_t swept_us;     /* when forgotten workers were last looked for */
	size_t worker_total;
	struct worker_table *workers;
};

/* queue.c */
struct queue *queue_find(struct store *s, struct span name);
/*
 * The queue of that name, made when it is new. One that is only asked for (a
 * take or a report on a name that nobody pushed to) is forgotten again when
 * it is idle, and is counted apart, so that made-up names leave room for
 * real ones. NULL past limits.max_queues, or ASKED_MAX_QUEUES.
 */
struct queue *queue_ask(struct store *s, struct span name);
struct queue *queue_make(struct store *s, struct span name);
bool queue_exists(const struct queue *q);
void queue_policy(const struct queue *q, struct queue_policy *out);
void queue_touch(struct queue *q);
/* Sends SADD once for a queue that Redis does not know yet. */
void queue_register(struct queue *q);
void queue_fill_info(const struct queue *q, struct store_queue_info *out);
void queues_load(struct store *s, void (*cb)(enum err err, struct store *s));
void queues_free(struct store *s);
int64_t store_redis_now(const struct store *s);
/* Something may have come into todo: ask for up to n waiting takes. */
void queue_wake(struct queue *q, size_t n);

/* batch.c */
/* Begins with the key prefix and the clock offset, as every queue script
 * does. */
struct call *call_new(struct queue *q);
void call_free(struct call *c);
void batch_clear(struct store *s);
void call_add(struct call *c, struct span s);
void call_add_u64(struct call *c, uint64_t n);
void call_add_i64(struct call *c, int64_t n);
void call_send(
    struct call *c, enum script_id id, redis_reply_cb *cb, void *arg);
void queue_mark_dirty(struct queue *q);
/* Sends what the turn gathered; posted by queue_mark_dirty. */
void batch_flush(void *arg);
/* Fails what was gathered but not sent. */
void batch_abort(struct store *s, enum err err);
void store_complete(struct store *s, struct done *d);
enum task_state letter_state(char letter);
enum err letter_err(char letter, bool *dead);

/* wait.c */
void wait_init(struct store *s);
void wait_clear(struct store *s);
void wait_flush(struct queue *q);
void wait_abort(struct store *s, enum err err);
void wait_wake_all_queues(struct store *s);

/* worker.c */
void workers_init(struct store *s);
void workers_flush(struct store *s);
void workers_sweep(struct store *s, store_count_cb *cb, void *arg);
void workers_free(struct store *s);

#endif
