#ifndef SCHEDD_CLI_POLICY_H
#define SCHEDD_CLI_POLICY_H

/*
 * A queue's policy by the names and in the units of the settings file
 * ("lease = 2h"), while the API has numbers ("lease_s": 7200). Which there
 * are is in core/conf.def. Pure.
 */

#include "core/buf.h"
#include "core/conf.h"
#include "core/str.h"

/* By its name in the settings file or in the API; NULL: there is none. */
const struct conf_row *policy_find(struct span name);
/* "max_tasks, max_payload, ...". */
void policy_add_names(struct buf *out);
/* "\"lease_s\"", as the API has it. */
void policy_add_member(struct buf *out, const struct conf_row *row);
/* The text as the API's number. False when it is none; policy_expected says
 * what it should have been. */
bool policy_add_number(
    struct buf *out, const struct conf_row *row, struct span text) MUST_CHECK;
const char *policy_expected(const struct conf_row *row);
/* The API's number as the settings file has it; as it is for what it cannot
 * say. */
void policy_add_text(
    struct buf *out, const struct conf_row *row, struct span number);

#endif
