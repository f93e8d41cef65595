/*
 * Rows come in: what one turn of the loop brings for a channel goes to its
 * spool in one script call, in few entries, and is answered one by one. Who
 * asked for it then waits until the rows are in their table.
 */

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/metrics.h"
#include "store/channel_priv.h"
#include "store/reply.h"

enum {
	GATHER_MAX_BYTES = 4 * 1024 * 1024,
	WAITERS_MAX = 10000,
	WAIT_TICK_MS = 100
};

/* A row's place within one call: which of its entries, which row of it. */
struct spot {
	size_t entry, row;
};

/* One caller's rows. */
struct rows_op {
	struct list link; /* on call->ops, then on channel->waiters */
	struct channel *channel;
	struct done done;
	struct spot first, end; /* until the reply is there */
	struct place from, to;  /* and then: behind from, up to to */
	size_t n;
	uint64_t wait_ms;
	int64_t until_us;
	size_t refused;
	bool is_settling; /* how many were refused is asked */
	enum err err;
	store_rows_cb *cb;
	void *arg;
};

/* One script call. */
struct rows_call {
	struct channel *channel;
	struct list ops;
	struct buf args;
	unsigned argc;
	struct buf entry; /* the one that is being filled */
	size_t entry_rows, entry_count, rows;
};

/* ---- ends ------------------------------------------------------------- */

static void
op_end(struct rows_op *op, enum err err, bool is_committed)
{
	struct store_rows_result r = {
	    .err = err, .is_committed = is_committed, .refused = op->refused};

	op->cb(&r, op->arg);
	free(op);
}

static void
op_on_done(struct done *d)
{
	struct rows_op *op = CONTAINER_OF(d, struct rows_op, done);

	op_end(op, op->err, false);
}

static void
op_end_later(struct rows_op *op, enum err err)
{
	op->err = err;
	op->done.fn = op_on_done;
	store_complete(op->channel->store, &op->done);
}

/* ---- the call --------------------------------------------------------- */

static struct rows_call *
call_of(struct channel *ch)
{
	struct channels *all = ch->store->channels;
	struct rows_call *call = ch->gathered;

	if (call != NULL)
		return call;
	call = ch->gathered = xcalloc(1, sizeof(*call));
	call->channel = ch;
	list_init(&call->ops);
	buf_init(&call->args, CALL_MAX_ARGS_BYTES);
	buf_init(&call->entry, CALL_MAX_ARGS_BYTES);
	list_add_tail(&all->gathering, &ch->gathering_link);
	loop_post(ch->store->loop, &all->flush_post);
	return call;
}

static void
rows_call_free(struct rows_call *call)
{
	ASSERT(list_is_empty(&call->ops));
	buf_clear(&call->args);
	buf_clear(&call->entry);
	free(call);
}

static void
entry_close(struct rows_call *call)
{
	if (call->entry_rows == 0)
		return;
	buf_add_char(&call->entry, ']');
	resp_add_u64(&call->args, call->entry_rows);
	resp_add_span(&call->args, buf_span(&call->entry));
	call->argc += 2;
	call->entry_count++;
	call->entry_rows = 0;
	buf_reset(&call->entry, ENTRY_MAX_BYTES);
}

static void
call_add_row(struct rows_call *call, struct span row)
{
	if (call->entry_rows == ENTRY_MAX_ROWS ||
	    (call->entry_rows > 0 &&
		call->entry.len + row.len > ENTRY_MAX_BYTES))
		entry_close(call);
	buf_add_char(&call->entry, call->entry_rows > 0 ? ',' : '[');
	buf_add_span(&call->entry, row);
	call->entry_rows++;
	call->rows++;
}

static struct spot
call_spot(const struct rows_call *call)
{
	return (struct spot){call->entry_count, call->entry_rows};
}

/* ---- the reply -------------------------------------------------------- */

static bool
place_of(struct reply *in, const struct spot *spot, struct place *out)
{
	struct reply c = *in;
	struct span id = {"", 0};

	for (size_t i = 0; i <= spot->entry; i++)
		id = reply_bytes(&c);
	out->rows = spot->row;
	return !c.bad && entry_parse(id, &out->ms, &out->seq);
}

