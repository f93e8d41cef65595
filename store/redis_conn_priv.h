#ifndef SCHEDD_STORE_REDIS_CONN_PRIV_H
#define SCHEDD_STORE_REDIS_CONN_PRIV_H

/*
 * What the parts of a connection share: redis_conn.c (states), redis_op.c
 * (commands: queue, out, sent, held, done), redis_hello.c (the first exchange
 * on a new socket), redis_check.c (is this Redis as safe as is asked for),
 * redis_fresh.c (has it gone on being the master), redis_refusal.c (error
 * replies).
 */

#include "core/list.h"
#include "core/loop.h"
#include "store/redis_addr.h"
#include "store/redis_conn.h"
#include "store/redis_link.h"
#include "store/redis_sentinel.h"
#include "store/script.h"

enum conn_state {
	CONN_DOWN,       /* waits to try again */
	CONN_CONNECTING, /* a name is looked up, or a socket connects */
	CONN_LOADING,    /* hello is under way; also while Redis is loading */
	CONN_READY,      /* commands go out */
	CONN_CLOSED      /* for good */
};

enum { SPARE_BUFS = 32, SPARE_BYTES = 4 * 1024 * 1024 /* of all */ };
enum { SHA_LEN = 40, OP_HEAD_MAX = 128, CONN_REASON_MAX = 512 };

/* One command, from the call to its completion. On exactly one of the lists
 * looks, queue, out, sent, held, done, or among unused. Those without a cb are
 * our own, a mark and its WAIT, or were given up before their answer came. */
struct conn_op {
	struct list link;
	struct conn_op *next_unused;
	struct list age; /* on conn.by_age while queued or sent, unless it was
			    given up */
	redis_reply_cb *cb;
	void *arg;
	struct buf args;
	struct buf eval; /* instead of head: EVAL with the script's text */
	size_t written;  /* bytes of head and args that went out */
	int64_t given_us, expires_us, sent_us;
	const struct script *script; /* NULL: a plain command */
	unsigned argc, numkeys;
	enum redis_kind kind;
	bool needs_wait; /* a WAIT follows that it must be confirmed by */
	bool is_wait, is_role;
	bool is_looking; /* one of those that conn.looking counts */
	enum err err;    /* on done */
	const struct redisReply *reply; /* on held */
	size_t head_len;                /* 0: made when it is sent */
	char head[OP_HEAD_MAX];
};

/* The answers that hello still waits for, in order. */
enum hello_step {
	HELLO_AUTH,
	HELLO_SELECT,
	HELLO_NAME,
	HELLO_INFO,
	HELLO_CONFIG,
	HELLO_MARK,
	HELLO_WAIT,
	HELLO_ROLE,
	HELLO_PING,   /* while Redis is loading */
	HELLO_STORE,  /* its generation and sequence */
	HELLO_SCRIPT, /* and those above it: HELLO_SCRIPT + script_id */
	HELLO_STEP_MAX = HELLO_SCRIPT + SCRIPT_COUNT
};

struct hello {
	struct buf out;
	size_t written;
	unsigned char steps[HELLO_STEP_MAX];
	unsigned count, next;
	int64_t begun_us;
	bool wait;      /* Redis is loading or busy: ask again soon */
	bool told_wait; /* and that was logged */
	struct timer again;
};

/* What is known about the safety of this Redis, and what follows of it. */
struct check {
	enum confirm level;             /* never CONFIRM_AUTO */
	char settings[CONN_REASON_MAX]; /* what is wrong with them; "" */
	int64_t priority; /* replica-priority of this one; -1: not told */
	bool was_off;     /* appendonly; its log is not known to be whole yet */
	bool has_log;     /* INFO said since that it is */
	bool is_replica;
	bool is_short; /* too few replicas confirmed the last WAIT */
	int64_t short_since_us;
	bool is_degraded;           /* so it goes on without them, as it may */
	char weak[CONN_REASON_MAX]; /* why changes are refused; "" */
	enum err weak_err;
	bool warned;     /* redis.settings was logged */
	bool is_probing; /* a WAIT of our own is under way */
	struct timer again, probe;
	unsigned confirms_slot, degraded_slot;
};

