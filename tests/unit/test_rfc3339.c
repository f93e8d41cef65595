/* Points in time as text: both ways, against the C library's calendar, and
 * what is no time. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "core/rfc3339.h"

static const struct {
	const char *text;
	int64_t ms;
} good[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"1970-01-01T00:00:00.001Z", 1},
    {"1969-12-31T23:59:59.999Z", -1},
    {"2026-01-02T03:04:05Z", 1767323045000},
    {"2026-01-02t03:04:05z", 1767323045000},
    {"2026-01-02T03:04:05.6Z", 1767323045600},
    {"2026-01-02T03:04:05.06Z", 1767323045060},
    {"2026-01-02T03:04:05.678999999Z", 1767323045678},
    {"2026-01-02T05:04:05+02:00", 1767323045000},
    {"2026-01-01T21:34:05-05:30", 1767323045000},
    {"2026-01-02T03:04:05-00:00", 1767323045000},
    {"2000-02-29T00:00:00Z", 951782400000},
    {"2016-12-31T23:59:60Z", 1483228800000},
    {"0000-01-01T00:00:00Z", -62167219200000},
    {"9999-12-31T23:59:59.999Z", 253402300799999},
};

static const char *const bad[] = {
    "",
    "now",
    "2026",
    "2026-01-02",
    "2026-01-02T03:04Z",
    "2026-01-02T03:04:05",
    "2026-01-02 03:04:05Z",
    "2026-01-02T03:04:05.Z",
    "2026-01-02T03:04:05Zx",
    "2026-01-02T03:04:05Z ",
    " 2026-01-02T03:04:05Z",
    "2026-1-2T3:4:5Z",
    "02026-01-02T03:04:05Z",
    "-026-01-02T03:04:05Z",
    "2026-00-02T03:04:05Z",
    "2026-13-02T03:04:05Z",
    "2026-01-00T03:04:05Z",
    "2026-01-32T03:04:05Z",
    "2026-04-31T03:04:05Z",
    "2026-02-29T03:04:05Z",
    "1900-02-29T03:04:05Z",
    "2026-01-02T24:00:00Z",
    "2026-01-02T03:60:05Z",
    "2026-01-02T03:04:61Z",
    "2026-01-02T03:04:05+2:00",
    "2026-01-02T03:04:05+0200",
    "2026-01-02T03:04:05+24:00",
    "2026-01-02T03:04:05+02:60",
    "2026-01-02T03:04:05+02:00Z",
};

static void
test_good(void **state)
{
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		ms = 42;
		if (!rfc3339_parse(span_of(good[i].text), &ms) ||
		    ms != good[i].ms)
			fail_msg("%s: %lld", good[i].text, (long long)ms);
	}
}

static void
test_bad(void **state)
{
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (rfc3339_parse(span_of(bad[i]), &ms))
			fail_msg("taken: '%s'", bad[i]);
	assert_false(rfc3339_parse(SPAN("2026-01-02T03:04:05\0"), &ms));
}

/* Every beginning of a time is none. */
static void
test_prefixes(void **state)
{
	struct span whole = SPAN("2026-01-02T03:04:05.678+02:00");
	int64_t ms;

	(void)state;
	assert_true(rfc3339_parse(whole, &ms));
	for (size_t len = 0; len < whole.len; len++)
		assert_false(rfc3339_parse((struct span){whole.p, len}, &ms));
}

/* Every day of 800 years, at a moment that wanders through the day. */
static void
test_round_trip(void **state)
{
	char text[RFC3339_LEN + 1];
	char want[64];
	struct tm tm;
	int64_t ms, back;
	time_t seconds;

	(void)state;
	for (int64_t day = -146097; day < 146097; day++) {
		ms = day * 86400000 +
		     (day * 7919 % 86400000 + 86400000) % 86400000;
		rfc3339_print(text, ms);
		seconds = (time_t)(ms / 1000 - (ms % 1000 < 0));
		assert_non_null(gmtime_r(&seconds, &tm));
		assert_int_not_equal(
		    strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S", &tm), 0);
		assert_memory_equal(text, want, 19);
		assert_true(rfc3339_parse(span_of(text), &back));
		assert_int_equal(back, ms);
	}
}

static void
test_print_bounds(void **state)
{
	char text[RFC3339_LEN + 1];

	(void)state;
	rfc3339_print(text, INT64_MIN);
	assert_string_equal(text, "0000-01-01T00:00:00.000Z");
	rfc3339_print(text, INT64_MAX);
	assert_string_equal(text, "9999-12-31T23:59:59.999Z");
	rfc3339_print(text, 1795230245678);
	assert_string_equal(text, "2026-11-21T03:04:05.678Z");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_prefixes),
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_print_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
