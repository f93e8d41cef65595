/* POST /v1/queues/{queue}/report and /extend: what a worker says about the
 * tasks it holds. */

#include "http/api.h"

#include "http/task_log.h"

struct report {
	struct req *req;
	struct work_body body;
};

static store_report_cb report_on_stored;
static store_report_rows_cb report_on_rows;
static store_extend_cb extend_on_stored;

void
api_add_report(struct buf *out, const struct store_report_item *items,
    const struct store_reported *results, size_t n, const struct work_body *w)
{
	size_t finished = 0, failed = 0, dead = 0;
	bool first = true;

	for (size_t i = 0; i < n; i++) {
		if (results[i].err != ERR_OK)
			continue;
		finished += !items[i].failed;
		failed += items[i].failed;
		dead += items[i].failed && results[i].dead;
	}
	buf_addf(out,
	    "{\"finished\":%zu,\"failed\":%zu,\"dead\":%zu,\"refused\":[",
	    finished, failed, dead);
	for (size_t i = 0; i < n; i++) {
		if (results[i].err == ERR_OK)
			continue;
		if (!first)
			buf_add_char(out, ',');
		first = false;
		api_add_refused(out, items[i].id, results[i].err);
	}
	buf_add_char(out, ']');
	if (w->piece_count > 0)
		api_add_pieces(out, w->pieces, w->piece_count);
	buf_add_char(out, '}');
}

/* ---- report ----------------------------------------------------------- */

void
api_report(struct req *req)
{
	struct report *r = req_alloc(req, sizeof(*r));
	struct work_body *w = &r->body;
	struct store_worker worker;
	struct body b;

	r->req = req;
	api_body(req, &b);
	api_allow_rows(req, &b);
	if (body_read_report(&b, w) != ERR_OK) {
		api_refuse(req, &b);
		return;
	}
	api_worker(req, w->worker, &worker);
	store_worker_seen(req_store(req), &worker);
	if (w->item_count == 0) {
		api_add_report(req_out(req), NULL, NULL, 0, w);
		req_reply(req, 200);
	} else if (w->piece_count > 0) {
		const struct store_rows_report op = {req_param(req, "queue"),
		    w->worker, w->items, w->pieces, w->item_count,
		    w->piece_count};

		store_report_rows(req_store(req), &op, report_on_rows, r);
	} else {
		store_report(req_store(req), req_param(req, "queue"), w->worker,
		    w->items, w->item_count, report_on_stored, r);
	}
}

static void
report_on_stored(
    enum err err, const struct store_reported *results, size_t n, void *arg)
{
	struct report *r = arg;

	if (err != ERR_OK) {
		req_fail(r->req, err);
		return;
	}
	ASSERT(n == r->body.item_count);
	if (task_log_is_on())
		task_log_reported(r->req, &r->body, results);
	api_add_report(req_out(r->req), r->body.items, results, n, &r->body);
	req_reply(r->req, 200);
}

static void
report_on_rows(enum err err, const struct store_reported *results, size_t n,
    struct channel *full, void *arg)
{
	struct report *r = arg;

	if (full != NULL)
		api_fail_full(r->req, full);
	else
		report_on_stored(err, results, n, arg);
}

/* ---- extend ----------------------------------------------------------- */

void
api_extend(struct req *req)
{
	struct report *r = req_alloc(req, sizeof(*r));
	struct work_body *w = &r->body;
	struct store_worker worker;
	struct body b;

	r->req = req;
	api_body(req, &b);
	if (body_read_extend(&b, w) != ERR_OK) {
		api_refuse(req, &b);
		return;
	}
	api_worker(req, w->worker, &worker);
	store_worker_seen(req_store(req), &worker);
	store_extend(req_store(req), req_param(req, "queue"), w->worker, w->ids,
	    w->id_count, w->lease_ms, extend_on_stored, r);
}

static void
extend_on_stored(enum err err, const struct store_reported *results, size_t n,
    int64_t lease_until, void *arg)
{
	struct report *r = arg;
	size_t extended = 0;
	bool first = true;
	struct buf *out;

	if (err != ERR_OK) {
		req_fail(r->req, err);
		return;
	}
	ASSERT(n == r->body.id_count);
	if (task_log_is_on())
		task_log_extended(r->req, &r->body, results);
	for (size_t i = 0; i < n; i++)
		extended += results[i].err == ERR_OK;
	out = req_out(r->req);
	buf_addf(out, "{\"extended\":%zu,\"lease_until\":", extended);
	api_add_time(out, extended > 0 ? lease_until : 0);
	buf_add_str(out, ",\"refused\":[");
	for (size_t i = 0; i < n; i++) {
		if (results[i].err == ERR_OK)
			continue;
		if (!first)
			buf_add_char(out, ',');
		first = false;
		api_add_refused(out, r->body.ids[i], results[i].err);
	}
	buf_add_str(out, "]}");
	req_reply(r->req, 200);
}
