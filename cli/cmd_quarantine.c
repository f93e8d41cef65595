/* schedctl quarantine ls, show, retry, rm. */

#include <inttypes.h>
#include <stdlib.h>

#include "cli/channel_view.h"
#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/rows.h"
#include "cli/text.h"
#include "core/clock.h"
#include "core/mem.h"

enum {
	PATH_MAX_BYTES = 2048,
	BODY_MAX = 1024 * 1024,
	ARENA_MAX = 1 << 30,
	CALLS_MAX = 1000000
};

/* ---- ls --------------------------------------------------------------- */

static bool
ls_add(struct table *t, struct arena *a, struct scan *s)
{
	static const struct row_field fields[] = {{"id", false}, {"at", false},
	    {"sqlstate", false}, {"message", false}, {"row", true}};
	struct span f[5];
	struct buf when;

	if (!row_read(s, a, fields, 5, f) || f[0].len == 0)
		return false;
	table_add(t, f[0]);
	buf_init(&when, 256);
	text_add_when(&when, f[1], clock_now_ms());
	table_add(t, buf_span(&when));
	buf_clear(&when);
	for (size_t i = 2; i < 5; i++)
		table_add(t, f[i]);
	return true;
}

static enum cli_exit
ls_print(struct cli *c, struct span body)
{
	static const struct table_column columns[] = {{"ID", TABLE_LEFT},
	    {"WHEN", TABLE_LEFT}, {"STATE", TABLE_LEFT},
	    {"MESSAGE", TABLE_LEFT}, {"ROW", TABLE_LEFT}};
	static const struct row_field fields[] = {
	    {"rows", false}, {"after", false}, {"total", false}};
	struct table *t = table_new(columns, COUNT_OF(columns));
	struct arena *a = arena_new(ARENA_MAX);
	enum cli_exit result = CLI_DONE;
	struct span f[3];
	struct scan s;
	bool ok = row_read_all(body, a, fields, 3, f);

	scan_init(&s, f[0]);
	ok = ok && scan_array(&s);
	while (ok && scan_item(&s))
		ok = ls_add(t, a, &s);
	if (!ok || scan_end(&s) != ERR_OK)
		result = cli_bad_answer(c, "expected a page of rows");
	else if (table_rows(t) == 0 && !c->quiet)
		cli_say("no row was refused");
	else
		cli_write_table(c, t);
	if (result == CLI_DONE && f[1].len > 0 && !c->quiet)
		cli_say("%zu of %.*s; more with --after %.*s", table_rows(t),
		    SPAN_ARG(f[2]), SPAN_ARG(f[1]));
	table_free(t);
	arena_free(a);
	return result;
}

/* "/quarantine?limit=5&after=...". */
static enum cli_exit
ls_path(struct cli *c, struct buf *path)
{
	const char *limit = args_value(c->args, "limit");
	const char *after = args_value(c->args, "after");
	enum cli_exit result = cli_channel_path(c, "/quarantine", path);
	const char *mark = "?";
	uint64_t n;

	if (result == CLI_DONE && limit != NULL) {
		if (!str_to_u64(span_of(limit), &n) || n < 1 || n > 1000)
			return cli_usage(c,
			    "--limit '%s': expected a whole number from 1 to "
			    "1000",
			    limit);
		buf_addf(path, "%slimit=%s", mark, limit);
		mark = "&";
	}
	if (result == CLI_DONE && after != NULL) {
		buf_addf(path, "%safter=", mark);
		client_add_value(path, span_of(after));
	}
	return result;
}

enum cli_exit
cmd_quarantine_ls(struct cli *c)
{
	struct client_answer answer;
	enum cli_exit result;
	struct buf path;

	buf_init(&path, PATH_MAX_BYTES);
	result = ls_path(c, &path);
	if (result == CLI_DONE)
		result = cli_get(c, cli_path(&path), &answer);
	buf_clear(&path);
	if (result == CLI_DONE && c->json)
		return cli_document(c, &answer);
	return result == CLI_DONE ? ls_print(c, answer.body) : result;
}

/* ---- show ------------------------------------------------------------- */

