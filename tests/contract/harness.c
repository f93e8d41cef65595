/* What the contract tests share; see harness.h. */

#define _GNU_SOURCE /* pipe2, nftw */

#include "tests/contract/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "core/loop.h"
#include "core/mem.h"

enum { POLL_MS = 2, LINES_MAX = 4096, LINE_BYTES = 400 };

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool
wait_until(bool (*is_true)(void *arg), void *arg, unsigned ms)
{
	const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
	int64_t end = now_ms() + ms;

	while (!is_true(arg)) {
		if (now_ms() > end)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

/* ---- folders ---------------------------------------------------------- */

void
temp_folder_make(char *path, size_t size)
{
	snprintf(path, size, "/tmp/schedd-test-XXXXXX");
	assert_non_null(mkdtemp(path));
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

void
temp_folder_remove(const char *path)
{
	assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* ---- programs --------------------------------------------------------- */

struct program {
	pid_t pid;
	FILE *in, *out;
};

/* Starts argv with stdin and stdout as pipes. It ends with the test, however
 * that ends. */
static struct program
start(char *const *argv)
{
	int in[2], out[2];
	pid_t pid;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], 0);
		dup2(out[1], 1);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	return (struct program){pid, fdopen(in[1], "w"), fdopen(out[0], "r")};
}

static void
redis_end(struct test_redis *r, int signo)
{
	int status;

	if (r->pid == 0)
		return;
	kill(r->pid, signo);
	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	fclose(r->out);
	r->pid = 0;
}

/* ---- redis-server ----------------------------------------------------- */

static bool
redis_answers(void *arg)
{
	struct test_redis *r = arg;
	redisContext *c = redisConnectUnix(r->socket);
	bool ok = c != NULL && c->err == 0;

	assert_int_equal(waitpid(r->pid, NULL, WNOHANG), 0);
	if (c != NULL)
		redisFree(c);
	return ok;
}

void
test_redis_restart(struct test_redis *r)
{
	char program[] = "redis-server", dash[] = "-";
	char *argv[] = {program, dash, NULL};
	struct program p = start(argv);

	r->pid = p.pid;
	r->out = p.out;
	fprintf(p.in,
	    "port 0\nunixsocket %s\ndir %s\nlogfile %s/redis.log\n"
	    "appendonly yes\nappendfsync always\nsave \"\"\n"
	    "maxmemory-policy noeviction\n%s",
	    r->socket, r->folder, r->folder, r->settings);
	fclose(p.in);
	assert_true(wait_until(redis_answers, r, LIMIT_MS));
}

void
test_redis_start(struct test_redis *r, const char *settings)
{
	temp_folder_make(r->folder, sizeof(r->folder));
	snprintf(r->socket, sizeof(r->socket), "%s/redis.sock", r->folder);
	snprintf(r->url, sizeof(r->url), "unix:%s", r->socket);
	snprintf(r->settings, sizeof(r->settings), "%s", settings);
	test_redis_restart(r);
}

void
test_redis_kill(struct test_redis *r)
{
	redis_end(r, SIGKILL);
	/* Unlike an orderly end, it leaves its socket behind. */
	unlink(r->socket);
}

void
test_redis_stop(struct test_redis *r)
{
	redis_end(r, SIGTERM);
	temp_folder_remove(r->folder);
}

static redisReply *
redis_ask(const struct test_redis *r, const char *fmt, va_list ap)
{
	redisContext *c = redisConnectUnix(r->socket);
	redisReply *reply;

	assert_non_null(c);
	assert_int_equal(c->err, 0);
	reply = redisvCommand(c, fmt, ap);
	redisFree(c);
	assert_non_null(reply);
	if (reply->type == REDIS_REPLY_ERROR)
		print_error("%s: %s\n", fmt, reply->str);
	assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
	return reply;
}

redisReply *
test_redis_command(const struct test_redis *r, const char *fmt, ...)
{
	redisReply *reply;
	va_list ap;

	va_start(ap, fmt);
	reply = redis_ask(r, fmt, ap);
	va_end(ap);
	return reply;
}

long long
test_redis_integer(const struct test_redis *r, const char *fmt, ...)
{
	redisReply *reply;
	long long n;
	va_list ap;

	va_start(ap, fmt);
	reply = redis_ask(r, fmt, ap);
	va_end(ap);
	n = reply->integer;
	freeReplyObject(reply);
	return n;
}

/* ---- the fault proxy -------------------------------------------------- */

void
test_proxy_start(
    struct test_proxy *p, const char *listen, const char *target, unsigned seed)
{
	char program[] = FAULTPROXY, from[128], to[128], number[16];
	char *argv[] = {program, from, to, number, NULL};
	char line[160], kind[8];
	struct program started;
	int at = 0;

	snprintf(from, sizeof(from), "%s", listen);
	snprintf(to, sizeof(to), "%s", target);
	snprintf(number, sizeof(number), "%u", seed);
	started = start(argv);
	p->pid = started.pid;
	p->commands = started.in;
	p->answers = started.out;
	assert_non_null(fgets(line, sizeof(line), p->answers));
	line[strcspn(line, "\n")] = '\0';
	assert_int_equal(sscanf(line, "listening %4[a-z]:%n", kind, &at), 1);
	snprintf(p->url, sizeof(p->url), "%s:%s%s", kind,
	    strcmp(kind, "tcp") == 0 ? "//" : "", line + at);
}

void
test_proxy_tell(struct test_proxy *p, const char *fmt, ...)
{
	char answer[32];
	va_list ap;

	va_start(ap, fmt);
	vfprintf(p->commands, fmt, ap);
	va_end(ap);
	fputc('\n', p->commands);
	fflush(p->commands);
	assert_non_null(fgets(answer, sizeof(answer), p->answers));
	assert_memory_equal(answer, "ok", 2);
}

void
test_proxy_stop(struct test_proxy *p)
{
	int status;

	fclose(p->commands);
	fclose(p->answers);
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	assert_int_equal(status, 0);
}

/* ---- the loop --------------------------------------------------------- */

struct run {
	struct loop *loop;
	struct timer timer;
	bool (*is_true)(void *arg);
	void *arg;
	int64_t end_ms;
	bool was_true;
};

static void
run_on_timer(void *arg)
{
	struct run *r = arg;

	r->was_true = r->is_true(r->arg);
	if (r->was_true || now_ms() > r->end_ms)
		loop_stop(r->loop);
	else
		timer_arm_ms(&r->timer, 1);
}

bool
run_until(struct loop *loop, bool (*is_true)(void *arg), void *arg, unsigned ms)
{
	struct run r = {.loop = loop,
	    .is_true = is_true,
	    .arg = arg,
	    .end_ms = now_ms() + ms};

	timer_init(&r.timer, loop, run_on_timer, &r);
	timer_arm_ms(&r.timer, 0);
	loop_run(loop);
	timer_clear(&r.timer);
	return r.was_true;
}

static bool
never(void *arg)
{
	(void)arg;
	return false;
}

void
run_for(struct loop *loop, unsigned ms)
{
	run_until(loop, never, NULL, ms);
}

/* ---- the log ---------------------------------------------------------- */

static char lines[LINES_MAX][LINE_BYTES];
static unsigned line_count;

static void
log_keep(const char *line, size_t len)
{
	char *to = lines[line_count % LINES_MAX];

	if (getenv("TEST_LOG") != NULL)
		fprintf(stderr, "%.*s", (int)len, line);
	if (len >= LINE_BYTES)
		len = LINE_BYTES - 1;
	memcpy(to, line, len);
	to[len] = '\0';
	line_count++;
}

void
log_catch(void)
{
	line_count = 0;
	log_set_sink(log_keep);
}

static bool
line_is(const char *line, const char *event)
{
	const char *at = strstr(line, event);
	size_t len = strlen(event);

	return at != NULL && at > line && at[-1] == ' ' &&
	       strchr(" \n", at[len]) != NULL;
}

unsigned
log_count(const char *event)
{
	unsigned i, n = 0;

	for (i = 0; i < line_count && i < LINES_MAX; i++)
		n += line_is(lines[i], event);
	return n;
}

const char *
log_last(const char *event)
{
	const char *last = "";
	unsigned i;

	for (i = 0; i < line_count && i < LINES_MAX; i++)
		if (line_is(lines[i], event))
			last = lines[i];
	return last;
}
