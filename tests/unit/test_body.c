/* The readers of request bodies: what they read, and that each refusal has
 * its error, names the field and says what was expected. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/id.h"
#include "http/body.h"

/* 2026-01-02T03:04:05Z */
#define NOW_MS INT64_C(1767323045000)

enum which { PUSH, TAKE, REPORT, EXTEND, RETRY, PURGE, POLICY, BEAT };

static struct arena *arena;
static struct body body;
static struct push_body push;
static struct work_body work;
static struct set_body set;
static struct store_policy_change policy;
static struct span details;

static int
setup(void **state)
{
	(void)state;
	arena = arena_new(4 << 20);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

/* Reads a copy of exactly the text's bytes, so that a sanitizer sees every
 * step beyond them. */
static enum err
read_as(enum which which, struct span text)
{
	char *copy;

	arena_reset(arena);
	copy = arena_dup(arena, text);
	assert_non_null(copy);
	body_init(&body, arena, (struct span){copy, text.len});
	push.now_ms = NOW_MS;
	switch (which) {
	case PUSH:
		return body_read_push(&body, &push);
	case TAKE:
		return body_read_take(&body, &work);
	case REPORT:
		return body_read_report(&body, &work);
	case EXTEND:
		return body_read_extend(&body, &work);
	case RETRY:
		return body_read_set(&body, &set, SET_RETRY);
	case PURGE:
		return body_read_set(&body, &set, SET_PURGE);
	case POLICY:
		return body_read_policy(&body, &policy);
	case BEAT:
	default:
		return body_read_heartbeat(&body, &details);
	}
}

static void
assert_reads(enum which which, const char *text)
{
	enum err err = read_as(which, span_of(text));

	if (err != ERR_OK)
		fail_msg("%s\n%s: %s", text, err_info(err)->name, body.detail);
}

static void
assert_span(struct span span, const char *want)
{
	if (!span_is(span, want))
		fail_msg("'%.*s' is not '%s'", SPAN_ARG(span), want);
}

/* ---- what is refused -------------------------------------------------- */

struct refusal {
	enum which which;
	const char *text;
	enum err err;
	const char *detail; /* its beginning */
};

#define ID_256                                                             \
	"iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii" \
	"iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii" \
	"iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii" \
	"iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii"
#define OPEN_16 "[[[[[[[[[[[[[[[["

/* clang-format off */
static const struct refusal refusals[] = {
	/* no JSON, no UTF-8, too deep */
	{PUSH, "", ERR_BODY_NOT_JSON, "byte 0: "},
	{PUSH, "not json", ERR_BODY_NOT_JSON, "byte 0: "},
	{PUSH, "{\"payload\":1", ERR_BODY_NOT_JSON, "byte 12: "},
	{PUSH, "{\"payload\":}", ERR_BODY_NOT_JSON, "byte 11: "},
	{PUSH, "{\"id\":}", ERR_BODY_NOT_JSON, "byte 6: "},
	{PUSH, "{\"max_attempts\":01}", ERR_BODY_NOT_JSON, "byte 16: "},
	{PUSH, "{\"payload\":1} x", ERR_BODY_NOT_JSON, "byte 14: "},
	{PUSH, "{\"payload\":1,}", ERR_BODY_NOT_JSON, "byte 13: "},
	{PUSH, "{\"tasks\":[{\"payload\":1},]}", ERR_BODY_NOT_JSON, "byte 24: "},
	{PUSH, "{\"payload\":\"\xff\"}", ERR_BODY_NOT_UTF8, "byte 12: "},
	{PUSH, "{\"payload\":" OPEN_16 OPEN_16 OPEN_16 OPEN_16, ERR_BODY_TOO_DEEP, "byte "},
	{TAKE, "{\"worker\":\"w\",\"count\":}", ERR_BODY_NOT_JSON, "byte 22: "},
	{PUSH, "{\"id\":\"a\"}x", ERR_BODY_NOT_JSON, "byte 10: "},
	{PUSH, "{\"x\":1,\"payload\":nope}", ERR_BODY_NOT_JSON, "byte 17: "},
	{TAKE, "{\"count\":-1} {}", ERR_BODY_NOT_JSON, "byte 13: "},
	{PURGE, "{\"state\":tru}", ERR_BODY_NOT_JSON, "byte 9: "},

	/* the whole body */
	{PUSH, "[]", ERR_FIELD_TYPE, "the body: expected an object"},
	{PUSH, "\"x\"", ERR_FIELD_TYPE, "the body: expected an object"},
	{TAKE, "17", ERR_FIELD_TYPE, "the body: expected an object"},
	{POLICY, "{}", ERR_FIELD_MISSING, "the body: expected at least one"},

	/* push */
	{PUSH, "{}", ERR_FIELD_MISSING, "field 'payload': expected "},
	{PUSH, "{\"id\":\"a\"}", ERR_FIELD_MISSING, "field 'payload': expected "},
	{PUSH, "{\"payload\":1,\"payload\":2}", ERR_FIELD_DUPLICATE, "field 'payload': expected "},
	{PUSH, "{\"payload\":1,\"colour\":2}", ERR_FIELD_UNKNOWN, "field 'colour': expected only id, payload, priority, run_at, delay_s, max_attempts, replace"},
	{PUSH, "{\"payload\":1,\"tasks\":[]}", ERR_FIELD_UNKNOWN, "field 'tasks': "},
	{PUSH, "{\"payload\":1,\"Id\":\"a\"}", ERR_FIELD_UNKNOWN, "field 'Id': "},
	{PUSH, "{\"\":1}", ERR_FIELD_UNKNOWN, "the body: expected only id"},
	{PUSH, "{\"payload\":1,\"id\":5}", ERR_FIELD_TYPE, "field 'id': expected a string"},
	{PUSH, "{\"payload\":1,\"id\":null}", ERR_FIELD_TYPE, "field 'id': expected a string"},
	{PUSH, "{\"payload\":1,\"id\":\"\"}", ERR_TASK_ID_BAD, "field 'id': expected 1-255 printable ASCII characters without space"},
	{PUSH, "{\"payload\":1,\"id\":\"a b\"}", ERR_TASK_ID_BAD, "field 'id': expected 1-255 "},
	{PUSH, "{\"payload\":1,\"id\":\"a\\u0000b\"}", ERR_TASK_ID_BAD, "field 'id': expected 1-255 "},
	{PUSH, "{\"payload\":1,\"id\":\"caf\xc3\xa9\"}", ERR_TASK_ID_BAD, "field 'id': expected 1-255 "},
	{PUSH, "{\"payload\":1,\"id\":\"" ID_256 "\"}", ERR_TASK_ID_BAD, "field 'id': expected 1-255 "},
	{PUSH, "{\"payload\":1,\"priority\":1}", ERR_FIELD_TYPE, "field 'priority': expected a string"},
	{PUSH, "{\"payload\":1,\"priority\":\"urgent\"}", ERR_FIELD_RANGE, "field 'priority': expected high, normal or low"},
	{PUSH, "{\"payload\":1,\"run_at\":true}", ERR_FIELD_TYPE, "field 'run_at': expected an RFC 3339 time or"},
	{PUSH, "{\"payload\":1,\"run_at\":\"tomorrow\"}", ERR_FIELD_RANGE, "field 'run_at': expected an RFC 3339 time such as"},
	{PUSH, "{\"payload\":1,\"run_at\":\"2015-01-02T03:04:05Z\"}", ERR_RUN_AT_BAD, "field 'run_at': expected a time within ten years"},
	{PUSH, "{\"payload\":1,\"run_at\":\"2037-01-02T03:04:05Z\"}", ERR_RUN_AT_BAD, "field 'run_at': expected a time within ten years"},
	{PUSH, "{\"payload\":1,\"run_at\":-1}", ERR_RUN_AT_BAD, "field 'run_at': expected a time within ten years"},
	{PUSH, "{\"payload\":1,\"run_at\":1767323045000}", ERR_RUN_AT_BAD, "field 'run_at': expected a time within ten years"},
	{PUSH, "{\"payload\":1,\"run_at\":1e300}", ERR_RUN_AT_BAD, "field 'run_at': expected a time within ten years"},
	{PUSH, "{\"payload\":1,\"run_at\":1e999}", ERR_FIELD_RANGE, "field 'run_at': expected a number of usual"},
	{PUSH, "{\"payload\":1,\"delay_s\":\"5\"}", ERR_FIELD_TYPE, "field 'delay_s': expected a number"},
	{PUSH, "{\"payload\":1,\"delay_s\":-0.5}", ERR_FIELD_RANGE, "field 'delay_s': expected a number of seconds, 0 or more"},
	{PUSH, "{\"payload\":1,\"delay_s\":315576001}", ERR_RUN_AT_BAD, "field 'delay_s': expected at most ten years"},
	{PUSH, "{\"payload\":1,\"delay_s\":1,\"run_at\":1767323045}", ERR_FIELD_CONFLICT, "field 'delay_s': expected either run_at or delay_s"},
	{PUSH, "{\"payload\":1,\"max_attempts\":0}", ERR_FIELD_RANGE, "field 'max_attempts': expected a whole number from 1 to 1000"},
	{PUSH, "{\"payload\":1,\"max_attempts\":1001}", ERR_FIELD_RANGE, "field 'max_attempts': expected "},
	{PUSH, "{\"payload\":1,\"max_attempts\":-1}", ERR_FIELD_RANGE, "field 'max_attempts': expected "},
	{PUSH, "{\"payload\":1,\"max_attempts\":1.5}", ERR_FIELD_RANGE, "field 'max_attempts': expected "},
	{PUSH, "{\"payload\":1,\"max_attempts\":1e2}", ERR_FIELD_RANGE, "field 'max_attempts': expected "},
	{PUSH, "{\"payload\":1,\"max_attempts\":\"3\"}", ERR_FIELD_TYPE, "field 'max_attempts': expected "},
	{PUSH, "{\"payload\":1,\"replace\":1}", ERR_FIELD_TYPE, "field 'replace': expected true or false"},
	{PUSH, "{\"tasks\":[]}", ERR_FIELD_RANGE, "field 'tasks': expected at least one task"},
	{PUSH, "{\"tasks\":{}}", ERR_FIELD_TYPE, "field 'tasks': expected a list"},
	{PUSH, "{\"tasks\":[1]}", ERR_FIELD_TYPE, "field 'tasks[0]': expected an object"},
	{PUSH, "{\"tasks\":[{\"payload\":1}],\"id\":\"a\"}", ERR_FIELD_UNKNOWN, "field 'id': expected only tasks"},
	{PUSH, "{\"tasks\":[{\"payload\":1}],\"tasks\":[{\"payload\":1}]}", ERR_FIELD_DUPLICATE, "field 'tasks': "},
	{PUSH, "{\"tasks\":[{\"payload\":1},{\"payload\":1},{\"payload\":1},{\"payload\":1,\"id\":\"a b\"}]}", ERR_TASK_ID_BAD, "field 'tasks[3].id': expected 1-255 printable ASCII characters without space"},
	{PUSH, "{\"tasks\":[{\"payload\":1},{\"id\":\"a\"}]}", ERR_FIELD_MISSING, "field 'tasks[1].payload': expected it to be given"},
	{PUSH, "{\"tasks\":[{\"payload\":1,\"x\":1}]}", ERR_FIELD_UNKNOWN, "field 'tasks[0].x': expected only"},
	{PUSH, "{\"tasks\":[{\"payload\":1,\"delay_s\":1,\"run_at\":1767323045}]}", ERR_FIELD_CONFLICT, "field 'tasks[0].delay_s': expected either"},

	/* take */
	{TAKE, "{}", ERR_FIELD_MISSING, "field 'worker': expected "},
	{TAKE, "{\"worker\":1}", ERR_FIELD_TYPE, "field 'worker': expected a string"},
	{TAKE, "{\"worker\":\"a b\"}", ERR_WORKER_NAME_BAD, "field 'worker': expected 1-64 characters"},
	{TAKE, "{\"worker\":\"\"}", ERR_WORKER_NAME_BAD, "field 'worker': expected 1-64 characters"},
	{TAKE, "{\"worker\":\"w\",\"count\":0}", ERR_FIELD_RANGE, "field 'count': expected a whole number from 1 to 1000"},
	{TAKE, "{\"worker\":\"w\",\"count\":1001}", ERR_FIELD_RANGE, "field 'count': "},
	{TAKE, "{\"worker\":\"w\",\"count\":-5}", ERR_FIELD_RANGE, "field 'count': "},
	{TAKE, "{\"worker\":\"w\",\"count\":2.5}", ERR_FIELD_RANGE, "field 'count': "},
	{TAKE, "{\"worker\":\"w\",\"count\":\"5\"}", ERR_FIELD_TYPE, "field 'count': "},
	{TAKE, "{\"worker\":\"w\",\"wait_s\":60.1}", ERR_FIELD_RANGE, "field 'wait_s': expected a number of seconds from 0 to 60"},
	{TAKE, "{\"worker\":\"w\",\"wait_s\":-1}", ERR_FIELD_RANGE, "field 'wait_s': "},
	{TAKE, "{\"worker\":\"w\",\"lease_s\":0.5}", ERR_FIELD_RANGE, "field 'lease_s': expected a number of seconds from 1 to 2592000"},
	{TAKE, "{\"worker\":\"w\",\"lease_s\":2592001}", ERR_FIELD_RANGE, "field 'lease_s': "},
	{TAKE, "{\"worker\":\"w\",\"request_id\":\"a b\"}", ERR_FIELD_RANGE, "field 'request_id': expected 1-64 "},
	{TAKE, "{\"worker\":\"w\",\"wait\":1}", ERR_FIELD_UNKNOWN, "field 'wait': expected only worker, count, wait_s, lease_s, request_id, finished, failed"},
	{TAKE, "{\"worker\":\"w\",\"failed\":[{\"id\":\"a\",\"retry\":\"no\"}]}", ERR_FIELD_TYPE, "field 'failed[0].retry': expected true or false"},

	/* report */
	{REPORT, "{\"worker\":\"w\"}", ERR_FIELD_MISSING, "fields 'finished', 'failed': expected "},
	{REPORT, "{\"finished\":[\"a\"]}", ERR_FIELD_MISSING, "field 'worker': expected "},
	{REPORT, "{\"worker\":\"w\",\"finished\":\"a\"}", ERR_FIELD_TYPE, "field 'finished': expected a list"},
	{REPORT, "{\"worker\":\"w\",\"finished\":[1]}", ERR_FIELD_TYPE, "field 'finished[0]': expected an id or an object"},
	{REPORT, "{\"worker\":\"w\",\"finished\":[\"a\",\"b c\"]}", ERR_TASK_ID_BAD, "field 'finished[1]': expected 1-255"},
	{REPORT, "{\"worker\":\"w\",\"finished\":[{\"id\":\"a\",\"error\":\"x\"}]}", ERR_FIELD_UNKNOWN, "field 'finished[0].error': expected only id, result"},
	{REPORT, "{\"worker\":\"w\",\"failed\":[{\"id\":\"a\",\"result\":1}]}", ERR_FIELD_UNKNOWN, "field 'failed[0].result': expected only id, error, retry"},
	{REPORT, "{\"worker\":\"w\",\"failed\":[{\"id\":\"a\",\"error\":1}]}", ERR_FIELD_TYPE, "field 'failed[0].error': expected a string"},
	{REPORT, "{\"worker\":\"w\",\"failed\":[{\"error\":\"x\"}]}", ERR_FIELD_MISSING, "field 'failed[0].id': expected"},
	{REPORT, "{\"worker\":\"w\",\"finished\":[\"a\",\"b\",\"a\"]}", ERR_FIELD_DUPLICATE, "id 'a': expected it only once"},
	{REPORT, "{\"worker\":\"w\",\"finished\":[\"a\"],\"failed\":[{\"id\":\"\\u0061\"}]}", ERR_FIELD_DUPLICATE, "id 'a': expected it only once"},

	/* extend */
	{EXTEND, "{\"worker\":\"w\"}", ERR_FIELD_MISSING, "field 'ids': expected "},
	{EXTEND, "{\"worker\":\"w\",\"ids\":[]}", ERR_FIELD_RANGE, "field 'ids': expected at least one id"},
	{EXTEND, "{\"worker\":\"w\",\"ids\":[\"a\",7]}", ERR_FIELD_TYPE, "field 'ids[1]': expected a string"},
	{EXTEND, "{\"worker\":\"w\",\"ids\":[\"a\",\"a\"]}", ERR_FIELD_DUPLICATE, "id 'a': "},
	{EXTEND, "{\"worker\":\"w\",\"ids\":[\"a\"],\"count\":1}", ERR_FIELD_UNKNOWN, "field 'count': expected only worker, ids, lease_s"},

	/* retry, purge */
	{RETRY, "{\"match\":\"*\"}", ERR_FIELD_MISSING, "field 'state': expected "},
	{RETRY, "{\"state\":\"dead\"}", ERR_FIELD_MISSING, "field 'ids': expected ids, match"},
	{RETRY, "{\"state\":\"dead\",\"ids\":[\"a\"],\"match\":\"*\"}", ERR_FIELD_CONFLICT, "field 'match': expected either"},
	{RETRY, "{\"state\":\"todo\",\"match\":\"*\"}", ERR_STATE_UNKNOWN, "field 'state': expected failed, dead or delayed"},
	{RETRY, "{\"state\":\"lost\",\"match\":\"*\"}", ERR_STATE_UNKNOWN, "field 'state': expected todo, delayed"},
	{PURGE, "{\"state\":\"gone\",\"match\":\"*\"}", ERR_STATE_UNKNOWN, "field 'state': expected todo, delayed"},
	{PURGE, "{\"state\":\"dead\",\"match\":\"\"}", ERR_FIELD_RANGE, "field 'match': expected a glob"},
	{PURGE, "{\"state\":\"dead\",\"ids\":[\"a\\u0000\"]}", ERR_TASK_ID_BAD, "field 'ids[0]': expected 1-255"},
	{PURGE, "{\"state\":\"dead\",\"error_match\":\"\"}", ERR_FIELD_RANGE, "field 'error_match': expected a text of 1-255 bytes"},
	{PURGE, "{\"state\":\"dead\",\"older_s\":-1}", ERR_FIELD_RANGE, "field 'older_s': expected a number of seconds from 0 to 315360000"},
	{PURGE, "{\"state\":\"dead\",\"older_s\":\"1h\"}", ERR_FIELD_TYPE, "field 'older_s': expected a number of seconds"},
	{PURGE, "{\"state\":\"doing\",\"worker\":\"a b\"}", ERR_WORKER_NAME_BAD, "field 'worker': expected 1-64"},
	{PURGE, "{\"state\":\"dead\",\"match\":\"*\",\"limit\":0}", ERR_FIELD_RANGE, "field 'limit': expected a whole number from 1 to 1000000"},
	{PURGE, "{\"state\":\"dead\",\"match\":\"*\",\"after\":7}", ERR_FIELD_TYPE, "field 'after': expected a string"},
	{PURGE, "{\"state\":\"dead\",\"limit\":1}", ERR_FIELD_MISSING, "field 'ids': expected ids, match"},
	{PURGE, "{\"state\":\"todo\",\"error_match\":\"x\"}", ERR_FIELD_CONFLICT, "field 'error_match': expected with state failed or dead only"},
	{PURGE, "{\"state\":\"dead\",\"worker\":\"w\"}", ERR_FIELD_CONFLICT, "field 'worker': expected with state doing or finish only"},
	{PURGE, "{\"state\":\"dead\",\"match\":\"*\",\"dry_run\":\"yes\"}", ERR_FIELD_TYPE, "field 'dry_run': expected true or false"},

	/* policy */
	{POLICY, "{\"max_task\":1}", ERR_FIELD_UNKNOWN, "field 'max_task': expected only paused, max_tasks"},
	{POLICY, "{\"max_tasks\":0}", ERR_FIELD_RANGE, "field 'max_tasks': expected a whole number from 1 to"},
	{POLICY, "{\"lease_s\":\"1d\"}", ERR_FIELD_TYPE, "field 'lease_s': expected a number of seconds"},
	{POLICY, "{\"lease_s\":0}", ERR_FIELD_RANGE, "field 'lease_s': expected a number of seconds from 1"},
	{POLICY, "{\"paused\":null}", ERR_FIELD_TYPE, "field 'paused': expected true or false"},
	{POLICY, "{\"lease_s\":1,\"lease_s\":null}", ERR_FIELD_DUPLICATE, "field 'lease_s': expected it only once"},

	/* heartbeat */
	{BEAT, "{\"mood\":\"fine\"}", ERR_FIELD_UNKNOWN, "field 'mood': expected only load, version, running, pid, host"},
	{BEAT, "{\"load\":\"high\"}", ERR_FIELD_TYPE, "field 'load': expected a number"},
	{BEAT, "{\"load\":-1}", ERR_FIELD_RANGE, "field 'load': expected a number from 0"},
	{BEAT, "{\"running\":\"a\"}", ERR_FIELD_TYPE, "field 'running': expected a number or a list"},
	{BEAT, "{\"running\":[\"a b\"]}", ERR_TASK_ID_BAD, "field 'running[0]': expected 1-255"},
	{BEAT, "{\"pid\":0}", ERR_FIELD_RANGE, "field 'pid': expected a whole number from 1"},
	{BEAT, "{\"load\":1}{}", ERR_BODY_NOT_JSON, "byte 10: "},
};
/* clang-format on */

static void
test_refusals(void **state)
{
	const struct refusal *r;
	enum err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(refusals); i++) {
		r = &refusals[i];
		err = read_as(r->which, span_of(r->text));
		if (err != r->err || body.err != err ||
		    strncmp(body.detail, r->detail, strlen(r->detail)) != 0)
			fail_msg("%s\n got %s '%s'\nwant %s '%s'", r->text,
			    err_info(err)->name, body.detail,
			    err_info(r->err)->name, r->detail);
	}
}

