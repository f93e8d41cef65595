/*
 * What a loop turn answered goes out at its end in one write, in the order
 * of the requests; see conn.h.
 */

#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "core/mem.h"
#include "http/conn_priv.h"

/* Head and body of each answer, and 100 Continue. */
enum { PIECES_MAX = 2 * CONN_IN_FLIGHT_MAX + 1 };

/* Connections written to in one go, which takes less than a millisecond. */
enum { FLUSHES_MAX = 128 };

static char continue_line[] = "HTTP/1.1 100 Continue\r\n\r\n";

/* Hands it over to conns_flush at the end of the turn. */
void
conn_want_flush(struct conn *c)
{
	struct server *s = c->server;

	if (!list_is_empty(&c->flush_link))
		return;
	list_add_tail(&s->flushes, &c->flush_link);
	loop_post(s->loop, &s->flush_post);
}

bool
conn_closes_after(struct conn *c, const struct req *req)
{
	if (c->reqs.prev != &req->link)
		return false;
	if (c->server->is_draining && !c->is_closing)
		conn_stop_reading(c, CLOSE_SHUTDOWN, true);
	return c->is_closing;
}

void
conn_on_answered(struct conn *c, struct req *req)
{
	if (c->bev != NULL) {
		c->answer_bytes += req->head.len + req->out.len;
		if (conn_first(c)->state == REQ_ANSWERED)
			conn_want_flush(c);
		return;
	}
	conn_release_req(c, req);
	if (c->req_count == 0 && !c->is_leaving)
		conn_free(c);
}

struct output {
	struct iovec iov[PIECES_MAX];
	int iov_count;
	size_t bytes;
	size_t answers; /* how many of the first requests these are */
};

static void
output_add(struct output *o, char *p, size_t len)
{
	if (len == 0)
		return;
	ASSERT(o->iov_count < PIECES_MAX);
	o->iov[o->iov_count].iov_base = p;
	o->iov[o->iov_count].iov_len = len;
	o->iov_count++;
	o->bytes += len;
}

/* All answers up to the first that is not yet there. */
static void
conn_collect(struct conn *c, struct output *o)
{
	struct list *pos;

	LIST_FOREACH (pos, &c->reqs) {
		struct req *req = CONTAINER_OF(pos, struct req, link);

		if (req->state != REQ_ANSWERED) {
			if (req->continue_due)
				output_add(o, continue_line,
				    sizeof(continue_line) - 1);
			req->continue_due = false;
			break;
		}
		output_add(o, req->head.data, req->head.len);
		output_add(o, req->out.data, req->out.len);
		o->answers++;
	}
}

/* Straight to the socket, without a turn of the loop between. Returns how
 * much it took; a fault is left to the bufferevent to find. */
static size_t
conn_send_now(struct conn *c, struct output *o)
{
	struct msghdr msg = {0};
	ssize_t n;

	if (!c->is_plain || conn_has_output(c))
		return 0;
	msg.msg_iov = o->iov;
	msg.msg_iovlen = (size_t)o->iov_count;
	n = sendmsg(
	    bufferevent_getfd(c->bev), &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	return n < 0 ? 0 : (size_t)n;
}

/* The rest in one piece: over TLS each addition is a record and a segment of
 * its own, and with a head and a body apart the second one would wait for the
 * client's delayed acknowledgement. */
static void
conn_queue(struct conn *c, struct output *o, size_t sent)
{
	struct evbuffer *output = conn_output(c);
	struct evbuffer_iovec room;
	char *at;

	ASSERT(evbuffer_reserve_space(
		   output, (ev_ssize_t)(o->bytes - sent), &room, 1) == 1);
	at = room.iov_base;
	room.iov_len = o->bytes - sent;
	for (int i = 0; i < o->iov_count; i++) {
		struct iovec *v = &o->iov[i];
		size_t skip = sent < v->iov_len ? sent : v->iov_len;

		sent -= skip;
		memcpy(at, (char *)v->iov_base + skip, v->iov_len - skip);
		at += v->iov_len - skip;
	}
	ASSERT(evbuffer_commit_space(output, &room, 1) == 0);
}

static void
conn_send(struct conn *c, struct output *o)
{
	size_t sent = conn_send_now(c, o);

	if (sent == o->bytes)
		return;
	c->server->budget.unread += o->bytes - sent;
	conn_queue(c, o, sent);
	if (!list_is_empty(&c->writer_link))
		return;
	list_add_tail(&c->server->writers, &c->writer_link);
	c->output_left = evbuffer_get_length(conn_output(c));
	c->progress_us = clock_mono_us();
}

/* What was answered in this turn, in one go. */
static void
conn_flush(struct conn *c)
{
	struct output o = {.iov_count = 0};

	conn_collect(c, &o);
	if (o.bytes > 0)
		conn_send(c, &o);
	for (; o.answers > 0; o.answers--) {
		struct req *req = conn_first(c);

		c->answer_bytes -= req->head.len + req->out.len;
		conn_release_req(c, req);
	}
	conn_go_on(c);
}

/* All that was left is written. */
void
conn_on_written(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;
	struct server *s = c->server;

	(void)bev;
	list_del(&c->writer_link);
	conn_go_on(c); /* may be its end */
	server_check_drained(s);
}

void
conns_flush(struct server *s)
{
	struct list batch;

	if (list_is_empty(&s->flushes))
		return;
	list_insert(&batch, s->flushes.prev, s->flushes.next);
	list_init(&s->flushes);
	for (int i = 0; i < FLUSHES_MAX && !list_is_empty(&batch); i++) {
		struct conn *c =
		    CONTAINER_OF(batch.next, struct conn, flush_link);

		list_del(&c->flush_link);
		conn_flush(c);
	}
	/* Who is left comes first the next time. */
	while (!list_is_empty(&batch)) {
		struct list *link = batch.prev;

		list_del(link);
		list_add_head(&s->flushes, link);
	}
	if (!list_is_empty(&s->flushes))
		loop_post(s->loop, &s->flush_post);
}
