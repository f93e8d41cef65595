/*
 * A connection to a Redis that behaves: commands, refusals, hello, restarts,
 * limits, the end. What a bad network does is in test_redis_faults.c.
 */

#include "tests/contract/conn_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/metrics.h"

static struct test_redis redis;
static struct fixture f;

static int
setup(void **state)
{
	(void)state;
	test_redis_start(&redis, "");
	fixture_init(&f);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fixture_clear(&f);
	test_redis_stop(&redis);
	return 0;
}

/* ---- commands --------------------------------------------------------- */

static void
test_commands(void **state)
{
	struct answer write, read, ping;

	(void)state;
	fixture_open_ready(&f, redis.url, "");
	give_write(&f, &write, "k", "one");
	give_read(&f, &read, "k");
	give_words(&f, &ping, REDIS_READ, "PING", NULL);
	assert_int_equal(redis_conn_pending(f.conn), 3);
	assert_int_equal(write.count + read.count + ping.count, 0);
	wait_answer(&ping);
	assert_int_equal(write.err, ERR_OK);
	assert_int_equal(write.integer, 1);
	assert_int_equal(read.integer, 1);
	assert_string_equal(ping.text, "PONG");
	assert_int_equal(redis_conn_pending(f.conn), 0);
	assert_int_equal(redis_conn_pending_bytes(f.conn), 0);
	assert_int_equal(log_count("redis.ready"), 1);
	assert_int_equal(log_count("redis.lost"), 0);
}

/* Given before there is a connection: it waits. */
static void
test_commands_before_ready(void **state)
{
	struct answer write;

	(void)state;
	fixture_open(&f, redis.url, "");
	assert_string_not_equal(redis_conn_reason(f.conn), "");
	give_write(&f, &write, "k", "one");
	redis_conn_flush(f.conn);
	wait_answer(&write);
	assert_int_equal(write.err, ERR_OK);
}

static void
test_flush_writes_at_once(void **state)
{
	redisContext *direct;
	redisReply *reply;
	struct answer write;

	(void)state;
	fixture_open_ready(&f, redis.url, "");
	give_write(&f, &write, "k", "one");
	redis_conn_flush(f.conn);
	/* The loop does not run: only what is in the socket can arrive. */
	direct = redisConnectUnix(redis.socket);
	reply = redisCommand(direct, "BLPOP k 5");
	assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
	freeReplyObject(reply);
	redisFree(direct);
	assert_int_equal(write.count, 0);
	wait_answer(&write);
	assert_int_equal(write.err, ERR_OK);
}

static void
test_order_of_thousands(void **state)
{
	enum { N = 5000 };
	static struct answer a[N];
	int i;

	(void)state;
	fixture_open_ready(&f, redis.url, "");
	for (i = 0; i < N; i++)
		give_write(&f, &a[i], "k", "v");
	wait_answers(a, N);
	for (i = 0; i < N; i++)
		assert_int_equal(a[i].integer, i + 1);
}

static void
test_bytes_of_all_kinds(void **state)
{
	static const char bytes[] = "a\0b\r\n$5\r\n\xff";
	struct answer write;
	redisReply *reply;

	(void)state;
	fixture_open_ready(&f, redis.url, "");
	give_script(&f, &write, TEST_WRITE, "k", bytes, sizeof(bytes));
	wait_answer(&write);
	reply = test_redis_command(&redis, "LINDEX k 0");
	assert_int_equal(reply->len, sizeof(bytes));
	assert_memory_equal(reply->str, bytes, sizeof(bytes));
	freeReplyObject(reply);
}

static void
test_resp_numbers(void **state)
{
	static const char want[] =
	    "$1\r\n0\r\n$20\r\n18446744073709551615\r\n"
	    "$20\r\n-9223372036854775808\r\n$2\r\n-7\r\n$0\r\n\r\n";
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	resp_add_u64(&b, 0);
	resp_add_u64(&b, UINT64_MAX);
	resp_add_i64(&b, INT64_MIN);
	resp_add_i64(&b, -7);
	resp_add_span(&b, SPAN(""));
	assert_int_equal(b.len, sizeof(want) - 1);
	assert_memory_equal(b.data, want, b.len);
	buf_clear(&b);
}

