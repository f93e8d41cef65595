/* The forwarder's side in Redis: reading the spool ahead, and settling what
 * the database has: it leaves the spool, for the quarantine or for good. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/metrics.h"
#include "store/forward_priv.h"
#include "store/reply.h"

enum {
	SETTLE_MAX = 80 << 20,
	SETTLE_ARGS = 5, /* of a refused row */
	SETTLE_EVERY_MS = 25
};

static redis_reply_cb read_on_reply, settle_on_reply;

void
chunk_free(struct chunk *c)
{
	free(c->data);
	free(c);
}

void
spool_clear(struct forward *f)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE (pos, tmp, &f->chunks) {
		list_del(pos);
		chunk_free(CONTAINER_OF(pos, struct chunk, link));
	}
	f->chunk_rows = f->chunk_bytes = 0;
}

/* ---- reading ---------------------------------------------------------- */

/* Enough for one more batch behind the one that is built. */
static bool
has_enough(const struct forward *f)
{
	return f->chunk_rows >= f->ch->conf->batch ||
	       f->chunk_bytes >= BATCH_MAX_BYTES;
}

void
spool_read(struct forward *f)
{
	struct buf args, from;

	if (f->is_reading || !f->is_more || has_enough(f) ||
	    f->ch->store->closing)
		return;
	f->is_reading = true;
	f->is_more = false;
	f->asked_serial = f->read_serial;
	buf_init(&from, 64);
	buf_addf(&from, "%" PRIu64 "-%" PRIu64, f->read_ms, f->read_seq);
	channel_args(f->ch, &args);
	resp_add_span(&args, buf_span(&from));
	resp_add_u64(&args, f->ch->conf->batch);
	resp_add_u64(&args, BATCH_MAX_BYTES);
	buf_clear(&from);
	channel_send(f->ch, SCRIPT_SPOOL_READ, &args, 5, read_on_reply, f);
}

static bool
chunk_read(struct forward *f, struct reply *in)
{
	struct chunk *c = xcalloc(1, sizeof(*c));
	struct span id = reply_bytes(in), data;

	c->n = (uint64_t)reply_int(in, 0);
	c->rows = (uint64_t)reply_int(in, 0);
	c->bytes = (uint64_t)reply_int(in, 0);
	data = reply_bytes(in);
	if (in->bad || !entry_parse(id, &c->ms, &c->seq)) {
		free(c);
		return false;
	}
	if (f->read_rows > 0 && c->rows - c->n != f->read_rows)
		log_error("channel.gap",
		    "channel=%s entry=%.*s missing=%" PRId64, f->ch->conf->name,
		    SPAN_ARG(id), (int64_t)(c->rows - c->n - f->read_rows));
	f->read_rows = c->rows;
	/* An entry without rows, by hand: one that is refused as damaged. */
	if (c->n == 0)
		c->n = 1;
	c->data = xmemdupz(data.p, data.len);
	c->len = data.len;
	scan_init(&c->scan, (struct span){c->data, c->len});
	if (!scan_array(&c->scan))
		c->scan.err = ERR_BODY_NOT_JSON; /* it yields no row */
	f->read_ms = c->ms;
	f->read_seq = c->seq;
	f->chunk_rows += c->n;
	f->chunk_bytes += c->len;
	list_add_tail(&f->chunks, &c->link);
	return true;
}

static void
read_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct forward *f = arg;
	struct reply in;

	f->is_reading = false;
	if (f->ch->store->channels->is_closed)
		return;
	if (err != ERR_OK) {
		/* The next numbers wake it. */
		f->is_more = true;
		return;
	}
	/* It was forgotten what this was to go on from: all of it is read
	 * again, or there would be a gap. */
	if (f->asked_serial != f->read_serial) {
		f->is_more = true;
		forward_next(f);
		return;
	}
	reply_open(&in, reply);
	while (reply_left(&in) > 0) {
		if (!chunk_read(f, &in))
			break;
		f->is_more = true;
	}
	forward_next(f);
}

/* ---- settling --------------------------------------------------------- */

void
settle_add_refused(struct forward *f, const struct batch_row *row,
    struct span text, const char *state, struct span message)
{
	struct buf record;
	char id[BAD_ID_LEN];

	bad_id_print(id, row->ms, row->seq, row->index);
	buf_init(&record, SETTLE_MAX);
	buf_addf(&record, "%.5s %" PRId64 " %zu ", state,
	    store_redis_now(f->ch->store), message.len);
	buf_add_span(&record, message);
	buf_add_span(&record, text);
	resp_add_u64(&f->settle_refused, row->ms);
	resp_add_u64(&f->settle_refused, row->seq);
	resp_add_u64(&f->settle_refused, row->index + 1);
	resp_add_str(&f->settle_refused, id);
	resp_add_span(&f->settle_refused, buf_span(&record));
	buf_clear(&record);
	f->settle_count++;
	f->must_settle = true;
}

