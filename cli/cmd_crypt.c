/* schedctl decrypt, encrypt, key new: values of encrypted columns. */

#define _GNU_SOURCE /* getline */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/rows.h"
#include "core/keys.h"
#include "core/secret.h"

enum {
	BATCH_VALUES = 500,
	BATCH_BYTES = 512 * 1024,
	BODY_MAX = 16 << 20,
	ALL_MAX = 1 << 30,
	ARENA_MAX = 1 << 30
};

/* Values on their way to the server, and what came back. */
struct crypt {
	struct cli *cli;
	const char *path;
	bool is_list; /* the server takes several at once */
	struct buf values;
	size_t count;
	struct buf json; /* with --json: all answers */
	size_t told;
};

/* ---- one request ------------------------------------------------------ */

static void
body_make(const struct crypt *k, struct buf *body)
{
	const struct cli *c = k->cli;
	const char *key = k->is_list ? NULL : args_value(c->args, "key");

	buf_add_str(body, "{\"context\":{\"channel\":");
	buf_add_json(body, span_of(args_word(c->args, 0)));
	buf_add_char(body, '}');
	if (key != NULL) {
		buf_add_str(body, ",\"key\":");
		buf_add_json(body, span_of(key));
	}
	buf_add_str(body, ",\"fields\":{");
	buf_add_json(body, span_of(args_word(c->args, 1)));
	buf_add_str(body, k->is_list ? ":[" : ":");
	buf_add_span(body, buf_span(&k->values));
	buf_add_str(body, k->is_list ? "]}}" : "}}");
}

/* Of a text for people each line break would be one more value. */
static void
tell(struct crypt *k, struct span raw, struct span text)
{
	struct cli *c = k->cli;

	if (c->json) {
		buf_add_str(&k->json, k->told++ > 0 ? "," : "");
		buf_add_span(&k->json, raw);
	} else if (c->stdout_is_terminal) {
		cli_write_line(c, "%.*s", SPAN_ARG(text));
	} else {
		cli_write(c, text);
		cli_write(c, SPAN("\n"));
	}
}

static bool
tell_raw(struct crypt *k, struct arena *a, struct span raw)
{
	struct span text = SPAN("");

	if (raw.len >= 2 && raw.p[0] == '"' &&
	    !scan_unescape(a, (struct span){raw.p + 1, raw.len - 2}, &text))
		return false;
	tell(k, raw, text);
	return true;
}

static bool
answer_read(struct crypt *k, struct arena *a, struct span body)
{
	const char *column = args_word(k->cli->args, 1);
	struct span fields = row_raw(body, "fields", a), values, item;
	struct scan s;

	values = row_raw(fields, column, a);
	if (values.len == 0)
		return false;
	if (!k->is_list)
		return tell_raw(k, a, values);
	scan_init(&s, values);
	if (!scan_array(&s))
		return false;
	while (scan_item(&s)) {
		if (!scan_skip(&s, &item) || !tell_raw(k, a, item))
			return false;
	}
	return scan_end(&s) == ERR_OK;
}

static enum cli_exit
flush(struct crypt *k)
{
	struct client_request request = {.method = "POST", .path = k->path};
	struct arena *a = arena_new(ARENA_MAX);
	enum cli_exit result = CLI_DONE;
	struct client_answer answer;
	struct buf body;

	buf_init(&body, BODY_MAX);
	if (k->count > 0) {
		body_make(k, &body);
		request.body = buf_span(&body);
		result = cli_call(k->cli, &request, &answer);
		if (result == CLI_DONE && !answer_read(k, a, answer.body))
			result = cli_bad_answer(k->cli, "expected the values");
	}
	buf_clear(&body);
	buf_reset(&k->values, BATCH_BYTES);
	k->count = 0;
	arena_free(a);
	return result;
}

static enum cli_exit
add(struct crypt *k, struct span value)
{
	if (k->count > 0)
		buf_add_char(&k->values, ',');
	buf_add_json(&k->values, value);
	if (k->values.failed)
		return cli_usage(k->cli, "a value is larger than 16 MiB");
	k->count++;
	return !k->is_list || k->count == BATCH_VALUES ||
		       k->values.len >= BATCH_BYTES
		   ? flush(k)
		   : CLI_DONE;
}

/* ---- all of them ------------------------------------------------------ */

static enum cli_exit
add_lines(struct crypt *k)
{
	enum cli_exit result = CLI_DONE;
	char *line = NULL;
	size_t room = 0;
	ssize_t got;

	if (isatty(STDIN_FILENO) && !k->cli->quiet)
		cli_say("reading values, one a line; Ctrl-D ends them");
	while (
	    result == CLI_DONE && (got = getline(&line, &room, stdin)) >= 0) {
		size_t len = (size_t)got;

		while (
		    len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
			len--;
		result = add(k, (struct span){line, len});
	}
	if (result == CLI_DONE && ferror(stdin)) {
		cli_say("standard input: %s", strerror(errno));
		result = CLI_REFUSED;
	}
	secret_wipe(line, room);
	free(line);
	return result;
}

static enum cli_exit
run(struct cli *c, const char *path, bool is_list)
{
	struct crypt k = {.cli = c, .path = path, .is_list = is_list};
	enum cli_exit result =
	    cli_check_name(c, "CHANNEL", args_word(c->args, 0));
	size_t at = 2;

	if (result != CLI_DONE)
		return result;
	buf_init(&k.values, BODY_MAX);
	buf_init(&k.json, ALL_MAX);
	buf_add_str(&k.json, "{\"values\":[");
	if (args_word(c->args, at) == NULL)
		result = add_lines(&k);
	for (; result == CLI_DONE && args_word(c->args, at) != NULL; at++)
		result = add(&k, span_of(args_word(c->args, at)));
	if (result == CLI_DONE)
		result = flush(&k);
	buf_add_str(&k.json, "]}");
	if (result == CLI_DONE && c->json)
		cli_write_json(c, buf_span(&k.json));
	secret_wipe(k.values.data, k.values.cap);
	buf_clear(&k.values);
	buf_clear(&k.json);
	return result;
}

enum cli_exit
cmd_decrypt(struct cli *c)
{
	return run(c, "/v1/decrypt", true);
}

enum cli_exit
cmd_encrypt(struct cli *c)
{
	return run(c, "/v1/encrypt", false);
}

/* ---- keys ------------------------------------------------------------- */

/* A line of the key file. Asks no server. */
enum cli_exit
cmd_key_new(struct cli *c)
{
	const char *id = args_word(c->args, 0);
	unsigned char secret[KEY_LEN];
	char hex[2 * KEY_LEN + 1];

	if (!key_id_is_valid(span_of(id)))
		return cli_usage(c, "ID: expected 1-32 of A-Za-z0-9._-");
	secret_random(secret, sizeof(secret));
	hex_print(hex, secret, sizeof(secret));
	if (c->json)
		cli_write_line(
		    c, "{\"id\":\"%s\",\"line\":\"%s:%s\"}", id, id, hex);
	else
		cli_write_line(c, "%s:%s", id, hex);
	c->has_json = c->json;
	secret_wipe(secret, sizeof(secret));
	secret_wipe(hex, sizeof(hex));
	return CLI_DONE;
}
