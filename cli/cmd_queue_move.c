/* schedctl queue move: asks the server to move a queue, and looks how far it
 * is until it has ended. The server goes on though nobody looks. */

#include <poll.h>

#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/progress.h"
#include "cli/rows.h"
#include "core/json.h"

enum { BODY_MAX = 1024, ARENA_MAX = 1 << 20, LOOK_MS = 200 };

enum { F_FROM, F_TO, F_STATE, F_OVER, F_TASKS, F_COPIED, F_REASON, F_COUNT };

static bool
move_read(struct span body, struct arena *a, struct span *f)
{
	static const struct row_field fields[F_COUNT] = {
	    [F_FROM] = {"from", false},
	    [F_TO] = {"to", false},
	    [F_STATE] = {"state", false},
	    [F_OVER] = {"over", false},
	    [F_TASKS] = {"tasks", false},
	    [F_COPIED] = {"copied", false},
	    [F_REASON] = {"reason", false},
	};

	return row_read_all(body, a, fields, F_COUNT, f) && f[F_STATE].len > 0;
}

static enum cli_exit
move_print(
    struct cli *c, const struct client_answer *answer, const struct span *f)
{
	const char *queue = args_word(c->args, 0);
	bool is_done = span_is(f[F_STATE], "done");
	bool is_asked = args_has(c->args, "undo");

	if (c->json)
		(void)cli_document(c, answer);
	else if (is_done && !c->quiet)
		cli_write_line(c, "%s is on %.*s now, with %.*s task%s", queue,
		    SPAN_ARG(f[F_TO]), SPAN_ARG(f[F_TASKS]),
		    span_is(f[F_TASKS], "1") ? "" : "s");
	else if (!is_done && (!is_asked || !c->quiet))
		cli_say("%s stays on %.*s: %.*s", queue, SPAN_ARG(f[F_FROM]),
		    SPAN_ARG(f[F_REASON]));
	return is_done != is_asked ? CLI_DONE : CLI_REFUSED;
}

/* Looks once more; *is_over with what is to be exited with. */
static enum cli_exit
move_look(struct cli *c, struct client_answer *answer,
    struct progress *progress, bool *is_over)
{
	struct client_request request = {.method = "GET"};
	enum cli_exit result = cli_call_queue(c, request, "/move", answer);
	struct arena *a = arena_new(ARENA_MAX);
	struct span f[F_COUNT];

	*is_over = result != CLI_DONE;
	if (result == CLI_DONE && !move_read(answer->body, a, f)) {
		*is_over = true;
		result = cli_bad_answer(c, "expected how far the move is");
	} else if (result == CLI_DONE && span_is(f[F_OVER], "true")) {
		*is_over = true;
		progress_clear(progress);
		result = move_print(c, answer, f);
	} else if (result == CLI_DONE) {
		progress->total = (uint64_t)row_number(f[F_TASKS]);
		progress_show(progress, (uint64_t)row_number(f[F_COPIED]),
		    (uint64_t)row_number(f[F_COPIED]), "%.*s",
		    SPAN_ARG(f[F_STATE]));
	}
	arena_free(a);
	return result;
}

static enum cli_exit
move_begin(struct cli *c, const char *to, struct client_answer *answer)
{
	struct client_request request = {.method = "POST"};
	enum cli_exit result;
	struct buf body;

	if (to == NULL) {
		request.method = "DELETE";
		return cli_call_queue(c, request, "/move", answer);
	}
	buf_init(&body, BODY_MAX);
	buf_add_str(&body, "{\"to\":");
	buf_add_json(&body, span_of(to));
	buf_add_char(&body, '}');
	request.body = buf_span(&body);
	result = cli_call_queue(c, request, "/move", answer);
	buf_clear(&body);
	return result;
}

enum cli_exit
cmd_queue_move(struct cli *c)
{
	const char *to = args_value(c->args, "to");
	struct client_answer answer;
	struct progress progress;
	enum cli_exit result;
	bool is_over = false;

	if ((to != NULL) == args_has(c->args, "undo"))
		return cli_usage(c, "expected either --to or --undo");
	result = move_begin(c, to, &answer);
	if (result != CLI_DONE)
		return result;
	progress_init(&progress, c->stderr_is_terminal && !c->quiet, 0);
	while (!is_over) {
		result = move_look(c, &answer, &progress, &is_over);
		if (!is_over)
			(void)poll(NULL, 0, LOOK_MS);
	}
	progress_clear(&progress);
	return result;
}
