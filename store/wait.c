/*
 * Takes: asked for together at the end of a turn, and waiting for work where
 * there was none. Ten thousand that wait cost one timer: a wheel of slots of
 * WHEEL_TICK_MS. A push asks for as many waiting takes as it brings tasks.
 */

#include "store/store_priv.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/metrics.h"
#include "store/channel_priv.h"
#include "store/reply.h"

/* Where a take stands (struct store_take.where). */
enum {
	TAKE_NEW,
	TAKE_FRESH,   /* on queue->fresh: will be asked for */
	TAKE_ASKED,   /* on call->ops: the script is under way */
	TAKE_WAITING, /* on queue->waiting and in the wheel */
	TAKE_ENDING   /* its callback is posted */
};

struct take_end {
	struct done done;
	struct store_take *take;
	enum err err;
};

static uint64_t
wheel_now(void)
{
	return (uint64_t)clock_mono_us() / (WHEEL_TICK_MS * 1000);
}

static void
take_end(struct store_take *t, const struct store_take_result *r)
{
	metric_observe(METRIC_WAIT_SECONDS, 0,
	    (double)(clock_mono_us() - t->began_us) / 1e6);
	t->where = TAKE_ENDING;
	t->cb(r, t->arg);
}

static void
take_end_empty(struct store_take *t, enum err err)
{
	struct store_take_result r = {.err = err};

	if (err == ERR_OK && t->queue_ref != NULL)
		r.paused = t->queue_ref->numbers.paused;
	take_end(t, &r);
}

static void
take_on_done(struct done *d)
{
	struct take_end *e = CONTAINER_OF(d, struct take_end, done);
	struct store_take *t = e->take;
	enum err err = t->left ? ERR_CLIENT_GONE : e->err;

	free(e);
	take_end_empty(t, err);
}

static void
take_end_later(struct store *s, struct store_take *t, enum err err)
{
	struct take_end *e = xcalloc(1, sizeof(*e));

	t->where = TAKE_ENDING;
	e->take = t;
	e->err = err;
	e->done.fn = take_on_done;
	store_complete(s, &e->done);
}

/* ---- waiting ----------------------------------------------------------- */

static void
take_unpark(struct store_take *t)
{
	struct queue *q = t->queue_ref;

	list_del(&t->link);
	list_del(&t->wheel_link);
	q->waiting_count--;
	if (--q->store->waiting == 0)
		timer_disarm(&q->store->wheel_timer);
}

static int64_t
waiting_began(struct list *link)
{
	return CONTAINER_OF(link, struct store_take, link)->began_us;
}

/* By age: one that was asked for in vain keeps its place. Found from the end
 * that it is nearer to. */
static void
waiting_insert(struct queue *q, struct store_take *t)
{
	struct list *head = &q->waiting, *pos = head->prev;
	int64_t began = t->began_us;

	if (list_is_empty(head) || waiting_began(pos) <= began) {
		list_add_tail(head, &t->link);
		return;
	}
	if (began - waiting_began(head->next) > waiting_began(pos) - began)
		while (pos != head && waiting_began(pos) > began)
			pos = pos->prev;
	else
		for (pos = head; waiting_began(pos->next) <= began;)
			pos = pos->next;
	list_insert(&t->link, pos, pos->next);
}

static void
take_park(struct store *s, struct store_take *t)
{
	struct queue *q = t->queue_ref;

	t->where = TAKE_WAITING;
	t->waited = true;
	waiting_insert(q, t);
	list_add_tail(&s->wheel[t->expires_tick % WHEEL_SLOTS], &t->wheel_link);
	q->waiting_count++;
	if (s->waiting++ == 0) {
		s->wheel_at = wheel_now();
		timer_arm_ms(&s->wheel_timer, WHEEL_TICK_MS);
	}
}

/* Ends takes of that tick, as far as there is room for; false when some are
 * left. */
static bool
wheel_end_tick(struct store *s, uint64_t tick, size_t *room)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE (pos, tmp, &s->wheel[tick % WHEEL_SLOTS]) {
		struct store_take *t =
		    CONTAINER_OF(pos, struct store_take, wheel_link);

		if (t->expires_tick > tick)
			continue;
		if (*room == 0)
			return false;
		--*room;
		take_unpark(t);
		take_end_later(s, t, ERR_OK);
	}
	return true;
}

