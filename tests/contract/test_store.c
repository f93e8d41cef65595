/*
 * Every operation of store.h against a real Redis: directly, and the same
 * cases through the fault proxy that hands on a few bytes at a time.
 */

#include "tests/contract/store_fixture.h"

#include <signal.h>
#include <string.h>

#include "core/clock.h"
#include "core/loop.h"
#include "core/metrics.h"

/* ---- the cases --------------------------------------------------------- */

static void
case_push_take_finish(struct world *w)
{
	struct store_task tasks[] = {
	    {.id = SPAN("a"), .payload = SPAN("{\"n\":1}"), .lane = LANE_LOW},
	    {.id = SPAN("b"), .payload = SPAN("2"), .lane = LANE_NORMAL},
	    {.id = SPAN("c"), .payload = SPAN("[]"), .lane = LANE_HIGH},
	    {.id = SPAN("b"), .payload = SPAN("3"), .lane = LANE_NORMAL}};
	struct seen s = push(w, tasks, 4);

	assert_int_equal(s.err, ERR_OK);
	assert_int_equal(s.n, 4);
	assert_int_equal(s.pushed[0].known, TASK_GONE);
	assert_int_equal(s.pushed[3].known, TASK_TODO);
	s = take(w, "w1", 10, 0);
	assert_int_equal(s.n, 3);
	assert_string_equal(s.ids[0], "c");
	assert_string_equal(s.ids[1], "b");
	assert_string_equal(s.ids[2], "a");
	assert_string_equal(s.payloads[2], "{\"n\":1}");
	assert_string_equal(s.payloads[1], "2");
	assert_int_equal(s.attempts[0], 1);
	assert_state(w, "a", TASK_DOING);
	s = report(w, "w1", "a", false, "{\"ok\":true}");
	assert_int_equal(s.reported[0].err, ERR_OK);
	s = show(w, "a");
	assert_int_equal(s.task.state, TASK_FINISH);
	assert_string_equal(s.text[0], "w1");
	assert_string_equal(s.text[2], "{\"ok\":true}");
	s = report(w, "w1", "a", false, "");
	assert_int_equal(s.reported[0].err, ERR_OK);
	s = report(w, "w2", "b", false, "");
	assert_int_equal(s.reported[0].err, ERR_LEASE_LOST);
	s = report(w, "w1", "nobody", false, "");
	assert_int_equal(s.reported[0].err, ERR_TASK_UNKNOWN);
	s = queue_now(w);
	assert_int_equal(s.queue.counts[TASK_DOING], 2);
	assert_int_equal(s.queue.counts[TASK_FINISH], 1);
	assert_int_equal(s.queue.totals.finished, 1);
	assert_int_equal(s.queue.totals.lease_lost, 1);
}

static void
case_fail_retry_dead(struct world *w)
{
	struct seen s;

	push_id(w, "f");
	for (int attempt = 1; attempt <= 3; attempt++) {
		s = take(w, "w1", 1, 0);
		assert_int_equal(s.n, 1);
		assert_int_equal(s.attempts[0], attempt);
		s = report(w, "w1", "f", true, "no luck");
		assert_int_equal(s.reported[0].err, ERR_OK);
		assert_int_equal(s.reported[0].dead, attempt == 3);
		if (attempt == 3)
			break;
		assert_state(w, "f", TASK_FAILED);
		assert_int_equal(duty(w, DUTY_FAILED).count, 0);
		clock_set_offset_ms(clock_offset_ms() + 60 * SECOND);
		assert_int_equal(duty(w, DUTY_FAILED).count, 1);
	}
	s = show(w, "f");
	assert_int_equal(s.task.state, TASK_DEAD);
	assert_int_equal(s.task.attempts, 3);
	assert_string_equal(s.text[1], "no luck");
	s = report(w, "w1", "f", true, "again");
	assert_int_equal(s.reported[0].err, ERR_LEASE_LOST);
	s = report(w, "w1", "f", false, "");
	assert_int_equal(s.reported[0].err, ERR_OK);
	assert_state(w, "f", TASK_FINISH);
}

