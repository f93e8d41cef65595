/*
 * Pages of tasks: windows from where the page begins (store/lua/list.lua),
 * until it is full, at the end, or has been looked for long enough.
 */

#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/mem.h"
#include "store/reply.h"
#include "store/task_read.h"

enum { PAGE_BYTES_MAX = 64 << 20 };

struct page_op {
	struct done done;
	struct store *store;
	struct queue *queue;
	enum err err;
	struct pace pace;
	enum task_state state;
	bool is_filtered;
	struct buf filter; /* RESP bulk strings */
	unsigned filter_count, window;
	int64_t
	    lane; /* of todo, where the next window begins; -1 = at the end */
	uint64_t index;
	size_t limit;
	struct arena *arena; /* of what the tasks point to */
	struct store_task_info *tasks;
	struct store_page page;
	store_page_cb *cb;
	void *arg;
};

static void
page_end(struct page_op *op, enum err err)
{
	struct buf after;

	buf_init(&after, 64);
	if (op->lane >= 0)
		buf_addf(&after, "%lld:%llu", (long long)op->lane,
		    (unsigned long long)op->index);
	op->page.tasks = op->tasks;
	op->page.after = buf_span(&after);
	op->cb(err, err == ERR_OK ? &op->page : NULL, op->arg);
	buf_clear(&after);
	buf_clear(&op->filter);
	pace_clear(&op->pace);
	arena_free(op->arena);
	free(op->tasks);
	free(op);
}

static void
page_on_done(struct done *d)
{
	struct page_op *op = CONTAINER_OF(d, struct page_op, done);

	page_end(op, op->err);
}

static void
page_end_later(struct page_op *op, enum err err)
{
	op->err = err;
	op->done.fn = page_on_done;
	store_complete(op->store, &op->done);
}

/* ---- reading ----------------------------------------------------------- */

/* Texts of a reply end with it. */
static bool
page_keep(struct page_op *op, struct span *text)
{
	text->p = arena_dup(op->arena, *text);
	return text->p != NULL;
}

static void
page_read_task(struct page_op *op, struct reply *c, struct store_task_info *t)
{
	struct span holder, opts;
	int64_t retry;

	t->id = reply_bytes(c);
	t->state = op->state;
	t->due_at = reply_int(c, 0);
	holder = reply_bytes(c);
	retry = reply_int(c, 0);
	opts = reply_bytes(c);
	task_read_error(reply_bytes(c), t);
	task_read_opts(opts, t);
	if (op->state == TASK_FINISH)
		task_read_value(holder, t);
	else
		task_read_holder(holder, t);
	task_read_attempts(retry, t);
	t->payload = SPAN("");
}

static enum err
page_read(struct page_op *op, const struct redisReply *r)
{
	struct queue_policy policy;
	struct reply c;
	int64_t queue_max;

	queue_policy(op->queue, &policy);
	reply_open(&c, r);
	queue_max = reply_int(&c, (int64_t)policy.max_attempts);
	op->lane = reply_int(&c, -1);
	op->index = (uint64_t)reply_int(&c, 0);
	op->page.looked += (uint64_t)reply_int(&c, 0);
	while (reply_left(&c) > 0 && !c.bad && op->page.n < op->limit) {
		struct store_task_info *t = &op->tasks[op->page.n++];

		t->max_attempts = (uint64_t)queue_max;
		page_read_task(op, &c, t);
		if (!page_keep(op, &t->id) || !page_keep(op, &t->worker) ||
		    !page_keep(op, &t->error))
			return ERR_NO_MEMORY;
	}
	return c.bad ? ERR_STORE_REPLY : ERR_OK;
}

/* ---- the windows ------------------------------------------------------- */

static void page_on_reply(enum err err, const struct redisReply *r, void *arg);

static void
page_window(struct page_op *op)
{
	struct call *c = call_new(op->queue);
	size_t room = op->limit - op->page.n;

	call_add(c, span_of(task_state_name(op->state)));
	call_add_i64(c, op->lane);
	call_add_u64(c, op->index);
	call_add_u64(c, op->is_filtered ? op->window : room);
	call_add_u64(c, room);
	buf_add_span(&c->args, buf_span(&op->filter));
	c->argc += op->filter_count;
	pace_sent(&op->pace);
	call_send(c, SCRIPT_LIST, page_on_reply, op);
	call_free(c);
}

static void
page_on_rested(void *arg)
{
	struct page_op *op = arg;

	if (op->store->closing)
		page_end_later(op, ERR_SHUTTING_DOWN);
	else
		page_window(op);
}

static void
page_on_reply(enum err err, const struct redisReply *r, void *arg)
{
	struct page_op *op = arg;

	if (err == ERR_OK)
		err = page_read(op, r);
	if (err == ERR_OK && op->lane >= 0 && op->store->closing)
		err = ERR_SHUTTING_DOWN;
	if (err != ERR_OK || op->lane < 0 || op->page.n == op->limit ||
	    pace_is_over(&op->pace))
		page_end(op, err);
	else
		pace_go_on(&op->pace);
}

/* ---- what callers do --------------------------------------------------- */

/* "1:500": lane and index where the page begins; empty = the start. */
static bool
after_parse(struct span after, struct page_op *op)
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
	op->lane = (int64_t)lane;
	return str_to_u64((struct span){colon + 1,
			      after.len - (size_t)(colon + 1 - after.p)},
		   &op->index) &&
	       op->index < (uint64_t)1 << 40;
}

void
store_task_list(struct store *s, struct span queue,
    const struct store_filter *f, struct span after, uint32_t limit,
    store_page_cb *cb, void *arg)
{
	struct page_op *op = xcalloc(1, sizeof(*op));
	enum err err;

	s = store_of(s, queue);
	op->store = s;
	op->queue = queue_find(s, queue);
	op->state = f->state;
	op->limit = limit;
	op->is_filtered = f->match.len > 0 || f->error_match.len > 0 ||
			  f->worker.len > 0 || f->has_age;
	op->arena = arena_new(PAGE_BYTES_MAX);
	op->tasks = xcalloc(limit, sizeof(*op->tasks));
	op->cb = cb;
	op->arg = arg;
	pace_init(&op->pace, s, page_on_rested, op);
	buf_init(&op->filter, CALL_MAX_ARGS_BYTES);
	op->filter_count = filter_add(&op->filter, f);
	op->window = filter_window(f);
	err = queue_refusal(s, op->queue);
	if (err == ERR_OK && !after_parse(after, op))
		err = ERR_FIELD_RANGE;
	if (err != ERR_OK)
		page_end_later(op, err);
	else
		page_window(op);
}
