/* schedctl queue ls, queue show, and stats, which has the same table. */

#include <stdio.h>

#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/queues.h"
#include "cli/rows.h"
#include "cli/view.h"

enum { PATH_MAX_BYTES = 1024, OUT_MAX = 1 << 30, ARENA_MAX = 1 << 30 };

/* The table of the list in an answer, or CLI_UNREACHABLE. */
static enum cli_exit
print_queues(struct cli *c, struct span body)
{
	static const struct row_field fields[] = {{"queues", false}};
	struct arena *a = arena_new(ARENA_MAX);
	enum cli_exit result = CLI_DONE;
	struct span list;
	struct buf out;

	buf_init(&out, OUT_MAX);
	if (!row_read_all(body, a, fields, 1, &list) ||
	    !queues_add(&out, list, &c->look))
		result = cli_bad_answer(c, "expected a list of queues");
	else if (span_is(list, "[]") && !c->quiet)
		cli_say("there are no queues yet");
	else
		cli_write(c, buf_span(&out));
	buf_clear(&out);
	arena_free(a);
	return result;
}

enum cli_exit
cmd_queue_ls(struct cli *c)
{
	struct client_answer answer;
	enum cli_exit result = cli_get(c, "/v1/queues", &answer);

	if (result == CLI_DONE && c->json)
		return cli_document(c, &answer);
	if (result == CLI_DONE)
		return print_queues(c, answer.body);
	return result;
}

enum cli_exit
cmd_queue_show(struct cli *c)
{
	struct client_answer answer;
	enum cli_exit result;
	struct buf path;

	buf_init(&path, PATH_MAX_BYTES);
	result = cli_queue_path(c, args_word(c->args, 0), "", &path);
	if (result == CLI_DONE)
		result = cli_get(c, cli_path(&path), &answer);
	buf_clear(&path);
	return result == CLI_DONE ? cli_show(c, &answer, NULL) : result;
}

enum cli_exit
cmd_stats(struct cli *c)
{
	struct client_answer answer;
	enum cli_exit result = cli_get(c, "/v1/stats", &answer);

	if (result == CLI_DONE)
		result = cli_show(c, &answer, "queues");
	if (result == CLI_DONE && !c->json) {
		cli_write(c, SPAN("\n"));
		result = print_queues(c, answer.body);
	}
	return result;
}
