/*
 * Matching of paths against the route table; see route.h. A path is cut
 * into segments once; then the rows that may fit are held against them.
 */

#include "http/route.h"

#include <limits.h>
#include <string.h>

#include "core/mem.h"
#include "http/unescape.h"

/* More segments than any pattern has: such a path matches nothing. */
enum { SEGMENTS_MAX = 8 };

struct segments {
	struct span part[SEGMENTS_MAX];
	size_t count;
	bool has_escape; /* a '%' somewhere */
};

static const struct {
	const char *name;
	size_t len;
	unsigned method;
} methods[] = {
    {"GET", 3, METHOD_GET},
    {"POST", 4, METHOD_POST},
    {"PUT", 3, METHOD_PUT},
    {"PATCH", 5, METHOD_PATCH},
    {"DELETE", 6, METHOD_DELETE},
    {"HEAD", 4, METHOD_HEAD},
    {"OPTIONS", 7, METHOD_OPTIONS},
};

unsigned
method_parse(struct span name)
{
	for (size_t i = 0; i < COUNT_OF(methods); i++)
		if (name.len == methods[i].len &&
		    memcmp(name.p, methods[i].name, name.len) == 0)
			return methods[i].method;
	return 0;
}

const char *
method_name(unsigned method)
{
	for (size_t i = 0; i < COUNT_OF(methods); i++)
		if (methods[i].method == method)
			return methods[i].name;
	return "-";
}

/* ---- the path --------------------------------------------------------- */

/* RFC 3986 pchar, and '%', which is looked at later. */
static bool
is_path_char(char c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9'))
		return true;
	switch (c) {
	case '-':
	case '.':
	case '_':
	case '~':
	case '!':
	case '$':
	case '&':
	case '\'':
	case '(':
	case ')':
	case '*':
	case '+':
	case ',':
	case ';':
	case '=':
	case ':':
	case '@':
	case '%':
		return true;
	default:
		return false;
	}
}

static bool
is_canonical(struct span part, bool *has_escape)
{
	if (part.len == 0 || span_is(part, ".") || span_is(part, ".."))
		return false;
	for (size_t i = 0; i < part.len; i++) {
		if (!is_path_char(part.p[i]))
			return false;
		*has_escape |= part.p[i] == '%';
	}
	return true;
}

static enum err
path_cut(struct span path, struct segments *out)
{
	const char *p = path.p, *end = path.p + path.len, *slash;
	struct span part;

	out->count = 0;
	out->has_escape = false;
	if (path.len == 0 || *p != '/')
		return ERR_PATH_BAD;
	if (path.len == 1)
		return ERR_OK;
	while (p < end) {
		p++;
		slash = memchr(p, '/', (size_t)(end - p));
		if (slash == NULL)
			slash = end;
		part = (struct span){p, (size_t)(slash - p)};
		if (!is_canonical(part, &out->has_escape))
			return ERR_PATH_BAD;
		if (out->count < SEGMENTS_MAX)
			out->part[out->count] = part;
		out->count++;
		p = slash;
	}
	return ERR_OK;
}

/* ---- a pattern against a path ----------------------------------------- */

/* Cuts the next segment off a pattern: "/a/{b}" -> "a". */
static bool
pattern_cut(const char **pattern, struct span *part)
{
	const char *p = *pattern;

	if (*p != '/' || p[1] == '\0')
		return false;
	part->p = p + 1;
	part->len = strcspn(p + 1, "/");
	*pattern = part->p + part->len;
	return true;
}

static bool
is_param(struct span part)
{
	return part.p[0] == '{';
}

/* "id" of "{id}", as the text that the table holds. */
static struct span
param_name(struct span part)
{
	return (struct span){part.p + 1, part.len - 2};
}

static bool
is_escaped(struct span part)
{
	return memchr(part.p, '%', part.len) != NULL;
}

