/*
 * The private redis-server: how it starts, what stands against that, that it
 * comes back with its data, and that it ends with us.
 */

#define _GNU_SOURCE /* pipe2 */

#include "tests/contract/conn_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/redis_child.h"

static struct fixture f;
static char folder[64], state_dir[400];
static struct redis_child *child;
static struct buf why;
static unsigned failed, stopped;
static char failed_reason[300];

static void
on_failed(const char *reason, void *arg)
{
	(void)arg;
	snprintf(failed_reason, sizeof(failed_reason), "%s", reason);
	failed++;
}

static void
on_stopped(void *arg)
{
	(void)arg;
	stopped++;
}

static bool
is_set(void *arg)
{
	return *(unsigned *)arg > 0;
}

static int
setup(void **state)
{
	(void)state;
	temp_folder_make(folder, sizeof(folder));
	snprintf(state_dir, sizeof(state_dir), "%s/a/state", folder);
	buf_init(&why, 1000);
	failed = stopped = 0;
	fixture_init(&f);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	if (f.conn != NULL)
		fixture_close(&f);
	redis_child_free(child);
	child = NULL;
	fixture_clear(&f);
	buf_clear(&why);
	temp_folder_remove(folder);
	return 0;
}

static void
start(void)
{
	assert_int_equal(
	    redis_child_start(&child, f.loop, state_dir, on_failed, NULL, &why),
	    ERR_OK);
	assert_int_equal(why.len, 0);
}

/* Attempts before it listens do not count as losses. */
static void
connect_ready(void)
{
	fixture_open_ready(
	    &f, redis_child_url(child), redis_child_password(child));
	f.lost = 0;
}

static void
stop(void)
{
	stopped = 0;
	redis_child_stop(child, on_stopped, NULL);
	assert_int_equal(stopped, 0);
	assert_true(run_until(f.loop, is_set, &stopped, LIMIT_MS));
	redis_child_free(child);
	child = NULL;
}

static void
expect_why(const char *part)
{
	buf_add_char(&why, '\0');
	if (strstr(why.data, part) == NULL)
		fail_msg("'%s' does not say '%s'", why.data, part);
	buf_clear(&why);
}

static bool
is_gone(void *arg)
{
	pid_t pid = *(const pid_t *)arg;

	return kill(pid, 0) != 0 && errno == ESRCH;
}

/* ---- a good life ------------------------------------------------------ */

static void
write_one(const char *key, long long expected)
{
	struct answer a;

	give_write(&f, &a, key, "v");
	wait_answer(&a);
	assert_int_equal(a.err, ERR_OK);
	assert_int_equal(a.integer, expected);
}

static mode_t
mode_of(const char *name)
{
	char path[500];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", state_dir, name);
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 0777;
}

static void
test_start_stop_start(void **state)
{
	int pid;

	(void)state;
	start();
	pid = redis_child_pid(child);
	assert_true(pid > 0);
	connect_ready();
	assert_int_equal(log_count("redis.settings"), 0);
	assert_int_equal(log_count("redis.lost"), 0);
	write_one("k", 1);
	assert_int_equal(mode_of(""), 0700);
	assert_int_equal(mode_of("redis"), 0700);
	assert_int_equal(mode_of("redis/redis.log"), 0600);
	assert_int_equal(mode_of("redis/redis.sock"), 0600);
	fixture_close(&f);
	stop();
	assert_true(is_gone(&pid));
	start();
	connect_ready();
	write_one("k", 2);
	assert_int_equal(failed, 0);
}

static long long
config_integer(const char *name, const char *want)
{
	redisContext *c = redisConnectUnix(redis_child_url(child) + 5);
	redisReply *reply =
	    redisCommand(c, "AUTH %s", redis_child_password(child));
	long long equal;

	freeReplyObject(reply);
	reply = redisCommand(c, "CONFIG GET %s", name);
	assert_int_equal(reply->elements, 2);
	equal = strcmp(reply->element[1]->str, want) == 0;
	if (!equal)
		print_error("%s is %s\n", name, reply->element[1]->str);
	freeReplyObject(reply);
	redisFree(c);
	return equal;
}

static void
test_settings(void **state)
{
	(void)state;
	start();
	connect_ready();
	assert_true(config_integer("port", "0"));
	assert_true(config_integer("appendonly", "yes"));
	assert_true(config_integer("appendfsync", "always"));
	assert_true(config_integer("save", ""));
	assert_true(config_integer("maxmemory-policy", "noeviction"));
	assert_true(config_integer("databases", "1"));
	assert_true(config_integer("enable-debug-command", "no"));
}

