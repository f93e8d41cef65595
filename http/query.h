#ifndef SCHEDD_HTTP_QUERY_H
#define SCHEDD_HTTP_QUERY_H

/*
 * Query strings: name=value pairs between '&', both sides percent-decoded,
 * '+' a space. Strict: only names that the route knows, each once, no bad
 * escape, no NUL.
 */

#include <stdbool.h>
#include <stddef.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"

enum { QUERY_MAX = 8, QUERY_DETAIL_MAX = 160 };

struct query {
	struct {
		struct span name, value;
	} params[QUERY_MAX];
	size_t count;
};

/*
 * known: names separated by commas, as in the route table. ERR_OK, NO_MEMORY
 * or QUERY_BAD; then detail says what and where.
 */
enum err query_parse(struct arena *arena, struct span text, const char *known,
    struct query *out, char detail[QUERY_DETAIL_MAX]) MUST_CHECK;

bool query_find(const struct query *q, struct span name, struct span *value);

#endif
