/* schedctl's command line: what is found, what is refused, what help says. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/args.h"

enum { WORDS_MAX = 16, TEXT_MAX = 64 * 1024 };

static enum cli_exit
cmd_nothing(struct cli *c)
{
	(void)c;
	return CLI_DONE;
}

/* clang-format off */
static const struct opt globals[] = {
	{.name = "help", .letter = 'h', .help = "this text"},
	{.name = "json", .help = "as JSON"},
	{.name = "server", .value = "URL", .help = "where"},
	{.name = "version", .help = "the version"},
	{0},
};
static const struct opt take_opts[] = {
	{.name = "count", .value = "N", .help = "how many"},
	{.name = "id", .value = "ID", .many = true, .help = "which"},
	{.name = "worker", .value = "W", .required = true, .help = "who"},
	{0},
};
static const struct cmd cmds[] = {
	{"ping", "", 0, 0, cmd_nothing, NULL, "is it there"},
	{"queue ls", "", 0, 0, cmd_nothing, NULL, "all queues"},
	{"task push", "QUEUE [PAYLOAD]", 1, 2, cmd_nothing, NULL, "push"},
	{"task take", "QUEUE", 1, 1, cmd_nothing, take_opts, "take"},
};
/* clang-format on */
static const struct cmd_set set = {cmds, COUNT_OF(cmds), globals};

struct parsed {
	struct args args;
	struct buf why;
	enum err err;
	char line[256];
	char *argv[WORDS_MAX];
};

/* Parses the words of a line, separated by one blank each. */
static void
parse(struct parsed *p, const char *line)
{
	int argc = 1;
	char *word = p->line;

	assert_true(strlen(line) < sizeof(p->line));
	memcpy(p->line, line, strlen(line) + 1);
	p->argv[0] = p->line + strlen(line);
	while (*word != '\0') {
		size_t len = strcspn(word, " ");

		assert_true(argc < WORDS_MAX);
		p->argv[argc++] = word;
		word += len;
		if (*word == ' ')
			*word++ = '\0';
	}
	buf_init(&p->why, TEXT_MAX);
	p->err = args_parse(&p->args, &set, argc, p->argv, &p->why);
	buf_add_char(&p->why, '\0');
}

static void
parse_clear(struct parsed *p)
{
	args_clear(&p->args);
	buf_clear(&p->why);
}

static void
test_finds_commands(void **state)
{
	struct parsed p;

	(void)state;
	parse(&p, "ping");
	assert_int_equal(p.err, ERR_OK);
	assert_ptr_equal(p.args.cmd, &cmds[0]);
	parse_clear(&p);
	parse(&p, "task push mail {}");
	assert_int_equal(p.err, ERR_OK);
	assert_ptr_equal(p.args.cmd, &cmds[2]);
	assert_string_equal(args_word(&p.args, 0), "mail");
	assert_string_equal(args_word(&p.args, 1), "{}");
	assert_null(args_word(&p.args, 2));
	parse_clear(&p);
	parse(&p, "");
	assert_int_equal(p.err, ERR_OK);
	assert_null(p.args.cmd);
	assert_null(p.args.noun);
	parse_clear(&p);
}

static void
test_options_anywhere(void **state)
{
	static const char *const lines[] = {
	    "--json task take mail --count 5 --worker w",
	    "task --json take --worker=w --count=5 mail",
	    "task take --count 5 mail --worker w --json",
	};
	struct parsed p;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		parse(&p, lines[i]);
		assert_int_equal(p.err, ERR_OK);
		assert_ptr_equal(p.args.cmd, &cmds[3]);
		assert_true(args_has(&p.args, "json"));
		assert_false(args_has(&p.args, "server"));
		assert_string_equal(args_value(&p.args, "count"), "5");
		assert_string_equal(args_value(&p.args, "worker"), "w");
		assert_null(args_value(&p.args, "id"));
		assert_string_equal(args_word(&p.args, 0), "mail");
		parse_clear(&p);
	}
}

static void
test_option_given_often(void **state)
{
	struct parsed p;
	size_t at = 0;

	(void)state;
	parse(&p, "task take q --id a --worker w --id=b=c --id --json");
	assert_int_equal(p.err, ERR_OK);
	assert_string_equal(args_each(&p.args, "id", &at), "a");
	assert_string_equal(args_each(&p.args, "id", &at), "b=c");
	/* What follows is the value, whatever it looks like. */
	assert_string_equal(args_each(&p.args, "id", &at), "--json");
	assert_null(args_each(&p.args, "id", &at));
	assert_false(args_has(&p.args, "json"));
	parse_clear(&p);
}

