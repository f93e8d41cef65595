/*
 * The janitor's slices: what each duty asks of Redis, and whether it has
 * something to do, by what the last tick read.
 */

#include "store/store_priv.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/mem.h"
#include "store/reply.h"
#include "store/worker_priv.h"

struct slice {
	struct done done;
	struct queue *queue;
	enum store_duty duty;
	store_count_cb *cb;
	void *arg;
};

static bool
is_due(int64_t at, int64_t now)
{
	return at > 0 && at <= now;
}

bool
store_duty_is_due(struct store *s, enum store_duty duty, struct span queue)
{
	struct queue *q = queue_find(store_of(s, queue), queue);
	int64_t now = store_redis_now(q != NULL ? q->store : s);
	const struct queue_numbers *n;
	struct queue_policy p;

	if (q == NULL)
		return false;
	n = &q->numbers;
	if (n->moving)
		return false;
	queue_policy(q, &p);
	switch (duty) {
	case DUTY_DOING:
	case DUTY_FAILED:
	case DUTY_DELAYED:
		return is_due(n->due[duty], now);
	case DUTY_FINISH:
		return n->counts[TASK_FINISH] > p.finish_keep ||
		       is_due(n->due[duty], now - (int64_t)p.finish_age_ms);
	case DUTY_DEAD:
		return (p.dead_keep > 0 &&
			   n->counts[TASK_DEAD] > p.dead_keep) ||
		       (p.dead_age_ms > 0 &&
			   is_due(n->due[duty], now - (int64_t)p.dead_age_ms));
	case DUTY_CHECK:
		return repair_is_due(q);
	case DUTY_WORKERS:
	case DUTY_COUNT:
		break;
	}
	return false;
}

static void
slice_count(struct slice *s, uint64_t todo, uint64_t dead)
{
	struct store_counters *n = &s->queue->counters;

	switch (s->duty) {
	case DUTY_DOING:
		n->reclaimed += todo + dead;
		n->dead += dead;
		break;
	case DUTY_FAILED:
		n->retried += todo;
		break;
	case DUTY_FINISH:
	case DUTY_DEAD:
		n->trimmed += todo;
		return;
	case DUTY_DELAYED:
	case DUTY_CHECK:
	case DUTY_WORKERS:
	case DUTY_COUNT:
		break;
	}
	if (todo > 0)
		others_wake(s->queue, (size_t)todo);
}

static void
slice_on_reply(enum err err, const struct redisReply *r, void *arg)
{
	struct slice *s = arg;
	int64_t todo = 0, dead = 0, longer = 0;
	struct reply c;

	if (err == ERR_OK && s->duty == DUTY_DOING) {
		reply_open(&c, r);
		todo = reply_int(&c, 0);
		dead = reply_int(&c, 0);
		reply_bytes(&c); /* the cursor */
		longer = reply_int(&c, 0);
		if (c.bad)
			err = ERR_STORE_REPLY;
	} else if (err == ERR_OK && !reply_is_int(r, &todo)) {
		err = ERR_STORE_REPLY;
	}
	if (err == ERR_OK)
		slice_count(s, (uint64_t)todo, (uint64_t)dead);
	s->cb(err, (uint64_t)(todo + dead + longer), s->arg);
	free(s);
}

static void
slice_on_done(struct done *d)
{
	struct slice *s = CONTAINER_OF(d, struct slice, done);

	s->cb(ERR_QUEUE_UNKNOWN, 0, s->arg);
	free(s);
}

static enum script_id
slice_args(struct call *c, enum store_duty duty, uint32_t limit)
{
	struct queue_policy p;
	bool dead = duty == DUTY_DEAD;

	queue_policy(c->queue, &p);
	switch (duty) {
	case DUTY_DOING:
		call_add_u64(c, p.max_attempts);
		call_add_u64(c, limit);
		call_add(c, SPAN(""));
		call_add(c, span_of(channels_history(c->store)));
		store_add_key(c->store, &c->args, "store");
		c->argc++;
		call_add_u64(c, BEAT_GAP_MS);
		call_add_u64(c, c->store->conf->worker_timeout_ms);
		return SCRIPT_RECLAIM;
	case DUTY_FINISH:
	case DUTY_DEAD:
		call_add(c, dead ? SPAN("dead") : SPAN("finish"));
		call_add_u64(c, dead ? p.dead_keep : p.finish_keep);
		call_add_u64(c, dead ? p.dead_age_ms : p.finish_age_ms);
		call_add_u64(c, limit);
		return SCRIPT_TRIM;
	case DUTY_FAILED:
	case DUTY_DELAYED:
	case DUTY_CHECK:
	case DUTY_WORKERS:
	case DUTY_COUNT:
		break;
	}
	call_add(c, duty == DUTY_FAILED ? SPAN("failed") : SPAN("delayed"));
	call_add_u64(c, limit);
	return SCRIPT_DUE;
}

void
store_duty_run(struct store *s, enum store_duty duty, struct span queue,
    uint32_t limit, store_count_cb *cb, void *arg)
{
	struct slice *slice;
	struct call *c;
	enum script_id script;

	if (duty == DUTY_WORKERS) {
		workers_sweep(s, cb, arg);
		return;
	}
	slice = xcalloc(1, sizeof(*slice));
	slice->queue = queue_find(store_of(s, queue), queue);
	slice->duty = duty;
	slice->cb = cb;
	slice->arg = arg;
	if (slice->queue == NULL) {
		slice->done.fn = slice_on_done;
		store_complete(s, &slice->done);
		return;
	}
	if (duty == DUTY_CHECK) {
		repair_slice(slice->queue, cb, arg);
		free(slice);
		return;
	}
	c = call_new(slice->queue);
	script = slice_args(c, duty, limit);
	call_send(c, script, slice_on_reply, slice);
	call_free(c);
}
