#ifndef SCHEDD_CLI_TASK_VIEW_H
#define SCHEDD_CLI_TASK_VIEW_H

/* Tasks for people, from the server's answers: one with its whole life, or a
 * row of a list. Pure. */

#include "cli/view.h"

view_fn task_view_add;

/* A table with the columns that say something in this state. */
struct table *task_view_table(const char *state);
bool task_view_add_row(struct table *t, const char *state, struct span task,
    int64_t now_ms, struct arena *a);

#endif
