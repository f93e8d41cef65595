/*
 * Closed loops: every connection has one request under way and sends the
 * next when it is answered. Producers push; workers take, report, or both.
 * A worker asks only for tasks that are known to be queued, so that no
 * protocol is measured by its empty answers.
 */

#include "bench/modes.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/hist.h"
#include "bench/load.h"
#include "core/mem.h"

enum work { WORK_TAKE, WORK_FINISH, WORK_TURN };

struct flow {
	const char *name;
	enum work work;
	uint32_t to_push;   /* not pushed yet */
	uint32_t available; /* queued and not asked for */
	uint32_t pushed, taken, finished;
	uint32_t short_takes;
	struct hist *push_hist, *work_hist;
};

enum { SHORT_TAKES_MAX = 100000 };

static uint32_t
least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static void
producer_next(struct conn *c, struct flow *f)
{
	struct load *l = c->load;
	uint32_t n = least(f->to_push, l->batch);

	if (n == 0)
		return;
	l->proto->push(c, l->first + l->count - f->to_push, n);
	f->to_push -= n;
	conn_request(c, REQUEST_PUSH, n);
}

static void
worker_take(struct conn *c, struct flow *f)
{
	uint32_t n = least(f->available, c->load->batch);

	if (n == 0)
		return;
	c->load->proto->take(c, n);
	f->available -= n;
	conn_request(c, REQUEST_TAKE, n);
}

static void
worker_finish(struct conn *c)
{
	uint32_t n = least(c->held_count, c->load->batch);

	if (n == 0)
		return;
	c->reported = n;
	c->load->proto->finish(c, n);
	conn_request(c, REQUEST_FINISH, 0);
}

/* Reports what is held and takes what there is, together where it can. */
static void
worker_turn(struct conn *c, struct flow *f)
{
	uint32_t n = c->held_count, m = least(f->available, c->load->batch);

	if (n == 0) {
		worker_take(c, f);
	} else if (m == 0 || c->load->proto->turn == NULL) {
		worker_finish(c);
	} else {
		c->reported = n;
		c->load->proto->turn(c, n, m);
		f->available -= m;
		conn_request(c, REQUEST_TURN, m);
	}
}

static void
conn_next(struct conn *c, struct flow *f)
{
	c->request = REQUEST_NONE;
	if (!c->works)
		producer_next(c, f);
	else if (f->work == WORK_TAKE)
		worker_take(c, f);
	else if (f->work == WORK_FINISH)
		worker_finish(c);
	else
		worker_turn(c, f);
}

/* Tasks came into the queue: workers without any have something to do. */
static void
wake_workers(struct load *l, struct flow *f)
{
	uint32_t i;

	for (i = 0; i < l->conn_count && f->available > 0; i++) {
		struct conn *c = &l->conns[i];

		if (c->works && c->request == REQUEST_NONE)
			conn_next(c, f);
	}
}

static void
flow_on_settled(struct conn *c)
{
	struct flow *f = c->load->mode;
	uint64_t took_ns = usage_now_ns() - c->sent_ns;

	hist_add(c->works ? f->work_hist : f->push_hist, took_ns);
	if (c->request == REQUEST_PUSH) {
		f->pushed += c->asked;
		f->available += c->asked;
	} else {
		f->finished += c->reported;
		f->taken += c->got;
		c->reported = 0;
		if (c->got < c->asked && ++f->short_takes > SHORT_TAKES_MAX)
			load_die("%s: the queue stays empty", f->name);
		f->available += c->asked - c->got;
	}
	conn_next(c, f);
	if (f->available > 0)
		wake_workers(c->load, f);
}

/* The figures of one stage: tasks per second, CPU microseconds per task of
 * all servers and of each, and how busy we were ourselves. */
static void
print_stage(
    const struct load *l, const char *name, uint32_t tasks, double seconds)
{
	char label[32];
	double all = 0;
	uint32_t i;

	load_print(name, "per_s", tasks / seconds);
	for (i = 0; i < l->usage.count; i++) {
		double used = usage_since(&l->usage, i);

		all += used;
		(void)snprintf(label, sizeof(label), "cpu_us_%u", i);
		load_print(name, label, 1e6 * used / tasks);
	}
	if (l->usage.count > 0)
		load_print(name, "cpu_us", 1e6 * all / tasks);
	load_print(name, "driver_busy", usage_own(&l->usage) / seconds);
}

static void
print_hist(const char *name, const char *what, const struct hist *h)
{
	char label[32];

	if (h->total == 0)
		return;
	(void)snprintf(label, sizeof(label), "%sp50_us", what);
	load_print(name, label, hist_us(h, 0.5));
	(void)snprintf(label, sizeof(label), "%sp99_us", what);
	load_print(name, label, hist_us(h, 0.99));
}

/* Runs the flow until *counter has come to target. */
static void
run(struct load *l, struct flow *f, const uint32_t *counter, uint32_t target)
{
	uint64_t started_ns, limit_ns;
	uint32_t i;

	f->push_hist = xcalloc(1, sizeof(*f->push_hist));
	f->work_hist = xcalloc(1, sizeof(*f->work_hist));
	l->mode = f;
	l->on_settled = flow_on_settled;
	l->on_task = NULL;
	usage_mark(&l->usage);
	started_ns = usage_now_ns();
	limit_ns = started_ns + l->limit_ns;
	for (i = 0; i < l->conn_count; i++)
		conn_next(&l->conns[i], f);
	while (*counter < target) {
		conn_turn(l);
		if (usage_now_ns() > limit_ns)
			load_die("%s: %u of %u tasks within the time limit",
			    f->name, *counter, target);
	}
	print_stage(
	    l, f->name, target, (double)(usage_now_ns() - started_ns) / 1e9);
	print_hist(
	    f->name, f->work_hist->total > 0 ? "push_" : "", f->push_hist);
	print_hist(f->name, "", f->work_hist);
	free(f->push_hist);
	free(f->work_hist);
}

/* Connections 0 to producers - 1 push, the others work. The same number as
 * before keeps them, with what they hold. */
static void
cast(struct load *l, uint32_t producers, uint32_t workers)
{
	uint32_t i;

	if (l->conn_count != producers + workers) {
		conn_close_all(l);
		conn_open_all(l, producers + workers);
	}
	for (i = 0; i < l->conn_count; i++)
		l->conns[i].works = i >= producers;
}

void
mode_push(struct load *l)
{
	struct flow f = {.name = "push", .to_push = l->count};

	cast(l, l->producers, 0);
	run(l, &f, &f.pushed, l->count);
}

void
mode_take(struct load *l)
{
	struct flow f = {
	    .name = "take", .work = WORK_TAKE, .available = l->count};

	cast(l, 0, l->workers);
	run(l, &f, &f.taken, l->count);
}

void
mode_finish(struct load *l)
{
	struct flow f = {.name = "finish", .work = WORK_FINISH};
	uint32_t i, held = 0;

	for (i = 0; i < l->conn_count; i++)
		held += l->conns[i].held_count;
	if (held == 0)
		load_die("finish: nothing is held; take first");
	cast(l, 0, l->workers);
	run(l, &f, &f.finished, held);
}

void
mode_turn(struct load *l)
{
	struct flow f = {
	    .name = "turn", .work = WORK_TURN, .available = l->count};

	cast(l, 0, l->workers);
	run(l, &f, &f.finished, l->count);
}

void
mode_life(struct load *l)
{
	struct flow f = {
	    .name = "life", .work = WORK_TURN, .to_push = l->count};

	cast(l, l->producers, l->workers);
	run(l, &f, &f.finished, l->count);
}
