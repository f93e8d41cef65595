/* Which tasks are meant, as store/lua/filter.lua is told. */

#include "store/store_priv.h"

unsigned
filter_window(const struct store_filter *f)
{
	bool ids_do =
	    f->error_match.len == 0 && f->worker.len == 0 && !f->has_age;

	return ids_do ? PACE_IDS : PACE_VALUES;
}

unsigned
filter_add(struct buf *args, const struct store_filter *f)
{
	resp_add_span(args, f->match);
	resp_add_span(args, f->error_match);
	if (f->has_age)
		resp_add_u64(args, f->older_ms);
	else
		resp_add_str(args, "");
	resp_add_span(args, f->worker);
	if (f->ids == NULL)
		return 4;
	for (size_t i = 0; i < f->id_count; i++)
		resp_add_span(args, f->ids[i]);
	return 4 + (unsigned)f->id_count;
}
