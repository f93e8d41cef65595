/*
 * A worker's reports; see exec_priv.h. Each is in the spool, on disk, before
 * it is sent, and until the server has taken it: so it outlives a server that
 * is away, and us. Those of an earlier run go before anything is taken, as
 * they could otherwise meet the same task in its next attempt.
 */

#include "cli/exec_priv.h"
#include "cli/rows.h"
#include "core/arena.h"
#include "core/clock.h"

enum {
	ARENA_MAX = 64 << 20,
	BODY_BYTES = 4 << 20, /* of one request, about */
	REPORTS_MAX = 1000    /* and so many of them */
};

/* ---- adding ----------------------------------------------------------- */

static void
add_record(struct exec *e, const struct exec_task *t, const char *kind,
    struct span item)
{
	struct buf text;

	buf_init(&text, EXEC_BODY_MAX);
	buf_add_str(&text, "{\"server\":");
	buf_add_json(&text, span_of(client_server(e->c->client)));
	buf_addf(&text,
	    ",\"queue\":\"%s\",\"worker\":\"%s\",\"kind\":\"%s\",\"id\":",
	    e->plan->queue, e->plan->worker, kind);
	buf_add_json(&text, span_of(t->id));
	buf_add_str(&text, ",\"item\":");
	buf_add_span(&text, item);
	buf_add_char(&text, '}');
	/* A record is a line. In JSON a line break is a blank. */
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] == '\n' || text.data[i] == '\r')
			text.data[i] = ' ';
	(void)spool_add(e->spool, buf_span(&text));
	e->has_unsaved = true;
	buf_clear(&text);
}

void
exec_report_finished(
    struct exec *e, const struct exec_task *t, struct span result)
{
	struct buf item;

	buf_init(&item, EXEC_BODY_MAX);
	buf_add_str(&item, "{\"id\":");
	buf_add_json(&item, span_of(t->id));
	if (result.len > 0) {
		buf_add_str(&item, ",\"result\":");
		buf_add_span(&item, result);
	}
	buf_add_char(&item, '}');
	add_record(e, t, "finished", buf_span(&item));
	buf_clear(&item);
}

void
exec_report_failed(
    struct exec *e, const struct exec_task *t, struct span error, bool retry)
{
	struct buf item;

	buf_init(&item, EXEC_BODY_MAX);
	buf_add_str(&item, "{\"id\":");
	buf_add_json(&item, span_of(t->id));
	buf_add_str(&item, ",\"error\":");
	buf_add_json(&item, error);
	if (!retry)
		buf_add_str(&item, ",\"retry\":false");
	buf_add_char(&item, '}');
	add_record(e, t, "failed", buf_span(&item));
	buf_clear(&item);
}

bool
exec_report_settle(struct exec *e, const char *id)
{
	struct arena *a = arena_new(ARENA_MAX);
	struct list *pos, *tmp;
	struct span f[REPORT_FIELDS];
	bool is_finished = false;
	size_t at = 0;

	LIST_FOREACH_SAFE (pos, tmp, spool_records(e->spool)) {
		struct spool_record *r = exec_record_of(pos);

		bool is_under_way = at++ < e->reporting;

		if (!exec_record_read(r, a, f) || !span_is(f[REPORT_ID], id))
			continue;
		if (span_is(f[REPORT_KIND], "finished")) {
			is_finished = true;
		} else if (!is_under_way) {
			/* The failure was taken, or its lease is over: it
			 * would be taken for that of this attempt. */
			spool_done(e->spool, r);
			e->has_unsaved = true;
		}
	}
	arena_free(a);
	return is_finished;
}

size_t
exec_report_count(const struct exec *e)
{
	struct list *pos;
	size_t count = 0;

	LIST_FOREACH (pos, spool_records(e->spool))
		count++;
	return count;
}

bool
exec_report_is_empty(const struct exec *e)
{
	return e->spool == NULL || list_is_empty(spool_records(e->spool));
}

