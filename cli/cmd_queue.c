/* schedctl queue ls, pause, purge, resume, rm, set, show. */

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/policy.h"
#include "cli/queue_view.h"
#include "cli/queues.h"
#include "cli/rows.h"
#include "cli/sets.h"

enum { BODY_MAX = 64 * 1024, OUT_MAX = 1 << 30, ARENA_MAX = 1 << 30 };

/* ---- ls --------------------------------------------------------------- */

/* The options, once the queues are there to be sorted. */
static enum cli_exit
sort_queues(struct cli *c, struct queues *q)
{
	const char *column = args_value(c->args, "sort");
	bool reverse = args_has(c->args, "reverse");
	struct buf known;

	if (queues_sort(q, column != NULL ? column : "name", reverse))
		return CLI_DONE;
	buf_init(&known, OUT_MAX);
	queues_add_columns(&known);
	(void)cli_usage(c, "--sort '%s': expected one of %.*s", column,
	    SPAN_ARG(buf_span(&known)));
	buf_clear(&known);
	return CLI_USAGE;
}

/* Does the answer go out as it came? */
static bool
is_whole(const struct args *args)
{
	return args_word(args, 0) == NULL && !args_has(args, "sort") &&
	       !args_has(args, "reverse");
}

/* Those that are left of the answer, in their order. */
static void
write_json(struct cli *c, const struct queues *q)
{
	struct buf out;

	buf_init(&out, OUT_MAX);
	buf_add_str(&out, "{\"queues\":[");
	for (size_t i = 0; i < q->count; i++) {
		buf_add_str(&out, i > 0 ? "," : "");
		buf_add_span(&out, q->rows[i].raw);
	}
	buf_add_str(&out, "]}");
	cli_write_json(c, buf_span(&out));
	buf_clear(&out);
}

static enum cli_exit
print_queues(struct cli *c, const struct queues *q)
{
	enum cli_exit result = CLI_DONE;
	struct buf out;

	buf_init(&out, OUT_MAX);
	if (queues_add_table(&out, q, &c->look))
		cli_write(c, buf_span(&out));
	else
		result = cli_bad_answer(c, "expected what holds a queue up");
	buf_clear(&out);
	return result;
}

static enum cli_exit
ls_print(struct cli *c, struct span body, struct arena *a)
{
	const char *match = args_word(c->args, 0);
	struct queues q;
	enum cli_exit result;

	if (!queues_read(&q, row_member(body, "queues", a), match, a))
		return cli_bad_answer(c, "expected a list of queues");
	result = sort_queues(c, &q);
	if (result != CLI_DONE)
		return result;
	if (c->json)
		write_json(c, &q);
	else if (q.count > 0)
		return print_queues(c, &q);
	else if (!c->quiet)
		cli_say(match == NULL ? "there are no queues yet"
				      : "there is no such queue");
	return CLI_DONE;
}

enum cli_exit
cmd_queue_ls(struct cli *c)
{
	struct queues none = {0};
	struct client_answer answer;
	enum cli_exit result = sort_queues(c, &none);
	struct arena *a;

	if (result == CLI_DONE)
		result = cli_get(c, "/v1/queues", &answer);
	if (result != CLI_DONE)
		return result;
	if (c->json && is_whole(c->args))
		return cli_document(c, &answer);
	a = arena_new(ARENA_MAX);
	result = ls_print(c, answer.body, a);
	arena_free(a);
	return result;
}

/* ---- one queue -------------------------------------------------------- */

/* The queue that the first argument names. */
static enum cli_exit
get_queue(struct cli *c, struct client_answer *answer)
{
	struct client_request request = {.method = "GET"};

	return cli_call_queue(c, request, "", answer);
}

static enum cli_exit
patch_queue(struct cli *c, struct span body, struct client_answer *answer)
{
	struct client_request request = {.method = "PATCH", .body = body};

	return cli_call_queue(c, request, "", answer);
}

/* The server makes a queue that it does not know; a misspelt name should
 * rather be told. */
static enum cli_exit
check_queue(struct cli *c)
{
	struct client_answer answer = {0};
	enum cli_exit result;

	if (args_has(c->args, "create"))
		return CLI_DONE;
	result = get_queue(c, &answer);
	if (result == CLI_REFUSED && answer.status == 404 && !c->quiet)
		cli_say("--create makes it");
	return result;
}

/* ---- pause, resume ---------------------------------------------------- */

static enum cli_exit
set_paused(struct cli *c, const char *body, const char *said)
{
	struct client_answer answer;
	enum cli_exit result = check_queue(c);

	if (result == CLI_DONE)
		result = patch_queue(c, span_of(body), &answer);
	if (result == CLI_DONE && c->json)
		return cli_document(c, &answer);
	if (result == CLI_DONE && !c->quiet)
		cli_write_line(c, "%s %s", args_word(c->args, 0), said);
	return result;
}

enum cli_exit
cmd_queue_pause(struct cli *c)
{
	return set_paused(c, "{\"paused\":true}", "is paused");
}

enum cli_exit
cmd_queue_resume(struct cli *c)
{
	return set_paused(c, "{\"paused\":false}", "goes on");
}

/* ---- purge ------------------------------------------------------------ */

enum cli_exit
cmd_queue_purge(struct cli *c)
{
	return sets_run(c, &sets_remove);
}

/* ---- set -------------------------------------------------------------- */

