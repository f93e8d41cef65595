/*
 * What the service manager is told; see notify.h. Our own few lines and not
 * libsystemd: its sd_notify waits when the manager does not read, it brings
 * half a dozen libraries into the process, and a schedd that was built
 * without it would never be ready for its unit.
 */

#include "core/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/loop.h"
#include "core/mem.h"

enum {
	TICK_MS = 1000,
	WAIT_ON_US = 30000000, /* what a start may be silent for */
	STATUS_MAX = 512,
	MESSAGE_MAX = 1024
};

struct notify {
	notify_status_fn *status;
	void *arg;
	struct timer tick, watchdog;
	struct sockaddr_un addr;
	socklen_t addr_len;
	int fd; /* -1: nobody asked */
	uint64_t watchdog_ms;
	enum { STARTING, RUNNING, STOPPING } state;
	char due[128];             /* a change of it that was not taken yet */
	char said[STATUS_MAX + 1]; /* the last status that was taken */
};

/* ---- the socket ------------------------------------------------------- */

/* A path, or @name for one without file. */
static bool
set_address(struct notify *n, const char *name)
{
	size_t len = name != NULL ? strlen(name) : 0;

	if (len < 2 || (name[0] != '/' && name[0] != '@') ||
	    len >= sizeof(n->addr.sun_path))
		return false;
	n->addr.sun_family = AF_UNIX;
	memcpy(n->addr.sun_path, name, len);
	n->addr_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (name[0] == '@')
		n->addr.sun_path[0] = '\0';
	else
		n->addr_len++;
	return true;
}

/* False: not taken now. */
static bool
send_text(const struct notify *n, struct span text)
{
	ssize_t sent;

	do
		sent = sendto(n->fd, text.p, text.len, MSG_NOSIGNAL,
		    (const struct sockaddr *)&n->addr, n->addr_len);
	while (sent < 0 && errno == EINTR);
	return sent >= 0;
}

/* ---- what is told ----------------------------------------------------- */

/* The status, as one line. */
static void
read_status(const struct notify *n, char status[STATUS_MAX + 1])
{
	struct buf text;

	buf_init(&text, STATUS_MAX);
	n->status(&text, n->arg);
	for (size_t i = 0; i < text.len; i++)
		status[i] = text.data[i] == '\n' ? ' ' : text.data[i];
	status[text.len] = '\0';
	buf_clear(&text);
}

/* What is due, and the status when it changed, in one datagram. */
static void
tell(struct notify *n)
{
	char status[STATUS_MAX + 1];
	struct buf text;

	if (n->fd < 0)
		return;
	read_status(n, status);
	buf_init(&text, MESSAGE_MAX);
	buf_add_str(&text, n->due);
	if (n->state == STARTING)
		buf_addf(&text, "EXTEND_TIMEOUT_USEC=%d\n", WAIT_ON_US);
	if (strcmp(status, n->said) != 0)
		buf_addf(&text, "STATUS=%s\n", status);
	if (text.len > 0 && send_text(n, buf_span(&text))) {
		n->due[0] = '\0';
		memcpy(n->said, status, strlen(status) + 1);
	}
	buf_clear(&text);
}

static void
tick_on_due(void *arg)
{
	struct notify *n = arg;

	tell(n);
	timer_arm_ms(&n->tick, TICK_MS);
}

static void
watchdog_on_due(void *arg)
{
	struct notify *n = arg;

	(void)send_text(n, SPAN("WATCHDOG=1\n"));
	timer_arm_ms(&n->watchdog, n->watchdog_ms);
}

/* ---- life ------------------------------------------------------------- */

/* How often a sign of life is due: twice in the time that the manager gives;
 * 0 when it asks for none, or not us. */
static uint64_t
watchdog_period_ms(void)
{
	const char *time = getenv("WATCHDOG_USEC"),
		   *pid = getenv("WATCHDOG_PID");
	uint64_t us, number;

	if (pid != NULL && (!str_to_u64(span_of(pid), &number) ||
			       number != (uint64_t)getpid()))
		return 0;
	if (time == NULL || !str_to_u64(span_of(time), &us) || us == 0)
		return 0;
	return us < 2000 ? 1 : us / 2000;
}

struct notify *
notify_open(struct loop *loop, notify_status_fn *status, void *arg)
{
	struct notify *n = xcalloc(1, sizeof(*n));

	n->status = status;
	n->arg = arg;
	n->fd = -1;
	timer_init(&n->tick, loop, tick_on_due, n);
	timer_init(&n->watchdog, loop, watchdog_on_due, n);
	if (set_address(n, getenv("NOTIFY_SOCKET")))
		n->fd = socket(
		    AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	n->watchdog_ms = watchdog_period_ms();
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
	if (n->fd >= 0)
		timer_arm_ms(&n->tick, 0);
	return n;
}

void
notify_free(struct notify *n)
{
	if (n == NULL)
		return;
	timer_clear(&n->tick);
	timer_clear(&n->watchdog);
	if (n->fd >= 0)
		close(n->fd);
	free(n);
}

/* A change of state is offered until it is taken or another one follows. */
static void
change(struct notify *n, const char *words)
{
	(void)snprintf(n->due, sizeof(n->due), "%s", words);
	tell(n);
}

/* With how many microseconds go with it. */
static void
change_us(struct notify *n, const char *words, int64_t us)
{
	(void)snprintf(
	    n->due, sizeof(n->due), "%s=%lld\n", words, (long long)us);
	tell(n);
}

void
notify_ready(struct notify *n)
{
	if (n->state != STARTING)
		return;
	n->state = RUNNING;
	if (n->fd >= 0 && n->watchdog_ms > 0)
		timer_arm_ms(&n->watchdog, n->watchdog_ms);
	change(n, "READY=1\n");
}

void
notify_reloading(struct notify *n)
{
	if (n->state == RUNNING)
		change_us(
		    n, "RELOADING=1\nMONOTONIC_USEC", clock_mono_us_fresh());
}

void
notify_reloaded(struct notify *n)
{
	if (n->state == RUNNING)
		change(n, "READY=1\n");
}

void
notify_stopping(struct notify *n, uint64_t within_ms)
{
	n->state = STOPPING;
	change_us(n, "STOPPING=1\nEXTEND_TIMEOUT_USEC",
	    (int64_t)within_ms * 1000 + WAIT_ON_US);
}
