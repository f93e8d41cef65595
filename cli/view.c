/* An answer on its way to people; see view.h. */

#include "cli/view.h"

#include "cli/rows.h"
#include "cli/text.h"

enum { TEXT_MAX = 64 << 20, ARENA_MAX = 1 << 30 };

void
view_init(struct view *v, struct buf *out, struct span body, int64_t now_ms,
    const struct table_look *look)
{
	*v = (struct view){
	    .body = body, .now_ms = now_ms, .look = look, .out = out};
	v->arena = arena_new(ARENA_MAX);
	buf_init(&v->text, TEXT_MAX);
}

void
view_clear(struct view *v)
{
	arena_free(v->arena);
	buf_clear(&v->text);
}

struct span
view_member(struct view *v, const char *name)
{
	return row_member(v->body, name, v->arena);
}

void
view_add_cell(struct view *v, struct table *t)
{
	table_add(t, v->text.len > 0 ? buf_span(&v->text) : SPAN("-"));
	buf_reset(&v->text, TEXT_MAX);
}

void
view_add_when(struct view *v, struct table *t, struct span time)
{
	text_add_when(&v->text, time, v->now_ms);
	view_add_cell(v, t);
}

void
view_print(struct view *v, struct table *t)
{
	if (table_rows(t) > 0) {
		buf_add_str(v->out, v->out->len > 0 ? "\n" : "");
		table_print(t, v->look, v->out);
	}
	table_free(t);
}

/* ---- facts ------------------------------------------------------------ */

struct table *
view_facts_new(void)
{
	static const struct table_column columns[] = {
	    {"", TABLE_LEFT}, {"", TABLE_LEFT | TABLE_WRAP}};

	return table_new(columns, COUNT_OF(columns));
}

void
view_label(struct table *t, const char *label)
{
	table_add_str(t, label);
	table_set_colour(t, TABLE_DIM);
}

void
view_fact(struct table *t, const char *label, struct span text)
{
	if (text.len == 0)
		return;
	view_label(t, label);
	table_add(t, text);
}

void
view_member_fact(
    struct view *v, struct table *t, const char *label, const char *name)
{
	view_fact(t, label, view_member(v, name));
}

void
view_add_error(struct view *v, struct table *t)
{
	static const struct row_field fields[] = {
	    {"text", false}, {"detail", false}};
	struct span error = view_member(v, "error"), f[2];

	if (error.len == 0 || !row_read_all(error, v->arena, fields, 2, f))
		return;
	view_fact(t, "error", f[0]);
	view_fact(t, "reason", f[1]);
}

bool
view_of_named(struct view *v, view_facts_fn *add)
{
	struct table *t = view_facts_new();
	bool ok = view_member(v, "name").len > 0 && add(v, t);

	if (ok)
		view_print_facts(v, t);
	else
		table_free(t);
	view_clear(v);
	return ok;
}

void
view_print_facts(struct view *v, struct table *t)
{
	struct table_look bare = *v->look;

	bare.headings = false;
	table_print(t, &bare, v->out);
	table_free(t);
}
