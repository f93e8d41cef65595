/*
 * Where the log's lines go: files by component, rotation, and disks that are
 * full or slow. write(2) and the clock are ours, so that a disk can be made
 * to be so.
 */

#define _GNU_SOURCE /* syscall, nftw, F_SETPIPE_SZ */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/log.h"
#include "core/metrics.h"

enum { TEXT_MAX = 1 << 20, PATH_LEN = 128 };

static struct {
	char folder[32];
	int stderr_fd; /* the real one */
	char text[TEXT_MAX];
	struct log_files files;
} w;

static char paths[64][PATH_LEN]; /* more than a test names */
static size_t path_count;

/* What the disk is like. */
static struct {
	unsigned writes; /* so far */
	ssize_t room;    /* bytes that it still takes; -1: any */
	int64_t slow_ms; /* what each write takes */
	int64_t passed_ms;
} disk;

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int failed = (int)syscall(SYS_clock_gettime, id, ts);

	ts->tv_sec += disk.passed_ms / 1000;
	ts->tv_nsec += disk.passed_ms % 1000 * 1000000;
	if (ts->tv_nsec >= 1000000000) {
		ts->tv_nsec -= 1000000000;
		ts->tv_sec++;
	}
	return failed;
}

ssize_t
write(int fd, const void *p, size_t n)
{
	disk.writes++;
	disk.passed_ms += disk.slow_ms;
	if (fd > STDERR_FILENO && disk.room >= 0) {
		if (disk.room == 0) {
			errno = ENOSPC;
			return -1;
		}
		if ((size_t)disk.room < n)
			n = (size_t)disk.room;
		disk.room -= (ssize_t)n;
	}
	return syscall(SYS_write, fd, p, n);
}

/* ---- the place -------------------------------------------------------- */

static const char *
path_of(const char *name)
{
	char *path = paths[path_count++ % COUNT_OF(paths)];

	snprintf(path, PATH_LEN, "%s/%s", w.folder, name);
	return path;
}