/* Everything that can be read, cut anywhere, is refused as no JSON. */
static void
test_cut_anywhere(void **state)
{
	static const char text[] =
	    "{\"tasks\":[{\"id\":\"a\\u0041\",\"payload\":{\"k\":[1,2.5e3]},"
	    "\"priority\":\"low\",\"delay_s\":1.5,\"replace\":true}]}";

	(void)state;
	assert_reads(PUSH, text);
	for (size_t len = 0; len < sizeof(text) - 1; len++)
		assert_int_equal(
		    read_as(PUSH, (struct span){text, len}), ERR_BODY_NOT_JSON);
}

/* ---- what is read ----------------------------------------------------- */

static void
test_push_one(void **state)
{
	const struct store_task *t;

	(void)state;
	assert_reads(PUSH,
	    " {\"payload\" : { \"n\": 12345678901234567890, \"e\": [] } } ");
	assert_int_equal(push.count, 1);
	t = &push.tasks[0];
	assert_span(t->payload, "{ \"n\": 12345678901234567890, \"e\": [] }");
	assert_int_equal(t->id.len, ID_MADE_LEN);
	assert_true(id_is_valid(t->id));
	assert_int_equal(t->lane, LANE_NORMAL);
	assert_int_equal(t->max_attempts, 0);
	assert_int_equal(t->run_at, 0);
	assert_int_equal(t->delay_ms, 0);
	assert_false(t->replace);
}

