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
 * After a longer gap what was under way is of unknown outcome and the
 * connection is given up. The same Redis is believed in again only after the
 * sentinels, all of them asked, have gone on naming it for SETTLE_MS and did
 * not call it down. One that they made the master since (its epoch is later)
 * is believed in at once.
 */

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "store/redis_conn_priv.h"

enum {
	SETTLE_MS = 3000, /* a switch that is under way is seen by then */
	PINGS = 4,        /* in the time that a gap may take */
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
