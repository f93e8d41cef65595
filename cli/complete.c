/* What may stand next on a command line; see complete.h. */

#define _GNU_SOURCE /* memrchr */

#include "cli/complete.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "cli/cli.h"
#include "cli/policy.h"
#include "cli/rows.h"
#include "core/arena.h"

enum {
	OUT_MAX = 1 << 24,
	ARENA_MAX = 1 << 28,
	WORD_MAX = 64,
	ASK_MS = 700 /* who types a tab waits no longer */
};

struct completion {
	const struct cmd_set *set;
	struct args args;     /* the line before the word */
	struct span word;     /* what was typed of it */
	struct span in_front; /* of each candidate, such as "--state=" */
	struct buf out;
};

typedef void add_fn(struct completion *c);

static add_fn add_channels, add_codes, add_commands, add_files, add_levels,
    add_policy, add_queues, add_relays, add_settings, add_workers;

/* What an option's value, or an argument, is taken from. */
static const struct source {
	const char *name; /* of the option, or what stands for the argument */
	add_fn *add;
} sources[] = {
    {"--queue", add_queues},
    {"--worker", add_workers},
    {"CHANNEL", add_channels},
    {"CODE", add_codes},
    {"COMMAND", add_commands},
    {"FILE", add_files},
    {"LEVEL", add_levels},
    {"NAME=VALUE", add_policy},
    {"PREFIX", add_settings},
    {"QUEUE", add_queues},
    {"RELAY", add_relays},
    {"SETTING", add_settings},
    {"WORKER", add_workers},
};

/* ---- candidates ------------------------------------------------------- */

static void
add(struct completion *c, struct span candidate, const char *means)
{
	if (candidate.len < c->word.len ||
	    memcmp(candidate.p, c->word.p, c->word.len) != 0)
		return;
	buf_add_span(&c->out, c->in_front);
	buf_add_span(&c->out, candidate);
	buf_addf(&c->out, "\t%s\n", means);
}

static void
add_files(struct completion *c)
{
	buf_add_str(&c->out, "\tfiles\n");
}

static void
add_codes(struct completion *c)
{
	char code[WORD_MAX];

	for (int e = ERR_OK + 1; e < ERR_COUNT; e++) {
		const struct err_info *info = err_info((enum err)e);

		(void)snprintf(code, sizeof(code), "E%03d", info->number);
		add(c, span_of(code), info->text);
		add(c, span_of(info->name), info->text);
	}
}

/* What "queue set" sets: names that a value follows. */
static void
add_policy(struct completion *c)
{
	char name[WORD_MAX];
	size_t count;
	const struct conf_row *rows = conf_rows(&count);

	for (size_t i = 0; i < count; i++) {
		if (policy_find(span_of(rows[i].key)) != &rows[i])
			continue;
		(void)snprintf(name, sizeof(name), "%s=", rows[i].key);
		add(c, span_of(name), rows[i].help);
	}
}

/* The server's settings; of those "config set" changes levels only. */
static void
add_settings(struct completion *c)
{
	bool only_levels = strcmp(c->args.cmd->words, "config set") == 0;
	char name[2 * WORD_MAX];
	size_t count;
	const struct conf_row *rows = conf_rows(&count);

	for (size_t i = 0; i < count; i++) {
		if (only_levels && strcmp(rows[i].type, "level") != 0)
			continue;
		(void)snprintf(name, sizeof(name), "%s.%s%s", rows[i].section,
		    strcmp(rows[i].section, "redis") == 0 ? "main." : "",
		    rows[i].key);
		add(c, span_of(name), rows[i].help);
	}
}

/* ---- commands and options --------------------------------------------- */

/* Is it a command of that noun? verb is what stands behind it. */
static bool
has_noun(const struct cmd *cmd, struct span noun, const char **verb)
{
	if (strncmp(cmd->words, noun.p, noun.len) != 0 ||
	    cmd->words[noun.len] != ' ')
		return false;
	*verb = cmd->words + noun.len + 1;
	return true;
}

