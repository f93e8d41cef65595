/* What connections wait for, and when that is over; the server's end. */

#include <event2/buffer.h>

#include "core/mem.h"
#include "http/auth.h"
#include "http/conn_priv.h"

enum {
	BODY_TIME_US = 30000000,   /* a body may take this, plus its size */
	EXTRA_TIME_US = 1000000,   /* beyond the caps, to ask something */
	LINGER_QUIET_US = 5000000, /* of a client that sends nothing more */
	CLOSES_MAX = 64 /* in one go, which takes half a millisecond */
};

static bool
conn_is_late(const struct conn *c, int64_t allowed_us)
{
	return clock_mono_us() - c->class_at_us > allowed_us;
}

/* The oldest of a class, NULL when it is not older than that. */
static struct conn *
class_late(struct server *s, enum conn_class class, int64_t allowed_us)
{
	struct list *list = &s->classes[class];
	struct conn *c;

	if (list_is_empty(list))
		return NULL;
	c = CONTAINER_OF(list->next, struct conn, link);
	return conn_is_late(c, allowed_us) ? c : NULL;
}

static void
conn_time_out(struct conn *c, enum close_reason reason)
{
	struct req *req = c->reading;

	if (c->skips_body) {
		conn_close(c, reason);
		return;
	}
	conn_stop_reading(c, reason, true);
	c->reading = NULL;
	if (req != NULL)
		req_refuse(req, ERR_REQUEST_TIMEOUT, "");
	else
		conn_refuse(c, ERR_REQUEST_TIMEOUT, NULL);
	conn_settle(c);
}

/* 30 s, and one more for each min_rate bytes that came. Without a rate it
 * only must not stand still. */
static bool
conn_body_is_late(const struct conn *c)
{
	const struct conf *conf = c->server->conf;
	uint64_t rate = conf->http_min_rate, more_s;

	if (rate == 0)
		return clock_mono_us() - c->piece_at_us >
		       (int64_t)conf->http_idle_timeout_ms * 1000;
	more_s = c->parser.body_seen / rate;
	return conn_is_late(c, BODY_TIME_US + (int64_t)more_s * 1000000);
}

static bool
conn_writes_late(struct conn *c)
{
	size_t left = evbuffer_get_length(conn_output(c));
	int64_t now = clock_mono_us();

	if (left < c->output_left)
		c->progress_us = now;
	c->output_left = left;
	return now - c->progress_us >
	       (int64_t)c->server->conf->http_write_timeout_ms * 1000;
}

bool
conns_sweep(struct server *s)
{
	const int64_t idle_us = (int64_t)s->conf->http_idle_timeout_ms * 1000;
	const int64_t head_us = (int64_t)s->conf->http_header_timeout_ms * 1000;
	struct list *pos, *tmp;
	struct conn *c;
	int left = CLOSES_MAX;

	while (left > 0 && (c = class_late(s, CLASS_IDLE, idle_us)) != NULL) {
		conn_close(c, CLOSE_IDLE);
		left--;
	}
	while (
	    left > 0 && (c = class_late(s, CLASS_HANDSHAKE, head_us)) != NULL) {
		conn_close(c, CLOSE_HANDSHAKE);
		left--;
	}
	while (left > 0 &&
	       (c = class_late(s, CLASS_EXTRA, EXTRA_TIME_US)) != NULL) {
		conn_extra_late(c);
		left--;
	}
	while (left > 0 && (c = class_late(s, CLASS_HEAD, head_us)) != NULL) {
		conn_time_out(c, CLOSE_TIMEOUT_HEAD);
		left--;
	}
	while (left > 0 &&
	       (c = class_late(s, CLASS_LINGER, LINGER_QUIET_US)) != NULL) {
		conn_close(c, c->reason);
		left--;
	}
	LIST_FOREACH_SAFE (pos, tmp, &s->classes[CLASS_BODY]) {
		c = CONTAINER_OF(pos, struct conn, link);
		if (left > 0 && conn_body_is_late(c)) {
			conn_time_out(c, CLOSE_TIMEOUT_BODY);
			left--;
		}
	}
	LIST_FOREACH_SAFE (pos, tmp, &s->writers) {
		c = CONTAINER_OF(pos, struct conn, writer_link);
		if (conn_writes_late(c) && left > 0) {
			conn_close(c, CLOSE_TIMEOUT_WRITE);
			left--;
		}
	}
	return left > 0;
}

/* ---- tokens that ended ------------------------------------------------ */

static bool
conn_is_revoked(struct conn *c)
{
	struct list *pos;

	LIST_FOREACH (pos, &c->reqs) {
		struct req *req = CONTAINER_OF(pos, struct req, link);

		if (req->state != REQ_ANSWERED && !req->is_settled &&
		    !auth_is_current(req))
			return true;
	}
	return false;
}

void
conns_close_revoked(struct server *s)
{
	struct list *pos, *tmp;

	for (int class = 0; class < CLASS_COUNT; class ++)
		LIST_FOREACH_SAFE (pos, tmp, &s->classes[class]) {
			struct conn *c = CONTAINER_OF(pos, struct conn, link);

			if (conn_is_revoked(c))
				conn_close(c, CLOSE_REVOKED);
		}
}

/* ---- the end of the server -------------------------------------------- */

void
conns_close_idle(struct server *s)
{
	struct list *idle = &s->classes[CLASS_IDLE];

	while (!list_is_empty(idle))
		conn_close(CONTAINER_OF(idle->next, struct conn, link),
		    CLOSE_SHUTDOWN);
}

void
conns_free(struct server *s)
{
	for (int class = 0; class < CLASS_COUNT; class ++) {
		struct list *list = &s->classes[class];

		while (!list_is_empty(list))
			conn_close(CONTAINER_OF(list->next, struct conn, link),
			    CLOSE_SHUTDOWN);
	}
	ASSERT(list_is_empty(&s->orphans));
}
