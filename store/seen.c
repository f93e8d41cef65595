/*
 * Who was heard of: sightings of workers are kept in memory and written once
 * a second in one go. One that Redis knows is refreshed whatever comes; one
 * that is new has to be let in (meet.lua), as names cost memory and anybody
 * can make some up. So the first heartbeat of a worker is answered when Redis
 * has said that it is in, those that follow from memory.
 */

#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/metrics.h"
#include "store/reply.h"
#include "store/worker_priv.h"

enum {
	BUCKETS = 4096,
	STRANGERS_MAX = 10000,   /* that Redis was not asked about yet */
	SEEN_PER_CALL = 500,     /* written by one script call */
	SEEN_ARGS = 5,           /* of one of them */
	SEEN_DETAILS_MAX = 4096, /* bytes of a worker's details */
	SEEN_KEPT_US = 300 * 1000000
};

/* What it was heard doing; the order of what it may displace. */
enum seen_kind { SEEN_PLAIN, SEEN_TOOK, SEEN_BEAT };

static const char *const kind_letters[] = {
    [SEEN_PLAIN] = "p", [SEEN_TOOK] = "t", [SEEN_BEAT] = "b"};

/* A heartbeat that is to be answered. */
struct heartbeat {
	struct done done; /* link: of the waiting ones, then the store's */
	store_done_cb *cb;
	void *arg;
	enum err err;
};

/* A worker (struct store_worker) that was heard of. */
struct sighting {
	struct sighting *hash_next;
	struct list link;  /* of known or strangers; heard of last at the end */
	struct list write; /* of soon or later, while it is to be written */
	struct list waiting; /* heartbeats that are answered when it is */
	char name[NAME_MAX_LEN + 1];
	char *queues;
	char addr[64];
	bool is_known;       /* Redis has it */
	bool beats;          /* also as one that sends heartbeats */
	enum seen_kind kind; /* since it was written */
	char *details;       /* the same; NULL = unchanged */
	unsigned flights;    /* writes under way that point here */
	int64_t heard_us;
};

struct worker_table {
	struct sighting *buckets[BUCKETS];
	struct list known, strangers;
	size_t known_count, stranger_count;
	struct list soon, later;
	struct post post;
};

/* What is written by one call of seen.lua, and for those in front, which Redis
 * may not know, by one of meet.lua right behind it. */
struct flown {
	struct sighting *who;
	enum seen_kind kind;
	char *details;
	bool is_left; /* by seen.lua */
	bool is_new;  /* because Redis did not know it */
	char met;     /* meet.lua's letter; 0 = none */
	enum err err;
};

struct flight {
	struct store *store;
	size_t count, fresh; /* fresh: of them in front */
	unsigned pending;    /* calls under way */
	enum err seen_err, met_err;
	struct flown *items;
};

static void flight_on_seen(enum err err, const struct redisReply *r, void *arg);
static void flight_on_met(enum err err, const struct redisReply *r, void *arg);

/* ---- the table ---------------------------------------------------------- */

/* All of a name are in one. */
static struct sighting **
table_bucket(struct worker_table *t, struct span name)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < name.len; i++)
		h = (h ^ (unsigned char)name.p[i]) * 16777619u;
	return &t->buckets[h % BUCKETS];
}

static struct sighting **
table_slot(struct worker_table *t, const struct store_worker *who)
{
	struct sighting **slot = table_bucket(t, who->name);

	while (*slot != NULL && !(span_is(who->name, (*slot)->name) &&
				    span_is(who->queues, (*slot)->queues)))
		slot = &(*slot)->hash_next;
	return slot;
}

static void
table_drop(struct worker_table *t, struct sighting *w)
{
	const struct store_worker who = {
	    span_of(w->name), span_of(w->queues), ""};

	ASSERT(w->flights == 0 && list_is_empty(&w->waiting));
	*table_slot(t, &who) = w->hash_next;
	if (w->is_known)
		t->known_count--;
	else
		t->stranger_count--;
	list_del(&w->link);
	list_del(&w->write);
	free(w->queues);
	free(w->details);
	free(w);
}

static bool
is_idle(const struct sighting *w)
{
	return w->flights == 0 && list_is_empty(&w->write) &&
	       list_is_empty(&w->waiting);
}

