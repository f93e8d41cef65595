#ifndef SCHEDD_CLI_WORKER_VIEW_H
#define SCHEDD_CLI_WORKER_VIEW_H

/* Workers for people, from the server's answers: the list, or one with what
 * it holds. Pure. False when the answer is not one. */

#include <stdbool.h>
#include <stdint.h>

#include "cli/table.h"
#include "core/buf.h"
#include "core/str.h"

/* Those whose names match (match NULL: all); *count: how many. */
bool worker_view_add_list(struct buf *out, struct span list, const char *match,
    int64_t now_ms, const struct table_look *look, size_t *count);
bool worker_view_add(struct buf *out, struct span body, int64_t now_ms,
    const struct table_look *look);

#endif
