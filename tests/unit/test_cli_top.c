/* What schedctl top makes of answers: rates, and what is wrong. */

#include "top_answers.h"

static const struct top_queue *
find(const struct top *t, const char *name)
{
	for (size_t i = 0; i < t->data.queue_count; i++)
		if (span_is(t->data.queues[i].name, name))
			return &t->data.queues[i];
	fail_msg("no queue %s", name);
	return NULL;
}

static void
assert_near(double got, double want)
{
	if (got < want - 0.001 || got > want + 0.001)
		fail_msg("%f, not %f", got, want);
}

/* ---- reading ----------------------------------------------------------- */

static void
test_reads_what_is_there(void **state)
{
	static const struct queue q = {.name = "mail",
	    .todo = 7,
	    .more = ",\"waiting_takes\":4,\"workers\":3,\"last_take_at\":"
		    "\"2026-01-02T03:03:55Z\",\"policy\":{\"max_tasks\":500},"
		    "\"held_up\":[]"};
	const struct top_server *s;
	const struct top_queue *mail;
	struct top t;

	(void)state;
	top_init(&t);
	round_at(&t, 0, &q, 1);
	s = &t.data.server;
	assert_span(s->version, "0.1.0");
	assert_true(s->ready);
	assert_near(s->uptime_s, 75.5);
	assert_int_equal(s->pending, 3);
	assert_int_equal(s->duty_count, 2);
	assert_near(s->duties[0].ran_s, 2);
	assert_near(s->duties[1].ran_s, -1);
	assert_true(s->has_latency);
	assert_near(s->latency[0].p99_s, 0.0098);
	assert_near(s->latency[2].p50_s, -1);
	assert_near(s->outcomes[2], 2);
	mail = find(&t, "mail");
	assert_int_equal(mail->counts[TOP_TODO], 7);
	assert_int_equal(mail->workers, 3);
	assert_near(mail->taken_ago_s, 10);
	assert_int_equal(mail->max_tasks, 500);
	assert_near(top_queue_full(mail), 7.0 / 500);
	assert_int_equal(t.crew.count, 2);
	top_clear(&t);
}

/* A server without the newer members, and without /v1/queues. */
static void
test_reads_an_older_server(void **state)
{
	static const char old[] =
	    "{\"version\":\"0.1.0\",\"uptime_s\":1,\"ready\":false,"
	    "\"reason\":\"no Redis\",\"queues\":[{\"name\":\"a\",\"paused\":"
	    "true,\"counts\":{\"todo\":1,\"delayed\":0,\"doing\":0,"
	    "\"failed\":0,\"finish\":0,\"dead\":2},\"oldest_todo_s\":4,"
	    "\"rates\":{\"pushed\":1.5,\"taken\":0}}]}";
	const struct top_queue *a;
	struct top t;

	(void)state;
	top_init(&t);
	top_begin(&t);
	assert_true(top_read_stats(&t, span_of(old), now_ms()));
	top_no_workers(&t, SPAN("E403 FORBIDDEN"));
	top_commit(&t);
	assert_span(t.data.server.reason, "no Redis");
	assert_false(t.data.server.has_latency);
	assert_near(t.data.server.outcomes[0], -1);
	a = find(&t, "a");
	assert_true(a->paused);
	assert_false(a->has_workers);
	assert_near(a->taken_ago_s, -1);
	assert_near(a->rates[TOP_IN], 1.5);
	assert_span(a->brief, "paused");
	assert_span(t.crew.why, "E403 FORBIDDEN");
	top_clear(&t);
}

static void
test_refuses_other_answers(void **state)
{
	static const char *const texts[] = {"", "[]", "1", "{", "{}",
	    "{\"version\":\"1\"}", "{\"version\":\"1\",\"queues\":{}}",
	    "{\"version\":\"1\",\"queues\":[1]}",
	    "{\"version\":\"1\",\"queues\":[{\"name\":\"a\"}]}",
	    "{\"version\":\"1\",\"queues\":[{\"name\":\"a\",\"counts\":7}]}",
	    "{\"version\":\"1\",\"queues\":[],\"janitor\":[]}",
	    "{\"version\":\"1\",\"queues\":[],\"janitor\":{\"a\":1}}"};
	struct top t;

	(void)state;
	top_init(&t);
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		top_begin(&t);
		if (top_read_stats(&t, span_of(texts[i]), 0))
			fail_msg("taken: %s", texts[i]);
		if (i < 5) {
			assert_false(top_read_queues(&t, span_of(texts[i]), 0));
			assert_false(
			    top_read_workers(&t, span_of(texts[i]), 0));
		}
	}
	top_clear(&t);
}

