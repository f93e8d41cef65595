/* Queues as a table for people; see queues.h. */

#include "cli/queues.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cli/rows.h"
#include "cli/text.h"
#include "core/mem.h"

enum { CELL_MAX = 1024, ARENA_MAX = 1 << 30 };

/* What a column shows. */
enum { DEAD = 4, FIRST_RATE = QUEUES_STATES + 2, WORKERS = FIRST_RATE + 2 };

/* Beside the states, which are its first ones behind the name. */
static const struct table_column columns[] = {{"NAME", TABLE_LEFT | TABLE_CUT},
    {"TODO", TABLE_RIGHT}, {"DOING", TABLE_RIGHT | TABLE_OUT_2},
    {"DELAYED", TABLE_RIGHT | TABLE_OUT_6},
    {"FAILED", TABLE_RIGHT | TABLE_OUT_5}, {"DEAD", TABLE_RIGHT | TABLE_OUT_1},
    {"FINISH", TABLE_RIGHT | TABLE_OUT_7},
    {"OLDEST", TABLE_RIGHT | TABLE_OUT_2}, {"IN/S", TABLE_RIGHT | TABLE_OUT_3},
    {"OUT/S", TABLE_RIGHT | TABLE_OUT_3},
    {"WORKERS", TABLE_RIGHT | TABLE_OUT_4}, {"", TABLE_LEFT}};

/* In the order of the columns. */
static const struct row_field count_fields[QUEUES_STATES] = {{"todo", false},
    {"doing", false}, {"delayed", false}, {"failed", false}, {"dead", false},
    {"finish", false}};

/* ---- reading ---------------------------------------------------------- */

/* Two members of an object that are numbers; 0 for what is not there. */
static bool
read_rates(struct span json, struct arena *a, struct queues_row *row)
{
	static const struct row_field fields[] = {
	    {"pushed", false}, {"taken", false}};
	struct span f[2];

	if (!row_read_all(json, a, fields, 2, f))
		return false;
	row->in_rate = row_number(f[0]);
	row->out_rate = row_number(f[1]);
	return true;
}

static bool
row_of(struct span raw, struct arena *a, struct queues_row *row)
{
	static const struct row_field fields[] = {{"name", false},
	    {"paused", false}, {"counts", false}, {"oldest_todo_s", false},
	    {"rates", false}, {"workers", false}, {"held_up", false},
	    {"backend", false}};
	struct span f[COUNT_OF(fields)], counts[QUEUES_STATES];

	if (!row_read_all(raw, a, fields, COUNT_OF(fields), f) ||
	    f[0].len == 0 ||
	    !row_read_all(f[2], a, count_fields, QUEUES_STATES, counts))
		return false;
	*row = (struct queues_row){.name = f[0], .raw = raw};
	row->paused = span_is(f[1], "true");
	for (size_t i = 0; i < QUEUES_STATES; i++)
		if (!scan_to_u64(counts[i], &row->counts[i]))
			return false;
	row->oldest_s = row_number(f[3]);
	row->has_workers = scan_to_u64(f[5], &row->workers);
	row->held_up = f[6];
	row->backend = f[7];
	return read_rates(f[4], a, row);
}

static size_t
count_items(struct span list)
{
	struct span raw;
	size_t count = 0;
	struct scan s;

	scan_init(&s, list);
	if (scan_array(&s))
		while (scan_item(&s) && scan_skip(&s, &raw))
			count++;
	return count;
}

bool
queues_read(
    struct queues *q, struct span list, const char *match, struct arena *a)
{
	struct queues_row row;
	struct span raw;
	struct scan s;

	*q = (struct queues){0};
	q->rows = arena_alloc(a, (count_items(list) + 1) * sizeof(*q->rows));
	scan_init(&s, list);
	if (q->rows == NULL || !scan_array(&s))
		return false;
	while (scan_item(&s)) {
		if (!scan_skip(&s, &raw) || !row_of(raw, a, &row))
			return false;
		if (match == NULL || glob_match(span_of(match), row.name))
			q->rows[q->count++] = row;
	}
	return scan_end(&s) == ERR_OK;
}

/* ---- sorting ---------------------------------------------------------- */

/* "in" is IN/S. */
static bool
is_title(const char *title, const char *word)
{
	for (; *title != '\0' && *title != '/'; title++, word++)
		if (*title != (char)toupper((unsigned char)*word))
			return false;
	return *word == '\0' || strcmp(word, "/s") == 0;
}

/* What the column shows, as a number. */
static double
key_of(const struct queues_row *row, size_t column)
{
	if (column >= 1 && column <= QUEUES_STATES)
		return (double)row->counts[column - 1];
	if (column == QUEUES_STATES + 1)
		return row->counts[0] > 0 ? row->oldest_s : -1;
	if (column == FIRST_RATE)
		return row->in_rate;
	if (column == FIRST_RATE + 1)
		return row->out_rate;
	return column == WORKERS ? (double)row->workers : 0;
}