void
settle_send(struct forward *f)
{
	struct buf args;

	if (f->is_settling || !f->has_settle || f->ch->store->closing)
		return;
	/* The position says what is done; that it leaves the spool can wait. */
	if (!f->must_settle && timer_is_armed(&f->settle_timer))
		return;
	timer_arm_ms(&f->settle_timer, SETTLE_EVERY_MS);
	f->is_settling = true;
	f->has_settle = false;
	f->settle_sent = f->settle_count;
	f->sent_serial = f->settle_serial;
	f->sent_place = f->settle;
	f->sent_rows = f->settle_rows;
	f->sent_bytes = f->settle_bytes;
	channel_args(f->ch, &args);
	resp_add_u64(&args, f->settle.ms);
	resp_add_u64(&args, f->settle.seq);
	resp_add_u64(&args, f->settle.rows);
	resp_add_u64(&args, f->settle_whole);
	resp_add_u64(&args, f->settle_rows);
	resp_add_u64(&args, f->settle_bytes);
	buf_add_span(&args, buf_span(&f->settle_refused));
	channel_send(f->ch, SCRIPT_SPOOL_DONE, &args,
	    8 + SETTLE_ARGS * f->settle_count, settle_on_reply, f);
}

/* What was noted for the quarantine is there. */
static void
settle_end(struct forward *f)
{
	struct channel *ch = f->ch;

	ch->numbers.bad += f->settle_count;
	ch->numbers.bad_total += f->settle_count;
	f->must_look = ch->numbers.bad >= ch->conf->max_quarantine;
	if (f->must_look)
		log_error("channel.stopped",
		    "error=E%03d channel=%s table=%s reason=\"the quarantine "
		    "is full\"",
		    err_info(channel_err(ch))->number, ch->conf->name,
		    ch->conf->table);
	f->settle_count = 0;
	buf_reset(&f->settle_refused, 64 * 1024);
	f->must_settle = false;
	rows_committed(ch, &f->at);
}

/* So much of the spool is out, if that is more than is known. */
static void
count_out(struct forward *f, uint64_t rows, uint64_t bytes)
{
	struct channel_numbers *n = &f->ch->numbers;

	if (rows <= n->rows_out)
		return;
	n->rows_out = rows;
	n->bytes_out = bytes;
}

/* With rows that were refused it is out when those are counted, too. */
void
settle_count_out(struct forward *f)
{
	if (f->must_settle)
		return;
	if (f->is_settling && f->sent_serial == f->settle_serial)
		count_out(f, f->sent_rows, f->sent_bytes);
	if (f->has_settle)
		count_out(f, f->settle_rows, f->settle_bytes);
}

static void
settle_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct forward *f = arg;

	(void)reply;
	f->is_settling = false;
	if (f->ch->store->channels->is_closed)
		return;
	if (f->sent_serial == f->settle_serial) {
		/* With the next numbers; repeating it does no harm. */
		if (err != ERR_OK) {
			f->has_settle = true;
			return;
		}
		/* Until they are asked for again. */
		f->settled = f->sent_place;
		count_out(f, f->sent_rows, f->sent_bytes);
		if (f->must_settle && f->settle_sent == f->settle_count)
			settle_end(f);
	}
	settle_send(f);
	forward_next(f);
}

/* ---- after a restart -------------------------------------------------- */

/*
 * A batch was committed in which rows were refused, and whoever did so may not
 * have lived to move them: the position names them, the spool has them still.
 * What was settled is skipped by the script.
 */
void
recover_row(struct forward *f, const struct batch_row *row, struct span text)
{
	struct place place = {row->ms, row->seq, row->index + 1};
	const struct json *item, *part;
	char id[BAD_ID_LEN];

	if (f->recover == NULL)
		return;
	bad_id_print(id, row->ms, row->seq, row->index);
	for (item = json_first(f->recover); item != NULL;
	     item = json_next(item)) {
		struct span name = {"", 0}, state = {"", 0}, message = {"", 0};

		part = json_first(item);
		(void)json_string(part, &name);
		if (!span_is(name, id))
			continue;
		part = json_next(part);
		(void)json_string(part, &state);
		part = json_next(part);
		(void)json_string(part, &message);
		if (state.len != PG_STATE_LEN)
			continue;
		settle_add_refused(f, row, text, state.p, message);
		if (place_compare(&place, &f->told) > 0)
			rows_refused(f->ch, &place);
	}
}

/* An entry was passed, or the place itself. Where Redis lost the end of the
 * spool that place is not met any more. */
void
recover_place(struct forward *f, const struct chunk *c)
{
	struct place place = {c->ms, c->seq, c->taken};
	int order = place_compare(&place, &f->at);

	if (order > 0 || (order < 0 && c->taken < c->n))
		return;
	f->settle = place;
	f->settle_whole = c->taken >= c->n;
	f->settle_rows = c->rows - c->n + c->taken;
	f->settle_bytes = f->settle_whole ? c->bytes : c->bytes - c->len;
	f->has_settle = true;
}