/* Ten thousand may end in one tick: they must not hold the loop. */
static void
wheel_on_timer(void *arg)
{
	struct store *s = arg;
	uint64_t now = wheel_now();
	size_t room = WHEEL_MAX_ENDS;

	while (s->wheel_at < now && wheel_end_tick(s, s->wheel_at + 1, &room))
		s->wheel_at++;
	if (s->waiting > 0)
		timer_arm_ms(
		    &s->wheel_timer, s->wheel_at < now ? 0 : WHEEL_TICK_MS);
}

void
queue_wake(struct queue *q, size_t n)
{
	q->wake += n;
	queue_mark_dirty(q);
}

void
wait_wake_all_queues(struct store *s)
{
	for (size_t i = 0; i < s->queue_count; i++)
		queue_wake(s->sorted[i], s->sorted[i]->waiting_count);
}

/* ---- asking ------------------------------------------------------------ */

/* Nothing came for it: ask again, as there is more than was looked at, wait,
 * or end. */
static void
take_unserved(struct store *s, struct store_take *t, bool ask_again)
{
	struct queue *q = t->queue_ref;
	bool closing = s->closing || s->draining;
	bool over = t->wait_ms == 0 || wheel_now() >= t->expires_tick;

	if (t->left)
		take_end_empty(t, ERR_CLIENT_GONE);
	else if (closing || (over && !ask_again))
		take_end_empty(t, ERR_OK);
	else if (ask_again || t->asked_seq != q->seq) {
		t->where = TAKE_FRESH;
		list_add_tail(&q->fresh, &t->link);
		queue_mark_dirty(q);
	} else if (store_waiting(s) >= s->conf->limits_max_waiting)
		take_end_empty(t, ERR_TOO_MANY_WAITING);
	else
		take_park(s, t);
}

/* The client left while the script was under way. */
static void
take_give_back(struct store *s, struct store_take *t, size_t n)
{
	struct span *ids = xcalloc(n, sizeof(*ids));

	for (size_t i = 0; i < n; i++)
		ids[i] = s->taken[i].id;
	store_untake(s, t, ids, n);
	free(ids);
	take_end_empty(t, ERR_CLIENT_GONE);
}

/* Reads one taker's part into s->taken; false when the shape is wrong. spent:
 * its request id was served before, and of that nothing is held any more. */
static bool
take_read(
    struct store *s, struct reply *c, struct store_take_result *r, bool *spent)
{
	struct task_value value;
	int64_t n;

	r->lease_until = reply_int(c, 0);
	n = reply_int(c, 0);
	*spent = n < 0;
	r->n = n < 0 ? 0 : (size_t)n;
	r->tasks = s->taken;
	if (c->bad || r->n > CALL_MAX_ITEMS || r->n * 3 > reply_left(c))
		return false;
	for (size_t i = 0; i < r->n; i++) {
		s->taken[i].id = reply_bytes(c);
		s->taken[i].attempt = (uint64_t)reply_int(c, 0);
		if (!task_value_read(reply_bytes(c), &value))
			return false;
		s->taken[i].payload = value.rest;
	}
	return !c->bad;
}

static enum err
takes_serve(struct call *c, struct reply *in)
{
	struct queue *q = c->queue;
	struct store *s = c->store;
	struct store_take_result r = {.err = ERR_OK};
	struct list *pos, *tmp;
	size_t left;
	bool spent;

	q->numbers.paused = r.paused = reply_int(in, 0) != 0;
	metric_add(METRIC_STORE_REPAIRS, (uint64_t)reply_int(in, 0));
	left = (size_t)reply_int(in, 0);
	LIST_FOREACH_SAFE (pos, tmp, &c->takes) {
		struct store_take *t =
		    CONTAINER_OF(pos, struct store_take, link);

		if (!take_read(s, in, &r, &spent))
			return ERR_STORE_REPLY;
		list_del(pos);
		if (r.n == 0) {
			/* Nothing will ever come for it: it must not wait in
			 * front of others. */
			if (spent)
				t->wait_ms = 0;
			take_unserved(s, t, left > 0 && !spent);
		} else if (t->left) {
			take_give_back(s, t, r.n);
		} else {
			q->counters.taken += r.n;
			q->taken_at = store_redis_now(s);
			q->untaken_us = clock_mono_us();
			take_end(t, &r);
		}
	}
	if (left > 0)
		queue_wake(q, left);
	return ERR_OK;
}

