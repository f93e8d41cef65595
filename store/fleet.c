/*
 * The backends of a schedd, each with its own connection, queues and workers:
 * on which of them a queue lives, what all of them say together, and their
 * life. Tokens, the audit trail and channels are with the main one.
 *
 * A queue lives where the settings have it. One that is there on no backend
 * but another, as the settings were changed, stays where its tasks are, and
 * that is told.
 */

#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "store/channel_priv.h"
#include "store/moved.h"
#include "store/relay_note.h"
#include "store/worker_priv.h"

/* A queue that does not live where most do. */
struct home {
	struct home *next;
	struct store *store;
	char name[NAME_MAX_LEN + 1];
};

/* ---- where a queue lives ------------------------------------------------ */

struct store *
fleet_home(const struct fleet *f, struct span queue)
{
	const struct home *p = NULL;

	if (f->home_buckets > 0)
		p = f->homes[queue_hash(queue) & (f->home_buckets - 1)];
	while (p != NULL && !span_is(queue, p->name))
		p = p->next;
	return p != NULL ? p->store : f->usual;
}

struct store *
fleet_find(const struct fleet *f, struct span backend)
{
	for (size_t i = 0; i < f->count; i++)
		if (span_is(backend, f->all[i]->redis->name))
			return f->all[i];
	return NULL;
}

/* By the settings. */
static struct store *
home_by_conf(const struct fleet *f, struct span queue)
{
	struct store *s =
	    fleet_find(f, span_of(conf_queue_backend(f->all[0]->conf, queue)));

	ASSERT(s != NULL);
	return s;
}

static bool
is_there(const struct store *s, struct span queue)
{
	const struct queue *q = queue_find(s, queue);

	return q != NULL && q->registered;
}

/* Where it is to be found, whatever is known by now. */
static struct store *
home_find(const struct fleet *f, struct span queue)
{
	struct store *home = moved_follow(f, home_by_conf(f, queue), queue);

	if (!home->names_loaded || is_there(home, queue))
		return home;
	for (size_t i = 0; i < f->count; i++)
		if (is_there(f->all[i], queue))
			return f->all[i];
	return home;
}

bool
fleet_is_settled(const struct fleet *f)
{
	for (size_t i = 0; i < f->count && f->count > 1; i++)
		if (!f->all[i]->names_loaded && !f->all[i]->was_lost)
			return false;
	return true;
}

static void
homes_clear(struct fleet *f)
{
	struct home *p, *next;

	for (size_t i = 0; i < f->home_buckets; i++) {
		for (p = f->homes[i]; p != NULL; p = next) {
			next = p->next;
			free(p);
		}
	}
	free(f->homes);
	f->homes = NULL;
	f->home_buckets = 0;
}

static void
home_add(struct fleet *f, struct span queue)
{
	struct store *home = home_find(f, queue);
	struct home **slot =
	    &f->homes[queue_hash(queue) & (f->home_buckets - 1)];
	struct home *p = *slot;

	while (p != NULL && !span_is(queue, p->name))
		p = p->next;
	if (p != NULL || home == f->usual)
		return;
	p = xcalloc(1, sizeof(*p));
	memcpy(p->name, queue.p, queue.len);
	p->store = home;
	p->next = *slot;
	*slot = p;
}

/*
 * A queue that is on two backends was left behind, or has moved a moment ago,
 * and one of them was not heard since: then both are asked again.
 */
static bool
is_split(struct queue *q, struct store *home)
{
	struct store *s = q->store;

	if (q->doubted[0] == 0) {
		queues_load(s, NULL);
		queues_load(home, NULL);
		q->doubted[0] = s->listings;
		q->doubted[1] = home->listings;
	}
	return s->listed >= q->doubted[0] && home->listed >= q->doubted[1];
}

/* Tells once of a queue that is not where the settings have it. */
static void
place_tell(const struct fleet *f, struct queue *q)
{
	struct span name = span_of(q->name);
	struct store *home = fleet_home(f, name);
	const struct store *by_conf =
	    moved_follow(f, home_by_conf(f, name), name);
	bool misplaced = q->registered && by_conf->names_loaded &&
			 home == q->store && home != by_conf;
	bool is_double =
	    q->registered && home != q->store && is_there(home, name);

	if (misplaced && !q->misplaced)
		log_warn("queue.misplaced", "queue=%s backend=%s settings=%s",
		    q->name, home->redis->name, by_conf->redis->name);
	if (!is_double)
		q->doubted[0] = 0;
	else if (!is_split(q, home))
		return;
	else if (!q->misplaced)
		log_error("queue.split", "queue=%s backend=%s also=%s", q->name,
		    home->redis->name, q->store->redis->name);
	q->misplaced = misplaced || is_double;
}

