/*
 * Workers: the list; silent ones lose their leases; old ones are forgotten,
 * and some others where there are too many. Sightings are in seen.c.
 */

#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/metrics.h"
#include "store/reply.h"
#include "store/worker_priv.h"

enum {
	SWEEP_NAMES = 100,     /* silent workers handled in one sweep */
	SWEEP_MATCHES = 10000, /* globs tried before others have a turn */
	SWEEP_OLD = 1000,      /* workers forgotten in one sweep */
	SWEEP_WINDOW = 1000,   /* holders looked at by one script call */
	SWEEP_SLICES = 200,    /* of one queue's clean-up, in one sweep */
	FORGET_EVERY_US = 60 * 1000000,
	FULL_US = 10 * 1000000 /* so long room is made after it was needed */
};

void
store_key(struct store *s, struct buf *args)
{
	buf_init(args, CALL_MAX_ARGS_BYTES);
	resp_add_str(args, s->redis->prefix);
	resp_add_i64(args, clock_offset_ms());
}

uint64_t
workers_few(uint64_t most)
{
	return most - most / 4;
}

void
workers_note_full(struct store *s)
{
	s->full_us = clock_mono_us();
}

static bool
workers_weigh(const struct store *s)
{
	return s->worker_total > 0 && s->full_us > 0 &&
	       clock_mono_us() - s->full_us < FULL_US;
}

bool
workers_are_many(const struct store *s)
{
	return s->worker_total >= workers_few(s->conf->limits_max_workers);
}

/* ---- the list ---------------------------------------------------------- */

struct worker_list {
	store_workers_cb *cb;
	void *arg;
};

static void
list_on_reply(enum err err, const struct redisReply *r, void *arg)
{
	struct worker_list *l = arg;
	struct store_worker_info *workers = NULL;
	struct reply c;
	size_t n = 0;

	if (err == ERR_OK) {
		reply_open(&c, r);
		n = reply_left(&c) / 6;
		workers = xcalloc(n, sizeof(*workers));
		for (size_t i = 0; i < n; i++) {
			workers[i].name = reply_bytes(&c);
			workers[i].last_seen = reply_int(&c, 0);
			workers[i].addr = reply_bytes(&c);
			workers[i].details = reply_bytes(&c);
			workers[i].last_heartbeat = reply_int(&c, 0);
			workers[i].held = (uint64_t)reply_int(&c, 0);
		}
		if (c.bad)
			err = ERR_STORE_REPLY;
	}
	l->cb(err, workers, err == ERR_OK ? n : 0, l->arg);
	free(workers);
	free(l);
}

void
workers_list(struct store *s, store_workers_cb *cb, void *arg)
{
	struct worker_list *l = xcalloc(1, sizeof(*l));
	struct buf args;

	l->cb = cb;
	l->arg = arg;
	workers_flush(s);
	store_key(s, &args);
	resp_add_str(&args, "");
	for (size_t i = 0; i < s->queue_count; i++)
		resp_add_str(&args, s->sorted[i]->name);
	redis_conn_script(s->conn, SCRIPT_WORKERS, &args,
	    3 + (unsigned)s->queue_count, 1, list_on_reply, l);
}

/* ---- taking leases back ------------------------------------------------ */

/* A worker as the set of heartbeats has it: name, and behind a space queues
 * where they are not all. */
struct speaker {
	char *text;
	struct span name, queues;
};

/*
 * The sweep: which workers are silent; then, queue after queue and window
 * after window, their leases; then they are forgotten; then queues with old
 * request ids or cancel marks are cleaned. Removing a worker is the same
 * with one name that is given.
 */
struct sweep {
	struct done done; /* to go on in another turn of the loop */
	struct store *store;
	struct speaker *silent; /* whose leases are taken back */
	size_t silent_count;
	struct speaker *alive; /* of the same names, but not silent */
	size_t alive_count;
	unsigned matches; /* globs tried in this turn */
	struct buf old;   /* workers that are to be forgotten */
	unsigned old_count;
	size_t queue;    /* index into store->sorted */
	uint64_t cursor; /* of HSCAN */
	unsigned slices; /* of that queue's clean-up */
	bool remove;     /* one worker, by an operator */
	uint64_t count;
	store_count_cb *cb;
	void *arg;
};

static void sweep_on_silent(
    enum err err, const struct redisReply *r, void *arg);
