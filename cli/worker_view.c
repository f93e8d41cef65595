/* Workers for people; see worker_view.h. */

#include "cli/worker_view.h"

#include "cli/rows.h"
#include "cli/text.h"

enum { TEXT_MAX = 1 << 24, ARENA_MAX = 1 << 30 };

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

static void
add_when(struct table *t, struct span time, int64_t now_ms)
{
	struct buf text;

	buf_init(&text, TEXT_MAX);
	text_add_when(&text, time, now_ms);
	table_add(t, buf_span(&text));
	buf_clear(&text);
}

/* ---- the list --------------------------------------------------------- */

static void
add_row(
    struct table *t, const struct span *f, const struct span *d, int64_t now_ms)
{
	table_add(t, f[F_NAME]);
	table_add(t, f[F_HELD]);
	add_when(t, f[F_SEEN], now_ms);
	add_when(t, f[F_BEAT], now_ms);
	add_or_dash(t, f[F_ADDR]);
	add_or_dash(t, d[D_HOST]);
	add_or_dash(t, d[D_VERSION]);
	add_or_dash(t, d[D_LOAD]);
}

bool
worker_view_add_list(struct buf *out, struct span list, const char *match,
    int64_t now_ms, const struct table_look *look, size_t *count)
{
	static const struct table_column columns[] = {
	    {"NAME", TABLE_LEFT | TABLE_CUT}, {"HOLDS", TABLE_RIGHT},
	    {"SEEN", TABLE_RIGHT}, {"HEARTBEAT", TABLE_RIGHT | TABLE_OUT_1},
	    {"ADDRESS", TABLE_LEFT | TABLE_CUT | TABLE_OUT_2},
	    {"HOST", TABLE_LEFT | TABLE_CUT | TABLE_OUT_4},
	    {"VERSION", TABLE_LEFT | TABLE_CUT | TABLE_OUT_5},
	    {"LOAD", TABLE_RIGHT | TABLE_OUT_3}};
	struct table *t = table_new(columns, COUNT_OF(columns));
	struct arena *a = arena_new(ARENA_MAX);
	struct span f[F_COUNT], d[D_COUNT];
	struct scan s;
	bool ok;

	scan_init(&s, list);
	ok = scan_array(&s);
	while (ok && scan_item(&s)) {
		ok = row_read(&s, a, fields, F_COUNT, f) && f[F_NAME].len > 0;
		if (!ok ||
		    (match != NULL && !glob_match(span_of(match), f[F_NAME])))
			continue;
		read_details(f[F_DETAILS], a, d);
		add_row(t, f, d, now_ms);
	}
	ok = ok && scan_end(&s) == ERR_OK;
	*count = table_rows(t);
	if (ok && *count > 0)
		table_print(t, look, out);
	table_free(t);
	arena_free(a);
	return ok;
}

/* ---- one worker ------------------------------------------------------- */

static void
add_fact(struct table *t, const char *label, struct span text)
{
	if (text.len == 0)
		return;
	table_add_str(t, label);
	table_set_colour(t, TABLE_DIM);
	table_add(t, text);
}

static void
add_time(struct table *t, const char *label, struct span time, int64_t now_ms)
{
	struct buf text;

	buf_init(&text, TEXT_MAX);
	text_add_when(&text, time, now_ms);
	add_fact(t, label, time.len > 0 ? buf_span(&text) : SPAN("never"));
	buf_clear(&text);
}

/* ["a","b"] as "a, b"; anything else as it is. */
static void
add_list(struct buf *text, struct span json, struct arena *a)
{
	struct span raw, item;
	struct scan s;

	scan_init(&s, json);
	if (!scan_array(&s)) {
		buf_add_span(text, json);
		return;
	}
	while (scan_item(&s) && scan_string(&s, &raw) &&
	       scan_unescape(a, raw, &item))
		buf_addf(
		    text, "%s%.*s", text->len > 0 ? ", " : "", SPAN_ARG(item));
}

static void
add_facts(struct buf *out, const struct span *f, int64_t now_ms,
    const struct table_look *look, struct arena *a)
{
	static const struct table_column columns[] = {
	    {"", TABLE_LEFT}, {"", TABLE_LEFT | TABLE_WRAP}};
	struct table *t = table_new(columns, COUNT_OF(columns));
	struct table_look bare = *look;
	struct span d[D_COUNT];
	struct buf running;

	read_details(f[F_DETAILS], a, d);
	add_fact(t, "worker", f[F_NAME]);
	table_set_colour(t, TABLE_BOLD);
	add_fact(t, "address", f[F_ADDR]);
	add_time(t, "last seen", f[F_SEEN], now_ms);
	add_time(t, "last heartbeat", f[F_BEAT], now_ms);
	add_fact(t, "holds", f[F_HELD]);
	add_fact(t, "host", d[D_HOST]);
	add_fact(t, "pid", d[D_PID]);
	add_fact(t, "version", d[D_VERSION]);
	add_fact(t, "load", d[D_LOAD]);
	buf_init(&running, TEXT_MAX);
	add_list(&running, d[D_RUNNING], a);
	add_fact(t, "running", buf_span(&running));
	buf_clear(&running);
	bare.headings = false;
	table_print(t, &bare, out);
	table_free(t);
}

/* What it holds, queue by queue; of many tasks the first. */
static bool
add_holds(struct buf *out, struct span holds, int64_t now_ms,
    const struct table_look *look, struct arena *a)
{
	static const struct row_field hold_fields[] = {{"queue", false},
	    {"count", false}, {"oldest_taken_at", false}, {"ids", false}};
	static const struct table_column columns[] = {
	    {"QUEUE", TABLE_LEFT | TABLE_CUT}, {"HOLDS", TABLE_RIGHT},
	    {"OLDEST TAKEN", TABLE_RIGHT | TABLE_OUT_1},
	    {"TASKS", TABLE_LEFT | TABLE_WRAP}};
	struct table *t = table_new(columns, COUNT_OF(columns));
	struct buf text;
	struct span h[4];
	struct scan s;
	bool ok;

	buf_init(&text, TEXT_MAX);
	scan_init(&s, holds);
	ok = scan_array(&s);
	while (ok && scan_item(&s)) {
		ok = row_read(&s, a, hold_fields, 4, h) && h[0].len > 0;
		if (!ok)
			break;
		table_add(t, h[0]);
		table_add(t, h[1]);
		add_when(t, h[2], now_ms);
		add_list(&text, h[3], a);
		table_add(t, buf_span(&text));
		buf_reset(&text, TEXT_MAX);
	}
	ok = ok && scan_end(&s) == ERR_OK;
	if (ok && table_rows(t) > 0) {
		buf_add_str(out, look->headings ? "\n" : "");
		table_print(t, look, out);
	}
	buf_clear(&text);
	table_free(t);
	return ok;
}

bool
worker_view_add(struct buf *out, struct span body, int64_t now_ms,
    const struct table_look *look)
{
	struct arena *a = arena_new(ARENA_MAX);
	struct span f[F_COUNT];
	bool ok =
	    row_read_all(body, a, fields, F_COUNT, f) && f[F_NAME].len > 0;

	if (ok) {
		add_facts(out, f, now_ms, look, a);
		ok = add_holds(out, f[F_HOLDS], now_ms, look, a);
	}
	arena_free(a);
	return ok;
}
