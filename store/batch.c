/*
 * Gathering: what one loop turn asks of one queue goes to Redis as two script
 * calls, the pushes, then the reports and takes, and is answered one by one.
 * In this order a push reaches those who wait. Takes are gathered in wait.c.
 *
 * While a call of a kind is under way, what comes for the queue is held back
 * and goes out together when it is answered: one sync of the disk then serves
 * many, and nobody waits longer than for a call that was sent before. Where
 * none is under way, many pushes do not wait for the end of the turn either:
 * Redis works on the first while the rest are read.
 *
 * What would wait too long is refused before it enters, pushes only: so the
 * rest, and the pushes that were let in, are answered in time.
 */

#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/id.h"
#include "core/mem.h"
#include "core/metrics.h"
#include "store/reply.h"
#include "store/worker_priv.h"

enum op_kind { OP_PUSH, OP_REPORT };

enum {
	OP_LEAST = 256,
	/* Pushes are refused while the oldest operation waits longer, */
	PUSH_LATE_US = 300 * 1000,
	/* or by the pace of the last calls there is more to do before it; */
	PUSH_AHEAD_US = 150 * 1000,
	/* but any may come while nothing waits longer than this. */
	PUSH_SOON_US = 25 * 1000,
	PACE_CALLS = 8
};

union op_result {
	struct store_pushed pushed;
	struct store_reported reported;
};

/* One caller's part of a gathered call. */
struct op {
	struct list link; /* on call->ops; on store->done while posted */
	struct store *store;
	enum op_kind kind;
	struct done done;
	enum err err;
	size_t n;      /* items the caller gave */
	bool priority; /* a push: not all in the normal lane */
	bool failed;   /* a report: nothing but failed ones */
	store_push_cb *push_cb;
	store_report_cb *report_cb;
	void *arg;
	union op_result results[];
};

/* The callers get an array of the one or the other. */
_Static_assert(sizeof(struct store_pushed) == sizeof(struct store_reported),
    "results are laid out as one array");

static struct op *
op_new(struct store *s, enum op_kind kind, size_t n, void *arg)
{
	size_t need = sizeof(struct op) + n * sizeof(union op_result);
	size_t size = OP_LEAST;
	struct op *op;

	/* A power of two: mem_give keeps those for the next. */
	while (size < need)
		size *= 2;
	op = mem_take(size);
	ASSERT(op != NULL);
	memset(op, 0, need);
	op->store = s;
	list_init(&op->link);
	op->kind = kind;
	op->n = n;
	op->arg = arg;
	return op;
}

/* What a refusal by Redis is called, by the operation (DESIGN 5.2). */
static enum err
op_refusal(const struct op *op)
{
	if (op->kind == OP_REPORT)
		return op->failed ? ERR_REPORT_FAILED : ERR_REPORT_FINISHED;
	if (op->priority)
		return ERR_PUSH_PRIORITY;
	return op->n == 1 ? ERR_PUSH_ONE : ERR_PUSH_MANY;
}

static void
op_end(struct op *op, enum err err)
{
	size_t n = err == ERR_OK ? op->n : 0;

	if (err == ERR_STORE_REFUSED)
		err = op_refusal(op);
	if (op->kind == OP_PUSH)
		op->push_cb(err, &op->results[0].pushed, n, op->arg);
	else
		op->report_cb(err, &op->results[0].reported, n, op->arg);
	mem_give(op);
}

static void
op_on_done(struct done *d)
{
	struct op *op = CONTAINER_OF(d, struct op, done);

	op_end(op, op->err);
}

static void
op_end_later(struct store *s, struct op *op, enum err err)
{
	op->err = err;
	op->done.fn = op_on_done;
	store_complete(s, &op->done);
}

/* ---- calls ------------------------------------------------------------- */

struct call *
call_new(struct queue *q)
{
	struct store *s = q->store;
	struct call *c;

	if (list_is_empty(&s->call_pool)) {
		c = xcalloc(1, sizeof(*c));
	} else {
		c = CONTAINER_OF(s->call_pool.next, struct call, ops);
		list_del(&c->ops);
		s->call_pool_count--;
		memset(c, 0, sizeof(*c));
	}
	c->store = s;
	c->queue = q;
	list_init(&c->ops);
	list_init(&c->takes);
	buf_init(&c->args, CALL_MAX_ARGS_BYTES);
	buf_init(&c->opts, CALL_MAX_ARGS_BYTES);
	redis_conn_take_spare(s->conn, &c->args);
	call_add(c, q->key);
	call_add_i64(c, clock_offset_ms());
	return c;
}

