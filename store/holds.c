/* One worker, and what it holds: first how many in which queues, then, queue by
 * queue and window by window, which. */

#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/mem.h"
#include "store/reply.h"
#include "store/worker_priv.h"

enum { HOLDS_BYTES_MAX = 64 << 20 };

struct holds {
	struct done done;
	struct store *store;
	struct pace pace;
	struct arena *arena; /* of all texts and lists */
	struct span worker;
	struct span *names; /* of the queues that were asked for */
	size_t name_count;
	struct store_worker_info info;
	struct store_hold *all;
	size_t count, at; /* holds; the one whose tasks are looked for */
	struct span *ids; /* of it */
	uint64_t cursor;
	enum err err;
	store_worker_cb *cb;
	void *arg;
};

static void holds_window(struct holds *h);

static void
holds_end(struct holds *h, enum err err)
{
	bool ok = err == ERR_OK;

	h->cb(err, ok ? &h->info : NULL, h->all, ok ? h->count : 0, h->arg);
	pace_clear(&h->pace);
	arena_free(h->arena);
	free(h);
}

static void
holds_on_done(struct done *d)
{
	struct holds *h = CONTAINER_OF(d, struct holds, done);

	holds_end(h, h->err);
}

static bool
keep(struct holds *h, struct span *text)
{
	text->p = arena_dup(h->arena, *text);
	return text->p != NULL;
}

/* ---- which tasks ------------------------------------------------------- */

static bool
hold_has(const struct store_hold *hold, struct span id)
{
	for (size_t i = 0; i < hold->id_count; i++)
		if (span_eq(hold->ids[i], id))
			return true;
	return false;
}

/* One window's reply. */
static enum err
hold_read(struct holds *h, const struct redisReply *r)
{
	struct store_hold *hold = &h->all[h->at];
	int64_t oldest;
	struct reply c;

	reply_open(&c, r);
	if (!str_to_u64(reply_bytes(&c), &h->cursor))
		return ERR_STORE_REPLY;
	oldest = reply_int(&c, 0);
	if (oldest > 0 && (hold->oldest_at == 0 || oldest < hold->oldest_at))
		hold->oldest_at = oldest;
	while (reply_left(&c) > 0 && hold->id_count < STORE_HOLD_IDS) {
		struct span id = reply_bytes(&c);

		if (hold_has(hold, id))
			continue;
		if (!keep(h, &id))
			return ERR_NO_MEMORY;
		h->ids[hold->id_count++] = id;
	}
	return c.bad ? ERR_STORE_REPLY : ERR_OK;
}

/* Goes on to the next queue when this one is done; false when it was the
 * last. */
static bool
holds_next(struct holds *h)
{
	struct store_hold *hold;

	if (h->at < h->count && h->cursor != 0 &&
	    (h->all[h->at].count > STORE_HOLD_IDS ||
		h->all[h->at].id_count < h->all[h->at].count))
		return true;
	h->at = h->ids == NULL ? 0 : h->at + 1;
	h->cursor = 0;
	if (h->at >= h->count)
		return false;
	hold = &h->all[h->at];
	h->ids = arena_alloc(h->arena, STORE_HOLD_IDS * sizeof(*h->ids));
	hold->ids = h->ids;
	return h->ids != NULL;
}

static void
holds_on_window(enum err err, const struct redisReply *r, void *arg)
{
	struct holds *h = arg;

	if (err == ERR_OK)
		err = hold_read(h, r);
	if (err == ERR_OK && h->store->closing)
		err = ERR_SHUTTING_DOWN;
	if (err != ERR_OK || !holds_next(h))
		holds_end(h, err);
	else
		pace_go_on(&h->pace);
}

static void
holds_on_rested(void *arg)
{
	struct holds *h = arg;

	if (!h->store->closing) {
		holds_window(h);
		return;
	}
	h->err = ERR_SHUTTING_DOWN;
	h->done.fn = holds_on_done;
	store_complete(h->store, &h->done);
}

