/*
 * Keeping what a worker holds: leases are extended at a third of their
 * length, and a heartbeat says that we live; see exec_priv.h. A task that is
 * not ours any more has its command ended.
 */

#include <stdlib.h>
#include <unistd.h>

#include "cli/exec_priv.h"
#include "cli/rows.h"
#include "core/arena.h"
#include "core/clock.h"
#include "core/version.h"

enum {
	ARENA_MAX = 64 << 20,
	BEAT_DEFAULT_MS = 20000,
	BEAT_MIN_MS = 100,
	TOGETHER_US = 200000, /* what is due soon goes along */
	HOST_MAX = 256
};

/* ---- extending -------------------------------------------------------- */

static bool
is_held(const struct exec_task *t)
{
	return t->job.is_busy && t->job.reason != EXEC_LOST;
}

int64_t
exec_extend_due_us(const struct exec *e)
{
	int64_t due = INT64_MAX;

	if (e->extend.due_us == INT64_MAX)
		return due;
	for (unsigned i = 0; i < e->plan->jobs; i++)
		if (is_held(&e->tasks[i]) && e->tasks[i].extend_us < due)
			due = e->tasks[i].extend_us;
	return due < e->extend.due_us ? e->extend.due_us : due;
}

static void
extend_refused(struct exec *e, struct span id, const struct cli_error *error)
{
	struct buf text;

	for (unsigned i = 0; i < e->plan->jobs; i++) {
		struct exec_task *t = &e->tasks[i];

		if (!t->is_extending || !is_held(t) || !span_is(id, t->id))
			continue;
		buf_init(&text, EXEC_TEXT_MAX);
		cli_add_error(&text, error);
		cli_say("%s: %.*s: its command is ended", t->id,
		    SPAN_ARG(buf_span(&text)));
		buf_clear(&text);
		exec_job_end(&t->job, EXEC_LOST);
	}
}

/* False when it is no answer of an extend. */
static bool
extend_apply(struct exec *e, struct span body)
{
	static const struct row_field list[] = {{"refused", false}};
	static const struct row_field fields[] = {
	    {"id", false}, {"error", true}};
	struct arena *a = arena_new(ARENA_MAX);
	int64_t now = clock_mono_us_fresh();
	struct cli_error error;
	struct span refused, f[2];
	struct scan s;
	bool ok = row_read_all(body, a, list, 1, &refused);

	scan_init(&s, ok ? refused : SPAN(""));
	ok = ok && scan_array(&s);
	while (ok && scan_item(&s)) {
		ok = row_read(&s, a, fields, 2, f) &&
		     cli_read_error_object(f[1], a, &error);
		if (ok)
			extend_refused(e, f[0], &error);
	}
	ok = ok && scan_end(&s) == ERR_OK;
	for (unsigned i = 0; i < e->plan->jobs && ok; i++)
		if (e->tasks[i].is_extending)
			e->tasks[i].extend_us = now + e->tasks[i].lease_us / 3;
	arena_free(a);
	return ok;
}

static void
extend_on_answer(const struct wire_result *result, void *arg)
{
	struct exec *e = arg;

	e->extend.call = NULL;
	if (exec_reached(e, result)) {
		e->extend.due_us = 0;
		if (result->answer.status == 200) {
			if (!extend_apply(e, result->answer.body))
				exec_fail(e, cli_bad_answer(
						 e->c, "expected an extend's"));
		} else if (!exec_is_busy(e, &e->extend, &result->answer)) {
			/* The leases go on as they are. */
			e->extend.due_us = INT64_MAX;
		}
	}
	for (unsigned i = 0; i < e->plan->jobs; i++)
		e->tasks[i].is_extending = false;
}

void
exec_extend_send(struct exec *e)
{
	int64_t now = clock_mono_us_fresh();
	struct buf *body = &e->extend.body;
	const char *mark = "";

	if (e->extend.call != NULL || exec_extend_due_us(e) > now ||
	    now < e->away_until_us)
		return;
	buf_reset(body, EXEC_TEXT_MAX);
	buf_addf(body, "{\"worker\":\"%s\",\"ids\":[", e->plan->worker);
	for (unsigned i = 0; i < e->plan->jobs; i++) {
		struct exec_task *t = &e->tasks[i];

		if (!is_held(t) || t->extend_us > now + TOGETHER_US)
			continue;
		t->is_extending = true;
		buf_add_str(body, mark);
		buf_add_json(body, span_of(t->id));
		mark = ",";
	}
	buf_add_char(body, ']');
	if (e->plan->lease_ms > 0)
		buf_addf(body, ",\"lease_s\":%llu.%03u",
		    (unsigned long long)(e->plan->lease_ms / 1000),
		    (unsigned)(e->plan->lease_ms % 1000));
	buf_add_char(body, '}');
	exec_post(
	    e, &e->extend, exec_path_of(e, "extend"), 0, extend_on_answer);
}

/* ---- heartbeats ------------------------------------------------------- */

/* A third of what the server waits for one. */
static uint64_t
beat_every_ms(struct span body)
{
	static const struct row_field fields[] = {{"timeout_s", false}};
	struct arena *a = arena_new(ARENA_MAX);
	struct span timeout;
	double ms = 0;

	if (row_read_all(body, a, fields, 1, &timeout))
		ms = strtod(arena_printf(a, "%.*s", SPAN_ARG(timeout)), NULL) *
		     1000 / 3;
	arena_free(a);
	if (ms <= 0 || ms > BEAT_DEFAULT_MS)
		return BEAT_DEFAULT_MS;
	return ms < BEAT_MIN_MS ? BEAT_MIN_MS : (uint64_t)ms;
}

static void
beat_on_answer(const struct wire_result *result, void *arg)
{
	struct exec *e = arg;

	e->beat.call = NULL;
	if (!exec_reached(e, result))
		return;
	if (result->answer.status == 200)
		e->beat.due_us = exec_in_us(beat_every_ms(result->answer.body));
	else if (!exec_is_busy(e, &e->beat, &result->answer))
		e->beat.due_us = INT64_MAX;
}

void
exec_beat_send(struct exec *e)
{
	int64_t now = clock_mono_us_fresh();
	struct buf *body = &e->beat.body;
	char host[HOST_MAX] = "";
	const char *mark = "";

	if (e->beat.call != NULL || e->beat.due_us > now ||
	    now < e->away_until_us)
		return;
	(void)gethostname(host, sizeof(host) - 1);
	buf_reset(body, EXEC_TEXT_MAX);
	buf_addf(body, "{\"pid\":%ld,\"version\":\"schedctl %.32s\",\"host\":",
	    (long)getpid(), version_text());
	buf_add_json(body, span_of(host));
	buf_add_str(body, ",\"running\":[");
	for (unsigned i = 0; i < e->plan->jobs; i++) {
		if (!is_held(&e->tasks[i]))
			continue;
		buf_add_str(body, mark);
		buf_add_json(body, span_of(e->tasks[i].id));
		mark = ",";
	}
	buf_add_str(body, "]}");
	buf_reset(&e->path, EXEC_PATH_MAX);
	buf_add_str(&e->path, "/v1/workers/");
	client_add_segment(&e->path, span_of(e->plan->worker));
	buf_add_str(&e->path, "/heartbeat");
	exec_post(e, &e->beat, cli_path(&e->path), 0, beat_on_answer);
}
