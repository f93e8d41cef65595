/* The scanner against a corpus, against cJSON and against every prefix. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/json_scan.h"
#include "tests/unit/json_oracle.h"

enum cjson_says {
	SAME,    /* cJSON is of the same opinion */
	LENIENT, /* cJSON lets it pass although RFC 8259 does not */
	UNASKED  /* holds a NUL, where cJSON's text would end */
};

struct doc {
	const char *text;
	size_t len;
	enum err err;
	enum cjson_says cjson;
};

#define VALID(lit)                                    \
	{                                             \
		"" lit, sizeof(lit) - 1, ERR_OK, SAME \
	}
#define WRONG(lit)                                               \
	{                                                        \
		"" lit, sizeof(lit) - 1, ERR_BODY_NOT_JSON, SAME \
	}
#define LOOSE(lit)                                                  \
	{                                                           \
		"" lit, sizeof(lit) - 1, ERR_BODY_NOT_JSON, LENIENT \
	}
#define BYTES(lit)                                                  \
	{                                                           \
		"" lit, sizeof(lit) - 1, ERR_BODY_NOT_UTF8, LENIENT \
	}

#define DIGITS_64 \
	"1234567890123456789012345678901234567890123456789012345678901234"

/* clang-format off */
static const struct doc docs[] = {
	/* words and blanks */
	VALID("null"), VALID("true"), VALID("false"),
	VALID(" \t\r\n null \t\r\n "),
	WRONG(""), WRONG(" "), WRONG("\n\t\r "),
	WRONG("nul"), WRONG("nulL"), WRONG("True"), WRONG("fals"),
	WRONG("truefalse"), WRONG("nullx"), WRONG("null null"), WRONG("undefined"),
	WRONG("NaN"), WRONG("Infinity"), WRONG("-Infinity"), WRONG("'a'"),
	WRONG("/* c */ 1"), WRONG("1 // c"), WRONG("# c\n1"),
	/* cJSON takes every byte up to a space for a blank */
	LOOSE("\v1"), LOOSE("\f1"), LOOSE("[1,\b2]"), WRONG("\x7f" "1"),
	{"1\0", 2, ERR_BODY_NOT_JSON, UNASKED},
	{"\0", 1, ERR_BODY_NOT_JSON, UNASKED},
	{"[1,\0 2]", 7, ERR_BODY_NOT_JSON, UNASKED},
	{"{\"a\0\":1}", 8, ERR_BODY_NOT_JSON, UNASKED},
	{"\"a\0b\"", 5, ERR_BODY_NOT_JSON, UNASKED},
	{"\"\\\0\"", 4, ERR_BODY_NOT_JSON, UNASKED},

	/* numbers */
	VALID("0"), VALID("-0"), VALID("1"), VALID("-1"), VALID("10"),
	VALID("9007199254740993"), VALID("12345678901234567890"),
	VALID("0.0"), VALID("0.5"), VALID("-0.5"), VALID("1.25"), VALID("100.001"),
	VALID("0e0"), VALID("1e5"), VALID("1E5"), VALID("1e+5"), VALID("1E-5"),
	VALID("1.5e300"), VALID("1e400"), VALID("-1e-400"), VALID("0.1e-007"),
	VALID(DIGITS_64), /* upstream's cJSON stops at 63, Debian's does not */
	LOOSE("01"), LOOSE("-01"), LOOSE("00"), LOOSE("-00.5"), LOOSE("[01]"),
	LOOSE("1."), LOOSE("[1.]"), LOOSE("-1.e5"), LOOSE("1.e1"), LOOSE("-.5"),
	WRONG("-"), WRONG("--1"), WRONG("-a"), WRONG("+1"), WRONG("+"), WRONG("."),
	WRONG(".5"), WRONG("1e"), WRONG("1e+"), WRONG("1E-"), WRONG("1e1.5"),
	WRONG("1.2.3"), WRONG("0x10"), WRONG("1a"), WRONG("1 2"), WRONG("1,2"),
	WRONG("1_000"), WRONG("- 1"), WRONG("1e 5"), WRONG("1. 5"), WRONG("e5"),

	/* strings */
	VALID("\"\""), VALID("\"a\""), VALID("\"plain text of more than eight\""),
	VALID("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), VALID("\"\\\\\""),
	VALID("\"\x7f\""), VALID("\"'\""), VALID("\"/\""),
	VALID("\"1234567\\n\""), VALID("\"12345678\\n\""), VALID("\"123456789\\n\""),
	WRONG("\""), WRONG("\"a"), WRONG("a\""), WRONG("\"a\"\""), WRONG("\"\\\""),
	WRONG("\"\\"), WRONG("\"\\x41\""), WRONG("\"\\a\""), WRONG("\"\\'\""),
	WRONG("\"\\0\""), WRONG("\"\\ \""), WRONG("\"\\U0041\""), WRONG("\"\\\n\""),
	LOOSE("\"a\nb\""), LOOSE("\"\t\""), LOOSE("\"\x01\""), LOOSE("\"\x1f\""),
	LOOSE("\"12345678\n\""), LOOSE("\"1234567\r12345678\""),

	/* \u */
	VALID("\"\\u0041\""), VALID("\"\\u00e9\\u20AC\""), VALID("\"\\uFFFF\""),
	VALID("\"\\ud83d\\ude00\""), VALID("\"\\uD800\\uDC00\""),
	VALID("\"\\uDBFF\\uDFFF\""), VALID("\"\\ud7ff\\ue000\""),
	VALID("\"\\\\u0000\""), VALID("\"\\\\ud800\""),
	{"\"\\u0000\"", 8, ERR_OK, SAME},
	{"\"a\\u0000b\"", 10, ERR_OK, SAME},
	WRONG("\"\\u\""), WRONG("\"\\u1\""), WRONG("\"\\u12\""), WRONG("\"\\u123\""),
	LOOSE("\"\\u12G4\""), LOOSE("\"\\u 123\""), LOOSE("\"\\u+123\""),
	WRONG("\"\\ud800\""), WRONG("\"\\udc00\""), WRONG("\"\\udbff\""),
	WRONG("\"\\ud800x\""), WRONG("\"\\ud800\\n\""), WRONG("\"\\ud800\\u0041\""),
	WRONG("\"\\ud800\\ud800\""), WRONG("\"\\ude00\\ud83d\""),
	WRONG("\"\\ud83d\\ude0\""), WRONG("\"\\ud83d\\u\""), WRONG("\"\\ud83d\\\""),
	WRONG("\"\\ud83d ude00\""), WRONG("\"\\ud83d\\xde00\""),

	/* UTF-8 */
	VALID("\"\xc3\xa9\""), VALID("\"\xe2\x82\xac\""), VALID("\"\xf0\x9f\x98\x80\""),
	VALID("\"\xc2\x80\xdf\xbf\""), VALID("\"\xe0\xa0\x80\xef\xbf\xbf\""),
	VALID("\"\xed\x9f\xbf\xee\x80\x80\""), VALID("\"\xf0\x90\x80\x80\""),
	VALID("\"\xf4\x8f\xbf\xbf\""), VALID("{\"\xc3\xa9\":\"\xd0\xb6\xd0\xb6\"}"),
	VALID("\"1234567\xc3\xa9" "1234567\xc3\xa9\""),
	VALID("\"\xef\xbb\xbf\""), /* a byte order mark is text in a string */
	BYTES("\"\x80\""), BYTES("\"\xbf\""), BYTES("\"a\x80z\""),    /* lone tail */
	BYTES("\"\xc0\x80\""), BYTES("\"\xc0\xaf\""), BYTES("\"\xc1\xbf\""), /* overlong */
	BYTES("\"\xe0\x80\xaf\""), BYTES("\"\xe0\x9f\xbf\""),
	BYTES("\"\xf0\x80\x80\xaf\""), BYTES("\"\xf0\x8f\xbf\xbf\""),
	BYTES("\"\xed\xa0\x80\""), BYTES("\"\xed\xbf\xbf\""),         /* surrogates */
	BYTES("\"\xed\xa0\xbd\xed\xb8\x80\""),
	BYTES("\"\xf4\x90\x80\x80\""), BYTES("\"\xf5\x80\x80\x80\""), /* too high */
	BYTES("\"\xf8\x88\x80\x80\x80\""), BYTES("\"\xfc\x84\x80\x80\x80\x80\""),
	BYTES("\"\xfe\""), BYTES("\"\xff\""),
	BYTES("\"\xc3\""), BYTES("\"\xe2\x82\""), BYTES("\"\xf0\x9f\x98\""), /* cut */
	BYTES("\"\xc3(\""), BYTES("\"\xe2(\x82\""), BYTES("\"\xf0\x9f(\x80\""),
	BYTES("\"\xe2\x82(\""), BYTES("\"\xf0(\x98\x80\""), BYTES("\"\xc3\xc3\xa9\""),
	BYTES("\"12345678\xff\""), BYTES("{\"\xff\":1}"), BYTES("[\"\\n\xff\"]"),
	{"\xff", 1, ERR_BODY_NOT_UTF8, SAME},
	{"[1,\x80]", 5, ERR_BODY_NOT_UTF8, SAME},
	{"1\xff", 2, ERR_BODY_NOT_UTF8, SAME},
	{"\"\xc3", 2, ERR_BODY_NOT_UTF8, SAME},
	{"{\"a\"\xc3:1}", 8, ERR_BODY_NOT_UTF8, SAME},
	{"1e\xfe", 3, ERR_BODY_NOT_UTF8, SAME},
	WRONG("\xc3\xa9"), WRONG("[\xe2\x82\xac]"), WRONG("1 \xc2\xa0"),
	LOOSE("\xef\xbb\xbf{}"), LOOSE("\xef\xbb\xbf" "1"), WRONG(" \xef\xbb\xbf{}"),
	WRONG("\xef\xbb\xbf"), WRONG("\xef\xbb\xbf\xef\xbb\xbf" "1"),
	{"\xef\xbb", 2, ERR_BODY_NOT_UTF8, SAME},
	{"\xff\xfe" "1\0", 4, ERR_BODY_NOT_UTF8, UNASKED}, /* UTF-16 */

	/* arrays */
	VALID("[]"), VALID("[ ]"), VALID("[1]"), VALID("[1,2,3]"), VALID(" [ 1 , 2 ] "),
	VALID("[[],[[]],{}]"), VALID("[null,true,false,\"\",0,{},[]]"),
	WRONG("["), WRONG("]"), WRONG("[1"), WRONG("[1,"), WRONG("[,]"), WRONG("[,1]"),
	WRONG("[1,]"), WRONG("[1,,2]"), WRONG("[1 2]"), WRONG("[1:2]"), WRONG("[1}"),
	WRONG("[]]"), WRONG("[[]"), WRONG("[\"a\" \"b\"]"), WRONG("[1],"), WRONG("[] []"),
	WRONG("[a]"), WRONG("[1;2]"), WRONG("[\"a]"),

	/* objects */
	VALID("{}"), VALID("{ }"), VALID("{\"a\":1}"), VALID("{\"a\" : 1 , \"b\" : 2}"),
	VALID("{\"\":0}"), VALID("{\"a\":{\"a\":{\"a\":[]}}}"), VALID("{\"a\":1,\"a\":2}"),
	VALID("{\"id\":\"a\",\"payload\":{\"n\":12345678901234567890,\"l\":[]}}"),
	VALID("{\"a\\n\\u00e9\":1}"),
	WRONG("{"), WRONG("}"), WRONG("{\"a\"}"), WRONG("{\"a\":}"), WRONG("{\"a\":1"),
	WRONG("{\"a\":1,}"), WRONG("{,}"), WRONG("{,\"a\":1}"), WRONG("{\"a\":1,,\"b\":2}"),
	WRONG("{\"a\":1 \"b\":2}"), WRONG("{\"a\" 1}"), WRONG("{\"a\"::1}"),
	WRONG("{\"a\",1}"), WRONG("{a:1}"), WRONG("{'a':1}"), WRONG("{1:1}"),
	WRONG("{null:1}"), WRONG("{\"a\":1]"), WRONG("{\"a\":1}}"), WRONG("{\"a\":1}x"),
	WRONG("{[]:1}"), WRONG("{\"a\":1,\"b\"}"), WRONG("{\"a\\x\":1}"),
	WRONG("{\"a\":1}{\"b\":2}"), WRONG("{\"a\":1,2}"), WRONG("[{\"a\":1]"),
	LOOSE("{\"a\nb\":1}"),
};
/* clang-format on */

