/* Rows: each is held against its channel's columns before anything is stored,
 * and goes through untouched. */

#include "http/body.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/column.h"
#include "store/store.h"

/* One bit a column. */
struct seen {
	uint64_t bits[(COLUMNS_MAX + 63) / 64];
};

/* ---- values ----------------------------------------------------------- */

/* A whole number within bounds; a string may hold one, too. */
static bool
is_int(struct span raw, int64_t least, int64_t most)
{
	bool is_negative = raw.len > 0 && raw.p[0] == '-';
	uint64_t n;

	if (is_negative)
		raw = (struct span){raw.p + 1, raw.len - 1};
	if (!str_to_u64(raw, &n))
		return false;
	if (is_negative)
		return n <= (uint64_t)INT64_MAX + 1 &&
		       (n == (uint64_t)INT64_MAX + 1 ? least == INT64_MIN
						     : -(int64_t)n >= least);
	return n <= (uint64_t)most;
}

static bool
is_number(struct span raw)
{
	struct scan s;
	struct span all;

	scan_init(&s, raw);
	return scan_number(&s, &all) && scan_end(&s) == ERR_OK;
}

static bool
is_word_of_numbers(struct span raw)
{
	return span_is(raw, "NaN") || span_is(raw, "Infinity") ||
	       span_is(raw, "-Infinity");
}

/* Does it say \u0000, which no text in Postgres can hold? */
static bool
has_nul(struct span raw)
{
	const char *p = raw.p, *end = raw.p + raw.len;

	while (p < end && (p = memchr(p, '\\', (size_t)(end - p))) != NULL) {
		if (end - p >= 6 && memcmp(p, "\\u0000", 6) == 0)
			return true;
		p += 2;
	}
	return false;
}

static bool
number_fits(enum column_kind kind, struct span raw)
{
	switch (kind) {
	case COLUMN_INT2:
		return is_int(raw, INT16_MIN, INT16_MAX);
	case COLUMN_INT4:
		return is_int(raw, INT32_MIN, INT32_MAX);
	case COLUMN_INT8:
		return is_int(raw, INT64_MIN, INT64_MAX);
	case COLUMN_FLOAT:
	case COLUMN_NUMERIC:
		return is_number(raw) || is_word_of_numbers(raw);
	case COLUMN_STRING:
	case COLUMN_BOOL:
	case COLUMN_JSON:
	case COLUMN_KIND_COUNT:
		break;
	}
	return false;
}

static bool
read_number(struct body *b, enum column_kind kind)
{
	const char *expected = column_kind_expected(kind);
	struct span raw;

	if (!scan_number(&b->scan, &raw) && !scan_string(&b->scan, &raw))
		return body_refuse_type(b, expected);
	return number_fits(kind, raw) ||
	       body_refuse(b, ERR_FIELD_RANGE, expected);
}

static bool
read_value(struct body *b, const struct column *c, bool is_key)
{
	struct span raw;
	bool flag;

	if (scan_peek(&b->scan) == SCAN_NULL) {
		if (is_key)
			return body_refuse_type(
			    b, "a value: it is part of the key");
		return scan_null(&b->scan);
	}
	switch (c->kind) {
	case COLUMN_STRING:
		if (!scan_string(&b->scan, &raw))
			return body_refuse_type(b, "a string");
		return !has_nul(raw) ||
		       body_refuse(b, ERR_FIELD_RANGE,
			   "a string without \\u0000: the database has none");
	case COLUMN_BOOL:
		return scan_bool(&b->scan, &flag) ||
		       body_refuse_type(b, "true or false");
	case COLUMN_JSON:
		return scan_skip(&b->scan, &raw);
	case COLUMN_INT2:
	case COLUMN_INT4:
	case COLUMN_INT8:
	case COLUMN_FLOAT:
	case COLUMN_NUMERIC:
	case COLUMN_KIND_COUNT:
		break;
	}
	return read_number(b, c->kind);
}

static bool
read_column(
    struct body *b, struct rows_body *r, const struct column *c, bool is_key)
{
	return c->seal == SEAL_NONE ? read_value(b, c, is_key)
				    : body_seal_value(b, r, c, is_key);
}

/* ---- a row ------------------------------------------------------------ */

/* Rows mostly have their members in one order. */
static const struct column *
column_find(const struct columns *columns, struct span name, size_t *hint)
{
	for (size_t i = 0; i < columns->count; i++) {
		size_t at = (*hint + i) % columns->count;

		if (!span_is(name, columns->items[at].name))
			continue;
		*hint = at + 1;
		return &columns->items[at];
	}
	return NULL;
}

static bool
refuse_unknown(struct body *b, const struct columns *columns, struct span name)
{
	char expected[200];
	size_t used = 0;

	for (size_t i = 0; i < columns->count && used < 150; i++)
		used += (size_t)snprintf(expected + used,
		    sizeof(expected) - used, "%s%.40s", i == 0 ? "only " : ", ",
		    columns->items[i].name);
	if (used >= 150)
		(void)snprintf(expected, sizeof(expected),
		    "only the columns of the channel");
	b->field = arena_dup(b->arena, utf8_cut(name, 63));
	if (b->field == NULL)
		return body_refusef(b, ERR_NO_MEMORY, "a column's name");
	return body_refuse(b, ERR_FIELD_UNKNOWN, expected);
}

