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
	BACKOFF_MAX_MS = 500,
	HOPELESS_MS = 2000,
	CLOSE_MS = 200,    /* to end what is under way */
	GRACE_MS = 150,    /* an outage that clients do not notice */
	QUIET_ATTEMPTS = 4 /* at the start: the private Redis starts too */
};

static void conn_on_step(void *arg);
static void conn_on_grace(void *arg);
static void conn_on_open(void *arg);
static void conn_on_writable(void *arg);
static void conn_on_reply(const struct redisReply *reply, void *arg);
static void conn_on_broken(const char *reason, void *arg);
static void conn_on_master(const struct sentinel_master *m, void *arg);
static void conn_on_no_master(enum err err, const char *reason, void *arg);
static void conn_on_switch(const char *url, void *arg);

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

static void
conn_use_sentinel(struct redis_conn *c, const char *url)
{
	const struct sentinel_events events = {
	    .on_master = conn_on_master,
	    .on_no_master = conn_on_no_master,
	    .on_switch = conn_on_switch,
	    .arg = c,
	};

	c->sentinel = sentinel_new(
	    c->loop, c->conf, url, &events, c->reason, sizeof(c->reason));
	c->url_is_good = c->sentinel != NULL;
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
	if (sentinel_is_url(url))
		conn_use_sentinel(c, url);
	else
		c->url_is_good =
		    redis_url_parse(&c->url, url, c->reason, sizeof(c->reason));
	if (c->url_is_good)
		conn_set_reason(c, "not connected yet");
	timer_init(&c->step, loop, conn_on_step, c);
	timer_init(&c->grace, loop, conn_on_grace, c);
	hello_init(c);
	check_init(c);
	fresh_init(c);
	ops_init(c);
	redis_conn_set_scripts(c, script_table());
	timer_arm_ms(&c->step, 0);
	timer_arm_ms(&c->grace, GRACE_MS);
	return c;
}

void
redis_conn_set_sentinel_password(struct redis_conn *c, const char *password)
{
	if (c->sentinel != NULL)
		sentinel_set_password(c->sentinel, password);
}

void
redis_conn_set_scripts(struct redis_conn *c, const struct script *scripts)
{
	c->scripts = scripts;
	conn_make_slots(c);
}

/* Lets go of the socket, if there is one. */
static void
conn_drop(struct redis_conn *c)
{
	hello_stop(c);
	check_stop(c);
	fresh_stop(c);
	timer_disarm(&c->step);
	if (c->link != NULL)
		redis_link_close(c->link);
	c->link = NULL;
}

static void
conn_end(struct redis_conn *c)
{
	conn_drop(c);
	timer_disarm(&c->grace);
	conn_set_state(c, CONN_CLOSED);
	conn_set_reason(c, "closed");
	ops_close(c);
}

/* Redis lets a client go at the first reply that it cannot write, with all
 * that it did not read yet: so the answers are waited for. */
void
redis_conn_close(struct redis_conn *c, void (*cb)(void *arg), void *arg)
{
	c->close_cb = cb;
	c->close_arg = arg;
	c->is_closing = true;
	if (c->state != CONN_READY || c->pending == 0) {
		conn_end(c);
		return;
	}
	check_stop(c);
	fresh_stop(c);
	conn_step_within(c, CLOSE_MS);
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
	check_clear(c);
	fresh_clear(c);
	sentinel_free(c->sentinel);
	timer_clear(&c->step);
	timer_clear(&c->grace);
	explicit_bzero(c->password, strlen(c->password));
	free(c->password);
	free(c->url_text);
	free(c);
}

bool
redis_conn_is_ready(const struct redis_conn *c)
{
	return c->state == CONN_READY && !c->is_closing;
}

const char *
redis_conn_reason(const struct redis_conn *c)
{
	return c->reason;
}

const char *
redis_conn_weakness(const struct redis_conn *c)
{
	return c->check.weak;
}

