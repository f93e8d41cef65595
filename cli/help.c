/* Usage and help, printed from the tables of commands and options. */

#include <string.h>

#include "cli/args.h"

enum { LEFT_MIN = 10, LEFT_MAX = 34 };

static void
add_option_head(struct buf *out, const struct opt *opt)
{
	if (opt->letter != 0)
		buf_addf(out, "-%c, ", opt->letter);
	buf_addf(out, "--%s", opt->name);
	if (opt->value != NULL)
		buf_addf(out, " %s", opt->value);
}

static size_t
option_head_len(const struct opt *opt)
{
	return strlen(opt->name) + 2 + (opt->letter != 0 ? 4 : 0) +
	       (opt->value != NULL ? strlen(opt->value) + 1 : 0);
}

static void
add_options(struct buf *out, const struct opt *opts)
{
	size_t left = LEFT_MIN;

	for (const struct opt *o = opts; o->name != NULL; o++)
		if (option_head_len(o) > left)
			left = option_head_len(o);
	for (const struct opt *o = opts; o->name != NULL; o++) {
		buf_add_str(out, "  ");
		add_option_head(out, o);
		buf_addf(out, "%*s  %s\n", (int)(left - option_head_len(o)), "",
		    o->help);
	}
}

void
help_add_usage(struct buf *out, const struct cmd *cmd)
{
	buf_addf(out, "usage: schedctl %s%s%s%s\n", cmd->words,
	    cmd->arguments[0] != '\0' ? " " : "", cmd->arguments,
	    cmd->opts != NULL ? " [options]" : "");
}

void
help_add_command(
    struct buf *out, const struct cmd_set *set, const struct cmd *cmd)
{
	help_add_usage(out, cmd);
	buf_addf(out, "\n%s\n", cmd->help);
	if (cmd->opts != NULL) {
		buf_add_str(out, "\noptions:\n");
		add_options(out, cmd->opts);
	}
	buf_add_str(out, "\nglobal options:\n");
	add_options(out, set->globals);
}

static bool
is_of_noun(const struct cmd *cmd, const char *noun)
{
	size_t len;

	if (noun == NULL)
		return true;
	len = strlen(noun);
	return strncmp(cmd->words, noun, len) == 0 && cmd->words[len] == ' ';
}

static size_t
command_head_len(const struct cmd *cmd)
{
	size_t len = strlen(cmd->arguments);

	return strlen(cmd->words) + len + (len > 0 ? 1 : 0);
}

void
help_add_overview(struct buf *out, const struct cmd_set *set, const char *noun)
{
	const struct cmd *cmd;
	size_t left = LEFT_MIN, len;

	buf_add_str(out, "usage: schedctl [global options] COMMAND ...\n"
			 "\ncommands:\n");
	for (size_t i = 0; i < set->count; i++) {
		len = command_head_len(&set->cmds[i]);
		if (is_of_noun(&set->cmds[i], noun) && len > left &&
		    len <= LEFT_MAX)
			left = len;
	}
	for (size_t i = 0; i < set->count; i++) {
		cmd = &set->cmds[i];
		if (!is_of_noun(cmd, noun))
			continue;
		len = command_head_len(cmd);
		buf_addf(out, "  %s%s%s%*s  %s\n", cmd->words,
		    cmd->arguments[0] != '\0' ? " " : "", cmd->arguments,
		    len < left ? (int)(left - len) : 0, "", cmd->help);
	}
	buf_add_str(out, "\nglobal options:\n");
	add_options(out, set->globals);
	buf_add_str(out, "\nwhat stands in brackets is the variable that does "
			 "the same; so do lines such as 'server = URL'\nin "
			 "~/.config/schedctl.conf\n"
			 "'schedctl help COMMAND' has the options of one "
			 "command\nexit: 0 done, 1 refused by the server, "
			 "2 usage, 3 unreachable, 4 partly done\n");
}
