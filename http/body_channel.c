/* The bodies of operators: a queue is moved, a channel is paused, rows of a
 * quarantine are retried or dropped. */

#include "http/body.h"

#include <string.h>

#include "store/store.h"

/* ---- a move ----------------------------------------------------------- */

static bool
move_read_to(struct body *b, void *into)
{
	return body_text(b, into);
}

/* clang-format off */
static const struct body_field move_fields[] = {
	{"to", move_read_to, true},
};
/* clang-format on */

enum err
body_read_move(struct body *b, struct span *to)
{
	*to = SPAN("");
	(void)body_object(b, move_fields, COUNT_OF(move_fields), to, NULL);
	return body_end(b);
}

/* ---- a channel -------------------------------------------------------- */

static bool
channel_read_paused(struct body *b, void *into)
{
	return body_bool(b, &((struct channel_body *)into)->paused);
}

/* clang-format off */
static const struct body_field channel_fields[] = {
	{"paused", channel_read_paused, true},
};
/* clang-format on */

enum err
body_read_channel(struct body *b, struct channel_body *out)
{
	memset(out, 0, sizeof(*out));
	(void)body_object(
	    b, channel_fields, COUNT_OF(channel_fields), out, NULL);
	return body_end(b);
}

/* ---- rows of a quarantine --------------------------------------------- */

static bool
bad_read_id(struct body *b, void *into)
{
	struct bad_body *bad = into;

	bad->ids = body_room(
	    b, bad->ids, bad->id_count, &bad->id_room, sizeof(*bad->ids));
	return bad->ids != NULL && body_id(b, &bad->ids[bad->id_count++]);
}

static bool
bad_read_ids(struct body *b, void *into)
{
	struct bad_body *bad = into;

	if (!body_list(b, BODY_IDS_MAX, bad_read_id, into))
		return false;
	return bad->id_count > 0 ||
	       body_refuse(b, ERR_FIELD_RANGE, "at least one id");
}

static bool
bad_read_all(struct body *b, void *into)
{
	return body_bool(b, &((struct bad_body *)into)->all);
}

static bool
bad_read_sqlstate(struct body *b, void *into)
{
	struct bad_body *bad = into;

	return body_text(b, &bad->sqlstate) &&
	       ((bad->sqlstate.len == 5 && name_is_valid(bad->sqlstate)) ||
		   body_refuse(
		       b, ERR_FIELD_RANGE, "five characters, such as 23505"));
}

static bool
bad_read_after(struct body *b, void *into)
{
	struct bad_body *bad = into;

	return body_text(b, &bad->after) &&
	       (bad->after.len <= ID_MAX_LEN ||
		   body_refuse(b, ERR_FIELD_RANGE,
		       "what the last answer had as after"));
}

/* clang-format off */
static const struct body_field bad_fields[] = {
	{"ids",      bad_read_ids,      false},
	{"all",      bad_read_all,      false},
	{"sqlstate", bad_read_sqlstate, false},
	{"after",    bad_read_after,    false},
};
/* clang-format on */

enum err
body_read_bad(struct body *b, struct bad_body *out)
{
	memset(out, 0, sizeof(*out));
	if (body_object(b, bad_fields, COUNT_OF(bad_fields), out, NULL)) {
		bool by_set = out->all || out->sqlstate.len > 0;

		if (out->ids != NULL && (by_set || out->after.len > 0))
			body_refusef(b, ERR_FIELD_CONFLICT,
			    "field 'ids': expected either ids, or all or "
			    "sqlstate");
		if (out->ids == NULL && !by_set)
			body_refusef(b, ERR_FIELD_MISSING,
			    "field 'ids': expected ids, sqlstate, or "
			    "\"all\":true to be given");
	}
	return body_end(b);
}
