/*
 * A connection to a real Redis through a proxy that misbehaves: what is done,
 * what is not done, and what nobody can know.
 */

#include "tests/contract/conn_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"

static struct test_redis redis;
static struct test_proxy proxy;
static struct fixture f;

static int
setup_at(const char *listen)
{
	char at[128];

	test_redis_start(&redis, "");
	snprintf(at, sizeof(at), "%s", listen);
	if (at[0] == '\0')
		snprintf(at, sizeof(at), "unix:%s/proxy.sock", redis.folder);
	test_proxy_start(&proxy, at, redis.url, 1);
	fixture_init(&f);
	return 0;
}

static int
setup(void **state)
{
	(void)state;
	return setup_at("");
}

static int
setup_tcp(void **state)
{
	(void)state;
	return setup_at("tcp:127.0.0.1:0");
}

static int
teardown(void **state)
{
	(void)state;
	fixture_clear(&f);
	test_proxy_stop(&proxy);
	test_redis_stop(&redis);
	return 0;
}

struct length {
	const char *key;
	long long n;
};

static bool
is_length(void *arg)
{
	const struct length *l = arg;

	return test_redis_integer(&redis, "LLEN %s", l->key) == l->n;
}

/* Until Redis itself has done what was sent. */
static void
wait_length(const char *key, long long n)
{
	struct length l = {key, n};

	assert_true(wait_until(is_length, &l, LIMIT_MS));
}

/* After a fault: READY again without anybody's help, and it works. */
static void
expect_works_again(unsigned ready)
{
	struct answer a;

	wait_ready(&f, ready);
	give_write(&f, &a, "again", "one");
	wait_answer(&a);
	assert_int_equal(a.err, ERR_OK);
}

/* ---- the connection ends ---------------------------------------------- */

static void
test_refused(void **state)
{
	struct answer a;

	(void)state;
	test_proxy_tell(&proxy, "refuse");
	fixture_open(&f, proxy.url, "");
	give_write(&f, &a, "k", "one");
	wait_answer(&a);
	assert_int_equal(a.err, ERR_REDIS_DOWN);
	assert_non_null(strstr(f.reason, "refused"));
	test_proxy_tell(&proxy, "accept");
	expect_works_again(1);
	assert_int_equal(test_redis_integer(&redis, "EXISTS k"), 0);
}

/* Redis did it, but its answer never came. */
static void
closed_before_reply(const char *how)
{
	struct answer write, read;

	fixture_open_ready(&f, proxy.url, "");
	test_proxy_tell(&proxy, "stall down");
	give_write(&f, &write, "k", "one");
	give_read(&f, &read, "k");
	redis_conn_flush(f.conn);
	wait_length("k", 1);
	test_proxy_tell(&proxy, "%s", how);
	wait_lost(&f, 1);
	test_proxy_tell(&proxy, "resume down");
	wait_answer(&read);
	assert_int_equal(write.err, ERR_STORE_UNKNOWN);
	assert_int_equal(read.err, ERR_REDIS_DOWN);
	expect_works_again(2);
	assert_int_equal(test_redis_integer(&redis, "LLEN k"), 1);
	assert_int_equal(log_count("redis.lost"), 1);
}

static void
test_closed_before_reply(void **state)
{
	(void)state;
	closed_before_reply("close");
}

static void
test_reset_before_reply(void **state)
{
	(void)state;
	closed_before_reply("reset");
}

static void
test_half_closed_before_reply(void **state)
{
	(void)state;
	closed_before_reply("half-close");
}

/* The first answer came whole, the second did not. */
static void
test_closed_mid_reply(void **state)
{
	struct answer first, second, read;

	(void)state;
	fixture_open_ready(&f, proxy.url, "");
	test_proxy_tell(&proxy, "cut 6 down"); /* ":1\r\n:2" */
	give_write(&f, &first, "k", "one");
	give_write(&f, &second, "k", "two");
	give_read(&f, &read, "k");
	wait_answer(&read);
	assert_int_equal(first.err, ERR_OK);
	assert_int_equal(first.integer, 1);
	assert_int_equal(second.err, ERR_STORE_UNKNOWN);
	assert_int_equal(read.err, ERR_REDIS_DOWN);
	expect_works_again(2);
}

