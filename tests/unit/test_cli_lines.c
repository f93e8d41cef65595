/* schedctl's input: lines out of files. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/lines.h"

enum { LINE_MAX_BYTES = 1000, CHUNK = 64 * 1024 };

/* Files and the lines out of them. */
struct input {
	struct source *source;
	struct lines *lines;
	const char *names[2];
	char paths[2][32];
	FILE *files[2];
	size_t count;
};

/* One more file with these bytes. */
static void
input_add(struct input *in, const char *bytes, size_t len)
{
	FILE *file = tmpfile();

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fflush(file), 0);
	in->files[in->count] = file;
	snprintf(in->paths[in->count], sizeof(in->paths[0]), "/dev/fd/%d",
	    fileno(file));
	in->names[in->count] = in->paths[in->count];
	in->count++;
}

static struct lines *
input_open(struct input *in)
{
	in->source = source_new(in->names, in->count);
	in->lines = lines_new(in->source, LINE_MAX_BYTES);
	return in->lines;
}

static void
input_close(struct input *in)
{
	lines_free(in->lines);
	source_free(in->source);
	for (size_t i = 0; i < in->count; i++)
		if (in->files[i] != NULL)
			fclose(in->files[i]);
}

static void
assert_line(struct lines *l, const char *want, uint64_t number)
{
	struct span text;

	assert_int_equal(lines_next(l, &text), LINES_LINE);
	assert_true(span_is(text, want));
	assert_int_equal(lines_number(l), number);
}

static void
test_lines(void **state)
{
	static const char text[] = "one\n\ntwo\r\n\r\nthree\r\rx\nlast";
	struct input in = {0};
	struct lines *l;
	struct span rest;

	(void)state;
	input_add(&in, text, sizeof(text) - 1);
	l = input_open(&in);
	assert_int_equal(source_total(in.source), sizeof(text) - 1);
	assert_line(l, "one", 1);
	assert_line(l, "", 2);
	assert_line(l, "two", 3);
	assert_line(l, "", 4);
	assert_line(l, "three\r\rx", 5);
	assert_line(l, "last", 6);
	assert_int_equal(source_bytes(in.source), sizeof(text) - 1);
	assert_int_equal(lines_next(l, &rest), LINES_END);
	assert_int_equal(lines_next(l, &rest), LINES_END);
	assert_int_equal(lines_number(l), 6);
	input_close(&in);
}

static void
test_no_lines(void **state)
{
	struct input in = {0};
	struct span text;

	(void)state;
	input_add(&in, "", 0);
	assert_int_equal(lines_next(input_open(&in), &text), LINES_END);
	input_close(&in);
}

/* A line ends with its file; numbers begin anew, ordinals go on. */
static void
test_files(void **state)
{
	struct input in = {0};
	struct lines *l;
	struct span text;

	(void)state;
	input_add(&in, "a\nb", 3);
	input_add(&in, "c\nd\n", 4);
	l = input_open(&in);
	assert_int_equal(source_total(in.source), 7);
	assert_line(l, "a", 1);
	assert_line(l, "b", 2);
	assert_int_equal(lines_file(l), 0);
	assert_line(l, "c", 1);
	assert_int_equal(lines_file(l), 1);
	assert_line(l, "d", 2);
	assert_int_equal(lines_ordinal(l), 4);
	assert_int_equal(lines_next(l, &text), LINES_END);
	input_close(&in);
}

/* Lines of every length around the limit, and around what is read at once. */
static void
test_limit(void **state)
{
	static const size_t lengths[] = {LINE_MAX_BYTES - 1, LINE_MAX_BYTES,
	    LINE_MAX_BYTES + 1, LINE_MAX_BYTES + 2, CHUNK - 1, CHUNK,
	    CHUNK + LINE_MAX_BYTES + 1, CHUNK + LINE_MAX_BYTES + 2,
	    CHUNK + LINE_MAX_BYTES + 3, 3 * CHUNK};
	static const char *const ends[] = {"\n", "\r\n", ""};
	static char bytes[3 * CHUNK + 16];
	struct span text;
	struct lines *l;
	size_t len;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lengths) * COUNT_OF(ends); i++) {
		const char *end = ends[i % COUNT_OF(ends)];
		struct input in = {0};

		len = lengths[i / COUNT_OF(ends)];
		memset(bytes, 'x', len);
		memcpy(bytes + len, end, strlen(end));
		memcpy(bytes + len + strlen(end), "next", 4);
		input_add(
		    &in, bytes, len + strlen(end) + (*end != '\0' ? 4 : 0));
		l = input_open(&in);
		assert_int_equal(lines_next(l, &text),
		    len <= LINE_MAX_BYTES ? LINES_LINE : LINES_TOO_LONG);
		if (len <= LINE_MAX_BYTES)
			assert_int_equal(text.len, len);
		if (*end != '\0')
			assert_line(l, "next", 2);
		assert_int_equal(lines_next(l, &text), LINES_END);
		input_close(&in);
	}
}

/* A pipe gives what there is, and is waited for where there is nothing:
 * every cut of the same bytes, the same lines. */
static void
test_slices(void **state)
{
	static const char text[] = "a\r\nbb\n\nccc";
	struct lines *l;
	struct span got;
	int ends[2];

	(void)state;
	for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
		struct input in = {.count = 1};

		assert_int_equal(pipe(ends), 0);
		snprintf(
		    in.paths[0], sizeof(in.paths[0]), "/dev/fd/%d", ends[0]);
		in.names[0] = in.paths[0];
		l = input_open(&in);
		assert_int_equal(source_total(in.source), 0);
		assert_int_equal(lines_next(l, &got), LINES_WAIT);
		assert_int_equal(write(ends[1], text, cut), cut);
		if (cut >= 3) {
			/* Not held back until more comes. */
			assert_line(l, "a", 1);
		} else {
			assert_int_equal(lines_next(l, &got), LINES_WAIT);
		}
		assert_int_equal(
		    write(ends[1], text + cut, sizeof(text) - 1 - cut),
		    sizeof(text) - 1 - cut);
		close(ends[1]);
		if (cut < 3)
			assert_line(l, "a", 1);
		assert_line(l, "bb", 2);
		assert_line(l, "", 3);
		assert_line(l, "ccc", 4);
		assert_int_equal(lines_next(l, &got), LINES_END);
		input_close(&in);
		close(ends[0]);
	}
}

static void
test_read_error(void **state)
{
	struct input in = {.count = 1, .names = {"/no/such/file"}};
	struct span text;

	(void)state;
	assert_int_equal(lines_next(input_open(&in), &text), LINES_ERROR);
	assert_string_equal(source_why(in.source), "No such file or directory");
	input_close(&in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_no_lines),
	    cmocka_unit_test(test_files),
	    cmocka_unit_test(test_limit),
	    cmocka_unit_test(test_slices),
	    cmocka_unit_test(test_read_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
