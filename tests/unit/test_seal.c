/* Values of encrypted columns: the vectors of docs/encryption.md, and what
 * must not open. */

#define _GNU_SOURCE /* memmem */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/seal.h"

enum { ROOM = 4096 };

static struct seal_key *key, *other;
static const struct seal_place place = {{"people", 6}, {"phone", 5}};

static int
set_up(void **state)
{
	unsigned char secret[KEY_LEN];

	(void)state;
	for (int i = 0; i < KEY_LEN; i++)
		secret[i] = (unsigned char)i;
	key = seal_key_new(SPAN("2026-01"), secret);
	secret[31] ^= 1;
	other = seal_key_new(SPAN("2026-01"), secret);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	seal_key_free(key);
	seal_key_free(other);
	return 0;
}

/* The text, or len SIZE_MAX when it does not open. */
static struct span
open_value(char *scratch, struct span value, const struct seal_key *with,
    const struct seal_place *where)
{
	struct sealed sealed;
	struct span text;

	if (!seal_read(value, scratch, &sealed) ||
	    !span_is(sealed.id, seal_key_id(with)) ||
	    !seal_open(&sealed, with, where, &text))
		return (struct span){"", SIZE_MAX};
	return text;
}

static struct span
seal(char *dst, enum seal_kind kind, enum seal_form form, struct span text)
{
	size_t size = seal_size(key, kind, form, text.len);

	assert_true(size < ROOM);
	dst[size] = '#';
	seal_write(dst, key, kind, form, &place, text);
	assert_int_equal(dst[size], '#');
	return (struct span){dst, size};
}

/* ---- the page --------------------------------------------------------- */

/* The next cell between ` and `. */
static struct span
cell_next(char **p)
{
	char *from = strchr(*p, '`') + 1, *to = strchr(from, '`');

	*p = to + 1;
	return (struct span){from, (size_t)(to - from)};
}

static void
check_vector(char *line)
{
	char scratch[ROOM], made[ROOM];
	enum seal_kind kind = (enum seal_kind)(line[2] - '0');
	struct seal_place where;
	struct span text, value, got;

	where.channel = cell_next(&line);
	where.column = cell_next(&line);
	text = cell_next(&line);
	value = cell_next(&line);
	got = open_value(scratch, value, key, &where);
	assert_int_equal(got.len, text.len);
	assert_memory_equal(got.p, text.p, text.len);
	if (kind != SEAL_DETERMINISTIC)
		return;
	assert_int_equal(
	    seal_size(key, kind, SEAL_BASE64, text.len), value.len);
	seal_write(made, key, kind, SEAL_BASE64, &where, text);
	assert_memory_equal(made, value.p, value.len);
}

static void
test_the_vectors_of_the_page(void **state)
{
	FILE *page = fopen(SOURCE_DIR "/docs/encryption.md", "r");
	char line[ROOM];
	int count[SEAL_KIND_COUNT] = {0};

	(void)state;
	assert_non_null(page);
	while (fgets(line, sizeof(line), page) != NULL) {
		if (strncmp(line, "| 1 | `", 7) != 0 &&
		    strncmp(line, "| 2 | `", 7) != 0)
			continue;
		count[line[2] - '0']++;
		check_vector(line);
	}
	fclose(page);
	assert_true(count[SEAL_RANDOM] >= 3);
	assert_true(count[SEAL_DETERMINISTIC] >= 5);
}

/* ---- there and back --------------------------------------------------- */

static void
test_texts_of_every_length_come_back(void **state)
{
	char text[300], value[ROOM], scratch[ROOM];

	(void)state;
	for (size_t len = 1; len < sizeof(text); len++) {
		for (int i = 0; i < 4; i++) {
			enum seal_kind kind =
			    i < 2 ? SEAL_RANDOM : SEAL_DETERMINISTIC;
			struct span s, got;

			memset(text, (int)('a' + len % 26), len);
			s = seal(value, kind, (enum seal_form)(i % 2),
			    (struct span){text, len});
			assert_true(seal_is_marked(s));
			got = open_value(scratch, s, key, &place);
			assert_int_equal(got.len, len);
			assert_memory_equal(got.p, text, len);
		}
	}
}

static void
test_random_differs_and_deterministic_does_not(void **state)
{
	char a[ROOM], b[ROOM];
	struct span x, y;

	(void)state;
	x = seal(a, SEAL_RANDOM, SEAL_BASE64, SPAN("same"));
	y = seal(b, SEAL_RANDOM, SEAL_BASE64, SPAN("same"));
	assert_false(span_eq(x, y));
	x = seal(a, SEAL_DETERMINISTIC, SEAL_HEX, SPAN("same"));
	y = seal(b, SEAL_DETERMINISTIC, SEAL_HEX, SPAN("same"));
	assert_true(span_eq(x, y));
	y = seal(b, SEAL_DETERMINISTIC, SEAL_HEX, SPAN("sane"));
	assert_false(span_eq(x, y));
}

