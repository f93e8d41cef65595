/* The body of retry and purge: which tasks. */

#include "http/body.h"

#include <string.h>

#include "store/store.h"

enum { MATCH_MAX_LEN = 255 };

static bool
set_read_state(struct body *b, void *into)
{
	struct set_body *set = into;
	struct span name;

	if (!body_text(b, &name))
		return false;
	if (!task_state_parse(name, &set->state) || set->state == TASK_GONE)
		return body_refuse(b, ERR_STATE_UNKNOWN,
		    "todo, delayed, doing, failed, finish or dead");
	return true;
}

static bool
set_read_id(struct body *b, void *into)
{
	struct set_body *set = into;

	set->ids = body_room(
	    b, set->ids, set->id_count, &set->id_room, sizeof(*set->ids));
	return set->ids != NULL && body_id(b, &set->ids[set->id_count++]);
}

static bool
set_read_ids(struct body *b, void *into)
{
	struct set_body *set = into;

	if (!body_list(b, BODY_IDS_MAX, set_read_id, into))
		return false;
	return set->id_count > 0 ||
	       body_refuse(b, ERR_FIELD_RANGE, "at least one id");
}

bool
match_is_valid(struct span match)
{
	return match.len > 0 && match.len <= MATCH_MAX_LEN &&
	       memchr(match.p, '\0', match.len) == NULL;
}

static bool
set_read_match(struct body *b, void *into)
{
	struct set_body *set = into;

	return body_text(b, &set->match) &&
	       (match_is_valid(set->match) ||
		   body_refuse(b, ERR_FIELD_RANGE, "a glob of 1-255 bytes"));
}

static bool
set_read_dry_run(struct body *b, void *into)
{
	return body_bool(b, &((struct set_body *)into)->dry_run);
}

enum { F_STATE, F_IDS, F_MATCH, F_DRY_RUN };

/* clang-format off */
static const struct body_field set_fields[] = {
	[F_STATE]   = {"state",   set_read_state,   true},
	[F_IDS]     = {"ids",     set_read_ids,     false},
	[F_MATCH]   = {"match",   set_read_match,   false},
	[F_DRY_RUN] = {"dry_run", set_read_dry_run, false},
};
/* clang-format on */

/* What the fields say together. */
static void
set_check(struct body *b, const struct set_body *set, unsigned seen,
    enum set_verb verb)
{
	bool ids = (seen & 1u << F_IDS) != 0;
	bool match = (seen & 1u << F_MATCH) != 0;

	if (ids && match)
		body_refusef(b, ERR_FIELD_CONFLICT,
		    "field 'match': expected either ids or match");
	if (!ids && !match)
		body_refusef(b, ERR_FIELD_MISSING,
		    "field 'ids': expected ids or match to be given "
		    "(all tasks: \"match\":\"*\")");
	if (verb == SET_RETRY && set->state != TASK_FAILED &&
	    set->state != TASK_DEAD && set->state != TASK_DELAYED)
		body_refusef(b, ERR_STATE_UNKNOWN,
		    "field 'state': expected failed, dead or delayed");
}

enum err
body_read_set(struct body *b, struct set_body *out, enum set_verb verb)
{
	unsigned seen = 0;

	memset(out, 0, sizeof(*out));
	if (body_object(b, set_fields, COUNT_OF(set_fields), out, &seen))
		set_check(b, out, seen, verb);
	return body_end(b);
}