static void sweep_leases(struct sweep *w);
static void sweep_on_leases(
    enum err err, const struct redisReply *r, void *arg);
static void sweep_forget(struct sweep *w);
static void sweep_on_forgotten(
    enum err err, const struct redisReply *r, void *arg);
static void sweep_crowd(struct sweep *w);
static void sweep_on_crowd(enum err err, const struct redisReply *r, void *arg);
static void sweep_clean(struct sweep *w);
static void sweep_on_cleaned(
    enum err err, const struct redisReply *r, void *arg);

static struct sweep *
sweep_new(struct store *s, store_count_cb *cb, void *arg)
{
	struct sweep *w = xcalloc(1, sizeof(*w));

	s->sweeps++;
	w->store = s;
	w->cb = cb;
	w->arg = arg;
	buf_init(&w->old, CALL_MAX_ARGS_BYTES);
	return w;
}

static struct speaker
speaker_new(struct span text)
{
	struct speaker s = {.text = xmemdupz(text.p, text.len)};
	size_t len = strcspn(s.text, " ");

	s.name = (struct span){s.text, len};
	s.queues = SPAN("*");
	if (len < text.len)
		s.queues = (struct span){s.text + len + 1, text.len - len - 1};
	return s;
}

static void
speakers_free(struct speaker *speakers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(speakers[i].text);
	free(speakers);
}

/* Their number and they, of a reply. */
static struct speaker *
speakers_read(struct reply *c, size_t *count)
{
	int64_t n = reply_int(c, 0);
	struct speaker *speakers;

	*count = 0;
	if (c->bad || n < 0 || (uint64_t)n > reply_left(c)) {
		c->bad = true;
		return NULL;
	}
	speakers = xcalloc((size_t)n + 1, sizeof(*speakers));
	while (*count < (size_t)n)
		speakers[(*count)++] = speaker_new(reply_bytes(c));
	return speakers;
}

static void
sweep_end(struct sweep *w, enum err err)
{
	w->store->sweeps--;
	w->cb(err, w->count, w->arg);
	speakers_free(w->silent, w->silent_count);
	speakers_free(w->alive, w->alive_count);
	buf_clear(&w->old);
	free(w);
}

/*
 * After a start or a reconnect workers get a full timeout to be heard of
 * again: while we were away they could not reach us.
 */
static bool
sweep_is_settled(const struct store *s)
{
	int64_t timeout_ms = (int64_t)s->conf->worker_timeout_ms;

	return clock_mono_us() - s->ready_at_us >= timeout_ms * 1000;
}

static bool
sweep_has_silent(const struct store *s)
{
	int64_t timeout_ms = (int64_t)s->conf->worker_timeout_ms;

	return s->first_beat > 0 &&
	       s->first_beat <= store_redis_now(s) - timeout_ms &&
	       sweep_is_settled(s);
}

static void
sweep_start(struct sweep *w)
{
	struct store *s = w->store;
	struct buf args;

	store_key(s, &args);
	resp_add_u64(&args, s->conf->worker_timeout_ms);
	resp_add_u64(&args, s->conf->worker_forget_ms);
	resp_add_u64(&args, sweep_has_silent(s) ? SWEEP_NAMES : 0);
	resp_add_u64(&args, SWEEP_OLD);
	resp_add_u64(&args, BEAT_GAP_MS);
	redis_conn_script(
	    s->conn, SCRIPT_SILENT, &args, 7, 1, sweep_on_silent, w);
}

static void
sweep_on_silent(enum err err, const struct redisReply *r, void *arg)
{
	struct sweep *w = arg;
	struct reply c;

	if (err != ERR_OK) {
		sweep_end(w, err);
		return;
	}
	reply_open(&c, r);
	w->silent = speakers_read(&c, &w->silent_count);
	w->alive = speakers_read(&c, &w->alive_count);
	for (; reply_left(&c) > 0; w->old_count++)
		resp_add_span(&w->old, reply_bytes(&c));
	if (c.bad) {
		sweep_end(w, ERR_STORE_REPLY);
		return;
	}
	/* There may be more: the next sweep does not wait. */
	if (w->old_count == SWEEP_OLD)
		w->store->swept_us = clock_mono_us() - FORGET_EVERY_US;
	if (w->silent_count > 0)
		sweep_leases(w);
	else
		sweep_forget(w);
}

