/* One queue for people; see queue_view.h. */

#include "cli/queue_view.h"

#include <stdio.h>

#include "cli/policy.h"
#include "cli/rows.h"
#include "cli/text.h"

/* ---- facts ------------------------------------------------------------ */

/* A line for each thing that holds the queue up. */
static void
add_held_up(struct view *v, struct table *t)
{
	static const struct row_field fields[] = {
	    {"reason", false}, {"text", false}};
	struct span f[2];
	struct scan s;

	scan_init(&s, view_member(v, "held_up"));
	if (!scan_array(&s)) {
		/* An older server says this much. */
		if (!span_is(view_member(v, "paused"), "true"))
			return;
		view_label(t, "held up");
		table_add_str(t, "paused");
		table_set_colour(t, TABLE_YELLOW);
		return;
	}
	while (scan_item(&s) && row_read(&s, v->arena, fields, 2, f)) {
		view_label(t, "held up");
		table_add(t, f[1].len > 0 ? f[1] : f[0]);
		table_set_colour(t, TABLE_YELLOW);
	}
}

static void
add_facts(struct view *v)
{
	struct table *t = view_facts_new();
	double oldest_s = row_number(view_member(v, "oldest_todo_s"));

	view_label(t, "queue");
	table_add(t, view_member(v, "name"));
	table_set_colour(t, TABLE_BOLD);
	add_held_up(v, t);
	view_fact(t, "backend", view_member(v, "backend"));
	view_fact(t, "workers", view_member(v, "workers"));
	view_fact(t, "waiting takes", view_member(v, "waiting_takes"));
	view_label(t, "oldest todo");
	if (oldest_s > 0)
		text_add_seconds(&v->text, oldest_s);
	view_add_cell(v, t);
	view_label(t, "last push");
	view_add_when(v, t, view_member(v, "last_push_at"));
	view_label(t, "last take");
	view_add_when(v, t, view_member(v, "last_take_at"));
	view_print_facts(v, t);
}

/* ---- tasks ------------------------------------------------------------ */

/* "high 0, normal 2, low 0". */
static void
add_lanes(struct view *v, struct table *t)
{
	struct span name, count;
	struct scan s;

	scan_init(&s, view_member(v, "lanes"));
	if (scan_object(&s))
		while (scan_key(&s, &name) && scan_skip(&s, &count))
			buf_addf(&v->text, "%s%.*s %.*s",
			    v->text.len > 0 ? ", " : "", SPAN_ARG(name),
			    SPAN_ARG(count));
	view_add_cell(v, t);
}

/* In the order in which a task goes through them. */
static bool
add_tasks(struct view *v)
{
	static const char *const states[] = {
	    "todo", "doing", "delayed", "failed", "dead", "finish"};
	static const struct table_column columns[] = {{"STATE", TABLE_LEFT},
	    {"TASKS", TABLE_RIGHT}, {"", TABLE_LEFT | TABLE_WRAP}};
	struct span counts = view_member(v, "counts"), count;
	struct table *t = table_new(columns, COUNT_OF(columns));
	bool ok = counts.len > 0;

	for (size_t i = 0; i < COUNT_OF(states); i++) {
		count = row_member(counts, states[i], v->arena);
		ok = ok && count.len > 0;
		table_add_str(t, states[i]);
		table_add(t, count);
		if (strcmp(states[i], "dead") == 0 && !span_is(count, "0"))
			table_set_colour(t, TABLE_RED);
		if (i == 0)
			add_lanes(v, t);
		else
			table_add_str(t, "");
	}
	view_print(v, t);
	return ok;
}

/* ---- rates ------------------------------------------------------------ */

/* One of the three spans of time; "-" where the server does not say. */
static void
add_rate(struct view *v, struct table *t, const char *rates, const char *what)
{
	struct span rate = row_member(view_member(v, rates), what, v->arena);

	if (rate.len > 0)
		text_add_rate(&v->text, row_number(rate));
	view_add_cell(v, t);
}

/* What is counted, with its rate where it has one. */
static void
add_rates(struct view *v)
{
	static const struct table_column columns[] = {
	    {"PER SECOND", TABLE_LEFT}, {"1 MIN", TABLE_RIGHT},
	    {"5 MIN", TABLE_RIGHT}, {"15 MIN", TABLE_RIGHT},
	    {"TOTAL", TABLE_RIGHT}};
	struct table *t = table_new(columns, COUNT_OF(columns));
	struct span name, total;
	char what[32];
	struct scan s;

	scan_init(&s, view_member(v, "totals"));
	if (scan_object(&s))
		while (scan_key(&s, &name) && scan_skip(&s, &total)) {
			(void)snprintf(
			    what, sizeof(what), "%.*s", SPAN_ARG(name));
			table_add(t, name);
			add_rate(v, t, "rates", what);
			add_rate(v, t, "rates_5m", what);
			add_rate(v, t, "rates_15m", what);
			table_add(t, total);
		}
	view_print(v, t);
}

/* ---- policy ----------------------------------------------------------- */

/* Where a value comes from. */
static void
add_from(struct view *v, struct table *t, struct span name)
{
	struct span from = view_member(v, "policy_from");
	char field[32];

	(void)snprintf(field, sizeof(field), "%.*s", SPAN_ARG(name));
	from = row_member(from, field, v->arena);
	table_add(t, from.len > 0 ? from : SPAN("-"));
	if (span_is(from, "http"))
		table_set_colour(t, TABLE_BOLD);
}

/* In the words of the settings file, which 'queue set' takes back. */
static bool
add_policy(struct view *v)
{
	static const struct table_column columns[] = {{"POLICY", TABLE_LEFT},
	    {"VALUE", TABLE_RIGHT}, {"FROM", TABLE_LEFT}};
	struct table *t = table_new(columns, COUNT_OF(columns));
	const struct conf_row *row;
	struct span name, number;
	struct scan s;
	bool ok;

	scan_init(&s, view_member(v, "policy"));
	ok = scan_object(&s);
	while (ok && scan_key(&s, &name) && scan_skip(&s, &number)) {
		row = policy_find(name);
		if (row != NULL)
			table_add_str(t, row->key);
		else
			table_add(t, name);
		if (row != NULL)
			policy_add_text(&v->text, row, number);
		else
			buf_add_span(&v->text, number);
		view_add_cell(v, t);
		add_from(v, t, name);
	}
	view_print(v, t);
	return ok && s.err == ERR_OK;
}

/* ---- the whole -------------------------------------------------------- */

bool
queue_view_add(struct buf *out, struct span body, int64_t now_ms,
    const struct table_look *look)
{
	struct view v;
	bool ok;

	view_init(&v, out, body, now_ms, look);
	add_facts(&v);
	ok = add_tasks(&v);
	add_rates(&v);
	ok = add_policy(&v) && ok;
	view_clear(&v);
	return ok;
}

bool
queue_view_add_policy(struct buf *out, struct span body, int64_t now_ms,
    const struct table_look *look)
{
	struct view v;
	bool ok;

	view_init(&v, out, body, now_ms, look);
	ok = add_policy(&v);
	view_clear(&v);
	return ok;
}
