/* schedctl's commands: what is told of stderr when one failed. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/exec_error.h"

enum { TEXT_MAX = 64 * 1024 };

/* What is told of text that came in pieces of so many bytes. */
static void
error_of(struct buf *out, struct span text, size_t piece)
{
	static struct exec_tail tail;

	tail.len = 0;
	tail.is_cut = false;
	for (size_t at = 0; at < text.len; at += piece)
		exec_tail_add(&tail, text.p + at,
		    text.len - at < piece ? text.len - at : piece);
	buf_reset(out, TEXT_MAX);
	exec_error_add(out, SPAN("exit 3"), &tail);
}

static void
test_short(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
	    {"", "exit 3"},
	    {"\n \r\n", "exit 3"},
	    {"no such user", "exit 3: no such user"},
	    {"one\ntwo\r\n\n", "exit 3: one\ntwo"},
	    {"\ttab\n", "exit 3: \ttab"},
	};
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		error_of(&out, span_of(rows[i].text), 3);
		assert_true(span_is(buf_span(&out), rows[i].want));
	}
	buf_clear(&out);
}

/* Of much, the last whole lines; never more than may be. */
static void
test_long(void **state)
{
	struct buf text, out;

	(void)state;
	buf_init(&text, 1 << 20);
	buf_init(&out, TEXT_MAX);
	for (unsigned i = 0; i < 20000; i++)
		buf_addf(&text, "line %u\n", i);
	for (size_t piece = 1; piece < 70000; piece = piece * 7 + 1) {
		error_of(&out, buf_span(&text), piece);
		assert_true(out.len <= EXEC_ERROR_MAX);
		assert_true(out.len > EXEC_ERROR_MAX - 20);
		assert_memory_equal(out.data, "exit 3: line ", 13);
		assert_memory_equal(
		    out.data + out.len - 11, "\nline 19999", 11);
	}
	buf_clear(&text);
	buf_clear(&out);
}

/* A line that alone is too long begins with a whole character. */
static void
test_one_line(void **state)
{
	struct buf text, out;

	(void)state;
	buf_init(&text, 1 << 20);
	buf_init(&out, TEXT_MAX);
	for (size_t shift = 0; shift < 4; shift++) {
		buf_reset(&text, 1 << 20);
		buf_add(&text, "abc", shift);
		for (unsigned i = 0; i < 30000; i++)
			buf_add_str(&text, "\xe2\x82\xac");
		error_of(&out, buf_span(&text), 1000);
		assert_true(out.len <= EXEC_ERROR_MAX && out.len > 3900);
		assert_true(utf8_is_valid(out.data, out.len));
	}
	buf_clear(&text);
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_short),
	    cmocka_unit_test(test_long),
	    cmocka_unit_test(test_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
