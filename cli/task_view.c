/* Tasks for people; see task_view.h. */

#include "cli/task_view.h"

#include "cli/pretty.h"
#include "cli/rows.h"
#include "cli/text.h"

enum { TEXT_MAX = 64 << 20 };

enum {
	F_ID,
	F_STATE,
	F_PRIORITY,
	F_PUSHED_AT,
	F_DUE_AT,
	F_TAKEN_AT,
	F_ATTEMPTS,
	F_MAX_ATTEMPTS,
	F_WORKER,
	F_FAILED_AT,
	F_ERROR,
	F_RESULT,
	F_PAYLOAD,
	F_COUNT
};

static const struct row_field fields[F_COUNT] = {{"id", false},
    {"state", false}, {"priority", false}, {"pushed_at", false},
    {"due_at", false}, {"taken_at", false}, {"attempts", false},
    {"max_attempts", false}, {"worker", false}, {"failed_at", false},
    {"error", false}, {"result", true}, {"payload", true}};

/* What a state's due_at says, and the columns of its list: ID comes first,
 * ERROR or WORKER last, where there is one. */
struct shown {
	const char *state;
	const char *due; /* "" = it has none */
	unsigned char cells[6];
	struct table_column columns[6];
	unsigned char count;
};

#define ID                                   \
	{                                    \
		"ID", TABLE_LEFT | TABLE_CUT \
	}
#define PRIORITY                                     \
	{                                            \
		"PRIORITY", TABLE_LEFT | TABLE_OUT_2 \
	}
#define ATTEMPTS                                      \
	{                                             \
		"ATTEMPTS", TABLE_RIGHT | TABLE_OUT_3 \
	}
#define WHEN(title, rank)                   \
	{                                   \
		title, TABLE_RIGHT | (rank) \
	}
#define ERROR                                   \
	{                                       \
		"ERROR", TABLE_LEFT | TABLE_CUT \
	}

/* clang-format off */
static const struct shown SHOWN[] = {
	{"todo", "", {F_ID, F_PRIORITY, F_ATTEMPTS, F_ERROR},
	 {ID, PRIORITY, ATTEMPTS, ERROR}, 4},
	{"doing", "lease ends", {F_ID, F_ATTEMPTS, F_TAKEN_AT, F_DUE_AT, F_WORKER, F_ERROR},
	 {ID, ATTEMPTS, WHEN("TAKEN", TABLE_OUT_2), WHEN("LEASE ENDS", 0), {"WORKER", TABLE_LEFT | TABLE_CUT}, {"ERROR", TABLE_LEFT | TABLE_CUT | TABLE_OUT_4}}, 6},
	{"delayed", "runs", {F_ID, F_PRIORITY, F_ATTEMPTS, F_DUE_AT},
	 {ID, PRIORITY, ATTEMPTS, WHEN("RUNS", 0)}, 4},
	{"failed", "retry", {F_ID, F_ATTEMPTS, F_FAILED_AT, F_DUE_AT, F_ERROR},
	 {ID, ATTEMPTS, WHEN("FAILED", TABLE_OUT_2), WHEN("RETRY", TABLE_OUT_1), ERROR}, 5},
	{"dead", "died", {F_ID, F_ATTEMPTS, F_DUE_AT, F_ERROR},
	 {ID, ATTEMPTS, WHEN("DIED", TABLE_OUT_1), ERROR}, 4},
	{"finish", "finished", {F_ID, F_DUE_AT, F_WORKER},
	 {ID, WHEN("FINISHED", 0), {"WORKER", TABLE_LEFT | TABLE_CUT}}, 3},
};
/* clang-format on */

static const struct shown *
shown_of(struct span state)
{
	for (size_t i = 0; i < COUNT_OF(SHOWN); i++)
		if (span_is(state, SHOWN[i].state))
			return &SHOWN[i];
	return &SHOWN[0];
}

/* ---- a row of a list -------------------------------------------------- */

struct table *
task_view_table(const char *state)
{
	const struct shown *shown = shown_of(span_of(state));

	return table_new(shown->columns, shown->count);
}

