/* What was answered in the last minute: buckets, quantiles, forgetting. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/mem.h"
#include "http/recent.h"
#include "http/route.h"

static const int64_t SECOND = 1000000, START = 12340 * 1000000ll;
static const uint64_t NONE[RECENT_CLASS_COUNT];

static size_t
row_of(unsigned method, const char *pattern)
{
	size_t count, i = 0;
	const struct route *routes = routes_get(&count);

	while (routes[i].method != method ||
	       strcmp(routes[i].pattern, pattern) != 0)
		assert_true(++i < count);
	return i;
}

static void
assert_near(double got, double expected)
{
	if (got < expected * 0.88 || got > expected * 1.13)
		fail_msg("%g, expected about %g", got, expected);
}

static void
test_each_size_has_its_bucket(void **state)
{
	size_t push = row_of(METHOD_POST, "/v1/queues/{queue}/tasks");

	(void)state;
	for (int64_t us = 1; us < 120 * SECOND; us += 1 + us / 9) {
		struct recent r = {0};

		recent_init(&r, START);
		recent_note(&r, push, us);
		assert_int_equal(recent_count(&r, RECENT_PUSH), 1);
		if (us >= 8)
			assert_near(recent_quantile(&r, RECENT_PUSH, 0.5),
			    (double)us / 1e6);
		recent_clear(&r);
	}
}

static void
test_extremes(void **state)
{
	size_t take = row_of(METHOD_POST, "/v1/queues/{queue}/take");
	struct recent r = {0};

	(void)state;
	recent_init(&r, START);
	assert_true(recent_quantile(&r, RECENT_TAKE, 0.99) == 0);
	recent_note(&r, take, 0);
	assert_true(recent_quantile(&r, RECENT_TAKE, 0.99) < 2e-6);
	recent_note(&r, take, INT64_MAX);
	assert_near(recent_quantile(&r, RECENT_TAKE, 0.99), 134);
	assert_int_equal(recent_count(&r, RECENT_TAKE), 2);
	recent_clear(&r);
}

static void
test_quantiles(void **state)
{
	size_t report = row_of(METHOD_POST, "/v1/queues/{queue}/report");
	struct recent r = {0};

	(void)state;
	recent_init(&r, START);
	for (int64_t us = 1; us <= 1000; us++)
		recent_note(&r, report, us);
	assert_near(recent_quantile(&r, RECENT_REPORT, 0.5), 500e-6);
	assert_near(recent_quantile(&r, RECENT_REPORT, 0.99), 990e-6);
	assert_near(recent_quantile(&r, RECENT_REPORT, 1), 1000e-6);
	recent_clear(&r);
}

static void
test_other_routes_are_left_out(void **state)
{
	struct recent r = {0};
	size_t count;

	(void)state;
	(void)routes_get(&count);
	recent_init(&r, START);
	for (size_t row = 0; row <= count; row++)
		recent_note(&r, row, 5);
	for (int i = 0; i < RECENT_KIND_COUNT; i++)
		assert_int_equal(recent_count(&r, (enum recent_kind)i), 1);
	recent_clear(&r);
}

static void
test_a_minute_passes(void **state)
{
	size_t push = row_of(METHOD_POST, "/v1/queues/{queue}/tasks");
	struct recent r = {0};

	(void)state;
	recent_init(&r, START);
	for (int second = 0; second < 200; second++) {
		recent_turn(&r, START + second * SECOND, NONE);
		recent_note(&r, push, 100);
		if (second >= 70) {
			assert_true(recent_count(&r, RECENT_PUSH) > 60);
			assert_true(recent_count(&r, RECENT_PUSH) <= 70);
		} else {
			assert_int_equal(
			    recent_count(&r, RECENT_PUSH), second + 1);
		}
	}
	/* Nothing came for long. */
	recent_turn(&r, START + 3000 * SECOND, NONE);
	assert_int_equal(recent_count(&r, RECENT_PUSH), 0);
	recent_clear(&r);
}

static void
test_outcomes(void **state)
{
	uint64_t ended[RECENT_CLASS_COUNT] = {0};
	struct recent r = {0};
	int64_t now = START;

	(void)state;
	recent_init(&r, START);
	assert_true(recent_rate(&r, START, RECENT_2XX, ended) == 0);
	for (int second = 1; second <= 300; second++) {
		now = START + second * SECOND;
		ended[RECENT_2XX] += 7;
		ended[RECENT_4XX] += second > 200;
		recent_turn(&r, now, ended);
		assert_near(recent_rate(&r, now, RECENT_2XX, ended), 7);
		assert_true(recent_rate(&r, now, RECENT_5XX, ended) == 0);
	}
	assert_near(recent_rate(&r, now, RECENT_4XX, ended), 1);
	/* It goes down again. */
	for (int second = 1; second <= 100; second++)
		recent_turn(&r, now + second * SECOND, ended);
	assert_true(
	    recent_rate(&r, now + 100 * SECOND, RECENT_2XX, ended) == 0);
	recent_clear(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_size_has_its_bucket),
	    cmocka_unit_test(test_extremes),
	    cmocka_unit_test(test_quantiles),
	    cmocka_unit_test(test_other_routes_are_left_out),
	    cmocka_unit_test(test_a_minute_passes),
	    cmocka_unit_test(test_outcomes),
	};

	return cmocka_run_group_tests_name("recent", tests, NULL, NULL);
}
