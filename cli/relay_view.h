#ifndef SCHEDD_CLI_RELAY_VIEW_H
#define SCHEDD_CLI_RELAY_VIEW_H

/* Relays for people, from the server's answers. Pure. */

#include "cli/view.h"

/* One relay: where tasks go, what is wrong, numbers. */
view_fn relay_view_add;
/* Where its tasks go, "phones on group", "pages at https://host:7070". */
void relay_view_add_target(
    struct buf *out, struct span queue, struct span url, struct span backend);

#endif
