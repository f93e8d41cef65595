/*
 * Moving a queue to another backend:
 *
 *   arrive   there: room is made, all of the queue's scripts refuse
 *   leave    here: the same; nothing can be changed any more
 *   copy     slice by slice, each key (move_copy.c)
 *   check    by number and checksum of each key
 *   commit   here: the queue is removed and noted as gone, in one step
 *   open     there: it goes on
 *
 * Up to the commit it can be taken back, by whomever; behind it opened only.
 * A step whose outcome is unknown is repeated: each of them may be.
 */

#include "store/moved.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/store_priv.h"

enum {
	AGAIN_MS = 200,
	/* A backend that is away for longer stops a move that can be taken
	 * back: the queue is not to stand still for it. */
	GIVE_UP_US = 10 * 1000000
};

static void move_next(struct move *m);

static bool
is_over(const struct move *m)
{
	return m->state == MOVE_DONE || m->state == MOVE_UNDONE;
}

bool
move_is_ours(const struct fleet *f, const char *id)
{
	struct list *pos;

	LIST_FOREACH (pos, &f->moves) {
		const struct move *m = CONTAINER_OF(pos, struct move, link);

		if (!is_over(m) && strcmp(m->id, id) == 0)
			return true;
	}
	return false;
}

/* ---- what is told ------------------------------------------------------- */

static void
move_fill_info(const struct move *m, struct store_move_info *out)
{
	static const char *const names[] = {
	    [MOVE_ARRIVING] = "copying",
	    [MOVE_LEAVING] = "copying",
	    [MOVE_COPYING] = "copying",
	    [MOVE_CHECKING] = "checking",
	    [MOVE_COMMITTING] = "switching",
	    [MOVE_OPENING] = "switching",
	    [MOVE_BACK] = "undoing",
	    [MOVE_DISCARDING] = "undone",
	    [MOVE_DONE] = "done",
	    [MOVE_UNDONE] = "undone",
	};

	memset(out, 0, sizeof(*out));
	out->queue = span_of(m->queue);
	out->from = m->from->redis->name;
	out->to = m->to->redis->name;
	out->state = names[m->state];
	out->is_over = is_over(m) || m->state == MOVE_DISCARDING;
	out->tasks = m->total;
	out->copied = m->copied;
	out->reason = span_of(m->reason);
}

static void
move_tell(struct move *m, enum err err)
{
	store_move_cb *cb = m->cb;
	struct store_move_info info;

	m->cb = NULL;
	move_fill_info(m, &info);
	if (cb != NULL)
		cb(err, &info, m->arg);
}

static void
move_end(struct move *m)
{
	bool is_done = m->reason[0] == '\0';
	char quoted[200];

	m->state = is_done ? MOVE_DONE : MOVE_UNDONE;
	if (is_done)
		log_info("queue.moved",
		    "queue=%s from=%s to=%s tasks=%llu ms=%lld", m->queue,
		    m->from->redis->name, m->to->redis->name,
		    (unsigned long long)m->total,
		    (long long)((clock_mono_us() - m->began_us) / 1000));
	else
		log_warn("queue.move_undone",
		    "queue=%s from=%s to=%s reason=%s", m->queue,
		    m->from->redis->name, m->to->redis->name,
		    log_quote(quoted, sizeof(quoted), span_of(m->reason)));
	if (is_done)
		moved_note(m->from, m->to, m->queue, m->id);
	move_tell(m, is_done ? ERR_OK : ERR_MOVE_REFUSED);
}

/* ---- steps -------------------------------------------------------------- */

static void __attribute__((format(printf, 2, 3)))
move_set_reason(struct move *m, const char *fmt, ...)
{
	va_list args;

	if (m->reason[0] != '\0')
		return;
	va_start(args, fmt);
	(void)vsnprintf(m->reason, sizeof(m->reason), fmt, args);
	va_end(args);
}

/* What has left here comes back; an arrival alone is only to be discarded. */
static void
move_turn_back(struct move *m)
{
	m->state = m->state == MOVE_ARRIVING ? MOVE_DISCARDING : MOVE_BACK;
}

static void
move_undo(struct move *m)
{
	move_turn_back(m);
	timer_arm_ms(&m->timer, 0);
}

void
move_give_up(struct move *m, const char *reason)
{
	m->is_busy = false;
	move_set_reason(m, "%s", reason);
	move_undo(m);
}

static bool
can_be_undone(const struct move *m)
{
	return m->state <= MOVE_CHECKING;
}

