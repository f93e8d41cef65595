/* /v1/channels/{channel}/quarantine: rows that the database refused. They are
 * looked at, mended, brought again or dropped. */

#include "http/api.h"

#include "http/audit.h"

enum {
	LIMIT_DEFAULT = 100,
	LIMIT_MAX = 1000,
	WHAT_MAX = 64 * 1024,
	IDS_TOLD = 100
};

static audit_go_fn edit_on_begun, act_on_begun;
static store_bad_cb page_on_read, row_on_read;
static store_bad_act_cb act_on_done;
static store_bad_edit_cb edit_on_done;

/* The channel of the path, or NULL: then the request has ended. */
static struct channel *
channel_of(struct req *req)
{
	struct channel *ch =
	    store_channel_find(req_store(req), req_param(req, "channel"));

	if (ch == NULL)
		req_fail(req, ERR_CHANNEL_UNKNOWN);
	return ch;
}

/* ---- looking ---------------------------------------------------------- */

static void
add_row(struct buf *out, const struct store_bad_row *row)
{
	buf_add_str(out, "{\"id\":");
	buf_add_json(out, row->id);
	buf_add_str(out, ",\"at\":");
	api_add_time(out, row->at);
	buf_add_str(out, ",\"sqlstate\":");
	buf_add_json(out, row->sqlstate);
	buf_add_str(out, ",\"message\":");
	buf_add_json(out, row->message);
	buf_add_str(out, ",\"row\":");
	api_add_raw(out, row->row);
	buf_add_char(out, '}');
}

void
api_bad_list(struct req *req)
{
	struct channel *ch = channel_of(req);
	struct span after = {"", 0};
	uint64_t limit;

	if (ch == NULL ||
	    !api_query_u64(req, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &limit))
		return;
	(void)req_query(req, "after", &after);
	store_bad_list(
	    req_store(req), ch, after, (uint32_t)limit, page_on_read, req);
}

static void
page_on_read(enum err err, const struct store_bad_page *page, void *arg)
{
	struct req *req = arg;
	struct buf *out = req_out(req);

	if (err != ERR_OK) {
		req_fail(req, err);
		return;
	}
	buf_addf(
	    out, "{\"total\":%llu,\"rows\":[", (unsigned long long)page->total);
	for (size_t i = 0; i < page->n; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		add_row(out, &page->rows[i]);
	}
	buf_add_str(out, "],\"after\":");
	api_add_text(out, page->after);
	buf_add_char(out, '}');
	req_reply(req, 200);
}

void
api_bad_get(struct req *req)
{
	struct channel *ch = channel_of(req);

	if (ch != NULL)
		store_bad_get(
		    req_store(req), ch, req_param(req, "id"), row_on_read, req);
}

static void
row_on_read(enum err err, const struct store_bad_page *page, void *arg)
{
	struct req *req = arg;

	if (err != ERR_OK) {
		req_fail(req, err);
		return;
	}
	add_row(req_out(req), &page->rows[0]);
	req_reply(req, 200);
}

/* ---- mending ---------------------------------------------------------- */

struct edit {
	struct req *req;
	struct channel *channel;
	struct span row;
};

/* The audit trail is told which row, not what is in it. */
static void
edit_describe(struct buf *what, const struct req *req)
{
	api_add_member(what, "channel", req_param(req, "channel"));
	buf_add_char(what, ',');
	api_add_member(what, "id", req_param(req, "id"));
}

void
api_bad_edit(struct req *req)
{
	struct edit *edit = req_alloc(req, sizeof(*edit));
	struct rows_body row = {.channel = channel_of(req)};
	struct buf what;
	struct body b;

	if (row.channel == NULL)
		return;
	row.columns = store_channel_columns(row.channel);
	if (row.columns == NULL) {
		req_fail(req, ERR_COLUMNS_UNKNOWN);
		return;
	}
	api_body(req, &b);
	if (body_read_row(&b, &row) != ERR_OK) {
		api_refuse(req, &b);
		return;
	}
	edit->req = req;
	edit->channel = row.channel;
	edit->row = row.rows[0];
	buf_init(&what, WHAT_MAX);
	edit_describe(&what, req);
	audit_begin(
	    req, "quarantine.edit", buf_span(&what), edit_on_begun, edit);
	buf_clear(&what);
}

