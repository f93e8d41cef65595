/* GET /v1/stats: the sums and the state of the parts, from memory. */

#include "http/api.h"

#include "core/clock.h"
#include "core/metrics.h"
#include "core/process.h"
#include "core/version.h"
#include "http/auth.h"
#include "http/server.h"

struct sums {
	const struct auth_caller *caller;
	struct buf *out; /* gets the list of queues */
	size_t queues, paused;
	uint64_t counts[TASK_STATE_COUNT];
	double rates[RATE_COUNT];
	double oldest_todo_s;
};

static void
sums_add(struct sums *sums, const struct store_queue_info *q)
{
	sums->queues++;
	sums->paused += q->paused;
	for (size_t i = 0; i < TASK_STATE_COUNT; i++)
		sums->counts[i] += q->counts[i];
	for (size_t i = 0; i < RATE_COUNT; i++)
		sums->rates[i] += q->rates[i];
	if (q->oldest_todo_s > sums->oldest_todo_s)
		sums->oldest_todo_s = q->oldest_todo_s;
}

/* Sums and prints one queue. */
static void
stats_add_queue(const struct store_queue_info *q, void *arg)
{
	struct sums *sums = arg;
	struct buf *out = sums->out;

	if (!auth_sees(sums->caller, q->name))
		return;
	buf_addf(out, "%s{\"name\":", sums->queues == 0 ? "" : ",");
	buf_add_json(out, q->name);
	buf_addf(out, ",\"backend\":\"%s\",\"paused\":%s,\"counts\":{",
	    q->backend, q->paused ? "true" : "false");
	api_add_counts(out, q->counts);
	buf_addf(out, "},\"oldest_todo_s\":%.3f,\"rates\":{", q->oldest_todo_s);
	api_add_rates(out, q->rates);
	buf_addf(out, "},\"waiting_takes\":%zu}", q->waiting);
	sums_add(sums, q);
}

/* The value of a janitor's family for one duty. */
static double
duty_value(enum metric m, const char *duty)
{
	return metric_read_series(m, metric_series(m, duty));
}

static void
stats_add_janitor(struct buf *out)
{
	const char *duty;
	double last;

	for (unsigned i = 0;
	     (duty = metric_label(METRIC_JANITOR_RUNS, i)) != NULL; i++) {
		last = duty_value(METRIC_JANITOR_LAST, duty);
		buf_addf(
		    out, "%s\"%s\":{\"last_run\":", i == 0 ? "" : ",", duty);
		api_add_time(out, (int64_t)(last * 1000));
		buf_addf(out,
		    ",\"duration_s\":%.6f,\"items\":%.0f,\"runs\":%.0f,"
		    "\"errors\":%.0f}",
		    duty_value(METRIC_JANITOR_DURATION, duty),
		    duty_value(METRIC_JANITOR_ITEMS, duty),
		    duty_value(METRIC_JANITOR_RUNS, duty),
		    duty_value(METRIC_JANITOR_ERRORS, duty));
	}
}

struct backends {
	struct buf *out;
	size_t count;
	bool reasons;
};

static void
add_backend(const struct store_backend_info *b, void *arg)
{
	struct backends *all = arg;
	struct buf *out = all->out;

	buf_addf(out, "%s{\"name\":\"%s\",\"ready\":%s,\"reason\":",
	    all->count++ > 0 ? "," : "", b->name,
	    b->is_ready ? "true" : "false");
	api_add_text(out, span_of(all->reasons && !b->is_ready ? b->why : ""));
	buf_addf(out,
	    ",\"durability\":\"%s\",\"queues\":%zu,\"pending\":%zu,"
	    "\"waiting_takes\":%zu}",
	    b->durability, b->queues, b->pending, b->waiting);
}

void
api_add_backends(struct buf *out, struct store *store, bool reasons)
{
	struct backends all = {.out = out, .reasons = reasons};

	buf_add_char(out, '[');
	store_backend_each(store, add_backend, &all);
	buf_add_char(out, ']');
}

