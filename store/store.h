#ifndef SCHEDD_STORE_STORE_H
#define SCHEDD_STORE_STORE_H

/*
 * Everything other folders may ask of the task store (Redis). The contract:
 *
 * 1. cb runs exactly once, from the loop, after the call has returned. Also
 *    when the input is refused, the store is full, or shutting down.
 * 2. Inputs are read during the call and never kept (exception: struct
 *    store_take). Results belong to the store and are valid until cb returns.
 * 3. After cb returns the store never touches arg again.
 * 4. Every operation has a deadline (redis.main.deadline).
 * 5. There is no cancel. A caller that lost interest ignores the result; a
 *    waiting take is told with store_take_leave.
 * 6. At most redis.main.max_pending operations; beyond it STORE_BUSY.
 * 7. Three outcomes: done (ERR_OK); not done, safe to retry (REDIS_DOWN,
 *    STORE_BUSY, STORE_FULL, STORE_READ_ONLY, STORE_WEAK, SHUTTING_DOWN);
 *    unknown (STORE_UNKNOWN: sent, then the connection or the deadline was
 *    lost; STORE_UNCONFIRMED: made, but on too few replicas). A change is
 *    done when it is as safe as redis.main.confirm asks for.
 *    102-107, 111 and 113 are refusals by Redis that a person must look at.
 * 8. Queue, worker and task names given to it are valid (core/str.h).
 *
 * Times are ms since 1970 on Redis's clock (plus debug.clock_offset).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/conf.h"
#include "core/err.h"
#include "core/list.h"
#include "store/store_access.h"
#include "store/store_backend.h"
#include "store/store_channel.h"
#include "store/store_relay.h"
#include "store/store_types.h"

struct loop;
struct queue;
struct store;

/* ---- life of the store ------------------------------------------------ */

/*
 * Starts the private redis-server where redis.main.url is empty, and begins
 * to connect. Fails at once (STATE_DIR, STATE_LOCKED, REDIS_SERVER, CONF_*)
 * with a line for people in why. Keeps loop and conf.
 */
enum err store_open(struct store **out, struct loop *loop,
    const struct conf *conf, struct buf *why) MUST_CHECK;

/* What only the store can say of settings: CONF_VALUE with a line in why. */
enum err store_check_conf(const struct conf *conf, struct buf *why) MUST_CHECK;

/* No schedd runs with these settings, and the next one is to accept whatever
 * Redis is there, also an empty one: told has a line about what was known.
 * STATE_DIR when that cannot be. */
enum err store_accept(const struct conf *conf, struct buf *told) MUST_CHECK;

/* The time on Redis's clock. */
int64_t store_redis_now(const struct store *s);

/* Called when the first connection is ready (ERR_OK) or is found to be
 * hopeless (REDIS_AUTH, REDIS_SETTINGS with a line in why), and whenever the
 * private redis-server cannot be kept alive (REDIS_SERVER): schedd exits
 * then. An unreachable server is not hopeless. */
typedef void store_ready_cb(enum err err, struct span why, void *arg);
void store_on_ready(struct store *s, store_ready_cb *cb, void *arg);

/* May pushes be accepted now? Else why says why not, for /readyz. */
bool store_is_ready(const struct store *s, const char **why);

/* What an acknowledged change is now: "memory", "disk" or "replicated". */
const char *store_durability(const struct store *s);
/* Is that less than what was set, as the settings allow? Of the queue's
 * backend; where queue is empty, of any. */
bool store_is_degraded(struct store *s, struct span queue);

/* Would Redis take a push now? Asks it: STORE_FULL when its memory is full,
 * and any other err of a push. count is 0. */
typedef void store_count_cb(enum err err, uint64_t count, void *arg);
void store_check_room(struct store *s, store_count_cb *cb, void *arg);

/* Commands that wait to be sent or for their answer. */
size_t store_pending(const struct store *s);

/* Completes what is pending with SHUTTING_DOWN, flushes worker sightings,
 * ends the private redis-server; cb when all of it is done. */
void store_close(struct store *s, void (*cb)(void *arg), void *arg);
void store_free(struct store *s);

/* Settings were reloaded (same struct conf). */
void store_reloaded(struct store *s);

/* ---- push ------------------------------------------------------------- */

