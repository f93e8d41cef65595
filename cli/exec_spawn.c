/* Starting a command; see exec_spawn.h. */

#define _GNU_SOURCE /* close_range, execvpe, pipe2, pidfd_open */

#include "cli/exec_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/mem.h"

enum {
	STATUS_FD = 3, /* in the child: says that exec failed, and why */
	HIGH_FD = 10,  /* out of the way of 0 to 3 */
	EXIT_NO_EXEC = 127
};

/* Both ends of each pipe; -1 where there is none. */
struct pipes {
	int in[2], out[2], err[2], status[2];
};

/* ---- in the child: only what is safe after fork ------------------------ */

static void
reset_signals(const sigset_t *mask)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct sigaction action = {.sa_handler = SIG_DFL};

	for (int number = 1; number < NSIG; number++) {
		if (number == SIGKILL || number == SIGSTOP)
			continue;
		/* A Ctrl-C that came before we had a group of our own was not
		 * for us: to ignore it drops it. */
		(void)sigaction(number, &ignore, NULL);
		(void)sigaction(number, &action, NULL);
	}
	(void)sigprocmask(SIG_SETMASK, mask, NULL);
}

/* 0, 1 and 2 become the streams, 3 the status; nothing else stays. */
static bool
move_fds(const struct pipes *p)
{
	int in = fcntl(p->in[0], F_DUPFD, HIGH_FD);
	int out = p->out[1] >= 0 ? fcntl(p->out[1], F_DUPFD, HIGH_FD)
				 : open("/dev/null", O_WRONLY | O_NOCTTY);
	int err = fcntl(p->err[1], F_DUPFD, HIGH_FD);
	int status = fcntl(p->status[1], F_DUPFD, HIGH_FD);

	if (out >= 0 && out < HIGH_FD)
		out = fcntl(out, F_DUPFD, HIGH_FD);
	return dup2(in, 0) == 0 && dup2(out, 1) == 1 && dup2(err, 2) == 2 &&
	       dup2(status, STATUS_FD) == STATUS_FD &&
	       fcntl(STATUS_FD, F_SETFD, FD_CLOEXEC) == 0 &&
	       close_range(STATUS_FD + 1, ~0U, 0) == 0;
}

static _Noreturn void
run_child(const struct pipes *p, const struct exec_command *cmd, pid_t parent)
{
	union {
		const char *const *given;
		char *const *taken;
	} argv = {.given = cmd->argv};
	int status = p->status[1], code;

	if (setpgid(0, 0) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
	    getppid() == parent && move_fds(p)) {
		status = STATUS_FD;
		reset_signals(cmd->mask);
		(void)execvpe(cmd->argv[0], argv.taken, cmd->envp);
	}
	code = errno;
	if (write(status, &code, sizeof(code)) != (ssize_t)sizeof(code))
		_exit(EXIT_NO_EXEC);
	_exit(EXIT_NO_EXEC);
}

/* ---- here ------------------------------------------------------------- */

static void
close_end(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static void
close_pipes(struct pipes *p)
{
	for (size_t i = 0; i < 2; i++) {
		close_end(&p->in[i]);
		close_end(&p->out[i]);
		close_end(&p->err[i]);
		close_end(&p->status[i]);
	}
}

static bool
open_pipes(struct pipes *p, bool wants_out)
{
	*p = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
	return pipe2(p->in, O_CLOEXEC) == 0 && pipe2(p->err, O_CLOEXEC) == 0 &&
	       pipe2(p->status, O_CLOEXEC) == 0 &&
	       (!wants_out || pipe2(p->out, O_CLOEXEC) == 0) &&
	       fcntl(p->in[1], F_SETFL, O_NONBLOCK) == 0 &&
	       fcntl(p->err[0], F_SETFL, O_NONBLOCK) == 0 &&
	       (!wants_out || fcntl(p->out[0], F_SETFL, O_NONBLOCK) == 0);
}

/* With all signals blocked: a handler must not run in the child. */
static pid_t
fork_child(const struct pipes *p, const struct exec_command *cmd)
{
	pid_t parent = getpid(), pid;
	sigset_t all, before;
	int code;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		run_child(p, cmd, parent);
	code = errno;
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	errno = code;
	return pid;
}

/* 0 when the program runs, else why it does not. Waits for exec, which
 * closes the pipe. */
static int
read_status(int fd)
{
	int code = 0;
	ssize_t n;

	do
		n = read(fd, &code, sizeof(code));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(code) ? code : 0;
}

static enum exec_spawned
no_room(struct pipes *p, struct buf *why)
{
	buf_addf(why, "no process for it: %s", strerror(errno));
	close_pipes(p);
	return EXEC_NO_ROOM;
}

enum exec_spawned
exec_spawn(
    struct exec_child *out, const struct exec_command *cmd, struct buf *why)
{
	struct pipes p;
	pid_t pid;
	int code;

	if (!open_pipes(&p, cmd->wants_out))
		return no_room(&p, why);
	pid = fork_child(&p, cmd);
	if (pid < 0)
		return no_room(&p, why);
	/* Here as well, so that it is a group before it is killed as one. */
	(void)setpgid(pid, pid);
	close_end(&p.status[1]);
	code = read_status(p.status[0]);
	out->pid_fd = code == 0 ? pidfd_open(pid, 0) : -1;
	if (out->pid_fd < 0) {
		int failed = code != 0 ? code : errno;

		(void)kill(-pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		errno = failed;
		if (code == 0)
			return no_room(&p, why);
		buf_addf(
		    why, "cannot run '%s': %s", cmd->argv[0], strerror(failed));
		close_pipes(&p);
		return EXEC_NO_PROGRAM;
	}
	out->pid = pid;
	out->in_fd = p.in[1];
	out->out_fd = p.out[0];
	out->err_fd = p.err[0];
	p.in[1] = p.out[0] = p.err[0] = -1;
	close_pipes(&p);
	return EXEC_RUNS;
}

/* ---- before anything is taken ----------------------------------------- */

static bool
is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       access(path, X_OK) == 0;
}

bool
exec_can_find(const char *name)
{
	const char *at = getenv("PATH");
	bool found = false;
	struct buf path;

	if (strchr(name, '/') != NULL)
		return is_program(name);
	if (at == NULL)
		at = "/bin:/usr/bin";
	buf_init(&path, 1 << 20);
	while (!found && *at != '\0') {
		size_t len = strcspn(at, ":");

		buf_reset(&path, 1 << 20);
		buf_add(&path, len > 0 ? at : ".", len > 0 ? len : 1);
		buf_addf(&path, "/%s", name);
		buf_add_char(&path, '\0');
		found = !path.failed && is_program(path.data);
		at += len + (at[len] == ':');
	}
	buf_clear(&path);
	return found;
}
