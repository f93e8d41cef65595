/*
 * The event loop; see loop.h.
 *
 * libevent 2.1 has no hook between its poll and the callbacks, but both the
 * clock and the turn observer need just that moment. libevent finds
 * epoll_wait() by name at run time, so the one defined here stands before
 * libc's: everything between two calls of it is one turn. loop_new proves
 * that it is called, so a libevent that polls in another way is refused at
 * start instead of running with a clock that stands still.
 */

#include "core/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>

#include <event2/event.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"

/* Longer timers are cut to this; keeps libevent's sums far from overflow. */
static const uint64_t TIMER_MAX_SEC = 10ull * 365 * 24 * 3600;

/* A turn that lasted this long ends with the callback that is running. Who
 * else was ready is served after another poll, before who is ready then; so
 * timers and new work wait for no crowd. */
static const struct timeval TURN_MAX = {0, 1000};

/* What one poll reports; about what a turn has time for. */
enum { TURN_EVENTS_MAX = 256 };

struct loop_signal {
	struct list link;
	struct event *ev;
	loop_signal_fn *fn;
	void *arg;
	int signo;
};

struct loop {
	struct event_base *base;
	struct list posts;       /* struct post, oldest first */
	struct list last_posts;  /* those that run behind them */
	struct list signals;     /* struct loop_signal */
	struct event *posts_ev;  /* activated: runs behind what is active */
	struct event *wakeup_ev; /* zero timer: activates posts_ev next turn */
	void (*observer)(uint64_t us);
	int64_t turn_began_us;
	bool is_in_turn; /* between the poll and the next one */
	bool is_posting; /* posts are being run */
	bool is_last;    /* and they are the last ones */
	bool is_stopping;
	bool was_polled; /* our epoll_wait was called */
};

/* The loop that is inside event_base_loop; one at a time. */
static struct loop *running;

/* ---- turns ------------------------------------------------------------ */

static void
turn_begin(struct loop *l)
{
	clock_refresh();
	l->turn_began_us = clock_mono_us();
	l->was_polled = true;
	l->is_in_turn = true;
}

static void
turn_end(struct loop *l)
{
	int64_t held_us;

	if (!l->is_in_turn)
		return;
	l->is_in_turn = false;
	log_flush();
	if (l->observer == NULL)
		return;
	held_us = clock_mono_us_fresh() - l->turn_began_us;
	l->observer(held_us > 0 ? (uint64_t)held_us : 0);
}

/* In place of libc's; see the top of this file. */
int
epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout)
{
	struct loop *l = running;
	int n, saved;

	if (l != NULL)
		turn_end(l);
	if (maxevents > TURN_EVENTS_MAX)
		maxevents = TURN_EVENTS_MAX;
	n = epoll_pwait(epfd, events, maxevents, timeout, NULL);
	saved = errno;
	if (l != NULL)
		turn_begin(l);
	errno = saved;
	return n;
}

/* Runs libevent's loop with the turns of l. */
static void
loop_turn(struct loop *l, int flags)
{
	ASSERT(running == NULL);
	running = l;
	log_hold_access(true);
	if (event_base_loop(l->base, flags | EVLOOP_NO_EXIT_ON_EMPTY) < 0)
		log_error("loop.failed", "errno=%d", errno);
	turn_end(l);
	log_hold_access(false);
	running = NULL;
}

/* ---- libevent's own words --------------------------------------------- */

static void
loop_on_libevent_log(int severity, const char *text)
{
	enum log_level level = LOG_DEBUG;
	char quoted[1024];

	if (severity == EVENT_LOG_ERR)
		level = LOG_ERROR;
	else if (severity == EVENT_LOG_WARN)
		level = LOG_WARN;
	else if (severity == EVENT_LOG_MSG)
		level = LOG_INFO;
	if (log_is_on(level, "loop.libevent"))
		log_write(level, "loop.libevent", "text=%s",
		    log_quote(quoted, sizeof(quoted), span_of(text)));
}

/* What it has to say came as an error line before this. */
static void
loop_on_libevent_fatal(int code)
{
	log_error("loop.fatal", "code=%d", code);
	abort();
}

/* ---- posts ------------------------------------------------------------ */

