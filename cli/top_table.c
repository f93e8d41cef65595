/* The lists of top's picture: which columns fit, which rows. */

#include "cli/top_parts.h"

#include "cli/text.h"
#include "core/mem.h"

enum {
	CELL_MAX = 8192,
	GAP = 2,
	NAME_MIN = 8,
	NOTE_MIN = 13, /* "no worker 59m" */
	PANE_MIN = 5   /* lines that the workers need below the queues */
};

/* ---- a table ----------------------------------------------------------- */

struct table_plan {
	const struct top *t;
	struct frame *f;
	enum top_view view;
	const size_t *rows;
	size_t count;
	size_t widths[TOP_COLUMNS];
	bool shown[TOP_COLUMNS];
	bool has_note;
};

static size_t
longest_name(const struct table_plan *p)
{
	size_t longest = NAME_MIN, width;

	for (size_t i = 0; i < p->count; i++) {
		width = text_width(top_name(p->t, p->view, p->rows[i]));
		if (width > longest)
			longest = width;
	}
	return longest;
}

/* The column of that rank, 0 when there is none. */
static size_t
ranked(const struct table_plan *p, unsigned rank)
{
	size_t i = top_columns(p->view) - 1;

	while (i > 0 && top_titles(p->view)[i].rank != rank)
		i--;
	return i;
}

/* An older server does not count the workers of a queue, nor say when
 * somebody took from it. */
static bool
is_known(const struct table_plan *p, size_t column)
{
	const struct top_data *d = &p->t->data;

	if (p->view != TOP_QUEUES || d->queue_count == 0)
		return true;
	if (column == TOP_COL_WORKERS)
		return d->queues[0].has_workers;
	return column != TOP_COL_TAKEN || d->queues[0].has_held_up;
}

/* Columns go in by their rank, as long as there is room for name and note. */
static void
plan_columns(struct table_plan *p, size_t room)
{
	size_t i, width;

	for (unsigned rank = 1; (i = ranked(p, rank)) != 0; rank++) {
		if (!is_known(p, i))
			continue;
		width = top_titles(p->view)[i].width;
		if (width + 1 > room)
			break;
		p->shown[i] = true;
		p->widths[i] = width;
		room -= room != SIZE_MAX ? width + 1 : 0;
	}
}

static size_t
used_columns(const struct table_plan *p)
{
	size_t used = 0;

	for (size_t i = 1; i < top_columns(p->view); i++)
		if (p->shown[i] && p->widths[i] > 0)
			used += p->widths[i] + 1;
	return used;
}

static void
plan_make(struct table_plan *p)
{
	size_t all = p->f->columns, last = top_columns(p->view) - 1;
	size_t name = longest_name(p), note = 0, left;

	p->has_note = top_titles(p->view)[last].width == 0;
	p->shown[0] = true;
	if (all == 0) {
		plan_columns(p, SIZE_MAX);
		p->widths[0] = name;
		p->shown[last] = true;
		return;
	}
	if (name > all / 4)
		name = all / 4 > NAME_MIN ? all / 4 : NAME_MIN;
	if (p->has_note)
		note = GAP + NOTE_MIN;
	plan_columns(p, all > name + note ? all - name - note : 0);
	/* What is left goes to long names first. */
	left =
	    all - (used_columns(p) + note < all ? used_columns(p) + note : all);
	if (left > longest_name(p))
		left = longest_name(p);
	p->widths[0] = left > name ? left : name;
	left = used_columns(p) + p->widths[0] + GAP;
	if (p->has_note && left < all) {
		p->shown[last] = true;
		p->widths[last] = all - left;
	}
}

static void
draw_cell(const struct table_plan *p, size_t column, enum frame_style style,
    struct span text)
{
	const struct top_title *title = &top_titles(p->view)[column];
	bool is_note = p->has_note && column + 1 == top_columns(p->view);

