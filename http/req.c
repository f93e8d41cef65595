/* A request's life from its head to its handler; see req.h, req_priv.h. */

#include "http/req_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/id.h"
#include "core/keys.h"
#include "core/mem.h"
#include "http/auth.h"
#include "http/conn.h"
#include "http/origin.h"
#include "http/server_priv.h"

enum {
	MIB = 1024 * 1024,
	OUT_MAX = 64 * MIB,
	HEAD_MAX = 64 * 1024,
	KEEP_BYTES = 16 * 1024, /* of a spare request's buffers, each */
	SPARES_MAX = 256
};

/* ---- making and ending ------------------------------------------------ */

static struct req *
req_make(struct server *s)
{
	struct req *req = xcalloc(1, sizeof(*req));

	req->server = s;
	list_init(&req->link);
	buf_init(&req->out, OUT_MAX);
	buf_init(&req->head, HEAD_MAX);
	return req;
}

static struct req *
req_take_spare(struct server *s)
{
	struct req *req;

	if (list_is_empty(&s->spares))
		return req_make(s);
	req = CONTAINER_OF(s->spares.next, struct req, link);
	list_del(&req->link);
	s->spare_count--;
	return req;
}

/* http.max_body may have been changed by a reload. Where columns are encrypted
 * rows are made anew, and longer. */
static void
req_fit_arena(struct req *req)
{
	size_t max = (size_t)req->server->conf->http_max_body + MIB;

	if (keys_count() > 0)
		max *= 3;
	if (req->arena != NULL && req->arena_max == max)
		return;
	arena_free(req->arena);
	req->arena = arena_new(max);
	req->arena_max = max;
	req->body.max = (size_t)req->server->conf->http_max_body;
}

struct req *
req_new(struct server *s, struct conn *c)
{
	struct req *req = req_take_spare(s);

	req_fit_arena(req);
	s->req_count++;
	req->conn = c;
	req->state = REQ_READING;
	req->method = 0;
	req->path = SPAN("");
	req->match = (struct route_match){0};
	req->query.count = 0;
	req->caller = NULL;
	req->body_max = 0;
	req->is_http10 = req->keep_alive = req->closes = false;
	req->continue_due = req->gone = req->is_settled = false;
	req->is_waited = false;
	req->type = "application/json";
	req->header_count = 0;
	req->gone_fn = req->lost_fn = NULL;
	req->began_us = clock_mono_us();
	req->detail[0] = '\0';
	req->id[0] = req->intent[0] = '\0';
	return req;
}

void
req_release(struct req *req)
{
	struct server *s = req->server;

	list_del(&req->link);
	s->req_count--;
	s->budget.held -= req->held;
	req->held = 0;
	if (s->spare_count >= SPARES_MAX) {
		req_free(req);
	} else {
		arena_reset(req->arena);
		buf_reset(&req->body, KEEP_BYTES);
		buf_reset(&req->out, KEEP_BYTES);
		buf_reset(&req->head, KEEP_BYTES);
		req->conn = NULL;
		list_add_head(&s->spares, &req->link);
		s->spare_count++;
	}
	server_check_drained(s);
}

void
req_free(struct req *req)
{
	arena_free(req->arena);
	buf_clear(&req->body);
	buf_clear(&req->out);
	buf_clear(&req->head);
	free(req);
}

/* ---- the head --------------------------------------------------------- */

/* The client's id for it where it gave a good one, else our own. */
static void
req_name(struct req *req, struct span given)
{
	if (given.len == 0) {
		id_make(req->id);
		return;
	}
	memcpy(req->id, given.p, given.len);
	req->id[given.len] = '\0';
}

/* Why it will be refused, for whoever does it. */
static enum err
req_say(struct req *req, enum err err, const char *detail)
{
	size_t len = strlen(detail);

	ASSERT(len < sizeof(req->detail));
	memcpy(req->detail, detail, len + 1);
	return err;
}

/* Splits the target at its '?'; both parts go into the arena. */
static enum err
req_set_target(struct req *req, struct span target, struct span *query)
{
	char *copy = arena_dup(req->arena, target), *mark;

	if (copy == NULL)
		return ERR_NO_MEMORY;
	mark = memchr(copy, '?', target.len);
	*query = SPAN("");
	req->path = (struct span){copy, target.len};
	if (mark == NULL)
		return ERR_OK;
	req->path.len = (size_t)(mark - copy);
	*query = (struct span){mark + 1, target.len - req->path.len - 1};
	return ERR_OK;
}

