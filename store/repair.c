/*
 * The task check: walks a queue in windows and has Redis mend what is in no
 * place or in two. One queue at a time. A queue whose numbers do not add up
 * (the tick sees that) is walked at once; one that is in use is walked by the
 * way, a window a second, for what adds up by chance. Only the former looks
 * for tasks that no list has: the ids of all lists are kept, as hashes, while
 * the tasks are walked, and who is missing there is looked for by Redis.
 */

#include "store/store_priv.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/metrics.h"
#include "store/reply.h"

enum {
	WINDOW = 500,      /* ids looked at by one script call */
	SET_MAX = 1 << 20, /* ids of lists kept; of more, a part at a time */
	LOST_MAX = 20000,  /* tasks that no list has, found in one walk */
	PLACE_MAX = 100,   /* of which one call looks for so many */
	PLACE_STEPS = 2000000, /* and compares so often at most, or so */
	BESIDE_US = 1000000,   /* a window by the way */
	REST_US = 60000000     /* what could not be mended waits so long */
};

enum walk_phase {
	WALK_HOLDER, /* by HSCAN */
	WALK_DOING,  /* by ZSCAN */
	WALK_DEAD,
	WALK_FAILED,
	WALK_DELAYED,
	WALK_HIGH, /* a list each, from its end */
	WALK_NORMAL,
	WALK_LOW,
	WALK_FINISH,
	WALK_TASK,  /* by HSCAN */
	WALK_PLACE, /* what the lists did not have, or had twice */
	WALK_OVER
};

static const char *const walk_names[] = {"holder", "doing", "dead", "failed",
    "delayed", "todo:high", "todo:normal", "todo:low", "finish", "task",
    "place"};

/* The walk that is under way, of one queue. */
struct repair {
	struct queue *queue; /* NULL: none */
	bool thorough;       /* its numbers do not add up */
	bool under_way;      /* a slice */
	enum walk_phase phase;
	uint64_t cursor; /* of a scan, or how many of a list were seen */
	uint64_t holes;  /* of that list, so far */
	uint64_t mended;
	unsigned part, parts; /* of the ids, by hash */
	uint64_t *set;        /* hashes; 0 is none */
	size_t set_size, set_used;
	char **lost; /* ids; LOST_MAX have room */
	size_t lost_count;
	int64_t slice_us; /* when the last one began */
	size_t beside;    /* the queue that is walked by the way next */
	store_count_cb *cb;
	void *arg;
};

static void walk_on_reply(
    enum err err, const struct redisReply *reply, void *arg);

void
repair_init(struct store *s)
{
	s->repair = xcalloc(1, sizeof(*s->repair));
}

static void
walk_forget(struct repair *r)
{
	while (r->lost_count > 0)
		free(r->lost[--r->lost_count]);
	free(r->lost);
	r->lost = NULL;
	free(r->set);
	r->set = NULL;
	r->set_size = r->set_used = 0;
	r->queue = NULL;
}

void
repair_free(struct store *s)
{
	walk_forget(s->repair);
	free(s->repair);
	s->repair = NULL;
}

/* ---- the ids that the lists have --------------------------------------- */

static uint64_t
id_hash(struct span id)
{
	uint64_t h = 1469598103934665603u;

	for (size_t i = 0; i < id.len; i++)
		h = (h ^ (unsigned char)id.p[i]) * 1099511628211u;
	h ^= h >> 32;
	return h == 0 ? 1 : h;
}

static size_t
set_slot(const struct repair *r, uint64_t h)
{
	size_t at = h & (r->set_size - 1);

	while (r->set[at] != 0 && r->set[at] != h)
		at = (at + 1) & (r->set_size - 1);
	return at;
}

static void
set_grow(struct repair *r)
{
	uint64_t *old = r->set;
	size_t size = r->set_size;

	r->set_size = size == 0 ? 4096 : size * 2;
	r->set = xcalloc(r->set_size, sizeof(*r->set));
	for (size_t i = 0; i < size; i++)
		if (old[i] != 0)
			r->set[set_slot(r, old[i])] = old[i];
	free(old);
}

/* False when it was there. */
static bool
set_add(struct repair *r, uint64_t h)
{
	size_t at;

	if (r->set_used >= r->set_size / 2)
		set_grow(r);
	at = set_slot(r, h);
	if (r->set[at] == h)
		return false;
	r->set[at] = h;
	r->set_used++;
	return true;
}

static void
lost_add(struct repair *r, struct span id)
{
	if (r->lost == NULL)
		r->lost = xcalloc(LOST_MAX, sizeof(*r->lost));
	if (r->lost_count < LOST_MAX) /* else the next walk finds it */
		r->lost[r->lost_count++] = xmemdupz(id.p, id.len);
}

/* One id of a list, or of a task that should be in one. */
static void
walk_note(struct repair *r, struct span id)
{
	uint64_t h = id_hash(id);

	if (h / 64 % r->parts != r->part)
		return;
	if (r->phase != WALK_TASK) {
		if (!set_add(r, h))
			lost_add(r, id);
	} else if (r->set_size == 0 || r->set[set_slot(r, h)] != h) {
		lost_add(r, id);
	}
}

/* ---- walking ----------------------------------------------------------- */

static uint64_t
listed_count(const struct queue *q)
{
	return q->numbers.counts[TASK_TODO] + q->numbers.counts[TASK_FINISH];
}