static void
check_doc(const struct doc *doc, struct span text)
{
	struct scan skipped = oracle_skip(text);
	struct scan walked = oracle_walk(text);
	bool accepted, expected;

	if (skipped.err != doc->err)
		fail_msg("%.*s: %s (%s), expected %s", SPAN_ARG(text),
		    err_info(skipped.err)->name, skipped.why,
		    err_info(doc->err)->name);
	assert_int_equal(walked.err, skipped.err);
	assert_int_equal(walked.at, skipped.at);
	assert_string_equal(walked.why, skipped.why);
	if (doc->cjson == UNASKED)
		return;
	accepted = oracle_cjson_accepts(text);
	expected = (doc->err == ERR_OK) == (doc->cjson == SAME);
	if (accepted != expected)
		fail_msg("%.*s: cJSON %s it", SPAN_ARG(text),
		    accepted ? "accepts" : "refuses");
}

static void
test_corpus(void **state)
{
	(void)state;
	assert_true(COUNT_OF(docs) >= 120);
	for (size_t i = 0; i < COUNT_OF(docs); i++) {
		struct span copy =
		    oracle_exact_copy((struct span){docs[i].text, docs[i].len});

		check_doc(&docs[i], copy);
		oracle_free(copy);
	}
}

/* Each valid document that has a visible end, cut anywhere, is refused, and
 * nothing past the cut is read. */
