/* /v1/channels: all of them, one, pausing it; and the rows that come in. */

#include "http/api.h"

#include <stdio.h>

#include "http/audit.h"
#include "http/auth.h"

enum { WHAT_MAX = 32 * 1024, WAIT_DEFAULT_S = 30, WAIT_MAX_S = 60 };

static audit_go_fn pausing_on_begun;
static store_channel_cb channel_on_read, channel_on_set;
static store_rows_cb rows_on_stored;

/* ---- answers ---------------------------------------------------------- */

static void
add_columns(struct buf *out, const struct columns *columns)
{
	if (columns == NULL) {
		buf_add_str(out, "null");
		return;
	}
	buf_add_char(out, '[');
	for (size_t i = 0; i < columns->count; i++) {
		buf_add_str(out, i > 0 ? ",{\"name\":" : "{\"name\":");
		buf_add_json(out, span_of(columns->items[i].name));
		buf_addf(out,
		    ",\"type\":\"%s\",\"encrypt\":", columns->items[i].type);
		api_add_text(
		    out, span_of(seal_kind_name(columns->items[i].seal)));
		buf_add_char(out, '}');
	}
	buf_add_char(out, ']');
}

static void
add_state(struct buf *out, const struct store_channel_info *c)
{
	buf_addf(out, ",\"state\":\"%s\",\"paused\":%s,\"error\":",
	    channel_state_name(c->state), c->is_paused ? "true" : "false");
	if (c->err == ERR_OK)
		buf_add_str(out, "null");
	else
		err_print_json(out, c->err, c->reason);
	buf_addf(out,
	    ",\"connected\":%s,\"owner\":", c->connected ? "true" : "false");
	api_add_text(out, c->owner);
}

static void
add_channel(struct buf *out, const struct store_channel_info *c)
{
	buf_add_str(out, "{\"name\":");
	buf_add_json(out, c->name);
	buf_add_str(out, ",\"table\":");
	buf_add_json(out, c->table);
	buf_add_str(out, ",\"database\":");
	buf_add_json(out, c->database);
	buf_addf(out, ",\"kind\":\"%s\",\"keep_s\":",
	    c->kind == CHANNEL_OF_HISTORY ? "history" : "rows");
	if (c->kind == CHANNEL_OF_HISTORY)
		buf_addf(out, "%llu", (unsigned long long)c->keep_ms / 1000);
	else
		buf_add_str(out, "null");
	add_state(out, c);
	api_add_number(out, "spool_rows", c->spool_rows);
	api_add_number(out, "spool_bytes", c->spool_bytes);
	buf_addf(out, ",\"oldest_s\":%.3f", c->oldest_s);
	api_add_number(out, "quarantine_rows", c->quarantined);
	api_add_number(out, "rows_total", c->rows_total);
	api_add_number(out, "committed_total", c->committed_total);
	api_add_number(out, "quarantined_total", c->quarantined_total);
	api_add_number(out, "missed_total", c->missed_total);
	api_add_number(out, "duplicates_total", c->duplicates);
	buf_add_str(out, ",\"last_commit\":");
	api_add_time(out, c->last_commit_at);
	api_add_number(out, "max_spool", c->max_spool);
	api_add_number(out, "max_spool_bytes", c->max_spool_bytes);
	api_add_number(out, "max_quarantine", c->max_quarantine);
	buf_addf(out, ",\"on_conflict\":\"%s\",\"key\":",
	    c->on_conflict == CONFLICT_UPDATE ? "update" : "ignore");
	api_add_text(out, c->key);
	buf_addf(out, ",\"columns_from\":\"%s\",\"columns\":",
	    c->columns_from_database ? "database" : "settings");
	add_columns(out, c->columns);
	buf_add_char(out, '}');
}

/* ---- looking ---------------------------------------------------------- */

struct channel_list {
	const struct auth_caller *caller;
	struct buf *out;
	size_t count;
};

static void
list_add(const struct store_channel_info *info, void *arg)
{
	struct channel_list *list = arg;

	if (!auth_sees_channel(list->caller, info->name))
		return;
	if (list->count++ > 0)
		buf_add_char(list->out, ',');
	add_channel(list->out, info);
}

