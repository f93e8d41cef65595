/* One socket to one Redis; see redis_link.h. */

#define _GNU_SOURCE /* SOCK_CLOEXEC, TCP_USER_TIMEOUT */

#include "store/redis_link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <event2/event.h>
#include <hiredis/hiredis.h>

#include "core/arena.h"
#include "core/loop.h"
#include "core/mem.h"
#include "store/reply_make.h"

enum {
	READ_BYTES = 64 * 1024,        /* per wakeup: others get their turn */
	READER_KEEP = 256 * 1024,      /* memory the reader keeps when idle */
	REPLY_MAX = 512 * 1024 * 1024, /* bytes of a reply */
	KEEPALIVE_IDLE_SEC = 15,
	KEEPALIVE_STEP_SEC = 5,
	KEEPALIVE_COUNT = 3,
	UNACKED_MS = 30 * 1000 /* bytes that the peer's system never took */
};

struct redis_link {
	struct loop *loop;
	struct redis_link_events events;
	struct resolve *resolve; /* the name is looked up */
	struct redis_addr addrs[REDIS_ADDR_MAX];
	size_t addr_count, addr_next;
	char reason[160]; /* of the last address that failed */
	struct post failed;
	int fd; /* -1: between two addresses */
	struct event *ev_read, *ev_write;
	redisReader *reader;
	struct arena *arena; /* of the reply that is being read */
	bool keep;           /* the owner uses replies in the arena */
	bool open;           /* connected */
	bool busy;           /* in its own event: freed at the end of it */
	bool closed;         /* by the owner */
	bool broken;         /* on_broken was called */
};

static void link_try(struct redis_link *l);

static void
link_free(struct redis_link *l)
{
	redisReaderFree(l->reader);
	arena_free(l->arena);
	free(l);
}

static void
link_drop_socket(struct redis_link *l)
{
	if (l->fd < 0)
		return;
	event_free(l->ev_read);
	event_free(l->ev_write);
	close(l->fd);
	l->fd = -1;
}

void
redis_link_close(struct redis_link *l)
{
	link_drop_socket(l);
	if (l->resolve != NULL)
		resolve_cancel(l->resolve);
	post_cancel(&l->failed);
	l->closed = true;
	if (!l->busy)
		link_free(l);
}

static void
link_break(struct redis_link *l, const char *reason)
{
	if (l->closed || l->broken)
		return;
	l->broken = true;
	if (l->fd >= 0) {
		event_del(l->ev_read);
		event_del(l->ev_write);
	}
	l->events.on_broken(reason, l->events.arg);
}

static void
link_break_errno(struct redis_link *l, const char *what, int code)
{
	char reason[128];

	snprintf(reason, sizeof(reason), "%s: %s", what, strerror(code));
	link_break(l, reason);
}

/* Hands on every whole reply in the reader. */
static void
link_replies(struct redis_link *l)
{
	char reason[160];
	void *reply;

	while (!l->closed) {
		if (redisReaderGetReply(l->reader, &reply) != REDIS_OK) {
			snprintf(reason, sizeof(reason),
			    "wrong bytes from Redis: %s",
			    l->reader->err == REDIS_ERR_OOM
				? "a text of another length, or too large"
				: l->reader->errstr);
			link_break(l, reason);
			return;
		}
		if (reply == NULL)
			break;
		l->events.on_reply(reply, l->events.arg);
		if (!l->keep)
			arena_reset(l->arena);
	}
	if (l->reader->len > REPLY_MAX)
		link_break(l, "a reply is larger than 512 MiB");
}

static void
link_read(struct redis_link *l)
{
	static char bytes[READ_BYTES];
	ssize_t n = read(l->fd, bytes, sizeof(bytes));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0)
		link_break_errno(l, "read", errno);
	else if (n == 0)
		link_break(l, "Redis closed the connection");
	else if (redisReaderFeed(l->reader, bytes, (size_t)n) != REDIS_OK)
		link_break(l, "no memory for a reply");
	else
		link_replies(l);
}

static void
link_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct redis_link *l = arg;

	(void)fd;
	(void)what;
	l->busy = true;
	link_read(l);
	l->busy = false;
	if (l->closed)
		link_free(l);
}

/* The first writable moment says how the connecting went; a name's other
 * addresses belong to the same attempt. */
