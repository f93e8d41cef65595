/* Spans, names, numbers, units, UTF-8 and globs. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/str.h"

static void
test_spans(void **state)
{
	struct span none = {NULL, 0};

	(void)state;
	assert_true(span_eq(none, SPAN("")));
	assert_true(span_is(SPAN("id"), "id"));
	assert_false(span_is(SPAN("id"), "i"));
	assert_false(span_is(SPAN("id"), "idx"));
	assert_false(span_is(SPAN("id"), "iD"));
	assert_false(span_eq(SPAN("a\0b"), SPAN("a\0c")));
	assert_true(span_eq(SPAN("a\0b"), SPAN("a\0b")));
	assert_int_equal(span_of("four").len, 4);
}

/* Is a text of n times c valid? */
static bool
repeated_is_valid(bool (*is_valid)(struct span), char c, size_t n)
{
	char text[300];

	memset(text, c, n);
	return is_valid((struct span){text, n});
}

static void
test_names(void **state)
{
	(void)state;
	assert_true(name_is_valid(SPAN("mail.out:v1_x@host-2")));
	assert_true(repeated_is_valid(name_is_valid, 'a', 1));
	assert_true(repeated_is_valid(name_is_valid, 'Z', NAME_MAX_LEN));
	assert_false(repeated_is_valid(name_is_valid, 'Z', NAME_MAX_LEN + 1));
	assert_false(name_is_valid(SPAN("")));
	for (int c = 0; c < 256; c++) {
		bool want =
		    c != 0 && strchr("abcdefghijklmnopqrstuvwxyz0123456789._:@-"
				     "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
				  c) != NULL;

		assert_int_equal(
		    repeated_is_valid(name_is_valid, (char)c, 3), want);
	}
}

static void
test_ids(void **state)
{
	(void)state;
	assert_true(id_is_valid(SPAN("https://example.org/?q=%20#x")));
	assert_true(repeated_is_valid(id_is_valid, 'a', ID_MAX_LEN));
	assert_false(repeated_is_valid(id_is_valid, 'a', ID_MAX_LEN + 1));
	assert_false(id_is_valid(SPAN("")));
	for (int c = 0; c < 256; c++)
		assert_int_equal(repeated_is_valid(id_is_valid, (char)c, 2),
		    c > 0x20 && c < 0x7f);
}

static void
test_u64(void **state)
{
	static const char *const wrong[] = {"", "00", "01", "-1", "+1", " 1",
	    "1 ", "1.0", "0x1", "a", "18446744073709551616",
	    "18446744073709551620", "99999999999999999999",
	    "184467440737095516150"};
	uint64_t n = 7;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrong); i++)
		assert_false(str_to_u64(span_of(wrong[i]), &n));
	assert_true(n == 7);
	assert_true(str_to_u64(SPAN("0"), &n) && n == 0);
	assert_true(str_to_u64(SPAN("1234567890"), &n) && n == 1234567890);
	assert_true(str_to_u64(SPAN("18446744073709551615"), &n));
	assert_true(n == UINT64_MAX);
	assert_true(str_to_u64((struct span){"123", 2}, &n) && n == 12);
}

static void
test_ms(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} rows[] = {{"0", 0}, {"10", 10000}, {"250ms", 250}, {"10s", 10000},
	    {"5m", 300000}, {"1h", 3600000}, {"7d", 604800000}, {"0ms", 0},
	    {"18446744073709551615ms", UINT64_MAX}};
	static const char *const wrong[] = {"", "s", "ms", "1 s", "1S", "1M",
	    "1D", "1w", "-1s", "01s", "1.5s", "1s ", "1sm", "1mss",
	    "18446744073709551615s", "18446744073709552", "213503982335d"};
	uint64_t n;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_true(str_to_ms(span_of(rows[i].text), &n));
		assert_true(n == rows[i].ms);
	}
	for (size_t i = 0; i < COUNT_OF(wrong); i++)
		assert_false(str_to_ms(span_of(wrong[i]), &n));
}

