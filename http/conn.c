/* One client: opening, reading, closing; see conn.h. */

#include "http/conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/metrics.h"
#include "http/conn_priv.h"
#include "http/tls.h"

enum {
	KIB = 1024,
	MIB = 1024 * 1024,
	INPUT_MAX = 32 * KIB,   /* held unparsed; a head fits in */
	ANSWERS_MAX = MIB,      /* unread answers; beyond, no next request */
	SKIP_MAX = 64 * KIB,    /* of a refused request's body; else close */
	DISCARD_MAX = 64 * MIB, /* read for nothing before we hang up */
	PULL_SIZE = 64 * KIB,
	PULL_MIN = 4 * KIB,
	PULLS_MAX = 8,            /* in one turn */
	LINGER_TIME_US = 30000000 /* of a client that goes on sending */
};

_Static_assert(INPUT_MAX > PARSER_HEAD_MAX + 2, "a head must fit");

static void conn_on_readable(struct bufferevent *bev, void *arg);
static void conn_on_event(struct bufferevent *bev, short what, void *arg);

/* ---- small things ----------------------------------------------------- */

struct evbuffer *
conn_input(struct conn *c)
{
	return bufferevent_get_input(c->bev);
}

struct evbuffer *
conn_output(struct conn *c)
{
	return bufferevent_get_output(c->bev);
}

bool
conn_has_input(struct conn *c)
{
	return evbuffer_get_length(conn_input(c)) > 0;
}

bool
conn_has_output(struct conn *c)
{
	return evbuffer_get_length(conn_output(c)) > 0;
}

struct req *
conn_first(struct conn *c)
{
	return CONTAINER_OF(c->reqs.next, struct req, link);
}

const char *
conn_peer(const struct conn *c)
{
	return c->peer;
}

unsigned
conn_flags(const struct conn *c)
{
	return c->flags;
}

/* No further request is read; what is under way is answered. */
void
conn_stop_reading(struct conn *c, enum close_reason reason, bool lingers)
{
	c->is_closing = true;
	c->reason = reason;
	c->lingers = lingers;
}

bool
conn_is_in_head(const struct conn *c)
{
	return c->reading == NULL && !c->skips_body;
}

static void
conn_set_class(struct conn *c, enum conn_class class)
{
	if (c->class == class && !c->is_fresh)
		return;
	c->class = class;
	c->class_at_us = clock_mono_us();
	c->is_fresh = false;
	list_del(&c->link);
	list_add_tail(&c->server->classes[class], &c->link);
}

/* ---- opening ---------------------------------------------------------- */

