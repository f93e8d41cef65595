/*
 * The sign of life that this schedd gives in Redis once a second. By it is
 * known for how long workers could reach nobody, so that an outage ends no
 * lease; whether this is still the Redis whose answers we passed on (known.c
 * remembers that over a restart), and the audit trail is whole; and how many
 * other schedd there are.
 */

#include "store/store_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/id.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/metrics.h"
#include "store/known.h"
#include "store/reply.h"

enum { BEAT_MS = 1000, BEAT_ARGC = 10, BEAT_KEYS = 4, BEAT_REPLY = 9 };

struct beat {
	struct store *store;
	struct timer timer;
	bool under_way;
	char id[ID_MADE_LEN + 1]; /* of this schedd, until it ends */
	char generation[64];      /* of the store; "" before the first beat */
	int64_t back;             /* the end of the outage that was told last */
	unsigned others;          /* schedd alive besides us */
	struct audit_tip tip;     /* of the audit trail, when it was sent */
};

static void beat_on_reply(
    enum err err, const struct redisReply *reply, void *arg);

void
store_add_key(const struct store *s, struct buf *args, const char *name)
{
	buf_addf(args, "$%zu\r\n%s%s\r\n",
	    strlen(s->redis->prefix) + strlen(name), s->redis->prefix, name);
}

static void
beat_send(struct beat *b)
{
	struct store *s = b->store;
	char generation[ID_MADE_LEN + 1];
	struct buf args;

	id_make(generation);
	buf_init(&args, 4096);
	store_add_key(s, &args, "store");
	store_add_key(s, &args, "schedds");
	store_add_key(s, &args, "audit:tip");
	store_add_key(s, &args, "audit:open");
	resp_add_str(&args, b->id);
	resp_add_str(&args, known_generation(s->known));
	resp_add_u64(&args, known_sequence(s->known));
	resp_add_str(&args, generation);
	resp_add_u64(&args, BEAT_GAP_MS);
	resp_add_u64(&args, s->conf->worker_timeout_ms);
	b->under_way = true;
	b->tip = *audit_tip(s);
	redis_conn_script(s->conn, SCRIPT_BEAT, &args, BEAT_ARGC, BEAT_KEYS,
	    beat_on_reply, b);
}

static void
beat_on_timer(void *arg)
{
	struct beat *b = arg;

	timer_arm_ms(&b->timer, BEAT_MS);
	known_tick(b->store->known);
	if (!b->under_way && redis_conn_is_ready(b->store->conn))
		beat_send(b);
}

/* ---- is it the Redis we know? ------------------------------------------ */

static const char advice[] = "put its data back, or stop schedd, run "
			     "schedd --accept-store, and start it";

static void
beat_tell_strange(struct span generation, uint64_t sequence,
    const struct known *k, char *why, size_t why_size)
{
	char what[160];

	if (generation.len == 0)
		snprintf(what, sizeof(what), "Redis came back empty");
	else if (!span_is(generation, known_generation(k)))
		snprintf(
		    what, sizeof(what), "this is another Redis than before");
	else
		snprintf(what, sizeof(what),
		    "Redis came back older: sequence %llu, %llu was known",
		    (unsigned long long)sequence,
		    (unsigned long long)known_sequence(k));
	snprintf(why, why_size, "%s; %s", what, advice);
}

enum err
beat_identity(
    const struct redisReply *reply, char *why, size_t why_size, void *arg)
{
	const struct store *s = arg;
	const struct known *k = s->known;
	unsigned slot = metric_series(METRIC_STORE_STRANGE, s->redis->name);
	struct span generation;
	uint64_t sequence;
	struct reply c;

	reply_open(&c, reply);
	generation = reply_bytes(&c);
	sequence = (uint64_t)reply_int(&c, 0);
	metric_set_series(METRIC_STORE_STRANGE, slot, 0);
	if (c.bad) {
		snprintf(why, why_size, "its store's hash cannot be read");
		return ERR_REDIS_OLDER;
	}
	if (known_generation(k)[0] == '\0' ||
	    (span_is(generation, known_generation(k)) &&
		sequence >= known_sequence(k)))
		return ERR_OK;
	beat_tell_strange(generation, sequence, k, why, why_size);
	metric_set_series(METRIC_STORE_STRANGE, slot, 1);
	return ERR_REDIS_OLDER;
}

/* ---- outages ----------------------------------------------------------- */

/* The first to notice has noted it for all; each tells it once. */
static void
beat_tell_outage(struct beat *b, int64_t away, int64_t back, int64_t now)
{
	if (back == b->back)
		return;
	if (now - back < BEAT_GAP_MS) {
		metric_add(METRIC_STORE_OUTAGES, 1);
		log_warn("store.outage", "seconds=%.1f hint=%s",
		    (double)(back - away) / 1000,
		    "\"leases that ended meanwhile go on as long\"");
	}
	b->back = back;
}

static void
beat_read(struct beat *b, struct reply *c)
{
	struct span generation = reply_bytes(c);
	int64_t sequence = reply_int(c, 0), now = reply_int(c, 0);
	int64_t away = reply_int(c, 0), back = reply_int(c, 0);
	int64_t others = reply_int(c, 0);
	struct audit_tip tip;
	bool has_tip = audit_read_tip(c, &tip);
	int64_t open = reply_int(c, 0);

	if (c->bad || generation.len >= sizeof(b->generation))
		return;
	memcpy(b->generation, generation.p, generation.len);
	b->generation[generation.len] = '\0';
	known_set(b->store->known, b->generation, (uint64_t)sequence);
	beat_tell_outage(b, away, back, now);
	if (b->others != (unsigned)others)
		log_info("store.others", "alive=%u", (unsigned)others);
	b->others = (unsigned)others;
	if (has_tip)
		audit_saw_tip(b->store, &b->tip, &tip);
	audit_adopt(b->store, (uint64_t)open);
	others_look(b->store);
}

static void
beat_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct beat *b = arg;
	struct reply c;
	char why[320];

	b->under_way = false;
	if (err != ERR_OK)
		return; /* the next one will tell how long that was */
	reply_open(&c, reply);
	if (reply_left(&c) == BEAT_REPLY)
		beat_read(b, &c);
	else if (beat_identity(reply, why, sizeof(why), b->store) != ERR_OK)
		redis_conn_refuse(b->store->conn, ERR_REDIS_OLDER, why);
}

void
beat_init(struct store *s)
{
	struct beat *b = xcalloc(1, sizeof(*b));

	s->beat = b;
	b->store = s;
	id_make(b->id);
	timer_init(&b->timer, s->loop, beat_on_timer, b);
}

void
beat_now(struct store *s)
{
	timer_arm_ms(&s->beat->timer, 0);
}

const char *
beat_id(const struct store *s)
{
	return s->beat->id;
}

const char *
beat_generation(const struct store *s)
{
	return s->beat->generation;
}

bool
beat_has_others(const struct store *s)
{
	return s->beat->others > 0;
}

void
beat_free(struct store *s)
{
	timer_clear(&s->beat->timer);
	free(s->beat);
	s->beat = NULL;
}
