/*
 * The queues that this process knows: their table, their policy, and the
 * numbers that the tick reads.
 */

#include "store/store_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/reply.h"

enum {
	TICK_HEAD = 4,       /* values in front of the queues */
	TICK_PER_QUEUE = 36, /* values of each; tick.lua */
	TICK_MAX_QUEUES = 200
};

static size_t
hash_name(struct span name)
{
	uint64_t h = 1469598103934665603u;

	for (size_t i = 0; i < name.len; i++)
		h = (h ^ (unsigned char)name.p[i]) * 1099511628211u;
	return (size_t)h;
}

struct queue *
queue_find(struct store *s, struct span name)
{
	struct queue *q;

	if (s->bucket_count == 0)
		return NULL;
	q = s->buckets[hash_name(name) & (s->bucket_count - 1)];
	while (q != NULL && !span_is(name, q->name))
		q = q->hash_next;
	return q;
}

static void
table_grow(struct store *s)
{
	size_t count = s->bucket_count == 0 ? 64 : s->bucket_count * 2;
	struct queue **buckets = xcalloc(count, sizeof(*buckets));

	for (size_t i = 0; i < s->queue_count; i++) {
		struct queue *q = s->sorted[i];
		size_t at = hash_name(span_of(q->name)) & (count - 1);

		q->hash_next = buckets[at];
		buckets[at] = q;
	}
	free(s->buckets);
	s->buckets = buckets;
	s->bucket_count = count;
}