static void
add_verbs(struct completion *c, struct span noun)
{
	const char *verb;

	for (size_t i = 0; i < c->set->count; i++)
		if (has_noun(&c->set->cmds[i], noun, &verb))
			add(c, span_of(verb), c->set->cmds[i].help);
}

/* A noun, and as what it means its verbs. */
static void
add_noun(struct completion *c, struct span noun)
{
	struct buf verbs;
	const char *verb;

	buf_init(&verbs, OUT_MAX);
	for (size_t i = 0; i < c->set->count; i++)
		if (has_noun(&c->set->cmds[i], noun, &verb))
			buf_addf(
			    &verbs, "%s%s", verbs.len > 0 ? ", " : "", verb);
	buf_add_char(&verbs, '\0');
	add(c, noun, verbs.data);
	buf_clear(&verbs);
}

/* The first words of the commands, each once. */
static void
add_first_words(struct completion *c)
{
	struct span last = {"", 0};

	for (size_t i = 0; i < c->set->count; i++) {
		const struct cmd *cmd = &c->set->cmds[i];
		struct span word = {cmd->words, strcspn(cmd->words, " ")};

		if (word.p[word.len] == '\0')
			add(c, word, cmd->help);
		else if (!span_eq(word, last))
			add_noun(c, word);
		last = word;
	}
}

static void
add_command_words(struct completion *c, const char *noun)
{
	if (noun == NULL)
		add_first_words(c);
	else
		add_verbs(c, span_of(noun));
}

/* Of "help": a command in the place of its argument. */
static void
add_commands(struct completion *c)
{
	add_command_words(c, args_word(&c->args, 0));
}

static void
add_options(struct completion *c, const struct opt *opts)
{
	char word[WORD_MAX];

	for (; opts != NULL && opts->name != NULL; opts++) {
		if (!opts->many && args_has(&c->args, opts->name))
			continue;
		(void)snprintf(word, sizeof(word), "--%s", opts->name);
		add(c, span_of(word), opts->help);
	}
}

/* ---- what the server knows -------------------------------------------- */

static bool
read_names(struct completion *c, struct span body, const char *member)
{
	const struct row_field list_field[] = {{member, false}};
	static const struct row_field name_field[] = {{"name", false}};
	struct arena *a = arena_new(ARENA_MAX);
	struct span list, name;
	struct scan s;
	bool ok = row_read_all(body, a, list_field, 1, &list);

	scan_init(&s, list);
	ok = ok && scan_array(&s);
	while (ok && scan_item(&s)) {
		ok = row_read(&s, a, name_field, 1, &name);
		/* Whatever answered: nothing else reaches a shell. */
		if (ok && name_is_valid(name))
			add(c, name, "");
	}
	arena_free(a);
	return ok;
}

/* Who does not answer in time is not asked any longer: the process ends. */
static void
add_names(struct completion *c, const char *path, const char *member)
{
	static const struct itimerval limit = {{0, 0}, {0, ASK_MS * 1000}};
	struct client_request request = {.method = "GET", .path = path};
	struct client_answer answer;
	struct cli cli;

	(void)setitimer(ITIMER_REAL, &limit, NULL);
	if (cli_init(&cli, &c->args) == CLI_DONE &&
	    client_call(cli.client, &request, &answer) == ERR_OK &&
	    answer.status == 200)
		(void)read_names(c, answer.body, member);
	cli_clear(&cli);
}

static void
add_channels(struct completion *c)
{
	add_names(c, "/v1/channels", "channels");
}

static void
add_queues(struct completion *c)
{
	add_names(c, "/v1/queues", "queues");
}

static void
add_relays(struct completion *c)
{
	add_names(c, "/v1/relays", "relays");
}

static void
add_workers(struct completion *c)
{
	add_names(c, "/v1/workers", "workers");
}

/* ---- the place in the line -------------------------------------------- */