static void
op_wait(struct rows_op *op)
{
	struct channels *all = op->channel->store->channels;

	op->until_us = clock_mono_us() + (int64_t)op->wait_ms * 1000;
	list_add_tail(&op->channel->waiters, &op->link);
	if (all->waiting++ == 0)
		timer_arm_ms(&all->wait_timer, WAIT_TICK_MS);
}

static void
op_on_stored(struct rows_op *op, struct reply *in)
{
	struct channel *ch = op->channel;

	if (!place_of(in, &op->first, &op->from) ||
	    !place_of(in, &op->end, &op->to)) {
		op_end(op, ERR_STORE_REPLY, false);
		return;
	}
	metric_add_series(METRIC_CHANNEL_ROWS, ch->slot, op->n);
	if (op->wait_ms == 0 || ch->store->closing || ch->store->draining)
		op_end(op, ERR_OK, false);
	else
		op_wait(op);
}

static void
call_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct rows_call *call = arg;
	struct channel *ch = call->channel;
	struct list *pos, *tmp;
	struct reply in;

	if (err == ERR_OK) {
		reply_open(&in, reply);
		if (in.bad)
			err = ERR_STORE_REPLY;
		else if (reply_left(&in) == 0)
			err = ERR_SPOOL_FULL;
	}
	LIST_FOREACH_SAFE (pos, tmp, &call->ops) {
		struct rows_op *op = CONTAINER_OF(pos, struct rows_op, link);

		list_del(pos);
		if (err == ERR_OK) {
			op_on_stored(op, &in);
			continue;
		}
		metric_add_series(METRIC_CHANNEL_REFUSED, ch->slot, op->n);
		op_end(op, err, false);
	}
	rows_call_free(call);
	if (err == ERR_OK && !ch->store->closing)
		forward_wake(ch->forward);
}

static void
call_send_rows(struct channel *ch)
{
	struct rows_call *call = ch->gathered;
	struct buf args;

	if (call == NULL)
		return;
	ch->gathered = NULL;
	list_del(&ch->gathering_link);
	entry_close(call);
	channel_args(ch, &args);
	resp_add_u64(&args, ch->conf->max_spool);
	resp_add_u64(&args, ch->conf->max_spool_bytes);
	resp_add_u64(&args, call->rows);
	buf_add_span(&args, buf_span(&call->args));
	buf_clear(&call->args);
	channel_send(
	    ch, SCRIPT_ROWS, &args, 5 + call->argc, call_on_reply, call);
}

void
rows_flush(void *arg)
{
	struct channels *all = arg;
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE (pos, tmp, &all->gathering)
		call_send_rows(
		    CONTAINER_OF(pos, struct channel, gathering_link));
	redis_conn_flush(all->store->conn);
}

void
store_rows_add(struct store *s, struct channel *ch, const struct span *rows,
    size_t n, uint64_t wait_ms, store_rows_cb *cb, void *arg)
{
	struct rows_op *op = xcalloc(1, sizeof(*op));
	struct rows_call *call;

	list_init(&op->link);
	op->channel = ch;
	op->n = n;
	op->wait_ms = wait_ms;
	op->cb = cb;
	op->arg = arg;
	if (s->closing || redis_conn_is_away(s->conn)) {
		op_end_later(
		    op, s->closing ? ERR_SHUTTING_DOWN : ERR_REDIS_DOWN);
		return;
	}
	if (wait_ms > 0 && s->channels->waiting >= WAITERS_MAX) {
		op_end_later(op, ERR_TOO_MANY_WAITING);
		return;
	}
	call = call_of(ch);
	/* Behind what is there; the first row may open a new entry. */
	op->first = call_spot(call);
	for (size_t i = 0; i < n; i++)
		call_add_row(call, rows[i]);
	op->end = call_spot(call);
	list_add_tail(&call->ops, &op->link);
	if (call->args.len + call->entry.len > GATHER_MAX_BYTES)
		call_send_rows(ch);
}

