/* One picture of a screen; see frame.h. */

#include "cli/frame.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/text.h"
#include "core/mem.h"

enum { TEXT_MAX = 1 << 30, FORMATTED_MAX = 1024, DOTS = 3, GAP = 2 };

void
frame_init(struct frame *f)
{
	*f = (struct frame){.marked = SIZE_MAX};
	buf_init(&f->text, TEXT_MAX);
}

void
frame_clear(struct frame *f)
{
	buf_clear(&f->text);
	free(f->runs);
	frame_init(f);
}

void
frame_begin(struct frame *f, size_t columns, size_t lines)
{
	buf_reset(&f->text, TEXT_MAX);
	f->columns = columns;
	f->lines = lines;
	f->line = f->column = 0;
	f->is_full = false;
	f->marked = SIZE_MAX;
	f->run_count = 0;
}

/* ---- adding ------------------------------------------------------------ */

size_t
frame_room(const struct frame *f)
{
	if (f->columns == 0)
		return SIZE_MAX;
	return f->column < f->columns ? f->columns - f->column : 0;
}

/* Text that is clean and stands at the end of the frame's own. */
static void
run_add(struct frame *f, enum frame_style style, size_t at, size_t len)
{
	struct span text = {f->text.data + at, len};

	if (len == 0 || f->is_full)
		return;
	if (f->run_count == f->run_room) {
		f->run_room = f->run_room == 0 ? 64 : f->run_room * 2;
		f->runs = xrealloc(f->runs, f->run_room, sizeof(*f->runs));
	}
	f->runs[f->run_count++] =
	    (struct frame_run){f->line, f->column, at, len, style};
	f->column += text_width(text);
}

/* Cleans the text to the end of the frame's own, at most so many columns. */
static size_t
text_put(struct frame *f, struct span text, size_t columns)
{
	size_t at = f->text.len, max = columns;
	struct span clean;

	text_add_clean(&f->text, text);
	ASSERT(!f->text.failed);
	clean = (struct span){f->text.data + at, f->text.len - at};
	if (clean.len == 0 || text_width(clean) <= columns)
		return at;
	if (columns > DOTS)
		max -= DOTS;
	f->text.len = at + text_cut(clean, max).len;
	if (columns > DOTS)
		buf_add_str(&f->text, "...");
	return at;
}

void
frame_add(struct frame *f, enum frame_style style, struct span text)
{
	size_t at = text_put(f, text, frame_room(f));

	run_add(f, style, at, f->text.len - at);
}

void
frame_addf(struct frame *f, enum frame_style style, const char *fmt, ...)
{
	char text[FORMATTED_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	frame_add(f, style, span_of(text));
}

void
frame_add_cell(struct frame *f, enum frame_style style, struct span text,
    size_t width, bool is_right)
{
	size_t at, used, end = f->column + width;

	if (width > frame_room(f))
		width = frame_room(f);
	at = text_put(f, text, width);
	used =
	    f->text.len > at
		? text_width((struct span){f->text.data + at, f->text.len - at})
		: 0;
	if (is_right && used < width)
		f->column += width - used;
	run_add(f, style, at, f->text.len - at);
	f->column = end;
}

void
frame_add_right(struct frame *f, enum frame_style style, struct span text)
{
	size_t at = f->text.len, width;

	text_add_clean(&f->text, text);
	ASSERT(!f->text.failed);
	if (f->text.len == at)
		return;
	width = text_width((struct span){f->text.data + at, f->text.len - at});
	if (f->columns == 0)
		f->column += f->column > 0 ? GAP : 0;
	else if (f->column + (f->column > 0) + width > f->columns)
		return;
	else
		f->column = f->columns - width;
	run_add(f, style, at, f->text.len - at);
}

void
frame_skip(struct frame *f, size_t columns)
{
	f->column += columns;
}

void
frame_next(struct frame *f)
{
	f->column = 0;
	f->line++;
	f->is_full = f->lines > 0 && f->line >= f->lines;
}

void
frame_go_up(struct frame *f, size_t from_bottom)
{
	ASSERT(f->lines > 0);
	f->column = 0;
	f->line = from_bottom < f->lines ? f->lines - from_bottom : 0;
	f->is_full = false;
}

size_t
frame_left(const struct frame *f)
{
	if (f->lines == 0)
		return SIZE_MAX;
	return f->line < f->lines ? f->lines - f->line : 0;
}

void
frame_mark(struct frame *f)
{
	f->marked = f->line;
}

/* ---- as text ----------------------------------------------------------- */

void
frame_print(const struct frame *f, struct buf *out)
{
	size_t line = 0, column = 0;

	for (size_t i = 0; i < f->run_count; i++) {
		const struct frame_run *run = &f->runs[i];
		struct span text = {f->text.data + run->at, run->len};

		for (; line < run->line; line++, column = 0)
			buf_add_char(out, '\n');
		buf_addf(out, "%*s%.*s", (int)(run->column - column), "",
		    SPAN_ARG(text));
		column = run->column + text_width(text);
	}
	if (f->run_count > 0)
		buf_add_char(out, '\n');
}
