#ifndef SCHEDD_CLI_QUEUE_VIEW_H
#define SCHEDD_CLI_QUEUE_VIEW_H

/* One queue for people, from the server's answer: what holds it up, its
 * tasks, rates, and policy. Pure. False when the answer is not one. */

#include "cli/view.h"

view_fn queue_view_add;
/* The policy alone: each value, and where it comes from. */
view_fn queue_view_add_policy;

#endif
