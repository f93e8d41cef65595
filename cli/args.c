/* Reading a command line against the tables of commands and options. */

#include "cli/args.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct args_given {
	const struct opt *opt;
	const char *value; /* NULL for one without */
};

/* Does the word stand for an option? "-" and negative numbers do not. */
static bool
is_option(const char *word)
{
	return word[0] == '-' && word[1] != '\0' &&
	       !isdigit((unsigned char)word[1]);
}

/* Does an option of the table have this spelling (len bytes at word)? */
static const struct opt *
opt_find(const struct opt *opts, const char *word, size_t len)
{
	for (; opts != NULL && opts->name != NULL; opts++) {
		if (len == 2 && word[0] == '-' && word[1] == opts->letter)
			return opts;
		if (len > 2 && strncmp(word, "--", 2) == 0 &&
		    strlen(opts->name) == len - 2 &&
		    memcmp(opts->name, word + 2, len - 2) == 0)
			return opts;
	}
	return NULL;
}

bool
cmd_is_noun(const struct cmd_set *set, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i < set->count; i++)
		if (strncmp(set->cmds[i].words, word, len) == 0 &&
		    set->cmds[i].words[len] == ' ')
			return true;
	return false;
}

const struct cmd *
cmd_find(const struct cmd_set *set, const char *first, const char *second)
{
	size_t len = strlen(first);
	const char *rest;

	for (size_t i = 0; i < set->count; i++) {
		rest = set->cmds[i].words;
		if (strncmp(rest, first, len) != 0)
			continue;
		rest += len;
		if (second == NULL && *rest == '\0')
			return &set->cmds[i];
		if (second != NULL && *rest == ' ' &&
		    strcmp(rest + 1, second) == 0)
			return &set->cmds[i];
	}
	return NULL;
}

/* ---- words ------------------------------------------------------------ */

static void
why_add_verbs(struct buf *why, const struct cmd_set *set, const char *noun)
{
	size_t len = strlen(noun);
	const char *mark = " ";

	buf_addf(why, "%s: one of", noun);
	for (size_t i = 0; i < set->count; i++)
		if (strncmp(set->cmds[i].words, noun, len) == 0 &&
		    set->cmds[i].words[len] == ' ') {
			buf_addf(
			    why, "%s'%s'", mark, set->cmds[i].words + len + 1);
			mark = ", ";
		}
	buf_add_str(why, " must follow");
}

/* A word that belongs to the command's name. */
static enum err
take_command_word(struct args *a, const struct cmd_set *set, const char *word,
    struct buf *why)
{
	if (a->noun == NULL) {
		a->cmd = cmd_find(set, word, NULL);
		if (a->cmd == NULL && !cmd_is_noun(set, word)) {
			buf_addf(why, "there is no command '%s'", word);
			return ERR_USAGE;
		}
		a->noun = word;
		return ERR_OK;
	}
	a->cmd = cmd_find(set, a->noun, word);
	if (a->cmd != NULL)
		return ERR_OK;
	why_add_verbs(why, set, a->noun);
	buf_addf(why, ", not '%s'", word);
	return ERR_USAGE;
}

static enum err
take_word(struct args *a, const struct cmd_set *set, const char *word,
    struct buf *why)
{
	if (a->cmd == NULL)
		return take_command_word(a, set, word, why);
	a->words[a->word_count++] = word;
	return ERR_OK;
}

/* ---- options ---------------------------------------------------------- */

static enum err
keep_option(
    struct args *a, const struct opt *opt, const char *value, struct buf *why)
{
	if (!opt->many && args_has(a, opt->name)) {
		buf_addf(why, "option --%s is given twice", opt->name);
		return ERR_USAGE;
	}
	a->given[a->given_count++] = (struct args_given){opt, value};
	return ERR_OK;
}

const struct opt *
args_option(const struct args *a, const struct cmd_set *set, const char *word,
    size_t len)
{
	const struct opt *opt = opt_find(set->globals, word, len);

	if (opt == NULL && a->cmd != NULL)
		opt = opt_find(a->cmd->opts, word, len);
	return opt;
}

/* next is the word behind, NULL when there is none; *used says that it was
 * the option's value. */
