#ifndef SCHEDD_STORE_REDIS_CONN_PRIV_H
#define SCHEDD_STORE_REDIS_CONN_PRIV_H

/*
 * What the parts of a connection share: redis_conn.c (states), redis_op.c
 * (commands: queue, sent, done), redis_hello.c (the first exchange on a new
 * socket), redis_refusal.c (error replies).
 */

#include "core/list.h"
#include "core/loop.h"
#include "store/redis_addr.h"
#include "store/redis_conn.h"
#include "store/redis_link.h"
#include "store/script.h"

enum conn_state {
	CONN_DOWN,       /* waits to try again */
	CONN_CONNECTING, /* a name is looked up, or a socket connects */
	CONN_LOADING,    /* hello is under way; also while Redis is loading */
	CONN_READY,      /* commands go out */
	CONN_CLOSED      /* for good */
};

enum { SPARE_BUFS = 32, SPARE_BYTES = 128 * 1024 };
enum { SHA_LEN = 40, OP_HEAD_MAX = 128, CONN_REASON_MAX = 256 };

/* One command, from the call to its completion. On exactly one of the lists
 * queue, sent, done, or among unused. */
struct conn_op {
	struct list link;
	struct conn_op *next_unused;
	struct list age; /* on conn.by_age while queued or sent */
	redis_reply_cb *cb;
	void *arg;
	struct buf args;
	struct buf eval; /* instead of head: EVAL with the script's text */
	size_t written;  /* bytes of head and args that went out */
	int64_t expires_us, sent_us;
	const struct script *script; /* NULL: a plain command */
	unsigned argc, numkeys;
	enum redis_kind kind;
	enum err err;    /* on done */
	size_t head_len; /* 0: made when it is sent */
	char head[OP_HEAD_MAX];
};

/* The answers that hello still waits for, in order. */
enum hello_step {
	HELLO_AUTH,
	HELLO_SELECT,
	HELLO_NAME,
	HELLO_INFO,
	HELLO_CONFIG,
	HELLO_PING,   /* while Redis is loading */
	HELLO_SCRIPT, /* and those above it: HELLO_SCRIPT + script_id */
	HELLO_STEP_MAX = HELLO_SCRIPT + SCRIPT_COUNT
};

struct hello {
	struct buf out;
	size_t written;
	unsigned char steps[HELLO_STEP_MAX];
	unsigned count, next;
	bool wait;      /* Redis is loading or busy: ask again soon */
	bool told_wait; /* and that was logged */
	struct timer again;
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
	struct redis_url url;
	bool url_is_good;

	enum conn_state state;
	char reason[CONN_REASON_MAX]; /* "" when READY */
	struct resolve *resolve;
	struct redis_link *link;
	struct redis_addr addrs[REDIS_ADDR_MAX];
	size_t addr_count, addr_next;
	struct timer step; /* DOWN: until the next attempt; CONNECTING,
			      LOADING: how long this may take */
	unsigned attempts; /* since a command was last answered */
	bool was_ready;    /* ever */
	bool told_lost;    /* redis.lost was logged for this outage */
	bool is_hopeless;  /* and redis.hopeless */
	unsigned warned;   /* bits: redis.settings was logged */
	struct hello hello;
	char sha[SCRIPT_COUNT][SHA_LEN + 1]; /* of this Redis */

	struct buf spares[SPARE_BUFS]; /* memory of args, for the next ones */
	unsigned spare_count;
	struct list queue; /* not wholly written; only the first may be
			      partly */
	struct list sent;  /* written; replies come in this order */
	struct list done;  /* wait for their completion */
	struct conn_op *unused;
	size_t unused_count;
	struct list by_age; /* all of queue and sent, oldest first */
	size_t pending, pending_bytes;
	struct timer deadline;
	struct post write_post, done_post;
	struct log_pace refused_pace, slow_pace;
	unsigned seconds_slot[SCRIPT_COUNT], calls_slot[SCRIPT_COUNT];

	void (*close_cb)(void *arg);
	void *close_arg;
};

/* redis_conn.c. The only ways up and down. */
void conn_ready(struct redis_conn *c);
void conn_lost(struct redis_conn *c, const char *reason);
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

/* redis_op.c */
void ops_init(struct redis_conn *c);
void ops_clear(struct redis_conn *c);
/* Writes what is queued, as far as the socket takes it. */
void ops_write(struct redis_conn *c);
void ops_on_reply(struct redis_conn *c, const struct redisReply *reply);
/* The connection is gone: what was sent completes, what was not waits on. */
void ops_lost(struct redis_conn *c);
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