/* Those that nothing was heard of for long, and those over the number. */
static void
table_trim(struct worker_table *t, size_t most)
{
	int64_t old_us = clock_mono_us() - SEEN_KEPT_US;
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE (pos, tmp, &t->known) {
		struct sighting *w = CONTAINER_OF(pos, struct sighting, link);

		if (!is_idle(w) ||
		    (t->known_count <= most && w->heard_us > old_us))
			return;
		table_drop(t, w);
	}
}

/* Finds it, or adds it; NULL when there are too many that are new. */
static struct sighting *
table_get(struct worker_table *t, const struct store_worker *who)
{
	struct sighting **slot = table_slot(t, who), *w = *slot;

	if (w != NULL)
		return w;
	if (t->stranger_count >= STRANGERS_MAX)
		return NULL;
	w = *slot = xcalloc(1, sizeof(*w));
	memcpy(w->name, who->name.p, who->name.len);
	w->queues = xmemdupz(who->queues.p, who->queues.len);
	list_init(&w->write);
	list_init(&w->waiting);
	list_add_tail(&t->strangers, &w->link);
	t->stranger_count++;
	return w;
}

static void
sighting_set_known(struct worker_table *t, struct sighting *w, bool is_known)
{
	if (w->is_known == is_known)
		return;
	w->is_known = is_known;
	t->known_count += is_known ? 1 : -(size_t)1;
	t->stranger_count += is_known ? -(size_t)1 : 1;
	list_del(&w->link);
	list_add_tail(is_known ? &t->known : &t->strangers, &w->link);
}

/* ---- hearing ------------------------------------------------------------ */

static struct sighting *
table_note(struct store *s, const struct store_worker *who, enum seen_kind kind)
{
	struct worker_table *t = s->workers;
	struct sighting *w = table_get(t, who);
	size_t len = strlen(who->addr);

	if (w == NULL) {
		metric_add(METRIC_WORKERS_REFUSED, 1);
		return NULL;
	}
	if (len >= sizeof(w->addr))
		len = sizeof(w->addr) - 1;
	memcpy(w->addr, who->addr, len);
	w->addr[len] = '\0';
	if (kind > w->kind)
		w->kind = kind;
	if (list_is_empty(&w->write)) {
		int64_t now_us = clock_mono_us();
		int64_t timeout_us = (int64_t)s->conf->worker_timeout_ms * 1000;

		/* It may count as silent by now, and would have to be let in
		 * anew. */
		if (now_us - w->heard_us >= timeout_us)
			w->beats = false;
		w->heard_us = now_us;
		list_add_tail(&t->later, &w->write);
		list_del(&w->link);
		list_add_tail(
		    w->is_known ? &t->known : &t->strangers, &w->link);
		if (t->stranger_count >= SEEN_PER_CALL)
			loop_post(s->loop, &t->post);
	}
	return w;
}

void
worker_seen(struct store *s, const struct store_worker *who)
{
	(void)table_note(s, who, SEEN_PLAIN);
}

void
worker_took(struct store *s, const struct store_worker *who)
{
	if (workers_are_many(s))
		(void)table_note(s, who, SEEN_TOOK);
}

static void
heartbeat_on_done(struct done *d)
{
	struct heartbeat *h = CONTAINER_OF(d, struct heartbeat, done);

	h->cb(h->err, h->arg);
	free(h);
}

void
worker_heartbeat(struct store *s, const struct store_worker *who,
    struct span details, store_done_cb *cb, void *arg)
{
	struct worker_table *t = s->workers;
	struct sighting *w = table_note(s, who, SEEN_BEAT);
	struct heartbeat *h = xcalloc(1, sizeof(*h));

	h->done.fn = heartbeat_on_done;
	h->cb = cb;
	h->arg = arg;
	if (w == NULL || w->beats) {
		h->err = w == NULL ? ERR_TOO_MANY_WORKERS : ERR_OK;
		store_complete(s, &h->done);
	} else {
		list_add_tail(&w->waiting, &h->done.link);
		list_del(&w->write);
		list_add_tail(&t->soon, &w->write);
		loop_post(s->loop, &t->post);
	}
	if (w != NULL && details.len > 0 && details.len <= SEEN_DETAILS_MAX) {
		free(w->details);
		w->details = xmemdupz(details.p, details.len);
	}
}

/* ---- writing ------------------------------------------------------------ */