static enum err
take_option(struct args *a, const struct cmd_set *set, const char *word,
    const char *next, bool *used, struct buf *why)
{
	size_t len = strcspn(word, "=");
	const char *value = word[len] == '=' ? word + len + 1 : NULL;
	const struct opt *opt = args_option(a, set, word, len);

	if (opt == NULL) {
		if (a->cmd != NULL)
			buf_addf(why, "%s: ", a->cmd->words);
		buf_addf(why, "there is no option '%.*s'%s", (int)len, word,
		    a->cmd == NULL ? " before the command" : "");
		return ERR_USAGE;
	}
	if (opt->value == NULL && value != NULL) {
		buf_addf(why, "option --%s takes no value", opt->name);
		return ERR_USAGE;
	}
	if (opt->value != NULL && value == NULL) {
		value = next;
		*used = true;
	}
	if (opt->value != NULL && value == NULL) {
		a->open = opt;
		buf_addf(why, "option --%s needs a value: %s", opt->name,
		    opt->value);
		return ERR_USAGE;
	}
	return keep_option(a, opt, value, why);
}

/* ---- the whole -------------------------------------------------------- */

struct span
cmd_argument(const struct cmd *cmd, size_t n)
{
	const char *p = cmd->arguments;

	for (; n > 0; n--) {
		p += strcspn(p, " ");
		p += strspn(p, " ");
	}
	p += strspn(p, "[");
	return (struct span){p, strcspn(p, " ].")};
}

static enum err
check_count(const struct args *a, struct buf *why)
{
	struct span name;

	if (a->word_count > a->cmd->max) {
		buf_addf(why, "%s: '%s' is one argument too many",
		    a->cmd->words, a->words[a->cmd->max]);
		return ERR_USAGE;
	}
	if (a->word_count < a->cmd->min) {
		name = cmd_argument(a->cmd, a->word_count);
		buf_addf(
		    why, "%s: %.*s is missing", a->cmd->words, SPAN_ARG(name));
		return ERR_USAGE;
	}
	return ERR_OK;
}

static enum err
check_required(const struct args *a, struct buf *why)
{
	for (const struct opt *o = a->cmd->opts; o != NULL && o->name != NULL;
	     o++)
		if (o->required && !args_has(a, o->name)) {
			buf_addf(why, "%s: --%s %s is missing", a->cmd->words,
			    o->name, o->value);
			return ERR_USAGE;
		}
	return ERR_OK;
}

/* What can be said only at the end of the line. A noun alone shows what it
 * has, where that takes no argument. */
static enum err
check_all(struct args *a, const struct cmd_set *set, struct buf *why)
{
	const struct cmd *show;
	enum err err;

	if (args_has(a, "help") || args_has(a, "version"))
		return ERR_OK;
	if (a->cmd == NULL && a->noun != NULL) {
		show = cmd_find(set, a->noun, "show");
		if (show != NULL && show->min == 0)
			a->cmd = show;
	}
	if (a->cmd != NULL) {
		err = check_count(a, why);
		return err != ERR_OK ? err : check_required(a, why);
	}
	if (a->noun == NULL)
		return ERR_OK;
	why_add_verbs(why, set, a->noun);
	return ERR_USAGE;
}

enum err
args_read(struct args *a, const struct cmd_set *set, int count,
    char *const *words, struct buf *why)
{
	enum err err = ERR_OK;
	bool used;

	*a = (struct args){0};
	a->words = xcalloc((size_t)count + 1, sizeof(*a->words));
	a->given = xcalloc((size_t)count + 1, sizeof(*a->given));
	for (int i = 0; i < count && err == ERR_OK; i++) {
		used = false;
		if (!a->options_ended && strcmp(words[i], "--") == 0)
			a->options_ended = true;
		else if (!a->options_ended && is_option(words[i]))
			err = take_option(a, set, words[i],
			    i + 1 < count ? words[i + 1] : NULL, &used, why);
		else
			err = take_word(a, set, words[i], why);
		if (!a->options_ended)
			a->plain_count = a->word_count;
		i += used ? 1 : 0;
	}
	return err;
}

enum err
args_parse(struct args *a, const struct cmd_set *set, int argc,
    char *const *argv, struct buf *why)
{
	enum err err = args_read(a, set, argc - 1, argv + 1, why);

	return err != ERR_OK ? err : check_all(a, set, why);
}

void
args_clear(struct args *a)
{
	free(a->words);
	free(a->given);
	*a = (struct args){0};
}

const char *
args_each(const struct args *a, const char *option, size_t *at)
{
	while (*at < a->given_count) {
		const struct args_given *g = &a->given[(*at)++];

		if (strcmp(g->opt->name, option) == 0)
			return g->value != NULL ? g->value : "";
	}
	return NULL;
}

const char *
args_value(const struct args *a, const char *option)
{
	size_t at = 0;

	return args_each(a, option, &at);
}

bool
args_has(const struct args *a, const char *option)
{
	return args_value(a, option) != NULL;
}

const char *
args_word(const struct args *a, size_t index)
{
	return index < a->word_count ? a->words[index] : NULL;
}
