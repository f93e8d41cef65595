#ifndef SCHEDD_CLI_PUSH_H
#define SCHEDD_CLI_PUSH_H

/*
 * Pushing a stream of lines in batches. A refused line is told with its
 * number and reason and the others go on; a busy server or full queue is
 * waited for as it asks, up to the timeout without any progress.
 */

#include "cli/cli.h"
#include "cli/push_item.h"

struct push_plan {
	const char *path; /* of the queue's tasks */
	struct push_shape shape;
	int fd; /* the input */
};

/* DONE, PARTLY (some lines refused or not sent), REFUSED (all),
 * UNREACHABLE. */
enum cli_exit push_stream(struct cli *c, const struct push_plan *plan);

#endif
