/* Workers and the server's numbers as schedctl shows them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/stats_view.h"
#include "cli/text.h"
#include "cli/worker_view.h"

#include "cli_prints.h"

#define AT "2026-01-01T00:00:00.000Z"
static const int64_t AT_MS = 1767225600000;
/* ---- workers ---------------------------------------------------------- */

#define W1                                                              \
	"{\"name\":\"w1\",\"addr\":\"127.0.0.1:5\",\"last_seen\":\"" AT \
	"\",\"last_heartbeat\":\"" AT                                   \
	"\",\"held\":3,\"details\":{\"load\":0.5,"                      \
	"\"version\":\"1.2\\n\",\"running\":[\"a\",\"b\"],"             \
	"\"pid\":4711,\"host\":\"h\"}}"
#define W2                                                      \
	"{\"name\":\"other\",\"addr\":null,\"last_seen\":\"" AT \
	"\",\"last_heartbeat\":null,\"held\":0,\"details\":null}"

static void
test_list(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	assert_true(worker_view_add_list(
	    &out, SPAN("[" W1 "," W2 "]"), NULL, AT_MS + 3000, &plain));
	assert_prints(&out,
	    "NAME   HOLDS    SEEN  HEARTBEAT  ADDRESS      HOST  VERSION  "
	    "LOAD\n"
	    "w1         3  3s ago     3s ago  127.0.0.1:5  h     1.2\\n     "
	    "0.5\n"
	    "other      0  3s ago          -  -            -     -           "
	    "-\n");
	assert_true(worker_view_add_list(
	    &out, SPAN("[" W1 "," W2 "]"), "x*", AT_MS, &plain));
	assert_int_equal(out.len, 0);
	assert_true(worker_view_add_list(
	    &out, SPAN("[" W1 "," W2 "]"), "o*", AT_MS, &plain));
	assert_true(out.len > 0);
	buf_clear(&out);
}

static void
test_no_list(void **state)
{
	static const char *const texts[] = {"", "{}", "[1]", "[{}]", "[" W1};
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		assert_false(worker_view_add_list(
		    &out, span_of(texts[i]), NULL, 0, &plain));
		assert_int_equal(out.len, 0);
	}
	buf_clear(&out);
}

static void
test_one(void **state)
{
	static const char body[] =
	    "{\"name\":\"w1\",\"addr\":\"127.0.0.1:5\",\"last_seen\":\"" AT
	    "\",\"last_heartbeat\":null,\"held\":3,"
	    "\"details\":{\"running\":7,\"load\":0.5},"
	    "\"holds\":[{\"queue\":\"mail\",\"count\":2,"
	    "\"ids\":[\"a\",\"b\\u001b\"],\"oldest_taken_at\":\"" AT
	    "\"},{\"queue\":\"sms\",\"count\":1,\"ids\":[],"
	    "\"oldest_taken_at\":null}]}";
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	assert_true(
	    worker_view_add(&out, span_of(body), AT_MS + 312000, &plain));
	assert_prints(&out, "worker          w1\n"
			    "address         127.0.0.1:5\n"
			    "last seen       5m12s ago\n"
			    "last heartbeat  never\n"
			    "holds           3\n"
			    "load            0.5\n"
			    "running         7\n"
			    "\n"
			    "QUEUE  HOLDS  OLDEST TAKEN  TASKS\n"
			    "mail       2     5m12s ago  a, b\\x1b\n"
			    "sms        1             -  -\n");
	for (size_t len = 0; len + 1 < sizeof(body) - 1; len++)
		assert_false(
		    worker_view_add(&out, (struct span){body, len}, 0, &plain));
	assert_false(worker_view_add(
	    &out, SPAN("{\"name\":\"w\",\"holds\":[{}]}"), 0, &plain));
	buf_clear(&out);
}

/* ---- the server's numbers --------------------------------------------- */

static void
test_stats(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	assert_true(stats_view_add(&out,
	    SPAN("{\"version\":\"0.1.0\",\"uptime_s\":312.5,\"ready\":false,"
		 "\"reason\":\"no\\u001b\",\"store\":{\"pending\":1,"
		 "\"lost\":2},\"connections\":3,\"waiting_takes\":4,"
		 "\"workers\":5,\"outcomes\":{\"2xx\":120.4,\"4xx\":0.2},"
		 "\"latency\":{\"push\":{\"p50_s\":0.00021,\"p99_s\":0.0034,"
		 "\"count\":7},"
		 "\"take\":{\"p50_s\":0.25,\"p99_s\":2.5},"
		 "\"report\":{\"p50_s\":null,\"p99_s\":null}},"
		 "\"janitor\":{\"doing\":{\"last_run\":\"" AT "\","
		 "\"duration_s\":0.0002,\"items\":6,\"runs\":7,\"errors\":8},"
		 "\"dead\":{\"last_run\":null,\"duration_s\":0,\"items\":0,"
		 "\"runs\":0,\"errors\":0}},\"queues\":[]}"),
	    AT_MS + 1000, &plain));
	assert_prints(&out, "version        0.1.0\n"
			    "up for         5m12s\n"
			    "ready          no: no\\x1b\n"
			    "connections    3\n"
			    "waiting takes  4\n"
			    "workers        5\n"
			    "answers/s      2xx 120, 4xx 0.2\n"
			    "store pending  1\n"
			    "store lost     2\n"
			    "\n"
			    "LATENCY     P50    P99  REQUESTS\n"
			    "push     0.21ms  3.4ms         7\n"
			    "take      250ms   2.5s\n"
			    "report        -      -\n"
			    "\n"
			    "JANITOR  LAST RUN    TOOK  TASKS  RUNS  ERRORS\n"
			    "doing      1s ago  0.20ms      6     7       8\n"
			    "dead            -       -      0     0       0\n");
}

static void
test_no_stats(void **state)
{
	static const char *const texts[] = {
	    "", "[]", "{}", "{\"version\":null}", "{\"version\":\"1\""};
	struct buf out;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		buf_init(&out, TEXT_MAX);
		assert_false(
		    stats_view_add(&out, span_of(texts[i]), 0, &plain));
		buf_clear(&out);
	}
}

static void
test_latency(void **state)
{
	static const struct {
		double seconds;
		const char *want;
	} rows[] = {{0, "0.00ms"}, {0.000214, "0.21ms"}, {0.0014, "1.4ms"},
	    {0.014, "14ms"}, {0.25, "250ms"}, {2.5, "2.5s"}, {75, "1m15s"}};
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		text_add_latency(&out, rows[i].seconds);
		assert_prints(&out, rows[i].want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_list),
	    cmocka_unit_test(test_no_list),
	    cmocka_unit_test(test_one),
	    cmocka_unit_test(test_stats),
	    cmocka_unit_test(test_no_stats),
	    cmocka_unit_test(test_latency),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
