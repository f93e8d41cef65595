/* schedctl task push: tasks from the command line, or lines of files and
 * standard input (push.c). */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/push.h"
#include "cli/rows.h"
#include "cli/source.h"
#include "core/arena.h"

enum {
	PATH_MAX_BYTES = 1024,
	EXTRA_MAX = 4096,
	TEXT_MAX = 64 << 20,
	BATCH_DEFAULT = 500
};

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

/* ---- what goes together ----------------------------------------------- */

struct apart {
	const char *a, *b;
	const char *why;
};

/* Of each row at most one may be given. */
static enum cli_exit
check_apart(const struct cli *c)
{
	static const char said[] = "each line says it for itself";
	static const char one[] = "a line is read in one way";
	/* clang-format off */
	static const struct apart rows[] = {
		{"tasks", "priority", said},
		{"tasks", "delay", said},
		{"tasks", "run-at", said},
		{"tasks", "max-attempts", said},
		{"tasks", "replace", said},
		{"tasks", "raw", one},
		{"tasks", "lines", one},
		{"tasks", "id-from", one},
		{"lines", "raw", "they mean the same"},
		{"lines", "id-from", "text has no members"},
		{"raw", "id-from", "text has no members"},
		{"id", "id-from", "there is one id"},
	};
	/* clang-format on */

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (args_has(c->args, rows[i].a) &&
		    args_has(c->args, rows[i].b))
			return cli_usage(c,
			    "--%s and --%s exclude each other: %s", rows[i].a,
			    rows[i].b, rows[i].why);
	return CLI_DONE;
}

/* Options of lines, with payloads on the command line; and the other way. */
static enum cli_exit
check_options(const struct cli *c, size_t payloads)
{
	static const char *const of_lines[] = {"tasks", "file", "resume"};

	if (payloads == 0 && args_has(c->args, "id"))
		return cli_usage(c, "--id goes with a PAYLOAD only");
	if (payloads > 1 && args_has(c->args, "id"))
		return cli_usage(c, "--id goes with one PAYLOAD only");
	for (size_t i = 0; i < COUNT_OF(of_lines) && payloads > 0; i++)
		if (args_has(c->args, of_lines[i]))
			return cli_usage(c,
			    "--%s goes with lines only, not with a PAYLOAD",
			    of_lines[i]);
	return check_apart(c);
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
		    c, "exists %.*s, %.*s", SPAN_ARG(f[0]), SPAN_ARG(f[2]));
	arena_free(a);
	return ok ? CLI_DONE
		  : cli_bad_answer(c, "expected the result of a push");
}

static enum push_kind
kind_of(const struct cli *c)
{
	if (args_has(c->args, "tasks"))
		return PUSH_TASKS;
	if (args_has(c->args, "lines") || args_has(c->args, "raw"))
		return PUSH_RAW;
	return PUSH_PAYLOADS;
}

/* The task of a PAYLOAD into text. */
static enum cli_exit
build_one(const struct cli *c, const struct push_shape *shape,
    const char *payload, struct buf *text)
{
	struct push_item item;
	enum cli_exit result = CLI_DONE;
	struct buf why;
	enum err err;

	buf_init(&why, EXTRA_MAX);
	err =
	    push_item_add(&item, text, shape, span_of(payload), SPAN(""), &why);
	if (err == ERR_BODY_NOT_UTF8)
		result = cli_usage(c, "PAYLOAD is not valid UTF-8");
	else if (err == ERR_BODY_NOT_JSON || err == ERR_BODY_TOO_DEEP)
		result = cli_usage(c,
		    "PAYLOAD is not valid JSON: %.*s (--raw pushes it as text)",
		    SPAN_ARG(buf_span(&why)));
	else if (err != ERR_OK)
		result =
		    cli_usage(c, "PAYLOAD: %.*s", SPAN_ARG(buf_span(&why)));
	buf_clear(&why);
	return result;
}

static enum cli_exit
push_one(struct cli *c, const char *path, const struct push_shape *shape)
{
	struct client_request request = {.method = "POST", .path = path};
	struct client_answer answer;
	enum cli_exit result;
	struct buf text;

	buf_init(&text, TEXT_MAX);
	result = build_one(c, shape, args_word(c->args, 1), &text);
	request.body = buf_span(&text);
	if (result == CLI_DONE)
		result = cli_call(c, &request, &answer);
	if (result == CLI_DONE)
		result = tell_one(c, &answer);
	buf_clear(&text);
	return result;
}

/* ---- many ------------------------------------------------------------- */

