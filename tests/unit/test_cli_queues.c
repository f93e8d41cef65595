/* Queues as schedctl shows them: the table, its order, one queue, and policies
 * in the words of the settings file. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/policy.h"
#include "cli/queue_view.h"
#include "cli/queues.h"

#include "cli_prints.h"

/* ---- the table -------------------------------------------------------- */

#define QUEUE_AND(name, paused, todo, dead, oldest, more)                     \
	"{\"name\":\"" name "\",\"paused\":" paused                           \
	",\"counts\":{\"todo\":" todo                                         \
	",\"delayed\":2,\"doing\":3,\"failed\":4,\"finish\":5,\"dead\":" dead \
	"},\"oldest_todo_s\":" oldest                                         \
	",\"rates\":{\"pushed\":0.5,\"taken\":250.000},\"new\":[1]" more "}"
#define QUEUE(name, paused, todo, dead, oldest) \
	QUEUE_AND(name, paused, todo, dead, oldest, "")

/* The table of a list, sorted. */
static bool
prints(struct buf *out, const char *list, const char *sort, bool reverse,
    const struct table_look *look)
{
	struct arena *a = arena_new(ARENA_MAX);
	struct queues q;
	bool ok = queues_read(&q, span_of(list), NULL, a);

	buf_init(out, TEXT_MAX);
	ok = ok && queues_sort(&q, sort, reverse) &&
	     queues_add_table(out, &q, look);
	arena_free(a);
	return ok;
}

static void
test_table(void **state)
{
	struct buf out;

	(void)state;
	assert_true(prints(&out,
	    "[" QUEUE("mail", "false", "1234567", "0", "312.000") "]", "name",
	    false, &plain));
	assert_prints(&out, "NAME     TODO  DOING  DELAYED  FAILED  DEAD  "
			    "FINISH  OLDEST  IN/S  OUT/S  WORKERS\n"
			    "mail  1234567      3        2       4     0  "
			    "     5   5m12s   0.5    250        -\n");
	assert_true(prints(&out,
	    "[" QUEUE("a", "false", "1", "0", "312.000") "," QUEUE_AND("b",
		"true", "0", "7", "0.000",
		",\"workers\":12,\"held_up\":[{\"reason\":\"paused\","
		"\"text\":\"x\"},{\"reason\":\"no_worker\"}]") "]",
	    "name", false, &plain));
	assert_prints(&out,
	    "NAME   TODO  DOING  DELAYED  FAILED  DEAD  FINISH"
	    "  OLDEST  IN/S  OUT/S  WORKERS\n"
	    "a         1      3        2       4     0       5"
	    "   5m12s   0.5    250        -\n"
	    "b         0      3        2       4     7       5"
	    "       -   0.5    250       12  paused, no worker\n"
	    "(all)     1      6        4       8     7      10"
	    "   5m12s   1.0    500        -\n");
}

static void
test_table_of_a_terminal(void **state)
{
	static const char list[] =
	    "[" QUEUE("mail-of-people", "true", "1234567", "0", "312.000") "]";
	static const struct {
		size_t width;
		const char *want;
	} rows[] = {
	    {99, "NAME             TODO  DOING  DELAYED  FAILED  DEAD  FINISH"
		 "  OLDEST  IN/S  OUT/S  WORKERS\n"
		 "mail-of-people  1.23M      3        2       4     0       5"
		 "   5m12s   0.5    250        -  paused\n"},
	    {80, "NAME             TODO  DOING  FAILED  DEAD  OLDEST  IN/S"
		 "  OUT/S  WORKERS\n"
		 "mail-of-people  1.23M      3       4     0   5m12s   0.5"
		 "    250        -  paused\n"},
	    {40, "NAME           TODO  DOING  DEAD\n"
		 "mail-of-p...  1.23M      3     0  paused\n"},
	    {25, "NAME         TODO\n"
		 "mail-of...  1.23M  paused\n"},
	};
	struct table_look look = {.headings = true};
	struct buf out;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		look.width = rows[i].width;
		assert_true(prints(&out, list, "name", false, &look));
		assert_prints(&out, rows[i].want);
	}
}

