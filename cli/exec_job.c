/* One command from its start to its end; see exec_job.h. */

#define _GNU_SOURCE /* P_PIDFD */

#include "cli/exec_job.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/text.h"
#include "core/clock.h"

enum {
	CHUNK = 64 * 1024,       /* read at a time, so that nobody starves */
	KILL_AFTER_US = 5000000, /* after TERM */
	DRAIN_US = 100000        /* for what others of its group still write */
};

void
exec_job_init(struct exec_job *job)
{
	*job = (struct exec_job){0};
	buf_init(&job->in, 1 << 30);
	buf_init(&job->out, EXEC_RESULT_MAX);
}

void
exec_job_clear(struct exec_job *job)
{
	buf_clear(&job->in);
	buf_clear(&job->out);
}

enum exec_spawned
exec_job_start(struct exec_job *job, const struct exec_command *cmd,
    uint64_t timeout_ms, struct buf *why)
{
	enum exec_spawned got = exec_spawn(&job->child, cmd, why);

	if (got != EXEC_RUNS)
		return got;
	job->is_busy = true;
	job->fed = 0;
	buf_reset(&job->out, EXEC_RESULT_MAX);
	job->out_is_cut = false;
	job->err.len = 0;
	job->err.is_cut = false;
	job->begun_us = clock_mono_us_fresh();
	job->timeout_us =
	    timeout_ms > 0 ? job->begun_us + (int64_t)timeout_ms * 1000 : 0;
	job->kill_us = job->drained_us = 0;
	job->reason = EXEC_BY_ITSELF;
	job->was_killed = false;
	return EXEC_RUNS;
}

/* ---- making it end ---------------------------------------------------- */

static void
signal_group(const struct exec_job *job, int number)
{
	/* The leader is not reaped before its group is killed: until then the
	 * number stays ours. */
	(void)kill(-job->child.pid, number);
}

void
exec_job_end(struct exec_job *job, enum exec_reason reason)
{
	if (job->kill_us != 0 || job->drained_us != 0)
		return;
	job->reason = reason;
	job->kill_us = clock_mono_us_fresh() + KILL_AFTER_US;
	signal_group(job, SIGTERM);
	/* Who is stopped hears it only then. */
	signal_group(job, SIGCONT);
}

void
exec_job_kill(struct exec_job *job, enum exec_reason reason)
{
	if (job->drained_us != 0)
		return;
	if (job->kill_us == 0)
		job->reason = reason;
	job->was_killed = true;
	signal_group(job, SIGKILL);
	job->kill_us = INT64_MAX;
}

/* ---- streams ---------------------------------------------------------- */

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* As much as fits. A command need not read what it is given. */
static void
feed(struct exec_job *job)
{
	ssize_t n = 0;

	while (job->child.in_fd >= 0 && job->fed < job->in.len) {
		n = write(job->child.in_fd, job->in.data + job->fed,
		    job->in.len - job->fed);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		job->fed += (size_t)n;
	}
	if (job->fed == job->in.len || (n < 0 && errno != EAGAIN))
		close_fd(&job->child.in_fd);
}

static void
keep_out(struct exec_job *job, const char *p, size_t n)
{
	if (job->out.len + n > EXEC_RESULT_MAX)
		job->out_is_cut = true;
	else if (!job->out_is_cut)
		buf_add(&job->out, p, n);
}

/* One piece of what is there. False when there is nothing more for now. */
static bool
read_piece(struct exec_job *job, int *fd, bool is_err)
{
	char piece[CHUNK];
	ssize_t n;

	if (*fd < 0)
		return false;
	do
		n = read(*fd, piece, sizeof(piece));
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0)
		close_fd(fd);
	else if (is_err)
		exec_tail_add(&job->err, piece, (size_t)n);
	else
		keep_out(job, piece, (size_t)n);
	return n > 0;
}

/* ---- the end ---------------------------------------------------------- */