/* Steps over the pattern's next segment where it is just this text. */
static bool
literal_matches(const char **pattern, struct span part)
{
	const char *p = *pattern;
	size_t i = 0;

	while (i < part.len && p[i] == part.p[i])
		i++;
	*pattern = p + i;
	return i == part.len && (p[i] == '/' || p[i] == '\0');
}

/* Most rows end at one of their first letters, so nothing is cut here. */
static bool
pattern_matches(const char *p, const struct segments *s)
{
	if (s->count > SEGMENTS_MAX)
		return false;
	for (size_t i = 0; i < s->count; i++) {
		const char *part = p + 1;

		if (*p == '\0')
			return false;
		p = part;
		if (*part == '{')
			p = strchr(part, '}') + 1;
		else if (!literal_matches(&p, s->part[i]))
			return false;
		if (s->has_escape && is_escaped(s->part[i]) &&
		    strncmp(part, "{id}", 4) != 0)
			return false;
	}
	return *p == '\0' || p[1] == '\0';
}

static enum err
param_check(struct span name, struct span value)
{
	if (span_is(name, "id"))
		return id_is_valid(value) ? ERR_OK : ERR_TASK_ID_BAD;
	if (name_is_valid(value))
		return ERR_OK;
	if (span_is(name, "token"))
		return ERR_TOKEN_NAME_BAD;
	if (span_is(name, "channel"))
		return ERR_CHANNEL_NAME_BAD;
	if (span_is(name, "relay"))
		return ERR_RELAY_NAME_BAD;
	return span_is(name, "queue") ? ERR_QUEUE_NAME_BAD
				      : ERR_WORKER_NAME_BAD;
}

static enum err
param_read(struct arena *arena, struct span name, struct span raw,
    struct route_match *out)
{
	size_t len = raw.len;
	char *value = arena_dup(arena, raw);

	if (value == NULL)
		return ERR_NO_MEMORY;
	if (!unescape(value, &len))
		return ERR_PATH_BAD;
	ASSERT(out->param_count < ROUTE_MAX_PARAMS);
	out->params[out->param_count].name = name;
	out->params[out->param_count].value = (struct span){value, len};
	out->param_count++;
	return param_check(name, (struct span){value, len});
}

static enum err
params_read(
    struct arena *arena, const struct segments *s, struct route_match *out)
{
	const char *pattern = out->route->pattern;
	struct span part;
	enum err err = ERR_OK;

	for (size_t i = 0; err == ERR_OK && pattern_cut(&pattern, &part); i++) {
		ASSERT(i < s->count);
		if (is_param(part))
			err = param_read(
			    arena, param_name(part), s->part[i], out);
	}
	return err;
}

/* ---- the table -------------------------------------------------------- */

static bool
method_is_match(unsigned row, unsigned asked)
{
	return row == asked || (row == METHOD_GET && asked == METHOD_HEAD);
}

/* Which rows have that letter behind "/v1/", or at that place: of a table that
 * is sorted few, and the others need no look. */
static struct {
	uint8_t from, to;
} near[UCHAR_MAX + 1];
static enum { NEAR_NEW, NEAR_MADE, NEAR_NONE } near_state;

static void
near_make(const struct route *table, size_t count)
{
	near_state = count < UINT8_MAX ? NEAR_MADE : NEAR_NONE;
	for (size_t i = count; i-- > 0;) {
		const char *pattern = table[i].pattern;
		size_t at = strnlen(pattern, 4);
		unsigned char letter = (unsigned char)pattern[at];

		/* It could be any first segment. */
		if (pattern[1] == '{')
			near_state = NEAR_NONE;
		near[letter].from = (uint8_t)i;
		if (near[letter].to == 0)
			near[letter].to = (uint8_t)(i + 1);
	}
}

static const struct route *
row_find(unsigned method, const struct segments *s)
{
	size_t count, i = 0;
	const struct route *table = routes_get(&count);

	if (near_state == NEAR_NEW)
		near_make(table, count);
	if (s->count > 1 && s->part[0].len == 2 && near_state == NEAR_MADE) {
		unsigned char letter = (unsigned char)*s->part[1].p;

		i = near[letter].from;
		count = near[letter].to;
	}
	for (; i < count; i++)
		if (method_is_match(table[i].method, method) &&
		    pattern_matches(table[i].pattern, s))
			return &table[i];
	return NULL;
}