static void
flight_send(struct flight *f, enum script_id script, size_t count)
{
	struct store *s = f->store;
	uint64_t most = s->conf->limits_max_workers;
	unsigned argc = 2;
	struct buf args;

	store_key(s, &args);
	if (script == SCRIPT_MEET) {
		resp_add_u64(&args, most);
		resp_add_u64(&args, workers_few(most));
		argc += 2;
	}
	for (size_t i = 0; i < count; i++) {
		const struct flown *item = &f->items[i];

		resp_add_str(&args, item->who->name);
		resp_add_str(&args, item->who->queues);
		resp_add_str(&args, item->who->addr);
		resp_add_str(&args, kind_letters[item->kind]);
		resp_add_str(&args, item->details ? item->details : "");
		argc += SEEN_ARGS;
	}
	redis_conn_script(s->conn, script, &args, argc, 1,
	    script == SCRIPT_MEET ? flight_on_met : flight_on_seen, f);
}

static struct flight *
flight_new(struct store *s, size_t room)
{
	struct flight *f = xcalloc(1, sizeof(*f));

	f->store = s;
	f->items = xcalloc(room, sizeof(*f->items));
	return f;
}

/* Writes up to a call's worth of a list. */
static void
flight_start(struct store *s, struct list *from)
{
	struct list *pos, *tmp;
	struct flight *f;
	size_t n = 0, known;

	LIST_FOREACH (pos, from)
		if (++n == SEEN_PER_CALL)
			break;
	f = flight_new(s, n);
	f->count = known = n;
	LIST_FOREACH_SAFE (pos, tmp, from) {
		struct sighting *w = CONTAINER_OF(pos, struct sighting, write);
		bool is_fresh =
		    !w->is_known || (w->kind == SEEN_BEAT && !w->beats);

		if (f->fresh == known)
			break;
		f->items[is_fresh ? f->fresh++ : --known] = (struct flown){
		    .who = w, .kind = w->kind, .details = w->details};
		w->kind = SEEN_PLAIN;
		w->details = NULL;
		w->flights++;
		list_del(&w->write);
	}
	f->pending = f->fresh > 0 ? 2 : 1;
	flight_send(f, SCRIPT_SEEN, f->count);
	if (f->fresh > 0)
		flight_send(f, SCRIPT_MEET, f->fresh);
}

/* It could not be written, but is to be: it was answered for. */
static void
flown_again(struct worker_table *t, struct flown *item)
{
	struct sighting *w = item->who;

	if (item->kind > w->kind)
		w->kind = item->kind;
	if (w->details == NULL) {
		w->details = item->details;
		item->details = NULL;
	}
	if (list_is_empty(&w->write))
		list_add_tail(&t->later, &w->write);
}

static void
heartbeats_end(struct sighting *w, enum err err, struct list *ended)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE (pos, tmp, &w->waiting) {
		struct done *d = CONTAINER_OF(pos, struct done, link);

		list_del(pos);
		list_add_tail(ended, pos);
		CONTAINER_OF(d, struct heartbeat, done)->err = err;
	}
}

/*
 * What became of one. Its heartbeats go to ended, unless no more was written
 * than its name: what became of them is to come.
 */
static void
flown_end(struct worker_table *t, struct flown *item, struct list *ended)
{
	struct sighting *w = item->who;

	w->flights--;
	if (item->err == ERR_OK) {
		sighting_set_known(t, w, true);
		w->beats |= item->kind == SEEN_BEAT;
	} else if (item->is_new) {
		metric_add(METRIC_WORKERS_REFUSED, 1);
		sighting_set_known(t, w, false);
		w->beats = false;
	} else if (w->is_known) {
		flown_again(t, item);
	}
	if (item->kind == SEEN_BEAT)
		heartbeats_end(w, item->err, ended);
	free(item->details);
	if (!w->is_known && is_idle(w))
		table_drop(t, w);
}

static void
flight_free(struct flight *f)
{
	free(f->items);
	free(f);
}

/* The answers come last: they may bring more heartbeats. */
static void
flight_end(struct flight *f)
{
	struct worker_table *t = f->store->workers;
	struct list ended;

	list_init(&ended);
	for (size_t i = 0; i < f->count; i++)
		flown_end(t, &f->items[i], &ended);
	flight_free(f);
	while (!list_is_empty(&ended)) {
		struct done *d = CONTAINER_OF(ended.next, struct done, link);

		list_del(&d->link);
		d->fn(d);
	}
}

