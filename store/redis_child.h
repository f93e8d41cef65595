#ifndef SCHEDD_STORE_REDIS_CHILD_H
#define SCHEDD_STORE_REDIS_CHILD_H

/*
 * The private redis-server: started when no url is set, on a unix socket in
 * the state folder, no TCP port, append-only file with fsync always. It dies
 * with schedd, is restarted (with backoff) when it dies, and keeps its data.
 */

#include "core/buf.h"
#include "core/err.h"

struct loop;
struct redis_child;

/*
 * Makes state_dir (0700) and state_dir/redis, locks state_dir/schedd.lock,
 * and starts redis-server. Fails with STATE_DIR, STATE_LOCKED or
 * REDIS_SERVER (no such program) and a line for people in why.
 * on_failed: it died too often (5 times in a minute); reason for people. With
 * NULL it is tried again, once a minute.
 */
enum err redis_child_start(struct redis_child **out, struct loop *loop,
    const char *state_dir, void (*on_failed)(const char *reason, void *arg),
    void *arg, struct buf *why) MUST_CHECK;

/* "unix:/path" and the password it was given. Borrowed. */
const char *redis_child_url(const struct redis_child *c);
const char *redis_child_password(const struct redis_child *c);
int redis_child_pid(const struct redis_child *c);

/* SIGTERM, after 5 s SIGKILL; cb from the loop when it is gone. */
void redis_child_stop(struct redis_child *c, void (*cb)(void *arg), void *arg);
/* Frees; a child that still runs is killed and reaped first. */
void redis_child_free(struct redis_child *c);

#endif
