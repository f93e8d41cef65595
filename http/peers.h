#ifndef SCHEDD_HTTP_PEERS_H
#define SCHEDD_HTTP_PEERS_H

/*
 * How many connections each address has open, and how many lines of the log
 * it may cause. An address is one of IPv4, a
 * /64 of IPv6 (one subscriber's), or a user behind a unix socket. Only those
 * with a connection are kept.
 */

#include <stdbool.h>
#include <stddef.h>

#include "core/log.h"

struct peer;
struct peers;

struct peers *peers_new(void);
/* None may have a connection. NULL is fine. */
void peers_free(struct peers *ps);

/* addr as listen.h gives it: "127.0.0.1:5050", "unix:uid=0". */
size_t peers_count(struct peers *ps, const char *addr);
/* One connection more; its end is peer_leave. */
struct peer *peers_join(struct peers *ps, const char *addr);
void peer_leave(struct peer *p);

/* Is a line of that event written, and of that address one more? */
bool peer_may_log(enum log_level level, const char *event, const char *addr);

#endif