static void
test_push_all_fields(void **state)
{
	const struct store_task *t;

	(void)state;
	assert_reads(PUSH,
	    "{\"payload\":null,\"id\":\"a\\/\\u0062\",\"priority\":\"high\","
	    "\"run_at\":\"2026-01-02T04:04:05.5+00:30\",\"max_attempts\":1000,"
	    "\"replace\":true}");
	t = &push.tasks[0];
	assert_span(t->payload, "null");
	assert_span(t->id, "a/b");
	assert_int_equal(t->lane, LANE_HIGH);
	assert_int_equal(t->run_at, NOW_MS + 30 * 60 * 1000 + 500);
	assert_int_equal(t->max_attempts, 1000);
	assert_true(t->replace);
	assert_reads(PUSH, "{\"payload\":1,\"delay_s\":0.25}");
	assert_int_equal(push.tasks[0].delay_ms, 250);
	assert_reads(PUSH, "{\"payload\":1,\"run_at\":1767323046.5}");
	assert_int_equal(push.tasks[0].run_at, NOW_MS + 1500);
	/* The past is now. */
	assert_reads(PUSH, "{\"payload\":1,\"run_at\":1767323045}");
	assert_int_equal(push.tasks[0].run_at, 0);
	assert_reads(
	    PUSH, "{\"payload\":1,\"run_at\":\"2016-06-01T00:00:00Z\"}");
	assert_int_equal(push.tasks[0].run_at, 0);
}