static void
add_of_source(struct completion *c, struct span name)
{
	for (size_t i = 0; i < COUNT_OF(sources); i++)
		if (span_is(name, sources[i].name))
			sources[i].add(c);
}

/* Behind a comma there may be another of them. */
static void
skip_list(struct completion *c)
{
	const char *comma = memrchr(c->word.p, ',', c->word.len);
	const char *end = c->word.p + c->word.len;

	if (comma == NULL)
		return;
	if (c->in_front.len == 0)
		c->in_front.p = c->word.p;
	c->in_front.len = (size_t)(comma + 1 - c->in_front.p);
	c->word = (struct span){comma + 1, (size_t)(end - comma - 1)};
}

static void
add_words(struct completion *c, const char *words)
{
	while (*words != '\0') {
		size_t len = strcspn(words, " ");

		add(c, (struct span){words, len}, "");
		words += len + strspn(words + len, " ");
	}
}

static void
add_levels(struct completion *c)
{
	add_words(c, "error warn info debug default");
}

/* By the table's words, the option's name, or what stands for its value. */
static void
add_values(struct completion *c, const struct opt *opt)
{
	char name[WORD_MAX];

	if (opt->list)
		skip_list(c);
	if (opt->words != NULL) {
		add_words(c, opt->words);
		return;
	}
	(void)snprintf(name, sizeof(name), "--%s", opt->name);
	add_of_source(c, span_of(name));
	if (c->out.len == 0)
		add_of_source(c, span_of(opt->value));
}

/* "--state=de" is a value to be completed, behind its "--state=". */
static const struct opt *
split_option(struct completion *c)
{
	const char *equals = memchr(c->word.p, '=', c->word.len);
	const struct opt *opt;
	size_t len;

	if (equals == NULL || c->args.options_ended)
		return NULL;
	len = (size_t)(equals - c->word.p);
	opt = args_option(&c->args, c->set, c->word.p, len);
	if (opt == NULL || opt->value == NULL)
		return NULL;
	c->in_front = (struct span){c->word.p, len + 1};
	c->word.p += len + 1;
	c->word.len -= len + 1;
	return opt;
}

/* Arguments beyond the last name are more of that ("ID..."). */
static void
add_arguments(struct completion *c)
{
	const struct cmd *cmd = c->args.cmd;
	size_t n = c->args.word_count;
	struct span name;

	if (n >= cmd->max)
		return;
	for (name = cmd_argument(cmd, n); name.len == 0 && n > 0; n--)
		name = cmd_argument(cmd, n - 1);
	add_of_source(c, name);
}

static void
add_all(struct completion *c)
{
	const struct cmd *cmd = c->args.cmd;
	const struct opt *opt = c->args.open;

	if (opt == NULL)
		opt = split_option(c);
	if (opt != NULL) {
		add_values(c, opt);
	} else if (c->word.len > 0 && c->word.p[0] == '-' &&
		   !c->args.options_ended) {
		add_options(c, cmd != NULL ? cmd->opts : NULL);
		add_options(c, c->set->globals);
	} else if (cmd == NULL) {
		add_command_words(c, c->args.noun);
	} else {
		add_arguments(c);
	}
}

enum cli_exit
complete(const struct cmd_set *set, int count, char **words)
{
	struct completion c = {.set = set};
	struct buf why;

	if (count < 1)
		return CLI_USAGE;
	c.word = span_of(words[count - 1]);
	buf_init(&why, OUT_MAX);
	buf_init(&c.out, OUT_MAX);
	/* A line that is wrong already has nothing to go on with. */
	if (args_read(&c.args, set, count - 1, words, &why) == ERR_OK ||
	    c.args.open != NULL)
		add_all(&c);
	if (c.out.len > 0)
		(void)fwrite(c.out.data, 1, c.out.len, stdout);
	args_clear(&c.args);
	buf_clear(&c.out);
	buf_clear(&why);
	return CLI_DONE;
}