static void
test_prefixes(void **state)
{
	size_t cuts = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(docs); i++) {
		struct span text = {docs[i].text, docs[i].len};

		if (docs[i].err != ERR_OK || strchr("{[\"", text.p[0]) == NULL)
			continue;
		for (size_t len = 0; len < text.len; len++) {
			struct span copy =
			    oracle_exact_copy((struct span){text.p, len});
			struct scan s = oracle_skip(copy);

			assert_true(s.err == ERR_BODY_NOT_JSON ||
				    s.err == ERR_BODY_NOT_UTF8);
			assert_int_equal(oracle_walk(copy).err, s.err);
			oracle_free(copy);
			cuts++;
		}
	}
	assert_true(cuts > 500);
}

/* Every byte value in the place of every byte: the scanner never takes what
 * cJSON refuses, and both ways of reading agree. */
static void
test_every_byte_changed(void **state)
{
	static const char text[] = "{\"a\\u00e9\":[-1.5e3,\"\xc3\xa9\",true]}";
	const size_t len = sizeof(text) - 1;
	size_t accepted = 0;

	(void)state;
	for (size_t i = 0; i < len * 256; i++) {
		char changed[sizeof(text)];
		struct span copy;
		struct scan s;

		memcpy(changed, text, len);
		changed[i / 256] = (char)(i % 256);
		copy = oracle_exact_copy((struct span){changed, len});
		s = oracle_skip(copy);
		assert_int_equal(oracle_walk(copy).err, s.err);
		if (s.err == ERR_OK) {
			assert_true(oracle_cjson_accepts(copy));
			assert_true(utf8_is_valid(copy.p, copy.len));
			accepted++;
		}
		oracle_free(copy);
	}
	assert_true(accepted > len);
}