void
api_channels_list(struct req *req)
{
	struct channel_list list = {
	    .caller = req_caller(req), .out = req_out(req)};

	buf_add_str(list.out, "{\"channels\":[");
	store_channel_each(req_store(req), list_add, &list);
	buf_add_str(list.out, "]}");
	req_reply(req, 200);
}

void
api_channels_get(struct req *req)
{
	struct channel *ch =
	    store_channel_find(req_store(req), req_param(req, "channel"));

	if (ch == NULL)
		req_fail(req, ERR_CHANNEL_UNKNOWN);
	else
		store_channel_get(req_store(req), ch, channel_on_read, req);
}

static void
channel_on_read(enum err err, const struct store_channel_info *info, void *arg)
{
	struct req *req = arg;

	if (err != ERR_OK) {
		req_fail(req, err);
		return;
	}
	add_channel(req_out(req), info);
	req_reply(req, 200);
}

/* ---- pausing ---------------------------------------------------------- */

struct pausing {
	struct req *req;
	struct channel *channel;
	bool paused;
};

static void
pausing_describe(struct buf *what, const struct req *req)
{
	api_add_member(what, "channel", req_param(req, "channel"));
	buf_add_str(what, ",\"change\":");
	buf_add_span(what, req_body(req));
}

void
api_channels_set(struct req *req)
{
	struct pausing *pausing = req_alloc(req, sizeof(*pausing));
	struct channel_body change;
	struct buf what;
	struct body b;

	pausing->req = req;
	pausing->channel =
	    store_channel_find(req_store(req), req_param(req, "channel"));
	api_body(req, &b);
	if (pausing->channel == NULL) {
		req_fail(req, ERR_CHANNEL_UNKNOWN);
		return;
	}
	if (body_read_channel(&b, &change) != ERR_OK) {
		api_refuse(req, &b);
		return;
	}
	pausing->paused = change.paused;
	buf_init(&what, WHAT_MAX);
	pausing_describe(&what, req);
	audit_begin(
	    req, "channel.set", buf_span(&what), pausing_on_begun, pausing);
	buf_clear(&what);
}

static void
pausing_on_begun(void *arg)
{
	struct pausing *pausing = arg;

	store_channel_pause(req_store(pausing->req), pausing->channel,
	    pausing->paused, channel_on_set, pausing->req);
}

static void
channel_on_set(enum err err, const struct store_channel_info *info, void *arg)
{
	struct req *req = arg;
	struct audit_end end = {"channel.set", 200, err, false, NULL};
	struct buf what;

	buf_init(&what, WHAT_MAX);
	pausing_describe(&what, req);
	if (err == ERR_OK)
		add_channel(req_out(req), info);
	audit_end(req, &end, buf_span(&what));
	buf_clear(&what);
}

/* ---- rows ------------------------------------------------------------- */

struct rows {
	struct req *req;
	struct rows_body body;
};

void
api_retry_full(struct req *req, const struct channel *ch)
{
	char seconds[16];

	(void)snprintf(
	    seconds, sizeof(seconds), "%u", store_channel_retry_s(ch));
	req_set_header(req, "Retry-After", seconds);
}

void
api_fail_full(struct req *req, const struct channel *ch)
{
	api_retry_full(req, ch);
	req_failf(req, ERR_SPOOL_FULL, "channel '%.*s'",
	    SPAN_ARG(store_channel_name(ch)));
}

/* How long to wait for the commit, in ms; false when the query is not right
 * (the request has ended then). */
static bool
rows_wait(struct req *req, uint64_t *wait_ms)
{
	struct span text;
	uint64_t seconds;
	bool has_wait = req_query(req, "wait", &text);

	*wait_ms = 0;
	if (has_wait && !span_is(text, "commit")) {
		req_failf(
		    req, ERR_FIELD_RANGE, "query 'wait': expected commit");
		return false;
	}
	if (!api_query_u64(
		req, "wait_s", 1, WAIT_MAX_S, WAIT_DEFAULT_S, &seconds))
		return false;
	if (has_wait)
		*wait_ms = seconds * 1000;
	return true;
}

