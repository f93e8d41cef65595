/* Tasks as schedctl shows them: one, rows of a list, JSON on lines. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/pretty.h"
#include "cli/task_view.h"

#include "cli_prints.h"

#define AT "2026-01-01T00:00:00.000Z"
static const int64_t AT_MS = 1767225600000;
/* ---- JSON ------------------------------------------------------------- */

static void
test_pretty(void **state)
{
	static const struct {
		const char *json, *want;
	} rows[] = {
	    {"1.50e+03", "1.50e+03"},
	    {" null ", "null"},
	    {"\"a b\\\"{\\\\\"", "\"a b\\\"{\\\\\""},
	    {"{}", "{}"},
	    {"[ \n]", "[]"},
	    {"[1,[ ],{ }]", "[\n  1,\n  [],\n  {}\n]"},
	    {"{\"b\":1,\"a\" : [2 , \"x, y: z\"],\"b\":{\"c\":true}}",
		"{\n  \"b\": 1,\n  \"a\": [\n    2,\n    \"x, y: z\"\n  ],\n"
		"  \"b\": {\n    \"c\": true\n  }\n}"},
	};
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		pretty_add(&out, span_of(rows[i].json));
		assert_prints(&out, rows[i].want);
	}
}

/* What never comes, as answers are valid, at least ends. */
static void
test_pretty_of_anything(void **state)
{
	static const char bytes[] = "{}[]\",:\\ a1\n";
	struct buf out;
	char text[64];

	(void)state;
	buf_init(&out, TEXT_MAX);
	for (unsigned seed = 1; seed < 20000; seed++) {
		unsigned random = seed * 2654435761u;
		size_t len = random % sizeof(text);

		for (size_t i = 0; i < len; i++) {
			random = random * 1103515245u + 12345u;
			text[i] = bytes[(random >> 16) % (sizeof(bytes) - 1)];
		}
		pretty_add(&out, (struct span){text, len});
		assert_false(out.failed);
		buf_reset(&out, TEXT_MAX);
	}
	buf_clear(&out);
}

/* ---- one task --------------------------------------------------------- */

static void
test_task(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	assert_true(task_view_add(&out,
	    SPAN("{\"id\":\"a\",\"state\":\"doing\",\"priority\":\"high\","
		 "\"pushed_at\":\"" AT "\",\"due_at\":\"" AT "\","
		 "\"taken_at\":\"" AT "\",\"attempts\":2,\"max_attempts\":3,"
		 "\"worker\":\"w1\",\"failed_at\":null,"
		 "\"error\":\"full\\u001b\",\"result\":null,"
		 "\"payload\":{\"x\":\"\xc2\x9b\"}}"),
	    AT_MS - 3000, &plain));
	assert_prints(&out, "id          a\n"
			    "state       doing\n"
			    "priority    high\n"
			    "pushed      " AT "  (in 3s)\n"
			    "taken       " AT "  (in 3s)\n"
			    "lease ends  " AT "  (in 3s)\n"
			    "attempts    2 of 3\n"
			    "held by     w1\n"
			    "error       full\\x1b\n"
			    "payload:\n{\n  \"x\": \"\\u009b\"\n}\n");
	assert_true(task_view_add(&out,
	    SPAN("{\"id\":\"a\",\"state\":\"finish\",\"due_at\":\"" AT
		 "\",\"attempts\":0,\"max_attempts\":3,\"worker\":\"w1\","
		 "\"result\":[1],\"payload\":null}"),
	    AT_MS, &plain));
	assert_prints(&out, "id        a\n"
			    "state     finish\n"
			    "finished  " AT "  (0s ago)\n"
			    "worker    w1\n"
			    "result:\n[\n  1\n]\n");
}

static void
test_no_task(void **state)
{
	static const char *const texts[] = {"", "[]", "{}", "{\"id\":\"a\"}",
	    "{\"id\":\"a\",\"state\":\"todo\""};
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		assert_false(task_view_add(&out, span_of(texts[i]), 0, &plain));
		assert_int_equal(out.len, 0);
	}
	buf_clear(&out);
}

/* ---- rows ------------------------------------------------------------- */

static void
assert_row(const char *state, const char *want)
{
	struct table *t = task_view_table(state);
	struct arena *a = arena_new(ARENA_MAX);
	struct buf out;

	assert_true(task_view_add_row(t, state,
	    SPAN("{\"id\":\"a\",\"priority\":\"low\",\"pushed_at\":\"" AT
		 "\",\"due_at\":\"" AT "\",\"taken_at\":\"" AT
		 "\",\"failed_at\":\"" AT "\",\"attempts\":1,"
		 "\"max_attempts\":3,\"worker\":\"w\",\"error\":\"e\"}"),
	    AT_MS + 5000, a));
	assert_false(task_view_add_row(t, state, SPAN("{}"), 0, a));
	assert_false(task_view_add_row(t, state, SPAN("1"), 0, a));
	buf_init(&out, TEXT_MAX);
	table_print(t, &plain, &out);
	assert_prints(&out, want);
	arena_free(a);
	table_free(t);
}

static void
test_rows(void **state)
{
	(void)state;
	assert_row("todo", "ID  PRIORITY  ATTEMPTS  ERROR\n"
			   "a   low            1/3  e\n");
	assert_row("doing", "ID  ATTEMPTS   TAKEN  LEASE ENDS  WORKER  ERROR\n"
			    "a        1/3  5s ago      5s ago  w       e\n");
	assert_row("delayed", "ID  PRIORITY  ATTEMPTS    RUNS\n"
			      "a   low            1/3  5s ago\n");
	assert_row("failed", "ID  ATTEMPTS  FAILED   RETRY  ERROR\n"
			     "a        1/3  5s ago  5s ago  e\n");
	assert_row("dead", "ID  ATTEMPTS    DIED  ERROR\n"
			   "a        1/3  5s ago  e\n");
	assert_row("finish", "ID  FINISHED  WORKER\n"
			     "a     5s ago  w\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pretty),
	    cmocka_unit_test(test_pretty_of_anything),
	    cmocka_unit_test(test_task),
	    cmocka_unit_test(test_no_task),
	    cmocka_unit_test(test_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
