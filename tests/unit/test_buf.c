/* The capped buffer: what it holds, where it fails, what it escapes. */

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "tests/unit/json_oracle.h"

static void
assert_holds(const struct buf *b, struct span want)
{
	assert_false(b->failed);
	assert_int_equal(b->len, want.len);
	if (want.len > 0)
		assert_memory_equal(b->data, want.p, want.len);
}

static void
test_adds(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	assert_null(b.data);
	assert_non_null(buf_span(&b).p);
	assert_int_equal(buf_span(&b).len, 0);
	buf_add(&b, NULL, 0);
	buf_add_span(&b, (struct span){NULL, 0});
	assert_null(b.data);
	buf_add(&b, "a\0b", 3);
	buf_add_span(&b, SPAN("cd"));
	buf_add_str(&b, "ef");
	buf_add_char(&b, '-');
	buf_add_u64(&b, 0);
	buf_addf(&b, "%s=%d", "x", 42);
	assert_holds(&b, SPAN("a\0bcdef-0x=42"));
	assert_true(span_eq(buf_span(&b), SPAN("a\0bcdef-0x=42")));
	buf_clear(&b);
	assert_null(b.data);
	assert_int_equal(b.max, 1000);
	buf_add_str(&b, "again");
	assert_holds(&b, SPAN("again"));
	buf_clear(&b);
}

static void
test_numbers(void **state)
{
	static const int64_t signed_rows[] = {
	    0, 1, -1, 9, 10, -10, 99, 100, INT64_MAX, INT64_MIN};
	struct buf b, want;

	(void)state;
	buf_init(&b, 1000);
	buf_init(&want, 1000);
	for (size_t i = 0; i < COUNT_OF(signed_rows); i++) {
		buf_reset(&b, 1000);
		buf_reset(&want, 1000);
		buf_add_i64(&b, signed_rows[i]);
		buf_addf(&want, "%lld", (long long)signed_rows[i]);
		assert_holds(&b, buf_span(&want));
		buf_add_u64(&b, (uint64_t)signed_rows[i]);
		buf_addf(&want, "%llu", (unsigned long long)signed_rows[i]);
		assert_holds(&b, buf_span(&want));
	}
	buf_clear(&b);
	buf_clear(&want);
}

/* Exactly to the cap and not a byte further, by every way to add. */
static void
test_cap(void **state)
{
	char text[600];

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t max = 0; max < sizeof(text); max += 7) {
		struct buf b;

		buf_init(&b, max);
		buf_add(&b, text, max);
		assert_holds(&b, (struct span){text, max});
		assert_true(b.cap <= max);
		assert_true(buf_reserve(&b, 0));
		buf_addf(&b, "%s", "");
		assert_holds(&b, (struct span){text, max});
		buf_add_char(&b, 'y');
		assert_true(b.failed);
		assert_int_equal(b.len, max);
		buf_clear(&b);

		buf_addf(&b, "%.*s", (int)max, text);
		assert_holds(&b, (struct span){text, max});
		buf_addf(&b, "%c", 'y');
		assert_true(b.failed);
		assert_int_equal(b.len, max);
		buf_clear(&b);
	}
}

/* What does not fit leaves nothing behind, and nothing is added after it,
 * also when it would fit. */
static void
test_failed_is_final(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4);
	buf_add_str(&b, "abc");
	buf_add_str(&b, "de");
	assert_true(b.failed);
	buf_add_char(&b, 'f');
	buf_add_u64(&b, 1);
	buf_add_i64(&b, -1);
	buf_addf(&b, "g");
	buf_add_json(&b, SPAN(""));
	assert_false(buf_reserve(&b, 0));
	assert_true(b.failed);
	assert_true(span_is(buf_span(&b), "abc"));

	buf_reset(&b, 0);
	assert_false(b.failed);
	buf_add_str(&b, "abc");
	buf_add_i64(&b, -5); /* the sign would fit */
	assert_true(b.failed);
	assert_true(span_is(buf_span(&b), "abc"));

	buf_reset(&b, 0);
	buf_add_json(&b, SPAN("a\n")); /* the text fits, its escape does not */
	assert_true(b.failed);
	assert_int_equal(b.len, 0);

	buf_reset(&b, 0);
	assert_false(buf_reserve(&b, SIZE_MAX));
	assert_true(b.failed);
	buf_clear(&b);
}

static void
test_reset(void **state)
{
	struct buf b;
	const char *data;

	(void)state;
	buf_init(&b, 100000);
	buf_addf(&b, "%1000d", 1);
	data = b.data;
	buf_reset(&b, 10000);
	assert_ptr_equal(b.data, data);
	assert_int_equal(b.len, 0);
	buf_reset(&b, 10);
	assert_null(b.data);
	assert_int_equal(b.cap, 0);
	assert_int_equal(b.max, 100000);
}

