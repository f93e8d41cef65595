/* Rows that the database refused: looking at them, and what an operator does
 * about them. A record is as store/lua/bad.lua says. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "store/channel_priv.h"
#include "store/reply.h"

/* Looked at in one call. */
enum { ACT_WINDOW = 500 };

/* ---- looking ---------------------------------------------------------- */

struct bad_read {
	bool is_one;
	uint32_t limit;
	store_bad_cb *cb;
	void *arg;
};

/* Cuts a word off the front of a record. */
static struct span
word_cut(struct span *rest)
{
	const char *space =
	    rest->len > 0 ? memchr(rest->p, ' ', rest->len) : NULL;
	struct span word = {
	    rest->p, space != NULL ? (size_t)(space - rest->p) : 0};

	rest->p += word.len + (space != NULL);
	rest->len -= word.len + (space != NULL);
	return word;
}

static bool
record_read(struct span record, struct store_bad_row *out)
{
	uint64_t at, len;

	out->sqlstate = word_cut(&record);
	if (!str_to_u64(word_cut(&record), &at) ||
	    !str_to_u64(word_cut(&record), &len) || len > record.len)
		return false;
	out->at = (int64_t)at;
	out->message = (struct span){record.p, (size_t)len};
	out->row = (struct span){record.p + len, record.len - (size_t)len};
	return true;
}

static enum err
page_read(struct reply *c, struct store_bad_page *page,
    struct store_bad_row *rows, const struct bad_read *read)
{
	page->total = (uint64_t)reply_int(c, 0);
	page->rows = rows;
	while (reply_left(c) >= 2) {
		struct store_bad_row *row = &rows[page->n];

		row->id = reply_bytes(c);
		if (!record_read(reply_bytes(c), row))
			return ERR_STORE_REPLY;
		page->n++;
	}
	if (c->bad)
		return ERR_STORE_REPLY;
	if (read->is_one && page->n == 0)
		return ERR_ROW_UNKNOWN;
	/* A page that is short by its bytes goes on as well. */
	if (!read->is_one && page->n > 0 && page->n < page->total)
		page->after = rows[page->n - 1].id;
	return ERR_OK;
}

static void
read_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct bad_read read = *(struct bad_read *)arg;
	struct store_bad_page page = {.after = {"", 0}};
	struct store_bad_row *rows = NULL;
	struct reply c;

	free(arg);
	if (err == ERR_OK) {
		reply_open(&c, reply);
		rows = xcalloc(reply_left(&c) / 2 + 1, sizeof(*rows));
		err = page_read(&c, &page, rows, &read);
	}
	read.cb(err, err == ERR_OK ? &page : NULL, read.arg);
	free(rows);
}

static void
bad_read(struct channel *ch, struct span id, const struct bad_read *how)
{
	struct bad_read *read = xcalloc(1, sizeof(*read));
	struct buf args;

	*read = *how;
	channel_args(ch, &args);
	resp_add_span(&args, id);
	if (how->is_one)
		resp_add_str(&args, "");
	else
		resp_add_u64(&args, how->limit);
	channel_send(ch, SCRIPT_BAD_LIST, &args, 4, read_on_reply, read);
}

void
store_bad_list(struct store *s, struct channel *ch, struct span after,
    uint32_t limit, store_bad_cb *cb, void *arg)
{
	(void)s;
	bad_read(ch, after, &(struct bad_read){false, limit, cb, arg});
}

void
store_bad_get(struct store *s, struct channel *ch, struct span id,
    store_bad_cb *cb, void *arg)
{
	(void)s;
	bad_read(ch, id, &(struct bad_read){true, 1, cb, arg});
}

/* ---- acting ----------------------------------------------------------- */

struct bad_act {
	struct channel *channel;
	store_bad_act_cb *act_cb;
	store_bad_edit_cb *edit_cb;
	void *arg;
};

static void
act_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct bad_act act = *(struct bad_act *)arg;
	struct span after = {"", 0};
	uint64_t count = 0;
	struct reply c;

	free(arg);
	if (err == ERR_OK) {
		reply_open(&c, reply);
		count = (uint64_t)reply_int(&c, 0);
		after = reply_bytes(&c);
		if (reply_int(&c, 0) != 0 && count == 0)
			err = ERR_SPOOL_FULL;
		if (c.bad)
			err = ERR_STORE_REPLY;
	}
	channels_look_soon(act.channel->store);
	if (act.edit_cb != NULL)
		act.edit_cb(err == ERR_OK && count == 0 ? ERR_ROW_UNKNOWN : err,
		    act.arg);
	else
		act.act_cb(err, count, after, act.arg);
}

static void
act_begin(const struct channel *ch, struct buf *args, const char *what,
    struct span sqlstate, struct span after)
{
	channel_args(ch, args);
	resp_add_str(args, what);
	resp_add_u64(args, ch->conf->max_spool);
	resp_add_u64(args, ch->conf->max_spool_bytes);
	resp_add_span(args, sqlstate);
	resp_add_span(args, after);
	resp_add_u64(args, ACT_WINDOW);
}

void
store_bad_act(struct store *s, struct channel *ch, enum store_bad_act act,
    const struct store_bad_filter *f, store_bad_act_cb *cb, void *arg)
{
	struct bad_act *a = xcalloc(1, sizeof(*a));
	struct buf args;

	(void)s;
	*a = (struct bad_act){ch, cb, NULL, arg};
	act_begin(ch, &args, act == STORE_BAD_RETRY ? "retry" : "drop",
	    f->sqlstate, f->after);
	for (size_t i = 0; i < f->id_count; i++)
		resp_add_span(&args, f->ids[i]);
	channel_send(
	    ch, SCRIPT_BAD, &args, 8 + (unsigned)f->id_count, act_on_reply, a);
}

void
store_bad_edit(struct store *s, struct channel *ch, struct span id,
    struct span row, store_bad_edit_cb *cb, void *arg)
{
	struct bad_act *a = xcalloc(1, sizeof(*a));
	struct buf args;

	(void)s;
	*a = (struct bad_act){ch, NULL, cb, arg};
	act_begin(ch, &args, "edit", SPAN(""), SPAN(""));
	resp_add_span(&args, id);
	resp_add_span(&args, row);
	channel_send(ch, SCRIPT_BAD, &args, 10, act_on_reply, a);
}
