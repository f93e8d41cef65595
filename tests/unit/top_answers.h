#ifndef SCHEDD_TESTS_UNIT_TOP_ANSWERS_H
#define SCHEDD_TESTS_UNIT_TOP_ANSWERS_H

/* The answers of a server, for the tests of schedctl top. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/top.h"
#include "core/rfc3339.h"

enum { TEXT_MAX = 1 << 20, SECOND = 1000000 };

static int64_t
at(const char *time)
{
	int64_t ms;

	assert_true(rfc3339_parse(span_of(time), &ms));
	return ms;
}

/* The server's clock of all these tests. */
static int64_t
now_ms(void)
{
	return at("2026-01-02T03:04:05Z");
}

/* ---- answers ----------------------------------------------------------- */

/* A queue as /v1/queues has it; more: further members, such as ",\"x\":1". */
struct queue {
	const char *name;
	unsigned todo, doing, dead;
	double oldest_s;
	unsigned pushed, taken, finished, failed, died; /* totals */
	const char *more;
};

static void
add_queue(struct buf *out, const struct queue *q)
{
	buf_addf(out,
	    "{\"name\":\"%s\",\"paused\":false,\"counts\":{\"todo\":%u,"
	    "\"delayed\":0,\"doing\":%u,\"failed\":0,\"finish\":0,"
	    "\"dead\":%u},\"oldest_todo_s\":%.3f,\"rates\":{\"pushed\":1.5,"
	    "\"taken\":2.5,\"finished\":0,\"failed\":0}",
	    q->name, q->todo, q->doing, q->dead, q->oldest_s);
	buf_addf(out,
	    ",\"totals\":{\"pushed\":%u,\"taken\":%u,\"finished\":%u,"
	    "\"failed\":%u,\"dead\":%u}%s}",
	    q->pushed, q->taken, q->finished, q->failed, q->died,
	    q->more != NULL ? q->more : "");
}

static const char stats[] =
    "{\"version\":\"0.1.0\",\"uptime_s\":75.5,\"ready\":true,"
    "\"reason\":null,\"store\":{\"pending\":3,\"lost\":0},"
    "\"connections\":46,\"waiting_takes\":12,\"workers\":2,"
    "\"janitor\":{\"doing\":{\"last_run\":\"2026-01-02T03:04:03.000Z\","
    "\"duration_s\":0.0021,\"items\":7,\"runs\":9,\"errors\":0},"
    "\"check\":{\"last_run\":null,\"duration_s\":0,\"items\":0,\"runs\":0,"
    "\"errors\":0}},\"queues\":[]%s}";

static const char new_stats[] =
    ",\"latency\":{\"push\":{\"p50_s\":0.0012,\"p99_s\":0.0098},"
    "\"take\":{\"p50_s\":2.5,\"p99_s\":30},"
    "\"report\":{\"p50_s\":null,\"p99_s\":null}},"
    "\"outcomes\":{\"2xx\":812.4,\"4xx\":0,\"5xx\":2}";

static const char workers[] =
    "{\"workers\":[{\"name\":\"w2\",\"addr\":\"127.0.0.1:5\","
    "\"last_seen\":\"2026-01-02T03:04:00Z\",\"last_heartbeat\":null,"
    "\"held\":3,\"details\":{}},{\"name\":\"w1\",\"addr\":null,"
    "\"last_seen\":\"2026-01-02T03:00:00Z\","
    "\"last_heartbeat\":\"2026-01-02T03:00:00Z\",\"held\":1}]}";

static bool
read_stats(struct top *t, const char *more)
{
	struct buf text;
	bool ok;

	buf_init(&text, TEXT_MAX);
	buf_addf(&text, stats, more);
	ok = top_read_stats(t, buf_span(&text), now_ms());
	buf_clear(&text);
	return ok;
}

/* A round of answers, so many seconds after the first one. */
static void
round_at(struct top *t, double seconds, const struct queue *queues, size_t n)
{
	struct buf text;

	top_begin(t);
	assert_true(read_stats(t, new_stats));
	buf_init(&text, TEXT_MAX);
	buf_add_str(&text, "{\"queues\":[");
	for (size_t i = 0; i < n; i++) {
		buf_add_str(&text, i > 0 ? "," : "");
		add_queue(&text, &queues[i]);
	}
	buf_add_str(&text, "]}");
	assert_true(top_read_queues(t, buf_span(&text), now_ms()));
	buf_clear(&text);
	assert_true(top_read_workers(t, span_of(workers), now_ms()));
	t->now_us = SECOND + (int64_t)(seconds * SECOND);
	top_commit(t);
}

static void
assert_span(struct span got, const char *want)
{
	if (!span_is(got, want))
		fail_msg("'%.*s', not '%s'", SPAN_ARG(got), want);
}

#endif