static void
link_finish_open(struct redis_link *l)
{
	int code = 0;
	socklen_t len = sizeof(code);

	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &code, &len) != 0)
		code = errno;
	if (code != 0) {
		snprintf(l->reason, sizeof(l->reason), "connect: %s",
		    strerror(code));
		link_drop_socket(l);
		link_try(l);
		return;
	}
	l->open = true;
	event_add(l->ev_read, NULL);
	l->events.on_open(l->events.arg);
}

static void
link_on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct redis_link *l = arg;

	(void)fd;
	(void)what;
	l->busy = true;
	if (l->open)
		l->events.on_writable(l->events.arg);
	else
		link_finish_open(l);
	l->busy = false;
	if (l->closed)
		link_free(l);
}

const struct redis_addr *
redis_link_addr(const struct redis_link *l)
{
	return &l->addrs[l->addr_next - 1];
}

void
redis_link_keep(struct redis_link *l, bool on)
{
	l->keep = on;
}

size_t
redis_link_write(struct redis_link *l, const struct iovec *iov, size_t count)
{
	struct msghdr msg = {.msg_iovlen = count};
	size_t want = 0, i;
	ssize_t n;

	for (i = 0; i < count; i++)
		want += iov[i].iov_len;
	/* sendmsg only reads them. */
	memcpy(&msg.msg_iov, &iov, sizeof(iov));
	do
		n = sendmsg(l->fd, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	/* An error stays on the socket: reading will tell it, from the loop. */
	if (n < 0)
		n = 0;
	if ((size_t)n < want)
		event_add(l->ev_write, NULL);
	return (size_t)n;
}

static void
set_option(int fd, int level, int name, int value)
{
	/* A missing option is no reason not to work. */
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

static void
set_tcp_options(int fd)
{
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_SEC);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_STEP_SEC);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
	set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKED_MS);
}

/* A socket on its way to addr, or -1 with errno. */
static int
connect_begin(const struct redis_addr *addr)
{
	int family = addr->addr.ss_family, code;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (family != AF_UNIX)
		set_tcp_options(fd);
	if (connect(fd, (const struct sockaddr *)&addr->addr, addr->len) == 0 ||
	    errno == EINPROGRESS)
		return fd;
	code = errno;
	close(fd);
	errno = code;
	return -1;
}

static void
link_use_socket(struct redis_link *l, int fd)
{
	struct event_base *base = loop_base(l->loop);

	l->fd = fd;
	l->ev_read =
	    event_new(base, fd, EV_READ | EV_PERSIST, link_on_readable, l);
	l->ev_write = event_new(base, fd, EV_WRITE, link_on_writable, l);
	ASSERT(l->ev_read != NULL && l->ev_write != NULL);
	event_add(l->ev_write, NULL);
}

/* Begins to connect to the next address that lets it; the end is told from
 * the loop. */
static void
link_try(struct redis_link *l)
{
	int fd;

	while (l->addr_next < l->addr_count) {
		fd = connect_begin(&l->addrs[l->addr_next++]);
		if (fd >= 0) {
			link_use_socket(l, fd);
			return;
		}
		snprintf(l->reason, sizeof(l->reason), "connect: %s",
		    strerror(errno));
	}
	loop_post(l->loop, &l->failed);
}

static void
link_on_failed(void *arg)
{
	struct redis_link *l = arg;

	l->busy = true;
	link_break(l, l->reason);
	l->busy = false;
	if (l->closed)
		link_free(l);
}

static void
link_on_resolved(
    const struct redis_addr *addrs, size_t count, const char *reason, void *arg)
{
	struct redis_link *l = arg;

	l->resolve = NULL;
	memcpy(l->addrs, addrs, count * sizeof(*addrs));
	l->addr_count = count;
	snprintf(l->reason, sizeof(l->reason), "%s", reason);
	link_try(l);
}

struct redis_link *
redis_link_open(struct loop *loop, const struct redis_url *url,
    const struct redis_link_events *events)
{
	struct redis_link *l = xcalloc(1, sizeof(*l));

	l->loop = loop;
	l->events = *events;
	l->fd = -1;
	l->arena = arena_new(REPLY_MAX);
	l->reader = reply_reader_new(l->arena);
	l->reader->maxbuf = READER_KEEP;
	post_init(&l->failed, link_on_failed, l);
	if (url->host[0] != '\0') {
		l->resolve = resolve_start(loop, url, link_on_resolved, l);
		return l;
	}
	l->addrs[0] = url->addr;
	l->addr_count = 1;
	link_try(l);
	return l;
}