/* Behind Sentinel: whom we believe in, and since when it must have worked. */
struct fresh {
	char url[300]; /* "": nobody yet */
	uint64_t epoch;
	int64_t limit_us; /* of a gap between answers; 0: there is none */
	int64_t awake_us; /* it answered what was sent then */
	int64_t named_us; /* since when the sentinels name it again; 0 */
	struct timer ping;
	uint64_t linked;           /* replicas that it has */
	uint64_t in_step;          /* of them, those that confirm changes */
	uint64_t asked, confirmed; /* by the WAIT under way */
	uint64_t left_linked;      /* what the sentinels are asked about */
	uint64_t left_in_step;
	const struct conn_op *last; /* held, of what they are asked about */
};

/* What a WAIT behind changes, and a ROLE behind that, have shown. */
enum fresh_wait {
	FRESH_ENOUGH,
	FRESH_SHORT, /* fewer than conf->confirm_replicas */
	FRESH_MORE,  /* replicas than were asked: a WAIT for all of them */
	FRESH_ASKING /* the sentinels, whether one left to be the master */
};

/* At most one log line a second; see log_pace_is_due. */
struct log_pace {
	int64_t next_us;
	unsigned held_back;
};

struct redis_conn {
	struct loop *loop;
	const struct conf_redis *conf;
	struct redis_conn_events events;
	const struct script *scripts;
	char *url_text, *password;
	struct redis_url url; /* both: of the master, once Sentinel told it */
	bool url_is_good;

	enum conn_state state;
	char reason[CONN_REASON_MAX]; /* "" when READY */
	struct redis_link *link;
	struct sentinel *sentinel; /* NULL: the url names one Redis */
	struct timer step;         /* DOWN: until the next attempt; CONNECTING,
				      LOADING, closing: how long this may
				      take */
	struct timer grace;        /* an outage that may go unnoticed */
	bool is_away;              /* it did not: commands are refused */
	unsigned attempts;         /* since a command was last answered */
	bool was_ready;            /* ever */
	bool told_lost;            /* redis.lost was logged for this outage */
	bool is_hopeless;          /* and redis.hopeless */
	bool met_stranger;         /* and redis.old_master */
	struct hello hello;
	struct check check;
	struct fresh fresh;
	char sha[SCRIPT_COUNT][SHA_LEN + 1]; /* of this Redis */

	struct buf spares[SPARE_BUFS]; /* memory of args, for the next ones */
	size_t spare_bytes;
	unsigned spare_count;
	struct list looks;  /* given, and wait until fewer are under way */
	size_t looking;     /* how many are */
	bool look_is_large; /* the last answer to one was */
	struct list queue;  /* given */
	struct list out;    /* being written; the first may be so partly */
	struct list sent;   /* written; replies come in this order */
	struct list held;   /* changes that were made, not yet confirmed */
	struct list done;   /* wait for their completion */
	bool is_waiting;    /* there is a WAIT on out or sent */
	bool lacks_wait;    /* a change on out has no WAIT behind it */
	struct conn_op *unused;
	size_t unused_count;
	struct list by_age; /* all of queue, out, sent and held, oldest first */
	int64_t heard_us;   /* when the last reply came */
	size_t pending, pending_bytes;
	struct timer deadline;
	struct post write_post, done_post;
	struct log_pace refused_pace, slow_pace;
	unsigned seconds_slot[SCRIPT_COUNT], calls_slot[SCRIPT_COUNT];

	bool is_closing; /* READY until nothing is pending, or CLOSED */
	void (*close_cb)(void *arg);
	void *close_arg;
};

/* redis_conn.c. The only ways up and down. */
void conn_ready(struct redis_conn *c);
void conn_lost(struct redis_conn *c, const char *reason);
/* As conn_lost, behind Sentinel: this is no longer the master. */
void conn_moved(struct redis_conn *c, const char *reason);
/* As conn_lost: this is not the Redis that was known. */
void conn_stranger(struct redis_conn *c, enum err err, const char *reason);
/* As conn_lost; a person is needed. */
void conn_hopeless(struct redis_conn *c, enum err err, const char *reason);
/* After close: the last command completed. */
void conn_closed(struct redis_conn *c);
/* The step under way must end within that time, or the connection is lost. */
void conn_step_within(struct redis_conn *c, uint64_t ms);

/* redis_hello.c */
void hello_init(struct redis_conn *c);
void hello_clear(struct redis_conn *c);
/* The socket is open: asks everything at once, ends in conn_ready, conn_lost
 * or conn_hopeless. */
void hello_start(struct redis_conn *c);
void hello_stop(struct redis_conn *c);
void hello_write(struct redis_conn *c);
void hello_on_reply(struct redis_conn *c, const struct redisReply *reply);