static void
test_bytes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} rows[] = {{"0", 0}, {"100", 100}, {"100B", 100}, {"64KiB", 65536},
	    {"64k", 65536}, {"64KB", 65536}, {"16M", 16777216},
	    {"16mb", 16777216}, {"1GiB", 1073741824}, {"1g", 1073741824},
	    {"2TiB", UINT64_C(2) << 40},
	    {"16777215TiB", 16777215 * (UINT64_C(1) << 40)}};
	static const char *const wrong[] = {"", "B", "KiB", "1 K", "1Ki",
	    "1KBB", "1P", "-1K", "1.5M", "16777216TiB", "01K", "1K "};
	uint64_t n;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_true(str_to_bytes(span_of(rows[i].text), &n));
		assert_true(n == rows[i].bytes);
	}
	for (size_t i = 0; i < COUNT_OF(wrong); i++)
		assert_false(str_to_bytes(span_of(wrong[i]), &n));
}

static void
check_ms_text(uint64_t ms, const char *want)
{
	char text[32];
	uint64_t back;

	str_from_ms(text, sizeof(text), ms);
	if (want != NULL)
		assert_string_equal(text, want);
	assert_true(str_to_ms(span_of(text), &back) && back == ms);
}

static void
check_bytes_text(uint64_t bytes, const char *want)
{
	char text[32];
	uint64_t back;

	str_from_bytes(text, sizeof(text), bytes);
	if (want != NULL)
		assert_string_equal(text, want);
	assert_true(str_to_bytes(span_of(text), &back) && back == bytes);
}

static void
test_units_written(void **state)
{
	(void)state;
	check_ms_text(0, "0s");
	check_ms_text(250, "250ms");
	check_ms_text(1500, "1500ms");
	check_ms_text(90000, "90s");
	check_ms_text(120000, "2m");
	check_ms_text(86400000, "1d");
	check_ms_text(UINT64_MAX, NULL);
	check_bytes_text(0, "0B");
	check_bytes_text(1000, "1000B");
	check_bytes_text(65536, "64KiB");
	check_bytes_text(1536, "1536B");
	check_bytes_text(16 << 20, "16MiB");
	check_bytes_text(UINT64_C(1) << 40, "1TiB");
	check_bytes_text(UINT64_MAX, NULL);
	for (uint64_t i = 1; i < 100000; i += 7) {
		check_ms_text(i * 500, NULL);
		check_bytes_text(i * 256, NULL);
	}
}

/* UTF-8 by its definition: decode, then ask whether the form is the one. */
static size_t
utf8_by_definition(const unsigned char *u, size_t len)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = u[0] < 0x80       ? 1
		   : u[0] >> 5 == 6  ? 2
		   : u[0] >> 4 == 14 ? 3
		   : u[0] >> 3 == 30 ? 4
				     : 0;
	uint32_t code = n == 1 ? u[0] : u[0] & (0x7fu >> n);

	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (u[i] >> 6 != 2)
			return 0;
		code = code << 6 | (u[i] & 63);
	}
	if (code < least[n] || code > 0x10ffff || code >> 11 == 0xd800 >> 11)
		return 0;
	return n;
}

