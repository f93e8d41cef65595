/*
 * Sets of tasks: purge and retry, in windows that each cost Redis a bounded
 * time, from the end of a list to its front (store/lua/act.lua).
 */

#include "store/store_priv.h"

#include <stdlib.h>

#include "core/mem.h"
#include "store/reply.h"

enum { ACT_WINDOW = 1000 };

struct act {
	struct done done;
	struct store *store;
	struct queue *queue;
	enum err err;
	enum store_act what;
	bool dry_run;
	enum task_state state;
	struct span match; /* owned; empty = by ids */
	struct buf ids;    /* RESP bulk strings */
	unsigned id_count;
	int lane;      /* of todo */
	uint64_t seen; /* at the end of the list, left alone */
	uint64_t count;
	store_count_cb *cb;
	void *arg;
};

static void
act_end(struct act *a, enum err err)
{
	if (err == ERR_OK && a->what == STORE_RETRY && !a->dry_run)
		others_wake(a->queue, (size_t)a->count);
	a->cb(err, a->count, a->arg);
	free((void *)(uintptr_t)a->match.p);
	buf_clear(&a->ids);
	free(a);
}

static void
act_on_done(struct done *d)
{
	struct act *a = CONTAINER_OF(d, struct act, done);

	act_end(a, a->err);
}

static void act_on_reply(enum err err, const struct redisReply *r, void *arg);

static void
act_window(struct act *a)
{
	static const char *const lanes[LANE_COUNT] = {
	    "todo:high", "todo:normal", "todo:low"};
	struct call *c = call_new(a->queue);

	if (a->dry_run)
		call_add(c, SPAN("count"));
	else
		call_add(
		    c, a->what == STORE_PURGE ? SPAN("purge") : SPAN("retry"));
	call_add(c, span_of(a->state == TASK_TODO ? lanes[a->lane]
						  : task_state_name(a->state)));
	call_add_u64(c, a->seen);
	call_add_u64(c, ACT_WINDOW);
	call_add(c, a->match);
	buf_add_span(&c->args, buf_span(&a->ids));
	c->argc += a->id_count;
	call_send(c, SCRIPT_ACT, act_on_reply, a);
	call_free(c);
}

static void
act_on_reply(enum err err, const struct redisReply *r, void *arg)
{
	struct act *a = arg;
	struct reply c;
	int64_t looked_at;

	if (err != ERR_OK) {
		act_end(a, err);
		return;
	}
	reply_open(&c, r);
	a->seen = (uint64_t)reply_int(&c, 0);
	looked_at = reply_int(&c, 0);
	a->count += (uint64_t)reply_int(&c, 0);
	if (looked_at < ACT_WINDOW) {
		a->seen = 0;
		a->lane++;
	}
	if (c.bad)
		act_end(a, ERR_STORE_REPLY);
	else if (looked_at < ACT_WINDOW &&
		 (a->state != TASK_TODO || a->lane == LANE_COUNT))
		act_end(a, ERR_OK);
	else if (a->store->closing)
		act_end(a, ERR_SHUTTING_DOWN);
	else
		act_window(a);
}

static enum err
act_check(const struct act *a)
{
	bool retriable = a->state == TASK_FAILED || a->state == TASK_DEAD ||
			 a->state == TASK_DELAYED;

	if (a->store->closing)
		return ERR_SHUTTING_DOWN;
	if (!a->store->names_loaded && a->queue == NULL)
		return ERR_REDIS_DOWN;
	if (!queue_exists(a->queue))
		return ERR_QUEUE_UNKNOWN;
	if (a->what == STORE_RETRY && !retriable)
		return ERR_STATE_UNKNOWN;
	return ERR_OK;
}

void
store_act_on(struct store *s, struct span queue, enum store_act what,
    const struct store_filter *f, store_count_cb *cb, void *arg)
{
	struct act *a = xcalloc(1, sizeof(*a));

	a->store = s;
	a->queue = queue_find(s, queue);
	a->what = what;
	a->state = f->state;
	a->dry_run = f->dry_run;
	a->cb = cb;
	a->arg = arg;
	buf_init(&a->ids, CALL_MAX_ARGS_BYTES);
	if (f->ids == NULL)
		a->match = (struct span){
		    xmemdupz(f->match.p, f->match.len), f->match.len};
	for (size_t i = 0; f->ids != NULL && i < f->id_count; i++) {
		resp_add_span(&a->ids, f->ids[i]);
		a->id_count++;
	}
	a->err = act_check(a);
	if (a->err == ERR_OK) {
		act_window(a);
	} else {
		a->done.fn = act_on_done;
		store_complete(s, &a->done);
	}
}