/* n results in the order of the tasks; err other than ERR_OK: none. */
typedef void store_push_cb(
    enum err err, const struct store_pushed *results, size_t n, void *arg);
/* n is 1 to 1000. */
void store_push(struct store *s, struct span queue,
    const struct store_task *tasks, size_t n, store_push_cb *cb, void *arg);

/* ---- take ------------------------------------------------------------- */

struct store_take_result {
	enum err err; /* ERR_OK also for an empty answer */
	const struct store_taken *tasks;
	size_t n;
	int64_t lease_until;
	bool paused;
};

struct store_take;
typedef void store_take_cb(const struct store_take_result *r, void *arg);

/* Owned by the caller and kept by the store until cb was called. The spans
 * must stay valid as long. Zero it, fill the first part, call store_take. */
struct store_take {
	struct span queue, worker;
	struct span request_id; /* empty = none; 1-64 of a name's characters */
	uint32_t count;         /* 1-1000 */
	uint64_t lease_ms;      /* 0 = the queue's */
	uint64_t wait_ms;       /* 0 = do not wait */
	store_take_cb *cb;
	void *arg;
	/* private to the store */
	struct list link, wheel_link;
	struct queue *queue_ref;
	int64_t began_us;
	uint64_t expires_tick;
	uint64_t asked_seq;
	int where;
	bool left, waited;
};
/* TOO_MANY_WAITING when limits.max_waiting are waiting already. */
void store_take(struct store *s, struct store_take *t);
/* The client left. A waiting take gets nothing leased; if the script is under
 * way, what it brings is put back at the front without counting an attempt.
 * cb is called all the same (CLIENT_GONE), not within this call. */
void store_take_leave(struct store *s, struct store_take *t);
/* Tasks were taken for t (its cb is running or has run with them) but cannot
 * be delivered: puts them back without counting the attempt, unless the same
 * request_id was asked for again meanwhile. */
void store_untake(struct store *s, const struct store_take *t,
    const struct span *ids, size_t n);
/* Ends every waiting take with an empty answer (drain). */
void store_take_wake_all(struct store *s);
size_t store_waiting(const struct store *s);

/* ---- report, extend --------------------------------------------------- */

typedef void store_report_cb(
    enum err err, const struct store_reported *items, size_t n, void *arg);
/* n is 1 to 2000. */
void store_report(struct store *s, struct span queue, struct span worker,
    const struct store_report_item *items, size_t n, store_report_cb *cb,
    void *arg);

/* Items as of a report; lease_until of those that were extended. */
typedef void store_extend_cb(enum err err, const struct store_reported *items,
    size_t n, int64_t lease_until, void *arg);
void store_extend(struct store *s, struct span queue, struct span worker,
    const struct span *ids, size_t n, uint64_t lease_ms, store_extend_cb *cb,
    void *arg);

/* ---- one task, pages of tasks ----------------------------------------- */

typedef void store_task_cb(
    enum err err, const struct store_task_info *task, void *arg);
/* TASK_UNKNOWN or QUEUE_UNKNOWN when it is not there. */
void store_task_get(struct store *s, struct span queue, struct span id,
    store_task_cb *cb, void *arg);
/* Removes it in any state; *task says the state it was in (id and state
 * only). A held one is cancelled: its worker's report is TASK_CANCELLED. */
void store_task_remove(struct store *s, struct span queue, struct span id,
    store_task_cb *cb, void *arg);

typedef void store_page_cb(enum err err, const struct store_page *p, void *arg);
/* A page of one state, in its natural order (todo: as they will be taken).
 * after: empty, or what the last page gave (FIELD_RANGE when it is not).
 * limit 1-1000. A page may be short, even empty, and still have an after: the
 * work per call is bounded. */
void store_task_list(struct store *s, struct span queue,
    const struct store_filter *f, struct span after, uint32_t limit,
    store_page_cb *cb, void *arg);

/* ---- sets of tasks ---------------------------------------------------- */

/*
 * Purge removes; retry moves failed, dead or delayed ones to todo (a dead
 * one starts with attempt 1 again). Works in bounded slices, from the end of
 * the state to its front; ends after about 200 ms unless it is to go on to the
 * end. acted is never NULL: when a slice fails, it says what was done before.
 * A purge of doing cancels. Retry of another state: STATE_UNKNOWN. FIELD_RANGE:
 * after is from no earlier one on that state.
 */
