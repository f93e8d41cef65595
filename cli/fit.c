/* Which columns have room; see fit.h. */

#include "cli/fit.h"

/* What the shown columns take together. */
static size_t
total_of(const size_t *widths, const bool *hidden, size_t count)
{
	size_t total = 0, shown = 0;

	for (size_t i = 0; i < count; i++) {
		if (hidden[i])
			continue;
		total += widths[i];
		shown++;
	}
	return total + (shown > 0 ? (shown - 1) * FIT_GAP : 0);
}

/* How much of a column may be cut off. */
static size_t
slack_of(const struct table_column *column, size_t width)
{
	if ((column->how & (TABLE_CUT | TABLE_WRAP)) == 0 ||
	    width <= TABLE_LEAST)
		return 0;
	return width - TABLE_LEAST;
}

/* Takes one column of the terminal from the widest that can give it. */
static bool
cut_one(const struct table_column *columns, size_t count, size_t *widths,
    const bool *hidden)
{
	size_t widest = count;

	for (size_t i = 0; i < count; i++)
		if (!hidden[i] && slack_of(&columns[i], widths[i]) > 0 &&
		    (widest == count || widths[i] > widths[widest]))
			widest = i;
	if (widest == count)
		return false;
	widths[widest]--;
	return true;
}

/* The one that goes next, of equal ranks the last; count when none may. */
static size_t
next_to_hide(
    const struct table_column *columns, size_t count, const bool *hidden)
{
	size_t next = count;

	for (size_t i = 0; i < count; i++)
		if (!hidden[i] && (columns[i].how & TABLE_OUT) != 0 &&
		    (next == count || (columns[i].how & TABLE_OUT) >=
					  (columns[next].how & TABLE_OUT)))
			next = i;
	return next;
}

void
fit_columns(const struct table_column *columns, size_t count, size_t width,
    size_t *widths, bool *hidden)
{
	size_t total, slack, next;

	for (size_t i = 0; i < count; i++)
		hidden[i] = false;
	for (;;) {
		total = total_of(widths, hidden, count);
		slack = 0;
		for (size_t i = 0; i < count; i++)
			if (!hidden[i])
				slack += slack_of(&columns[i], widths[i]);
		next = next_to_hide(columns, count, hidden);
		if (total <= width + slack || next == count)
			break;
		hidden[next] = true;
	}
	while (total_of(widths, hidden, count) > width &&
	       cut_one(columns, count, widths, hidden))
		continue;
}