/* "lease=2h" as a member of the body; "lease=" as null. */
static enum cli_exit
add_change(struct cli *c, struct buf *body, const char *word)
{
	struct span name = {word, strcspn(word, "=")};
	const struct conf_row *row = policy_find(name);
	struct span value;
	struct buf names;

	if (word[name.len] != '=')
		return cli_usage(c, "'%s': expected name=value", word);
	value = span_of(word + name.len + 1);
	if (row == NULL) {
		buf_init(&names, BODY_MAX);
		policy_add_names(&names);
		(void)cli_usage(c,
		    "'%.*s': there is no such limit; expected one of %.*s",
		    SPAN_ARG(name), SPAN_ARG(buf_span(&names)));
		buf_clear(&names);
		return CLI_USAGE;
	}
	buf_add_str(body, body->len > 1 ? "," : "");
	policy_add_member(body, row);
	buf_add_char(body, ':');
	if (value.len == 0)
		buf_add_str(body, "null");
	else if (!policy_add_number(body, row, value))
		return cli_usage(
		    c, "'%s': expected %s", word, policy_expected(row));
	return CLI_DONE;
}

static bool
is_twice(const struct args *args, size_t i)
{
	const struct conf_row *row, *before;
	const char *word = args_word(args, i);

	row = policy_find((struct span){word, strcspn(word, "=")});
	for (size_t j = 1; row != NULL && j < i; j++) {
		word = args_word(args, j);
		before = policy_find((struct span){word, strcspn(word, "=")});
		if (before == row)
			return true;
	}
	return false;
}

static enum cli_exit
set_body(struct cli *c, struct buf *body)
{
	enum cli_exit result = CLI_DONE;
	const char *word;

	buf_add_char(body, '{');
	for (size_t i = 1; result == CLI_DONE; i++) {
		word = args_word(c->args, i);
		if (word == NULL)
			break;
		if (is_twice(c->args, i))
			return cli_usage(c, "'%s': it is given twice", word);
		result = add_change(c, body, word);
	}
	buf_add_char(body, '}');
	return result;
}

enum cli_exit
cmd_queue_set(struct cli *c)
{
	struct client_answer answer;
	enum cli_exit result;
	struct buf body;

	buf_init(&body, BODY_MAX);
	result = set_body(c, &body);
	if (result == CLI_DONE)
		result = check_queue(c);
	if (result == CLI_DONE)
		result = patch_queue(c, buf_span(&body), &answer);
	buf_clear(&body);
	if (result != CLI_DONE || (c->quiet && !c->json))
		return result;
	return cli_show(c, &answer, queue_view_add_policy, "expected a queue");
}

/* ---- rm --------------------------------------------------------------- */

/* Live and dead tasks: what a queue must not have unless --force is given. */
static uint64_t
count_tasks(struct span body, struct arena *a)
{
	static const struct row_field fields[] = {{"todo", false},
	    {"delayed", false}, {"doing", false}, {"failed", false},
	    {"dead", false}};
	struct span f[COUNT_OF(fields)];
	uint64_t n, sum = 0;

	if (!row_read_all(
		row_member(body, "counts", a), a, fields, COUNT_OF(fields), f))
		return 0;
	for (size_t i = 0; i < COUNT_OF(fields); i++)
		sum += scan_to_u64(f[i], &n) ? n : 0;
	return sum;
}

/* Asks, unless the server is going to refuse it anyhow. */
static enum cli_exit
rm_ask(struct cli *c, struct span body)
{
	const char *name = args_word(c->args, 0);
	struct arena *a = arena_new(ARENA_MAX);
	uint64_t tasks = count_tasks(body, a);

	arena_free(a);
	if (tasks == 0)
		return ask(c, "remove the queue %s with its policy?", name);
	if (!args_has(c->args, "force"))
		return CLI_DONE;
	return ask(c, "remove the queue %s with its policy and %llu task%s?",
	    name, (unsigned long long)tasks, tasks == 1 ? "" : "s");
}

static enum cli_exit
rm_print(struct cli *c, const struct client_answer *answer)
{
	struct arena *a;
	struct span tasks;

	if (c->json)
		return cli_document(c, answer);
	a = arena_new(ARENA_MAX);
	tasks = row_member(answer->body, "tasks", a);
	if (!c->quiet)
		cli_write_line(c, "%s is removed, with %.*s task%s",
		    args_word(c->args, 0), SPAN_ARG(tasks),
		    span_is(tasks, "1") ? "" : "s");
	arena_free(a);
	return CLI_DONE;
}

enum cli_exit
cmd_queue_rm(struct cli *c)
{
	const char *tail = args_has(c->args, "force") ? "?force=true" : "";
	struct client_request request = {.method = "DELETE"};
	struct client_answer answer;
	enum cli_exit result = ask_prepare(c);

	if (result == CLI_DONE)
		result = get_queue(c, &answer);
	if (result == CLI_DONE)
		result = rm_ask(c, answer.body);
	if (result == CLI_DONE)
		result = cli_call_queue(c, request, tail, &answer);
	return result == CLI_DONE ? rm_print(c, &answer) : result;
}

/* ---- show ------------------------------------------------------------- */

enum cli_exit
cmd_queue_show(struct cli *c)
{
	struct client_answer answer;
	enum cli_exit result = get_queue(c, &answer);

	if (result != CLI_DONE)
		return result;
	return cli_show(c, &answer, queue_view_add, "expected a queue");
}
