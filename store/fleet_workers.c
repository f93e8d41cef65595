/*
 * Workers on several backends. Each has its own list of them, so that it finds
 * the silent ones, and takes back what they hold there, whatever becomes of
 * the others: so each is told of all that is heard, and what they know is put
 * together. With one backend nothing here costs anything.
 */

#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/mem.h"
#include "store/worker_priv.h"

enum { TEXTS_MAX = 256 << 20 };

/* ---- hearing ------------------------------------------------------------ */

void
store_worker_seen(struct store *s, const struct store_worker *worker)
{
	for (size_t i = 0; i < s->fleet->count; i++)
		worker_seen(s->fleet->all[i], worker);
}

void
store_worker_took(struct store *s, const struct store_worker *worker)
{
	for (size_t i = 0; i < s->fleet->count; i++)
		worker_took(s->fleet->all[i], worker);
}

static void
heartbeat_on_other(enum err err, void *arg)
{
	/* It comes again. */
	(void)err;
	(void)arg;
}

/* Answered by the first backend that is there: no other one's outage may
 * hold it up. */
void
store_worker_heartbeat(struct store *s, const struct store_worker *worker,
    struct span details, store_done_cb *cb, void *arg)
{
	const struct fleet *f = s->fleet;
	size_t by = 0;

	while (by < f->count && !redis_conn_is_ready(f->all[by]->conn))
		by++;
	if (by == f->count)
		by = 0;
	for (size_t i = 0; i < f->count; i++)
		worker_heartbeat(f->all[i], worker, details,
		    i == by ? cb : heartbeat_on_other, i == by ? arg : NULL);
}

/* ---- asking all --------------------------------------------------------- */

/* A question to all backends, and what is known of the answers. */
struct asked {
	size_t left;   /* answers to come */
	bool is_known; /* by one of them */
	enum err err;  /* of one that was not reached */
	struct arena *arena;
	struct store_worker_info *workers;
	size_t worker_count;
	struct store_hold *holds;
	size_t hold_count;
	uint64_t count;
	store_workers_cb *list_cb;
	store_worker_cb *get_cb;
	store_count_cb *remove_cb;
	void *arg;
};

static struct asked *
asked_new(const struct store *s, void *arg)
{
	struct asked *a = xcalloc(1, sizeof(*a));

	a->left = s->fleet->count;
	a->arena = arena_new(TEXTS_MAX);
	a->arg = arg;
	return a;
}

static void
asked_free(struct asked *a)
{
	free(a->workers);
	free(a->holds);
	arena_free(a->arena);
	free(a);
}

/* One answer; false when it brings nothing. */
static bool
asked_note(struct asked *a, enum err err)
{
	a->left--;
	if (err == ERR_OK)
		a->is_known = true;
	else if (err != ERR_WORKER_UNKNOWN)
		a->err = err;
	return err == ERR_OK;
}

/* What is known is told, though a backend may be away. */
static enum err
asked_err(const struct asked *a)
{
	if (a->is_known)
		return ERR_OK;
	return a->err != ERR_OK ? a->err : ERR_WORKER_UNKNOWN;
}

static struct span
keep(struct asked *a, struct span text)
{
	const char *copy = arena_dup(a->arena, text);

	if (copy == NULL) {
		a->err = ERR_NO_MEMORY;
		a->is_known = false;
		return SPAN("");
	}
	return (struct span){copy, text.len};
}

static void
keep_workers(struct asked *a, const struct store_worker_info *workers, size_t n)
{
	a->workers =
	    xrealloc(a->workers, a->worker_count + n + 1, sizeof(*a->workers));
	for (size_t i = 0; i < n; i++) {
		struct store_worker_info *w = &a->workers[a->worker_count++];

		*w = workers[i];
		w->name = keep(a, w->name);
		w->addr = keep(a, w->addr);
		w->details = keep(a, w->details);
	}
}

static int
worker_compare(const void *a, const void *b)
{
	const struct store_worker_info *x = a, *y = b;
	size_t n = x->name.len < y->name.len ? x->name.len : y->name.len;
	int order = memcmp(x->name.p, y->name.p, n);

	if (order != 0)
		return order;
	return x->name.len < y->name.len ? -1 : x->name.len > y->name.len;
}

/* Two of one name: the newer says what it is, together they say what it
 * holds. */