	if (column > 0)
		frame_skip(p->f, is_note ? GAP : 1);
	if (is_note && p->f->columns == 0)
		frame_add(p->f, style, text);
	else
		frame_add_cell(
		    p->f, style, text, p->widths[column], !title->is_left);
}

static void
draw_titles(const struct table_plan *p)
{
	const struct top_title *titles = top_titles(p->view);
	bool is_live = !p->t->is_one_shot && p->view == p->t->view;

	for (size_t i = 0; i < top_columns(p->view); i++)
		if (p->shown[i])
			draw_cell(p, i,
			    is_live && p->t->order[p->view].column == i
				? FRAME_HEAD_ON
				: FRAME_HEAD,
			    span_of(titles[i].title));
	frame_next(p->f);
}

static void
draw_row(const struct table_plan *p, size_t item)
{
	enum frame_style style;
	struct buf text;

	buf_init(&text, CELL_MAX);
	for (unsigned i = 0; i < top_columns(p->view); i++) {
		if (!p->shown[i])
			continue;
		buf_reset(&text, CELL_MAX);
		style = top_cell(p->t, p->view, item, i, p->widths[i], &text);
		draw_cell(p, i, style, buf_span(&text));
	}
	buf_clear(&text);
	frame_next(p->f);
}

/* What stands where no rows are. */
static void
draw_none(const struct top *t, struct frame *f)
{
	static const char *const none[TOP_VIEWS] = {
	    [TOP_QUEUES] = "no queues yet",
	    [TOP_WORKERS] = "no workers yet",
	    [TOP_JANITOR] = "it does not tell of its janitor",
	};

	if (t->filter[0] != '\0')
		frame_addf(f, FRAME_DIM, "nothing here has '%s' in its name",
		    t->filter);
	else if (t->view == TOP_WORKERS && !t->crew.is_known)
		frame_addf(
		    f, FRAME_WARN, "not told: %.*s", SPAN_ARG(t->crew.why));
	else if (t->view == TOP_QUEUES && !t->data.server.ready)
		frame_add(f, FRAME_WARN, SPAN("no queues are known yet"));
	else
		frame_add(f, FRAME_DIM, span_of(none[t->view]));
	frame_next(f);
}

/* Keeps the selected row on the screen. */
static void
scroll(struct top *t, size_t room)
{
	t->page = room < t->row_count ? room : t->row_count;
	if (t->page == 0)
		t->page = 1;
	if (t->selected < t->first)
		t->first = t->selected;
	if (t->selected >= t->first + t->page)
		t->first = t->selected + 1 - t->page;
	if (t->first + t->page > t->row_count)
		t->first = t->row_count > t->page ? t->row_count - t->page : 0;
}

void
top_draw_table(struct top *t, struct frame *f, size_t room)
{
	struct table_plan plan = {.t = t,
	    .f = f,
	    .view = t->view,
	    .rows = t->rows,
	    .count = t->row_count};

	plan_make(&plan);
	memcpy(t->order[t->view].shown, plan.shown, sizeof(plan.shown));
	if (!t->is_quiet) {
		draw_titles(&plan);
		room -= room > 0 && room != SIZE_MAX;
	}
	scroll(t, room);
	if (t->row_count == 0 && !t->is_quiet)
		draw_none(t, f);
	for (size_t i = t->first; i < t->row_count && i - t->first < room;
	     i++) {
		if (i == t->selected && !t->is_one_shot)
			frame_mark(f);
		draw_row(&plan, t->rows[i]);
	}
}

void
top_draw_pane(const struct top *t, struct frame *f, size_t room)
{
	struct table_plan plan = {.t = t,
	    .f = f,
	    .view = TOP_WORKERS,
	    .rows = t->pane,
	    .count = t->crew.count};

	if (t->view != TOP_QUEUES || plan.count == 0 || room < PANE_MIN)
		return;
	frame_next(f);
	plan_make(&plan);
	draw_titles(&plan);
	for (size_t i = 0; i < plan.count && i + 2 < room; i++)
		draw_row(&plan, t->pane[i]);
}