static void
case_lease_over(struct world *w)
{
	const struct span ids[] = {SPAN("l")};
	struct seen s, e = {0};

	push_id(w, "l");
	push_id(w, "m");
	s = take(w, "w1", 1, 5 * SECOND);
	assert_int_equal(s.n, 1);
	store_extend(
	    w->store, Q, SPAN("w1"), ids, 1, 20 * SECOND, on_extend, &e);
	wait_for(w, &e);
	assert_int_equal(e.reported[0].err, ERR_OK);
	assert_true(e.lease_until > s.lease_until);
	clock_set_offset_ms(10 * SECOND);
	assert_int_equal(duty(w, DUTY_DOING).count, 0);
	clock_set_offset_ms(30 * SECOND);
	assert_int_equal(duty(w, DUTY_DOING).count, 1);
	/* Back at the front, the attempt kept. */
	s = take(w, "w2", 2, 0);
	assert_int_equal(s.n, 2);
	assert_string_equal(s.ids[0], "l");
	assert_int_equal(s.attempts[0], 2);
	assert_int_equal(s.attempts[1], 1);
	assert_int_equal(
	    report(w, "w1", "l", false, "").reported[0].err, ERR_LEASE_LOST);
	assert_int_equal(
	    report(w, "w2", "l", false, "").reported[0].err, ERR_OK);
}

static void
case_late_finish(struct world *w)
{
	push_id(w, "late");
	push_id(w, "never");
	take(w, "w1", 1, 1 * SECOND);
	clock_set_offset_ms(10 * SECOND);
	assert_int_equal(duty(w, DUTY_DOING).count, 1);
	assert_int_equal(
	    report(w, "w1", "late", true, "x").reported[0].err, ERR_LEASE_LOST);
	assert_int_equal(
	    report(w, "w1", "late", false, "").reported[0].err, ERR_OK);
	assert_int_equal(report(w, "w1", "never", false, "").reported[0].err,
	    ERR_TASK_NOT_HELD);
	assert_int_equal(take(w, "w2", 10, 0).n, 1);
}

static void
case_delayed_and_options(struct world *w)
{
	struct store_task t = {.id = SPAN("d"),
	    .payload = SPAN("1"),
	    .lane = LANE_HIGH,
	    .max_attempts = 1,
	    .delay_ms = 5 * SECOND};
	struct seen s;

	push(w, &t, 1);
	assert_state(w, "d", TASK_DELAYED);
	assert_int_equal(take(w, "w1", 1, 0).n, 0);
	clock_set_offset_ms(6 * SECOND);
	assert_int_equal(duty(w, DUTY_DELAYED).count, 1);
	assert_int_equal(queue_now(w).queue.lanes[LANE_HIGH], 1);
	assert_int_equal(take(w, "w1", 1, 0).n, 1);
	s = report(w, "w1", "d", true, "once is enough");
	assert_true(s.reported[0].dead);
	t.replace = true;
	t.delay_ms = 0;
	s = push(w, &t, 1);
	assert_int_equal(s.pushed[0].known, TASK_GONE);
	s = take(w, "w1", 1, 0);
	assert_int_equal(s.attempts[0], 1);
}

static void
case_full_and_too_large(struct world *w)
{
	struct store_policy_change change = {
	    .set = 1u << POLICY_MAX_TASKS | 1u << POLICY_MAX_PAYLOAD,
	    .paused = -1};
	struct store_task tasks[] = {
	    {.id = SPAN("1"), .payload = SPAN("1"), .lane = LANE_NORMAL},
	    {.id = SPAN("2"), .payload = SPAN("\"long\""), .lane = LANE_NORMAL},
	    {.id = SPAN("3"), .payload = SPAN("3"), .lane = LANE_NORMAL},
	    {.id = SPAN("4"), .payload = SPAN("4"), .lane = LANE_NORMAL}};
	struct seen s = {0};

	change.values[POLICY_MAX_TASKS] = 2;
	change.values[POLICY_MAX_PAYLOAD] = 4;
	store_queue_set(w->store, Q, &change, on_queue, &s);
	wait_for(w, &s);
	assert_int_equal(s.queue.policy.max_tasks, 2);
	assert_int_equal(s.queue.overridden, change.set);
	s = push(w, tasks, 4);
	assert_int_equal(s.pushed[0].err, ERR_OK);
	assert_int_equal(s.pushed[1].err, ERR_PAYLOAD_TOO_LARGE);
	assert_int_equal(s.pushed[2].err, ERR_OK);
	assert_int_equal(s.pushed[3].err, ERR_QUEUE_FULL);
	assert_int_equal(take(w, "w1", 10, 0).n, 2);
	assert_int_equal(push(w, &tasks[3], 1).pushed[0].err, ERR_QUEUE_FULL);
	report(w, "w1", "1", false, "");
	assert_int_equal(push(w, &tasks[3], 1).pushed[0].err, ERR_OK);
	memset(&s, 0, sizeof(s));
	change = (struct store_policy_change){
	    .unset = 1u << POLICY_MAX_TASKS, .paused = -1};
	store_queue_set(w->store, Q, &change, on_queue, &s);
	wait_for(w, &s);
	assert_int_equal(s.queue.policy.max_tasks, 500000);
}

