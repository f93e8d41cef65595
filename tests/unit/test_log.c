/* The log: the shape of a line, levels, escapes, and a reader that sleeps. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/log.h"

static struct {
	char text[8192];
	size_t len;
	unsigned lines;
} kept;

static void
keep_line(const char *line, size_t len)
{
	assert_true(len < sizeof(kept.text));
	memcpy(kept.text, line, len);
	kept.text[len] = '\0';
	kept.len = len;
	kept.lines++;
}

static int
set_up(void **state)
{
	(void)state;
	memset(&kept, 0, sizeof(kept));
	log_set_level(LOG_INFO);
	log_set_sink(keep_line);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	log_set_sink(NULL);
	return 0;
}

/* What follows the time and a blank, without the line break. */
static const char *
kept_rest(void)
{
	assert_true(kept.len > 26);
	assert_int_equal(kept.text[kept.len - 1], '\n');
	kept.text[kept.len - 1] = '\0';
	return kept.text + 25;
}

/* ---- lines ------------------------------------------------------------ */

static void
test_a_line_has_its_shape(void **state)
{
	static const char SHAPE[] = "dddd-dd-ddTdd:dd:dd.dddZ ";

	(void)state;
	log_info("redis.ready", "key=%s n=%d", "value", 3);
	assert_int_equal(kept.lines, 1);
	assert_string_equal(kept_rest(), "info redis.ready key=value n=3");
	for (size_t i = 0; i < sizeof(SHAPE) - 1; i++) {
		if (SHAPE[i] == 'd')
			assert_in_range(kept.text[i], '0', '9');
		else
			assert_int_equal(kept.text[i], SHAPE[i]);
	}
}

static void
test_a_line_without_values(void **state)
{
	(void)state;
	log_error("schedd.bug", "%s", "");
	assert_string_equal(kept_rest(), "error schedd.bug");
}

static void
test_what_must_not_stand_in_a_line(void **state)
{
	(void)state;
	log_warn("a.b", "%s", "\n\t\r\x1b\x7f|\xc2\x85|\xff\xc3|\xc3\xa9");
	assert_string_equal(kept_rest(),
	    "warn a.b \\n\\t\\x0d\\x1b\\x7f|\\xc2\\x85|\\xff\\xc3|\xc3\xa9");
}

