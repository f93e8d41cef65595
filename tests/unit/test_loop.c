/* The loop: the order of posts, timers, signals, turns and their clock. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"

enum { LIMIT_MS = 20000 }; /* no test waits longer */

/* What the callbacks of a test note down, a letter each. */
static struct {
	struct loop *loop;
	struct timer limit;
	char seen[64];
	size_t count;
} t;

static void
see(char c)
{
	assert_true(t.count < sizeof(t.seen) - 1);
	t.seen[t.count++] = c;
	t.seen[t.count] = '\0';
}

static void
on_limit(void *arg)
{
	(void)arg;
	loop_stop(t.loop);
	fail_msg("nothing came within the limit; seen: %s", t.seen);
}

static int
set_up(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	t.loop = loop_new();
	if (t.loop == NULL)
		return -1;
	timer_init(&t.limit, t.loop, on_limit, NULL);
	timer_arm_ms(&t.limit, LIMIT_MS);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	timer_clear(&t.limit);
	loop_free(t.loop);
	return 0;
}

/* The argument of a callback that notes c. */
static void *
letter(char c)
{
	static char all[128];

	all[(unsigned char)c] = c;
	return &all[(unsigned char)c];
}

static void
see_arg(void *arg)
{
	see(*(const char *)arg);
}

static void
stop_on_call(void *arg)
{
	if (arg != NULL)
		see_arg(arg);
	loop_stop(t.loop);
}

static void
spin_ms(int64_t ms)
{
	int64_t until = clock_mono_us_fresh() + ms * 1000;

	while (clock_mono_us_fresh() < until)
		;
}

/* A pipe that is ready to be read, and what hangs on it. */
struct ready {
	int fds[2];
	struct event *ev;
	void (*fn)(struct ready *r);
	char letter;
	struct post *post;
};

static void
ready_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct ready *r = arg;
	char c;

	(void)what;
	assert_int_equal(read(fd, &c, 1), 1);
	see(r->letter);
	if (r->fn != NULL)
		r->fn(r);
}

static void
ready_open(struct ready *r, char letter, void (*fn)(struct ready *r))
{
	*r = (struct ready){.letter = letter, .fn = fn};
	assert_int_equal(pipe(r->fds), 0);
	assert_int_equal(write(r->fds[1], "x", 1), 1);
	r->ev = event_new(loop_base(t.loop), r->fds[0], EV_READ | EV_PERSIST,
	    ready_on_readable, r);
	assert_int_equal(event_add(r->ev, NULL), 0);
}

static void
ready_close(struct ready *r)
{
	event_free(r->ev);
	close(r->fds[0]);
	close(r->fds[1]);
}

static void
ready_post(struct ready *r)
{
	loop_post(t.loop, r->post);
}

/* ---- posts ------------------------------------------------------------ */

static void
test_posts_run_in_order_and_once(void **state)
{
	struct post a, b, end;

	(void)state;
	post_init(&a, see_arg, letter('a'));
	post_init(&b, see_arg, letter('b'));
	post_init(&end, stop_on_call, letter('e'));
	loop_post(t.loop, &a);
	loop_post(t.loop, &b);
	loop_post(t.loop, &a);
	loop_post(t.loop, &end);
	loop_run(t.loop);
	assert_string_equal(t.seen, "abe");
}

static void
post_arg(void *arg)
{
	loop_post(t.loop, arg);
}

static void
test_last_posts_run_behind_what_others_post(void **state)
{
	struct post a, last, next, end, more;

	(void)state;
	post_init(&a, see_arg, letter('a'));
	post_init_last(&last, see_arg, letter('l'));
	post_init_last(&next, stop_on_call, letter('n'));
	post_init(&more, post_arg, &next);
	post_init(&end, post_arg, &a);
	loop_post(t.loop, &last);
	loop_post(t.loop, &more);
	loop_post(t.loop, &a);
	loop_post(t.loop, &end);
	loop_run(t.loop);
	/* The second a is of the next turn, which never comes by itself. */
	assert_string_equal(t.seen, "alna");
}

