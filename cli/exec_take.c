/*
 * A worker's tasks: asks for as many as there are commands to run, starts a
 * command for each, and says what became of it; see exec_priv.h. A take that
 * is not answered is repeated with the same request id, so that what it was
 * given is not lost to us.
 */

#define _GNU_SOURCE /* environ */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/exec_priv.h"
#include "cli/rows.h"
#include "core/arena.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/rfc3339.h"

enum {
	ARENA_MAX = 1 << 30,
	LONG_POLL_MS = 30000,
	FIRST_POLL_MS = 1000,
	PAUSED_MS = 2000,
	NO_ROOM_MS = 5000, /* the machine has no processes to give */
	LEASE_MIN_US = 1000000
};

/* ---- starting --------------------------------------------------------- */

static struct exec_task *
find_free(struct exec *e)
{
	for (unsigned i = 0; i < e->plan->jobs; i++)
		if (!e->tasks[i].job.is_busy)
			return &e->tasks[i];
	return NULL;
}

static bool
is_running(const struct exec *e, const char *id)
{
	for (unsigned i = 0; i < e->plan->jobs; i++)
		if (e->tasks[i].job.is_busy && strcmp(e->tasks[i].id, id) == 0)
			return true;
	return false;
}

/* What the command is told of its task, beside our own environment. */
struct environment {
	char **all;
	char *own[4];
};

static char *
assignment(const char *name, const char *value)
{
	size_t size = strlen(name) + strlen(value) + 2;
	char *text = xcalloc(size, 1);

	(void)snprintf(text, size, "%s=%s", name, value);
	return text;
}

static void
environment_build(struct environment *env, const struct exec_task *t)
{
	const struct exec_plan *plan = t->exec->plan;
	char attempt[24];
	size_t n = 0, count = 0;

	(void)snprintf(
	    attempt, sizeof(attempt), "%llu", (unsigned long long)t->attempt);
	env->own[0] = assignment("SCHED_TASK_ID", t->id);
	env->own[1] = assignment("SCHED_ATTEMPT", attempt);
	env->own[2] = assignment("SCHED_QUEUE", plan->queue);
	env->own[3] = assignment("SCHED_WORKER", plan->worker);
	while (environ[count] != NULL)
		count++;
	env->all = xcalloc(count + COUNT_OF(env->own) + 1, sizeof(*env->all));
	for (size_t i = 0; i < COUNT_OF(env->own); i++)
		env->all[n++] = env->own[i];
	/* Of two with one name the first counts, mostly: so there is one. */
	for (size_t i = 0; i < count; i++)
		if (strncmp(environ[i], "SCHED_", 6) != 0)
			env->all[n++] = environ[i];
}

static void
environment_clear(struct environment *env)
{
	for (size_t i = 0; i < COUNT_OF(env->own); i++)
		free(env->own[i]);
	free(env->all);
}

static void
set_input(struct exec_task *t, struct arena *a, struct span payload)
{
	struct span text = payload;

	if (t->exec->plan->raw && payload.len >= 2 && payload.p[0] == '"' &&
	    !scan_unescape(
		a, (struct span){payload.p + 1, payload.len - 2}, &text))
		text = payload;
	buf_reset(&t->job.in, EXEC_TEXT_MAX);
	buf_add_span(&t->job.in, text);
}

/* The command did not even start: the task goes back. */
static void
task_not_started(struct exec_task *t, enum exec_spawned got, struct span why)
{
	struct exec *e = t->exec;

	exec_report_failed(e, t, why, true);
	exec_tell_task(e, t, "failed", why);
	if (got == EXEC_NO_ROOM) {
		e->take.due_us = exec_in_us(NO_ROOM_MS);
		return;
	}
	/* It would be so for every other task. */
	cli_say("%.*s", SPAN_ARG(why));
	exec_fail(e, CLI_REFUSED);
}

static void
task_start(struct exec_task *t, struct arena *a, struct span payload)
{
	struct exec *e = t->exec;
	struct exec_command cmd = {.argv = e->plan->argv,
	    .mask = &e->signals.before,
	    .wants_out = e->plan->wants_result};
	struct environment env;
	enum exec_spawned got;
	struct buf why;

	set_input(t, a, payload);
	environment_build(&env, t);
	cmd.envp = env.all;
	buf_init(&why, EXEC_TEXT_MAX);
	t->job.begun_us = 0;
	got = exec_job_start(&t->job, &cmd, e->plan->timeout_ms, &why);
	if (got == EXEC_RUNS)
		e->running++;
	else
		task_not_started(t, got, buf_span(&why));
	buf_clear(&why);
	environment_clear(&env);
}

/* ---- the answer ------------------------------------------------------- */

