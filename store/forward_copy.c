/*
 * A batch by COPY: the cheapest way for the database, which takes no row whose
 * key is there, and gives no defaults row by row. So it is tried where that
 * does not matter; a batch that meets a known key goes by the INSERT instead,
 * and so do the next few.
 */

#include <arpa/inet.h>
#include <string.h>

#include "store/forward_priv.h"

enum { COPY_REST_MOST = 64, HEAD = 20 /* of an array */ };

/* Has the batch nothing for that column in any row? */
static bool
is_left_out(const struct forward *f, const struct batch *b, size_t column)
{
	return f->table.columns[column].fallback != NULL &&
	       b->nulls[column] == b->sent;
}

bool
copy_may(const struct forward *f, const struct batch *b)
{
	if (!f->can_copy || f->copy_rest > 0 || b->is_slow || b->no_copy ||
	    b->sent == 0)
		return false;
	for (size_t i = 0; i < b->value_count; i++) {
		/* Some have it and some do not: their default is to come. */
		if (f->table.columns[i].fallback != NULL && b->nulls[i] > 0 &&
		    b->nulls[i] < b->sent)
			return false;
	}
	return true;
}

void
copy_collided(struct forward *f)
{
	f->copy_step = f->copy_step == 0 ? 4 : f->copy_step * 2;
	if (f->copy_step > COPY_REST_MOST)
		f->copy_step = COPY_REST_MOST;
	f->copy_rest = f->copy_step;
}

/* A value in COPY's text form. */
static void
add_value(struct buf *out, struct span value)
{
	const char *p = value.p, *end = value.p + value.len, *plain;
	char escape[2] = {'\\', 0};

	while (p < end) {
		plain = p;
		while (p < end && *p != '\\' && *p != '\n' && *p != '\r' &&
		       *p != '\t')
			p++;
		buf_add(out, plain, (size_t)(p - plain));
		if (p == end)
			return;
		escape[1] = *p == '\n'   ? 'n'
			    : *p == '\r' ? 'r'
			    : *p == '\t' ? 't'
					 : '\\';
		buf_add(out, escape, 2);
		p++;
	}
}

/* The next value of an array; false: it is null. */
static bool
array_next(const struct buf *array, size_t *at, struct span *out)
{
	uint32_t len;

	memcpy(&len, array->data + *at, sizeof(len));
	len = ntohl(len);
	*at += sizeof(len);
	if (len == UINT32_MAX)
		return false;
	*out = (struct span){array->data + *at, len};
	*at += len;
	return true;
}

static void
copy_rows(const struct forward *f, const struct batch *b, struct buf *out)
{
	size_t at[COLUMNS_MAX];
	struct span value;

	for (size_t i = 0; i < b->value_count; i++)
		at[i] = HEAD;
	for (size_t row = 0; row < b->sent; row++) {
		char mark = '\0';

		for (size_t i = 0; i < b->value_count; i++) {
			bool there = array_next(&b->values[i], &at[i], &value);

			if (is_left_out(f, b, i))
				continue;
			if (mark != '\0')
				buf_add_char(out, mark);
			mark = '\t';
			if (there)
				add_value(out, value);
			else
				buf_add(out, "\\N", 2);
		}
		buf_add_char(out, '\n');
	}
}

static void
add_columns(const struct forward *f, const struct batch *b, struct buf *sql)
{
	const char *comma = "";

	for (size_t i = 0; i < b->value_count; i++) {
		if (is_left_out(f, b, i))
			continue;
		buf_add_str(sql, comma);
		sql_add_name(sql, span_of(f->table.columns[i].name));
		comma = ", ";
	}
}

/* Two statements without BEGIN are one transaction. */
bool
copy_make(const struct forward *f, const struct batch *b,
    const struct pg_param *params, struct buf *sql, struct buf *data)
{
	size_t columns;

	buf_add_str(sql, "UPDATE schedd.position SET at = ");
	sql_add_text(sql, span_of(params[PARAM_NEW].value));
	buf_add_str(sql, ", refused = ");
	sql_add_text(sql, span_of(params[PARAM_REFUSED].value));
	buf_add_str(sql, ", changed_at = now() WHERE spool = ");
	sql_add_text(sql, span_of(params[PARAM_SPOOL].value));
	buf_add_str(sql, " AND channel = ");
	sql_add_text(sql, span_of(params[PARAM_CHANNEL].value));
	buf_add_str(sql, " AND at = ");
	sql_add_text(sql, span_of(params[PARAM_OLD].value));
	buf_add_str(sql, "; COPY ");
	sql_add_table(sql, f->ch);
	buf_add_str(sql, " (");
	columns = sql->len;
	add_columns(f, b, sql);
	if (sql->len == columns) /* nothing but defaults */
		return false;
	buf_add_str(sql, ") FROM STDIN");
	buf_add_char(sql, '\0');
	copy_rows(f, b, data);
	return !sql->failed && !data->failed;
}
