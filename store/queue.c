/*
 * The queues that this process knows: their table, their names in Redis, and
 * their policy.
 */

#include "store/store_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "store/moved.h"
#include "store/reply.h"

void
queue_add_key(const struct store *s, struct buf *args, const char *queue,
    const char *name)
{
	buf_addf(args, "$%zu\r\n%s{%s}:%s\r\n",
	    strlen(s->redis->prefix) + strlen(queue) + 3 + strlen(name),
	    s->redis->prefix, queue, name);
}

size_t
queue_hash(struct span name)
{
	uint64_t h = 1469598103934665603u;

	for (size_t i = 0; i < name.len; i++)
		h = (h ^ (unsigned char)name.p[i]) * 1099511628211u;
	return (size_t)h;
}

struct queue *
queue_find(const struct store *s, struct span name)
{
	struct queue *q;

	if (s->bucket_count == 0)
		return NULL;
	q = s->buckets[queue_hash(name) & (s->bucket_count - 1)];
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
		size_t at = queue_hash(span_of(q->name)) & (count - 1);

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
	at = queue_hash(span_of(q->name)) & (s->bucket_count - 1);
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
	    &s->buckets[queue_hash(span_of(q->name)) & (s->bucket_count - 1)];
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

void
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

/* Nothing is known of it any more. */
static void
queue_reset(struct queue *q)
{
	memset(&q->numbers, 0, sizeof(q->numbers));
	memset(&q->counters, 0, sizeof(q->counters));
	rates_reset(q);
	q->pushed_at = q->taken_at = 0;
	q->untaken_us = clock_mono_us();
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
	queue_reset(q);
	table_insert(s, q);
	return q;
}

struct queue *
queue_ask(struct store *s, struct span name)
{
	struct queue *q = queue_find(s, name);

	if (q == NULL) {
		if (s->queue_count - s->exist_count >= ASKED_MAX_QUEUES)
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

enum err
queue_refusal(const struct store *s, const struct queue *q)
{
	if (s->closing)
		return ERR_SHUTTING_DOWN;
	if (!s->names_loaded && q == NULL)
		return ERR_REDIS_DOWN;
	return queue_exists(q) ? ERR_OK : ERR_QUEUE_UNKNOWN;
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

/* It was there before, as far as is known: the next list tells. */
static void
register_again_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	(void)err;
	(void)reply;
	(void)arg;
}

void
queue_register_again(struct queue *q)
{
	struct store *s = q->store;
	redis_reply_cb *cb =
	    q->registered ? register_again_on_reply : register_on_reply;
	struct buf args;

	queue_set_registered(q, true);
	q->renewed = true;
	q->listed = s->listings;
	buf_init(&args, CALL_MAX_ARGS_BYTES);
	resp_add_str(&args, "SADD");
	store_add_key(s, &args, "queues");
	resp_add_str(&args, q->name);
	redis_conn_command(s->conn, REDIS_WRITE, &args, 3, cb, q);
}

bool
queue_register(struct queue *q)
{
	if (q->registered && q->dropping == 0)
		return false;
	queue_register_again(q);
	return true;
}

void
queue_forget(struct queue *q)
{
	queue_set_registered(q, q->renewed);
	queue_reset(q);
	queue_touch(q);
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

void
queue_fill_info(const struct queue *q, struct store_queue_info *out)
{
	const struct queue_numbers *n = &q->numbers;
	int64_t now = store_redis_now(q->store);

	memset(out, 0, sizeof(*out));
	out->name = span_of(q->name);
	out->now = now;
	out->backend = q->store->redis->name;
	if (store_is_ready(q->store, &out->away))
		out->away = NULL;
	out->paused = n->paused;
	memcpy(out->counts, n->counts, sizeof(out->counts));
	memcpy(out->lanes, n->lanes, sizeof(out->lanes));
	if (n->oldest_at > 0 && now > n->oldest_at)
		out->oldest_todo_s = (double)(now - n->oldest_at) / 1000;
	rates_fill(q, out->rates);
	out->totals = n->totals;
	out->workers = n->workers;
	out->last_push_at = q->pushed_at;
	out->last_take_at = q->taken_at;
	out->untaken_s = (double)(clock_mono_us() - q->untaken_us) / 1e6;
	out->retry_at = n->due[DUTY_FAILED];
	out->run_at = n->due[DUTY_DELAYED];
	out->broken = n->broken;
	out->waiting = q->waiting_count;
	queue_policy(q, &out->policy);
	out->overridden = n->overridden;
}

void
queue_fill_whole(const struct queue *q, struct store_queue_info *out)
{
	queue_fill_info(q, out);
	out->is_whole = true;
	rates_fill_long(q, out->rates_5m, out->rates_15m);
	for (int i = 0; i < POLICY_FIELD_COUNT; i++)
		if (conf_policy_is_set(
			q->store->conf, q->name, policy_offsets[i]))
			out->configured |= 1u << i;
}

const struct store_counters *
store_queue_counters(struct store *s, struct span queue)
{
	static const struct store_counters none;
	struct queue *q = queue_find(store_of(s, queue), queue);

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

/* The names, but those whose queue is on its way here, or was here. */
static void
names_read(struct names_load *load, struct reply *c)
{
	struct store *s = load->store;
	size_t left = (size_t)reply_int(c, 0);
	struct reply moves = *c;

	if (left > reply_left(c))
		left = reply_left(c);
	moves.next += left;
	moved_read(s, &moves);
	/* One that was put there after we asked is in no answer. */
	for (size_t i = 0; i < s->queue_count; i++)
		if (s->sorted[i]->listed < load->listing)
			queue_set_registered(s->sorted[i], false);
	while (left-- > 0) {
		struct span name = reply_bytes(c);
		struct queue *q = NULL;

		if (moved_is_elsewhere(s, name))
			moved_tidy(s, name);
		else if (name_is_valid(name))
			q = queue_make(s, name);
		if (q != NULL)
			queue_set_registered(q, true);
	}
	for (size_t i = 0; i < s->queue_count; i++)
		if (!queue_exists(s->sorted[i]))
			queue_reset(s->sorted[i]);
}

static void
names_on_reply(enum err err, const struct redisReply *r, void *arg)
{
	struct names_load *load = arg;
	struct store *s = load->store;
	void (*cb)(enum err err, struct store * s) = load->cb;
	struct reply c;

	if (err == ERR_OK) {
		reply_open(&c, r);
		names_read(load, &c);
		s->listed = load->listing;
	}
	free(load);
	if (cb != NULL)
		cb(err, s);
	if (err == ERR_OK && s->fleet->count > 1) {
		fleet_place(s->fleet);
		moves_recover(s);
	}
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
	store_add_key(s, &args, "queues");
	store_add_key(s, &args, "moved");
	redis_conn_script(
	    s->conn, SCRIPT_NAMES, &args, 2, 2, names_on_reply, load);
}

/* ---- changing the policy ------------------------------------------------ */

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
	struct queue *q;
	struct policy_set *set;
	struct call *c;

	s = store_of(s, queue);
	q = queue_make(s, queue);
	if (q == NULL) {
		queue_answer_err(s, ERR_TOO_MANY_QUEUES, cb, arg);
		return;
	}
	queue_register_again(q);
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
