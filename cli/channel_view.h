#ifndef SCHEDD_CLI_CHANNEL_VIEW_H
#define SCHEDD_CLI_CHANNEL_VIEW_H

/* Channels and refused rows for people, from the server's answers. Pure. */

#include "cli/view.h"

/* One channel: what is wrong, numbers, columns. */
view_fn channel_view_add;
/* One row of a quarantine, whole. */
view_fn channel_view_add_bad;

#endif
