/* Sets of tasks: retry, purge. */

#include "http/api.h"

#include <stdio.h>

#include "http/audit.h"

enum {
	WHAT_MAX = 1000 * 1024, /* of an audit entry */
	IDS_TOLD = 100          /* in one; further ones have the rest */
};

struct set {
	struct req *req;
	enum set_verb verb;
	struct set_body body;
};

static store_act_cb set_on_done;
static audit_go_fn set_on_begun;

static const char *
set_action(const struct set *set)
{
	return set->verb == SET_PURGE ? "tasks.purge" : "tasks.retry";
}

/* What the audit trail is told of it. */
static void
set_describe(struct buf *what, const struct set *set)
{
	const struct store_filter *f = &set->body.filter;

	api_add_member(what, "queue", req_param(set->req, "queue"));
	buf_addf(what, ",\"state\":\"%s\"", task_state_name(f->state));
	if (f->match.len > 0) {
		buf_add_char(what, ',');
		api_add_member(what, "match", f->match);
	}
	if (f->error_match.len > 0) {
		buf_add_char(what, ',');
		api_add_member(what, "error_match", f->error_match);
	}
	if (f->has_age) {
		buf_add_str(what, ",\"older_s\":");
		api_add_seconds(what, f->older_ms);
	}
	if (f->worker.len > 0) {
		buf_add_char(what, ',');
		api_add_member(what, "worker", f->worker);
	}
}

static void
set_add_ids(
    struct buf *what, const struct store_filter *f, size_t from, size_t end)
{
	if (f->ids == NULL)
		return;
	buf_addf(what, ",\"id_count\":%zu,\"ids\":[", f->id_count);
	for (size_t i = from; i < end; i++) {
		if (i > from)
			buf_add_char(what, ',');
		buf_add_json(what, f->ids[i]);
	}
	buf_add_char(what, ']');
}

/* With the last ids; those before them get entries of their own. */
static void
set_tell(struct set *set, const struct audit_end *end, uint64_t count)
{
	const struct store_filter *f = &set->body.filter;
	size_t parts = f->id_count / IDS_TOLD + (f->id_count % IDS_TOLD > 0);
	struct buf what;

	buf_init(&what, WHAT_MAX);
	for (size_t i = 1; i <= parts || i == 1; i++) {
		size_t last = i < parts ? i * IDS_TOLD : f->id_count;

		buf_reset(&what, SIZE_MAX);
		set_describe(&what, set);
		buf_addf(&what, ",\"count\":%llu", (unsigned long long)count);
		if (parts > 1)
			buf_addf(
			    &what, ",\"part\":%zu,\"parts\":%zu", i, parts);
		set_add_ids(&what, f, (i - 1) * IDS_TOLD, last);
		if (i < parts)
			audit_part(set->req, end, buf_span(&what));
	}
	audit_end(set->req, end, buf_span(&what));
	buf_clear(&what);
}

static void
set_start(struct req *req, enum set_verb verb)
{
	struct set *set = req_alloc(req, sizeof(*set));
	struct buf what;
	struct body b;

	set->req = req;
	set->verb = verb;
	api_body(req, &b);
	if (body_read_set(&b, &set->body, verb) != ERR_OK) {
		api_refuse(req, &b);
		return;
	}
	if (set->body.dry_run) {
		set_on_begun(set);
		return;
	}
	buf_init(&what, WHAT_MAX);
	set_describe(&what, set);
	set_add_ids(&what, &set->body.filter, 0, set->body.filter.id_count);
	audit_begin(req, set_action(set), buf_span(&what), set_on_begun, set);
	buf_clear(&what);
}

static void
set_on_begun(void *arg)
{
	struct set *set = arg;
	struct store_action action = {0};

	action.act = set->verb == SET_RETRY ? STORE_RETRY : STORE_PURGE;
	action.dry_run = set->body.dry_run;
	action.whole = !set->body.is_partial;
	action.limit = set->body.limit;
	action.after = set->body.after;
	store_act_on(req_store(set->req), req_param(set->req, "queue"), &action,
	    &set->body.filter, set_on_done, set);
}

void
api_tasks_retry(struct req *req)
{
	set_start(req, SET_RETRY);
}

void
api_tasks_purge(struct req *req)
{
	set_start(req, SET_PURGE);
}

static void
set_answer(struct set *set, const struct store_acted *acted)
{
	struct buf *out = req_out(set->req);

	buf_addf(out, "{\"count\":%llu,\"dry_run\":%s,\"after\":",
	    (unsigned long long)acted->count,
	    set->body.dry_run ? "true" : "false");
	api_add_text(out, acted->after);
	buf_addf(out, ",\"seen\":%llu}", (unsigned long long)acted->looked);
}

/* Nothing was asked of Redis, or nothing was changed. */
static bool
set_end_unchanged(struct set *set, enum err err)
{
	if (err == ERR_FIELD_RANGE)
		req_failf(set->req, err,
		    "field 'after': expected what an answer to the same "
		    "request gave");
	else if (set->body.dry_run && err != ERR_OK)
		req_fail(set->req, err);
	else if (set->body.dry_run)
		req_reply(set->req, 200);
	else
		return false;
	return true;
}

static void
set_on_done(enum err err, const struct store_acted *acted, void *arg)
{
	struct set *set = arg;
	struct audit_end end = {set_action(set), 200, err, false, NULL};
	char detail[64];

	if (err == ERR_OK)
		set_answer(set, acted);
	if (set_end_unchanged(set, err))
		return;
	if (err != ERR_OK && acted->count > 0) {
		snprintf(detail, sizeof(detail),
		    "after %llu tasks were acted on",
		    (unsigned long long)acted->count);
		end.is_partly = true;
		end.detail = arena_dup(req_arena(set->req), span_of(detail));
	}
	set_tell(set, &end, acted->count);
}