/* n levels; each opens as open says (a byte each, used in turn). */
static void
nest(struct buf *b, unsigned n, const char *open)
{
	size_t kinds = strlen(open);

	for (unsigned i = 0; i < n; i++)
		buf_add_str(b, open[i % kinds] == '[' ? "[" : "{\"k\":");
	buf_add_str(b, "1");
	while (n-- > 0)
		buf_add_str(b, open[n % kinds] == '[' ? "]" : "}");
	assert_false(b->failed);
}

static void
test_depth(void **state)
{
	static const char *const kinds[] = {"[", "{", "[{", "{["};
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		for (unsigned n = 60; n < 70; n++) {
			enum err err =
			    n > SCAN_MAX_DEPTH ? ERR_BODY_TOO_DEEP : ERR_OK;

			buf_reset(&b, b.max);
			nest(&b, n, kinds[i]);
			assert_int_equal(oracle_skip(buf_span(&b)).err, err);
			assert_int_equal(oracle_walk(buf_span(&b)).err, err);
			assert_true(oracle_cjson_accepts(buf_span(&b)));
		}
	}
	buf_reset(&b, b.max);
	nest(&b, 100000, "[");
	assert_int_equal(oracle_skip(buf_span(&b)).err, ERR_BODY_TOO_DEEP);
	assert_int_equal(oracle_skip(buf_span(&b)).at, SCAN_MAX_DEPTH);
	buf_clear(&b);
}

