/* A JSON object for people; see view.h. */

#include "cli/view.h"

#include <stdlib.h>

#include "cli/rows.h"
#include "cli/text.h"
#include "core/json_scan.h"

enum { PATH_MAX_BYTES = 4096, TEXT_MAX_BYTES = 64 << 20, ARENA_MAX = 1 << 30 };

struct view {
	struct scan scan;
	struct arena *arena;
	struct table *table;
	struct buf path, text;
	const char *skip; /* a member of the outermost object, or NULL */
};

static bool view_value(struct view *v, struct span name);

static bool
ends_in(struct span s, const char *tail)
{
	struct span t = span_of(tail);

	return s.len > t.len &&
	       span_eq((struct span){s.p + s.len - t.len, t.len}, t);
}

/* Payloads are shown as they came. */
static bool
is_foreign(struct span name)
{
	return span_is(name, "payload") || span_is(name, "result") ||
	       span_is(name, "details");
}

/* "86400" of lease_s also reads "1d". */
static void
view_add_reading(struct view *v, struct span name, struct span number)
{
	char text[32];
	uint64_t n;

	if (!str_to_u64(number, &n))
		return;
	if (ends_in(name, "_s") && n >= 60)
		str_from_ms(text, sizeof(text), n * 1000);
	else
		return;
	buf_addf(&v->text, "  (%s)", text);
}

static void
view_row(struct view *v, struct span name, struct span text)
{
	buf_reset(&v->text, TEXT_MAX_BYTES);
	buf_add_span(&v->text, text);
	view_add_reading(v, name, text);
	table_add(v->table, buf_span(&v->path));
	table_add(v->table, buf_span(&v->text));
}

/* One level deeper: ".name". Returns the length to go back to. */
static size_t
view_enter(struct view *v, struct span name)
{
	size_t len = v->path.len;

	if (len > 0)
		buf_add_char(&v->path, '.');
	buf_add_span(&v->path, name);
	return len;
}

static bool
view_object(struct view *v)
{
	struct span name, ignored;
	size_t len;
	bool ok = true;

	while (ok && scan_key(&v->scan, &name)) {
		if (v->path.len == 0 && v->skip != NULL &&
		    span_is(name, v->skip)) {
			ok = scan_skip(&v->scan, &ignored);
			continue;
		}
		len = view_enter(v, name);
		ok = view_value(v, name);
		v->path.len = len;
	}
	return ok && v->scan.err == ERR_OK;
}

/* What an object of a list is called: its name, id, or place. */
static struct span
view_item_name(struct view *v, size_t index)
{
	static const struct row_field fields[] = {
	    {"name", false}, {"id", false}};
	struct scan ahead = v->scan;
	struct span found[2];

	if (row_read(&ahead, v->arena, fields, 2, found)) {
		if (found[0].len > 0)
			return found[0];
		if (found[1].len > 0)
			return found[1];
	}
	buf_reset(&v->text, TEXT_MAX_BYTES);
	buf_add_u64(&v->text, index);
	return buf_span(&v->text);
}

/* A list whose items are all plain: on one line. */
static bool
view_join(struct view *v, struct span name)
{
	struct span text, raw;
	struct buf joined;
	bool ok = true;

	buf_init(&joined, TEXT_MAX_BYTES);
	while (ok && scan_item(&v->scan)) {
		if (joined.len > 0)
			buf_add_str(&joined, ", ");
		ok = scan_string(&v->scan, &raw)
			 ? scan_unescape(v->arena, raw, &text)
			 : scan_skip(&v->scan, &text);
		if (ok)
			buf_add_span(&joined, text);
	}
	ok = ok && v->scan.err == ERR_OK;
	if (ok)
		view_row(
		    v, name, joined.len > 0 ? buf_span(&joined) : SPAN("-"));
	buf_clear(&joined);
	return ok;
}

static bool
view_array(struct view *v, struct span name)
{
	struct scan ahead = v->scan;
	size_t len, index = 0;
	bool ok = true;

	if (!scan_item(&ahead) || (scan_peek(&ahead) != SCAN_OBJECT &&
				      scan_peek(&ahead) != SCAN_ARRAY))
		return view_join(v, name);
	while (ok && scan_item(&v->scan)) {
		len = view_enter(v, view_item_name(v, index++));
		ok = view_value(v, name);
		v->path.len = len;
	}
	return ok && v->scan.err == ERR_OK;
}

static bool
view_value(struct view *v, struct span name)
{
	struct span text = SPAN(""), raw;

	if (!is_foreign(name) && scan_object(&v->scan))
		return view_object(v);
	if (!is_foreign(name) && scan_array(&v->scan))
		return view_array(v, name);
	if (scan_peek(&v->scan) == SCAN_STRING && !is_foreign(name)) {
		if (!scan_string(&v->scan, &raw) ||
		    !scan_unescape(v->arena, raw, &text))
			return false;
	} else if (!scan_skip(&v->scan, &text)) {
		return false;
	} else if (span_is(text, "null")) {
		text = SPAN("-");
	}
	view_row(v, name, text);
	return true;
}

bool
view_add(struct buf *out, struct span json, const char *skip,
    const struct table_look *look)
{
	static const struct table_column columns[] = {
	    {"", TABLE_LEFT}, {"", TABLE_LEFT}};
	struct table_look plain = *look;
	struct view v;
	bool ok;

	plain.headings = false;
	plain.width = 0;
	v.skip = skip;
	scan_init(&v.scan, json);
	v.arena = arena_new(ARENA_MAX);
	v.table = table_new(columns, 2);
	buf_init(&v.path, PATH_MAX_BYTES);
	buf_init(&v.text, TEXT_MAX_BYTES);
	ok = scan_object(&v.scan) && view_object(&v) &&
	     scan_end(&v.scan) == ERR_OK;
	if (ok)
		table_print(v.table, &plain, out);
	buf_clear(&v.path);
	buf_clear(&v.text);
	table_free(v.table);
	arena_free(v.arena);
	return ok;
}