static void
case_waiting_take(struct world *w)
{
	struct seen first = {0}, second = {0}, p = {0};
	struct store_take a = {.queue = Q,
	    .worker = SPAN("w1"),
	    .count = 5,
	    .wait_ms = 30000,
	    .cb = on_take,
	    .arg = &first};
	struct store_take b = a;
	struct store_task t = {
	    .id = SPAN("x"), .payload = SPAN("1"), .lane = LANE_NORMAL};

	b.arg = &second;
	store_take(w->store, &a);
	store_take(w->store, &b);
	run_for(w->loop, 50);
	assert_int_equal(store_waiting(w->store), 2);
	store_push(w->store, Q, &t, 1, on_push, &p);
	wait_for(w, &first);
	assert_int_equal(first.n, 1);
	assert_int_equal(second.calls, 0);
	/* The one that leaves gets nothing; its callback comes later. */
	store_take_leave(w->store, &b);
	assert_int_equal(second.calls, 0);
	wait_for(w, &second);
	assert_int_equal(second.err, ERR_CLIENT_GONE);
	assert_int_equal(store_waiting(w->store), 0);
	push_id(w, "y");
	run_for(w->loop, 20);
	assert_state(w, "y", TASK_TODO);
	/* One that left while it was asked for: the task goes back. */
	memset(&first, 0, sizeof(first));
	kill(w->redis.pid, SIGSTOP);
	store_take(w->store, &a);
	run_for(w->loop, 20);
	store_take_leave(w->store, &a);
	kill(w->redis.pid, SIGCONT);
	wait_for(w, &first);
	assert_int_equal(first.err, ERR_CLIENT_GONE);
	run_for(w->loop, 50);
	assert_state(w, "y", TASK_TODO);
	assert_int_equal(show(w, "y").task.attempts, 0);
}

static void
case_wait_ends(struct world *w)
{
	struct seen s = {0};
	struct store_take t = {.queue = Q,
	    .worker = SPAN("w1"),
	    .count = 1,
	    .wait_ms = 200,
	    .cb = on_take,
	    .arg = &s};
	int64_t began = clock_mono_us_fresh(), took;

	store_take(w->store, &t);
	wait_for(w, &s);
	took = clock_mono_us_fresh() - began;
	assert_int_equal(s.err, ERR_OK);
	assert_int_equal(s.n, 0);
	assert_true(took >= 200 * 1000);
}

static void
case_request_id(struct world *w)
{
	struct seen s = {0}, again = {0};
	struct store_take t = {.queue = Q,
	    .worker = SPAN("w1"),
	    .request_id = SPAN("r1"),
	    .count = 2,
	    .cb = on_take,
	    .arg = &s};

	push_id(w, "1");
	push_id(w, "2");
	push_id(w, "3");
	store_take(w->store, &t);
	wait_for(w, &s);
	assert_int_equal(s.n, 2);
	t.arg = &again;
	store_take(w->store, &t);
	wait_for(w, &again);
	assert_int_equal(again.n, 2);
	assert_string_equal(again.ids[0], s.ids[0]);
	assert_int_equal(again.attempts[1], 1);
	assert_int_equal(again.lease_until, s.lease_until);
	assert_int_equal(queue_now(w).queue.counts[TASK_TODO], 1);
}

/* The client gives up while Redis is slow, and asks again with the same
 * request id: what is put back must not be what the repeat was given. */
