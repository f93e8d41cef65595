/*
 * The end of a request: its answer's head, the error object, the access
 * line, the counts. See req.h.
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/metrics.h"
#include "http/conn.h"
#include "http/peers.h"
#include "http/req_priv.h"
#include "http/server_priv.h"

enum { DETAIL_MAX = 1024, PATH_SHOWN = 512 };

static const char *
status_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
	    {200, "OK"},
	    {201, "Created"},
	    {202, "Accepted"},
	    {204, "No Content"},
	    {304, "Not Modified"},
	    {400, "Bad Request"},
	    {401, "Unauthorized"},
	    {403, "Forbidden"},
	    {404, "Not Found"},
	    {405, "Method Not Allowed"},
	    {408, "Request Timeout"},
	    {409, "Conflict"},
	    {411, "Length Required"},
	    {413, "Content Too Large"},
	    {414, "URI Too Long"},
	    {415, "Unsupported Media Type"},
	    {417, "Expectation Failed"},
	    {429, "Too Many Requests"},
	    {431, "Request Header Fields Too Large"},
	    {499, "Client Closed Request"},
	    {500, "Internal Server Error"},
	    {501, "Not Implemented"},
	    {503, "Service Unavailable"},
	    {504, "Gateway Timeout"},
	    {505, "HTTP Version Not Supported"},
	    {507, "Insufficient Storage"},
	};

	for (size_t i = 0; i < COUNT_OF(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

/* ---- the head --------------------------------------------------------- */

static void
add_field(struct buf *head, const char *name, const char *value)
{
	buf_add_str(head, name);
	buf_add(head, ": ", 2);
	buf_add_str(head, value);
	buf_add(head, "\r\n", 2);
}

const struct recent *
server_recent(struct server *s, uint64_t ended[RECENT_CLASS_COUNT])
{
	static const enum recent_class classes[] = {
	    [2] = RECENT_2XX, [4] = RECENT_4XX, [5] = RECENT_5XX};

	memset(ended, 0, RECENT_CLASS_COUNT * sizeof(*ended));
	for (int status = 200; status < STATUS_MAX; status++)
		if (s->status_slots[status] != 0 && status / 100 != 3)
			ended[classes[status / 100]] +=
			    (uint64_t)metric_read_series(METRIC_HTTP_REQUESTS,
				s->status_slots[status] - 1);
	recent_turn(&s->recent, clock_mono_us(), ended);
	return &s->recent;
}

