/*
 * GET /metrics: every family of core/metrics.def once, in its order, as
 * Prometheus text. Values per queue come from the store's memory, collected
 * in one walk; those of the process from the kernel; the others live in
 * core/metrics.c.
 */

#include "http/api.h"

#include <stdio.h>
#include <string.h>

#include "core/metrics.h"
#include "core/process.h"
#include "core/version.h"
#include "http/auth.h"
#include "http/server.h"

/* Queues beyond these are summed under one name, so that a page stays small
 * whoever makes queues. */
enum { QUEUES_SHOWN = 1000 };
static const char other_name[] = "_other";

/* What the page shows of one queue. */
struct sample {
	struct span name;
	double states[TASK_STATE_COUNT];
	double oldest_s, paused, waiting, max_tasks, workers, taken_at_s;
	struct store_counters counters;
};

struct page {
	struct req *req;
	struct buf *out;
	struct process_usage usage;
	struct sample *samples; /* the last one is for the others */
	size_t count, room;
	bool has_other;
};

/* ---- collecting ------------------------------------------------------- */

static void
counters_add(struct store_counters *sum, const struct store_counters *c)
{
	sum->pushed += c->pushed;
	sum->exists += c->exists;
	sum->refused += c->refused;
	sum->taken += c->taken;
	sum->finished += c->finished;
	sum->failed += c->failed;
	sum->lease_lost += c->lease_lost;
	sum->reclaimed += c->reclaimed;
	sum->retried += c->retried;
	sum->dead += c->dead;
	sum->trimmed += c->trimmed;
}

static void
page_collect(const struct store_queue_info *q, void *arg)
{
	struct page *page = arg;
	const struct store_counters *counters =
	    store_queue_counters(req_store(page->req), q->name);
	struct sample *sample;

	if (!auth_sees(req_caller(page->req), q->name))
		return;
	/* A queue may bear the name under which the others are summed. */
	if (page->count < page->room && !span_is(q->name, other_name)) {
		sample = &page->samples[page->count++];
		sample->name = q->name;
	} else {
		sample = &page->samples[page->room];
		sample->name = span_of(other_name);
		page->has_other = true;
	}
	for (size_t i = 0; i < TASK_STATE_COUNT; i++)
		sample->states[i] += (double)q->counts[i];
	if (q->oldest_todo_s > sample->oldest_s)
		sample->oldest_s = q->oldest_todo_s;
	sample->max_tasks += (double)q->policy.max_tasks;
	sample->paused += q->paused;
	sample->waiting += (double)q->waiting;
	sample->workers += (double)q->workers;
	if ((double)q->last_take_at / 1000 > sample->taken_at_s)
		sample->taken_at_s = (double)q->last_take_at / 1000;
	if (counters != NULL)
		counters_add(&sample->counters, counters);
}

/* ---- families per queue ----------------------------------------------- */

/* The value of a family in one queue; false when it is none of those. */
static bool
sample_value(enum metric m, const struct sample *s, double *value)
{
	const struct store_counters *c = &s->counters;
	const struct {
		enum metric m;
		double value;
	} rows[] = {
	    {METRIC_QUEUE_OLDEST, s->oldest_s},
	    {METRIC_QUEUE_MAX_TASKS, s->max_tasks},
	    {METRIC_QUEUE_PAUSED, s->paused},
	    {METRIC_QUEUE_WAITING, s->waiting},
	    {METRIC_QUEUE_WORKERS, s->workers},
	    {METRIC_QUEUE_LAST_TAKE, s->taken_at_s},
	    {METRIC_QUEUE_PUSHED, (double)c->pushed},
	    {METRIC_QUEUE_EXISTS, (double)c->exists},
	    {METRIC_QUEUE_REFUSED, (double)c->refused},
	    {METRIC_QUEUE_TAKEN, (double)c->taken},
	    {METRIC_QUEUE_FINISHED, (double)c->finished},
	    {METRIC_QUEUE_FAILED, (double)c->failed},
	    {METRIC_QUEUE_LEASE_LOST, (double)c->lease_lost},
	    {METRIC_QUEUE_RECLAIMED, (double)c->reclaimed},
	    {METRIC_QUEUE_RETRIED, (double)c->retried},
	    {METRIC_QUEUE_DEAD, (double)c->dead},
	    {METRIC_QUEUE_TRIMMED, (double)c->trimmed},
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].m == m) {
			*value = rows[i].value;
			return true;
		}
	return false;
}

