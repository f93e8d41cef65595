/* The picture that top shows, for any size of a screen; see top.h. */

#include "cli/top_parts.h"

#include "core/mem.h"

enum {
	TEXT_MAX = 8192,
	GAP = 2,
	HELP_LEFT = 16,
	LINES_SOME = 10 /* of the screen, for a line of messages */
};

/* ---- the last two lines ------------------------------------------------ */

/* A question, what was done, or what is wrong with the selected queue. */
static void
draw_message(const struct top *t, struct frame *f)
{
	const struct top_queue *q = top_selected(t);

	if (t->asked[0] != '\0') {
		frame_addf(f, FRAME_BOLD, "%s %s? y/n",
		    t->will_pause ? "pause" : "resume", t->asked);
	} else if (t->message[0] != '\0' && t->now_us < t->message_until_us) {
		frame_add(f,
		    t->message_level == TOP_FINE
			? FRAME_GOOD
			: top_level_style(t->message_level),
		    span_of(t->message));
	} else if (q != NULL && q->note.len > 0) {
		frame_addf(f, top_level_style(q->level), "%.*s: %.*s",
		    SPAN_ARG(q->name), SPAN_ARG(q->note));
	}
	frame_next(f);
}

static void
draw_keys(const struct top *t, struct frame *f)
{
	static const char *const keys[] = {"q quit", "? help", "p pause",
	    "/ filter", "s sort", "r reverse", "Tab list"};
	struct buf text;
	size_t kept = 0;

	if (t->is_typing) {
		frame_addf(f, FRAME_BAR, "filter: %s_", t->filter);
		frame_add_right(
		    f, FRAME_BAR, SPAN("Enter keeps it, Esc clears it"));
		return;
	}
	buf_init(&text, TEXT_MAX);
	if (t->filter[0] != '\0')
		buf_addf(&text, "filter '%s': ", t->filter);
	buf_addf(&text, "%zu-%zu of %zu", t->row_count > 0 ? t->first + 1 : 0,
	    t->row_count > 0 ? t->first + t->page : 0, t->row_count);
	/* What is filtered must be seen; how many there are may be not. */
	if (t->filter[0] != '\0')
		kept = text.len + GAP;
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		if (strlen(keys[i]) + GAP + kept > frame_room(f))
			break;
		frame_addf(f, FRAME_BAR, "%s%s", i > 0 ? "  " : "", keys[i]);
	}
	frame_add_right(f, FRAME_BAR, buf_span(&text));
	buf_clear(&text);
}

/* ---- help -------------------------------------------------------------- */

static const char *const help_keys[][2] = {
    {"q, Ctrl-C", "quit"},
    {"up, down, j, k", "select; PgUp and PgDn by a page, g and G to an end"},
    {"p", "pause the selected queue, or resume it; asks first"},
    {"/", "show only names that hold what you type; Esc shows all again"},
    {"s, S", "sort by the next column, by the one before (also > and <)"},
    {"r", "reverse the order"},
    {"Tab", "queues, workers, the janitor's duties"},
    {"space", "ask the server now"},
    {"Ctrl-L", "draw the screen anew"},
};

static void
help_line(struct frame *f, size_t *skip, const char *left, const char *right)
{
	if (*skip > 0) {
		(*skip)--;
		return;
	}
	if (frame_left(f) <= 1)
		return;
	frame_add_cell(f, FRAME_BOLD, span_of(left), HELP_LEFT, false);
	frame_add(f, FRAME_PLAIN, span_of(right));
	frame_next(f);
}

static void
draw_help(struct top *t, struct frame *f)
{
	const struct top_title *titles = top_titles(t->view);
	size_t lines = COUNT_OF(help_keys) + 1 + top_columns(t->view);
	size_t skip, room = f->lines > 2 ? f->lines - 2 : 1;

	if (t->help_first + room > lines)
		t->help_first = lines > room ? lines - room : 0;
	skip = t->help_first;
	frame_add(f, FRAME_BAR, SPAN("schedctl top: keys and columns"));
	frame_next(f);
	for (size_t i = 0; i < COUNT_OF(help_keys); i++)
		help_line(f, &skip, help_keys[i][0], help_keys[i][1]);
	help_line(f, &skip, "", "");
	for (size_t i = 0; i < top_columns(t->view); i++)
		help_line(f, &skip, titles[i].title, titles[i].help);
	frame_go_up(f, 1);
	frame_add(f, FRAME_BAR,
	    lines > room ? SPAN("up and down scroll, any other key goes back")
			 : SPAN("any key goes back"));
}

/* ---- all of it --------------------------------------------------------- */

/* Lines that stand below the table. */
static size_t
foot_lines(const struct top *t, size_t lines)
{
	if (t->is_one_shot || lines == 0)
		return 0;
	return lines >= LINES_SOME || t->asked[0] != '\0' ? 2 : 1;
}

void
top_draw(struct top *t, struct frame *f, size_t columns, size_t lines)
{
	size_t foot = foot_lines(t, lines), room;

	frame_begin(f, columns, lines);
	if (t->has_help) {
		draw_help(t, f);
		return;
	}
	if (!t->is_quiet)
		top_draw_summary(t, f);
	room = frame_left(f);
	if (room != SIZE_MAX)
		room = room > foot ? room - foot : 0;
	top_draw_table(t, f, room);
	if (foot == 0)
		return;
	room = frame_left(f) > foot ? frame_left(f) - foot : 0;
	top_draw_pane(t, f, room);
	frame_go_up(f, foot);
	if (foot > 1)
		draw_message(t, f);
	draw_keys(t, f);
}
