/* /v1/workers: heartbeats, the list, forgetting one. */

#include "http/api.h"

enum { VERSION_MAX = 64, HOST_MAX = 255 };

static store_workers_cb list_on_read;
static store_count_cb remove_on_done;

/* ---- heartbeat -------------------------------------------------------- */

static bool
beat_read_load(struct body *b, void *into)
{
	double load;

	(void)into;
	if (!body_number(b, &load))
		return false;
	return (load >= 0 && load <= 1e6) ||
	       body_refuse(b, ERR_FIELD_RANGE, "a number from 0 to 1000000");
}

static bool
beat_read_version(struct body *b, void *into)
{
	struct span text;

	(void)into;
	return body_text(b, &text) &&
	       (text.len <= VERSION_MAX ||
		   body_refuse(b, ERR_FIELD_RANGE, "at most 64 bytes"));
}

static bool
beat_read_host(struct body *b, void *into)
{
	struct span text;

	(void)into;
	return body_text(b, &text) &&
	       (text.len <= HOST_MAX ||
		   body_refuse(b, ERR_FIELD_RANGE, "at most 255 bytes"));
}

static bool
beat_read_pid(struct body *b, void *into)
{
	uint64_t pid;

	(void)into;
	return body_whole(b, 1, UINT32_MAX, &pid);
}

static bool
beat_read_id(struct body *b, void *into)
{
	struct span id;

	(void)into;
	return body_id(b, &id);
}

static bool
beat_read_running(struct body *b, void *into)
{
	uint64_t count;

	if (scan_peek(&b->scan) == SCAN_NUMBER)
		return body_whole(b, 0, 1000000, &count);
	if (scan_peek(&b->scan) != SCAN_ARRAY)
		return body_refuse_type(b, "a number or a list of ids");
	return body_list(b, BODY_IDS_MAX, beat_read_id, into);
}

/* clang-format off */
static const struct body_field beat_fields[] = {
	{"load",    beat_read_load,    false},
	{"version", beat_read_version, false},
	{"running", beat_read_running, false},
	{"pid",     beat_read_pid,     false},
	{"host",    beat_read_host,    false},
};
/* clang-format on */

enum err
body_read_heartbeat(struct body *b, struct span *details)
{
	unsigned seen = 0;
	struct body whole = *b;

	*details = SPAN("");
	if (body_object(b, beat_fields, COUNT_OF(beat_fields), NULL, &seen) &&
	    seen != 0)
		(void)scan_skip(&whole.scan, details);
	return body_end(b);
}

void
api_workers_heartbeat(struct req *req)
{
	struct span details = SPAN("");
	struct body b;

	api_body(req, &b);
	if (req_body(req).len > 0 &&
	    body_read_heartbeat(&b, &details) != ERR_OK) {
		api_refuse(req, &b);
		return;
	}
	store_worker_seen(req_store(req), req_param(req, "worker"),
	    req_peer(req), true, details);
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
	buf_add_char(out, '}');
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
	}
	buf_add_str(out, "]}");
	req_reply(req, 200);
}

/* ---- forgetting one --------------------------------------------------- */

void
api_workers_remove(struct req *req)
{
	store_worker_remove(
	    req_store(req), req_param(req, "worker"), remove_on_done, req);
}

static void
remove_on_done(enum err err, uint64_t count, void *arg)
{
	struct req *req = arg;
	struct buf *out = req_out(req);

	if (err != ERR_OK) {
		req_fail(req, err);
		return;
	}
	buf_add_str(out, "{\"name\":");
	buf_add_json(out, req_param(req, "worker"));
	buf_addf(out, ",\"reclaimed\":%llu,\"removed\":true}",
	    (unsigned long long)count);
	req_reply(req, 200);
}
