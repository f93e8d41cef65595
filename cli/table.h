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

enum table_align { TABLE_LEFT, TABLE_RIGHT };

struct table_column {
	const char *title;
	enum table_align align;
};

enum table_colour {
	TABLE_PLAIN,
	TABLE_DIM,
	TABLE_BOLD,
	TABLE_RED,
	TABLE_YELLOW
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

/* Asserts that the last row is complete. Rows that do not fit are cut at
 * their end, marked with a dot-dot-dot. */
void table_print(
    const struct table *t, const struct table_look *look, struct buf *out);

#endif