static bool
read_member(struct body *b, struct rows_body *r, struct span key,
    struct seen *seen, size_t *hint)
{
	const struct column *c;
	struct span name;
	size_t i;

	if (!scan_unescape(b->arena, key, &name))
		return body_refusef(b, ERR_NO_MEMORY, "a column's name");
	c = column_find(r->columns, name, hint);
	if (c == NULL)
		return refuse_unknown(b, r->columns, name);
	b->field = c->name;
	i = (size_t)(c - r->columns->items);
	if ((seen->bits[i / 64] >> i % 64 & 1) != 0)
		return body_refuse(b, ERR_FIELD_DUPLICATE, "it only once");
	seen->bits[i / 64] |= UINT64_C(1) << i % 64;
	if (!read_column(b, r, c, store_channel_is_key(r->channel, name)))
		return false;
	b->field = NULL;
	return true;
}

static bool
has_key(struct body *b, const struct rows_body *r, const struct seen *seen)
{
	for (size_t i = 0; i < r->columns->count; i++) {
		const struct column *c = &r->columns->items[i];

		if ((seen->bits[i / 64] >> i % 64 & 1) != 0 ||
		    !store_channel_is_key(r->channel, span_of(c->name)))
			continue;
		b->field = c->name;
		return body_refuse(
		    b, ERR_FIELD_MISSING, "it to be given: it is of the key");
	}
	return true;
}

static bool
row_read(struct body *b, void *into)
{
	struct rows_body *r = into;
	struct seen seen = {{0}};
	const char *start;
	struct span key;
	size_t hint = 0;

	r->rows = body_room(b, r->rows, r->count, &r->room, sizeof(*r->rows));
	if (r->rows == NULL || !body_seal_begin(b, r))
		return false;
	(void)scan_peek(&b->scan);
	start = b->scan.p;
	if (!scan_object(&b->scan))
		return body_refuse_type(b, "an object: a row");
	while (scan_key(&b->scan, &key))
		if (!read_member(b, r, key, &seen, &hint))
			return false;
	if (b->scan.err != ERR_OK || !has_key(b, r, &seen))
		return false;
	r->rows[r->count] = (struct span){start, (size_t)(b->scan.p - start)};
	if (r->spot_count > 0 && !body_seal_row(b, r, &r->rows[r->count]))
		return false;
	if (r->rows[r->count].len > ROW_MAX_BYTES)
		return body_refuse(
		    b, ERR_ROW_TOO_LARGE, "a row of at most 1048576 bytes");
	r->count++;
	return true;
}

/* ---- bodies ----------------------------------------------------------- */

static bool
read_rows(struct body *b, void *into)
{
	struct rows_body *r = into;

	return body_list(b, ROWS_MAX, row_read, into) &&
	       (r->count > 0 ||
		   body_refuse(b, ERR_FIELD_RANGE, "at least one row"));
}

/* clang-format off */
static const struct body_field rows_fields[] = {
	{"rows", read_rows, true},
};
static const struct body_field row_fields[] = {
	{"row", row_read, true},
};
/* clang-format on */

/* Is it {"rows": [...]}? A row may have a column of that name; then it is
 * only a list when that column takes no list. */
static bool
has_rows(const struct body *b, const struct rows_body *r)
{
	const struct column *c = columns_find(r->columns, SPAN("rows"));
	struct scan ahead = b->scan;
	struct span key;

	return scan_object(&ahead) && scan_key(&ahead, &key) &&
	       span_is(key, "rows") && scan_peek(&ahead) == SCAN_ARRAY &&
	       (c == NULL || c->kind != COLUMN_JSON);
}

static void
rows_init(struct rows_body *r)
{
	r->rows = NULL;
	r->spots = NULL;
	r->count = r->room = 0;
}

enum err
body_read_rows(struct body *b, struct rows_body *out)
{
	rows_init(out);
	if (has_rows(b, out))
		(void)body_object(
		    b, rows_fields, COUNT_OF(rows_fields), out, NULL);
	else
		(void)row_read(b, out);
	return body_end(b);
}

enum err
body_read_row(struct body *b, struct rows_body *out)
{
	rows_init(out);
	(void)body_object(b, row_fields, COUNT_OF(row_fields), out, NULL);
	return body_end(b);
}

/* Puts the number of the line before what was wrong in it. */
static enum err
line_refuse(struct body *b, size_t number)
{
	char detail[BODY_DETAIL_MAX];

	memcpy(detail, b->detail, sizeof(detail));
	(void)snprintf(
	    b->detail, sizeof(b->detail), "line %zu: %.600s", number, detail);
	return b->err;
}

static bool
is_blank(struct span line)
{
	for (size_t i = 0; i < line.len; i++) {
		if (strchr(" \t\r", line.p[i]) == NULL)
			return false;
	}
	return true;
}