/* Has the leader ended? It stays a zombie, and keeps its group's number. */
static bool
leader_has_ended(struct exec_job *job)
{
	siginfo_t info = {0};

	if (waitid(P_PIDFD, (id_t)job->child.pid_fd, &info,
		WEXITED | WNOHANG | WNOWAIT) != 0 ||
	    info.si_pid == 0)
		return false;
	job->by_signal = info.si_code != CLD_EXITED;
	job->code = info.si_status;
	return true;
}

/* What was written before the end is in the pipe; what others still hold it
 * for is waited for a moment. */
static bool
is_drained(struct exec_job *job, int64_t now)
{
	int pieces = 4; /* a group that goes on writing is not read for ever */

	while (pieces-- > 0 && (read_piece(job, &job->child.err_fd, true) ||
				   read_piece(job, &job->child.out_fd, false)))
		continue;
	return now >= job->drained_us ||
	       (job->child.err_fd < 0 && job->child.out_fd < 0);
}

static void
reap(struct exec_job *job)
{
	siginfo_t info;

	signal_group(job, SIGKILL);
	(void)waitid(P_PIDFD, (id_t)job->child.pid_fd, &info, WEXITED);
	close_fd(&job->child.pid_fd);
	close_fd(&job->child.in_fd);
	close_fd(&job->child.out_fd);
	close_fd(&job->child.err_fd);
	job->is_busy = false;
}

bool
exec_job_turn(struct exec_job *job)
{
	int64_t now = clock_mono_us_fresh();

	feed(job);
	(void)read_piece(job, &job->child.err_fd, true);
	(void)read_piece(job, &job->child.out_fd, false);
	if (job->drained_us == 0 && leader_has_ended(job))
		job->drained_us = now + DRAIN_US;
	if (job->drained_us != 0) {
		if (!is_drained(job, now))
			return false;
		reap(job);
		return true;
	}
	if (job->timeout_us != 0 && now >= job->timeout_us)
		exec_job_end(job, EXEC_TIMED_OUT);
	if (job->kill_us != 0 && now >= job->kill_us)
		exec_job_kill(job, job->reason);
	return false;
}

/* ---- polling ---------------------------------------------------------- */

nfds_t
exec_job_fds(const struct exec_job *job, struct pollfd *fds)
{
	nfds_t n = 0;

	/* Once it has ended this would always be ready. */
	if (job->drained_us == 0)
		fds[n++] =
		    (struct pollfd){.fd = job->child.pid_fd, .events = POLLIN};
	if (job->child.in_fd >= 0)
		fds[n++] =
		    (struct pollfd){.fd = job->child.in_fd, .events = POLLOUT};
	if (job->child.err_fd >= 0)
		fds[n++] =
		    (struct pollfd){.fd = job->child.err_fd, .events = POLLIN};
	if (job->child.out_fd >= 0)
		fds[n++] =
		    (struct pollfd){.fd = job->child.out_fd, .events = POLLIN};
	return n;
}

int64_t
exec_job_due_us(const struct exec_job *job)
{
	if (job->drained_us != 0)
		return job->drained_us;
	if (job->kill_us == INT64_MAX)
		return 0;
	return job->kill_us != 0 ? job->kill_us : job->timeout_us;
}

/* ---- telling ---------------------------------------------------------- */

void
exec_job_add_how(const struct exec_job *job, struct buf *out)
{
	if (job->reason == EXEC_TIMED_OUT) {
		buf_add_str(out, "no end within ");
		text_add_seconds(
		    out, (double)(job->timeout_us - job->begun_us) / 1e6);
		if (job->was_killed)
			buf_add_str(out, ", killed");
		return;
	}
	if (job->reason == EXEC_STOPPED)
		buf_add_str(out, "worker stopped, ");
	if (job->by_signal)
		buf_addf(out, "signal %d, %s", job->code, strsignal(job->code));
	else
		buf_addf(out, "exit %d", job->code);
}
