#ifndef SCHEDD_CLI_CELLS_H
#define SCHEDD_CLI_CELLS_H

/* Cells that the lists of channels and relays share. Pure. */

#include "cli/table.h"
#include "core/arena.h"
#include "core/str.h"

/* A state, in a colour where somebody should look. */
void cell_add_state(struct table *t, struct span state);
/* A number of seconds as a span of time. */
void cell_add_seconds(struct table *t, struct span seconds);
/* What is wrong, in the server's words: of an error object, or nothing. */
void cell_add_reason(struct table *t, struct arena *a, struct span error);

#endif
