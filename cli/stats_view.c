/* The server's numbers for people; see stats_view.h. */

#include "cli/stats_view.h"

#include "cli/rows.h"
#include "cli/text.h"

/* ---- facts ------------------------------------------------------------ */

static void
add_ready(struct view *v, struct table *t)
{
	bool is_ready = span_is(view_member(v, "ready"), "true");

	view_label(t, "ready");
	buf_add_str(&v->text, is_ready ? "yes" : "no: ");
	if (!is_ready)
		buf_add_span(&v->text, view_member(v, "reason"));
	view_add_cell(v, t);
	table_set_colour(t, is_ready ? TABLE_GREEN : TABLE_RED);
}

/* "2xx 120, 4xx 0.2, 5xx 0". */
static void
add_outcomes(struct view *v, struct table *t)
{
	struct span name, rate;
	struct scan s;

	scan_init(&s, view_member(v, "outcomes"));
	if (!scan_object(&s))
		return;
	while (scan_key(&s, &name) && scan_skip(&s, &rate)) {
		buf_addf(&v->text, "%s%.*s ", v->text.len > 0 ? ", " : "",
		    SPAN_ARG(name));
		text_add_rate(&v->text, row_number(rate));
	}
	view_label(t, "answers/s");
	view_add_cell(v, t);
}

static void
add_facts(struct view *v)
{
	struct table *t = view_facts_new();
	struct span store = view_member(v, "store");

	view_fact(t, "version", view_member(v, "version"));
	view_label(t, "up for");
	text_add_seconds(&v->text, row_number(view_member(v, "uptime_s")));
	view_add_cell(v, t);
	add_ready(v, t);
	view_fact(t, "connections", view_member(v, "connections"));
	view_fact(t, "waiting takes", view_member(v, "waiting_takes"));
	view_fact(t, "workers", view_member(v, "workers"));
	add_outcomes(v, t);
	view_fact(t, "store pending", row_member(store, "pending", v->arena));
	view_fact(t, "store lost", row_member(store, "lost", v->arena));
	view_print_facts(v, t);
}

/* ---- latency ---------------------------------------------------------- */

static void
add_latency(struct view *v)
{
	static const struct table_column columns[] = {{"LATENCY", TABLE_LEFT},
	    {"P50", TABLE_RIGHT}, {"P99", TABLE_RIGHT},
	    {"REQUESTS", TABLE_RIGHT}};
	static const struct row_field fields[] = {
	    {"p50_s", false}, {"p99_s", false}, {"count", false}};
	struct table *t = table_new(columns, COUNT_OF(columns));
	struct span name, f[3];
	struct scan s;

	scan_init(&s, view_member(v, "latency"));
	if (scan_object(&s))
		while (scan_key(&s, &name) &&
		       row_read(&s, v->arena, fields, 3, f)) {
			table_add(t, name);
			for (size_t i = 0; i < 2; i++) {
				if (f[i].len > 0)
					text_add_latency(
					    &v->text, row_number(f[i]));
				view_add_cell(v, t);
			}
			table_add(t, f[2]);
		}
	view_print(v, t);
}

/* ---- backends, where there are several -------------------------------- */

static void
add_backends(struct view *v)
{
	static const struct table_column columns[] = {{"BACKEND", TABLE_LEFT},
	    {"STATE", TABLE_LEFT}, {"DURABILITY", TABLE_LEFT},
	    {"QUEUES", TABLE_RIGHT}, {"PENDING", TABLE_RIGHT},
	    {"", TABLE_LEFT}};
	static const struct row_field fields[] = {{"name", false},
	    {"ready", false}, {"durability", false}, {"queues", false},
	    {"pending", false}, {"reason", false}};
	struct table *t = table_new(columns, COUNT_OF(columns));
	struct span f[6];
	size_t count = 0;
	struct scan s;

	scan_init(&s, view_member(v, "backends"));
	if (scan_array(&s))
		while (scan_item(&s) && row_read(&s, v->arena, fields, 6, f)) {
			bool is_ready = span_is(f[1], "true");

			count++;
			table_add(t, f[0]);
			table_add_str(t, is_ready ? "ready" : "away");
			table_set_colour(t, is_ready ? TABLE_GREEN : TABLE_RED);
			for (size_t i = 2; i < 6; i++)
				table_add(t, f[i]);
		}
	if (count > 1)
		view_print(v, t);
	else
		table_free(t);
}

/* ---- the janitor ------------------------------------------------------ */

static void
add_janitor(struct view *v)
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

	scan_init(&s, view_member(v, "janitor"));
	if (scan_object(&s))
		while (scan_key(&s, &name) &&
		       row_read(&s, v->arena, fields, 5, f)) {
			table_add(t, name);
			view_add_when(v, t, f[0]);
			if (f[0].len > 0)
				text_add_latency(&v->text, row_number(f[1]));
			view_add_cell(v, t);
			table_add(t, f[2]);
			table_add(t, f[3]);
			table_add(t, f[4]);
			if (row_number(f[4]) > 0)
				table_set_colour(t, TABLE_RED);
		}
	view_print(v, t);
}

/* ---- the whole -------------------------------------------------------- */

bool
stats_view_add(struct buf *out, struct span body, int64_t now_ms,
    const struct table_look *look)
{
	struct view v;
	bool ok;

	view_init(&v, out, body, now_ms, look);
	ok = view_member(&v, "version").len > 0;
	if (ok) {
		add_facts(&v);
		add_backends(&v);
		add_latency(&v);
		add_janitor(&v);
	}
	view_clear(&v);
	return ok;
}
