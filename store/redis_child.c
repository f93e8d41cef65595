/* The life of the private redis-server: start, restart, stop. */

#define _GNU_SOURCE /* pidfd_open */

#include "store/redis_child.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/mem.h"
#include "core/secret.h"
#include "store/aof_tail.h"
#include "store/redis_child_priv.h"

enum {
	DEATHS_MAX = 5,
	DEATHS_WITHIN_US = 60 * 1000 * 1000,
	RESTART_MIN_MS = 50,
	RESTART_MAX_MS = 2000,
	STOP_MS = 5000,              /* between SIGTERM and SIGKILL */
	FAILED_AGAIN_MS = 60 * 1000, /* for one that is not to give up */
	WAIT_STEP_MS = 20, /* for the redis-server of an ended schedd */
	WAIT_MAX_US = 10 * 1000 * 1000,
	POLL_MS = 100 /* without pidfd */
};

enum child_state {
	CHILD_WAITING, /* another still uses the data, or until a restart */
	CHILD_RUNNING,
	CHILD_STOPPING,
	CHILD_STOPPED, /* for good: stopped, or given up */
};

struct redis_child {
	struct loop *loop;
	struct child_place place;
	char *url;
	char password[CHILD_SECRET_LEN + 1];
	enum child_state state;
	pid_t pid; /* 0 while there is none */
	int pidfd;
	struct event *ev_exit;
	int tail_fd;                /* says how its file ended */
	struct event *ev_tail;      /* NULL once that is known */
	struct timer timer;         /* WAITING: try; STOPPING: kill */
	struct timer poll;          /* where there is no pidfd */
	int64_t waits_since_us;     /* for another's end; 0 = does not */
	int64_t deaths[DEATHS_MAX]; /* when, a ring */
	unsigned death_count;
	struct post gone_post;
	void (*on_failed)(const char *reason, void *arg);
	void *arg;
	void (*stop_cb)(void *arg);
	void *stop_arg;
};

static void child_on_exit(evutil_socket_t fd, short what, void *arg);
static void child_on_tail(evutil_socket_t fd, short what, void *arg);
static void child_on_poll(void *arg);
static void child_on_timer(void *arg);
static void child_on_gone(void *arg);

/* ---- running ---------------------------------------------------------- */

static void
child_watch_tail(struct redis_child *c)
{
	c->ev_tail = event_new(loop_base(c->loop), c->tail_fd,
	    EV_READ | EV_PERSIST, child_on_tail, c);
	ASSERT(c->ev_tail != NULL);
	event_add(c->ev_tail, NULL);
}

static void
child_log_tail(const struct aof_tail *t)
{
	char quoted[300];

	if (t->end == AOF_CUT)
		log_warn("redis.aof_cut", "offset=%" PRIu64 " bytes=%" PRIu64,
		    t->offset, t->bytes);
	else if (t->end == AOF_STRANGE)
		log_warn("redis.aof_strange",
		    "offset=%" PRIu64 " bytes=%" PRIu64, t->offset, t->bytes);
	else if (t->end == AOF_FAILED)
		log_warn("redis.aof_unread", "reason=%s",
		    log_quote(
			quoted, sizeof(quoted), span_of(strerror(t->code))));
}

/* Logs how its file ended, unless it ended itself before it knew. */
static void
child_take_tail(struct redis_child *c)
{
	struct aof_tail t;

	if (c->ev_tail == NULL)
		return;
	if (read(c->tail_fd, &t, sizeof(t)) == (ssize_t)sizeof(t))
		child_log_tail(&t);
	event_free(c->ev_tail);
	c->ev_tail = NULL;
	close(c->tail_fd);
}

static void
child_on_tail(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	child_take_tail(arg);
}

static void
child_watch(struct redis_child *c)
{
	child_watch_tail(c);
	c->pidfd = pidfd_open(c->pid, 0);
	if (c->pidfd < 0) {
		timer_arm_ms(&c->poll, POLL_MS);
		return;
	}
	c->ev_exit = event_new(loop_base(c->loop), c->pidfd,
	    EV_READ | EV_PERSIST, child_on_exit, c);
	ASSERT(c->ev_exit != NULL);
	event_add(c->ev_exit, NULL);
}

