/* /v1/workers: heartbeats, the list, one and what it holds, forgetting one. */

#include "http/api.h"
#include "http/audit.h"

enum { WHAT_MAX = 1024 /* of an audit entry */ };

static store_done_cb heartbeat_on_noted;
static store_workers_cb list_on_read;
static store_worker_cb get_on_read;
static audit_go_fn remove_on_begun;
static store_count_cb remove_on_done;

/* ---- heartbeat -------------------------------------------------------- */

void
api_workers_heartbeat(struct req *req)
{
	struct store_worker worker;
	struct span details = SPAN("");
	struct body b;

	api_body(req, &b);
	if (req_body(req).len > 0 &&
	    body_read_heartbeat(&b, &details) != ERR_OK) {
		api_refuse(req, &b);
		return;
	}
	api_worker(req, req_param(req, "worker"), &worker);
	store_worker_heartbeat(
	    req_store(req), &worker, details, heartbeat_on_noted, req);
}

static void
heartbeat_on_noted(enum err err, void *arg)
{
	struct req *req = arg;

	if (err != ERR_OK) {
		req_fail(req, err);
		return;
	}
	buf_add_str(req_out(req), "{\"ok\":true,\"timeout_s\":");
	api_add_seconds(req_out(req), req_conf(req)->worker_timeout_ms);
	buf_add_char(req_out(req), '}');
	req_reply(req, 200);
}

/* ---- the list --------------------------------------------------------- */

void
api_workers_list(struct req *req)
{
	store_worker_list(req_store(req), list_on_read, req);
}

/* Without the closing brace. */
static void
add_worker(struct buf *out, const struct store_worker_info *worker)
{
	buf_add_str(out, "{\"name\":");
	buf_add_json(out, worker->name);
	buf_add_str(out, ",\"addr\":");
	api_add_text(out, worker->addr);
	buf_add_str(out, ",\"last_seen\":");
	api_add_time(out, worker->last_seen);
	buf_add_str(out, ",\"last_heartbeat\":");
	api_add_time(out, worker->last_heartbeat);
	buf_addf(out,
	    ",\"held\":%llu,\"details\":", (unsigned long long)worker->held);
	api_add_raw(out, worker->details);
}

static void
list_on_read(
    enum err err, const struct store_worker_info *workers, size_t n, void *arg)
{
	struct req *req = arg;
	struct buf *out = req_out(req);

	if (err != ERR_OK) {
		req_fail(req, err);
		return;
	}
	buf_add_str(out, "{\"workers\":[");
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		add_worker(out, &workers[i]);
		buf_add_char(out, '}');
	}
	buf_add_str(out, "]}");
	req_reply(req, 200);
}

/* ---- one -------------------------------------------------------------- */

void
api_workers_get(struct req *req)
{
	store_worker_get(
	    req_store(req), req_param(req, "worker"), get_on_read, req);
}

static void
add_hold(struct buf *out, const struct store_hold *hold)
{
	buf_add_str(out, "{\"queue\":");
	buf_add_json(out, hold->queue);
	buf_addf(
	    out, ",\"count\":%llu,\"ids\":[", (unsigned long long)hold->count);
	for (size_t i = 0; i < hold->id_count; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		buf_add_json(out, hold->ids[i]);
	}
	buf_add_str(out, "],\"oldest_taken_at\":");
	api_add_time(out, hold->oldest_at);
	buf_add_char(out, '}');
}

static void
get_on_read(enum err err, const struct store_worker_info *worker,
    const struct store_hold *holds, size_t n, void *arg)
{
	struct req *req = arg;
	struct buf *out = req_out(req);

	if (err != ERR_OK) {
		req_fail(req, err);
		return;
	}
	add_worker(out, worker);
	buf_add_str(out, ",\"holds\":[");
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		add_hold(out, &holds[i]);
	}
	buf_add_str(out, "]}");
	req_reply(req, 200);
}

/* ---- forgetting one --------------------------------------------------- */

void
api_workers_remove(struct req *req)
{
	struct buf what;

	buf_init(&what, WHAT_MAX);
	api_add_member(&what, "worker", req_param(req, "worker"));
	audit_begin(
	    req, "worker.remove", buf_span(&what), remove_on_begun, req);
	buf_clear(&what);
}

static void
remove_on_begun(void *arg)
{
	struct req *req = arg;

	store_worker_remove(
	    req_store(req), req_param(req, "worker"), remove_on_done, req);
}

static void
remove_on_done(enum err err, uint64_t count, void *arg)
{
	struct req *req = arg;
	struct audit_end end = {
	    "worker.remove", 200, err, err != ERR_OK && count > 0, NULL};
	struct buf *out = req_out(req), what;

	buf_init(&what, WHAT_MAX);
	api_add_member(&what, "worker", req_param(req, "worker"));
	buf_addf(&what, ",\"reclaimed\":%llu", (unsigned long long)count);
	if (err == ERR_OK) {
		buf_add_str(out, "{\"name\":");
		buf_add_json(out, req_param(req, "worker"));
		buf_addf(out, ",\"reclaimed\":%llu,\"removed\":true}",
		    (unsigned long long)count);
	}
	audit_end(req, &end, buf_span(&what));
	buf_clear(&what);
}
