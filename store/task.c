/* One task (show, remove), pages of tasks, extending leases. */

#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "store/reply.h"

static const char *const state_names[TASK_STATE_COUNT] = {
    [TASK_GONE] = "gone",
    [TASK_TODO] = "todo",
    [TASK_DELAYED] = "delayed",
    [TASK_DOING] = "doing",
    [TASK_FAILED] = "failed",
    [TASK_FINISH] = "finish",
    [TASK_DEAD] = "dead",
};

static const char *const lane_names[LANE_COUNT] = {
    [LANE_HIGH] = "high",
    [LANE_NORMAL] = "normal",
    [LANE_LOW] = "low",
};

const char *
task_state_name(enum task_state state)
{
	return (unsigned)state < TASK_STATE_COUNT ? state_names[state] : "gone";
}

bool
task_state_parse(struct span name, enum task_state *out)
{
	for (int i = TASK_TODO; i < TASK_STATE_COUNT; i++)
		if (span_is(name, state_names[i])) {
			*out = (enum task_state)i;
			return true;
		}
	return false;
}

const char *
lane_name(enum lane lane)
{
	return (unsigned)lane < LANE_COUNT ? lane_names[lane] : "normal";
}

bool
lane_parse(struct span name, enum lane *out)
{
	for (int i = 0; i < LANE_COUNT; i++)
		if (span_is(name, lane_names[i])) {
			*out = (enum lane)i;
			return true;
		}
	return false;
}

/* The operations of this file, while the script is under way or, where
 * there is nothing to ask Redis, until the callback is posted. */
struct task_op {
	struct done done;
	struct store *store;
	struct queue *queue;
	enum err err;
	store_task_cb *task_cb;
	store_page_cb *page_cb;
	store_extend_cb *extend_cb;
	void *arg;
	enum task_state state; /* of a page */
	int lane;              /* of a page of todo */
	uint64_t index;        /* of its first task */
	size_t n;              /* tasks or ids asked for */
	struct span match;     /* of a page, owned */
	char id[ID_MAX_LEN + 1];
};

static struct task_op *
task_op_new(struct store *s, struct span queue, void *arg)
{
	struct task_op *op = xcalloc(1, sizeof(*op));

	op->store = s;
	op->arg = arg;
	op->queue = queue_find(s, queue);
	if (s->closing)
		op->err = ERR_SHUTTING_DOWN;
	else if (!s->names_loaded && op->queue == NULL)
		op->err = ERR_REDIS_DOWN;
	else if (!queue_exists(op->queue))
		op->err = ERR_QUEUE_UNKNOWN;
	return op;
}

static void
task_op_free(struct task_op *op)
{
	free((void *)(uintptr_t)op->match.p);
	free(op);
}

static void
task_op_fail(struct task_op *op, enum err err)
{
	if (op->task_cb != NULL)
		op->task_cb(err, NULL, op->arg);
	else if (op->page_cb != NULL)
		op->page_cb(err, NULL, op->arg);
	else
		op->extend_cb(err, NULL, 0, 0, op->arg);
	task_op_free(op);
}

static void
task_op_on_done(struct done *d)
{
	struct task_op *op = CONTAINER_OF(d, struct task_op, done);

	task_op_fail(op, op->err);
}

static void
task_op_fail_later(struct task_op *op)
{
	op->done.fn = task_op_on_done;
	store_complete(op->store, &op->done);
}

/* ---- reading a task out of a reply ------------------------------------- */

/* "1795234040167 worker-7" */
static void
read_holder(struct span holder, struct store_task_info *t)
{
	const char *space = memchr(holder.p, ' ', holder.len);

	if (space == NULL)
		return;
	t->taken_at = strtoll(holder.p, NULL, 10);
	t->worker.p = space + 1;
	t->worker.len = holder.len - (size_t)(space + 1 - holder.p);
}

/* "h5": lane and max_attempts of its own; empty = none. */
static void
read_opts(struct span opts, struct store_task_info *t)
{
	uint64_t own;

	t->lane = LANE_NORMAL;
	if (opts.len == 0)
		return;
	if (opts.p[0] == 'h')
		t->lane = LANE_HIGH;
	else if (opts.p[0] == 'l')
		t->lane = LANE_LOW;
	if (str_to_u64((struct span){opts.p + 1, opts.len - 1}, &own))
		t->max_attempts = own;
}

static void
read_value(struct span value, struct store_task_info *t)
{
	struct task_value v;

	if (!task_value_read(value, &v))
		return;
	if (v.is_finished) {
		t->due_at = v.at_ms;
		t->worker = v.rest;
	} else {
		t->pushed_at = v.at_ms;
		t->payload = v.rest;
	}
}