/* Is it asked whether the server is well? */
static bool
is_about_us(enum err err, const struct route *route)
{
	return err == ERR_OK && route != NULL && route->role == ROLE_ANY;
}

/* A page in a browser reaches an open address too, but shows no token. */
static enum err
req_check_origin(struct req *req, const struct parser_head *head)
{
	const char *why = "", *hosts = req->server->conf->http_allowed_hosts;
	bool is_unix = strncmp(req_peer(req), "unix:", 5) == 0;
	enum err err;

	if (req->caller->token[0] != '\0')
		return ERR_OK;
	err = origin_check(head, is_unix ? NULL : hosts,
	    (req->method & (METHOD_GET | METHOD_HEAD)) == 0, &why);
	return err == ERR_OK ? ERR_OK : req_say(req, err, why);
}

static enum err
req_find_route(
    struct req *req, const struct parser_head *head, struct span query)
{
	const struct route *route;
	enum err err;

	if (span_is(req->path, "*")) {
		req->match.allowed = routes_methods();
		return ERR_OK;
	}
	err = route_find(req->arena, req->method, req->path, &req->match);
	route = req->match.route;
	if (conn_refusal(req->conn) != ERR_OK && !is_about_us(err, route))
		return conn_refusal(req->conn);
	if (err == ERR_OK)
		err = auth_check(req, head->authorization, &req->caller);
	if (err == ERR_OK && route != NULL && route->role != ROLE_ANY)
		err = req_check_origin(req, head);
	if (err != ERR_OK)
		return err;
	return query_parse(req->arena, query, route == NULL ? "" : route->query,
	    &req->query, req->detail);
}

static enum err
req_check_length(struct req *req, const struct parser_head *head)
{
	const unsigned bodied = METHOD_POST | METHOD_PUT | METHOD_PATCH;
	const struct route *route = req->match.route;
	bool has_body = head->is_chunked || head->length > 0;

	req->body_max = route == NULL ? 0 : route->body_max;
	if (req->body_max > req->server->conf->http_max_body)
		req->body_max = req->server->conf->http_max_body;
	if (has_body && req->body_max == 0)
		return req_say(
		    req, ERR_BODY_TOO_LARGE, "this request takes no body");
	if (head->length > req->body_max)
		return ERR_BODY_TOO_LARGE;
	if (head->length > req_room(req) || req_room(req) == 0)
		return req_say(req, ERR_MEMORY_FULL, "limits.max_memory");
	if ((req->method & bodied) != 0 && req->body_max > 0 &&
	    !head->has_length && !head->is_chunked)
		return ERR_LENGTH_REQUIRED;
	if (has_body && !origin_is_body_type(head->type))
		return req_say(req, ERR_BODY_TYPE,
		    "Content-Type: expected application/json");
	return ERR_OK;
}

enum err
req_open(struct req *req, const struct parser_head *head)
{
	struct span query;
	enum err err;

	req_name(req, head->request_id);
	req->is_http10 = head->is_http10;
	req->is_lines = head->is_lines;
	req->keep_alive = head->keep_alive;
	req->method = method_parse(head->method);
	err = req_set_target(req, head->target, &query);
	if (err != ERR_OK)
		return err;
	if (req->server->is_draining)
		return ERR_SHUTTING_DOWN;
	if (head->expect == EXPECT_OTHER)
		return ERR_EXPECT_UNKNOWN;
	if (req->method == 0)
		return req_say(
		    req, ERR_NOT_IMPLEMENTED, "the method is not known");
	err = req_find_route(req, head, query);
	if (err == ERR_OK)
		err = req_check_length(req, head);
	req->continue_due = err == ERR_OK && head->expect == EXPECT_CONTINUE &&
			    (head->is_chunked || head->length > 0);
	return err;
}

bool
req_add_body(struct req *req, struct span piece)
{
	if (piece.len > req_room(req))
		return false;
	buf_add_span(&req->body, piece);
	req->held += piece.len;
	req->server->budget.held += piece.len;
	return true;
}

/* ---- running ---------------------------------------------------------- */