/* Larger than any socket's buffer, with others behind it. */
static void
test_large_values(void **state)
{
	enum { SIZE = 20 << 20 };
	char *large = calloc(1, SIZE);
	struct answer a[3];

	(void)state;
	fixture_open_ready(&f, redis.url, "");
	memset(large, 'x', SIZE);
	give_write(&f, &a[0], "k", "first");
	give_script(&f, &a[1], TEST_WRITE, "k", large, SIZE);
	give_write(&f, &a[2], "k", "last");
	assert_true(redis_conn_pending_bytes(f.conn) > SIZE);
	wait_answers(a, 3);
	assert_int_equal(a[2].integer, 3);
	give_words(&f, &a[0], REDIS_READ, "LRANGE", "k", "0", "-1", NULL);
	wait_answer(&a[0]);
	assert_int_equal(a[0].err, ERR_OK);
	free(large);
}

/* ---- scripts ---------------------------------------------------------- */

static void
test_noscript_repeats_once(void **state)
{
	struct answer a[3];

	(void)state;
	fixture_open_ready(&f, redis.url, "");
	freeReplyObject(test_redis_command(&redis, "SCRIPT FLUSH"));
	give_write(&f, &a[0], "k", "one");
	give_write(&f, &a[1], "k", "two");
	give_read(&f, &a[2], "k");
	wait_answers(a, 3);
	assert_int_equal(a[0].err, ERR_OK);
	assert_int_equal(a[1].err, ERR_OK);
	assert_int_equal(a[2].err, ERR_OK);
	assert_int_equal(test_redis_integer(&redis, "LLEN k"), 2);
	assert_int_equal(log_count("redis.refused"), 0);
	/* It is loaded again. */
	give_write(&f, &a[0], "k", "three");
	wait_answer(&a[0]);
	assert_int_equal(a[0].integer, 3);
	assert_int_equal(log_count("redis.noscript"), 3);
	assert_int_equal(f.lost, 0);
}

/* ---- refusals --------------------------------------------------------- */

static void
expect_refusal(struct answer *a, enum err err, const char *word)
{
	wait_answer(a);
	assert_int_equal(a->err, err);
	assert_int_equal(log_count("redis.refused"), 1);
	assert_non_null(strstr(log_last("redis.refused"), word));
	assert_int_equal(f.lost, 0);
}

static void
test_out_of_memory_is_full(void **state)
{
	struct answer a;

	(void)state;
	fixture_open_ready(&f, redis.url, "");
	freeReplyObject(test_redis_command(&redis, "CONFIG SET maxmemory 1"));
	give_write(&f, &a, "k", "one");
	expect_refusal(&a, ERR_STORE_FULL, "OOM");
	freeReplyObject(test_redis_command(&redis, "CONFIG SET maxmemory 0"));
	give_write(&f, &a, "k", "one");
	wait_answer(&a);
	assert_int_equal(a.integer, 1);
}

static void
test_wrong_type_is_refused(void **state)
{
	struct answer a;

	(void)state;
	fixture_open_ready(&f, redis.url, "");
	freeReplyObject(test_redis_command(&redis, "SET k text"));
	give_write(&f, &a, "k", "one");
	expect_refusal(&a, ERR_STORE_REFUSED, "WRONGTYPE");
}

static void
test_replica_is_read_only(void **state)
{
	struct answer a;

	(void)state;
	fixture_open_ready(&f, redis.url, "");
	freeReplyObject(test_redis_command(&redis, "REPLICAOF 127.0.0.1 1"));
	give_write(&f, &a, "k", "one");
	expect_refusal(&a, ERR_STORE_READ_ONLY, "READONLY");
	give_read(&f, &a, "k");
	wait_answer(&a);
	assert_int_equal(a.err, ERR_OK);
}

static void
test_too_few_replicas_is_read_only(void **state)
{
	struct answer a;

	(void)state;
	fixture_open_ready(&f, redis.url, "");
	freeReplyObject(
	    test_redis_command(&redis, "CONFIG SET min-replicas-to-write 1"));
	give_write(&f, &a, "k", "one");
	expect_refusal(&a, ERR_STORE_READ_ONLY, "NOREPLICAS");
}

static void
test_unknown_command_is_refused(void **state)
{
	struct answer a;

	(void)state;
	fixture_open_ready(&f, redis.url, "");
	give_words(&f, &a, REDIS_READ, "NOSUCHTHING", NULL);
	expect_refusal(&a, ERR_STORE_REFUSED, "NOSUCHTHING");
}

