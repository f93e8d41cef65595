/* Connections of the driver: dial, write, read, and who is settled. */

#include "bench/load.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench/task.h"
#include "core/mem.h"

enum {
	BUF_MAX = 64 * 1024 * 1024,
	READ_BYTES = 128 * 1024,
	EVENTS_MAX = 128,
	POLL_MS = 1000
};

static void
watch(struct conn *c, int how, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data = {.ptr = c}};

	if (epoll_ctl(c->load->epoll, how, c->fd, &ev) != 0)
		load_die("epoll_ctl: %s", strerror(errno));
}

static int
dial(const struct load *l)
{
	int on = 1, fd = socket(l->address.ss_family, SOCK_STREAM, 0);

	if (fd < 0)
		load_die("socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)&l->address, l->address_len) !=
	    0)
		load_die("connect: %s", strerror(errno));
	if (l->address.ss_family == AF_INET)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

void
conn_open_all(struct load *l, uint32_t count)
{
	uint32_t i;

	l->conns = xcalloc(count, sizeof(*l->conns));
	l->conn_count = count;
	for (i = 0; i < count; i++) {
		struct conn *c = &l->conns[i];

		c->load = l;
		c->index = i;
		c->fd = dial(l);
		buf_init(&c->in, BUF_MAX);
		buf_init(&c->out, BUF_MAX);
		watch(c, EPOLL_CTL_ADD, EPOLLIN);
		if (l->proto->hello != NULL)
			l->proto->hello(c);
	}
}

void
conn_close_all(struct load *l)
{
	uint32_t i;

	for (i = 0; i < l->conn_count; i++) {
		close(l->conns[i].fd);
		buf_clear(&l->conns[i].in);
		buf_clear(&l->conns[i].out);
		free(l->conns[i].held);
	}
	free(l->conns);
	l->conns = NULL;
	l->conn_count = 0;
}

void
conn_send(struct conn *c)
{
	bool wants;

	if (c->out.failed)
		load_die("a request of more than %d bytes", BUF_MAX);
	while (c->out_at < c->out.len) {
		ssize_t n = write(
		    c->fd, c->out.data + c->out_at, c->out.len - c->out_at);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0)
			load_die("write: %s", strerror(errno));
		c->out_at += (size_t)n;
	}
	wants = c->out_at < c->out.len;
	if (!wants) {
		c->out_at = 0;
		buf_reset(&c->out, BUF_MAX);
	}
	if (wants != c->wants_write) {
		c->wants_write = wants;
		watch(c, EPOLL_CTL_MOD, EPOLLIN | (wants ? EPOLLOUT : 0u));
	}
}

void
conn_request(struct conn *c, enum request request, uint32_t asked)
{
	c->request = request;
	c->asked = asked;
	c->got = 0;
	c->sent_ns = usage_now_ns();
	conn_send(c);
}

void
conn_hold(struct conn *c, const char *handle, size_t len, const char *digits)
{
	struct handle *h;

	if (c->held_count == c->held_cap) {
		c->held_cap = c->held_cap == 0 ? 4 : c->held_cap * 2;
		c->held = xrealloc(c->held, c->held_cap, sizeof(*c->held));
	}
	if (len > sizeof(h->text))
		load_die("a task's handle of %zu bytes", len);
	h = &c->held[c->held_count++];
	memcpy(h->text, handle, len);
	h->len = (uint32_t)len;
	c->got++;
	if (c->load->on_task != NULL)
		c->load->on_task(c, task_number(digits));
}

const struct handle *
conn_drop(struct conn *c)
{
	ASSERT(c->held_count > 0);
	return &c->held[--c->held_count];
}

/* All that the socket has, as far as one read takes it. */
static void
fill(struct conn *c)
{
	ssize_t n;

	if (c->in_at == c->in.len) {
		buf_reset(&c->in, BUF_MAX);
		c->in_at = 0;
	} else if (c->in_at > READ_BYTES) {
		memmove(
		    c->in.data, c->in.data + c->in_at, c->in.len - c->in_at);
		c->in.len -= c->in_at;
		c->in_at = 0;
	}
	if (!buf_reserve(&c->in, READ_BYTES))
		load_die("an answer of more than %d bytes", BUF_MAX);
	n = read(c->fd, c->in.data + c->in.len, c->in.cap - c->in.len);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		load_die("the server closed connection %u: %s", c->index,
		    n == 0 ? "end of file" : strerror(errno));
	c->in.len += (size_t)n;
}

static void
on_readable(struct conn *c)
{
	enum reply reply;
	bool settled = false;

	fill(c);
	while (c->in_at < c->in.len) {
		reply = c->load->proto->reply(c);
		if (reply == REPLY_PART)
			break;
		if (reply == REPLY_NOTE)
			continue;
		if (c->expect == 0)
			load_die("a reply that nobody asked for");
		settled = --c->expect == 0;
	}
	if (settled)
		c->load->on_settled(c);
}

void
conn_turn(struct load *l)
{
	struct epoll_event events[EVENTS_MAX];
	int i, n = epoll_wait(l->epoll, events, EVENTS_MAX, POLL_MS);

	for (i = 0; i < n; i++) {
		struct conn *c = events[i].data.ptr;

		if (c == NULL) {
			l->on_tick(l);
			continue;
		}
		if ((events[i].events & EPOLLOUT) != 0)
			conn_send(c);
		if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
			on_readable(c);
	}
}