/* Where the name stands, or would stand, in the sorted array. */
static size_t
sorted_at(const struct store *s, const char *name)
{
	size_t low = 0, high = s->queue_count;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (strcmp(s->sorted[mid]->name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void
table_insert(struct store *s, struct queue *q)
{
	size_t at;

	if (s->queue_count >= s->bucket_count)
		table_grow(s);
	at = hash_name(span_of(q->name)) & (s->bucket_count - 1);
	q->hash_next = s->buckets[at];
	s->buckets[at] = q;
	if (s->queue_count % 64 == 0)
		s->sorted = xrealloc(
		    s->sorted, s->queue_count + 64, sizeof(*s->sorted));
	at = sorted_at(s, q->name);
	memmove(s->sorted + at + 1, s->sorted + at,
	    (s->queue_count - at) * sizeof(*s->sorted));
	s->sorted[at] = q;
	s->queue_count++;
}

static void
table_remove(struct store *s, struct queue *q)
{
	struct queue **slot =
	    &s->buckets[hash_name(span_of(q->name)) & (s->bucket_count - 1)];
	size_t at = sorted_at(s, q->name);

	while (*slot != q)
		slot = &(*slot)->hash_next;
	*slot = q->hash_next;
	s->queue_count--;
	memmove(s->sorted + at, s->sorted + at + 1,
	    (s->queue_count - at) * sizeof(*s->sorted));
}

static void
queue_free(struct queue *q)
{
	repair_leave(q);
	free((void *)(uintptr_t)q->key.p);
	free(q);
}

/* Nobody waits in it, and whatever was asked of it has long been answered. */
static bool
queue_is_idle(const struct queue *q)
{
	int64_t quiet_us = clock_mono_us() - q->used_us;

	return list_is_empty(&q->fresh) && list_is_empty(&q->waiting) &&
	       list_is_empty(&q->dirty_link) && quiet_us > 10 * 1000000 &&
	       quiet_us > (int64_t)q->store->redis->deadline_ms * 3000;
}

/* Forgets queues that were only asked for. */
static void
queues_drop_idle(struct store *s)
{
	for (size_t i = s->queue_count; i > 0 && s->sweeps == 0; i--) {
		struct queue *q = s->sorted[i - 1];

		if (queue_exists(q) || !queue_is_idle(q))
			continue;
		list_del(&q->touched_link);
		table_remove(s, q);
		queue_free(q);
	}
}

static struct queue *
queue_new(struct store *s, struct span name)
{
	struct queue *q = xcalloc(1, sizeof(*q));
	char key[2 * NAME_MAX_LEN + 128];
	int n;

	q->store = s;
	memcpy(q->name, name.p, name.len);
	n = snprintf(key, sizeof(key), "%s{%s}:", s->redis->prefix, q->name);
	ASSERT(n > 0 && (size_t)n < sizeof(key));
	q->key = span_of(xstrdup(key));
	list_init(&q->dirty_link);
	list_init(&q->touched_link);
	list_init(&q->fresh);
	list_init(&q->waiting);
	table_insert(s, q);
	return q;
}

struct queue *
queue_ask(struct store *s, struct span name)
{
	struct queue *q = queue_find(s, name);

	if (q == NULL) {
		if (s->queue_count - store_queue_count(s) >= ASKED_MAX_QUEUES)
			return NULL;
		q = queue_new(s, name);
	}
	q->used_us = clock_mono_us();
	return q;
}

struct queue *
queue_make(struct store *s, struct span name)
{
	struct queue *q = queue_find(s, name);

	if (!queue_exists(q) &&
	    store_queue_count(s) >= s->conf->limits_max_queues)
		return NULL;
	if (q == NULL)
		q = queue_new(s, name);
	q->used_us = clock_mono_us();
	queue_touch(q);
	return q;
}

void
queues_free(struct store *s)
{
	for (size_t i = 0; i < s->queue_count; i++)
		queue_free(s->sorted[i]);
	free(s->sorted);
	free(s->buckets);
	s->sorted = s->buckets = NULL;
	s->queue_count = s->bucket_count = s->exist_count = 0;
}

bool
queue_exists(const struct queue *q)
{
	return q != NULL && (q->registered || q->configured);
}

/* The rest of the store counts on exist_count. */
static void
queue_set(struct queue *q, bool *flag, bool yes)
{
	struct store *s = q->store;

	s->exist_count -= queue_exists(q);
	*flag = yes;
	s->exist_count += queue_exists(q);
}

void
queue_set_registered(struct queue *q, bool yes)
{
	queue_set(q, &q->registered, yes);
}

void
queue_set_configured(struct queue *q, bool yes)
{
	queue_set(q, &q->configured, yes);
}

void
queue_touch(struct queue *q)
{
	q->unwalked = true;
	if (list_is_empty(&q->touched_link))
		list_add_tail(&q->store->touched, &q->touched_link);
}

static void
register_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct queue *q = arg;

	(void)reply;
	if (err != ERR_OK)
		queue_set_registered(q, false);
}

void
queue_register(struct queue *q)
{
	struct store *s = q->store;
	struct buf args;

	if (q->registered)
		return;
	queue_set_registered(q, true);
	q->listed = s->listings;
	buf_init(&args, CALL_MAX_ARGS_BYTES);
	resp_add_str(&args, "SADD");
	buf_addf(&args, "$%zu\r\n%squeues\r\n", strlen(s->redis->prefix) + 6,
	    s->redis->prefix);
	resp_add_str(&args, q->name);
	redis_conn_command(
	    s->conn, REDIS_WRITE, &args, 3, register_on_reply, q);
}

/* ---- policy ------------------------------------------------------------ */

static const size_t policy_offsets[POLICY_FIELD_COUNT] = {
    [POLICY_MAX_TASKS] = offsetof(struct queue_policy, max_tasks),
    [POLICY_MAX_PAYLOAD] = offsetof(struct queue_policy, max_payload),
    [POLICY_MAX_ATTEMPTS] = offsetof(struct queue_policy, max_attempts),
    [POLICY_LEASE] = offsetof(struct queue_policy, lease_ms),
    [POLICY_RETRY_BASE] = offsetof(struct queue_policy, retry_base_ms),
    [POLICY_RETRY_MAX] = offsetof(struct queue_policy, retry_max_ms),
    [POLICY_FINISH_KEEP] = offsetof(struct queue_policy, finish_keep),
    [POLICY_FINISH_AGE] = offsetof(struct queue_policy, finish_age_ms),
    [POLICY_DEAD_KEEP] = offsetof(struct queue_policy, dead_keep),
    [POLICY_DEAD_AGE] = offsetof(struct queue_policy, dead_age_ms),
};

void
queue_policy(const struct queue *q, struct queue_policy *out)
{
	*out = *conf_queue_policy(q->store->conf, span_of(q->name));
	for (int i = 0; i < POLICY_FIELD_COUNT; i++)
		if ((q->numbers.overridden & 1u << i) != 0)
			memcpy((char *)out + policy_offsets[i],
			    &q->numbers.override[i], sizeof(uint64_t));
}

/* ---- what is known of a queue ------------------------------------------ */

static void
fill_rates(const struct queue *q, double rates[RATE_COUNT])
{
	const struct store_counters *c = &q->counters;
	const uint64_t now[RATE_COUNT] = {
	    [RATE_PUSHED] = c->pushed,
	    [RATE_TAKEN] = c->taken,
	    [RATE_FINISHED] = c->finished,
	    [RATE_FAILED] = c->failed,
	};
	int64_t sec = clock_mono_us() / 1000000;

	for (int i = 0; i < RATE_COUNT; i++) {
		uint32_t then = q->rate_at[(sec + 1) % RATE_SLOTS][i];

		rates[i] = (double)((uint32_t)now[i] - then) / RATE_SLOTS;
	}
}

void
queue_fill_info(const struct queue *q, struct store_queue_info *out)
{
	const struct queue_numbers *n = &q->numbers;
	int64_t now = store_redis_now(q->store);

	memset(out, 0, sizeof(*out));
	out->name = span_of(q->name);
	out->backend = q->store->redis->name;
	out->paused = n->paused;
	memcpy(out->counts, n->counts, sizeof(out->counts));
	memcpy(out->lanes, n->lanes, sizeof(out->lanes));
	if (n->oldest_at > 0 && now > n->oldest_at)
		out->oldest_todo_s = (double)(now - n->oldest_at) / 1000;
	fill_rates(q, out->rates);
	out->totals = n->totals;
	out->waiting = q->waiting_count;
	queue_policy(q, &out->policy);
	out->overridden = n->overridden;
}

void
store_queue_each(struct store *s, store_queue_each_fn *fn, void *arg)
{
	struct store_queue_info info;

	for (size_t i = 0; i < s->queue_count; i++) {
		if (!queue_exists(s->sorted[i]))
			continue;
		queue_fill_info(s->sorted[i], &info);
		fn(&info, arg);
	}
}

size_t
store_queue_count(const struct store *s)
{
	return s->exist_count;
}

const struct store_counters *
store_queue_counters(struct store *s, struct span queue)
{
	static const struct store_counters none;
	struct queue *q = queue_find(s, queue);

	return q == NULL ? &none : &q->counters;
}

int64_t
store_redis_now(const struct store *s)
{
	if (s->redis_now == 0)
		return clock_now_ms();
	return s->redis_now + (clock_mono_us() - s->redis_now_us) / 1000;
}

/* ---- the names --------------------------------------------------------- */

struct names_load {
	struct store *store;
	uint64_t listing;
	void (*cb)(enum err err, struct store *s);
};

static void
names_on_reply(enum err err, const struct redisReply *r, void *arg)
{
	struct names_load *load = arg;
	struct store *s = load->store;
	void (*cb)(enum err err, struct store * s) = load->cb;
	struct reply c;

	if (err == ERR_OK) {
		/* One that was put there after we asked is in no answer. */
		for (size_t i = 0; i < s->queue_count; i++)
			if (s->sorted[i]->listed < load->listing)
				queue_set_registered(s->sorted[i], false);
		reply_open(&c, r);
		while (reply_left(&c) > 0) {
			struct span name = reply_bytes(&c);
			struct queue *q = NULL;

			if (name_is_valid(name))
				q = queue_make(s, name);
			if (q != NULL)
				queue_set_registered(q, true);
		}
	}
	free(load);
	if (cb != NULL)
		cb(err, s);
}

/* Reads which queues there are, as another schedd may have made some. */
void
queues_load(struct store *s, void (*cb)(enum err err, struct store *s))
{
	struct names_load *load = xcalloc(1, sizeof(*load));
	struct buf args;

	load->store = s;
	load->listing = ++s->listings;
	load->cb = cb;
	buf_init(&args, 4096);
	resp_add_str(&args, "SMEMBERS");
	buf_addf(&args, "$%zu\r\n%squeues\r\n", strlen(s->redis->prefix) + 6,
	    s->redis->prefix);
	redis_conn_command(s->conn, REDIS_READ, &args, 2, names_on_reply, load);
}

/* ---- the tick ---------------------------------------------------------- */

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

	n->paused = or_zero(c) != 0;
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

static void
rates_sample(struct queue *q)
{
	uint32_t *slot = q->rate_at[(clock_mono_us() / 1000000) % RATE_SLOTS];

	slot[RATE_PUSHED] = (uint32_t)q->counters.pushed;
	slot[RATE_TAKEN] = (uint32_t)q->counters.taken;
	slot[RATE_FINISHED] = (uint32_t)q->counters.finished;
	slot[RATE_FAILED] = (uint32_t)q->counters.failed;
}

static enum err
tick_read(struct tick *t, const struct redisReply *r)
{
	struct store *s = t->store;
	struct reply c;
	size_t names;

	reply_open(&c, r);
	if (reply_left(&c) != TICK_HEAD + t->n * TICK_PER_QUEUE)
		return ERR_STORE_REPLY;
	s->redis_now = or_zero(&c);
	s->redis_now_us = clock_mono_us();
	names = (size_t)or_zero(&c);
	s->worker_total = (size_t)or_zero(&c);
	s->first_beat = or_zero(&c);
	for (size_t i = 0; i < t->n; i++) {
		struct queue *q = t->queues[i];
		bool was_broken = q->numbers.broken;

		if (!numbers_read(&q->numbers, &c))
			return ERR_STORE_REPLY;
		queue_tell_broken(q, was_broken);
		/* Another schedd, or an operator, brought work here. */
		if (q->waiting_count > 0 && !q->numbers.paused &&
		    q->numbers.counts[TASK_TODO] > 0)
			queue_wake(q, (size_t)q->numbers.counts[TASK_TODO]);
	}
	if (t->count_cb != NULL) {
		size_t known = 0;

		for (size_t i = 0; i < s->queue_count; i++)
			known += s->sorted[i]->registered;
		if (known != names)
			queues_load(s, NULL);
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
		queue_fill_info(t->queues[0], &info);
		t->queue_cb(err, err == ERR_OK ? &info : NULL, t->arg);
	}
	free(t);
}

static void
tick_send(struct tick *t)
{
	static const char *const keys[] = {"queues", "workers", "beats"};
	const char *prefix = t->store->redis->prefix;
	struct buf args;

	buf_init(&args, CALL_MAX_ARGS_BYTES);
	for (size_t i = 0; i < COUNT_OF(keys); i++)
		buf_addf(&args, "$%zu\r\n%s%s\r\n",
		    strlen(prefix) + strlen(keys[i]), prefix, keys[i]);
	for (size_t i = 0; i < t->n; i++)
		resp_add_span(&args, t->queues[i]->key);
	resp_add_i64(&args, clock_offset_ms());
	redis_conn_script(t->store->conn, SCRIPT_TICK, &args,
	    (unsigned)(COUNT_OF(keys) + t->n + 1),
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

static void
queue_answer_err(struct store *s, enum err err, store_queue_cb *cb, void *arg)
{
	struct queue_miss *m = xcalloc(1, sizeof(*m));

	m->done.fn = miss_on_done;
	m->cb = cb;
	m->arg = arg;
	m->err = err;
	store_complete(s, &m->done);
}

static void
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
	struct queue *q = queue_find(s, queue);

	if (!s->names_loaded)
		queue_answer_err(s, ERR_REDIS_DOWN, cb, arg);
	else if (!queue_exists(q))
		queue_answer_err(s, ERR_QUEUE_UNKNOWN, cb, arg);
	else
		queue_read(q, cb, arg);
}

/* The fields of meta, in the order of enum policy_field. */
static const char *const policy_names[POLICY_FIELD_COUNT] = {
    [POLICY_MAX_TASKS] = "max_tasks",
    [POLICY_MAX_PAYLOAD] = "max_payload",
    [POLICY_MAX_ATTEMPTS] = "max_attempts",
    [POLICY_LEASE] = "lease_ms",
    [POLICY_RETRY_BASE] = "retry_base_ms",
    [POLICY_RETRY_MAX] = "retry_max_ms",
    [POLICY_FINISH_KEEP] = "finish_keep",
    [POLICY_FINISH_AGE] = "finish_age_ms",
    [POLICY_DEAD_KEEP] = "dead_keep",
    [POLICY_DEAD_AGE] = "dead_age_ms",
};

struct policy_set {
	struct queue *queue;
	store_queue_cb *cb;
	void *arg;
	bool wake;
};

static void policy_on_set(
    enum err err, const struct redisReply *reply, void *arg);

void
store_queue_set(struct store *s, struct span queue,
    const struct store_policy_change *change, store_queue_cb *cb, void *arg)
{
	struct queue *q = queue_make(s, queue);
	struct policy_set *set;
	struct call *c;

	if (q == NULL) {
		queue_answer_err(s, ERR_TOO_MANY_QUEUES, cb, arg);
		return;
	}
	queue_register(q);
	set = xcalloc(1, sizeof(*set));
	set->queue = q;
	set->cb = cb;
	set->arg = arg;
	set->wake = change->paused == 0;
	c = call_new(q);
	for (int i = 0; i < POLICY_FIELD_COUNT; i++) {
		if (((change->set | change->unset) & 1u << i) == 0)
			continue;
		call_add(c, span_of(policy_names[i]));
		if ((change->set & 1u << i) != 0)
			call_add_u64(c, change->values[i]);
		else
			call_add(c, SPAN(""));
	}
	if (change->paused >= 0) {
		call_add(c, SPAN("paused"));
		call_add(c, change->paused ? SPAN("1") : SPAN(""));
	}
	call_send(c, SCRIPT_POLICY, policy_on_set, set);
	call_free(c);
}

static void
policy_on_set(enum err err, const struct redisReply *reply, void *arg)
{
	struct policy_set *set = arg;
	struct queue *q = set->queue;

	(void)reply;
	if (err != ERR_OK) {
		set->cb(err, NULL, set->arg);
	} else {
		if (set->wake)
			others_wake(q, CALL_MAX_ITEMS);
		queue_read(q, set->cb, set->arg);
	}
	free(set);
}
