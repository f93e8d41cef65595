#ifndef SCHEDD_BENCH_LOAD_H
#define SCHEDD_BENCH_LOAD_H

/*
 * What the driver's files share: one run (struct load), its connections, and
 * the protocol that they speak. One thread, one epoll, raw sockets, so that
 * the server is measured and not a client library.
 *
 * A protocol writes requests and consumes replies; when each reply that a
 * connection expects has come, on_settled gives it its next request. A reply
 * that is not what was asked for ends the program: a server that refuses is
 * not a fast one.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "bench/usage.h"
#include "core/buf.h"

struct load;

enum { LOAD_HANDLE_MAX = 56 };

/* What the protocol needs to report a task that was taken. */
struct handle {
	uint32_t len;
	char text[LOAD_HANDLE_MAX];
};

enum request {
	REQUEST_NONE, /* nothing is under way */
	REQUEST_PUSH,
	REQUEST_TAKE,
	REQUEST_WAIT,   /* a take that waits for work */
	REQUEST_FINISH, /* a report of finished tasks */
	REQUEST_TURN,   /* a report and a take in one */
	REQUEST_OTHER
};

struct conn {
	struct load *load;
	int fd;
	uint32_t index;
	bool works;       /* a worker, not a producer */
	bool wants_write; /* epoll watches for room */
	enum request request;
	uint32_t expect;   /* replies awaited */
	uint32_t asked;    /* tasks in the request under way */
	uint32_t reported; /* tasks that it reports finished */
	uint32_t got;      /* tasks that its answers brought so far */
	uint64_t sent_ns;
	struct buf in, out;
	size_t in_at, out_at; /* consumed, written */
	struct handle *held;
	uint32_t held_count, held_cap;
};

enum reply {
	REPLY_PART, /* not all of it is there yet */
	REPLY_ONE,  /* consumed one that was expected */
	REPLY_NOTE  /* consumed something that nobody counted on */
};

struct proto {
	const char *name;
	/* What a new connection says first; or NULL. */
	void (*hello)(struct conn *c);
	void (*push)(struct conn *c, uint32_t first, uint32_t n);
	/* Up to n tasks, of those that are there. */
	void (*take)(struct conn *c, uint32_t n);
	/* Reports all that is held and waits for one task; NULL: it cannot. */
	void (*wait)(struct conn *c);
	/* Reports the last n held as finished. */
	void (*finish)(struct conn *c, uint32_t n);
	/* finish(n) and take(m) in one round trip; NULL: it cannot. */
	void (*turn)(struct conn *c, uint32_t n, uint32_t m);
	/* Any answer, for a connection that idles after it; or NULL. */
	void (*ping)(struct conn *c);
	/* Consumes one reply from c->in. */
	enum reply (*reply)(struct conn *c);
};

extern const struct proto proto_beanstalkd, proto_beanstalkd_pipelined,
    proto_flask, proto_gearmand, proto_redis, proto_schedd;

struct load {
	const struct proto *proto;
	struct sockaddr_storage address;
	socklen_t address_len;
	uint32_t producers, workers;
	uint32_t count, batch, rate, first;
	uint64_t limit_ns;   /* how long one mode may take */
	char scripts[2][41]; /* hashes of push, work */
	struct usage usage;

	int epoll;
	int tick_fd; /* of the mode that needs a clock, else -1 */
	struct conn *conns;
	uint32_t conn_count;
	struct buf body; /* scratch of the protocols */

	/* The mode that runs. */
	void *mode;
	void (*on_settled)(struct conn *c);
	void (*on_task)(struct conn *c, uint32_t number); /* or NULL */
	void (*on_tick)(struct load *l);
};

/* Prints why and ends the program. */
_Noreturn void load_die(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));
/* One line of the result: name and value. */
void load_print(const char *mode, const char *name, double value);

/* Opens this many connections; each says hello. */
void conn_open_all(struct load *l, uint32_t count);
void conn_close_all(struct load *l);
/* Writes what the protocol has put into out. */
void conn_send(struct conn *c);
/* Notes which request goes out now, and sends it. */
void conn_request(struct conn *c, enum request request, uint32_t asked);
/* A reply brought this task; digits are those of its id or payload. */
void conn_hold(
    struct conn *c, const char *handle, size_t len, const char *digits);
/* The handle of the task that was held last, which it is no longer. */
const struct handle *conn_drop(struct conn *c);
/* Waits for what happens next, up to a second, and handles it. */
void conn_turn(struct load *l);

/* What is unread of a connection, and that this much of it was consumed. */
static inline const char *
conn_unread(const struct conn *c, size_t *len)
{
	*len = c->in.len - c->in_at;
	return c->in.data + c->in_at;
}

#endif
