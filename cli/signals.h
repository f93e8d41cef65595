#ifndef SCHEDD_CLI_SIGNALS_H
#define SCHEDD_CLI_SIGNALS_H

/*
 * Being asked to stop, as something to poll: INT, TERM and HUP. One that was
 * ignored when we started (nohup, a shell's background) stays so. PIPE is
 * ignored; a write says it instead.
 */

#include <signal.h>

struct signals {
	int fd;
	sigset_t before; /* the mask as it was, for our children */
};

void signals_open(struct signals *s);
/* The mask is as before, and what came last takes its effect. */
void signals_close(struct signals *s);
/* How many came since the last call, without waiting. */
unsigned signals_take(struct signals *s);

#endif
