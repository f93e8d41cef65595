#ifndef SCHEDD_STORE_REDIS_LINK_H
#define SCHEDD_STORE_REDIS_LINK_H

/*
 * One socket to one Redis: connecting, writing bytes, and reading replies
 * with hiredis's reader. It knows neither commands nor deadlines.
 *
 * hiredis's own async context is not used: it aborts the process when a
 * reply arrives that no command asked for, copies every command, and does
 * not tell what was written when the connection is lost.
 */

#include <stdbool.h>
#include <stddef.h>

#include "store/redis_addr.h"

struct iovec;
struct redisReply;
struct redis_link;

/* All come from the loop, never from within a call. A link may be closed in
 * each of them. */
struct redis_link_events {
	void (*on_open)(void *arg);
	/* There is room again after a short redis_link_write. */
	void (*on_writable)(void *arg);
	/* reply is borrowed until it returns; see redis_link_keep. */
	void (*on_reply)(const struct redisReply *reply, void *arg);
	/* Once; the owner closes the link. */
	void (*on_broken)(const char *reason, void *arg);
	void *arg;
};

/* Begins to connect: looks the name up, if it is one, and tries each of its
 * addresses. */
struct redis_link *redis_link_open(struct loop *loop,
    const struct redis_url *url, const struct redis_link_events *events);
/* The address that it has connected to. */
const struct redis_addr *redis_link_addr(const struct redis_link *l);
/* No event comes after it. */
void redis_link_close(struct redis_link *l);

/* Within on_reply. While on, this and all later replies stay valid; off lets
 * go of them when on_reply returns, as the end of the link does. */
void redis_link_keep(struct redis_link *l, bool on);

/* How many bytes the system took; fewer than given: on_writable or on_broken
 * follows. */
size_t redis_link_write(
    struct redis_link *l, const struct iovec *iov, size_t count);

#endif
