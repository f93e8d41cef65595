/* schedctl: the command line of schedd. Finds the command, runs it, exits
 * with what it says (enum cli_exit). */

#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/complete.h"
#include "core/version.h"

enum { TEXT_MAX = 1 << 20 };

/* --help and --version, which need no server. */
static enum cli_exit
print_own(const struct args *args)
{
	struct buf out;

	buf_init(&out, TEXT_MAX);
	if (args_has(args, "version"))
		buf_addf(&out, "schedctl %s\n", version_text());
	else if (args->cmd != NULL)
		help_add_command(&out, &cmd_set, args->cmd);
	else
		help_add_overview(&out, &cmd_set, args->noun);
	(void)fwrite(out.data, 1, out.len, stdout);
	buf_clear(&out);
	return CLI_DONE;
}

/* Nothing to do was named. */
static enum cli_exit
print_overview(void)
{
	struct buf out;

	buf_init(&out, TEXT_MAX);
	help_add_overview(&out, &cmd_set, NULL);
	(void)fwrite(out.data, 1, out.len, stderr);
	buf_clear(&out);
	return CLI_USAGE;
}

static enum cli_exit
run(const struct args *args)
{
	struct cli cli;
	enum cli_exit result;

	if (args_has(args, "help") || args_has(args, "version"))
		return print_own(args);
	if (args->cmd == NULL)
		return print_overview();
	result = cli_init(&cli, args);
	if (result == CLI_DONE)
		result = args->cmd->fn(&cli);
	cli_clear(&cli);
	return result;
}

int
main(int argc, char **argv)
{
	struct args args;
	struct cli none = {.args = &args};
	struct buf why;
	enum cli_exit result;

	(void)setlocale(LC_CTYPE, "");
	if (argc > 1 && strcmp(argv[1], COMPLETE_WORD) == 0)
		return (int)complete(&cmd_set, argc - 2, argv + 2);
	buf_init(&why, TEXT_MAX);
	if (args_parse(&args, &cmd_set, argc, argv, &why) != ERR_OK) {
		result = cli_usage(&none, "%.*s", SPAN_ARG(buf_span(&why)));
		if (args.cmd == NULL)
			cli_say("'schedctl help' lists the commands");
	} else {
		result = run(&args);
	}
	buf_clear(&why);
	args_clear(&args);
	return (int)cli_finish(result);
}