/* stderr goes to a file of the folder, too. */
static int
set_up(void **state)
{
	int fd;

	(void)state;
	memset(&disk, 0, sizeof(disk));
	disk.room = -1;
	memset(&w, 0, sizeof(w));
	snprintf(w.folder, sizeof(w.folder), "/tmp/schedd-log-XXXXXX");
	assert_non_null(mkdtemp(w.folder));
	w.stderr_fd = dup(STDERR_FILENO);
	fd = open(path_of("stderr"), O_WRONLY | O_CREAT | O_APPEND, 0600);
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	close(fd);
	w.files.common = w.files.errors = "";
	for (int c = 0; c < LOG_COMPONENT_COUNT; c++)
		w.files.of[c] = "";
	log_set_sink(NULL);
	log_set_level(LOG_INFO);
	return 0;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static int
tear_down(void **state)
{
	(void)state;
	log_hold_access(false);
	log_files_close();
	assert_int_equal(dup2(w.stderr_fd, STDERR_FILENO), STDERR_FILENO);
	close(w.stderr_fd);
	return nftw(w.folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void
open_files(void)
{
	struct buf why;

	buf_init(&why, 4096);
	if (log_files_prepare(&w.files, &why) != ERR_OK)
		fail_msg("%.*s", SPAN_ARG(buf_span(&why)));
	log_files_take(true);
	buf_clear(&why);
}

/* What a file holds, without the times of its lines. */
static const char *
text_of(const char *name)
{
	FILE *f = fopen(path_of(name), "r");
	char line[8192];
	size_t len = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		const char *rest = strlen(line) > 25 ? line + 25 : line;

		assert_true(len + strlen(rest) < TEXT_MAX);
		memcpy(w.text + len, rest, strlen(rest));
		len += strlen(rest);
	}
	w.text[len] = '\0';
	fclose(f);
	return w.text;
}

static size_t
count_fds(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Of the series of that file. */
static double
dropped_by(const char *name)
{
	return metric_read_series(
	    METRIC_LOG_DROPPED, metric_series(METRIC_LOG_DROPPED, name));
}

/* ---- routes ----------------------------------------------------------- */

static void
test_each_line_where_it_belongs(void **state)
{
	(void)state;
	w.files.common = path_of("common");
	w.files.errors = path_of("error");
	w.files.of[LOG_COMPONENT_janitor] = path_of("janitor");
	w.files.of[LOG_COMPONENT_redis] = path_of("janitor");
	open_files();
	log_info("janitor.duty", "n=%d", 1);
	log_info("redis.ready", "n=%d", 2);
	log_info("server.ready", "n=%d", 3);
	log_error("janitor.failed", "n=%d", 4);
	log_error("unknown.event", "n=%d", 5);
	assert_string_equal(text_of("janitor"),
	    "info janitor.duty n=1\ninfo redis.ready n=2\n"
	    "error janitor.failed n=4\n");
	assert_string_equal(text_of("common"),
	    "info server.ready n=3\nerror unknown.event n=5\n");
	assert_string_equal(text_of("error"),
	    "error janitor.failed n=4\nerror unknown.event n=5\n");
	assert_string_equal(text_of("stderr"), "");
}

static void
test_a_copy_is_no_second_line(void **state)
{
	(void)state;
	w.files.common = w.files.errors = path_of("all");
	open_files();
	log_error("server.x", "n=%d", 1);
	assert_string_equal(text_of("all"), "error server.x n=1\n");
}

static void
test_stderr_is_what_is_left(void **state)
{
	(void)state;
	w.files.of[LOG_COMPONENT_access] = path_of("access");
	open_files();
	log_info("access.request", "n=%d", 1);
	log_info("server.ready", "n=%d", 2);
	assert_string_equal(text_of("access"), "info access.request n=1\n");
	assert_string_equal(text_of("stderr"), "info server.ready n=2\n");
	log_files_close();
	log_info("access.request", "n=%d", 3);
	assert_string_equal(text_of("access"), "info access.request n=1\n");
	assert_string_equal(text_of("stderr"),
	    "info server.ready n=2\ninfo access.request n=3\n");
}

static void
test_mode_and_what_is_there(void **state)
{
	mode_t mask = umask(077);
	struct stat st;
	FILE *f;

	(void)state;
	f = fopen(path_of("old"), "w");
	assert_true(f != NULL && fputs("before\n", f) >= 0 && fclose(f) == 0);
	w.files.common = path_of("old");
	w.files.of[LOG_COMPONENT_http] = path_of("new");
	open_files();
	umask(mask);
	log_info("server.ready", "n=%d", 1);
	assert_string_equal(text_of("old"), "before\ninfo server.ready n=1\n");
	assert_int_equal(stat(path_of("old"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(path_of("new"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
}

static void
test_what_cannot_be_opened(void **state)
{
	size_t before;
	struct buf why;

	(void)state;
	w.files.common = path_of("common");
	open_files();
	before = count_fds();
	buf_init(&why, 4096);
	w.files.of[LOG_COMPONENT_access] = path_of("access");
	w.files.of[LOG_COMPONENT_janitor] = path_of("none/janitor");
	assert_int_equal(log_files_prepare(&w.files, &why), ERR_LOG_FILE);
	buf_add_char(&why, '\0');
	assert_non_null(strstr(why.data, "[log] file.janitor: /tmp/schedd-"));
	assert_non_null(
	    strstr(why.data, "/none/janitor: No such file or directory"));
	assert_int_equal(count_fds(), before);
	log_info("access.request", "n=%d", 1);
	assert_string_equal(text_of("common"), "info access.request n=1\n");
	w.files.of[LOG_COMPONENT_janitor] = "";
	w.files.common = w.folder;
	buf_reset(&why, 0);
	assert_int_equal(log_files_prepare(&w.files, &why), ERR_LOG_FILE);
	buf_add_char(&why, '\0');
	assert_non_null(strstr(why.data, "[log] file: /tmp/schedd-log-"));
	buf_clear(&why);
}

/* As a reload that is refused for something else. */
static void
test_a_change_that_is_not_taken(void **state)
{
	size_t before;
	struct buf why;

	(void)state;
	w.files.common = path_of("one");
	open_files();
	before = count_fds();
	buf_init(&why, 4096);
	w.files.of[LOG_COMPONENT_http] = path_of("two");
	assert_int_equal(log_files_prepare(&w.files, &why), ERR_OK);
	assert_int_equal(count_fds(), before + 1);
	log_files_take(false);
	assert_int_equal(count_fds(), before);
	log_info("http.x", "n=%d", 1);
	assert_string_equal(text_of("one"), "info http.x n=1\n");
	/* And one that is: what is no longer named is closed. */
	w.files.common = "";
	assert_int_equal(log_files_prepare(&w.files, &why), ERR_OK);
	log_files_take(true);
	assert_int_equal(count_fds(), before);
	log_info("http.x", "n=%d", 2);
	assert_string_equal(text_of("two"), "info http.x n=2\n");
	buf_clear(&why);
}

/* ---- rotation --------------------------------------------------------- */

static void
test_a_file_that_was_moved(void **state)
{
	size_t before;

	(void)state;
	w.files.common = path_of("log");
	open_files();
	before = count_fds();
	log_info("server.x", "n=%d", 1);
	assert_int_equal(rename(path_of("log"), path_of("log.1")), 0);
	log_info("server.x", "n=%d", 2);
	log_files_reopen();
	log_info("server.x", "n=%d", 3);
	assert_string_equal(
	    text_of("log.1"), "info server.x n=1\ninfo server.x n=2\n");
	assert_string_equal(text_of("log"), "info server.x n=3\n");
	assert_int_equal(count_fds(), before);
}

static void
test_a_file_that_cannot_be_opened_anew(void **state)
{
	(void)state;
	assert_int_equal(mkdir(path_of("sub"), 0700), 0);
	w.files.common = path_of("common");
	w.files.of[LOG_COMPONENT_http] = path_of("sub/http");
	open_files();
	assert_int_equal(rename(path_of("sub"), path_of("moved")), 0);
	log_files_reopen();
	log_info("http.x", "n=%d", 1);
	assert_string_equal(text_of("moved/http"), "info http.x n=1\n");
	assert_non_null(strstr(text_of("common"), "error log.kept file=/tmp/"));
	assert_non_null(strstr(w.text, "/sub/http reason=\"No such file or "
				       "directory\"\n"));
}

/* ---- disks that are full or slow -------------------------------------- */

static void
test_a_full_disk(void **state)
{
	uint64_t before = log_dropped();
	double counted = dropped_by("janitor");

	(void)state;
	w.files.of[LOG_COMPONENT_janitor] = path_of("janitor");
	open_files();
	disk.room = 40;
	log_info("janitor.x", "n=%d", 1); /* 44 bytes */
	log_info("janitor.x", "n=%d", 2);
	log_info("server.x", "n=%d", 3);
	log_info("janitor.x", "n=%d", 4);
	assert_int_equal(log_dropped() - before, 3);
	assert_true(dropped_by("janitor") - counted == 3);
	/* Told once where somebody may look. */
	assert_non_null(strstr(text_of("stderr"), "error log.failed file="));
	assert_non_null(
	    strstr(w.text, "/janitor reason=\"No space left on device\"\n"
			   "info server.x n=3\n"));
	disk.room = -1;
	log_info("janitor.x", "n=%d", 5);
	assert_string_equal(text_of("janitor"),
	    "info janitor.x \n"
	    "warn log.dropped lines=3 reason=\"No space left on device\"\n"
	    "info janitor.x n=5\n");
	assert_int_equal(log_dropped() - before, 3);
}

/* The notice itself may be what finds no room. */
static void
test_a_disk_that_is_full_again(void **state)
{
	(void)state;
	w.files.common = path_of("log");
	open_files();
	disk.room = 0;
	log_info("server.x", "n=%d", 1);
	disk.room = 30;
	log_info("server.x", "n=%d", 2);
	disk.room = -1;
	log_info("server.x", "n=%d", 3);
	assert_string_equal(text_of("log"),
	    "warn \n"
	    "warn log.dropped lines=2 reason=\"No space left on device\"\n"
	    "info server.x n=3\n");
}

static void
test_a_slow_disk(void **state)
{
	uint64_t before = log_dropped();
	unsigned writes;

	(void)state;
	w.files.common = path_of("log");
	open_files();
	disk.slow_ms = 200;
	log_info("server.x", "n=%d", 1); /* gets through, in its time */
	disk.slow_ms = 0;
	writes = disk.writes;
	for (int i = 0; i < 1000; i++)
		log_info("server.x", "n=%d", 2);
	assert_int_equal(log_dropped() - before, 1000);
	assert_true(disk.writes - writes <= 1); /* that told it on stderr */
	disk.passed_ms += 1700;
	log_info("server.x", "n=%d", 3);
	assert_int_equal(log_dropped() - before, 1001);
	disk.passed_ms += 200;
	log_info("server.x", "n=%d", 4);
	assert_string_equal(text_of("log"),
	    "info server.x n=1\nwarn log.dropped lines=1001 reason=slow\n"
	    "info server.x n=4\n");
}

static void
test_a_fifo(void **state)
{
	static char got[1 << 17];
	uint64_t before = log_dropped();
	struct buf why;
	int fd, lines = 0;
	ssize_t n;

	(void)state;
	assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
	w.files.common = path_of("fifo");
	buf_init(&why, 4096);
	assert_int_equal(log_files_prepare(&w.files, &why), ERR_LOG_FILE);
	buf_clear(&why);
	fd = open(w.files.common, O_RDONLY | O_NONBLOCK);
	assert_true(fd >= 0);
	open_files();
	/* Would wait for ever if it waited at all. */
	for (int i = 0; i < 10000; i++)
		log_info("server.x", "n=%d", i);
	n = read(fd, got, sizeof(got));
	assert_true(n > 0);
	for (ssize_t i = 0; i < n; i++)
		lines += got[i] == '\n';
	assert_int_equal(lines + (int)(log_dropped() - before), 10000);
	log_info("server.x", "n=%s", "last");
	n = read(fd, got, sizeof(got) - 1);
	assert_true(n > 0);
	got[n] = '\0';
	assert_non_null(strstr(got, "warn log.dropped lines="));
	assert_non_null(strstr(got, " reason=full\n"));
	assert_non_null(strstr(got, "info server.x n=last\n"));
	close(fd);
}

/* ---- holding ---------------------------------------------------------- */

static void
test_access_lines_go_out_together(void **state)
{
	unsigned writes;

	(void)state;
	w.files.of[LOG_COMPONENT_access] = path_of("access");
	open_files();
	log_hold_access(true);
	writes = disk.writes;
	for (int i = 0; i < 10; i++)
		log_info("access.request", "n=%d", i);
	log_info("server.x", "n=%d", 10); /* of another file */
	assert_int_equal(disk.writes - writes, 1);
	assert_string_equal(text_of("access"), "");
	log_flush();
	assert_int_equal(disk.writes - writes, 2);
	assert_non_null(strstr(text_of("access"), "info access.request n=9\n"));
}

static void
test_the_order_within_a_file(void **state)
{
	(void)state;
	w.files.common = path_of("log");
	open_files();
	log_hold_access(true);
	log_info("access.request", "n=%d", 1);
	log_info("server.x", "n=%d", 2);
	log_info("access.request", "n=%d", 3);
	log_files_reopen();
	assert_string_equal(text_of("log"),
	    "info access.request n=1\ninfo server.x n=2\n"
	    "info access.request n=3\n");
}

/* A pipe with room for some lines only: held ones come in pieces that it
 * takes whole, so that writing never waits. */
static void
test_held_lines_and_a_pipe_nearly_full(void **state)
{
	static char got[1 << 17];
	uint64_t before = log_dropped();
	int fds[2], lines = 0;
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	fcntl(fds[1], F_SETPIPE_SZ, 16384);
	assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	log_hold_access(true);
	for (int i = 0; i < 500; i++)
		log_info("access.request", "n=%d %050d", i, 0);
	log_flush();
	n = read(fds[0], got, sizeof(got));
	assert_true(n > 8192 && n <= 16384 && got[n - 1] == '\n');
	for (ssize_t i = 0; i < n; i++)
		lines += got[i] == '\n';
	assert_int_equal(lines + (int)(log_dropped() - before), 500);
	close(fds[0]);
	close(fds[1]);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_each_line_where_it_belongs),
	    TEST(test_a_copy_is_no_second_line),
	    TEST(test_stderr_is_what_is_left),
	    TEST(test_mode_and_what_is_there),
	    TEST(test_what_cannot_be_opened),
	    TEST(test_a_change_that_is_not_taken),
	    TEST(test_a_file_that_was_moved),
	    TEST(test_a_file_that_cannot_be_opened_anew),
	    TEST(test_a_full_disk),
	    TEST(test_a_disk_that_is_full_again),
	    TEST(test_a_slow_disk),
	    TEST(test_a_fifo),
	    TEST(test_access_lines_go_out_together),
	    TEST(test_the_order_within_a_file),
	    TEST(test_held_lines_and_a_pipe_nearly_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
