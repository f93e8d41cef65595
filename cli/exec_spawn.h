#ifndef SCHEDD_CLI_EXEC_SPAWN_H
#define SCHEDD_CLI_EXEC_SPAWN_H

/*
 * Starts a command as a process group of its own, with pipes for its standard
 * streams and nothing else of ours: no descriptors, no signal settings, no
 * mask. It is killed when we die, so that no task is worked on by somebody
 * who holds no lease.
 */

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core/buf.h"
#include "core/mem.h"

struct exec_command {
	const char *const *argv; /* ends with NULL; looked up in PATH */
	char *const *envp;
	const sigset_t *mask; /* of signals, for the command */
	bool wants_out;       /* stdout is a pipe, else the null device */
};

struct exec_child {
	pid_t pid;  /* and process group */
	int pid_fd; /* readable when the leader has ended */
	int in_fd;  /* its stdin; ours do not block */
	int out_fd; /* -1 without wants_out */
	int err_fd;
};

enum exec_spawned {
	EXEC_RUNS,
	EXEC_NO_ROOM,   /* no process or descriptor now; later there may be */
	EXEC_NO_PROGRAM /* there is none of that name, or it may not be run */
};
/* A line in why unless it runs. */
enum exec_spawned exec_spawn(struct exec_child *out,
    const struct exec_command *cmd, struct buf *why) MUST_CHECK;

/* Can a program of that name be run? As exec_spawn would find it. */
bool exec_can_find(const char *name);

#endif
