/* Metrics: counting, series, histograms, and a page that promtool accepts. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/metrics.h"

enum { PAGE_MAX = 4 * 1024 * 1024 };

/* The text of one family, with a NUL; the caller frees it. */
static char *
print_one(enum metric m)
{
	struct buf out;
	char *text;

	buf_init(&out, PAGE_MAX);
	metric_print(m, &out);
	assert_false(out.failed);
	text = xmemdupz(out.data, out.len);
	buf_clear(&out);
	return text;
}

static void
assert_prints(enum metric m, const char *expected)
{
	char *text = print_one(m);

	assert_string_equal(text, expected);
	free(text);
}

static void
assert_has_line(enum metric m, const char *line)
{
	char *text = print_one(m);

	if (strstr(text, line) == NULL)
		fail_msg("no line %s in:\n%s", line, text);
	free(text);
}

/* ---- counting --------------------------------------------------------- */

static void
test_a_counter(void **state)
{
	(void)state;
	assert_prints(METRIC_STORE_LOST,
	    "# HELP schedd_store_lost_total Connections to Redis that were "
	    "lost or refused.\n"
	    "# TYPE schedd_store_lost_total counter\n"
	    "schedd_store_lost_total 0\n");
	metric_add(METRIC_STORE_LOST, 2);
	metric_add(METRIC_STORE_LOST, 3);
	assert_int_equal(metric_value(METRIC_STORE_LOST), 5);
	assert_has_line(METRIC_STORE_LOST, "\nschedd_store_lost_total 5\n");
	/* Beyond what a double can count in ones. */
	metric_add(METRIC_STORE_LOST, (1ull << 60));
	assert_has_line(METRIC_STORE_LOST,
	    "\nschedd_store_lost_total 1152921504606846981\n");
}

static void
test_a_gauge(void **state)
{
	(void)state;
	metric_set(METRIC_STORE_PENDING, 12);
	assert_has_line(METRIC_STORE_PENDING, "\nschedd_store_pending 12\n");
	metric_set(METRIC_STORE_PENDING, 0);
	assert_has_line(METRIC_STORE_PENDING, "\nschedd_store_pending 0\n");
	metric_set(METRIC_STORE_PENDING, 0.1);
	assert_has_line(METRIC_STORE_PENDING, "\nschedd_store_pending 0.1\n");
	metric_set(METRIC_STORE_PENDING, -1.5);
	assert_has_line(METRIC_STORE_PENDING, "\nschedd_store_pending -1.5\n");
	assert_int_equal(metric_value(METRIC_STORE_PENDING), 0);
	metric_set(METRIC_STORE_PENDING, 3);
	assert_int_equal(metric_value(METRIC_STORE_PENDING), 3);
}

static void
test_series_by_label(void **state)
{
	unsigned doing = metric_series(METRIC_JANITOR_RUNS, "doing");
	unsigned dead = metric_series(METRIC_JANITOR_RUNS, "dead");

	(void)state;
	assert_int_not_equal(doing, dead);
	assert_int_equal(metric_series(METRIC_JANITOR_RUNS, "doing"), doing);
	metric_add_series(METRIC_JANITOR_RUNS, dead, 7);
	assert_has_line(METRIC_JANITOR_RUNS,
	    "\nschedd_janitor_runs_total{duty=\"doing\"} 0\n"
	    "schedd_janitor_runs_total{duty=\"dead\"} 7\n");
	doing = metric_series(METRIC_JANITOR_LAST, "doing");
	metric_set_series(METRIC_JANITOR_LAST, doing, 1700000000.125);
	assert_has_line(
	    METRIC_JANITOR_LAST, "{duty=\"doing\"} 1700000000.125\n");
	assert_true(
	    metric_read_series(METRIC_JANITOR_LAST, doing) == 1700000000.125);
	assert_string_equal(metric_label(METRIC_JANITOR_LAST, doing), "doing");
	assert_null(metric_label(METRIC_JANITOR_LAST, doing + 1));
}

