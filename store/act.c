/*
 * Sets of tasks: purge and retry, in windows that each cost Redis a bounded
 * time, from the end of a list to its front (store/lua/act.lua). Where it is
 * can be told to the caller, who goes on from there.
 */

#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "store/reply.h"

struct act {
	struct done done;
	struct store *store;
	struct queue *queue;
	enum err err;
	struct pace pace;
	struct store_action action; /* without after */
	bool by_ids;                /* there are not more than the limit */
	enum task_state state;
	struct buf filter; /* RESP bulk strings */
	unsigned filter_count;
	uint64_t window, window_most; /* tasks to look at in one call */
	/* where it is */
	int lane;                  /* of todo */
	uint64_t seen;             /* at the end, left alone */
	uint64_t score;            /* of the last of them; 0 = none */
	char last[ID_MAX_LEN + 1]; /* its id, "" = none */
	uint64_t count, looked;
	store_act_cb *cb;
	void *arg;
};

/* ---- where it is, as text ---------------------------------------------- */

/* "dead:0:1500:1795234040167:mail-17" */
static void
place_print(const struct act *a, struct buf *out)
{
	buf_addf(out, "%s:%d:%llu:%llu:%s", task_state_name(a->state), a->lane,
	    (unsigned long long)a->seen, (unsigned long long)a->score, a->last);
}

/* Takes the part before the next colon off a text. */
static bool
part_take(struct span *text, struct span *part)
{
	const char *colon = memchr(text->p, ':', text->len);

	if (colon == NULL)
		return false;
	*part = (struct span){text->p, (size_t)(colon - text->p)};
	text->p += part->len + 1;
	text->len -= part->len + 1;
	return true;
}

static bool
number_take(struct span *text, uint64_t most, uint64_t *out)
{
	struct span part;

	return part_take(text, &part) && str_to_u64(part, out) && *out <= most;
}

static bool
place_parse(struct act *a, struct span text)
{
	const uint64_t far = UINT64_C(1) << 53; /* exact in a script */
	uint64_t lanes = a->state == TASK_TODO ? LANE_COUNT : 1, lane;
	struct span state;

	if (text.len == 0)
		return true;
	if (!part_take(&text, &state) ||
	    !span_is(state, task_state_name(a->state)) ||
	    !number_take(&text, lanes - 1, &lane) ||
	    !number_take(&text, far, &a->seen) ||
	    !number_take(&text, far, &a->score) ||
	    (text.len > 0 && !id_is_valid(text)))
		return false;
	a->lane = (int)lane;
	memcpy(a->last, text.p, text.len);
	return true;
}

/* ---- the windows ------------------------------------------------------- */

static void
act_end(struct act *a, enum err err, bool at_end)
{
	struct store_acted acted = {a->count, a->looked, {"", 0}};
	struct buf after;

	if (a->action.act == STORE_RETRY && !a->action.dry_run && a->count > 0)
		others_wake(a->queue, (size_t)a->count);
	buf_init(&after, 512);
	if (err == ERR_OK && !at_end)
		place_print(a, &after);
	acted.after = buf_span(&after);
	a->cb(err, &acted, a->arg);
	buf_clear(&after);
	buf_clear(&a->filter);
	pace_clear(&a->pace);
	free(a);
}

static void
act_on_done(struct done *d)
{
	struct act *a = CONTAINER_OF(d, struct act, done);

	act_end(a, a->err, false);
}

static void act_on_reply(enum err err, const struct redisReply *r, void *arg);

static uint64_t
act_room(const struct act *a)
{
	uint64_t limit = a->action.limit;

	return limit == 0 ? UINT64_MAX : limit - a->count;
}

/* How many tasks one call may act on. */
static uint64_t
act_most(const struct act *a)
{
	bool list = a->state == TASK_TODO || a->state == TASK_FINISH;

	if (a->action.dry_run)
		return a->window_most;
	return list ? PACE_LIST_ACTS : PACE_SET_ACTS;
}

/* The next window has no more than will be looked at, by what the last one
 * was: so many tasks until as many were found as may be acted on. */
static void
act_resize(struct act *a, uint64_t looked, uint64_t found)
{
	a->window = found < act_most(a) ? a->window * 2 : looked + looked / 2;
	if (a->window > a->window_most)
		a->window = a->window_most;
}

static const char *
act_key(const struct act *a)
{
	static const char *const lanes[LANE_COUNT] = {
	    "todo:high", "todo:normal", "todo:low"};

	return a->state == TASK_TODO ? lanes[a->lane]
				     : task_state_name(a->state);
}