/* Random, on no command line; without it nothing is answered. */
static void
test_password(void **state)
{
	char first[80], command[200], text[4096];
	redisContext *c;
	redisReply *reply;
	ssize_t n;
	int fd;

	(void)state;
	start();
	connect_ready();
	snprintf(first, sizeof(first), "%s", redis_child_password(child));
	assert_int_equal(strlen(first), 64);
	snprintf(command, sizeof(command), "/proc/%d/cmdline",
	    redis_child_pid(child));
	fd = open(command, O_RDONLY);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_true(n > 0);
	assert_null(memmem(text, (size_t)n, first, 16));
	c = redisConnectUnix(redis_child_url(child) + 5);
	reply = redisCommand(c, "PING");
	assert_int_equal(reply->type, REDIS_REPLY_ERROR);
	assert_memory_equal(reply->str, "NOAUTH", 6);
	freeReplyObject(reply);
	redisFree(c);
	fixture_close(&f);
	stop();
	start();
	assert_string_not_equal(redis_child_password(child), first);
}

/* What it has open is its own, no signal stays blocked, and a terminal's
 * signals do not reach it. */
static void
test_clean_process(void **state)
{
	char path[100], target[300], name[16], text[4096];
	int fd;
	ssize_t n;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	start();
	connect_ready();
	for (fd = 0; fd <= 3; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d",
		    redis_child_pid(child), fd);
		n = readlink(path, target, sizeof(target) - 1);
		assert_true(n > 0);
		target[n] = '\0';
		snprintf(name, sizeof(name), "%s",
		    fd == 0  ? "pipe:"
		    : fd < 3 ? "redis.log"
			     : "redis.lock");
		assert_non_null(strstr(target, name));
	}
	assert_int_equal(
	    getpgid(redis_child_pid(child)), redis_child_pid(child));
	snprintf(path, sizeof(path), "/proc/%d/status", redis_child_pid(child));
	fd = open(path, O_RDONLY);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "SigBlk:\t0000000000000000\n"));
}

static void
test_odd_folder_names(void **state)
{
	(void)state;
	snprintf(state_dir, sizeof(state_dir), "%s/a \"quoted\\ folder'\t#; $x",
	    folder);
	start();
	connect_ready();
	write_one("k", 1);
}

/* Too deep for a socket: it lies in a short folder of its own. */
static void
test_deep_folder(void **state)
{
	char path[200], *end;
	struct stat st;
	size_t len = strlen(state_dir);

	(void)state;
	while (len < 200)
		len += (size_t)snprintf(
		    state_dir + len, sizeof(state_dir) - len, "/deep");
	start();
	connect_ready();
	write_one("k", 1);
	snprintf(path, sizeof(path), "%s", redis_child_url(child) + 5);
	assert_true(strlen(path) < 108);
	end = strrchr(path, '/');
	*end = '\0';
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(st.st_uid, geteuid());
	fixture_close(&f);
	stop();
	assert_int_equal(stat(path, &st), -1);
	start();
	connect_ready();
	write_one("k", 2);
}

static void
test_old_log_is_put_aside(void **state)
{
	char path[500];
	struct stat st;
	int fd;

	(void)state;
	start();
	connect_ready();
	fixture_close(&f);
	stop();
	snprintf(path, sizeof(path), "%s/redis/redis.log", state_dir);
	fd = open(path, O_WRONLY);
	assert_int_equal(ftruncate(fd, (10 << 20) + 1), 0);
	close(fd);
	start();
	connect_ready();
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size < 1 << 20);
	snprintf(path, sizeof(path), "%s/redis/redis.log.1", state_dir);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size > 10 << 20);
}

/* ---- it dies ---------------------------------------------------------- */

/* The connection follows it, with the same address and password. */
static void
test_killed_is_restarted(void **state)
{
	int pid;

	(void)state;
	start();
	connect_ready();
	write_one("k", 1);
	pid = redis_child_pid(child);
	kill(pid, SIGKILL);
	wait_lost(&f, 1);
	wait_ready(&f, 2); /* what comes before that may be refused */
	write_one("k", 2);
	assert_int_equal(f.ready, 2);
	assert_int_equal(f.hopeless, 0);
	assert_int_not_equal(redis_child_pid(child), pid);
	assert_int_equal(log_count("redis.child_died"), 1);
	assert_int_equal(failed, 0);
}

