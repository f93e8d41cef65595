/*
 * The duty table and the round: a tick for the numbers, then slice after
 * slice of what is due. One slice is under way at a time, so that the
 * janitor never takes more than its share of Redis.
 */

#include "janitor/janitor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/conf.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/mem.h"
#include "core/metrics.h"
#include "store/store.h"

/* A slice that is full is followed by another, at most so often a round. */
enum { SLICES_PER_ROUND = 200, CHECK_SLICES_PER_ROUND = 50 };

struct duty {
	const char *name;
	enum store_duty duty;
	enum err err; /* its number in the log and in the metrics */
};

/* clang-format off */
static const struct duty duties[] = {
	{"doing",   DUTY_DOING,   ERR_JANITOR_DOING},
	{"failed",  DUTY_FAILED,  ERR_JANITOR_FAILED},
	{"delayed", DUTY_DELAYED, ERR_JANITOR_TODO},
	{"finish",  DUTY_FINISH,  ERR_JANITOR_FINISH},
	{"dead",    DUTY_DEAD,    ERR_JANITOR_FINISH},
	{"check",   DUTY_CHECK,   ERR_JANITOR_CHECK},
	{"workers", DUTY_WORKERS, ERR_JANITOR_CLEANUP},
};
/* clang-format on */

/* What is known of one duty's run in this round. */
struct duty_state {
	int64_t began_us; /* 0 = not run in this round */
	uint64_t items;
	enum err failed;
	unsigned series[5]; /* last, duration, items, runs, errors */
};

static const enum metric duty_metrics[] = {METRIC_JANITOR_LAST,
    METRIC_JANITOR_DURATION, METRIC_JANITOR_ITEMS, METRIC_JANITOR_RUNS,
    METRIC_JANITOR_ERRORS};

struct janitor {
	struct loop *loop;
	const struct conf *conf;
	struct store *store;
	const char *backend;
	struct timer timer;
	struct duty_state states[COUNT_OF(duties)];
	char (*queues)[NAME_MAX_LEN + 1]; /* of this round */
	size_t queue_count, queue_cap;
	size_t duty, queue; /* the slice under way */
	unsigned slices;
	bool busy;  /* a store call is under way */
	bool freed; /* janitor_free came meanwhile */
};

static void round_on_timer(void *arg);
static void round_on_ticked(enum err err, uint64_t queues, void *arg);
static void round_next(struct janitor *j);
static void round_on_slice(enum err err, uint64_t count, void *arg);

/* ---- a duty's run, as the metrics tell it ------------------------------ */

static void
duty_begin(struct duty_state *d)
{
	if (d->began_us != 0)
		return;
	d->began_us = clock_mono_us();
	d->items = 0;
	d->failed = ERR_OK;
}

static void
duty_end(struct janitor *j, size_t i)
{
	struct duty_state *d = &j->states[i];
	int64_t took_us = clock_mono_us() - d->began_us;

	if (d->began_us == 0)
		return;
	d->began_us = 0;
	metric_set_series(
	    METRIC_JANITOR_LAST, d->series[0], (double)clock_now_ms() / 1000);
	metric_set_series(
	    METRIC_JANITOR_DURATION, d->series[1], (double)took_us / 1e6);
	metric_add_series(METRIC_JANITOR_ITEMS, d->series[2], d->items);
	metric_add_series(METRIC_JANITOR_RUNS, d->series[3], 1);
	if (d->items > 0)
		log_info("janitor.duty",
		    "duty=%s items=%llu ms=%lld backend=%s", duties[i].name,
		    (unsigned long long)d->items, (long long)(took_us / 1000),
		    j->backend);
}

static void
duty_failed(struct janitor *j, size_t i, enum err err)
{
	struct duty_state *d = &j->states[i];

	if (d->failed == ERR_OK) {
		metric_add_series(METRIC_JANITOR_ERRORS, d->series[4], 1);
		log_warn("janitor.failed",
		    "duty=%s error=E%03d cause=E%03d queue=%s backend=%s",
		    duties[i].name, err_info(duties[i].err)->number,
		    err_info(err)->number,
		    j->queue < j->queue_count ? j->queues[j->queue] : "-",
		    j->backend);
	}
	d->failed = err;
}

/* ---- the round --------------------------------------------------------- */

static void
round_end(struct janitor *j)
{
	for (size_t i = 0; i < COUNT_OF(duties); i++)
		duty_end(j, i);
	timer_arm_ms(&j->timer, j->conf->janitor_interval_ms);
}

static void
round_on_timer(void *arg)
{
	struct janitor *j = arg;
	const char *why;

	if (!store_is_ready(j->store, &why)) {
		round_end(j);
		return;
	}
	j->busy = true;
	store_tick(j->store, round_on_ticked, j);
}