static void
child_unwatch(struct redis_child *c)
{
	child_take_tail(c);
	timer_disarm(&c->poll);
	if (c->ev_exit != NULL)
		event_free(c->ev_exit);
	c->ev_exit = NULL;
	if (c->pidfd >= 0)
		close(c->pidfd);
	c->pidfd = -1;
}

static bool
child_run(struct redis_child *c)
{
	pid_t pid = child_spawn(&c->place, c->password, &c->tail_fd);

	if (pid < 0)
		return false;
	c->pid = pid;
	c->state = CHILD_RUNNING;
	c->waits_since_us = 0;
	child_watch(c);
	log_info("redis.child_started", "pid=%d", (int)pid);
	return true;
}

/* Tries to start; waits while the redis-server of a schedd that has ended
 * (killed, say) still writes out its data. */
static bool
child_try(struct redis_child *c)
{
	pid_t user = child_place_user(&c->place);
	int64_t now = clock_mono_us_fresh();

	if (user == 0)
		return child_run(c);
	if (c->waits_since_us == 0) {
		c->waits_since_us = now;
		log_info("redis.child_waits", "for_pid=%d", (int)user);
	}
	if (now - c->waits_since_us > WAIT_MAX_US) {
		/* Its file is synced before every answer: nothing is lost. */
		log_warn("redis.child_killed", "pid=%d", (int)user);
		kill(user, SIGKILL);
		c->waits_since_us = now;
	}
	timer_arm_ms(&c->timer, WAIT_STEP_MS);
	return true;
}

/* ---- its end ---------------------------------------------------------- */

static void
child_fail(struct redis_child *c, const char *reason)
{
	char quoted[300];

	c->state = c->on_failed != NULL ? CHILD_STOPPED : CHILD_WAITING;
	log_error("redis.child_failed", "reason=%s",
	    log_quote(quoted, sizeof(quoted), span_of(reason)));
	if (c->on_failed != NULL)
		c->on_failed(reason, c->arg);
	else
		timer_arm_ms(&c->timer, FAILED_AGAIN_MS);
}

/* How many ends in the last minute, with this one. */
static unsigned
child_count_death(struct redis_child *c)
{
	int64_t now = clock_mono_us_fresh();
	unsigned i, recent = 0;

	c->deaths[c->death_count++ % DEATHS_MAX] = now;
	for (i = 0; i < DEATHS_MAX && i < c->death_count; i++)
		recent += now - c->deaths[i] < DEATHS_WITHIN_US;
	return recent;
}

static void
child_describe_end(char *dst, size_t size, int status)
{
	if (WIFSIGNALED(status))
		snprintf(dst, size, "signal %d", WTERMSIG(status));
	else
		snprintf(dst, size, "exit status %d", WEXITSTATUS(status));
}

/* It ended although nobody asked it to. */
static void
child_died(struct redis_child *c, int status)
{
	char how[40], words[200], quoted[300], reason[300];
	unsigned recent = child_count_death(c);
	uint64_t ms = RESTART_MIN_MS;

	child_describe_end(how, sizeof(how), status);
	child_last_words(&c->place, words, sizeof(words));
	log_warn("redis.child_died", "pid=%d how=\"%s\" last_line=%s",
	    (int)c->pid, how,
	    log_quote(quoted, sizeof(quoted), span_of(words)));
	c->pid = 0;
	if (recent >= DEATHS_MAX) {
		snprintf(reason, sizeof(reason),
		    "redis-server ended %u times within a minute (%s): %s",
		    recent, how, words);
		child_fail(c, reason);
		return;
	}
	c->state = CHILD_WAITING;
	for (; recent > 1 && ms < RESTART_MAX_MS; recent--)
		ms *= 2;
	timer_arm_ms(&c->timer, ms);
}

