/*
 * The notes of moved queues: following them, and ending what a schedd that
 * died has left half-way. Before its commit a move is taken back, behind it
 * opened; the note at the backend that the queue leaves tells which.
 */

#include "store/moved.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/reply.h"
#include "store/store_priv.h"

enum { STEP_ARGC = 12, STEP_KEYS = 5 };

/* ---- reading ------------------------------------------------------------ */

/* One word of at most max bytes, up to a space or the end. */
static bool
word_take(struct span *rest, char *dst, size_t max)
{
	size_t len = 0;

	while (len < rest->len && rest->p[len] != ' ')
		len++;
	if (len == 0 || len > max)
		return false;
	memcpy(dst, rest->p, len);
	dst[len] = '\0';
	*rest = (struct span){rest->p + len, rest->len - len};
	if (rest->len > 0)
		*rest = (struct span){rest->p + 1, rest->len - 1};
	return true;
}

static struct moved *
moved_parse(struct span name, struct span note)
{
	struct moved *m = xcalloc(1, sizeof(*m));
	struct span rest;
	bool ok = name_is_valid(name) && note.len > 1 &&
		  memchr("<>=", note.p[0], 3) != NULL;

	if (ok) {
		m->kind = (enum moved_kind)note.p[0];
		memcpy(m->name, name.p, name.len);
		rest = (struct span){note.p + 1, note.len - 1};
		ok = word_take(&rest, m->id, MOVE_ID_LEN) &&
		     word_take(&rest, m->backend, NAME_MAX_LEN);
	}
	if (ok)
		return m;
	free(m);
	return NULL;
}

void
moved_free(struct store *s)
{
	struct moved *next;

	for (struct moved *m = s->moved; m != NULL; m = next) {
		next = m->next;
		free(m);
	}
	s->moved = NULL;
}

void
moved_read(struct store *s, struct reply *c)
{
	moved_free(s);
	while (reply_left(c) >= 2) {
		struct span name = reply_bytes(c), note = reply_bytes(c);
		struct moved *m = moved_parse(name, note);

		if (m == NULL)
			continue;
		m->next = s->moved;
		s->moved = m;
		if (m->kind == MOVED_GONE &&
		    fleet_find(s->fleet, span_of(m->backend)) == NULL)
			log_warn("queue.elsewhere", "queue=%s backend=%s",
			    m->name, m->backend);
	}
}

static void
moved_forget(struct store *s, const char *queue)
{
	struct moved **slot = &s->moved, *m;

	while (*slot != NULL && strcmp((*slot)->name, queue) != 0)
		slot = &(*slot)->next;
	m = *slot;
	if (m == NULL)
		return;
	*slot = m->next;
	free(m);
}

void
moved_note(
    struct store *from, struct store *to, const char *queue, const char *id)
{
	struct moved *m = xcalloc(1, sizeof(*m));
	struct queue *was = queue_find(from, span_of(queue));
	struct queue *is = queue_make(to, span_of(queue));

	moved_forget(to, queue);
	moved_forget(from, queue);
	m->kind = MOVED_GONE;
	(void)snprintf(m->name, sizeof(m->name), "%s", queue);
	(void)snprintf(m->id, sizeof(m->id), "%s", id);
	(void)snprintf(m->backend, sizeof(m->backend), "%s", to->redis->name);
	m->next = from->moved;
	from->moved = m;
	if (was != NULL)
		queue_set_registered(was, false);
	if (is != NULL) {
		queue_set_registered(is, true);
		is->listed = to->listings;
	}
	fleet_place(from->fleet);
}

const struct moved *
moved_find(const struct store *s, struct span queue)
{
	const struct moved *m = s->moved;

	while (m != NULL && !span_is(queue, m->name))
		m = m->next;
	return m;
}

bool
moved_is_elsewhere(const struct store *s, struct span queue)
{
	const struct moved *m = moved_find(s, queue);

	return m != NULL && m->kind != MOVED_LEAVES;
}

/*
 * Each note is followed once, to a later one only: a queue that came back has
 * an older note at the other end. Of one move the end (=) is later than the
 * arrival (<), so that between the two it is where it arrives.
 */
struct store *
moved_follow(const struct fleet *f, struct store *from, struct span queue)
{
	const struct moved *last = NULL;
	struct store *at = from;

	for (;;) {
		const struct moved *m = moved_find(at, queue);
		struct store *next = NULL;
		int order = 1;

		if (m != NULL && last != NULL)
			order = strcmp(m->id, last->id);
		if (order == 0)
			order =
			    m->kind == MOVED_GONE && last->kind == MOVED_ARRIVES
				? 1
				: -1;
		if (m != NULL && m->kind != MOVED_LEAVES && order > 0)
			next = fleet_find(f, span_of(m->backend));
		if (next == NULL)
			return at;
		at = next;
		last = m;
	}
}

