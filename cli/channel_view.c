/* Channels and refused rows for people; see channel_view.h. */

#include "cli/channel_view.h"

#include "cli/pretty.h"
#include "cli/rows.h"

/* A member as a fact, under that label. */
static void
fact(struct view *v, struct table *t, const char *label, const char *name)
{
	view_fact(t, label, view_member(v, name));
}

/* "12 of at most 1000". */
static void
fact_of_most(struct view *v, struct table *t, const char *label,
    const char *name, const char *most)
{
	view_label(t, label);
	buf_add_span(&v->text, view_member(v, name));
	buf_add_str(&v->text, " of at most ");
	buf_add_span(&v->text, view_member(v, most));
	view_add_cell(v, t);
}

static void
add_error(struct view *v, struct table *t)
{
	static const struct row_field fields[] = {
	    {"text", false}, {"detail", false}};
	struct span error = view_member(v, "error"), f[2];

	if (error.len == 0 || !row_read_all(error, v->arena, fields, 2, f))
		return;
	view_fact(t, "error", f[0]);
	view_fact(t, "reason", f[1]);
}

/* "url text, status int4". False when it is no list of columns. */
static bool
add_columns(struct view *v, struct table *t)
{
	static const struct row_field fields[] = {
	    {"name", false}, {"type", false}, {"encrypt", false}};
	struct span columns = view_member(v, "columns"), f[3];
	struct scan s;

	if (columns.len == 0) {
		view_fact(t, "columns", SPAN("not known yet"));
		return true;
	}
	view_label(t, "columns");
	scan_init(&s, columns);
	if (!scan_array(&s))
		return false;
	while (scan_item(&s)) {
		if (!row_read(&s, v->arena, fields, 3, f))
			return false;
		if (v->text.len > 0)
			buf_add_str(&v->text, ", ");
		buf_add_span(&v->text, f[0]);
		buf_add_char(&v->text, ' ');
		buf_add_span(&v->text, f[1]);
		if (f[2].len > 0)
			buf_addf(&v->text, " encrypted (%.*s)", SPAN_ARG(f[2]));
	}
	view_add_cell(v, t);
	return scan_end(&s) == ERR_OK;
}

static bool
add_channel(struct view *v, struct table *t)
{
	fact(v, t, "channel", "name");
	fact(v, t, "kind", "kind");
	fact(v, t, "kept, s", "keep_s");
	fact(v, t, "state", "state");
	add_error(v, t);
	fact(v, t, "table", "table");
	fact(v, t, "database", "database");
	fact(v, t, "connected", "connected");
	fact(v, t, "brought by", "owner");
	fact_of_most(v, t, "waiting rows", "spool_rows", "max_spool");
	fact_of_most(v, t, "waiting bytes", "spool_bytes", "max_spool_bytes");
	fact(v, t, "oldest, s", "oldest_s");
	fact_of_most(v, t, "refused rows", "quarantine_rows", "max_quarantine");
	fact(v, t, "rows in all", "rows_total");
	fact(v, t, "committed", "committed_total");
	fact(v, t, "refused in all", "quarantined_total");
	fact(v, t, "duplicates", "duplicates_total");
	fact(v, t, "missed", "missed_total");
	view_label(t, "last commit");
	view_add_when(v, t, view_member(v, "last_commit"));
	fact(v, t, "key", "key");
	fact(v, t, "on conflict", "on_conflict");
	fact(v, t, "columns from", "columns_from");
	return add_columns(v, t);
}

bool
channel_view_add(struct buf *out, struct span body, int64_t now_ms,
    const struct table_look *look)
{
	struct table *t = view_facts_new();
	struct view v;
	bool ok;

	view_init(&v, out, body, now_ms, look);
	ok = view_member(&v, "name").len > 0 && add_channel(&v, t);
	if (ok)
		view_print_facts(&v, t);
	else
		table_free(t);
	view_clear(&v);
	return ok;
}

bool
channel_view_add_bad(struct buf *out, struct span body, int64_t now_ms,
    const struct table_look *look)
{
	static const struct row_field raw[] = {{"row", true}};
	struct table *t = view_facts_new();
	struct span row;
	struct view v;
	bool ok;

	view_init(&v, out, body, now_ms, look);
	ok = view_member(&v, "id").len > 0 &&
	     row_read_all(body, v.arena, raw, 1, &row);
	if (ok) {
		fact(&v, t, "id", "id");
		view_label(t, "refused");
		view_add_when(&v, t, view_member(&v, "at"));
		fact(&v, t, "sqlstate", "sqlstate");
		fact(&v, t, "message", "message");
		view_label(t, "row");
		pretty_add(&v.text, row);
		view_add_cell(&v, t);
		view_print_facts(&v, t);
	} else {
		table_free(t);
	}
	view_clear(&v);
	return ok;
}