static void
act_window(struct act *a)
{
	struct call *c = call_new(a->queue);
	uint64_t room = act_room(a), most = act_most(a);

	if (a->action.dry_run)
		call_add(c, SPAN("count"));
	else
		call_add(c, a->action.act == STORE_PURGE ? SPAN("purge")
							 : SPAN("retry"));
	call_add(c, span_of(act_key(a)));
	call_add_u64(c, a->seen);
	if (a->score > 0)
		call_add_u64(c, a->score);
	else
		call_add(c, SPAN(""));
	call_add(c, span_of(a->last));
	call_add_u64(c, a->window);
	call_add_u64(c, room < most ? room : most);
	buf_add_span(&c->args, buf_span(&a->filter));
	c->argc += a->filter_count;
	pace_sent(&a->pace);
	call_send(c, SCRIPT_ACT, act_on_reply, a);
	call_free(c);
}

/* The rest after a window is over. */
static void
act_on_rested(void *arg)
{
	struct act *a = arg;

	if (!a->store->closing) {
		act_window(a);
		return;
	}
	a->err = ERR_SHUTTING_DOWN;
	a->done.fn = act_on_done;
	store_complete(a->store, &a->done);
}

/* Reads a window's reply; *more: its key has more to look at. */
static bool
act_read(struct act *a, const struct redisReply *r, bool *more)
{
	uint64_t looked, found;
	struct span score, last;
	struct reply c;

	reply_open(&c, r);
	a->seen = (uint64_t)reply_int(&c, 0);
	score = reply_bytes(&c);
	last = reply_bytes(&c);
	looked = (uint64_t)reply_int(&c, 0);
	found = (uint64_t)reply_int(&c, 0);
	a->looked += looked;
	a->count += found;
	act_resize(a, looked, found);
	*more = reply_int(&c, 0) != 0;
	if (c.bad || last.len > ID_MAX_LEN)
		return false;
	if (!str_to_u64(score, &a->score))
		a->score = 0;
	memcpy(a->last, last.p, last.len);
	a->last[last.len] = '\0';
	return true;
}

static void
act_on_reply(enum err err, const struct redisReply *r, void *arg)
{
	struct act *a = arg;
	bool more = false;

	if (err == ERR_OK && !act_read(a, r, &more))
		err = ERR_STORE_REPLY;
	if (err != ERR_OK) {
		act_end(a, err, false);
		return;
	}
	if (!more && a->state == TASK_TODO && ++a->lane < LANE_COUNT) {
		a->seen = 0;
		a->last[0] = '\0';
		more = true;
	}
	if (!more)
		act_end(a, ERR_OK, true);
	else if (act_room(a) == 0)
		act_end(a, ERR_OK, a->by_ids);
	else if (a->store->closing)
		act_end(a, ERR_SHUTTING_DOWN, false);
	else if (!a->action.whole && pace_is_over(&a->pace))
		act_end(a, ERR_OK, false);
	else
		pace_go_on(&a->pace);
}

/* ---- what callers do --------------------------------------------------- */

static enum err
act_check(struct act *a, struct span after)
{
	bool retriable = a->state == TASK_FAILED || a->state == TASK_DEAD ||
			 a->state == TASK_DELAYED;
	enum err err = queue_refusal(a->store, a->queue);

	if (err == ERR_OK && a->action.act == STORE_RETRY && !retriable)
		err = ERR_STATE_UNKNOWN;
	if (err == ERR_OK && !place_parse(a, after))
		err = ERR_FIELD_RANGE;
	return err;
}

void
store_act_on(struct store *s, struct span queue,
    const struct store_action *action, const struct store_filter *f,
    store_act_cb *cb, void *arg)
{
	struct act *a = xcalloc(1, sizeof(*a));

	s = store_of(s, queue);
	a->store = s;
	a->queue = queue_find(s, queue);
	a->action = *action;
	a->state = f->state;
	a->cb = cb;
	a->arg = arg;
	pace_init(&a->pace, s, act_on_rested, a);
	buf_init(&a->filter, CALL_MAX_ARGS_BYTES);
	a->filter_count = filter_add(&a->filter, f);
	a->window = a->window_most = filter_window(f);
	a->err = act_check(a, action->after);
	a->action.after = SPAN("");
	a->by_ids = f->ids != NULL &&
		    (action->limit == 0 || action->limit >= f->id_count);
	if (a->by_ids)
		a->action.limit = f->id_count;
	if (a->err == ERR_OK) {
		act_window(a);
	} else {
		a->done.fn = act_on_done;
		store_complete(s, &a->done);
	}
}
