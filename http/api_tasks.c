/* /v1/queues/{queue}/tasks and below, and the sets of tasks: list, show,
 * remove, retry, purge. */

#include <stdio.h>

#include "http/api.h"
#include "http/audit.h"

enum {
	LIMIT_DEFAULT = 100,
	LIMIT_MAX = 1000,
	WHAT_MAX = 64 * 1024, /* of an audit entry */
	IDS_TOLD = 100        /* in it */
};

struct set {
	struct req *req;
	enum set_verb verb;
	struct set_body body;
};

static store_page_cb list_on_read;
static store_task_cb get_on_read;
static store_task_cb remove_on_done;
static store_count_cb set_on_done;

/* ---- answers ---------------------------------------------------------- */

/* What a list shows of a task, without the closing brace. */
static void
add_task(struct buf *out, const struct store_task_info *task)
{
	buf_add_str(out, "{\"id\":");
	buf_add_json(out, task->id);
	buf_addf(out, ",\"state\":\"%s\",\"priority\":\"%s\",\"pushed_at\":",
	    task_state_name(task->state), lane_name(task->lane));
	api_add_time(out, task->pushed_at);
	buf_add_str(out, ",\"due_at\":");
	api_add_time(out, task->due_at);
	buf_add_str(out, ",\"taken_at\":");
	api_add_time(out, task->taken_at);
	buf_addf(out, ",\"attempts\":%llu,\"max_attempts\":%llu,\"worker\":",
	    (unsigned long long)task->attempts,
	    (unsigned long long)task->max_attempts);
	api_add_text(out, task->worker);
	buf_add_str(out, ",\"error\":");
	api_add_text(out, task->error);
}

/* ---- a page ----------------------------------------------------------- */

/* The state of the query, todo when it is absent. */
static bool
query_state(struct req *req, enum task_state *state)
{
	struct span name;

	*state = TASK_TODO;
	if (!req_query(req, "state", &name))
		return true;
	if (task_state_parse(name, state) && *state != TASK_GONE)
		return true;
	req_failf(req, ERR_STATE_UNKNOWN,
	    "query 'state': expected todo, delayed, doing, failed, finish "
	    "or dead");
	return false;
}

static bool
query_match(struct req *req, struct span *match)
{
	*match = SPAN("");
	if (!req_query(req, "match", match) || match_is_valid(*match))
		return true;
	req_failf(req, ERR_FIELD_RANGE,
	    "query 'match': expected a glob of 1-255 bytes");
	return false;
}

void
api_tasks_list(struct req *req)
{
	struct span after, match;
	enum task_state state;
	uint64_t limit;

	if (!query_state(req, &state) ||
	    !api_query_u64(req, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &limit) ||
	    !query_match(req, &match))
		return;
	if (!req_query(req, "after", &after))
		after = SPAN("");
	store_task_list(req_store(req), req_param(req, "queue"), state, match,
	    after, (uint32_t)limit, list_on_read, req);
}

static void
list_on_read(enum err err, const struct store_page *page, void *arg)
{
	struct req *req = arg;
	struct buf *out = req_out(req);

	if (err == ERR_FIELD_RANGE) {
		req_failf(req, err,
		    "query 'after': expected what the page before it gave");
		return;
	}
	if (err != ERR_OK) {
		req_fail(req, err);
		return;
	}
	buf_add_str(out, "{\"tasks\":[");
	for (size_t i = 0; i < page->n; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		add_task(out, &page->tasks[i]);
		buf_add_char(out, '}');
	}
	buf_add_str(out, "],\"after\":");
	api_add_text(out, page->after);
	buf_add_char(out, '}');
	req_reply(req, 200);
}

/* ---- one task --------------------------------------------------------- */

void
api_tasks_get(struct req *req)
{
	store_task_get(req_store(req), req_param(req, "queue"),
	    req_param(req, "id"), get_on_read, req);
}

