/* /v1/queues/{queue}/tasks and below: list, show, remove. */

#include "http/api.h"
#include "http/audit.h"

enum {
	LIMIT_DEFAULT = 100,
	LIMIT_MAX = 1000,
	WHAT_MAX = 1024 /* of an audit entry */
};

static store_page_cb list_on_read;
static store_task_cb get_on_read;
static audit_go_fn remove_on_begun;
static store_task_cb remove_on_done;

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
	buf_add_str(out, ",\"failed_at\":");
	api_add_time(out, task->failed_at);
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

/* A text to look for, empty when it is absent. */
static bool
query_match(
    struct req *req, const char *name, const char *expected, struct span *match)
{
	*match = SPAN("");
	if (!req_query(req, name, match) || match_is_valid(*match))
		return true;
	req_failf(req, ERR_FIELD_RANGE,
	    "query '%s': expected %s of 1-255 bytes", name, expected);
	return false;
}

static bool
query_older(struct req *req, struct store_filter *f)
{
	struct span text;
	struct body b;

	f->has_age = req_query(req, "older_s", &text);
	if (!f->has_age)
		return true;
	body_init(&b, req_arena(req), text);
	if (body_seconds(
		&b, 0, UINT64_C(1000) * SET_OLDER_MAX_S, &f->older_ms) &&
	    body_end(&b) == ERR_OK)
		return true;
	req_failf(req, ERR_FIELD_RANGE,
	    "query 'older_s': expected a number of seconds from 0 to %d",
	    SET_OLDER_MAX_S);
	return false;
}

static bool
query_worker(struct req *req, struct span *worker)
{
	*worker = SPAN("");
	if (!req_query(req, "worker", worker) || name_is_valid(*worker))
		return true;
	req_failf(req, ERR_WORKER_NAME_BAD,
	    "query 'worker': expected 1-64 characters of A-Za-z0-9._:@-");
	return false;
}

static bool
query_filter(struct req *req, struct store_filter *f)
{
	const char *states, *misfit;

	if (!query_state(req, &f->state) ||
	    !query_match(req, "match", "a glob", &f->match) ||
	    !query_match(req, "error_match", "a text", &f->error_match) ||
	    !query_older(req, f) || !query_worker(req, &f->worker))
		return false;
	misfit = filter_misfit(f, &states);
	if (misfit == NULL)
		return true;
	req_failf(req, ERR_FIELD_CONFLICT,
	    "query '%s': expected with state %s only", misfit, states);
	return false;
}

void
api_tasks_list(struct req *req)
{
	struct store_filter filter = {0};
	struct span after;
	uint64_t limit;

	if (!query_filter(req, &filter) ||
	    !api_query_u64(req, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &limit))
		return;
	if (!req_query(req, "after", &after))
		after = SPAN("");
	store_task_list(req_store(req), req_param(req, "queue"), &filter, after,
	    (uint32_t)limit, list_on_read, req);
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
	buf_addf(out, ",\"seen\":%llu}", (unsigned long long)page->looked);
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

static void
remove_describe(struct buf *what, const struct req *req)
{
	api_add_member(what, "queue", req_param(req, "queue"));
	buf_add_char(what, ',');
	api_add_member(what, "id", req_param(req, "id"));
}

void
api_tasks_remove(struct req *req)
{
	struct buf what;

	buf_init(&what, WHAT_MAX);
	remove_describe(&what, req);
	audit_begin(req, "task.remove", buf_span(&what), remove_on_begun, req);
	buf_clear(&what);
}

static void
remove_on_begun(void *arg)
{
	struct req *req = arg;

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
	remove_describe(&what, req);
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