/* ---- answers ---------------------------------------------------------- */

static void
save(struct exec *e)
{
	struct buf why;

	buf_init(&why, EXEC_TEXT_MAX);
	if (spool_save(e->spool, &why) == ERR_OK) {
		e->has_unsaved = e->is_told_unsaved = false;
	} else if (!e->is_told_unsaved) {
		e->is_told_unsaved = true;
		cli_say("%.*s: reports are in memory only",
		    SPAN_ARG(buf_span(&why)));
	}
	buf_clear(&why);
}

/* The reports that were under way are taken, or refused one by one. */
static void
drop_reported(struct exec *e)
{
	for (; e->reporting > 0; e->reporting--)
		spool_done(
		    e->spool, exec_record_of(spool_records(e->spool)->next));
	save(e);
	if (exec_report_is_empty(e)) {
		e->is_replaying = false;
		e->one_by_one = false;
	}
}

/* Is that the report of a failure, of those under way? */
static bool
is_failure(struct exec *e, struct arena *a, struct span id)
{
	struct list *pos = spool_records(e->spool)->next;
	struct span f[REPORT_FIELDS];

	for (size_t n = e->reporting; n > 0; n--, pos = pos->next)
		if (exec_record_read(exec_record_of(pos), a, f) &&
		    span_eq(f[REPORT_ID], id))
			return span_is(f[REPORT_KIND], "failed");
	return false;
}

static void
say_refused(struct exec *e, struct arena *a, struct span id,
    const struct cli_error *error)
{
	struct buf text;

	/* A failure that is reported once more, as the first answer was lost,
	 * is refused where the first was taken; a finish is not. */
	if (e->is_unsure && is_failure(e, a, id)) {
		if (!e->c->quiet)
			cli_say("%.*s: its failure was reported before",
			    SPAN_ARG(id));
		return;
	}
	e->lost++;
	buf_init(&text, EXEC_TEXT_MAX);
	cli_add_error(&text, error);
	cli_say("%.*s: its report is not taken: %.*s", SPAN_ARG(id),
	    SPAN_ARG(buf_span(&text)));
	buf_clear(&text);
}

static bool
read_refused(struct exec *e, struct span list, struct arena *a)
{
	static const struct row_field of_one[] = {
	    {"id", false}, {"error", true}};
	struct cli_error error;
	struct span f[2];
	struct scan s;
	bool ok;

	scan_init(&s, list);
	ok = scan_array(&s);
	while (ok && scan_item(&s)) {
		ok = row_read(&s, a, of_one, 2, f) &&
		     cli_read_error_object(f[1], a, &error);
		if (ok)
			say_refused(e, a, f[0], &error);
	}
	return ok && scan_end(&s) == ERR_OK;
}

static void
report_apply(struct exec *e, struct span body)
{
	static const struct row_field counts[] = {{"finished", false},
	    {"failed", false}, {"dead", false}, {"refused", false}};
	struct arena *a = arena_new(ARENA_MAX);
	uint64_t finished, failed, dead;
	struct span f[4];

	if (row_read_all(body, a, counts, 4, f) &&
	    scan_to_u64(f[0], &finished) && scan_to_u64(f[1], &failed) &&
	    scan_to_u64(f[2], &dead) && read_refused(e, f[3], a)) {
		e->finished += finished;
		e->failed += failed;
		e->dead += dead;
		drop_reported(e);
		e->is_unsure = e->is_replaying;
	} else {
		e->reporting = 0;
		e->report.due_us = INT64_MAX;
		exec_fail(e, cli_bad_answer(e->c, "expected a report's"));
	}
	arena_free(a);
}

