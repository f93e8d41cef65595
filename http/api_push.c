/* POST /v1/queues/{queue}/tasks: push one task or up to 1,000. */

#include "http/api.h"

#include "core/clock.h"
#include "http/task_log.h"

struct push {
	struct req *req;
	struct push_body body;
};

struct push_counts {
	size_t queued, exists, refused;
	bool one_reason; /* all that were refused: for the same error */
};

static store_push_cb push_on_stored;

void
api_push(struct req *req)
{
	struct push *p = req_alloc(req, sizeof(*p));
	struct body b;

	p->req = req;
	p->body.now_ms = clock_now_ms();
	api_body(req, &b);
	if (body_read_push(&b, &p->body) != ERR_OK)
		api_refuse(req, &b);
	else
		store_push(req_store(req), req_param(req, "queue"),
		    p->body.tasks, p->body.count, push_on_stored, p);
}

static struct push_counts
push_count(const struct store_pushed *results, size_t n)
{
	struct push_counts c = {.one_reason = true};

	for (size_t i = 0; i < n; i++) {
		if (results[i].err != ERR_OK)
			c.refused++;
		else if (results[i].known != TASK_GONE)
			c.exists++;
		else
			c.queued++;
		if (results[i].err != results[0].err)
			c.one_reason = false;
	}
	return c;
}

/* Nothing was stored, for one reason: the request fails with it. */
static void
push_refuse(struct push *p, enum err err)
{
	struct span queue = req_param(p->req, "queue");

	if (err == ERR_PAYLOAD_TOO_LARGE)
		req_failf(p->req, err,
		    "field 'payload': expected at most max_payload bytes of "
		    "queue '%.*s'; nothing was stored",
		    SPAN_ARG(queue));
	else if (err == ERR_QUEUE_FULL)
		req_failf(p->req, err,
		    "queue '%.*s' holds max_tasks live tasks; nothing was "
		    "stored",
		    SPAN_ARG(queue));
	else
		req_fail(p->req, err);
}

static void
push_print_task(
    struct buf *out, struct span id, const struct store_pushed *result)
{
	buf_add_str(out, "{\"id\":");
	buf_add_json(out, id);
	if (result->err != ERR_OK) {
		buf_add_str(out, ",\"status\":\"refused\",\"error\":");
		err_print_json(out, result->err, SPAN(""));
	} else if (result->known == TASK_GONE) {
		buf_add_str(out, ",\"status\":\"queued\"");
	} else {
		buf_add_str(out, ",\"status\":\"exists\",\"state\":\"");
		buf_add_str(out, task_state_name(result->known));
		buf_add_char(out, '"');
	}
	buf_add_char(out, '}');
}

static void
push_on_stored(
    enum err err, const struct store_pushed *results, size_t n, void *arg)
{
	struct push *p = arg;
	struct push_counts c;
	struct buf *out;

	if (err != ERR_OK) {
		req_fail(p->req, err);
		return;
	}
	if (task_log_is_on())
		task_log_pushed(p->req, &p->body, results);
	c = push_count(results, n);
	if (c.refused == n && c.one_reason) {
		push_refuse(p, results[0].err);
		return;
	}
	out = req_out(p->req);
	buf_add_str(out, "{\"queued\":");
	buf_add_u64(out, c.queued);
	buf_add_str(out, ",\"exists\":");
	buf_add_u64(out, c.exists);
	buf_add_str(out, ",\"refused\":");
	buf_add_u64(out, c.refused);
	buf_add_str(out, ",\"tasks\":[");
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		push_print_task(out, p->body.tasks[i].id, &results[i]);
	}
	buf_add_str(out, "]}");
	req_reply(p->req, c.queued > 0 ? 201 : 200);
}