static char *
make_list(const char *head, size_t n, const char *item, const char *tail)
{
	struct buf buf;
	char *text;

	buf_init(&buf, 1 << 20);
	buf_add_str(&buf, head);
	for (size_t i = 0; i < n; i++)
		buf_addf(&buf, "%s%s%zu\"%s", i == 0 ? "" : ",", item, i,
		    item[0] == '{' ? "}" : "");
	buf_add_str(&buf, tail);
	assert_false(buf.failed);
	text = xmemdupz(buf.data, buf.len);
	buf_clear(&buf);
	return text;
}

static void
assert_list(enum which which, const char *head, const char *item, size_t n,
    const char *field)
{
	char *text = make_list(head, n, item, "]}");
	char want[80];
	enum err err = read_as(which, span_of(text));

	if (field == NULL) {
		assert_int_equal(err, ERR_OK);
	} else {
		(void)snprintf(want, sizeof(want),
		    "field '%s': expected at most 1000 items", field);
		assert_int_equal(err, ERR_TOO_MANY_ITEMS);
		assert_string_equal(body.detail, want);
	}
	free(text);
}

static void
test_list_caps(void **state)
{
	static const char task[] = "{\"payload\":1,\"id\":\"t";

	(void)state;
	assert_list(PUSH, "{\"tasks\":[", task, 1000, NULL);
	assert_int_equal(push.count, 1000);
	assert_span(push.tasks[0].id, "t0");
	assert_span(push.tasks[999].id, "t999");
	assert_list(PUSH, "{\"tasks\":[", task, 1001, "tasks");
	assert_list(
	    REPORT, "{\"worker\":\"w\",\"finished\":[", "\"t", 1000, NULL);
	assert_int_equal(work.item_count, 1000);
	assert_span(work.items[999].id, "t999");
	assert_list(REPORT, "{\"worker\":\"w\",\"finished\":[", "\"t", 1001,
	    "finished");
	assert_list(
	    TAKE, "{\"worker\":\"w\",\"failed\":[", "\"t", 1001, "failed");
	assert_list(EXTEND, "{\"worker\":\"w\",\"ids\":[", "\"t", 1000, NULL);
	assert_int_equal(work.id_count, 1000);
	assert_list(EXTEND, "{\"worker\":\"w\",\"ids\":[", "\"t", 1001, "ids");
	assert_list(PURGE, "{\"state\":\"dead\",\"ids\":[", "\"t", 1001, "ids");
}