/* The bits of a level are fresh each time it is entered. */
static void
test_levels_reused(void **state)
{
	struct scan s;

	(void)state;
	s = oracle_walk(SPAN("[{\"a\":1},[1],{},[],{\"b\":[{}]},[[]]]"));
	assert_int_equal(s.err, ERR_OK);
	s = oracle_walk(SPAN("[{\"a\":1},[,1]]"));
	assert_int_equal(s.err, ERR_BODY_NOT_JSON);
	assert_int_equal(s.at, 10);
}

static void
test_error_places(void **state)
{
	static const struct {
		const char *text, *why;
		size_t at;
	} rows[] = {
	    {"", "the text is empty", 0},
	    {"  ", "the text ends too early", 2},
	    {"{\"a\":1,}", "a key in quotes is expected", 7},
	    {"{\"a\" 1}", "a colon is expected", 5},
	    {"{\"a\":1 2}", "a comma or } is expected", 7},
	    {"[1 2]", "a comma or ] is expected", 3},
	    {"[1,]", "a value is expected", 3},
	    {"[-]", "a number without digits", 2},
	    {"[-012]", "a number with a leading zero", 2},
	    {"[1.]", "a number without digits after the point", 3},
	    {"[1e]", "a number without digits in its exponent", 3},
	    {"[nil]", "a word that is not true, false or null", 1},
	    {"\"abc", "a string without its closing quote", 4},
	    {"\"ab\x01\"", "a control character in a string", 3},
	    {"\"ab\x80\"", "bytes in a string that are not UTF-8", 3},
	    {"[ \x80]", "bytes that are not UTF-8", 2},
	    {"\xef\xbb\xbf[]", "a byte order mark", 0},
	    {"[] []", "more follows after the value", 3},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct scan s = oracle_skip(span_of(rows[i].text));

		assert_int_not_equal(s.err, ERR_OK);
		assert_string_equal(s.why, rows[i].why);
		assert_int_equal(s.at, rows[i].at);
	}
}

/* The loop that the header shows. */
static void
test_object_reading(void **state)
{
	static const char body[] =
	    " { \"x\" : [1, {\"id\":2}] , \"id\" : \"a\\nb\" , "
	    "\"n\" : -12 , \"b\" : true , \"z\" : null } ";
	struct span key, raw, id = {NULL, 0}, number = {NULL, 0};
	bool flag = false, null_seen = false;
	struct scan s;

	(void)state;
	scan_init(&s, span_of(body));
	assert_true(scan_object(&s));
	while (scan_key(&s, &key)) {
		if (span_is(key, "id")) {
			assert_false(scan_number(&s, &raw));
			assert_false(scan_object(&s));
			assert_true(scan_string(&s, &id));
		} else if (span_is(key, "n")) {
			assert_int_equal(scan_peek(&s), SCAN_NUMBER);
			assert_true(scan_number(&s, &number));
		} else if (span_is(key, "b")) {
			assert_true(scan_bool(&s, &flag));
		} else if (span_is(key, "z")) {
			null_seen = scan_null(&s);
		} else {
			assert_true(scan_skip(&s, &raw));
			assert_true(span_is(raw, "[1, {\"id\":2}]"));
		}
	}
	assert_int_equal(scan_end(&s), ERR_OK);
	assert_true(span_is(id, "a\\nb"));
	assert_true(span_is(number, "-12"));
	assert_true(flag && null_seen);
}