/* How long the lease is by the server's own clock. */
static int64_t
lease_length_us(
    const struct exec *e, struct span until, const struct client_answer *answer)
{
	int64_t until_ms, us = (int64_t)e->plan->lease_ms * 1000;

	if (us == 0 && rfc3339_parse(until, &until_ms))
		us = (until_ms - (answer->date_ms != 0 ? answer->date_ms
						       : clock_now_ms())) *
		     1000;
	return us < LEASE_MIN_US ? LEASE_MIN_US : us;
}

/* One task of an answer. False when it is none. */
static bool
take_one(struct exec *e, const struct span *f, struct arena *a,
    const struct client_answer *answer)
{
	struct exec_task *t = find_free(e);
	uint64_t attempt;

	if (!id_is_valid(f[0]) || !scan_to_u64(f[1], &attempt) || t == NULL)
		return false;
	memcpy(t->id, f[0].p, f[0].len);
	t->id[f[0].len] = '\0';
	t->attempt = attempt;
	t->is_extending = false;
	t->lease_us = lease_length_us(e, f[2], answer);
	t->extend_us = clock_mono_us_fresh() + t->lease_us / 3;
	/* It may be ours for the second time, while the first one runs or its
	 * report is on the way. */
	if (is_running(e, t->id) || exec_report_settle(e, t->id))
		return true;
	e->taken++;
	task_start(t, a, f[3]);
	return true;
}

static bool
take_all(struct exec *e, struct span list, struct arena *a,
    const struct client_answer *answer, size_t *count)
{
	static const struct row_field fields[] = {{"id", false},
	    {"attempt", false}, {"lease_until", false}, {"payload", true}};
	struct span f[4];
	struct scan s;

	*count = 0;
	scan_init(&s, list);
	if (!scan_array(&s))
		return false;
	while (scan_item(&s)) {
		if (!row_read(&s, a, fields, 4, f) ||
		    !take_one(e, f, a, answer))
			return false;
		++*count;
	}
	return scan_end(&s) == ERR_OK;
}

static int64_t
idle_end_us(const struct exec *e)
{
	return e->idle_us + (int64_t)e->plan->wait_ms * 1000;
}

/* Nothing came. */
static void
take_nothing(struct exec *e, bool is_paused)
{
	if (is_paused) {
		if (!e->is_told_paused && !e->c->quiet)
			cli_say("the queue is paused");
		e->take.due_us = exec_in_us(PAUSED_MS);
	}
	e->is_told_paused = is_paused;
	if (e->plan->has_wait && clock_mono_us_fresh() >= idle_end_us(e))
		exec_finish(e);
}

static void
take_apply(struct exec *e, const struct client_answer *answer)
{
	static const struct row_field fields[] = {
	    {"tasks", false}, {"paused", false}};
	struct arena *a = arena_new(ARENA_MAX);
	struct span f[2];
	size_t count = 0;

	e->request_id[0] = '\0';
	e->has_asked = true;
	e->take.due_us = 0;
	if (!row_read_all(answer->body, a, fields, 2, f) ||
	    !take_all(e, f[0], a, answer, &count)) {
		exec_fail(e, cli_bad_answer(e->c, "expected tasks"));
	} else if (count == 0) {
		take_nothing(e, span_is(f[1], "true"));
	} else {
		e->idle_us = clock_mono_us_fresh();
		e->is_told_paused = false;
	}
	if (e->plan->count > 0 && e->taken >= e->plan->count)
		exec_finish(e);
	arena_free(a);
}

static void
take_on_answer(const struct wire_result *result, void *arg)
{
	struct exec *e = arg;

	e->take.call = NULL;
	if (!exec_reached(e, result))
		return;
	if (result->answer.status == 200)
		take_apply(e, &result->answer);
	else if (!exec_is_busy(e, &e->take, &result->answer))
		exec_fail(e, CLI_REFUSED);
}

/* ---- asking ----------------------------------------------------------- */

static uint64_t
wanted(const struct exec *e)
{
	uint64_t n = e->plan->jobs - e->running;
	uint64_t left = e->plan->count - e->taken;

	return e->plan->count > 0 && left < n ? left : n;
}

int64_t
exec_take_due_us(const struct exec *e)
{
	if (e->take.call != NULL || e->is_over || e->is_replaying ||
	    wanted(e) == 0)
		return INT64_MAX;
	return e->take.due_us;
}

static uint64_t
take_wait_ms(const struct exec *e)
{
	/* The first one soon says how things are. */
	int64_t max_ms = e->has_asked ? LONG_POLL_MS : FIRST_POLL_MS;
	int64_t left_ms = max_ms;

	if (e->plan->has_wait)
		left_ms = (idle_end_us(e) - clock_mono_us_fresh()) / 1000;
	if (left_ms < 0)
		return 0;
	return (uint64_t)(left_ms < max_ms ? left_ms : max_ms);
}