static void
test_order(void **state)
{
	static const char list[] = "[" QUEUE("a", "false", "5", "0",
	    "1") "," QUEUE("b", "false", "0", "1", "0") "," QUEUE("c", "false",
	    "9", "1", "7") "," QUEUE("d", "false", "0", "1", "0") "]";
	static const struct {
		const char *sort;
		bool reverse;
		const char *want;
	} rows[] = {{"name", false, "abcd"}, {"name", true, "dcba"},
	    {"todo", false, "cabd"}, {"TODO", true, "dbac"},
	    {"dead", false, "bcda"}, {"oldest", false, "cabd"},
	    {"in", false, "abcd"}, {"in/s", false, "abcd"},
	    {"workers", false, "abcd"}};
	struct table_look bare = {.headings = false};
	struct buf out, names;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_true(
		    prints(&out, list, rows[i].sort, rows[i].reverse, &bare));
		buf_init(&names, TEXT_MAX);
		for (size_t at = 0; at < out.len; at++)
			if (at == 0 || out.data[at - 1] == '\n')
				buf_add_char(&names, out.data[at]);
		buf_clear(&out);
		assert_prints(&names, rows[i].want);
	}
	assert_false(prints(&out, list, "", false, &bare));
	assert_false(prints(&out, list, "to", false, &bare));
	assert_false(prints(&out, list, "todos", false, &bare));
	assert_false(prints(&out, list, "in/x", false, &bare));
	buf_clear(&out);
}

static void
test_match(void **state)
{
	static const char list[] = "[" QUEUE("mail-a", "false", "1", "0",
	    "1") "," QUEUE("sms", "false", "0", "1", "0") "]";
	struct arena *a = arena_new(ARENA_MAX);
	struct queues q;

	(void)state;
	assert_true(queues_read(&q, span_of(list), "mail-*", a));
	assert_int_equal(q.count, 1);
	assert_true(span_is(q.rows[0].name, "mail-a"));
	assert_true(queues_read(&q, span_of(list), "x", a));
	assert_int_equal(q.count, 0);
	assert_true(queues_sort(&q, "todo", true));
	arena_free(a);
}

static void
test_other_shapes(void **state)
{
	static const char *const texts[] = {"", "{}", "[1]", "[{}]", "[",
	    "[{\"name\":\"a\"}]",
	    "[{\"name\":\"a\",\"counts\":{},\"rates\":{}}]",
	    "[" QUEUE("a", "false", "1", "-1", "0") "]",
	    "[" QUEUE_AND("a", "false", "1", "1", "0", ",\"held_up\":1") "]",
	    "[" QUEUE_AND("a", "false", "1", "1", "0", ",\"held_up\":[1]") "]",
	    "[" QUEUE("a", "false", "1", "1", "0") "] x"};
	struct buf out;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		assert_false(prints(&out, texts[i], "name", false, &plain));
		assert_int_equal(out.len, 0);
		buf_clear(&out);
	}
}

/* ---- one queue -------------------------------------------------------- */

static const char QUEUE_BODY[] =
    "{\"name\":\"mail\",\"backend\":\"main\",\"paused\":true,"
    "\"counts\":{\"todo\":2,\"delayed\":0,\"doing\":1,\"failed\":0,"
    "\"finish\":7,\"dead\":3},\"lanes\":{\"high\":0,\"normal\":2,\"low\":0},"
    "\"oldest_todo_s\":312.5,\"workers\":2,\"waiting_takes\":1,"
    "\"last_push_at\":\"2026-01-01T00:00:00.000Z\",\"last_take_at\":null,"
    "\"rates\":{\"pushed\":0.167},\"rates_5m\":{\"pushed\":12.345},"
    "\"rates_15m\":{\"pushed\":1234.0},\"totals\":{\"pushed\":10,\"dead\":3},"
    "\"held_up\":[{\"reason\":\"paused\",\"text\":\"paused\\u001b\"},"
    "{\"reason\":\"full\",\"text\":\"full: 5 of 5\"}],"
    "\"policy\":{\"max_tasks\":5,\"max_payload\":65536,\"lease_s\":86400,"
    "\"retry_base_s\":0.250,\"dead_age_s\":0.000,\"new_one\":7},"
    "\"policy_from\":{\"max_tasks\":\"http\",\"lease_s\":\"file\"}}";