/* Cut on its way to Redis: nobody can know here either. */
static void
test_closed_mid_command(void **state)
{
	struct answer a;

	(void)state;
	fixture_open_ready(&f, proxy.url, "");
	test_proxy_tell(&proxy, "cut 20 up");
	give_write(&f, &a, "k", "one");
	wait_answer(&a);
	assert_int_equal(a.err, ERR_STORE_UNKNOWN);
	expect_works_again(2);
	assert_int_equal(test_redis_integer(&redis, "EXISTS k"), 0);
}

/* At every byte of hello, in both ways: it comes up in the end. */
static void
test_cut_at_any_byte_of_hello(void **state)
{
	static const long at[] = {0, 1, 5, 6, 30, 100, 500, 1000, 2000};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(at) * 2; i++) {
		test_proxy_tell(&proxy, "cut %ld %s", at[i / 2],
		    i % 2 == 0 ? "down" : "up");
		fixture_open(&f, proxy.url, "");
		wait_ready(&f, 1);
		assert_int_equal(f.lost <= 1, 1);
		assert_int_equal(f.hopeless, 0);
		fixture_close(&f);
		test_proxy_tell(&proxy, "clear");
	}
}

/* ---- silence ---------------------------------------------------------- */

static void
test_silent(void **state)
{
	struct answer write, read, later;

	(void)state;
	f.conf.deadline_ms = 250;
	fixture_open_ready(&f, proxy.url, "");
	test_proxy_tell(&proxy, "stall down");
	give_write(&f, &write, "k", "one");
	give_read(&f, &read, "k");
	run_for(f.loop, 100);
	assert_int_equal(write.count + read.count, 0);
	/* Not yet late itself, but in flight on what is dropped. */
	give_write(&f, &later, "k", "two");
	wait_answer(&later);
	assert_int_equal(write.err, ERR_STORE_UNKNOWN);
	assert_int_equal(read.err, ERR_REDIS_DOWN);
	assert_int_equal(later.err, ERR_STORE_UNKNOWN);
	assert_int_equal(f.lost, 1);
	assert_non_null(strstr(f.reason, "no answer within 250 ms"));
	f.conf.deadline_ms = 5000;
	test_proxy_tell(&proxy, "resume down");
	expect_works_again(2);
	assert_int_equal(test_redis_integer(&redis, "LLEN k"), 2);
}

/* Nothing gets through, and more is given than the system takes: what was
 * not wholly written is known not to have run. */
static void
test_silent_with_half_written_command(void **state)
{
	enum { SIZE = 8 << 20 };
	char *large = calloc(1, SIZE);
	struct answer sent, half, unsent;

	(void)state;
	f.conf.deadline_ms = 300;
	fixture_open_ready(&f, proxy.url, "");
	test_proxy_tell(&proxy, "stall up");
	give_write(&f, &sent, "k", "one");
	give_script(&f, &half, TEST_WRITE, "k", large, SIZE);
	give_write(&f, &unsent, "k", "two");
	wait_answer(&unsent);
	assert_int_equal(sent.err, ERR_STORE_UNKNOWN);
	assert_int_equal(half.err, ERR_REDIS_DOWN);
	assert_int_equal(unsent.err, ERR_REDIS_DOWN);
	f.conf.deadline_ms = 5000;
	test_proxy_tell(&proxy, "clear");
	expect_works_again(2);
	assert_in_range(test_redis_integer(&redis, "LLEN k"), 0, 1);
	free(large);
}

/* The same with nothing before it: the half on the wire must not be followed
 * by another command, so the connection goes. */
