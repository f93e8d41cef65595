/* schedctl's spool: what is saved comes back, whatever happened to the file
 * in between. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/spool.h"

enum { TEXT_MAX = 4 << 20, PATH_LEN = 64 };

static const char template[] = "/tmp/spool.XXXXXX";

static struct place {
	char folder[sizeof(template)];
	char file[PATH_LEN], aside[PATH_LEN];
} place;

static int
set_up(void **state)
{
	(void)state;
	memcpy(place.folder, template, sizeof(template));
	assert_non_null(mkdtemp(place.folder));
	snprintf(place.file, PATH_LEN, "%s/x", place.folder);
	snprintf(place.aside, PATH_LEN, "%s/x.aside", place.folder);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	unlink(place.file);
	unlink(place.aside);
	/* Nothing else was left. */
	assert_int_equal(rmdir(place.folder), 0);
	return 0;
}

static struct spool *
open_spool(void)
{
	struct spool *s;
	struct buf why;

	buf_init(&why, TEXT_MAX);
	if (spool_open(&s, place.file, &why) != ERR_OK)
		fail_msg("%.*s", SPAN_ARG(buf_span(&why)));
	buf_clear(&why);
	return s;
}

static void
save_spool(struct spool *s)
{
	struct buf why;

	buf_init(&why, TEXT_MAX);
	if (spool_save(s, &why) != ERR_OK)
		fail_msg("%.*s", SPAN_ARG(buf_span(&why)));
	buf_clear(&why);
}

/* Its records, "one|two|". */
static void
assert_holds(struct spool *s, const char *want)
{
	struct list *pos;
	struct buf all;

	buf_init(&all, TEXT_MAX);
	LIST_FOREACH (pos, spool_records(s)) {
		buf_add_str(
		    &all, CONTAINER_OF(pos, struct spool_record, link)->text);
		buf_add_char(&all, '|');
	}
	if (!span_is(buf_span(&all), want))
		fail_msg("got %.*s", SPAN_ARG(buf_span(&all)));
	buf_clear(&all);
}

static struct spool_record *
first(struct spool *s)
{
	return CONTAINER_OF(spool_records(s)->next, struct spool_record, link);
}

static size_t
read_file(const char *name, char *dst, size_t size)
{
	FILE *f = fopen(name, "r");
	size_t n;

	if (f == NULL)
		return 0;
	n = fread(dst, 1, size, f);
	fclose(f);
	return n;
}

