/* Settings as people read them: the table, its page, the example. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/conf_priv.h"
#include "tests/unit/conf_text.h"

/* ---- printing --------------------------------------------------------- */

static void
assert_printed(const char *page, const char *line)
{
	if (strstr(page, line) == NULL)
		fail_msg("no line %s in:\n%s", line, page);
}

static void
test_the_table_shows_values_and_sources(void **state)
{
	char *args[] = {xstrdup("--log.level=warn"), NULL};
	struct conf *c = load_ok("[queue]\nlease=90m\n\n[queue \"a.b\"]\n"
				 "dead_age=36h\n[debug]\nclock_offset=-90s\n",
	    args);
	char *page = print_text(c);
	size_t count, lines = 0;

	(void)state;
	conf_rows(&count);
	for (const char *p = page; *p != '\0'; p++)
		lines += *p == '\n';
	/* [queue "a.b"] shows all of its settings, too. */
	assert_int_equal(lines, count + 11);
	assert_printed(page, "\nhttp.listen = 127.0.0.1:7070  # default\n");
	assert_printed(page, "\nlog.level = warn  # argument\n");
	assert_printed(page, "\nqueue.lease = 90m  # a.conf:2\n");
	assert_printed(page, "\nqueue.a.b.lease = 90m  # a.conf:2\n");
	assert_printed(page, "\nqueue.a.b.dead_age = 36h  # a.conf:5\n");
	assert_printed(page, "\nqueue.dead_age = 0s  # default\n");
	assert_printed(page, "\ndebug.clock_offset = -90s  # a.conf:7\n");
	assert_printed(page, "\nhttp.max_body = 16MiB  # default\n");
	assert_printed(page, "\nlog.access = failed  # default\n");
	free(page);
	conf_free(c);
	free(args[0]);
}

/* Each line of the table, given as an argument, says the same again. */
static void
test_the_table_reads_back(void **state)
{
	struct conf *c = load_ok("[queue \"x\"]\nlease=1234567ms\n"
				 "[http]\nmax_body=1234567\n"
				 "[channel \"c\"]\ntable=a.b\nkey=x, y\n",
	    no_args);
	char *page = print_text(c), *args[256], *p = page;
	struct conf *again;
	size_t n = 0;

	(void)state;
	while (*p != '\0') {
		char *end = strstr(p, "  # "), *equals = strstr(p, " = ");

		assert_true(
		    end != NULL && equals != NULL && n + 1 < COUNT_OF(args));
		args[n] = xcalloc(1, 512);
		snprintf(args[n++], 512, "--%.*s=%.*s", (int)(equals - p), p,
		    (int)(end - equals - 3), equals + 3);
		p = strchr(end, '\n') + 1;
	}
	args[n] = NULL;
	again = load_ok("", args);
	for (size_t i = 0; i < CONF_ROW_COUNT; i++) {
		const void *mine = c, *theirs = again;
		struct buf a, b;

		if (conf_spec(i)->owner == CONF_OWNER_conf_queue) {
			mine = &c->queues[0];
			theirs = &again->queues[0];
		} else if (conf_spec(i)->owner == CONF_OWNER_conf_channel) {
			mine = &c->channels[0];
			theirs = &again->channels[0];
		} else if (conf_spec(i)->owner == CONF_OWNER_conf_postgres) {
			mine = &c->postgres[0];
			theirs = &again->postgres[0];
		} else if (conf_spec(i)->owner == CONF_OWNER_conf_relay) {
			continue; /* the page has none */
		} else if (conf_spec(i)->owner == CONF_OWNER_conf_redis) {
			mine = &c->redis[0];
			theirs = &again->redis[0];
		}
		buf_init(&a, PAGE_MAX);
		buf_init(&b, PAGE_MAX);
		conf_value_print(i, mine, &a);
		conf_value_print(i, theirs, &b);
		assert_true(span_eq(buf_span(&a), buf_span(&b)));
		buf_clear(&a);
		buf_clear(&b);
	}
	while (n > 0)
		free(args[--n]);
	free(page);
	conf_free(again);
	conf_free(c);
}

/* ---- what people read ------------------------------------------------- */

/* A file of the tree, with a NUL; the caller frees it. */
static char *
read_source(const char *path)
{
	char full[1024], *text = xcalloc(1, PAGE_MAX);
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", SOURCE_DIR, path);
	f = fopen(full, "r");
	ASSERT(f != NULL);
	assert_true(fread(text, 1, PAGE_MAX - 1, f) > 0);
	fclose(f);
	return text;
}