static void
test_silent_with_nothing_but_a_half(void **state)
{
	enum { SIZE = 8 << 20 };
	char *large = calloc(1, SIZE);
	struct answer half;

	(void)state;
	f.conf.deadline_ms = 300;
	fixture_open_ready(&f, proxy.url, "");
	test_proxy_tell(&proxy, "stall up");
	give_script(&f, &half, TEST_WRITE, "k", large, SIZE);
	wait_answer(&half);
	assert_int_equal(half.err, ERR_REDIS_DOWN);
	assert_int_equal(f.lost, 1);
	f.conf.deadline_ms = 5000;
	test_proxy_tell(&proxy, "clear");
	expect_works_again(2);
	assert_int_equal(test_redis_integer(&redis, "EXISTS k"), 0);
	free(large);
}

/* Redis says NOSCRIPT while the next command is half written: the repeated
 * call goes behind that one. */
static void
test_noscript_with_half_written_command(void **state)
{
	enum { SIZE = 8 << 20 };
	char *large = calloc(1, SIZE);
	struct answer small, half;

	(void)state;
	fixture_open_ready(&f, proxy.url, "");
	freeReplyObject(test_redis_command(&redis, "SCRIPT FLUSH"));
	test_proxy_tell(&proxy, "delay 50 up");
	give_write(&f, &small, "k", "one");
	give_script(&f, &half, TEST_WRITE, "k", large, SIZE);
	wait_answer(&small);
	wait_answer(&half);
	assert_int_equal(small.err, ERR_OK);
	assert_int_equal(half.err, ERR_OK);
	assert_int_equal(f.lost, 0);
	assert_int_equal(test_redis_integer(&redis, "LLEN k"), 2);
	free(large);
}

/* Lost with a half-written command: it is sent anew, whole, and once. */
static void
test_half_written_command_is_sent_again(void **state)
{
	enum { SIZE = 8 << 20 };
	char *large = calloc(1, SIZE);
	struct answer half, unsent;

	(void)state;
	fixture_open_ready(&f, proxy.url, "");
	test_proxy_tell(&proxy, "stall up");
	give_script(&f, &half, TEST_WRITE, "k", large, SIZE);
	give_write(&f, &unsent, "k", "two");
	run_for(f.loop, 30);
	test_proxy_tell(&proxy, "reset");
	wait_lost(&f, 1);
	test_proxy_tell(&proxy, "clear");
	wait_answer(&unsent);
	assert_int_equal(half.err, ERR_OK);
	assert_int_equal(half.integer, 1);
	assert_int_equal(unsent.err, ERR_OK);
	assert_int_equal(unsent.integer, 2);
	free(large);
}

/* It is back at once: nobody notices. It takes connections and says nothing:
 * what waits is refused when that lasts, and what comes at once. */
static void
test_short_gap_and_long(void **state)
{
	struct answer a;
	int64_t began;

	(void)state;
	fixture_open_ready(&f, proxy.url, "");
	test_proxy_tell(&proxy, "reset");
	wait_lost(&f, 1);
	give_write(&f, &a, "k", "one");
	wait_answer(&a);
	assert_int_equal(a.err, ERR_OK);
	test_proxy_tell(&proxy, "stall down");
	test_proxy_tell(&proxy, "reset");
	wait_lost(&f, 2);
	began = clock_mono_us_fresh();
	give_write(&f, &a, "k", "two");
	wait_answer(&a);
	assert_int_equal(a.err, ERR_REDIS_DOWN);
	assert_in_range(clock_mono_us_fresh() - began, 50000, 500000);
	began = clock_mono_us_fresh();
	give_write(&f, &a, "k", "two");
	wait_answer(&a);
	assert_int_equal(a.err, ERR_REDIS_DOWN);
	assert_true(clock_mono_us_fresh() - began < 20000);
	test_proxy_tell(&proxy, "clear");
	expect_works_again(3);
	assert_int_equal(test_redis_integer(&redis, "LLEN k"), 1);
}