static void
case_request_id_leaves(struct world *w)
{
	struct seen first = {0}, again = {0};
	struct store_take a = {.queue = Q,
	    .worker = SPAN("w1"),
	    .request_id = SPAN("r1"),
	    .count = 2,
	    .cb = on_take,
	    .arg = &first};
	struct store_take b = a;

	b.arg = &again;
	push_id(w, "1");
	kill(w->redis.pid, SIGSTOP);
	store_take(w->store, &a);
	run_for(w->loop, 20);
	store_take_leave(w->store, &a);
	store_take(w->store, &b);
	run_for(w->loop, 20);
	kill(w->redis.pid, SIGCONT);
	wait_for(w, &first);
	wait_for(w, &again);
	assert_int_equal(first.err, ERR_CLIENT_GONE);
	assert_int_equal(again.n, 1);
	run_for(w->loop, 50);
	assert_state(w, "1", TASK_DOING);
	assert_int_equal(
	    report(w, "w1", "1", false, "").reported[0].err, ERR_OK);
}

/* Nobody repeats in time: it goes back, and the repeat is the first. */
static void
case_request_id_given_back(struct world *w)
{
	struct seen s = {0};
	struct store_take t = {.queue = Q,
	    .worker = SPAN("w1"),
	    .request_id = SPAN("r1"),
	    .count = 2,
	    .cb = on_take,
	    .arg = &s};
	struct store_take again = t;

	push_id(w, "1");
	kill(w->redis.pid, SIGSTOP);
	store_take(w->store, &t);
	run_for(w->loop, 20);
	store_take_leave(w->store, &t);
	kill(w->redis.pid, SIGCONT);
	wait_for(w, &s);
	run_for(w->loop, 50);
	assert_state(w, "1", TASK_TODO);
	memset(&s, 0, sizeof(s));
	store_take(w->store, &again);
	wait_for(w, &s);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.attempts[0], 1);
	assert_int_equal(store_queue_counters(w->store, Q)->taken, 1);
}

/* Whose request id is used up has nothing to wait for: it would stand in
 * front of those who wait for work. */
static void
case_request_id_spent(struct world *w)
{
	struct seen s = {0};
	struct store_take t = {.queue = Q,
	    .worker = SPAN("w1"),
	    .request_id = SPAN("r1"),
	    .count = 2,
	    .wait_ms = 60000,
	    .cb = on_take,
	    .arg = &s};

	push_id(w, "1");
	store_take(w->store, &t);
	wait_for(w, &s);
	assert_int_equal(s.n, 1);
	report(w, "w1", "1", false, "");
	memset(&s, 0, sizeof(s));
	store_take(w->store, &t);
	wait_for(w, &s);
	assert_int_equal(s.err, ERR_OK);
	assert_int_equal(s.n, 0);
	assert_int_equal(store_waiting(w->store), 0);
}

/* Nothing is left to send: that makes no queue, and no call without tasks. */
static void
case_push_nothing(struct world *w)
{
	static char payload[64 * 1024 + 1];
	struct store_task t = {.id = SPAN("1"),
	    .payload = {payload, sizeof(payload)},
	    .lane = LANE_NORMAL};
	struct seen s;

	memset(payload, '1', sizeof(payload));
	s = push(w, &t, 1);
	assert_int_equal(s.pushed[0].err, ERR_PAYLOAD_TOO_LARGE);
	assert_int_equal(take(w, "w1", 1, 0).n, 0);
	assert_int_equal(store_queue_count(w->store), 0);
	memset(&s, 0, sizeof(s));
	store_queue_get(w->store, Q, on_queue, &s);
	wait_for(w, &s);
	assert_int_equal(s.err, ERR_QUEUE_UNKNOWN);
}

static void
case_pause(struct world *w)
{
	struct store_policy_change change = {.paused = 1};
	struct seen s = {0};

	push_id(w, "1");
	store_queue_set(w->store, Q, &change, on_queue, &s);
	wait_for(w, &s);
	assert_true(s.queue.paused);
	s = take(w, "w1", 1, 0);
	assert_int_equal(s.n, 0);
	assert_true(s.paused);
	assert_int_equal(push_id(w, "2").pushed[0].err, ERR_OK);
	change.paused = 0;
	memset(&s, 0, sizeof(s));
	store_queue_set(w->store, Q, &change, on_queue, &s);
	wait_for(w, &s);
	assert_int_equal(take(w, "w1", 5, 0).n, 2);
}