void
rows_abort(struct channel *ch, enum err err)
{
	struct rows_call *call = ch->gathered;
	struct list *pos, *tmp;

	if (call == NULL)
		return;
	ch->gathered = NULL;
	list_del(&ch->gathering_link);
	LIST_FOREACH_SAFE (pos, tmp, &call->ops) {
		list_del(pos);
		op_end_later(CONTAINER_OF(pos, struct rows_op, link), err);
	}
	rows_call_free(call);
}

/* ---- waiting for the commit ------------------------------------------- */

static void
waiter_end(struct rows_op *op, bool is_committed)
{
	list_del(&op->link);
	op->channel->store->channels->waiting--;
	op_end(op, ERR_OK, is_committed);
}

/* The answer to: which rows from there to there are in the quarantine? */
static void
settled_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct rows_op *op = arg;
	struct reply c;

	if (err == ERR_OK) {
		reply_open(&c, reply);
		op->refused = reply_left(&c);
	}
	/* Not known: what is said is that they left the spool. */
	op->is_settling = false;
	waiter_end(op, err == ERR_OK);
}

/* Ids of rows behind from and up to to. A place's rows count from 1 on, ids
 * from 0 on: so both ends shift by one. */
static void
waiter_settle(struct rows_op *op)
{
	struct buf args;
	char least[BAD_ID_LEN + 1] = "[", most[BAD_ID_LEN + 1] = "(";

	bad_id_print(least + 1, op->from.ms, op->from.seq, op->from.rows);
	bad_id_print(most + 1, op->to.ms, op->to.seq, op->to.rows);
	op->is_settling = true;
	buf_init(&args, 4096);
	resp_add_str(&args, "ZRANGE");
	buf_addf(&args, "$%zu\r\n%sbad:ids\r\n",
	    strlen(op->channel->base) + strlen("bad:ids"), op->channel->base);
	resp_add_str(&args, least);
	resp_add_str(&args, most);
	resp_add_str(&args, "BYLEX");
	redis_conn_command(op->channel->store->conn, REDIS_READ, &args, 5,
	    settled_on_reply, op);
}

void
rows_committed(struct channel *ch, const struct place *at)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE (pos, tmp, &ch->waiters) {
		struct rows_op *op = CONTAINER_OF(pos, struct rows_op, link);

		if (op->is_settling)
			continue;
		if (place_compare(&op->to, at) > 0)
			break;
		/* Of what this schedd did not bring itself nothing is known. */
		if (ch->numbers.is_ours)
			waiter_end(op, true);
		else
			waiter_settle(op);
	}
}

void
rows_refused(struct channel *ch, const struct place *row)
{
	struct list *pos;

	LIST_FOREACH (pos, &ch->waiters) {
		struct rows_op *op = CONTAINER_OF(pos, struct rows_op, link);

		if (place_compare(row, &op->from) > 0 &&
		    place_compare(row, &op->to) <= 0)
			op->refused++;
	}
}

void
store_rows_leave(struct store *s, struct channel *ch, const void *arg)
{
	struct list *pos, *tmp;

	(void)s;
	LIST_FOREACH_SAFE (pos, tmp, &ch->waiters) {
		struct rows_op *op = CONTAINER_OF(pos, struct rows_op, link);

		if (op->arg == arg && !op->is_settling)
			waiter_end(op, false);
	}
}

void
rows_end_waiters(struct channel *ch)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE (pos, tmp, &ch->waiters) {
		struct rows_op *op = CONTAINER_OF(pos, struct rows_op, link);

		if (!op->is_settling)
			waiter_end(op, false);
	}
}

void
rows_on_wait_timer(void *arg)
{
	struct channels *all = arg;
	int64_t now = clock_mono_us();
	struct list *pos, *tmp;

	for (size_t i = 0; i < all->count; i++) {
		LIST_FOREACH_SAFE (pos, tmp, &all->items[i]->waiters) {
			struct rows_op *op =
			    CONTAINER_OF(pos, struct rows_op, link);

			if (!op->is_settling && op->until_us <= now)
				waiter_end(op, false);
		}
	}
	if (all->waiting > 0)
		timer_arm_ms(&all->wait_timer, WAIT_TICK_MS);
}
