/* The server's answers, read into what top shows; see top.h. Members that an
 * older server does not send stay empty. */

#include "cli/top.h"

#include <stdlib.h>

#include "cli/rows.h"
#include "core/mem.h"
#include "core/rfc3339.h"

enum { ARENA_MAX = 1 << 30 };

/* An empty arena. */
static struct arena *
fresh(struct arena *a)
{
	if (a == NULL)
		return arena_new(ARENA_MAX);
	arena_reset(a);
	return a;
}

void
top_begin(struct top *t)
{
	struct top_data *d = &t->next;

	d->arena = fresh(d->arena);
	d->server = (struct top_server){0};
	d->queue_count = 0;
}

/* Whole seconds since a time of RFC 3339, as the server's clock is told in
 * whole ones; -1 where there is none. */
static double
seconds_since(struct span time, int64_t now_ms)
{
	int64_t ms, whole = 0;

	if (!rfc3339_parse(time, &ms))
		return -1;
	if (now_ms > ms)
		whole = (now_ms - ms) / 1000;
	return (double)whole;
}

static uint64_t
whole_of(struct span text)
{
	uint64_t n;

	return scan_to_u64(text, &n) ? n : 0;
}

/* Room for one more of an array that grows by doubling. */
static void *
grown(void *array, size_t count, size_t size)
{
	if (count >= 16 && (count & (count - 1)) != 0)
		return array;
	if (count != 0 && count < 16)
		return array;
	return xrealloc(array, count == 0 ? 16 : count * 2, size);
}

/* ---- queues ------------------------------------------------------------ */

enum {
	Q_NAME,
	Q_PAUSED,
	Q_COUNTS,
	Q_OLDEST,
	Q_RATES,
	Q_TOTALS,
	Q_WAITING,
	Q_POLICY,
	Q_WORKERS,
	Q_LAST_TAKE,
	Q_HELD_UP,
	Q_FIELDS
};
static const struct row_field queue_fields[Q_FIELDS] = {
    [Q_NAME] = {"name", false},
    [Q_PAUSED] = {"paused", false},
    [Q_COUNTS] = {"counts", false},
    [Q_OLDEST] = {"oldest_todo_s", false},
    [Q_RATES] = {"rates", false},
    [Q_TOTALS] = {"totals", false},
    [Q_WAITING] = {"waiting_takes", false},
    [Q_POLICY] = {"policy", false},
    [Q_WORKERS] = {"workers", false},
    [Q_LAST_TAKE] = {"last_take_at", false},
    [Q_HELD_UP] = {"held_up", false},
};

static const struct row_field count_fields[TOP_STATES] = {
    [TOP_TODO] = {"todo", false},
    [TOP_DOING] = {"doing", false},
    [TOP_DELAYED] = {"delayed", false},
    [TOP_FAILED] = {"failed", false},
    [TOP_DEAD] = {"dead", false},
    [TOP_FINISH] = {"finish", false},
};

static const struct row_field rate_fields[TOP_RATES] = {
    [TOP_IN] = {"pushed", false},
    [TOP_OUT] = {"taken", false},
    [TOP_DONE] = {"finished", false},
    [TOP_FAIL] = {"failed", false},
    [TOP_DIED] = {"dead", false},
};

/* An object of numbers, or nothing. */
static bool
read_numbers(struct span json, struct arena *a, double out[TOP_RATES])
{
	struct span found[TOP_RATES];

	if (json.len == 0 ||
	    !row_read_all(json, a, rate_fields, TOP_RATES, found))
		return false;
	for (size_t i = 0; i < TOP_RATES; i++)
		out[i] = row_number(found[i]);
	return true;
}

static bool
read_queue(struct scan *s, struct arena *a, int64_t now_ms, struct top_queue *q)
{
	static const struct row_field policy_fields[] = {{"max_tasks", false}};
	struct span f[Q_FIELDS], counts[TOP_STATES], max_tasks;

	*q = (struct top_queue){.taken_ago_s = -1};
	if (!row_read(s, a, queue_fields, Q_FIELDS, f) || f[Q_NAME].len == 0 ||
	    !row_read_all(f[Q_COUNTS], a, count_fields, TOP_STATES, counts))
		return false;
	q->name = f[Q_NAME];
	for (size_t i = 0; i < TOP_STATES; i++)
		if (!scan_to_u64(counts[i], &q->counts[i]))
			return false;
	q->paused = span_is(f[Q_PAUSED], "true");
	q->oldest_s = row_number(f[Q_OLDEST]);
	(void)read_numbers(f[Q_RATES], a, q->rates);
	q->has_totals = read_numbers(f[Q_TOTALS], a, q->totals);
	q->waiting = whole_of(f[Q_WAITING]);
	if (row_read_all(f[Q_POLICY], a, policy_fields, 1, &max_tasks))
		q->max_tasks = whole_of(max_tasks);
	q->has_workers = scan_to_u64(f[Q_WORKERS], &q->workers);
	q->taken_ago_s = seconds_since(f[Q_LAST_TAKE], now_ms);
	q->has_held_up = f[Q_HELD_UP].len > 0;
	q->held_up = f[Q_HELD_UP];
	return true;
}

