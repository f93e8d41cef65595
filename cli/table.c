/* Rows in aligned columns; see table.h. */

#include "cli/table.h"

#include <stdlib.h>
#include <string.h>

#include "cli/fit.h"
#include "cli/text.h"
#include "core/mem.h"

enum { COLUMNS_MAX = 16, TEXT_MAX = 1 << 30, TEXT_KEEP = 1 << 20, DOTS = 3 };

struct cell {
	size_t at, len; /* in the table's text */
	size_t width;
	enum table_colour colour;
};

struct table {
	const struct table_column *columns;
	size_t count;
	struct cell *cells;
	size_t cell_count, cell_room;
	size_t widest[COLUMNS_MAX]; /* cell of each column */
	size_t widths[COLUMNS_MAX]; /* as it is printed */
	bool hidden[COLUMNS_MAX];
	bool is_next_page; /* headings and widths are those of the first */
	struct buf text;
};

struct table *
table_new(const struct table_column *columns, size_t count)
{
	struct table *t = xcalloc(1, sizeof(*t));

	ASSERT(count > 0 && count <= COLUMNS_MAX);
	t->columns = columns;
	t->count = count;
	buf_init(&t->text, TEXT_MAX);
	return t;
}

void
table_free(struct table *t)
{
	if (t == NULL)
		return;
	buf_clear(&t->text);
	free(t->cells);
	free(t);
}

void
table_add(struct table *t, struct span text)
{
	size_t column = t->cell_count % t->count, at = t->text.len;
	struct cell *cell;

	if (t->cell_count == t->cell_room) {
		t->cell_room = t->cell_room == 0 ? 64 : t->cell_room * 2;
		t->cells = xrealloc(t->cells, t->cell_room, sizeof(*t->cells));
	}
	text_add_clean(&t->text, text);
	ASSERT(!t->text.failed);
	cell = &t->cells[t->cell_count++];
	*cell = (struct cell){.at = at, .len = t->text.len - at};
	cell->width = text_width((struct span){t->text.data + at, cell->len});
	if (cell->width > t->widest[column])
		t->widest[column] = cell->width;
}

void
table_add_str(struct table *t, const char *text)
{
	table_add(t, span_of(text));
}

void
table_add_u64(struct table *t, uint64_t n)
{
	struct buf text;

	buf_init(&text, 32);
	buf_add_u64(&text, n);
	table_add(t, buf_span(&text));
	buf_clear(&text);
}

void
table_set_colour(struct table *t, enum table_colour colour)
{
	ASSERT(t->cell_count > 0);
	t->cells[t->cell_count - 1].colour = colour;
}

size_t
table_rows(const struct table *t)
{
	return t->cell_count / t->count;
}

/* ---- printing --------------------------------------------------------- */

/* One line on its way out. */
struct line {
	const struct table *t;
	const struct table_look *look;
	struct buf *out;
	size_t used; /* columns */
	size_t owed; /* blanks that come before the next text */
};

static const char *
colour_code(enum table_colour colour)
{
	static const char *const codes[] = {
	    [TABLE_PLAIN] = "",
	    [TABLE_DIM] = "\033[2m",
	    [TABLE_BOLD] = "\033[1m",
	    [TABLE_RED] = "\033[31m",
	    [TABLE_YELLOW] = "\033[33m",
	    [TABLE_GREEN] = "\033[32m",
	};

	return codes[colour];
}

/* Blanks are written only before text, so that no line ends with one. */
static void
line_write(
    struct line *l, struct span text, size_t width, enum table_colour colour)
{
	bool is_coloured = l->look->colour && colour != TABLE_PLAIN;

	if (text.len == 0)
		return;
	buf_addf(l->out, "%*s%s", (int)l->owed, "",
	    is_coloured ? colour_code(colour) : "");
	buf_add_span(l->out, text);
	if (is_coloured)
		buf_add_str(l->out, "\033[0m");
	l->used += l->owed + width;
	l->owed = 0;
}

/* The text, as far as max columns and the terminal allow. A part of a number
 * would be another one. */
static void
line_add(struct line *l, struct span text, const struct cell *cell, size_t max,
    bool is_number)
{
	size_t width = l->look->width, left = cell->width, kept;
	struct buf cut;

	if (width > 0 && l->used + l->owed >= width)
		return;
	if (width > 0 && left > width - l->used - l->owed)
		left = width - l->used - l->owed;
	if (max > 0 && left > max)
		left = max;
	if (left == cell->width) {
		line_write(l, text, left, cell->colour);
		return;
	}
	kept = left > DOTS && !is_number ? left - DOTS : 0;
	buf_init(&cut, TEXT_MAX);
	buf_add_span(&cut, text_cut(text, kept));
	buf_addf(&cut, "%.*s", left > DOTS ? DOTS : (int)left, "...");
	line_write(l, buf_span(&cut), text_width(buf_span(&cut)), cell->colour);
	buf_clear(&cut);
}