/* It was not sent, and will be asked for again after the outage. */
static bool
take_waits_on(const struct store *s, const struct store_take *t, enum err err)
{
	return err == ERR_REDIS_DOWN && t->waited &&
	       !redis_conn_is_ready(s->conn);
}

void
takes_on_reply(struct call *c, enum err err, struct reply *in)
{
	struct list *pos, *tmp;

	if (list_is_empty(&c->takes))
		return;
	if (err == ERR_OK)
		err = takes_serve(c, in);
	if (err == ERR_STORE_REFUSED)
		err = ERR_TAKE;
	/* As long as it takes, its tasks wait, too. */
	if (err == ERR_QUEUE_MOVING)
		c->queue->numbers.paused = true;
	LIST_FOREACH_SAFE (pos, tmp, &c->takes) {
		struct store_take *t =
		    CONTAINER_OF(pos, struct store_take, link);

		list_del(pos);
		if (err == ERR_QUEUE_MOVING || take_waits_on(c->store, t, err))
			take_unserved(c->store, t, false);
		else
			take_end_empty(t, t->left ? ERR_CLIENT_GONE : err);
	}
}

static void
take_ask(struct call *c, struct store_take *t)
{
	if (list_is_empty(&c->takes)) /* the reports end here */
		call_add(c, SPAN(""));
	call_add(c, t->worker);
	call_add_u64(c, t->count);
	if (t->lease_ms > 0)
		call_add_u64(c, t->lease_ms);
	else
		call_add(c, SPAN(""));
	call_add(c, t->request_id);
	c->asked_for += t->count;
	t->where = TAKE_ASKED;
	t->asked_seq = c->queue->seq;
	list_add_tail(&c->takes, &t->link);
	c->ops_count++;
}

/* The next take to ask for: of those that wait, then the fresh ones. */
static struct store_take *
take_next(struct queue *q)
{
	struct store_take *t;

	if (q->wake > 0 && q->waiting_count > 0) {
		t = CONTAINER_OF(q->waiting.next, struct store_take, link);
		take_unpark(t);
		q->wake--;
		return t;
	}
	if (list_is_empty(&q->fresh))
		return NULL;
	t = CONTAINER_OF(q->fresh.next, struct store_take, link);
	list_del(&t->link);
	return t;
}

/* The script looks all request ids up before it serves anyone: the same one
 * twice has to go into two calls. */
static bool
call_has_request(struct call *c, const struct store_take *t)
{
	struct list *pos;

	if (t->request_id.len == 0)
		return false;
	LIST_FOREACH (pos, &c->takes) {
		const struct store_take *other =
		    CONTAINER_OF(pos, struct store_take, link);

		if (span_eq(other->request_id, t->request_id) &&
		    span_eq(other->worker, t->worker))
			return true;
	}
	return false;
}

void
wait_flush(struct queue *q)
{
	struct store_take *t;

	/* More has come than those who wait may take: whoever was asked for
	 * before, and finds nothing, is to be asked for again. */
	if (q->wake > q->waiting_count)
		q->seq++;
	while ((t = take_next(q)) != NULL) {
		if (q->work != NULL &&
		    (q->work->asked_for + t->count > TAKE_MAX_TASKS ||
			call_has_request(q->work, t)))
			call_work_send(q);
		take_ask(call_work(q), t);
		if (q->work->ops_count < CALL_MAX_OPS)
			continue;
		call_work_send(q);
		/* The others when this one is answered. */
		if (redis_conn_is_ready(q->store->conn))
			return;
	}
	q->wake = 0;
	call_work_send(q);
}

/* ---- what callers do --------------------------------------------------- */