enum err
body_read_lines(struct body *b, struct rows_body *out, struct span text)
{
	const char *p = text.p, *end = text.p + text.len, *stop;
	size_t number = 0;

	rows_init(out);
	for (; p < end; p = stop + 1) {
		struct span line;

		number++;
		stop = memchr(p, '\n', (size_t)(end - p));
		if (stop == NULL)
			stop = end;
		line = (struct span){p, (size_t)(stop - p)};
		if (is_blank(line))
			continue;
		scan_init(&b->scan, line);
		if (out->count == ROWS_MAX_LINES)
			body_refusef(b, ERR_TOO_MANY_ITEMS,
			    "expected at most %d rows", (int)ROWS_MAX_LINES);
		else
			(void)row_read(b, out);
		if (body_end(b) != ERR_OK)
			return line_refuse(b, number);
	}
	if (out->count == 0) {
		body_refusef(
		    b, ERR_FIELD_RANGE, "the body: expected at least one row");
		return b->err;
	}
	return ERR_OK;
}

/* ---- rows of a report ------------------------------------------------- */

/* "rows.pages", or "finished[3].rows.pages" for those of an item. */
static const char *
piece_path(struct body *b, struct span channel)
{
	char *path;

	channel = utf8_cut(channel, NAME_MAX_LEN);
	if (b->list == NULL)
		path = arena_printf(b->arena, "rows.%.*s", SPAN_ARG(channel));
	else
		path = arena_printf(b->arena, "%s[%zu].rows.%.*s", b->list,
		    b->index, SPAN_ARG(channel));
	if (path == NULL)
		body_refusef(b, ERR_NO_MEMORY, "a channel's rows");
	return path;
}

static bool
piece_add(struct body *b, struct work_body *w, size_t item,
    const struct rows_body *r, struct span rows)
{
	struct store_rows_piece *piece;

	b->rows_count += r->count;
	if (b->rows_count > ROWS_MAX)
		return body_refuse(b, ERR_TOO_MANY_ITEMS,
		    "at most 1000 rows in all channels together");
	if (r->count == 0)
		return true;
	w->pieces = body_room(
	    b, w->pieces, w->piece_count, &w->piece_room, sizeof(*w->pieces));
	if (w->pieces == NULL)
		return false;
	piece = &w->pieces[w->piece_count++];
	memset(piece, 0, sizeof(*piece));
	piece->channel = r->channel;
	piece->item = item;
	piece->n = r->count;
	piece->rows = rows;
	return true;
}

/* Rows that were made anew do not stand in the body. */
static bool
rows_join(struct body *b, const struct rows_body *r, struct span *out)
{
	size_t len = 0;
	char *p;

	for (size_t i = 0; i < r->count; i++)
		len += r->rows[i].len + 1;
	p = arena_alloc(b->arena, len + 1);
	if (p == NULL)
		return body_refuse(b, ERR_NO_MEMORY, "less");
	out->p = p;
	for (size_t i = 0; i < r->count; i++) {
		if (i > 0)
			*p++ = ',';
		memcpy(p, r->rows[i].p, r->rows[i].len);
		p += r->rows[i].len;
	}
	out->len = (size_t)(p - out->p);
	return true;
}

/* One channel's list. What is read is the body's own text from the first row
 * to the last. */
static bool
piece_read(struct body *b, struct work_body *w, size_t item, struct span name)
{
	struct rows_body r = {.channel = NULL};
	const char *path = piece_path(b, name);
	struct span rows = {"", 0};

	if (path == NULL)
		return false;
	b->field = path;
	b->list = NULL;
	if (b->find_channel != NULL)
		r.channel = b->find_channel(name, b->find_arg);
	if (r.channel == NULL)
		return body_refuse(
		    b, ERR_CHANNEL_UNKNOWN, "the name of a channel");
	if (store_channel_is_closed(r.channel))
		return body_refuse(b, ERR_CHANNEL_CLOSED,
		    "a channel that takes rows of programs");
	r.columns = store_channel_columns(r.channel);
	if (r.columns == NULL)
		return body_refuse(b, ERR_COLUMNS_UNKNOWN,
		    "a channel whose table was seen once");
	if (!body_list(b, ROWS_MAX, row_read, &r))
		return false;
	if (r.spots != NULL && !rows_join(b, &r, &rows))
		return false;
	if (r.spots == NULL && r.count > 0) {
		rows.p = r.rows[0].p;
		rows.len = (size_t)(r.rows[r.count - 1].p +
				    r.rows[r.count - 1].len - rows.p);
	}
	return piece_add(b, w, item, &r, rows);
}

bool
body_read_pieces(struct body *b, struct work_body *w, size_t item)
{
	const char *list = b->list, *field = b->field;
	size_t index = b->index;
	struct span name;

	if (!scan_object(&b->scan))
		return body_refuse_type(
		    b, "an object: lists of rows by channel");
	while (scan_key(&b->scan, &name)) {
		if (!piece_read(b, w, item, name))
			return false;
		b->list = list;
		b->index = index;
		b->field = field;
	}
	return b->scan.err == ERR_OK;
}
