/* Workers for people; see worker_view.h. */

#include "cli/worker_view.h"

#include "cli/rows.h"

enum { F_NAME, F_ADDR, F_SEEN, F_BEAT, F_HELD, F_DETAILS, F_HOLDS, F_COUNT };

static const struct row_field fields[F_COUNT] = {{"name", false},
    {"addr", false}, {"last_seen", false}, {"last_heartbeat", false},
    {"held", false}, {"details", false}, {"holds", false}};

/* What a heartbeat may say. */
enum { D_HOST, D_PID, D_VERSION, D_LOAD, D_RUNNING, D_COUNT };

static const struct row_field detail_fields[D_COUNT] = {{"host", false},
    {"pid", false}, {"version", false}, {"load", false}, {"running", false}};

/* A worker that never sent a heartbeat has none. */
static void
read_details(struct span details, struct arena *a, struct span *d)
{
	if (!row_read_all(details, a, detail_fields, D_COUNT, d))
		for (size_t i = 0; i < D_COUNT; i++)
			d[i] = SPAN("");
}

static void
add_or_dash(struct table *t, struct span text)
{
	table_add(t, text.len > 0 ? text : SPAN("-"));
}

/* ---- the list --------------------------------------------------------- */

static void
add_row(struct view *v, struct table *t, const struct span *f)
{
	struct span d[D_COUNT];

	read_details(f[F_DETAILS], v->arena, d);
	table_add(t, f[F_NAME]);
	table_add(t, f[F_HELD]);
	view_add_when(v, t, f[F_SEEN]);
	view_add_when(v, t, f[F_BEAT]);
	add_or_dash(t, f[F_ADDR]);
	add_or_dash(t, d[D_HOST]);
	add_or_dash(t, d[D_VERSION]);
	add_or_dash(t, d[D_LOAD]);
}

static bool
add_rows(struct view *v, struct table *t, const char *match)
{
	struct span f[F_COUNT];
	struct scan s;

	scan_init(&s, v->body);
	if (!scan_array(&s))
		return false;
	while (scan_item(&s)) {
		if (!row_read(&s, v->arena, fields, F_COUNT, f) ||
		    f[F_NAME].len == 0)
			return false;
		if (match == NULL || glob_match(span_of(match), f[F_NAME]))
			add_row(v, t, f);
	}
	return scan_end(&s) == ERR_OK;
}

bool
worker_view_add_list(struct buf *out, struct span list, const char *match,
    int64_t now_ms, const struct table_look *look)
{
	static const struct table_column columns[] = {
	    {"NAME", TABLE_LEFT | TABLE_CUT}, {"HOLDS", TABLE_RIGHT},
	    {"SEEN", TABLE_RIGHT}, {"HEARTBEAT", TABLE_RIGHT | TABLE_OUT_1},
	    {"ADDRESS", TABLE_LEFT | TABLE_CUT | TABLE_OUT_2},
	    {"HOST", TABLE_LEFT | TABLE_CUT | TABLE_OUT_4},
	    {"VERSION", TABLE_LEFT | TABLE_CUT | TABLE_OUT_5},
	    {"LOAD", TABLE_RIGHT | TABLE_OUT_3}};
	struct table *t = table_new(columns, COUNT_OF(columns));
	struct view v;
	bool ok;

	view_init(&v, out, list, now_ms, look);
	ok = add_rows(&v, t, match);
	if (ok)
		view_print(&v, t);
	else
		table_free(t);
	view_clear(&v);
	return ok;
}

/* ---- one worker ------------------------------------------------------- */

static void
add_time(struct view *v, struct table *t, const char *label, struct span time)
{
	view_label(t, label);
	if (time.len > 0)
		view_add_when(v, t, time);
	else
		table_add_str(t, "never");
}

/* ["a","b"] as "a, b"; anything else as it is. */
static void
add_list(struct view *v, struct span json)
{
	struct span raw, item;
	struct scan s;

	scan_init(&s, json);
	if (!scan_array(&s)) {
		buf_add_span(&v->text, json);
		return;
	}
	while (scan_item(&s) && scan_string(&s, &raw) &&
	       scan_unescape(v->arena, raw, &item))
		buf_addf(&v->text, "%s%.*s", v->text.len > 0 ? ", " : "",
		    SPAN_ARG(item));
}

static void
add_facts(struct view *v, const struct span *f)
{
	struct table *t = view_facts_new();
	struct span d[D_COUNT];

	read_details(f[F_DETAILS], v->arena, d);
	view_fact(t, "worker", f[F_NAME]);
	table_set_colour(t, TABLE_BOLD);
	view_fact(t, "address", f[F_ADDR]);
	add_time(v, t, "last seen", f[F_SEEN]);
	add_time(v, t, "last heartbeat", f[F_BEAT]);
	view_fact(t, "holds", f[F_HELD]);
	view_fact(t, "host", d[D_HOST]);
	view_fact(t, "pid", d[D_PID]);
	view_fact(t, "version", d[D_VERSION]);
	view_fact(t, "load", d[D_LOAD]);
	if (d[D_RUNNING].len > 0) {
		view_label(t, "running");
		add_list(v, d[D_RUNNING]);
		view_add_cell(v, t);
	}
	view_print_facts(v, t);
}

/* What it holds, queue by queue; of many tasks the first. */
static bool
add_holds(struct view *v, struct span holds)
{
	static const struct row_field hold_fields[] = {{"queue", false},
	    {"count", false}, {"oldest_taken_at", false}, {"ids", false}};
	static const struct table_column columns[] = {
	    {"QUEUE", TABLE_LEFT | TABLE_CUT}, {"HOLDS", TABLE_RIGHT},
	    {"OLDEST TAKEN", TABLE_RIGHT | TABLE_OUT_1},
	    {"TASKS", TABLE_LEFT | TABLE_WRAP}};
	struct table *t = table_new(columns, COUNT_OF(columns));
	struct span h[4];
	struct scan s;
	bool ok;

	scan_init(&s, holds);
	ok = scan_array(&s);
	while (ok && scan_item(&s)) {
		ok = row_read(&s, v->arena, hold_fields, 4, h) && h[0].len > 0;
		table_add(t, h[0]);
		table_add(t, h[1]);
		view_add_when(v, t, h[2]);
		add_list(v, h[3]);
		view_add_cell(v, t);
	}
	view_print(v, t);
	return ok && scan_end(&s) == ERR_OK;
}

bool
worker_view_add(struct buf *out, struct span body, int64_t now_ms,
    const struct table_look *look)
{
	struct span f[F_COUNT];
	struct view v;
	bool ok;

	view_init(&v, out, body, now_ms, look);
	ok = row_read_all(body, v.arena, fields, F_COUNT, f) &&
	     f[F_NAME].len > 0;
	if (ok) {
		add_facts(&v, f);
		ok = add_holds(&v, f[F_HOLDS]);
	}
	view_clear(&v);
	return ok;
}