static void
test_a_long_line_is_cut_at_a_character(void **state)
{
	static char text[9001];

	(void)state;
	for (size_t i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	log_info("a.b", "x%s", text);
	assert_true(kept.len <= 4096);
	assert_true(kept.len >= 4090);
	assert_true(utf8_is_valid(kept.text, kept.len));
	assert_string_equal(kept.text + kept.len - 4, "...\n");
	/* Escapes grow a line; they do not grow it past its end. */
	memset(text, '\x01', sizeof(text) - 1);
	log_info("a.b", "%s", text);
	assert_true(kept.len <= 4096);
	assert_string_equal(kept.text + kept.len - 8, "\\x01...\n");
}

static void
test_errno_survives(void **state)
{
	(void)state;
	errno = ENOENT;
	log_info("a.b", "n=%d", 1);
	assert_int_equal(errno, ENOENT);
}

static void
test_a_token_loses_its_secret(void **state)
{
	static const char secret[] = "0123456789abcdef0123456789abcdef"
				     "0123456789abcdef0123456789abcdef";
	char stars[65];

	(void)state;
	memset(stars, '*', 64);
	stars[64] = '\0';
	log_info("a.b", "path=/x/schedd_0123456789ab_%s/y", secret);
	assert_memory_equal(
	    kept_rest(), "info a.b path=/x/schedd_0123456789ab_", 37);
	assert_memory_equal(kept.text + 25 + 37, stars, 64);
	assert_string_equal(kept.text + 25 + 37 + 64, "/y");
	/* The rest of one that was cut, and two of them. */
	log_info("a.b", "schedd_0123456789ab_01234567 "
			"schedd_schedd_0123456789ab_012345678");
	assert_string_equal(kept_rest(),
	    "info a.b schedd_0123456789ab_******** "
	    "schedd_schedd_0123456789ab_*********");
	log_info("a.b", "schedd_log_dropped_total schedd_0123456789ab_no");
	assert_string_equal(kept_rest(),
	    "info a.b schedd_log_dropped_total schedd_0123456789ab_no");
}

/* ---- levels ----------------------------------------------------------- */

static void
test_levels(void **state)
{
	(void)state;
	log_debug("a.b", "n=%d", 1);
	assert_int_equal(kept.lines, 0);
	assert_false(log_is_on(LOG_DEBUG, "a.b"));
	log_set_level(LOG_DEBUG);
	log_debug("a.b", "n=%d", 1);
	assert_int_equal(kept.lines, 1);
	log_set_level(LOG_ERROR);
	log_warn("a.b", "n=%d", 1);
	assert_int_equal(kept.lines, 1);
	log_error("a.b", "n=%d", 1);
	assert_int_equal(kept.lines, 2);
}

static void
test_components_have_their_own(void **state)
{
	(void)state;
	log_set_component_level(LOG_COMPONENT_access, LOG_ERROR);
	assert_false(log_is_on(LOG_INFO, "access.request"));
	assert_true(log_is_on(LOG_INFO, "accessory.x"));
	assert_true(log_is_on(LOG_INFO, "acc.x"));
	log_set_component_level(LOG_COMPONENT_redis, LOG_DEBUG);
	assert_true(log_is_on(LOG_DEBUG, "redis.state"));
	assert_false(log_is_on(LOG_DEBUG, "redisx.state"));
	log_set_component_level(LOG_COMPONENT_access, LOG_INFO);
	assert_true(log_is_on(LOG_INFO, "access.request"));
	log_set_component_level(LOG_COMPONENT_redis, LOG_LEVEL_COMMON);
}

static void
test_level_names(void **state)
{
	enum log_level level = LOG_DEBUG;

	(void)state;
	assert_true(log_level_parse(SPAN("error"), &level));
	assert_int_equal(level, LOG_ERROR);
	assert_true(log_level_parse(SPAN("warn"), &level));
	assert_int_equal(level, LOG_WARN);
	assert_true(log_level_parse(SPAN("info"), &level));
	assert_int_equal(level, LOG_INFO);
	assert_true(log_level_parse(SPAN("debug"), &level));
	assert_int_equal(level, LOG_DEBUG);
	assert_false(log_level_parse(SPAN("INFO"), &level));
	assert_false(log_level_parse(SPAN(""), &level));
	assert_false(log_level_parse(SPAN("information"), &level));
}

/* ---- values ----------------------------------------------------------- */

static void
assert_quoted(struct span value, size_t size, const char *expected)
{
	char dst[64];

	memset(dst, '!', sizeof(dst));
	assert_ptr_equal(log_quote(dst, size, value), dst);
	assert_string_equal(dst, expected);
	for (size_t i = size; i < sizeof(dst); i++)
		assert_int_equal(dst[i], '!');
}

static void
test_values_are_quoted_where_needed(void **state)
{
	(void)state;
	assert_quoted(SPAN("plain-1.2:3"), 64, "plain-1.2:3");
	assert_quoted(SPAN("caf\xc3\xa9"), 64, "\"caf\xc3\xa9\"");
	assert_quoted(SPAN("a\xc2\xa0=b"), 64, "\"a\xc2\xa0=b\"");
	assert_quoted(SPAN("\xe2\x80\xa8\xe2\x80\xae\xe2\x80\x93"), 64,
	    "\"\\xe2\\x80\\xa8\\xe2\\x80\\xae\xe2\x80\x93\"");
	assert_quoted(SPAN("\xef\xbb\xbf|\xe2\x81\xa6"), 64,
	    "\"\\xef\\xbb\\xbf|\\xe2\\x81\\xa6\"");
	assert_quoted(SPAN(""), 64, "\"\"");
	assert_quoted((struct span){NULL, 0}, 64, "\"\"");
	assert_quoted(SPAN("two words"), 64, "\"two words\"");
	assert_quoted(SPAN("a=b"), 64, "\"a=b\"");
	assert_quoted(SPAN("a\"b\\c"), 64, "\"a\\\"b\\\\c\"");
	assert_quoted(SPAN("a\nb\x01\xff"), 64, "\"a\\nb\\x01\\xff\"");
	assert_quoted(SPAN("a\0b"), 64, "\"a\\x00b\"");
}

static void
test_values_are_cut_to_the_room_there_is(void **state)
{
	(void)state;
	assert_quoted(SPAN("abcdefgh"), 9, "abcdefgh");
	assert_quoted(SPAN("abcdefgh"), 8, "\"abcde\"");
	assert_quoted(SPAN("a b c d"), 5, "\"a \"");
	/* Neither an escape nor a character is halved. */
	assert_quoted(SPAN("a\n b"), 5, "\"a\"");
	assert_quoted(SPAN(" \xc3\xa9\xc3\xa9\xc3\xa9"), 7, "\" \xc3\xa9\"");
}

static void
test_a_quoted_value_passes_unchanged(void **state)
{
	char dst[64];

	(void)state;
	log_info("a.b", "x=%s", log_quote(dst, sizeof(dst), SPAN("\n\"\xff")));
	assert_string_equal(kept_rest(), "info a.b x=\"\\n\\\"\\xff\"");
}

/* ---- stderr ----------------------------------------------------------- */

/* Puts fd in the place of stderr; returns what stood there. */
static int
stderr_swap(int fd)
{
	int saved = dup(STDERR_FILENO);

	assert_true(saved >= 0);
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	log_set_sink(NULL);
	return saved;
}

static void
stderr_restore(int saved)
{
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	close(saved);
}

static void
test_one_write_a_line(void **state)
{
	char got[4200];
	int fds[2], saved;
	ssize_t n;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	saved = stderr_swap(fds[1]);
	log_info("a.b", "n=%d", 1);
	log_info("a.c", "n=%d", 2);
	stderr_restore(saved);
	n = recv(fds[0], got, sizeof(got), MSG_DONTWAIT);
	assert_true(n > 0 && got[n - 1] == '\n');
	got[n - 1] = '\0';
	assert_non_null(strstr(got, "info a.b n=1"));
	n = recv(fds[0], got, sizeof(got), MSG_DONTWAIT);
	assert_true(n > 0 && got[n - 1] == '\n');
	got[n - 1] = '\0';
	assert_non_null(strstr(got, "info a.c n=2"));
	close(fds[0]);
	close(fds[1]);
}

/* Fills a blocking pipe to the brim. */
static void
pipe_fill(int fd)
{
	static const char block[4096];
	int flags = fcntl(fd, F_GETFL);

	assert_int_equal(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(fcntl(fd, F_SETFL, flags), 0);
}

static void
test_a_full_pipe_loses_lines_and_says_so(void **state)
{
	static char got[65536 + 1];
	uint64_t before = log_dropped();
	int fds[2], saved;
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pipe_fill(fds[1]);
	saved = stderr_swap(fds[1]);
	/* Would wait for ever if it waited at all. */
	log_info("a.b", "n=%d", 1);
	log_info("a.b", "n=%d", 2);
	assert_int_equal(log_dropped() - before, 2);
	while (read(fds[0], got, sizeof(got)) == (ssize_t)sizeof(got))
		;
	log_info("a.b", "n=%d", 3);
	stderr_restore(saved);
	assert_int_equal(log_dropped() - before, 2);
	n = read(fds[0], got, sizeof(got) - 1);
	assert_true(n > 0);
	got[n] = '\0';
	assert_non_null(strstr(got, "warn log.dropped lines=2 reason=full\n"));
	assert_non_null(strstr(got, "info a.b n=3\n"));
	assert_null(strstr(got, "n=2\n"));
	close(fds[0]);
	close(fds[1]);
}

static void
test_a_reader_that_left_costs_lines_only(void **state)
{
	uint64_t before = log_dropped();
	int fds[2], saved;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	saved = stderr_swap(fds[1]);
	log_info("a.b", "n=%d", 1);
	stderr_restore(saved);
	assert_int_equal(log_dropped() - before, 1);
	close(fds[1]);
}

/* A line of pairs that are ready is held to the same rules. */
static void
test_span_line(void **state)
{
	(void)state;
	log_write_span(LOG_DEBUG, "unit.span", SPAN("a=1"));
	assert_int_equal(kept.lines, 0);
	log_write_span(LOG_INFO, "unit.span", SPAN("a=1 b=\n\x7f"));
	assert_string_equal(kept_rest(), "info unit.span a=1 b=\\n\\x7f");
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_span_line),
	    TEST(test_a_line_has_its_shape),
	    TEST(test_a_line_without_values),
	    TEST(test_what_must_not_stand_in_a_line),
	    TEST(test_a_long_line_is_cut_at_a_character),
	    TEST(test_a_token_loses_its_secret),
	    TEST(test_errno_survives),
	    TEST(test_levels),
	    TEST(test_components_have_their_own),
	    TEST(test_level_names),
	    TEST(test_values_are_quoted_where_needed),
	    TEST(test_values_are_cut_to_the_room_there_is),
	    TEST(test_a_quoted_value_passes_unchanged),
	    TEST(test_one_write_a_line),
	    TEST(test_a_full_pipe_loses_lines_and_says_so),
	    TEST(test_a_reader_that_left_costs_lines_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
