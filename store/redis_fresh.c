/*
 * Behind Sentinel: has the Redis at the other end gone on being the master?
 *
 * Sentinel makes another one the master when it had no answer from the old
 * one for down-after-milliseconds. A master that was only frozen wakes up,
 * still calls itself master, and a replica that was not told yet confirms
 * what it does: all of that is lost when the replica is told. So an answer
 * counts only when Redis is known to have worked within three quarters of
 * that time before it came: it was not away for long enough to be replaced.
 * While nothing is asked of it a PING keeps this up.
 *
 * An operator may have it replaced while it answers (SENTINEL FAILOVER). The
 * replica that is to be the master leaves it first, and the others go on
 * confirming. So all replicas that are in step are to confirm, not only as many
 * as is asked for, and ROLE says who is there; when it is fewer than before,
 * the sentinels, all of them, are asked before it is taken for an answer.
 *
 * After a longer gap what was under way is of unknown outcome and the
 * connection is given up. The same Redis is believed in again only after the
 * sentinels, all of them asked, have gone on naming it for SETTLE_MS and did
 * not call it down. One that they made the master since (its epoch is later)
 * is believed in at once.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "core/clock.h"
#include "core/log.h"
#include "store/redis_conn_priv.h"

enum {
	SETTLE_MS = 3000, /* a switch that is under way is seen by then */
	PINGS = 4,        /* in the time that a gap may take */
	BEHIND_MAX = 1024 * 1024, /* bytes; more is not in step */
	ARGS_MAX = 100
};

static void fresh_on_ping_due(void *arg);

void
fresh_init(struct redis_conn *c)
{
	timer_init(&c->fresh.ping, c->loop, fresh_on_ping_due, c);
}

void
fresh_clear(struct redis_conn *c)
{
	timer_clear(&c->fresh.ping);
}

uint64_t
fresh_limit_ms(const struct redis_conn *c)
{
	return (uint64_t)c->fresh.limit_us / 1000;
}

/* ---- whom to believe in ------------------------------------------------ */

static void
fresh_believe(struct redis_conn *c, const struct sentinel_master *m)
{
	struct fresh *f = &c->fresh;

	snprintf(f->url, sizeof(f->url), "%s", m->url);
	f->epoch = m->epoch;
	f->limit_us = (int64_t)m->down_after_ms * 750;
	f->awake_us = clock_mono_us_fresh();
	f->named_us = 0;
	/* All that the sentinels know: the first WAIT shows which there are. */
	f->linked = f->in_step = sentinel_replicas(c->sentinel)->count;
}

bool
fresh_is_later(const struct redis_conn *c, const struct sentinel_master *m)
{
	return m->epoch > c->fresh.epoch;
}

bool
fresh_admit(struct redis_conn *c, const struct sentinel_master *m)
{
	struct fresh *f = &c->fresh;
	int64_t now = clock_mono_us_fresh();

	if (strcmp(f->url, m->url) != 0 || m->epoch != f->epoch) {
		fresh_believe(c, m);
		return true;
	}
	if (now - f->awake_us <= f->limit_us)
		return true;
	if (f->named_us == 0)
		f->named_us = now;
	if (now - f->named_us < (int64_t)SETTLE_MS * 1000)
		return false;
	fresh_believe(c, m);
	return true;
}

void
fresh_unsure(struct redis_conn *c)
{
	c->fresh.named_us = 0;
}

/* ---- replicas ---------------------------------------------------------- */

uint64_t
fresh_ask_replicas(struct redis_conn *c)
{
	struct fresh *f = &c->fresh;

	f->asked = c->conf->confirm_replicas;
	if (c->sentinel != NULL && f->in_step > f->asked)
		f->asked = f->in_step;
	return f->asked;
}

/* The number behind name in a line of INFO; 0: it is not there. */
static uint64_t
line_number(const char *line, const char *name)
{
	const char *at = strstr(line, name),
		   *end = line + strcspn(line, "\r\n");

	if (at == NULL || at >= end)
		return 0;
	return strtoull(at + strlen(name), NULL, 10);
}

/* "slave0:ip=10.0.0.2,port=6379,state=online,offset=42,lag=1" */
static bool
is_in_step(const char *line, uint64_t offset)
{
	const char *end = line + strcspn(line, "\r\n");
	const char *state = strstr(line, ",state=online,");

	return strncmp(line, "slave", 5) == 0 && state != NULL && state < end &&
	       line_number(line, ",offset=") + BEHIND_MAX > offset &&
	       line_number(line, ",lag=") <= 1;
}

