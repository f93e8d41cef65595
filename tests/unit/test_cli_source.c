/* schedctl's input: what gzip packed comes out unpacked, and damage is told
 * wherever it is. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "cli/source.h"

enum { TEXT_MAX = 1 << 20, GZIP_WINDOW = 15 + 16 };

/* ---- making ----------------------------------------------------------- */

static void
add_member(struct buf *out, struct span text)
{
	unsigned char packed[4096];
	z_stream z = {0};
	int code;

	assert_int_equal(deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW,
			     8, Z_DEFAULT_STRATEGY),
	    Z_OK);
	z.next_in = (Bytef *)(uintptr_t)text.p;
	z.avail_in = (uInt)text.len;
	do {
		z.next_out = packed;
		z.avail_out = sizeof(packed);
		code = deflate(&z, Z_FINISH);
		buf_add(out, packed, sizeof(packed) - z.avail_out);
	} while (code == Z_OK);
	assert_int_equal(code, Z_STREAM_END);
	deflateEnd(&z);
}

/* Text that does not pack well, so that it takes many blocks. */
static void
add_noise(struct buf *out, size_t len)
{
	uint32_t bits = 1;

	for (size_t i = 0; i < len; i++) {
		bits = bits * 1664525 + 1013904223;
		buf_add_char(out, (char)('a' + (bits >> 24) % 26));
	}
}

/* ---- reading ---------------------------------------------------------- */

/* All that comes out of a file with these bytes, in pieces of so many; how
 * it ended. */
static enum source_got
unpack(struct span bytes, size_t piece, struct buf *out, char *why)
{
	FILE *file = tmpfile();
	char path[32], room[8192];
	const char *names[] = {path};
	struct source *s;
	enum source_got got;
	size_t n;

	assert_non_null(file);
	assert_int_equal(fwrite(bytes.p, 1, bytes.len, file), bytes.len);
	assert_int_equal(fflush(file), 0);
	snprintf(path, sizeof(path), "/dev/fd/%d", fileno(file));
	s = source_new(names, 1);
	assert_int_equal(source_total(s), bytes.len);
	while ((got = source_read(s, room, piece, &n)) == SOURCE_BYTES) {
		assert_true(n > 0);
		buf_add(out, room, n);
	}
	assert_true(got == SOURCE_NEXT || got == SOURCE_ERROR);
	if (got == SOURCE_NEXT) {
		assert_int_equal(source_bytes(s), bytes.len);
		assert_int_equal(source_read(s, room, piece, &n), SOURCE_END);
	}
	snprintf(why, 512, "%s", source_why(s));
	source_free(s);
	fclose(file);
	return got;
}

static void
assert_unpacks(struct span bytes, struct span want)
{
	static const size_t pieces[] = {1, 7, 8192};
	struct buf out;
	char why[512];

	buf_init(&out, TEXT_MAX);
	for (size_t i = 0; i < COUNT_OF(pieces); i++) {
		/* Byte for byte only where that is quick. */
		if (pieces[i] == 1 && want.len > 1000)
			continue;
		buf_reset(&out, TEXT_MAX);
		if (unpack(bytes, pieces[i], &out, why) != SOURCE_NEXT)
			fail_msg("%s", why);
		assert_true(span_eq(buf_span(&out), want));
	}
	buf_clear(&out);
}

/* Fails with the reason, after a beginning of what should have come. */
static void
assert_damaged(struct span bytes, struct span text, const char *want)
{
	struct buf out;
	char why[512];

	buf_init(&out, TEXT_MAX);
	assert_int_equal(unpack(bytes, 8192, &out, why), SOURCE_ERROR);
	assert_true(out.len <= text.len);
	if (out.len > 0)
		assert_memory_equal(out.data, text.p, out.len);
	if (strstr(why, want) == NULL)
		fail_msg("no '%s' in '%s'", want, why);
	buf_clear(&out);
}

/* ---- tests ------------------------------------------------------------ */