/* What comes once for each component of the log has one section. Its length
 * up to and with the dot; 0 for other settings. */
static size_t
family_len(const struct conf_row *row)
{
	const char *dot = strchr(row->key, '.');
	enum log_component c;

	return dot != NULL && log_component_parse(span_of(dot + 1), &c)
		   ? (size_t)(dot - row->key) + 1
		   : 0;
}

static void
page_expected(
    const struct conf_row *row, const struct conf_spec *spec, struct buf *out)
{
	bool is_empty = row->fallback[0] == '\0';
	size_t len = family_len(row);

	if (len > 0)
		buf_addf(out, "\n### %s.%.*sCOMPONENT\n\n", row->section,
		    (int)len, row->key);
	else
		buf_addf(out, "\n### %s.%s\n\n", row->section, row->key);
	buf_addf(out, "Type: %s. Default: %s%s%s.", row->type,
	    is_empty ? "" : "`", is_empty ? "empty" : row->fallback,
	    is_empty ? "" : "`");
	if (spec->least[0] != '\0')
		buf_addf(out, " Range: %s to %s.", spec->least, spec->most);
	buf_addf(out, " SIGHUP: %s.\n\n", row->reloadable ? "yes" : "no");
	buf_add_char(out, '\0');
}

/* docs/config.md has a section for each row, in order, and no other. */
static void
test_the_page_is_the_table(void **state)
{
	char *page = read_source("docs/config.md"), *p = page;
	size_t count, headings = 0, families = 0;
	const struct conf_row *rows = conf_rows(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		struct buf expected;
		char *found;

		buf_init(&expected, WHY_MAX);
		page_expected(&rows[i], conf_spec(i), &expected);
		found = strstr(p, expected.data);
		if (found != NULL)
			p = found;
		else
			fail_msg("docs/config.md lacks, or has in another "
				 "place:%s",
			    expected.data);
		buf_clear(&expected);
		families += family_len(&rows[i]) > 0;
	}
	assert_int_equal(families, 2 * LOG_COMPONENT_COUNT);
	headings += families - 2; /* two sections stand for all of them */
	for (p = page; (p = strstr(p, "\n### ")) != NULL; p++)
		headings++;
	assert_int_equal(headings, count);
	free(page);
}

/* And the components, each with what core/log.def says of it. */
static void
test_the_page_has_the_components(void **state)
{
	static const char *const lines[] = {
#define L(name, about) "\n| `" #name "` | " about " |\n",
#include "core/log.def"
#undef L
	};
	char *page = read_source("docs/config.md");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lines); i++)
		if (strstr(page, lines[i]) == NULL)
			fail_msg("docs/config.md lacks:%s", lines[i]);
	free(page);
}

static void
test_the_example_loads(void **state)
{
	char *text = read_source("etc/schedd.conf");
	struct conf *c = load_ok(text, no_args);
	char *page = print_text(c);

	(void)state;
	assert_null(strstr(page, "# a.conf:")); /* all of it is commented */
	free(page);
	conf_free(c);
	free(text);
}

/* With its settings (lines as "#key = value") switched on it loads too, and
 * each of them says the default, but for the named queue. */
static void
test_the_example_shows_what_is_right(void **state)
{
	char *text = read_source("etc/schedd.conf"), *p = text;
	struct conf *c;
	size_t named;

	(void)state;
	while ((p = strstr(p, "\n#")) != NULL) {
		p += 2;
		if (*p != ' ' && *p != '\n')
			p[-1] = ' ';
	}
	c = load_ok(text, no_args);
	assert_int_equal(c->queue_count, 1);
	assert_int_equal(c->channel_count, 2);
	named = 0;
	for (size_t i = 0; i < c->source_count; i++) {
		const struct conf_source *s = &c->sources[i];
		size_t count;

		if (conf_spec(s->row)->owner != CONF_OWNER_conf_redis &&
		    s->name[0] != '\0') {
			named++;
			continue;
		}
		if (s->row == CONF_ROW_server_state_dir)
			continue;
		assert_string_equal(
		    s->text, conf_rows(&count)[s->row].fallback);
	}
	assert_true(named > 0);
	assert_int_equal(c->source_count - named, CONF_ROW_COUNT);
	conf_free(c);
	free(text);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup(fn, set_up)
	const struct CMUnitTest tests[] = {
	    TEST(test_the_table_shows_values_and_sources),
	    TEST(test_the_table_reads_back),
	    TEST(test_the_page_is_the_table),
	    TEST(test_the_page_has_the_components),
	    TEST(test_the_example_loads),
	    TEST(test_the_example_shows_what_is_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
