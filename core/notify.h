#ifndef SCHEDD_CORE_NOTIFY_H
#define SCHEDD_CORE_NOTIFY_H

/*
 * What the service manager (systemd, Type=notify) is told: the datagrams of
 * sd_notify(3) to the socket that NOTIFY_SOCKET names. Without that variable
 * nothing is sent and no timer runs. Nothing here waits: what the manager
 * does not take now is offered again within a second.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"

struct loop;
struct notify;

/* Asked once a second what goes on, in a few words; what changed is told. */
typedef void notify_status_fn(struct buf *out, void *arg);

/* Takes the manager's variables out of the environment: no child may speak
 * in our name. Never NULL. */
struct notify *notify_open(
    struct loop *loop, notify_status_fn *status, void *arg);
void notify_free(struct notify *n);

/* Started; until then the manager is asked, once a second, to wait on. With
 * WATCHDOG_USEC it hears from here on, twice in that time, that the loop
 * turns. */
void notify_ready(struct notify *n);
/* The settings are being read anew, and were, or were refused. */
void notify_reloading(struct notify *n);
void notify_reloaded(struct notify *n);
/* The end began, and may take so long. */
void notify_stopping(struct notify *n, uint64_t within_ms);

#endif