/* RFC 9110 6.6.1, written anew once a second. */
static const char *
server_date(struct server *s)
{
	uint64_t ended[RECENT_CLASS_COUNT];
	int64_t now_s = clock_now_ms() / 1000;
	time_t t = (time_t)now_s;
	struct tm tm;

	if (s->date_s == now_s && s->date[0] != '\0')
		return s->date;
	ASSERT(gmtime_r(&t, &tm) != NULL);
	strftime(s->date, sizeof(s->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	s->date_s = now_s;
	if (recent_is_over(&s->recent, clock_mono_us()))
		(void)server_recent(s, ended);
	return s->date;
}

/* Is it the answer to something that was changed, and on fewer machines than
 * was set? */
static bool
is_degraded(const struct req *req, int status)
{
	const struct route_match *m = &req->match;
	struct store *store = req->server->store;
	struct span queue = SPAN("");

	if (store == NULL || !store_is_degraded(store, queue) ||
	    status >= 300 || (req->method & (METHOD_GET | METHOD_HEAD)) != 0)
		return false;
	for (size_t i = 0; i < m->param_count; i++)
		if (span_is(m->params[i].name, "queue"))
			queue = m->params[i].value;
	return store_is_degraded(store, queue);
}

/* Fills req->head; empties req->out where no body may be sent. */
static void
answer_build(struct req *req, int status)
{
	struct buf *head = &req->head;
	bool has_content = status != 204 && status != 304;

	buf_add_str(head, "HTTP/1.1 ");
	buf_add_u64(head, (uint64_t)status);
	buf_add_char(head, ' ');
	buf_add_str(head, status_reason(status));
	buf_add_str(head, "\r\nDate: ");
	buf_add_str(head, server_date(req->server));
	if (has_content) {
		buf_add_str(head, "\r\nContent-Type: ");
		buf_add_str(head, req->type);
		buf_add_str(head, "\r\nContent-Length: ");
		buf_add_u64(head, req->out.len);
	}
	buf_add_str(head, "\r\nX-Request-Id: ");
	buf_add_str(head, req->id);
	buf_add_str(head, "\r\n");
	for (size_t i = 0; i < req->header_count; i++)
		add_field(head, req->headers[i].name, req->headers[i].value);
	if (is_degraded(req, status))
		add_field(head, "X-Durability", "disk");
	if (req->closes)
		add_field(head, "Connection", "close");
	else if (req->is_http10)
		add_field(head, "Connection", "keep-alive");
	buf_add(head, "\r\n", 2);
	ASSERT(!head->failed);
	if (!has_content || req->method == METHOD_HEAD)
		buf_reset(&req->out, SIZE_MAX);
}

/* ---- the books -------------------------------------------------------- */

static void
count_status(struct server *s, int status)
{
	unsigned *slot = &s->status_slots[status];
	char text[8];

	if (*slot == 0) {
		snprintf(text, sizeof(text), "%d", status);
		*slot = 1 + metric_series(METRIC_HTTP_REQUESTS, text);
	}
	metric_add_series(METRIC_HTTP_REQUESTS, *slot - 1, 1);
}

static void
count_seconds(struct req *req, int status, int64_t us)
{
	struct server *s = req->server;
	const struct route *route = req->match.route;
	size_t count, row;
	const struct route *table = routes_get(&count);
	unsigned *slot;

	row = route == NULL ? count : (size_t)(route - table);
	slot = &s->route_slots[row];
	if (*slot == 0)
		*slot = 1 + metric_series(METRIC_HTTP_SECONDS,
				route == NULL ? "none" : route->pattern);
	metric_observe(METRIC_HTTP_SECONDS, *slot - 1, (double)us / 1e6);
	if (status < 300 && !req->is_waited)
		recent_note(&s->recent, row, us);
}

static void
count_error(struct server *s, enum err err)
{
	unsigned *slot = &s->error_slots[err];
	char text[8];

	if (*slot == 0) {
		snprintf(text, sizeof(text), "E%03d", err_info(err)->number);
		*slot = 1 + metric_series(METRIC_ERRORS, text);
	}
	metric_add_series(METRIC_ERRORS, *slot - 1, 1);
}

/* Without printf, which would cost as much as the answer does. */
static void
log_access(struct req *req, int status, int64_t us)
{
	struct buf *line = &req->server->access_line;
	char path[PATH_SHOWN];

	buf_reset(line, SIZE_MAX);
	buf_add_str(line, "peer=");
	buf_add_str(line, req_peer(req));
	buf_add_str(line, " method=");
	buf_add_str(line, method_name(req->method));
	buf_add_str(line, " path=");
	buf_add_str(line, log_quote(path, sizeof(path), req->path));
	buf_add_str(line, " status=");
	buf_add_u64(line, (uint64_t)status);
	buf_add_str(line, " bytes=");
	buf_add_u64(line, req->out.len);
	buf_add_str(line, " us=");
	buf_add_u64(line, (uint64_t)us);
	buf_add_str(line, " id=");
	buf_add_str(line, req->id);
	ASSERT(!line->failed);
	log_write_span(LOG_INFO, "access.request", buf_span(line));
}

/* Of what failed an address has so many lines in a second; what did not is
 * asked for by log.access = all. */
static bool
is_logged(const struct req *req, int status)
{
	enum access_log which = req->server->conf->log_access;

	if (status >= 400)
		return which != ACCESS_NO &&
		       peer_may_log(LOG_INFO, "access.request", req_peer(req));
	return which == ACCESS_ALL && log_is_on(LOG_INFO, "access.request");
}

static void
answer_account(struct req *req, int status)
{
	struct server *s = req->server;
	int64_t us = clock_mono_us_fresh() - req->began_us;

	if (us < 0)
		us = 0;
	count_status(s, status);
	count_seconds(req, status, us);
	if (is_logged(req, status))
		log_access(req, status, us);
}

/* ---- the end ---------------------------------------------------------- */

static void
answer_hold(struct req *req)
{
	size_t len = req->head.len + req->out.len;

	req->held += len;
	req->server->budget.held += len;
}

static void
answer_end(struct req *req, int status)
{
	ASSERT(status >= 200 && status < STATUS_MAX);
	req->state = REQ_ANSWERED;
	req->gone_fn = NULL;
	if (req->gone) {
		status = err_info(ERR_CLIENT_GONE)->http;
		buf_reset(&req->out, 0);
	} else {
		req->closes = conn_closes_after(req->conn, req);
		answer_build(req, status);
		answer_hold(req);
	}
	answer_account(req, status);
	conn_on_answered(req->conn, req);
}

void
req_reply(struct req *req, int status)
{
	ASSERT(req->state != REQ_ANSWERED);
	if (req->out.failed)
		req_fail(req, ERR_NO_MEMORY);
	else if (req->method == METHOD_GET && req->out.len > req_room(req))
		req_fail(req, ERR_MEMORY_FULL);
	else
		answer_end(req, status);
}

static bool
has_header(const struct req *req, const char *name)
{
	for (size_t i = 0; i < req->header_count; i++)
		if (strcmp(req->headers[i].name, name) == 0)
			return true;
	return false;
}

void
err_print_json(struct buf *out, enum err err, struct span detail)
{
	const struct err_info *info = err_info(err);

	buf_add_str(out, "{\"code\":");
	buf_add_u64(out, (uint64_t)info->number);
	buf_add_str(out, ",\"name\":\"");
	buf_add_str(out, info->name);
	buf_add_str(out, "\",\"text\":");
	buf_add_json(out, span_of(info->text));
	if (detail.len > 0) {
		buf_add_str(out, ",\"detail\":");
		buf_add_json(out, detail);
	}
	buf_add_char(out, '}');
}

static void
fail_with(struct req *req, enum err err, struct span detail)
{
	int status = err_info(err)->http;

	ASSERT(req->state != REQ_ANSWERED && err != ERR_OK);
	buf_reset(&req->out, SIZE_MAX);
	req->type = "application/json";
	buf_add_str(&req->out, "{\"error\":");
	err_print_json(&req->out, err, detail);
	buf_add_char(&req->out, '}');
	if ((status == 429 || status == 503 || status == 507) &&
	    !has_header(req, "Retry-After"))
		req_set_header(req, "Retry-After", "1");
	count_error(req->server, err);
	answer_end(req, status);
}

void
req_fail(struct req *req, enum err err)
{
	fail_with(req, err, SPAN(""));
}

void
req_failf(struct req *req, enum err err, const char *fmt, ...)
{
	char detail[DETAIL_MAX];
	size_t len;
	va_list ap;
	int n = 0;

	va_start(ap, fmt);
	n = vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	ASSERT(n >= 0);
	len = (size_t)n < sizeof(detail) ? (size_t)n : sizeof(detail) - 1;
	fail_with(req, err, (struct span){detail, len});
}
