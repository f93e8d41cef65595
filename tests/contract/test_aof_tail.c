/*
 * What is cut off an append-only file: of one that a real Redis wrote, at each
 * of its bytes; and what is left as it is.
 */

#include "tests/contract/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/aof_tail.h"

enum { FILE_MAX = 4096, ENDS_MAX = 16 };

/* What looks like the start of a transaction, and its end, is data here. */
#define PAYLOAD "\r\n*1\r\n$5\r\nMULTI\r\n*1\r\n$4\r\nEXEC\r\n#\r\n"
#define MANIFEST                                        \
	"file appendonly.aof.1.base.rdb seq 1 type b\n" \
	"file appendonly.aof.1.incr.aof seq 1 type i\n"
#define AOF "appendonlydir/appendonly.aof.1.incr.aof"

#define PLAIN "*2\r\n$3\r\nDEL\r\n$1\r\na\r\n"
#define WORDS "many words, and many words, and many words, and many "
#define MULTI "*1\r\n$5\r\nMULTI\r\n"
#define EXEC "*1\r\n$4\r\nEXEC\r\n"

static char folder[64];
static int folder_fd;

static int
setup(void **state)
{
	(void)state;
	temp_folder_make(folder, sizeof(folder));
	folder_fd = open(folder, O_DIRECTORY);
	assert_true(folder_fd >= 0);
	assert_int_equal(mkdirat(folder_fd, "appendonlydir", 0700), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	close(folder_fd);
	temp_folder_remove(folder);
	return 0;
}

static size_t
read_file(int dir, const char *name, char text[FILE_MAX])
{
	int fd = openat(dir, name, O_RDONLY);
	ssize_t n = read(fd, text, FILE_MAX);

	close(fd);
	assert_in_range(n, 0, FILE_MAX - 1);
	return (size_t)n;
}

static void
write_file(const char *name, const char *text, size_t len)
{
	int fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static void
write_manifest(const char *text)
{
	write_file("appendonlydir/appendonly.aof.manifest", text, strlen(text));
}

static struct aof_tail
mend(const char *text, size_t len)
{
	write_file(AOF, text, len);
	return aof_tail_mend(folder_fd);
}

/* The file has the first len bytes of text. */
static void
assert_left(const char *text, size_t len)
{
	char left[FILE_MAX];

	assert_int_equal(read_file(folder_fd, AOF, left), len);
	assert_memory_equal(left, text, len);
}

/* ---- a real one ------------------------------------------------------- */

/* A file, and where its commands and transactions end. */
struct real {
	char text[FILE_MAX];
	size_t len;
	size_t ends[ENDS_MAX];
	unsigned count;
};

static void
real_add(struct real *r, const struct test_redis *redis, const char *script)
{
	char path[200];
	redisReply *reply = test_redis_command(
	    redis, "EVAL %s 2 todo task %s", script, PAYLOAD);

	freeReplyObject(reply);
	snprintf(path, sizeof(path), "%s/" AOF, redis->folder);
	r->len = read_file(AT_FDCWD, path, r->text);
	r->ends[r->count++] = r->len;
}

static void
real_make(struct real *r)
{
	static const char many[] = "redis.call('RPUSH', KEYS[1], 'a', 'b')\n"
				   "redis.call('HSET', KEYS[2], 'p', ARGV[1])\n"
				   "redis.call('DEL', ARGV[1])\n";
	struct test_redis redis;

	*r = (struct real){.count = 0};
	r->ends[r->count++] = 0;
	r->ends[r->count++] = strlen("*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n");
	test_redis_start(&redis, "");
	real_add(r, &redis, "redis.call('SET', KEYS[2], ARGV[1])");
	real_add(r, &redis, "redis.call('DEL', KEYS[2])");
	real_add(r, &redis, many);
	real_add(r, &redis, many);
	real_add(r, &redis, "redis.call('RPUSH', KEYS[1], ARGV[1])");
	test_redis_stop(&redis);
	assert_non_null(strstr(r->text, EXEC MULTI));
}

static void
test_each_cut(void **state)
{
	static struct real r;
	struct aof_tail t;
	size_t len, whole;
	unsigned i = 0;

	(void)state;
	real_make(&r);
	write_manifest(MANIFEST);
	for (len = 0; len <= r.len; len++) {
		if (i + 1 < r.count && r.ends[i + 1] == len)
			i++;
		whole = r.ends[i];
		t = mend(r.text, len);
		assert_int_equal(t.end, len == whole ? AOF_WHOLE : AOF_CUT);
		assert_int_equal(t.offset, whole);
		assert_int_equal(t.bytes, len - whole);
		assert_left(r.text, whole);
	}
	assert_int_equal(i, r.count - 1);
}

/* Values beyond what is read at once, and bytes of any kind. */
static void
test_large_values(void **state)
{
	static const size_t sizes[] = {262100, 262144, 262150, 1000000, 3, 0};
	char head[64], *text = calloc(1, 4000000);
	struct aof_tail t;
	struct stat st;
	size_t i, whole = 0, len = 0;

	(void)state;
	write_manifest(MANIFEST);
	for (i = 0; i < 12; i++) {
		snprintf(head, sizeof(head), "*2\r\n$3\r\nDEL\r\n$%zu\r\n",
		    sizes[i % 6]);
		len += (size_t)snprintf(text + len, 100, "%s%s", MULTI, head);
		len += sizes[i % 6];
		len += (size_t)snprintf(text + len, 100, "\r\n" EXEC);
		whole = i == 10 ? len : whole;
	}
	t = mend(text, len);
	assert_int_equal(t.end, AOF_WHOLE);
	assert_int_equal(t.offset, len);
	t = mend(text, len - 1);
	assert_int_equal(t.end, AOF_CUT);
	assert_int_equal(t.offset, whole);
	assert_int_equal(fstatat(folder_fd, AOF, &st, 0), 0);
	assert_int_equal(st.st_size, whole);
	free(text);
}

/* ---- what else there may be ------------------------------------------- */

struct end {
	const char *whole, *rest;
	enum aof_end end;
};

static const struct end ends[] = {
    {PLAIN "#TS:1700000000\r\n" PLAIN, "", AOF_WHOLE},
    {PLAIN "*1\r\n$5\r\nmulti\r\n#TS:1\r\n*1\r\n$4\r\nexec\r\n", "", AOF_WHOLE},
    {PLAIN "#TS:1\r\n", MULTI "#TS:1\r\n", AOF_CUT},
    {PLAIN, "#TS:17000", AOF_CUT},
    {PLAIN, MULTI PLAIN PLAIN, AOF_CUT},
    {PLAIN, MULTI PLAIN "*1\r\n$4\r\nEXE", AOF_CUT},
    {"", MULTI, AOF_CUT},
    {"*2\r\n$4\r\nPING\r\n$5\r\nMULTI\r\n", "", AOF_WHOLE},
    /* what an earlier start of Redis left */
    {PLAIN, MULTI PLAIN MULTI PLAIN EXEC PLAIN, AOF_STRANGE},
    {PLAIN, MULTI PLAIN MULTI PLAIN, AOF_STRANGE},
    {PLAIN, EXEC PLAIN, AOF_STRANGE},
    /* damage */
    {PLAIN, "", AOF_STRANGE}, /* zeros, as a file system may leave */
    {PLAIN, "DEL a\r\n" PLAIN, AOF_STRANGE},
    {PLAIN, "#" WORDS WORDS WORDS, AOF_STRANGE},
    {PLAIN, MULTI "$5\r\n" PLAIN EXEC, AOF_STRANGE},
    {PLAIN, "*0\r\n" PLAIN, AOF_STRANGE},
    {PLAIN, "*-1\r\n" PLAIN, AOF_STRANGE},
    {PLAIN, "*2\r\n$3\r\nDEL\r\n$-1\r\n", AOF_STRANGE},
    {PLAIN, "*2\r\n$3\r\nDEL\r\n$1\r\nab\r\n" PLAIN, AOF_STRANGE},
    {PLAIN, "*2\r\n$3\r\nDEL\r\n$536870913\r\nab", AOF_STRANGE},
    {PLAIN, "*2\r\n$3\r\nDEL\r\n$99999999999999999999\r\na", AOF_STRANGE},
    {PLAIN, "*2\n$3\r\nDEL\r\n$1\r\na\r\n", AOF_STRANGE},
};

static void
test_ends(void **state)
{
	char text[FILE_MAX];
	const struct end *e;
	struct aof_tail t;
	size_t i, whole, len;

	(void)state;
	write_manifest(MANIFEST);
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		e = &ends[i];
		whole = strlen(e->whole);
		len = whole + strlen(e->rest);
		if (e->rest[0] == '\0' && e->end == AOF_STRANGE)
			len += 4;
		memset(text, 0, sizeof(text));
		snprintf(text, sizeof(text), "%s%s", e->whole, e->rest);
		t = mend(text, len);
		if (t.end != e->end || t.offset != whole)
			fail_msg("row %zu: %d at %llu", i, (int)t.end,
			    (unsigned long long)t.offset);
		assert_int_equal(t.bytes, len - whole);
		assert_left(text, t.end == AOF_CUT ? whole : len);
	}
}

/* The last of its kind in the manifest; a history that waits to be removed is
 * not meant, whatever stands behind. */
static void
test_which_file(void **state)
{
	(void)state;
	assert_int_equal(mend(MULTI, strlen(MULTI)).end, AOF_WHOLE);
	write_manifest("file appendonly.aof.2.base.rdb seq 2 type b\n");
	assert_int_equal(mend(MULTI, strlen(MULTI)).end, AOF_WHOLE);
	write_manifest("file appendonly.aof.1.incr.aof seq 1 type h\n"
		       "file appendonly.aof.2.incr.aof seq 2 type i\n");
	assert_int_equal(mend(MULTI, strlen(MULTI)).end, AOF_WHOLE);
	write_manifest("file ../appendonlydir/appendonly.aof.1.incr.aof"
		       " seq 1 type i\n");
	assert_int_equal(mend(MULTI, strlen(MULTI)).end, AOF_WHOLE);
	assert_left(MULTI, strlen(MULTI));
	write_manifest("file appendonly.aof.0.incr.aof seq 1 type i\n"
		       "file appendonly.aof.1.incr.aof seq 2 type i"
		       " startoffset 0\n"
		       "file appendonly.aof.2.incr.aof seq 1 type h\n");
	assert_int_equal(mend(MULTI, strlen(MULTI)).end, AOF_CUT);
	assert_left("", 0);
}

static void
test_no_symlinks(void **state)
{
	struct aof_tail t;

	(void)state;
	write_manifest(MANIFEST);
	write_file("elsewhere", MULTI, strlen(MULTI));
	assert_int_equal(symlinkat("../elsewhere", folder_fd, AOF), 0);
	t = aof_tail_mend(folder_fd);
	assert_int_equal(t.end, AOF_FAILED);
	assert_int_equal(t.code, ELOOP);
	assert_left(MULTI, strlen(MULTI));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_each_cut, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_large_values, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_which_file, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_symlinks, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
