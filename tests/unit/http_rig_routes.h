#ifndef SCHEDD_TESTS_UNIT_HTTP_RIG_ROUTES_H
#define SCHEDD_TESTS_UNIT_HTTP_RIG_ROUTES_H

/* The route table of the engine that http_rig.h runs. */

#include "tests/unit/http_rig.h"

static inline void
rig_on_hello(struct req *req)
{
	buf_add_str(req_out(req), "\"hi\"");
	req_reply(req, 200);
}

static inline void
rig_on_echo(struct req *req)
{
	req_set_type(req, "text/plain");
	buf_add_span(req_out(req), req_body(req));
	req_reply(req, 201);
}

static inline void
rig_on_gone(void *arg)
{
	assert_true(req_is_gone(arg));
	rig.gone_count++;
}

static inline void
rig_on_hold(struct req *req)
{
	assert_true(rig.held_count < RIG_HELD_MAX);
	rig.held[rig.held_count++] = req;
	req_on_gone(req, rig_on_gone, req);
}

/* ?n= bytes; past the cap of the answer, none. */
static inline void
rig_on_big(struct req *req)
{
	uint64_t n = 0;
	struct span text;

	rig.big_count++;
	if (req_query(req, "n", &text))
		assert_true(str_to_u64(text, &n));
	if (buf_reserve(req_out(req), n)) {
		memset(req_out(req)->data, 'x', n);
		req_out(req)->len = n;
	}
	req_reply(req, 200);
}

static inline void
rig_on_empty(struct req *req)
{
	buf_add_str(req_out(req), "to be dropped");
	req_reply(req, 204);
}

static inline void
rig_on_fail(struct req *req)
{
	buf_add_str(req_out(req), "to be dropped");
	req_failf(req, ERR_TASK_UNKNOWN, "in %.*s \"\x01\xff",
	    SPAN_ARG(req_param(req, "queue")));
}

static inline void
rig_on_full(struct req *req)
{
	if (req_query(req, "after", &(struct span){0}))
		req_set_header(req, "Retry-After", "7");
	req_fail(req, ERR_QUEUE_FULL);
}

static inline void
rig_on_peer(struct req *req)
{
	buf_add_str(req_out(req), req_peer(req));
	req_reply(req, 200);
}

/* clang-format off */
static const struct route rig_routes[] = {
	{METHOD_GET,  "/hello",          rig_on_hello, ROLE_ANY, SCOPE_NONE, 0, "", ""},
	{METHOD_POST, "/echo",           rig_on_echo,  ROLE_ANY, SCOPE_NONE, UINT64_MAX, "", ""},
	{METHOD_POST, "/small",          rig_on_echo,  ROLE_ANY, SCOPE_NONE, 100, "", ""},
	{METHOD_POST, "/none",           rig_on_echo,  ROLE_ANY, SCOPE_NONE, 0, "", ""},
	{METHOD_GET,  "/hold",           rig_on_hold,  ROLE_ANY, SCOPE_NONE, 0, "", ""},
	{METHOD_POST, "/hold",           rig_on_hold,  ROLE_ANY, SCOPE_NONE, 100, "", ""},
	{METHOD_GET,  "/big",            rig_on_big,   ROLE_ANY, SCOPE_NONE, 0, "n", ""},
	{METHOD_GET,  "/empty",          rig_on_empty, ROLE_ANY, SCOPE_NONE, 0, "", ""},
	{METHOD_GET,  "/q/{queue}/fail", rig_on_fail,  ROLE_ANY, SCOPE_QUEUE, 0, "", ""},
	{METHOD_GET,  "/full",           rig_on_full,  ROLE_ANY, SCOPE_NONE, 0, "after", ""},
	{METHOD_GET,  "/known",          rig_on_hello, ROLE_KNOWN, SCOPE_NONE, 0, "", ""},
	{METHOD_GET,  "/peer",           rig_on_peer,  ROLE_ANY, SCOPE_NONE, 0, "", ""},
};
/* clang-format on */

const struct route *
routes_get(size_t *count)
{
	*count = COUNT_OF(rig_routes);
	return rig_routes;
}

#endif