void
call_free(struct call *c)
{
	struct store *s = c->store;

	ASSERT(list_is_empty(&c->ops) && list_is_empty(&c->takes));
	buf_clear(&c->args);
	buf_clear(&c->opts);
	if (s->call_pool_count >= CALL_POOL) {
		free(c);
		return;
	}
	s->call_pool_count++;
	list_add_head(&s->call_pool, &c->ops);
}

/* Gives the pool back. */
void
batch_clear(struct store *s)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE (pos, tmp, &s->call_pool)
		free(CONTAINER_OF(pos, struct call, ops));
	list_init(&s->call_pool);
	s->call_pool_count = 0;
}

void
call_add(struct call *c, struct span s)
{
	resp_add_span(&c->args, s);
	c->argc++;
}

void
call_add_u64(struct call *c, uint64_t n)
{
	resp_add_u64(&c->args, n);
	c->argc++;
}

void
call_add_i64(struct call *c, int64_t n)
{
	resp_add_i64(&c->args, n);
	c->argc++;
}

void
call_send(struct call *c, enum script_id id, redis_reply_cb *cb, void *arg)
{
	queue_touch(c->queue);
	metric_add_series(METRIC_STORE_GATHERED, c->store->gathered_slot[id],
	    c->ops_count > 0 ? c->ops_count : 1);
	redis_conn_script(c->store->conn, id, &c->args, c->argc, 1, cb, arg);
}

void
queue_mark_dirty(struct queue *q)
{
	struct store *s = q->store;

	if (list_is_empty(&q->dirty_link))
		list_add_tail(&s->dirty, &q->dirty_link);
	loop_post(s->loop, &s->flush_post);
}

enum task_state
letter_state(char letter)
{
	switch (letter) {
	case 't':
		return TASK_TODO;
	case 'y':
		return TASK_DELAYED;
	case 'g':
		return TASK_DOING;
	case 'r':
		return TASK_FAILED;
	case 'f':
		return TASK_FINISH;
	case 'x':
		return TASK_DEAD;
	default:
		return TASK_GONE;
	}
}

enum err
letter_err(char letter, bool *dead)
{
	*dead = letter == 'x';
	switch (letter) {
	case 'k':
	case 'x':
	case 'a':
		return ERR_OK;
	case 'l':
		return ERR_LEASE_LOST;
	case 'n':
		return ERR_TASK_NOT_HELD;
	case 'c':
		return ERR_TASK_CANCELLED;
	case 'u':
		return ERR_TASK_UNKNOWN;
	default:
		return ERR_STORE_REPLY;
	}
}

/* ---- push -------------------------------------------------------------- */

static bool
push_is_plain(const struct store_task *t)
{
	return t->lane == LANE_NORMAL && !t->replace && t->max_attempts == 0 &&
	       t->run_at == 0 && t->delay_ms == 0;
}

static void
push_add_opts(struct call *c, const struct store_task *t)
{
	static const char lanes[] = {'h', 'n', 'l'};
	char text[96];
	struct buf b;

	buf_init(&b, sizeof(text));
	buf_add_char(&b, lanes[t->lane]);
	buf_add_char(&b, t->replace ? '1' : '0');
	if (t->max_attempts > 0)
		buf_add_u64(&b, t->max_attempts);
	buf_add_char(&b, ',');
	if (t->run_at > 0)
		buf_add_i64(&b, t->run_at);
	buf_add_char(&b, ',');
	if (t->delay_ms > 0)
		buf_add_i64(&b, t->delay_ms);
	resp_add_u64(&c->opts, c->items);
	resp_add_span(&c->opts, buf_span(&b));
	c->opts_count++;
	buf_clear(&b);
}

/* id and value; the value is the head and the payload in one string. */
static void
push_add(struct call *c, const struct store_task *t)
{
	char head[TASK_VALUE_HEAD];

	call_add(c, t->id);
	task_value_head(head, store_redis_now(c->store));
	buf_add_char(&c->args, '$');
	buf_add_u64(&c->args, TASK_VALUE_HEAD + t->payload.len);
	buf_add(&c->args, "\r\n", 2);
	buf_add(&c->args, head, sizeof(head));
	buf_add_span(&c->args, t->payload);
	buf_add(&c->args, "\r\n", 2);
	c->argc++;
	c->items++;
	c->store->push_items++;
	if (!push_is_plain(t))
		push_add_opts(c, t);
}