static void
case_remove_and_cancel(struct world *w)
{
	struct seen s = {0};

	push_id(w, "1");
	push_id(w, "2");
	take(w, "w1", 1, 0);
	store_task_remove(w->store, Q, SPAN("1"), on_task, &s);
	wait_for(w, &s);
	assert_int_equal(s.task.state, TASK_DOING);
	assert_state(w, "1", TASK_GONE);
	assert_int_equal(report(w, "w1", "1", false, "").reported[0].err,
	    ERR_TASK_CANCELLED);
	memset(&s, 0, sizeof(s));
	store_task_remove(w->store, Q, SPAN("2"), on_task, &s);
	wait_for(w, &s);
	assert_int_equal(s.task.state, TASK_TODO);
	memset(&s, 0, sizeof(s));
	store_task_remove(w->store, Q, SPAN("2"), on_task, &s);
	wait_for(w, &s);
	assert_int_equal(s.err, ERR_TASK_UNKNOWN);
	assert_int_equal(queue_now(w).queue.counts[TASK_TODO], 0);
}

/* The glob in Lua means the same as the one in C. */
static void
case_act_on_sets(struct world *w)
{
	static const char *const globs[] = {"*", "a-*", "?-1", "*5", "[ab]-*",
	    "[^a]-*", "a-[3-1]", "[a\\-c]-1", "a-[1-3]", "*-*-*", "", "a\\-1",
	    "*a*1*", "[", "a-[1"};
	static const char *const names[] = {
	    "a-1", "a-2", "a-3", "b-1", "b-5", "c-5", "[", "a-[1"};
	struct store_filter f = {.state = TASK_TODO};
	struct seen s;

	for (size_t i = 0; i < COUNT_OF(names); i++)
		push_id(w, names[i]);
	for (size_t g = 1; g <= COUNT_OF(globs); g++) {
		size_t expected = 0;

		f.match = span_of(globs[g % COUNT_OF(globs)]);
		if (f.match.len == 0)
			continue; /* an empty one is refused above us */
		for (size_t i = 0; i < COUNT_OF(names); i++)
			expected += glob_match(f.match, span_of(names[i]));
		s = act(w, STORE_PURGE, true, &f);
		assert_int_equal(s.err, ERR_OK);
		assert_int_equal(s.count, expected);
		assert_int_equal(s.looked, COUNT_OF(names));
	}
	assert_int_equal(queue_now(w).queue.counts[TASK_TODO], 8);
	f.match = SPAN("b-*");
	s = act(w, STORE_PURGE, false, &f);
	assert_int_equal(s.count, 2);
	assert_state(w, "b-1", TASK_GONE);
	memset(&s, 0, sizeof(s));
	f.match = SPAN("");
	store_task_list(w->store, Q, &f, SPAN(""), 8, on_page, &s);
	wait_for(w, &s);
	assert_int_equal(s.n, 6);
	assert_string_equal(s.after, "");
	memset(&s, 0, sizeof(s));
	f.match = SPAN("a*");
	store_task_list(w->store, Q, &f, SPAN("1:0"), 8, on_page, &s);
	wait_for(w, &s);
	assert_int_equal(s.n, 4);
	assert_string_equal(s.ids[0], "a-1");
	assert_string_equal(s.ids[3], "a-[1");
}

static void
case_replay_dead(struct world *w)
{
	const struct span ids[] = {SPAN("1"), SPAN("3"), SPAN("zzz")};
	struct store_report_item items[3];
	struct store_filter f = {.state = TASK_DEAD, .ids = ids, .id_count = 3};
	struct seen s = {0};

	push_id(w, "1");
	push_id(w, "2");
	push_id(w, "3");
	take(w, "w1", 3, 0);
	memset(items, 0, sizeof(items));
	items[0].id = SPAN("1");
	items[1].id = SPAN("2");
	items[2].id = SPAN("3");
	for (int i = 0; i < 3; i++)
		items[i].failed = items[i].no_retry = true;
	store_report(w->store, Q, SPAN("w1"), items, 3, on_report, &s);
	wait_for(w, &s);
	assert_true(s.reported[0].dead && s.reported[2].dead);
	s = act(w, STORE_RETRY, false, &f);
	assert_int_equal(s.count, 2);
	assert_state(w, "2", TASK_DEAD);
	s = take(w, "w1", 5, 0);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.attempts[0], 1);
	f.state = TASK_TODO;
	s = act(w, STORE_RETRY, false, &f);
	assert_int_equal(s.err, ERR_STATE_UNKNOWN);
}