/* However long it was away, it is found soon. */
static void
test_found_soon(void **state)
{
	int64_t began;

	(void)state;
	fixture_open_ready(&f, proxy.url, "");
	test_proxy_tell(&proxy, "refuse");
	test_proxy_tell(&proxy, "reset");
	wait_lost(&f, 9);
	began = clock_mono_us_fresh();
	test_proxy_tell(&proxy, "accept");
	wait_ready(&f, 2);
	assert_true(clock_mono_us_fresh() - began < 900000);
}

static void
test_silent_hello(void **state)
{
	(void)state;
	f.conf.connect_timeout_ms = 200;
	test_proxy_tell(&proxy, "stall down");
	fixture_open(&f, proxy.url, "");
	wait_lost(&f, 2);
	assert_non_null(strstr(f.reason, "hello took longer than 200 ms"));
	test_proxy_tell(&proxy, "resume down");
	expect_works_again(1);
}

/* ---- slow ------------------------------------------------------------- */

static void
test_slow(void **state)
{
	enum { N = 20 };
	struct answer a[N];
	int i;

	(void)state;
	test_proxy_tell(&proxy, "delay 40 up");
	test_proxy_tell(&proxy, "delay 40 down");
	fixture_open_ready(&f, proxy.url, "");
	for (i = 0; i < N; i++)
		give_write(&f, &a[i], "k", "v");
	wait_answers(a, N);
	for (i = 0; i < N; i++)
		assert_int_equal(a[i].integer, i + 1);
	assert_int_equal(f.lost, 0);
}

static void
test_slow_is_told(void **state)
{
	struct answer a;

	(void)state;
	fixture_open_ready(&f, proxy.url, "");
	test_proxy_tell(&proxy, "delay 600 down");
	give_write(&f, &a, "k", "v");
	wait_answer(&a);
	assert_int_equal(a.err, ERR_OK);
	assert_int_equal(log_count("redis.slow"), 1);
}

static void
test_one_byte_at_a_time(void **state)
{
	enum { N = 50 };
	struct answer a[N], list;
	int i;

	(void)state;
	test_proxy_tell(&proxy, "slice 1 up");
	test_proxy_tell(&proxy, "slice 1 down");
	fixture_open_ready(&f, proxy.url, "");
	for (i = 0; i < N; i++)
		give_write(&f, &a[i], "k", "value");
	give_words(&f, &list, REDIS_READ, "LRANGE", "k", "0", "-1", NULL);
	wait_answers(a, N);
	wait_answer(&list);
	for (i = 0; i < N; i++)
		assert_int_equal(a[i].integer, i + 1);
	assert_int_equal(list.err, ERR_OK);
	assert_int_equal(f.lost, 0);
}

static bool
never(void *arg)
{
	(void)arg;
	return false;
}

/* Takes Redis as many us as its argument says. */
#define SLOWLY                                               \
	"local function now() local t = redis.call('TIME') " \
	"return t[1] * 1000000 + t[2] end "                  \
	"local e = now() + ARGV[1] while now() < e do end "
static const char slow[] = SLOWLY "return 7";

/* Redis has more to do than the deadline allows, and does it: who waited too
 * long is told, the connection stays, and each answer finds its question. */
static void
test_much_to_do(void **state)
{
	struct answer a[8], after;
	unsigned late = 0;

	(void)state;
	f.conf.deadline_ms = 350;
	fixture_open_ready(&f, proxy.url, "");
	give_words(&f, &a[0], REDIS_WRITE, "EVAL", slow, "0", "100000", NULL);
	redis_conn_flush(f.conn);
	assert_false(run_until(f.loop, never, NULL, 30));
	/* Redis reads these together, when it is done with the first. */
	for (size_t i = 1; i < COUNT_OF(a); i++)
		give_words(
		    &f, &a[i], REDIS_WRITE, "EVAL", slow, "0", "100000", NULL);
	redis_conn_flush(f.conn);
	wait_answers(a, COUNT_OF(a));
	assert_int_equal(a[0].err, ERR_OK);
	assert_int_equal(a[0].integer, 7);
	for (size_t i = 0; i < COUNT_OF(a); i++)
		late += a[i].err == ERR_STORE_UNKNOWN;
	assert_true(late > 0);
	f.conf.deadline_ms = LIMIT_MS;
	give_words(&f, &after, REDIS_READ, "LLEN", "k", NULL);
	wait_answer(&after);
	assert_int_equal(after.err, ERR_OK);
	assert_int_equal(after.integer, 0);
	assert_int_equal(f.lost, 0);
}

