/* What the server says about itself: health, errors, version, this API. */

#include "http/api.h"

#include "core/version.h"
#include "http/auth.h"
#include "http/server.h"

/* http/openapi.json, embedded by the build. */
extern const unsigned char asset_openapi[];
extern const size_t asset_openapi_len;

static store_count_cb ready_on_room;

void
api_health(struct req *req)
{
	buf_add_str(req_out(req), "{\"ok\":true}");
	req_reply(req, 200);
}

/* Nobody was asked for a token: strangers are told no more. */
static void
ready_refuse(struct req *req, const char *why)
{
	if (!auth_is_local(req))
		why = "the task store is not ready";
	if (store_backend_count(req_store(req)) > 1)
		req_failf(req, ERR_NOT_READY, "backend main: %s", why);
	else
		req_failf(req, ERR_NOT_READY, "%s", why);
}

void
api_ready(struct req *req)
{
	const char *why = "";

	if (server_is_draining(req_server(req))) {
		req_failf(req, ERR_NOT_READY, "the server is shutting down");
	} else if (!store_is_ready(req_store(req), &why)) {
		ready_refuse(req, why);
	} else if (server_is_over_memory(req_server(req))) {
		req_failf(req, ERR_NOT_READY,
		    "schedd uses more than limits.max_memory: pushes are "
		    "refused");
	} else {
		store_check_room(req_store(req), ready_on_room, req);
	}
}

static void
ready_on_room(enum err err, uint64_t count, void *arg)
{
	struct req *req = arg;

	(void)count;
	if (err == ERR_OK) {
		buf_addf(req_out(req), "{\"ok\":true,\"durability\":\"%s\"",
		    store_durability(req_store(req)));
		if (store_backend_count(req_store(req)) > 1) {
			buf_add_str(req_out(req), ",\"backends\":");
			api_add_backends(
			    req_out(req), req_store(req), auth_is_local(req));
		}
		buf_add_char(req_out(req), '}');
		req_reply(req, 200);
	} else if (err == ERR_STORE_FULL) {
		req_failf(req, ERR_NOT_READY,
		    "the memory of Redis is full (maxmemory): pushes are "
		    "refused, taking and reporting go on");
	} else {
		req_failf(req, ERR_NOT_READY, "%s", err_info(err)->text);
	}
}

void
api_errors(struct req *req)
{
	err_print_table(req_out(req));
	req_reply(req, 200);
}

void
api_version(struct req *req)
{
	buf_addf(req_out(req),
	    "{\"name\":\"schedd\",\"version\":\"%s\",\"api\":\"v1\"}",
	    version_text());
	req_reply(req, 200);
}

void
api_openapi(struct req *req)
{
	buf_add(req_out(req), asset_openapi, asset_openapi_len);
	req_reply(req, 200);
}
