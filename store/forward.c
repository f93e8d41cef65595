/*
 * The forwarder of a channel: what to do next. Reads ahead in the spool, has
 * one batch on its way to the database and makes the next, settles in Redis
 * what was committed.
 *
 * A row arrives once because the position stands in the database and moves in
 * the transaction that brings the rows: after whatever was lost on the way it
 * is asked for again. Rows that the database refuses are named in it, too, and
 * the next batch goes only when they are in the quarantine.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/metrics.h"
#include "store/forward_priv.h"

enum {
	BACKOFF_FIRST_MS = 200,
	STOPPED_FIRST_MS = 1000, /* somebody must act: no hurry */
	BACKOFF_MOST_MS = 30000,
	ARENA_MAX = 64 * 1024 * 1024,
	LOOK_AGAIN_US = 1000000
};

static pg_cb copy_on_done, fast_on_done, slow_on_done;

/* ---- life ------------------------------------------------------------- */

static void
forward_on_timer(void *arg)
{
	struct forward *f = arg;

	forward_next(f);
}

static void
build_on_post(void *arg)
{
	forward_next(arg);
}

struct forward *
forward_new(struct channel *ch)
{
	struct forward *f = xcalloc(1, sizeof(*f));

	f->ch = ch;
	list_init(&f->link);
	list_init(&f->chunks);
	f->limit = ch->conf->batch;
	f->arena = arena_new(ARENA_MAX);
	buf_init(&f->settle_refused, CALL_MAX_ARGS_BYTES);
	buf_init(&f->copy, CALL_MAX_ARGS_BYTES);
	post_init(&f->build_post, build_on_post, f);
	timer_init(&f->timer, ch->store->loop, forward_on_timer, f);
	timer_init(&f->settle_timer, ch->store->loop, forward_on_timer, f);
	return f;
}

void
forward_reset(struct forward *f)
{
	spool_clear(f);
	batch_free(f->cur);
	batch_free(f->next);
	f->cur = f->next = NULL;
	f->read_ms = f->read_seq = f->read_rows = 0;
	f->is_more = true;
	f->read_serial++;
	json_free(f->recover);
	f->recover = NULL;
	/* What is not settled yet stands in the position, and comes again. */
	f->has_settle = f->must_settle = false;
	f->settle_count = 0;
	f->settle_serial++;
	buf_reset(&f->settle_refused, 64 * 1024);
}

void
forward_free(struct forward *f)
{
	if (f == NULL)
		return;
	forward_reset(f);
	list_del(&f->link);
	post_cancel(&f->build_post);
	timer_clear(&f->timer);
	timer_clear(&f->settle_timer);
	table_clear(&f->table);
	buf_clear(&f->settle_refused);
	buf_clear(&f->copy);
	arena_free(f->arena);
	free(f);
}

struct forward *
forward_of_link(struct list *link)
{
	return CONTAINER_OF(link, struct forward, link);
}

/* ---- trouble ---------------------------------------------------------- */

static unsigned
jittered(unsigned ms)
{
	return ms - ms / 4 + (unsigned)(id_random() % (ms / 2 + 1));
}

static void
set_up_metric(struct forward *f)
{
	enum channel_state state;
	struct span reason;
	enum err err;

	forward_state(f, &state, &err, &reason);
	metric_set_series(METRIC_CHANNEL_UP, f->ch->slot,
	    state == CHANNEL_RUNNING || state == CHANNEL_ELSEWHERE);
}