static void
note_queue(const struct store_queue_info *q, void *arg)
{
	struct janitor *j = arg;

	if (strcmp(q->backend, j->backend) != 0)
		return;
	if (j->queue_count == j->queue_cap) {
		j->queue_cap = j->queue_cap == 0 ? 64 : j->queue_cap * 2;
		j->queues =
		    xrealloc(j->queues, j->queue_cap, sizeof(*j->queues));
	}
	memcpy(j->queues[j->queue_count], q->name.p, q->name.len);
	j->queues[j->queue_count++][q->name.len] = '\0';
}

/* True when the janitor was freed while the store was at work. */
static bool
was_freed(struct janitor *j)
{
	j->busy = false;
	if (!j->freed)
		return false;
	free(j->queues);
	free(j);
	return true;
}

static void
round_on_ticked(enum err err, uint64_t queues, void *arg)
{
	struct janitor *j = arg;

	if (was_freed(j))
		return;
	if (err != ERR_OK) {
		log_debug("janitor.tick", "error=E%03d backend=%s",
		    err_info(err)->number, j->backend);
		round_end(j);
		return;
	}
	log_debug("janitor.tick", "queues=%llu backend=%s",
	    (unsigned long long)queues, j->backend);
	j->queue_count = 0;
	store_queue_each(j->store, note_queue, j);
	j->duty = j->queue = 0;
	j->slices = 0;
	/* Every duty looked at its numbers, so every duty has run. */
	for (size_t i = 0; i < COUNT_OF(duties); i++)
		duty_begin(&j->states[i]);
	round_next(j);
}

/* Finds the next duty that has something to do, and runs a slice of it. */
static void
round_next(struct janitor *j)
{
	for (; j->duty < COUNT_OF(duties); j->duty++, j->queue = 0) {
		const struct duty *d = &duties[j->duty];
		bool per_queue = d->duty != DUTY_WORKERS;

		while (per_queue && j->queue < j->queue_count &&
		       !store_duty_is_due(
			   j->store, d->duty, span_of(j->queues[j->queue])))
			j->queue++;
		if (per_queue ? j->queue >= j->queue_count : j->queue > 0)
			continue;
		j->busy = true;
		store_duty_run(j->store, d->duty,
		    per_queue ? span_of(j->queues[j->queue]) : SPAN(""),
		    (uint32_t)j->conf->janitor_slice, round_on_slice, j);
		return;
	}
	round_end(j);
}

/* Is a slice to be followed by another of the same duty and queue? */
static bool
has_more(struct janitor *j, const struct duty *d, uint64_t count)
{
	j->slices++;
	if (d->duty == DUTY_CHECK)
		return j->slices < CHECK_SLICES_PER_ROUND &&
		       store_duty_is_due(
			   j->store, d->duty, span_of(j->queues[j->queue]));
	return d->duty != DUTY_WORKERS && count >= j->conf->janitor_slice &&
	       j->slices < SLICES_PER_ROUND;
}

static void
round_on_slice(enum err err, uint64_t count, void *arg)
{
	struct janitor *j = arg;
	const struct duty *d = &duties[j->duty];

	if (was_freed(j))
		return;
	log_debug("janitor.slice", "duty=%s queue=%s items=%llu", d->name,
	    d->duty != DUTY_WORKERS ? j->queues[j->queue] : "-",
	    (unsigned long long)count);
	j->states[j->duty].items += count;
	if (err != ERR_OK)
		duty_failed(j, j->duty, err);
	if (err != ERR_OK || !has_more(j, d, count)) {
		j->queue++;
		j->slices = 0;
	}
	round_next(j);
}

/* In metrics: "doing"; of another backend than main "group:doing". */
static void
duty_label(const struct janitor *j, size_t i, char *dst, size_t size)
{
	bool is_main = strcmp(j->backend, "main") == 0;

	(void)snprintf(dst, size, "%s%s%s", is_main ? "" : j->backend,
	    is_main ? "" : ":", duties[i].name);
}

struct janitor *
janitor_new(struct loop *loop, const struct conf *conf, struct store *store,
    const char *backend)
{
	struct janitor *j = xcalloc(1, sizeof(*j));
	char label[NAME_MAX_LEN + 16];

	j->loop = loop;
	j->conf = conf;
	j->store = store;
	j->backend = backend;
	for (size_t i = 0; i < COUNT_OF(duties); i++) {
		duty_label(j, i, label, sizeof(label));
		for (size_t m = 0; m < COUNT_OF(duty_metrics); m++)
			j->states[i].series[m] =
			    metric_series(duty_metrics[m], label);
	}
	timer_init(&j->timer, loop, round_on_timer, j);
	timer_arm_ms(&j->timer, conf->janitor_interval_ms);
	return j;
}

void
janitor_free(struct janitor *j)
{
	if (j == NULL)
		return;
	timer_clear(&j->timer);
	if (j->busy) {
		j->freed = true;
		return;
	}
	free(j->queues);
	free(j);
}
