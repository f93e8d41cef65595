/*
 * The loop of a worker, and how it ends; see exec.h. Everything that waits is
 * in one poll: signals, the server, the pipes and ends of commands.
 *
 * Asked to stop, it takes nothing any more and lets what runs go on for the
 * grace time; then commands are told to end. Asked once more, they are
 * killed. What was not finished goes back to the queue as failed: the API
 * has no other way, so that this costs an attempt. Reports that the server
 * does not take stay in the spool.
 */

#include "cli/exec.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "cli/exec_priv.h"
#include "core/arena.h"
#include "core/clock.h"

enum {
	FDS_MAX = 2 + EXEC_JOBS_MAX * EXEC_JOB_FDS,
	POLL_MAX_MS = 60000,
	AWAY_MIN_MS = 200,
	AWAY_MAX_MS = 5000,
	FLUSH_MS = 5000, /* for the last reports */
	TELL_EVERY_US = 60000000
};

int64_t
exec_in_us(uint64_t ms)
{
	return clock_mono_us_fresh() + (int64_t)ms * 1000;
}

/* ---- the server ------------------------------------------------------- */

const char *
exec_path_of(struct exec *e, const char *verb)
{
	buf_reset(&e->path, EXEC_PATH_MAX);
	buf_add_str(&e->path, "/v1/queues/");
	client_add_segment(&e->path, span_of(e->plan->queue));
	buf_addf(&e->path, "/%s", verb);
	return cli_path(&e->path);
}

void
exec_post(struct exec *e, struct exec_call *call, const char *path,
    uint64_t wait_ms, wire_cb *cb)
{
	struct client_request request = {.method = "POST",
	    .path = path,
	    .body = buf_span(&call->body),
	    .wait_ms = wait_ms};

	ASSERT(!call->body.failed);
	call->call = wire_send(e->wire, &request, cb, e);
}

bool
exec_reached(struct exec *e, const struct wire_result *result)
{
	uint64_t ms = AWAY_MIN_MS;

	if (result->err == ERR_OK) {
		if (e->is_away && !e->c->quiet)
			cli_say(
			    "%s is reached again", client_server(e->c->client));
		e->is_away = false;
		e->was_reached = true;
		e->away_tries = 0;
		e->away_until_us = 0;
		return true;
	}
	if (!e->is_away) {
		client_copy_why(e->c->client, result->via);
		cli_say("cannot reach %s: %s; going on trying",
		    client_server(e->c->client), client_why(result->via));
	}
	e->is_away = true;
	/* Of several that failed together the first one counts. */
	if (clock_mono_us_fresh() < e->away_until_us)
		return false;
	for (unsigned i = 0; i < e->away_tries && ms < AWAY_MAX_MS; i++)
		ms *= 2;
	e->away_tries++;
	e->away_until_us = exec_in_us(ms < AWAY_MAX_MS ? ms : AWAY_MAX_MS);
	return false;
}

/* Not each time: a server that is busy says so often. */
static void
tell_busy(
    struct exec *e, struct exec_call *call, const struct client_answer *answer)
{
	int64_t now = clock_mono_us_fresh();
	struct arena *a = arena_new(EXEC_TEXT_MAX);
	struct cli_error error;
	struct buf text;

	buf_init(&text, EXEC_TEXT_MAX);
	if (!e->c->quiet &&
	    (call->told_us == 0 || now - call->told_us > TELL_EVERY_US) &&
	    cli_read_error(answer->body, a, &error)) {
		call->told_us = now;
		cli_add_error(&text, &error);
		cli_say("waiting: %.*s", SPAN_ARG(buf_span(&text)));
	}
	buf_clear(&text);
	arena_free(a);
}

bool
exec_is_busy(
    struct exec *e, struct exec_call *call, const struct client_answer *answer)
{
	uint64_t wait_s = answer->retry_after_s;

	if (answer->status != 408 && answer->status != 429 &&
	    answer->status < 500) {
		(void)cli_refused(e->c, answer);
		return false;
	}
	tell_busy(e, call, answer);
	call->due_us = exec_in_us(wait_s > 0 ? wait_s * 1000 : 1000);
	return true;
}

/* ---- ending ----------------------------------------------------------- */

void
exec_finish(struct exec *e)
{
	e->is_over = true;
	if (e->take.call == NULL)
		return;
	/* The server notices, and what it was about to hand out goes back. */
	wire_break(e->take.call);
	e->take.call = NULL;
}

void
exec_fail(struct exec *e, enum cli_exit why)
{
	if (e->stop == CLI_DONE)
		e->stop = why;
	exec_finish(e);
}

/* Every command that runs. */
static void
end_all(struct exec *e, bool at_once)
{
	for (unsigned i = 0; i < e->plan->jobs; i++) {
		struct exec_job *job = &e->tasks[i].job;

		if (job->is_busy && at_once)
			exec_job_kill(job, EXEC_STOPPED);
		else if (job->is_busy)
			exec_job_end(job, EXEC_STOPPED);
	}
}

static void
exec_on_signal(struct exec *e)
{
	unsigned count = signals_take(&e->signals);

	if (count == 0)
		return;
	if (e->signal_count == 0) {
		exec_finish(e);
		e->is_stopping = true;
		e->grace_until_us = exec_in_us(e->plan->grace_ms);
		if (e->running > 0 && !e->c->quiet)
			cli_say("stopping: %u commands run and have %g s; once "
				"more kills them",
			    e->running, (double)e->plan->grace_ms / 1000);
	}
	if (e->signal_count + count > 1)
		end_all(e, true);
	e->signal_count += count;
}