static void
test_a_family_without_series_has_its_head(void **state)
{
	(void)state;
	assert_prints(METRIC_HTTP_CLOSED,
	    "# HELP schedd_http_closed_total Connections closed, by reason.\n"
	    "# TYPE schedd_http_closed_total counter\n");
}

static void
test_too_many_series_share_one(void **state)
{
	unsigned slots[70], other;
	char label[16];

	(void)state;
	other = metric_series(METRIC_ERRORS, "other");
	for (unsigned i = 0; i < COUNT_OF(slots); i++) {
		snprintf(label, sizeof(label), "%u", i);
		slots[i] = metric_series(METRIC_ERRORS, label);
		metric_add_series(METRIC_ERRORS, slots[i], 1);
		if (i < 64)
			assert_int_not_equal(slots[i], other);
		else
			assert_int_equal(slots[i], other);
	}
	assert_int_equal(metric_series(METRIC_ERRORS, "69"), other);
	assert_int_equal(metric_series(METRIC_ERRORS, "63"), slots[63]);
	assert_has_line(
	    METRIC_ERRORS, "\nschedd_errors_total{error=\"other\"} 6\n");
	assert_has_line(
	    METRIC_ERRORS, "\nschedd_errors_total{error=\"63\"} 1\n");
}

static void
test_labels_are_escaped(void **state)
{
	unsigned slot =
	    metric_series(METRIC_BUILD_INFO, "a\"b\\c\nd\xff\xc3\xa9");

	(void)state;
	metric_set_series(METRIC_BUILD_INFO, slot, 1);
	assert_has_line(METRIC_BUILD_INFO,
	    "{version=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\xc3\xa9\"} 1\n");
}

/* ---- histograms ------------------------------------------------------- */

static void
test_bucket_bounds(void **state)
{
	(void)state;
	metric_observe(METRIC_WAIT_SECONDS, 0, 0);
	metric_observe(METRIC_WAIT_SECONDS, 0, 0.00025); /* a bound is in */
	metric_observe(METRIC_WAIT_SECONDS, 0, 0.0003);
	metric_observe(METRIC_WAIT_SECONDS, 0, 60);
	metric_observe(METRIC_WAIT_SECONDS, 0, 60.5);
	metric_observe(METRIC_WAIT_SECONDS, 0, -3); /* as 0 */
	assert_has_line(METRIC_WAIT_SECONDS, "_bucket{le=\"0.00025\"} 3\n");
	assert_has_line(METRIC_WAIT_SECONDS, "_bucket{le=\"0.0005\"} 4\n");
	assert_has_line(METRIC_WAIT_SECONDS, "_bucket{le=\"30\"} 4\n");
	assert_has_line(METRIC_WAIT_SECONDS, "_bucket{le=\"60\"} 5\n");
	assert_has_line(METRIC_WAIT_SECONDS, "_bucket{le=\"+Inf\"} 6\n");
	assert_has_line(
	    METRIC_WAIT_SECONDS, "\nschedd_take_wait_seconds_count 6\n");
	assert_has_line(
	    METRIC_WAIT_SECONDS, "\nschedd_take_wait_seconds_sum 120.50055\n");
}

/* Reads the number at the end of each line that begins with prefix; returns
 * how many there were. */
static size_t
read_values(const char *text, const char *prefix, uint64_t *out, size_t room)
{
	size_t count = 0;

	while (text != NULL && *text != '\0') {
		const char *end = strchr(text, '\n');

		assert_non_null(end);
		if (strncmp(text, prefix, strlen(prefix)) == 0) {
			const char *at = end;

			while (at[-1] != ' ')
				at--;
			assert_true(count < room);
			out[count++] = strtoull(at, NULL, 10);
		}
		text = end + 1;
	}
	return count;
}