/* Nothing is read any more after the first error. */
static void
test_error_sticks(void **state)
{
	struct span raw;
	struct scan s;
	bool value;

	(void)state;
	scan_init(&s, SPAN("[1,x,2]"));
	assert_true(scan_array(&s));
	assert_true(scan_item(&s) && scan_skip(&s, &raw));
	assert_true(scan_item(&s));
	assert_false(scan_skip(&s, &raw));
	assert_int_equal(s.at, 3);
	assert_false(scan_item(&s));
	assert_false(scan_key(&s, &raw));
	assert_false(scan_skip(&s, &raw) || scan_object(&s));
	assert_false(scan_array(&s) || scan_string(&s, &raw));
	assert_false(scan_number(&s, &raw) || scan_bool(&s, &value));
	assert_false(scan_null(&s));
	assert_int_equal(scan_peek(&s), SCAN_NONE);
	assert_int_equal(scan_end(&s), ERR_BODY_NOT_JSON);
	assert_int_equal(s.at, 3);
}

static void
test_unfinished(void **state)
{
	struct span text = {NULL, 0};
	struct scan s;

	(void)state;
	scan_init(&s, text); /* no body at all */
	assert_int_equal(scan_end(&s), ERR_BODY_NOT_JSON);
	scan_init(&s, SPAN(" 1"));
	assert_int_equal(scan_end(&s), ERR_BODY_NOT_JSON);
	scan_init(&s, SPAN("[]"));
	assert_true(scan_array(&s));
	assert_int_equal(scan_end(&s), ERR_BODY_NOT_JSON);
}

static void
check_unescape(struct span raw, struct span want)
{
	struct arena *a = arena_new(1000);
	struct span copy = oracle_exact_copy(raw), got;

	assert_true(scan_unescape(a, copy, &got));
	assert_int_equal(got.len, want.len);
	if (want.len > 0)
		assert_memory_equal(got.p, want.p, want.len);
	if (memchr(raw.p, '\\', raw.len) == NULL)
		assert_ptr_equal(got.p, copy.p);
	oracle_free(copy);
	arena_free(a);
}

static void
test_unescape(void **state)
{
	struct arena *a = arena_new(4);
	struct span got;

	(void)state;
	check_unescape(SPAN(""), SPAN(""));
	check_unescape(SPAN("plain"), SPAN("plain"));
	check_unescape(
	    SPAN("\\\"\\\\\\/\\b\\f\\n\\r\\t"), SPAN("\"\\/\b\f\n\r\t"));
	check_unescape(SPAN("a\\u0041b\\\\u0041"), SPAN("aAb\\u0041"));
	check_unescape(SPAN("x\\u0000y"), SPAN("x\0y"));
	check_unescape(SPAN("\\u007f\\u0080\\u07FF\\u0800\\uffff"),
	    SPAN("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"));
	check_unescape(SPAN("\\ud800\\udc00\\uDBFF\\uDFFF"),
	    SPAN("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
	check_unescape(SPAN("\xc3\xa9\\n\xc3\xa9"), SPAN("\xc3\xa9\n\xc3\xa9"));

	assert_false(scan_unescape(a, SPAN("\\n123"), &got));
	assert_true(scan_unescape(a, SPAN("long, but nothing to do"), &got));
	arena_free(a);
}

static void
test_to_u64(void **state)
{
	static const char *const wrong[] = {"-1", "-0", "1.0", "1e2", "0.5",
	    "9007199254740993", "18446744073709551616", "99999999999999999999"};
	uint64_t n = 7;

	(void)state;
	assert_true(scan_to_u64(SPAN("0"), &n) && n == 0);
	assert_true(scan_to_u64(SPAN("42"), &n) && n == 42);
	assert_true(scan_to_u64(SPAN("9007199254740992"), &n));
	assert_true(n == UINT64_C(9007199254740992));
	for (size_t i = 0; i < COUNT_OF(wrong); i++)
		assert_false(scan_to_u64(span_of(wrong[i]), &n));
	assert_true(n == UINT64_C(9007199254740992));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_corpus),
	    cmocka_unit_test(test_prefixes),
	    cmocka_unit_test(test_every_byte_changed),
	    cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_levels_reused),
	    cmocka_unit_test(test_error_places),
	    cmocka_unit_test(test_object_reading),
	    cmocka_unit_test(test_error_sticks),
	    cmocka_unit_test(test_unfinished),
	    cmocka_unit_test(test_unescape),
	    cmocka_unit_test(test_to_u64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