static void
test_take(void **state)
{
	(void)state;
	assert_reads(TAKE, "{\"worker\":\"w-1\"}");
	assert_span(work.worker, "w-1");
	assert_int_equal(work.count, 500);
	assert_int_equal(work.wait_ms, 0);
	assert_int_equal(work.lease_ms, 0);
	assert_int_equal(work.request_id.len, 0);
	assert_false(work.has_report);
	assert_reads(TAKE,
	    "{\"count\":1000,\"wait_s\":0.0315,\"lease_s\":1.5,"
	    "\"request_id\":\"r:1\",\"worker\":\"w@h\",\"finished\":[]}");
	assert_int_equal(work.count, 1000);
	assert_int_equal(work.wait_ms, 32);
	assert_int_equal(work.lease_ms, 1500);
	assert_span(work.request_id, "r:1");
	assert_true(work.has_report);
	assert_int_equal(work.item_count, 0);
	assert_reads(TAKE, "{\"worker\":\"w\",\"wait_s\":60}");
	assert_int_equal(work.wait_ms, 60000);
}

static void
test_report(void **state)
{
	(void)state;
	assert_reads(REPORT,
	    "{\"worker\":\"w\",\"finished\":[\"a\",{\"id\":\"b\"},"
	    "{\"result\": [1 ,2] ,\"id\":\"c\"}],"
	    "\"failed\":[\"d\",{\"id\":\"e\",\"error\":\"no\\n\",\"retry\":"
	    "false},{\"id\":\"f\",\"retry\":true}]}");
	assert_int_equal(work.item_count, 6);
	assert_span(work.items[0].id, "a");
	assert_int_equal(work.items[0].text.len, 0);
	assert_span(work.items[2].id, "c");
	assert_span(work.items[2].text, "[1 ,2]");
	assert_false(work.items[2].failed);
	assert_true(work.items[3].failed);
	assert_false(work.items[3].no_retry);
	assert_span(work.items[4].text, "no\n");
	assert_true(work.items[4].no_retry);
	assert_false(work.items[5].no_retry);
}

