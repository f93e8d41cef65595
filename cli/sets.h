#ifndef SCHEDD_CLI_SETS_H
#define SCHEDD_CLI_SETS_H

/*
 * Acting on a set of tasks: says how many there are, asks, then goes through
 * them in many short requests, with a line of progress. Ctrl-C stops it
 * between two of them; what was done stays done, and is told.
 */

#include "cli/cli.h"
#include "cli/select.h"

struct sets_verb {
	const char *tail;          /* "/retry" */
	const char *verb, *done;   /* "retry", "retried" */
	struct select_rules rules; /* which tasks it works on */
};

extern const struct sets_verb sets_remove, sets_retry;

/* On the queue that the first argument names, with the options of select.h
 * and --dry-run. */
enum cli_exit sets_run(struct cli *c, const struct sets_verb *verb);

#endif
