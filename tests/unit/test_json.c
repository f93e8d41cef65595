/* Cold JSON: strictness, exact numbers, typed reads, printing. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/json.h"

static struct json *
parse(const char *text)
{
	enum err err;
	const char *why;
	/* Not NUL-terminated, so that ASan sees a read past the end. */
	size_t len = strlen(text);
	char *copy = malloc(len);
	struct json *doc;

	assert_non_null(copy);
	memcpy(copy, text, len);
	doc = json_parse((struct span){copy, len}, &err, &why);
	free(copy);
	if (doc == NULL)
		fail_msg("%s: %s", text, why);
	assert_int_equal(err, ERR_OK);
	assert_string_equal(why, "");
	return doc;
}

static void
test_refused(void **state)
{
	const struct {
		struct span text;
		enum err err;
	} rows[] = {
	    {{NULL, 0}, ERR_BODY_NOT_JSON},
	    {SPAN(" "), ERR_BODY_NOT_JSON},
	    {SPAN("{\"a\":1"), ERR_BODY_NOT_JSON},
	    {SPAN("{} x"), ERR_BODY_NOT_JSON},
	    {SPAN("\xef\xbb\xbf{}"), ERR_BODY_NOT_JSON},
	    {SPAN("\"a\nb\""), ERR_BODY_NOT_JSON},
	    {SPAN("[01]"), ERR_BODY_NOT_JSON},
	    {SPAN("{}\0"), ERR_BODY_NOT_JSON},
	    {SPAN("\"\xff\""), ERR_BODY_NOT_UTF8},
	    {SPAN("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
		  "[[[[[[[[[[1]]]]]]]]"),
		ERR_BODY_TOO_DEEP},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		enum err err = ERR_OK;
		const char *why = NULL;

		assert_null(json_parse(rows[i].text, &err, &why));
		assert_int_equal(err, rows[i].err);
		assert_non_null(why);
		assert_string_not_equal(why, "");
	}
	json_free(NULL);
}

static void
test_types(void **state)
{
	static const char letters[] = "oasnbbz";
	struct json *doc =
	    parse(" {\"o\":{},\"a\":[],\"s\":\"\",\"n\":0,\"t\":true,"
		  "\"f\":false,\"z\":null} ");
	size_t i = 0;

	(void)state;
	assert_true(json_is_object(doc));
	assert_int_equal(json_count(doc), 7);
	for (const struct json *v = json_first(doc); v != NULL;
	     v = json_next(v)) {
		char kind = letters[i++];

		assert_int_equal(json_is_object(v), kind == 'o');
		assert_int_equal(json_is_array(v), kind == 'a');
		assert_int_equal(json_is_string(v), kind == 's');
		assert_int_equal(json_is_number(v), kind == 'n');
		assert_int_equal(json_is_bool(v), kind == 'b');
		assert_int_equal(json_is_null(v), kind == 'z');
	}
	assert_int_equal(i, 7);
	json_free(doc);
	assert_false(json_is_object(NULL) || json_is_array(NULL));
	assert_false(json_is_string(NULL) || json_is_number(NULL));
	assert_false(json_is_bool(NULL) || json_is_null(NULL));
}

static void
test_members(void **state)
{
	struct json *doc =
	    parse("{\"A\":1,\"a\":2,\"\\u00e9\":\"\\u00e9\",\"l\":[1,2,3]}");
	const struct json *list = json_get(doc, "l");
	struct span text;
	uint64_t n;
	bool flag;

	(void)state;
	assert_true(json_get_u64(doc, "a", &n) && n == 2);
	assert_true(json_get_u64(doc, "A", &n) && n == 1);
	assert_true(json_get_string(doc, "\xc3\xa9", &text));
	assert_true(span_is(text, "\xc3\xa9"));
	assert_null(json_get(doc, "b"));
	assert_null(json_get(list, "a"));
	assert_null(json_get(NULL, "a"));
	assert_false(json_get_bool(doc, "a", &flag));
	assert_false(json_get_string(doc, "a", &text));
	assert_false(json_get_u64(doc, "l", &n));
	assert_int_equal(json_count(list), 3);
	assert_int_equal(json_count(json_first(list)), 0);
	assert_int_equal(json_count(NULL), 0);
	assert_null(json_first(json_first(list)));
	assert_null(json_first(NULL));
	assert_null(json_next(NULL));
	assert_string_equal(json_name(json_first(doc)), "A");
	assert_string_equal(json_name(list), "l");
	assert_string_equal(json_name(json_first(list)), "");
	json_free(doc);
}

struct number_row {
	const char *text;
	bool is_u64, is_i64;
	uint64_t u64;
	int64_t i64;
};

