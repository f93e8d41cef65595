#ifndef SCHEDD_CLI_STATS_VIEW_H
#define SCHEDD_CLI_STATS_VIEW_H

/* The server's numbers for people, from its answer. Pure. False when that is
 * not one. */

#include "cli/view.h"

view_fn stats_view_add;

#endif
