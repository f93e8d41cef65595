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
#include "store/pace.h"
#include "store/queue.h"
#include "store/redis_conn.h"
#include "store/store.h"

struct beat;
struct channels;
struct fleet;
struct others;
struct redisReply;
struct reply;
struct redis_child;
struct repair;
struct audit;
struct token_table;
struct worker_table;

enum {
	CALL_MAX_ITEMS = 1000,          /* tasks of gathered pushes */
	CALL_MAX_BYTES = 4 << 20,       /* their bytes, unless one has more */
	CALL_MAX_ARGS_BYTES = 80 << 20, /* bound of any call's arguments */
	CALL_MAX_OPS = 400, /* answered in one callback of the loop */
	REPORT_MAX_ITEMS = 2000,
	TAKE_MAX_TASKS = 3000,   /* counts of gathered takes */
	GATHER_EARLY = 16,       /* pushes that need not wait for the turn */
	CALL_POOL = 64,          /* calls kept for the next turn */
	ASKED_MAX_QUEUES = 1000, /* names that were only asked for */
	WHEEL_SLOTS = 1024,
	WHEEL_TICK_MS = 100,
	WHEEL_MAX_ENDS = 128, /* takes that end in one callback */
	BEAT_GAP_MS = 2500    /* more between two signs of life: an outage */
};

/* One script call that serves the operations of a turn. */
struct call {
	struct store *store;
	struct queue *queue;
	struct list ops;   /* struct op, in order */
	struct list takes; /* struct store_take, in order */
	size_t ops_count;  /* of both */
	struct buf args;
	unsigned argc;
	struct buf opts; /* of pushes: goes behind args */
	unsigned opts_count;
	size_t items;     /* tasks pushed, or reported */
	int64_t sent_us;  /* of pushes */
	bool registers;   /* SADD went in front of them */
	size_t asked_for; /* counts of its takes */
};

/* A completion that comes from the loop without asking Redis. */
struct done {
	struct list link;
	void (*fn)(struct done *d);
};

/* One backend; those of a schedd are its fleet. */
struct store {
	struct fleet *fleet;
	size_t index; /* in there, and of conf->redis; 0 is the main one */
	struct loop *loop;
	const struct conf *conf;
	const struct conf_redis *redis;
	struct redis_child *child;
	struct redis_conn *conn;
	char *password, *sentinel_password;

	store_ready_cb *ready_cb;
	void *ready_arg;
	bool told_ready;
	bool names_loaded;
	bool was_lost;            /* or not reached, once */
	struct timer names_timer; /* to read them again */
	uint64_t listings;        /* how often they were asked for */
	uint64_t listed;          /* the last that was answered */
	int64_t drops;            /* removed ones, by all schedd, ever */
	bool draining;            /* no take waits any more */
	bool closing;
	int64_t ready_at_us;
	void (*close_cb)(void *arg);
	void *close_arg;

	struct queue **buckets;
	size_t bucket_count;
	struct queue **sorted; /* by name */
	size_t queue_count;
	size_t exist_count; /* of those queue_exists */
	size_t tick_next;   /* where the next tick goes on */
	uint64_t tick_serial;

	unsigned up_slot;                     /* of METRIC_STORE_UP */
	unsigned gathered_slot[SCRIPT_COUNT]; /* of METRIC_STORE_GATHERED */
	struct list dirty, touched;
	struct list call_pool; /* links are those of ops */
	size_t call_pool_count;
	struct post flush_post;
	size_t push_items;     /* gathered and under way, of all queues */
	int64_t push_ended_us; /* when a call of pushes was last answered */
	int64_t paced_us, paced_items; /* how long the last took, and of what */
	struct list done;
	struct post done_post;
	struct list walks; /* struct pace */

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
	int64_t full_us;     /* when Redis's memory was last found full */
	uint64_t crowd_rank; /* where workers that may go are looked for */
	struct worker_table *workers;
	struct beat *beat;
	struct known *known;
	struct others *others;
	struct repair *repair;
	struct token_table *tokens;
	struct audit *audit;
	struct channels *channels;
	struct moved *moved; /* of queues that were here, or come or go */
};

/* fleet.c */
struct fleet {
	struct store **all; /* by index */
	size_t count;
	struct store *usual; /* of queues that have no place of their own */
	struct home **homes;
	size_t home_buckets;
	struct list
	    moves; /* struct move: of this schedd, the ended ones, too */
	struct relay_note *relays; /* relay_note.h */
	size_t open;               /* those that are not closed yet */
	void (*close_cb)(void *arg);
	void *close_arg;
};
/* The backend of that name, or NULL. */
struct store *fleet_find(const struct fleet *f, struct span backend);
/* The backend that the queue lives on. */
struct store *fleet_home(const struct fleet *f, struct span queue);
static inline struct store *
store_of(struct store *s, struct span queue)
{
	return s->fleet->count == 1 ? s : fleet_home(s->fleet, queue);
}
/* Does each backend say which queues it has, or could not be reached? Before,
 * a queue that seems new may be elsewhere. */
