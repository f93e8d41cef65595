/*
 * Preloaded into schedd: counts the calls that can fail, and lets the n-th
 * of a kind fail. What it does, and what it saw, stands in a file that the
 * test maps too (struct control; run.py has the same).
 */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind {
	MEMORY,
	ACCEPT,
	READ,
	WRITE,
	EPOLL,
	SOCKET,
	CONNECT,
	OPEN,
	KIND_COUNT
};

struct control {
	uint32_t armed;
	uint32_t kind;  /* that fails */
	uint32_t nth;   /* 0 = none */
	uint32_t error; /* errno; 0 = a short write */
	uint32_t lasts; /* and all that follow */
	uint32_t fired;
	uint32_t counts[KIND_COUNT];
};

static struct control *ctl;

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

__attribute__((constructor)) static void
map_control(void)
{
	const char *path = getenv("TORTURE_FILE");
	int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
	void *p;

	if (fd < 0)
		return;
	p = mmap(NULL, sizeof(*ctl), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	ctl = p == MAP_FAILED ? NULL : p;
}

/* Is this the call that has to fail? */
static int
fails(enum kind kind)
{
	uint32_t n;

	if (ctl == NULL || !ctl->armed)
		return 0;
	n = ++ctl->counts[kind];
	if (ctl->kind != kind || ctl->nth == 0 ||
	    !(n == ctl->nth || (ctl->lasts && n > ctl->nth)))
		return 0;
	ctl->fired++;
	errno = (int)ctl->error;
	return 1;
}

/* Something outside, or the log; what libevent has within the process for
 * signals cannot fail so. */
static int
is_outside(int fd)
{
	struct sockaddr_storage addr = {0};
	socklen_t len = sizeof(addr);

	if (getpeername(fd, (struct sockaddr *)&addr, &len) != 0)
		return fd == STDERR_FILENO;
	return addr.ss_family != AF_UNIX || len > sizeof(addr.ss_family);
}

static int
fails_on(int fd, enum kind kind)
{
	return ctl != NULL && ctl->armed && is_outside(fd) && fails(kind);
}

void *
malloc(size_t n)
{
	return fails(MEMORY) ? NULL : __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
	return fails(MEMORY) ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
	return n > 0 && fails(MEMORY) ? NULL : __libc_realloc(p, n);
}

/* The next function of that name, as next. */
#define NEXT(name)                     \
	static __typeof__(name) *next; \
	if (next == NULL)              \
	*(void **)(&next) = dlsym(RTLD_NEXT, #name)

int
accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	NEXT(accept4);
	return fails(ACCEPT) ? -1 : next(fd, addr, len, flags);
}

ssize_t
recv(int fd, void *p, size_t n, int flags)
{
	NEXT(recv);
	return fails_on(fd, READ) ? -1 : next(fd, p, n, flags);
}

ssize_t
read(int fd, void *p, size_t n)
{
	NEXT(read);
	return fails_on(fd, READ) ? -1 : next(fd, p, n);
}

ssize_t
readv(int fd, const struct iovec *iov, int count)
{
	NEXT(readv);
	return fails_on(fd, READ) ? -1 : next(fd, iov, count);
}

ssize_t
write(int fd, const void *p, size_t n)
{
	NEXT(write);
	if (!fails_on(fd, WRITE))
		return next(fd, p, n);
	return ctl->error == 0 && n > 0 ? next(fd, p, 1) : -1;
}

ssize_t
writev(int fd, const struct iovec *iov, int count)
{
	NEXT(writev);
	if (!fails_on(fd, WRITE))
		return next(fd, iov, count);
	return ctl->error == 0 ? write(fd, iov[0].iov_base, 1) : -1;
}

ssize_t
send(int fd, const void *p, size_t n, int flags)
{
	NEXT(send);
	if (!fails_on(fd, WRITE))
		return next(fd, p, n, flags);
	return ctl->error == 0 && n > 0 ? next(fd, p, 1, flags) : -1;
}

ssize_t
sendmsg(int fd, const struct msghdr *msg, int flags)
{
	NEXT(sendmsg);
	if (!fails_on(fd, WRITE))
		return next(fd, msg, flags);
	return ctl->error == 0 && msg->msg_iovlen > 0
		   ? send(fd, msg->msg_iov[0].iov_base, 1, flags)
		   : -1;
}

int
epoll_ctl(int ep, int op, int fd, struct epoll_event *ev)
{
	NEXT(epoll_ctl);
	return op != EPOLL_CTL_DEL && fails(EPOLL) ? -1 : next(ep, op, fd, ev);
}

int
socket(int domain, int type, int protocol)
{
	NEXT(socket);
	return fails(SOCKET) ? -1 : next(domain, type, protocol);
}

int
connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	NEXT(connect);
	return fails(CONNECT) ? -1 : next(fd, addr, len);
}

/* Of schedd's own: the C library opens without it. */
int
open(const char *path, int flags, ...)
{
	NEXT(open);
	return fails(OPEN) ? -1 : next(path, flags, 0600);
}