static void
test_a_post_runs_behind_what_is_ready(void **state)
{
	struct ready one, two, three;
	struct post p;

	(void)state;
	post_init(&p, stop_on_call, letter('p'));
	ready_open(&one, '1', ready_post);
	ready_open(&two, '2', ready_post);
	ready_open(&three, '3', ready_post);
	one.post = two.post = three.post = &p;
	loop_run(t.loop);
	/* In whatever order the kernel told them. */
	assert_int_equal(t.count, 4);
	assert_int_equal(t.seen[3], 'p');
	ready_close(&one);
	ready_close(&two);
	ready_close(&three);
}

struct repeater {
	struct post post;
	struct ready ready;
	unsigned rounds;
};

/* Posts itself; in the third round something becomes readable. */
static void
repeat_on_post(void *arg)
{
	struct repeater *r = arg;

	r->rounds++;
	if (r->rounds == 3)
		assert_int_equal(write(r->ready.fds[1], "x", 1), 1);
	loop_post(t.loop, &r->post);
}

static void
stop_on_second(struct ready *r)
{
	(void)r;
	if (t.count == 2)
		loop_stop(t.loop);
}

static void
test_a_post_that_posts_itself_lets_sockets_in(void **state)
{
	struct repeater r = {.rounds = 0};

	(void)state;
	post_init(&r.post, repeat_on_post, &r);
	ready_open(&r.ready, 'r', stop_on_second);
	loop_post(t.loop, &r.post);
	loop_run(t.loop);
	assert_string_equal(t.seen, "rr");
	assert_in_range(r.rounds, 3, 8);
	post_cancel(&r.post);
	ready_close(&r.ready);
}

static struct post victim;

static void
cancel_on_post(void *arg)
{
	see_arg(arg);
	post_cancel(&victim);
}

static void
test_a_cancelled_post_does_not_run(void **state)
{
	struct post killer, end;

	(void)state;
	post_init(&killer, cancel_on_post, letter('k'));
	post_init(&victim, see_arg, letter('v'));
	post_init(&end, stop_on_call, letter('e'));
	loop_post(t.loop, &victim);
	post_cancel(&victim);
	post_cancel(&victim);
	loop_post(t.loop, &killer);
	loop_post(t.loop, &victim); /* taken back in the same round */
	loop_post(t.loop, &end);
	loop_run(t.loop);
	assert_string_equal(t.seen, "ke");
}

static void
free_on_post(void *arg)
{
	see('f');
	free(arg);
	loop_stop(t.loop);
}

static void
test_a_post_may_free_its_owner(void **state)
{
	struct post *p = malloc(sizeof(*p));

	(void)state;
	assert_non_null(p);
	post_init(p, free_on_post, p);
	loop_post(t.loop, p);
	loop_run(t.loop);
	assert_string_equal(t.seen, "f");
}

/* ---- stopping --------------------------------------------------------- */

static void
ready_stop_and_post(struct ready *r)
{
	loop_stop(t.loop);
	loop_stop(t.loop);
	loop_post(t.loop, r->post);
}

static void
test_stop_runs_what_is_posted(void **state)
{
	struct ready one;
	struct post p;

	(void)state;
	post_init(&p, see_arg, letter('p'));
	ready_open(&one, '1', ready_stop_and_post);
	one.post = &p;
	loop_run(t.loop);
	assert_string_equal(t.seen, "1p");
	ready_close(&one);
}

static void
test_a_stopped_loop_runs_again(void **state)
{
	struct post p;

	(void)state;
	post_init(&p, stop_on_call, letter('p'));
	for (int i = 0; i < 3; i++) {
		loop_post(t.loop, &p);
		loop_run(t.loop);
	}
	assert_string_equal(t.seen, "ppp");
}

static void
test_posts_left_behind_are_let_go(void **state)
{
	struct post p;

	(void)state;
	post_init(&p, see_arg, letter('p'));
	loop_post(t.loop, &p);
	timer_clear(&t.limit);
	loop_free(t.loop);
	t.loop = NULL;
	post_cancel(&p); /* as its owner will */
	assert_string_equal(t.seen, "");
}

/* ---- timers ----------------------------------------------------------- */