bool fleet_is_settled(const struct fleet *f);
/* Finds the queues' places anew: other names are known, or settings. */
void fleet_place(struct fleet *f);

/* store.c */
/* One backend of those of the settings; those of main come first. */
struct store *backend_new(
    struct fleet *f, struct loop *loop, const struct conf *conf, size_t index);
enum err backend_open(struct store *s, struct buf *why) MUST_CHECK;
void backend_close(struct store *s, void (*cb)(void *arg), void *arg);
void backend_free(struct store *s);

/* batch.c */
/* Begins with the key prefix and the clock offset, as every queue script
 * does. */
struct call *call_new(struct queue *q);
/* The gathered call of work.lua, begun where there is none. */
struct call *call_work(struct queue *q);
void call_work_send(struct queue *q);
/* What work.lua and report_rows.lua take of the queue's policy. */
void call_add_policy(struct call *c);
/* channel.c: where the rows of ended tasks go, for history.lua; "" = nowhere */
const char *channels_history(const struct store *s);
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

/* filter.c */
/* How many tasks one script call may look at. */
unsigned filter_window(const struct store_filter *f);
/* Appends a filter as filter.lua has it; gives how many arguments that are. */
unsigned filter_add(struct buf *args, const struct store_filter *f);

/* wait.c */
void wait_init(struct store *s);
void wait_clear(struct store *s);
/* Adds the takes to ask for to the queue's work calls. */
void wait_flush(struct queue *q);
/* Serves the call's takes with the rest of work.lua's reply. */
void takes_on_reply(struct call *c, enum err err, struct reply *in);
void wait_abort(struct store *s, enum err err);
/* Takes of a queue that lives elsewhere by now go there. */
void wait_rehome(struct queue *q);
void wait_wake_all_queues(struct store *s);

/* beat.c */
void beat_init(struct store *s);
/* Adds the name of a key that belongs to no queue. */
void store_add_key(const struct store *s, struct buf *args, const char *name);
/* Soon, and once a second from then on. */
void beat_now(struct store *s);
void beat_free(struct store *s);
/* redis_conn_events.on_identity; arg is the store. */
enum err beat_identity(
    const struct redisReply *reply, char *why, size_t why_size, void *arg);
/* This schedd's id, until it ends; the store's generation, "" until the first
 * sign of life. */
const char *beat_id(const struct store *s);
const char *beat_generation(const struct store *s);
/* Are other schedd alive on this Redis? */
bool beat_has_others(const struct store *s);
/* Begins the arguments of a script that is of no queue. */
void store_key(struct store *s, struct buf *args);

/* audit.c */
enum { AUDIT_HASH_LEN = 64 };
/* Where the chain ends, as far as we know. */
struct audit_tip {
	uint64_t seq;
	char hash[AUDIT_HASH_LEN + 1];
	unsigned cuts; /* that were noticed until then */
};
/* So many changes are about to be made, by all schedd: takes over those whose
 * schedd is no more. */
void audit_adopt(struct store *s, uint64_t open);
const struct audit_tip *audit_tip(const struct store *s);
/* Two fields of a reply: number and hash. False, and the reply not bad, when
 * they are neither. */
bool audit_read_tip(struct reply *c, struct audit_tip *tip);
/* What a request showed that was sent when known was audit_tip. */
void audit_saw_tip(struct store *s, const struct audit_tip *known,
    const struct audit_tip *found);
void audit_init(struct store *s);
/* Nobody waits any longer for an entry to be written. */
void audit_abort(struct store *s);
void audit_free(struct store *s);

/* token.c */
void tokens_init(struct store *s);
/* The connection is there: reads them; cb as in queues_load. */
void tokens_load(struct store *s, void (*cb)(enum err err, struct store *s));
/* Writes out what is to be kept; looks no more. */
void tokens_close(struct store *s);
void tokens_free(struct store *s);

/* repair.c */
void repair_init(struct store *s);
void repair_free(struct store *s);
/* Has the task check something to do in it now? */
bool repair_is_due(struct queue *q);
/* One window; cb gets how many tasks were mended. */
void repair_slice(struct queue *q, store_count_cb *cb, void *arg);
/* Once a second: which queue is walked by the way next. */
void repair_turn(struct store *s);
/* The queue will be no more. */
void repair_leave(struct queue *q);

/* others.c */
void others_init(struct store *s);
void others_free(struct store *s);
/* Others may have come or gone, or the connection. */
void others_look(struct store *s);
/* n tasks came into todo: takes that wait elsewhere may want them. */
void others_tell(struct queue *q, size_t n);
/* The same, and queue_wake for those that wait here. */
void others_wake(struct queue *q, size_t n);

#endif