/* A thousand refusals are not a thousand lines. */
static void
test_refusals_do_not_flood_the_log(void **state)
{
	enum { N = 1000 };
	static struct answer a[N];
	int i;

	(void)state;
	fixture_open_ready(&f, redis.url, "");
	for (i = 0; i < N; i++)
		give_words(&f, &a[i], REDIS_READ, "NOSUCHTHING", NULL);
	wait_answers(a, N);
	assert_in_range(log_count("redis.refused"), 1, 10);
}

/* ---- hello ------------------------------------------------------------ */

static void
open_hopeless(const char *password, enum err err, const char *reason)
{
	struct answer a;
	uint64_t deadline = f.conf.deadline_ms;

	f.conf.deadline_ms = 300;
	fixture_open(&f, redis.url, password);
	give_write(&f, &a, "k", "one");
	wait_answer(&a);
	assert_int_equal(a.err, ERR_REDIS_DOWN);
	assert_int_equal(f.hopeless, 1);
	assert_int_equal(f.hopeless_err, err);
	assert_non_null(strstr(f.reason, reason));
	assert_non_null(strstr(redis_conn_reason(f.conn), reason));
	assert_int_equal(f.ready, 0);
	fixture_close(&f);
	f.conf.deadline_ms = deadline;
}

static void
test_passwords(void **state)
{
	struct answer a;
	char user[] = "worker";

	(void)state;
	freeReplyObject(
	    test_redis_command(&redis, "ACL SETUSER worker on >w ~* +@all"));
	freeReplyObject(test_redis_command(&redis, "CONFIG SET requirepass p"));
	open_hopeless("wrong", ERR_REDIS_AUTH, "WRONGPASS");
	open_hopeless("", ERR_REDIS_AUTH, "NOAUTH");
	fixture_open_ready(&f, redis.url, "p");
	give_write(&f, &a, "k", "one");
	wait_answer(&a);
	assert_int_equal(a.err, ERR_OK);
	fixture_close(&f);
	f.conf.user = user;
	open_hopeless("p", ERR_REDIS_AUTH, "WRONGPASS");
	fixture_open_ready(&f, redis.url, "w");
	assert_int_equal(f.hopeless, 0);
}

/* Hopeless or not, it goes on trying, and a person can mend it. */
static void
test_hopeless_can_be_mended(void **state)
{
	(void)state;
	freeReplyObject(
	    test_redis_command(&redis, "ACL SETUSER w on >other ~* +@all"));
	f.conf.user = (char[]){"w"};
	fixture_open(&f, redis.url, "p");
	wait_hopeless(&f);
	freeReplyObject(test_redis_command(&redis, "ACL SETUSER w >p"));
	wait_ready(&f, 1);
	assert_int_equal(log_count("redis.hopeless"), 1);
	/* Hopeless again is told again. */
	f.hopeless = 0;
	freeReplyObject(test_redis_command(&redis, "ACL SETUSER w <p"));
	freeReplyObject(test_redis_command(&redis, "CLIENT KILL TYPE normal"));
	wait_hopeless(&f);
	assert_int_equal(log_count("redis.hopeless"), 2);
}

/* What CONFIG would say is only a warning; what the scripts need is not. */
static void
test_rights(void **state)
{
	(void)state;
	freeReplyObject(test_redis_command(
	    &redis, "ACL SETUSER w on >p ~* +@all -config -info"));
	f.conf.user = (char[]){"w"};
	fixture_open_ready(&f, redis.url, "p");
	assert_int_equal(log_count("redis.settings"), 1);
	fixture_close(&f);
	freeReplyObject(
	    test_redis_command(&redis, "ACL SETUSER w -script|load"));
	open_hopeless("p", ERR_REDIS_AUTH, "NOPERM");
}

static void
test_settings_that_lose_tasks(void **state)
{
	(void)state;
	freeReplyObject(test_redis_command(
	    &redis, "CONFIG SET maxmemory-policy allkeys-lru"));
	freeReplyObject(test_redis_command(&redis, "CONFIG SET appendonly no"));
	freeReplyObject(
	    test_redis_command(&redis, "CONFIG SET appendfsync always"));
	fixture_open_ready(&f, redis.url, "");
	assert_int_equal(log_count("redis.settings"), 1);
	/* Not again at every connection. */
	freeReplyObject(test_redis_command(&redis, "CLIENT KILL TYPE normal"));
	wait_ready(&f, 2);
	assert_int_equal(log_count("redis.settings"), 1);
}

