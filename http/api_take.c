/*
 * POST /v1/queues/{queue}/take: hand tasks to a worker, waiting for them when
 * asked to, and take its report in the same round trip. Report and take are
 * sent in one turn and answered when both are in.
 */

#include "http/api.h"

#include <string.h>

#include "core/rfc3339.h"
#include "http/task_log.h"

/* Left free in the answer for the report's part and the closing braces. */
enum { REPORT_ROOM = 2 * 1024 * 1024, TASK_ROOM = 2 * ID_MAX_LEN + 128 };

struct take {
	struct req *req;
	struct work_body body;
	struct store_worker worker;
	struct store_take op;
	unsigned pending; /* answers of the store still to come */
	bool taken;       /* the take's answer is in */
	enum err take_err;
	enum err report_err;
	struct store_reported *reported; /* NULL until it is in */
	struct span *ids;                /* what was taken, copied */
	size_t id_count;
};

static store_report_cb take_on_reported;
static store_report_rows_cb take_on_rows;
static store_take_cb take_on_taken;
static req_gone_fn take_on_gone, take_on_lost;

static void
take_report_rows(struct store *store, struct take *t)
{
	const struct work_body *w = &t->body;
	const struct store_rows_report op = {t->op.queue, w->worker, w->items,
	    w->pieces, w->item_count, w->piece_count};

	store_report_rows(store, &op, take_on_rows, t);
}

static void
take_start(struct take *t)
{
	struct store *store = req_store(t->req);
	struct work_body *w = &t->body;

	api_worker(t->req, w->worker, &t->worker);
	store_worker_seen(store, &t->worker);
	t->op.queue = req_param(t->req, "queue");
	t->op.worker = w->worker;
	t->op.request_id = w->request_id;
	t->op.count = (uint32_t)w->count;
	t->op.lease_ms = w->lease_ms;
	t->op.wait_ms = w->wait_ms;
	t->op.cb = take_on_taken;
	t->op.arg = t;
	t->pending = w->item_count > 0 ? 2 : 1;
	req_on_gone(t->req, take_on_gone, t);
	if (w->piece_count > 0)
		take_report_rows(store, t);
	else if (w->item_count > 0)
		store_report(store, t->op.queue, w->worker, w->items,
		    w->item_count, take_on_reported, t);
	store_take(store, &t->op);
}

void
api_take(struct req *req)
{
	struct take *t = req_alloc(req, sizeof(*t));
	struct body b;

	t->req = req;
	api_body(req, &b);
	api_allow_rows(req, &b);
	if (body_read_take(&b, &t->body) != ERR_OK)
		api_refuse(req, &b);
	else
		take_start(t);
}

static void
take_on_gone(void *arg)
{
	struct take *t = arg;

	if (!t->taken)
		store_take_leave(req_store(t->req), &t->op);
}

/* ---- the end, when all answers are in --------------------------------- */

/* What was taken goes back: it cannot be delivered. */
static void
take_undo(struct take *t)
{
	if (task_log_is_on())
		task_log_returned(t->req, t->body.worker, t->ids, t->id_count);
	if (t->id_count > 0)
		store_untake(req_store(t->req), &t->op, t->ids, t->id_count);
}

static void
take_print_report(struct take *t)
{
	struct buf *out = req_out(t->req);

	buf_add_str(out, ",\"report\":");
	if (t->report_err == ERR_OK) {
		api_add_report(out, t->body.items, t->reported,
		    t->body.item_count, &t->body);
		return;
	}
	buf_add_str(out, "{\"error\":");
	err_print_json(out, t->report_err, SPAN(""));
	buf_add_char(out, '}');
}

/* The take failed. Whoever reported along with it learns whether that part
 * was stored. */
static void
take_fail(struct take *t)
{
	buf_reset(req_out(t->req), SIZE_MAX);
	if (t->body.item_count == 0)
		req_fail(t->req, t->take_err);
	else if (t->report_err == ERR_OK)
		req_failf(t->req, t->take_err,
		    "the report was taken, no tasks were handed out");
	else
		req_failf(t->req, t->take_err,
		    "the report was not taken either (E%03d %s)",
		    err_info(t->report_err)->number,
		    err_info(t->report_err)->name);
}

