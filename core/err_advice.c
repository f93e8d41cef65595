/* What to do about an error. docs/errors.md is the one place where that
 * stands, as the last column of its rows; the page is built in. */

#include <stdio.h>

#include "core/buf.h"
#include "core/err.h"

extern const unsigned char page_errors[];
extern const size_t page_errors_len;

enum { COLUMNS_BEFORE = 4 };

static struct span
page(void)
{
	return (struct span){(const char *)page_errors, page_errors_len};
}

/* Cuts s at the first mark: what is before it; s becomes what is behind. */
static bool
cut(struct span *s, struct span mark, struct span *before)
{
	for (size_t i = 0; i + mark.len <= s->len; i++) {
		if (memcmp(s->p + i, mark.p, mark.len) != 0)
			continue;
		*before = (struct span){s->p, i};
		*s = (struct span){s->p + i + mark.len, s->len - i - mark.len};
		return true;
	}
	return false;
}

/* The last cell of the row with that number. */
static bool
find_cell(int number, struct span *cell)
{
	struct span rest = page(), skipped;
	char mark[16];

	(void)snprintf(mark, sizeof(mark), "\n| E%03d", number);
	if (!cut(&rest, span_of(mark), &skipped))
		return false;
	for (int i = 0; i < COLUMNS_BEFORE; i++)
		if (!cut(&rest, SPAN(" | "), &skipped))
			return false;
	return cut(&rest, SPAN(" |\n"), cell);
}

void
err_add_advice(struct buf *out, enum err e)
{
	struct span rest, before, target;

	if (!find_cell(err_info(e)->number, &rest))
		return;
	/* Of [text](target) a terminal can use the target. */
	while (cut(&rest, SPAN("["), &before)) {
		buf_add_span(out, before);
		if (!cut(&rest, SPAN("]("), &before) ||
		    !cut(&rest, SPAN(")"), &target))
			return;
		buf_add_span(out, target);
	}
	buf_add_span(out, rest);
}