/* A held task's attempt is under way; retry counts those before. */
static void
read_attempts(int64_t retry, struct store_task_info *t)
{
	t->attempts = (uint64_t)retry + (t->state == TASK_DOING ? 1 : 0);
}

/* ---- one task ---------------------------------------------------------- */

static enum err
show_read(
    struct task_op *op, const struct redisReply *r, struct store_task_info *t)
{
	struct queue_policy policy;
	struct reply c;
	struct span letter, value, opts;
	int64_t retry;

	reply_open(&c, r);
	letter = reply_bytes(&c);
	value = reply_bytes(&c);
	if (c.bad || letter.len != 1)
		return ERR_STORE_REPLY;
	t->id = span_of(op->id);
	t->state = letter_state(letter.p[0]);
	if (t->state == TASK_GONE)
		return ERR_TASK_UNKNOWN;
	t->due_at = reply_int(&c, 0);
	read_holder(reply_bytes(&c), t);
	retry = reply_int(&c, 0);
	opts = reply_bytes(&c);
	t->error = reply_bytes(&c);
	t->result = reply_bytes(&c);
	queue_policy(op->queue, &policy);
	t->max_attempts = (uint64_t)reply_int(&c, (int64_t)policy.max_attempts);
	read_opts(opts, t);
	read_value(value, t);
	read_attempts(retry, t);
	return c.bad ? ERR_STORE_REPLY : ERR_OK;
}

static void
show_on_reply(enum err err, const struct redisReply *r, void *arg)
{
	struct task_op *op = arg;
	struct store_task_info t;

	memset(&t, 0, sizeof(t));
	if (err == ERR_OK)
		err = show_read(op, r, &t);
	op->task_cb(err, err == ERR_OK ? &t : NULL, op->arg);
	task_op_free(op);
}

static void
remove_on_reply(enum err err, const struct redisReply *r, void *arg)
{
	struct task_op *op = arg;
	struct store_task_info t;
	struct span letter;

	memset(&t, 0, sizeof(t));
	t.id = span_of(op->id);
	if (err == ERR_OK && (!reply_is_bytes(r, &letter) || letter.len != 1))
		err = ERR_STORE_REPLY;
	if (err == ERR_OK) {
		t.state = letter_state(letter.p[0]);
		if (t.state == TASK_GONE)
			err = ERR_TASK_UNKNOWN;
	}
	op->task_cb(err, err == ERR_OK ? &t : NULL, op->arg);
	task_op_free(op);
}

/* Both scripts take the clock offset and one id. */
static void
task_ask(struct store *s, struct span queue, struct span id,
    enum script_id script, store_task_cb *cb, void *arg)
{
	struct task_op *op = task_op_new(s, queue, arg);
	struct call *c;

	op->task_cb = cb;
	memcpy(op->id, id.p, id.len);
	if (op->err != ERR_OK) {
		task_op_fail_later(op);
		return;
	}
	c = call_new(op->queue);
	call_add(c, id);
	call_send(c, script,
	    script == SCRIPT_SHOW ? show_on_reply : remove_on_reply, op);
	call_free(c);
}

void
store_task_get(struct store *s, struct span queue, struct span id,
    store_task_cb *cb, void *arg)
{
	task_ask(s, queue, id, SCRIPT_SHOW, cb, arg);
}

void
store_task_remove(struct store *s, struct span queue, struct span id,
    store_task_cb *cb, void *arg)
{
	task_ask(s, queue, id, SCRIPT_REMOVE, cb, arg);
}

/* ---- pages ------------------------------------------------------------- */

/* "1:500": lane and index where the page begins; empty = the start. */
static bool
after_parse(struct span after, struct task_op *op)
{
	const char *colon;
	uint64_t lane;

	if (after.len == 0)
		return true;
	colon = memchr(after.p, ':', after.len);
	if (colon == NULL)
		return false;
	if (!str_to_u64(
		(struct span){after.p, (size_t)(colon - after.p)}, &lane) ||
	    lane >= LANE_COUNT)
		return false;
	op->lane = (int)lane;
	return str_to_u64((struct span){colon + 1,
			      after.len - (size_t)(colon + 1 - after.p)},
		   &op->index) &&
	       op->index < (uint64_t)1 << 40;
}

static bool
page_read_task(struct task_op *op, struct reply *c, struct store_task_info *t)
{
	struct span holder, opts;
	int64_t retry;

	t->id = reply_bytes(c);
	t->state = op->state;
	t->due_at = reply_int(c, 0);
	holder = reply_bytes(c);
	retry = reply_int(c, 0);
	opts = reply_bytes(c);
	t->error = reply_bytes(c);
	read_opts(opts, t);
	if (op->state == TASK_FINISH)
		read_value(holder, t);
	else
		read_holder(holder, t);
	read_attempts(retry, t);
	return op->match.len == 0 || glob_match(op->match, t->id);
}

