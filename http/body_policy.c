/* The body that changes a queue's policy, and the table of its fields. */

#include "http/body.h"

#include <string.h>

#include "http/policy.h"

#define AT(field) offsetof(struct queue_policy, field)
#define DAY_MS UINT64_C(86400000)

/* clang-format off */
const struct policy_row policy_rows[POLICY_FIELD_COUNT] = {
	[POLICY_MAX_TASKS]    = {"max_tasks",    POLICY_NUMBER, AT(max_tasks),     1,    1000000000},
	[POLICY_MAX_PAYLOAD]  = {"max_payload",  POLICY_NUMBER, AT(max_payload),   1,    1024 * 1024},
	[POLICY_MAX_ATTEMPTS] = {"max_attempts", POLICY_NUMBER, AT(max_attempts),  1,    1000},
	[POLICY_LEASE]        = {"lease_s",      POLICY_TIME,   AT(lease_ms),      1000, 30 * DAY_MS},
	[POLICY_RETRY_BASE]   = {"retry_base_s", POLICY_TIME,   AT(retry_base_ms), 0,    30 * DAY_MS},
	[POLICY_RETRY_MAX]    = {"retry_max_s",  POLICY_TIME,   AT(retry_max_ms),  0,    30 * DAY_MS},
	[POLICY_FINISH_KEEP]  = {"finish_keep",  POLICY_NUMBER, AT(finish_keep),   0,    1000000000},
	[POLICY_FINISH_AGE]   = {"finish_age_s", POLICY_TIME,   AT(finish_age_ms), 0,    3650 * DAY_MS},
	[POLICY_DEAD_KEEP]    = {"dead_keep",    POLICY_NUMBER, AT(dead_keep),     0,    1000000000},
	[POLICY_DEAD_AGE]     = {"dead_age_s",   POLICY_TIME,   AT(dead_age_ms),   0,    3650 * DAY_MS},
};
/* clang-format on */

static bool
policy_read(struct body *b, void *into)
{
	struct store_policy_change *change = into;
	const struct policy_row *row;
	size_t i = 0;

	while (strcmp(policy_rows[i].name, b->field) != 0)
		i++;
	row = &policy_rows[i];
	if (scan_peek(&b->scan) == SCAN_NULL) {
		change->unset |= 1u << i;
		return scan_null(&b->scan);
	}
	change->set |= 1u << i;
	if (row->kind == POLICY_TIME)
		return body_seconds(b, row->min, row->max, &change->values[i]);
	return body_whole(b, row->min, row->max, &change->values[i]);
}

static bool
policy_read_paused(struct body *b, void *into)
{
	struct store_policy_change *change = into;
	bool paused;

	if (!body_bool(b, &paused))
		return false;
	change->paused = paused;
	return true;
}

/* clang-format off */
static const struct body_field policy_fields[] = {
	{"paused",       policy_read_paused, false},
	{"max_tasks",    policy_read,        false},
	{"max_payload",  policy_read,        false},
	{"max_attempts", policy_read,        false},
	{"lease_s",      policy_read,        false},
	{"retry_base_s", policy_read,        false},
	{"retry_max_s",  policy_read,        false},
	{"finish_keep",  policy_read,        false},
	{"finish_age_s", policy_read,        false},
	{"dead_keep",    policy_read,        false},
	{"dead_age_s",   policy_read,        false},
};
/* clang-format on */

enum err
body_read_policy(struct body *b, struct store_policy_change *out)
{
	unsigned seen = 0;

	memset(out, 0, sizeof(*out));
	out->paused = -1;
	if (body_object(
		b, policy_fields, COUNT_OF(policy_fields), out, &seen) &&
	    seen == 0)
		body_refusef(b, ERR_FIELD_MISSING,
		    "the body: expected at least one field to change");
	return body_end(b);
}
