/* States of a connection to Redis: up, down, again; see redis_conn.h. */

#define _DEFAULT_SOURCE /* explicit_bzero */

#include "store/redis_conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/id.h"
#include "core/log.h"
#include "core/metrics.h"
#include "store/redis_conn_priv.h"

enum {
	BACKOFF_MIN_MS = 50,
	BACKOFF_MAX_MS = 2000,
	QUIET_ATTEMPTS = 4 /* at the start: the private Redis starts too */
};

static void conn_on_step(void *arg);
static void conn_on_resolved(const struct redis_addr *addrs, size_t count,
    const char *reason, void *arg);
static void conn_on_open(void *arg);
static void conn_on_writable(void *arg);
static void conn_on_reply(const struct redisReply *reply, void *arg);
static void conn_on_broken(const char *reason, void *arg);

static const char *const state_names[] = {
    "down", "connecting", "loading", "ready", "closed"};

static void
conn_set_state(struct redis_conn *c, enum conn_state state)
{
	ASSERT(c->state != CONN_CLOSED);
	if (c->state != state)
		log_debug("redis.state", "from=%s to=%s", state_names[c->state],
		    state_names[state]);
	c->state = state;
}

static void
conn_set_reason(struct redis_conn *c, const char *reason)
{
	snprintf(c->reason, sizeof(c->reason), "%s", reason);
}

void
conn_step_within(struct redis_conn *c, uint64_t ms)
{
	timer_arm_ms(&c->step, ms);
}

/* ---- life ------------------------------------------------------------- */

static void
conn_make_slots(struct redis_conn *c)
{
	unsigned id;

	for (id = 0; id < SCRIPT_COUNT; id++) {
		const char *stem = c->scripts[id].stem;

		c->seconds_slot[id] = metric_series(METRIC_STORE_SECONDS, stem);
		c->calls_slot[id] = metric_series(METRIC_STORE_CALLS, stem);
	}
}

struct redis_conn *
redis_conn_open(struct loop *loop, const struct conf_redis *conf,
    const char *url, const char *password,
    const struct redis_conn_events *events)
{
	struct redis_conn *c = xcalloc(1, sizeof(*c));

	c->loop = loop;
	c->conf = conf;
	c->events = *events;
	c->url_text = xstrdup(url);
	c->password = xstrdup(password);
	c->url_is_good =
	    redis_url_parse(&c->url, url, c->reason, sizeof(c->reason));
	if (c->url_is_good)
		conn_set_reason(c, "not connected yet");
	timer_init(&c->step, loop, conn_on_step, c);
	hello_init(c);
	ops_init(c);
	redis_conn_set_scripts(c, script_table());
	timer_arm_ms(&c->step, 0);
	return c;
}

void
redis_conn_set_scripts(struct redis_conn *c, const struct script *scripts)
{
	c->scripts = scripts;
	conn_make_slots(c);
}

/* Lets go of the socket or the look-up, whatever there is. */
static void
conn_drop(struct redis_conn *c)
{
	hello_stop(c);
	timer_disarm(&c->step);
	if (c->resolve != NULL)
		resolve_cancel(c->resolve);
	c->resolve = NULL;
	if (c->link != NULL)
		redis_link_close(c->link);
	c->link = NULL;
}

void
redis_conn_close(struct redis_conn *c, void (*cb)(void *arg), void *arg)
{
	conn_drop(c);
	conn_set_state(c, CONN_CLOSED);
	conn_set_reason(c, "closed");
	c->close_cb = cb;
	c->close_arg = arg;
	ops_close(c);
}

void
conn_closed(struct redis_conn *c)
{
	void (*cb)(void *arg) = c->close_cb;

	c->close_cb = NULL;
	cb(c->close_arg);
}

void
redis_conn_free(struct redis_conn *c)
{
	if (c == NULL)
		return;
	conn_drop(c);
	ops_clear(c);
	hello_clear(c);
	timer_clear(&c->step);
	explicit_bzero(c->password, strlen(c->password));
	free(c->password);
	free(c->url_text);
	free(c);
}

bool
redis_conn_is_ready(const struct redis_conn *c)
{
	return c->state == CONN_READY;
}

const char *
redis_conn_reason(const struct redis_conn *c)
{
	return c->reason;
}

size_t
redis_conn_pending(const struct redis_conn *c)
{
	return c->pending;
}

size_t
redis_conn_pending_bytes(const struct redis_conn *c)
{
	return c->pending_bytes;
}

/* ---- down ------------------------------------------------------------- */

/* 50 ms, doubling to 2 s, give or take a quarter. */
static uint64_t
conn_backoff_ms(const struct redis_conn *c)
{
	unsigned doublings = c->attempts > 6 ? 6 : c->attempts;
	uint64_t ms = (uint64_t)BACKOFF_MIN_MS << doublings;

	if (ms > BACKOFF_MAX_MS || c->is_hopeless)
		ms = BACKOFF_MAX_MS;
	return ms - ms / 4 + id_random() % (ms / 2 + 1);
}

/* One line per outage; at the start only when it lasts. */
static void
conn_log_lost(struct redis_conn *c)
{
	char url[300], reason[300];

	log_quote(url, sizeof(url), span_of(c->url_text));
	log_quote(reason, sizeof(reason), span_of(c->reason));
	if (c->told_lost || (!c->was_ready && c->attempts < QUIET_ATTEMPTS)) {
		log_debug("redis.again", "url=%s attempt=%u reason=%s", url,
		    c->attempts, reason);
		return;
	}
	log_warn("redis.lost", "url=%s reason=%s pending=%zu", url, reason,
	    c->pending);
	c->told_lost = true;
}