static void
test_buckets_are_cumulative(void **state)
{
	unsigned push = metric_series(METRIC_STORE_SECONDS, "push");
	uint64_t values[32], count;
	char *text;
	size_t n;

	(void)state;
	metric_series(METRIC_STORE_SECONDS, "take");
	for (int i = 0; i < 1000; i++)
		metric_observe(METRIC_STORE_SECONDS, push, i * i * 1e-4);
	text = print_one(METRIC_STORE_SECONDS);
	n = read_values(text, "schedd_store_op_seconds_bucket{op=\"push\",",
	    values, COUNT_OF(values));
	assert_int_equal(n, 18);
	for (size_t i = 1; i < n; i++)
		assert_true(values[i] >= values[i - 1]);
	assert_true(values[0] > 0 && values[0] < values[n - 2]);
	assert_int_equal(
	    read_values(
		text, "schedd_store_op_seconds_count{op=\"push\"}", &count, 1),
	    1);
	assert_int_equal(count, 1000);
	assert_int_equal(values[n - 1], count);
	assert_int_equal(
	    read_values(
		text, "schedd_store_op_seconds_count{op=\"take\"}", &count, 1),
	    1);
	assert_int_equal(count, 0);
	free(text);
}

/* ---- the whole page --------------------------------------------------- */

/* One sample for a family whose values others hold. */
static void
print_foreign(enum metric m, struct buf *out)
{
	metric_print_head(m, out);
	if (m == METRIC_QUEUE_TASKS)
		metric_print_sample(m, "queue=\"a.b\",state=\"todo\"", 3, out);
}

static char *
print_page(void)
{
	struct buf out;
	char *text;

	buf_init(&out, PAGE_MAX);
	for (int m = 0; m < METRIC_COUNT; m++) {
		if (strchr(metric_row((enum metric)m)->labels, ',') != NULL)
			print_foreign((enum metric)m, &out);
		else
			metric_print((enum metric)m, &out);
	}
	assert_false(out.failed);
	text = xmemdupz(out.data, out.len);
	buf_clear(&out);
	return text;
}

static int
line_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What promtool does not see: the same series twice. */
static void
test_no_series_stands_twice(void **state)
{
	static char *lines[8192];
	char *page = print_page(), *p = page;
	size_t n = 0;

	(void)state;
	while (*p != '\0') {
		char *end = strchr(p, '\n'), *blank = end;

		assert_non_null(end);
		*end = '\0';
		while (*p != '#' && *blank != ' ')
			blank--;
		*blank = '\0';
		assert_true(n < COUNT_OF(lines));
		lines[n++] = p;
		p = end + 1;
	}
	assert_true(n > 3 * METRIC_COUNT);
	qsort(lines, n, sizeof(*lines), line_compare);
	for (size_t i = 1; i < n; i++)
		assert_string_not_equal(lines[i], lines[i - 1]);
	free(page);
}

/* Runs promtool on the page; what it says goes to our stderr. */
static int
promtool(const char *page)
{
	char *const argv[] = {
	    (char[]){"promtool"}, (char[]){"check"}, (char[]){"metrics"}, NULL};
	FILE *in = tmpfile();
	int status = -1;
	pid_t pid;

	assert_non_null(in);
	assert_int_equal(fwrite(page, 1, strlen(page), in), strlen(page));
	rewind(in);
	pid = fork();
	if (pid == 0) {
		dup2(fileno(in), STDIN_FILENO);
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execvp(argv[0], argv);
		_exit(127);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	fclose(in);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
test_promtool_finds_nothing(void **state)
{
	char *page = print_page();

	(void)state;
	assert_int_equal(promtool(page), 0);
	free(page);
	/* And it would find something. */
	assert_int_not_equal(promtool("# TYPE x counter\nx 1"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_counter),
	    cmocka_unit_test(test_a_gauge),
	    cmocka_unit_test(test_series_by_label),
	    cmocka_unit_test(test_a_family_without_series_has_its_head),
	    cmocka_unit_test(test_too_many_series_share_one),
	    cmocka_unit_test(test_labels_are_escaped),
	    cmocka_unit_test(test_bucket_bounds),
	    cmocka_unit_test(test_buckets_are_cumulative),
	    cmocka_unit_test(test_no_series_stands_twice),
	    cmocka_unit_test(test_promtool_finds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