/* ---- rates ------------------------------------------------------------- */

static void
test_rates(void **state)
{
	struct queue q = {.name = "a", .pushed = 1000, .taken = 500};
	struct top t;

	(void)state;
	top_init(&t);
	round_at(&t, 0, &q, 1); /* nothing to compare with: the server's */
	assert_near(find(&t, "a")->rates[TOP_IN], 1.5);
	for (unsigned i = 1; i <= 30; i++) {
		q.pushed += i <= 15 ? 100 : 20;
		q.taken += 50;
		round_at(&t, i, &q, 1);
	}
	/* Over the last ten seconds, not over all. */
	assert_near(find(&t, "a")->rates[TOP_IN], 20);
	assert_near(find(&t, "a")->rates[TOP_OUT], 50);
	/* After a long gap, over that gap. */
	q.pushed += 600;
	round_at(&t, 90, &q, 1);
	assert_near(find(&t, "a")->rates[TOP_IN], 10);
	/* Another queue of that name begins from nothing. */
	q.pushed = 5;
	round_at(&t, 92, &q, 1);
	assert_near(find(&t, "a")->rates[TOP_IN], 1.5);
	top_clear(&t);
}

static void
test_many_samples(void **state)
{
	struct queue q = {.name = "a"};
	struct top t;

	(void)state;
	top_init(&t);
	for (unsigned i = 0; i <= 300; i++) {
		q.pushed = i * 3;
		q.died = i;
		round_at(&t, i - 0.2, &q, 1);
		round_at(&t, i, &q, 1); /* too soon for a sample of its own */
	}
	assert_near(find(&t, "a")->rates[TOP_IN], 3);
	assert_near(find(&t, "a")->died_1m, 59);
	top_clear(&t);
}

/* Histories stay with their names while queues come and go. */
static void
test_histories_follow_names(void **state)
{
	static const struct queue first[] = {
	    {.name = "c", .pushed = 10}, {.name = "a", .pushed = 100}};
	static const struct queue then[] = {{.name = "b", .pushed = 7},
	    {.name = "c", .pushed = 30}, {.name = "aa"}};
	struct top t;

	(void)state;
	top_init(&t);
	round_at(&t, 0, first, 2);
	round_at(&t, 5, then, 3);
	assert_near(find(&t, "c")->rates[TOP_IN], 4);
	assert_near(find(&t, "b")->rates[TOP_IN], 1.5);
	assert_int_equal(t.data.queue_count, 3);
	top_clear(&t);
}

/* ---- what is wrong ----------------------------------------------------- */

/* A queue in its second round, ten seconds after the first. */
static void
assert_judged(const struct queue *before, const struct queue *q,
    enum top_level level, const char *brief, const char *note)
{
	const struct top_queue *got;
	struct top t;

	top_init(&t);
	round_at(&t, 0, before, 1);
	round_at(&t, 10, q, 1);
	got = find(&t, q->name);
	assert_span(got->note, note);
	assert_span(got->brief, brief);
	assert_int_equal(got->level, level);
	top_clear(&t);
}