enum cli_exit
cmd_quarantine_show(struct cli *c)
{
	const char *id = args_word(c->args, 1);
	enum cli_exit result = cli_check_id(c, id);
	struct client_answer answer;
	struct buf path;

	if (result != CLI_DONE)
		return result;
	buf_init(&path, PATH_MAX_BYTES);
	result = cli_channel_path(c, "/quarantine/", &path);
	client_add_segment(&path, span_of(id));
	if (result == CLI_DONE)
		result = cli_get(c, cli_path(&path), &answer);
	buf_clear(&path);
	return result == CLI_DONE ? cli_show(c, &answer, channel_view_add_bad,
					"expected a row")
				  : result;
}

/* ---- retry, rm -------------------------------------------------------- */

/* {"ids":[...]} of the arguments, or what the options say. */
static enum cli_exit
act_body(const struct cli *c, struct span after, struct buf *body)
{
	const char *state = args_value(c->args, "sqlstate"), *id;
	bool all = args_has(c->args, "all");
	size_t ids = c->args->word_count - 1;

	if ((ids > 0) + (state != NULL) + all != 1)
		return cli_usage(c, "expected ids, or --sqlstate, or --all");
	buf_add_char(body, '{');
	if (state != NULL) {
		buf_add_str(body, "\"sqlstate\":");
		buf_add_json(body, span_of(state));
	} else if (all) {
		buf_add_str(body, "\"all\":true");
	}
	for (size_t i = 1; i <= ids; i++) {
		id = args_word(c->args, i);
		if (cli_check_id(c, id) != CLI_DONE)
			return CLI_USAGE;
		buf_add_str(body, i == 1 ? "\"ids\":[" : ",");
		buf_add_json(body, span_of(id));
	}
	if (ids > 0)
		buf_add_char(body, ']');
	if (after.len > 0 && ids == 0) {
		buf_add_str(body, ",\"after\":");
		buf_add_json(body, after);
	}
	buf_add_char(body, '}');
	return CLI_DONE;
}

/* One call; after says where the next one goes on, empty at the end. */
static enum cli_exit
act_call(struct cli *c, const char *verb, struct buf *after, uint64_t *count)
{
	static const struct row_field fields[] = {
	    {"count", false}, {"after", false}};
	struct client_request request = {.method = "POST"};
	struct client_answer answer;
	struct arena *a = arena_new(ARENA_MAX);
	enum cli_exit result;
	struct buf path, body;
	struct span f[2];
	uint64_t n;

	buf_init(&path, PATH_MAX_BYTES);
	buf_init(&body, BODY_MAX);
	result = cli_channel_path(c, verb, &path);
	if (result == CLI_DONE)
		result = act_body(c, buf_span(after), &body);
	request.path = cli_path(&path);
	request.body = buf_span(&body);
	if (result == CLI_DONE)
		result = cli_call(c, &request, &answer);
	buf_reset(after, PATH_MAX_BYTES);
	if (result == CLI_DONE) {
		if (!row_read_all(answer.body, a, fields, 2, f) ||
		    !scan_to_u64(f[0], &n))
			result = cli_bad_answer(c, "expected a count");
		else
			*count += n;
	}
	if (result == CLI_DONE)
		buf_add_span(after, f[1]);
	buf_clear(&path);
	buf_clear(&body);
	arena_free(a);
	return result;
}

static enum cli_exit
act_all(struct cli *c, const char *verb, const char *done)
{
	enum cli_exit result;
	uint64_t count = 0;
	struct buf after, out;

	buf_init(&after, PATH_MAX_BYTES);
	for (int i = 0; i < CALLS_MAX; i++) {
		result = act_call(c, verb, &after, &count);
		if (result != CLI_DONE || after.len == 0)
			break;
	}
	buf_clear(&after);
	if (c->json) {
		buf_init(&out, 256);
		buf_addf(&out, "{\"count\":%" PRIu64 "}", count);
		cli_write_json(c, buf_span(&out));
		buf_clear(&out);
	} else if (result == CLI_DONE && !c->quiet) {
		cli_write_line(c, "%" PRIu64 " %s %s", count,
		    count == 1 ? "row" : "rows", done);
	} else if (result != CLI_DONE && count > 0) {
		cli_say("%" PRIu64 " were %s before", count, done);
	}
	return result;
}

enum cli_exit
cmd_quarantine_retry(struct cli *c)
{
	return act_all(c, "/retry", "brought again");
}

enum cli_exit
cmd_quarantine_rm(struct cli *c)
{
	return act_all(c, "/purge", "dropped");
}
