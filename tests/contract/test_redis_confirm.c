/*
 * Level replicated, command by command: what is held until replicas confirm,
 * with a real replica that is stopped and goes on.
 */

#include "tests/contract/conn_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct test_redis master, replica;
static struct fixture f;

/* A port of 127.0.0.1 that was free a moment ago, and that no client gets
 * meanwhile: below those that the kernel hands out. */
static unsigned
free_port(void)
{
	static unsigned tried;
	struct sockaddr_in in = {.sin_family = AF_INET};
	unsigned port;
	int fd, failed;

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	do {
		port = 12000 + ((unsigned)getpid() * 37 + tried++) % 18000;
		in.sin_port = htons((uint16_t)port);
		fd = socket(AF_INET, SOCK_STREAM, 0);
		failed = bind(fd, (struct sockaddr *)&in, sizeof(in));
		close(fd);
	} while (failed != 0);
	return port;
}

static bool
has_replica(void *arg)
{
	(void)arg;
	return test_redis_integer(&master, "WAIT 1 100") == 1;
}

static int
setup(void **state)
{
	char settings[200];
	unsigned port = free_port();

	(void)state;
	snprintf(settings, sizeof(settings),
	    "port %u\nrepl-diskless-sync-delay 0\n", port);
	test_redis_start(&master, settings);
	snprintf(settings, sizeof(settings), "replicaof 127.0.0.1 %u\n", port);
	test_redis_start(&replica, settings);
	assert_true(wait_until(has_replica, NULL, LIMIT_MS));
	fixture_init(&f);
	f.conf.confirm = CONFIRM_REPLICATED;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fixture_clear(&f);
	/* One that writes its first append-only file ignores SIGTERM. */
	test_redis_kill(&replica);
	test_redis_stop(&replica);
	test_redis_stop(&master);
	return 0;
}

static bool
is_strong(void *arg)
{
	(void)arg;
	return redis_conn_weakness(f.conn)[0] == '\0';
}

/* READY, and the replica confirms: it may be slow at first. */
static void
open_strong(void)
{
	fixture_open_ready(&f, master.url, "");
	assert_true(run_until(f.loop, is_strong, NULL, LIMIT_MS));
}

/* Redis made the change, a read behind it is answered, and still it is held
 * until the replica goes on. */
static void
test_held_until_confirmed(void **state)
{
	struct answer write, read;

	(void)state;
	f.conf.confirm_timeout_ms = 2000;
	open_strong();
	kill(replica.pid, SIGSTOP);
	give_write(&f, &write, "k", "one");
	give_read(&f, &read, "k");
	wait_answer(&read);
	assert_int_equal(read.integer, 1);
	run_for(f.loop, 100);
	assert_int_equal(write.count, 0);
	kill(replica.pid, SIGCONT);
	wait_answer(&write);
	assert_int_equal(write.err, ERR_OK);
	assert_int_equal(write.integer, 1);
	assert_int_equal(test_redis_integer(&replica, "LLEN k"), 1);
}

/* The replies of a group stay whole until they are handed on. */
static void
test_replies_of_a_group(void **state)
{
	enum { N = 3000 };
	static struct answer a[N];
	char text[32];
	int i;

	(void)state;
	open_strong();
	for (i = 0; i < N; i++) {
		snprintf(text, sizeof(text), "text %d", i);
		give_words(
		    &f, &a[i], REDIS_WRITE, "SET", "k", text, "GET", NULL);
	}
	wait_answers(a, N);
	for (i = 1; i < N; i++) {
		snprintf(text, sizeof(text), "text %d", i - 1);
		assert_int_equal(a[i].err, ERR_OK);
		assert_string_equal(a[i].text, text);
	}
}

static bool
weak_is_logged(void *arg)
{
	(void)arg;
	return log_count("redis.weak") > 0;
}

static void
test_too_few(void **state)
{
	struct answer write, next, read;

	(void)state;
	f.conf.confirm_timeout_ms = 100;
	open_strong();
	assert_string_equal(redis_conn_durability(f.conn), "replicated");
	kill(replica.pid, SIGSTOP);
	give_write(&f, &write, "k", "one");
	wait_answer(&write);
	assert_int_equal(write.err, ERR_STORE_UNCONFIRMED);
	assert_string_not_equal(redis_conn_weakness(f.conn), "");
	give_write(&f, &next, "k", "two");
	give_read(&f, &read, "k");
	wait_answer(&next);
	assert_int_equal(next.err, ERR_STORE_WEAK);
	wait_answer(&read);
	assert_int_equal(read.integer, 1);
	assert_true(run_until(f.loop, weak_is_logged, NULL, LIMIT_MS));
}