/* SIGTERM from somebody else is an end as well. */
static void
test_ended_is_restarted(void **state)
{
	(void)state;
	start();
	connect_ready();
	kill(redis_child_pid(child), SIGTERM);
	wait_lost(&f, 1);
	wait_ready(&f, 2);
	write_one("k", 1);
}

static void
test_gives_up_in_the_end(void **state)
{
	unsigned i;

	(void)state;
	start();
	connect_ready();
	for (i = 1; i <= 5; i++) {
		assert_int_equal(failed, 0);
		wait_ready(&f, i);
		kill(redis_child_pid(child), SIGKILL);
		f.lost = 0;
		wait_lost(&f, 1);
	}
	assert_true(run_until(f.loop, is_set, &failed, LIMIT_MS));
	assert_non_null(strstr(failed_reason, "5 times"));
	assert_int_equal(redis_child_pid(child), 0);
	run_for(f.loop, 50);
	assert_int_equal(failed, 1);
	fixture_close(&f);
	stop();
}

/* Stops it, and gives the path of its append-only file. */
static void
stop_for_file(char path[500])
{
	start();
	connect_ready();
	write_one("k", 1);
	fixture_close(&f);
	stop();
	snprintf(path, 500, "%s/redis/appendonlydir/appendonly.aof.1.incr.aof",
	    state_dir);
}

static void
append(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* It starts with what is whole. */
static void
test_torn_end(void **state)
{
	char path[500];

	(void)state;
	stop_for_file(path);
	append(path, "*1\r\n$5\r\nMULTI\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n*1\r");
	start();
	connect_ready();
	write_one("k", 2);
	assert_int_equal(log_count("redis.aof_cut"), 1);
	assert_non_null(strstr(log_last("redis.aof_cut"), " bytes=38"));
}

/* What is not mended is said, and Redis has its way with it. */
static void
test_odd_end(void **state)
{
	char path[500], aside[520];

	(void)state;
	stop_for_file(path);
	append(path, "*1\r\n$4\r\nEXEC\r\n");
	start();
	connect_ready();
	assert_int_equal(log_count("redis.aof_strange"), 1);
	assert_non_null(strstr(log_last("redis.aof_strange"), " bytes=14"));
	fixture_close(&f);
	stop();
	snprintf(aside, sizeof(aside), "%s.aside", path);
	assert_int_equal(rename(path, aside), 0);
	assert_int_equal(symlink(aside, path), 0);
	start();
	connect_ready();
	write_one("k", 2);
	assert_int_equal(log_count("redis.aof_unread"), 1);
	assert_int_equal(log_count("redis.aof_cut"), 0);
}

/* Data that Redis will not read: told with Redis's own words. */
static void
test_damaged_data(void **state)
{
	char path[500];
	int fd;

	(void)state;
	start();
	connect_ready();
	write_one("k", 1);
	fixture_close(&f);
	stop();
	snprintf(path, sizeof(path),
	    "%s/redis/appendonlydir/appendonly.aof.manifest", state_dir);
	fd = open(path, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, "nonsense\n", 9), 9);
	close(fd);
	start();
	assert_true(run_until(f.loop, is_set, &failed, LIMIT_MS));
	assert_non_null(strstr(failed_reason, "exit status 1"));
	assert_non_null(strstr(failed_reason, "manifest"));
}

/* Stopped (the signal) it ignores SIGTERM: killed in the end. */
static void
test_stop_of_a_hung_one(void **state)
{
	int pid;

	(void)state;
	start();
	connect_ready();
	fixture_close(&f);
	pid = redis_child_pid(child);
	kill(pid, SIGSTOP);
	stop();
	assert_true(is_gone(&pid));
	assert_int_equal(log_count("redis.child_killed"), 1);
}

static void
test_free_without_stop(void **state)
{
	int pid;

	(void)state;
	start();
	pid = redis_child_pid(child);
	redis_child_free(child);
	child = NULL;
	assert_true(is_gone(&pid));
	redis_child_free(NULL);
}

/* ---- what stands against it ------------------------------------------- */

static enum err
start_fails(void)
{
	struct redis_child *other = child;
	enum err err =
	    redis_child_start(&other, f.loop, state_dir, on_failed, NULL, &why);

	assert_int_not_equal(err, ERR_OK);
	assert_null(other);
	return err;
}

