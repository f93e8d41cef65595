/* Who changed what; see audit.h. */

#include "http/audit.h"

#include "core/clock.h"
#include "core/mem.h"
#include "http/api.h"
#include "http/auth.h"
#include "http/req_priv.h"

enum { ENTRY_MAX = 1024 * 1024 };

struct beginning {
	struct req *req;
	audit_go_fn *go;
	void *arg;
};

struct ending {
	struct req *req;
	struct audit_end end;
};

static store_done_cb begin_on_noted, end_on_written;

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

/* ---- before the change ------------------------------------------------ */

void
audit_begin(struct req *req, const char *action, struct span what,
    audit_go_fn *go, void *arg)
{
	const struct audit_end unknown = {
	    action, 0, ERR_STORE_UNKNOWN, false, NULL};
	struct beginning *beginning = req_alloc(req, sizeof(*beginning));
	struct buf entry;

	beginning->req = req;
	beginning->go = go;
	beginning->arg = arg;
	buf_init(&entry, ENTRY_MAX);
	entry_add(&entry, req, &unknown, what);
	ASSERT(!entry.failed);
	store_audit_begin(req_store(req), buf_span(&entry), req->intent,
	    begin_on_noted, beginning);
	buf_clear(&entry);
}

static void
begin_on_noted(enum err err, void *arg)
{
	struct beginning *beginning = arg;
	struct req *req = beginning->req;

	if (err == ERR_OK) {
		beginning->go(beginning->arg);
		return;
	}
	/* Of whether it was noted nothing depends. */
	if (err_info(err)->http == 504)
		store_audit_forget(req_store(req), req->intent);
	req_failf(req, err_info(err)->http == 504 ? ERR_REDIS_DOWN : err,
	    "the audit trail cannot be written");
}

/* ---- after it --------------------------------------------------------- */

static bool
is_open(enum err err)
{
	return err_info(err)->http == 504;
}

/* Was something changed, or may have been? */
static bool
is_told(const struct audit_end *end)
{
	return end->err == ERR_OK || end->is_partly || is_open(end->err);
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

	if (!is_told(end)) {
		store_audit_forget(req_store(req), req->intent);
		finish(req, end, ERR_OK);
		return;
	}
	req->is_settled = true;
	ending->req = req;
	ending->end = *end;
	buf_init(&entry, ENTRY_MAX);
	entry_add(&entry, req, end, what);
	ASSERT(!entry.failed);
	store_audit_add(req_store(req), buf_span(&entry), req->intent,
	    end_on_written, ending);
	buf_clear(&entry);
}

static void
end_on_written(enum err err, void *arg)
{
	struct ending *ending = arg;

	finish(ending->req, &ending->end, err);
}

void
audit_part(struct req *req, const struct audit_end *end, struct span what)
{
	struct buf entry;

	if (!is_told(end))
		return;
	buf_init(&entry, ENTRY_MAX);
	entry_add(&entry, req, end, what);
	ASSERT(!entry.failed);
	store_audit_add(req_store(req), buf_span(&entry), "", NULL, NULL);
	buf_clear(&entry);
}