static void
test_one_queue(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	assert_true(queue_view_add(
	    &out, span_of(QUEUE_BODY), 1767225600000 + 3000, &plain));
	assert_prints(&out, "queue          mail\n"
			    "held up        paused\\x1b\n"
			    "held up        full: 5 of 5\n"
			    "backend        main\n"
			    "workers        2\n"
			    "waiting takes  1\n"
			    "oldest todo    5m12s\n"
			    "last push      3s ago\n"
			    "last take      -\n"
			    "\n"
			    "STATE    TASKS\n"
			    "todo         2  high 0, normal 2, low 0\n"
			    "doing        1\n"
			    "delayed      0\n"
			    "failed       0\n"
			    "dead         3\n"
			    "finish       7\n"
			    "\n"
			    "PER SECOND  1 MIN  5 MIN  15 MIN  TOTAL\n"
			    "pushed        0.2   12.3    1234     10\n"
			    "dead            -      -       -      3\n"
			    "\n"
			    "POLICY       VALUE  FROM\n"
			    "max_tasks        5  http\n"
			    "max_payload  64KiB  -\n"
			    "lease           1d  file\n"
			    "retry_base   250ms  -\n"
			    "dead_age         0  -\n"
			    "new_one          7  -\n");
	assert_true(
	    queue_view_add_policy(&out, span_of(QUEUE_BODY), 0, &plain));
	assert_memory_equal(out.data, "POLICY ", 7);
	buf_clear(&out);
}

static void
test_no_queue(void **state)
{
	static const char *const texts[] = {"", "[]", "{}", "{\"name\":\"a\"}",
	    "{\"counts\":{},\"policy\":{}}", "{\"counts\":{\"todo\":1}}"};
	struct buf out;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		buf_init(&out, TEXT_MAX);
		assert_false(
		    queue_view_add(&out, span_of(texts[i]), 0, &plain));
		buf_clear(&out);
	}
}

/* ---- policies --------------------------------------------------------- */

static void
test_policy_names(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	policy_add_names(&out);
	assert_prints(&out,
	    "max_tasks, max_payload, max_attempts, lease, retry_base, "
	    "retry_max, finish_keep, finish_age, dead_keep, dead_age");
	assert_ptr_equal(
	    policy_find(SPAN("lease")), policy_find(SPAN("lease_s")));
	assert_null(policy_find(SPAN("")));
	assert_null(policy_find(SPAN("_s")));
	assert_null(policy_find(SPAN("backend")));
	assert_null(policy_find(SPAN("max_tasks_s")));
	assert_null(policy_find(SPAN("listen")));
}

static void
test_policy_values(void **state)
{
	static const struct {
		const char *name, *text, *number; /* number NULL: refused */
		const char *back;
	} rows[] = {
	    {"lease", "2h", "\"lease_s\":7200", "2h"},
	    {"lease_s", "90", "\"lease_s\":90", "90s"},
	    {"retry_base", "250ms", "\"retry_base_s\":0.250", "250ms"},
	    {"dead_age", "0", "\"dead_age_s\":0", "0"},
	    {"max_payload", "256KiB", "\"max_payload\":262144", "256KiB"},
	    {"max_payload", "1000", "\"max_payload\":1000", "1000B"},
	    {"max_tasks", "500000", "\"max_tasks\":500000", "500000"},
	    {"lease", "soon", NULL, NULL},
	    {"lease", "-1", NULL, NULL},
	    {"max_payload", "64KB/s", NULL, NULL},
	    {"max_tasks", "1e3", NULL, NULL},
	    {"max_tasks", "5k", NULL, NULL},
	};
	const struct conf_row *row;
	struct buf out;
	size_t at;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		row = policy_find(span_of(rows[i].name));
		buf_init(&out, TEXT_MAX);
		policy_add_member(&out, row);
		buf_add_char(&out, ':');
		at = out.len;
		if (rows[i].number == NULL) {
			assert_false(policy_add_number(
			    &out, row, span_of(rows[i].text)));
			assert_true(strlen(policy_expected(row)) > 5);
			buf_clear(&out);
			continue;
		}
		assert_true(
		    policy_add_number(&out, row, span_of(rows[i].text)));
		assert_int_equal(out.len, strlen(rows[i].number));
		assert_memory_equal(out.data, rows[i].number, out.len);
		struct buf back;

		buf_init(&back, TEXT_MAX);
		policy_add_text(
		    &back, row, (struct span){out.data + at, out.len - at});
		assert_prints(&back, rows[i].back);
		buf_clear(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_table_of_a_terminal),
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_match),
	    cmocka_unit_test(test_other_shapes),
	    cmocka_unit_test(test_one_queue),
	    cmocka_unit_test(test_no_queue),
	    cmocka_unit_test(test_policy_names),
	    cmocka_unit_test(test_policy_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
