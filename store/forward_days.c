/*
 * What only the history needs: its table has a partition for each day. Those
 * of a batch's rows are made before it goes, and once an hour the old ones are
 * dropped.
 */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "store/forward_priv.h"

enum { KEEP_EVERY_S = 3600, SQL_MAX = 16 * 1024 };

static pg_cb days_on_done, keep_on_done;

/* ---- which days ------------------------------------------------------- */

static bool
is_history(const struct forward *f)
{
	return f->ch->conf->kind == CHANNEL_OF_HISTORY;
}

/* "2026-11-26T..." */
static bool
is_date(struct span text)
{
	static const char form[] = "0000-00-00";

	if (text.len < DAY_LEN || text.p == NULL)
		return false;
	for (size_t i = 0; i < DAY_LEN; i++) {
		bool is_digit = isdigit((unsigned char)text.p[i]) != 0;

		if (form[i] == '0' ? !is_digit : text.p[i] != form[i])
			return false;
	}
	return true;
}

static bool
has_day(const struct days *days, const char *day)
{
	for (size_t i = 0; i < days->count; i++)
		if (memcmp(days->items[i], day, DAY_LEN) == 0)
			return true;
	return false;
}

/* The oldest makes room. */
static void
add_day(struct days *days, const char *day)
{
	if (has_day(days, day))
		return;
	if (days->count == DAYS_MAX)
		memmove(days->items[0], days->items[1],
		    sizeof(days->items[0]) * --days->count);
	memcpy(days->items[days->count++], day, DAY_LEN);
}

/* A date that is none is for the database to refuse. */
void
days_note(const struct forward *f, struct batch *b, const struct span *cells)
{
	if (!is_history(f) || f->day_column >= b->value_count)
		return;
	if (is_date(cells[f->day_column]))
		add_day(&b->days, cells[f->day_column].p);
}

/* ---- their partitions ------------------------------------------------- */

/* '{2026-11-26,2026-11-27}': those of a batch that may have none. */
static bool
days_missing(const struct forward *f, const struct batch *b, struct buf *out)
{
	const char *comma = "";

	for (size_t i = 0; b != NULL && i < b->days.count; i++) {
		if (has_day(&f->days, b->days.items[i]))
			continue;
		buf_add_str(out, comma);
		buf_add(out, b->days.items[i], DAY_LEN);
		comma = ",";
	}
	return out->len > 0;
}

static bool
days_make(struct forward *f)
{
	const struct batch *b = f->cur != NULL ? f->cur : f->next;
	struct buf days, sql;
	bool any;

	buf_init(&days, SQL_MAX);
	any = days_missing(f, b, &days);
	if (any) {
		buf_init(&sql, SQL_MAX);
		buf_add_str(&sql, "SELECT schedd.history_days('{");
		buf_add_span(&sql, buf_span(&days));
		buf_add_str(&sql, "}'::date[])");
		buf_add_char(&sql, '\0');
		f->days_asked = b->days;
		pg_conn_text(pg_db_conn(f->ch->db), sql.data, days_on_done, f);
		buf_clear(&sql);
	}
	buf_clear(&days);
	return any;
}

static void
days_on_done(const struct pg_result *r, void *arg)
{
	struct forward *f = arg;

	if (r->is_lost) /* forward_on_down follows */
		return;
	f->is_on_turn = false;
	if (r->kind == PG_FINE) {
		for (size_t i = 0; i < f->days_asked.count; i++)
			add_day(&f->days, f->days_asked.items[i]);
	} else if (r->kind == PG_DATA) {
		/* A day that is in no calendar: its rows are refused. */
		f->days = f->days_asked;
	} else {
		forward_trouble(f, r->kind, r->state, r->message);
	}
	pg_db_done(f->ch->db);
	forward_next(f);
}

bool
days_are_gone(struct forward *f, const char *state)
{
	if (!is_history(f) || f->cur->has_days || strcmp(state, "23514") != 0)
		return false;
	f->days.count = 0;
	f->cur->has_days = true;
	return true;
}

/* ---- how long they stay ----------------------------------------------- */

bool
days_are_due(const struct forward *f)
{
	return is_history(f) && f->step == STEP_ROWS &&
	       clock_mono_us() >= f->keep_us;
}

static void
keep_send(struct forward *f)
{
	struct buf sql;

	f->keep_us = clock_mono_us() + (int64_t)KEEP_EVERY_S * 1000000;
	buf_init(&sql, SQL_MAX);
	buf_addf(&sql, "SELECT schedd.history_keep(interval '%llu seconds')",
	    (unsigned long long)f->ch->conf->keep_ms / 1000);
	buf_add_char(&sql, '\0');
	pg_conn_text(pg_db_conn(f->ch->db), sql.data, keep_on_done, f);
	buf_clear(&sql);
}

static void
keep_on_done(const struct pg_result *r, void *arg)
{
	struct forward *f = arg;
	char quoted[2 * PG_MESSAGE_MAX];

	if (r->is_lost)
		return;
	f->is_on_turn = false;
	if (r->kind != PG_FINE)
		log_warn("channel.keeps",
		    "channel=%s sqlstate=%s reason=%s hint=\"old rows stay for "
		    "another hour\"",
		    f->ch->conf->name, r->state,
		    log_quote(quoted, sizeof(quoted), span_of(r->message)));
	else if (pg_rows(r) == 1 && !span_is(pg_value(r, 0, 0), "0"))
		log_info("channel.dropped", "channel=%s days=%.*s",
		    f->ch->conf->name, SPAN_ARG(pg_value(r, 0, 0)));
	/* It may have been one of ours. */
	f->days.count = 0;
	pg_db_done(f->ch->db);
	forward_next(f);
}

bool
days_turn(struct forward *f)
{
	if (!is_history(f))
		return false;
	if (days_make(f))
		return true;
	if (!days_are_due(f))
		return false;
	keep_send(f);
	return true;
}