static void
test_judge(void **state)
{
	static const struct queue zero = {.name = "a"};
	static const struct {
		struct queue q;
		enum top_level level;
		const char *brief, *note;
	} rows[] = {
	    {{.name = "a"}, TOP_FINE, "", ""},
	    {{.name = "a", .todo = 5, .oldest_s = 59}, TOP_FINE, "", ""},
	    {{.name = "a", .todo = 5, .oldest_s = 724}, TOP_BAD,
		"no worker 12m", "no worker has taken for 12m4s"},
	    /* Held ones were taken once; nobody knows when. */
	    {{.name = "a", .todo = 5, .doing = 1, .oldest_s = 724}, TOP_FINE,
		"", ""},
	    {{.name = "a", .todo = 5, .oldest_s = 300, .taken = 10}, TOP_WARN,
		"behind 5m", "behind: the oldest waits 5m0s"},
	    {{.name = "a",
		 .todo = 5,
		 .oldest_s = 300,
		 .taken = 10,
		 .pushed = 25},
		TOP_WARN, "behind 5m",
		"behind: the oldest waits 5m0s, growing by 1.5/s"},
	    {{.name = "a", .died = 3}, TOP_BAD, "+3 dead",
		"3 died within a minute"},
	    {{.name = "a", .finished = 30, .failed = 10}, TOP_WARN, "25% fail",
		"25% of the attempts fail"},
	    {{.name = "a", .finished = 300, .failed = 10}, TOP_FINE, "", ""},
	    {{.name = "a",
		 .todo = 90,
		 .more = ",\"policy\":{\"max_tasks\":100}"},
		TOP_WARN, "90% full", "90% full"},
	    {{.name = "a",
		 .todo = 998,
		 .more = ",\"policy\":{\"max_tasks\":1000}"},
		TOP_BAD, "99% full", "99% full"},
	    {{.name = "a",
		 .todo = 100,
		 .more = ",\"policy\":{\"max_tasks\":100}"},
		TOP_BAD, "full", "full"},
	    /* What the server says goes before what we would guess. */
	    {{.name = "a",
		 .todo = 5,
		 .oldest_s = 724,
		 .more = ",\"held_up\":[]"},
		TOP_FINE, "", ""},
	    {{.name = "a",
		 .todo = 5,
		 .oldest_s = 724,
		 .more = ",\"held_up\":[{\"reason\":\"paused\",\"text\":\"held "
			 "by anna\"},{\"reason\":\"no_worker\",\"text\":\"no "
			 "worker has taken for 4 m\"}],\"last_take_at\":"
			 "\"2026-01-02T03:00:05Z\""},
		TOP_BAD, "no worker 4m",
		"held by anna; no worker has taken for 4 m"},
	    {{.name = "a",
		 .more = ",\"held_up\":[{\"reason\":\"retry_wait\"}]"},
		TOP_NOTE, "retry wait", "retry_wait"},
	    {{.name = "a", .more = ",\"held_up\":7"}, TOP_FINE, "", ""},
	    {{.name = "a",
		 .more = ",\"held_up\":[{\"reason\":\"store\",\"text\":\"x\"},"
			 "{\"reason\":\"broken\",\"text\":\"a key\"}]"},
		TOP_BAD, "broken", "a key"},
	    /* It began just now, and knows of no take. */
	    {{.name = "a",
		 .todo = 5,
		 .oldest_s = 724,
		 .more = ",\"held_up\":[{\"reason\":\"no_worker\",\"text\":"
			 "\"t\"}],\"last_take_at\":null"},
		TOP_BAD, "no worker", "t"},
	    /* Nobody for a moment; or all of them long at work. */
	    {{.name = "a",
		 .todo = 5,
		 .oldest_s = 30,
		 .more = ",\"held_up\":[{\"reason\":\"no_worker\",\"text\":"
			 "\"t\"}],\"last_take_at\":\"2026-01-02T03:03:45Z\""},
		TOP_WARN, "no worker 20s", "t"},
	    {{.name = "a",
		 .todo = 5,
		 .doing = 1,
		 .oldest_s = 130,
		 .more = ",\"held_up\":[{\"reason\":\"no_worker\",\"text\":"
			 "\"t\"}],\"last_take_at\":\"2026-01-02T03:02:05Z\""},
		TOP_NOTE, "no take 2m", "t"},
	    {{.name = "a",
		 .todo = 5,
		 .doing = 1,
		 .oldest_s = 330,
		 .more = ",\"held_up\":[{\"reason\":\"no_worker\",\"text\":"
			 "\"t\"}],\"last_take_at\":\"2026-01-02T03:02:05Z\""},
		TOP_WARN, "no take 2m", "t"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_judged(&zero, &rows[i].q, rows[i].level, rows[i].brief,
		    rows[i].note);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_reads_what_is_there),
	    cmocka_unit_test(test_reads_an_older_server),
	    cmocka_unit_test(test_refuses_other_answers),
	    cmocka_unit_test(test_rates),
	    cmocka_unit_test(test_many_samples),
	    cmocka_unit_test(test_histories_follow_names),
	    cmocka_unit_test(test_judge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
