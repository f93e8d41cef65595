/* schedctl's input: lines out of a descriptor, and tasks out of lines. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/lines.h"
#include "cli/push_item.h"
#include "core/id.h"

enum { TEXT_MAX = 64 * 1024, LINE_MAX_BYTES = 1000, CHUNK = 64 * 1024 };

/* ---- lines ------------------------------------------------------------ */

/* A descriptor that gives these bytes. */
static FILE *
file_of(const char *bytes, size_t len)
{
	FILE *file = tmpfile();

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	rewind(file);
	return file;
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
	FILE *file = file_of(text, sizeof(text) - 1);
	struct lines *l = lines_new(fileno(file), LINE_MAX_BYTES);
	struct span rest;

	(void)state;
	assert_line(l, "one", 1);
	assert_line(l, "", 2);
	assert_line(l, "two", 3);
	assert_line(l, "", 4);
	assert_line(l, "three\r\rx", 5);
	assert_line(l, "last", 6);
	assert_int_equal(lines_bytes(l), sizeof(text) - 1);
	assert_int_equal(lines_next(l, &rest), LINES_END);
	assert_int_equal(lines_next(l, &rest), LINES_END);
	assert_int_equal(lines_number(l), 6);
	lines_free(l);
	fclose(file);
}

static void
test_no_lines(void **state)
{
	FILE *file = file_of("", 0);
	struct lines *l = lines_new(fileno(file), LINE_MAX_BYTES);
	struct span text;

	(void)state;
	assert_int_equal(lines_next(l, &text), LINES_END);
	lines_free(l);
	fclose(file);
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
	FILE *file;
	size_t len;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lengths) * COUNT_OF(ends); i++) {
		const char *end = ends[i % COUNT_OF(ends)];

		len = lengths[i / COUNT_OF(ends)];
		memset(bytes, 'x', len);
		memcpy(bytes + len, end, strlen(end));
		memcpy(bytes + len + strlen(end), "next", 4);
		file =
		    file_of(bytes, len + strlen(end) + (*end != '\0' ? 4 : 0));
		l = lines_new(fileno(file), LINE_MAX_BYTES);
		assert_int_equal(lines_next(l, &text),
		    len <= LINE_MAX_BYTES ? LINES_LINE : LINES_TOO_LONG);
		if (len <= LINE_MAX_BYTES)
			assert_int_equal(text.len, len);
		if (*end != '\0')
			assert_line(l, "next", 2);
		assert_int_equal(lines_next(l, &text), LINES_END);
		assert_int_equal(
		    lines_bytes(l), len + strlen(end) + (*end != '\0' ? 4 : 0));
		lines_free(l);
		fclose(file);
	}
}

/* A pipe gives what there is: every cut of the same bytes, the same lines. */
static void
test_slices(void **state)
{
	static const char text[] = "a\r\nbb\n\nccc";
	struct lines *l;
	struct span got;
	int ends[2];

	(void)state;
	for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
		assert_int_equal(pipe(ends), 0);
		l = lines_new(ends[0], LINE_MAX_BYTES);
		assert_int_equal(write(ends[1], text, cut), cut);
		if (cut >= 3) {
			/* Not held back until more comes. */
			assert_line(l, "a", 1);
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
		lines_free(l);
		close(ends[0]);
	}
}

static void
test_read_error(void **state)
{
	struct lines *l = lines_new(-1, LINE_MAX_BYTES);
	struct span text;

	(void)state;
	errno = 0;
	assert_int_equal(lines_next(l, &text), LINES_ERROR);
	assert_int_equal(errno, EBADF);
	lines_free(l);
}

/* ---- tasks ------------------------------------------------------------ */

/* What a line becomes; "#" stands for an id that was made. */
static void
assert_becomes(
    const struct push_shape *shape, const char *line, const char *want)
{
	struct push_item item;
	struct buf text, why, got;

	buf_init(&text, TEXT_MAX);
	buf_init(&why, TEXT_MAX);
	buf_init(&got, TEXT_MAX);
	buf_add_str(&text, "before");
	assert_int_equal(
	    push_item_add(&item, &text, shape, span_of(line), &why), ERR_OK);
	assert_int_equal(item.at, 6);
	assert_int_equal(item.at + item.len, text.len);
	buf_add(&got, text.data + item.at, item.id_at - item.at);
	if (item.has_made_id) {
		assert_int_equal(item.id_len, ID_MADE_LEN);
		buf_add_char(&got, '#');
	} else {
		buf_add(&got, text.data + item.id_at, item.id_len);
	}
	buf_add(&got, text.data + item.id_at + item.id_len,
	    text.len - item.id_at - item.id_len);
	if (!span_is(buf_span(&got), want))
		fail_msg("got %.*s", SPAN_ARG(buf_span(&got)));
	buf_clear(&text);
	buf_clear(&why);
	buf_clear(&got);
}

