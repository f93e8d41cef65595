#ifndef SCHEDD_CLI_EXEC_H
#define SCHEDD_CLI_EXEC_H

/*
 * A worker: takes tasks, runs a command for each, reports what became of it,
 * until it is asked to stop. One poll loop, no threads.
 */

#include "cli/cli.h"

enum { EXEC_JOBS_MAX = 128, EXEC_DEAD_DEFAULT = 65 /* EX_DATAERR */ };

struct exec_plan {
	const char *queue;
	const char *worker;
	const char *const *argv; /* the command; ends with NULL */
	unsigned jobs;           /* commands at a time */
	uint64_t count;          /* tasks in all; 0 = no end */
	bool has_wait;           /* ends when no task came for so long: */
	uint64_t wait_ms;
	uint64_t lease_ms;      /* 0 = the queue's */
	uint64_t timeout_ms;    /* of one command; 0 = none */
	uint64_t grace_ms;      /* for running commands, when asked to stop */
	bool is_dead_exit[256]; /* these exit codes: not to be tried again */
	bool wants_result;      /* stdout, if it is JSON, is the result */
	bool raw;          /* a payload that is a string goes in as its text */
	const char *spool; /* file; NULL = in the state folder */
};

/*
 * DONE: it ended as asked, and all reports were taken. PARTLY: reports were
 * refused, or are kept in the spool. REFUSED: the server lets us take no
 * tasks, or the command cannot be run. UNREACHABLE: no answer at the end.
 * USAGE: nothing was taken.
 */
enum cli_exit exec_run(struct cli *c, const struct exec_plan *plan);

#endif
