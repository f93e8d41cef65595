/* How many lines a client may cause: the bound, and that the sums are right. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/log_priv.h"
#include "core/metrics.h"

static struct {
	int64_t mono_us;
	uint64_t lines, sums, suppressed;
	char last[512];
} w;

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	(void)id;
	ts->tv_sec = w.mono_us / 1000000;
	ts->tv_nsec = w.mono_us % 1000000 * 1000;
	return 0;
}

static void
keep_line(const char *line, size_t len)
{
	const char *sum;

	assert_true(len < sizeof(w.last));
	memcpy(w.last, line, len);
	w.last[len - 1] = '\0';
	sum = strstr(w.last, " suppressed=");
	w.lines += sum == NULL;
	w.sums += sum != NULL;
	if (sum != NULL)
		w.suppressed +=
		    strtoull(sum + strlen(" suppressed="), NULL, 10);
}

static int
set_up(void **state)
{
	(void)state;
	w.mono_us += 10000000; /* whatever was before is over */
	clock_refresh();
	log_set_level(LOG_INFO);
	log_set_sink(NULL);
	log_flush();
	w.lines = w.sums = w.suppressed = 0;
	log_set_sink(keep_line);
	log_set_rate(100);
	return 0;
}

static void
pass(int64_t us)
{
	w.mono_us += us;
	clock_refresh();
	log_flush();
}

/* As a client would cause it. */
static void
cause(const char *event, const char *source)
{
	if (log_may(LOG_INFO, event, span_of(source)))
		log_info(event, "peer=%s", source);
}

static void
test_a_flood_of_one(void **state)
{
	uint64_t before = metric_value(METRIC_LOG_SUPPRESSED);

	(void)state;
	for (int i = 0; i < 100000; i++) {
		cause("access.request", "192.0.2.1");
		if (i % 1000 == 999)
			pass(9000);
	}
	assert_int_equal(w.lines, 100);
	assert_int_equal(w.sums, 0);
	pass(1000000);
	assert_int_equal(w.sums, 1);
	assert_string_equal(
	    w.last + 25, "info access.request peer=192.0.2.1 suppressed=99900");
	assert_int_equal(metric_value(METRIC_LOG_SUPPRESSED) - before, 99900);
	/* Nothing more comes of it. */
	pass(5000000);
	assert_int_equal(w.sums, 1);
}

static void
test_a_second_is_followed_by_the_next(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		cause("access.request", "192.0.2.1");
		pass(5000); /* 200 a second, for 5 seconds */
	}
	pass(1000000);
	assert_int_equal(w.lines, 500);
	assert_int_equal(w.sums, 5);
	assert_int_equal(w.suppressed, 500);
}

static void
test_others_are_not_held_back(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++)
		cause("access.request", "192.0.2.1");
	for (int i = 0; i < 50; i++) {
		cause("access.request", "192.0.2.2");
		cause("http.open", "192.0.2.1");
	}
	assert_int_equal(w.lines, 200);
	pass(1000000);
	assert_int_equal(w.sums, 1);
	assert_int_equal(w.suppressed, 900);
}

static void
test_a_flood_of_many(void **state)
{
	char source[32];

	(void)state;
	for (int i = 0; i < 100000; i++) {
		snprintf(source, sizeof(source), "2001:db8:%x:%x::", i / 300,
		    i % 300);
		cause("access.request", source);
	}
	assert_int_equal(w.lines, 1000);
	pass(1000000);
	assert_int_equal(w.sums, 1);
	assert_string_equal(
	    w.last + 25, "info access.request peer=* suppressed=99000");
}

/* The same ones each time. */
static unsigned
any(unsigned n)
{
	static uint64_t seed = 88172645463325252u;

	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % n);
}

/* Whatever comes, each line is written or in a sum, and seconds hold. */
static void
test_any_mixture(void **state)
{
	static const char *const events[] = {
	    "access.request", "access.guessing", "http.open", "http.close"};
	uint64_t calls = 0, lines = 0;
	char source[32];

	(void)state;
	for (unsigned second = 0; second < 40; second++) {
		for (unsigned i = any(8000); i > 0; i--, calls++) {
			snprintf(source, sizeof(source), "192.0.2.%u",
			    any(1 + second * 40));
			cause(events[any(4)], source);
			if (i % 500 == 0)
				pass(any(100000));
		}
		/* Two seconds of each source may have begun in one. */
		assert_true(w.lines - lines <= (uint64_t)4 * 2 * 1000 * 3);
		lines = w.lines;
		pass(any(2000000));
	}
	pass(1000000);
	assert_int_equal(w.lines + w.suppressed, calls);
	assert_true(w.suppressed > 0);
}

static void
test_no_bound(void **state)
{
	(void)state;
	log_set_rate(0);
	for (int i = 0; i < 5000; i++)
		cause("access.request", "192.0.2.1");
	pass(1000000);
	assert_int_equal(w.lines, 5000);
	assert_int_equal(w.sums, 0);
}

static void
test_at_the_end_all_is_told(void **state)
{
	(void)state;
	for (int i = 0; i < 300; i++)
		cause("access.request", "192.0.2.1");
	log_rate_flush(true);
	assert_int_equal(w.suppressed, 200);
	log_rate_flush(true);
	assert_int_equal(w.sums, 1);
}

static void
test_a_source_of_any_length(void **state)
{
	static char source[300];

	(void)state;
	log_set_rate(1);
	memset(source, 'x', sizeof(source) - 1);
	source[0] = '\n';
	for (int i = 0; i < 3; i++)
		(void)log_may(LOG_INFO, "access.request", span_of(source));
	pass(1000000);
	assert_int_equal(w.sums, 1);
	assert_int_equal(w.suppressed, 2);
	assert_non_null(strstr(w.last, "peer=\"\\nxxx"));
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup(fn, set_up)
	const struct CMUnitTest tests[] = {
	    TEST(test_a_flood_of_one),
	    TEST(test_a_second_is_followed_by_the_next),
	    TEST(test_others_are_not_held_back),
	    TEST(test_a_flood_of_many),
	    TEST(test_any_mixture),
	    TEST(test_no_bound),
	    TEST(test_at_the_end_all_is_told),
	    TEST(test_a_source_of_any_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