static void
case_trim(struct world *w)
{
	struct store_policy_change change = {
	    .set = 1u << POLICY_FINISH_KEEP, .paused = -1};
	struct seen s = {0};

	push_id(w, "1");
	push_id(w, "2");
	push_id(w, "3");
	take(w, "w1", 3, 0);
	report(w, "w1", "1", false, "");
	report(w, "w1", "2", false, "");
	clock_set_offset_ms(1 * SECOND);
	report(w, "w1", "3", false, "");
	change.values[POLICY_FINISH_KEEP] = 2;
	store_queue_set(w->store, Q, &change, on_queue, &s);
	wait_for(w, &s);
	assert_true(store_duty_is_due(w->store, DUTY_FINISH, Q));
	assert_int_equal(duty(w, DUTY_FINISH).count, 1);
	assert_state(w, "1", TASK_GONE);
	clock_set_offset_ms(7LL * DAY + 500);
	assert_int_equal(duty(w, DUTY_FINISH).count, 1);
	assert_state(w, "3", TASK_FINISH);
}

static void
case_workers(struct world *w)
{
	struct seen s = {0};

	push_id(w, "1");
	take(w, "w1", 1, 0);
	store_worker_seen(
	    w->store, SPAN("w1"), "127.0.0.1:1", true, SPAN("{}"));
	store_worker_list(w->store, on_workers, &s);
	wait_for(w, &s);
	assert_int_equal(s.n, 1);
	assert_string_equal(s.ids[0], "w1");
	assert_int_equal(s.held, 1);
	memset(&s, 0, sizeof(s));
	store_worker_remove(w->store, SPAN("w1"), on_count, &s);
	wait_for(w, &s);
	assert_int_equal(s.err, ERR_OK);
	assert_int_equal(s.count, 1);
	assert_state(w, "1", TASK_TODO);
	memset(&s, 0, sizeof(s));
	store_worker_remove(w->store, SPAN("w1"), on_count, &s);
	wait_for(w, &s);
	assert_int_equal(s.err, ERR_WORKER_UNKNOWN);
}

static void
case_unknown_queue(struct world *w)
{
	struct seen s = {0};

	store_queue_get(w->store, SPAN("nope"), on_queue, &s);
	assert_int_equal(s.calls, 0);
	wait_for(w, &s);
	assert_int_equal(s.err, ERR_QUEUE_UNKNOWN);
	memset(&s, 0, sizeof(s));
	store_task_get(w->store, SPAN("nope"), SPAN("x"), on_task, &s);
	wait_for(w, &s);
	assert_int_equal(s.err, ERR_QUEUE_UNKNOWN);
}

struct listing {
	struct world *world;
	struct seen pushed;
	unsigned ticks;
};

/* The list of queues was just asked for: what is pushed now is not in it. */
static void
listing_on_tick(enum err err, uint64_t count, void *arg)
{
	struct store_task t = {
	    .id = SPAN("n"), .payload = SPAN("1"), .lane = LANE_NORMAL};
	struct listing *l = arg;

	(void)count;
	assert_int_equal(err, ERR_OK);
	if (l->ticks++ == 0)
		store_push(
		    l->world->store, SPAN("new"), &t, 1, on_push, &l->pushed);
}

static void
case_new_while_listed(struct world *w)
{
	struct listing l = {.world = w};
	struct seen s = {0};

	push_id(w, "a");
	assert_int_equal(
	    test_redis_integer(&w->redis, "SADD sched:queues other"), 1);
	store_tick(w->store, listing_on_tick, &l);
	wait_for(w, &l.pushed);
	assert_int_equal(l.pushed.err, ERR_OK);
	store_queue_get(w->store, SPAN("new"), on_queue, &s);
	wait_for(w, &s);
	assert_int_equal(s.err, ERR_OK);
}

static struct seen
drop(struct world *w, bool force)
{
	struct seen s = {0};

	store_queue_remove(w->store, Q, force, on_removed, &s);
	assert_int_equal(s.calls, 0);
	wait_for(w, &s);
	return s;
}