static void
test_locked(void **state)
{
	(void)state;
	start();
	connect_ready();
	assert_int_equal(start_fails(), ERR_STATE_LOCKED);
	expect_why("another schedd uses the state folder");
	/* The first one is none the worse. */
	write_one("k", 1);
	assert_int_equal(f.lost, 0);
}

static void
test_no_program(void **state)
{
	const char *before = getenv("PATH");
	char *path = strdup(before == NULL ? "" : before);

	(void)state;
	setenv("PATH", "/nonexistent:relative::", 1);
	assert_int_equal(start_fails(), ERR_REDIS_SERVER);
	expect_why("redis-server");
	unsetenv("PATH");
	assert_int_equal(start_fails(), ERR_REDIS_SERVER);
	setenv("PATH", path, 1);
	free(path);
	/* The lock was given back. */
	buf_clear(&why);
	start();
}

static void
test_folder_below_a_file(void **state)
{
	char path[500];

	(void)state;
	snprintf(path, sizeof(path), "%s/a", folder);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	assert_int_equal(start_fails(), ERR_STATE_DIR);
	expect_why("Not a directory");
}

/* Root may write anywhere, so the test becomes nobody for it. */
static void
test_unwritable_folder(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	snprintf(state_dir, sizeof(state_dir), "%s", folder);
	assert_int_equal(chmod(folder, 0555), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
			_exit(1);
		if (redis_child_start(&child, f.loop, state_dir, on_failed,
			NULL, &why) != ERR_STATE_DIR)
			_exit(2);
		buf_add_char(&why, '\0');
		_exit(strstr(why.data, "Permission denied") ? 0 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(chmod(folder, 0700), 0);
}

/* ---- its parent dies -------------------------------------------------- */

/* A process that has a private redis-server and tells its pid. */
static _Noreturn void
be_parent(int out)
{
	int pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fixture_init(&f);
	if (redis_child_start(
		&child, f.loop, state_dir, on_failed, NULL, &why) != ERR_OK)
		_exit(1);
	connect_ready();
	write_one("k", 1);
	pid = redis_child_pid(child);
	(void)!write(out, &pid, sizeof(pid));
	for (;;)
		pause();
}

static void
fork_parent(pid_t *parent, pid_t *redis)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	*parent = fork();
	assert_true(*parent >= 0);
	if (*parent == 0)
		be_parent(fds[1]);
	close(fds[1]);
	assert_int_equal(read(fds[0], redis, sizeof(*redis)), sizeof(*redis));
	close(fds[0]);
}

static void
test_dies_with_its_parent(void **state)
{
	pid_t parent, redis;

	(void)state;
	fork_parent(&parent, &redis);
	assert_false(is_gone(&redis));
	kill(parent, SIGKILL);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	assert_true(wait_until(is_gone, &redis, LIMIT_MS));
	start();
	connect_ready();
	write_one("k", 2);
}

static bool
waits(void *arg)
{
	(void)arg;
	return log_count("redis.child_waits") > 0;
}

/*
 * The parent was killed and its redis-server takes its time (it is stopped
 * here). Starting at once must neither disturb it nor lose the socket to it.
 */
static void
test_waits_for_the_last_one(void **state)
{
	pid_t parent, redis;

	(void)state;
	fork_parent(&parent, &redis);
	kill(redis, SIGSTOP);
	kill(parent, SIGKILL);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	start();
	assert_true(run_until(f.loop, waits, NULL, LIMIT_MS));
	run_for(f.loop, 100);
	assert_int_equal(redis_child_pid(child), 0);
	kill(redis, SIGCONT);
	connect_ready();
	assert_true(wait_until(is_gone, &redis, LIMIT_MS));
	write_one("k", 2);
	run_for(f.loop, 50);
	assert_int_equal(f.lost, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_start_stop_start),
	    CASE(test_settings),
	    CASE(test_password),
	    CASE(test_clean_process),
	    CASE(test_odd_folder_names),
	    CASE(test_deep_folder),
	    CASE(test_old_log_is_put_aside),
	    CASE(test_killed_is_restarted),
	    CASE(test_ended_is_restarted),
	    CASE(test_gives_up_in_the_end),
	    CASE(test_torn_end),
	    CASE(test_odd_end),
	    CASE(test_damaged_data),
	    CASE(test_stop_of_a_hung_one),
	    CASE(test_free_without_stop),
	    CASE(test_locked),
	    CASE(test_no_program),
	    CASE(test_folder_below_a_file),
	    CASE(test_unwritable_folder),
	    CASE(test_dies_with_its_parent),
	    CASE(test_waits_for_the_last_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
