/* schedctl channel ls, show, pause, resume. */

#include "cli/cells.h"
#include "cli/channel_view.h"
#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/rows.h"
#include "core/mem.h"

enum { PATH_MAX_BYTES = 1024 };

enum {
	F_NAME,
	F_STATE,
	F_SPOOL,
	F_OLDEST,
	F_QUARANTINE,
	F_COMMITTED,
	F_TABLE,
	F_ERROR,
	F_COUNT
};

/* ---- ls --------------------------------------------------------------- */

static bool
ls_add(struct table *t, struct arena *a, struct scan *s)
{
	static const struct row_field fields[F_COUNT] = {
	    [F_NAME] = {"name", false},
	    [F_STATE] = {"state", false},
	    [F_SPOOL] = {"spool_rows", false},
	    [F_OLDEST] = {"oldest_s", false},
	    [F_QUARANTINE] = {"quarantine_rows", false},
	    [F_COMMITTED] = {"committed_total", false},
	    [F_TABLE] = {"table", false},
	    [F_ERROR] = {"error", false},
	};
	struct span f[F_COUNT];

	if (!row_read(s, a, fields, F_COUNT, f) || f[F_NAME].len == 0)
		return false;
	table_add(t, f[F_NAME]);
	cell_add_state(t, f[F_STATE]);
	table_add(t, f[F_SPOOL]);
	cell_add_seconds(t, f[F_OLDEST]);
	table_add(t, f[F_QUARANTINE]);
	if (!span_is(f[F_QUARANTINE], "0"))
		table_set_colour(t, TABLE_RED);
	table_add(t, f[F_COMMITTED]);
	table_add(t, f[F_TABLE]);
	cell_add_reason(t, a, f[F_ERROR]);
	return true;
}

enum cli_exit
cmd_channel_ls(struct cli *c)
{
	static const struct table_column columns[] = {{"NAME", TABLE_LEFT},
	    {"STATE", TABLE_LEFT}, {"SPOOL", TABLE_RIGHT},
	    {"OLDEST", TABLE_RIGHT}, {"REFUSED", TABLE_RIGHT},
	    {"COMMITTED", TABLE_RIGHT}, {"TABLE", TABLE_LEFT},
	    {"", TABLE_LEFT}};
	static const struct cli_list list = {
	    .path = "/v1/channels",
	    .field = "channels",
	    .expected = "expected a list of channels",
	    .none = "there are no channels: the server's settings make them",
	    .columns = columns,
	    .column_count = COUNT_OF(columns),
	    .add = ls_add,
	};

	return cli_list(c, &list);
}

/* ---- one channel ------------------------------------------------------ */

enum cli_exit
cmd_channel_show(struct cli *c)
{
	static const struct cli_thing channel = {
	    "CHANNEL", "/v1/channels/", channel_view_add, "expected a channel"};

	return cli_show_thing(c, &channel);
}

static enum cli_exit
set_paused(struct cli *c, bool paused)
{
	struct client_request request = {.method = "PATCH",
	    .body = paused ? SPAN("{\"paused\":true}")
			   : SPAN("{\"paused\":false}")};
	struct client_answer answer;
	enum cli_exit result;
	struct buf path;

	buf_init(&path, PATH_MAX_BYTES);
	result = cli_channel_path(c, "", &path);
	request.path = cli_path(&path);
	if (result == CLI_DONE)
		result = cli_call(c, &request, &answer);
	buf_clear(&path);
	if (result == CLI_DONE && c->json)
		return cli_document(c, &answer);
	if (result == CLI_DONE && !c->quiet)
		cli_write_line(c, "%s %s", args_word(c->args, 0),
		    paused ? "is paused: its rows wait" : "goes on");
	return result;
}

enum cli_exit
cmd_channel_pause(struct cli *c)
{
	return set_paused(c, true);
}

enum cli_exit
cmd_channel_resume(struct cli *c)
{
	return set_paused(c, false);
}