/* 400 or 413: one of them is what the server does not take. */
static void
report_faulty(struct exec *e, const struct client_answer *answer)
{
	if (e->reporting > 1) {
		e->one_by_one = true;
		e->reporting = 0;
		return;
	}
	(void)cli_refused(e->c, answer);
	cli_say("this report is in %s.aside", spool_file(e->spool));
	spool_set_aside(
	    e->spool, exec_record_of(spool_records(e->spool)->next));
	e->reporting = 0;
	e->lost++;
	drop_reported(e);
}

static void
report_on_answer(const struct wire_result *result, void *arg)
{
	struct exec *e = arg;
	int status = result->answer.status;

	e->report.call = NULL;
	if (!exec_reached(e, result)) {
		e->reporting = 0;
		e->is_unsure = true;
		return;
	}
	if (status == 504)
		e->is_unsure = true;
	e->report.due_us = 0;
	if (status == 200) {
		report_apply(e, result->answer.body);
		return;
	}
	if (status == 400 || status == 413) {
		report_faulty(e, &result->answer);
		return;
	}
	e->reporting = 0;
	if (!exec_is_busy(e, &e->report, &result->answer)) {
		e->report.due_us = INT64_MAX;
		exec_fail(e, CLI_REFUSED);
	}
}

/* ---- sending ---------------------------------------------------------- */

struct lists {
	struct buf finished, failed;
};

static void
lists_add(struct lists *l, const struct span *f)
{
	struct buf *list =
	    span_is(f[REPORT_KIND], "finished") ? &l->finished : &l->failed;

	if (list->len > 0)
		buf_add_char(list, ',');
	buf_add_span(list, f[REPORT_ITEM]);
}

static bool
is_among(const struct span *ids, size_t n, struct span id)
{
	for (size_t i = 0; i < n; i++)
		if (span_eq(ids[i], id))
			return true;
	return false;
}

/* As many as go together, from the first on: of one worker, each id once. */
static size_t
collect(struct exec *e, struct arena *a, struct lists *l, struct span *worker)
{
	size_t max = e->one_by_one ? 1 : REPORTS_MAX, n = 0;
	struct span f[REPORT_FIELDS], ids[REPORTS_MAX];
	struct list *pos;

	LIST_FOREACH (pos, spool_records(e->spool)) {
		if (n == max || l->finished.len + l->failed.len > BODY_BYTES)
			break;
		/* Each was looked at before, or made here. */
		ASSERT(exec_record_read(exec_record_of(pos), a, f));
		if (n == 0)
			*worker = f[REPORT_WORKER];
		else if (!span_eq(*worker, f[REPORT_WORKER]) ||
			 is_among(ids, n, f[REPORT_ID]))
			break;
		ids[n++] = f[REPORT_ID];
		lists_add(l, f);
	}
	return n;
}

static void
report_build(struct exec *e)
{
	struct arena *a = arena_new(1 << 30);
	struct buf *body = &e->report.body;
	struct span worker = SPAN("");
	struct lists l;

	buf_init(&l.finished, EXEC_BODY_MAX);
	buf_init(&l.failed, EXEC_BODY_MAX);
	e->reporting = collect(e, a, &l, &worker);
	buf_reset(body, EXEC_TEXT_MAX);
	buf_addf(body, "{\"worker\":\"%.*s\",\"finished\":[", SPAN_ARG(worker));
	buf_add_span(body, buf_span(&l.finished));
	buf_add_str(body, "],\"failed\":[");
	buf_add_span(body, buf_span(&l.failed));
	buf_add_str(body, "]}");
	buf_clear(&l.finished);
	buf_clear(&l.failed);
	arena_free(a);
}

void
exec_report_send(struct exec *e)
{
	int64_t now = clock_mono_us_fresh();

	if (e->has_unsaved)
		save(e);
	if (e->report.call != NULL || exec_report_is_empty(e) ||
	    now < e->report.due_us || now < e->away_until_us)
		return;
	report_build(e);
	exec_post(
	    e, &e->report, exec_path_of(e, "report"), 0, report_on_answer);
}
