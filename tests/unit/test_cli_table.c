/* What schedctl prints for people: clean text, columns. */

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/table.h"
#include "cli/text.h"

#include "cli_prints.h"

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
test_counts(void **state)
{
	static const struct {
		uint64_t n;
		const char *want;
	} rows[] = {{0, "0"}, {99999, "99999"}, {100000, "100k"},
	    {999999, "999k"}, {1000000, "1.00M"}, {1259999, "1.25M"},
	    {12599999, "12.5M"}, {125999999, "125M"}, {1000000000, "1.00G"},
	    {UINT64_MAX, "18.4E"}};
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

/* What is between the columns given the room of the terminal. */
static const struct table_column narrow[] = {{"NAME", TABLE_LEFT | TABLE_CUT},
    {"TODO", TABLE_RIGHT}, {"DEAD", TABLE_RIGHT | TABLE_OUT_1},
    {"RATE", TABLE_RIGHT | TABLE_OUT_2}, {"OUT", TABLE_RIGHT | TABLE_OUT_2},
    {"STATE", TABLE_LEFT}};

static void
test_columns_that_give_way(void **state)
{
	static const struct {
		size_t width;
		const char *want;
	} rows[] = {
	    {45, "NAME            TODO  DEAD  RATE  OUT  STATE\n"
		 "a-name-of-many   123     4     5    6  paused\n"},
	    {44, "NAME           TODO  DEAD  RATE  OUT  STATE\n"
		 "a-name-of-...   123     4     5    6  paused\n"},
	    {40, "NAME            TODO  DEAD  RATE  STATE\n"
		 "a-name-of-many   123     4     5  paused\n"},
	    {34, "NAME            TODO  DEAD  STATE\n"
		 "a-name-of-many   123     4  paused\n"},
	    {24, "NAME        TODO  STATE\n"
		 "a-name-...   123  paused\n"},
	    {20, "NAME        TODO  ..\n"
		 "a-name-...   123  ..\n"},
	    {15, "NAME        ...\n"
		 "a-name-...   ..\n"},
	    {5, "NAME\n"
		"a-...\n"},
	};
	struct table_look look = {.headings = true};
	struct table *t = table_new(narrow, COUNT_OF(narrow));
	struct buf out;

	(void)state;
	table_add_str(t, "a-name-of-many");
	table_add_u64(t, 123);
	for (uint64_t i = 4; i < 7; i++)
		table_add_u64(t, i);
	table_add_str(t, "paused");
	buf_init(&out, TEXT_MAX);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		look.width = rows[i].width;
		table_print(t, &look, &out);
		assert_prints(&out, rows[i].want);
	}
	table_free(t);
}

static void
test_wrapped_column(void **state)
{
	static const struct table_column wrapped[] = {
	    {"CODE", TABLE_LEFT}, {"TEXT", TABLE_LEFT | TABLE_WRAP}};
	struct table_look look = {.headings = true, .width = 22};
	struct table *t = table_new(wrapped, COUNT_OF(wrapped));
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	table_add_str(t, "E1");
	table_add_str(t, "it goes on,  and-on-without-an-end too");
	table_add_str(t, "E2");
	table_add_str(t, "it fits");
	table_print(t, &look, &out);
	assert_prints(&out, "CODE  TEXT\n"
			    "E1    it goes on,\n"
			    "      and-on-without-a\n"
			    "      n-end too\n"
			    "E2    it fits\n");
	look.width = 9;
	table_print(t, &look, &out);
	assert_in_range(out.len, 60, 200);
	buf_clear(&out);
	look.width = 6;
	table_print(t, &look, &out);
	assert_prints(&out, "CODE\nE1\nE2\n");
	look.width = 0;
	table_print(t, &look, &out);
	assert_prints(&out, "CODE  TEXT\n"
			    "E1    it goes on,  and-on-without-an-end too\n"
			    "E2    it fits\n");
	table_free(t);
}

static void
test_pages(void **state)
{
	struct table *t = table_of_two();
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	table_print(t, &plain, &out);
	buf_reset(&out, TEXT_MAX);
	table_next_page(t);
	assert_int_equal(table_rows(t), 0);
	table_print(t, &plain, &out);
	assert_int_equal(out.len, 0);
	table_add_str(t, "b");
	table_add_u64(t, 7);
	table_add_str(t, "text");
	table_add_str(t, "an-even-longer-name");
	table_add_u64(t, 123456789);
	table_add_str(t, "text");
	table_print(t, &plain, &out);
	/* As far as they fit, the columns are those of the first page. */
	assert_prints(&out, "b                   7  text\n"
			    "an-even-longer-name  123456789  text\n");
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clean),
	    cmocka_unit_test(test_clean_json),
	    cmocka_unit_test(test_widths),
	    cmocka_unit_test(test_seconds),
	    cmocka_unit_test(test_counts),
	    cmocka_unit_test(test_when),
	    cmocka_unit_test(test_columns),
	    cmocka_unit_test(test_cut_to_width),
	    cmocka_unit_test(test_columns_that_give_way),
	    cmocka_unit_test(test_wrapped_column),
	    cmocka_unit_test(test_pages),
	    cmocka_unit_test(test_colour),
	    cmocka_unit_test(test_empty_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
