/* Listening sockets; see listen.h. */

/* For accept4 and struct ucred. */
#define _GNU_SOURCE

#include "http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"

enum {
	LISTENERS_MAX = 16,
	BACKLOG = 4096,
	REST_MS = 200,   /* when descriptors are short */
	ACCEPT_MAX = 64, /* in one go: half a millisecond */
	RESERVE_MAX = 8, /* descriptors for when there are none */
	SAY_AGAIN_US = 10000000,
	ADDR_MAX = 128 /* "unix:" and sun_path, "tls:[v6]:port" */
};

union address {
	struct sockaddr sa;
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

struct listener {
	struct listeners *owner;
	struct event *ev; /* readable: somebody is there */
	int fd;
	char addr[ADDR_MAX];
	bool is_unix;
	unsigned flags; /* LISTEN_LOCAL, LISTEN_TLS */
};

struct listeners {
	struct loop *loop;
	struct listen_calls calls;
	struct listener items[LISTENERS_MAX];
	size_t count;
	int reserve[RESERVE_MAX];
	size_t reserve_count;
	struct timer rest_timer;
	int64_t said_at_us; /* when the shortage was logged last */
};

/* ---- addresses -------------------------------------------------------- */

static enum err
fail(struct buf *why, struct span addr, const char *reason)
{
	buf_addf(why, "http.listen %.*s: %s", SPAN_ARG(addr), reason);
	return ERR_LISTEN_FAILED;
}

/* "host:port" with an IP literal; brackets around one of version 6. */
static bool
parse_tcp(struct span text, union address *a, socklen_t *len)
{
	const char *colon = memrchr(text.p, ':', text.len);
	char host[INET6_ADDRSTRLEN];
	struct span name, port;
	uint64_t number;

	if (colon == NULL)
		return false;
	name = (struct span){text.p, (size_t)(colon - text.p)};
	port = (struct span){colon + 1, text.len - name.len - 1};
	if (!str_to_u64(port, &number) || number > 65535)
		return false;
	memset(a, 0, sizeof(*a));
	if (name.len > 2 && name.p[0] == '[' && name.p[name.len - 1] == ']') {
		a->sa.sa_family = AF_INET6;
		a->in6.sin6_port = htons((uint16_t)number);
		*len = sizeof(a->in6);
		name = (struct span){name.p + 1, name.len - 2};
	} else {
		a->sa.sa_family = AF_INET;
		a->in4.sin_port = htons((uint16_t)number);
		*len = sizeof(a->in4);
	}
	if (span_is(name, "localhost"))
		name = SPAN("127.0.0.1");
	if (name.len >= sizeof(host))
		return false;
	memcpy(host, name.p, name.len);
	host[name.len] = '\0';
	if (a->sa.sa_family == AF_INET6)
		return inet_pton(AF_INET6, host, &a->in6.sin6_addr) == 1;
	return inet_pton(AF_INET, host, &a->in4.sin_addr) == 1;
}

static bool
is_loopback(const union address *a)
{
	if (a->sa.sa_family == AF_INET)
		return ntohl(a->in4.sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr);
}

static void
print_tcp(char *dst, size_t size, const union address *a)
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (a->sa.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &a->in6.sin6_addr, host, sizeof(host));
		snprintf(dst, size, "[%s]:%u", host, ntohs(a->in6.sin6_port));
	} else {
		inet_ntop(AF_INET, &a->in4.sin_addr, host, sizeof(host));
		snprintf(dst, size, "%s:%u", host, ntohs(a->in4.sin_port));
	}
}

/* ---- sockets ---------------------------------------------------------- */