static void
take_build(struct exec *e, uint64_t wait_ms)
{
	struct buf *body = &e->take.body;

	if (e->request_id[0] == '\0')
		id_make(e->request_id);
	buf_reset(body, EXEC_TEXT_MAX);
	buf_addf(body,
	    "{\"worker\":\"%s\",\"request_id\":\"%s\",\"count\":%llu",
	    e->plan->worker, e->request_id, (unsigned long long)wanted(e));
	buf_addf(body, ",\"wait_s\":%llu.%03u",
	    (unsigned long long)(wait_ms / 1000), (unsigned)(wait_ms % 1000));
	if (e->plan->lease_ms > 0)
		buf_addf(body, ",\"lease_s\":%llu.%03u",
		    (unsigned long long)(e->plan->lease_ms / 1000),
		    (unsigned)(e->plan->lease_ms % 1000));
	buf_add_char(body, '}');
}

void
exec_take_send(struct exec *e)
{
	int64_t now = clock_mono_us_fresh();
	uint64_t wait_ms;

	/* A server that is away gives no work either. */
	if (e->is_away && e->plan->has_wait && e->running == 0 &&
	    now >= idle_end_us(e))
		exec_finish(e);
	if (exec_take_due_us(e) > now || now < e->away_until_us)
		return;
	wait_ms = take_wait_ms(e);
	take_build(e, wait_ms);
	exec_post(
	    e, &e->take, exec_path_of(e, "take"), wait_ms, take_on_answer);
}

/* ---- the end of a command --------------------------------------------- */

/* What is on stdout, if it is one JSON value; else nothing, and told. */
static struct span
find_result(const struct exec_task *t)
{
	struct span out = buf_span(&t->job.out), value = SPAN("");
	struct scan s;

	if (!t->exec->plan->wants_result ||
	    (out.len == 0 && !t->job.out_is_cut))
		return SPAN("");
	scan_init(&s, out);
	(void)scan_skip(&s, &value);
	if (scan_end(&s) == ERR_OK && !t->job.out_is_cut)
		return value;
	cli_say("%s: stdout is %s, and no result", t->id,
	    t->job.out_is_cut ? "larger than 64 KiB" : "not one JSON value");
	return SPAN("");
}

static void
task_failed(struct exec_task *t)
{
	const struct exec_job *job = &t->job;
	bool retry = job->by_signal || job->reason != EXEC_BY_ITSELF ||
		     !t->exec->plan->is_dead_exit[job->code & 255];
	struct buf how, error;

	buf_init(&how, EXEC_TEXT_MAX);
	buf_init(&error, EXEC_TEXT_MAX);
	exec_job_add_how(job, &how);
	exec_error_add(&error, buf_span(&how), &job->err);
	exec_report_failed(t->exec, t, buf_span(&error), retry);
	exec_tell_task(t->exec, t, retry ? "failed" : "dead", buf_span(&error));
	buf_clear(&how);
	buf_clear(&error);
}

static void
task_on_end(struct exec_task *t)
{
	struct exec *e = t->exec;
	const struct exec_job *job = &t->job;

	e->running--;
	if (job->reason == EXEC_LOST) {
		e->lost++;
		exec_tell_task(e, t, "lost", SPAN("its lease was lost"));
	} else if (job->reason == EXEC_BY_ITSELF && !job->by_signal &&
		   job->code == 0) {
		exec_report_finished(e, t, find_result(t));
		exec_tell_task(e, t, "finished", SPAN(""));
	} else {
		task_failed(t);
	}
}

nfds_t
exec_task_fds(const struct exec *e, struct pollfd *fds)
{
	nfds_t n = 0;

	for (unsigned i = 0; i < e->plan->jobs; i++)
		if (e->tasks[i].job.is_busy)
			n += exec_job_fds(&e->tasks[i].job, fds + n);
	return n;
}

void
exec_task_turn(struct exec *e, const struct pollfd *fds)
{
	struct pollfd own[EXEC_JOB_FDS];
	int64_t now = clock_mono_us_fresh(), due;

	for (unsigned i = 0; i < e->plan->jobs; i++) {
		struct exec_task *t = &e->tasks[i];
		bool is_due;
		nfds_t n;

		if (!t->job.is_busy)
			continue;
		due = exec_job_due_us(&t->job);
		is_due = due != 0 && due <= now;
		n = exec_job_fds(&t->job, own);
		for (nfds_t k = 0; k < n; k++)
			is_due = is_due || fds[k].revents != 0;
		fds += n;
		if (is_due && exec_job_turn(&t->job))
			task_on_end(t);
	}
}
