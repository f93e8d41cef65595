/* What a worker says: a line for each task on stderr, or with --json one
 * object a line on stdout; see exec_priv.h. */

#include <stdio.h>

#include "cli/exec_priv.h"
#include "cli/text.h"
#include "core/clock.h"

void
exec_tell_begin(const struct exec *e)
{
	if (!e->c->quiet)
		cli_say("worker %s takes from '%s' at %s; Ctrl-C stops it",
		    e->plan->worker, e->plan->queue,
		    client_server(e->c->client));
}

static double
seconds_of(const struct exec_task *t)
{
	/* One that was not started took no time. */
	if (t->job.begun_us == 0)
		return 0;
	return (double)(clock_mono_us_fresh() - t->job.begun_us) / 1e6;
}

static void
write_json(struct exec *e, const struct exec_task *t, const char *outcome,
    struct span error)
{
	struct buf out;

	buf_init(&out, EXEC_TEXT_MAX);
	buf_add_str(&out, "{\"id\":");
	buf_add_json(&out, span_of(t->id));
	buf_addf(&out, ",\"attempt\":%llu,\"outcome\":\"%s\",\"took_s\":%.3f",
	    (unsigned long long)t->attempt, outcome, seconds_of(t));
	if (error.len > 0) {
		buf_add_str(&out, ",\"error\":");
		buf_add_json(&out, error);
	}
	buf_add_char(&out, '}');
	cli_write_json(e->c, buf_span(&out));
	buf_clear(&out);
	/* Who read it has gone: what runs may end. */
	if (fflush(stdout) != 0)
		exec_finish(e);
}

void
exec_tell_task(struct exec *e, const struct exec_task *t, const char *outcome,
    struct span error)
{
	struct buf took;

	if (e->c->json)
		write_json(e, t, outcome, error);
	if (e->c->quiet || e->c->json)
		return;
	buf_init(&took, EXEC_TEXT_MAX);
	text_add_seconds(&took, seconds_of(t));
	if (error.len > 0)
		cli_say("%s: %s after %.*s: %.*s", t->id, outcome,
		    SPAN_ARG(buf_span(&took)), SPAN_ARG(error));
	else
		cli_say("%s: %s after %.*s", t->id, outcome,
		    SPAN_ARG(buf_span(&took)));
	buf_clear(&took);
}

void
exec_tell_sums(const struct exec *e)
{
	size_t kept = exec_report_count(e);

	if (!e->c->quiet)
		cli_say("finished %llu, failed %llu (%llu now dead), lost %llu",
		    (unsigned long long)e->finished,
		    (unsigned long long)e->failed, (unsigned long long)e->dead,
		    (unsigned long long)e->lost);
	if (kept > 0)
		cli_say("%zu reports are kept in %s, for the next start", kept,
		    spool_file(e->spool));
}