static void
test_database(void **state)
{
	struct answer a;

	(void)state;
	f.conf.database = 7;
	fixture_open_ready(&f, redis.url, "");
	give_write(&f, &a, "k", "one");
	wait_answer(&a);
	assert_int_equal(test_redis_integer(&redis, "EXISTS k"), 0);
	fixture_close(&f);
	f.conf.database = 1000;
	open_hopeless("", ERR_REDIS_SETTINGS, "DB index");
}

static void
test_too_many_clients_is_not_hopeless(void **state)
{
	redisContext *other;
	redisReply *reply;

	(void)state;
	other = redisConnectUnix(redis.socket);
	reply = redisCommand(other, "CONFIG SET maxclients 1");
	freeReplyObject(reply);
	fixture_open(&f, redis.url, "p");
	wait_lost(&f, 2);
	assert_int_equal(f.hopeless, 0);
	assert_non_null(strstr(f.reason, "max number of clients"));
	reply = redisCommand(other, "CONFIG SET maxclients 100");
	freeReplyObject(reply);
	redisFree(other);
	/* This Redis has no password: AUTH with one is refused. */
	wait_hopeless(&f);
	assert_int_equal(f.hopeless_err, ERR_REDIS_AUTH);
}

/* A port that nothing listens on at this moment. */
static unsigned
free_port(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	close(fd);
	return ntohs(in.sin_port);
}

static void
test_cluster_mode_is_hopeless(void **state)
{
	(void)state;
	test_redis_kill(&redis);
	snprintf(redis.settings, sizeof(redis.settings),
	    "bind 127.0.0.1\ncluster-enabled yes\ncluster-port %u\n",
	    free_port());
	test_redis_restart(&redis);
	open_hopeless("", ERR_REDIS_SETTINGS, "cluster mode is not supported");
}

/* While Redis reads its data it answers -LOADING: no loss, only waiting; what
 * comes meanwhile is refused. */
static void
test_loading_is_waited_for(void **state)
{
	redisContext *direct = redisConnectUnix(redis.socket);
	struct answer a;
	int i;

	(void)state;
	for (i = 0; i < 5000; i++)
		redisAppendCommand(direct, "RPUSH k %d", i);
	for (i = 0; i < 5000; i++) {
		redisReply *reply;

		assert_int_equal(redisGetReply(direct, (void **)&reply), 0);
		freeReplyObject(reply);
	}
	redisFree(direct);
	test_redis_kill(&redis);
	snprintf(
	    redis.settings, sizeof(redis.settings), "key-load-delay 100\n");
	test_redis_restart(&redis);
	fixture_open(&f, redis.url, "");
	give_read(&f, &a, "k");
	wait_answer(&a);
	assert_int_equal(a.err, ERR_REDIS_DOWN);
	wait_ready(&f, 1);
	give_read(&f, &a, "k");
	wait_answer(&a);
	assert_int_equal(a.err, ERR_OK);
	assert_int_equal(a.integer, 5000);
	assert_int_equal(log_count("redis.loading"), 1);
	assert_int_equal(f.lost, 0);
}

/* ---- restarts --------------------------------------------------------- */

static bool
is_blocked(void *arg)
{
	const struct test_redis *r = arg;
	redisReply *reply = test_redis_command(r, "INFO clients");
	bool yes = strstr(reply->str, "blocked_clients:1") != NULL;

	freeReplyObject(reply);
	return yes;
}

/* How long its answer takes. */
static int64_t
answer_ms(struct answer *a)
{
	int64_t began = clock_mono_us_fresh();

	wait_answer(a);
	return (clock_mono_us_fresh() - began) / 1000;
}

/* kill -9 with commands in flight. A blocking pop keeps the others waiting
 * behind it, sent and unanswered. */
