#ifndef SCHEDD_CLI_PUSH_H
#define SCHEDD_CLI_PUSH_H

/*
 * Pushing many tasks in batches, while the next ones are read and built. A
 * refused line is told with its number and reason and the others go on; a
 * busy server or full queue is waited for as it asks, up to the timeout
 * without any progress.
 */

#include "cli/cli.h"
#include "cli/push_item.h"

enum { PUSH_BATCH_MAX = 1000, PUSH_PARALLEL_MAX = 8 };

struct push_plan {
	const char *path; /* of the queue's tasks */
	const char *queue;
	struct push_shape shape;
	/* Either lines of files ("-" is standard input), */
	const char *const *files;
	size_t file_count;
	bool names_files; /* when one is spoken of */
	/* or payloads from the command line. */
	const char *const *payloads;
	size_t payload_count;
	size_t batch;        /* tasks of one request, at most */
	unsigned parallel;   /* requests at a time; 1 keeps the order */
	const char *resume;  /* file of what was acknowledged; NULL = none */
	const char *refused; /* file for the refused; NULL = none */
};

/* DONE, PARTLY (some lines refused, not sent, or not readable), REFUSED
 * (all), UNREACHABLE, USAGE (nothing was sent). */
enum cli_exit push_run(struct cli *c, const struct push_plan *plan);

#endif
