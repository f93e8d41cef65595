/* One queue for people; see queue_view.h. */

#include "cli/queue_view.h"

#include <stdio.h>

#include "cli/policy.h"
#include "cli/rows.h"
#include "cli/text.h"

enum { TEXT_MAX = 1 << 20, ARENA_MAX = 1 << 30 };

/* The answer on its way to people. */
struct queue_view {
	struct span body;
	int64_t now_ms;
	const struct table_look *look;
	struct arena *arena;
	struct buf *out;
	struct buf text; /* of one cell */
};

/* A member of the answer, empty when it is not there. */
static struct span
member(struct queue_view *v, const char *name)
{
	return row_member(v->body, name, v->arena);
}

/* What text holds becomes a cell, and is forgotten. */
static void
add_cell(struct queue_view *v, struct table *t)
{
	table_add(t, v->text.len > 0 ? buf_span(&v->text) : SPAN("-"));
	buf_reset(&v->text, TEXT_MAX);
}

static void
print_table(struct queue_view *v, struct table *t, bool with_headings)
{
	struct table_look look = *v->look;

	look.headings = look.headings && with_headings;
	if (v->out->len > 0 && with_headings)
		buf_add_char(v->out, '\n');
	table_print(t, &look, v->out);
	table_free(t);
}

/* ---- facts ------------------------------------------------------------ */

static void
add_label(struct table *t, const char *label)
{
	table_add_str(t, label);
	table_set_colour(t, TABLE_DIM);
}

/* A line for each thing that holds the queue up. */
static void
add_held_up(struct queue_view *v, struct table *t)
{
	static const struct row_field fields[] = {
	    {"reason", false}, {"text", false}};
	struct span f[2];
	struct scan s;

	scan_init(&s, member(v, "held_up"));
	if (!scan_array(&s)) {
		/* An older server says this much. */
		if (!span_is(member(v, "paused"), "true"))
			return;
		add_label(t, "held up");
		table_add_str(t, "paused");
		table_set_colour(t, TABLE_YELLOW);
		return;
	}
	while (scan_item(&s) && row_read(&s, v->arena, fields, 2, f)) {
		add_label(t, "held up");
		table_add(t, f[1].len > 0 ? f[1] : f[0]);
		table_set_colour(t, TABLE_YELLOW);
	}
}

static void
add_fact(
    struct queue_view *v, struct table *t, const char *label, const char *name)
{
	struct span text = member(v, name);

	if (text.len == 0)
		return;
	add_label(t, label);
	table_add(t, text);
}

/* A point in time that is null until it has happened. */
static void
add_when(
    struct queue_view *v, struct table *t, const char *label, const char *name)
{
	add_label(t, label);
	text_add_when(&v->text, member(v, name), v->now_ms);
	add_cell(v, t);
}

static void
add_facts(struct queue_view *v)
{
	static const struct table_column columns[] = {
	    {"", TABLE_LEFT}, {"", TABLE_LEFT | TABLE_WRAP}};
	struct table *t = table_new(columns, COUNT_OF(columns));
	double oldest_s = row_number(member(v, "oldest_todo_s"));

	add_label(t, "queue");
	table_add(t, member(v, "name"));
	table_set_colour(t, TABLE_BOLD);
	add_held_up(v, t);
	add_fact(v, t, "backend", "backend");
	add_fact(v, t, "workers", "workers");
	add_fact(v, t, "waiting takes", "waiting_takes");
	add_label(t, "oldest todo");
	if (oldest_s > 0)
		text_add_seconds(&v->text, oldest_s);
	add_cell(v, t);
	add_when(v, t, "last push", "last_push_at");
	add_when(v, t, "last take", "last_take_at");
	print_table(v, t, false);
}

/* ---- tasks ------------------------------------------------------------ */

/* "high 0, normal 2, low 0". */
static void
add_lanes(struct queue_view *v)
{
	struct span name, count;
	struct scan s;

	scan_init(&s, member(v, "lanes"));
	if (!scan_object(&s))
		return;
	while (scan_key(&s, &name) && scan_skip(&s, &count))
		buf_addf(&v->text, "%s%.*s %.*s", v->text.len > 0 ? ", " : "",
		    SPAN_ARG(name), SPAN_ARG(count));
}

