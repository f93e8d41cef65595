#ifndef SCHEDD_CLI_COMPLETE_H
#define SCHEDD_CLI_COMPLETE_H

/*
 * What may stand next on a command line, for the shells: from the tables of
 * commands and options; names of queues and workers from the server, which
 * gets little time for it.
 */

#include "cli/args.h"

/* The word by which the shells' scripts call for it. */
#define COMPLETE_WORD "__complete"

/*
 * words are those of the line up to the cursor, behind "schedctl"; the last
 * one is what is being typed, and may be empty. Prints one candidate a line,
 * with a tab and what it means behind it; a line that begins with a tab says
 * that the shell shall offer its files.
 */
enum cli_exit complete(const struct cmd_set *set, int count, char **words);

#endif