void
store_take(struct store *s, struct store_take *t)
{
	s = store_of(s, t->queue);
	list_init(&t->link);
	list_init(&t->wheel_link);
	t->began_us = clock_mono_us();
	t->expires_tick =
	    ((uint64_t)t->began_us / 1000 + t->wait_ms + WHEEL_TICK_MS - 1) /
	    WHEEL_TICK_MS;
	t->queue_ref = s->closing ? NULL : queue_ask(s, t->queue);
	if (t->queue_ref == NULL) {
		take_end_later(
		    s, t, s->closing ? ERR_SHUTTING_DOWN : ERR_TOO_MANY_QUEUES);
		return;
	}
	if (t->wait_ms > 0 && store_waiting(s) >= s->conf->limits_max_waiting) {
		take_end_later(s, t, ERR_TOO_MANY_WAITING);
		return;
	}
	t->where = TAKE_FRESH;
	list_add_tail(&t->queue_ref->fresh, &t->link);
	queue_mark_dirty(t->queue_ref);
}

void
store_take_leave(struct store *s, struct store_take *t)
{
	t->left = true;
	if (t->where == TAKE_WAITING) {
		take_unpark(t);
		take_end_later(s, t, ERR_CLIENT_GONE);
	} else if (t->where == TAKE_FRESH) {
		list_del(&t->link);
		take_end_later(s, t, ERR_CLIENT_GONE);
	}
}

static void
untake_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct queue *q = arg;
	int64_t n = 0;

	/* Not done: the lease ends some day, and the attempt counts. */
	if (err == ERR_OK && reply_is_int(reply, &n) && n > 0)
		others_wake(q, (size_t)n);
}

void
store_untake(struct store *s, const struct store_take *t,
    const struct span *ids, size_t n)
{
	struct queue *q;
	struct call *c;

	s = store_of(s, t->queue);
	q = queue_find(s, t->queue);
	if (q == NULL || n == 0 || s->closing)
		return;
	c = call_new(q);
	call_add(c, t->worker);
	call_add(c, t->request_id);
	for (size_t i = 0; i < n; i++)
		call_add(c, ids[i]);
	call_send(c, SCRIPT_UNTAKE, untake_on_reply, q);
	call_free(c);
}

static void
take_rehome(struct store *s, struct store_take *t)
{
	t->queue_ref = queue_ask(s, t->queue);
	if (t->queue_ref == NULL) {
		take_end_later(s, t, ERR_TOO_MANY_QUEUES);
		return;
	}
	t->where = TAKE_FRESH;
	list_add_tail(&t->queue_ref->fresh, &t->link);
	queue_mark_dirty(t->queue_ref);
}

void
wait_rehome(struct queue *q)
{
	struct store *home = store_of(q->store, span_of(q->name));
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE (pos, tmp, &q->waiting) {
		struct store_take *t =
		    CONTAINER_OF(pos, struct store_take, link);

		take_unpark(t);
		take_rehome(home, t);
	}
	LIST_FOREACH_SAFE (pos, tmp, &q->fresh) {
		list_del(pos);
		take_rehome(home, CONTAINER_OF(pos, struct store_take, link));
	}
}

void
wait_abort(struct store *s, enum err err)
{
	struct list *pos, *tmp;

	for (size_t i = 0; i < s->queue_count; i++) {
		struct queue *q = s->sorted[i];

		LIST_FOREACH_SAFE (pos, tmp, &q->waiting) {
			struct store_take *t =
			    CONTAINER_OF(pos, struct store_take, link);

			take_unpark(t);
			take_end_later(s, t, err);
		}
		LIST_FOREACH_SAFE (pos, tmp, &q->fresh) {
			list_del(pos);
			take_end_later(
			    s, CONTAINER_OF(pos, struct store_take, link), err);
		}
	}
}

void
wait_init(struct store *s)
{
	for (int i = 0; i < WHEEL_SLOTS; i++)
		list_init(&s->wheel[i]);
	timer_init(&s->wheel_timer, s->loop, wheel_on_timer, s);
	s->taken = xcalloc(CALL_MAX_ITEMS, sizeof(*s->taken));
}

void
wait_clear(struct store *s)
{
	timer_clear(&s->wheel_timer);
	free(s->taken);
	s->taken = NULL;
}
