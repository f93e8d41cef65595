#ifndef SCHEDD_HTTP_CONN_H
#define SCHEDD_HTTP_CONN_H

/*
 * One client. Bytes come in by a bufferevent and go through the parser;
 * requests are answered in the order they came; what a loop turn answered
 * goes out at its end in one write. Each connection is on one list of the
 * server's by what it waits for, and one timer sweeps these lists.
 *
 * Reading stays on while requests wait (up to a watermark), so that a client
 * that leaves, also by closing its half, is noticed at once. Then the socket
 * is closed; what is left of the connection ends with its last request.
 */

#include <stdbool.h>

#include "core/err.h"
#include "http/server_priv.h"

struct conn;
struct req;

enum { CONN_PEER_MAX = 64 };

/* Takes the socket. peer is copied; flags: LISTEN_ bits. */
void conn_open(struct server *s, int fd, const char *peer, unsigned flags);
/* One beyond the caps: answers what the server says of itself to everybody,
 * and all else with the error; then closes. */
void conn_open_extra(
    struct server *s, int fd, const char *peer, unsigned flags, enum err err);
/* Closes at once, telling requests that are under way. */
void conn_close(struct conn *c, enum close_reason reason);

const char *conn_peer(const struct conn *c);
unsigned conn_flags(const struct conn *c);
/* What all but such questions are answered with; ERR_OK within the caps. */
enum err conn_refusal(const struct conn *c);
/* Is this request's answer to be the last, with Connection: close? */
bool conn_closes_after(struct conn *c, const struct req *req);
/* The request's answer is built; called last in req_reply. */
void conn_on_answered(struct conn *c, struct req *req);

/* For the server: the end of a turn, the coarse timer, the drain, the end. */
void conns_flush(struct server *s);
/* False when it closed many and more are due. */
bool conns_sweep(struct server *s);
void conns_close_idle(struct server *s);
/* Closes those on reserved descriptors that nothing is under way for. */
void conns_end_surplus(struct server *s);
void conns_free(struct server *s);
/* Closes those with a request under way whose token is no longer good. */
void conns_close_revoked(struct server *s);

#endif