bool
redis_conn_is_away(const struct redis_conn *c)
{
	return c->is_away;
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

const struct redis_addr *
redis_conn_addr(const struct redis_conn *c)
{
	return redis_link_addr(c->link);
}

/* ---- down ------------------------------------------------------------- */

/* 50 ms, doubling to 500 ms, give or take a quarter; 2 s where a person is
 * needed. */
static uint64_t
conn_backoff_ms(const struct redis_conn *c)
{
	unsigned doublings = c->attempts > 6 ? 6 : c->attempts;
	uint64_t ms = (uint64_t)BACKOFF_MIN_MS << doublings;

	if (c->is_hopeless)
		ms = HOPELESS_MS;
	else if (ms > BACKOFF_MAX_MS)
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

/* The outage is one that clients notice. */
static void
conn_away(struct redis_conn *c)
{
	timer_disarm(&c->grace);
	c->is_away = true;
	ops_refuse_all(c, ERR_REDIS_DOWN);
}

static void
conn_on_grace(void *arg)
{
	conn_away(arg);
}

/* What every way down does; the caller tells its owner last. */
static void
conn_down(struct redis_conn *c, const char *reason)
{
	bool was_ready = c->state == CONN_READY;

	ASSERT(c->state != CONN_CLOSED);
	conn_set_reason(c, reason);
	conn_drop(c);
	conn_set_state(c, CONN_DOWN);
	metric_add(METRIC_STORE_LOST, 1);
	timer_arm_ms(&c->step, conn_backoff_ms(c));
	c->attempts++;
	ops_lost(c);
	if (was_ready && !c->is_hopeless)
		timer_arm_ms(&c->grace, GRACE_MS);
	else
		conn_away(c);
}

void
conn_lost(struct redis_conn *c, const char *reason)
{
	if (c->is_closing) {
		conn_end(c);
		return;
	}
	conn_down(c, reason);
	conn_log_lost(c);
	if (c->events.on_lost != NULL)
		c->events.on_lost(c->reason, c->events.arg);
}

void
conn_moved(struct redis_conn *c, const char *reason)
{
	c->attempts = 0;
	sentinel_doubt(c->sentinel, c->url_text);
	conn_lost(c, reason);
}

/* It may be an old master that a sentinel still names: so the others are
 * asked before a person is. */
void
conn_stranger(struct redis_conn *c, enum err err, const char *reason)
{
	char url[300], quoted[2 * CONN_REASON_MAX];

	if (c->sentinel == NULL || c->met_stranger) {
		conn_hopeless(c, err, reason);
		return;
	}
	c->met_stranger = true;
	log_warn("redis.old_master", "url=%s reason=%s",
	    log_quote(url, sizeof(url), span_of(c->url_text)),
	    log_quote(quoted, sizeof(quoted), span_of(reason)));
	conn_moved(c, reason);
}

void
conn_hopeless(struct redis_conn *c, enum err err, const char *reason)
{
	char quoted[2 * CONN_REASON_MAX];
	bool told = c->is_hopeless;

	if (c->is_closing) {
		conn_end(c);
		return;
	}
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

void
redis_conn_refuse(struct redis_conn *c, enum err err, const char *reason)
{
	if (c->state == CONN_READY)
		conn_stranger(c, err, reason);
}

/* ---- up --------------------------------------------------------------- */

static void
conn_connect(struct redis_conn *c)
{
	const struct redis_link_events events = {
	    .on_open = conn_on_open,
	    .on_writable = conn_on_writable,
	    .on_reply = conn_on_reply,
	    .on_broken = conn_on_broken,
	    .arg = c,
	};

	conn_step_within(c, c->conf->connect_timeout_ms);
	c->link = redis_link_open(c->loop, &c->url, &events);
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
	if (c->sentinel != NULL)
		sentinel_ask(c->sentinel);
	else
		conn_connect(c);
}

static const char another_master[] = "Sentinel has another master";

static void
conn_to_master(struct redis_conn *c, const struct sentinel_master *m)
{
	char why[CONN_REASON_MAX];

	free(c->url_text);
	c->url_text = xstrdup(m->url);
	if (!redis_url_parse(&c->url, m->url, why, sizeof(why))) {
		conn_lost(c, why);
	} else if (fresh_admit(c, m)) {
		conn_connect(c);
	} else {
		sentinel_doubt(c->sentinel, m->url);
		conn_lost(c, "it was away; another may become the master");
	}
}

/* The sentinels told where the master is: asked for by conn_attempt, or by
 * the check that looks from time to time. A sentinel that is cut off may tell
 * an old one, so that a connection that replicas confirm is kept. */
static void
conn_on_master(const struct sentinel_master *m, void *arg)
{
	struct redis_conn *c = arg;
	bool is_same = strcmp(c->url_text, m->url) == 0;

	if (c->state == CONN_CONNECTING && c->link == NULL)
		conn_to_master(c, m);
	else if (c->state == CONN_READY && is_same)
		fresh_on_told(c);
	else if (c->state == CONN_READY &&
		 (fresh_is_later(c, m) || c->fresh.last != NULL ||
		     !check_is_confirmed(c)))
		conn_moved(c, another_master);
}

static void
conn_on_no_master(enum err err, const char *reason, void *arg)
{
	struct redis_conn *c = arg;

	if (c->state == CONN_READY)
		fresh_on_untold(c);
	if (c->state != CONN_CONNECTING || c->link != NULL)
		return;
	fresh_unsure(c);
	if (err == ERR_OK)
		conn_lost(c, reason);
	else
		conn_hopeless(c, err, reason);
}

/* A sentinel says, unasked, that there is a new master: news to us only when
 * another one did not say so before. */
static void
conn_on_switch(const char *url, void *arg)
{
	struct redis_conn *c = arg;

	if (c->link != NULL && strcmp(c->url_text, url) != 0)
		conn_moved(c, another_master);
	else if (c->state == CONN_DOWN)
		timer_arm_ms(&c->step, 0);
}

/* Time to try again, or to close, or an attempt took too long. */
static void
conn_on_step(void *arg)
{
	struct redis_conn *c = arg;
	char why[CONN_REASON_MAX];

	if (c->is_closing) {
		conn_end(c);
		return;
	}
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
	timer_disarm(&c->grace);
	c->is_away = false;
	hello_stop(c);
	conn_set_state(c, CONN_READY);
	conn_set_reason(c, "");
	c->was_ready = true;
	c->told_lost = false;
	c->is_hopeless = c->met_stranger = false;
	if (c->sentinel != NULL && sentinel_doubts(c->sentinel, c->url_text))
		sentinel_doubt(c->sentinel, "");
	metric_add(METRIC_STORE_CONNECTS, 1);
	log_info("redis.ready", "url=%s waiting=%zu",
	    log_quote(quoted, sizeof(quoted), span_of(c->url_text)),
	    c->pending);
	check_start(c);
	fresh_start(c);
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

	if (c->state != CONN_LOADING)
		ops_on_reply(c, reply);
	else if (fresh_on_reply(c, c->hello.begun_us))
		hello_on_reply(c, reply);
}

static void
conn_on_broken(const char *reason, void *arg)
{
	struct redis_conn *c = arg;
	char why[CONN_REASON_MAX];

	snprintf(why, sizeof(why), "%s", reason);
	conn_lost(c, why);
}
