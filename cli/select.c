/* Which tasks; see select.h. */

#include "cli/select.h"

enum { ALL_MAX = 128 };

/* In the order in which a task goes through them. */
static const char *const STATES[SELECT_STATES] = {
    "todo", "doing", "delayed", "failed", "dead", "finish"};

bool
select_is_given(const struct args *args)
{
	static const char *const options[] = {
	    "state", "match", "error-match", "older", "worker", "limit"};

	for (size_t i = 0; i < COUNT_OF(options); i++)
		if (args_has(args, options[i]))
			return true;
	return false;
}

/* ---- states ----------------------------------------------------------- */

/* Does the word stand in a list such as "failed dead"? */
static bool
is_listed(const char *list, struct span word)
{
	size_t len;

	for (; *list != '\0'; list += len, list += *list == ' ') {
		len = strcspn(list, " ");
		if (span_eq((struct span){list, len}, word))
			return true;
	}
	return false;
}

static enum cli_exit
say_states(
    const struct cli *c, const struct select_rules *rules, const char *given)
{
	struct buf names;

	buf_init(&names, ALL_MAX);
	for (size_t i = 0; i < SELECT_STATES; i++)
		if (is_listed(rules->states, span_of(STATES[i])))
			buf_addf(&names, "%s%s", names.len > 0 ? ", " : "",
			    STATES[i]);
	if (rules->several)
		buf_add_str(&names, ", several with commas between, or all");
	if (given != NULL)
		(void)cli_usage(c, "--state '%s': expected %.*s", given,
		    SPAN_ARG(buf_span(&names)));
	else
		(void)cli_usage(c, "which tasks? --state is missing: %.*s",
		    SPAN_ARG(buf_span(&names)));
	buf_clear(&names);
	return CLI_USAGE;
}

static void
add_state(struct selection *s, const char *state)
{
	for (size_t i = 0; i < s->state_count; i++)
		if (s->states[i] == state)
			return;
	s->states[s->state_count++] = state;
}

static const char *
state_named(struct span word)
{
	for (size_t i = 0; i < SELECT_STATES; i++)
		if (span_is(word, STATES[i]))
			return STATES[i];
	return NULL;
}

static enum cli_exit
read_states(
    const struct cli *c, const struct select_rules *rules, struct selection *s)
{
	const char *given = args_value(c->args, "state");
	const char *p = given != NULL ? given : rules->fallback, *state;
	struct span word;

	if (p == NULL)
		return say_states(c, rules, NULL);
	if (rules->several && strcmp(p, "all") == 0)
		p = rules->states;
	for (;;) {
		word = (struct span){p, strcspn(p, ", ")};
		state = state_named(word);
		if (state == NULL || !is_listed(rules->states, word))
			return say_states(c, rules, given);
		add_state(s, state);
		p += word.len;
		if (*p++ == '\0')
			break;
	}
	return rules->several || s->state_count == 1
		   ? CLI_DONE
		   : say_states(c, rules, given);
}

/* ---- the others ------------------------------------------------------- */

static enum cli_exit
check_states(const struct cli *c, const struct selection *s, const char *option,
    const char *states)
{
	for (size_t i = 0; i < s->state_count; i++)
		if (!is_listed(states, span_of(s->states[i])))
			return cli_usage(c,
			    "--%s does not go with --state %s, only with %.*s "
			    "and %s",
			    option, s->states[i], (int)strcspn(states, " "),
			    states, strchr(states, ' ') + 1);
	return CLI_DONE;
}

static bool
is_text(const char *text)
{
	return *text != '\0' && utf8_is_valid(text, strlen(text));
}

static enum cli_exit
read_texts(const struct cli *c, struct selection *s)
{
	enum cli_exit result = CLI_DONE;

	s->match = args_value(c->args, "match");
	s->error_match = args_value(c->args, "error-match");
	s->worker = args_value(c->args, "worker");
	if (s->match != NULL && !is_text(s->match))
		return cli_usage(
		    c, "--match: expected a glob such as 'mail-*', in UTF-8");
	if (s->error_match != NULL && !is_text(s->error_match))
		return cli_usage(c, "--error-match: expected a text, in UTF-8");
	if (s->worker != NULL)
		result = cli_check_name(c, "--worker", s->worker);
	if (result == CLI_DONE && s->worker != NULL)
		result = check_states(c, s, "worker", "doing finish");
	if (result == CLI_DONE && s->error_match != NULL)
		result = check_states(c, s, "error-match", "failed dead");
	return result;
}

static enum cli_exit
read_numbers(const struct cli *c, struct selection *s)
{
	const char *older = args_value(c->args, "older");
	const char *limit = args_value(c->args, "limit");

	s->limit = UINT64_MAX;
	s->has_older = older != NULL;
	if (older != NULL && !str_to_ms(span_of(older), &s->older_ms))
		return cli_usage(c,
		    "--older '%s': expected seconds, or such as 10m, 2h, 7d",
		    older);
	if (limit != NULL &&
	    (!str_to_u64(span_of(limit), &s->limit) || s->limit == 0))
		return cli_usage(c,
		    "--limit '%s': expected a whole number, at least 1", limit);
	return CLI_DONE;
}

enum cli_exit
select_read(const struct cli *c, const struct select_rules *rules,
    struct selection *out)
{
	enum cli_exit result;

	*out = (struct selection){.limit = UINT64_MAX};
	result = read_states(c, rules, out);
	if (result == CLI_DONE)
		result = read_texts(c, out);
	return result == CLI_DONE ? read_numbers(c, out) : result;
}

/* ---- requests --------------------------------------------------------- */

static void
add_seconds(struct buf *out, uint64_t ms)
{
	buf_add_u64(out, ms / 1000);
	if (ms % 1000 != 0)
		buf_addf(out, ".%03u", (unsigned)(ms % 1000));
}

void
select_add_query(const struct selection *s, struct buf *path)
{
	const struct {
		const char *name, *value;
	} texts[] = {{"match", s->match}, {"error_match", s->error_match},
	    {"worker", s->worker}};

	for (size_t i = 0; i < COUNT_OF(texts); i++)
		if (texts[i].value != NULL) {
			buf_addf(path, "&%s=", texts[i].name);
			client_add_value(path, span_of(texts[i].value));
		}
	if (s->has_older) {
		buf_add_str(path, "&older_s=");
		add_seconds(path, s->older_ms);
	}
}

void
select_add_body(const struct selection *s, struct buf *body)
{
	const struct {
		const char *name, *value;
	} texts[] = {{"match", s->match != NULL ? s->match : "*"},
	    {"error_match", s->error_match}, {"worker", s->worker}};

	for (size_t i = 0; i < COUNT_OF(texts); i++)
		if (texts[i].value != NULL) {
			buf_addf(body, ",\"%s\":", texts[i].name);
			buf_add_json(body, span_of(texts[i].value));
		}
	if (s->has_older) {
		buf_add_str(body, ",\"older_s\":");
		add_seconds(body, s->older_ms);
	}
}