void
forward_trouble(struct forward *f, enum pg_kind kind, const char *state,
    const char *message)
{
	bool was_stopped = f->is_stopped;
	unsigned first =
	    kind == PG_CONFIG ? STOPPED_FIRST_MS : BACKOFF_FIRST_MS;
	char quoted[2 * sizeof(f->reason)];

	(void)snprintf(f->reason, sizeof(f->reason), "%s (%s)", message, state);
	f->is_stopped = kind == PG_CONFIG;
	f->is_waiting = !f->is_stopped;
	f->was_running = false;
	f->backoff_ms = f->backoff_ms < first ? first : f->backoff_ms * 2;
	if (f->backoff_ms > BACKOFF_MOST_MS)
		f->backoff_ms = BACKOFF_MOST_MS;
	f->again_ms = jittered(f->backoff_ms);
	timer_arm_ms(&f->timer, f->again_ms);
	log_quote(quoted, sizeof(quoted), span_of(message));
	if (f->is_stopped && !was_stopped)
		log_error("channel.stopped",
		    "error=E%03d channel=%s table=%s sqlstate=%s reason=%s",
		    err_info(channel_err(f->ch))->number, f->ch->conf->name,
		    f->ch->conf->table, state, quoted);
	else if (f->is_waiting)
		log_warn("channel.waiting",
		    "error=E%03d channel=%s sqlstate=%s reason=%s again_ms=%u",
		    err_info(channel_err(f->ch))->number, f->ch->conf->name,
		    state, quoted, f->again_ms);
	/* The table may be another one when it is tried again. */
	if (f->is_stopped && f->step != STEP_CATALOG) {
		forward_reset(f);
		f->step = STEP_CATALOG;
	}
	set_up_metric(f);
}

void
forward_fine(struct forward *f)
{
	if (!f->was_running)
		log_info("channel.running", "channel=%s table=%s columns=%zu",
		    f->ch->conf->name, f->ch->conf->table, f->table.count);
	f->was_running = true;
	f->is_stopped = f->is_waiting = false;
	f->backoff_ms = 0;
	set_up_metric(f);
}

void
forward_state(const struct forward *f, enum channel_state *state, enum err *err,
    struct span *reason)
{
	const struct channel_numbers *n = &f->ch->numbers;

	*err = ERR_OK;
	*reason = (struct span){"", 0};
	if (f->is_stopped || f->is_waiting) {
		*state = f->is_stopped ? CHANNEL_STOPPED : CHANNEL_WAITING;
		*err = pg_db_is_up(f->ch->db) ? channel_err(f->ch)
					      : ERR_POSTGRES_DOWN;
		*reason = span_of(f->reason);
	} else if (n->is_paused) {
		*state = CHANNEL_PAUSED;
	} else if (n->bad >= f->ch->conf->max_quarantine) {
		*state = CHANNEL_STOPPED;
		*err = channel_err(f->ch);
		*reason = SPAN("the quarantine is full");
	} else if (f->step <= STEP_TRY || !n->are_known) {
		*state = CHANNEL_STARTING;
	} else {
		*state = n->is_ours ? CHANNEL_RUNNING : CHANNEL_ELSEWHERE;
	}
}

unsigned
forward_retry_ms(const struct forward *f)
{
	return f->is_stopped || f->is_waiting ? f->again_ms : 0;
}

void
forward_on_up(struct forward *f)
{
	timer_disarm(&f->timer);
	f->is_waiting = false;
	forward_next(f);
}

/* Prepared statements end with their connection; what was sent and not
 * answered may have been done: the position will tell. */
void
forward_on_down(
    struct forward *f, const struct pg_result *why, unsigned again_ms)
{
	f->is_on_turn = false;
	f->step = STEP_CATALOG;
	f->has_fast = f->has_slow = false;
	f->days.count = 0;
	forward_reset(f);
	timer_disarm(&f->timer);
	(void)snprintf(
	    f->reason, sizeof(f->reason), "%s (%s)", why->message, why->state);
	f->is_stopped = why->kind == PG_CONFIG;
	f->is_waiting = !f->is_stopped;
	f->was_running = false;
	f->again_ms = again_ms;
	set_up_metric(f);
}

/* ---- what next -------------------------------------------------------- */

static bool
may_bring(const struct forward *f)
{
	const struct channel_numbers *n = &f->ch->numbers;

	return n->are_known && n->is_ours && !n->is_paused &&
	       n->bad < f->ch->conf->max_quarantine && !f->must_settle;
}