static void
holds_window(struct holds *h)
{
	struct queue *q = queue_find(h->store, h->all[h->at].queue);
	struct call *c;

	/* It is forgotten only while nothing is asked of it; then it has no
	 * tasks. */
	if (q == NULL) {
		h->done.fn = holds_on_done;
		store_complete(h->store, &h->done);
		return;
	}
	c = call_new(q);
	call_add(c, h->worker);
	call_add_u64(c, h->cursor);
	call_add_u64(c, PACE_VALUES);
	call_add_u64(c, STORE_HOLD_IDS);
	pace_sent(&h->pace);
	call_send(c, SCRIPT_HOLDS, holds_on_window, h);
	call_free(c);
}

/* ---- the worker, and in which queues ----------------------------------- */

static enum err
worker_read(struct holds *h, const struct redisReply *r)
{
	struct store_worker_info *w = &h->info;
	struct reply c;

	reply_open(&c, r);
	if (reply_left(&c) == 0)
		return ERR_WORKER_UNKNOWN;
	w->name = reply_bytes(&c);
	w->last_seen = reply_int(&c, 0);
	w->addr = reply_bytes(&c);
	w->details = reply_bytes(&c);
	w->last_heartbeat = reply_int(&c, 0);
	w->held = (uint64_t)reply_int(&c, 0);
	if (c.bad)
		return ERR_STORE_REPLY;
	h->all =
	    arena_alloc(h->arena, (reply_left(&c) / 2 + 1) * sizeof(*h->all));
	if (h->all == NULL || !keep(h, &w->name) || !keep(h, &w->addr) ||
	    !keep(h, &w->details))
		return ERR_NO_MEMORY;
	while (reply_left(&c) >= 2) {
		uint64_t place = (uint64_t)reply_int(&c, INT64_MAX);

		if (place >= h->name_count)
			return ERR_STORE_REPLY;
		h->all[h->count].queue = h->names[place];
		h->all[h->count++].count = (uint64_t)reply_int(&c, 0);
	}
	return c.bad ? ERR_STORE_REPLY : ERR_OK;
}

static void
holds_on_worker(enum err err, const struct redisReply *r, void *arg)
{
	struct holds *h = arg;

	if (err == ERR_OK)
		err = worker_read(h, r);
	if (err != ERR_OK || !holds_next(h))
		holds_end(h, err);
	else
		holds_window(h);
}

static void
holds_ask(struct holds *h, struct buf *args)
{
	struct store *s = h->store;

	h->names =
	    arena_alloc(h->arena, (s->queue_count + 1) * sizeof(*h->names));
	h->name_count = s->queue_count;
	for (size_t i = 0; h->names != NULL && i < s->queue_count; i++) {
		h->names[i] = span_of(s->sorted[i]->name);
		resp_add_span(args, h->names[i]);
		if (!keep(h, &h->names[i]))
			h->err = ERR_NO_MEMORY;
	}
	if (h->names == NULL || !keep(h, &h->worker))
		h->err = ERR_NO_MEMORY;
}

void
workers_get(struct store *s, struct span worker, store_worker_cb *cb, void *arg)
{
	struct holds *h = xcalloc(1, sizeof(*h));
	struct buf args;

	h->store = s;
	h->arena = arena_new(HOLDS_BYTES_MAX);
	h->worker = worker;
	h->cb = cb;
	h->arg = arg;
	pace_init(&h->pace, s, holds_on_rested, h);
	workers_flush(s);
	store_key(s, &args);
	resp_add_span(&args, worker);
	holds_ask(h, &args);
	if (h->err != ERR_OK) {
		buf_clear(&args);
		h->done.fn = holds_on_done;
		store_complete(s, &h->done);
		return;
	}
	redis_conn_script(s->conn, SCRIPT_WORKERS, &args,
	    3 + (unsigned)h->name_count, 1, holds_on_worker, h);
}