/*
 * The list is taken whole, so what the posts post comes in the next turn:
 * sockets get their share between two rounds of a worker that posts itself.
 */
static void
posts_run(struct list *posts)
{
	struct list batch;

	if (list_is_empty(posts))
		return;
	list_insert(&batch, posts->prev, posts->next);
	list_init(posts);
	while (!list_is_empty(&batch)) {
		struct post *p = CONTAINER_OF(batch.next, struct post, link);

		list_del(&p->link);
		p->fn(p->arg);
	}
}

static void
posts_on_active(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	(void)fd;
	(void)what;
	l->is_posting = true;
	posts_run(&l->posts);
	l->is_last = true;
	posts_run(&l->last_posts);
	l->is_posting = l->is_last = false;
}

/* Not run from here: sockets that are ready in this turn come first. */
static void
posts_on_wakeup(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	(void)fd;
	(void)what;
	event_active(l->posts_ev, EV_TIMEOUT, 0);
}

void
post_init(struct post *p, loop_fn *fn, void *arg)
{
	list_init(&p->link);
	p->fn = fn;
	p->arg = arg;
	p->is_last = false;
}

void
post_init_last(struct post *p, loop_fn *fn, void *arg)
{
	post_init(p, fn, arg);
	p->is_last = true;
}

void
loop_post(struct loop *l, struct post *p)
{
	static const struct timeval at_once;
	struct list *posts = p->is_last ? &l->last_posts : &l->posts;

	if (!list_is_empty(&p->link))
		return;
	if (l->is_in_turn && !l->is_posting)
		event_active(l->posts_ev, EV_TIMEOUT, 0);
	else if (list_is_empty(posts) &&
		 !(p->is_last && l->is_posting && !l->is_last))
		ASSERT(event_add(l->wakeup_ev, &at_once) == 0);
	list_add_tail(posts, &p->link);
}

void
post_cancel(struct post *p)
{
	list_del(&p->link);
}

bool
post_is_pending(const struct post *p)
{
	return !list_is_empty(&p->link);
}

/* ---- the loop --------------------------------------------------------- */

static struct event_base *
loop_new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config == NULL)
		return NULL;
	/* No cached time: a long callback would delay timers twice. Precise
	 * timers: the coarse clock goes in steps longer than a turn. */
	if (event_config_set_flag(config,
		EVENT_BASE_FLAG_NO_CACHE_TIME | EVENT_BASE_FLAG_PRECISE_TIMER |
		    EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST |
		    EVENT_BASE_FLAG_IGNORE_ENV) == 0 &&
	    event_config_set_max_dispatch_interval(config, &TURN_MAX, -1, 0) ==
		0)
		base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

/* Does libevent poll through our epoll_wait? */
static bool
loop_is_hooked(struct loop *l)
{
	loop_turn(l, EVLOOP_NONBLOCK);
	return l->was_polled;
}

/* It does not look everywhere whether it got memory: without any we end here,
 * by our own words, and not where it stumbles. */
static void *
memory_or_end(void *p)
{
	if (p == NULL)
		assert_failed("out of memory", __FILE__, __LINE__);
	return p;
}

static void *
loop_take(size_t n)
{
	return memory_or_end(mem_take(n));
}

static void *
loop_retake(void *p, size_t n)
{
	return memory_or_end(mem_retake(p, n));
}

/* libevent allocates a piece for each read. It must be told before anything
 * else of it is used, and only once. */
static void
loop_set_memory(void)
{
	static bool is_set;

	if (!is_set)
		event_set_mem_functions(loop_take, loop_retake, mem_give);
	is_set = true;
}