static void
worker_merge(struct store_worker_info *to, const struct store_worker_info *from)
{
	struct store_worker_info older = *from;

	if (from->last_seen > to->last_seen) {
		older = *to;
		*to = *from;
	}
	if (older.last_heartbeat > to->last_heartbeat)
		to->last_heartbeat = older.last_heartbeat;
	if (to->details.len == 0)
		to->details = older.details;
	to->held += older.held;
}

static void
workers_merge(struct asked *a)
{
	size_t n = 0;

	if (a->worker_count == 0)
		return;
	qsort(a->workers, a->worker_count, sizeof(*a->workers), worker_compare);
	for (size_t i = 1; i < a->worker_count; i++) {
		if (worker_compare(&a->workers[n], &a->workers[i]) == 0)
			worker_merge(&a->workers[n], &a->workers[i]);
		else
			a->workers[++n] = a->workers[i];
	}
	a->worker_count = n + 1;
}

static void
list_on_answer(
    enum err err, const struct store_worker_info *workers, size_t n, void *arg)
{
	struct asked *a = arg;

	if (asked_note(a, err))
		keep_workers(a, workers, n);
	if (a->left > 0)
		return;
	err = asked_err(a);
	workers_merge(a);
	a->list_cb(
	    err, a->workers, err == ERR_OK ? a->worker_count : 0, a->arg);
	asked_free(a);
}

void
store_worker_list(struct store *s, store_workers_cb *cb, void *arg)
{
	struct asked *a;

	if (s->fleet->count == 1) {
		workers_list(s, cb, arg);
		return;
	}
	a = asked_new(s, arg);
	a->list_cb = cb;
	for (size_t i = 0; i < s->fleet->count; i++)
		workers_list(s->fleet->all[i], list_on_answer, a);
}

static void
keep_holds(struct asked *a, const struct store_hold *holds, size_t n)
{
	a->holds = xrealloc(a->holds, a->hold_count + n + 1, sizeof(*a->holds));
	for (size_t i = 0; i < n; i++) {
		struct store_hold *hold = &a->holds[a->hold_count++];
		struct span *ids = arena_alloc(
		    a->arena, (holds[i].id_count + 1) * sizeof(*ids));

		*hold = holds[i];
		hold->queue = keep(a, hold->queue);
		hold->ids = ids;
		if (ids == NULL)
			hold->id_count = 0;
		for (size_t k = 0; k < hold->id_count; k++)
			ids[k] = keep(a, holds[i].ids[k]);
	}
}

static void
get_on_answer(enum err err, const struct store_worker_info *w,
    const struct store_hold *holds, size_t n, void *arg)
{
	struct asked *a = arg;

	if (asked_note(a, err)) {
		keep_workers(a, w, 1);
		keep_holds(a, holds, n);
	}
	if (a->left > 0)
		return;
	err = asked_err(a);
	workers_merge(a);
	a->get_cb(err, err == ERR_OK ? a->workers : NULL, a->holds,
	    err == ERR_OK ? a->hold_count : 0, a->arg);
	asked_free(a);
}

void
store_worker_get(
    struct store *s, struct span worker, store_worker_cb *cb, void *arg)
{
	struct asked *a;

	if (s->fleet->count == 1) {
		workers_get(s, worker, cb, arg);
		return;
	}
	a = asked_new(s, arg);
	a->get_cb = cb;
	for (size_t i = 0; i < s->fleet->count; i++)
		workers_get(s->fleet->all[i], worker, get_on_answer, a);
}

/* Not done while one backend was not reached: then it is to be repeated. */
static void
remove_on_answer(enum err err, uint64_t count, void *arg)
{
	struct asked *a = arg;

	(void)asked_note(a, err);
	a->count += count;
	if (a->left > 0)
		return;
	a->remove_cb(
	    a->err != ERR_OK ? a->err : asked_err(a), a->count, a->arg);
	asked_free(a);
}

void
store_worker_remove(
    struct store *s, struct span worker, store_count_cb *cb, void *arg)
{
	struct asked *a;

	if (s->fleet->count == 1) {
		workers_remove(s, worker, cb, arg);
		return;
	}
	a = asked_new(s, arg);
	a->remove_cb = cb;
	for (size_t i = 0; i < s->fleet->count; i++)
		workers_remove(s->fleet->all[i], worker, remove_on_answer, a);
}