/* Not done, or not known: again, as long as it makes sense. */
static void
move_failed(struct move *m, enum err err)
{
	bool is_away = err == ERR_REDIS_DOWN || err == ERR_STORE_UNKNOWN ||
		       err == ERR_STORE_BUSY || err == ERR_STORE_UNCONFIRMED ||
		       err == ERR_STORE_READ_ONLY || err == ERR_STORE_WEAK;
	bool is_late = clock_mono_us() - m->moved_us > GIVE_UP_US;

	if (err == ERR_SHUTTING_DOWN)
		return; /* others take it back, or open it */
	if (can_be_undone(m) && (!is_away || is_late)) {
		move_set_reason(m, "%s", err_info(err)->text);
		move_undo(m);
		return;
	}
	timer_arm_ms(&m->timer, AGAIN_MS);
}

static void
move_went_on(struct move *m, enum move_state next)
{
	m->moved_us = clock_mono_us();
	m->state = next;
	if (next == MOVE_COPYING || next == MOVE_CHECKING)
		move_copy_start(m);
	if (next == MOVE_COPYING)
		move_tell(m, ERR_OK);
	move_next(m);
}

/* It is where it was, and goes on; the rest is tidying up. */
static void
move_discard(struct move *m)
{
	m->state = MOVE_DISCARDING;
	move_tell(m, ERR_MOVE_REFUSED);
	move_next(m);
}

void
move_on_slice(struct move *m, enum err err)
{
	m->is_busy = false;
	if (err != ERR_OK) {
		move_failed(m, err);
		return;
	}
	m->moved_us = clock_mono_us();
	if (!move_copy_is_over(m)) {
		/* Others have their turn in between. */
		timer_arm_ms(&m->timer, 0);
		return;
	}
	move_went_on(
	    m, m->state == MOVE_COPYING ? MOVE_CHECKING : MOVE_COMMITTING);
}

static const char *
refusal_text(struct span word)
{
	if (span_is(word, "taken"))
		return "the other backend has a queue of that name";
	if (span_is(word, "moving"))
		return "it is being moved already";
	if (span_is(word, "gone"))
		return "it is on another backend by now";
	return "another schedd has taken it back";
}

/* Every step says ok, or what has become of it. */
static void
step_on_word(struct move *m, struct span word)
{
	bool ok = span_is(word, "ok");

	switch (m->state) {
	case MOVE_ARRIVING:
	case MOVE_LEAVING:
		if (!ok)
			move_set_reason(m, "%s", refusal_text(word));
		if (!ok && m->state == MOVE_ARRIVING)
			move_end(m);
		else if (!ok)
			move_discard(m);
		else
			move_went_on(m, m->state == MOVE_ARRIVING
					    ? MOVE_LEAVING
					    : MOVE_COPYING);
		break;
	case MOVE_COMMITTING:
		if (!ok)
			move_set_reason(m, "%s", refusal_text(word));
		if (ok)
			move_went_on(m, MOVE_OPENING);
		else
			move_discard(m);
		break;
	case MOVE_BACK:
		if (ok) {
			move_discard(m);
			break;
		}
		/* It was committed after all. */
		m->reason[0] = '\0';
		move_went_on(m, MOVE_OPENING);
		break;
	case MOVE_OPENING:
	case MOVE_DISCARDING:
		move_end(m);
		break;
	case MOVE_COPYING:
	case MOVE_CHECKING:
	case MOVE_DONE:
	case MOVE_UNDONE:
		break;
	}
}

static void
step_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct move *m = arg;
	struct span word;
	uint64_t tasks;

	m->is_busy = false;
	if (err != ERR_OK) {
		move_failed(m, err);
		return;
	}
	word = move_step_word(reply, &tasks);
	if (m->state == MOVE_LEAVING)
		m->total = tasks;
	step_on_word(m, word);
}

static void
move_step(struct move *m, struct store *at, const char *what)
{
	const struct move_step step = {
	    at, at == m->from ? m->to : m->from, what, m->queue, m->id};

	move_step_send(&step, step_on_reply, m);
}

/* Asks for what is next; the answer goes on. */
static void
move_next(struct move *m)
{
	if (m->is_stopping && can_be_undone(m)) {
		move_set_reason(m, "an operator took it back");
		move_turn_back(m);
	}
	m->is_busy = true;
	switch (m->state) {
	case MOVE_ARRIVING:
		move_step(m, m->to, "arrive");
		break;
	case MOVE_LEAVING:
		move_step(m, m->from, "leave");
		break;
	case MOVE_COPYING:
	case MOVE_CHECKING:
		move_copy_slice(m);
		break;
	case MOVE_COMMITTING:
		move_step(m, m->from, "commit");
		break;
	case MOVE_OPENING:
		move_step(m, m->to, "open");
		break;
	case MOVE_BACK:
		move_step(m, m->from, "back");
		break;
	case MOVE_DISCARDING:
		move_step(m, m->to, "discard");
		break;
	case MOVE_DONE:
	case MOVE_UNDONE:
		m->is_busy = false;
		break;
	}
}

static void
move_on_timer(void *arg)
{
	struct move *m = arg;

	if (!m->is_busy && !m->from->closing)
		move_next(m);
}