static void
test_kill_with_commands_in_flight(void **state)
{
	struct answer block, write, read, later;

	(void)state;
	fixture_open_ready(&f, redis.url, "");
	give_words(&f, &block, REDIS_WRITE, "BLPOP", "none", "0", NULL);
	give_write(&f, &write, "k", "one");
	give_read(&f, &read, "k");
	redis_conn_flush(f.conn);
	assert_true(wait_until(is_blocked, &redis, LIMIT_MS));
	test_redis_kill(&redis);
	wait_lost(&f, 1);
	assert_false(redis_conn_is_ready(f.conn));
	wait_answer(&read);
	assert_int_equal(block.err, ERR_STORE_UNKNOWN);
	assert_int_equal(write.err, ERR_STORE_UNKNOWN);
	assert_int_equal(read.err, ERR_REDIS_DOWN);
	/* Nothing listens: refused as soon as that was found out. */
	give_write(&f, &later, "k", "two");
	assert_true(answer_ms(&later) < 120);
	assert_int_equal(later.err, ERR_REDIS_DOWN);
	give_write(&f, &later, "k", "two");
	assert_true(answer_ms(&later) < 20);
	assert_int_equal(later.err, ERR_REDIS_DOWN);
	test_redis_restart(&redis);
	wait_ready(&f, 2);
	give_write(&f, &later, "k", "two");
	wait_answer(&later);
	assert_int_equal(later.err, ERR_OK);
	assert_int_equal(log_count("redis.lost"), 1);
	assert_int_equal(log_count("redis.ready"), 2);
	assert_int_equal(test_redis_integer(&redis, "LLEN k"), 1);
}

static void
test_down(void **state)
{
	struct answer write, read;

	(void)state;
	fixture_open_ready(&f, redis.url, "");
	test_redis_kill(&redis);
	wait_lost(&f, 2);
	give_write(&f, &write, "k", "one");
	give_read(&f, &read, "k");
	wait_answers(&write, 1);
	assert_true(answer_ms(&read) < 20);
	assert_int_equal(write.err, ERR_REDIS_DOWN);
	assert_int_equal(read.err, ERR_REDIS_DOWN);
	assert_int_equal(redis_conn_pending(f.conn), 0);
	test_redis_restart(&redis);
	wait_ready(&f, 2);
	assert_int_equal(test_redis_integer(&redis, "EXISTS k"), 0);
}

static void
test_nothing_listens(void **state)
{
	struct answer a;

	(void)state;
	fixture_open(&f, "unix:/tmp/schedd-test-no-such-socket", "");
	give_write(&f, &a, "k", "one");
	wait_answer(&a);
	assert_int_equal(a.err, ERR_REDIS_DOWN);
	wait_lost(&f, 5);
	assert_int_equal(f.hopeless, 0);
	assert_int_equal(log_count("redis.lost"), 1);
	assert_non_null(strstr(redis_conn_reason(f.conn), "No such file"));
}

static void
test_bad_urls(void **state)
{
	static const char *const urls[] = {"", "redis://x", "unix:relative",
	    "tcp://host", "tcp://host:0", "tcp://host:65536", "tcp://:1",
	    "tcp://[::1:1", "tcp://a b:1", "tcp://user@host:1"};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(urls); i++) {
		fixture_open(&f, urls[i], "");
		wait_hopeless(&f);
		assert_int_equal(f.hopeless_err, ERR_CONF_VALUE);
		fixture_close(&f);
	}
}

/* ---- limits and the end ----------------------------------------------- */

static void
test_max_pending(void **state)
{
	struct answer a[5];

	(void)state;
	f.conf.max_pending = 3;
	fixture_open_ready(&f, redis.url, "");
	give_write(&f, &a[0], "k", "1");
	give_write(&f, &a[1], "k", "2");
	give_write(&f, &a[2], "k", "3");
	give_write(&f, &a[3], "k", "4");
	give_read(&f, &a[4], "k");
	assert_int_equal(a[3].count, 0);
	wait_answers(a, 5);
	assert_int_equal(a[2].integer, 3);
	assert_int_equal(a[3].err, ERR_STORE_BUSY);
	assert_int_equal(a[4].err, ERR_STORE_BUSY);
	assert_int_equal(test_redis_integer(&redis, "LLEN k"), 3);
	give_read(&f, &a[4], "k");
	wait_answer(&a[4]);
	assert_int_equal(a[4].err, ERR_OK);
}