/* Tells once of a queue whose tasks are not in the history, which is with
 * main. The settings have none there. */
static void
partial_tell(const struct fleet *f, struct queue *q)
{
	bool is_partial = q->registered && q->store->index != 0 &&
			  store_of(q->store, span_of(q->name)) == q->store &&
			  channels_history(f->all[0])[0] != '\0';

	if (is_partial && !q->partial)
		log_warn("channel.partial", "queue=%s backend=%s", q->name,
		    q->store->redis->name);
	q->partial = is_partial;
}

/* Queues with a section of their own are there before the first push. */
static void
place_configured(struct fleet *f)
{
	const struct conf *conf = f->all[0]->conf;

	for (size_t i = 0; i < f->count; i++)
		for (size_t k = 0; k < f->all[i]->queue_count; k++)
			queue_set_configured(f->all[i]->sorted[k], false);
	for (size_t i = 0; i < conf->queue_count; i++) {
		struct span name = span_of(conf->queues[i].name);
		struct queue *q = queue_make(store_of(f->all[0], name), name);

		if (q != NULL)
			queue_set_configured(q, true);
	}
}

static void
homes_find(struct fleet *f)
{
	const struct conf *conf = f->all[0]->conf;

	homes_clear(f);
	f->usual = fleet_find(f, span_of(conf->queue_backend));
	ASSERT(f->usual != NULL);
	if (f->count == 1)
		return;
	f->home_buckets = 1024;
	f->homes = xcalloc(f->home_buckets, sizeof(struct home *));
	for (size_t i = 0; i < conf->queue_count; i++)
		home_add(f, span_of(conf->queues[i].name));
	for (size_t i = 0; i < f->count; i++)
		for (struct moved *m = f->all[i]->moved; m != NULL; m = m->next)
			home_add(f, span_of(m->name));
	for (size_t i = 0; i < f->count; i++)
		for (size_t k = 0; k < f->all[i]->queue_count; k++)
			if (f->all[i]->sorted[k]->registered)
				home_add(
				    f, span_of(f->all[i]->sorted[k]->name));
}

void
fleet_place(struct fleet *f)
{
	homes_find(f);
	place_configured(f);
	for (size_t i = 0; i < f->count && f->count > 1; i++) {
		struct store *s = f->all[i];

		for (size_t k = 0; k < s->queue_count; k++) {
			struct queue *q = s->sorted[k];

			place_tell(f, q);
			partial_tell(f, q);
			if (fleet_home(f, span_of(q->name)) != s)
				wait_rehome(q);
		}
	}
}

bool
store_queues_are_known(const struct store *s, const char **why)
{
	const struct fleet *f = s->fleet;
	bool any = false;

	for (size_t i = f->count; i > 0; i--) {
		const struct store *b = f->all[i - 1];

		any = any || b->names_loaded;
		if (!b->names_loaded)
			(void)store_is_ready(b, why);
	}
	return any && fleet_is_settled(f);
}

bool
store_is_degraded(struct store *s, struct span queue)
{
	const struct fleet *f = s->fleet;
	bool is = false;

	if (queue.len > 0)
		return redis_conn_is_degraded(store_of(s, queue)->conn);
	for (size_t i = 0; i < f->count; i++)
		is = is || redis_conn_is_degraded(f->all[i]->conn);
	return is;
}

/* ---- what all of them say ----------------------------------------------- */

/* The main one speaks for all, another for itself. */
static size_t
spoken_for(const struct store *s)
{
	return s->index == 0 ? s->fleet->count : 1;
}

static struct store *
spoken(const struct store *s, size_t i)
{
	return s->fleet->all[s->index + i];
}

size_t
store_pending(const struct store *s)
{
	size_t n = 0;

	for (size_t i = 0; i < spoken_for(s); i++)
		n += redis_conn_pending(spoken(s, i)->conn);
	return n;
}

size_t
store_waiting(const struct store *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->fleet->count; i++)
		n += s->fleet->all[i]->waiting;
	return n;
}