/* What of text goes into a line of so many columns: up to a blank, if there
 * is one. The blank itself goes into none. */
static struct span
next_chunk(struct span *text, size_t width)
{
	struct span chunk = text_cut(*text, width);
	size_t len = chunk.len;

	if (len == 0 && text->len > 0)
		chunk = *text;
	while (len > 0 && chunk.len < text->len && text->p[len] != ' ')
		len--;
	if (len > 0 && chunk.len < text->len)
		chunk.len = len;
	*text = (struct span){text->p + chunk.len, text->len - chunk.len};
	while (chunk.len > 0 && chunk.p[chunk.len - 1] == ' ')
		chunk.len--;
	while (text->len > 0 && text->p[0] == ' ')
		*text = (struct span){text->p + 1, text->len - 1};
	return chunk;
}

/* The last cell of a row, on as many lines as it takes. */
static void
line_add_wrapped(
    struct line *l, struct span text, const struct cell *cell, size_t width)
{
	size_t indent = l->used + l->owed;
	struct span chunk;

	if (indent >= l->look->width)
		return;
	if (width > l->look->width - indent)
		width = l->look->width - indent;
	chunk = next_chunk(&text, width);
	line_write(l, chunk, text_width(chunk), cell->colour);
	while (text.len > 0) {
		buf_add_char(l->out, '\n');
		l->used = 0;
		l->owed = indent;
		chunk = next_chunk(&text, width);
		line_write(l, chunk, text_width(chunk), cell->colour);
	}
}

static void
line_add_cell(
    struct line *l, size_t i, struct span text, const struct cell *cell)
{
	const struct table_column *column = &l->t->columns[i];
	size_t width = l->t->widths[i];
	size_t taken = cell->width < width ? cell->width : width;
	bool is_number = (column->how & TABLE_RIGHT) != 0;

	if (l->t->hidden[i])
		return;
	if (is_number)
		l->owed += width - taken;
	if ((column->how & TABLE_WRAP) != 0 && l->look->width > 0 &&
	    cell->width > width)
		line_add_wrapped(l, text, cell, width);
	else
		line_add(l, text, cell,
		    (column->how & TABLE_CUT) != 0 ? width : 0, is_number);
	if (!is_number)
		l->owed += width - taken;
	l->owed += FIT_GAP;
}

static void
print_headings(const struct table *t, struct line *l)
{
	struct cell cell = {.colour = TABLE_DIM};
	struct span title;

	for (size_t i = 0; i < t->count; i++) {
		title = span_of(t->columns[i].title);
		cell.width = title.len;
		line_add_cell(l, i, title, &cell);
	}
	buf_add_char(l->out, '\n');
}

/* Settles the columns. */
static void
table_fit(struct table *t, const struct table_look *look)
{
	size_t title;

	for (size_t i = 0; i < t->count; i++) {
		t->widths[i] = t->widest[i];
		title = strlen(t->columns[i].title);
		if (look->headings && t->widths[i] < title)
			t->widths[i] = title;
		t->hidden[i] = false;
	}
	if (look->width > 0)
		fit_columns(
		    t->columns, t->count, look->width, t->widths, t->hidden);
}

void
table_print(struct table *t, const struct table_look *look, struct buf *out)
{
	struct line line = {t, look, out, 0, 0};
	const struct cell *cell;
	struct span text;

	ASSERT(t->cell_count % t->count == 0);
	if (!t->is_next_page) {
		table_fit(t, look);
		if (look->headings)
			print_headings(t, &line);
	}
	for (size_t i = 0; i < t->cell_count; i++) {
		if (i % t->count == 0)
			line.used = line.owed = 0;
		cell = &t->cells[i];
		text = (struct span){t->text.data + cell->at, cell->len};
		if (cell->len == 0)
			text = SPAN("");
		line_add_cell(&line, i % t->count, text, cell);
		if ((i + 1) % t->count == 0)
			buf_add_char(out, '\n');
	}
}

void
table_next_page(struct table *t)
{
	t->is_next_page = true;
	t->cell_count = 0;
	buf_reset(&t->text, TEXT_KEEP);
}
