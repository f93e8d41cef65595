#ifndef SCHEDD_CLI_STATS_VIEW_H
#define SCHEDD_CLI_STATS_VIEW_H

/* The server's numbers for people, from its answer. Pure. False when that is
 * not one. */

#include <stdbool.h>
#include <stdint.h>

#include "cli/table.h"
#include "core/buf.h"
#include "core/str.h"

bool stats_view_add(struct buf *out, struct span body, int64_t now_ms,
    const struct table_look *look);

#endif