/* Does nobody of its name speak for that queue any more? */
static bool
is_silent_in(struct sweep *w, const struct speaker *silent, struct span queue)
{
	w->matches += 1 + (unsigned)w->alive_count;
	if (!globs_match(silent->queues, queue))
		return false;
	for (size_t i = 0; i < w->alive_count; i++) {
		const struct speaker *alive = &w->alive[i];

		if (span_eq(alive->name, silent->name) &&
		    globs_match(alive->queues, queue))
			return false;
	}
	return true;
}

/* Adds the names of those that are silent in the call's queue. */
static unsigned
sweep_add_names(struct sweep *w, struct call *c)
{
	unsigned n = 0;

	for (size_t i = 0; i < w->silent_count; i++)
		if (is_silent_in(w, &w->silent[i], span_of(c->queue->name))) {
			call_add(c, w->silent[i].name);
			n++;
		}
	return n;
}

static void
sweep_on_turn(struct done *d)
{
	struct sweep *w = CONTAINER_OF(d, struct sweep, done);

	w->matches = 0;
	sweep_leases(w);
}

/* The next window of holders, or of the next queue. */
static void
sweep_leases(struct sweep *w)
{
	struct store *s = w->store;
	struct queue_policy p;
	struct call *c;

	for (; w->queue < s->queue_count && !s->closing; w->queue++) {
		if (w->matches > SWEEP_MATCHES) {
			w->done.fn = sweep_on_turn;
			store_complete(s, &w->done);
			return;
		}
		queue_policy(s->sorted[w->queue], &p);
		c = call_new(s->sorted[w->queue]);
		call_add_u64(c, p.max_attempts);
		call_add_u64(c, SWEEP_WINDOW);
		call_add_u64(c, w->cursor);
		call_add(c, span_of(channels_history(s)));
		if (sweep_add_names(w, c) > 0) {
			call_send(c, SCRIPT_RECLAIM, sweep_on_leases, w);
			call_free(c);
			return;
		}
		call_free(c);
	}
	sweep_forget(w);
}

static void
sweep_on_leases(enum err err, const struct redisReply *r, void *arg)
{
	struct sweep *w = arg;
	struct queue *q = w->store->sorted[w->queue];
	int64_t todo, dead;
	struct reply c;

	if (err != ERR_OK) {
		sweep_end(w, err);
		return;
	}
	reply_open(&c, r);
	todo = reply_int(&c, 0);
	dead = reply_int(&c, 0);
	if (!str_to_u64(reply_bytes(&c), &w->cursor) || c.bad) {
		sweep_end(w, ERR_STORE_REPLY);
		return;
	}
	q->counters.reclaimed += (uint64_t)(todo + dead);
	q->counters.dead += (uint64_t)dead;
	w->count += (uint64_t)(todo + dead);
	if (todo > 0)
		others_wake(q, (size_t)todo);
	if (w->cursor == 0)
		w->queue++;
	w->matches = 0;
	sweep_leases(w);
}

/* Silent workers count as such only once; old ones go altogether. */
static void
sweep_forget(struct sweep *w)
{
	struct store *s = w->store;
	bool beats = !w->remove && w->silent_count > 0;
	unsigned n = beats ? (unsigned)w->silent_count : w->old_count;
	struct buf args;

	if (n == 0) {
		sweep_crowd(w);
		return;
	}
	store_key(s, &args);
	resp_add_str(&args, beats ? "beats" : "workers");
	for (size_t i = 0; beats && i < n; i++)
		resp_add_str(&args, w->silent[i].text);
	if (!beats)
		buf_add_span(&args, buf_span(&w->old));
	redis_conn_script(
	    s->conn, SCRIPT_FORGET, &args, 3 + n, 1, sweep_on_forgotten, w);
	if (beats) {
		speakers_free(w->silent, w->silent_count);
		w->silent = NULL;
		w->silent_count = 0;
	} else {
		w->old_count = 0;
	}
}

static void
sweep_on_forgotten(enum err err, const struct redisReply *r, void *arg)
{
	struct sweep *w = arg;
	int64_t known = 0;

	if (err == ERR_OK && !reply_is_int(r, &known))
		err = ERR_STORE_REPLY;
	if (err == ERR_OK && w->remove)
		workers_lost(w->store, w->silent[0].name);
	if (err == ERR_OK && w->remove && known == 0)
		err = ERR_WORKER_UNKNOWN;
	if (err != ERR_OK || w->remove)
		sweep_end(w, err);
	else
		sweep_forget(w);
}

