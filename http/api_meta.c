/* What the server says about itself: health, errors, version, this API. */

#include "http/api.h"

#include "core/version.h"
#include "http/server.h"

/* http/openapi.json, embedded by the build. */
extern const unsigned char asset_openapi[];
extern const size_t asset_openapi_len;

void
api_health(struct req *req)
{
	buf_add_str(req_out(req), "{\"ok\":true}");
	req_reply(req, 200);
}

void
api_ready(struct req *req)
{
	const char *why = "";

	if (server_is_draining(req_server(req))) {
		req_failf(req, ERR_NOT_READY, "the server is shutting down");
	} else if (!store_is_ready(req_store(req), &why)) {
		req_failf(req, ERR_NOT_READY, "%s", why);
	} else {
		buf_add_str(req_out(req), "{\"ok\":true}");
		req_reply(req, 200);
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
