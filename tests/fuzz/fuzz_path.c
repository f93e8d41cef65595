/*
 * Targets of requests from any bytes: a path that finds a route has valid
 * names in it and is the one canonical spelling, and a query only what the
 * route knows.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "http/query.h"
#include "http/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_params(const struct route_match *m)
{
	ASSERT(m->param_count <= ROUTE_MAX_PARAMS);
	for (size_t i = 0; i < m->param_count; i++) {
		struct span v = m->params[i].value;

		ASSERT(v.p[v.len] == '\0' && strlen(v.p) == v.len);
		if (span_is(m->params[i].name, "id"))
			ASSERT(id_is_valid(v));
		else
			ASSERT(name_is_valid(v));
	}
}

static void
check_path(struct arena *arena, struct span path)
{
	static const unsigned methods[] = {METHOD_GET, METHOD_POST, METHOD_PUT,
	    METHOD_PATCH, METHOD_DELETE, METHOD_HEAD, METHOD_OPTIONS};
	struct route_match m;

	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		m = (struct route_match){0};
		if (route_find(arena, methods[i], path, &m) != ERR_OK)
			continue;
		ASSERT(m.route != NULL || methods[i] == METHOD_OPTIONS);
		check_params(&m);
		ASSERT(path.len > 1 && path.p[0] == '/');
		ASSERT(path.p[path.len - 1] != '/');
		for (size_t at = 1; at < path.len; at++)
			ASSERT(path.p[at] != '/' || path.p[at - 1] != '/');
	}
}

static void
check_query(struct arena *arena, struct span text)
{
	static const char known[] = "state,limit,after,match";
	char detail[QUERY_DETAIL_MAX];
	struct query q;
	struct span v;

	if (query_parse(arena, text, known, &q, detail) != ERR_OK) {
		ASSERT(detail[0] != '\0' && strlen(detail) < sizeof(detail));
		return;
	}
	ASSERT(q.count <= 4);
	for (size_t i = 0; i < q.count; i++) {
		ASSERT(query_find(&q, q.params[i].name, &v));
		ASSERT(v.p == q.params[i].value.p);
		ASSERT(memchr(v.p, '\0', v.len) == NULL);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(1 << 20);
	char *copy = xmemdupz(data, size);
	char *mark = memchr(copy, '?', size);
	size_t len = mark == NULL ? size : (size_t)(mark - copy);

	check_path(arena, (struct span){copy, len});
	if (mark != NULL)
		check_query(arena, (struct span){mark + 1, size - len - 1});
	free(copy);
	arena_free(arena);
	return 0;
}