static int
compare_queues(const void *left, const void *right)
{
	const struct top_queue *a = left, *b = right;

	return top_compare_names(a->name, b->name);
}

static bool
read_queues(struct top_data *d, struct span list, int64_t now_ms)
{
	struct scan s;

	d->queue_count = 0;
	scan_init(&s, list);
	if (!scan_array(&s))
		return false;
	while (scan_item(&s)) {
		d->queues =
		    grown(d->queues, d->queue_count, sizeof(*d->queues));
		if (!read_queue(
			&s, d->arena, now_ms, &d->queues[d->queue_count]))
			return false;
		d->queue_count++;
	}
	if (d->queue_count > 0)
		qsort(d->queues, d->queue_count, sizeof(*d->queues),
		    compare_queues);
	return scan_end(&s) == ERR_OK;
}

/* A copy of the body that lives as long as what is read out of it. */
static bool
keep(struct arena *a, struct span body, struct span *out)
{
	char *copy = arena_dup(a, body);

	if (copy == NULL)
		return false;
	*out = (struct span){copy, body.len};
	return true;
}

bool
top_read_queues(struct top *t, struct span body, int64_t now_ms)
{
	static const struct row_field fields[] = {{"queues", false}};
	struct top_data *d = &t->next;
	struct span list, text;

	return keep(d->arena, body, &text) &&
	       row_read_all(text, d->arena, fields, 1, &list) &&
	       read_queues(d, list, now_ms);
}

/* ---- stats ------------------------------------------------------------- */

/* {"doing":{"last_run":...},...}: each member is a duty. */
static bool
read_duties(struct top_data *d, struct span json, int64_t now_ms)
{
	static const struct row_field fields[] = {{"last_run", false},
	    {"duration_s", false}, {"items", false}, {"runs", false},
	    {"errors", false}};
	struct top_server *server = &d->server;
	struct span name, f[5];
	struct scan s;

	scan_init(&s, json);
	if (json.len == 0 || !scan_object(&s))
		return json.len == 0;
	while (scan_key(&s, &name)) {
		if (!row_read(&s, d->arena, fields, 5, f))
			return false;
		if (server->duty_count == TOP_DUTIES_MAX)
			continue;
		server->duties[server->duty_count++] = (struct top_duty){
		    .name = name,
		    .ran_s = seconds_since(f[0], now_ms),
		    .took_s = row_number(f[1]),
		    .items = whole_of(f[2]),
		    .runs = whole_of(f[3]),
		    .errors = whole_of(f[4]),
		};
	}
	return scan_end(&s) == ERR_OK;
}

static double
number_or(struct span text, double otherwise)
{
	return text.len > 0 ? row_number(text) : otherwise;
}

static void
read_latency(struct top_data *d, struct span json)
{
	static const struct row_field kinds[TOP_LATENCIES] = {
	    {"push", false}, {"take", false}, {"report", false}};
	static const struct row_field fields[] = {
	    {"p50_s", false}, {"p99_s", false}};
	struct top_server *server = &d->server;
	struct span of_kind[TOP_LATENCIES], f[2];

	server->has_latency =
	    json.len > 0 &&
	    row_read_all(json, d->arena, kinds, TOP_LATENCIES, of_kind);
	for (size_t i = 0; server->has_latency && i < TOP_LATENCIES; i++) {
		server->latency[i] = (struct top_latency){-1, -1};
		if (row_read_all(of_kind[i], d->arena, fields, 2, f))
			server->latency[i] = (struct top_latency){
			    number_or(f[0], -1), number_or(f[1], -1)};
	}
}

static void
read_outcomes(struct top_data *d, struct span json)
{
	static const struct row_field classes[TOP_CLASSES] = {
	    {"2xx", false}, {"4xx", false}, {"5xx", false}};
	struct span f[TOP_CLASSES];
	bool ok = json.len > 0 &&
		  row_read_all(json, d->arena, classes, TOP_CLASSES, f);

	for (size_t i = 0; i < TOP_CLASSES; i++)
		d->server.outcomes[i] = ok ? number_or(f[i], -1) : -1;
}

enum {
	S_VERSION,
	S_UPTIME,
	S_READY,
	S_REASON,
	S_STORE,
	S_CONNECTIONS,
	S_WAITING,
	S_WORKERS,
	S_JANITOR,
	S_LATENCY,
	S_OUTCOMES,
	S_QUEUES,
	S_BACKENDS,
	S_FIELDS
};