/* Makes the next batch, a piece at a time. */
static void
build_next(struct forward *f)
{
	if (batch_build(f))
		loop_post(f->ch->store->loop, &f->build_post);
	if (f->next->count > 0)
		f->built = f->next->end;
}

/* One that is being made waits for the rest of its rows. */
static bool
is_batch_ready(const struct forward *f)
{
	return f->cur != NULL || (f->next != NULL && f->next->count > 0 &&
				     !post_is_pending(&f->build_post));
}

/* After rows were refused the table is looked at again, so that those that
 * are retried meet it as it is now. */
static bool
wants_look(const struct forward *f)
{
	return f->saw_bad && f->cur == NULL && is_batch_ready(f) &&
	       may_bring(f) && !f->has_settle && !f->is_settling &&
	       (f->must_look || clock_mono_us() - f->looked_us > LOOK_AGAIN_US);
}

void
forward_next(struct forward *f)
{
	struct channel *ch = f->ch;

	if (ch->store->channels->is_closed || !pg_db_is_up(ch->db) ||
	    f->is_on_turn || timer_is_armed(&f->timer))
		return;
	if (f->step == STEP_ROWS && wants_look(f)) {
		forward_reset(f);
		f->step = STEP_CATALOG;
	}
	if (f->step < STEP_ROWS) {
		/* Whose turn the rows are is known from the numbers. */
		if (f->step < STEP_POSITION ||
		    (ch->numbers.are_known && ch->numbers.is_ours &&
			beat_generation(ch->store)[0] != '\0'))
			pg_db_ask(ch->db, &f->link);
		return;
	}
	build_next(f);
	settle_send(f);
	spool_read(f);
	if (may_bring(f) && (is_batch_ready(f) || days_are_due(f)))
		pg_db_ask(ch->db, &f->link);
}

void
forward_wake(struct forward *f)
{
	f->is_more = true;
	if (f->step == STEP_ROWS && f->ch->numbers.is_ours)
		spool_read(f);
}

void
forward_on_numbers(struct forward *f)
{
	const struct channel_numbers *n = &f->ch->numbers;

	/* Another schedd has it now; what we hold may be behind. */
	if (!n->is_ours && f->step == STEP_ROWS && !f->is_on_turn) {
		forward_reset(f);
		f->step = STEP_POSITION;
	}
	f->is_more |= n->oldest_at > 0;
	set_up_metric(f);
	forward_next(f);
}

/* ---- a batch ---------------------------------------------------------- */

/* By COPY, if that will do. */
static bool
batch_copy(struct forward *f, const struct pg_param *params)
{
	struct buf sql;
	bool ok;

	if (!copy_may(f, f->cur)) {
		f->copy_rest -= f->copy_rest > 0;
		return false;
	}
	buf_init(&sql, CALL_MAX_ARGS_BYTES);
	buf_reset(&f->copy, 4 * BATCH_MAX_BYTES);
	ok = copy_make(f, f->cur, params, &sql, &f->copy);
	if (ok)
		pg_conn_copy(pg_db_conn(f->ch->db), sql.data,
		    buf_span(&f->copy), copy_on_done, f);
	buf_clear(&sql);
	return ok;
}

void
forward_turn(struct forward *f)
{
	struct pg_param params[BATCH_PARAMS_MAX];
	struct buf scratch;
	size_t n;

	f->is_on_turn = true;
	if (f->step < STEP_ROWS) {
		forward_step(f);
		return;
	}
	if (may_bring(f) && days_turn(f))
		return;
	if (f->cur == NULL) {
		f->cur = f->next;
		f->next = NULL;
	}
	if (f->cur == NULL || f->cur->count == 0 || !may_bring(f)) {
		/* Nothing was ready: it was for days only. */
		if (f->cur != NULL && f->cur->count == 0) {
			batch_free(f->cur);
			f->cur = NULL;
		}
		f->is_on_turn = false;
		pg_db_done(f->ch->db);
		return;
	}
	f->sent_us = clock_mono_us();
	buf_init(&scratch, CALL_MAX_ARGS_BYTES);
	n = batch_params(f, f->cur, params, &scratch);
	if (!batch_copy(f, params))
		pg_conn_run(pg_db_conn(f->ch->db),
		    f->cur->is_slow ? f->slow : f->fast, params, n,
		    f->cur->is_slow ? slow_on_done : fast_on_done, f);
	buf_clear(&scratch);
	/* While it is on its way. */
	build_next(f);
	spool_read(f);
}