static int
compare_names(struct span a, struct span b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = memcmp(a.p, b.p, len);

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int
compare_rows(const void *left, const void *right)
{
	const struct queues_row *a = left, *b = right;

	if (a->key > b->key || a->key < b->key)
		return a->key > b->key ? -1 : 1;
	return compare_names(a->name, b->name);
}

bool
queues_sort(struct queues *q, const char *column, bool reverse)
{
	struct queues_row swapped;
	size_t i = 0, count = COUNT_OF(columns) - 1;

	while (i < count && !is_title(columns[i].title, column))
		i++;
	if (i == count)
		return false;
	for (size_t j = 0; j < q->count; j++)
		q->rows[j].key = key_of(&q->rows[j], i);
	if (q->count > 0)
		qsort(q->rows, q->count, sizeof(*q->rows), compare_rows);
	for (size_t j = 0; reverse && j < q->count / 2; j++) {
		swapped = q->rows[j];
		q->rows[j] = q->rows[q->count - 1 - j];
		q->rows[q->count - 1 - j] = swapped;
	}
	return true;
}

/* "IN/S" as "in". */
static void
add_title(struct buf *out, const char *title)
{
	for (; *title > '/'; title++)
		buf_add_char(out, (char)tolower((unsigned char)*title));
}

void
queues_add_columns(struct buf *out)
{
	for (size_t i = 0; i + 1 < COUNT_OF(columns); i++) {
		buf_add_str(out, i > 0 ? ", " : "");
		add_title(out, columns[i].title);
	}
}

/* ---- the table -------------------------------------------------------- */

/* Adds one cell that a text function writes. */
static void
add_number(struct table *t, double value, void (*add)(struct buf *, double))
{
	struct buf text;

	buf_init(&text, CELL_MAX);
	add(&text, value);
	table_add(t, buf_span(&text));
	buf_clear(&text);
}

/* People read "1.25M"; a program on the other end of a pipe cannot. */
static void
add_count(struct table *t, uint64_t n, const struct table_look *look)
{
	struct buf text;

	buf_init(&text, CELL_MAX);
	if (look->width > 0)
		text_add_count(&text, n);
	else
		buf_add_u64(&text, n);
	table_add(t, buf_span(&text));
	buf_clear(&text);
}

/* "paused, no worker"; an older server says the first alone. */
static bool
add_held_up(struct table *t, const struct queues_row *row, struct arena *a)
{
	static const struct row_field fields[] = {{"reason", false}};
	struct span reason;
	struct buf text;
	struct scan s;
	bool ok = true;

	buf_init(&text, CELL_MAX);
	if (row->held_up.len == 0 && row->paused)
		buf_add_str(&text, "paused");
	scan_init(&s, row->held_up);
	if (row->held_up.len > 0)
		ok = scan_array(&s);
	while (ok && row->held_up.len > 0 && scan_item(&s)) {
		ok = row_read(&s, a, fields, 1, &reason);
		buf_add_str(&text, text.len > 0 ? ", " : "");
		for (size_t i = 0; ok && i < reason.len; i++)
			buf_add_char(
			    &text, reason.p[i] == '_' ? ' ' : reason.p[i]);
	}
	table_add(t, buf_span(&text));
	if (text.len > 0)
		table_set_colour(t, TABLE_YELLOW);
	buf_clear(&text);
	return ok && s.err == ERR_OK;
}

/* Are they on several backends? Then it is told on which. */
static bool
are_spread(const struct queues *q)
{
	for (size_t i = 1; i < q->count; i++)
		if (!span_eq(q->rows[0].backend, q->rows[i].backend))
			return true;
	return false;
}

enum { COLUMNS_MOST = COUNT_OF(columns) + 1 };

/* The columns of the table; how many. */
static size_t
choose_columns(struct table_column all[COLUMNS_MOST], bool with_backend)
{
	size_t n = COUNT_OF(columns);

	memcpy(all, columns, sizeof(columns));
	if (!with_backend)
		return n;
	all[n] = all[n - 1];
	all[n - 1] = (struct table_column){"BACKEND", TABLE_LEFT | TABLE_OUT_4};
	return n + 1;
}

static bool
add_row(struct table *t, const struct queues_row *row, bool with_backend,
    struct arena *a, const struct table_look *look)
{
	table_add(t, row->name);
	for (size_t i = 0; i < QUEUES_STATES; i++) {
		add_count(t, row->counts[i], look);
		if (i == DEAD && row->counts[i] > 0)
			table_set_colour(t, TABLE_RED);
	}
	if (row->counts[0] > 0)
		add_number(t, row->oldest_s, text_add_seconds);
	else
		table_add_str(t, "-");
	add_number(t, row->in_rate, text_add_rate);
	add_number(t, row->out_rate, text_add_rate);
	if (row->has_workers)
		table_add_u64(t, row->workers);
	else
		table_add_str(t, "-");
	if (with_backend)
		table_add(t, row->backend);
	return add_held_up(t, row, a);
}

/* Workers of several queues are not summed: one may be in many of them. */
static void
add_to_sums(struct queues_row *sums, const struct queues_row *row)
{
	for (size_t i = 0; i < QUEUES_STATES; i++)
		sums->counts[i] += row->counts[i];
	if (row->oldest_s > sums->oldest_s)
		sums->oldest_s = row->oldest_s;
	sums->in_rate += row->in_rate;
	sums->out_rate += row->out_rate;
}

bool
queues_add_table(
    struct buf *out, const struct queues *q, const struct table_look *look)
{
	bool with_backend = are_spread(q);
	struct table_column all[COLUMNS_MOST];
	struct table *t = table_new(all, choose_columns(all, with_backend));
	struct arena *a = arena_new(ARENA_MAX);
	struct queues_row sums = {.name = SPAN("(all)")};
	bool ok = true;

	for (size_t i = 0; ok && i < q->count; i++) {
		ok = add_row(t, &q->rows[i], with_backend, a, look);
		add_to_sums(&sums, &q->rows[i]);
	}
	if (ok && look->headings && q->count > 1)
		ok = add_row(t, &sums, with_backend, a, look);
	if (ok)
		table_print(t, look, out);
	table_free(t);
	arena_free(a);
	return ok;
}