struct loop *
loop_new(void)
{
	struct loop *l;
	struct event_base *base;

	loop_set_memory();
	signal(SIGPIPE, SIG_IGN);
	event_set_log_callback(loop_on_libevent_log);
	event_set_fatal_callback(loop_on_libevent_fatal);
	base = loop_new_base();
	if (base == NULL) {
		log_error(
		    "loop.failed", "reason=no-event-base errno=%d", errno);
		return NULL;
	}
	l = xcalloc(1, sizeof(*l));
	l->base = base;
	list_init(&l->posts);
	list_init(&l->last_posts);
	list_init(&l->signals);
	l->posts_ev = event_new(base, -1, 0, posts_on_active, l);
	l->wakeup_ev = event_new(base, -1, 0, posts_on_wakeup, l);
	ASSERT(l->posts_ev != NULL && l->wakeup_ev != NULL);
	if (!loop_is_hooked(l)) {
		log_error("loop.failed", "reason=no-epoll-hook method=%s",
		    event_base_get_method(base));
		loop_free(l);
		return NULL;
	}
	return l;
}

void
loop_free(struct loop *l)
{
	struct list *pos, *tmp;

	if (l == NULL)
		return;
	ASSERT(running != l);
	LIST_FOREACH_SAFE (pos, tmp, &l->signals) {
		struct loop_signal *s =
		    CONTAINER_OF(pos, struct loop_signal, link);

		event_free(s->ev);
		free(s);
	}
	/* Their owners may still cancel them. */
	LIST_FOREACH_SAFE (pos, tmp, &l->posts)
		list_del(pos);
	LIST_FOREACH_SAFE (pos, tmp, &l->last_posts)
		list_del(pos);
	event_free(l->posts_ev);
	event_free(l->wakeup_ev);
	event_base_free(l->base);
	free(l);
}

void
loop_run(struct loop *l)
{
	loop_turn(l, 0);
	l->is_stopping = false;
	posts_on_active(-1, 0, l);
}

void
loop_stop(struct loop *l)
{
	if (l->is_stopping)
		return;
	l->is_stopping = true;
	ASSERT(event_base_loopexit(l->base, NULL) == 0);
}

struct event_base *
loop_base(struct loop *l)
{
	return l->base;
}

void
loop_set_turn_observer(struct loop *l, void (*fn)(uint64_t us))
{
	l->observer = fn;
}

/* ---- timers ----------------------------------------------------------- */

static void
timer_on_due(evutil_socket_t fd, short what, void *arg)
{
	struct timer *t = arg;

	(void)fd;
	(void)what;
	t->fn(t->arg);
}

void
timer_init(struct timer *t, struct loop *l, loop_fn *fn, void *arg)
{
	*t = (struct timer){.loop = l, .fn = fn, .arg = arg};
	t->ev = event_new(l->base, -1, 0, timer_on_due, t);
	ASSERT(t->ev != NULL);
}

void
timer_arm_ms(struct timer *t, uint64_t ms)
{
	uint64_t sec = ms / 1000;
	struct timeval tv = {0, (suseconds_t)(ms % 1000) * 1000};

	tv.tv_sec = (time_t)(sec < TIMER_MAX_SEC ? sec : TIMER_MAX_SEC);
	ASSERT(event_add(t->ev, &tv) == 0);
}

void
timer_arm_us(struct timer *t, unsigned us)
{
	struct timeval tv = {
	    (time_t)(us / 1000000), (suseconds_t)(us % 1000000)};

	ASSERT(event_add(t->ev, &tv) == 0);
}

void
timer_disarm(struct timer *t)
{
	if (t->ev != NULL)
		event_del(t->ev);
}

bool
timer_is_armed(const struct timer *t)
{
	return t->ev != NULL && event_pending(t->ev, EV_TIMEOUT, NULL) != 0;
}

void
timer_clear(struct timer *t)
{
	if (t->ev != NULL)
		event_free(t->ev);
	t->ev = NULL;
}

/* ---- signals ---------------------------------------------------------- */

static void
signal_on_arrival(evutil_socket_t signo, short what, void *arg)
{
	struct loop_signal *s = arg;

	(void)signo;
	(void)what;
	s->fn(s->signo, s->arg);
}

void
loop_on_signal(struct loop *l, int signo, loop_signal_fn *fn, void *arg)
{
	struct loop_signal *s = xcalloc(1, sizeof(*s));

	s->fn = fn;
	s->arg = arg;
	s->signo = signo;
	s->ev = evsignal_new(l->base, signo, signal_on_arrival, s);
	ASSERT(s->ev != NULL && event_add(s->ev, NULL) == 0);
	list_add_tail(&l->signals, &s->link);
}