/* Does it have to be met, and was not yet? Then what Redis knew was another
 * thing than we thought, or it needs more room. */
static bool
is_to_be_met(const struct flight *f, size_t i)
{
	return f->seen_err == ERR_OK && i >= f->fresh && f->items[i].is_left;
}

static enum err
flown_err(const struct flight *f, const struct flown *item)
{
	if (item->met == 'k')
		return ERR_OK;
	if (f->seen_err != ERR_OK)
		return f->seen_err;
	if (!item->is_left || !item->is_new)
		return ERR_OK;
	return f->met_err != ERR_OK ? f->met_err : ERR_TOO_MANY_WORKERS;
}

/* One of the calls is answered. */
static void
flight_join(struct flight *f)
{
	struct flight *again;
	size_t kept = 0;

	if (--f->pending > 0)
		return;
	again = flight_new(f->store, f->count);
	for (size_t i = 0; i < f->count; i++) {
		if (is_to_be_met(f, i)) {
			again->items[again->count++] = f->items[i];
			continue;
		}
		f->items[i].err = flown_err(f, &f->items[i]);
		f->items[kept++] = f->items[i];
	}
	f->count = kept;
	again->fresh = again->count;
	again->pending = 1;
	if (again->count > 0)
		flight_send(again, SCRIPT_MEET, again->count);
	else
		flight_free(again);
	flight_end(f);
}

static bool
flight_read_left(struct flight *f, struct reply *c)
{
	while (reply_left(c) > 0) {
		int64_t number = reply_int(c, 0);
		uint64_t at = (uint64_t)(number < 0 ? -number : number) - 1;

		if (c->bad || at >= f->count)
			return false;
		f->items[at].is_left = true;
		f->items[at].is_new = number > 0;
	}
	return !c->bad;
}

static void
flight_on_seen(enum err err, const struct redisReply *r, void *arg)
{
	struct flight *f = arg;
	struct reply c;

	if (err == ERR_OK) {
		reply_open(&c, r);
		if (!flight_read_left(f, &c))
			err = ERR_STORE_REPLY;
	}
	f->seen_err = err;
	flight_join(f);
}

static void
flight_on_met(enum err err, const struct redisReply *r, void *arg)
{
	struct flight *f = arg;
	struct span letters = SPAN("");

	if (err == ERR_OK &&
	    (!reply_is_bytes(r, &letters) || letters.len != f->fresh))
		err = ERR_STORE_REPLY;
	if (err == ERR_STORE_FULL)
		workers_note_full(f->store);
	f->met_err = err;
	for (size_t i = 0; err == ERR_OK && i < f->fresh; i++)
		f->items[i].met = letters.p[i];
	flight_join(f);
}

static void
flush_list(struct store *s, struct list *from)
{
	while (!list_is_empty(from))
		flight_start(s, from);
}

void
workers_flush(struct store *s)
{
	flush_list(s, &s->workers->soon);
	flush_list(s, &s->workers->later);
	table_trim(s->workers, (size_t)s->conf->limits_max_workers);
}

void
workers_lost(struct store *s, struct span name)
{
	struct sighting *w = *table_bucket(s->workers, name), *next;

	for (; w != NULL; w = next) {
		next = w->hash_next;
		if (!span_is(name, w->name))
			continue;
		w->beats = false;
		sighting_set_known(s->workers, w, false);
		if (is_idle(w))
			table_drop(s->workers, w);
	}
}

static void
flush_on_post(void *arg)
{
	struct store *s = arg;

	flush_list(s, &s->workers->soon);
	if (s->workers->stranger_count >= SEEN_PER_CALL)
		flush_list(s, &s->workers->later);
}

void
workers_init(struct store *s)
{
	struct worker_table *t = xcalloc(1, sizeof(*t));

	s->workers = t;
	list_init(&t->known);
	list_init(&t->strangers);
	list_init(&t->soon);
	list_init(&t->later);
	post_init(&t->post, flush_on_post, s);
}

static void
list_drop(struct worker_table *t, struct list *of)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE (pos, tmp, of)
		table_drop(t, CONTAINER_OF(pos, struct sighting, link));
}

void
workers_free(struct store *s)
{
	struct worker_table *t = s->workers;

	if (t == NULL)
		return;
	post_cancel(&t->post);
	list_drop(t, &t->known);
	list_drop(t, &t->strangers);
	free(t);
	s->workers = NULL;
}
