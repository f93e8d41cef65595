/* schedctl token add, ls, rm. */

#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/rows.h"
#include "cli/text.h"
#include "core/clock.h"
#include "core/mem.h"

enum { BODY_MAX = 64 * 1024, PATH_MAX_BYTES = 1024, ARENA_MAX = 1 << 30 };

/* ---- add -------------------------------------------------------------- */

static void
add_queues(const struct args *args, struct buf *body)
{
	const char *glob;
	size_t at = 0, n = 0;

	while ((glob = args_each(args, "queue", &at)) != NULL) {
		buf_add_str(body, n++ == 0 ? ",\"queues\":[" : ",");
		buf_add_json(body, span_of(glob));
	}
	if (n > 0)
		buf_add_char(body, ']');
}

static enum cli_exit
add_body(struct cli *c, struct buf *body)
{
	const char *name = args_word(c->args, 0);
	enum cli_exit result = cli_check_name(c, "NAME", name);

	if (result != CLI_DONE)
		return result;
	buf_addf(body, "{\"name\":\"%s\",\"role\":", name);
	buf_add_json(body, span_of(args_value(c->args, "role")));
	add_queues(c->args, body);
	result = cli_add_seconds(c, body, "expires", "expires_s");
	buf_add_char(body, '}');
	return result;
}

/* The token alone goes to stdout, so that it can go into a file. */
static enum cli_exit
add_print(struct cli *c, const struct client_answer *answer)
{
	static const struct row_field fields[] = {{"token", false}};
	struct arena *a = arena_new(ARENA_MAX);
	enum cli_exit result = CLI_DONE;
	struct span token;

	if (!row_read_all(answer->body, a, fields, 1, &token) ||
	    token.len == 0) {
		result = cli_bad_answer(c, "expected a token");
	} else {
		cli_write_line(c, "%.*s", SPAN_ARG(token));
		if (!c->quiet)
			cli_say("this is the only time that it is shown");
	}
	arena_free(a);
	return result;
}

enum cli_exit
cmd_token_add(struct cli *c)
{
	struct client_request request = {
	    .method = "POST", .path = "/v1/tokens"};
	struct client_answer answer;
	enum cli_exit result;
	struct buf body;

	buf_init(&body, BODY_MAX);
	result = add_body(c, &body);
	request.body = buf_span(&body);
	if (result == CLI_DONE)
		result = cli_call(c, &request, &answer);
	if (result == CLI_DONE && c->json)
		result = cli_document(c, &answer);
	else if (result == CLI_DONE)
		result = add_print(c, &answer);
	buf_clear(&body);
	return result;
}

/* ---- ls --------------------------------------------------------------- */

/* ["a","b"] as a,b; false when it is no list of strings. */
static bool
add_list(struct table *t, struct arena *a, struct span list)
{
	struct buf text;
	struct scan s;
	bool ok;

	buf_init(&text, BODY_MAX);
	scan_init(&s, list);
	ok = scan_array(&s);
	while (ok && scan_item(&s)) {
		struct span raw, item = SPAN("");

		ok = scan_string(&s, &raw) && scan_unescape(a, raw, &item);
		if (text.len > 0)
			buf_add_char(&text, ',');
		buf_add_span(&text, item);
	}
	table_add(t, buf_span(&text));
	buf_clear(&text);
	return ok && scan_end(&s) == ERR_OK;
}

static void
add_when(struct table *t, struct span time)
{
	struct buf text;

	buf_init(&text, BODY_MAX);
	text_add_when(&text, time, clock_now_ms());
	table_add(t, buf_span(&text));
	buf_clear(&text);
}

static bool
ls_add(struct table *t, struct arena *a, struct scan *s)
{
	static const struct row_field fields[] = {{"name", false},
	    {"role", false}, {"queues", false}, {"expires_at", false},
	    {"last_used", false}, {"is_over", false}};
	struct span f[6];

	if (!row_read(s, a, fields, 6, f) || f[0].len == 0)
		return false;
	table_add(t, f[0]);
	table_add(t, f[1]);
	if (!add_list(t, a, f[2]))
		return false;
	add_when(t, f[3]);
	if (span_is(f[5], "true"))
		table_set_colour(t, TABLE_RED);
	add_when(t, f[4]);
	return true;
}

enum cli_exit
cmd_token_ls(struct cli *c)
{
	static const struct table_column columns[] = {{"NAME", TABLE_LEFT},
	    {"ROLE", TABLE_LEFT}, {"QUEUES", TABLE_LEFT}, {"ENDS", TABLE_LEFT},
	    {"LAST USED", TABLE_LEFT}};
	static const struct cli_list list = {
	    .path = "/v1/tokens",
	    .field = "tokens",
	    .expected = "expected a list of tokens",
	    .none = "there are no tokens: whoever reaches the server on its "
		    "own machine may do everything",
	    .columns = columns,
	    .column_count = COUNT_OF(columns),
	    .add = ls_add,
	};

	return cli_list(c, &list);
}

/* ---- rm --------------------------------------------------------------- */

enum cli_exit
cmd_token_rm(struct cli *c)
{
	const char *name = args_word(c->args, 0);
	struct client_request request = {.method = "DELETE"};
	enum cli_exit result = cli_check_name(c, "NAME", name);
	struct client_answer answer;
	struct buf path;

	if (result != CLI_DONE)
		return result;
	buf_init(&path, PATH_MAX_BYTES);
	buf_add_str(&path, "/v1/tokens/");
	client_add_segment(&path, span_of(name));
	request.path = cli_path(&path);
	result = cli_call(c, &request, &answer);
	buf_clear(&path);
	if (result == CLI_DONE && c->json)
		return cli_document(c, &answer);
	if (result == CLI_DONE && !c->quiet)
		cli_write_line(c, "%s is ended", name);
	return result;
}
