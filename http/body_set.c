/* The body of retry and purge: which tasks. */

#include "http/body.h"

#include <string.h>

#include "store/store.h"

enum { MATCH_MAX_LEN = 255, LIMIT_MAX = 1000000 };

static bool
set_read_state(struct body *b, void *into)
{
	struct store_filter *f = &((struct set_body *)into)->filter;
	struct span name;

	if (!body_text(b, &name))
		return false;
	if (!task_state_parse(name, &f->state) || f->state == TASK_GONE)
		return body_refuse(b, ERR_STATE_UNKNOWN,
		    "todo, delayed, doing, failed, finish or dead");
	return true;
}

static bool
set_read_id(struct body *b, void *into)
{
	struct set_body *set = into;
	struct store_filter *f = &set->filter;

	f->ids = set->ids = body_room(
	    b, set->ids, f->id_count, &set->id_room, sizeof(*set->ids));
	return f->ids != NULL && body_id(b, &set->ids[f->id_count++]);
}

static bool
set_read_ids(struct body *b, void *into)
{
	if (!body_list(b, BODY_IDS_MAX, set_read_id, into))
		return false;
	return ((struct set_body *)into)->filter.id_count > 0 ||
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
	struct store_filter *f = &((struct set_body *)into)->filter;

	return body_text(b, &f->match) &&
	       (match_is_valid(f->match) ||
		   body_refuse(b, ERR_FIELD_RANGE, "a glob of 1-255 bytes"));
}

static bool
set_read_error_match(struct body *b, void *into)
{
	struct store_filter *f = &((struct set_body *)into)->filter;

	return body_text(b, &f->error_match) &&
	       (match_is_valid(f->error_match) ||
		   body_refuse(b, ERR_FIELD_RANGE, "a text of 1-255 bytes"));
}

static bool
set_read_older(struct body *b, void *into)
{
	struct store_filter *f = &((struct set_body *)into)->filter;

	f->has_age = true;
	return body_seconds(
	    b, 0, UINT64_C(1000) * SET_OLDER_MAX_S, &f->older_ms);
}

static bool
set_read_worker(struct body *b, void *into)
{
	return body_worker(b, &((struct set_body *)into)->filter.worker);
}

static bool
set_read_limit(struct body *b, void *into)
{
	return body_whole(b, 1, LIMIT_MAX, &((struct set_body *)into)->limit);
}

/* null, as the answer at the end has it, is the start. */
static bool
set_read_after(struct body *b, void *into)
{
	return scan_null(&b->scan) ||
	       body_text(b, &((struct set_body *)into)->after);
}

static bool
set_read_dry_run(struct body *b, void *into)
{
	return body_bool(b, &((struct set_body *)into)->dry_run);
}

enum {
	F_STATE,
	F_IDS,
	F_MATCH,
	F_ERROR_MATCH,
	F_OLDER,
	F_WORKER,
	F_LIMIT,
	F_AFTER,
	F_DRY_RUN
};

/* clang-format off */
static const struct body_field set_fields[] = {
	[F_STATE]       = {"state",       set_read_state,       true},
	[F_IDS]         = {"ids",         set_read_ids,         false},
	[F_MATCH]       = {"match",       set_read_match,       false},
	[F_ERROR_MATCH] = {"error_match", set_read_error_match, false},
	[F_OLDER]       = {"older_s",     set_read_older,       false},
	[F_WORKER]      = {"worker",      set_read_worker,      false},
	[F_LIMIT]       = {"limit",       set_read_limit,       false},
	[F_AFTER]       = {"after",       set_read_after,       false},
	[F_DRY_RUN]     = {"dry_run",     set_read_dry_run,     false},
};
/* clang-format on */

const char *
filter_misfit(const struct store_filter *f, const char **states)
{
	if (f->error_match.len > 0 && f->state != TASK_FAILED &&
	    f->state != TASK_DEAD) {
		*states = "failed or dead";
		return "error_match";
	}
	if (f->worker.len > 0 && f->state != TASK_DOING &&
	    f->state != TASK_FINISH) {
		*states = "doing or finish";
		return "worker";
	}
	return NULL;
}

/* What the fields say together. */
static void
set_check(struct body *b, const struct set_body *set, unsigned seen,
    enum set_verb verb)
{
	enum task_state state = set->filter.state;
	const char *states, *misfit = filter_misfit(&set->filter, &states);
	unsigned which = 1u << F_IDS | 1u << F_MATCH | 1u << F_ERROR_MATCH |
			 1u << F_OLDER | 1u << F_WORKER;

	if ((seen & 1u << F_IDS) != 0 && (seen & 1u << F_MATCH) != 0)
		body_refusef(b, ERR_FIELD_CONFLICT,
		    "field 'match': expected either ids or match");
	if ((seen & which) == 0)
		body_refusef(b, ERR_FIELD_MISSING,
		    "field 'ids': expected ids, match, error_match, older_s "
		    "or worker to be given (all tasks: \"match\":\"*\")");
	if (verb == SET_RETRY && state != TASK_FAILED && state != TASK_DEAD &&
	    state != TASK_DELAYED)
		body_refusef(b, ERR_STATE_UNKNOWN,
		    "field 'state': expected failed, dead or delayed");
	if (misfit != NULL)
		body_refusef(b, ERR_FIELD_CONFLICT,
		    "field '%s': expected with state %s only", misfit, states);
}

enum err
body_read_set(struct body *b, struct set_body *out, enum set_verb verb)
{
	/* Older clients know of no answer that is not the last one. */
	const unsigned whole =
	    1u << F_STATE | 1u << F_IDS | 1u << F_MATCH | 1u << F_DRY_RUN;
	unsigned seen = 0;

	memset(out, 0, sizeof(*out));
	if (body_object(b, set_fields, COUNT_OF(set_fields), out, &seen))
		set_check(b, out, seen, verb);
	out->is_partial = (seen & ~whole) != 0;
	return body_end(b);
}
