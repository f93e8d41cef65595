/*
 * The janitor on a real Redis with a clock that the test moves: every duty
 * does its work, tells it in the metrics, and an idle server costs one
 * command a second, however many queues there are.
 */

#include "tests/contract/harness.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/conf.h"
#include "core/loop.h"
#include "core/mem.h"
#include "core/metrics.h"
#include "janitor/janitor.h"
#include "store/store.h"

struct world {
	struct test_redis redis;
	struct conf *conf;
	struct loop *loop;
	struct store *store;
	struct janitor *janitor;
};

static const struct span Q = {"q", 1};

static bool
is_ready(void *arg)
{
	const char *why;

	return store_is_ready(((struct world *)arg)->store, &why);
}

static void
on_closed(void *arg)
{
	*(bool *)arg = true;
}

static bool
is_set(void *arg)
{
	return *(bool *)arg;
}

static void
world_begin(struct world *w, const char *interval)
{
	char url[192], every[64];
	char *args[] = {url, every};
	struct buf why;

	memset(w, 0, sizeof(*w));
	log_catch();
	clock_set_offset_ms(0);
	test_redis_start(&w->redis, "");
	snprintf(url, sizeof(url), "--redis.main.url=%s", w->redis.url);
	snprintf(every, sizeof(every), "--janitor.interval=%s", interval);
	buf_init(&why, 1024);
	assert_int_equal(conf_load(&w->conf, NULL, args, 2, &why), ERR_OK);
	w->loop = loop_new();
	assert_int_equal(store_open(&w->store, w->loop, w->conf, &why), ERR_OK);
	assert_true(run_until(w->loop, is_ready, w, LIMIT_MS));
	w->janitor = janitor_new(w->loop, w->conf, w->store);
	buf_clear(&why);
}

static void
world_end(struct world *w)
{
	bool closed = false;

	janitor_free(w->janitor);
	store_close(w->store, on_closed, &closed);
	assert_true(run_until(w->loop, is_set, &closed, LIMIT_MS));
	store_free(w->store);
	loop_free(w->loop);
	conf_free(w->conf);
	test_redis_stop(&w->redis);
	clock_set_offset_ms(0);
}

/* ---- operations whose answer does not matter --------------------------- */

static void
on_push(enum err err, const struct store_pushed *r, size_t n, void *arg)
{
	(void)r;
	(void)n;
	assert_int_equal(err, ERR_OK);
	*(bool *)arg = true;
}

static void
push(struct world *w, struct span queue, const char *id, int64_t delay_ms)
{
	struct store_task t = {.id = span_of(id),
	    .payload = SPAN("1"),
	    .lane = LANE_NORMAL,
	    .delay_ms = delay_ms};
	bool done = false;

	store_push(w->store, queue, &t, 1, on_push, &done);
	assert_true(run_until(w->loop, is_set, &done, LIMIT_MS));
}

static void
on_take(const struct store_take_result *r, void *arg)
{
	assert_int_equal(r->err, ERR_OK);
	*(bool *)arg = true;
}

static void
take(struct world *w, const char *worker, uint32_t count, uint64_t lease_ms)
{
	bool done = false;
	struct store_take t = {.queue = Q,
	    .worker = span_of(worker),
	    .count = count,
	    .lease_ms = lease_ms,
	    .cb = on_take,
	    .arg = &done};

	store_take(w->store, &t);
	assert_true(run_until(w->loop, is_set, &done, LIMIT_MS));
}

static void
on_report(enum err err, const struct store_reported *r, size_t n, void *arg)
{
	assert_int_equal(err, ERR_OK);
	assert_int_equal(n, 1);
	assert_int_equal(r[0].err, ERR_OK);
	*(bool *)arg = true;
}

static void
report(struct world *w, const char *worker, const char *id, bool failed,
    bool no_retry)
{
	struct store_report_item item = {
	    .id = span_of(id), .failed = failed, .no_retry = no_retry};
	bool done = false;

	store_report(w->store, Q, span_of(worker), &item, 1, on_report, &done);
	assert_true(run_until(w->loop, is_set, &done, LIMIT_MS));
}

static void
on_queue(enum err err, const struct store_queue_info *q, void *arg)
{
	(void)q;
	assert_int_equal(err, ERR_OK);
	*(bool *)arg = true;
}

static void
set_policy(struct world *w, enum policy_field field, uint64_t value)
{
	struct store_policy_change change = {.set = 1u << field, .paused = -1};
	bool done = false;

	change.values[field] = value;
	store_queue_set(w->store, Q, &change, on_queue, &done);
	assert_true(run_until(w->loop, is_set, &done, LIMIT_MS));
}

/* ---- what the janitor is waited for ------------------------------------ */

struct expected {
	struct world *w;
	enum task_state state;
	uint64_t count;
};

static void
note_count(const struct store_queue_info *q, void *arg)
{
	uint64_t *counts = arg;

	if (span_eq(q->name, Q))
		memcpy(counts, q->counts, sizeof(q->counts));
}

static bool
has_count(void *arg)
{
	const struct expected *e = arg;
	uint64_t counts[TASK_STATE_COUNT] = {0};

	store_queue_each(e->w->store, note_count, counts);
	return counts[e->state] == e->count;
}

