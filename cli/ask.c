/* Asking a person; see ask.h. */

#include "cli/ask.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "cli/interrupt.h"

enum { ANSWER_MAX = 64, QUESTION_MAX = 4096 };

enum cli_exit
ask_prepare(const struct cli *c)
{
	interrupt_catch();
	if (c->yes || (c->stderr_is_terminal && isatty(STDIN_FILENO) == 1))
		return CLI_DONE;
	return cli_usage(c,
	    "%s: there is no terminal to ask at: --yes does it "
	    "without asking",
	    c->args->cmd->words);
}

/* Anything but y or yes is no; so are Ctrl-C and the end of the input. */
static bool
read_yes(void)
{
	char answer[ANSWER_MAX];

	if (!interrupt_wait(STDIN_FILENO) ||
	    fgets(answer, sizeof(answer), stdin) == NULL) {
		fputc('\n', stderr);
		return false;
	}
	return strcasecmp(answer, "y\n") == 0 ||
	       strcasecmp(answer, "yes\n") == 0;
}

enum cli_exit
ask(const struct cli *c, const char *fmt, ...)
{
	struct buf question;
	va_list ap;

	if (c->yes)
		return CLI_DONE;
	buf_init(&question, QUESTION_MAX);
	va_start(ap, fmt);
	cli_add_line(&question, fmt, ap);
	va_end(ap);
	fprintf(stderr, "%.*s [y/N] ", (int)question.len - 1, question.data);
	fflush(stderr);
	buf_clear(&question);
	if (read_yes())
		return CLI_DONE;
	cli_say("nothing was done");
	return CLI_REFUSED;
}
