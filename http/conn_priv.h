#ifndef SCHEDD_HTTP_CONN_PRIV_H
#define SCHEDD_HTTP_CONN_PRIV_H

/*
 * The inside of a connection: conn.c reads, conn_write.c writes, conn_tls.c
 * shakes hands, conn_sweep.c keeps the deadlines, conn_extra.c has those
 * beyond the caps.
 */

#include "http/conn.h"
#include "http/parser.h"
#include "http/req_priv.h"

struct bufferevent;
struct evbuffer;

enum { CONN_IN_FLIGHT_MAX = 16 /* requests of one client */ };

struct conn {
	struct list link; /* on the list of its class, or orphans */
	struct list flush_link;
	struct list writer_link;
	struct list extra_link; /* beyond the caps */
	struct server *server;
	struct peer *from;       /* NULL beyond the caps */
	struct bufferevent *bev; /* NULL once closed */
	struct parser parser;
	struct list reqs; /* oldest first, until their answer is written */
	size_t req_count;
	size_t answer_bytes; /* of those that wait for their turn */
	struct req *reading; /* the last of reqs while its body arrives */
	enum conn_class class;
	int64_t class_at_us; /* since when */
	size_t output_left;  /* when the sweep looked last */
	int64_t progress_us; /* when it had shrunk last */
	int64_t piece_at_us; /* when some of the body came last */
	uint64_t discarded;
	int64_t linger_at_us;     /* since when it lingers */
	enum close_reason reason; /* of the end that is under way */
	bool is_shaking;          /* hands, over TLS */
	bool is_plain;            /* what is on the socket is what we say */
	bool is_closing;          /* reads no further request */
	bool lingers;             /* so that the client sees the last answer */
	bool skips_body;          /* of a request that was refused */
	bool is_fresh;            /* what it waits for began anew */
	bool is_leaving;          /* inside conn_close */
	enum err refusal;         /* of one beyond the caps, else ERR_OK */
	unsigned flags;           /* LISTEN_ bits */
	char peer[CONN_PEER_MAX];
};

struct evbuffer *conn_input(struct conn *c);
struct evbuffer *conn_output(struct conn *c);
bool conn_has_input(struct conn *c);
bool conn_has_output(struct conn *c);
/* NULL (and the socket closed) when memory is short. */
struct conn *conn_new(
    struct server *s, int fd, const char *peer, unsigned flags);
/* The oldest request; there is one. */
struct req *conn_first(struct conn *c);
/* No body is being read. */
bool conn_is_in_head(const struct conn *c);

/* No further request is read; what is under way is answered. lingers: then
 * waits for the client to close, so that it sees the answer. */
void conn_stop_reading(struct conn *c, enum close_reason reason, bool lingers);
/* Answers, behind all others, something that is no whole request. */
void conn_refuse(struct conn *c, enum err err, const char *why);
/* Ends one whose answer is on its way. */
void conn_release_req(struct conn *c, struct req *req);
/* Reads on where it may; ends the connection where that is due; else puts it
 * on the list of what it waits for. The last thing done with c in a turn. */
void conn_go_on(struct conn *c);
/* The same without reading. */
void conn_settle(struct conn *c);
void conn_free(struct conn *c);

/* One beyond the caps that asked nothing in time. */
void conn_extra_late(struct conn *c);

/* The transport of a new connection; NULL when memory is short. */
struct bufferevent *conn_make_bev(struct server *s, int fd, unsigned flags);
void conn_on_shaken(struct conn *c);
/* Closes it. */
void conn_on_shake_failed(struct conn *c);

/* bufferevent callback: all output was written. */
void conn_on_written(struct bufferevent *bev, void *arg);
/* Hands it over to conns_flush at the end of the turn. */
void conn_want_flush(struct conn *c);

#endif