/* Somebody else moved the position: ours is old. */
static void
batch_overtaken(struct forward *f)
{
	log_info("channel.overtaken", "channel=%s", f->ch->conf->name);
	forward_reset(f);
	f->step = STEP_POSITION;
}

/* The same rows again, half as many at a time. */
static void
batch_halve(struct forward *f)
{
	f->limit = f->cur->count / 2;
	forward_reset(f);
	f->step = STEP_POSITION;
}

/* It was to find the row in the database, and failed as a whole: a value that
 * the database cannot even read, a check at the transaction's end. Halves of it
 * find the row; that one cannot be brought. */
static void
batch_unreadable(struct forward *f, const struct pg_result *r)
{
	if (f->cur->count > 1)
		batch_halve(f);
	else if (!f->cur->is_none)
		batch_refuse_all(f->cur, r->state, r->message);
	else
		forward_trouble(f, PG_CONFIG, r->state, r->message);
}

/* One of its rows is bad, or the database cannot take any now. */
static void
batch_failed(struct forward *f, const struct pg_result *r)
{
	if (r->kind == PG_DATA && !f->cur->is_slow && !f->cur->is_none) {
		f->cur->is_slow = true;
		return;
	}
	if (r->kind == PG_DATA) {
		batch_unreadable(f, r);
		return;
	}
	forward_trouble(f, r->kind, r->state, r->message);
	/* It took too long: so many would the next time, too. */
	if (strcmp(r->state, "57014") == 0 && f->step == STEP_ROWS &&
	    f->cur->count > 1)
		batch_halve(f);
	if (strncmp(r->state, "26", 2) == 0 && f->step == STEP_ROWS) {
		forward_reset(f);
		f->has_fast = f->has_slow = false;
		f->step = STEP_CATALOG;
	}
}

/* Its refused rows are told to who waits, and noted for the quarantine. */
static void
batch_quarantine(struct forward *f, const struct batch *b)
{
	for (size_t i = 0; i < b->refused_count; i++) {
		const struct refused *r = &b->refused[i];
		const struct batch_row *row = &b->rows[r->row];
		struct place place = {row->ms, row->seq, row->index + 1};

		settle_add_refused(f, row,
		    (struct span){b->text.data + row->at, row->len}, r->state,
		    span_of(r->message));
		rows_refused(f->ch, &place);
	}
	f->told = b->end;
	f->saw_bad |= b->refused_count > 0;
	if (b->refused_count > 0)
		log_warn("channel.quarantined",
		    "channel=%s rows=%zu sqlstate=%s", f->ch->conf->name,
		    b->refused_count, b->refused[0].state);
	metric_add_series(
	    METRIC_CHANNEL_QUARANTINED, f->ch->slot, b->refused_count);
}

