#ifndef SCHEDD_CLI_QUEUES_H
#define SCHEDD_CLI_QUEUES_H

/* Queues as a table for people: of "queue ls" and of "stats". Pure. */

#include "cli/table.h"
#include "core/buf.h"
#include "core/str.h"

/* list: the JSON list of queues; a row of sums when there are several.
 * False when it is not such a list. */
bool queues_add(
    struct buf *out, struct span list, const struct table_look *look);

#endif
