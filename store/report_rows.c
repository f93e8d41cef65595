/* A report that brings rows: tasks are finished and their rows are in the
 * spools in one step. Not gathered with others. */

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/metrics.h"
#include "store/channel_priv.h"
#include "store/reply.h"

struct report_rows {
	struct store *store;
	struct queue *queue;
	struct done done;
	enum err err;
	struct store_rows_piece *pieces;
	size_t piece_count, n;
	bool is_failed_only;
	store_report_rows_cb *cb;
	void *arg;
	struct store_reported results[]; /* dead: until the reply, what it is */
};

static void
report_end(struct report_rows *r, enum err err, struct channel *full)
{
	if (err == ERR_STORE_REFUSED)
		err =
		    r->is_failed_only ? ERR_REPORT_FAILED : ERR_REPORT_FINISHED;
	r->cb(err, r->results, err == ERR_OK ? r->n : 0, full, r->arg);
	free(r);
}

static void
report_on_done(struct done *d)
{
	struct report_rows *r = CONTAINER_OF(d, struct report_rows, done);

	report_end(r, r->err, NULL);
}

static void
count_one(struct report_rows *r, const struct store_reported *item,
    bool was_failed, char letter)
{
	struct store_counters *n = &r->queue->counters;

	n->lease_lost += item->err == ERR_LEASE_LOST;
	n->dead += item->dead;
	n->failed += item->err == ERR_OK && was_failed;
	n->finished += item->err == ERR_OK && !was_failed && letter != 'a';
}

static enum err
letters_read(struct report_rows *r, struct span letters)
{
	if (letters.len != r->n)
		return ERR_STORE_REPLY;
	for (size_t i = 0; i < r->n; i++) {
		bool was_failed = r->results[i].dead;

		r->results[i].err =
		    letter_err(letters.p[i], &r->results[i].dead);
		count_one(r, &r->results[i], was_failed, letters.p[i]);
	}
	return ERR_OK;
}

static void
pieces_read(struct report_rows *r, struct reply *c)
{
	for (size_t i = 0; i < r->piece_count; i++) {
		struct store_rows_piece *p = &r->pieces[i];

		p->is_taken = reply_int(c, 0) != 0;
		if (!p->is_taken)
			continue;
		metric_add_series(METRIC_CHANNEL_ROWS, p->channel->slot, p->n);
		if (!r->store->closing)
			forward_wake(p->channel->forward);
	}
}

static void
report_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct report_rows *r = arg;
	struct span letters = {"", 0};
	struct channel *full = NULL;
	struct reply c;
	size_t which;

	if (err == ERR_OK) {
		reply_open(&c, reply);
		letters = reply_bytes(&c);
		if (c.bad)
			err = ERR_STORE_REPLY;
	}
	if (err == ERR_OK && letters.len == 0) {
		which = (size_t)reply_int(&c, 0);
		err = which >= 1 && which <= r->piece_count ? ERR_SPOOL_FULL
							    : ERR_STORE_REPLY;
		if (err == ERR_SPOOL_FULL) {
			full = r->pieces[which - 1].channel;
			metric_add_series(METRIC_CHANNEL_REFUSED, full->slot,
			    r->pieces[which - 1].n);
		}
	}
	if (err == ERR_OK)
		err = letters_read(r, letters);
	if (err == ERR_OK)
		pieces_read(r, &c);
	report_end(r, err, full);
}

/* As a report has it: its id, then its kind and text in one. */
static void
add_item(struct call *c, const struct store_report_item *item, struct buf *text)
{
	buf_reset(text, CALL_MAX_BYTES);
	buf_add_char(text, !item->failed ? 'f' : item->no_retry ? 'd' : 'e');
	buf_add_span(text, item->text);
	call_add(c, item->id);
	call_add(c, buf_span(text));
}

static void
add_items(struct call *c, struct report_rows *r, struct span worker,
    const struct store_report_item *items)
{
	struct buf text;

	buf_init(&text, CALL_MAX_ARGS_BYTES);
	call_add(c, worker);
	call_add_u64(c, r->n);
	r->is_failed_only = true;
	for (size_t i = 0; i < r->n; i++) {
		add_item(c, &items[i], &text);
		r->results[i].dead = items[i].failed;
		r->is_failed_only &= items[i].failed;
	}
	buf_clear(&text);
	call_add(c, SPAN(""));
}

static void
add_pieces(struct call *c, const struct report_rows *r)
{
	for (size_t i = 0; i < r->piece_count; i++) {
		const struct store_rows_piece *p = &r->pieces[i];

		call_add(c, span_of(p->channel->base));
		call_add_u64(c, p->channel->conf->max_spool);
		call_add_u64(c, p->channel->conf->max_spool_bytes);
		call_add_u64(c, p->item);
		call_add_u64(c, p->n);
		call_add(c, p->rows);
	}
}

void
store_report_rows(struct store *s, const struct store_rows_report *op,
    store_report_rows_cb *cb, void *arg)
{
	struct report_rows *r =
	    xcalloc(1, sizeof(*r) + op->n * sizeof(r->results[0]));
	struct call *c;

	s = store_of(s, op->queue);
	r->store = s;
	r->queue = s->closing ? NULL : queue_ask(s, op->queue);
	r->n = op->n;
	r->pieces = op->pieces;
	r->piece_count = op->piece_count;
	r->cb = cb;
	r->arg = arg;
	/* The spools are with main: elsewhere it would be two steps. */
	if (r->queue == NULL || s->index != 0) {
		r->err = s->closing         ? ERR_SHUTTING_DOWN
			 : r->queue == NULL ? ERR_TOO_MANY_QUEUES
					    : ERR_ROWS_ELSEWHERE;
		r->done.fn = report_on_done;
		store_complete(s, &r->done);
		return;
	}
	/* What was gathered before goes first, as it was asked first. */
	call_work_send(r->queue);
	c = call_new(r->queue);
	call_add_policy(c);
	add_items(c, r, op->worker, op->items);
	add_pieces(c, r);
	call_send(c, SCRIPT_REPORT_ROWS, report_on_reply, r);
	call_free(c);
}
