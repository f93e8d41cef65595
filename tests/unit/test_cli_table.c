/* What schedctl prints for people: clean text, columns, queues, objects. */

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/queues.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/view.h"

enum { TEXT_MAX = 64 * 1024 };

static const struct table_look plain = {.headings = true};

static void
assert_prints(struct buf *out, const char *want)
{
	buf_add_char(out, '\0');
	assert_false(out->failed);
	assert_string_equal(out->data, want);
	buf_clear(out);
}

/* ---- text ------------------------------------------------------------- */

static void
test_clean(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
	    {"plain \\ \"text\" \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
		"plain \\ \"text\" \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
	    {"a\033[2Jb", "a\\x1b[2Jb"}, {"a\r\n\tb", "a\\r\\n\\tb"},
	    {"\x7f\x08", "\\x7f\\x08"},
	    {"\xc2\x9b"
	     "31m",
		"\\u{9b}31m"}, /* CSI of eight bits */
	    {"\xe2\x80\xae"
	     "x",
		"\\u{202e}x"}, /* writes backwards */
	    {"\xe2\x81\xa6", "\\u{2066}"}, {"\xff\xc3", "\\xff\\xc3"},
	    {"\xed\xa0\x80", "\\xed\\xa0\\x80"}, /* a surrogate */
	};
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		text_add_clean(&out, span_of(rows[i].text));
		assert_prints(&out, rows[i].want);
	}
	text_add_clean(&out, SPAN("a\0b"));
	assert_prints(&out, "a\\x00b");
}

static void
test_clean_json(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	text_add_json(
	    &out, SPAN("{\n\t\"a\":\r \"\xc2\x9b\x7f\\u001b\xc3\xa4\"}"));
	assert_prints(&out, "{\n\t\"a\":  \"\\u009b\\u007f\\u001b\xc3\xa4\"}");
}

static void
test_widths(void **state)
{
	/* Without such a locale every character counts as one column. */
	bool wide = setlocale(LC_CTYPE, "C.UTF-8") != NULL;

	(void)state;
	assert_int_equal(text_width(SPAN("")), 0);
	assert_int_equal(text_width(SPAN("abc")), 3);
	assert_int_equal(text_width(SPAN("\xc3\xa4\xe2\x82\xac")), 2);
	assert_int_equal(text_width(SPAN("\xe6\xbc\xa2")), wide ? 2 : 1);
	assert_int_equal(text_cut(SPAN("abcdef"), 4).len, 4);
	assert_int_equal(text_cut(SPAN("ab"), 4).len, 2);
	/* Never through a character. */
	assert_int_equal(text_cut(SPAN("\xc3\xa4\xc3\xa4"), 1).len, 2);
	if (wide)
		assert_int_equal(text_cut(SPAN("a\xe6\xbc\xa2"), 2).len, 1);
}

static void
test_seconds(void **state)
{
	static const struct {
		double seconds;
		const char *want;
	} rows[] = {{0, "0s"}, {0.25, "0.2s"}, {3, "3s"}, {9.94, "9.9s"},
	    {9.96, "9s"}, {12.7, "12s"}, {60, "1m0s"}, {312, "5m12s"},
	    {12000, "3h20m"}, {187200, "2d4h"}, {-1, "0s"}};
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		text_add_seconds(&out, rows[i].seconds);
		assert_prints(&out, rows[i].want);
	}
	text_add_rate(&out, 0.04);
	assert_prints(&out, "0");
	text_add_rate(&out, 12.34);
	assert_prints(&out, "12.3");
	text_add_rate(&out, 1234.5);
	assert_prints(&out, "1234");
}

static void
test_count(void **state)
{
	static const struct {
		uint64_t n;
		const char *want;
	} rows[] = {
	    {0, "0"},
	    {9999, "9999"},
	    {10000, "10.0k"},
	    {12499, "12.4k"},
	    {99999, "99.9k"},
	    {100000, "100k"},
	    {999999, "999k"},
	    {1000000, "1.0M"},
	    {500 * 1000000ull, "500M"},
	    {UINT64_MAX, "18.4E"},
	};
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		text_add_count(&out, rows[i].n);
		assert_prints(&out, rows[i].want);
	}
}

static void
test_when(void **state)
{
	static const int64_t at = 1767225600000; /* 2026-01-01T00:00:00Z */
	const struct span time = SPAN("2026-01-01T00:00:00.000Z");
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	text_add_when(&out, time, at - 312000);
	assert_prints(&out, "in 5m12s");
	text_add_when(&out, time, at + 3000);
	assert_prints(&out, "3s ago");
	text_add_when(&out, SPAN(""), at);
	assert_prints(&out, "-");
	text_add_when(&out, SPAN("soon\033"), at);
	assert_prints(&out, "soon\\x1b");
}

/* ---- tables ----------------------------------------------------------- */

static const struct table_column columns[] = {
    {"NAME", TABLE_LEFT}, {"TODO", TABLE_RIGHT}, {"TEXT", TABLE_LEFT}};

static struct table *
table_of_two(void)
{
	struct table *t = table_new(columns, COUNT_OF(columns));

	table_add_str(t, "mail");
	table_add_u64(t, 12345678);
	table_add_str(t, "a longer text\n");
	table_add_str(t, "a-long-name");
	table_add_u64(t, 1);
	table_set_colour(t, TABLE_RED);
	table_add_str(t, "");
	return t;
}

static void
test_columns(void **state)
{
	struct table_look bare = {.headings = false};
	struct table *t = table_of_two();
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	assert_int_equal(table_rows(t), 2);
	table_print(t, &plain, &out);
	assert_prints(&out, "NAME             TODO  TEXT\n"
			    "mail         12345678  a longer text\\n\n"
			    "a-long-name         1\n");
	table_print(t, &bare, &out);
	assert_prints(&out, "mail         12345678  a longer text\\n\n"
			    "a-long-name         1\n");
	table_free(t);
}

