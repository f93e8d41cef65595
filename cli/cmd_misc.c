/* schedctl ping, errors, version, help. */

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/rows.h"
#include "core/arena.h"
#include "core/version.h"

enum { TEXT_MAX = 1 << 20, ARENA_MAX = 1 << 30 };

/* ---- ping, version ---------------------------------------------------- */

/* The version in the server's answer, into text (with a NUL). */
static enum cli_exit
read_version(struct cli *c, struct client_answer *answer, struct buf *text)
{
	static const struct row_field fields[] = {{"version", false}};
	enum cli_exit result = cli_get(c, "/v1/version", answer);
	struct arena *a;
	struct span version;
	bool ok;

	if (result != CLI_DONE)
		return result;
	a = arena_new(ARENA_MAX);
	ok = row_read_all(answer->body, a, fields, 1, &version) &&
	     version.len > 0;
	if (ok)
		buf_add_span(text, version);
	arena_free(a);
	return ok ? CLI_DONE : cli_bad_answer(c, "expected a version");
}

static void
ping_print(struct cli *c, struct span version, double ms)
{
	struct buf out;

	buf_init(&out, TEXT_MAX);
	if (c->json) {
		buf_add_str(&out, "{\"ready\":true,\"server\":");
		buf_add_json(&out, span_of(client_server(c->client)));
		buf_add_str(&out, ",\"version\":");
		buf_add_json(&out, version);
		buf_addf(&out, ",\"round_trip_ms\":%.3f}", ms);
		cli_write_json(c, buf_span(&out));
	} else if (!c->quiet) {
		cli_write_line(c, "%s: ready, schedd %.*s, %.1f ms",
		    client_server(c->client), SPAN_ARG(version), ms);
	}
	buf_clear(&out);
}

/* The version comes first, so that the round trip measured is one over an
 * open connection. */
enum cli_exit
cmd_ping(struct cli *c)
{
	struct client_answer answer;
	enum cli_exit result;
	struct buf version;

	buf_init(&version, TEXT_MAX);
	result = read_version(c, &answer, &version);
	if (result == CLI_DONE)
		result = cli_get(c, "/readyz", &answer);
	if (result == CLI_DONE)
		ping_print(
		    c, buf_span(&version), (double)answer.took_us / 1000);
	buf_clear(&version);
	return result;
}

enum cli_exit
cmd_version(struct cli *c)
{
	struct client_answer answer;
	enum cli_exit result;
	struct buf version;

	/* Ours is known whatever the server says. */
	if (!c->json)
		cli_write_line(c, "schedctl %s", version_text());
	buf_init(&version, TEXT_MAX);
	result = read_version(c, &answer, &version);
	if (result == CLI_DONE && c->json)
		result = cli_document(c, &answer);
	else if (result == CLI_DONE)
		cli_write_line(c, "schedd %.*s at %s",
		    SPAN_ARG(buf_span(&version)), client_server(c->client));
	buf_clear(&version);
	return result;
}

/* ---- errors ----------------------------------------------------------- */

/* "310" or "E310"; false for anything else. */
static bool
parse_code(const char *text, uint64_t *code)
{
	if (*text == 'E' || *text == 'e')
		text++;
	/* 005 is a number here. */
	while (text[0] == '0' && text[1] != '\0')
		text++;
	return str_to_u64(span_of(text), code) && *code <= 999;
}

/* One error of the list: into the table, or for --json into raw. */
struct errors {
	struct table *table;
	struct span raw;      /* the last one that matched */
	const uint64_t *code; /* only this one; NULL: all */
	size_t count;
};