/* Reaps it, if it is our child that ended. */
static void
child_reap(struct redis_child *c)
{
	int status = 0;
	pid_t got = waitpid(c->pid, &status, WNOHANG);

	if (got == 0 || (got < 0 && errno == EINTR))
		return;
	child_unwatch(c);
	if (c->state == CHILD_STOPPING) {
		log_info("redis.child_stopped", "pid=%d", (int)c->pid);
		c->pid = 0;
		timer_disarm(&c->timer);
		c->state = CHILD_STOPPED;
		loop_post(c->loop, &c->gone_post);
	} else {
		child_died(c, status);
	}
}

static void
child_on_exit(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	child_reap(arg);
}

static void
child_on_poll(void *arg)
{
	struct redis_child *c = arg;

	timer_arm_ms(&c->poll, POLL_MS);
	child_reap(c);
}

static void
child_on_timer(void *arg)
{
	struct redis_child *c = arg;
	char reason[100];

	if (c->state == CHILD_STOPPING) {
		log_warn("redis.child_killed", "pid=%d", (int)c->pid);
		kill(c->pid, SIGKILL);
	} else if (!child_try(c)) {
		snprintf(reason, sizeof(reason),
		    "redis-server cannot be started: %s", strerror(errno));
		child_fail(c, reason);
	}
}

/* ---- start and stop --------------------------------------------------- */

static struct redis_child *
child_new(struct loop *loop, const struct child_place *place)
{
	struct redis_child *c = xcalloc(1, sizeof(*c));
	size_t size = strlen(place->socket) + sizeof("unix:");

	c->loop = loop;
	c->place = *place;
	c->pidfd = -1;
	c->url = xcalloc(size, 1);
	snprintf(c->url, size, "unix:%s", place->socket);
	timer_init(&c->timer, loop, child_on_timer, c);
	timer_init(&c->poll, loop, child_on_poll, c);
	post_init(&c->gone_post, child_on_gone, c);
	return c;
}

enum err
redis_child_start(struct redis_child **out, struct loop *loop,
    const char *state_dir, void (*on_failed)(const char *reason, void *arg),
    void *arg, struct buf *why)
{
	struct child_place place;
	enum err err = child_place_open(&place, state_dir, why);
	struct redis_child *c;

	*out = NULL;
	if (err != ERR_OK)
		return err;
	c = child_new(loop, &place);
	c->on_failed = on_failed;
	c->arg = arg;
	/* Before it starts: the child has the password too, and the tasks. */
	secret_protect_process();
	if (!child_make_password(c->password) || !child_try(c)) {
		buf_addf(
		    why, "redis-server cannot be started: %s", strerror(errno));
		redis_child_free(c);
		return ERR_REDIS_SERVER;
	}
	*out = c;
	return ERR_OK;
}

const char *
redis_child_url(const struct redis_child *c)
{
	return c->url;
}

const char *
redis_child_password(const struct redis_child *c)
{
	return c->password;
}

int
redis_child_pid(const struct redis_child *c)
{
	return (int)c->pid;
}

void
redis_child_stop(struct redis_child *c, void (*cb)(void *arg), void *arg)
{
	c->stop_cb = cb;
	c->stop_arg = arg;
	timer_disarm(&c->timer);
	if (c->pid == 0) {
		c->state = CHILD_STOPPED;
		loop_post(c->loop, &c->gone_post);
		return;
	}
	c->state = CHILD_STOPPING;
	kill(c->pid, SIGTERM);
	timer_arm_ms(&c->timer, STOP_MS);
}

static void
child_on_gone(void *arg)
{
	struct redis_child *c = arg;

	c->stop_cb(c->stop_arg);
}

void
redis_child_free(struct redis_child *c)
{
	if (c == NULL)
		return;
	child_unwatch(c);
	if (c->pid != 0) {
		kill(c->pid, SIGKILL);
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	timer_clear(&c->timer);
	timer_clear(&c->poll);
	post_cancel(&c->gone_post);
	child_place_close(&c->place);
	explicit_bzero(c->password, sizeof(c->password));
	free(c->url);
	free(c);
}
