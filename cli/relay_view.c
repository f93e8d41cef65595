/* Relays for people; see relay_view.h. */

#include "cli/relay_view.h"

#include "cli/rows.h"
#include "cli/text.h"

void
relay_view_add_target(
    struct buf *out, struct span queue, struct span url, struct span backend)
{
	buf_add_span(out, queue);
	buf_add_str(out, url.len > 0 ? " at " : " on ");
	buf_add_span(out, url.len > 0 ? url : backend);
}

static void
add_target(struct view *v, struct table *t)
{
	view_label(t, "to");
	relay_view_add_target(&v->text, view_member(v, "to"),
	    view_member(v, "url"), view_member(v, "backend"));
	view_add_cell(v, t);
}

static void
add_last_error(struct view *v, struct table *t)
{
	struct span at = view_member(v, "last_error_at");

	if (at.len == 0)
		return;
	view_label(t, "last had to wait");
	text_add_when(&v->text, at, v->now_ms);
	buf_add_str(&v->text, ": ");
	buf_add_span(&v->text, view_member(v, "last_error"));
	view_add_cell(v, t);
}

static bool
add_relay(struct view *v, struct table *t)
{
	view_member_fact(v, t, "relay", "name");
	view_member_fact(v, t, "state", "state");
	view_add_error(v, t);
	view_member_fact(v, t, "queue", "queue");
	add_target(v, t);
	view_member_fact(v, t, "handed on by", "owner");
	view_member_fact(v, t, "waiting tasks", "waiting_tasks");
	view_label(t, "oldest");
	text_add_seconds(&v->text, row_number(view_member(v, "oldest_s")));
	view_add_cell(v, t);
	view_member_fact(v, t, "handed on", "tasks_total");
	view_member_fact(v, t, "refused", "refused_total");
	view_label(t, "last batch");
	view_add_when(v, t, view_member(v, "last_batch"));
	add_last_error(v, t);
	view_member_fact(v, t, "tasks a batch", "batch");
	return true;
}

bool
relay_view_add(struct buf *out, struct span body, int64_t now_ms,
    const struct table_look *look)
{
	struct view v;

	view_init(&v, out, body, now_ms, look);
	return view_of_named(&v, add_relay);
}