static void
test_payloads(void **state)
{
	struct push_shape shape = {.kind = PUSH_PAYLOADS};

	(void)state;
	assert_becomes(&shape, " {\"b\": 1,\"a\":12345678901234567890} ",
	    "{\"id\":\"#\",\"payload\":{\"b\": 1,\"a\":12345678901234567890}}");
	assert_becomes(&shape, "null", "{\"id\":\"#\",\"payload\":null}");
	shape.id = SPAN("my\"id\\");
	shape.extra = SPAN(",\"priority\":\"high\"");
	assert_becomes(&shape, "-5",
	    "{\"id\":\"my\\\"id\\\\\",\"payload\":-5,\"priority\":\"high\"}");
}

static void
test_raw(void **state)
{
	const struct push_shape shape = {.kind = PUSH_RAW};

	(void)state;
	assert_becomes(&shape, " say \"x\"\t\\ ",
	    "{\"id\":\"#\",\"payload\":\" say \\\"x\\\"\\t\\\\ \"}");
}

static void
test_tasks(void **state)
{
	const struct push_shape shape = {.kind = PUSH_TASKS};

	(void)state;
	assert_becomes(&shape, " {\"payload\":1,\"id\":\"a\"}",
	    "{\"payload\":1,\"id\":\"a\"}");
	assert_becomes(&shape, "{ \"payload\":{\"id\":\"inner\"}}",
	    "{\"id\":\"#\", \"payload\":{\"id\":\"inner\"}}");
	assert_becomes(&shape, "{}", "{\"id\":\"#\"}");
	/* Whatever it is, the server says what is wrong with it. */
	assert_becomes(
	    &shape, "{\"id\":5,\"payload\":1}", "{\"id\":5,\"payload\":1}");
}

static void
test_refused_lines(void **state)
{
	static const struct {
		enum push_kind kind;
		const char *line, *why;
		enum err err;
	} rows[] = {
	    {PUSH_PAYLOADS, "{\"a\":}", "byte 6: ", ERR_BODY_NOT_JSON},
	    {PUSH_PAYLOADS, "hello", "byte 1: ", ERR_BODY_NOT_JSON},
	    {PUSH_PAYLOADS, "1 2", "byte 3: ", ERR_BODY_NOT_JSON},
	    {PUSH_PAYLOADS, "\"\xff\"", "byte 2: ", ERR_BODY_NOT_UTF8},
	    {PUSH_RAW, "\xff", "", ERR_BODY_NOT_UTF8},
	    {PUSH_TASKS, "[1]", "expected an object", ERR_FIELD_TYPE},
	    {PUSH_TASKS, "{\"id\":\"a\"", "byte 10: ", ERR_BODY_NOT_JSON},
	};
	struct push_shape shape = {.kind = PUSH_RAW};
	struct push_item item;
	struct buf text, why;

	(void)state;
	buf_init(&text, TEXT_MAX);
	buf_init(&why, TEXT_MAX);
	buf_add_str(&text, "before");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_reset(&why, TEXT_MAX);
		shape.kind = rows[i].kind;
		assert_int_equal(push_item_add(&item, &text, &shape,
				     span_of(rows[i].line), &why),
		    rows[i].err);
		assert_true(why.len >= strlen(rows[i].why));
		if (why.len > 0)
			assert_memory_equal(
			    why.data, rows[i].why, strlen(rows[i].why));
		assert_true(span_is(buf_span(&text), "before"));
	}
	buf_clear(&text);
	buf_clear(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_no_lines),
	    cmocka_unit_test(test_limit),
	    cmocka_unit_test(test_slices),
	    cmocka_unit_test(test_read_error),
	    cmocka_unit_test(test_payloads),
	    cmocka_unit_test(test_raw),
	    cmocka_unit_test(test_tasks),
	    cmocka_unit_test(test_refused_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
