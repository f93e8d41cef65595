/* schedctl ping, version, help. */

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