static void
test_plain(void **state)
{
	static const char two[] = "\x1f\x8b", near[] = "\x1f\x8a more";

	(void)state;
	assert_unpacks(SPAN(""), SPAN(""));
	assert_unpacks(SPAN("\x1f"), SPAN("\x1f"));
	assert_unpacks(SPAN("one\ntwo\n"), SPAN("one\ntwo\n"));
	assert_unpacks(span_of(near), span_of(near));
	assert_damaged(span_of(two), SPAN(""), "ends too early");
}

static void
test_members(void **state)
{
	struct buf packed, text;

	(void)state;
	buf_init(&packed, TEXT_MAX);
	buf_init(&text, TEXT_MAX);
	add_noise(&text, 300000);
	add_member(&packed, SPAN("one\n"));
	assert_unpacks(buf_span(&packed), SPAN("one\n"));
	add_member(&packed, SPAN(""));
	add_member(&packed, SPAN("two"));
	assert_unpacks(buf_span(&packed), SPAN("one\ntwo"));
	/* Zeros may fill up the rest. */
	buf_add(&packed, "\0\0\0\0\0", 5);
	assert_unpacks(buf_span(&packed), SPAN("one\ntwo"));
	buf_reset(&packed, TEXT_MAX);
	add_member(&packed, buf_span(&text));
	assert_unpacks(buf_span(&packed), buf_span(&text));
	buf_clear(&packed);
	buf_clear(&text);
}

/* Cut anywhere: an error, and never a byte that was not in the text. */
static void
test_truncated(void **state)
{
	struct buf packed, text;

	(void)state;
	buf_init(&packed, TEXT_MAX);
	buf_init(&text, TEXT_MAX);
	add_noise(&text, 1000);
	add_member(&packed, buf_span(&text));
	for (size_t len = 2; len < packed.len; len++)
		assert_damaged((struct span){packed.data, len}, buf_span(&text),
		    "ends too early");
	buf_clear(&packed);
	buf_clear(&text);
}

static void
test_damaged(void **state)
{
	struct buf packed, text;

	(void)state;
	buf_init(&packed, TEXT_MAX);
	buf_init(&text, TEXT_MAX);
	add_noise(&text, 20000);
	add_member(&packed, buf_span(&text));
	/* The checksum at its end. */
	packed.data[packed.len - 8] ^= 1;
	assert_damaged(
	    buf_span(&packed), buf_span(&text), "damaged gzip data (");
	packed.data[packed.len - 8] ^= 1;
	/* The length behind that. */
	packed.data[packed.len - 1] ^= 1;
	assert_damaged(
	    buf_span(&packed), buf_span(&text), "damaged gzip data (");
	packed.data[packed.len - 1] ^= 1;
	/* The method in its head. */
	packed.data[2] ^= 1;
	assert_damaged(buf_span(&packed), SPAN(""), "damaged gzip data (");
	packed.data[2] ^= 1;
	/* And what is no member behind one. */
	buf_add_str(&packed, "x");
	assert_damaged(
	    buf_span(&packed), buf_span(&text), "there is something else");
	packed.len--;
	buf_add(&packed, "\0\0\x1f\x8b", 4);
	assert_damaged(
	    buf_span(&packed), buf_span(&text), "there is something else");
	buf_clear(&packed);
	buf_clear(&text);
}

static void
test_check(void **state)
{
	static const char *const twice[] = {"-", "-"};
	static const char *const none[] = {"/no/such/file"};
	static const char *const folder[] = {"/"};
	static const char *const good[] = {"/dev/null", "-"};
	struct buf why;

	(void)state;
	buf_init(&why, TEXT_MAX);
	assert_int_equal(source_check(good, 2, &why), ERR_OK);
	assert_int_equal(source_check(twice, 2, &why), ERR_USAGE);
	assert_int_equal(source_check(none, 1, &why), ERR_USAGE);
	assert_int_equal(source_check(folder, 1, &why), ERR_USAGE);
	assert_true(
	    span_is(buf_span(&why), "'-' is given twice"
				    "'/no/such/file': No such file or directory"
				    "'/': Is a directory"));
	buf_clear(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plain),
	    cmocka_unit_test(test_members),
	    cmocka_unit_test(test_truncated),
	    cmocka_unit_test(test_damaged),
	    cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
