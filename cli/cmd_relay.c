/* schedctl relay ls, show. */

#include "cli/cells.h"
#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/relay_view.h"
#include "cli/rows.h"

enum { TARGET_MAX = 8192 };

enum {
	F_NAME,
	F_STATE,
	F_WAITING,
	F_OLDEST,
	F_TASKS,
	F_REFUSED,
	F_QUEUE,
	F_TO,
	F_URL,
	F_BACKEND,
	F_ERROR,
	F_COUNT
};

static void
add_target(struct table *t, const struct span *f)
{
	struct buf text;

	buf_init(&text, TARGET_MAX);
	relay_view_add_target(&text, f[F_TO], f[F_URL], f[F_BACKEND]);
	table_add(t, buf_span(&text));
	buf_clear(&text);
}

static bool
ls_add(struct table *t, struct arena *a, struct scan *s)
{
	static const struct row_field fields[F_COUNT] = {
	    [F_NAME] = {"name", false},
	    [F_STATE] = {"state", false},
	    [F_WAITING] = {"waiting_tasks", false},
	    [F_OLDEST] = {"oldest_s", false},
	    [F_TASKS] = {"tasks_total", false},
	    [F_REFUSED] = {"refused_total", false},
	    [F_QUEUE] = {"queue", false},
	    [F_TO] = {"to", false},
	    [F_URL] = {"url", false},
	    [F_BACKEND] = {"backend", false},
	    [F_ERROR] = {"error", false},
	};
	struct span f[F_COUNT];

	if (!row_read(s, a, fields, F_COUNT, f) || f[F_NAME].len == 0)
		return false;
	table_add(t, f[F_NAME]);
	cell_add_state(t, f[F_STATE]);
	table_add(t, f[F_WAITING]);
	cell_add_seconds(t, f[F_OLDEST]);
	table_add(t, f[F_TASKS]);
	table_add(t, f[F_REFUSED]);
	if (!span_is(f[F_REFUSED], "0"))
		table_set_colour(t, TABLE_RED);
	table_add(t, f[F_QUEUE]);
	add_target(t, f);
	cell_add_reason(t, a, f[F_ERROR]);
	return true;
}

enum cli_exit
cmd_relay_ls(struct cli *c)
{
	static const struct table_column columns[] = {{"NAME", TABLE_LEFT},
	    {"STATE", TABLE_LEFT}, {"WAITING", TABLE_RIGHT},
	    {"OLDEST", TABLE_RIGHT}, {"HANDED ON", TABLE_RIGHT},
	    {"REFUSED", TABLE_RIGHT}, {"QUEUE", TABLE_LEFT}, {"TO", TABLE_LEFT},
	    {"", TABLE_LEFT}};
	static const struct cli_list list = {
	    .path = "/v1/relays",
	    .field = "relays",
	    .expected = "expected a list of relays",
	    .none = "there are no relays: the server's settings make them",
	    .columns = columns,
	    .column_count = COUNT_OF(columns),
	    .add = ls_add,
	};

	return cli_list(c, &list);
}

enum cli_exit
cmd_relay_show(struct cli *c)
{
	static const struct cli_thing relay = {
	    "RELAY", "/v1/relays/", relay_view_add, "expected a relay"};

	return cli_show_thing(c, &relay);
}
