/* schedctl task push: one task from the command line, or a stream of lines
 * from standard input (push.c). */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/push.h"
#include "cli/rows.h"
#include "core/arena.h"

enum { PATH_MAX_BYTES = 1024, EXTRA_MAX = 4096, TEXT_MAX = 64 << 20 };

/* ---- options ---------------------------------------------------------- */

/* Members that every task of this push gets. */
static enum cli_exit
add_extra(const struct cli *c, struct buf *extra)
{
	const char *priority = args_value(c->args, "priority");
	const char *run_at = args_value(c->args, "run-at");
	enum cli_exit result;
	uint64_t seconds;

	if (priority != NULL) {
		buf_add_str(extra, ",\"priority\":");
		buf_add_json(extra, span_of(priority));
	}
	if (run_at != NULL) {
		buf_add_str(extra, ",\"run_at\":");
		if (str_to_u64(span_of(run_at), &seconds))
			buf_add_u64(extra, seconds);
		else
			buf_add_json(extra, span_of(run_at));
	}
	if (args_has(c->args, "replace"))
		buf_add_str(extra, ",\"replace\":true");
	result = cli_add_seconds(c, extra, "delay", "delay_s");
	if (result == CLI_DONE)
		result =
		    cli_add_number(c, extra, "max-attempts", "max_attempts");
	if (extra->failed)
		return cli_usage(c, "the options are too long");
	return result;
}

/* Options that do not go together. */
static enum cli_exit
check_options(const struct cli *c, bool is_stream)
{
	static const char *const of_payloads[] = {
	    "priority", "delay", "run-at", "max-attempts", "replace", "raw"};
	const struct args *args = c->args;

	if (is_stream && args_has(args, "id"))
		return cli_usage(c, "--id goes with PAYLOAD only");
	if (!is_stream && args_has(args, "tasks"))
		return cli_usage(c, "--tasks goes with standard input only");
	for (size_t i = 0; i < COUNT_OF(of_payloads); i++)
		if (args_has(args, "tasks") && args_has(args, of_payloads[i]))
			return cli_usage(c,
			    "--tasks and --%s exclude each other: each line "
			    "says it for itself",
			    of_payloads[i]);
	return CLI_DONE;
}

/* ---- one task --------------------------------------------------------- */

static enum cli_exit
tell_one(struct cli *c, const struct client_answer *answer)
{
	static const struct row_field list[] = {{"tasks", false}};
	static const struct row_field fields[] = {
	    {"id", false}, {"status", false}, {"state", false}};
	struct arena *a = arena_new(TEXT_MAX);
	struct span tasks, f[3];
	struct scan s;
	bool ok = row_read_all(answer->body, a, list, 1, &tasks);

	scan_init(&s, ok ? tasks : SPAN(""));
	ok = ok && scan_array(&s) && scan_item(&s) &&
	     row_read(&s, a, fields, 3, f);
	if (ok && c->json)
		(void)cli_document(c, answer);
	else if (ok && span_is(f[1], "queued") && !c->quiet)
		cli_write_line(c, "queued %.*s", SPAN_ARG(f[0]));
	else if (ok && !c->quiet)
		cli_write_line(
		    c, "known %.*s, %.*s", SPAN_ARG(f[0]), SPAN_ARG(f[2]));
	arena_free(a);
	return ok ? CLI_DONE
		  : cli_bad_answer(c, "expected the result of a push");
}

/* The task of PAYLOAD into text. */
static enum cli_exit
build_one(const struct cli *c, struct span extra, struct buf *text)
{
	const char *id = args_value(c->args, "id");
	struct span payload = span_of(args_word(c->args, 1));
	struct push_shape shape = {.kind = PUSH_PAYLOADS, .extra = extra};
	struct push_item item;
	enum cli_exit result = CLI_DONE;
	struct buf why;
	enum err err;

	if (id != NULL)
		result = cli_check_id(c, id);
	if (result != CLI_DONE)
		return result;
	if (id != NULL)
		shape.id = span_of(id);
	if (args_has(c->args, "raw"))
		shape.kind = PUSH_RAW;
	buf_init(&why, EXTRA_MAX);
	err = push_item_add(&item, text, &shape, payload, &why);
	if (err == ERR_BODY_NOT_UTF8)
		result = cli_usage(c, "PAYLOAD is not valid UTF-8");
	else if (err != ERR_OK)
		result = cli_usage(c,
		    "PAYLOAD is not valid JSON: %.*s (--raw pushes it as text)",
		    SPAN_ARG(buf_span(&why)));
	buf_clear(&why);
	return result;
}

static enum cli_exit
push_one(struct cli *c, const char *path, struct span extra)
{
	struct client_request request = {.method = "POST", .path = path};
	struct client_answer answer;
	enum cli_exit result;
	struct buf text;

	buf_init(&text, TEXT_MAX);
	result = build_one(c, extra, &text);
	request.body = buf_span(&text);
	if (result == CLI_DONE)
		result = cli_call(c, &request, &answer);
	if (result == CLI_DONE)
		result = tell_one(c, &answer);
	buf_clear(&text);
	return result;
}

/* ---- the command ------------------------------------------------------ */

static enum cli_exit
push_lines(struct cli *c, const char *path, struct span extra)
{
	struct push_plan plan = {.path = path, .fd = STDIN_FILENO};

	plan.shape = (struct push_shape){.kind = PUSH_PAYLOADS, .extra = extra};
	if (args_has(c->args, "tasks"))
		plan.shape.kind = PUSH_TASKS;
	else if (args_has(c->args, "raw"))
		plan.shape.kind = PUSH_RAW;
	if (isatty(STDIN_FILENO) == 1 && !c->quiet)
		cli_say("reading one %s a line; Ctrl-D ends",
		    plan.shape.kind == PUSH_TASKS ? "task" : "payload");
	return push_stream(c, &plan);
}

enum cli_exit
cmd_task_push(struct cli *c)
{
	bool is_stream = args_word(c->args, 1) == NULL;
	enum cli_exit result = check_options(c, is_stream);
	struct buf path, extra;

	buf_init(&path, PATH_MAX_BYTES);
	buf_init(&extra, EXTRA_MAX);
	if (result == CLI_DONE)
		result =
		    cli_queue_path(c, args_word(c->args, 0), "/tasks", &path);
	if (result == CLI_DONE)
		result = add_extra(c, &extra);
	if (result == CLI_DONE && is_stream)
		result = push_lines(c, cli_path(&path), buf_span(&extra));
	else if (result == CLI_DONE)
		result = push_one(c, cli_path(&path), buf_span(&extra));
	buf_clear(&path);
	buf_clear(&extra);
	return result;
}