/* One that has caught up is counted again; one that has not, or left, shows in
 * a WAIT, and is asked about then. */
void
fresh_on_info(struct redis_conn *c, const struct redisReply *reply)
{
	const char *line = strstr(reply->str, "master_repl_offset:");
	uint64_t offset, count = 0;

	if (c->sentinel == NULL || line == NULL)
		return;
	offset = line_number(line, "master_repl_offset:");
	for (line = reply->str; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		count += is_in_step(line, offset);
	}
	if (count > c->fresh.in_step)
		c->fresh.in_step = count;
}

/* Asks the sentinels about all that is held by now. */
static void
fresh_survey(struct redis_conn *c)
{
	c->fresh.last = CONTAINER_OF(c->held.prev, struct conn_op, link);
	sentinel_doubt(c->sentinel, c->url_text);
	sentinel_survey(c->sentinel);
}

void
fresh_on_wait(struct redis_conn *c, const struct redisReply *reply)
{
	c->fresh.confirmed =
	    reply->type == REDIS_REPLY_INTEGER ? (uint64_t)reply->integer : 0;
}

enum fresh_wait
fresh_on_role(struct redis_conn *c, const struct redisReply *reply)
{
	struct fresh *f = &c->fresh;
	uint64_t linked = 0;

	if (f->confirmed < c->conf->confirm_replicas)
		return FRESH_SHORT;
	if (c->sentinel == NULL)
		return FRESH_ENOUGH;
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 3)
		linked = reply->element[2]->elements;
	if (linked > f->linked) {
		f->linked = f->in_step = linked;
		return FRESH_MORE;
	}
	if (f->confirmed >= f->asked && linked == f->linked)
		return FRESH_ENOUGH;
	if (list_is_empty(&c->held) || f->last != NULL)
		return FRESH_ASKING;
	f->left_linked = linked;
	f->left_in_step = f->confirmed;
	log_debug("redis.fewer", "confirmed=%llu asked=%llu linked=%llu",
	    (unsigned long long)f->confirmed, (unsigned long long)f->asked,
	    (unsigned long long)linked);
	fresh_survey(c);
	return FRESH_ASKING;
}

void
fresh_on_told(struct redis_conn *c)
{
	struct fresh *f = &c->fresh;
	const struct conn_op *last = f->last;

	if (last != NULL) {
		f->linked = f->left_linked;
		f->in_step = f->left_in_step;
		f->last = NULL;
		sentinel_doubt(c->sentinel, "");
		ops_confirm_to(c, last);
		/* What was done since, and will be asked about no more. */
		if (!list_is_empty(&c->held) && !c->is_waiting)
			fresh_survey(c);
	}
	check_again(c);
}

void
fresh_on_untold(struct redis_conn *c)
{
	if (c->fresh.last != NULL)
		conn_moved(c, "a replica left it, and the sentinels do not say "
			      "that it is still the master");
}

void
fresh_let_go(struct redis_conn *c)
{
	c->fresh.last = NULL;
}

/* ---- answers ----------------------------------------------------------- */

bool
fresh_on_reply(struct redis_conn *c, int64_t sent_us)
{
	struct fresh *f = &c->fresh;
	char reason[CONN_REASON_MAX];
	int64_t gap_us;

	if (f->limit_us == 0)
		return true;
	gap_us = clock_mono_us_fresh() - f->awake_us;
	if (gap_us > f->limit_us) {
		snprintf(reason, sizeof(reason),
		    "no answer for %lld ms: another may be the master by now",
		    (long long)(gap_us / 1000));
		conn_moved(c, reason);
		return false;
	}
	if (sent_us > f->awake_us)
		f->awake_us = sent_us;
	return true;
}

void
fresh_start(struct redis_conn *c)
{
	if (c->fresh.limit_us > 0)
		timer_arm_ms(&c->fresh.ping, fresh_limit_ms(c) / PINGS + 1);
}

void
fresh_stop(struct redis_conn *c)
{
	timer_disarm(&c->fresh.ping);
}

static void
fresh_on_pong(enum err err, const struct redisReply *reply, void *arg)
{
	(void)err; /* fresh_on_reply has seen it */
	(void)reply;
	(void)arg;
}

static void
fresh_on_ping_due(void *arg)
{
	struct redis_conn *c = arg;
	struct buf args;

	/* What is under way will be answered as well. */
	if (c->pending == 0) {
		buf_init(&args, ARGS_MAX);
		resp_add_str(&args, "PING");
		redis_conn_command(c, REDIS_READ, &args, 1, fresh_on_pong, c);
	}
	fresh_start(c);
}
