/* schedctl stats. */

#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/queues.h"
#include "cli/rows.h"

enum { OUT_MAX = 1 << 30, ARENA_MAX = 1 << 30 };

/* ---- stats ------------------------------------------------------------ */

enum cli_exit
cmd_stats(struct cli *c)
{
	struct client_answer answer;
	enum cli_exit result = cli_get(c, "/v1/stats", &answer);
	struct arena *a;
	struct queues q;
	struct buf out;

	if (result == CLI_DONE)
		result = cli_show(c, &answer, "queues");
	if (result != CLI_DONE || c->json)
		return result;
	a = arena_new(ARENA_MAX);
	buf_init(&out, OUT_MAX);
	buf_add_char(&out, '\n');
	if (!queues_read(&q, row_member(answer.body, "queues", a), NULL, a) ||
	    !queues_add_table(&out, &q, &c->look))
		result = cli_bad_answer(c, "expected a list of queues");
	else if (q.count > 0)
		cli_write(c, buf_span(&out));
	buf_clear(&out);
	arena_free(a);
	return result;
}