static void
stats_add_server(struct buf *out, struct req *req)
{
	struct store *store = req_store(req);
	const char *why = "";
	bool ready = store_is_ready(store, &why);
	double up = (double)(clock_now_ms() - clock_offset_ms()) / 1000 -
		    process_start_seconds();

	buf_addf(out, "\"version\":\"%s\",\"uptime_s\":%.3f,\"ready\":%s,",
	    version_text(), up > 0 ? up : 0, ready ? "true" : "false");
	buf_add_str(out, "\"reason\":");
	api_add_text(out, span_of(ready ? "" : why));
	buf_addf(out, ",\"store\":{\"pending\":%llu,\"lost\":%llu},",
	    (unsigned long long)store_pending(req_store(req)),
	    (unsigned long long)metric_value(METRIC_STORE_LOST));
	buf_add_str(out, "\"backends\":");
	api_add_backends(out, store, true);
	buf_addf(out,
	    ",\"connections\":%zu,\"waiting_takes\":%zu,\"workers\":%zu,",
	    server_connections(req_server(req)), store_waiting(store),
	    store_worker_count(store));
}

static void
add_seconds(struct buf *out, const char *name, const struct recent *recent,
    enum recent_kind kind, double part)
{
	buf_addf(out, "\"%s\":", name);
	if (recent_count(recent, kind) == 0)
		buf_add_str(out, "null");
	else
		buf_addf(out, "%.6f", recent_quantile(recent, kind, part));
}

/* What clients saw of it in the last minute. */
static void
stats_add_recent(struct buf *out, struct req *req)
{
	static const char *const kinds[RECENT_KIND_COUNT] = {
	    [RECENT_PUSH] = "push",
	    [RECENT_TAKE] = "take",
	    [RECENT_REPORT] = "report",
	};
	static const char *const classes[RECENT_CLASS_COUNT] = {
	    [RECENT_2XX] = "2xx", [RECENT_4XX] = "4xx", [RECENT_5XX] = "5xx"};
	uint64_t ended[RECENT_CLASS_COUNT];
	const struct recent *recent = server_recent(req_server(req), ended);

	buf_add_str(out, "\"latency\":{");
	for (int i = 0; i < RECENT_KIND_COUNT; i++) {
		enum recent_kind kind = (enum recent_kind)i;

		buf_addf(out, "%s\"%s\":{", i == 0 ? "" : ",", kinds[i]);
		add_seconds(out, "p50_s", recent, kind, 0.5);
		buf_add_char(out, ',');
		add_seconds(out, "p99_s", recent, kind, 0.99);
		buf_addf(out, ",\"count\":%llu}",
		    (unsigned long long)recent_count(recent, kind));
	}
	buf_add_str(out, "},\"outcomes\":{");
	for (int i = 0; i < RECENT_CLASS_COUNT; i++)
		buf_addf(out, "%s\"%s\":%.3f", i == 0 ? "" : ",", classes[i],
		    recent_rate(
			recent, clock_mono_us(), (enum recent_class)i, ended));
	buf_add_str(out, "},");
}

void
api_stats(struct req *req)
{
	struct buf *out = req_out(req);
	struct sums sums = {.caller = req_caller(req), .out = out};

	buf_add_char(out, '{');
	stats_add_server(out, req);
	stats_add_recent(out, req);
	buf_add_str(out, "\"janitor\":{");
	stats_add_janitor(out);
	buf_add_str(out, "},\"queues\":[");
	store_queue_each(req_store(req), stats_add_queue, &sums);
	buf_addf(out,
	    "],\"sums\":{\"queues\":%zu,\"paused\":%zu,\"oldest_todo_s\":%.3f,"
	    "\"counts\":{",
	    sums.queues, sums.paused, sums.oldest_todo_s);
	api_add_counts(out, sums.counts);
	buf_add_str(out, "},\"rates\":{");
	api_add_rates(out, sums.rates);
	buf_add_str(out, "}}}");
	req_reply(req, 200);
}
