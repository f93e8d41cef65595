/*
 * Sets of tasks: filters, limits, places to go on from, against a real Redis.
 */

#include "tests/contract/store_fixture.h"

#include <string.h>

#include "core/clock.h"
#include "core/loop.h"

/* ---- short forms ------------------------------------------------------- */

static void
push_n(struct world *w, const char *prefix, int first, int count)
{
	char id[32];

	for (int i = first; i < first + count; i++) {
		snprintf(id, sizeof(id), "%s%04d", prefix, i);
		push_id(w, id);
	}
}

/* Pushed, taken by that worker and failed for good with that error. */
static void
make_dead(struct world *w, const char *id, const char *worker, const char *text)
{
	struct store_report_item item = {.id = span_of(id),
	    .text = span_of(text),
	    .failed = true,
	    .no_retry = true};
	struct store_task task = {
	    .id = span_of(id), .payload = SPAN("1"), .lane = LANE_HIGH};
	struct seen s = {0};

	assert_int_equal(push(w, &task, 1).err, ERR_OK);
	assert_string_equal(take(w, worker, 1, 0).ids[0], id);
	store_report(w->store, Q, span_of(worker), &item, 1, on_report, &s);
	wait_for(w, &s);
	assert_int_equal(s.reported[0].err, ERR_OK);
	assert_true(s.reported[0].dead);
}

static struct seen
page(struct world *w, const struct store_filter *f, const char *after)
{
	struct seen s = {0};

	store_task_list(w->store, Q, f, span_of(after), 8, on_page, &s);
	wait_for(w, &s);
	assert_int_equal(s.err, ERR_OK);
	return s;
}

/* What is counted is what a page shows and what is then acted on. */
static void
assert_meant(struct world *w, const struct store_filter *f, uint64_t expected)
{
	assert_int_equal(act(w, STORE_PURGE, true, f).count, expected);
	assert_int_equal(page(w, f, "").n, expected);
}

static void
move_clock(int64_t ms)
{
	clock_set_offset_ms(clock_offset_ms() + ms);
}

/* ---- the cases --------------------------------------------------------- */

