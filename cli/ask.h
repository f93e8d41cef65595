#ifndef SCHEDD_CLI_ASK_H
#define SCHEDD_CLI_ASK_H

/* Asking a person before something is done that cannot be undone. */

#include "cli/cli.h"

/* To be called before anything is sent: CLI_USAGE, told, when there is neither
 * --yes nor a terminal to ask at. From here on Ctrl-C is noted. */
enum cli_exit ask_prepare(const struct cli *c);
/* "... [y/N] ". CLI_DONE: yes, or --yes was given. CLI_REFUSED, told: no. */
enum cli_exit ask(const struct cli *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
