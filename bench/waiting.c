/*
 * Workers that wait: how long after its push a task is there (latency), and
 * what ten thousand of them cost (parked). Each reports its task in the same
 * request that waits for the next.
 */

#include "bench/modes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bench/hist.h"
#include "bench/load.h"
#include "core/mem.h"

struct waiting {
	uint64_t *sent_ns; /* by task; 0 = not pushed yet */
	bool *delivered;   /* by task */
	uint32_t sent, done, twice;
	bool counts; /* parked: producers push as they are answered */
	struct hist *hist;
};

static void
waiting_init(struct load *l, struct waiting *w)
{
	memset(w, 0, sizeof(*w));
	w->sent_ns = xcalloc(l->count, sizeof(*w->sent_ns));
	w->delivered = xcalloc(l->count, sizeof(*w->delivered));
	w->hist = xcalloc(1, sizeof(*w->hist));
	l->mode = w;
}

static void
waiting_clear(struct waiting *w)
{
	free(w->sent_ns);
	free(w->delivered);
	free(w->hist);
}

static void
push_one(struct conn *c, struct waiting *w)
{
	struct load *l = c->load;

	if (w->sent == l->count)
		return;
	w->sent_ns[w->sent] = usage_now_ns();
	l->proto->push(c, l->first + w->sent, 1);
	w->sent++;
	conn_request(c, REQUEST_PUSH, 1);
}

static void
wait_again(struct conn *c)
{
	c->reported = c->held_count;
	c->load->proto->wait(c);
	conn_request(c, REQUEST_WAIT, 1);
}

static void
waiting_on_task(struct conn *c, uint32_t number)
{
	struct waiting *w = c->load->mode;
	uint32_t i = number - c->load->first;

	if (i >= c->load->count || w->sent_ns[i] == 0)
		load_die("task %u was delivered, but not pushed", number);
	if (w->delivered[i]) {
		w->twice++;
		return;
	}
	w->delivered[i] = true;
	w->done++;
	hist_add(w->hist, usage_now_ns() - w->sent_ns[i]);
}

static void
waiting_on_settled(struct conn *c)
{
	struct waiting *w = c->load->mode;

	if (c->works)
		wait_again(c);
	else if (w->counts)
		push_one(c, w);
}

static void
run_until_done(struct load *l, const struct waiting *w, const char *name)
{
	uint64_t limit_ns = usage_now_ns() + l->limit_ns;

	while (w->done < l->count) {
		conn_turn(l);
		if (usage_now_ns() > limit_ns)
			load_die("%s: %u of %u tasks within the time limit",
			    name, w->done, l->count);
	}
}

static void
need_wait(const struct load *l)
{
	if (l->proto->wait == NULL)
		load_die("%s has no take that waits", l->proto->name);
}

static void
latency_on_tick(struct load *l)
{
	uint64_t times;

	if (read(l->tick_fd, &times, sizeof(times)) == sizeof(times))
		push_one(&l->conns[0], l->mode);
}

/* The clock of the steady rate, as an event of the same loop. */
static void
tick_start(struct load *l)
{
	struct epoll_event ev = {.events = EPOLLIN};
	long every_ns = 1000000000L / (long)l->rate;
	struct itimerspec period = {
	    {every_ns / 1000000000L, every_ns % 1000000000L},
	    {every_ns / 1000000000L, every_ns % 1000000000L}};

	l->on_tick = latency_on_tick;
	l->tick_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	if (l->tick_fd < 0 ||
	    timerfd_settime(l->tick_fd, 0, &period, NULL) != 0 ||
	    epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->tick_fd, &ev) != 0)
		load_die("timer: %s", strerror(errno));
}

void
mode_latency(struct load *l)
{
	struct waiting w;

	need_wait(l);
	waiting_init(l, &w);
	l->on_settled = waiting_on_settled;
	l->on_task = waiting_on_task;
	conn_close_all(l);
	conn_open_all(l, 2);
	l->conns[1].works = true;
	conn_send(&l->conns[0]);
	wait_again(&l->conns[1]);
	usage_mark(&l->usage);
	tick_start(l);
	run_until_done(l, &w, "latency");
	close(l->tick_fd);
	load_print("latency", "p50_us", hist_us(w.hist, 0.5));
	load_print("latency", "p99_us", hist_us(w.hist, 0.99));
	load_print("latency", "max_us", (double)w.hist->max_ns / 1e3);
	load_print("latency", "twice", w.twice);
	waiting_clear(&w);
}

/* Says that we have come this far, and waits for a line (or the end) on
 * stdin: whoever started us looks at the server meanwhile. */
static void
report_and_wait(const char *mode, uint32_t n)
{
	char line[64];

	load_print(mode, "ready", n);
	while (fgets(line, sizeof(line), stdin) != NULL &&
	       strchr(line, '\n') == NULL)
		;
}

void
mode_parked(struct load *l)
{
	struct waiting w;
	double seconds, cpu = 0;
	uint64_t started_ns;
	uint32_t i;

	need_wait(l);
	waiting_init(l, &w);
	l->on_settled = waiting_on_settled;
	l->on_task = waiting_on_task;
	conn_close_all(l);
	conn_open_all(l, l->producers + l->workers);
	for (i = l->producers; i < l->conn_count; i++) {
		l->conns[i].works = true;
		wait_again(&l->conns[i]);
	}
	report_and_wait("parked", l->workers);
	w.counts = true;
	usage_mark(&l->usage);
	started_ns = usage_now_ns();
	for (i = 0; i < l->producers; i++)
		push_one(&l->conns[i], &w);
	run_until_done(l, &w, "parked");
	seconds = (double)(usage_now_ns() - started_ns) / 1e9;
	for (i = 0; i < l->usage.count; i++)
		cpu += usage_since(&l->usage, i);
	load_print("parked", "per_s", l->count / seconds);
	load_print("parked", "cpu_us", 1e6 * cpu / l->count);
	load_print("parked", "p50_us", hist_us(w.hist, 0.5));
	load_print("parked", "p99_us", hist_us(w.hist, 0.99));
	load_print("parked", "delivered", w.done);
	load_print("parked", "twice", w.twice);
	waiting_clear(&w);
}

static void
idle_on_settled(struct conn *c)
{
	uint32_t *answered = c->load->mode;

	(*answered)++;
}

void
mode_idle(struct load *l)
{
	uint64_t limit_ns = usage_now_ns() + l->limit_ns;
	uint32_t i, answered = 0;

	if (l->proto->ping == NULL)
		load_die("%s has nothing small to ask for", l->proto->name);
	l->mode = &answered;
	l->on_settled = idle_on_settled;
	l->on_task = NULL;
	conn_close_all(l);
	conn_open_all(l, l->workers);
	for (i = 0; i < l->conn_count; i++) {
		l->proto->ping(&l->conns[i]);
		conn_request(&l->conns[i], REQUEST_OTHER, 0);
		while (answered <= i && usage_now_ns() < limit_ns)
			conn_turn(l);
	}
	if (answered < l->conn_count)
		load_die("idle: %u of %u answered", answered, l->conn_count);
	report_and_wait("idle", answered);
}