/* 20 bits of the counter and the random part before it. */
static void
test_a_nonce_never_comes_twice(void **state)
{
	enum { MANY = 20000, AT = 12 };
	static uint64_t seen[MANY];
	char value[ROOM], scratch[ROOM];
	struct sealed sealed;

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		struct span s = seal(value, SEAL_RANDOM, SEAL_HEX, SPAN("x"));

		assert_true(seal_read(s, scratch, &sealed));
		memcpy(&seen[i], sealed.bytes + AT + 4, sizeof(seen[i]));
		assert_true(i == 0 || seen[i] != seen[i - 1]);
		assert_true(i < 256 || seen[i] != seen[i - 256]);
		assert_true(seen[i] != seen[0] || i == 0);
	}
}

/* ---- what must not open ----------------------------------------------- */

static bool
opens(struct span value, const struct seal_key *with,
    const struct seal_place *where)
{
	char scratch[ROOM];

	return open_value(scratch, value, with, where).len != SIZE_MAX;
}

static void
test_a_change_of_any_bit_is_noticed(void **state)
{
	char value[ROOM];

	(void)state;
	for (int kind = SEAL_RANDOM; kind < SEAL_KIND_COUNT; kind++) {
		struct span s = seal(value, (enum seal_kind)kind, SEAL_HEX,
		    SPAN("+49 30 901820"));

		assert_true(opens(s, key, &place));
		for (size_t i = 0; i < s.len; i++) {
			char was = value[i];

			value[i] = was == '0' ? '1' : '0';
			assert_false(opens(s, key, &place));
			value[i] = was;
		}
		for (size_t len = 0; len < s.len; len++)
			assert_false(
			    opens((struct span){value, len}, key, &place));
		assert_true(opens(s, key, &place));
	}
}

static void
test_another_place_or_key_does_not_open(void **state)
{
	static const struct seal_place far = {{"orders", 6}, {"phone", 5}};
	static const struct seal_place others[] = {
	    {{"people", 6}, {"phones", 6}}, {{"people", 6}, {"phon", 4}},
	    {{"peoplep", 7}, {"hone", 4}}, {{"peopl", 5}, {"ephone", 6}},
	    {{"phone", 5}, {"people", 6}}, {{"", 0}, {"", 0}}};
	char value[ROOM];

	(void)state;
	for (int kind = SEAL_RANDOM; kind < SEAL_KIND_COUNT; kind++) {
		struct span s =
		    seal(value, (enum seal_kind)kind, SEAL_BASE64, SPAN("x"));

		assert_true(opens(s, key, &place));
		assert_false(opens(s, other, &place));
		for (size_t i = 0; i < COUNT_OF(others); i++)
			assert_false(opens(s, key, &others[i]));
		/* By the one kind tables are joined. */
		assert_int_equal(
		    opens(s, key, &far), kind == SEAL_DETERMINISTIC);
	}
	assert_false(seal_key_eq(key, other));
	assert_true(seal_key_eq(key, key));
}

/* Of a forged value nothing that was decrypted is left. */
static void
test_a_forged_text_is_wiped(void **state)
{
	char value[ROOM], scratch[ROOM];
	struct sealed sealed;
	struct span text, s;

	(void)state;
	s = seal(value, SEAL_RANDOM, SEAL_HEX, SPAN("a plain text"));
	value[s.len - 1] = value[s.len - 1] == '0' ? '1' : '0';
	assert_true(seal_read(s, scratch, &sealed));
	assert_false(seal_open(&sealed, key, &place, &text));
	assert_int_equal(text.len, 0);
	assert_null(memmem(scratch, s.len, "plain", 5));
}

static void
test_what_only_looks_like_one_is_none(void **state)
{
	static const char *const rows[] = {"", "enc1", "enc",
	    "enc1====", "enc1AQcyMDI2LTAx", "enc1 and more text of that kind",
	    "\\x7a7735", "\\x7a77350107323032362d3031", "\\x7a7735zz",
	    "\\x7A7735",
	    "enc1AQcyMDI2LTAxQEFCQ0RFRkdISUpL88pDy2xZwPhA7cWuiYWJCwQ",
	    /* another spelling of the same bytes */
	    "enc1AQcyMDI2LTAxQEFCQ0RFRkdISUpL88pDy2xZwPhA7cWuiYWJCwR=",
	    "enc1AQcyMDI2LTAxQEFCQ0RFRkdISUpL88pDy2xZwPhA7cWuiYWJCwQ=\n",
	    "enc1AwcyMDI2LTAxQEFCQ0RFRkdISUpL88pDy2xZwPhA7cWuiYWJCwQ=",
	    "enc1AQAyMDI2LTAxQEFCQ0RFRkdISUpL88pDy2xZwPhA7cWuiYWJCwQ=",
	    "enc1AX8yMDI2LTAxQEFCQ0RFRkdISUpL88pDy2xZwPhA7cWuiYWJCwQ="};
	char scratch[ROOM];
	struct sealed sealed;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (seal_read(span_of(rows[i]), scratch, &sealed))
			fail_msg("row %zu is read: %s", i, rows[i]);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_the_vectors_of_the_page),
	    TEST(test_texts_of_every_length_come_back),
	    TEST(test_random_differs_and_deterministic_does_not),
	    TEST(test_a_nonce_never_comes_twice),
	    TEST(test_a_change_of_any_bit_is_noticed),
	    TEST(test_another_place_or_key_does_not_open),
	    TEST(test_a_forged_text_is_wiped),
	    TEST(test_what_only_looks_like_one_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