static void
test_max_pending_bytes(void **state)
{
	char value[3000];
	struct answer a[2];

	(void)state;
	memset(value, 'v', sizeof(value));
	f.conf.max_pending_bytes = 4000;
	fixture_open_ready(&f, redis.url, "");
	give_script(&f, &a[0], TEST_WRITE, "k", value, sizeof(value));
	give_script(&f, &a[1], TEST_WRITE, "k", value, sizeof(value));
	wait_answers(a, 2);
	assert_int_equal(a[0].err, ERR_OK);
	assert_int_equal(a[1].err, ERR_STORE_BUSY);
}

/* Arguments that outgrew their buffer are not sent in part. */
static void
on_failed_args(enum err err, const struct redisReply *reply, void *arg)
{
	enum err *got = arg;

	assert_null(reply);
	*got = err;
}

static bool
is_told(void *arg)
{
	const enum err *got = arg;

	return *got != ERR_OK;
}

static void
test_failed_arguments(void **state)
{
	enum err got = ERR_OK;
	struct buf args;

	(void)state;
	fixture_open_ready(&f, redis.url, "");
	buf_init(&args, 16);
	resp_add_str(&args, "k");
	resp_add_str(&args, "much more than may be");
	assert_true(args.failed);
	redis_conn_script(
	    f.conn, TEST_WRITE, &args, 2, 1, on_failed_args, &got);
	assert_int_equal(got, ERR_OK);
	assert_true(run_until(f.loop, is_told, &got, LIMIT_MS));
	assert_int_equal(got, ERR_NO_MEMORY);
}

static void
test_close_completes_everything(void **state)
{
	struct answer block, write, read, last, late;

	(void)state;
	fixture_open_ready(&f, redis.url, "");
	give_words(&f, &block, REDIS_WRITE, "BLPOP", "none", "0", NULL);
	give_write(&f, &write, "k", "one");
	give_read(&f, &read, "k");
	redis_conn_flush(f.conn);
	give_write(&f, &last, "k", "two");
	fixture_close(&f);
	assert_int_equal(block.err, ERR_STORE_UNKNOWN);
	assert_int_equal(write.err, ERR_STORE_UNKNOWN);
	assert_int_equal(read.err, ERR_SHUTTING_DOWN);
	assert_int_equal(last.err, ERR_STORE_UNKNOWN);
	assert_int_equal(
	    block.count + write.count + read.count + last.count, 4);
	fixture_open(&f, redis.url, "");
	give_write(&f, &late, "k", "three");
	fixture_close(&f);
	assert_int_equal(late.err, ERR_SHUTTING_DOWN);
}

/* More than Redis reads at a time, and it begins to read only now: what was
 * given is done, what is given after that is refused. */
static void
test_close_lets_redis_read_all(void **state)
{
	enum { COUNT = 64, BYTES = 1000 };
	struct answer a[COUNT], late;
	char value[BYTES];

	(void)state;
	memset(value, 'v', BYTES);
	fixture_open_ready(&f, redis.url, "");
	kill(redis.pid, SIGSTOP);
	for (int i = 0; i < COUNT; i++)
		give_script(&f, &a[i], TEST_WRITE, "k", value, BYTES);
	redis_conn_flush(f.conn);
	redis_conn_close(f.conn, (void (*)(void *))loop_stop, f.loop);
	assert_false(redis_conn_is_ready(f.conn));
	give_write(&f, &late, "k", "late");
	kill(redis.pid, SIGCONT);
	loop_run(f.loop);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(a[i].count, 1);
		assert_int_equal(a[i].err, ERR_OK);
	}
	assert_int_equal(late.err, ERR_SHUTTING_DOWN);
	assert_int_equal(test_redis_integer(&redis, "LLEN k"), COUNT);
	redis_conn_free(f.conn);
	f.conn = NULL;
}

/* The connection breaks while it closes: that is the end, nothing is tried
 * again. */
static void
test_close_and_lost(void **state)
{
	struct answer block;

	(void)state;
	fixture_open_ready(&f, redis.url, "");
	give_words(&f, &block, REDIS_WRITE, "BLPOP", "none", "0", NULL);
	redis_conn_flush(f.conn);
	redis_conn_close(f.conn, (void (*)(void *))loop_stop, f.loop);
	test_redis_kill(&redis);
	loop_run(f.loop);
	assert_int_equal(block.count, 1);
	assert_int_equal(block.err, ERR_STORE_UNKNOWN);
	assert_int_equal(f.lost, 0);
	redis_conn_free(f.conn);
	f.conn = NULL;
}

