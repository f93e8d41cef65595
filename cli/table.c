/* Rows in aligned columns; see table.h. */

#include "cli/table.h"

#include <stdlib.h>
#include <string.h>

#include "cli/text.h"
#include "core/mem.h"

enum { COLUMNS_MAX = 16, GAP = 2, TEXT_MAX = 1 << 30, CELL_MAX = 1 << 16 };

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
	size_t widths[COLUMNS_MAX]; /* the widest cell or title */
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
	if (cell->width > t->widths[column])
		t->widths[column] = cell->width;
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
	};

	return codes[colour];
}

/* The text, as far as it fits; blanks are written only before text, so that
 * no line ends with one. */
static void
line_add(
    struct line *l, struct span text, size_t width, enum table_colour colour)
{
	size_t max = l->look->width, left;
	bool is_coloured = l->look->colour && colour != TABLE_PLAIN;
	bool is_cut = max > 0 && l->used + l->owed + width > max;

	if (text.len == 0 || (max > 0 && l->used + l->owed >= max))
		return;
	left = max - (max > 0 ? l->used + l->owed : 0);
	buf_addf(l->out, "%*s%s", (int)l->owed, "",
	    is_coloured ? colour_code(colour) : "");
	if (is_cut && left > 3)
		text = text_cut(text, left - 3);
	else if (is_cut)
		text.len = 0;
	buf_add_span(l->out, text);
	if (is_cut)
		buf_addf(l->out, "%.*s", left > 3 ? 3 : (int)left, "...");
	if (is_coloured)
		buf_add_str(l->out, "\033[0m");
	l->used += l->owed + (is_cut ? left : width);
	l->owed = 0;
}

static void
line_add_cell(struct line *l, size_t column, struct span text, size_t width,
    enum table_colour colour)
{
	size_t pad = l->t->widths[column];

	if (pad < strlen(l->t->columns[column].title) && l->look->headings)
		pad = strlen(l->t->columns[column].title);
	pad -= width;
	if (l->t->columns[column].align == TABLE_RIGHT)
		l->owed += pad;
	line_add(l, text, width, colour);
	if (text.len == 0)
		l->owed += width;
	if (l->t->columns[column].align == TABLE_LEFT)
		l->owed += pad;
	l->owed += GAP;
}

static void
print_headings(const struct table *t, struct line *l)
{
	struct span title;

	for (size_t i = 0; i < t->count; i++) {
		title = span_of(t->columns[i].title);
		line_add_cell(l, i, title, title.len, TABLE_DIM);
	}
	buf_add_char(l->out, '\n');
}

void
table_print(
    const struct table *t, const struct table_look *look, struct buf *out)
{
	struct line line = {t, look, out, 0, 0};
	const struct cell *cell;
	struct span text;

	ASSERT(t->cell_count % t->count == 0);
	if (look->headings)
		print_headings(t, &line);
	for (size_t i = 0; i < t->cell_count; i++) {
		if (i % t->count == 0)
			line.used = line.owed = 0;
		cell = &t->cells[i];
		text = (struct span){t->text.data + cell->at, cell->len};
		if (cell->len == 0)
			text = SPAN("");
		line_add_cell(
		    &line, i % t->count, text, cell->width, cell->colour);
		if ((i + 1) % t->count == 0)
			buf_add_char(out, '\n');
	}
}