/* "GET, HEAD, OPTIONS": what the table has for the path. */
static void
req_set_allow(struct req *req)
{
	char text[64];
	size_t len = 0;

	for (unsigned bit = 1; bit <= METHOD_OPTIONS; bit <<= 1)
		if ((req->match.allowed & bit) != 0)
			len += (size_t)snprintf(text + len, sizeof(text) - len,
			    "%s%s", len > 0 ? ", " : "", method_name(bit));
	ASSERT(len < sizeof(text));
	req_set_header(req, "Allow", text);
}

static void
req_answer_options(struct req *req)
{
	req_set_allow(req);
	req_reply(req, 204);
}

void
req_refuse(struct req *req, enum err err, const char *why)
{
	if (req->id[0] == '\0')
		req_name(req, SPAN(""));
	if (err == ERR_METHOD_NOT_ALLOWED)
		req_set_allow(req);
	if (why[0] == '\0')
		req_fail(req, err);
	else
		req_failf(req, err, "%s", why);
}

void
req_run(struct req *req)
{
	req->state = REQ_RUNNING;
	req->continue_due = false;
	req->began_us = clock_mono_us_fresh();
	if (req->match.route == NULL)
		req_answer_options(req);
	else
		req->match.route->handler(req);
}

void
req_set_gone(struct req *req)
{
	req_gone_fn *fn = req->gone_fn;

	req->gone = true;
	req->gone_fn = NULL;
	if (fn != NULL && req->state == REQ_RUNNING)
		fn(req->gone_arg);
}

void
req_set_lost(struct req *req)
{
	if (req->lost_fn != NULL)
		req->lost_fn(req->lost_arg);
}

/* ---- what handlers may ask -------------------------------------------- */

struct store *
req_store(struct req *req)
{
	return req->server->store;
}

struct server *
req_server(struct req *req)
{
	return req->server;
}

const struct conf *
req_conf(struct req *req)
{
	return req->server->conf;
}

struct arena *
req_arena(struct req *req)
{
	return req->arena;
}

void *
req_alloc(struct req *req, size_t n)
{
	void *p = arena_alloc(req->arena, n);

	ASSERT(p != NULL);
	return p;
}

struct span
req_body(const struct req *req)
{
	return buf_span(&req->body);
}

bool
req_is_lines(const struct req *req)
{
	return req->is_lines;
}

struct span
req_param(const struct req *req, const char *name)
{
	const struct route_match *m = &req->match;
	size_t i = 0;

	while (i < m->param_count && !span_is(m->params[i].name, name))
		i++;
	ASSERT(i < m->param_count);
	return m->params[i].value;
}

bool
req_query(const struct req *req, const char *name, struct span *out)
{
	return query_find(&req->query, span_of(name), out);
}

const char *
req_peer(const struct req *req)
{
	return conn_peer(req->conn);
}

const struct auth_caller *
req_caller(const struct req *req)
{
	return req->caller;
}

const char *
req_id(const struct req *req)
{
	return req->id;
}

void
req_set_waited(struct req *req)
{
	req->is_waited = true;
}

bool
req_is_gone(const struct req *req)
{
	return req->gone;
}

void
req_on_gone(struct req *req, req_gone_fn *fn, void *arg)
{
	req->gone_fn = fn;
	req->gone_arg = arg;
}

void
req_on_lost(struct req *req, req_gone_fn *fn, void *arg)
{
	req->lost_fn = fn;
	req->lost_arg = arg;
}

/* ---- the answer's parts ----------------------------------------------- */

uint64_t
req_room(const struct req *req)
{
	const struct route *route = req->match.route;

	return route == NULL ? UINT64_MAX
			     : budget_room(req->server, route->role);
}

struct buf *
req_out(struct req *req)
{
	return &req->out;
}

void
req_set_type(struct req *req, const char *type)
{
	req->type = type;
}

void
req_set_header(struct req *req, const char *name, const char *value)
{
	char *copy = arena_dup(req->arena, span_of(value));

	ASSERT(strpbrk(value, "\r\n") == NULL);
	ASSERT(req->header_count < REQ_HEADERS_MAX);
	/* An arena that is full fails the request elsewhere. */
	if (copy == NULL)
		return;
	req->headers[req->header_count].name = name;
	req->headers[req->header_count].value = copy;
	req->header_count++;
}
