#ifndef SCHEDD_CLI_EXEC_JOB_H
#define SCHEDD_CLI_EXEC_JOB_H

/*
 * One command from its start to its end, inside the caller's poll loop: feeds
 * its stdin, keeps the end of its stderr and, where asked for, its stdout,
 * sees to it that it ends. The end is that of the process that was started:
 * what it leaves running in its group is killed then, so that the outcome is
 * not spoken of while it still goes on. Who left the group (setsid) goes on.
 */

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/exec_error.h"
#include "cli/exec_spawn.h"
#include "core/buf.h"

enum { EXEC_JOB_FDS = 4, EXEC_RESULT_MAX = 64 * 1024 };

/* Why we ended it. */
enum exec_reason {
	EXEC_BY_ITSELF,
	EXEC_TIMED_OUT,
	EXEC_STOPPED, /* we were asked to stop */
	EXEC_LOST     /* the task is not ours any more */
};

struct exec_job {
	bool is_busy;
	struct exec_child child;
	struct buf in; /* for its stdin, of which so many bytes went there: */
	size_t fed;
	struct buf out;  /* its stdout */
	bool out_is_cut; /* it was more than EXEC_RESULT_MAX */
	struct exec_tail err;
	int64_t begun_us;
	int64_t timeout_us; /* when it must end; 0 = never */
	int64_t kill_us;    /* when TERM has not helped; 0 = not told to end */
	int64_t drained_us; /* the leader has ended: no output after this; 0 */
	enum exec_reason reason;
	bool was_killed; /* TERM did not do */
	/* How it ended. */
	bool by_signal;
	int code; /* exit code, or signal */
};

void exec_job_init(struct exec_job *job);
void exec_job_clear(struct exec_job *job);

/* Starts the command; what it is to read is in job->in. */
enum exec_spawned exec_job_start(struct exec_job *job,
    const struct exec_command *cmd, uint64_t timeout_ms,
    struct buf *why) MUST_CHECK;
/* Tells it to end; a second reason changes nothing. */
void exec_job_end(struct exec_job *job, enum exec_reason reason);
/* And does not wait for that. */
void exec_job_kill(struct exec_job *job, enum exec_reason reason);

/* What to poll; how many (at most EXEC_JOB_FDS). */
nfds_t exec_job_fds(const struct exec_job *job, struct pollfd *fds);
/* When exec_job_turn has something to do without any of them; 0 = never. */
int64_t exec_job_due_us(const struct exec_job *job);
/* Does what there is to do. True once, when it has ended and all of it is
 * gone. */
bool exec_job_turn(struct exec_job *job);

/* "exit 3", "signal 9, Killed", "no end within 30s". */
void exec_job_add_how(const struct exec_job *job, struct buf *out);

#endif
