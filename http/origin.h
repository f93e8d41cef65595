#ifndef SCHEDD_HTTP_ORIGIN_H
#define SCHEDD_HTTP_ORIGIN_H

/*
 * Where a request without a token may come from. Whoever reaches an open
 * address may do everything; so may then every page in a browser on the same
 * machine. What browsers say of a request, and no page can keep them from
 * saying, tells it apart: a page of another site changes nothing, and under a
 * name that is not ours (which a stranger may have made to lead here) nothing
 * is to be had at all. A page cannot show a token, so whoever does is asked
 * nothing.
 */

#include <stdbool.h>

#include "core/err.h"
#include "http/parser.h"

/*
 * ERR_OK, CROSS_SITE or HOST_UNKNOWN; then *why has a literal for people.
 * allowed_hosts: names we go by, separated by commas; NULL where no name
 * leads to.
 */
enum err origin_check(const struct parser_head *head, const char *allowed_hosts,
    bool is_change, const char **why) MUST_CHECK;

/* Is it a type that a body may have? "" is: none was said. */
bool origin_is_body_type(struct span type);

#endif