/* Closed from within an answer, with more answers right behind it. */
static struct answer behind[10];

static void
on_reply_close(enum err err, const struct redisReply *reply, void *arg)
{
	(void)reply;
	(void)arg;
	assert_int_equal(err, ERR_OK);
	redis_conn_close(f.conn, (void (*)(void *))loop_stop, f.loop);
}

static void
test_close_within_an_answer(void **state)
{
	struct buf args;
	int i;

	(void)state;
	fixture_open_ready(&f, redis.url, "");
	buf_init(&args, 100);
	resp_add_str(&args, "PING");
	redis_conn_command(f.conn, REDIS_READ, &args, 1, on_reply_close, NULL);
	for (i = 0; i < 10; i++)
		give_write(&f, &behind[i], "k", "v");
	loop_run(f.loop);
	for (i = 0; i < 10; i++) {
		assert_int_equal(behind[i].count, 1);
		assert_int_equal(behind[i].err, ERR_OK);
	}
	redis_conn_free(f.conn);
	f.conn = NULL;
}

static void
test_free_without_close(void **state)
{
	(void)state;
	fixture_open_ready(&f, redis.url, "");
	redis_conn_free(f.conn);
	fixture_open(&f, "tcp://no-such-host.invalid:1", "");
	run_for(f.loop, 10);
	redis_conn_free(f.conn);
	f.conn = NULL;
	redis_conn_free(NULL);
	run_for(f.loop, 10);
}

static void
test_metrics(void **state)
{
	uint64_t connects = metric_value(METRIC_STORE_CONNECTS);
	uint64_t lost = metric_value(METRIC_STORE_LOST);
	struct buf page;
	struct answer a;

	(void)state;
	fixture_open_ready(&f, redis.url, "");
	give_write(&f, &a, "k", "v");
	wait_answer(&a);
	test_redis_kill(&redis);
	wait_lost(&f, 1);
	assert_int_equal(metric_value(METRIC_STORE_CONNECTS), connects + 1);
	assert_int_equal(metric_value(METRIC_STORE_LOST), lost + 1);
	buf_init(&page, 1 << 20);
	metric_print(METRIC_STORE_SECONDS, &page);
	metric_print(METRIC_STORE_CALLS, &page);
	metric_print(METRIC_STORE_OPS, &page);
	buf_add_char(&page, '\0');
	assert_non_null(strstr(page.data, "op=\"push\""));
	assert_non_null(strstr(page.data, "outcome=\"done\""));
	buf_clear(&page);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_commands),
	    CASE(test_commands_before_ready),
	    CASE(test_flush_writes_at_once),
	    CASE(test_order_of_thousands),
	    CASE(test_bytes_of_all_kinds),
	    CASE(test_resp_numbers),
	    CASE(test_large_values),
	    CASE(test_noscript_repeats_once),
	    CASE(test_out_of_memory_is_full),
	    CASE(test_wrong_type_is_refused),
	    CASE(test_replica_is_read_only),
	    CASE(test_too_few_replicas_is_read_only),
	    CASE(test_unknown_command_is_refused),
	    CASE(test_refusals_do_not_flood_the_log),
	    CASE(test_passwords),
	    CASE(test_hopeless_can_be_mended),
	    CASE(test_rights),
	    CASE(test_settings_that_lose_tasks),
	    CASE(test_database),
	    CASE(test_too_many_clients_is_not_hopeless),
	    CASE(test_cluster_mode_is_hopeless),
	    CASE(test_loading_is_waited_for),
	    CASE(test_kill_with_commands_in_flight),
	    CASE(test_down),
	    CASE(test_nothing_listens),
	    CASE(test_bad_urls),
	    CASE(test_max_pending),
	    CASE(test_max_pending_bytes),
	    CASE(test_failed_arguments),
	    CASE(test_close_completes_everything),
	    CASE(test_close_lets_redis_read_all),
	    CASE(test_close_and_lost),
	    CASE(test_close_within_an_answer),
	    CASE(test_free_without_close),
	    CASE(test_metrics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
