/* Cells that lists share; see cells.h. */

#include "cli/cells.h"

#include "cli/cli.h"
#include "cli/rows.h"
#include "cli/text.h"

void
cell_add_state(struct table *t, struct span state)
{
	table_add(t, state);
	if (span_is(state, "stopped"))
		table_set_colour(t, TABLE_RED);
	else if (span_is(state, "waiting") || span_is(state, "paused"))
		table_set_colour(t, TABLE_YELLOW);
}

void
cell_add_seconds(struct table *t, struct span seconds)
{
	struct buf text;

	buf_init(&text, 64);
	text_add_seconds(&text, row_number(seconds));
	table_add(t, buf_span(&text));
	buf_clear(&text);
}

void
cell_add_reason(struct table *t, struct arena *a, struct span error)
{
	struct cli_error e;

	if (error.len == 0 || !cli_read_error_object(error, a, &e)) {
		table_add_str(t, "");
		return;
	}
	table_add(t, e.detail.len > 0 ? e.detail : e.text);
	table_set_colour(t, TABLE_YELLOW);
}