static void
get_on_read(enum err err, const struct store_task_info *task, void *arg)
{
	struct req *req = arg;
	struct buf *out = req_out(req);

	if (err != ERR_OK) {
		req_fail(req, err);
		return;
	}
	add_task(out, task);
	buf_add_str(out, ",\"result\":");
	api_add_raw(out, task->result);
	buf_add_str(out, ",\"payload\":");
	api_add_raw(out, task->payload);
	buf_add_char(out, '}');
	req_reply(req, 200);
}

void
api_tasks_remove(struct req *req)
{
	store_task_remove(req_store(req), req_param(req, "queue"),
	    req_param(req, "id"), remove_on_done, req);
}

static void
remove_on_done(enum err err, const struct store_task_info *task, void *arg)
{
	struct req *req = arg;
	struct audit_end end = {"task.remove", 200, err, false, NULL};
	struct buf *out = req_out(req), what;

	buf_init(&what, WHAT_MAX);
	api_add_member(&what, "queue", req_param(req, "queue"));
	buf_add_char(&what, ',');
	api_add_member(&what, "id", req_param(req, "id"));
	if (err == ERR_OK) {
		buf_addf(
		    &what, ",\"state\":\"%s\"", task_state_name(task->state));
		buf_add_str(out, "{\"id\":");
		buf_add_json(out, task->id);
		buf_addf(out, ",\"state\":\"%s\",\"removed\":true}",
		    task_state_name(task->state));
	}
	audit_end(req, &end, buf_span(&what));
	buf_clear(&what);
}

/* ---- sets of tasks ---------------------------------------------------- */

static void
set_start(struct req *req, enum set_verb verb)
{
	struct set *set = req_alloc(req, sizeof(*set));
	struct store_filter filter = {0};
	struct body b;

	set->req = req;
	set->verb = verb;
	api_body(req, &b);
	if (body_read_set(&b, &set->body, verb) != ERR_OK) {
		api_refuse(req, &b);
		return;
	}
	filter.state = set->body.state;
	filter.ids = set->body.ids;
	filter.id_count = set->body.id_count;
	filter.match = set->body.match;
	filter.dry_run = set->body.dry_run;
	store_act_on(req_store(req), req_param(req, "queue"),
	    verb == SET_RETRY ? STORE_RETRY : STORE_PURGE, &filter, set_on_done,
	    set);
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

/* What the audit trail is told of it. */
static void
set_describe(struct buf *what, const struct set *set, uint64_t count)
{
	const struct set_body *body = &set->body;

	api_add_member(what, "queue", req_param(set->req, "queue"));
	buf_addf(what, ",\"state\":\"%s\",\"count\":%llu,",
	    task_state_name(body->state), (unsigned long long)count);
	if (body->ids == NULL) {
		api_add_member(what, "match", body->match);
		return;
	}
	buf_addf(what, "\"id_count\":%zu,\"ids\":[", body->id_count);
	for (size_t i = 0; i < body->id_count && i < IDS_TOLD; i++) {
		if (i > 0)
			buf_add_char(what, ',');
		buf_add_json(what, body->ids[i]);
	}
	buf_add_char(what, ']');
}

static void
set_on_done(enum err err, uint64_t count, void *arg)
{
	struct set *set = arg;
	bool is_purge = set->verb == SET_PURGE;
	struct audit_end end = {
	    is_purge ? "tasks.purge" : "tasks.retry", 200, err, false, NULL};
	char detail[64];
	struct buf what;

	if (err == ERR_OK)
		buf_addf(req_out(set->req), "{\"count\":%llu,\"dry_run\":%s}",
		    (unsigned long long)count,
		    set->body.dry_run ? "true" : "false");
	if (set->body.dry_run) {
		if (err == ERR_OK)
			req_reply(set->req, 200);
		else
			req_fail(set->req, err);
		return;
	}
	if (err != ERR_OK && count > 0) {
		snprintf(detail, sizeof(detail),
		    "after %llu tasks were acted on",
		    (unsigned long long)count);
		end.is_partly = true;
		end.detail = arena_dup(req_arena(set->req), span_of(detail));
	}
	buf_init(&what, WHAT_MAX);
	set_describe(&what, set, count);
	audit_end(set->req, &end, buf_span(&what));
	buf_clear(&what);
}