/* A report around one long text in the place of %s. */
static enum err
read_long(const char *head, char c, size_t n, const char *tail)
{
	char *text = xcalloc(1, strlen(head) + n + strlen(tail) + 1);
	struct span whole = {text, strlen(head) + n + strlen(tail)};
	enum err err;

	memcpy(text, head, strlen(head));
	memset(text + strlen(head), c, n);
	memcpy(text + strlen(head) + n, tail, strlen(tail));
	err = read_as(REPORT, whole);
	free(text);
	return err;
}

static void
test_report_long_texts(void **state)
{
	static const char result[] =
	    "{\"worker\":\"w\",\"finished\":[{\"id\":\"a\",\"result\":\"";
	static const char error[] =
	    "{\"worker\":\"w\",\"failed\":[{\"id\":\"a\",\"error\":\"";

	(void)state;
	assert_int_equal(read_long(result, 'x', 65534, "\"}]}"), ERR_OK);
	assert_int_equal(work.items[0].text.len, BODY_RESULT_MAX);
	assert_int_equal(
	    read_long(result, 'x', 65535, "\"}]}"), ERR_PAYLOAD_TOO_LARGE);
	assert_string_equal(body.detail,
	    "field 'finished[0].result': expected a result of at most 65536 "
	    "bytes");
	/* An error text is cut, between characters. */
	assert_int_equal(read_long(error, 'x', 4096, "\"}]}"), ERR_OK);
	assert_int_equal(work.items[0].text.len, 4096);
	assert_int_equal(
	    read_long(error, 'x', 4095, "\xe2\x82\xac\"}]}"), ERR_OK);
	assert_int_equal(work.items[0].text.len, 4095);
	assert_int_equal(
	    read_long(error, 'x', 4093, "\xe2\x82\xac!\"}]}"), ERR_OK);
	assert_int_equal(work.items[0].text.len, 4096);
}