static void
test_what_is_no_option(void **state)
{
	struct parsed p;

	(void)state;
	parse(&p, "task push q -5");
	assert_int_equal(p.err, ERR_OK);
	assert_string_equal(args_word(&p.args, 1), "-5");
	parse_clear(&p);
	parse(&p, "task push q -");
	assert_string_equal(args_word(&p.args, 1), "-");
	parse_clear(&p);
	parse(&p, "task push q -- --json");
	assert_int_equal(p.err, ERR_OK);
	assert_int_equal(p.args.word_count, 2);
	assert_int_equal(p.args.plain_count, 1);
	parse_clear(&p);
	parse(&p, "task push q --json x");
	assert_int_equal(p.args.plain_count, 2);
	assert_false(p.args.options_ended);
	parse_clear(&p);
	parse(&p, "task push -- q --json");
	assert_int_equal(p.args.plain_count, 0);
	assert_int_equal(p.err, ERR_OK);
	assert_string_equal(args_word(&p.args, 1), "--json");
	assert_false(args_has(&p.args, "json"));
	parse_clear(&p);
}

static void
test_refusals(void **state)
{
	static const struct {
		const char *line, *why;
	} rows[] = {
	    {"nope", "there is no command 'nope'"},
	    {"task", "task: one of 'push', 'take' must follow"},
	    {"task nope", "task: one of 'push', 'take' must follow, not "
			  "'nope'"},
	    {"pin", "there is no command 'pin'"},
	    {"queue l", "queue: one of 'ls' must follow, not 'l'"},
	    {"task push", "task push: QUEUE is missing"},
	    {"task push a b c", "task push: 'c' is one argument too many"},
	    {"ping x", "ping: 'x' is one argument too many"},
	    {"task take q", "task take: --worker W is missing"},
	    {"task take q --worker", "option --worker needs a value: W"},
	    {"ping --count 5", "ping: there is no option '--count'"},
	    {"--count 5 task take q",
		"there is no option '--count' before the command"},
	    {"ping -x", "ping: there is no option '-x'"},
	    {"ping --jso", "ping: there is no option '--jso'"},
	    {"ping --jsons", "ping: there is no option '--jsons'"},
	    {"ping --json=1", "option --json takes no value"},
	    {"ping --json --json", "option --json is given twice"},
	    {"ping --server a --server b", "option --server is given twice"},
	};
	struct parsed p;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		parse(&p, rows[i].line);
		assert_int_equal(p.err, ERR_USAGE);
		assert_string_equal(p.why.data, rows[i].why);
		parse_clear(&p);
	}
}

static void
test_help_needs_no_arguments(void **state)
{
	static const char *const lines[] = {
	    "task take --help", "-h task take", "--version", "task --help"};
	struct parsed p;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		parse(&p, lines[i]);
		assert_int_equal(p.err, ERR_OK);
		parse_clear(&p);
	}
}

static void
assert_prints(struct buf *out, const char *want)
{
	buf_add_char(out, '\0');
	assert_false(out->failed);
	assert_string_equal(out->data, want);
	buf_clear(out);
}

static void
test_help(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	help_add_usage(&out, &cmds[2]);
	assert_prints(&out, "usage: schedctl task push QUEUE [PAYLOAD]\n");
	help_add_usage(&out, &cmds[0]);
	assert_prints(&out, "usage: schedctl ping\n");
	help_add_command(&out, &set, &cmds[3]);
	assert_prints(&out, "usage: schedctl task take QUEUE [options]\n"
			    "\ntake\n"
			    "\noptions:\n"
			    "  --count N   how many\n"
			    "  --id ID     which\n"
			    "  --worker W  who\n"
			    "\nglobal options:\n"
			    "  -h, --help    this text\n"
			    "  --json        as JSON\n"
			    "  --server URL  where\n"
			    "  --version     the version\n");
}

static void
test_overview_of_a_noun(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	help_add_overview(&out, &set, "task");
	buf_add_char(&out, '\0');
	assert_non_null(
	    strstr(out.data, "  task push QUEUE [PAYLOAD]  push\n"
			     "  task take QUEUE            take\n"));
	assert_null(strstr(out.data, "queue ls"));
	buf_clear(&out);
	help_add_overview(&out, &set, NULL);
	buf_add_char(&out, '\0');
	assert_non_null(strstr(out.data, "queue ls"));
	buf_clear(&out);
}

static void
test_find(void **state)
{
	(void)state;
	assert_ptr_equal(cmd_find(&set, "queue", "ls"), &cmds[1]);
	assert_ptr_equal(cmd_find(&set, "ping", NULL), &cmds[0]);
	assert_null(cmd_find(&set, "queue", NULL));
	assert_null(cmd_find(&set, "ping", "ls"));
	assert_null(cmd_find(&set, "que", "ls"));
	assert_true(cmd_is_noun(&set, "queue"));
	assert_false(cmd_is_noun(&set, "ping"));
	assert_false(cmd_is_noun(&set, "que"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_finds_commands),
	    cmocka_unit_test(test_options_anywhere),
	    cmocka_unit_test(test_option_given_often),
	    cmocka_unit_test(test_what_is_no_option),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_help_needs_no_arguments),
	    cmocka_unit_test(test_help),
	    cmocka_unit_test(test_overview_of_a_noun),
	    cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