/* The first one that is away, if any; an older server names none. */
static void
read_backends(struct top_data *d, struct span list)
{
	static const struct row_field fields[] = {
	    {"name", false}, {"ready", false}, {"reason", false}};
	struct span f[3];
	struct scan s;

	d->server.away = d->server.away_why = SPAN("");
	scan_init(&s, list);
	if (list.len == 0 || !scan_array(&s))
		return;
	while (scan_item(&s) && row_read(&s, d->arena, fields, 3, f))
		if (d->server.away.len == 0 && !span_is(f[1], "true")) {
			d->server.away = f[0];
			d->server.away_why = f[2];
		}
}

bool
top_read_stats(struct top *t, struct span body, int64_t now_ms)
{
	static const struct row_field fields[S_FIELDS] = {
	    [S_VERSION] = {"version", false},
	    [S_UPTIME] = {"uptime_s", false},
	    [S_READY] = {"ready", false},
	    [S_REASON] = {"reason", false},
	    [S_STORE] = {"store", false},
	    [S_CONNECTIONS] = {"connections", false},
	    [S_WAITING] = {"waiting_takes", false},
	    [S_WORKERS] = {"workers", false},
	    [S_JANITOR] = {"janitor", false},
	    [S_LATENCY] = {"latency", false},
	    [S_OUTCOMES] = {"outcomes", false},
	    [S_QUEUES] = {"queues", false},
	    [S_BACKENDS] = {"backends", false},
	};
	static const struct row_field store_fields[] = {
	    {"pending", false}, {"lost", false}};
	struct top_data *d = &t->next;
	struct span text, f[S_FIELDS], store[2];

	if (!keep(d->arena, body, &text) ||
	    !row_read_all(text, d->arena, fields, S_FIELDS, f) ||
	    f[S_VERSION].len == 0 || !read_queues(d, f[S_QUEUES], now_ms) ||
	    !read_duties(d, f[S_JANITOR], now_ms))
		return false;
	d->server.version = f[S_VERSION];
	d->server.uptime_s = row_number(f[S_UPTIME]);
	d->server.ready = span_is(f[S_READY], "true");
	d->server.reason = f[S_REASON];
	read_backends(d, f[S_BACKENDS]);
	if (row_read_all(f[S_STORE], d->arena, store_fields, 2, store)) {
		d->server.pending = whole_of(store[0]);
		d->server.lost = whole_of(store[1]);
	}
	d->server.connections = whole_of(f[S_CONNECTIONS]);
	d->server.waiting = whole_of(f[S_WAITING]);
	d->server.workers = whole_of(f[S_WORKERS]);
	read_latency(d, f[S_LATENCY]);
	read_outcomes(d, f[S_OUTCOMES]);
	return true;
}

/* ---- workers ----------------------------------------------------------- */

static bool
read_worker(
    struct scan *s, struct arena *a, int64_t now_ms, struct top_worker *w)
{
	static const struct row_field fields[] = {{"name", false},
	    {"addr", false}, {"held", false}, {"last_seen", false},
	    {"last_heartbeat", false}};
	struct span f[5];

	if (!row_read(s, a, fields, 5, f) || f[0].len == 0)
		return false;
	*w = (struct top_worker){
	    .name = f[0],
	    .addr = f[1],
	    .held = whole_of(f[2]),
	    .seen_s = seconds_since(f[3], now_ms),
	    .beat_s = seconds_since(f[4], now_ms),
	};
	return true;
}

static bool
read_workers(struct top_crew *crew, struct span list, int64_t now_ms)
{
	struct scan s;

	scan_init(&s, list);
	if (!scan_array(&s))
		return false;
	while (scan_item(&s)) {
		crew->workers =
		    grown(crew->workers, crew->count, sizeof(*crew->workers));
		if (!read_worker(
			&s, crew->arena, now_ms, &crew->workers[crew->count]))
			return false;
		crew->count++;
	}
	crew->is_known = true;
	return scan_end(&s) == ERR_OK;
}

/* Empties what is read into. */
static struct top_crew *
crew_begin(struct top *t)
{
	struct top_crew *crew = &t->next_crew;

	crew->arena = fresh(crew->arena);
	crew->count = 0;
	crew->is_known = false;
	crew->why = SPAN("");
	return crew;
}

bool
top_read_workers(struct top *t, struct span body, int64_t now_ms)
{
	static const struct row_field fields[] = {{"workers", false}};
	struct top_crew *crew = crew_begin(t);
	struct span list, text;

	if (!keep(crew->arena, body, &text) ||
	    !row_read_all(text, crew->arena, fields, 1, &list) ||
	    !read_workers(crew, list, now_ms))
		return false;
	top_commit_crew(t);
	return true;
}

void
top_no_workers(struct top *t, struct span why)
{
	struct top_crew *crew = crew_begin(t);

	(void)keep(crew->arena, why, &crew->why);
	top_commit_crew(t);
}
