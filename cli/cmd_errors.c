/* schedctl errors: the table of errors, and what to do about one. */

#include <ctype.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/rows.h"
#include "core/arena.h"
#include "core/version.h"

enum { TEXT_MAX = 1 << 20, ARENA_MAX = 1 << 30, NUMBER_MAX = 999 };

enum { F_CODE, F_NAME, F_HTTP, F_RETRYABLE, F_TEXT, F_ADVICE, F_COUNT };

static const struct row_field fields[F_COUNT] = {{"code", false},
    {"name", false}, {"http", false}, {"retryable", false}, {"text", false},
    {"advice", false}};

/* ---- which one -------------------------------------------------------- */

/* "310", "E310", "005"; false for anything else. */
static bool
parse_code(const char *text, uint64_t *code)
{
	if ((*text == 'E' || *text == 'e') && isdigit((unsigned char)text[1]))
		text++;
	/* 005 is a number here. */
	while (text[0] == '0' && text[1] != '\0')
		text++;
	return str_to_u64(span_of(text), code) && *code <= NUMBER_MAX;
}

/* "queue_full" is QUEUE_FULL. */
static bool
is_name(struct span name, const char *word)
{
	size_t i;

	for (i = 0; i < name.len && word[i] != '\0'; i++)
		if (name.p[i] != (char)toupper((unsigned char)word[i]))
			return false;
	return i == name.len && word[i] == '\0';
}

static bool
is_word(const char *word)
{
	for (; *word != '\0'; word++)
		if (!isalpha((unsigned char)*word) && *word != '_')
			return false;
	return true;
}

/* What is looked for; word NULL: all. */
struct wanted {
	const char *word;
	uint64_t code;
	bool is_code;
};

static bool
is_wanted(const struct wanted *w, const struct span *f, uint64_t code)
{
	if (w->word == NULL)
		return true;
	return w->is_code ? code == w->code : is_name(f[F_NAME], w->word);
}

/* ---- one error -------------------------------------------------------- */

/* Its advice; of a server that is too old to give one, our own. */
static void
add_advice(struct table *t, const struct span *f, uint64_t code)
{
	struct buf own;

	buf_init(&own, TEXT_MAX);
	if (f[F_ADVICE].len == 0)
		err_add_advice(&own, err_by_number((int)code));
	else
		buf_add_span(&own, f[F_ADVICE]);
	if (own.len > 0)
		view_fact(t, "what to do", buf_span(&own));
	buf_clear(&own);
}

static void
print_one(struct cli *c, const struct span *f, uint64_t code)
{
	struct table *t = view_facts_new();
	struct buf text;

	buf_init(&text, TEXT_MAX);
	buf_addf(&text, "E%03u %.*s", (unsigned)code, SPAN_ARG(f[F_NAME]));
	view_fact(t, "error", buf_span(&text));
	table_set_colour(t, TABLE_BOLD);
	view_fact(t, "means", f[F_TEXT]);
	buf_reset(&text, TEXT_MAX);
	buf_addf(&text, "%.*s%s", SPAN_ARG(f[F_HTTP]),
	    span_is(f[F_RETRYABLE], "true")
		? "; the same request may be sent again later"
		: "");
	view_fact(t, "status", buf_span(&text));
	add_advice(t, f, code);
	cli_write_facts(c, t);
	buf_clear(&text);
	table_free(t);
}

/* ---- the table -------------------------------------------------------- */

static void
add_row(struct table *t, const struct span *f, uint64_t code)
{
	char number[16];

	(void)snprintf(number, sizeof(number), "E%03u", (unsigned)code);
	table_add_str(t, number);
	table_add(t, f[F_NAME]);
	table_add(t, f[F_HTTP]);
	table_add_str(t, span_is(f[F_RETRYABLE], "true") ? "yes" : "no");
	table_add(t, f[F_TEXT]);
}

/* What the table held of what was wanted. */
struct found {
	struct table *table;
	struct span raw; /* the last one */
	struct span f[F_COUNT];
	uint64_t code;
	size_t count;
};

static bool
find(struct found *found, const struct wanted *w, struct arena *a,
    struct span body)
{
	static const struct row_field list_field[] = {{"errors", false}};
	struct span list, raw, f[F_COUNT];
	uint64_t code;
	struct scan s;

	if (!row_read_all(body, a, list_field, 1, &list))
		return false;
	scan_init(&s, list);
	if (!scan_array(&s))
		return false;
	while (scan_item(&s)) {
		if (!scan_skip(&s, &raw) ||
		    !row_read_all(raw, a, fields, F_COUNT, f) ||
		    !scan_to_u64(f[F_CODE], &code))
			return false;
		if (!is_wanted(w, f, code))
			continue;
		add_row(found->table, f, code);
		memcpy(found->f, f, sizeof(f));
		found->raw = raw;
		found->code = code;
		found->count++;
	}
	return scan_end(&s) == ERR_OK;
}

static enum cli_exit
print_errors(struct cli *c, struct span body, const struct wanted *w)
{
	static const struct table_column columns[] = {{"CODE", TABLE_LEFT},
	    {"NAME", TABLE_LEFT}, {"HTTP", TABLE_RIGHT | TABLE_OUT_2},
	    {"RETRY", TABLE_LEFT | TABLE_OUT_1},
	    {"TEXT", TABLE_LEFT | TABLE_WRAP}};
	struct found found = {.table = table_new(columns, COUNT_OF(columns))};
	struct arena *a = arena_new(ARENA_MAX);
	enum cli_exit result = CLI_DONE;

	if (!find(&found, w, a, body)) {
		result = cli_bad_answer(c, "expected the error table");
	} else if (found.count == 0) {
		cli_say("there is no error %s", w->word);
		result = CLI_REFUSED;
	} else if (c->json) {
		cli_write_json(c, w->word != NULL ? found.raw : body);
	} else if (w->word != NULL) {
		print_one(c, found.f, found.code);
	} else {
		cli_write_table(c, found.table);
	}
	table_free(found.table);
	arena_free(a);
	return result;
}

/* From the server; when it cannot be reached, which is when people look
 * errors up, or does not let us, from the table that schedctl was built
 * with. */
enum cli_exit
cmd_errors(struct cli *c)
{
	struct client_request request = {.method = "GET", .path = "/v1/errors"};
	struct wanted w = {.word = args_word(c->args, 0)};
	struct client_answer answer;
	enum cli_exit result;
	struct buf own;

	w.is_code = w.word != NULL && parse_code(w.word, &w.code);
	if (w.word != NULL && !w.is_code && !is_word(w.word))
		return cli_usage(c,
		    "'%s': expected a number such as 310 or E310, or a name "
		    "such as QUEUE_FULL",
		    w.word);
	buf_init(&own, TEXT_MAX);
	if (client_call(c->client, &request, &answer) != ERR_OK ||
	    answer.status != 200) {
		if (!c->quiet)
			cli_say("cannot ask %s; these are the errors of "
				"schedctl %s",
			    client_server(c->client), version_text());
		err_print_table(&own);
		answer.body = buf_span(&own);
	}
	result = print_errors(c, answer.body, &w);
	buf_clear(&own);
	return result;
}