static void
edit_on_begun(void *arg)
{
	struct edit *edit = arg;

	store_bad_edit(req_store(edit->req), edit->channel,
	    req_param(edit->req, "id"), edit->row, edit_on_done, edit->req);
}

static void
edit_on_done(enum err err, void *arg)
{
	struct req *req = arg;
	struct audit_end end = {"quarantine.edit", 200, err, false, NULL};
	struct buf what;

	buf_init(&what, WHAT_MAX);
	edit_describe(&what, req);
	if (err == ERR_OK) {
		buf_add_str(req_out(req), "{\"id\":");
		buf_add_json(req_out(req), req_param(req, "id"));
		buf_add_str(req_out(req), ",\"changed\":true}");
	}
	audit_end(req, &end, buf_span(&what));
	buf_clear(&what);
}

/* ---- bringing again, dropping ----------------------------------------- */

struct act {
	struct req *req;
	enum store_bad_act act;
	struct bad_body body;
	struct channel *channel;
};

static const char *
act_name(const struct act *act)
{
	return act->act == STORE_BAD_RETRY ? "quarantine.retry"
					   : "quarantine.purge";
}

static void
act_describe(struct buf *what, const struct act *act)
{
	const struct bad_body *body = &act->body;

	api_add_member(what, "channel", req_param(act->req, "channel"));
	if (body->sqlstate.len > 0) {
		buf_add_char(what, ',');
		api_add_member(what, "sqlstate", body->sqlstate);
	}
	if (body->ids == NULL)
		return;
	buf_addf(what, ",\"id_count\":%zu,\"ids\":[", body->id_count);
	for (size_t i = 0; i < body->id_count && i < IDS_TOLD; i++) {
		if (i > 0)
			buf_add_char(what, ',');
		buf_add_json(what, body->ids[i]);
	}
	buf_add_char(what, ']');
}

static void
act_start(struct req *req, enum store_bad_act how)
{
	struct act *act = req_alloc(req, sizeof(*act));
	struct buf what;
	struct body b;

	act->req = req;
	act->act = how;
	act->channel = channel_of(req);
	if (act->channel == NULL)
		return;
	api_body(req, &b);
	if (body_read_bad(&b, &act->body) != ERR_OK) {
		api_refuse(req, &b);
		return;
	}
	buf_init(&what, WHAT_MAX);
	act_describe(&what, act);
	audit_begin(req, act_name(act), buf_span(&what), act_on_begun, act);
	buf_clear(&what);
}

static void
act_on_begun(void *arg)
{
	struct act *act = arg;
	const struct store_bad_filter filter = {
	    .ids = act->body.ids,
	    .id_count = act->body.id_count,
	    .sqlstate = act->body.sqlstate,
	    .after = act->body.after,
	};

	store_bad_act(req_store(act->req), act->channel, act->act, &filter,
	    act_on_done, act);
}

void
api_bad_retry(struct req *req)
{
	act_start(req, STORE_BAD_RETRY);
}

void
api_bad_purge(struct req *req)
{
	act_start(req, STORE_BAD_DROP);
}

static void
act_on_done(enum err err, uint64_t count, struct span after, void *arg)
{
	struct act *act = arg;
	struct audit_end end = {act_name(act), 200, err, false, NULL};
	struct buf what, *out = req_out(act->req);

	if (err == ERR_SPOOL_FULL)
		api_retry_full(act->req, act->channel);
	if (err == ERR_OK) {
		buf_addf(out,
		    "{\"count\":%llu,\"after\":", (unsigned long long)count);
		api_add_text(out, after);
		buf_add_char(out, '}');
	}
	buf_init(&what, WHAT_MAX);
	act_describe(&what, act);
	buf_addf(&what, ",\"count\":%llu", (unsigned long long)count);
	audit_end(act->req, &end, buf_span(&what));
	buf_clear(&what);
}
