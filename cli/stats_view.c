/* The server's numbers for people; see stats_view.h. */

#include "cli/stats_view.h"

#include "cli/queues.h"
#include "cli/rows.h"
#include "cli/text.h"

enum { TEXT_MAX = 1 << 20, ARENA_MAX = 1 << 30 };

/* The answer on its way to people. */
struct stats_view {
	struct span body;
	int64_t now_ms;
	const struct table_look *look;
	struct arena *arena;
	struct buf *out;
	struct buf text; /* of one cell */
};

static struct span
member(struct stats_view *v, const char *name)
{
	return row_member(v->body, name, v->arena);
}

/* What text holds becomes a cell, and is forgotten. */
static void
add_cell(struct stats_view *v, struct table *t)
{
	table_add(t, v->text.len > 0 ? buf_span(&v->text) : SPAN("-"));
	buf_reset(&v->text, TEXT_MAX);
}

static void
print_table(struct stats_view *v, struct table *t)
{
	if (table_rows(t) > 0) {
		buf_add_char(v->out, '\n');
		table_print(t, v->look, v->out);
	}
	table_free(t);
}

/* ---- facts ------------------------------------------------------------ */

static void
add_label(struct table *t, const char *label)
{
	table_add_str(t, label);
	table_set_colour(t, TABLE_DIM);
}

static void
add_fact(struct table *t, const char *label, struct span text)
{
	if (text.len == 0)
		return;
	add_label(t, label);
	table_add(t, text);
}

static void
add_ready(struct stats_view *v, struct table *t)
{
	bool is_ready = span_is(member(v, "ready"), "true");

	add_label(t, "ready");
	buf_add_str(&v->text, is_ready ? "yes" : "no: ");
	if (!is_ready)
		buf_add_span(&v->text, member(v, "reason"));
	add_cell(v, t);
	table_set_colour(t, is_ready ? TABLE_GREEN : TABLE_RED);
}

/* "2xx 120, 4xx 0.2, 5xx 0". */
static void
add_outcomes(struct stats_view *v, struct table *t)
{
	struct span name, rate;
	struct scan s;

	scan_init(&s, member(v, "outcomes"));
	if (!scan_object(&s))
		return;
	while (scan_key(&s, &name) && scan_skip(&s, &rate)) {
		buf_addf(&v->text, "%s%.*s ", v->text.len > 0 ? ", " : "",
		    SPAN_ARG(name));
		text_add_rate(&v->text, row_number(rate));
	}
	add_label(t, "answers/s");
	add_cell(v, t);
}

static void
add_facts(struct stats_view *v)
{
	static const struct table_column columns[] = {
	    {"", TABLE_LEFT}, {"", TABLE_LEFT | TABLE_WRAP}};
	struct table *t = table_new(columns, COUNT_OF(columns));
	struct table_look bare = *v->look;
	struct span store = member(v, "store");

	add_fact(t, "version", member(v, "version"));
	add_label(t, "up since");
	text_add_seconds(&v->text, row_number(member(v, "uptime_s")));
	add_cell(v, t);
	add_ready(v, t);
	add_fact(t, "connections", member(v, "connections"));
	add_fact(t, "waiting takes", member(v, "waiting_takes"));
	add_fact(t, "workers", member(v, "workers"));
	add_outcomes(v, t);
	add_fact(t, "store pending", row_member(store, "pending", v->arena));
	add_fact(t, "store lost", row_member(store, "lost", v->arena));
	bare.headings = false;
	table_print(t, &bare, v->out);
	table_free(t);
}

/* ---- latency ---------------------------------------------------------- */

static void
add_latency(struct stats_view *v)
{
	static const struct table_column columns[] = {{"LATENCY", TABLE_LEFT},
	    {"P50", TABLE_RIGHT}, {"P99", TABLE_RIGHT}};
	static const struct row_field fields[] = {
	    {"p50_s", false}, {"p99_s", false}};
	struct table *t = table_new(columns, COUNT_OF(columns));
	struct span name, f[2];
	struct scan s;

	scan_init(&s, member(v, "latency"));
	if (scan_object(&s))
		while (scan_key(&s, &name) &&
		       row_read(&s, v->arena, fields, 2, f)) {
			table_add(t, name);
			for (size_t i = 0; i < 2; i++) {
				if (f[i].len > 0)
					text_add_latency(
					    &v->text, row_number(f[i]));
				add_cell(v, t);
			}
		}
	print_table(v, t);
}

/* ---- the janitor ------------------------------------------------------ */

static void
add_janitor(struct stats_view *v)
{
	static const struct table_column columns[] = {{"JANITOR", TABLE_LEFT},
	    {"LAST RUN", TABLE_RIGHT}, {"TOOK", TABLE_RIGHT | TABLE_OUT_1},
	    {"TASKS", TABLE_RIGHT}, {"RUNS", TABLE_RIGHT | TABLE_OUT_2},
	    {"ERRORS", TABLE_RIGHT}};
	static const struct row_field fields[] = {{"last_run", false},
	    {"duration_s", false}, {"items", false}, {"runs", false},
	    {"errors", false}};
	struct table *t = table_new(columns, COUNT_OF(columns));
	struct span name, f[5];
	struct scan s;

	scan_init(&s, member(v, "janitor"));
	if (scan_object(&s))
		while (scan_key(&s, &name) &&
		       row_read(&s, v->arena, fields, 5, f)) {
			table_add(t, name);
			text_add_when(&v->text, f[0], v->now_ms);
			add_cell(v, t);
			if (f[0].len > 0)
				text_add_latency(&v->text, row_number(f[1]));
			add_cell(v, t);
			table_add(t, f[2]);
			table_add(t, f[3]);
			table_add(t, f[4]);
			if (row_number(f[4]) > 0)
				table_set_colour(t, TABLE_RED);
		}
	print_table(v, t);
}

/* ---- the whole -------------------------------------------------------- */

static bool
add_queues(struct stats_view *v)
{
	struct queues q;

	if (!queues_read(&q, member(v, "queues"), NULL, v->arena))
		return false;
	if (q.count == 0)
		return true;
	buf_add_char(v->out, '\n');
	return queues_add_table(v->out, &q, v->look);
}

bool
stats_view_add(struct buf *out, struct span body, int64_t now_ms,
    const struct table_look *look)
{
	struct stats_view v = {
	    .body = body, .now_ms = now_ms, .look = look, .out = out};
	bool ok;

	v.arena = arena_new(ARENA_MAX);
	buf_init(&v.text, TEXT_MAX);
	ok = member(&v, "version").len > 0;
	if (ok) {
		add_facts(&v);
		add_latency(&v);
		add_janitor(&v);
		ok = add_queues(&v);
	}
	arena_free(v.arena);
	buf_clear(&v.text);
	return ok;
}
