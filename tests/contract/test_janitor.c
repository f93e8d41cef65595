/*
 * The janitor on a real Redis with a clock that the test moves: every duty
 * does its work, tells it in the metrics, and an idle server costs one
 * command a second, however many queues there are.
 */

#include "tests/contract/store_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/loop.h"
#include "core/metrics.h"
#include "janitor/janitor.h"

static struct janitor *
begin(struct world *w, const char *setting)
{
	world_begin(w, false, setting);
	return janitor_new(w->loop, w->conf, w->store, "main");
}

static void
end(struct world *w, struct janitor *j)
{
	janitor_free(j);
	world_end(w);
}

static void
push_delayed(struct world *w, const char *id)
{
	struct store_task t = {.id = span_of(id),
	    .payload = SPAN("1"),
	    .lane = LANE_NORMAL,
	    .delay_ms = 5 * SECOND};

	assert_int_equal(push(w, &t, 1).err, ERR_OK);
}

static void
push_to(struct world *w, struct span queue, const char *id, int64_t delay_ms)
{
	struct store_task t = {.id = span_of(id),
	    .payload = SPAN("1"),
	    .lane = LANE_NORMAL,
	    .delay_ms = delay_ms};
	struct seen s = {0};

	store_push(w->store, queue, &t, 1, on_push, &s);
	wait_for(w, &s);
}

static void
fail_for_good(struct world *w, const char *worker, const char *id)
{
	struct store_report_item item = {
	    .id = span_of(id), .failed = true, .no_retry = true};
	struct seen s = {0};

	store_report(w->store, Q, span_of(worker), &item, 1, on_report, &s);
	wait_for(w, &s);
	assert_true(s.reported[0].dead);
}

static void
set_policy(struct world *w, enum policy_field field, uint64_t value)
{
	struct store_policy_change change = {.set = 1u << field, .paused = -1};
	struct seen s = {0};

	change.values[field] = value;
	store_queue_set(w->store, Q, &change, on_queue, &s);
	wait_for(w, &s);
	assert_int_equal(s.err, ERR_OK);
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
	struct janitor *j;

	(void)state;
	j = begin(&w, "--janitor.interval=50ms");
	push_id(&w, "lease");
	take(&w, "w1", 1, 5000);
	push_delayed(&w, "delayed");
	wait_count(&w, TASK_DELAYED, 1);
	clock_set_offset_ms(6000);
	wait_count(&w, TASK_TODO, 2);
	assert_metric(METRIC_JANITOR_ITEMS,
	    "schedd_janitor_items_total{duty=\"doing\"} 1");
	assert_metric(METRIC_JANITOR_ITEMS,
	    "schedd_janitor_items_total{duty=\"delayed\"} 1");

	take(&w, "w2", 2, 0);
	report(&w, "w2", "lease", true, "");
	wait_count(&w, TASK_FAILED, 1);
	clock_set_offset_ms(60000);
	wait_count(&w, TASK_TODO, 1);

	fail_for_good(&w, "w2", "delayed");
	wait_count(&w, TASK_DEAD, 1);
	set_policy(&w, POLICY_DEAD_AGE, 10000);
	clock_set_offset_ms(120000);
	wait_count(&w, TASK_DEAD, 0);

	take(&w, "w2", 1, 0);
	report(&w, "w2", "lease", false, "");
	wait_count(&w, TASK_FINISH, 1);
	set_policy(&w, POLICY_FINISH_AGE, 10000);
	clock_set_offset_ms(240000);
	wait_count(&w, TASK_FINISH, 0);
	assert_metric(METRIC_JANITOR_ITEMS,
	    "schedd_janitor_items_total{duty=\"finish\"} 1");
	assert_metric(METRIC_JANITOR_ITEMS,
	    "schedd_janitor_items_total{duty=\"dead\"} 1");
	assert_int_equal(log_count("janitor.failed"), 0);
	end(&w, j);
}

/* More than a slice of a duty is done slice after slice, in one round. */
static void
test_slices(void **state)
{
	struct world w;
	struct janitor *j;
	char id[16];

	(void)state;
	j = begin(&w, "--janitor.interval=50ms");
	w.conf->janitor_slice = 10;
	for (int i = 0; i < 35; i++) {
		snprintf(id, sizeof(id), "t%d", i);
		push_delayed(&w, id);
	}
	wait_count(&w, TASK_DELAYED, 35);
	clock_set_offset_ms(6000);
	wait_count(&w, TASK_TODO, 35);
	end(&w, j);
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
	struct janitor *j;

	(void)state;
	j = begin(&w, "--janitor.interval=50ms");
	push_delayed(&w, "1");
	push_to(&w, SPAN("other"), "1", 5 * SECOND);
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
	end(&w, j);
}

static long long
scripts_run(const struct test_redis *r)
{
	static const char what[] = "cmdstat_evalsha:calls=";
	redisReply *reply = test_redis_command(r, "INFO commandstats");
	const char *at = strstr(reply->str, what);
	long long n;

	assert_non_null(at);
	n = strtoll(at + strlen(what), NULL, 10);
	freeReplyObject(reply);
	return n;
}

/* Two hundred queues with tasks in them, and nobody does anything: the tick,
 * the sign of life, and a window of the task check, as they were in use. */
static void
test_idle(void **state)
{
	struct world w;
	struct janitor *j;
	char name[16];
	long long before;

	(void)state;
	j = begin(&w, "--janitor.interval=1s");
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "q%d", i);
		push_to(&w, span_of(name), "1", 0);
	}
	run_for(w.loop, 2500);
	before = scripts_run(&w.redis);
	run_for(w.loop, 4000);
	assert_in_range(scripts_run(&w.redis) - before, 7, 13);
	end(&w, j);
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
