#ifndef SCHEDD_CLI_INTERRUPT_H
#define SCHEDD_CLI_INTERRUPT_H

/*
 * Ctrl-C during long work: the first one is noted, so that the work can stop
 * where it stands well and say how far it came; the second ends the program
 * at once.
 */

#include <stdbool.h>

/* From now on INT and TERM are noted. Calls that wait return EINTR. */
void interrupt_catch(void);
bool interrupt_came(void);
/* Waits until fd can be read. False: Ctrl-C came, also if just before. */
bool interrupt_wait(int fd);

#endif