static bool
push_op_read(struct call *c, struct op *op, struct span letters, size_t *next)
{
	struct store_counters *n = &c->queue->counters;

	for (size_t i = 0; i < op->n; i++) {
		struct store_pushed *r = &op->results[i].pushed;

		if (r->err != ERR_OK) { /* it was not sent */
			n->refused++;
			continue;
		}
		if (*next >= letters.len)
			return false;
		if (letters.p[*next] == 'o') {
			r->err = ERR_QUEUE_FULL;
			n->refused++;
		} else if (letters.p[*next] == 'q') {
			n->pushed++;
		} else {
			r->known = letter_state(letters.p[*next]);
			n->exists++;
		}
		++*next;
	}
	return true;
}

/* A call of that kind was answered: what was held back may go. */
static void
call_ended(struct queue *q, unsigned *under_way, bool is_held)
{
	ASSERT(*under_way > 0);
	--*under_way;
	if (is_held)
		queue_mark_dirty(q);
}

/* How long Redis took for each task, without the calls before this one. */
static void
push_measure(struct store *s, const struct call *c, enum err err)
{
	int64_t now = clock_mono_us();
	int64_t began =
	    s->push_ended_us > c->sent_us ? s->push_ended_us : c->sent_us;

	s->push_ended_us = now;
	s->push_items -= c->items;
	if (err != ERR_OK)
		return;
	s->paced_us += now - began - s->paced_us / PACE_CALLS;
	s->paced_items += (int64_t)c->items - s->paced_items / PACE_CALLS;
}

/* The letters of so many tasks; *is_new: they are the queue's first ones. */
static bool
push_read(const struct redisReply *reply, size_t n, struct span *letters,
    bool *is_new)
{
	*is_new = false;
	if (!reply_is_bytes(reply, letters) || letters->len < n)
		return false;
	if (letters->len == n)
		return true;
	*is_new = letters->p[n] == '!';
	letters->len = n;
	return *is_new;
}

static void
push_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct call *c = arg;
	struct span letters = {"", 0};
	struct list *pos, *tmp;
	bool is_new = false;
	size_t next = 0;
	uint64_t pushed;

	pushed = c->queue->counters.pushed;
	push_measure(c->store, c, err);
	if (err == ERR_STORE_FULL)
		workers_note_full(c->store);
	call_ended(c->queue, &c->queue->pushing, c->queue->push != NULL);
	if (err == ERR_OK && !push_read(reply, c->items, &letters, &is_new))
		err = ERR_STORE_REPLY;
	if (is_new && !c->registers)
		queue_register_again(c->queue);
	LIST_FOREACH_SAFE (pos, tmp, &c->ops) {
		struct op *op = CONTAINER_OF(pos, struct op, link);

		list_del(pos);
		if (err == ERR_OK && !push_op_read(c, op, letters, &next))
			err = ERR_STORE_REPLY;
		op_end(op, err);
	}
	if (c->queue->counters.pushed != pushed)
		c->queue->pushed_at = store_redis_now(c->store);
	call_free(c);
}

static void
push_flush(struct queue *q)
{
	struct call *c = q->push;

	if (c == NULL)
		return;
	q->push = NULL;
	q->pushing++;
	c->sent_us = clock_mono_us();
	c->registers = queue_register(q);
	q->wake += c->items;
	buf_add_span(&c->args, buf_span(&c->opts));
	c->argc += 2 * c->opts_count;
	call_add_u64(c, c->opts_count);
	call_send(c, SCRIPT_PUSH, push_on_reply, c);
	others_tell(q, c->items);
}

static struct call *
push_call(struct queue *q, const struct queue_policy *policy, size_t n)
{
	struct call *c = q->push;

	if (c != NULL &&
	    (c->items + n > CALL_MAX_ITEMS || c->ops_count >= CALL_MAX_OPS ||
		c->args.len > CALL_MAX_BYTES)) {
		push_flush(q);
		c = NULL;
	}
	if (c == NULL) {
		c = q->push = call_new(q);
		call_add_u64(c, policy->max_tasks);
	}
	return c;
}

/* Refuses payloads that are too large; how many tasks are left to send. */
static size_t
push_check(struct op *op, const struct store_task *tasks,
    const struct queue_policy *policy)
{
	size_t left = 0;

	for (size_t i = 0; i < op->n; i++) {
		op->priority |= tasks[i].lane != LANE_NORMAL;
		if (tasks[i].payload.len > policy->max_payload)
			op->results[i].pushed.err = ERR_PAYLOAD_TOO_LARGE;
		else
			left++;
	}
	return left;
}