/* ---- steps -------------------------------------------------------------- */

void
move_step_send(const struct move_step *step, redis_reply_cb *cb, void *arg)
{
	static const char *const keys[] = {
	    "queues", "moved", "store", "schedds"};
	struct store *s = step->at;
	struct buf args;

	buf_init(&args, 4096);
	queue_add_key(s, &args, step->queue, "");
	for (size_t i = 0; i < COUNT_OF(keys); i++)
		store_add_key(s, &args, keys[i]);
	resp_add_i64(&args, clock_offset_ms());
	resp_add_str(&args, step->step);
	resp_add_str(&args, step->queue);
	resp_add_str(&args, step->id);
	resp_add_str(
	    &args, step->other != NULL ? step->other->redis->name : "-");
	resp_add_str(&args, beat_id(s));
	resp_add_u64(&args, BEAT_GAP_MS);
	redis_conn_script(
	    s->conn, SCRIPT_MOVE, &args, STEP_ARGC, STEP_KEYS, cb, arg);
}

struct span
move_step_word(const struct redisReply *reply, uint64_t *tasks)
{
	struct span word;
	struct reply c;

	reply_open(&c, reply);
	word = reply_bytes(&c);
	*tasks = (uint64_t)reply_int(&c, 0);
	return c.bad ? SPAN("") : word;
}

static void
tidy_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	/* Else at the next reading. */
	(void)err;
	(void)reply;
	(void)arg;
}

void
moved_tidy(struct store *s, struct span queue)
{
	const struct moved *m = moved_find(s, queue);
	const struct move_step step = {s, NULL, "tidy", m->name, m->id};

	move_step_send(&step, tidy_on_reply, NULL);
}

/* ---- what others left --------------------------------------------------- */

/* The end of a move that nobody drives: first whether that is so, by the
 * backend that noted it; of an arrival then what became of the other end. */
struct recovery {
	struct store *at, *other;
	char queue[NAME_MAX_LEN + 1];
	char id[MOVE_ID_LEN + 1];
	bool arrives;
};

static void
recovery_send(
    struct recovery *r, struct store *at, const char *what, redis_reply_cb *cb)
{
	const struct move_step step = {
	    at, at == r->at ? r->other : r->at, what, r->queue, r->id};

	move_step_send(&step, cb, r);
}

static void
recovery_on_end(enum err err, const struct redisReply *reply, void *arg)
{
	struct recovery *r = arg;
	struct store *s = r->at;

	(void)reply;
	if (err == ERR_OK)
		log_warn("queue.move_ended", "queue=%s backend=%s id=%s",
		    r->queue, s->redis->name, r->id);
	free(r);
	if (err == ERR_OK && !s->closing)
		queues_load(s, NULL);
}

static void
recovery_on_look(enum err err, const struct redisReply *reply, void *arg)
{
	struct recovery *r = arg;
	struct span word = SPAN("");
	uint64_t tasks;

	if (err == ERR_OK)
		word = move_step_word(reply, &tasks);
	/* While it still leaves there it may yet be committed. */
	if (r->at->closing || !(span_is(word, "gone") || span_is(word, "lost")))
		free(r);
	else
		recovery_send(r, r->at,
		    span_is(word, "gone") ? "open" : "discard",
		    recovery_on_end);
}

static void
recovery_on_stale(enum err err, const struct redisReply *reply, void *arg)
{
	struct recovery *r = arg;
	struct span word = SPAN("");
	uint64_t tasks;

	if (err == ERR_OK)
		word = move_step_word(reply, &tasks);
	if (!span_is(word, "ok") || r->at->closing)
		free(r);
	else if (r->arrives)
		recovery_send(r, r->other, "look", recovery_on_look);
	else
		recovery_on_end(ERR_OK, NULL, r);
}

static bool
is_open(const struct store *s, const struct moved *m)
{
	return m->kind != MOVED_GONE && !move_is_ours(s->fleet, m->id);
}

bool
moves_are_open(const struct store *s)
{
	for (const struct moved *m = s->moved; m != NULL; m = m->next)
		if (is_open(s, m))
			return true;
	return false;
}

void
moves_recover(struct store *s)
{
	for (const struct moved *m = s->moved; m != NULL; m = m->next) {
		struct store *other = fleet_find(s->fleet, span_of(m->backend));
		struct recovery *r;

		if (!is_open(s, m) ||
		    (other == NULL && m->kind == MOVED_ARRIVES))
			continue;
		r = xcalloc(1, sizeof(*r));
		r->at = s;
		r->other = other;
		r->arrives = m->kind == MOVED_ARRIVES;
		memcpy(r->queue, m->name, sizeof(r->queue));
		memcpy(r->id, m->id, sizeof(r->id));
		recovery_send(r, s, "stale", recovery_on_stale);
	}
}