/* Looks wait for each other, and nothing else does for them. */
static void
test_looks_wait_apart(void **state)
{
	struct answer looks[40], write;
	unsigned done = 0;

	(void)state;
	fixture_open_ready(&f, proxy.url, "");
	for (size_t i = 0; i < COUNT_OF(looks); i++)
		give_words(&f, &looks[i], REDIS_LOOK, "EVAL", slow, "0",
		    "20000", NULL);
	redis_conn_flush(f.conn);
	give_write(&f, &write, "k", "one");
	wait_answer(&write);
	assert_int_equal(write.err, ERR_OK);
	for (size_t i = 0; i < COUNT_OF(looks); i++)
		done += looks[i].count;
	assert_true(done < COUNT_OF(looks) / 2);
	wait_answers(looks, COUNT_OF(looks));
	for (size_t i = 0; i < COUNT_OF(looks); i++)
		assert_int_equal(looks[i].integer, 7);
	assert_int_equal(redis_conn_pending(f.conn), 0);
}

/* How many of them were answered while a change was made. */
static unsigned
looks_before(struct answer *looks, size_t n, struct answer *write)
{
	unsigned done = 0;

	for (size_t i = 0; i < n; i++)
		done -= looks[i].count;
	give_write(&f, write, "k", "one");
	wait_answer(write);
	assert_int_equal(write->err, ERR_OK);
	for (size_t i = 0; i < n; i++)
		done += looks[i].count;
	return done;
}

/* A change waits behind one of those that have large answers. */
static void
test_large_looks_go_one_by_one(void **state)
{
	static const char large[] = SLOWLY "return string.rep('x', 200000)";
	struct answer looks[20], write;

	(void)state;
	fixture_open_ready(&f, proxy.url, "");
	for (size_t i = 0; i < COUNT_OF(looks); i++)
		give_words(&f, &looks[i], REDIS_LOOK, "EVAL", large, "0",
		    "20000", NULL);
	/* Nothing is known of the first ones yet. */
	for (size_t i = 0; i < 4; i++)
		wait_answer(&looks[i]);
	for (unsigned n = 0; n < 3; n++)
		assert_in_range(
		    looks_before(looks, COUNT_OF(looks), &write), 0, 2);
	wait_answers(looks, COUNT_OF(looks));
}

/* ---- wrong bytes ------------------------------------------------------ */

/* Whichever byte is damaged: every command completes once, and it recovers.
 * A damaged length may hold the rest back, hence the short deadline. */
static void
test_damaged_bytes(void **state)
{
	struct answer a[3];
	long at;

	(void)state;
	f.conf.deadline_ms = 150;
	for (at = 0; at < 24; at++) {
		fixture_open_ready(&f, proxy.url, "");
		test_proxy_tell(&proxy, "flip %ld down", at);
		give_words(
		    &f, &a[0], REDIS_READ, "LRANGE", "k", "0", "-1", NULL);
		give_write(&f, &a[1], "k", "v");
		give_read(&f, &a[2], "k");
		wait_answers(a, 3);
		test_proxy_tell(&proxy, "clear");
		give_words(&f, &a[0], REDIS_READ, "PING", NULL);
		wait_answer(&a[0]);
		fixture_close(&f);
		freeReplyObject(test_redis_command(&redis, "DEL k"));
	}
}

/* A command damaged on its way up is refused by Redis, which then closes, or
 * does something else than was meant; it must not end us. */