static void
take_end(struct take *t)
{
	struct buf *out = req_out(t->req);

	if (t->take_err == ERR_OK && t->body.has_report)
		take_print_report(t);
	if (t->take_err == ERR_OK)
		buf_add_char(out, '}');
	if (t->take_err == ERR_OK && out->failed)
		t->take_err = ERR_NO_MEMORY;
	if (req_is_gone(t->req))
		t->take_err = ERR_CLIENT_GONE;
	if (t->take_err != ERR_OK) {
		take_undo(t);
		take_fail(t);
	} else {
		if (task_log_is_on())
			task_log_taken(
			    t->req, t->body.worker, t->ids, t->id_count);
		req_on_lost(t->req, take_on_lost, t);
		req_reply(t->req, 200);
	}
}

static void
take_on_lost(void *arg)
{
	take_undo(arg);
}

/* One answer is in. */
static void
take_join(struct take *t)
{
	if (--t->pending == 0)
		take_end(t);
}

/* ---- the answers ------------------------------------------------------ */

/* The results end with the callback, the report's part is printed last. */
static void
take_on_reported(
    enum err err, const struct store_reported *results, size_t n, void *arg)
{
	struct take *t = arg;

	t->report_err = err;
	if (err == ERR_OK) {
		ASSERT(n == t->body.item_count);
		if (task_log_is_on())
			task_log_reported(t->req, &t->body, results);
		t->reported = req_alloc(t->req, n * sizeof(*results));
		memcpy(t->reported, results, n * sizeof(*results));
	}
	take_join(t);
}

static void
take_on_rows(enum err err, const struct store_reported *results, size_t n,
    struct channel *full, void *arg)
{
	(void)full;
	take_on_reported(err, results, n, arg);
}

/* Keeps the ids for take_undo. */
static bool
take_keep_ids(struct take *t, const struct store_taken *tasks, size_t n)
{
	struct arena *arena = req_arena(t->req);
	char *id;

	t->ids = arena_alloc(arena, (n + 1) * sizeof(*t->ids));
	if (t->ids == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		id = arena_dup(arena, tasks[i].id);
		if (id == NULL)
			return false;
		t->ids[i] = (struct span){id, tasks[i].id.len};
	}
	t->id_count = n;
	return true;
}

static void
take_print_task(
    struct buf *out, const struct store_taken *task, struct span lease_until)
{
	buf_add_str(out, "{\"id\":");
	buf_add_json(out, task->id);
	buf_add_str(out, ",\"payload\":");
	buf_add_span(out, task->payload);
	buf_add_str(out, ",\"attempt\":");
	buf_add_u64(out, task->attempt);
	buf_add_str(out, ",\"lease_until\":\"");
	buf_add_span(out, lease_until);
	buf_add_str(out, "\"}");
}

/* How many of the tasks an answer can hold. */
static size_t
take_fitting(struct req *req, const struct store_take_result *r)
{
	size_t room = req_out(req)->max - REPORT_ROOM, need, i;

	if (req_room(req) < room)
		room = (size_t)req_room(req);

	for (i = 0; i < r->n; i++) {
		need = r->tasks[i].payload.len + TASK_ROOM;
		if (need > room)
			break;
		room -= need;
	}
	return i;
}

/* The answer up to the report. What does not fit goes back at once. */
static void
take_print(struct take *t, const struct store_take_result *r)
{
	struct buf *out = req_out(t->req);
	size_t n = take_fitting(t->req, r);
	char until[RFC3339_LEN + 1];

	rfc3339_print(until, r->lease_until);
	buf_add_str(out, "{\"tasks\":[");
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		take_print_task(
		    out, &r->tasks[i], (struct span){until, RFC3339_LEN});
	}
	buf_add_char(out, ']');
	if (r->paused)
		buf_add_str(out, ",\"paused\":true");
	if (n == r->n)
		return;
	store_untake(req_store(t->req), &t->op, t->ids + n, r->n - n);
	t->id_count = n;
	if (n == 0)
		t->take_err = ERR_MEMORY_FULL;
}

static void
take_on_taken(const struct store_take_result *r, void *arg)
{
	struct take *t = arg;
	struct span id;

	if (r->n > 0)
		store_worker_took(req_store(t->req), &t->worker);
	t->taken = true;
	t->take_err = r->err;
	if (t->op.waited)
		req_set_waited(t->req);
	if (r->err == ERR_OK && take_keep_ids(t, r->tasks, r->n)) {
		take_print(t, r);
	} else if (r->err == ERR_OK) {
		t->take_err = ERR_NO_MEMORY;
		for (size_t i = 0; i < r->n; i++) {
			id = r->tasks[i].id;
			store_untake(req_store(t->req), &t->op, &id, 1);
		}
	}
	take_join(t);
}