/* Payloads of the command line: all of them are good, or none is sent. */
static enum cli_exit
check_payloads(const struct cli *c, const struct push_plan *plan)
{
	enum cli_exit result = CLI_DONE;
	struct buf text;

	buf_init(&text, TEXT_MAX);
	for (size_t i = 0; i < plan->payload_count && result == CLI_DONE; i++) {
		buf_reset(&text, TEXT_MAX);
		result = build_one(c, &plan->shape, plan->payloads[i], &text);
	}
	buf_clear(&text);
	return result;
}

/* The files to read into names, which has room for all of them. */
static enum cli_exit
find_files(const struct cli *c, struct push_plan *plan, const char **names)
{
	enum cli_exit result = CLI_DONE;
	const char *name;
	struct buf why;
	size_t at = 0;

	while ((name = args_each(c->args, "file", &at)) != NULL)
		names[plan->file_count++] = name;
	plan->names_files = plan->file_count > 0;
	if (plan->file_count == 0)
		names[plan->file_count++] = "-";
	plan->files = names;
	buf_init(&why, EXTRA_MAX);
	if (source_check(names, plan->file_count, &why) != ERR_OK)
		result = cli_usage(c, "--file %.*s", SPAN_ARG(buf_span(&why)));
	buf_clear(&why);
	return result;
}

static enum cli_exit
push_lines(struct cli *c, struct push_plan *plan)
{
	const char **names = xcalloc(c->args->given_count + 1, sizeof(*names));
	enum cli_exit result = find_files(c, plan, names);

	if (result == CLI_DONE && !plan->names_files &&
	    isatty(STDIN_FILENO) == 1 && !c->quiet)
		cli_say("reading one %s a line; Ctrl-D ends",
		    plan->shape.kind == PUSH_TASKS ? "task" : "payload");
	if (result == CLI_DONE)
		result = push_run(c, plan);
	free(names);
	return result;
}

static enum cli_exit
push_payloads(struct cli *c, struct push_plan *plan)
{
	enum cli_exit result;

	if (plan->payload_count == 1 && plan->refused == NULL)
		return push_one(c, plan->path, &plan->shape);
	result = check_payloads(c, plan);
	return result == CLI_DONE ? push_run(c, plan) : result;
}

/* ---- the command ------------------------------------------------------ */

/* A whole number from 1 to max; otherwise unless given. */
static enum cli_exit
read_count(const struct cli *c, const char *option, uint64_t max,
    uint64_t otherwise, uint64_t *out)
{
	const char *value = args_value(c->args, option);

	*out = otherwise;
	if (value == NULL ||
	    (str_to_u64(span_of(value), out) && *out >= 1 && *out <= max))
		return CLI_DONE;
	return cli_usage(c, "--%s '%s': expected a whole number from 1 to %llu",
	    option, value, (unsigned long long)max);
}

static enum cli_exit
read_plan(struct cli *c, struct push_plan *plan, struct buf *extra)
{
	const char *id = args_value(c->args, "id");
	uint64_t batch, parallel = 1;
	enum cli_exit result =
	    read_count(c, "batch", PUSH_BATCH_MAX, BATCH_DEFAULT, &batch);

	if (result == CLI_DONE)
		result =
		    read_count(c, "parallel", PUSH_PARALLEL_MAX, 1, &parallel);
	if (result == CLI_DONE && id != NULL)
		result = cli_check_id(c, id);
	if (result == CLI_DONE)
		result = add_extra(c, extra);
	plan->batch = (size_t)batch;
	plan->parallel = (unsigned)parallel;
	plan->resume = args_value(c->args, "resume");
	plan->refused = args_value(c->args, "refused");
	plan->shape = (struct push_shape){.kind = kind_of(c),
	    .id = id != NULL ? span_of(id) : SPAN(""),
	    .id_from = args_value(c->args, "id-from"),
	    .extra = buf_span(extra)};
	return result;
}

enum cli_exit
cmd_task_push(struct cli *c)
{
	struct push_plan plan = {.queue = args_word(c->args, 0),
	    .payloads = c->args->words + 1,
	    .payload_count = c->args->word_count - 1};
	enum cli_exit result = check_options(c, plan.payload_count);
	struct buf path, extra;

	buf_init(&path, PATH_MAX_BYTES);
	buf_init(&extra, EXTRA_MAX);
	if (result == CLI_DONE)
		result = cli_queue_path(c, plan.queue, "/tasks", &path);
	if (result == CLI_DONE)
		result = read_plan(c, &plan, &extra);
	if (result == CLI_DONE) {
		plan.path = cli_path(&path);
		result = plan.payload_count > 0 ? push_payloads(c, &plan)
						: push_lines(c, &plan);
	}
	buf_clear(&path);
	buf_clear(&extra);
	return result;
}