size_t
store_queue_count(const struct store *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->fleet->count; i++)
		n += s->fleet->all[i]->exist_count;
	return n;
}

/* Backends know the same workers, but for those that one could not be told. */
size_t
store_worker_count(const struct store *s)
{
	size_t most = 0;

	for (size_t i = 0; i < s->fleet->count; i++)
		if (s->fleet->all[i]->worker_total > most)
			most = s->fleet->all[i]->worker_total;
	return most;
}

static bool
is_listed(const struct queue *q)
{
	return queue_exists(q) &&
	       store_of(q->store, span_of(q->name)) == q->store;
}

/* The next of those backends' queues by name; at[i] is where each one's
 * begin. */
static struct queue *
each_next(const struct store *s, size_t *at)
{
	struct queue *first = NULL;
	size_t of = 0;

	for (size_t i = 0; i < spoken_for(s); i++) {
		const struct store *b = spoken(s, i);

		while (at[i] < b->queue_count && !is_listed(b->sorted[at[i]]))
			at[i]++;
		if (at[i] < b->queue_count &&
		    (first == NULL ||
			strcmp(b->sorted[at[i]]->name, first->name) < 0)) {
			first = b->sorted[at[i]];
			of = i;
		}
	}
	if (first != NULL)
		at[of]++;
	return first;
}

void
store_queue_each(struct store *s, store_queue_each_fn *fn, void *arg)
{
	size_t *at = xcalloc(spoken_for(s), sizeof(*at));
	struct store_queue_info info;
	struct queue *q;

	while ((q = each_next(s, at)) != NULL) {
		queue_fill_info(q, &info);
		fn(&info, arg);
	}
	free(at);
}

void
store_backend_each(struct store *s, store_backend_each_fn *fn, void *arg)
{
	for (size_t i = 0; i < s->fleet->count; i++) {
		struct store *b = s->fleet->all[i];
		struct store_backend_info info = {
		    .name = b->redis->name,
		    .store = b,
		    .durability = store_durability(b),
		    .pending = redis_conn_pending(b->conn),
		    .queues = b->exist_count,
		    .waiting = b->waiting,
		};

		info.is_ready = store_is_ready(b, &info.why);
		fn(&info, arg);
	}
}

size_t
store_backend_count(const struct store *s)
{
	return s->fleet->count;
}

void
store_take_wake_all(struct store *s)
{
	for (size_t i = 0; i < s->fleet->count; i++) {
		s->fleet->all[i]->draining = true;
		wait_abort(s->fleet->all[i], ERR_OK);
	}
	channels_drain(s);
}

/* ---- life --------------------------------------------------------------- */

static void
fleet_free(struct fleet *f)
{
	homes_clear(f);
	moves_free(f);
	free(f->relays);
	for (size_t i = f->count; i > 0; i--)
		backend_free(f->all[i - 1]);
	free(f->all);
	free(f);
}

enum err
store_open(struct store **out, struct loop *loop, const struct conf *conf,
    struct buf *why)
{
	struct fleet *f = xcalloc(1, sizeof(*f));
	enum err err = ERR_OK;

	*out = NULL;
	list_init(&f->moves);
	f->relays = relay_notes_new(conf);
	f->all = xcalloc(conf->redis_count, sizeof(struct store *));
	for (size_t i = 0; i < conf->redis_count; i++) {
		f->all[i] = backend_new(f, loop, conf, i);
		f->count++;
	}
	fleet_place(f);
	for (size_t i = 0; i < f->count && err == ERR_OK; i++)
		err = backend_open(f->all[i], why);
	if (err != ERR_OK)
		fleet_free(f);
	else
		*out = f->all[0];
	return err;
}

void
store_reloaded(struct store *s)
{
	for (size_t i = 0; i < s->fleet->count; i++)
		s->fleet->all[i]->redis = &s->conf->redis[i];
	fleet_place(s->fleet);
}

static void
close_on_closed(void *arg)
{
	struct fleet *f = arg;

	if (--f->open == 0)
		f->close_cb(f->close_arg);
}

void
store_close(struct store *s, void (*cb)(void *arg), void *arg)
{
	struct fleet *f = s->fleet;

	f->close_cb = cb;
	f->close_arg = arg;
	f->open = f->count;
	for (size_t i = 0; i < f->count; i++)
		backend_close(f->all[i], close_on_closed, f);
}

void
store_free(struct store *s)
{
	if (s != NULL)
		fleet_free(s->fleet);
}