static void
write_file(const char *bytes, size_t len)
{
	FILE *f = fopen(place.file, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

/* ---- tests ------------------------------------------------------------ */

static void
test_comes_back(void **state)
{
	struct spool *s = open_spool();
	struct stat st;

	(void)state;
	assert_holds(s, "");
	(void)spool_add(s, SPAN("one"));
	(void)spool_add(s, SPAN(""));
	save_spool(s);
	(void)spool_add(s, SPAN("not saved"));
	spool_close(s);
	assert_int_equal(stat(place.file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);

	s = open_spool();
	assert_holds(s, "one||");
	assert_int_equal(spool_damaged(s), 0);
	(void)spool_add(s, SPAN("three"));
	spool_done(s, first(s));
	save_spool(s);
	assert_holds(s, "|three|");
	spool_close(s);

	s = open_spool();
	assert_holds(s, "|three|");
	spool_done(s, first(s));
	spool_done(s, first(s));
	save_spool(s);
	assert_int_equal(stat(place.file, &st), 0);
	assert_int_equal(st.st_size, 0);
	/* An empty one is not left lying about. */
	spool_close(s);
	assert_int_equal(access(place.file, F_OK), -1);
}

static void
test_one_holder(void **state)
{
	struct spool *s = open_spool(), *other;
	struct buf why;

	(void)state;
	buf_init(&why, TEXT_MAX);
	assert_int_equal(
	    spool_open(&other, place.file, &why), ERR_STATE_LOCKED);
	assert_null(other);
	spool_close(s);
	spool_close(open_spool());
	assert_int_equal(
	    spool_open(&other, "/no/such/folder/x", &why), ERR_USAGE);
	buf_clear(&why);
}

/* A file that only grows is written anew; it stays held meanwhile. */
static void
test_rewrite(void **state)
{
	static char large[4096];
	struct spool *s = open_spool(), *other;
	struct stat st;
	struct buf why;

	(void)state;
	buf_init(&why, TEXT_MAX);
	memset(large, 'x', sizeof(large));
	(void)spool_add(s, SPAN("kept"));
	for (int i = 0; i < 1000; i++) {
		struct spool_record *r =
		    spool_add(s, (struct span){large, sizeof(large)});

		save_spool(s);
		spool_done(s, r);
		save_spool(s);
		assert_int_equal(stat(place.file, &st), 0);
		assert_true(st.st_size < (1 << 20) + 16384);
	}
	assert_int_equal(
	    spool_open(&other, place.file, &why), ERR_STATE_LOCKED);
	(void)spool_add(s, SPAN("and"));
	save_spool(s);
	spool_close(s);
	s = open_spool();
	assert_holds(s, "kept|and|");
	spool_close(s);
	buf_clear(&why);
}

/* Cut anywhere, as by a crash in the middle of a write: what is whole comes
 * back, the rest is set aside and told once. */
static void
test_cut(void **state)
{
	char bytes[512], rest[512];
	struct spool *s = open_spool();
	size_t len, one, aside;

	(void)state;
	(void)spool_add(s, SPAN("one"));
	save_spool(s);
	one = read_file(place.file, bytes, sizeof(bytes));
	(void)spool_add(s, SPAN("two"));
	save_spool(s);
	spool_close(s);
	len = read_file(place.file, bytes, sizeof(bytes));
	for (size_t cut = one + 1; cut < len; cut++) {
		unlink(place.aside);
		write_file(bytes, cut);
		s = open_spool();
		assert_holds(s, "one|");
		assert_int_equal(spool_damaged(s), 1);
		spool_close(s);
		aside = read_file(place.aside, rest, sizeof(rest));
		assert_int_equal(aside, cut - one);
		assert_memory_equal(rest, bytes + one, aside);
		s = open_spool();
		assert_holds(s, "one|");
		assert_int_equal(spool_damaged(s), 0);
		spool_close(s);
	}
}

/* Any byte of the middle one altered: its neighbours come back. */
static void
test_altered(void **state)
{
	char bytes[512];
	struct spool *s = open_spool();
	size_t from, to, len;

	(void)state;
	(void)spool_add(s, SPAN("one"));
	save_spool(s);
	from = read_file(place.file, bytes, sizeof(bytes));
	(void)spool_add(s, SPAN("two"));
	save_spool(s);
	to = read_file(place.file, bytes, sizeof(bytes));
	(void)spool_add(s, SPAN("three"));
	save_spool(s);
	spool_close(s);
	len = read_file(place.file, bytes, sizeof(bytes));
	for (size_t i = from; i < to; i++) {
		for (int bit = 0; bit < 8; bit++) {
			bytes[i] ^= (char)(1 << bit);
			write_file(bytes, len);
			s = open_spool();
			/* Without its end it takes the next line along. */
			if (i < to - 1)
				assert_holds(s, "one|three|");
			else
				assert_holds(s, "one|");
			assert_int_equal(spool_damaged(s), 1);
			spool_close(s);
			bytes[i] ^= (char)(1 << bit);
		}
	}
}

static void
test_set_aside(void **state)
{
	char bytes[64];
	struct spool *s = open_spool();

	(void)state;
	(void)spool_add(s, SPAN("bad one"));
	(void)spool_add(s, SPAN("good one"));
	save_spool(s);
	spool_set_aside(s, first(s));
	save_spool(s);
	spool_close(s);
	assert_int_equal(read_file(place.aside, bytes, sizeof(bytes)), 8);
	assert_memory_equal(bytes, "bad one\n", 8);
	s = open_spool();
	assert_holds(s, "good one|");
	spool_close(s);
}

/* When the disk is full it says so, keeps the file whole, and writes what it
 * has when there is room. */
static void
test_full(void **state)
{
	struct rlimit before, small = {.rlim_cur = 100};
	struct spool *s = open_spool();
	struct buf why;

	(void)state;
	buf_init(&why, TEXT_MAX);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small.rlim_max = before.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	(void)spool_add(s, SPAN("a first record that fits"));
	save_spool(s);
	(void)spool_add(s, SPAN("a second one that does not, or only in part"));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(spool_save(s, &why), ERR_USAGE);
	assert_true(why.len > 0 && memcmp(why.data, "cannot write", 12) == 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	save_spool(s);
	spool_close(s);
	s = open_spool();
	assert_int_equal(spool_damaged(s), 0);
	assert_holds(s, "a first record that fits|"
			"a second one that does not, or only in part|");
	spool_close(s);
	buf_clear(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_comes_back, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_one_holder, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_rewrite, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_cut, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_altered, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_set_aside, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
