/* Columns as settings name them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/column.h"

static struct columns columns;
static char why[160];

static bool
parse(const char *text)
{
	why[0] = '\0';
	return columns_parse(&columns, text, why, sizeof(why));
}

static void
test_a_list_is_read(void **state)
{
	(void)state;
	assert_true(parse(" url :text,n:bigint ,\tj:jsonb, Größe:numeric"));
	assert_int_equal(columns.count, 4);
	assert_string_equal(columns.items[0].name, "url");
	assert_int_equal(columns.items[0].kind, COLUMN_STRING);
	assert_string_equal(columns.items[1].type, "int8");
	assert_int_equal(columns.items[2].kind, COLUMN_JSON);
	assert_string_equal(columns.items[3].name, "Größe");
	assert_ptr_equal(columns_find(&columns, SPAN("n")), &columns.items[1]);
	assert_null(columns_find(&columns, SPAN("N")));
}

static void
test_what_is_no_list_says_why(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
	    {"", "at least one"},
	    {"a", "no such type"},
	    {"a:txt", "column a: no such type"},
	    {"a:text,,b:text", "1 to 63 bytes"},
	    {":text", "1 to 63 bytes"},
	    {"a:text,b:text,a:int8", "column a stands twice"},
	    {"a.b:text", "1 to 63 bytes"},
	    {"a\x01:text", "1 to 63 bytes"},
	    {"\xff:text", "1 to 63 bytes"},
	    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	     ":text",
		"1 to 63 bytes"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_false(parse(rows[i].text));
		assert_non_null(strstr(why, rows[i].why));
	}
}

static void
test_tables_have_a_schema_or_none(void **state)
{
	struct span schema, table;

	(void)state;
	assert_true(table_name_parse("a.b", &schema, &table));
	assert_true(span_is(schema, "a") && span_is(table, "b"));
	assert_true(table_name_parse("Bob's \"items\"", &schema, &table));
	assert_true(span_is(schema, "") && span_is(table, "Bob's \"items\""));
	assert_false(table_name_parse("", &schema, &table));
	assert_false(table_name_parse("a.", &schema, &table));
	assert_false(table_name_parse(".b", &schema, &table));
	assert_false(table_name_parse("a.b.c", &schema, &table));
}

static void
test_names_of_a_list(void **state)
{
	struct span rest = SPAN("a, b ,c"), name;

	(void)state;
	assert_true(column_list_next(&rest, &name) && span_is(name, "a"));
	assert_true(column_list_next(&rest, &name) && span_is(name, "b"));
	assert_true(column_list_next(&rest, &name) && span_is(name, "c"));
	assert_false(column_list_next(&rest, &name));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_list_is_read),
	    cmocka_unit_test(test_what_is_no_list_says_why),
	    cmocka_unit_test(test_tables_have_a_schema_or_none),
	    cmocka_unit_test(test_names_of_a_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