static bool
errors_add(struct errors *e, struct arena *a, struct span raw)
{
	static const struct row_field fields[] = {{"code", false},
	    {"name", false}, {"http", false}, {"retryable", false},
	    {"text", false}};
	struct span f[5];
	uint64_t code;
	char number[16];

	if (!row_read_all(raw, a, fields, 5, f) || !scan_to_u64(f[0], &code))
		return false;
	if (e->code != NULL && *e->code != code)
		return true;
	(void)snprintf(number, sizeof(number), "E%03u", (unsigned)code);
	table_add_str(e->table, number);
	table_add(e->table, f[1]);
	table_add(e->table, f[2]);
	table_add_str(e->table, span_is(f[3], "true") ? "yes" : "no");
	table_add(e->table, f[4]);
	e->raw = raw;
	e->count++;
	return true;
}

static bool
errors_read(struct errors *e, struct arena *a, struct span body)
{
	static const struct row_field fields[] = {{"errors", false}};
	struct span list, raw;
	struct scan s;

	if (!row_read_all(body, a, fields, 1, &list))
		return false;
	scan_init(&s, list);
	if (!scan_array(&s))
		return false;
	while (scan_item(&s))
		if (!scan_skip(&s, &raw) || !errors_add(e, a, raw))
			return false;
	return scan_end(&s) == ERR_OK;
}

static enum cli_exit
errors_print(struct cli *c, struct span body, const uint64_t *code)
{
	static const struct table_column columns[] = {{"CODE", TABLE_LEFT},
	    {"NAME", TABLE_LEFT}, {"HTTP", TABLE_RIGHT}, {"RETRY", TABLE_LEFT},
	    {"TEXT", TABLE_LEFT}};
	struct errors e = {.code = code};
	struct arena *a = arena_new(ARENA_MAX);
	enum cli_exit result = CLI_DONE;

	e.table = table_new(columns, COUNT_OF(columns));
	if (!errors_read(&e, a, body)) {
		result = cli_bad_answer(c, "expected the error table");
	} else if (e.count == 0) {
		cli_say("there is no error %s", args_word(c->args, 0));
		result = CLI_REFUSED;
	} else if (c->json) {
		cli_write_json(c, code != NULL ? e.raw : body);
	} else {
		cli_write_table(c, e.table);
	}
	table_free(e.table);
	arena_free(a);
	return result;
}

/* From the server; when it cannot be reached, which is when people look
 * errors up, from the table that schedctl was built with. */
enum cli_exit
cmd_errors(struct cli *c)
{
	const char *word = args_word(c->args, 0);
	struct client_request request = {.method = "GET", .path = "/v1/errors"};
	struct client_answer answer;
	enum cli_exit result;
	struct buf own;
	uint64_t code;

	if (word != NULL && !parse_code(word, &code))
		return cli_usage(
		    c, "'%s': expected a number such as 310 or E310", word);
	buf_init(&own, TEXT_MAX);
	if (client_call(c->client, &request, &answer) == ERR_OK) {
		if (answer.status != 200)
			return cli_refused(c, &answer);
	} else {
		if (!c->quiet)
			cli_say("cannot reach %s; these are the errors of "
				"schedctl %s",
			    client_server(c->client), version_text());
		err_print_table(&own);
		answer.body = buf_span(&own);
	}
	result = errors_print(c, answer.body, word != NULL ? &code : NULL);
	buf_clear(&own);
	return result;
}

/* ---- help ------------------------------------------------------------- */

enum cli_exit
cmd_help(struct cli *c)
{
	const char *first = args_word(c->args, 0);
	const char *second = args_word(c->args, 1);
	const struct cmd *cmd = NULL;
	struct buf out;

	if (first != NULL)
		cmd = cmd_find(&cmd_set, first, second);
	if (first != NULL && cmd == NULL &&
	    (second != NULL || !cmd_is_noun(&cmd_set, first)))
		return cli_usage(c, "there is no command '%s%s%s'", first,
		    second != NULL ? " " : "", second != NULL ? second : "");
	buf_init(&out, TEXT_MAX);
	if (cmd != NULL)
		help_add_command(&out, &cmd_set, cmd);
	else
		help_add_overview(&out, &cmd_set, first);
	cli_write(c, buf_span(&out));
	buf_clear(&out);
	return CLI_DONE;
}
