#ifndef SCHEDD_HTTP_REQ_PRIV_H
#define SCHEDD_HTTP_REQ_PRIV_H

/*
 * The inside of a request, for the engine: conn.c makes it when a head is
 * whole, req.c routes and runs it, answer.c ends it. Requests are kept for
 * reuse with their arena and buffers, so that a busy server allocates none.
 */

#include "core/list.h"
#include "http/parser.h"
#include "http/query.h"
#include "http/req.h"
#include "http/route.h"

struct auth_caller;
struct conn;

enum req_state {
	REQ_READING, /* its head or body is still arriving */
	REQ_RUNNING, /* a handler has it */
	REQ_ANSWERED /* head and out hold the answer, waiting for its turn */
};

enum { REQ_HEADERS_MAX = 8, REQ_DETAIL_MAX = 1024 };

struct req {
	struct list link; /* on its connection, oldest first; or spare */
	struct server *server;
	struct conn *conn;
	struct arena *arena;
	size_t arena_max;
	struct buf body, out, head;
	uint64_t held; /* of them, in the server's budget */

	enum req_state state;
	unsigned method;  /* one METHOD_ bit; 0 while unknown */
	struct span path; /* in the arena; "" while unknown */
	struct route_match match;
	struct query query;
	const struct auth_caller *caller;
	uint64_t body_max;
	char id[PARSER_REQUEST_ID_MAX + 1];
	bool is_http10;
	bool is_lines;     /* its body is NDJSON */
	bool keep_alive;   /* the client wants it */
	bool closes;       /* this answer is the connection's last */
	bool continue_due; /* 100 Continue is still to be written */
	bool gone;
	bool is_settled; /* what it asked for is made: it is answered, also when
			    that was to end its own token */

	bool is_waited; /* for what others were to bring */

	char intent[96]; /* of the change that is being made; "" = none */
	const char *type;
	struct {
		const char *name, *value;
	} headers[REQ_HEADERS_MAX];
	size_t header_count;
	req_gone_fn *gone_fn, *lost_fn;
	void *gone_arg, *lost_arg;
	int64_t began_us;
	char detail[QUERY_DETAIL_MAX]; /* why req_open refused */
};

/* A fresh one, at the end of the connection's list. */
struct req *req_new(struct server *s, struct conn *c);
/* Takes it off its list; back to the spare ones. */
void req_release(struct req *req);
/* Frees for good (server_free). */
void req_free(struct req *req);

/*
 * Takes over a head: route, caller, query, length. ERR_OK: a body of at most
 * req->body_max is to be read, then req_run. Otherwise the request is to be
 * failed with that error and req->detail.
 */
enum err req_open(struct req *req, const struct parser_head *head) MUST_CHECK;
/* Some of the body. False: all requests together hold too much. */
bool req_add_body(struct req *req, struct span piece) MUST_CHECK;
/* The request is whole: hands it to its handler. */
void req_run(struct req *req);
/* The client left: before the answer, or with the answer unwritten. */
void req_set_gone(struct req *req);
void req_set_lost(struct req *req);

/* Fails a request that no handler saw. why may be empty. */
void req_refuse(struct req *req, enum err err, const char *why);

#endif
