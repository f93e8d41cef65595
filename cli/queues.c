/* Queues as a table for people; see queues.h. */

#include "cli/queues.h"

#include "cli/rows.h"
#include "cli/text.h"
#include "core/mem.h"

enum { STATES = 6, DEAD = 4, CELL_MAX = 64, ARENA_MAX = 1 << 30 };

/* In the order of the columns. */
static const struct row_field count_fields[STATES] = {{"todo", false},
    {"delayed", false}, {"doing", false}, {"failed", false}, {"dead", false},
    {"finish", false}};

/* One row: a queue, or the sums. */
struct queue_row {
	struct span name;
	uint64_t counts[STATES];
	double oldest_s, in_rate, out_rate;
	bool paused;
};

static bool
queue_read(struct scan *s, struct arena *a, struct queue_row *row)
{
	static const struct row_field fields[] = {{"name", false},
	    {"paused", false}, {"counts", false}, {"oldest_todo_s", false},
	    {"rates", false}};
	static const struct row_field rate_fields[] = {
	    {"pushed", false}, {"taken", false}};
	struct span found[5], counts[STATES], rates[2];

	if (!row_read(s, a, fields, 5, found) || found[0].len == 0 ||
	    !row_read_all(found[2], a, count_fields, STATES, counts) ||
	    !row_read_all(found[4], a, rate_fields, 2, rates))
		return false;
	*row = (struct queue_row){.name = found[0]};
	row->paused = span_is(found[1], "true");
	for (size_t i = 0; i < STATES; i++)
		if (!scan_to_u64(counts[i], &row->counts[i]))
			return false;
	row->oldest_s = row_number(found[3]);
	row->in_rate = row_number(rates[0]);
	row->out_rate = row_number(rates[1]);
	return true;
}

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

static void
queue_add(struct table *t, const struct queue_row *row)
{
	table_add(t, row->name);
	for (size_t i = 0; i < STATES; i++) {
		table_add_u64(t, row->counts[i]);
		if (i == DEAD && row->counts[i] > 0)
			table_set_colour(t, TABLE_RED);
	}
	if (row->counts[0] > 0)
		add_number(t, row->oldest_s, text_add_seconds);
	else
		table_add_str(t, "-");
	add_number(t, row->in_rate, text_add_rate);
	add_number(t, row->out_rate, text_add_rate);
	table_add_str(t, row->paused ? "paused" : "");
	if (row->paused)
		table_set_colour(t, TABLE_YELLOW);
}

static void
queue_sum(struct queue_row *sums, const struct queue_row *row)
{
	for (size_t i = 0; i < STATES; i++)
		sums->counts[i] += row->counts[i];
	if (row->oldest_s > sums->oldest_s)
		sums->oldest_s = row->oldest_s;
	sums->in_rate += row->in_rate;
	sums->out_rate += row->out_rate;
}

static bool
queues_read(struct table *t, struct scan *s, struct arena *a, bool with_sums)
{
	struct queue_row row, sums = {.name = SPAN("(all)")};

	if (!scan_array(s))
		return false;
	while (scan_item(s)) {
		if (!queue_read(s, a, &row))
			return false;
		queue_add(t, &row);
		queue_sum(&sums, &row);
	}
	if (with_sums && table_rows(t) > 1)
		queue_add(t, &sums);
	return scan_end(s) == ERR_OK;
}

bool
queues_add(struct buf *out, struct span list, const struct table_look *look)
{
	static const struct table_column columns[] = {{"NAME", TABLE_LEFT},
	    {"TODO", TABLE_RIGHT}, {"DELAYED", TABLE_RIGHT},
	    {"DOING", TABLE_RIGHT}, {"FAILED", TABLE_RIGHT},
	    {"DEAD", TABLE_RIGHT}, {"FINISH", TABLE_RIGHT},
	    {"OLDEST", TABLE_RIGHT}, {"IN/S", TABLE_RIGHT},
	    {"OUT/S", TABLE_RIGHT}, {"", TABLE_LEFT}};
	struct table *t = table_new(columns, COUNT_OF(columns));
	struct arena *a = arena_new(ARENA_MAX);
	struct scan s;
	bool ok;

	scan_init(&s, list);
	ok = queues_read(t, &s, a, look->headings);
	if (ok)
		table_print(t, look, out);
	table_free(t);
	arena_free(a);
	return ok;
}
