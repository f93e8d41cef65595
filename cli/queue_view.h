#ifndef SCHEDD_CLI_QUEUE_VIEW_H
#define SCHEDD_CLI_QUEUE_VIEW_H

/* One queue for people, from the server's answer: what holds it up, its
 * tasks, rates, and policy. Pure. False when the answer is not one. */

#include <stdbool.h>
#include <stdint.h>

#include "cli/table.h"
#include "core/buf.h"
#include "core/str.h"

bool queue_view_add(struct buf *out, struct span body, int64_t now_ms,
    const struct table_look *look);
/* The policy alone: each value, and where it comes from. */
bool queue_view_add_policy(
    struct buf *out, struct span body, const struct table_look *look);

#endif
