/* One task (show, remove) and extending leases; names of states and lanes. */

#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "store/reply.h"
#include "store/task_read.h"

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
	store_extend_cb *extend_cb;
	void *arg;
	size_t n; /* ids of an extend */
	char id[ID_MAX_LEN + 1];
};

static struct task_op *
task_op_new(struct store *s, struct span queue, void *arg)
{
	struct task_op *op = xcalloc(1, sizeof(*op));

	s = store_of(s, queue);
	op->store = s;
	op->arg = arg;
	op->queue = queue_find(s, queue);
	op->err = queue_refusal(s, op->queue);
	return op;
}

static void
task_op_fail(struct task_op *op, enum err err)
{
	if (op->task_cb != NULL)
		op->task_cb(err, NULL, op->arg);
	else
		op->extend_cb(err, NULL, 0, 0, op->arg);
	free(op);
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
	task_read_holder(reply_bytes(&c), t);
	retry = reply_int(&c, 0);
	opts = reply_bytes(&c);
	task_read_error(reply_bytes(&c), t);
	t->result = reply_bytes(&c);
	queue_policy(op->queue, &policy);
	t->max_attempts = (uint64_t)reply_int(&c, (int64_t)policy.max_attempts);
	task_read_opts(opts, t);
	task_read_value(value, t);
	task_read_attempts(retry, t);
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
	free(op);
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
	free(op);
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
	free(op);
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