static enum err
page_read(struct task_op *op, const struct redisReply *r,
    struct store_task_info *tasks, struct store_page *page, struct buf *after)
{
	struct queue_policy policy;
	struct reply c;
	int64_t queue_max, lane, index;

	queue_policy(op->queue, &policy);
	reply_open(&c, r);
	queue_max = reply_int(&c, (int64_t)policy.max_attempts);
	lane = reply_int(&c, -1);
	index = reply_int(&c, 0);
	for (size_t i = 0; i < op->n && reply_left(&c) > 0; i++) {
		struct store_task_info *t = &tasks[page->n];

		memset(t, 0, sizeof(*t));
		t->max_attempts = (uint64_t)queue_max;
		page->n += page_read_task(op, &c, t);
	}
	if (lane >= 0)
		buf_addf(after, "%lld:%lld", (long long)lane, (long long)index);
	return c.bad ? ERR_STORE_REPLY : ERR_OK;
}

static void
page_on_reply(enum err err, const struct redisReply *r, void *arg)
{
	struct task_op *op = arg;
	struct store_page page = {NULL, 0, {"", 0}};
	struct store_task_info *tasks = xcalloc(op->n, sizeof(*tasks));
	struct buf after;

	buf_init(&after, 64);
	if (err == ERR_OK)
		err = page_read(op, r, tasks, &page, &after);
	page.tasks = tasks;
	page.after = buf_span(&after);
	op->page_cb(err, err == ERR_OK ? &page : NULL, op->arg);
	buf_clear(&after);
	free(tasks);
	task_op_free(op);
}

void
store_task_list(struct store *s, struct span queue, enum task_state state,
    struct span match, struct span after, uint32_t limit, store_page_cb *cb,
    void *arg)
{
	struct task_op *op = task_op_new(s, queue, arg);
	struct call *c;

	op->page_cb = cb;
	op->state = state;
	op->n = limit;
	if (op->err == ERR_OK && !after_parse(after, op))
		op->err = ERR_FIELD_RANGE;
	if (op->err != ERR_OK) {
		task_op_fail_later(op);
		return;
	}
	if (match.len > 0)
		op->match =
		    (struct span){xmemdupz(match.p, match.len), match.len};
	c = call_new(op->queue);
	call_add(c, span_of(task_state_name(state)));
	call_add_u64(c, (uint64_t)op->lane);
	call_add_u64(c, op->index);
	call_add_u64(c, op->n);
	call_send(c, SCRIPT_LIST, page_on_reply, op);
	call_free(c);
}

/* ---- extend ------------------------------------------------------------ */

static void
extend_on_reply(enum err err, const struct redisReply *r, void *arg)
{
	struct task_op *op = arg;
	struct store_reported *items = xcalloc(op->n, sizeof(*items));
	struct span letters = {"", 0};
	int64_t lease_until = 0;
	struct reply c;

	if (err == ERR_OK) {
		reply_open(&c, r);
		lease_until = reply_int(&c, 0);
		letters = reply_bytes(&c);
		if (c.bad || letters.len != op->n)
			err = ERR_STORE_REPLY;
	}
	for (size_t i = 0; err == ERR_OK && i < op->n; i++) {
		items[i].err = letter_err(letters.p[i], &items[i].dead);
		if (items[i].err == ERR_LEASE_LOST)
			op->queue->counters.lease_lost++;
	}
	op->extend_cb(
	    err, items, err == ERR_OK ? op->n : 0, lease_until, op->arg);
	free(items);
	task_op_free(op);
}

void
store_extend(struct store *s, struct span queue, struct span worker,
    const struct span *ids, size_t n, uint64_t lease_ms, store_extend_cb *cb,
    void *arg)
{
	struct task_op *op = task_op_new(s, queue, arg);
	struct queue_policy policy;
	struct call *c;

	op->extend_cb = cb;
	op->n = n;
	if (op->err != ERR_OK) {
		task_op_fail_later(op);
		return;
	}
	queue_policy(op->queue, &policy);
	c = call_new(op->queue);
	call_add_u64(c, policy.lease_ms);
	call_add(c, worker);
	if (lease_ms > 0)
		call_add_u64(c, lease_ms);
	else
		call_add(c, SPAN(""));
	for (size_t i = 0; i < n; i++)
		call_add(c, ids[i]);
	call_send(c, SCRIPT_EXTEND, extend_on_reply, op);
	call_free(c);
}
