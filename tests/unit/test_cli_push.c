/* schedctl's pushes: tasks out of lines, and going on where one ended. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/push_item.h"
#include "cli/push_resume.h"
#include "core/id.h"

enum { TEXT_MAX = 64 * 1024 };

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
	    push_item_add(&item, &text, shape, span_of(line), SPAN(""), &why),
	    ERR_OK);
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

/* A member of the payload becomes the id as well. */
static void
test_id_from(void **state)
{
	const struct push_shape shape = {.kind = PUSH_PAYLOADS,
	    .id_from = "order",
	    .extra = SPAN(",\"x\":1")};

	(void)state;
	assert_becomes(&shape, " {\"a\":{\"order\":1},\"order\":\"A-7\"} ",
	    "{\"id\":\"A-7\",\"payload\":{\"a\":{\"order\":1},"
	    "\"order\":\"A-7\"},\"x\":1}");
	assert_becomes(&shape, "{\"order\":9007199254740993}",
	    "{\"id\":\"9007199254740993\",\"payload\":"
	    "{\"order\":9007199254740993},\"x\":1}");
	assert_becomes(&shape, "{\"order\":-5}",
	    "{\"id\":\"-5\",\"payload\":{\"order\":-5},\"x\":1}");
	/* However it is written. */
	assert_becomes(&shape, "{\"\\u006frder\":\"\\u0041\\\"\"}",
	    "{\"id\":\"A\\\"\",\"payload\":"
	    "{\"\\u006frder\":\"\\u0041\\\"\"},\"x\":1}");
}

