/* /v1/tokens: making, listing and ending access tokens. */

#include "http/api.h"

#include <string.h>

#include "core/secret.h"
#include "http/audit.h"
#include "http/auth.h"

enum { WHAT_MAX = 8 * 1024 /* of an audit entry */ };

static audit_go_fn add_on_begun;
static store_done_cb add_on_done;
static store_tokens_cb list_on_read;
static audit_go_fn remove_on_begun;
static store_done_cb remove_on_done;

/* ---- making one ------------------------------------------------------- */

struct add {
	struct req *req;
	struct store_token token;
	char text[AUTH_TOKEN_LEN + 1];
};

static void
add_queues(struct buf *out, struct span queues)
{
	const char *p = queues.p, *end = p + queues.len;

	buf_add_char(out, '[');
	while (p < end) {
		const char *space = memchr(p, ' ', (size_t)(end - p));
		size_t len = (size_t)((space == NULL ? end : space) - p);

		if (p > queues.p)
			buf_add_char(out, ',');
		buf_add_json(out, (struct span){p, len});
		p += len + 1;
	}
	buf_add_char(out, ']');
}

static void
add_token(struct buf *out, const struct store_token *t)
{
	buf_add_str(out, "\"name\":");
	buf_add_json(out, span_of(t->name));
	buf_addf(out, ",\"role\":\"%s\",\"queues\":", role_name(t->role));
	add_queues(out, t->queues);
	buf_add_str(out, ",\"expires_at\":");
	api_add_time(out, t->expires_at);
}

static void
add_describe(struct buf *what, const struct add *add)
{
	buf_add_str(what, "\"token\":{");
	add_token(what, &add->token);
	buf_add_char(what, '}');
}

void
api_tokens_add(struct req *req)
{
	struct add *add = req_alloc(req, sizeof(*add));
	struct token_body body;
	struct buf what;
	struct body b;

	add->req = req;
	api_body(req, &b);
	if (body_read_token(&b, &body) != ERR_OK) {
		api_refuse(req, &b);
		return;
	}
	memcpy(add->token.name, body.name.p, body.name.len);
	add->token.role = body.role;
	add->token.queues = body.queues;
	if (body.expires_ms > 0)
		add->token.expires_at =
		    store_redis_now(req_store(req)) + (int64_t)body.expires_ms;
	buf_init(&what, WHAT_MAX);
	add_describe(&what, add);
	audit_begin(req, "token.add", buf_span(&what), add_on_begun, add);
	buf_clear(&what);
}

static void
add_on_begun(void *arg)
{
	struct add *add = arg;

	auth_token_make(add->text, &add->token);
	store_token_add(req_store(add->req), &add->token, add_on_done, add);
}

/* The one time that its text is seen. */
static void
add_on_done(enum err err, void *arg)
{
	struct add *add = arg;
	struct req *req = add->req;
	struct audit_end end = {"token.add", 201, err, false, NULL};
	struct buf *out = req_out(req), what;

	buf_init(&what, WHAT_MAX);
	add_describe(&what, add);
	if (err == ERR_OK) {
		buf_add_char(out, '{');
		add_token(out, &add->token);
		buf_addf(out, ",\"token\":\"%s\"}", add->text);
		req_set_header(req, "Cache-Control", "no-store");
	}
	secret_wipe(add->text, sizeof(add->text));
	audit_end(req, &end, buf_span(&what));
	buf_clear(&what);
}

/* ---- the list --------------------------------------------------------- */

void
api_tokens_list(struct req *req)
{
	store_token_list(req_store(req), list_on_read, req);
}

static void
list_on_read(
    enum err err, const struct store_token *tokens, size_t n, void *arg)
{
	struct req *req = arg;
	struct buf *out = req_out(req);

	if (err != ERR_OK) {
		req_fail(req, err);
		return;
	}
	buf_add_str(out, "{\"tokens\":[");
	for (size_t i = 0; i < n; i++) {
		buf_add_str(out, i > 0 ? ",{" : "{");
		add_token(out, &tokens[i]);
		buf_add_str(out, ",\"created_at\":");
		api_add_time(out, tokens[i].created_at);
		buf_add_str(out, ",\"last_used\":");
		api_add_time(out, tokens[i].used_at);
		buf_addf(out, ",\"is_over\":%s}",
		    store_token_is_over(req_store(req), &tokens[i]) ? "true"
								    : "false");
	}
	buf_add_str(out, "]}");
	req_reply(req, 200);
}

/* ---- ending one ------------------------------------------------------- */

void
api_tokens_remove(struct req *req)
{
	struct buf what;

	buf_init(&what, WHAT_MAX);
	api_add_member(&what, "token", req_param(req, "token"));
	audit_begin(req, "token.remove", buf_span(&what), remove_on_begun, req);
	buf_clear(&what);
}

static void
remove_on_begun(void *arg)
{
	struct req *req = arg;

	store_token_remove(
	    req_store(req), req_param(req, "token"), remove_on_done, req);
}

static void
remove_on_done(enum err err, void *arg)
{
	struct req *req = arg;
	struct audit_end end = {"token.remove", 200, err, false, NULL};
	struct buf *out = req_out(req), what;

	buf_init(&what, WHAT_MAX);
	api_add_member(&what, "token", req_param(req, "token"));
	if (err == ERR_OK) {
		buf_add_str(out, "{\"name\":");
		buf_add_json(out, req_param(req, "token"));
		buf_add_str(out, ",\"removed\":true}");
	}
	audit_end(req, &end, buf_span(&what));
	buf_clear(&what);
}