static void
test_damaged_commands(void **state)
{
	struct answer a;
	long at;

	(void)state;
	f.conf.deadline_ms = 150;
	for (at = 0; at < 24; at++) {
		fixture_open_ready(&f, proxy.url, "");
		test_proxy_tell(&proxy, "flip %ld up", at);
		give_write(&f, &a, "k", "v");
		wait_answer(&a);
		test_proxy_tell(&proxy, "clear");
		fixture_close(&f);
	}
}

static void
say_unasked(const char *text)
{
	unsigned ready;

	fixture_open_ready(&f, proxy.url, "");
	ready = f.ready;
	test_proxy_tell(&proxy, "say %s", text);
	wait_lost(&f, 1);
	expect_works_again(ready + 1);
	fixture_close(&f);
}

static void
test_unasked_replies(void **state)
{
	(void)state;
	say_unasked("+OK\\r\\n");
	say_unasked(":1\\r\\n:2\\r\\n");
	say_unasked("-ERR going away\\r\\n");
	say_unasked("*2\\r\\n+a\\r\\n+b\\r\\n");
	say_unasked("HTTP/1.1 400 Bad Request\\r\\n\\r\\n");
	say_unasked("%%1\\r\\n+a\\r\\n+b\\r\\n");
	say_unasked("*9999999999999\\r\\n");
	say_unasked("$-7\\r\\n");
}

/* Deeper than the reader goes. */
static void
test_deep_reply(void **state)
{
	(void)state;
	say_unasked("*1\\r\\n*1\\r\\n*1\\r\\n*1\\r\\n*1\\r\\n*1\\r\\n*1\\r\\n"
		    "*1\\r\\n*1\\r\\n*1\\r\\n*1\\r\\n+x\\r\\n");
}

/* ---- names and addresses ---------------------------------------------- */

static void
test_tcp_and_host_names(void **state)
{
	char url[128];
	unsigned port;

	(void)state;
	assert_int_equal(sscanf(proxy.url, "tcp://127.0.0.1:%u", &port), 1);
	fixture_open_ready(&f, proxy.url, "");
	expect_works_again(1);
	fixture_close(&f);
	/* Has two addresses; nobody listens on the IPv6 one. */
	snprintf(url, sizeof(url), "tcp://localhost:%u", port);
	fixture_open_ready(&f, url, "");
	expect_works_again(1);
	test_proxy_tell(&proxy, "reset");
	expect_works_again(2);
	fixture_close(&f);
	/* No such name: told, and ended while it is looked up. */
	f.conf.connect_timeout_ms = 300;
	snprintf(url, sizeof(url), "tcp://no-such-host.invalid:%u", port);
	fixture_open(&f, url, "");
	wait_lost(&f, 2);
	assert_string_not_equal(f.reason, "");
}

static void
test_tcp_refused(void **state)
{
	(void)state;
	test_proxy_tell(&proxy, "refuse");
	fixture_open(&f, proxy.url, "");
	wait_lost(&f, 2);
	assert_non_null(strstr(f.reason, "refused"));
	test_proxy_tell(&proxy, "accept");
	expect_works_again(1);
}

/* ---- everything at once ----------------------------------------------- */

enum { STORM_ROUNDS = 40, STORM_ROUND = 100 };
enum { STORM_COUNT = STORM_ROUNDS * STORM_ROUND };

static const char *
storm_fault(unsigned i)
{
	static const char *const faults[] = {"reset", "close", "half-close",
	    "cut 77 down", "cut 1 down", "cut 0 down", "cut 1333 up",
	    "cut 1 up", "slice 3 down", "slice 50 up"};

	return faults[i % COUNT_OF(faults)];
}

static bool
is_ready(void *arg)
{
	(void)arg;
	return redis_conn_is_ready(f.conn);
}