static void
test_timers_fire_in_their_order(void **state)
{
	struct timer a, b, c, far;
	int64_t began = clock_mono_us_fresh();

	(void)state;
	timer_init(&a, t.loop, see_arg, letter('a'));
	timer_init(&b, t.loop, stop_on_call, letter('b'));
	timer_init(&c, t.loop, see_arg, letter('c'));
	timer_init(&far, t.loop, see_arg, letter('!'));
	timer_arm_ms(&far, UINT64_MAX);
	timer_arm_ms(&b, 60);
	timer_arm_ms(&c, 1999); /* over a second: carried to seconds */
	timer_arm_ms(&c, 40);   /* the last word counts */
	timer_arm_ms(&a, 20);
	loop_run(t.loop);
	assert_string_equal(t.seen, "acb");
	assert_true(clock_mono_us_fresh() - began >= 60 * 1000);
	assert_false(timer_is_armed(&a));
	assert_true(timer_is_armed(&far));
	timer_clear(&a);
	timer_clear(&b);
	timer_clear(&c);
	timer_clear(&far);
}

static void
test_a_timer_over_a_second_is_as_long(void **state)
{
	struct timer end;
	int64_t began = clock_mono_us_fresh(), took;

	(void)state;
	timer_init(&end, t.loop, stop_on_call, NULL);
	timer_arm_ms(&end, 1250);
	loop_run(t.loop);
	took = clock_mono_us_fresh() - began;
	assert_true(took >= 1249 * 1000);
	timer_clear(&end);
}

static void
test_a_disarmed_timer_is_silent(void **state)
{
	struct timer a, end;

	(void)state;
	timer_init(&a, t.loop, see_arg, letter('a'));
	timer_init(&end, t.loop, stop_on_call, letter('e'));
	assert_false(timer_is_armed(&a));
	timer_disarm(&a);
	timer_arm_ms(&a, 0);
	assert_true(timer_is_armed(&a));
	timer_disarm(&a);
	assert_false(timer_is_armed(&a));
	timer_arm_ms(&end, 10);
	loop_run(t.loop);
	assert_string_equal(t.seen, "e");
	timer_clear(&a);
	timer_clear(&a);
	assert_false(timer_is_armed(&a));
	timer_clear(&end);
}

static void
clear_on_due(void *arg)
{
	struct timer *timer = arg;

	see('c');
	timer_clear(timer);
	free(timer);
	loop_stop(t.loop);
}

static void
test_a_timer_may_free_itself(void **state)
{
	struct timer *timer = malloc(sizeof(*timer));

	(void)state;
	assert_non_null(timer);
	timer_init(timer, t.loop, clear_on_due, timer);
	timer_arm_ms(timer, 1);
	loop_run(t.loop);
	assert_string_equal(t.seen, "c");
}

/* ---- signals ---------------------------------------------------------- */

static void
see_signal(int signo, void *arg)
{
	see(signo == SIGUSR1 ? '1' : '2');
	if (arg != NULL)
		loop_stop(t.loop);
}

static void
raise_on_call(void *arg)
{
	(void)arg;
	raise(SIGUSR1);
	raise(SIGUSR2);
}

static void
test_signals_arrive_in_the_loop(void **state)
{
	struct post p;

	(void)state;
	loop_on_signal(t.loop, SIGUSR1, see_signal, NULL);
	loop_on_signal(t.loop, SIGUSR2, see_signal, letter('s'));
	post_init(&p, raise_on_call, NULL);
	loop_post(t.loop, &p);
	loop_run(t.loop);
	assert_non_null(strchr(t.seen, '1'));
	assert_non_null(strchr(t.seen, '2'));
	assert_int_equal(t.count, 2);
}

static void
test_a_broken_pipe_is_an_error_not_an_end(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	assert_int_equal(write(fds[1], "x", 1), -1);
	close(fds[1]);
}

/* ---- turns ------------------------------------------------------------ */

struct clock_look {
	struct timer timer;
	int64_t wall[3], mono[3];
	unsigned turns;
};

static void
look_on_due(void *arg)
{
	struct clock_look *look = arg;

	look->wall[look->turns] = clock_now_ms();
	look->mono[look->turns] = clock_mono_us();
	spin_ms(5);
	assert_true(look->wall[look->turns] == clock_now_ms());
	assert_true(look->mono[look->turns] == clock_mono_us());
	assert_true(clock_mono_us_fresh() - clock_mono_us() >= 5000);
	if (++look->turns == 3)
		loop_stop(t.loop);
	else
		timer_arm_ms(&look->timer, 50);
}