/* Nothing is sent, so nothing is made either: neither queue nor call. */
static void
push_refuse_all(struct store *s, struct queue *q, struct op *op, enum err err)
{
	if (q != NULL)
		q->counters.refused += op->n;
	op_end_later(s, op, err);
}

/* Would one more be answered soon? */
static enum err
push_admit(const struct store *s)
{
	int64_t age_us = redis_conn_age_us(s->conn);

	if (s->closing)
		return ERR_SHUTTING_DOWN;
	if (redis_conn_is_away(s->conn))
		return ERR_REDIS_DOWN;
	if (age_us > PUSH_LATE_US)
		return ERR_STORE_BUSY;
	if (age_us > PUSH_SOON_US && (int64_t)s->push_items * s->paced_us >
					 s->paced_items * PUSH_AHEAD_US)
		return ERR_STORE_BUSY;
	return ERR_OK;
}

void
store_push(struct store *s, struct span queue, const struct store_task *tasks,
    size_t n, store_push_cb *cb, void *arg)
{
	struct queue *q;
	struct op *op;
	struct queue_policy policy;
	struct call *c;
	enum err err;

	s = store_of(s, queue);
	q = queue_find(s, queue);
	op = op_new(s, OP_PUSH, n, arg);
	err = push_admit(s);
	if (err == ERR_OK && (q == NULL || !q->registered) &&
	    !fleet_is_settled(s->fleet))
		err = ERR_REDIS_DOWN;
	op->push_cb = cb;
	if (err != ERR_OK) {
		push_refuse_all(s, q, op, err);
		return;
	}
	if (q != NULL)
		queue_policy(q, &policy);
	else
		policy = *conf_queue_policy(s->conf, queue);
	if (push_check(op, tasks, &policy) == 0) {
		push_refuse_all(s, q, op, ERR_OK);
		return;
	}
	q = queue_make(s, queue);
	if (q == NULL) {
		op_end_later(s, op, ERR_TOO_MANY_QUEUES);
		return;
	}
	c = push_call(q, &policy, n);
	for (size_t i = 0; i < n; i++)
		if (op->results[i].pushed.err == ERR_OK)
			push_add(c, &tasks[i]);
	list_add_tail(&c->ops, &op->link);
	c->ops_count++;
	queue_mark_dirty(q);
	if (c->ops_count >= GATHER_EARLY && q->pushing == 0) {
		push_flush(q);
		redis_conn_flush(s->conn);
	}
}

/* ---- report ------------------------------------------------------------ */

static void
report_count(struct queue *q, const struct op *op)
{
	for (size_t i = 0; i < op->n; i++) {
		const struct store_reported *r = &op->results[i].reported;

		if (r->err == ERR_LEASE_LOST)
			q->counters.lease_lost++;
		q->counters.dead += r->dead;
	}
}

/* One caller's letters; false when there are too few. */
static bool
report_op_read(struct call *c, struct op *op, struct span letters, size_t *next)
{
	struct store_counters *n = &c->queue->counters;

	for (size_t i = 0; i < op->n; i++) {
		struct store_reported *r = &op->results[i].reported;
		bool failed = r->dead;
		char letter;

		if (*next >= letters.len)
			return false;
		letter = letters.p[(*next)++];
		r->err = letter_err(letter, &r->dead);
		if (r->err == ERR_OK && failed)
			n->failed++;
		else if (r->err == ERR_OK && letter != 'a')
			n->finished++;
	}
	report_count(c->queue, op);
	return true;
}

/* ---- reports and takes in one call ------------------------------------- */

static bool
work_is_held(const struct queue *q)
{
	return q->work != NULL || q->wake > 0 || !list_is_empty(&q->fresh);
}

static void
work_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct call *c = arg;
	struct span letters = {"", 0};
	struct list *pos, *tmp;
	struct reply in;
	size_t next = 0;

	call_ended(c->queue, &c->queue->working, work_is_held(c->queue));
	if (err == ERR_OK) {
		reply_open(&in, reply);
		letters = reply_bytes(&in);
		if (in.bad || letters.len != c->items)
			err = ERR_STORE_REPLY;
	}
	LIST_FOREACH_SAFE (pos, tmp, &c->ops) {
		struct op *op = CONTAINER_OF(pos, struct op, link);

		list_del(pos);
		if (err == ERR_OK && !report_op_read(c, op, letters, &next))
			err = ERR_STORE_REPLY;
		op_end(op, err);
	}
	takes_on_reply(c, err, &in);
	call_free(c);
}

