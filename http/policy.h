#ifndef SCHEDD_HTTP_POLICY_H
#define SCHEDD_HTTP_POLICY_H

/* The fields of a queue's policy as they stand in JSON. */

#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

/* Times are seconds in JSON and ms within. */
enum policy_kind { POLICY_NUMBER, POLICY_TIME };

struct policy_row {
	const char *name;
	enum policy_kind kind;
	size_t offset; /* in struct queue_policy */
	uint64_t min, max;
};

/* By enum policy_field. The ranges are those of the settings file
 * (core/conf.def). */
extern const struct policy_row policy_rows[POLICY_FIELD_COUNT];

#endif
