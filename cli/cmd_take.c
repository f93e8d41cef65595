/* schedctl task take: prints what it takes, or is a worker that runs a
 * command for each task (exec.c). */

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/exec.h"
#include "cli/exec_spawn.h"
#include "cli/rows.h"
#include "cli/text.h"
#include "core/arena.h"
#include "core/clock.h"

enum {
	BODY_MAX = 64 * 1024,
	OUT_MAX = 1 << 30,
	CELL_MAX = 4096,
	GRACE_DEFAULT_MS = 30000,
	LEASE_MIN_MS = 1000
};

/* ---- printing --------------------------------------------------------- */

/* A cell that says when. */
static void
add_when(struct table *t, struct span time)
{
	struct buf text;

	buf_init(&text, CELL_MAX);
	text_add_when(&text, time, clock_now_ms());
	table_add(t, buf_span(&text));
	buf_clear(&text);
}

static bool
take_add_rows(struct table *t, struct arena *a, struct span list)
{
	static const struct row_field fields[] = {{"id", false},
	    {"attempt", false}, {"lease_until", false}, {"payload", true}};
	struct span f[4];
	struct scan s;

	scan_init(&s, list);
	if (!scan_array(&s))
		return false;
	while (scan_item(&s)) {
		if (!row_read(&s, a, fields, 4, f))
			return false;
		table_add(t, f[0]);
		table_add(t, f[1]);
		add_when(t, f[2]);
		table_add(t, f[3]);
	}
	return scan_end(&s) == ERR_OK;
}

static enum cli_exit
take_print(struct cli *c, struct span body)
{
	static const struct table_column columns[] = {{"ID", TABLE_LEFT},
	    {"ATTEMPT", TABLE_RIGHT}, {"LEASE ENDS", TABLE_RIGHT},
	    {"PAYLOAD", TABLE_LEFT}};
	static const struct row_field fields[] = {
	    {"tasks", false}, {"paused", false}};
	struct table *t = table_new(columns, COUNT_OF(columns));
	struct arena *a = arena_new(OUT_MAX);
	enum cli_exit result = CLI_DONE;
	struct span f[2];

	if (!row_read_all(body, a, fields, 2, f) || !take_add_rows(t, a, f[0]))
		result = cli_bad_answer(c, "expected a list of tasks");
	else if (table_rows(t) > 0)
		cli_write_table(c, t);
	else if (!c->quiet)
		cli_say(
		    span_is(f[1], "true") ? "the queue is paused" : "no tasks");
	arena_free(a);
	table_free(t);
	return result;
}

static enum cli_exit
take_add_body(const struct cli *c, struct buf *body)
{
	enum cli_exit result = CLI_DONE;

	buf_add_str(body, "{\"worker\":");
	buf_add_json(body, span_of(args_value(c->args, "worker")));
	if (!args_has(c->args, "count"))
		buf_add_str(body, ",\"count\":1");
	else
		result = cli_add_number(c, body, "count", "count");
	if (result == CLI_DONE)
		result = cli_add_seconds(c, body, "wait", "wait_s");
	if (result == CLI_DONE)
		result = cli_add_seconds(c, body, "lease", "lease_s");
	buf_add_char(body, '}');
	return result;
}

static enum cli_exit
take_once(struct cli *c)
{
	const char *wait = args_value(c->args, "wait");
	struct client_answer answer;
	enum cli_exit result;
	uint64_t wait_ms = 0;
	struct buf body;

	buf_init(&body, BODY_MAX);
	result = take_add_body(c, &body);
	if (wait != NULL && !str_to_ms(span_of(wait), &wait_ms))
		wait_ms = 0;
	if (result == CLI_DONE)
		result = cli_call_queue(c,
		    (struct client_request){.method = "POST",
			.body = buf_span(&body),
			.wait_ms = wait_ms},
		    "/take", &answer);
	buf_clear(&body);
	if (result != CLI_DONE)
		return result;
	return c->json ? cli_document(c, &answer) : take_print(c, answer.body);
}

/* ---- a worker --------------------------------------------------------- */

/* An option that is a span of time; *ms stays where it is not given. */
static enum cli_exit
read_ms(const struct cli *c, const char *option, uint64_t min_ms, uint64_t *ms)
{
	const char *value = args_value(c->args, option);

	if (value == NULL || (str_to_ms(span_of(value), ms) && *ms >= min_ms))
		return CLI_DONE;
	return cli_usage(c,
	    "--%s '%s': expected seconds, or such as 500ms, 10m, 1d%s", option,
	    value, min_ms == LEASE_MIN_MS ? ", at least 1s" : "");
}

static enum cli_exit
read_number(const struct cli *c, const char *option, const char *value,
    uint64_t max, uint64_t *n)
{
	if (value == NULL ||
	    (str_to_u64(span_of(value), n) && *n >= 1 && *n <= max))
		return CLI_DONE;
	return cli_usage(c, "--%s '%s': expected a whole number from 1 to %llu",
	    option, value, (unsigned long long)max);
}

