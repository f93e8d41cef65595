/* The numbers of queues, as one command a second brings them for those in use,
 * or one of its own for a single queue. */

#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/moved.h"
#include "store/reply.h"
#include "store/worker_priv.h"

enum {
	TICK_HEAD = 5,       /* values in front of the queues */
	TICK_PER_QUEUE = 37, /* values of each; tick.lua */
	TICK_MAX_QUEUES = 200
};

struct tick {
	struct store *store;
	store_count_cb *count_cb; /* either this one */
	store_queue_cb *queue_cb; /* or this one, for a single queue */
	void *arg;
	size_t n;
	struct queue *queues[];
};

static int64_t
or_zero(struct reply *c)
{
	return reply_int(c, 0);
}

static void
numbers_read_meta(struct queue_numbers *n, struct reply *c)
{
	int64_t value;
	uint64_t *totals[] = {&n->totals.pushed, &n->totals.taken,
	    &n->totals.finished, &n->totals.failed, &n->totals.dead,
	    &n->totals.lease_lost, &n->totals.reclaimed, &n->totals.retried,
	    &n->totals.trimmed};

	value = or_zero(c);
	n->paused = value != 0;
	n->moving = value == 2;
	if (n->moving)
		memset(n->due, 0, sizeof(n->due));
	n->overridden = 0;
	for (int i = 0; i < POLICY_FIELD_COUNT; i++)
		if (reply_maybe_int(c, &value)) {
			n->overridden |= 1u << i;
			n->override[i] = (uint64_t)value;
		}
	for (size_t i = 0; i < COUNT_OF(totals); i++)
		*totals[i] = (uint64_t)or_zero(c);
}

/* One queue's values, in the order of tick.lua. */
static bool
numbers_read(struct queue_numbers *out, struct reply *c)
{
	static const enum task_state order[] = {
	    TASK_DELAYED, TASK_DOING, TASK_FAILED, TASK_FINISH, TASK_DEAD};
	static const enum store_duty duties[] = {DUTY_DOING, DUTY_FAILED,
	    DUTY_DELAYED, DUTY_FINISH, DUTY_DEAD, DUTY_WORKERS};
	struct queue_numbers n;

	memset(&n, 0, sizeof(n));
	for (int i = 0; i < LANE_COUNT; i++) {
		int64_t length = or_zero(c);

		n.broken |= length < 0;
		n.lanes[i] = (uint64_t)length;
		n.counts[TASK_TODO] += n.lanes[i];
	}
	for (size_t i = 0; i < COUNT_OF(order); i++)
		n.counts[order[i]] = (uint64_t)or_zero(c);
	n.oldest_at = or_zero(c);
	for (size_t i = 0; i < COUNT_OF(duties); i++)
		n.due[duties[i]] = or_zero(c);
	numbers_read_meta(&n, c);
	n.amiss = (uint64_t)or_zero(c);
	n.workers = (uint64_t)or_zero(c);
	if (c->bad)
		return false;
	if (n.broken) /* the old numbers are better than none */
		out->broken = true;
	else
		*out = n;
	return true;
}

/* Told once: when a queue breaks and when it is whole again. */
static void
queue_tell_broken(const struct queue *q, bool was_broken)
{
	if (q->numbers.broken && !was_broken)
		log_error("queue.broken", "queue=%s hint=%s", q->name,
		    "\"a key of the queue has the wrong type\"");
	else if (!q->numbers.broken && was_broken)
		log_info("queue.whole", "queue=%s", q->name);
}

/* Somebody took since the numbers before, here or at another schedd? */
static void
queue_note_takes(struct queue *q, uint64_t taken_before)
{
	if (q->numbers.totals.taken != taken_before)
		q->untaken_us = clock_mono_us();
}

static enum err
tick_read(struct tick *t, const struct redisReply *r)
{
	struct store *s = t->store;
	struct reply c;
	int64_t drops;
	size_t names;

	reply_open(&c, r);
	if (reply_left(&c) != TICK_HEAD + t->n * TICK_PER_QUEUE)
		return ERR_STORE_REPLY;
	s->redis_now = or_zero(&c);
	s->redis_now_us = clock_mono_us();
	names = (size_t)or_zero(&c);
	s->worker_total = (size_t)or_zero(&c);
	s->first_beat = or_zero(&c);
	drops = or_zero(&c);
	for (size_t i = 0; i < t->n; i++) {
		struct queue *q = t->queues[i];
		bool was_broken = q->numbers.broken;
		uint64_t taken = q->numbers.totals.taken;

		if (!numbers_read(&q->numbers, &c))
			return ERR_STORE_REPLY;
		queue_tell_broken(q, was_broken);
		queue_note_takes(q, taken);
		/* Another schedd, or an operator, brought work here. */
		if (q->waiting_count > 0 && !q->numbers.paused &&
		    q->numbers.counts[TASK_TODO] > 0)
			queue_wake(q, (size_t)q->numbers.counts[TASK_TODO]);
	}
	if (t->count_cb != NULL) {
		size_t known = 0;

		for (size_t i = 0; i < s->queue_count; i++)
			known += s->sorted[i]->registered;
		if (known != names || drops != s->drops || moves_are_open(s))
			queues_load(s, NULL);
		s->drops = drops;
	}
	return ERR_OK;
}