/* clang-format off */
static const struct number_row numbers[] = {
	{"0",                    true,  true,  0, 0},
	{"-0",                   true,  true,  0, 0},
	{"1",                    true,  true,  1, 1},
	{"-1",                   false, true,  0, -1},
	{"999999999999999",      true,  true,  999999999999999, 999999999999999},
	{"9007199254740993",     true,  true,  9007199254740993, 9007199254740993},
	{"-9007199254740993",    false, true,  0, -9007199254740993},
	{"9223372036854775807",  true,  true,  INT64_MAX, INT64_MAX},
	{"9223372036854775808",  true,  false, UINT64_C(9223372036854775808), 0},
	{"-9223372036854775808", false, true,  0, INT64_MIN},
	{"-9223372036854775809", false, false, 0, 0},
	{"18446744073709551615", true,  false, UINT64_MAX, 0},
	{"18446744073709551616", false, false, 0, 0},
	{"1e3",                  true,  true,  1000, 1000},
	{"-2.5e1",               false, true,  0, -25},
	{"5.0",                  true,  true,  5, 5},
	{"1.5",                  false, false, 0, 0},
	{"-0.5",                 false, false, 0, 0},
	{"1.00000000000000001",  false, false, 0, 0},
	{"1e18",                 true,  true,  1000000000000000000, 1000000000000000000},
	{"1e20",                 false, false, 0, 0},
	{"-1e19",                false, false, 0, 0},
	{"1e400",                false, false, 0, 0},
};
/* clang-format on */

static void
test_whole_numbers(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		const struct number_row *row = &numbers[i];
		struct json *doc = parse(row->text);
		uint64_t u64 = 77;
		int64_t i64 = 77;

		if (json_u64(doc, &u64) != row->is_u64 ||
		    u64 != (row->is_u64 ? row->u64 : 77))
			fail_msg("%s as u64", row->text);
		if (json_i64(doc, &i64) != row->is_i64 ||
		    i64 != (row->is_i64 ? row->i64 : 77))
			fail_msg("%s as i64", row->text);
		json_free(doc);
	}
}

static void
test_other_reads(void **state)
{
	struct json *doc = parse("[1.5,-2e3,1e400,true,false,\"x\",\"1\"]");
	const struct json *v = json_first(doc);
	struct span text;
	uint64_t n;
	double d;
	bool flag;

	(void)state;
	assert_true(json_double(v, &d) && d == 1.5);
	v = json_next(v);
	assert_true(json_double(v, &d) && d == -2000);
	v = json_next(v);
	assert_false(json_double(v, &d));
	v = json_next(v);
	assert_true(json_bool(v, &flag) && flag);
	v = json_next(v);
	assert_true(json_bool(v, &flag) && !flag);
	assert_false(json_double(v, &d) || json_u64(v, &n));
	v = json_next(v);
	assert_true(json_string(v, &text) && span_is(text, "x"));
	assert_false(json_bool(v, &flag));
	assert_false(json_u64(json_next(v), &n));
	assert_null(json_next(json_next(v)));
	assert_false(json_bool(NULL, &flag) || json_double(NULL, &d));
	assert_false(json_u64(NULL, &n) || json_string(NULL, &text));
	json_free(doc);
}

/* A NUL never cuts a string: what is cut could name another task. */
static void
test_nul(void **state)
{
	struct json *doc =
	    parse("{\"a\\u0000b\":\"x\\u0000y\",\"s\":\"\\\\u0000\","
		  "\"t\":\"\\\\\\u0000\\u0000\"}");
	struct span text;

	(void)state;
	assert_string_equal(json_name(json_first(doc)), "a\xef\xbf\xbd"
							"b");
	assert_true(json_string(json_first(doc), &text));
	assert_true(span_is(text, "x\xef\xbf\xbdy"));
	assert_true(json_get_string(doc, "s", &text));
	assert_true(span_is(text, "\\u0000"));
	assert_true(json_get_string(doc, "t", &text));
	assert_true(span_is(text, "\\\xef\xbf\xbd\xef\xbf\xbd"));
	json_free(doc);
}

static void
check_print(const char *text, bool pretty, const char *want)
{
	struct json *doc = parse(text);
	char *printed = json_print(doc, pretty);

	assert_string_equal(printed, want);
	free(printed);
	json_free(doc);
}

static void
test_print(void **state)
{
	/* What stays byte for byte. */
	static const char *const same[] = {"{}", "[]", "\"\"", "null", "true",
	    "[1,-1,0,-0,1.50,1E5,1e400,0.10,100000000000000]",
	    "{\"b\":{\"a\":[]},\"a\":[{}],\"a\":1}",
	    "[12345678901234567890,1700000000000000,-9007199254740993]",
	    "\"\\\"\\\\\\n\\u0001 \xc3\xa9\"",
	    "123456789012345678901234567890.12345678901234567890"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(same); i++)
		check_print(same[i], false, same[i]);
	check_print(" { \"a\" : [ 1 , \"\\u00e9\\/\" ] } ", false,
	    "{\"a\":[1,\"\xc3\xa9/\"]}");
	check_print("{\"a\":[1,{\"b\":null}],\"c\":{},\"d\":[]}", true,
	    "{\n  \"a\": [\n    1,\n    {\n      \"b\": null\n    }\n  ],\n"
	    "  \"c\": {},\n  \"d\": []\n}");
	check_print("false", true, "false");
}

static void
test_print_part(void **state)
{
	struct json *doc = parse("[{\"a\":[true]},2]");
	char *printed = json_print(json_get(json_first(doc), "a"), false);

	(void)state;
	assert_string_equal(printed, "[true]");
	free(printed);
	json_free(doc);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_types),
	    cmocka_unit_test(test_members),
	    cmocka_unit_test(test_whole_numbers),
	    cmocka_unit_test(test_other_reads),
	    cmocka_unit_test(test_nul),
	    cmocka_unit_test(test_print),
	    cmocka_unit_test(test_print_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