/* A round: commands, a fault between some of them, and well again. */
static void
storm_round(struct answer *a, unsigned first, unsigned *seed)
{
	unsigned i, at;
	char number[16];

	test_proxy_tell(&proxy, "delay 2 down");
	*seed = *seed * 1103515245u + 12345u;
	at = (*seed >> 16) % STORM_ROUND;
	for (i = 0; i < STORM_ROUND; i++) {
		snprintf(number, sizeof(number), "%u", first + i);
		give_write(&f, &a[first + i], "k", number);
		if (i % 10 == 0)
			run_for(f.loop, 1);
		if (i == at)
			test_proxy_tell(&proxy, "%s", storm_fault(*seed >> 20));
	}
	run_for(f.loop, 10);
	test_proxy_tell(&proxy, "clear");
	assert_true(run_until(f.loop, is_ready, NULL, LIMIT_MS));
}

/* How often that number is in the list. */
static void
storm_count(unsigned *times)
{
	redisReply *list = test_redis_command(&redis, "LRANGE k 0 -1");
	size_t i;

	for (i = 0; i < list->elements; i++)
		times[strtoul(list->element[i]->str, NULL, 10)]++;
	freeReplyObject(list);
}

/* Under faults without end: what was said to be done is there once, what was
 * said not to be done is not, the rest at most once. */
static void
test_storm(void **state)
{
	static struct answer a[STORM_COUNT];
	static unsigned times[STORM_COUNT];
	unsigned seed = 1, i, done = 0, unknown = 0;

	(void)state;
	memset(times, 0, sizeof(times));
	fixture_open_ready(&f, proxy.url, "");
	for (i = 0; i < STORM_COUNT; i += STORM_ROUND)
		storm_round(a, i, &seed);
	wait_answers(a, STORM_COUNT);
	fixture_close(&f);
	storm_count(times);
	for (i = 0; i < STORM_COUNT; i++) {
		assert_int_equal(a[i].count, 1);
		done += a[i].err == ERR_OK;
		unknown += a[i].err == ERR_STORE_UNKNOWN;
		if (a[i].err == ERR_OK)
			assert_int_equal(times[i], 1);
		else if (a[i].err == ERR_STORE_UNKNOWN)
			assert_in_range(times[i], 0, 1);
		else
			assert_int_equal(times[i], 0);
	}
	print_message("storm: %u done, %u unknown, %u not done, %u losses\n",
	    done, unknown, STORM_COUNT - done - unknown, f.lost);
	assert_true(done > STORM_COUNT / 2);
	assert_true(unknown > 0);
	assert_true(f.lost > STORM_ROUNDS / 4);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define CASE_TCP(name) \
	cmocka_unit_test_setup_teardown(name, setup_tcp, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_refused),
	    CASE(test_closed_before_reply),
	    CASE(test_reset_before_reply),
	    CASE_TCP(test_reset_before_reply),
	    CASE(test_half_closed_before_reply),
	    CASE(test_closed_mid_reply),
	    CASE(test_closed_mid_command),
	    CASE(test_cut_at_any_byte_of_hello),
	    CASE(test_silent),
	    CASE(test_silent_with_half_written_command),
	    CASE(test_silent_with_nothing_but_a_half),
	    CASE(test_noscript_with_half_written_command),
	    CASE_TCP(test_half_written_command_is_sent_again),
	    CASE(test_half_written_command_is_sent_again),
	    CASE(test_short_gap_and_long),
	    CASE(test_found_soon),
	    CASE(test_silent_hello),
	    CASE(test_slow),
	    CASE(test_slow_is_told),
	    CASE(test_one_byte_at_a_time),
	    CASE(test_much_to_do),
	    CASE(test_looks_wait_apart),
	    CASE(test_large_looks_go_one_by_one),
	    CASE_TCP(test_one_byte_at_a_time),
	    CASE(test_damaged_bytes),
	    CASE(test_damaged_commands),
	    CASE(test_unasked_replies),
	    CASE(test_deep_reply),
	    CASE_TCP(test_tcp_and_host_names),
	    CASE_TCP(test_tcp_refused),
	    CASE(test_storm),
	    CASE_TCP(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