/* The last reports get a moment, where there is hope for them. */
static bool
may_flush(struct exec *e)
{
	if (exec_report_is_empty(e) || e->is_away || e->signal_count > 2 ||
	    e->report.due_us == INT64_MAX)
		return false;
	if (e->flush_until_us == 0)
		e->flush_until_us = exec_in_us(FLUSH_MS);
	return clock_mono_us_fresh() < e->flush_until_us;
}

static bool
exec_is_ended(struct exec *e)
{
	return e->is_over && e->running == 0 && !may_flush(e);
}

/* ---- the loop --------------------------------------------------------- */

/* Everything that is due. */
static void
exec_act(struct exec *e)
{
	if (e->grace_until_us != 0 &&
	    clock_mono_us_fresh() >= e->grace_until_us) {
		e->grace_until_us = 0;
		end_all(e, false);
	}
	exec_report_send(e);
	exec_extend_send(e);
	exec_beat_send(e);
	exec_take_send(e);
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return b < a ? b : a;
}

/* The same, where 0 stands for never. */
static int64_t
earlier_if(int64_t a, int64_t b)
{
	return b == 0 ? a : earlier(a, b);
}

/* When the next request is to be made. */
static int64_t
calls_due_us(const struct exec *e)
{
	int64_t due = exec_take_due_us(e);

	if (e->extend.call == NULL)
		due = earlier(due, exec_extend_due_us(e));
	if (e->beat.call == NULL)
		due = earlier(due, e->beat.due_us);
	if (e->report.call == NULL && !exec_report_is_empty(e))
		due = earlier(due, e->report.due_us);
	/* While the server is away it is not tried all the time. */
	return due < e->away_until_us ? e->away_until_us : due;
}

static int
exec_wait_ms(const struct exec *e)
{
	int64_t due = calls_due_us(e), left;
	int ms = wire_wait_ms(e->wire);

	due = earlier_if(due, e->grace_until_us);
	due = earlier_if(due, e->flush_until_us);
	for (unsigned i = 0; i < e->plan->jobs; i++)
		if (e->tasks[i].job.is_busy)
			due =
			    earlier_if(due, exec_job_due_us(&e->tasks[i].job));
	if (due == INT64_MAX)
		return ms;
	left = (due - clock_mono_us_fresh() + 999) / 1000;
	if (left < 0)
		left = 0;
	if (left > POLL_MAX_MS)
		left = POLL_MAX_MS;
	return ms >= 0 && ms < left ? ms : (int)left;
}

static void
exec_loop(struct exec *e)
{
	struct pollfd fds[FDS_MAX];
	nfds_t n;

	for (;;) {
		exec_act(e);
		if (exec_is_ended(e))
			break;
		fds[0] = (struct pollfd){.fd = e->signals.fd, .events = POLLIN};
		fds[1] =
		    (struct pollfd){.fd = wire_fd(e->wire), .events = POLLIN};
		n = 2 + exec_task_fds(e, fds + 2);
		(void)poll(fds, n, exec_wait_ms(e));
		clock_refresh();
		exec_task_turn(e, fds + 2);
		/* Before a signal breaks off the take: tasks that are here
		 * already are ours, and better worked on than forgotten. */
		wire_turn(e->wire);
		if (fds[0].revents != 0)
			exec_on_signal(e);
	}
}

/* ---- the whole -------------------------------------------------------- */

static void
exec_open(struct exec *e)
{
	buf_init(&e->path, EXEC_PATH_MAX);
	buf_init(&e->take.body, EXEC_BODY_MAX);
	buf_init(&e->extend.body, EXEC_BODY_MAX);
	buf_init(&e->beat.body, EXEC_BODY_MAX);
	buf_init(&e->report.body, EXEC_BODY_MAX);
	e->tasks = xcalloc(e->plan->jobs, sizeof(*e->tasks));
	for (unsigned i = 0; i < e->plan->jobs; i++) {
		e->tasks[i].exec = e;
		exec_job_init(&e->tasks[i].job);
	}
	e->wire = wire_open(e->c->client);
	signals_open(&e->signals);
	e->idle_us = clock_mono_us_fresh();
}

static void
exec_close(struct exec *e)
{
	signals_close(&e->signals);
	wire_close(e->wire);
	spool_close(e->spool);
	for (unsigned i = 0; i < e->plan->jobs; i++)
		exec_job_clear(&e->tasks[i].job);
	free(e->tasks);
	buf_clear(&e->path);
	buf_clear(&e->take.body);
	buf_clear(&e->extend.body);
	buf_clear(&e->beat.body);
	buf_clear(&e->report.body);
	free(e);
}

static enum cli_exit
exec_result(const struct exec *e)
{
	if (e->stop != CLI_DONE)
		return e->stop;
	if (e->is_away)
		return CLI_UNREACHABLE;
	if (e->lost > 0 || !exec_report_is_empty(e))
		return CLI_PARTLY;
	return CLI_DONE;
}

enum cli_exit
exec_run(struct cli *c, const struct exec_plan *plan)
{
	struct exec *e = xcalloc(1, sizeof(*e));
	enum cli_exit result;

	e->c = c;
	e->plan = plan;
	exec_open(e);
	result = exec_report_open(e);
	if (result == CLI_DONE) {
		exec_tell_begin(e);
		exec_loop(e);
		exec_tell_sums(e);
		result = exec_result(e);
	}
	exec_close(e);
	return result;
}