/* All first two bytes with tails that lie at the edges of their ranges. */
static void
test_utf8_sequences(void **state)
{
	static const unsigned char tails[] = {
	    0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
	size_t valid = 0;

	(void)state;
	for (unsigned i = 0; i < 0x10000; i++) {
		for (size_t j = 0; j < 100; j++) {
			unsigned char u[4] = {(unsigned char)(i >> 8),
			    (unsigned char)i, tails[j / 10], tails[j % 10]};
			const char *p = (const char *)u;
			size_t len = j % 4 + 1;
			size_t want = utf8_by_definition(u, len);

			if (utf8_seq_len(p, p + len) != want)
				fail_msg("%02x %02x %02x %02x: %zu", u[0], u[1],
				    u[2], u[3], want);
			valid += want > 0;
		}
	}
	assert_true(valid > 1000);
	assert_int_equal(utf8_seq_len("", ""), 0);
}

static void
test_utf8_texts(void **state)
{
	char text[40];

	(void)state;
	assert_true(utf8_is_valid(NULL, 0));
	assert_true(utf8_is_valid("\0", 1));
	assert_false(utf8_is_valid("abc\xc3", 4));
	/* A bad byte, and one that is not, at every place of the strides. */
	for (size_t i = 0; i + 1 < sizeof(text); i++) {
		memset(text, 'a', sizeof(text));
		text[i] = '\xc3';
		assert_false(utf8_is_valid(text, sizeof(text)));
		text[i + 1] = '\xa9';
		assert_true(utf8_is_valid(text, sizeof(text)));
		assert_false(utf8_is_valid(text, i + 1));
		assert_true(utf8_is_valid(text, i));
	}
}

static void
test_plain_len(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		bool plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
		bool printable = c >= 0x20 && c < 0x7f;

		for (size_t at = 0; at < 24; at++) {
			char *text = malloc(24);

			assert_non_null(text);
			memset(text, 'x', 24);
			text[at] = (char)c;
			assert_int_equal(
			    str_plain_len(text, text + 24), plain ? 24 : at);
			assert_int_equal(str_printable_len(text, text + 24),
			    printable ? 24 : at);
			/* What lies past the end does not count. */
			assert_int_equal(str_plain_len(text, text + at), at);
			assert_int_equal(
			    str_printable_len(text, text + at), at);
			free(text);
		}
	}
}

/* The first of several hits within eight bytes is the one that counts. */
static void
test_plain_len_first(void **state)
{
	static const char special[] = {0, 0x1f, '"', '\\', '\x80', '\xff'};
	size_t kinds = sizeof(special);

	(void)state;
	for (size_t i = 0; i < kinds * kinds * 64; i++) {
		char text[8];
		size_t a = i % 8, b = i / 8 % 8;

		memset(text, ' ', sizeof(text));
		text[b] = special[i / 64 % kinds];
		text[a] = special[i / 64 / kinds];
		assert_int_equal(str_plain_len(text, text + 8), a < b ? a : b);
	}
}

/* clang-format off */
static const struct {
	const char *pattern, *text;
	bool match;
} globs[] = {
	{"", "", true},
	{"", "a", false},
	{"a", "", false},
	{"*", "", true},
	{"*", "abc", true},
	{"**", "abc", true},
	{"?", "a", true},
	{"?", "", false},
	{"?", "ab", false},
	{"a*c", "abbbc", true},
	{"a*c", "abbbcd", false},
	{"a*c", "ac", true},
	{"*c", "abcabc", true},
	{"*ab*ab*", "xabyabz", true},
	{"*ab*ab*", "xabyaz", false},
	{"a?c*", "abcdef", true},
	{"*.log", "x.log.log", true},
	{"mail:*:2026-??", "mail:a:b:2026-08", true},
	{"[abc]", "b", true},
	{"[abc]", "d", false},
	{"[abc]", "", false},
	{"[a-c]x", "bx", true},
	{"[c-a]x", "bx", true},
	{"[a-c]x", "dx", false},
	{"[^a-c]", "d", true},
	{"[^a-c]", "a", false},
	{"[a-]", "-", true},
	{"[-a]", "-", true},
	{"[a\\]b]", "]", true},
	{"[\\^a]", "^", true},
	{"[a\\-c]", "b", false},
	{"[a\\-c]", "-", true},
	{"[]", "]", false},
	{"[^]", "x", true},
	{"[ab", "b", true},
	{"[", "[", false},
	{"[^", "a", true},
	{"*[0-9]", "task-7", true},
	{"*[0-9]x", "1y2x", true},
	{"[a-f]*[0-9][0-9]", "c-12", true},
	{"\\*", "*", true},
	{"\\*", "a", false},
	{"\\?x", "?x", true},
	{"\\[a]", "[a]", true},
	{"\\\\", "\\", true},
	{"a\\", "a\\", true},
	{"\\a", "a", true},
	{"[\x80-\xff]", "\xc3", true},
};
/* clang-format on */