/* A reservation holds: adding that much moves nothing. */
static void
test_reserve(void **state)
{
	struct buf b;
	const char *data;

	(void)state;
	buf_init(&b, SIZE_MAX);
	assert_true(buf_reserve(&b, 12345));
	data = b.data;
	for (int i = 0; i < 12345; i++)
		buf_add_char(&b, (char)i);
	assert_ptr_equal(b.data, data);
	for (int i = 12345; i < 300000; i++)
		buf_add_char(&b, (char)i);
	assert_int_equal(b.len, 300000);
	for (int i = 0; i < 300000; i++)
		if (b.data[i] != (char)i)
			fail_msg("byte %d", i);
	assert_true(b.cap < 1200000);
	buf_clear(&b);
}

static void
check_json(struct span text, const char *want)
{
	struct span copy = oracle_exact_copy(text);
	struct buf b;

	buf_init(&b, 1000);
	buf_add_json(&b, copy);
	assert_holds(&b, span_of(want));
	assert_int_equal(oracle_skip(buf_span(&b)).err, ERR_OK);
	buf_clear(&b);
	oracle_free(copy);
}

static void
test_json(void **state)
{
	(void)state;
	check_json(SPAN(""), "\"\"");
	check_json(SPAN("plain text, of some length"),
	    "\"plain text, of some length\"");
	check_json(SPAN("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
	check_json(SPAN("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"");
	check_json(SPAN("\0\x01\x1f\x7f"), "\"\\u0000\\u0001\\u001f\x7f\"");
	check_json(
	    SPAN("\xc3\xa9 \xf0\x9f\x98\x80"), "\"\xc3\xa9 \xf0\x9f\x98\x80\"");
	check_json(SPAN("a\xff"
			"b"),
	    "\"a\xef\xbf\xbd"
	    "b\"");
	check_json(
	    SPAN("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	check_json(SPAN("cut \xe2\x82"), "\"cut \xef\xbf\xbd\xef\xbf\xbd\"");
	check_json(SPAN("\xc3\n"), "\"\xef\xbf\xbd\\n\"");
}

/* Whatever the bytes: the result is valid, and reads back as they were
 * when they were UTF-8. */
static void
test_json_reads_back(void **state)
{
	struct arena *a = arena_new(SIZE_MAX);
	struct buf b;

	(void)state;
	buf_init(&b, SIZE_MAX);
	for (unsigned i = 0; i < 0x10000; i++) {
		char text[3] = {(char)(i >> 8), 'x', (char)i};
		struct span raw, back;
		struct scan s;

		buf_reset(&b, SIZE_MAX);
		buf_add_json(&b, (struct span){text, 3});
		scan_init(&s, buf_span(&b));
		assert_true(scan_string(&s, &raw));
		assert_int_equal(scan_end(&s), ERR_OK);
		assert_true(scan_unescape(a, raw, &back));
		assert_int_equal(span_eq(back, (struct span){text, 3}),
		    utf8_is_valid(text, 3));
		arena_reset(a);
	}
	buf_clear(&b);
	arena_free(a);
}

/* Escaping to a cap: all of it or nothing. */
static void
test_json_cap(void **state)
{
	static const char text[] = "plain \"quoted\"\n\x01\xff\xc3\xa9";
	struct buf whole, b;

	(void)state;
	buf_init(&whole, 1000);
	buf_add_json(&whole, span_of(text));
	for (size_t max = 0; max <= whole.len; max++) {
		buf_init(&b, max);
		buf_add_json(&b, span_of(text));
		assert_int_equal(b.failed, max < whole.len);
		assert_int_equal(b.len, max < whole.len ? 0 : whole.len);
		buf_clear(&b);
	}
	buf_clear(&whole);
}

/* Also what was moved, and what stands behind a shorter text. The last test:
 * it stays so. */
static void
test_what_is_given_back_is_overwritten(void **state)
{
	static const char secret[] = "a plain text of 32 bytes is here";
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	buf_add_str(&b, secret);
	buf_reset(&b, 1 << 20);
	assert_memory_equal(b.data, secret, sizeof(secret) - 1);
	mem_wipe_given();
	assert_true(mem_wipes());
	buf_add_str(&b, secret);
	assert_true(buf_reserve(&b, 100000));
	assert_memory_equal(b.data, secret, sizeof(secret) - 1);
	buf_reset(&b, 1 << 20);
	for (size_t i = 0; i < sizeof(secret) - 1; i++)
		assert_int_equal(b.data[i], 0);
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_adds),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_cap),
	    cmocka_unit_test(test_failed_is_final),
	    cmocka_unit_test(test_reset),
	    cmocka_unit_test(test_reserve),
	    cmocka_unit_test(test_json),
	    cmocka_unit_test(test_json_reads_back),
	    cmocka_unit_test(test_json_cap),
	    cmocka_unit_test(test_what_is_given_back_is_overwritten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
