/* Channels and refused rows for people; see channel_view.h. */

#include "cli/channel_view.h"

#include "cli/pretty.h"
#include "cli/rows.h"

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
	view_member_fact(v, t, "channel", "name");
	view_member_fact(v, t, "kind", "kind");
	view_member_fact(v, t, "kept, s", "keep_s");
	view_member_fact(v, t, "state", "state");
	view_add_error(v, t);
	view_member_fact(v, t, "table", "table");
	view_member_fact(v, t, "database", "database");
	view_member_fact(v, t, "connected", "connected");
	view_member_fact(v, t, "brought by", "owner");
	fact_of_most(v, t, "waiting rows", "spool_rows", "max_spool");
	fact_of_most(v, t, "waiting bytes", "spool_bytes", "max_spool_bytes");
	view_member_fact(v, t, "oldest, s", "oldest_s");
	fact_of_most(v, t, "refused rows", "quarantine_rows", "max_quarantine");
	view_member_fact(v, t, "rows in all", "rows_total");
	view_member_fact(v, t, "committed", "committed_total");
	view_member_fact(v, t, "refused in all", "quarantined_total");
	view_member_fact(v, t, "duplicates", "duplicates_total");
	view_member_fact(v, t, "missed", "missed_total");
	view_label(t, "last commit");
	view_add_when(v, t, view_member(v, "last_commit"));
	view_member_fact(v, t, "key", "key");
	view_member_fact(v, t, "on conflict", "on_conflict");
	view_member_fact(v, t, "columns from", "columns_from");
	return add_columns(v, t);
}

bool
channel_view_add(struct buf *out, struct span body, int64_t now_ms,
    const struct table_look *look)
{
	struct view v;

	view_init(&v, out, body, now_ms, look);
	return view_of_named(&v, add_channel);
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
		view_member_fact(&v, t, "id", "id");
		view_label(t, "refused");
		view_add_when(&v, t, view_member(&v, "at"));
		view_member_fact(&v, t, "sqlstate", "sqlstate");
		view_member_fact(&v, t, "message", "message");
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