static void
case_drop(struct world *w)
{
	struct seen s = drop(w, true), r = {0};

	assert_int_equal(s.err, ERR_QUEUE_UNKNOWN);
	push_id(w, "1");
	push_id(w, "2");
	take(w, "w1", 1, 0);
	s = drop(w, false);
	assert_int_equal(s.err, ERR_QUEUE_NOT_EMPTY);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.count, 2);
	assert_state(w, "1", TASK_DOING);
	s = drop(w, true);
	assert_int_equal(s.err, ERR_OK);
	assert_int_equal(s.count, 2);
	assert_int_equal(test_redis_integer(&w->redis, "DBSIZE"),
	    test_redis_integer(&w->redis,
		"EXISTS sched:store sched:schedds sched:workers "
		"sched:worker:w1 sched:tokens sched:audit"));
	assert_int_equal(drop(w, true).err, ERR_QUEUE_UNKNOWN);
	/* What is pushed behind it, at once, is of a new queue. */
	push_id(w, "3");
	store_queue_remove(w->store, Q, true, on_removed, &r);
	s = push_id(w, "3");
	assert_int_equal(s.err, ERR_OK);
	assert_int_equal(s.pushed[0].known, TASK_GONE);
	wait_for(w, &r);
	assert_int_equal(r.err, ERR_OK);
	assert_int_equal(queue_now(w).queue.totals.pushed, 1);
	assert_int_equal(
	    test_redis_integer(&w->redis, "SISMEMBER sched:queues q"), 1);
}

static void
case_gathering(struct world *w)
{
	struct seen p[5], t[3];
	struct store_take take_ops[3];
	long long calls;

	memset(p, 0, sizeof(p));
	memset(t, 0, sizeof(t));
	memset(take_ops, 0, sizeof(take_ops));
	calls = test_redis_integer(&w->redis, "EXISTS sched:queues");
	assert_int_equal(calls, 0);
	for (int i = 0; i < 5; i++) {
		char id[2] = {(char)('a' + i), '\0'};
		struct store_task task = {
		    .id = {id, 1}, .payload = SPAN("1"), .lane = LANE_NORMAL};

		store_push(w->store, Q, &task, 1, on_push, &p[i]);
	}
	for (int i = 0; i < 3; i++) {
		take_ops[i] = (struct store_take){.queue = Q,
		    .worker = SPAN("w"),
		    .count = 2,
		    .cb = on_take,
		    .arg = &t[i]};
		store_take(w->store, &take_ops[i]);
	}
	for (int i = 0; i < 3; i++)
		wait_for(w, &t[i]);
	for (int i = 0; i < 5; i++)
		assert_int_equal(p[i].calls, 1);
	assert_int_equal(t[0].n, 2);
	assert_int_equal(t[1].n, 2);
	assert_int_equal(t[2].n, 1);
	assert_string_equal(t[2].ids[0], "e");
}

/* While a call is under way, more pushes gather in the next one. */
static void
case_gathering_under_way(struct world *w)
{
	unsigned slot = metric_series(METRIC_STORE_CALLS, "push");
	double before = metric_read_series(METRIC_STORE_CALLS, slot);
	struct seen p[6];

	memset(p, 0, sizeof(p));
	freeReplyObject(
	    test_redis_command(&w->redis, "CLIENT PAUSE 200 WRITE"));
	for (int i = 0; i < 6; i++) {
		char id[2] = {(char)('a' + i), '\0'};
		struct store_task task = {
		    .id = {id, 1}, .payload = SPAN("1"), .lane = LANE_NORMAL};

		store_push(w->store, Q, &task, 1, on_push, &p[i]);
		run_for(w->loop, 5);
	}
	assert_int_equal(p[0].calls, 0);
	for (int i = 0; i < 6; i++) {
		wait_for(w, &p[i]);
		assert_int_equal(p[i].err, ERR_OK);
	}
	assert_int_equal(
	    metric_read_series(METRIC_STORE_CALLS, slot) - before, 2);
}

/* The answer of a report got lost and it is sent again: in the same turn, and
 * later. */
