/* schedctl task ...: extend, report, retry, rm, show. For ls see
 * cmd_task_ls.c, for push cmd_push.c, for take cmd_take.c. */

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/ids.h"
#include "cli/rows.h"
#include "cli/sets.h"
#include "cli/task_view.h"
#include "cli/text.h"
#include "core/arena.h"
#include "core/clock.h"

enum {
	PATH_MAX_BYTES = 8192,
	BODY_MAX = 64 << 20,
	OUT_MAX = 1 << 30,
	CELL_MAX = 4096,
	ID_MAX = 64 * 1024 /* of a word that may be no id */
};

/* Says each refused id; how many there were. False: not understood. */
static bool
say_refused(struct span list, struct arena *a, uint64_t *count)
{
	static const struct row_field fields[] = {
	    {"id", false}, {"error", true}};
	struct cli_error e;
	struct span f[2];
	struct buf text;
	struct scan s;
	bool ok;

	*count = 0;
	scan_init(&s, list);
	ok = scan_array(&s);
	while (ok && scan_item(&s)) {
		buf_init(&text, OUT_MAX);
		ok = row_read(&s, a, fields, 2, f) &&
		     cli_read_error_object(f[1], a, &e);
		if (ok) {
			cli_add_error(&text, &e);
			cli_say("%.*s: %.*s", SPAN_ARG(f[0]),
			    SPAN_ARG(buf_span(&text)));
			++*count;
		}
		buf_clear(&text);
	}
	return ok && scan_end(&s) == ERR_OK;
}

/* ---- extend ----------------------------------------------------------- */

static enum cli_exit
extend_add_body(const struct cli *c, struct buf *body)
{
	enum cli_exit result =
	    cli_check_name(c, "--worker", args_value(c->args, "worker"));
	const char *id;

	buf_add_str(body, "{\"worker\":");
	buf_add_json(body, span_of(args_value(c->args, "worker")));
	buf_add_str(body, ",\"ids\":[");
	for (size_t i = 1; result == CLI_DONE; i++) {
		id = args_word(c->args, i);
		if (id == NULL)
			break;
		result = cli_check_id(c, id);
		buf_add_str(body, i > 1 ? "," : "");
		buf_add_json(body, span_of(id));
	}
	buf_add_char(body, ']');
	if (result == CLI_DONE)
		result = cli_add_seconds(c, body, "lease", "lease_s");
	buf_add_char(body, '}');
	return result;
}

static enum cli_exit
extend_tell(struct cli *c, const struct client_answer *answer)
{
	static const struct row_field fields[] = {
	    {"extended", false}, {"lease_until", false}, {"refused", false}};
	struct arena *a = arena_new(OUT_MAX);
	uint64_t extended = 0, refused = 0;
	struct buf when;
	struct span f[3];
	bool ok = row_read_all(answer->body, a, fields, 3, f) &&
		  scan_to_u64(f[0], &extended) &&
		  say_refused(f[2], a, &refused);

	buf_init(&when, CELL_MAX);
	if (ok && extended > 0)
		text_add_when(&when, f[1], clock_now_ms());
	if (ok && c->json)
		(void)cli_document(c, answer);
	else if (ok && !c->quiet)
		cli_say("extended %llu%s%.*s, refused %llu",
		    (unsigned long long)extended,
		    extended > 0 ? ", until " : "", SPAN_ARG(buf_span(&when)),
		    (unsigned long long)refused);
	buf_clear(&when);
	arena_free(a);
	if (!ok)
		return cli_bad_answer(c, "expected the counts of an extend");
	if (refused == 0)
		return CLI_DONE;
	return extended > 0 ? CLI_PARTLY : CLI_REFUSED;
}

enum cli_exit
cmd_task_extend(struct cli *c)
{
	struct client_answer answer;
	enum cli_exit result;
	struct buf body;

	buf_init(&body, BODY_MAX);
	result = extend_add_body(c, &body);
	if (result == CLI_DONE)
		result = cli_call_queue(c,
		    (struct client_request){
			.method = "POST", .body = buf_span(&body)},
		    "/extend", &answer);
	buf_clear(&body);
	return result == CLI_DONE ? extend_tell(c, &answer) : result;
}

/* ---- report ----------------------------------------------------------- */

/* "ID=ERROR", in which "\=" is an equals sign of the id. */
static void
add_failed(struct buf *body, const char *value, bool no_retry)
{
	const char *p = value;
	struct buf id;

	buf_init(&id, ID_MAX);
	for (; *p != '\0' && *p != '='; p++) {
		if (p[0] == '\\' && p[1] == '=')
			p++;
		buf_add_char(&id, *p);
	}
	buf_add_str(body, "{\"id\":");
	buf_add_json(body, buf_span(&id));
	if (*p == '=') {
		buf_add_str(body, ",\"error\":");
		buf_add_json(body, span_of(p + 1));
	}
	if (no_retry)
		buf_add_str(body, ",\"retry\":false");
	buf_add_char(body, '}');
	buf_clear(&id);
}