static void
test_sets(void **state)
{
	(void)state;
	assert_reads(PURGE, "{\"state\":\"finish\",\"match\":\"a*\"}");
	assert_int_equal(set.filter.state, TASK_FINISH);
	assert_span(set.filter.match, "a*");
	assert_null(set.filter.ids);
	assert_false(set.dry_run);
	assert_false(set.is_partial);
	assert_reads(RETRY,
	    "{\"state\":\"delayed\",\"ids\":[\"a\",\"b\"],\"dry_run\":true}");
	assert_int_equal(set.filter.state, TASK_DELAYED);
	assert_int_equal(set.filter.id_count, 2);
	assert_span(set.filter.ids[1], "b");
	assert_int_equal(set.filter.match.len, 0);
	assert_true(set.dry_run);
	assert_false(set.is_partial);
}

static void
test_set_filters(void **state)
{
	(void)state;
	assert_reads(RETRY,
	    "{\"state\":\"dead\",\"error_match\":\"time out\",\"older_s\":1.5,"
	    "\"limit\":1000000,\"after\":\"x\"}");
	assert_span(set.filter.error_match, "time out");
	assert_true(set.filter.has_age);
	assert_int_equal(set.filter.older_ms, 1500);
	assert_int_equal(set.limit, 1000000);
	assert_span(set.after, "x");
	assert_true(set.is_partial);
	assert_reads(
	    PURGE, "{\"state\":\"doing\",\"worker\":\"w1\",\"after\":null}");
	assert_span(set.filter.worker, "w1");
	assert_int_equal(set.after.len, 0);
	assert_int_equal(set.limit, 0);
	assert_false(set.filter.has_age);
	assert_true(set.is_partial);
	assert_reads(PURGE, "{\"state\":\"todo\",\"older_s\":0}");
	assert_true(set.filter.has_age);
	assert_int_equal(set.filter.older_ms, 0);
}