static void
case_report_twice(struct world *w)
{
	struct store_report_item item = {.id = SPAN("1")};
	struct seen r[2];

	memset(r, 0, sizeof(r));
	push_id(w, "1");
	take(w, "w1", 1, 0);
	for (int i = 0; i < 2; i++)
		store_report(
		    w->store, Q, SPAN("w1"), &item, 1, on_report, &r[i]);
	wait_for(w, &r[0]);
	wait_for(w, &r[1]);
	assert_int_equal(r[0].reported[0].err, ERR_OK);
	assert_int_equal(r[1].reported[0].err, ERR_OK);
	assert_int_equal(
	    report(w, "w1", "1", false, "").reported[0].err, ERR_OK);
	assert_int_equal(
	    report(w, "w2", "1", false, "").reported[0].err, ERR_LEASE_LOST);
	assert_int_equal(queue_now(w).queue.totals.finished, 1);
	assert_int_equal(queue_now(w).queue.counts[TASK_FINISH], 1);
	assert_int_equal(store_queue_counters(w->store, Q)->finished, 1);
}

static void
case_refused_by_redis(struct world *w)
{
	struct seen s;

	push_id(w, "1");
	test_redis_integer(&w->redis, "DEL sched:{q}:task");
	test_redis_integer(&w->redis, "LPUSH sched:{q}:task x");
	s = push_id(w, "2");
	assert_int_equal(s.err, ERR_PUSH_ONE);
	s = take(w, "w", 1, 0);
	assert_int_equal(s.err, ERR_TAKE);
}

static void
case_killed_in_flight(struct world *w)
{
	struct seen p = {0}, q = {0};
	struct store_task t = {
	    .id = SPAN("k"), .payload = SPAN("1"), .lane = LANE_NORMAL};

	push_id(w, "before");
	test_redis_kill(&w->redis);
	store_push(w->store, Q, &t, 1, on_push, &p);
	wait_for(w, &p);
	assert_true(p.err == ERR_STORE_UNKNOWN || p.err == ERR_REDIS_DOWN);
	test_redis_restart(&w->redis);
	assert_true(run_until(w->loop, world_is_ready, w, LIMIT_MS));
	store_task_get(w->store, Q, SPAN("before"), on_task, &q);
	wait_for(w, &q);
	assert_int_equal(q.err, ERR_OK);
}

/* ---- running them ------------------------------------------------------ */

typedef void case_fn(struct world *w);

static const struct {
	const char *name;
	case_fn *fn;
} cases[] = {
    {"push_take_finish", case_push_take_finish},
    {"fail_retry_dead", case_fail_retry_dead},
    {"lease_over", case_lease_over},
    {"late_finish", case_late_finish},
    {"delayed_and_options", case_delayed_and_options},
    {"full_and_too_large", case_full_and_too_large},
    {"waiting_take", case_waiting_take},
    {"wait_ends", case_wait_ends},
    {"request_id", case_request_id},
    {"request_id_leaves", case_request_id_leaves},
    {"request_id_given_back", case_request_id_given_back},
    {"request_id_spent", case_request_id_spent},
    {"push_nothing", case_push_nothing},
    {"pause", case_pause},
    {"remove_and_cancel", case_remove_and_cancel},
    {"act_on_sets", case_act_on_sets},
    {"replay_dead", case_replay_dead},
    {"trim", case_trim},
    {"workers", case_workers},
    {"unknown_queue", case_unknown_queue},
    {"new while listed", case_new_while_listed},
    {"drop", case_drop},
    {"gathering", case_gathering},
    {"gathering under way", case_gathering_under_way},
    {"report_twice", case_report_twice},
    {"refused_by_redis", case_refused_by_redis},
    {"killed_in_flight", case_killed_in_flight},
};

struct run {
	size_t index;
	bool through_proxy;
};

static void
run_case(void **state)
{
	const struct run *r = *state;
	struct world w;

	world_begin(&w, r->through_proxy, "--janitor.slice=1000");
	cases[r->index].fn(&w);
	world_end(&w);
}

int
main(void)
{
	static struct run runs[2 * COUNT_OF(cases)];
	struct CMUnitTest tests[2 * COUNT_OF(cases)];

	for (size_t i = 0; i < COUNT_OF(runs); i++) {
		runs[i].index = i / 2;
		runs[i].through_proxy = i % 2 == 1;
		tests[i] = (struct CMUnitTest){
		    .name = cases[i / 2].name,
		    .test_func = run_case,
		    .initial_state = &runs[i],
		};
	}
	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