static void
test_glob(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(globs); i++)
		if (glob_match(span_of(globs[i].pattern),
			span_of(globs[i].text)) != globs[i].match)
			fail_msg("%s on %s", globs[i].pattern, globs[i].text);
	assert_true(globs_match(SPAN("x* a?c"), SPAN("abc")));
	assert_true(globs_match(SPAN("a?c x*"), SPAN("abc")));
	assert_false(globs_match(SPAN("x* a?d"), SPAN("abc")));
	assert_false(globs_match(SPAN(""), SPAN("")));
	assert_true(glob_match(SPAN("a?b"), SPAN("a\0b")));
	assert_false(glob_match(SPAN("a*b"), SPAN("a\0c")));
}

/* The textbook definition of * and ?, exponential but obviously right. */
static bool
glob_by_definition(const char *p, const char *t)
{
	if (*p == '\0')
		return *t == '\0';
	if (*p == '*')
		return glob_by_definition(p + 1, t) ||
		       (*t != '\0' && glob_by_definition(p, t + 1));
	return *t != '\0' && (*p == '?' || *p == *t) &&
	       glob_by_definition(p + 1, t + 1);
}

/* Every pattern of up to five of "ab?*" on every text of up to five a or b. */
static void
test_glob_all_short(void **state)
{
	char pattern[6], text[6];
	size_t matches = 0;

	(void)state;
	for (unsigned i = 0; i < 6 * 1024; i++) {
		size_t plen = i / 1024;

		for (size_t k = 0; k < plen; k++)
			pattern[k] = "ab?*"[i >> (2 * k) & 3];
		pattern[plen] = '\0';
		for (unsigned j = 0; j < 6 * 32; j++) {
			size_t tlen = j / 32;
			bool want;

			for (size_t k = 0; k < tlen; k++)
				text[k] = "ab"[j >> k & 1];
			text[tlen] = '\0';
			want = glob_by_definition(pattern, text);
			if (glob_match(span_of(pattern), span_of(text)) != want)
				fail_msg("%s on %s", pattern, text);
			matches += want;
		}
	}
	assert_true(matches > 1000);
}

/* Patterns that take a backtracking matcher longer than anybody waits: the
 * test's time limit is the check. */
static void
test_glob_is_linear(void **state)
{
	static char pattern[2001], text[100001];

	(void)state;
	for (size_t i = 0; i < 2000; i += 2)
		memcpy(pattern + i, "*a", 2);
	pattern[2000] = 'b';
	memset(text, 'a', sizeof(text));
	assert_false(glob_match(
	    (struct span){pattern, 2001}, (struct span){text, sizeof(text)}));
	text[sizeof(text) - 1] = 'b';
	assert_true(glob_match(
	    (struct span){pattern, 2001}, (struct span){text, sizeof(text)}));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_spans),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_ids),
	    cmocka_unit_test(test_u64),
	    cmocka_unit_test(test_ms),
	    cmocka_unit_test(test_bytes),
	    cmocka_unit_test(test_units_written),
	    cmocka_unit_test(test_utf8_sequences),
	    cmocka_unit_test(test_utf8_texts),
	    cmocka_unit_test(test_plain_len),
	    cmocka_unit_test(test_plain_len_first),
	    cmocka_unit_test(test_glob),
	    cmocka_unit_test(test_glob_all_short),
	    cmocka_unit_test(test_glob_is_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