static void
batch_committed(struct forward *f, uint64_t inserted)
{
	struct channel *ch = f->ch;
	struct batch *b = f->cur;
	uint64_t taken = b->count - b->refused_count;

	log_debug("channel.committed",
	    "channel=%s rows=%zu refused=%zu by=%s at=%" PRIu64 "-%" PRIu64
	    ":%" PRIu64,
	    ch->conf->name, b->count, b->refused_count,
	    b->is_slow   ? "pieces"
	    : b->no_copy ? "insert"
			 : "copy",
	    b->end.ms, b->end.seq, b->end.rows);
	f->cur = NULL;
	/* Slowly back to what it was. */
	f->limit += f->limit / 8 + 1;
	if (f->limit > ch->conf->batch)
		f->limit = ch->conf->batch;
	f->at = ch->floor = b->end;
	f->settle = b->end;
	f->settle_whole = b->is_whole;
	f->settle_rows = b->rows_out;
	f->settle_bytes = b->bytes_out;
	f->has_settle = true;
	ch->last_commit_at = store_redis_now(ch->store);
	metric_observe(METRIC_CHANNEL_COMMIT_SECONDS, ch->slot,
	    (double)(clock_mono_us() - f->sent_us) / 1e6);
	metric_add_series(METRIC_CHANNEL_COMMITTED, ch->slot, taken);
	if (inserted < taken) {
		ch->duplicates += taken - inserted;
		metric_add_series(
		    METRIC_CHANNEL_DUPLICATES, ch->slot, taken - inserted);
	}
	batch_quarantine(f, b);
	batch_free(b);
	settle_count_out(f);
	if (!f->must_settle)
		rows_committed(ch, &f->at);
	forward_fine(f);
	settle_send(f);
}

static uint64_t
number_at(const struct pg_result *r, size_t row, int column)
{
	uint64_t n = 0;

	return str_to_u64(pg_value(r, row, column), &n) ? n : 0;
}

/* What COPY could not do is done by the statement that can. */
static void
copy_failed(struct forward *f, const struct pg_result *r)
{
	if (r->kind == PG_TRANSIENT) {
		batch_failed(f, r);
		return;
	}
	if (days_are_gone(f, r->state))
		return;
	f->cur->no_copy = true;
	if (strcmp(r->state, "23505") == 0)
		copy_collided(f);
	else if (r->kind == PG_DATA)
		f->cur->is_slow = true;
	else
		f->can_copy = false;
}

static void
copy_on_done(const struct pg_result *r, void *arg)
{
	struct forward *f = arg;

	if (r->is_lost)
		return;
	f->is_on_turn = false;
	if (r->is_unmoved) {
		batch_overtaken(f);
	} else if (r->kind != PG_FINE) {
		copy_failed(f, r);
	} else {
		if (f->copy_step > 0 && f->copy_rest == 0)
			f->copy_step /= 2;
		batch_committed(f, f->cur->sent);
	}
	pg_db_done(f->ch->db);
	forward_next(f);
}

static void
fast_on_done(const struct pg_result *r, void *arg)
{
	struct forward *f = arg;

	if (r->is_lost) /* forward_on_down follows */
		return;
	f->is_on_turn = false;
	if (r->kind != PG_FINE)
		batch_failed(f, r);
	else if (pg_rows(r) != 1 || number_at(r, 0, 0) != 1)
		batch_overtaken(f);
	else
		batch_committed(f, number_at(r, 0, 1));
	pg_db_done(f->ch->db);
	forward_next(f);
}

/* The rows that it found behind the first line, which says that it moved. */
static void
slow_read(struct forward *f, const struct pg_result *r)
{
	struct batch *b = f->cur;
	size_t known = b->refused_count, row = 0;
	char message[PG_MESSAGE_MAX * 4];

	for (size_t i = 1 + known; i < pg_rows(r); i++) {
		struct span text = pg_value(r, i, 3);
		struct span state = pg_value(r, i, 2);

		row = batch_find(b, pg_value(r, i, 1), row);
		(void)snprintf(
		    message, sizeof(message), "%.*s", SPAN_ARG(text));
		if (row < b->count && state.len == PG_STATE_LEN)
			batch_refuse(b, row, state.p, message);
	}
}

static void
slow_on_done(const struct pg_result *r, void *arg)
{
	struct forward *f = arg;

	if (r->is_lost)
		return;
	f->is_on_turn = false;
	if (r->kind != PG_FINE) {
		batch_failed(f, r);
	} else if (pg_rows(r) == 0 || !span_is(pg_value(r, 0, 0), "t")) {
		batch_overtaken(f);
	} else {
		slow_read(f, r);
		batch_committed(f, number_at(r, 0, 4));
	}
	pg_db_done(f->ch->db);
	forward_next(f);
}
