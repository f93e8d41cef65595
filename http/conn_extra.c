/*
 * Clients beyond the caps. Each has a connection for a moment, since it may
 * ask whether the server is well: whoever watches it must not take a full
 * server for a dead one. All else is refused. When too many come at once, the
 * oldest that asked nothing make room. See conn.h.
 */

#include <sys/socket.h>
#include <unistd.h>

#include <event2/bufferevent.h>

#include "core/id.h"
#include "core/mem.h"
#include "http/conn_priv.h"

enum { EXTRA_MAX = 64 };

enum err
conn_refusal(const struct conn *c)
{
	return c->refusal;
}

/* A client that is not waited for: the answer is thrown in whole, and whether
 * it arrives is left to luck. */
static void
throw_in(int fd, enum err err)
{
	struct buf body, all;
	char id[ID_MADE_LEN + 1];

	buf_init(&body, 1024);
	buf_init(&all, 2048);
	id_make(id);
	buf_add_str(&body, "{\"error\":");
	err_print_json(&body, err, SPAN(""));
	buf_add_char(&body, '}');
	buf_addf(&all,
	    "HTTP/1.1 %d Try Again Later\r\n"
	    "Content-Type: application/json\r\n"
	    "Content-Length: %zu\r\n"
	    "X-Request-Id: %s\r\n"
	    "Retry-After: 1\r\n"
	    "Connection: close\r\n\r\n",
	    err_info(err)->http, body.len, id);
	buf_add_span(&all, buf_span(&body));
	ASSERT(!all.failed);
	(void)send(fd, all.data, all.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	buf_clear(&body);
	buf_clear(&all);
}

static bool
has_unread(const struct conn *c)
{
	char byte;

	return recv(bufferevent_getfd(c->bev), &byte, 1,
		   MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Neither asks something nor is being answered. */
static bool
conn_is_idle_extra(struct conn *c)
{
	if (c->req_count > 0 || conn_has_output(c))
		return false;
	return c->class != CLASS_EXTRA || !has_unread(c);
}

static void
conn_end_extra(struct conn *c)
{
	if (c->class == CLASS_EXTRA && c->is_plain)
		throw_in(bufferevent_getfd(c->bev), c->refusal);
	conn_close(c, CLOSE_TOO_MANY);
}

static bool
extras_make_room(struct server *s)
{
	struct list *pos;

	if (s->extra_count < EXTRA_MAX)
		return true;
	LIST_FOREACH (pos, &s->extras) {
		struct conn *c = CONTAINER_OF(pos, struct conn, extra_link);

		if (conn_is_idle_extra(c)) {
			conn_end_extra(c);
			return true;
		}
	}
	return false;
}

void
conn_open_extra(
    struct server *s, int fd, const char *peer, unsigned flags, enum err err)
{
	struct conn *c;

	if (!extras_make_room(s)) {
		if ((flags & LISTEN_TLS) == 0)
			throw_in(fd, err);
		close(fd);
		return;
	}
	c = conn_new(s, fd, peer, flags);
	if (c == NULL)
		return;
	c->refusal = err;
	list_add_tail(&s->extras, &c->extra_link);
	s->extra_count++;
	conn_settle(c);
}

void
conn_extra_late(struct conn *c)
{
	if (c->is_shaking) {
		conn_close(c, CLOSE_TOO_MANY);
		return;
	}
	conn_stop_reading(c, CLOSE_TOO_MANY, true);
	conn_refuse(c, c->refusal, NULL);
	conn_settle(c);
}

void
conns_end_surplus(struct server *s)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE (pos, tmp, &s->extras) {
		struct conn *c = CONTAINER_OF(pos, struct conn, extra_link);

		if ((c->flags & LISTEN_SURPLUS) != 0 && conn_is_idle_extra(c))
			conn_end_extra(c);
	}
}
