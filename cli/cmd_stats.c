/* schedctl stats. */

#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/stats_view.h"
#include "core/clock.h"

enum { OUT_MAX = 1 << 30 };

enum cli_exit
cmd_stats(struct cli *c)
{
	struct client_answer answer;
	enum cli_exit result = cli_get(c, "/v1/stats", &answer);
	struct buf out;
	bool ok;

	if (result == CLI_DONE && c->json)
		return cli_document(c, &answer);
	if (result != CLI_DONE)
		return result;
	buf_init(&out, OUT_MAX);
	ok = stats_view_add(&out, answer.body, clock_now_ms(), &c->look);
	if (ok)
		cli_write(c, buf_span(&out));
	buf_clear(&out);
	return ok ? CLI_DONE
		  : cli_bad_answer(c, "expected the server's numbers");
}