static int
socket_new(int family)
{
	return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* The socket, or -1 and errno. TCP_NODELAY is inherited by what is accepted
 * from it. */
static int
tcp_bind(const union address *a, socklen_t len)
{
	int fd = socket_new(a->sa.sa_family), on = 1, saved;

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
	    bind(fd, &a->sa, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* A socket file that nobody listens on is left over: away with it. 0, or
 * -1 and errno when something else is there. */
static int
unix_clear(const union address *a)
{
	struct stat st;
	int fd, saved;

	if (lstat(a->un.sun_path, &st) != 0)
		return errno == ENOENT ? 0 : -1;
	errno = EEXIST;
	if (!S_ISSOCK(st.st_mode))
		return -1;
	fd = socket_new(AF_UNIX);
	if (fd < 0)
		return -1;
	saved = connect(fd, &a->sa, sizeof(a->un)) == 0 ? EADDRINUSE : errno;
	close(fd);
	errno = saved == EAGAIN ? EADDRINUSE : saved;
	return errno == ECONNREFUSED ? unlink(a->un.sun_path) : -1;
}

/* Mode 0660 from the first moment: bind takes it from the socket, less the
 * umask, and chmod gives back what that took. */
static int
unix_bind(const union address *a)
{
	int fd, saved;

	if (unix_clear(a) != 0)
		return -1;
	fd = socket_new(AF_UNIX);
	if (fd < 0)
		return -1;
	if (fchmod(fd, 0660) == 0 && bind(fd, &a->sa, sizeof(a->un)) == 0 &&
	    chmod(a->un.sun_path, 0660) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static bool
has_prefix(struct span text, struct span prefix)
{
	return text.len >= prefix.len &&
	       memcmp(text.p, prefix.p, prefix.len) == 0;
}

static enum err
open_unix(struct listener *l, struct span text, int *fd, struct buf *why)
{
	union address a = {.un.sun_family = AF_UNIX};
	struct span path = {text.p + 5, text.len - 5};

	if (path.len == 0 || path.p[0] != '/')
		return fail(why, text, "the path must begin with '/'");
	if (path.len >= sizeof(a.un.sun_path))
		return fail(why, text, "the path is longer than 107 bytes");
	memcpy(a.un.sun_path, path.p, path.len);
	*fd = unix_bind(&a);
	if (*fd < 0)
		return fail(why, text,
		    errno == EEXIST ? "something is there that is no socket"
				    : strerror(errno));
	l->is_unix = true;
	l->flags = LISTEN_LOCAL;
	snprintf(l->addr, sizeof(l->addr), "%.*s", SPAN_ARG(text));
	return ERR_OK;
}

static enum err
open_tcp(struct listener *l, struct span text, int *fd, struct buf *why)
{
	union address a;
	socklen_t len;
	struct span addr = text;
	size_t skip = 0;

	if (has_prefix(text, SPAN("tls:"))) {
		l->flags |= LISTEN_TLS;
		skip = 4;
		addr = (struct span){text.p + skip, text.len - skip};
	}
	if (!parse_tcp(addr, &a, &len))
		return fail(why, text,
		    "expected IP:port, [IPv6]:port, localhost:port, the same "
		    "with tls: before it, or unix:/path");
	if (is_loopback(&a)) {
		l->flags |= LISTEN_LOCAL;
	} else if (skip == 0) {
		(void)fail(why, text,
		    "an address beyond this machine needs TLS and tokens: "
		    "write tls: before it, and set http.tls_cert and "
		    "http.tls_key");
		return ERR_ACCESS_OPEN;
	}
	*fd = tcp_bind(&a, len);
	if (*fd < 0)
		return fail(why, text, strerror(errno));
	ASSERT(getsockname(*fd, &a.sa, &len) == 0);
	memcpy(l->addr, "tls:", skip);
	print_tcp(l->addr + skip, sizeof(l->addr) - skip, &a);
	return ERR_OK;
}

/* ---- accepting -------------------------------------------------------- */

/* The client's address as text; returns the LISTEN_ bits that follow from
 * it. */
static unsigned
print_peer(char *dst, size_t size, int fd, const union address *a)
{
	struct ucred cred = {.uid = (uid_t)-1};
	socklen_t len = sizeof(cred);

	if (a->sa.sa_family == AF_INET || a->sa.sa_family == AF_INET6) {
		print_tcp(dst, size, a);
		return is_loopback(a) ? LISTEN_FROM_HERE : 0;
	}
	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	snprintf(dst, size, "unix:uid=%u", (unsigned)cred.uid);
	return cred.uid == 0 || cred.uid == geteuid()
		   ? LISTEN_FROM_HERE | LISTEN_OWNER
		   : LISTEN_FROM_HERE;
}

static void
reserve_fill(struct listeners *ls)
{
	int fd;

	while (ls->reserve_count < RESERVE_MAX) {
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			break;
		ls->reserve[ls->reserve_count++] = fd;
	}
}

static void
reserve_close(struct listeners *ls)
{
	while (ls->reserve_count > 0)
		close(ls->reserve[--ls->reserve_count]);
}

/* 0, or why there is no client: errno. */
static int
accept_client(struct listener *l, unsigned more_flags)
{
	struct listeners *ls = l->owner;
	char peer[ADDR_MAX];
	unsigned flags;
	union address a = {0};
	socklen_t len = sizeof(a);
	int fd = accept4(l->fd, &a.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return errno;
	flags = l->flags | more_flags | print_peer(peer, sizeof(peer), fd, &a);
	ls->calls.on_client(fd, peer, flags, ls->calls.arg);
	return 0;
}

/* With reserved descriptors given up there are some to accept with. They come
 * back as these clients are told and leave. */
static void
accept_surplus(struct listener *l)
{
	struct listeners *ls = l->owner;

	ls->calls.on_shortage(ls->calls.arg);
	reserve_close(ls);
	for (int i = 0; i < RESERVE_MAX; i++)
		if (accept_client(l, LISTEN_SURPLUS) != 0)
			break;
	reserve_fill(ls);
}

/* Descriptors or memory are short: all listeners rest. */
static void
listen_on_shortage(struct listener *l, int error)
{
	struct listeners *ls = l->owner;
	int64_t now = clock_mono_us();

	if (ls->said_at_us == 0 || now - ls->said_at_us > SAY_AGAIN_US) {
		log_warn("http.accept_failed", "addr=%s errno=%d rest_ms=%d",
		    l->addr, error, REST_MS);
		ls->said_at_us = now;
	}
	if (error == EMFILE || error == ENFILE)
		accept_surplus(l);
	for (size_t i = 0; i < ls->count; i++)
		event_del(ls->items[i].ev);
	timer_arm_ms(&ls->rest_timer, REST_MS);
}

static void
listen_on_rested(void *arg)
{
	struct listeners *ls = arg;

	/* Before a client takes what became free. */
	reserve_fill(ls);
	for (size_t i = 0; i < ls->count; i++)
		ASSERT(event_add(ls->items[i].ev, NULL) == 0);
}

/* False when there is nobody more to accept now. */
static bool
accept_one(struct listener *l)
{
	int error = accept_client(l, 0);

	/* One that left, or was refused, while it waited. */
	if (error == 0 || error == EINTR || error == ECONNABORTED ||
	    error == EPERM || error == EPROTO)
		return true;
	if (error != EAGAIN)
		listen_on_shortage(l, error);
	return false;
}

/* Whoever is left after some is found again by the next poll: a crowd that
 * arrives must not hold the loop. */
static void
listen_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)fd;
	(void)what;
	for (int i = 0; i < ACCEPT_MAX; i++)
		if (!accept_one(l))
			break;
}

/* ---- opening and closing ---------------------------------------------- */

static enum err
listener_open(struct listeners *ls, struct span text, struct buf *why)
{
	struct listener *l = &ls->items[ls->count];
	enum err err;
	int fd = -1;

	if (ls->count == LISTENERS_MAX)
		return fail(why, text, "at most 16 addresses");
	l->owner = ls;
	if (has_prefix(text, SPAN("unix:")))
		err = open_unix(l, text, &fd, why);
	else
		err = open_tcp(l, text, &fd, why);
	if (err != ERR_OK)
		return err;
	l->fd = fd;
	l->ev = event_new(loop_base(ls->loop), fd, EV_READ | EV_PERSIST,
	    listen_on_readable, l);
	ASSERT(l->ev != NULL && event_add(l->ev, NULL) == 0);
	ls->count++;
	return ERR_OK;
}

/* Cuts the next address off the list. */
static struct span
addr_cut(const char **addrs)
{
	const char *p = *addrs + strspn(*addrs, " \t");
	struct span item = {p, strcspn(p, ",")};

	*addrs = item.p + item.len;
	if (**addrs == ',')
		(*addrs)++;
	while (item.len > 0 && strchr(" \t", item.p[item.len - 1]) != NULL)
		item.len--;
	return item;
}

enum err
listeners_open(struct listeners **out, struct loop *loop, const char *addrs,
    const struct listen_calls *calls, struct buf *why)
{
	struct listeners *ls = xcalloc(1, sizeof(*ls));
	enum err err;

	ls->loop = loop;
	ls->calls = *calls;
	timer_init(&ls->rest_timer, loop, listen_on_rested, ls);
	reserve_fill(ls);
	do
		err = listener_open(ls, addr_cut(&addrs), why);
	while (err == ERR_OK && *addrs != '\0');
	if (err != ERR_OK) {
		listeners_close(ls);
		ls = NULL;
	}
	*out = ls;
	return err;
}

void
listeners_close(struct listeners *ls)
{
	if (ls == NULL)
		return;
	for (size_t i = 0; i < ls->count; i++) {
		if (ls->items[i].is_unix)
			unlink(ls->items[i].addr + 5);
		event_free(ls->items[i].ev);
		close(ls->items[i].fd);
	}
	timer_clear(&ls->rest_timer);
	reserve_close(ls);
	free(ls);
}

unsigned
listeners_flags(const struct listeners *ls, size_t i)
{
	return i < ls->count ? ls->items[i].flags : 0;
}

const char *
listeners_addr(const struct listeners *ls, size_t i)
{
	return i < ls->count ? ls->items[i].addr : NULL;
}
