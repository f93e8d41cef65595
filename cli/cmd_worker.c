/* schedctl worker ls, rm, show. */

#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/rows.h"
#include "cli/worker_view.h"
#include "core/clock.h"

enum { PATH_MAX_BYTES = 1024, OUT_MAX = 1 << 30, ARENA_MAX = 1 << 30 };

/* A request for the worker that the argument names. */
static enum cli_exit
call_worker(struct cli *c, const char *method, struct client_answer *answer)
{
	const char *name = args_word(c->args, 0);
	struct client_request request = {.method = method};
	enum cli_exit result = cli_check_name(c, "WORKER", name);
	struct buf path;

	if (result != CLI_DONE)
		return result;
	buf_init(&path, PATH_MAX_BYTES);
	buf_add_str(&path, "/v1/workers/");
	client_add_segment(&path, span_of(name));
	request.path = cli_path(&path);
	result = cli_call(c, &request, answer);
	buf_clear(&path);
	return result;
}

/* ---- ls --------------------------------------------------------------- */

static enum cli_exit
ls_print(struct cli *c, struct span body)
{
	const char *match = args_word(c->args, 0);
	struct arena *a = arena_new(ARENA_MAX);
	struct buf out;
	bool ok;

	buf_init(&out, OUT_MAX);
	ok = worker_view_add_list(&out, row_member(body, "workers", a), match,
	    clock_now_ms(), &c->look);
	if (ok && out.len > 0)
		cli_write(c, buf_span(&out));
	else if (ok && !c->quiet)
		cli_say(match == NULL ? "no worker was seen yet"
				      : "there is no such worker");
	buf_clear(&out);
	arena_free(a);
	return ok ? CLI_DONE : cli_bad_answer(c, "expected a list of workers");
}

/* The rows whose names match, as a document. */
static enum cli_exit
ls_write_json(struct cli *c, struct span body)
{
	const char *match = args_word(c->args, 0);
	struct arena *a = arena_new(ARENA_MAX);
	struct span raw;
	struct scan s;
	struct buf out;
	bool ok;

	buf_init(&out, OUT_MAX);
	buf_add_str(&out, "{\"workers\":[");
	scan_init(&s, row_member(body, "workers", a));
	ok = scan_array(&s);
	while (ok && scan_item(&s)) {
		ok = scan_skip(&s, &raw);
		if (!glob_match(span_of(match), row_member(raw, "name", a)))
			continue;
		buf_add_str(&out, out.data[out.len - 1] == '[' ? "" : ",");
		buf_add_span(&out, raw);
	}
	buf_add_str(&out, "]}");
	ok = ok && scan_end(&s) == ERR_OK;
	if (ok)
		cli_write_json(c, buf_span(&out));
	buf_clear(&out);
	arena_free(a);
	return ok ? CLI_DONE : cli_bad_answer(c, "expected a list of workers");
}

enum cli_exit
cmd_worker_ls(struct cli *c)
{
	struct client_answer answer;
	enum cli_exit result = cli_get(c, "/v1/workers", &answer);

	if (result != CLI_DONE)
		return result;
	if (!c->json)
		return ls_print(c, answer.body);
	if (args_word(c->args, 0) == NULL)
		return cli_document(c, &answer);
	return ls_write_json(c, answer.body);
}

/* ---- rm --------------------------------------------------------------- */

enum cli_exit
cmd_worker_rm(struct cli *c)
{
	struct client_answer answer;
	enum cli_exit result = call_worker(c, "DELETE", &answer);
	struct arena *a;
	struct span back;

	if (result == CLI_DONE && c->json)
		return cli_document(c, &answer);
	if (result != CLI_DONE || c->quiet)
		return result;
	a = arena_new(ARENA_MAX);
	back = row_member(answer.body, "reclaimed", a);
	cli_write_line(c, "%s is forgotten; leases taken back: %.*s",
	    args_word(c->args, 0), SPAN_ARG(back));
	arena_free(a);
	return CLI_DONE;
}

/* ---- show ------------------------------------------------------------- */

enum cli_exit
cmd_worker_show(struct cli *c)
{
	struct client_answer answer;
	enum cli_exit result = call_worker(c, "GET", &answer);

	if (result != CLI_DONE)
		return result;
	return cli_show(c, &answer, worker_view_add, "expected a worker");
}
