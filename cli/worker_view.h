#ifndef SCHEDD_CLI_WORKER_VIEW_H
#define SCHEDD_CLI_WORKER_VIEW_H

/* Workers for people, from the server's answers: the list, or one with what
 * it holds. Pure. False when the answer is not one. */

#include "cli/view.h"

/* Those whose names match (match NULL: all); nothing when none does. */
bool worker_view_add_list(struct buf *out, struct span list, const char *match,
    int64_t now_ms, const struct table_look *look);
view_fn worker_view_add;

#endif