/*
 * Makes room for new workers before there is none, and for tasks where Redis's
 * memory is full. Not while those that send heartbeats may be kept from it.
 */
static void
sweep_crowd(struct sweep *w)
{
	struct store *s = w->store;
	uint64_t most = s->conf->limits_max_workers;
	uint64_t stay = workers_few(most) - most / 8;
	struct buf args;

	w->queue = 0;
	if (!(workers_are_many(s) || workers_weigh(s)) ||
	    !sweep_is_settled(s)) {
		sweep_clean(w);
		return;
	}
	store_key(s, &args);
	resp_add_u64(&args, stay == 0 || workers_weigh(s) ? 0 : stay - 1);
	resp_add_u64(&args, s->crowd_rank);
	resp_add_u64(&args, s->conf->worker_timeout_ms);
	for (size_t i = 0; i < s->queue_count; i++)
		resp_add_str(&args, s->sorted[i]->name);
	redis_conn_script(s->conn, SCRIPT_CROWD, &args,
	    5 + (unsigned)s->queue_count, 1, sweep_on_crowd, w);
}

static void
sweep_on_crowd(enum err err, const struct redisReply *r, void *arg)
{
	struct sweep *w = arg;
	struct reply c;

	if (err != ERR_OK) {
		sweep_end(w, err);
		return;
	}
	reply_open(&c, r);
	w->count += (uint64_t)reply_int(&c, 0);
	w->store->crowd_rank = (uint64_t)reply_int(&c, 0);
	if (c.bad)
		sweep_end(w, ERR_STORE_REPLY);
	else
		sweep_clean(w);
}

/* Request ids and cancel marks whose time is over, queue after queue. */
static void
sweep_clean(struct sweep *w)
{
	struct store *s = w->store;
	int64_t now = store_redis_now(s);
	struct call *c;

	while (w->queue < s->queue_count) {
		int64_t due = s->sorted[w->queue]->numbers.due[DUTY_WORKERS];

		if (due > 0 && due <= now)
			break;
		w->queue++;
	}
	if (w->queue >= s->queue_count || s->closing) {
		sweep_end(w, ERR_OK);
		return;
	}
	c = call_new(s->sorted[w->queue]);
	call_add_u64(c, s->conf->janitor_slice);
	call_add_u64(c, s->conf->limits_max_request_ids);
	call_send(c, SCRIPT_CLEAN, sweep_on_cleaned, w);
	call_free(c);
}

static void
sweep_on_cleaned(enum err err, const struct redisReply *r, void *arg)
{
	struct sweep *w = arg;
	int64_t n, more, early;
	struct reply c;

	if (err != ERR_OK) {
		sweep_end(w, err);
		return;
	}
	reply_open(&c, r);
	n = reply_int(&c, 0);
	more = reply_int(&c, 0);
	early = reply_int(&c, 0);
	if (c.bad) {
		sweep_end(w, ERR_STORE_REPLY);
		return;
	}
	w->count += (uint64_t)n;
	metric_add(METRIC_REQUEST_IDS_DROPPED, (uint64_t)early);
	if (more == 0 || ++w->slices == SWEEP_SLICES) {
		w->queue++;
		w->slices = 0;
	}
	sweep_clean(w);
}

void
workers_sweep(struct store *s, store_count_cb *cb, void *arg)
{
	struct sweep *w = sweep_new(s, cb, arg);
	bool forget = s->worker_total > 0 &&
		      clock_mono_us() - s->swept_us >= FORGET_EVERY_US;

	if (forget)
		s->swept_us = clock_mono_us();
	if (forget || sweep_has_silent(s))
		sweep_start(w);
	else
		sweep_crowd(w);
}

void
workers_remove(
    struct store *s, struct span worker, store_count_cb *cb, void *arg)
{
	struct sweep *w = sweep_new(s, cb, arg);

	w->remove = true;
	w->silent = xcalloc(1, sizeof(*w->silent));
	w->silent[w->silent_count++] = speaker_new(worker);
	resp_add_span(&w->old, worker);
	w->old_count = 1;
	workers_flush(s);
	sweep_leases(w);
}
