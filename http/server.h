#ifndef SCHEDD_HTTP_SERVER_H
#define SCHEDD_HTTP_SERVER_H

/*
 * The HTTP server: listeners, the set of connections, the caps, the drain.
 * Handlers get at the store and the settings through their request.
 */

#include <stdbool.h>

#include "core/buf.h"
#include "core/conf.h"
#include "core/err.h"
#include "http/recent.h"

struct loop;
struct server;
struct store;

/* Binds every address of http.listen and logs "http.listening addr=..." for
 * each (port 0: the one that was picked). Fails with LISTEN_FAILED and a line
 * for people in why. Keeps loop, conf and store. */
enum err server_open(struct server **out, struct loop *loop,
    const struct conf *conf, struct store *store, struct buf *why) MUST_CHECK;

/* Stops accepting and answers no further request on open connections (503
 * SHUTTING_DOWN, Connection: close); idle ones are closed. on_done runs from
 * the loop when the last request has ended and its answer was written, or
 * at the deadline. The caller ends waiting takes (store_take_wake_all). */
void server_drain(struct server *s, uint64_t deadline_ms,
    void (*on_done)(void *arg), void *arg);
bool server_is_draining(const struct server *s);

/* Does the process hold more than limits.max_memory? */
bool server_is_over_memory(const struct server *s);
/* A reload: reads anew what the next settings name (TLS_FILES, why). Then,
 * with the other parts asked, server_reloaded says whether it is taken. */
enum err server_prepare(
    struct server *s, const struct conf *next, struct buf *why) MUST_CHECK;
void server_reloaded(struct server *s, bool is_taken);

/* Does it listen beyond this machine? */
bool server_is_public(const struct server *s);
/* The tokens changed: what is under way for one that ended is ended. */
void server_on_tokens(struct server *s);

/* Closes what is left and frees. No request may be under way in the store. */
void server_free(struct server *s);

/* What was answered in the last minute; ended gets how many requests ended so
 * since the start. Borrowed until the loop runs again. */
const struct recent *server_recent(
    struct server *s, uint64_t ended[RECENT_CLASS_COUNT]);

/* Open connections now. */
size_t server_connections(const struct server *s);

#endif