static void
test_the_clock_stands_still_within_a_turn_only(void **state)
{
	struct clock_look look = {.turns = 0};

	(void)state;
	timer_init(&look.timer, t.loop, look_on_due, &look);
	timer_arm_ms(&look.timer, 1);
	loop_run(t.loop);
	for (int i = 1; i < 3; i++) {
		assert_true(look.mono[i] - look.mono[i - 1] >= 54 * 1000);
		assert_true(look.wall[i] > look.wall[i - 1]);
	}
	timer_clear(&look.timer);
}

static struct {
	uint64_t longest_us, sum_us;
	unsigned turns;
} observed;

static void
observe_turn(uint64_t us)
{
	observed.turns++;
	observed.sum_us += us;
	if (us > observed.longest_us)
		observed.longest_us = us;
}

static void
spin_and_stop(void *arg)
{
	(void)arg;
	spin_ms(20);
	loop_stop(t.loop);
}

static void
test_the_observer_sees_work_and_not_the_wait(void **state)
{
	struct timer timer;
	int64_t began = clock_mono_us_fresh();
	uint64_t took_us;

	(void)state;
	memset(&observed, 0, sizeof(observed));
	loop_set_turn_observer(t.loop, observe_turn);
	timer_init(&timer, t.loop, spin_and_stop, NULL);
	timer_arm_ms(&timer, 400);
	loop_run(t.loop);
	took_us = (uint64_t)(clock_mono_us_fresh() - began);
	loop_set_turn_observer(t.loop, NULL);
	assert_true(observed.turns > 0);
	assert_true(observed.longest_us >= 20 * 1000);
	/* 400 ms were waited; half of it may go to a busy machine. */
	assert_true(observed.sum_us <= took_us - 200 * 1000);
	timer_clear(&timer);
}

static void
spin_long(struct ready *r)
{
	(void)r;
	spin_ms(3);
	if (t.count == 3)
		loop_stop(t.loop);
}

/* Three were ready at once; each makes a turn long enough. */
static void
test_a_long_turn_ends(void **state)
{
	struct ready ready[3];

	(void)state;
	memset(&observed, 0, sizeof(observed));
	loop_set_turn_observer(t.loop, observe_turn);
	for (int i = 0; i < 3; i++)
		ready_open(&ready[i], 'r', spin_long);
	loop_run(t.loop);
	loop_set_turn_observer(t.loop, NULL);
	assert_string_equal(t.seen, "rrr");
	assert_true(observed.turns >= 3);
	for (int i = 0; i < 3; i++)
		ready_close(&ready[i]);
}

/* ---- libevent's words ------------------------------------------------- */

static char last_line[4096];

static void
keep_line(const char *line, size_t len)
{
	assert_true(len < sizeof(last_line));
	memcpy(last_line, line, len);
	last_line[len] = '\0';
}

static void
test_libevent_speaks_through_the_log(void **state)
{
	struct ready r;
	struct post end;

	(void)state;
	log_set_sink(keep_line);
	ready_open(&r, 'r', NULL);
	close(r.fds[0]); /* a mistake that libevent notices */
	post_init(&end, stop_on_call, NULL);
	loop_post(t.loop, &end);
	loop_run(t.loop);
	log_set_sink(NULL);
	assert_non_null(strstr(last_line, " warn loop.libevent text="));
	event_free(r.ev);
	close(r.fds[1]);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_posts_run_in_order_and_once),
	    TEST(test_last_posts_run_behind_what_others_post),
	    TEST(test_a_post_runs_behind_what_is_ready),
	    TEST(test_a_post_that_posts_itself_lets_sockets_in),
	    TEST(test_a_cancelled_post_does_not_run),
	    TEST(test_a_post_may_free_its_owner),
	    TEST(test_stop_runs_what_is_posted),
	    TEST(test_a_stopped_loop_runs_again),
	    TEST(test_posts_left_behind_are_let_go),
	    TEST(test_timers_fire_in_their_order),
	    TEST(test_a_timer_over_a_second_is_as_long),
	    TEST(test_a_disarmed_timer_is_silent),
	    TEST(test_a_timer_may_free_itself),
	    TEST(test_signals_arrive_in_the_loop),
	    TEST(test_a_broken_pipe_is_an_error_not_an_end),
	    TEST(test_the_clock_stands_still_within_a_turn_only),
	    TEST(test_the_observer_sees_work_and_not_the_wait),
	    TEST(test_a_long_turn_ends),
	    TEST(test_libevent_speaks_through_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