/* The glob in Lua means the same as the one in C, whatever is in it. */
static void
case_globs(struct world *w)
{
	static const char alphabet[] = "ab-*?[]^\\%.";
	static const char *const names[] = {"a", "b", "-", "aa", "ab", "ba",
	    "a-b", "[a]", "a*b", "a?", "\\", "^", "%a", "a.b", "]", "abab-ab"};
	struct store_filter f = {.state = TASK_TODO};
	unsigned seed = 7;
	char glob[9];

	for (size_t i = 0; i < COUNT_OF(names); i++)
		push_id(w, names[i]);
	for (int round = 0; round < 600; round++) {
		size_t expected = 0, len = 1 + (size_t)round % 8;

		for (size_t i = 0; i < len; i++) {
			seed = seed * 1103515245 + 12345;
			glob[i] =
			    alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		f.match = (struct span){glob, len};
		for (size_t i = 0; i < COUNT_OF(names); i++)
			expected += glob_match(f.match, span_of(names[i]));
		glob[len] = '\0';
		if (act(w, STORE_PURGE, true, &f).count != expected)
			fail_msg("%s: expected %zu", glob, expected);
	}
}

static void
case_error_match(struct world *w)
{
	struct store_filter f = {
	    .state = TASK_DEAD, .error_match = SPAN("TIME")};

	make_dead(w, "a", "w1", "Timeout after 30 s");
	make_dead(w, "b", "w1", "no route");
	make_dead(w, "c", "w2", "a TIMEOUT [x]");
	make_dead(w, "d", "w2", "");
	assert_meant(w, &f, 2);
	f.error_match = SPAN("[x]");
	assert_meant(w, &f, 1);
	f.error_match = SPAN("t.*t");
	assert_meant(w, &f, 0);
	f.error_match = SPAN("timeo");
	f.match = SPAN("[b-z]");
	assert_meant(w, &f, 1);
	assert_int_equal(act(w, STORE_RETRY, false, &f).count, 1);
	assert_state(w, "c", TASK_TODO);
	assert_state(w, "a", TASK_DEAD);
	/* It keeps its last error, and when that was. */
	assert_true(show(w, "c").task.failed_at > 0);
	assert_string_equal(show(w, "c").text[1], "a TIMEOUT [x]");
}

static void
case_older(struct world *w)
{
	struct store_filter f = {.has_age = true, .older_ms = 60 * SECOND};
	static const enum task_state states[] = {TASK_TODO, TASK_DELAYED,
	    TASK_DOING, TASK_FAILED, TASK_FINISH, TASK_DEAD};
	struct store_task later = {
	    .id = SPAN("y"), .payload = SPAN("1"), .delay_ms = DAY};
	char id[3] = "a0";

	for (int round = 0; round < 2; round++) {
		id[1] = (char)('0' + round);
		id[0] = 'g';
		push_id(w, id);
		take(w, "w1", 1, DAY);
		id[0] = 'f';
		push_id(w, id);
		take(w, "w1", 1, DAY);
		report(w, "w1", id, false, "");
		id[0] = 'r';
		push_id(w, id);
		take(w, "w1", 1, DAY);
		report(w, "w1", id, true, "no");
		id[0] = 'x';
		make_dead(w, id, "w1", "no");
		later.id = round == 0 ? SPAN("y0") : SPAN("y1");
		assert_int_equal(push(w, &later, 1).err, ERR_OK);
		id[0] = 't';
		push_id(w, id);
		/* The next take must not get it. */
		if (round == 0)
			for (size_t i = 0; i < COUNT_OF(states); i++) {
				f.state = states[i];
				assert_meant(w, &f, 0);
			}
		if (round == 1)
			break;
		assert_int_equal(take(w, "w2", 1, 0).n, 1);
		move_clock(70 * SECOND);
	}
	for (size_t i = 1; i < COUNT_OF(states); i++) {
		f.state = states[i];
		/* doing: t0 is held, too. */
		assert_meant(w, &f, states[i] == TASK_DOING ? 2 : 1);
	}
	f.state = TASK_TODO;
	assert_meant(w, &f, 0);
	move_clock(70 * SECOND);
	assert_meant(w, &f, 1);
	f.older_ms = 0;
	f.state = TASK_DEAD;
	assert_meant(w, &f, 2);
}

static void
case_worker(struct world *w)
{
	struct store_filter f = {.state = TASK_DOING, .worker = SPAN("w1")};

	push_n(w, "t", 0, 6);
	take(w, "w1", 3, 0);
	take(w, "w11", 3, 0);
	assert_meant(w, &f, 3);
	report(w, "w1", "t0000", false, "");
	report(w, "w11", "t0005", false, "");
	assert_meant(w, &f, 2);
	f.state = TASK_FINISH;
	assert_meant(w, &f, 1);
	assert_int_equal(act(w, STORE_PURGE, false, &f).count, 1);
	assert_state(w, "t0000", TASK_GONE);
	assert_state(w, "t0005", TASK_FINISH);
	f.state = TASK_DOING;
	assert_int_equal(act(w, STORE_PURGE, false, &f).count, 2);
	assert_int_equal(report(w, "w1", "t0001", false, "").reported[0].err,
	    ERR_TASK_CANCELLED);
	assert_int_equal(
	    report(w, "w11", "t0003", false, "").reported[0].err, ERR_OK);
}

/* Steps of a limit: nothing twice, nothing left out, the end is said. */
static void
steps(struct world *w, enum task_state state, const char *prefix)
{
	char glob[16];
	struct store_filter f = {.state = state};
	uint64_t counted = 0, done = 0, looked = 0;
	struct seen s = {0};

	snprintf(glob, sizeof(glob), "%s*[05]", prefix);
	f.match = span_of(glob);
	for (int i = 0; i == 0 || s.after[0] != '\0'; i++) {
		s = act_from(w, STORE_PURGE, true, &f, 7, s.after);
		assert_int_equal(s.err, ERR_OK);
		assert_true(s.count <= 7);
		counted += s.count;
		looked += s.looked;
		assert_true(i < 20);
	}
	assert_int_equal(counted, 60);
	assert_int_equal(looked, 300);
	for (int i = 0; i == 0 || s.after[0] != '\0'; i++) {
		s = act_from(w, STORE_PURGE, false, &f, 7, s.after);
		assert_int_equal(s.err, ERR_OK);
		assert_true(s.count <= 7);
		done += s.count;
		assert_true(i < 20);
	}
	assert_int_equal(done, 60);
	assert_int_equal(act(w, STORE_PURGE, true, &f).count, 0);
	assert_int_equal(queue_now(w).queue.counts[state], 240);
}

static void
case_steps_todo(struct world *w)
{
	struct store_task t = {.id = SPAN("high"), .payload = SPAN("1")};

	push_n(w, "t", 0, 299);
	t.lane = LANE_HIGH;
	t.id = SPAN("t0299");
	assert_int_equal(push(w, &t, 1).err, ERR_OK);
	steps(w, TASK_TODO, "t");
	/* In their order. */
	assert_string_equal(take(w, "w1", 1, 0).ids[0], "t0299");
	assert_string_equal(take(w, "w1", 1, 0).ids[0], "t0001");
	assert_string_equal(take(w, "w1", 1, 0).ids[0], "t0002");
	assert_string_equal(take(w, "w1", 4, 0).ids[3], "t0007");
}

static void
case_steps_doing(struct world *w)
{
	push_n(w, "t", 0, 300);
	for (int i = 0; i < 60; i++)
		take(w, "w1", 5, 0);
	steps(w, TASK_DOING, "t");
}

/* A place stays good when tasks come to the end and leave it. */
static void
case_moving_end(struct world *w)
{
	struct store_filter f = {.state = TASK_TODO, .match = SPAN("t*")};
	struct seen s, r = {0};
	char after[320];

	push_n(w, "t", 0, 20);
	s = act_from(w, STORE_PURGE, true, &f, 5, "");
	assert_int_equal(s.count, 5);
	memcpy(after, s.after, sizeof(after));
	push_n(w, "t", 20, 30);
	s = act_from(w, STORE_PURGE, true, &f, 0, after);
	assert_int_equal(s.count, 15);
	assert_string_equal(s.after, "");
	/* Those that were seen go: none of the others is left out. */
	s = act_from(w, STORE_PURGE, true, &f, 10, "");
	memcpy(after, s.after, sizeof(after));
	store_task_remove(w->store, Q, SPAN("t0045"), on_task, &r);
	wait_for(w, &r);
	s = act_from(w, STORE_PURGE, true, &f, 0, after);
	assert_int_equal(s.count, 40);
	/* Takes at the front only make it less. */
	take(w, "w1", 8, 0);
	s = act_from(w, STORE_PURGE, false, &f, 0, after);
	assert_int_equal(s.count, 32);
	assert_int_equal(queue_now(w).queue.counts[TASK_TODO], 9);
}

/* The same in a set, also when the last one that was seen is gone. */
static void
case_moving_set(struct world *w)
{
	struct store_filter f = {.state = TASK_DEAD, .match = SPAN("t*")};
	struct seen s, r = {0};
	char after[320], id[16];

	for (int i = 0; i < 12; i++) {
		snprintf(id, sizeof(id), "t%02d", i);
		make_dead(w, id, "w1", "no");
		move_clock(10);
	}
	s = act_from(w, STORE_PURGE, true, &f, 4, "");
	memcpy(after, s.after, sizeof(after));
	for (int i = 12; i < 15; i++) {
		snprintf(id, sizeof(id), "t%02d", i);
		make_dead(w, id, "w1", "no");
		move_clock(10);
	}
	assert_int_equal(act_from(w, STORE_PURGE, true, &f, 0, after).count, 8);
	store_task_remove(w->store, Q, SPAN("t08"), on_task, &r);
	wait_for(w, &r);
	assert_int_equal(r.task.state, TASK_DEAD);
	assert_int_equal(act_from(w, STORE_PURGE, true, &f, 0, after).count, 8);
	/* What dies again meanwhile is not acted on again, and again. */
	s = act_from(w, STORE_RETRY, false, &f, 4, "");
	assert_int_equal(s.count, 4);
	memcpy(after, s.after, sizeof(after));
	assert_int_equal(take(w, "w2", 5, 0).n, 4);
	make_dead(w, "t99", "w1", "no");
	assert_int_equal(
	    act_from(w, STORE_RETRY, true, &f, 0, after).count, 10);
}

static void
case_bad_places(struct world *w)
{
	static const char *const bad[] = {"x", "dead", "dead:", "dead:0:1:2",
	    "dead:1:0:0:", "dead:0:x:0:", "dead:0:0:x:", "dead:0:-1:0:",
	    "todo:0:0:0:", "dead:0:99999999999999999:0:", "dead:0:0:0:a b"};
	struct store_filter f = {.state = TASK_DEAD};

	make_dead(w, "a", "w1", "no");
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct seen s = act_from(w, STORE_PURGE, false, &f, 0, bad[i]);

		if (s.err != ERR_FIELD_RANGE)
			fail_msg("%s: %d", bad[i], s.err);
	}
	/* Ours, if an odd one: nothing bad comes of it. */
	assert_int_equal(
	    act_from(w, STORE_PURGE, true, &f, 0, "dead:0:7:0:x:y").err,
	    ERR_OK);
	assert_state(w, "a", TASK_DEAD);
}