/* What every way down does; the caller tells its owner last. */
static void
conn_down(struct redis_conn *c, const char *reason)
{
	ASSERT(c->state != CONN_CLOSED);
	conn_set_reason(c, reason);
	conn_drop(c);
	conn_set_state(c, CONN_DOWN);
	metric_add(METRIC_STORE_LOST, 1);
	timer_arm_ms(&c->step, conn_backoff_ms(c));
	c->attempts++;
	ops_lost(c);
}

void
conn_lost(struct redis_conn *c, const char *reason)
{
	conn_down(c, reason);
	conn_log_lost(c);
	if (c->events.on_lost != NULL)
		c->events.on_lost(c->reason, c->events.arg);
}

void
conn_hopeless(struct redis_conn *c, enum err err, const char *reason)
{
	char quoted[300];
	bool told = c->is_hopeless;

	c->is_hopeless = true;
	conn_down(c, reason);
	if (!told)
		log_error("redis.hopeless", "error=%s reason=%s",
		    err_info(err)->name,
		    log_quote(quoted, sizeof(quoted), span_of(c->reason)));
	c->told_lost = true;
	if (c->events.on_hopeless != NULL)
		c->events.on_hopeless(err, c->reason, c->events.arg);
}

/* ---- up --------------------------------------------------------------- */

/* The next address of this attempt; false when there is none left. */
static bool
conn_try_addr(struct redis_conn *c, char *why, size_t why_size)
{
	const struct redis_link_events events = {
	    .on_open = conn_on_open,
	    .on_writable = conn_on_writable,
	    .on_reply = conn_on_reply,
	    .on_broken = conn_on_broken,
	    .arg = c,
	};

	while (c->link == NULL && c->addr_next < c->addr_count)
		c->link = redis_link_open(
		    c->loop, &c->addrs[c->addr_next++], &events, why, why_size);
	return c->link != NULL;
}

static void
conn_attempt(struct redis_conn *c)
{
	char why[CONN_REASON_MAX];

	if (!c->url_is_good) {
		snprintf(why, sizeof(why), "%s", c->reason);
		conn_hopeless(c, ERR_CONF_VALUE, why);
		return;
	}
	conn_set_state(c, CONN_CONNECTING);
	conn_step_within(c, c->conf->connect_timeout_ms);
	if (c->url.host[0] != '\0') {
		c->resolve =
		    resolve_start(c->loop, &c->url, conn_on_resolved, c);
		return;
	}
	c->addrs[0] = c->url.addr;
	c->addr_count = 1;
	c->addr_next = 0;
	if (!conn_try_addr(c, why, sizeof(why)))
		conn_lost(c, why);
}

/* Time to try again, or an attempt took too long. */
static void
conn_on_step(void *arg)
{
	struct redis_conn *c = arg;
	char why[CONN_REASON_MAX];

	if (c->state == CONN_DOWN) {
		conn_attempt(c);
		return;
	}
	snprintf(why, sizeof(why), "%s took longer than %llu ms",
	    c->state == CONN_CONNECTING ? "connecting" : "hello",
	    (unsigned long long)c->conf->connect_timeout_ms);
	conn_lost(c, why);
}

static void
conn_on_resolved(
    const struct redis_addr *addrs, size_t count, const char *reason, void *arg)
{
	struct redis_conn *c = arg;
	char why[CONN_REASON_MAX];

	c->resolve = NULL;
	memcpy(c->addrs, addrs, count * sizeof(*addrs));
	c->addr_count = count;
	c->addr_next = 0;
	snprintf(why, sizeof(why), "%s", reason);
	if (!conn_try_addr(c, why, sizeof(why)))
		conn_lost(c, why);
}

static void
conn_on_open(void *arg)
{
	struct redis_conn *c = arg;

	conn_set_state(c, CONN_LOADING);
	hello_start(c);
}

void
conn_ready(struct redis_conn *c)
{
	char quoted[300];

	timer_disarm(&c->step);
	hello_stop(c);
	conn_set_state(c, CONN_READY);
	conn_set_reason(c, "");
	c->was_ready = true;
	c->told_lost = false;
	c->is_hopeless = false;
	metric_add(METRIC_STORE_CONNECTS, 1);
	log_info("redis.ready", "url=%s waiting=%zu",
	    log_quote(quoted, sizeof(quoted), span_of(c->url_text)),
	    c->pending);
	ops_write(c);
	if (c->events.on_ready != NULL)
		c->events.on_ready(c->events.arg);
}

/* ---- what the socket says --------------------------------------------- */

static void
conn_on_writable(void *arg)
{
	struct redis_conn *c = arg;

	if (c->state == CONN_LOADING)
		hello_write(c);
	else
		ops_write(c);
}

static void
conn_on_reply(const struct redisReply *reply, void *arg)
{
	struct redis_conn *c = arg;

	if (c->state == CONN_LOADING)
		hello_on_reply(c, reply);
	else
		ops_on_reply(c, reply);
}

static void
conn_on_broken(const char *reason, void *arg)
{
	struct redis_conn *c = arg;
	char why[CONN_REASON_MAX];

	snprintf(why, sizeof(why), "%s", reason);
	/* A name's other addresses count as the same attempt. */
	if (c->state == CONN_CONNECTING && c->addr_next < c->addr_count) {
		redis_link_close(c->link);
		c->link = NULL;
		if (conn_try_addr(c, why, sizeof(why)))
			return;
	}
	conn_lost(c, why);
}