typedef void store_act_cb(
    enum err err, const struct store_acted *acted, void *arg);
void store_act_on(struct store *s, struct span queue,
    const struct store_action *action, const struct store_filter *f,
    store_act_cb *cb, void *arg);

/* ---- queues ----------------------------------------------------------- */

typedef void store_queue_cb(
    enum err err, const struct store_queue_info *q, void *arg);
/* Fresh from Redis. QUEUE_UNKNOWN unless pushed to, patched or configured. */
void store_queue_get(
    struct store *s, struct span queue, store_queue_cb *cb, void *arg);

/* Makes the queue if it is new. The callback gets the queue as it is then. */
void store_queue_set(struct store *s, struct span queue,
    const struct store_policy_change *change, store_queue_cb *cb, void *arg);

/* Removes it with all its tasks and its policy. QUEUE_NOT_EMPTY, and nothing
 * changed, while it has live or dead tasks, unless force. One of the settings
 * goes on existing, empty. Takes that wait in it go on waiting. */
typedef void store_remove_cb(
    enum err err, const struct store_removed *removed, void *arg);
void store_queue_remove(struct store *s, struct span queue, bool force,
    store_remove_cb *cb, void *arg);

/* From memory, at most about a second old for queues in use: for lists,
 * /v1/stats and /metrics. Borrowed until the loop runs again. Sorted by
 * name. */
typedef void store_queue_each_fn(const struct store_queue_info *q, void *arg);
void store_queue_each(struct store *s, store_queue_each_fn *fn, void *arg);
/* False before the names of all were read for the first time, on backends that
 * can be reached; why says what is awaited. */
bool store_queues_are_known(const struct store *s, const char **why);
size_t store_queue_count(const struct store *s);

const struct store_counters *store_queue_counters(
    struct store *s, struct span queue);

/* ---- workers ---------------------------------------------------------- */

/* A worker was heard of (take, report, extend): kept in memory, written to
 * Redis once a second in one go. */
void store_worker_seen(struct store *s, const struct store_worker *worker);
/* It got tasks: it is listed though there are many. */
void store_worker_took(struct store *s, const struct store_worker *worker);
/* It sent a heartbeat. details: JSON object as it came, empty = unchanged.
 * cb: ERR_OK at once where it is known as one that does; else when Redis took
 * it up. TOO_MANY_WORKERS, STORE_FULL, or as of any change: it is not known. */
void store_worker_heartbeat(struct store *s, const struct store_worker *worker,
    struct span details, store_done_cb *cb, void *arg);

typedef void store_workers_cb(
    enum err err, const struct store_worker_info *workers, size_t n, void *arg);
void store_worker_list(struct store *s, store_workers_cb *cb, void *arg);
/* One worker, and what it holds: WORKER_UNKNOWN when it is not there. */
typedef void store_worker_cb(enum err err, const struct store_worker_info *w,
    const struct store_hold *holds, size_t n, void *arg);
void store_worker_get(
    struct store *s, struct span worker, store_worker_cb *cb, void *arg);
/* Forgets a worker and takes its leases back (attempts count).
 * WORKER_UNKNOWN when it is not there. count: leases taken back. */
void store_worker_remove(
    struct store *s, struct span worker, store_count_cb *cb, void *arg);
size_t store_worker_count(const struct store *s);

/* ---- the janitor's slices --------------------------------------------- */

/*
 * Each does at most limit tasks of one queue; count says how many. Whether
 * there is more is seen from count == limit. They are idempotent and safe
 * beside any other schedd on the same Redis. queue is empty for DUTY_WORKERS.
 */
void store_duty_run(struct store *s, enum store_duty duty, struct span queue,
    uint32_t limit, store_count_cb *cb, void *arg);

/* Asks Redis, in one command, for the numbers of the queues in use and some
 * of the others; the janitor calls it once a second. cb gets the number of
 * queues read. */
void store_tick(struct store *s, store_count_cb *cb, void *arg);
/* After a tick, from memory: has this duty something to do in this queue? */
bool store_duty_is_due(
    struct store *s, enum store_duty duty, struct span queue);

#endif