/* What the path may be asked with; 0 when it is not known at all. */
static unsigned
path_methods(const struct segments *s)
{
	size_t count;
	const struct route *table = routes_get(&count);
	unsigned all = 0;

	for (size_t i = 0; i < count; i++)
		if (pattern_matches(table[i].pattern, s))
			all |= table[i].method | METHOD_OPTIONS;
	return (all & METHOD_GET) != 0 ? all | METHOD_HEAD : all;
}

enum err
route_find(struct arena *arena, unsigned method, struct span path,
    struct route_match *out)
{
	struct segments s;
	enum err err = path_cut(path, &s);

	*out = (struct route_match){0};
	if (err != ERR_OK)
		return err;
	out->route = row_find(method, &s);
	if (out->route != NULL)
		return params_read(arena, &s, out);
	out->allowed = path_methods(&s);
	if (out->allowed == 0)
		return s.has_escape ? ERR_PATH_BAD : ERR_ROUTE_UNKNOWN;
	return method == METHOD_OPTIONS ? ERR_OK : ERR_METHOD_NOT_ALLOWED;
}

unsigned
routes_methods(void)
{
	size_t count;
	const struct route *table = routes_get(&count);
	unsigned all = METHOD_OPTIONS;

	for (size_t i = 0; i < count; i++)
		all |= table[i].method;
	return (all & METHOD_GET) != 0 ? all | METHOD_HEAD : all;
}

/* ---- the table's own faults ------------------------------------------- */

/* Could one path match both patterns? */
static bool
patterns_overlap(const char *a, const char *b)
{
	struct span x, y;
	bool has_x, has_y;

	for (;;) {
		has_x = pattern_cut(&a, &x);
		has_y = pattern_cut(&b, &y);
		if (!has_x || !has_y)
			return has_x == has_y;
		if (!is_param(x) && !is_param(y) && !span_eq(x, y))
			return false;
	}
}

static void
pattern_check(const char *pattern)
{
	size_t params = 0, segments = 0;
	struct span part, name;

	ASSERT(pattern[0] == '/');
	for (; pattern_cut(&pattern, &part); segments++) {
		ASSERT(part.len > 0);
		if (!is_param(part))
			continue;
		name = param_name(part);
		ASSERT(part.len > 2 && part.p[part.len - 1] == '}');
		ASSERT(span_is(name, "queue") || span_is(name, "worker") ||
		       span_is(name, "id") || span_is(name, "token") ||
		       span_is(name, "channel") || span_is(name, "relay"));
		params++;
	}
	ASSERT(params <= ROUTE_MAX_PARAMS && segments <= SEGMENTS_MAX);
}

void
routes_check(void)
{
	const unsigned rowable = METHOD_GET | METHOD_POST | METHOD_PUT |
				 METHOD_PATCH | METHOD_DELETE;
	size_t count;
	const struct route *table = routes_get(&count);

	for (size_t i = 0; i < count; i++) {
		const struct route *a = &table[i];

		pattern_check(a->pattern);
		ASSERT((a->method & rowable) == a->method);
		ASSERT(a->method != 0 && (a->method & (a->method - 1)) == 0);
		ASSERT(a->handler != NULL && a->role != 0 && a->query != NULL);
		ASSERT(a->scope != 0);
		ASSERT((a->scope == SCOPE_QUEUE) ==
		       (strstr(a->pattern, "{queue}") != NULL));
		ASSERT((a->scope == SCOPE_CHANNEL) ==
		       (strstr(a->pattern, "{channel}") != NULL));
		for (size_t j = 0; j < i; j++) {
			bool is_same =
			    strcmp(a->pattern, table[j].pattern) == 0;

			ASSERT(
			    !patterns_overlap(a->pattern, table[j].pattern) ||
			    (is_same && a->method != table[j].method));
		}
	}
}