/* ---- what callers do ---------------------------------------------------- */

static struct move *
move_find(const struct fleet *f, struct span queue)
{
	struct list *pos;

	LIST_FOREACH (pos, &f->moves) {
		struct move *m = CONTAINER_OF(pos, struct move, link);

		if (span_is(queue, m->queue))
			return m;
	}
	return NULL;
}

static void
move_free(struct move *m)
{
	list_del(&m->link);
	timer_clear(&m->timer);
	free(m);
}

void
moves_free(struct fleet *f)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE (pos, tmp, &f->moves)
		move_free(CONTAINER_OF(pos, struct move, link));
}

/* Later than any note that there is of the queue. */
static void
move_make_id(struct move *m)
{
	uint64_t at = (uint64_t)(clock_now_ms() - clock_offset_ms()), known;

	for (size_t i = 0; i < m->fleet->count; i++) {
		const struct moved *note =
		    moved_find(m->fleet->all[i], span_of(m->queue));

		if (note != NULL && strlen(note->id) > 13 &&
		    str_to_u64((struct span){note->id, 13}, &known) &&
		    known >= at)
			at = known + 1;
	}
	(void)snprintf(m->id, sizeof(m->id), "%013llu.%s",
	    (unsigned long long)at, beat_id(m->fleet->all[0]));
}

struct move_refusal {
	struct done done;
	enum err err;
	char reason[160];
	store_move_cb *cb;
	void *arg;
};

static void
refusal_on_done(struct done *d)
{
	struct move_refusal *r = CONTAINER_OF(d, struct move_refusal, done);
	const struct store_move_info info = {.reason = span_of(r->reason)};

	r->cb(r->err, &info, r->arg);
	free(r);
}

static void
move_refuse(struct store *s, enum err err, const char *reason,
    store_move_cb *cb, void *arg)
{
	struct move_refusal *r = xcalloc(1, sizeof(*r));

	(void)snprintf(r->reason, sizeof(r->reason), "%s", reason);
	r->done.fn = refusal_on_done;
	r->err = err;
	r->cb = cb;
	r->arg = arg;
	store_complete(s, &r->done);
}

static struct move *
move_new(struct store *from, struct store *to, struct span queue)
{
	struct move *m = xcalloc(1, sizeof(*m));

	m->fleet = from->fleet;
	m->from = from;
	m->to = to;
	memcpy(m->queue, queue.p, queue.len);
	move_make_id(m);
	timer_init(&m->timer, from->loop, move_on_timer, m);
	list_add_tail(&m->fleet->moves, &m->link);
	m->began_us = m->moved_us = clock_mono_us();
	return m;
}

void
store_move_start(struct store *s, struct span queue, struct span backend,
    store_move_cb *cb, void *arg)
{
	struct store *from = store_of(s, queue);
	struct store *to = fleet_find(s->fleet, backend);
	struct queue *q = queue_find(from, queue);
	struct move *m = move_find(s->fleet, queue);
	enum err err = queue_refusal(from, q);

	if (err == ERR_OK && to == NULL)
		err = ERR_BACKEND_UNKNOWN;
	if (err == ERR_OK && !to->names_loaded)
		err = ERR_REDIS_DOWN;
	if (err != ERR_OK) {
		move_refuse(from, err, "", cb, arg);
		return;
	}
	if (to == from) {
		move_refuse(from, ERR_MOVE_REFUSED, "it is there", cb, arg);
		return;
	}
	if (to->index != 0 && channels_history(s)[0] != '\0') {
		move_refuse(from, ERR_MOVE_REFUSED,
		    "the history has tasks of queues on main only", cb, arg);
		return;
	}
	if (m != NULL && !is_over(m)) {
		move_refuse(from, ERR_MOVE_REFUSED, "it is being moved already",
		    cb, arg);
		return;
	}
	if (m != NULL)
		move_free(m);
	m = move_new(from, to, queue);
	m->cb = cb;
	m->arg = arg;
	move_next(m);
}

bool
store_move_get(struct store *s, struct span queue, struct store_move_info *out)
{
	const struct move *m = move_find(s->fleet, queue);

	if (m != NULL)
		move_fill_info(m, out);
	return m != NULL;
}

void
store_move_undo(
    struct store *s, struct span queue, store_move_cb *cb, void *arg)
{
	struct move *m = move_find(s->fleet, queue);

	if (m == NULL)
		move_refuse(s, ERR_MOVE_UNKNOWN, "", cb, arg);
	else if (!can_be_undone(m) || m->cb != NULL)
		move_refuse(s, ERR_MOVE_REFUSED,
		    is_over(m) ? "it is over" : "it cannot be undone any more",
		    cb, arg);
	else {
		m->is_stopping = true;
		m->cb = cb;
		m->arg = arg;
		timer_arm_ms(&m->timer, 0);
	}
}