static void
tick_on_reply(enum err err, const struct redisReply *r, void *arg)
{
	struct tick *t = arg;
	struct store_queue_info info;

	if (err == ERR_OK)
		err = tick_read(t, r);
	for (size_t i = 0; err != ERR_OK && i < t->n; i++)
		queue_touch(t->queues[i]);
	if (t->count_cb != NULL) {
		t->count_cb(err, t->n, t->arg);
	} else {
		if (err == ERR_OK && t->queues[0]->numbers.broken)
			err = ERR_STORE_REFUSED;
		queue_fill_whole(t->queues[0], &info);
		t->queue_cb(err, err == ERR_OK ? &info : NULL, t->arg);
	}
	free(t);
}

static void
tick_send(struct tick *t)
{
	static const char *const keys[] = {
	    "queues", "workers", "beats", "store"};
	const char *prefix = t->store->redis->prefix;
	struct buf args;

	buf_init(&args, CALL_MAX_ARGS_BYTES);
	for (size_t i = 0; i < COUNT_OF(keys); i++)
		buf_addf(&args, "$%zu\r\n%s%s\r\n",
		    strlen(prefix) + strlen(keys[i]), prefix, keys[i]);
	for (size_t i = 0; i < t->n; i++)
		resp_add_span(&args, t->queues[i]->key);
	resp_add_i64(&args, clock_offset_ms());
	resp_add_u64(&args, t->store->conf->limits_max_request_ids);
	redis_conn_script(t->store->conn, SCRIPT_TICK, &args,
	    (unsigned)(COUNT_OF(keys) + t->n + 2),
	    (unsigned)(COUNT_OF(keys) + t->n), tick_on_reply, t);
}

/* Is something in it due, or does someone wait? Then the tick reads it. */
static bool
queue_is_awake(struct queue *q)
{
	if (q->waiting_count > 0)
		return true;
	for (int d = 0; d < DUTY_COUNT; d++)
		if (store_duty_is_due(
			q->store, (enum store_duty)d, span_of(q->name)))
			return true;
	return q->numbers.due[DUTY_WORKERS] != 0 &&
	       q->numbers.due[DUTY_WORKERS] <= store_redis_now(q->store);
}

static void
tick_add(struct tick *t, struct queue *q)
{
	if (t->n >= TICK_MAX_QUEUES || q->ticked == t->store->tick_serial ||
	    (!queue_exists(q) && q->waiting_count == 0))
		return;
	q->ticked = t->store->tick_serial;
	list_del(&q->touched_link);
	t->queues[t->n++] = q;
}

/* Queues in use first, then those with something due, then some others. */
static void
tick_choose(struct store *s, struct tick *t)
{
	struct list *pos, *tmp;

	s->tick_serial++;
	LIST_FOREACH_SAFE (pos, tmp, &s->touched)
		tick_add(t, CONTAINER_OF(pos, struct queue, touched_link));
	for (size_t i = 0; i < s->queue_count; i++)
		if (queue_is_awake(s->sorted[i]))
			tick_add(t, s->sorted[i]);
	for (size_t i = 0; i < s->queue_count && i < 20; i++) {
		s->tick_next = (s->tick_next + 1) % s->queue_count;
		tick_add(t, s->sorted[s->tick_next]);
	}
}

void
store_tick(struct store *s, store_count_cb *cb, void *arg)
{
	struct tick *t =
	    xcalloc(1, sizeof(*t) + TICK_MAX_QUEUES * sizeof(struct queue *));

	t->store = s;
	t->count_cb = cb;
	t->arg = arg;
	queues_drop_idle(s);
	repair_turn(s);
	for (size_t i = 0; i < s->queue_count; i++)
		rates_sample(s->sorted[i]);
	workers_flush(s);
	tick_choose(s, t);
	tick_send(t);
}

/* ---- one queue, fresh -------------------------------------------------- */

struct queue_miss {
	struct done done;
	store_queue_cb *cb;
	void *arg;
	enum err err;
};

static void
miss_on_done(struct done *d)
{
	struct queue_miss *m = CONTAINER_OF(d, struct queue_miss, done);

	m->cb(m->err, NULL, m->arg);
	free(m);
}

void
queue_answer_err(struct store *s, enum err err, store_queue_cb *cb, void *arg)
{
	struct queue_miss *m = xcalloc(1, sizeof(*m));

	m->done.fn = miss_on_done;
	m->cb = cb;
	m->arg = arg;
	m->err = err;
	store_complete(s, &m->done);
}

void
queue_read(struct queue *q, store_queue_cb *cb, void *arg)
{
	struct tick *t = xcalloc(1, sizeof(*t) + sizeof(struct queue *));

	t->store = q->store;
	t->queue_cb = cb;
	t->arg = arg;
	t->n = 1;
	t->queues[0] = q;
	tick_send(t);
}

void
store_queue_get(
    struct store *s, struct span queue, store_queue_cb *cb, void *arg)
{
	struct queue *q;

	s = store_of(s, queue);
	q = queue_find(s, queue);
	if (!s->names_loaded)
		queue_answer_err(s, ERR_REDIS_DOWN, cb, arg);
	else if (!queue_exists(q))
		queue_answer_err(s, ERR_QUEUE_UNKNOWN, cb, arg);
	else
		queue_read(q, cb, arg);
}
