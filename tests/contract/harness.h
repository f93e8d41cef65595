#ifndef SCHEDD_TESTS_CONTRACT_HARNESS_H
#define SCHEDD_TESTS_CONTRACT_HARNESS_H

/*
 * What the contract tests share: a real redis-server in a folder of its own,
 * the fault proxy in front of it, and a loop that runs until something is
 * true. Whatever is not as it must be ends the test by a cmocka failure.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

struct loop;

enum { LIMIT_MS = 10000 }; /* for what must happen soon */

/* ---- folders ---------------------------------------------------------- */

/* A new folder, short enough for a socket path. */
void temp_folder_make(char *path, size_t size);
/* Removes it with all that is in it. */
void temp_folder_remove(const char *path);

/* ---- redis-server ----------------------------------------------------- */

struct test_redis {
	char folder[64];
	char url[96]; /* unix:/... */
	char socket[90];
	char settings[512]; /* more lines for its settings */
	pid_t pid;          /* 0: not running */
	FILE *out;          /* nobody reads it: it has a log */
};

/* Makes the folder and starts it; settings: lines beside the usual ones
 * (append-only file, no port), or "". */
void test_redis_start(struct test_redis *r, const char *settings);
/* Starts it again on the same data; returns when it takes connections, which
 * may be before its data is loaded. */
void test_redis_restart(struct test_redis *r);
/* kill -9, and reaps it. */
void test_redis_kill(struct test_redis *r);
/* Ends it if it runs, and removes the folder. */
void test_redis_stop(struct test_redis *r);
/* One command, directly and at once. The caller frees the reply; it is
 * never NULL and never an error. */
redisReply *test_redis_command(const struct test_redis *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The same where only the integer counts, or nothing. */
long long test_redis_integer(const struct test_redis *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- the fault proxy -------------------------------------------------- */

struct test_proxy {
	pid_t pid;
	FILE *commands, *answers;
	char url[128]; /* what to connect to */
};

/* listen: "unix:/path" or "tcp:127.0.0.1:0". */
void test_proxy_start(struct test_proxy *p, const char *listen,
    const char *target, unsigned seed);
/* One line of faultproxy's commands; waits until it is obeyed. */
void test_proxy_tell(struct test_proxy *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void test_proxy_stop(struct test_proxy *p);

/* ---- the loop --------------------------------------------------------- */

/* Runs the loop until is_true(arg); false when it took longer than that. */
bool run_until(
    struct loop *loop, bool (*is_true)(void *arg), void *arg, unsigned ms);
/* Runs the loop for so long, for what must not happen. */
void run_for(struct loop *loop, unsigned ms);

/* Waits without a loop: until is_true(arg), at most ms. */
bool wait_until(bool (*is_true)(void *arg), void *arg, unsigned ms);

/* ---- the log ---------------------------------------------------------- */

/* Keeps the log's lines instead of printing them. */
void log_catch(void);
/* How many lines with that event were logged since log_catch. */
unsigned log_count(const char *event);
/* The last line with that event, or "". */
const char *log_last(const char *event);

#endif
