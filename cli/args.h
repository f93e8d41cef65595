#ifndef SCHEDD_CLI_ARGS_H
#define SCHEDD_CLI_ARGS_H

/*
 * The command line, read against tables: a command is found by its words,
 * options may stand anywhere behind them (global ones anywhere at all), "--"
 * ends them. Usage and help are printed from the same tables. Pure functions.
 */

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"

struct cli;

/* What schedctl exits with. */
enum cli_exit {
	CLI_DONE = 0,
	CLI_REFUSED = 1,     /* by the server; or our output had no taker */
	CLI_USAGE = 2,       /* the command line is wrong; nothing was sent */
	CLI_UNREACHABLE = 3, /* no answer, or none that is schedd's */
	CLI_PARTLY = 4       /* done for some, refused for others */
};

typedef enum cli_exit cmd_fn(struct cli *c);

/* An option. A table of them ends with a row without name. */
struct opt {
	const char *name;  /* without the dashes */
	const char *value; /* what stands for its value in help; NULL = none */
	const char *help;
	const char *words; /* that the value may be; NULL = others, too */
	char letter;       /* -q; 0 = none */
	bool list;         /* several of them, with commas between */
	bool many;         /* may be given more than once */
	bool required;     /* the command needs it */
};

struct cmd {
	const char *words;     /* "queue ls" */
	const char *arguments; /* "QUEUE [PAYLOAD]" */
	unsigned min, max;     /* how many arguments */
	cmd_fn *fn;
	const struct opt *opts; /* NULL = none */
	const char *help;
};

/* The tables that a command line is read against. */
struct cmd_set {
	const struct cmd *cmds; /* sorted by words */
	size_t count;
	const struct opt *globals;
};

struct args {
	const struct cmd *cmd; /* NULL: none was named */
	const char *noun;      /* the first word when cmd is NULL, or NULL */
	const char **words;    /* arguments behind the command's words */
	size_t word_count;
	struct args_given *given; /* options, in order */
	size_t given_count;
	bool options_ended;     /* "--" came, */
	size_t plain_count;     /* behind so many of the words */
	const struct opt *open; /* the line ends where its value is due */
};

/*
 * ERR_USAGE with one line for people in why. The number of arguments is not
 * checked when --help or --version was given. args borrow argv and the
 * tables; args_clear ends them, also after a failure.
 */
enum err args_parse(struct args *a, const struct cmd_set *set, int argc,
    char *const *argv, struct buf *why) MUST_CHECK;
/* The same of words that are the beginning of a line: what is missing is not
 * missed. */
enum err args_read(struct args *a, const struct cmd_set *set, int count,
    char *const *words, struct buf *why) MUST_CHECK;
void args_clear(struct args *a);

bool args_has(const struct args *a, const char *option);
/* The option's value, NULL when it was not given. */
const char *args_value(const struct args *a, const char *option);
/* One value after the other of an option that may be given often; NULL at
 * the end. *at is 0 to begin with. */
const char *args_each(const struct args *a, const char *option, size_t *at);
/* The argument at index, NULL past the last. */
const char *args_word(const struct args *a, size_t index);

/* The option that is spelled so (len bytes at word) at this place of the
 * line; NULL when there is none. */
const struct opt *args_option(const struct args *a, const struct cmd_set *set,
    const char *word, size_t len);
/* The nth name in "QUEUE [PAYLOAD]", without brackets. */
struct span cmd_argument(const struct cmd *cmd, size_t n);
/* The command with these words, NULL when there is none. */
const struct cmd *cmd_find(
    const struct cmd_set *set, const char *first, const char *second);
/* Is there a command that begins with this word? */
bool cmd_is_noun(const struct cmd_set *set, const char *word);

/* "usage: schedctl task show QUEUE ID [options]". */
void help_add_usage(struct buf *out, const struct cmd *cmd);
/* The whole page of one command. */
void help_add_command(
    struct buf *out, const struct cmd_set *set, const struct cmd *cmd);
/* Commands with a line each (noun NULL: all), then the global options. */
void help_add_overview(
    struct buf *out, const struct cmd_set *set, const char *noun);

#endif