static void
test_cut_to_width(void **state)
{
	struct table_look look = {.headings = true, .width = 30};
	struct table *t = table_of_two();
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	table_print(t, &look, &out);
	assert_prints(&out, "NAME             TODO  TEXT\n"
			    "mail         12345678  a lo...\n"
			    "a-long-name         1\n");
	/* No line is ever longer than the terminal. */
	for (look.width = 1; look.width < 50; look.width++) {
		size_t used = 0;

		table_print(t, &look, &out);
		for (size_t i = 0; i < out.len; i++) {
			used = out.data[i] == '\n' ? 0 : used + 1;
			assert_true(used <= look.width);
		}
		buf_clear(&out);
	}
	table_free(t);
}

static void
test_colour(void **state)
{
	struct table_look look = {.headings = false, .colour = true};
	struct table *t = table_of_two();
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	table_print(t, &look, &out);
	assert_prints(&out, "mail         12345678  a longer text\\n\n"
			    "a-long-name         \033[31m1\033[0m\n");
	table_free(t);
}

static void
test_empty_table(void **state)
{
	struct table *t = table_new(columns, COUNT_OF(columns));
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	table_print(t, &plain, &out);
	assert_prints(&out, "NAME  TODO  TEXT\n");
	table_free(t);
}

/* ---- queues ----------------------------------------------------------- */

#define QUEUE(name, paused, todo, dead, oldest)                               \
	"{\"name\":\"" name "\",\"paused\":" paused                           \
	",\"counts\":{\"todo\":" todo                                         \
	",\"delayed\":2,\"doing\":3,\"failed\":4,\"finish\":5,\"dead\":" dead \
	"},\"oldest_todo_s\":" oldest                                         \
	",\"rates\":{\"pushed\":0.5,\"taken\":250.000},\"new\":[1]}"

static void
test_queues(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	assert_true(queues_add(&out,
	    SPAN("[" QUEUE("mail", "false", "1", "0", "312.000") "]"), &plain));
	assert_prints(&out, "NAME  TODO  DELAYED  DOING  FAILED  DEAD  FINISH"
			    "  OLDEST  IN/S  OUT/S\n"
			    "mail     1        2      3       4     0       5"
			    "   5m12s   0.5    250\n");
	assert_true(queues_add(&out,
	    SPAN("[" QUEUE("a", "false", "1", "0", "312.000") "," QUEUE(
		"b", "true", "0", "7", "0.000") "]"),
	    &plain));
	assert_prints(&out, "NAME   TODO  DELAYED  DOING  FAILED  DEAD  FINISH"
			    "  OLDEST  IN/S  OUT/S\n"
			    "a         1        2      3       4     0       5"
			    "   5m12s   0.5    250\n"
			    "b         0        2      3       4     7       5"
			    "       -   0.5    250  paused\n"
			    "(all)     1        4      6       8     7      10"
			    "   5m12s   1.0    500\n");
}

static void
test_queues_of_another_shape(void **state)
{
	static const char *const texts[] = {"", "{}", "[1]", "[{}]", "[",
	    "[{\"name\":\"a\"}]",
	    "[{\"name\":\"a\",\"counts\":{},\"rates\":{}}]",
	    "[" QUEUE("a", "false", "1", "-1", "0") "]",
	    "[" QUEUE("a", "false", "1", "1", "0") "] x"};
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		assert_false(queues_add(&out, span_of(texts[i]), &plain));
		assert_int_equal(out.len, 0);
	}
	buf_clear(&out);
}

/* ---- objects ---------------------------------------------------------- */

static void
test_view(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	assert_true(view_add(&out,
	    SPAN("{\"name\":\"m\\u0061il\\n\",\"n\":12345678901234567890,"
		 "\"policy\":{\"lease_s\":86400,\"dead_age_s\":0},"
		 "\"error\":null,\"list\":[],\"names\":[\"a\",2],"
		 "\"queues\":[{\"name\":\"x\"}],"
		 "\"duties\":[{\"name\":\"doing\",\"runs\":1},{\"runs\":2}],"
		 "\"payload\":{\"deep\": [1, 2]}}"),
	    "queues", &plain));
	assert_prints(&out, "name               mail\\n\n"
			    "n                  12345678901234567890\n"
			    "policy.lease_s     86400  (1d)\n"
			    "policy.dead_age_s  0\n"
			    "error              -\n"
			    "list               -\n"
			    "names              a, 2\n"
			    "duties.doing.name  doing\n"
			    "duties.doing.runs  1\n"
			    "duties.1.runs      2\n"
			    "payload            {\"deep\": [1, 2]}\n");
}

static void
test_view_of_no_object(void **state)
{
	static const char *const texts[] = {
	    "", "[]", "1", "{", "{\"a\":}", "{} x", "{\"a\":\"\xff\"}"};
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		assert_false(view_add(&out, span_of(texts[i]), NULL, &plain));
		assert_int_equal(out.len, 0);
	}
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clean),
	    cmocka_unit_test(test_clean_json),
	    cmocka_unit_test(test_widths),
	    cmocka_unit_test(test_seconds),
	    cmocka_unit_test(test_count),
	    cmocka_unit_test(test_when),
	    cmocka_unit_test(test_columns),
	    cmocka_unit_test(test_cut_to_width),
	    cmocka_unit_test(test_colour),
	    cmocka_unit_test(test_empty_table),
	    cmocka_unit_test(test_queues),
	    cmocka_unit_test(test_queues_of_another_shape),
	    cmocka_unit_test(test_view),
	    cmocka_unit_test(test_view_of_no_object),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