static void
walk_begin(struct store *s, struct queue *q)
{
	struct repair *r = s->repair;

	r->queue = q;
	r->thorough = q->numbers.amiss != 0;
	r->phase = WALK_HOLDER;
	r->cursor = r->holes = r->mended = 0;
	r->parts = 1 + (unsigned)(listed_count(q) / SET_MAX);
	r->part = q->walks++ % r->parts;
	if (r->thorough)
		log_warn("store.amiss", "queue=%s by=%llu", q->name,
		    (unsigned long long)q->numbers.amiss);
}

/* Only what is really amiss is looked at again soon. */
static void
walk_end(struct repair *r)
{
	struct queue *q = r->queue;

	if (r->mended > 0)
		log_warn("store.mended", "error=E%03d queue=%s tasks=%llu",
		    err_info(ERR_JANITOR_CHECK)->number, q->name,
		    (unsigned long long)r->mended);
	q->unwalked = false;
	q->numbers.amiss = 0; /* the next tick knows better */
	q->walk_again_us = clock_mono_us();
	if (r->mended == 0 && r->part + 1 == r->parts)
		q->walk_again_us += REST_US;
	walk_forget(r);
}

static void
walk_place(struct repair *r, struct call *c)
{
	uint64_t n = PLACE_STEPS / (listed_count(r->queue) + 1);

	if (n < 1)
		n = 1;
	if (n > PLACE_MAX)
		n = PLACE_MAX;
	for (; n > 0 && r->lost_count > 0; n--) {
		char *id = r->lost[--r->lost_count];

		call_add(c, span_of(id));
		free(id);
	}
}

static void
walk_ask(struct store *s)
{
	struct repair *r = s->repair;
	struct queue_policy p;
	struct call *c = call_new(r->queue);

	queue_policy(r->queue, &p);
	call_add_u64(c, p.lease_ms);
	call_add(c, span_of(walk_names[r->phase]));
	if (r->phase == WALK_PLACE) {
		walk_place(r, c);
	} else {
		call_add_u64(c, r->cursor);
		call_add_u64(c, WINDOW);
		if (r->thorough)
			call_add_u64(c, r->holes);
		else
			call_add(c, SPAN(""));
	}
	call_send(c, SCRIPT_REPAIR, walk_on_reply, s);
	call_free(c);
}

/* Where the walk goes on after a window. */
static void
walk_step(struct repair *r)
{
	if (r->phase == WALK_PLACE ? r->lost_count > 0 : r->cursor != 0)
		return;
	r->cursor = r->holes = 0;
	r->phase++;
	if (r->phase == WALK_PLACE && r->lost_count == 0)
		r->phase++;
	if (r->phase == WALK_OVER)
		walk_end(r);
}

static enum err
walk_read(struct store *s, const struct redisReply *reply)
{
	struct repair *r = s->repair;
	uint64_t mended;
	struct reply c;

	reply_open(&c, reply);
	mended = (uint64_t)reply_int(&c, 0);
	if (!str_to_u64(reply_bytes(&c), &r->cursor) || c.bad)
		return ERR_STORE_REPLY;
	r->holes = (uint64_t)reply_int(&c, 0);
	while (r->thorough && reply_left(&c) > 0)
		walk_note(r, reply_bytes(&c));
	r->mended += mended;
	metric_add(METRIC_STORE_REPAIRS, mended);
	if (mended > 0)
		queue_wake(r->queue, r->queue->waiting_count);
	return ERR_OK;
}

static void
walk_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct store *s = arg;
	struct repair *r = s->repair;
	uint64_t before = r->mended;

	r->under_way = false;
	if (r->queue == NULL) /* it was left meanwhile */
		err = ERR_QUEUE_UNKNOWN;
	if (err == ERR_OK)
		err = walk_read(s, reply);
	before = r->mended - before;
	if (err == ERR_OK) {
		walk_step(r);
	} else if (r->queue != NULL) {
		r->queue->walk_again_us = clock_mono_us() + REST_US;
		walk_forget(r);
	}
	r->cb(err, before, r->arg);
}

void
repair_leave(struct queue *q)
{
	struct repair *r = q->store->repair;

	if (r->queue == q)
		walk_forget(r);
}

/* ---- what the janitor asks --------------------------------------------- */

static bool
is_amiss(const struct queue *q)
{
	return q->numbers.amiss != 0 && clock_mono_us() >= q->walk_again_us;
}

bool
repair_is_due(struct queue *q)
{
	struct store *s = q->store;
	struct repair *r = s->repair;
	bool rested = clock_mono_us() - r->slice_us >= BESIDE_US;

	if (q->numbers.broken || r->under_way || !queue_exists(q))
		return false;
	if (r->queue == NULL)
		return is_amiss(q) ||
		       (rested && q == s->sorted[r->beside % s->queue_count] &&
			   q->unwalked);
	/* What is amiss does not wait for a walk by the way. */
	if (!r->thorough && is_amiss(q))
		return true;
	return r->queue == q && (r->thorough || rested);
}

void
repair_slice(struct queue *q, store_count_cb *cb, void *arg)
{
	struct repair *r = q->store->repair;

	if (r->queue != NULL && r->queue != q)
		walk_forget(r);
	if (r->queue == NULL)
		walk_begin(q->store, q);
	r->slice_us = clock_mono_us();
	r->under_way = true;
	r->cb = cb;
	r->arg = arg;
	walk_ask(q->store);
}

void
repair_turn(struct store *s)
{
	struct repair *r = s->repair;

	for (size_t i = 0; r->queue == NULL && i < s->queue_count; i++) {
		r->beside = (r->beside + 1) % s->queue_count;
		if (s->sorted[r->beside]->unwalked)
			break;
	}
}
