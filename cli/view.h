#ifndef SCHEDD_CLI_VIEW_H
#define SCHEDD_CLI_VIEW_H

/*
 * A JSON object for people: one line a value, named by its path, aligned.
 * What is new in a later server shows up without a change here. Pure.
 */

#include <stdbool.h>

#include "cli/table.h"
#include "core/str.h"

/*
 * False when json is not a valid object. payload, result and details are
 * JSON of somebody else and stay as they came; whole numbers whose name ends
 * in "_s" get a reading with units; items of a list are named by their
 * "name" or "id". The member called skip is left out (NULL: none).
 */
bool view_add(struct buf *out, struct span json, const char *skip,
    const struct table_look *look);

#endif
