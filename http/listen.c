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

#include <event2/listener.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"

enum {
	LISTENERS_MAX = 16,
	BACKLOG = 4096,
	REST_MS = 200,    /* when descriptors are short */
	SURPLUS_MAX = 16, /* turned away in one go */
	SAY_AGAIN_US = 10000000,
	ADDR_MAX = 128 /* "unix:" and sun_path, "[v6]:port" */
};

union address {
	struct sockaddr sa;
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

struct listener {
	struct listeners *owner;
	struct evconnlistener *lev;
	char addr[ADDR_MAX];
	bool is_unix;
};

struct listeners {
	struct loop *loop;
	struct listen_calls calls;
	struct listener items[LISTENERS_MAX];
	size_t count;
	int reserve_fd;
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
	snprintf(l->addr, sizeof(l->addr), "%.*s", SPAN_ARG(text));
	return ERR_OK;
}

static enum err
open_tcp(struct listener *l, struct span text, int *fd, struct buf *why)
{
	union address a;
	socklen_t len;

	if (!parse_tcp(text, &a, &len))
		return fail(why, text,
		    "expected IP:port, [IPv6]:port, localhost:port or "
		    "unix:/path");
	if (!is_loopback(&a))
		return fail(why, text,
		    "needs TLS and tokens, which this version does not have; "
		    "listen on loopback or a unix socket");
	*fd = tcp_bind(&a, len);
	if (*fd < 0)
		return fail(why, text, strerror(errno));
	ASSERT(getsockname(*fd, &a.sa, &len) == 0);
	print_tcp(l->addr, sizeof(l->addr), &a);
	return ERR_OK;
}

/* ---- accepting -------------------------------------------------------- */

static void
print_peer(char *dst, size_t size, int fd, const struct sockaddr *sa)
{
	struct ucred cred = {.uid = (uid_t)-1};
	socklen_t len = sizeof(cred);
	union address a;

	if (sa->sa_family == AF_INET || sa->sa_family == AF_INET6) {
		memcpy(&a, sa,
		    sa->sa_family == AF_INET ? sizeof(a.in4) : sizeof(a.in6));
		print_tcp(dst, size, &a);
		return;
	}
	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	snprintf(dst, size, "unix:uid=%u", (unsigned)cred.uid);
}

static void
listen_on_accept(struct evconnlistener *lev, evutil_socket_t fd,
    struct sockaddr *sa, int len, void *arg)
{
	struct listener *l = arg;
	struct listeners *ls = l->owner;
	char peer[ADDR_MAX];

	(void)lev;
	(void)len;
	print_peer(peer, sizeof(peer), fd, sa);
	ls->calls.on_client(fd, peer, ls->calls.arg);
}

/* With the reserved descriptor given up there is one to accept with. */
static void
turn_away(struct listeners *ls, int listen_fd)
{
	int fd;

	if (ls->reserve_fd < 0)
		return;
	close(ls->reserve_fd);
	for (int i = 0; i < SURPLUS_MAX; i++) {
		fd = accept4(
		    listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			break;
		ls->calls.on_surplus(fd, ls->calls.arg);
		close(fd);
	}
	ls->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void
listen_on_error(struct evconnlistener *lev, void *arg)
{
	struct listener *l = arg;
	struct listeners *ls = l->owner;
	int saved = errno;
	int64_t now = clock_mono_us();

	if (ls->said_at_us == 0 || now - ls->said_at_us > SAY_AGAIN_US) {
		log_warn("http.accept_failed", "addr=%s errno=%d rest_ms=%d",
		    l->addr, saved, REST_MS);
		ls->said_at_us = now;
	}
	if (saved == EMFILE || saved == ENFILE)
		turn_away(ls, evconnlistener_get_fd(lev));
	for (size_t i = 0; i < ls->count; i++)
		evconnlistener_disable(ls->items[i].lev);
	timer_arm_ms(&ls->rest_timer, REST_MS);
}

static void
listen_on_rested(void *arg)
{
	struct listeners *ls = arg;

	for (size_t i = 0; i < ls->count; i++)
		evconnlistener_enable(ls->items[i].lev);
}

/* ---- opening and closing ---------------------------------------------- */

static enum err
listener_open(struct listeners *ls, struct span text, struct buf *why)
{
	const unsigned flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC;
	struct listener *l = &ls->items[ls->count];
	enum err err;
	int fd = -1;

	if (ls->count == LISTENERS_MAX)
		return fail(why, text, "at most 16 addresses");
	l->owner = ls;
	if (text.len >= 5 && memcmp(text.p, "unix:", 5) == 0)
		err = open_unix(l, text, &fd, why);
	else
		err = open_tcp(l, text, &fd, why);
	if (err != ERR_OK)
		return err;
	l->lev = evconnlistener_new(
	    loop_base(ls->loop), listen_on_accept, l, flags, 0, fd);
	ASSERT(l->lev != NULL);
	evconnlistener_set_error_cb(l->lev, listen_on_error);
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
	ls->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
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
		evconnlistener_free(ls->items[i].lev);
	}
	timer_clear(&ls->rest_timer);
	if (ls->reserve_fd >= 0)
		close(ls->reserve_fd);
	free(ls);
}

const char *
listeners_addr(const struct listeners *ls, size_t i)
{
	return i < ls->count ? ls->items[i].addr : NULL;
}