static void
rows_on_gone(void *arg)
{
	struct rows *r = arg;

	store_rows_leave(req_store(r->req), r->body.channel, r);
}

static enum err
rows_read(struct req *req, struct body *b, struct rows_body *out)
{
	return req_is_lines(req) ? body_read_lines(b, out, req_body(req))
				 : body_read_rows(b, out);
}

void
api_rows(struct req *req)
{
	struct rows *r = req_alloc(req, sizeof(*r));
	uint64_t wait_ms;
	struct body b;

	r->req = req;
	r->body.channel =
	    store_channel_find(req_store(req), req_param(req, "channel"));
	if (r->body.channel == NULL) {
		req_fail(req, ERR_CHANNEL_UNKNOWN);
		return;
	}
	if (store_channel_is_closed(r->body.channel)) {
		req_fail(req, ERR_CHANNEL_CLOSED);
		return;
	}
	r->body.columns = store_channel_columns(r->body.channel);
	if (r->body.columns == NULL) {
		req_fail(req, ERR_COLUMNS_UNKNOWN);
		return;
	}
	if (!rows_wait(req, &wait_ms))
		return;
	api_body(req, &b);
	if (rows_read(req, &b, &r->body) != ERR_OK) {
		api_refuse(req, &b);
		return;
	}
	if (wait_ms > 0) {
		req_set_waited(req);
		req_on_gone(req, rows_on_gone, r);
	}
	store_rows_add(req_store(req), r->body.channel, r->body.rows,
	    r->body.count, wait_ms, rows_on_stored, r);
}

/* 200: they are in the table, or in the quarantine; 202: in the spool. */
static void
rows_on_stored(const struct store_rows_result *res, void *arg)
{
	struct rows *r = arg;
	size_t n = r->body.count;

	if (res->err == ERR_SPOOL_FULL) {
		api_fail_full(r->req, r->body.channel);
		return;
	}
	if (res->err != ERR_OK) {
		req_fail(r->req, res->err);
		return;
	}
	if (!res->is_committed)
		buf_addf(
		    req_out(r->req), "{\"rows\":%zu,\"state\":\"spooled\"}", n);
	else
		buf_addf(req_out(r->req),
		    "{\"rows\":%zu,\"state\":\"committed\",\"committed\":%zu,"
		    "\"quarantined\":%zu}",
		    n, n - res->refused, res->refused);
	req_reply(r->req, res->is_committed ? 200 : 202);
}

/* ---- rows of a report ------------------------------------------------- */

static struct channel *
find_channel(struct span name, void *arg)
{
	struct req *req = arg;

	return auth_sees_channel(req_caller(req), name)
		   ? store_channel_find(req_store(req), name)
		   : NULL;
}

void
api_allow_rows(struct req *req, struct body *b)
{
	b->find_channel = find_channel;
	b->find_arg = req;
}

/* How many of a channel's rows were taken, of all its pieces. */
static size_t
pieces_taken(
    const struct store_rows_piece *pieces, size_t n, const struct channel *ch)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		if (pieces[i].channel == ch && pieces[i].is_taken)
			sum += pieces[i].n;
	return sum;
}

static bool
is_first_of_channel(const struct store_rows_piece *pieces, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (pieces[i].channel == pieces[at].channel)
			return false;
	return true;
}

void
api_add_pieces(struct buf *out, const struct store_rows_piece *pieces, size_t n)
{
	const char *comma = "";

	buf_add_str(out, ",\"rows\":{");
	for (size_t i = 0; i < n; i++) {
		if (!is_first_of_channel(pieces, i))
			continue;
		buf_add_str(out, comma);
		buf_add_json(out, store_channel_name(pieces[i].channel));
		buf_addf(
		    out, ":%zu", pieces_taken(pieces, n, pieces[i].channel));
		comma = ",";
	}
	buf_add_char(out, '}');
}