static enum cli_exit
read_dead_exits(const struct cli *c, struct exec_plan *plan)
{
	enum cli_exit result = CLI_DONE;
	const char *value;
	uint64_t code = 0;
	size_t at = 0;

	plan->is_dead_exit[EXEC_DEAD_DEFAULT] = !args_has(c->args, "dead-exit");
	while (result == CLI_DONE &&
	       (value = args_each(c->args, "dead-exit", &at)) != NULL) {
		result = read_number(c, "dead-exit", value, 255, &code);
		plan->is_dead_exit[code & 255] = true;
	}
	return result;
}

static enum cli_exit
read_plan(const struct cli *c, struct exec_plan *plan)
{
	uint64_t jobs = 1;
	enum cli_exit result = read_number(
	    c, "jobs", args_value(c->args, "jobs"), EXEC_JOBS_MAX, &jobs);

	plan->jobs = (unsigned)jobs;
	plan->grace_ms = GRACE_DEFAULT_MS;
	plan->has_wait = args_has(c->args, "wait");
	plan->wants_result = args_has(c->args, "result");
	plan->raw = args_has(c->args, "raw");
	plan->spool = args_value(c->args, "spool");
	if (result == CLI_DONE)
		result = read_number(c, "count", args_value(c->args, "count"),
		    UINT32_MAX, &plan->count);
	if (result == CLI_DONE)
		result = read_ms(c, "wait", 0, &plan->wait_ms);
	if (result == CLI_DONE)
		result = read_ms(c, "lease", LEASE_MIN_MS, &plan->lease_ms);
	if (result == CLI_DONE)
		result = read_ms(c, "task-timeout", 1, &plan->timeout_ms);
	if (result == CLI_DONE)
		result = read_ms(c, "grace", 0, &plan->grace_ms);
	return result == CLI_DONE ? read_dead_exits(c, plan) : result;
}

/* "host:4711": no other worker has it, on this machine or another. */
static void
make_worker_name(char name[NAME_MAX_LEN + 1])
{
	char host[NAME_MAX_LEN + 1] = "";
	char *at;

	(void)gethostname(host, sizeof(host) - 1);
	for (at = host; *at != '\0'; at++)
		if (!isalnum((unsigned char)*at) && *at != '.' && *at != '-')
			*at = '_';
	(void)snprintf(name, NAME_MAX_LEN + 1, "%.40s:%ld",
	    host[0] != '\0' ? host : "worker", (long)getpid());
}

static enum cli_exit
take_with_command(struct cli *c, const char *const *argv)
{
	const char *worker = args_value(c->args, "worker");
	char made[NAME_MAX_LEN + 1];
	struct exec_plan plan = {.queue = args_word(c->args, 0),
	    .worker = worker != NULL ? worker : made,
	    .argv = argv};
	enum cli_exit result = cli_check_name(c, "QUEUE", plan.queue);

	make_worker_name(made);
	if (result == CLI_DONE)
		result = read_plan(c, &plan);
	if (result != CLI_DONE)
		return result;
	if (!exec_can_find(argv[0]))
		return cli_usage(c, "'%s': there is no such program", argv[0]);
	return exec_run(c, &plan);
}

/* ---- the command ------------------------------------------------------ */

/* What only a worker goes by. */
static enum cli_exit
check_no_command(const struct cli *c)
{
	static const char *const of_workers[] = {"jobs", "task-timeout",
	    "dead-exit", "result", "raw", "grace", "spool"};

	for (size_t i = 0; i < COUNT_OF(of_workers); i++)
		if (args_has(c->args, of_workers[i]))
			return cli_usage(c,
			    "--%s goes with a command only: --exec CMD, or "
			    "-- CMD...",
			    of_workers[i]);
	if (!args_has(c->args, "worker"))
		return cli_usage(c,
		    "task take: --worker W is missing, or a command: "
		    "--exec CMD, or -- CMD...");
	return CLI_DONE;
}

enum cli_exit
cmd_task_take(struct cli *c)
{
	const struct args *args = c->args;
	const char *shell[] = {"/bin/sh", "-c", args_value(args, "exec"), NULL};
	const char *worker = args_value(args, "worker");
	enum cli_exit result;

	if (args->plain_count != 1)
		return cli_usage(c, "task take: expected one QUEUE%s",
		    args->plain_count > 1 ? ", and CMD behind --" : "");
	if (worker != NULL) {
		result = cli_check_name(c, "--worker", worker);
		if (result != CLI_DONE)
			return result;
	}
	if (shell[2] != NULL && shell[2][0] == '\0')
		return cli_usage(c, "--exec '': expected a command");
	if (shell[2] != NULL && args->word_count > 1)
		return cli_usage(
		    c, "--exec and a command behind -- exclude each other");
	if (shell[2] != NULL)
		return take_with_command(c, shell);
	/* The words end with NULL, as a command wants them. */
	if (args->word_count > 1)
		return take_with_command(c, args->words + 1);
	result = check_no_command(c);
	return result == CLI_DONE ? take_once(c) : result;
}
