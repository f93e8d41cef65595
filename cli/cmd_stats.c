/* schedctl stats. */

#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/queues.h"
#include "cli/rows.h"
#include "cli/stats_view.h"

enum { ARENA_MAX = 1 << 30 };

/* As of queue ls: its answer says more of each than that of stats. */
static bool
add_queues(struct buf *out, struct span body, int64_t now_ms,
    const struct table_look *look)
{
	struct arena *a = arena_new(ARENA_MAX);
	struct queues q;
	bool ok = queues_read(&q, row_member(body, "queues", a), NULL, a);

	(void)now_ms;
	if (ok && q.count > 0) {
		buf_add_char(out, '\n');
		ok = queues_add_table(out, &q, look);
	}
	arena_free(a);
	return ok;
}

enum cli_exit
cmd_stats(struct cli *c)
{
	struct client_answer answer;
	enum cli_exit result = cli_get(c, "/v1/stats", &answer);

	if (result == CLI_DONE)
		result = cli_show(c, &answer, stats_view_add,
		    "expected the server's numbers");
	if (result != CLI_DONE || c->json)
		return result;
	result = cli_get(c, "/v1/queues", &answer);
	if (result != CLI_DONE)
		return result;
	return cli_show(c, &answer, add_queues, "expected a list of queues");
}