static void
test_policy(void **state)
{
	(void)state;
	assert_reads(POLICY,
	    "{\"lease_s\":1.5,\"max_tasks\":10,\"dead_age_s\":null,"
	    "\"paused\":true}");
	assert_int_equal(
	    policy.set, 1u << POLICY_LEASE | 1u << POLICY_MAX_TASKS);
	assert_int_equal(policy.unset, 1u << POLICY_DEAD_AGE);
	assert_int_equal(policy.values[POLICY_LEASE], 1500);
	assert_int_equal(policy.values[POLICY_MAX_TASKS], 10);
	assert_int_equal(policy.paused, 1);
	assert_reads(POLICY, "{\"finish_keep\":0}");
	assert_int_equal(policy.paused, -1);
}

static void
test_heartbeat(void **state)
{
	(void)state;
	assert_reads(BEAT, "{}");
	assert_int_equal(details.len, 0);
	assert_reads(BEAT,
	    " {\"load\":0.5,\"version\":\"1\",\"running\":[\"a\"],"
	    "\"pid\":7,\"host\":\"h\"} ");
	assert_span(details,
	    "{\"load\":0.5,\"version\":\"1\",\"running\":[\"a\"],"
	    "\"pid\":7,\"host\":\"h\"}");
	assert_reads(BEAT, "{\"running\":3}");
}

static void
test_utf8_cut(void **state)
{
	struct span text = SPAN("a\xc3\xa9\xf0\x9f\x98\x80");

	(void)state;
	assert_int_equal(utf8_cut(text, 100).len, 7);
	assert_int_equal(utf8_cut(text, 7).len, 7);
	assert_int_equal(utf8_cut(text, 6).len, 3);
	assert_int_equal(utf8_cut(text, 3).len, 3);
	assert_int_equal(utf8_cut(text, 2).len, 1);
	assert_int_equal(utf8_cut(text, 0).len, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_cut_anywhere),
	    cmocka_unit_test(test_push_one),
	    cmocka_unit_test(test_push_all_fields),
	    cmocka_unit_test(test_list_caps),
	    cmocka_unit_test(test_take),
	    cmocka_unit_test(test_report),
	    cmocka_unit_test(test_report_long_texts),
	    cmocka_unit_test(test_sets),
	    cmocka_unit_test(test_set_filters),
	    cmocka_unit_test(test_policy),
	    cmocka_unit_test(test_heartbeat),
	    cmocka_unit_test(test_utf8_cut),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
