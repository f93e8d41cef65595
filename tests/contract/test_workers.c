/*
 * Workers as the store has them: listed, removed, and heard of in greater
 * numbers than it remembers.
 */

#include "tests/contract/store_fixture.h"

#include <stdio.h>
#include <string.h>

static void
case_workers(struct world *w)
{
	const struct store_worker w1 = {SPAN("w1"), SPAN("*"), "127.0.0.1:1"};
	struct seen s = {0};

	push_id(w, "1");
	take(w, "w1", 1, 0);
	store_worker_heartbeat(w->store, &w1, SPAN("{}"), on_done, &s);
	assert_int_equal(s.calls, 0);
	wait_for(w, &s);
	assert_int_equal(s.err, ERR_OK);
	memset(&s, 0, sizeof(s));
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

/* More names in one turn than are kept: what is answered is not dropped. */
static void
case_workers_flood(struct world *w)
{
	const struct store_worker known = {
	    SPAN("known"), SPAN("*"), "127.0.0.1:1"};
	const struct store_worker late = {
	    SPAN("late"), SPAN("*"), "127.0.0.1:1"};
	struct seen first = {0}, again = {0}, s = {0}, then = {0};
	char name[16];

	store_worker_heartbeat(w->store, &known, SPAN("{}"), on_done, &first);
	wait_for(w, &first);
	assert_int_equal(first.err, ERR_OK);
	for (int i = 0; i < 12000; i++) {
		struct store_worker made_up = {
		    {name, 0}, SPAN("*"), "127.0.0.1:1"};

		made_up.name.len =
		    (size_t)snprintf(name, sizeof(name), "n%d", i);
		store_worker_seen(w->store, &made_up);
	}
	store_worker_heartbeat(w->store, &known, SPAN(""), on_done, &again);
	store_worker_heartbeat(w->store, &late, SPAN(""), on_done, &s);
	assert_int_equal(again.calls + s.calls, 0);
	wait_for(w, &again);
	wait_for(w, &s);
	assert_int_equal(again.err, ERR_OK);
	assert_int_equal(s.err, ERR_TOO_MANY_WORKERS);
	then.err = ERR_TOO_MANY_WORKERS;
	/* Until the others are written. */
	for (int i = 0; i < 1000 && then.err == ERR_TOO_MANY_WORKERS; i++) {
		memset(&then, 0, sizeof(then));
		store_worker_heartbeat(
		    w->store, &late, SPAN(""), on_done, &then);
		wait_for(w, &then);
	}
	assert_int_equal(then.err, ERR_OK);
	assert_int_equal(
	    test_redis_integer(&w->redis, "ZCARD sched:workers"), 7501);
}

/* What it is told is what became of the heartbeat, not of what it said before:
 * as no more than a name it would be refused. */
static void
case_heartbeat_behind_another(struct world *w)
{
	const struct store_worker late = {
	    SPAN("late"), SPAN("*"), "127.0.0.1:1"};
	struct seen ticked = {0}, s = {0};

	assert_int_equal(
	    test_redis_integer(&w->redis, "ZADD sched:workers 1 a 1 b 1 c"), 3);
	store_worker_seen(w->store, &late);
	store_tick(w->store, on_count, &ticked);
	store_worker_heartbeat(w->store, &late, SPAN(""), on_done, &s);
	wait_for(w, &s);
	assert_int_equal(s.err, ERR_OK);
	assert_int_equal(test_redis_integer(&w->redis, "ZCARD sched:beats"), 1);
	if (ticked.calls == 0)
		wait_for(w, &ticked);
}

/* The other way round: it is not told that it is in when only its name is. */
static void
case_heartbeat_not_let_in(struct world *w)
{
	const struct store_worker late = {
	    SPAN("late"), SPAN("*"), "127.0.0.1:1"};
	struct seen ticked = {0}, s = {0};

	assert_int_equal(test_redis_integer(&w->redis,
			     "ZADD sched:beats 9e15 a 9e15 b 9e15 c 9e15 d"),
	    4);
	store_worker_seen(w->store, &late);
	store_tick(w->store, on_count, &ticked);
	store_worker_heartbeat(w->store, &late, SPAN(""), on_done, &s);
	wait_for(w, &s);
	assert_int_equal(s.err, ERR_TOO_MANY_WORKERS);
	if (ticked.calls == 0)
		wait_for(w, &ticked);
}

static void
run_few(void **state)
{
	void (*const *fn)(struct world *) = *state;
	struct world w;

	world_begin(&w, false, "--limits.max_workers=4");
	(*fn)(&w);
	world_end(&w);
}

static void
run_case(void **state)
{
	void (*const *fn)(struct world *) = *state;
	struct world w;

	world_begin(&w, false, "--janitor.slice=1000");
	(*fn)(&w);
	world_end(&w);
}

int
main(void)
{
	static void (*cases[])(struct world *) = {case_workers,
	    case_workers_flood, case_heartbeat_behind_another,
	    case_heartbeat_not_let_in};
	struct CMUnitTest tests[] = {
	    {"workers", run_case, NULL, NULL, &cases[0]},
	    {"workers_flood", run_case, NULL, NULL, &cases[1]},
	    {"heartbeat_behind_another", run_few, NULL, NULL, &cases[2]},
	    {"heartbeat_not_let_in", run_few, NULL, NULL, &cases[3]},
	};

	return cmocka_run_group_tests_name("workers", tests, NULL, NULL);
}