static void
add_cell(struct table *t, const struct span *f, unsigned cell, int64_t now_ms)
{
	struct buf text;

	buf_init(&text, TEXT_MAX);
	if (cell == F_ATTEMPTS)
		buf_addf(&text, "%.*s/%.*s", SPAN_ARG(f[F_ATTEMPTS]),
		    SPAN_ARG(f[F_MAX_ATTEMPTS]));
	else if (cell == F_DUE_AT || cell == F_TAKEN_AT || cell == F_FAILED_AT)
		text_add_when(&text, f[cell], now_ms);
	else
		buf_add_span(&text, f[cell]);
	table_add(t, buf_span(&text));
	buf_clear(&text);
}

bool
task_view_add_row(struct table *t, const char *state, struct span task,
    int64_t now_ms, struct arena *a)
{
	const struct shown *shown = shown_of(span_of(state));
	struct span f[F_COUNT];

	if (!row_read_all(task, a, fields, F_COUNT, f) || f[F_ID].len == 0)
		return false;
	for (size_t i = 0; i < shown->count; i++)
		add_cell(t, f, shown->cells[i], now_ms);
	return true;
}

/* ---- one task --------------------------------------------------------- */

/* "2026-11-21T03:04:05.678Z  (3s ago)". */
static void
add_time(struct view *v, struct table *t, const char *label, struct span time)
{
	if (time.len == 0 || *label == '\0')
		return;
	view_label(t, label);
	buf_addf(&v->text, "%.*s  (", SPAN_ARG(time));
	text_add_when(&v->text, time, v->now_ms);
	buf_add_char(&v->text, ')');
	view_add_cell(v, t);
}

static enum table_colour
state_colour(struct span state)
{
	if (span_is(state, "dead"))
		return TABLE_RED;
	return span_is(state, "failed") ? TABLE_YELLOW : TABLE_PLAIN;
}

/* Its life, in the order in which it happened. */
static void
add_life(struct view *v, const struct span *f)
{
	struct table *t = view_facts_new();

	view_fact(t, "id", f[F_ID]);
	table_set_colour(t, TABLE_BOLD);
	view_fact(t, "state", f[F_STATE]);
	table_set_colour(t, state_colour(f[F_STATE]));
	view_fact(t, "priority", f[F_PRIORITY]);
	add_time(v, t, "pushed", f[F_PUSHED_AT]);
	add_time(v, t, "last failed", f[F_FAILED_AT]);
	add_time(v, t, "taken", f[F_TAKEN_AT]);
	add_time(v, t, shown_of(f[F_STATE])->due, f[F_DUE_AT]);
	if (!span_is(f[F_STATE], "finish")) {
		view_label(t, "attempts");
		buf_addf(&v->text, "%.*s of %.*s", SPAN_ARG(f[F_ATTEMPTS]),
		    SPAN_ARG(f[F_MAX_ATTEMPTS]));
		view_add_cell(v, t);
	}
	view_fact(t, span_is(f[F_STATE], "doing") ? "held by" : "worker",
	    f[F_WORKER]);
	view_fact(t, "error", f[F_ERROR]);
	view_print_facts(v, t);
}

/* A value of somebody else on lines of its own. */
static void
add_value(struct buf *out, const char *label, struct span json)
{
	struct buf text;

	if (json.len == 0)
		return;
	buf_init(&text, TEXT_MAX);
	pretty_add(&text, json);
	buf_addf(out, "%s:\n", label);
	text_add_json(out, buf_span(&text));
	buf_add_char(out, '\n');
	buf_clear(&text);
}

bool
task_view_add(struct buf *out, struct span body, int64_t now_ms,
    const struct table_look *look)
{
	struct view v;
	struct span f[F_COUNT];
	bool ok;

	view_init(&v, out, body, now_ms, look);
	ok = row_read_all(body, v.arena, fields, F_COUNT, f) &&
	     f[F_ID].len > 0 && f[F_STATE].len > 0;
	if (ok) {
		add_life(&v, f);
		if (!span_is(f[F_RESULT], "null"))
			add_value(out, "result", f[F_RESULT]);
		if (!span_is(f[F_STATE], "finish"))
			add_value(out, "payload", f[F_PAYLOAD]);
	}
	view_clear(&v);
	return ok;
}
