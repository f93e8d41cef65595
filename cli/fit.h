#ifndef SCHEDD_CLI_FIT_H
#define SCHEDD_CLI_FIT_H

/* Which columns of a table have room on a terminal, and how wide each may
 * be. Pure. */

#include <stdbool.h>
#include <stddef.h>

#include "cli/table.h"

enum { FIT_GAP = 2 }; /* blanks between two columns */

/*
 * widths: what each column would like; what it gets. First those that may be
 * cut are, the widest first; when that is not enough the first column that may
 * be left out is hidden, and so on. Where nothing is left to give, the rows
 * stay wider than width.
 */
void fit_columns(const struct table_column *columns, size_t count, size_t width,
    size_t *widths, bool *hidden);

#endif