struct conn *
conn_new(struct server *s, int fd, const char *peer, unsigned flags)
{
	struct bufferevent *bev = conn_make_bev(s, fd, flags);
	struct conn *c;

	if (bev == NULL) {
		close(fd);
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	c->server = s;
	c->bev = bev;
	c->flags = flags;
	c->is_plain = (flags & LISTEN_TLS) == 0;
	c->is_shaking = !c->is_plain;
	c->is_fresh = true;
	c->class_at_us = clock_mono_us();
	list_init(&c->flush_link);
	list_init(&c->writer_link);
	list_init(&c->extra_link);
	list_init(&c->reqs);
	list_init(&c->link);
	parser_init(&c->parser);
	snprintf(c->peer, sizeof(c->peer), "%s", peer);
	s->conn_count++;
	metric_set(METRIC_HTTP_CONNECTIONS, (double)s->conn_count);
	metric_add(METRIC_HTTP_ACCEPTED, 1);
	bufferevent_setwatermark(bev, EV_READ, 0, INPUT_MAX);
	bufferevent_setcb(
	    bev, conn_on_readable, conn_on_written, conn_on_event, c);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
	conn_set_class(c, c->is_shaking ? CLASS_HANDSHAKE : CLASS_IDLE);
	return c;
}

void
conn_open(struct server *s, int fd, const char *peer, unsigned flags)
{
	struct conn *c = conn_new(s, fd, peer, flags);

	if (c == NULL)
		return;
	c->from = peers_join(s->peers, c->peer);
	if (peer_may_log(LOG_DEBUG, "http.open", c->peer))
		log_debug("http.open", "peer=%s", c->peer);
}

/* A request that is refused before it has a head, or for its head. */
void
conn_refuse(struct conn *c, enum err err, const char *why)
{
	struct req *req = req_new(c->server, c);

	list_add_tail(&c->reqs, &req->link);
	c->req_count++;
	req_refuse(req, err, why == NULL ? "" : why);
}

/* ---- closing ---------------------------------------------------------- */

static const char *
reason_name(enum close_reason reason)
{
	static const char *const names[CLOSE_REASON_COUNT] = {
	    [CLOSE_CLIENT] = "client",
	    [CLOSE_RESET] = "reset",
	    [CLOSE_ANSWERED] = "answered",
	    [CLOSE_REFUSED] = "refused",
	    [CLOSE_IDLE] = "idle",
	    [CLOSE_HANDSHAKE] = "handshake",
	    [CLOSE_TIMEOUT_HEAD] = "timeout_head",
	    [CLOSE_TIMEOUT_BODY] = "timeout_body",
	    [CLOSE_TIMEOUT_WRITE] = "timeout_write",
	    [CLOSE_TOO_MANY] = "too_many",
	    [CLOSE_REVOKED] = "revoked",
	    [CLOSE_SHUTDOWN] = "shutdown",
	};

	return names[reason];
}

static void
conn_account_close(struct conn *c, enum close_reason reason)
{
	struct server *s = c->server;
	unsigned *slot = &s->close_slots[reason];

	if (*slot == 0)
		*slot =
		    1 + metric_series(METRIC_HTTP_CLOSED, reason_name(reason));
	metric_add_series(METRIC_HTTP_CLOSED, *slot - 1, 1);
	s->conn_count--;
	s->extra_count -= c->refusal != ERR_OK;
	if (c->from != NULL)
		peer_leave(c->from);
	metric_set(METRIC_HTTP_CONNECTIONS, (double)s->conn_count);
	if (peer_may_log(LOG_DEBUG, "http.close", c->peer))
		log_debug("http.close", "peer=%s reason=%s under_way=%zu",
		    c->peer, reason_name(reason), c->req_count);
}

void
conn_release_req(struct conn *c, struct req *req)
{
	c->req_count--;
	req_release(req);
}

/* The oldest request that runs and was not yet told that its client left. */
static struct req *
conn_next_untold(struct conn *c)
{
	struct list *pos;

	LIST_FOREACH (pos, &c->reqs) {
		struct req *req = CONTAINER_OF(pos, struct req, link);

		if (!req->gone)
			return req;
	}
	return NULL;
}

/* Requests that no handler has end here; the others are told. A handler may
 * end its request (any of them) when it is told. Whose answer waited behind
 * another's is told that it went nowhere. */
static void
conn_abandon_reqs(struct conn *c)
{
	struct req *req;

	c->reading = NULL;
	while ((req = conn_next_untold(c)) != NULL) {
		if (req->state == REQ_RUNNING) {
			req_set_gone(req);
			continue;
		}
		if (req->state == REQ_ANSWERED)
			req_set_lost(req);
		conn_release_req(c, req);
	}
}

void
conn_free(struct conn *c)
{
	list_del(&c->link);
	free(c);
}

void
conn_close(struct conn *c, enum close_reason reason)
{
	struct server *s = c->server;

	c->is_leaving = true;
	conn_account_close(c, reason);
	if (!c->is_plain)
		tls_say_end(c->bev);
	bufferevent_free(c->bev);
	c->bev = NULL;
	list_del(&c->flush_link);
	list_del(&c->writer_link);
	list_del(&c->extra_link);
	list_del(&c->link);
	list_add_tail(&s->orphans, &c->link);
	conn_abandon_reqs(c);
	c->is_leaving = false;
	if (c->req_count == 0)
		conn_free(c);
	server_check_drained(s);
}

/* All is answered and written, and no request follows. */
static void
conn_finish(struct conn *c)
{
	if (!c->lingers) {
		conn_close(c, c->reason);
		return;
	}
	/* A socket closed with unread input is reset, and the reset may
	 * overtake the answer. So the client closes first. */
	if (!c->is_plain)
		tls_say_end(c->bev);
	shutdown(bufferevent_getfd(c->bev), SHUT_WR);
	c->linger_at_us = clock_mono_us();
	conn_set_class(c, CLASS_LINGER);
	server_check_drained(c->server);
}

/* ---- requests --------------------------------------------------------- */

/* The last request is one that reads, and was not answered yet. Its answer
 * may be long: a pipeline of them, asked of Redis all at once, would keep
 * everybody else waiting. */
static bool
conn_awaits_read(const struct conn *c)
{
	const struct route *route;

	if (list_is_empty(&c->reqs))
		return false;
	route = CONTAINER_OF(c->reqs.prev, struct req, link)->match.route;
	return route != NULL && route->role == ROLE_VIEWER;
}

/* A body is read to its end; a next request only while there is room. */
static bool
conn_may_parse(struct conn *c)
{
	if (!conn_is_in_head(c))
		return true;
	return !c->is_closing && c->req_count < CONN_IN_FLIGHT_MAX &&
	       !conn_awaits_read(c) &&
	       evbuffer_get_length(conn_output(c)) + c->answer_bytes <=
		   ANSWERS_MAX;
}

/* A refused request leaves the connection usable when its end is known and
 * near. */
static bool
is_skippable(const struct conn *c, enum err err)
{
	const struct parser_head *head = &c->parser.head;

	if (err == ERR_BODY_TOO_LARGE || err == ERR_LENGTH_REQUIRED ||
	    err == ERR_SHUTTING_DOWN || head->expect != EXPECT_NONE)
		return false;
	return !head->is_chunked && head->length <= SKIP_MAX;
}

static void
conn_refuse_head(struct conn *c, struct req *req, enum err err)
{
	if (!is_skippable(c, err))
		conn_stop_reading(c, CLOSE_REFUSED, true);
	else if (c->refusal == ERR_OK)
		c->skips_body = true;
	req_refuse(req, err, req->detail);
}

static void
conn_on_head(struct conn *c)
{
	const struct parser_head *head = &c->parser.head;
	struct req *req = req_new(c->server, c);
	enum err err;

	list_add_tail(&c->reqs, &req->link);
	c->req_count++;
	c->is_fresh = true;
	c->piece_at_us = clock_mono_us();
	if (!head->keep_alive)
		conn_stop_reading(c, CLOSE_ANSWERED, false);
	if (c->refusal != ERR_OK)
		conn_stop_reading(c, CLOSE_TOO_MANY, true);
	err = req_open(req, head);
	if (err != ERR_OK) {
		conn_refuse_head(c, req, err);
		return;
	}
	c->reading = req;
	c->parser.body_max = req->body_max;
	/* Small bodies get their room at once, large ones as they come. */
	if (head->length > 0)
		buf_reserve(&req->body,
		    head->length < SKIP_MAX ? (size_t)head->length : SKIP_MAX);
	if (req->continue_due)
		conn_want_flush(c);
}

static void
conn_on_piece(struct conn *c)
{
	struct req *req = c->reading;

	c->piece_at_us = clock_mono_us();
	if (req == NULL || req_add_body(req, c->parser.piece))
		return;
	conn_stop_reading(c, CLOSE_REFUSED, true);
	c->reading = NULL;
	req_refuse(req, ERR_MEMORY_FULL, "");
}

/* The request is whole. */
static void
conn_on_done(struct conn *c)
{
	struct req *req = c->reading;

	c->is_fresh = true;
	c->reading = NULL;
	c->skips_body = false;
	if (req == NULL)
		return;
	if (req->body.failed)
		req_refuse(req, ERR_NO_MEMORY, "");
	else
		req_run(req);
}

/* The bytes are no request that we could answer and go on. */
static void
conn_on_fault(struct conn *c)
{
	struct req *req = c->reading;

	conn_stop_reading(c, CLOSE_REFUSED, true);
	c->reading = NULL;
	if (c->skips_body)
		c->skips_body = false;
	else if (req != NULL)
		req_refuse(req, c->parser.err,
		    c->parser.why == NULL ? "" : c->parser.why);
	else
		conn_refuse(c, c->parser.err, c->parser.why);
}

/* ---- reading ---------------------------------------------------------- */

/* A head must lie in one piece; a body comes as it lies. */
static struct span
conn_peek(struct conn *c)
{
	struct evbuffer *input = conn_input(c);
	size_t len = conn_is_in_head(c) ? evbuffer_get_length(input)
					: evbuffer_get_contiguous_space(input);

	if (len == 0)
		return SPAN("");
	return (struct span){
	    (const char *)evbuffer_pullup(input, (ev_ssize_t)len), len};
}

/* The spans that the parser gave are used before the input moves. */
static void
conn_on_parsed(struct conn *c, enum parser_event event)
{
	switch (event) {
	case PARSER_HEAD:
		conn_on_head(c);
		break;
	case PARSER_BODY:
		conn_on_piece(c);
		break;
	case PARSER_DONE:
		conn_on_done(c);
		break;
	case PARSER_ERROR:
		conn_on_fault(c);
		break;
	case PARSER_MORE:
		break;
	}
}

/* Never closes the connection: answers only wait for the end of the turn. */
static void
conn_parse(struct conn *c)
{
	struct evbuffer *input = conn_input(c);
	enum parser_event event;
	struct span in;
	size_t used;

	while (conn_may_parse(c)) {
		in = conn_peek(c);
		ASSERT(in.p != NULL);
		event = parser_next(&c->parser, in, &used);
		conn_on_parsed(c, event);
		if (used > 0)
			evbuffer_drain(input, used);
		else if (event == PARSER_MORE)
			break;
	}
}

/* What comes behind the last request is read for nothing, but not for
 * ever. */
static void
conn_discard(struct conn *c)
{
	struct evbuffer *input = conn_input(c);
	size_t len = evbuffer_get_length(input);

	evbuffer_drain(input, len);
	c->discarded += len;
	if (c->discarded > DISCARD_MAX ||
	    (c->class == CLASS_LINGER &&
		clock_mono_us() - c->linger_at_us > LINGER_TIME_US)) {
		conn_close(c, c->reason);
	} else if (c->class == CLASS_LINGER) {
		c->is_fresh = true;
		conn_set_class(c, CLASS_LINGER);
	}
}

static enum conn_class
conn_find_class(struct conn *c)
{
	if (c->refusal != ERR_OK && !c->is_closing)
		return CLASS_EXTRA;
	if (c->is_shaking)
		return CLASS_HANDSHAKE;
	if (!conn_is_in_head(c))
		return CLASS_BODY;
	if (c->is_closing)
		return CLASS_BUSY;
	if (!parser_is_idle(&c->parser) || conn_has_input(c))
		return conn_may_parse(c) ? CLASS_HEAD : CLASS_BUSY;
	if (c->req_count > 0 || conn_has_output(c))
		return CLASS_BUSY;
	return CLASS_IDLE;
}

/* The end of every turn of a connection. */
void
conn_settle(struct conn *c)
{
	if (c->class == CLASS_LINGER)
		return;
	/* What is held could keep the rest, and its end, from being read. */
	if (c->is_closing && conn_is_in_head(c))
		evbuffer_drain(conn_input(c), SIZE_MAX);
	if (c->is_closing && conn_is_in_head(c) && c->req_count == 0 &&
	    !conn_has_output(c))
		conn_finish(c);
	else
		conn_set_class(c, conn_find_class(c));
}

void
conn_go_on(struct conn *c)
{
	if (conn_has_input(c))
		conn_parse(c);
	conn_settle(c);
}

/* A bufferevent reads 4 KiB in a turn, which is slow for large bodies: what
 * surely belongs to one is read past it, some pieces at a time. Ends and
 * faults are left to the bufferevent to find. */
static void
conn_pull_body(struct conn *c)
{
	static char bytes[PULL_SIZE];
	size_t used, n = PULL_SIZE;
	ssize_t got;

	for (int i = 0; i < PULLS_MAX && !conn_has_input(c); i++) {
		if (conn_is_in_head(c) ||
		    parser_body_left(&c->parser) < PULL_MIN)
			return;
		if (parser_body_left(&c->parser) < n)
			n = (size_t)parser_body_left(&c->parser);
		got = recv(bufferevent_getfd(c->bev), bytes, n, MSG_DONTWAIT);
		if (got <= 0)
			return;
		conn_on_parsed(
		    c, parser_next(&c->parser,
			   (struct span){bytes, (size_t)got}, &used));
		ASSERT(used == (size_t)got);
		mem_wipe(bytes, used);
	}
}

static void
conn_on_readable(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	(void)bev;
	if (c->is_closing && conn_is_in_head(c)) {
		conn_discard(c);
		return;
	}
	conn_parse(c);
	if (c->is_plain && parser_body_left(&c->parser) >= PULL_MIN) {
		conn_pull_body(c);
		conn_parse(c);
	}
	conn_settle(c);
}

static void
conn_on_event(struct bufferevent *bev, short what, void *arg)
{
	struct conn *c = arg;

	(void)bev;
	if ((what & BEV_EVENT_CONNECTED) != 0)
		conn_on_shaken(c);
	else if (c->is_shaking)
		conn_on_shake_failed(c);
	else if (c->class == CLASS_LINGER)
		conn_close(c, c->reason);
	else if ((what & BEV_EVENT_EOF) != 0)
		conn_close(c, CLOSE_CLIENT);
	else
		conn_close(c, CLOSE_RESET);
}
