#ifndef SCHEDD_CLI_TOP_PARTS_H
#define SCHEDD_CLI_TOP_PARTS_H

/* What top's picture is made of, for top_draw.c. Pure. */

#include "cli/frame.h"
#include "cli/top.h"
#include "core/buf.h"

/* ---- the upper part (top_summary.c) ------------------------------------ */

/* Who, how long, and what is wrong with it; then as much of the sums as the
 * lines of the screen allow. */
void top_draw_summary(const struct top *t, struct frame *f);

/* ---- lists (top_table.c) ----------------------------------------------- */

/* The list that was chosen, in so many lines with its titles. */
void top_draw_table(struct top *t, struct frame *f, size_t room);
/* The workers, where the queues leave room for them. */
void top_draw_pane(const struct top *t, struct frame *f, size_t room);

/* ---- their cells (top_cells.c) ----------------------------------------- */

struct top_title {
	const char *title;
	unsigned width; /* 0: what is left, for names and notes */
	unsigned rank;  /* the higher, the sooner it goes for want of room */
	bool is_left;   /* text; numbers stand at the right */
	const char *help;
};

/* top_columns(view) of them. */
const struct top_title *top_titles(enum top_view view);

/* Writes a cell; how it is to look. width: columns that the cell has. */
enum frame_style top_cell(const struct top *t, enum top_view view, size_t item,
    unsigned column, size_t width, struct buf *out);

/* 0.9ms 12ms 1.2s 3m4s; "-" where it is not known (below 0). */
void top_add_short(struct buf *out, double seconds);
/* A rate in at most five characters. */
void top_add_rate(struct buf *out, double per_second);
enum frame_style top_level_style(enum top_level level);

#endif
