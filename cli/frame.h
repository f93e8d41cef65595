#ifndef SCHEDD_CLI_FRAME_H
#define SCHEDD_CLI_FRAME_H

/*
 * One picture of a screen: lines of styled text, cut to the columns and lines
 * that there are. Text is cleaned on its way in (text.h). Knows no terminal;
 * screen.c shows a frame on one.
 */

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/str.h"

enum frame_style {
	FRAME_PLAIN,
	FRAME_DIM,
	FRAME_BOLD,
	FRAME_GOOD,
	FRAME_WARN,
	FRAME_BAD,
	FRAME_BAR,     /* the first and the last line */
	FRAME_HEAD,    /* a column's title */
	FRAME_HEAD_ON, /* that of the column that sorts */
	FRAME_STYLES
};

struct frame_run {
	size_t line, column;
	size_t at, len; /* in the frame's text */
	enum frame_style style;
};

struct frame {
	size_t columns, lines; /* how many there are; 0 = no bound */
	size_t line, column;   /* where the next text goes */
	bool is_full;          /* it would go below the last line */
	size_t marked;         /* the line of what is selected, or SIZE_MAX */
	struct buf text;
	struct frame_run *runs; /* in order */
	size_t run_count, run_room;
};

void frame_init(struct frame *f);
void frame_clear(struct frame *f);
/* Empties it. */
void frame_begin(struct frame *f, size_t columns, size_t lines);

/* Text at the place reached, as far as it fits. */
void frame_add(struct frame *f, enum frame_style style, struct span text);
void frame_addf(struct frame *f, enum frame_style style, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same in so many columns, at their right end or left; what is longer is
 * cut and ends with dots. */
void frame_add_cell(struct frame *f, enum frame_style style, struct span text,
    size_t width, bool is_right);
/* Text at the right edge, unless it would touch what stands there; where
 * there is no edge, two blanks on. */
void frame_add_right(struct frame *f, enum frame_style style, struct span text);
void frame_skip(struct frame *f, size_t columns);
/* To the next line. */
void frame_next(struct frame *f);
/* To a line from the bottom: 1 is the last one. */
void frame_go_up(struct frame *f, size_t from_bottom);
/* Lines from the one reached on, columns from the place reached on;
 * SIZE_MAX without bound. */
size_t frame_left(const struct frame *f);
size_t frame_room(const struct frame *f);
/* The line reached is that of what is selected. */
void frame_mark(struct frame *f);

/* All of it as text without styles; no line ends with a blank. */
void frame_print(const struct frame *f, struct buf *out);

#endif
