#ifndef SCHEDD_STORE_REDIS_ADDR_H
#define SCHEDD_STORE_REDIS_ADDR_H

/*
 * Where a Redis is: reads "unix:/path" and "tcp://host:port" and turns host
 * names into addresses with evdns, never with a blocking getaddrinfo.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/mem.h"

struct loop;
struct resolve;

enum { REDIS_ADDR_MAX = 8 };

struct redis_addr {
	struct sockaddr_storage addr;
	socklen_t len;
};

struct redis_url {
	char host[256]; /* a name that must be resolved; "" = addr is set */
	uint16_t port;
	struct redis_addr addr;
};

/* False with a line for people in why. */
bool redis_url_parse(struct redis_url *out, const char *url, char *why,
    size_t why_size) MUST_CHECK;

/*
 * cb comes once, from the loop, after the call has returned, with up to
 * REDIS_ADDR_MAX addresses, or with none and a reason. resolve_cancel ends
 * the wait: no cb then. The handle is gone after either.
 */
typedef void resolve_cb(const struct redis_addr *addrs, size_t count,
    const char *reason, void *arg);
struct resolve *resolve_start(
    struct loop *loop, const struct redis_url *url, resolve_cb *cb, void *arg);
void resolve_cancel(struct resolve *r);

#endif