/* How often schedd has looked at the settings. */
static long long
looks(void)
{
	redisReply *info = test_redis_command(&master, "INFO commandstats");
	const char *at = strstr(info->str, "cmdstat_config|get:calls=");
	long long n;

	assert_non_null(at);
	n = strtoll(strchr(at, '=') + 1, NULL, 10);
	freeReplyObject(info);
	return n;
}

static bool
looked_again(void *arg)
{
	return looks() > *(long long *)arg;
}

/* Not only when the nine seconds since the last look are over. */
static void
test_too_few_is_looked_at_soon(void **state)
{
	struct answer write;
	long long before;

	(void)state;
	f.conf.confirm_timeout_ms = 100;
	open_strong();
	before = looks();
	kill(replica.pid, SIGSTOP);
	give_write(&f, &write, "k", "one");
	wait_answer(&write);
	assert_int_equal(write.err, ERR_STORE_UNCONFIRMED);
	assert_true(run_until(f.loop, looked_again, &before, 4000));
}

/* Has the replica said that it has all there is? It does so each second. */
static bool
replica_has_all(void *arg)
{
	redisReply *info = test_redis_command(&master, "INFO replication");
	const char *its = strstr(info->str, ",offset=");
	const char *all = strstr(info->str, "master_repl_offset:");
	bool has_all = its != NULL && all != NULL &&
		       strtoll(strchr(its, '=') + 1, NULL, 10) ==
			   strtoll(strchr(all, ':') + 1, NULL, 10);

	(void)arg;
	freeReplyObject(info);
	return has_all;
}

/* The replica had all there was before it stopped: what changes nothing is
 * not confirmed by that. */
static void
test_no_change_is_confirmed_anew(void **state)
{
	struct answer write, again;

	(void)state;
	f.conf.confirm_timeout_ms = 100;
	open_strong();
	give_words(&f, &write, REDIS_WRITE, "SADD", "k", "one", NULL);
	wait_answer(&write);
	assert_int_equal(write.err, ERR_OK);
	assert_true(wait_until(replica_has_all, NULL, LIMIT_MS));
	kill(replica.pid, SIGSTOP);
	give_words(&f, &again, REDIS_WRITE, "SADD", "k", "one", NULL);
	wait_answer(&again);
	assert_int_equal(again.err, ERR_STORE_UNCONFIRMED);
}

/* The master dies with a change made and not confirmed. */
static void
test_lost_while_held(void **state)
{
	struct answer write, read, waiting;

	(void)state;
	f.conf.confirm_timeout_ms = 2000;
	open_strong();
	kill(replica.pid, SIGSTOP);
	give_write(&f, &write, "k", "one");
	give_read(&f, &read, "k");
	wait_answer(&read);
	give_write(&f, &waiting, "other", "one");
	test_redis_kill(&master);
	wait_answer(&write);
	assert_int_equal(write.err, ERR_STORE_UNKNOWN);
	kill(replica.pid, SIGCONT);
	test_redis_restart(&master);
	wait_answer(&waiting);
	assert_true(waiting.err == ERR_OK || waiting.err == ERR_STORE_UNKNOWN ||
		    waiting.err == ERR_STORE_WEAK ||
		    waiting.err == ERR_REDIS_DOWN);
}

/* A call that Redis had to be taught anew has a WAIT of its own. */
static void
test_forgotten_script(void **state)
{
	struct answer write;

	(void)state;
	open_strong();
	freeReplyObject(test_redis_command(&master, "SCRIPT FLUSH"));
	give_write(&f, &write, "k", "one");
	wait_answer(&write);
	assert_int_equal(write.err, ERR_OK);
	assert_int_equal(log_count("redis.noscript"), 1);
	assert_int_equal(test_redis_integer(&replica, "LLEN k"), 1);
}

/* Under load there are far fewer WAITs than changes. */
static void
test_groups_grow(void **state)
{
	enum { N = 500 };
	static struct answer a[N];
	redisReply *stat;
	const char *calls;
	int i;

	(void)state;
	open_strong();
	freeReplyObject(test_redis_command(&master, "CONFIG RESETSTAT"));
	for (i = 0; i < N; i++) {
		give_write(&f, &a[i], "k", "v");
		redis_conn_flush(f.conn);
	}
	wait_answers(a, N);
	stat = test_redis_command(&master, "INFO commandstats");
	calls = strstr(stat->str, "cmdstat_wait:calls=");
	assert_non_null(calls);
	assert_in_range(strtol(strchr(calls, '=') + 1, NULL, 10), 1, 10);
	freeReplyObject(stat);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_held_until_confirmed),
	    T(test_replies_of_a_group),
	    T(test_too_few),
	    T(test_too_few_is_looked_at_soon),
	    T(test_no_change_is_confirmed_anew),
	    T(test_lost_while_held),
	    T(test_forgotten_script),
	    T(test_groups_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