/* It may end before the end, and says where. */
static void
case_partial(struct world *w)
{
	struct store_action action = {.act = STORE_PURGE, .dry_run = true};
	struct store_filter f = {.state = TASK_TODO};
	struct seen s = {0};

	push_n(w, "t", 0, 10);
	store_act_on(w->store, Q, &action, &f, on_act, &s);
	wait_for(w, &s);
	assert_int_equal(s.count, 10);
	assert_string_equal(s.after, "");
}

/* Closing ends it between two windows, too: each is answered once. */
static void
case_closing(struct world *w)
{
	struct store_action action = {.act = STORE_PURGE, .dry_run = true};
	struct store_filter f = {.state = TASK_TODO, .match = SPAN("*1")};
	struct seen s[8] = {0};

	push_n(w, "t", 0, 260); /* more than one window */
	for (size_t i = 0; i < COUNT_OF(s); i++)
		store_act_on(w->store, Q, &action, &f, on_act, &s[i]);
	push_id(w, "last");
	world_end(w);
	for (size_t i = 0; i < COUNT_OF(s); i++)
		assert_int_equal(s[i].calls, 1);
	world_begin(w, false, "--janitor.slice=1000");
}

static const struct case_row {
	const char *name;
	void (*fn)(struct world *w);
} cases[] = {
    {"globs", case_globs},
    {"error_match", case_error_match},
    {"older", case_older},
    {"worker", case_worker},
    {"steps in todo", case_steps_todo},
    {"steps in doing", case_steps_doing},
    {"moving end", case_moving_end},
    {"moving set", case_moving_set},
    {"bad places", case_bad_places},
    {"partial", case_partial},
    {"closing", case_closing},
};

static void
run_case(void **state)
{
	const struct case_row *row = *state;
	struct world w;

	world_begin(&w, false, "--janitor.slice=1000");
	row->fn(&w);
	world_end(&w);
}

int
main(void)
{
	struct CMUnitTest tests[COUNT_OF(cases)];

	for (size_t i = 0; i < COUNT_OF(cases); i++)
		tests[i] = (struct CMUnitTest){
		    .name = cases[i].name,
		    .test_func = run_case,
		    .initial_state = (void *)(uintptr_t)&cases[i],
		};
	return cmocka_run_group_tests_name("sets", tests, NULL, NULL);
}