static void
report_add_body(const struct cli *c, struct buf *body)
{
	bool no_retry = args_has(c->args, "no-retry");
	const char *id, *mark = "";
	size_t at = 0;

	buf_add_str(body, "{\"worker\":");
	buf_add_json(body, span_of(args_value(c->args, "worker")));
	buf_add_str(body, ",\"finished\":[");
	while ((id = args_each(c->args, "finished", &at)) != NULL) {
		buf_add_str(body, mark);
		buf_add_json(body, span_of(id));
		mark = ",";
	}
	buf_add_str(body, "],\"failed\":[");
	mark = "";
	at = 0;
	while ((id = args_each(c->args, "failed", &at)) != NULL) {
		buf_add_str(body, mark);
		add_failed(body, id, no_retry);
		mark = ",";
	}
	buf_add_str(body, "]}");
}

static enum cli_exit
report_tell(struct cli *c, const struct client_answer *answer)
{
	static const struct row_field fields[] = {{"finished", false},
	    {"failed", false}, {"dead", false}, {"refused", false}};
	struct arena *a = arena_new(OUT_MAX);
	uint64_t finished = 0, failed = 0, dead = 0, refused = 0;
	struct span f[4];
	bool ok = row_read_all(answer->body, a, fields, 4, f) &&
		  scan_to_u64(f[0], &finished) && scan_to_u64(f[1], &failed) &&
		  scan_to_u64(f[2], &dead) && say_refused(f[3], a, &refused);

	arena_free(a);
	if (!ok)
		return cli_bad_answer(c, "expected the counts of a report");
	if (c->json)
		(void)cli_document(c, answer);
	else if (!c->quiet)
		cli_say("finished %llu, failed %llu (%llu now dead), "
			"refused %llu",
		    (unsigned long long)finished, (unsigned long long)failed,
		    (unsigned long long)dead, (unsigned long long)refused);
	if (refused == 0)
		return CLI_DONE;
	return finished + failed > 0 ? CLI_PARTLY : CLI_REFUSED;
}

enum cli_exit
cmd_task_report(struct cli *c)
{
	struct client_answer answer;
	enum cli_exit result;
	struct buf body;

	if (!args_has(c->args, "finished") && !args_has(c->args, "failed"))
		return cli_usage(c, "task report: --finished ID or --failed "
				    "ID is missing");
	result = cli_check_name(c, "--worker", args_value(c->args, "worker"));
	if (result != CLI_DONE)
		return result;
	buf_init(&body, BODY_MAX);
	report_add_body(c, &body);
	result = cli_call_queue(c,
	    (struct client_request){.method = "POST", .body = buf_span(&body)},
	    "/report", &answer);
	buf_clear(&body);
	return result == CLI_DONE ? report_tell(c, &answer) : result;
}

/* ---- rm, retry -------------------------------------------------------- */

/* Those that are named, or those that options choose. */
static enum cli_exit
act(struct cli *c, const struct sets_verb *set, ids_fn *one)
{
	bool has_ids = args_word(c->args, 1) != NULL;

	if (has_ids && select_is_given(c->args))
		return cli_usage(c,
		    "%s: IDs and options that choose tasks "
		    "exclude each other",
		    c->args->cmd->words);
	return has_ids ? ids_run(c, one) : sets_run(c, set);
}

enum cli_exit
cmd_task_retry(struct cli *c)
{
	return act(c, &sets_retry, ids_retry);
}

enum cli_exit
cmd_task_rm(struct cli *c)
{
	return act(c, &sets_remove, ids_remove);
}

/* ---- show ------------------------------------------------------------- */

enum cli_exit
cmd_task_show(struct cli *c)
{
	const char *id = args_word(c->args, 1);
	struct client_answer answer;
	enum cli_exit result = cli_check_id(c, id);
	struct buf path;

	if (result != CLI_DONE)
		return result;
	buf_init(&path, PATH_MAX_BYTES);
	result = cli_queue_path(c, args_word(c->args, 0), "/tasks/", &path);
	client_add_segment(&path, span_of(id));
	if (result == CLI_DONE)
		result = cli_get(c, cli_path(&path), &answer);
	buf_clear(&path);
	if (result != CLI_DONE)
		return result;
	return cli_show(c, &answer, task_view_add, "expected a task");
}