/* In the order in which a task goes through them. */
static bool
add_tasks(struct queue_view *v)
{
	static const char *const states[] = {
	    "todo", "doing", "delayed", "failed", "dead", "finish"};
	static const struct table_column columns[] = {{"STATE", TABLE_LEFT},
	    {"TASKS", TABLE_RIGHT}, {"", TABLE_LEFT | TABLE_WRAP}};
	struct span counts = member(v, "counts"), count;
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
			add_lanes(v);
		table_add(t, buf_span(&v->text));
		buf_reset(&v->text, TEXT_MAX);
	}
	print_table(v, t, true);
	return ok;
}

/* ---- rates ------------------------------------------------------------ */

/* One of the three spans of time; "-" where the server does not say. */
static void
add_rate(
    struct queue_view *v, struct table *t, const char *rates, const char *what)
{
	struct span rate = row_member(member(v, rates), what, v->arena);

	if (rate.len > 0)
		text_add_rate(&v->text, row_number(rate));
	add_cell(v, t);
}

/* What is counted, with its rate where it has one. */
static void
add_rates(struct queue_view *v)
{
	static const struct table_column columns[] = {
	    {"PER SECOND", TABLE_LEFT}, {"1 MIN", TABLE_RIGHT},
	    {"5 MIN", TABLE_RIGHT}, {"15 MIN", TABLE_RIGHT},
	    {"TOTAL", TABLE_RIGHT}};
	struct table *t = table_new(columns, COUNT_OF(columns));
	struct span name, total;
	char what[32];
	struct scan s;

	scan_init(&s, member(v, "totals"));
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
	print_table(v, t, true);
}

/* ---- policy ----------------------------------------------------------- */

/* Where a value comes from. */
static void
add_from(struct queue_view *v, struct table *t, struct span name)
{
	struct span from = member(v, "policy_from");
	char field[32];

	(void)snprintf(field, sizeof(field), "%.*s", SPAN_ARG(name));
	from = row_member(from, field, v->arena);
	table_add(t, from.len > 0 ? from : SPAN("-"));
	if (span_is(from, "http"))
		table_set_colour(t, TABLE_BOLD);
}

/* In the words of the settings file, which 'queue set' takes back. */
static bool
add_policy(struct queue_view *v)
{
	static const struct table_column columns[] = {{"POLICY", TABLE_LEFT},
	    {"VALUE", TABLE_RIGHT}, {"FROM", TABLE_LEFT}};
	struct table *t = table_new(columns, COUNT_OF(columns));
	const struct conf_row *row;
	struct span name, number;
	struct scan s;
	bool ok;

	scan_init(&s, member(v, "policy"));
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
		add_cell(v, t);
		add_from(v, t, name);
	}
	print_table(v, t, true);
	return ok && s.err == ERR_OK;
}

/* ---- the whole -------------------------------------------------------- */

static void
view_init(struct queue_view *v, struct buf *out, struct span body,
    const struct table_look *look)
{
	*v = (struct queue_view){.body = body, .look = look, .out = out};
	v->arena = arena_new(ARENA_MAX);
	buf_init(&v->text, TEXT_MAX);
}

static void
view_clear(struct queue_view *v)
{
	arena_free(v->arena);
	buf_clear(&v->text);
}

bool
queue_view_add(struct buf *out, struct span body, int64_t now_ms,
    const struct table_look *look)
{
	struct queue_view v;
	bool ok;

	view_init(&v, out, body, look);
	v.now_ms = now_ms;
	add_facts(&v);
	ok = add_tasks(&v);
	add_rates(&v);
	ok = add_policy(&v) && ok;
	view_clear(&v);
	return ok;
}

bool
queue_view_add_policy(
    struct buf *out, struct span body, const struct table_look *look)
{
	struct queue_view v;
	bool ok;

	view_init(&v, out, body, look);
	ok = add_policy(&v);
	view_clear(&v);
	return ok;
}
