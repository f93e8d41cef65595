#ifndef SCHEDD_HTTP_REQ_H
#define SCHEDD_HTTP_REQ_H

/*
 * One HTTP request, from the moment it was read whole until its answer. It
 * ends exactly once, in req_reply or in one of req_fail*: they write the
 * answer, log the access line, count, and free the request with its arena.
 * After either there is only the closing brace. A request that is still
 * waiting when its client leaves is marked gone; it must end all the same
 * (nothing is written then).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/conf.h"
#include "core/err.h"
#include "core/str.h"

struct auth_caller;
struct req;
struct route;
struct server;
struct store;

typedef void req_fn(struct req *req);
typedef void req_gone_fn(void *arg);

/* What the handler may use. All borrowed, valid until the request ends. */
struct store *req_store(struct req *req);
struct server *req_server(struct req *req);
const struct conf *req_conf(struct req *req);
struct arena *req_arena(struct req *req);
/* Zeroed; never NULL for sizes that we choose (the arena's cap is the body
 * cap plus 1 MiB); use arena_alloc for sizes that the client chose. */
void *req_alloc(struct req *req, size_t n);

struct span req_body(const struct req *req);
/* Was the body sent as lines of JSON (application/x-ndjson)? */
bool req_is_lines(const struct req *req);
/* Path parameter by name ("queue", "id"), already decoded and checked by the
 * router (names and ids are valid). Asserts that the route has it. The text
 * is followed by a NUL. */
struct span req_param(const struct req *req, const char *name);
/* Query parameter, decoded; false when absent. */
bool req_query(const struct req *req, const char *name, struct span *out);
/* The client's address as text: "127.0.0.1:5050", "unix:uid=0". */
const char *req_peer(const struct req *req);
/* Who it is from; see auth.h. */
const struct auth_caller *req_caller(const struct req *req);
const char *req_id(const struct req *req);
bool req_is_gone(const struct req *req);
/* It waited for what others were to bring: how long it took says nothing of
 * the server. */
void req_set_waited(struct req *req);

/* fn is called once if the client leaves before the answer (end of file,
 * reset, half-close); never after the request has ended. NULL takes it back. */
void req_on_gone(struct req *req, req_gone_fn *fn, void *arg);
/* fn is called once if the request has ended, but its client left before any
 * of the answer was written: it stood behind another's. The arena is still
 * there. */
void req_on_lost(struct req *req, req_gone_fn *fn, void *arg);

/* How many bytes the answer may have, by what all requests hold in memory
 * together. A GET with more is answered MEMORY_FULL by req_reply; whoever has
 * changed something looks before. */
uint64_t req_room(const struct req *req);
/* The body of the answer, to be filled before req_reply. JSON unless
 * req_set_type says otherwise. Its cap is 64 MiB. */
struct buf *req_out(struct req *req);
/* type: a literal. */
void req_set_type(struct req *req, const char *type);
/* A further answer header; name is a literal, value must be free of control
 * characters. Used for Retry-After, Allow. At most 8. */
void req_set_header(struct req *req, const char *name, const char *value);

/* Ends the request with what req_out holds. A buffer that failed (cap) makes
 * it the error NO_MEMORY instead. */
void req_reply(struct req *req, int status);

/* Ends the request with the error object: code, name, text and, when fmt is
 * not NULL, detail. 429 and 503 get Retry-After: 1 unless set before. */
void req_fail(struct req *req, enum err err);
void req_failf(struct req *req, enum err err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The error object alone, {"code":310,...}, as part of an answer. detail ""
 * leaves it out. */
void err_print_json(struct buf *out, enum err err, struct span detail);

#endif