static void
wait_count(struct world *w, enum task_state state, uint64_t count)
{
	struct expected e = {w, state, count};

	assert_true(run_until(w->loop, has_count, &e, LIMIT_MS));
}

/* The metrics page has that line. */
static void
assert_metric(enum metric m, const char *line)
{
	struct buf page;

	buf_init(&page, 1 << 20);
	metric_print(m, &page);
	buf_add_char(&page, '\0');
	if (strstr(page.data, line) == NULL)
		fail_msg("no '%s' in:\n%s", line, page.data);
	buf_clear(&page);
}

/* ---- the tests --------------------------------------------------------- */

static void
test_duties(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "50ms");
	push(&w, Q, "lease", 0);
	take(&w, "w1", 1, 5000);
	push(&w, Q, "delayed", 5000);
	wait_count(&w, TASK_DELAYED, 1);
	clock_set_offset_ms(6000);
	wait_count(&w, TASK_TODO, 2);
	assert_metric(METRIC_JANITOR_ITEMS,
	    "schedd_janitor_items_total{duty=\"doing\"} 1");
	assert_metric(METRIC_JANITOR_ITEMS,
	    "schedd_janitor_items_total{duty=\"delayed\"} 1");

	take(&w, "w2", 2, 0);
	report(&w, "w2", "lease", true, false);
	wait_count(&w, TASK_FAILED, 1);
	clock_set_offset_ms(60000);
	wait_count(&w, TASK_TODO, 1);

	report(&w, "w2", "delayed", true, true);
	wait_count(&w, TASK_DEAD, 1);
	set_policy(&w, POLICY_DEAD_AGE, 10000);
	clock_set_offset_ms(120000);
	wait_count(&w, TASK_DEAD, 0);

	take(&w, "w2", 1, 0);
	report(&w, "w2", "lease", false, false);
	wait_count(&w, TASK_FINISH, 1);
	set_policy(&w, POLICY_FINISH_AGE, 10000);
	clock_set_offset_ms(240000);
	wait_count(&w, TASK_FINISH, 0);
	assert_metric(METRIC_JANITOR_ITEMS,
	    "schedd_janitor_items_total{duty=\"finish\"} 1");
	assert_metric(METRIC_JANITOR_ITEMS,
	    "schedd_janitor_items_total{duty=\"dead\"} 1");
	assert_int_equal(log_count("janitor.failed"), 0);
	world_end(&w);
}

/* More than a slice of a duty is done slice after slice, in one round. */
static void
test_slices(void **state)
{
	struct world w;
	char id[16];

	(void)state;
	world_begin(&w, "50ms");
	w.conf->janitor_slice = 10;
	for (int i = 0; i < 35; i++) {
		snprintf(id, sizeof(id), "t%d", i);
		push(&w, Q, id, 5000);
	}
	wait_count(&w, TASK_DELAYED, 35);
	clock_set_offset_ms(6000);
	wait_count(&w, TASK_TODO, 35);
	world_end(&w);
}

static bool
has_failed(void *arg)
{
	(void)arg;
	return log_count("janitor.failed") > 0;
}

/* A duty that fails is counted and told under its own number, loses nothing,
 * keeps no other queue from its due, and goes on when it can. */
static void
test_failure(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "50ms");
	push(&w, Q, "1", 5000);
	push(&w, SPAN("other"), "1", 5000);
	wait_count(&w, TASK_DELAYED, 1);
	test_redis_integer(&w.redis, "HSET sched:{q}:todo:normal a b");
	clock_set_offset_ms(6000);
	assert_true(run_until(w.loop, has_failed, NULL, LIMIT_MS));
	assert_non_null(strstr(log_last("janitor.failed"), "error=E005"));
	assert_non_null(strstr(log_last("janitor.failed"), "queue=q"));
	assert_int_equal(log_count("queue.broken"), 1);
	run_for(w.loop, 300);
	assert_int_equal(
	    test_redis_integer(&w.redis, "LLEN sched:{other}:todo:normal"), 1);
	assert_int_equal(
	    test_redis_integer(&w.redis, "ZCARD sched:{q}:delayed"), 1);
	test_redis_integer(&w.redis, "DEL sched:{q}:todo:normal");
	wait_count(&w, TASK_TODO, 1);
	assert_int_equal(log_count("queue.whole"), 1);
	world_end(&w);
}

static long long
scripts_run(const struct test_redis *r)
{
	static const char what[] = "cmdstat_evalsha:calls=";
	redisReply *reply = test_redis_command(r, "INFO commandstats");
	const char *at = strstr(reply->str, what);
	long long n;

	assert_non_null(at);
	n = atoll(at + strlen(what));
	freeReplyObject(reply);
	return n;
}

/* Two hundred queues with tasks in them, and nobody does anything. */
static void
test_idle(void **state)
{
	struct world w;
	char name[16];
	long long before;

	(void)state;
	world_begin(&w, "1s");
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "q%d", i);
		push(&w, span_of(name), "1", 0);
	}
	run_for(w.loop, 2500);
	before = scripts_run(&w.redis);
	run_for(w.loop, 4000);
	assert_in_range(scripts_run(&w.redis) - before, 3, 5);
	world_end(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_duties),
	    cmocka_unit_test(test_slices),
	    cmocka_unit_test(test_failure),
	    cmocka_unit_test(test_idle),
	};

	return cmocka_run_group_tests_name("janitor", tests, NULL, NULL);
}