/* redis_check.c */
void check_init(struct redis_conn *c);
void check_clear(struct redis_conn *c);
/* READY: looks again from time to time, until check_stop. */
void check_start(struct redis_conn *c);
void check_stop(struct redis_conn *c);
/* Must changes be confirmed by replicas now? */
bool check_is_replicated(const struct redis_conn *c);
/* How long a WAIT behind changes may take. */
uint64_t check_wait_ms(const struct redis_conn *c);
/* The commands it asks with: arguments; check_add_config says how many. */
unsigned check_add_config(struct buf *args);
void check_add_mark(struct buf *args);
void check_add_wait(struct buf *args, uint64_t replicas, uint64_t ms);
/* Their answers. check_on_info: false when the connection is no more. */
bool check_on_info(struct redis_conn *c, const struct redisReply *reply);
void check_on_config(struct redis_conn *c, const struct redisReply *reply);
void check_on_wait(struct redis_conn *c, const struct redisReply *reply);
bool check_is_enough(
    const struct redis_conn *c, const struct redisReply *reply);
/* Hello has asked all. False: too weak to begin with, conn_hopeless. */
bool check_hello_done(struct redis_conn *c);
/* Something that it looks at may have changed: draws the conclusions. */
void check_again(struct redis_conn *c);
/* Do replicas confirm what is done here? */
bool check_is_confirmed(const struct redis_conn *c);
/* Too few replicas confirmed changes. */
void check_short(struct redis_conn *c);

/* redis_fresh.c */
void fresh_init(struct redis_conn *c);
void fresh_clear(struct redis_conn *c);
/* The longest time without an answer; 0: any. */
uint64_t fresh_limit_ms(const struct redis_conn *c);
/* Was it made the master later than the one we believe in? */
bool fresh_is_later(
    const struct redis_conn *c, const struct sentinel_master *m);
/* The sentinels name it: may we connect? */
bool fresh_admit(struct redis_conn *c, const struct sentinel_master *m);
/* The sentinels could not tell. */
void fresh_unsure(struct redis_conn *c);
/* How many replicas are to confirm changes now; a WAIT asks for them. */
uint64_t fresh_ask_replicas(struct redis_conn *c);
/* What INFO says of them. */
void fresh_on_info(struct redis_conn *c, const struct redisReply *reply);
void fresh_on_wait(struct redis_conn *c, const struct redisReply *reply);
enum fresh_wait fresh_on_role(
    struct redis_conn *c, const struct redisReply *reply);
/* READY, and the sentinels name this master. */
void fresh_on_told(struct redis_conn *c);
/* They do not; ends the connection where that was asked. */
void fresh_on_untold(struct redis_conn *c);
/* Nothing is held any more. */
void fresh_let_go(struct redis_conn *c);
/* Something that was sent then is answered. False: too late, the connection
 * is no more. */
bool fresh_on_reply(struct redis_conn *c, int64_t sent_us);
/* READY: something is asked often enough, until fresh_stop. */
void fresh_start(struct redis_conn *c);
void fresh_stop(struct redis_conn *c);

/* redis_op.c */
void ops_init(struct redis_conn *c);
void ops_clear(struct redis_conn *c);
/* Writes what is queued, as far as the socket takes it. */
void ops_write(struct redis_conn *c);
void ops_on_reply(struct redis_conn *c, const struct redisReply *reply);
/* What is held, up to that one, is as safe as was asked for. */
void ops_confirm_to(struct redis_conn *c, const struct conn_op *last);
/* The connection is gone: what was sent completes, what was not waits on. */
void ops_lost(struct redis_conn *c);
/* What was not sent completes with err. */
void ops_refuse_all(struct redis_conn *c, enum err err);
/* Of that, the changes. */
void ops_refuse_changes(struct redis_conn *c, enum err err);
/* Nothing will be sent any more: all complete. */
void ops_close(struct redis_conn *c);

/* redis_refusal.c */
bool refusal_is(const struct redisReply *reply, const char *word);
/* The error that stands for an error reply; logs redis.refused. */
enum err refusal_err(
    struct redis_conn *c, const char *what, const struct redisReply *reply);
/* May a line be written now? held_back: how many were not since the last. */
bool log_pace_is_due(struct log_pace *p, unsigned *held_back);
void outcome_count(enum err err);

#endif
