/* Who changed what; see audit.h. */

#include "http/audit.h"

#include "core/clock.h"
#include "core/mem.h"
#include "http/api.h"
#include "http/auth.h"
#include "http/req_priv.h"

enum { ENTRY_MAX = 128 * 1024 };

struct ending {
	struct req *req;
	struct audit_end end;
};

static store_done_cb end_on_written;

static void
entry_add(struct buf *out, const struct req *req, const struct audit_end *end,
    struct span what)
{
	const struct auth_caller *caller = req_caller(req);
	const char *outcome = "done";

	if (end->is_partly)
		outcome = "partly";
	else if (end->err != ERR_OK)
		outcome = "unknown";
	buf_add_str(out, "{\"at\":");
	api_add_time(out, clock_now_ms());
	buf_add_str(out, ",\"who\":");
	buf_add_json(out, span_of(caller->name));
	buf_addf(out, ",\"role\":\"%s\",\"addr\":", role_name(caller->role));
	buf_add_json(out, span_of(req_peer(req)));
	buf_add_str(out, ",\"request\":");
	buf_add_json(out, span_of(req_id(req)));
	buf_addf(out, ",\"action\":\"%s\",\"outcome\":\"%s\",", end->action,
	    outcome);
	buf_add_span(out, what);
	buf_add_char(out, '}');
}

static bool
is_open(enum err err)
{
	return err_info(err)->http == 504;
}

/* The error itself wins over what became of its entry. */
static void
finish(struct req *req, const struct audit_end *end, enum err err)
{
	if (end->err != ERR_OK && end->detail != NULL)
		req_failf(req, end->err, "%s", end->detail);
	else if (end->err != ERR_OK)
		req_fail(req, end->err);
	else if (err != ERR_OK)
		req_failf(req, err, "made; its audit entry is not written yet");
	else
		req_reply(req, end->status);
}

void
audit_end(struct req *req, const struct audit_end *end, struct span what)
{
	struct ending *ending = req_alloc(req, sizeof(*ending));
	struct buf entry;

	if (end->err != ERR_OK && !end->is_partly && !is_open(end->err)) {
		finish(req, end, ERR_OK);
		return;
	}
	req->is_settled = true;
	ending->req = req;
	ending->end = *end;
	buf_init(&entry, ENTRY_MAX);
	entry_add(&entry, req, end, what);
	ASSERT(!entry.failed);
	store_audit_add(
	    req_store(req), buf_span(&entry), end_on_written, ending);
	buf_clear(&entry);
}

static void
end_on_written(enum err err, void *arg)
{
	struct ending *ending = arg;

	finish(ending->req, &ending->end, err);
}