/* An id that the caller made is used where the line brings none. */
static void
test_made_ids(void **state)
{
	struct push_shape shape = {.kind = PUSH_TASKS};
	struct push_item item;
	struct buf text, why;

	(void)state;
	buf_init(&text, TEXT_MAX);
	buf_init(&why, TEXT_MAX);
	assert_int_equal(push_item_add(&item, &text, &shape,
			     SPAN("{\"payload\":1}"), SPAN("mine"), &why),
	    ERR_OK);
	assert_true(item.has_made_id);
	assert_int_equal(push_item_add(&item, &text, &shape,
			     SPAN("{\"id\":\"own\"}"), SPAN("mine"), &why),
	    ERR_OK);
	assert_false(item.has_made_id);
	shape = (struct push_shape){.kind = PUSH_RAW, .id = SPAN("given")};
	assert_int_equal(
	    push_item_add(&item, &text, &shape, SPAN("x"), SPAN("mine"), &why),
	    ERR_OK);
	assert_true(span_is(buf_span(&text),
	    "{\"id\":\"mine\",\"payload\":1}{\"id\":\"own\"}"
	    "{\"id\":\"given\",\"payload\":\"x\"}"));
	buf_clear(&text);
	buf_clear(&why);
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
	    {PUSH_PAYLOADS, "[7]", "expected an object with the member 'n'",
		ERR_FIELD_TYPE},
	    {PUSH_PAYLOADS, "{\"m\":1}", "there is no member 'n'",
		ERR_FIELD_MISSING},
	    {PUSH_PAYLOADS, "{\"n\":1,\"n\":1}", "member 'n' is there twice",
		ERR_FIELD_DUPLICATE},
	    {PUSH_PAYLOADS, "{\"n\":null}", "member 'n': expected a string",
		ERR_TASK_ID_BAD},
	    {PUSH_PAYLOADS, "{\"n\":1.5}", "member 'n': expected a string",
		ERR_TASK_ID_BAD},
	    {PUSH_PAYLOADS, "{\"n\":1e3}", "member 'n': expected a string",
		ERR_TASK_ID_BAD},
	    {PUSH_PAYLOADS, "{\"n\":\"\"}", "member 'n': expected 1-255",
		ERR_TASK_ID_BAD},
	    {PUSH_PAYLOADS, "{\"n\":\"a b\"}", "member 'n': expected 1-255",
		ERR_TASK_ID_BAD},
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
		/* Only the rows that speak of it get that far. */
		shape.id_from = "n";
		assert_int_equal(push_item_add(&item, &text, &shape,
				     span_of(rows[i].line), SPAN(""), &why),
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

/* ---- going on ---------------------------------------------------------- */

static const struct push_binding mail = {
    .queue = "mail", .how = "payloads", .id_from = ""};

/* Opens a resume file that must be fit for the binding. */
static struct push_resume *
resume_open(const char *file, const struct push_binding *binding)
{
	struct push_resume *r;
	struct buf why;

	buf_init(&why, TEXT_MAX);
	if (push_resume_open(&r, file, binding, &why) != ERR_OK)
		fail_msg("%.*s", SPAN_ARG(buf_span(&why)));
	buf_clear(&why);
	return r;
}

static void
assert_no_resume(
    const char *file, const struct push_binding *binding, const char *want)
{
	struct push_resume *r;
	struct buf why;

	buf_init(&why, TEXT_MAX);
	assert_int_equal(push_resume_open(&r, file, binding, &why), ERR_USAGE);
	assert_null(r);
	buf_add_char(&why, '\0');
	if (strstr(why.data, want) == NULL)
		fail_msg("no '%s' in '%s'", want, why.data);
	buf_clear(&why);
}

static void
write_file(const char *file, const char *text)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* Looks at the lines and says what came of the last one. */
static enum push_resume_got
look_at(struct push_resume *r, const char *const *lines, size_t n)
{
	enum push_resume_got got = PUSH_RESUME_NEW;

	for (size_t i = 0; i < n; i++)
		got = push_resume_look(r, span_of(lines[i]));
	return got;
}

static void
test_resume(void **state)
{
	static const char *const lines[] = {"one", "two", "three"};
	static const char *const other[] = {"one", "zwei", "three"};
	static const char *const wrong[] = {"un"};
	const struct push_mark *mark;
	struct push_mark now = {.sums = {1, 1, 0}, .refused_bytes = 7};
	char file[] = "/tmp/resume.XXXXXX", id[2][PUSH_RESUME_ID_MAX];
	struct push_resume *r;
	struct span ids[2];
	struct buf why;

	(void)state;
	close(mkstemp(file));
	unlink(file);
	buf_init(&why, TEXT_MAX);
	r = resume_open(file, &mail);
	assert_int_equal(push_resume_mark(r)->lines, 0);
	assert_int_equal(look_at(r, lines, 2), PUSH_RESUME_NEW);
	now.lines = 2;
	now.chain = push_resume_chain(r);
	assert_int_equal(look_at(r, lines + 2, 1), PUSH_RESUME_NEW);
	ids[0] = push_resume_id(r, id[0]);
	assert_true(id_is_valid(ids[0]));
	assert_int_equal(push_resume_save(r, &now, &why), ERR_OK);
	push_resume_close(r);

	/* The same lines again: two are known, the third has its id. */
	r = resume_open(file, &mail);
	mark = push_resume_mark(r);
	assert_memory_equal(mark, &now, sizeof(now));
	assert_int_equal(look_at(r, lines, 2), PUSH_RESUME_KNOWN);
	assert_int_equal(look_at(r, lines + 2, 1), PUSH_RESUME_NEW);
	ids[1] = push_resume_id(r, id[1]);
	assert_true(span_eq(ids[0], ids[1]));
	push_resume_close(r);

	/* Other lines are told from them, at the first if it is that. */
	r = resume_open(file, &mail);
	assert_int_equal(look_at(r, other, 2), PUSH_RESUME_OTHER);
	push_resume_close(r);
	r = resume_open(file, &mail);
	assert_int_equal(look_at(r, wrong, 1), PUSH_RESUME_OTHER);
	push_resume_close(r);
	unlink(file);
	buf_clear(&why);
}

/* A line that changed gets another id, so that it is not taken for one that
 * is there. */
static void
test_resume_ids(void **state)
{
	char file[] = "/tmp/resume.XXXXXX", id[3][PUSH_RESUME_ID_MAX];
	static const char *const lines[] = {"a", "b", "a"};
	struct push_resume *r;
	struct span ids[3];

	(void)state;
	close(mkstemp(file));
	unlink(file);
	for (size_t i = 0; i < 3; i++) {
		r = resume_open(file, &mail);
		(void)push_resume_look(r, span_of(lines[i]));
		ids[i] = push_resume_id(r, id[i]);
		push_resume_close(r);
	}
	assert_false(span_eq(ids[0], ids[1]));
	assert_true(span_eq(ids[0], ids[2]));
	unlink(file);
}

static void
test_resume_refused(void **state)
{
	static const struct push_binding sms = {
	    .queue = "sms", .how = "payloads", .id_from = ""};
	static const struct push_binding raw = {
	    .queue = "mail", .how = "lines", .id_from = ""};
	static const struct push_binding by_id = {
	    .queue = "mail", .how = "payloads", .id_from = "n"};
	static const char *const bad[] = {"x", "{}", "{\"schedctl_push\":2}",
	    "{\"schedctl_push\":1,\"seed\":\"0\"}", "[1]"};
	char file[] = "/tmp/resume.XXXXXX";

	(void)state;
	close(mkstemp(file));
	/* An empty file is a new one. */
	push_resume_close(resume_open(file, &mail));
	assert_no_resume(file, &sms, "its queue is 'mail', not 'sms'");
	assert_no_resume(
	    file, &raw, "it reads lines as 'payloads', not 'lines'");
	assert_no_resume(file, &by_id, "its --id-from is '', not 'n'");
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		write_file(file, bad[i]);
		assert_no_resume(file, &mail, "is not a resume file");
	}
	unlink(file);
	assert_no_resume("/no/such/folder/x", &mail, "cannot write");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_payloads),
	    cmocka_unit_test(test_raw),
	    cmocka_unit_test(test_tasks),
	    cmocka_unit_test(test_id_from),
	    cmocka_unit_test(test_made_ids),
	    cmocka_unit_test(test_refused_lines),
	    cmocka_unit_test(test_resume),
	    cmocka_unit_test(test_resume_ids),
	    cmocka_unit_test(test_resume_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