void
call_add_policy(struct call *c)
{
	struct queue_policy p;

	queue_policy(c->queue, &p);
	call_add_u64(c, p.max_attempts);
	call_add_u64(c, p.retry_base_ms);
	call_add_u64(c, p.retry_max_ms);
	call_add_u64(c, id_random() % 1000000);
	call_add_u64(c, p.lease_ms);
	call_add(c, span_of(channels_history(c->store)));
}

struct call *
call_work(struct queue *q)
{
	if (q->work == NULL) {
		q->work = call_new(q);
		call_add_policy(q->work);
	}
	return q->work;
}

void
call_work_send(struct queue *q)
{
	struct call *c = q->work;

	if (c == NULL)
		return;
	q->work = NULL;
	q->working++;
	if (list_is_empty(&c->takes))
		call_add(c, SPAN(""));
	call_send(c, SCRIPT_WORK, work_on_reply, c);
}

/* ---- report ------------------------------------------------------------ */

static struct call *
report_call(struct queue *q, size_t n)
{
	struct call *c = q->work;

	if (c != NULL &&
	    (c->items + n > REPORT_MAX_ITEMS || c->ops_count >= CALL_MAX_OPS ||
		c->args.len > CALL_MAX_BYTES))
		call_work_send(q);
	return call_work(q);
}

/* Its kind and text in one string. */
static void
report_add(struct call *c, const struct store_report_item *item)
{
	char kind = !item->failed ? 'f' : item->no_retry ? 'd' : 'e';

	call_add(c, item->id);
	buf_add_char(&c->args, '$');
	buf_add_u64(&c->args, 1 + item->text.len);
	buf_add(&c->args, "\r\n", 2);
	buf_add_char(&c->args, kind);
	buf_add_span(&c->args, item->text);
	buf_add(&c->args, "\r\n", 2);
	c->argc++;
}

void
store_report(struct store *s, struct span queue, struct span worker,
    const struct store_report_item *items, size_t n, store_report_cb *cb,
    void *arg)
{
	struct queue *q;
	struct op *op;
	struct call *c;

	s = store_of(s, queue);
	q = s->closing ? NULL : queue_ask(s, queue);
	op = op_new(s, OP_REPORT, n, arg);
	op->report_cb = cb;
	if (q == NULL) {
		op_end_later(s, op,
		    s->closing ? ERR_SHUTTING_DOWN : ERR_TOO_MANY_QUEUES);
		return;
	}
	c = report_call(q, n);
	call_add(c, worker);
	call_add_u64(c, n);
	op->failed = true;
	for (size_t i = 0; i < n; i++) {
		report_add(c, &items[i]);
		/* Until the reply, dead remembers which kind it was. */
		op->results[i].reported.dead = items[i].failed;
		op->failed &= items[i].failed;
	}
	c->items += n;
	list_add_tail(&c->ops, &op->link);
	c->ops_count++;
	queue_mark_dirty(q);
}

/* ---- the turn's end ---------------------------------------------------- */

void
batch_flush(void *arg)
{
	struct store *s = arg;
	struct list *pos, *tmp;

	/* Without a connection nothing is held back: it is refused, or waits
	 * no longer than a short gap. */
	bool hold = redis_conn_is_ready(s->conn);

	LIST_FOREACH_SAFE (pos, tmp, &s->dirty) {
		struct queue *q = CONTAINER_OF(pos, struct queue, dirty_link);

		list_del(pos);
		if (!hold || q->pushing == 0)
			push_flush(q);
		if (!hold || q->working == 0)
			wait_flush(q);
	}
	redis_conn_flush(s->conn);
}

static void
call_abort(struct call **slot, enum err err)
{
	struct call *c = *slot;
	struct list *pos, *tmp;

	if (c == NULL)
		return;
	*slot = NULL;
	LIST_FOREACH_SAFE (pos, tmp, &c->ops) {
		list_del(pos);
		op_end_later(c->store, CONTAINER_OF(pos, struct op, link), err);
	}
	call_free(c);
}

void
batch_abort(struct store *s, enum err err)
{
	for (size_t i = 0; i < s->queue_count; i++) {
		call_abort(&s->sorted[i]->push, err);
		call_abort(&s->sorted[i]->work, err);
		list_del(&s->sorted[i]->dirty_link);
	}
}