/* Names of queues need no escaping: they are of a name's characters. */
static void
print_states(enum metric m, const struct sample *s, struct buf *out)
{
	char labels[NAME_MAX_LEN + 64];

	for (int i = TASK_TODO; i < TASK_STATE_COUNT; i++) {
		(void)snprintf(labels, sizeof(labels),
		    "queue=\"%.*s\",state=\"%s\"", SPAN_ARG(s->name),
		    task_state_name((enum task_state)i));
		metric_print_sample(m, labels, s->states[i], out);
	}
}

static void
print_sample(enum metric m, const struct sample *s, struct buf *out)
{
	char labels[NAME_MAX_LEN + 16];
	double value;

	if (m == METRIC_QUEUE_TASKS) {
		print_states(m, s, out);
	} else if (sample_value(m, s, &value)) {
		(void)snprintf(labels, sizeof(labels), "queue=\"%.*s\"",
		    SPAN_ARG(s->name));
		metric_print_sample(m, labels, value, out);
	}
}

static void
print_per_queue(const struct page *page, enum metric m)
{
	metric_print_head(m, page->out);
	for (size_t i = 0; i < page->count; i++)
		print_sample(m, &page->samples[i], page->out);
	if (page->has_other)
		print_sample(m, &page->samples[page->room], page->out);
}

/* ---- families with one value ------------------------------------------ */

static bool
single_value(const struct page *page, enum metric m, double *value)
{
	const struct {
		enum metric m;
		double value;
	} rows[] = {
	    {METRIC_HTTP_CONNECTIONS,
		(double)server_connections(req_server(page->req))},
	    {METRIC_STORE_PENDING, (double)store_pending(req_store(page->req))},
	    {METRIC_WORKERS, (double)store_worker_count(req_store(page->req))},
	    {METRIC_MEMORY_MAX, (double)req_conf(page->req)->limits_max_memory},
	    {METRIC_PROCESS_RSS, (double)page->usage.rss_bytes},
	    {METRIC_PROCESS_CPU, page->usage.cpu_seconds},
	    {METRIC_PROCESS_FDS, (double)page->usage.open_fds},
	    {METRIC_PROCESS_MAX_FDS, (double)page->usage.max_fds},
	    {METRIC_PROCESS_START, process_start_seconds()},
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].m == m) {
			*value = rows[i].value;
			return true;
		}
	return false;
}

static void
print_build_info(struct buf *out)
{
	char labels[64];

	(void)snprintf(
	    labels, sizeof(labels), "version=\"%s\"", version_text());
	metric_print_head(METRIC_BUILD_INFO, out);
	metric_print_sample(METRIC_BUILD_INFO, labels, 1, out);
}

static bool
is_per_queue(enum metric m)
{
	return strncmp(metric_row(m)->labels, "queue", 5) == 0;
}

static void
print_family(const struct page *page, enum metric m)
{
	double value;

	if (is_per_queue(m)) {
		print_per_queue(page, m);
	} else if (m == METRIC_BUILD_INFO) {
		print_build_info(page->out);
	} else if (single_value(page, m, &value)) {
		metric_print_head(m, page->out);
		metric_print_sample(m, "", value, page->out);
	} else {
		metric_print(m, page->out);
	}
}

void
api_metrics(struct req *req)
{
	struct page page = {.req = req, .out = req_out(req)};
	size_t queues = store_queue_count(req_store(req));

	page.room = queues < QUEUES_SHOWN ? queues : QUEUES_SHOWN;
	page.samples = req_alloc(req, (page.room + 1) * sizeof(*page.samples));
	process_usage_read(&page.usage);
	store_queue_each(req_store(req), page_collect, &page);
	for (int m = 0; m < METRIC_COUNT; m++)
		print_family(&page, (enum metric)m);
	req_set_type(req, "text/plain; version=0.0.4; charset=utf-8");
	req_reply(req, 200);
}
