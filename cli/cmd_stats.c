/* schedctl stats. */

#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/stats_view.h"

enum cli_exit
cmd_stats(struct cli *c)
{
	struct client_answer answer;
	enum cli_exit result = cli_get(c, "/v1/stats", &answer);

	if (result != CLI_DONE)
		return result;
	return cli_show(
	    c, &answer, stats_view_add, "expected the server's numbers");
}
