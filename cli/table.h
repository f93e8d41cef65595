#ifndef SCHEDD_CLI_TABLE_H
#define SCHEDD_CLI_TABLE_H

/*
 * Rows in aligned columns for people. Cells are filled one after the other;
 * whatever comes from a server is cleaned on its way in (text.h). Knows no
 * terminal: width and colour are given.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/str.h"

struct table;

/* How a column stands, and what becomes of it where the terminal is too
 * narrow for all of them: cells are cut first, then columns are left out. */
enum table_how {
	TABLE_LEFT = 0,
	TABLE_RIGHT = 1, /* numbers: they are never cut in two */
	TABLE_CUT = 2,   /* its cells may be cut, down to TABLE_LEAST */
	TABLE_WRAP = 4,  /* it goes on below itself; only the last one may */
	/* It may be left out: the highest first, of equal ones the last. */
	TABLE_OUT_1 = 1 << 4,
	TABLE_OUT_2 = 2 << 4,
	TABLE_OUT_3 = 3 << 4,
	TABLE_OUT_4 = 4 << 4,
	TABLE_OUT_5 = 5 << 4,
	TABLE_OUT_6 = 6 << 4,
	TABLE_OUT_7 = 7 << 4,
	TABLE_OUT = 7 << 4 /* the bits of all these */
};

enum { TABLE_LEAST = 10 };

struct table_column {
	const char *title;
	unsigned how; /* of enum table_how */
};

enum table_colour {
	TABLE_PLAIN,
	TABLE_DIM,
	TABLE_BOLD,
	TABLE_RED,
	TABLE_YELLOW,
	TABLE_GREEN
};

struct table_look {
	size_t width; /* columns of the terminal; 0 = do not cut */
	bool colour;
	bool headings;
};

/* columns: kept, count of them at most 16. */
struct table *table_new(const struct table_column *columns, size_t count);
void table_free(struct table *t);

/* The next cell; the row is complete when every column has one. */
void table_add(struct table *t, struct span text);
void table_add_str(struct table *t, const char *text);
void table_add_u64(struct table *t, uint64_t n);
/* Colours the cell added last. */
void table_set_colour(struct table *t, enum table_colour colour);
size_t table_rows(const struct table *t);

/* Asserts that the last row is complete. What is cut is marked with a
 * dot-dot-dot; of a number nothing else is left then. */
void table_print(
    struct table *t, const struct table_look *look, struct buf *out);
/* Drops the rows that were printed. Those that come next stand in the same
 * columns, without headings, so that a list of any length can go out page by
 * page. */
void table_next_page(struct table *t);

#endif
