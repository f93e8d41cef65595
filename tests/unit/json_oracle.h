#ifndef SCHEDD_TESTS_UNIT_JSON_ORACLE_H
#define SCHEDD_TESTS_UNIT_JSON_ORACLE_H

/*
 * What the unit tests and the fuzzer of the scanner share: a walk through
 * every function of the scanner that checks its promises on the way, and
 * cJSON's verdict on the same text. Broken promises abort.
 */

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "core/json_scan.h"
#include "core/mem.h"

/* A copy of exactly that size on the heap, so that ASan sees a read past the
 * end. The caller frees p, which is never NULL. */
static inline struct span
oracle_exact_copy(struct span text)
{
	char *p = malloc(text.len == 0 ? 1 : text.len);

	ASSERT(p != NULL);
	if (text.len > 0)
		memcpy(p, text.p, text.len);
	return (struct span){text.len == 0 ? p + 1 : p, text.len};
}

static inline void
oracle_free(struct span copy)
{
	free((void *)(uintptr_t)(copy.len == 0 ? copy.p - 1 : copy.p));
}

/* The scanner's verdict when the whole text is skipped as one value. */
static inline struct scan
oracle_skip(struct span text)
{
	struct scan s;
	struct span raw = {NULL, 0};
	bool ok;

	scan_init(&s, text);
	ok = scan_skip(&s, &raw);
	ASSERT(ok == (s.err == ERR_OK));
	ASSERT(scan_end(&s) == s.err);
	ASSERT(s.p >= s.start && s.p <= s.end && s.at <= text.len);
	ASSERT((s.err == ERR_OK) == (s.why[0] == '\0'));
	if (ok)
		ASSERT(raw.p >= text.p && raw.p + raw.len <= text.p + text.len);
	return s;
}

static inline void
oracle_check_within(const struct scan *s, struct span raw)
{
	ASSERT(raw.p >= s->start && raw.p <= s->end);
	ASSERT(raw.len <= (size_t)(s->end - raw.p));
}

/* Calls for other types neither consume a value nor fail. */
static inline void
oracle_check_refusals(struct scan *s, enum scan_type type)
{
	const char *p = s->p;
	struct span raw;
	bool value;

	if (type != SCAN_OBJECT)
		ASSERT(!scan_object(s));
	if (type != SCAN_ARRAY)
		ASSERT(!scan_array(s));
	if (type != SCAN_STRING)
		ASSERT(!scan_string(s, &raw));
	if (type != SCAN_NUMBER)
		ASSERT(!scan_number(s, &raw));
	if (type != SCAN_BOOL)
		ASSERT(!scan_bool(s, &value));
	if (type != SCAN_NULL)
		ASSERT(!scan_null(s));
	ASSERT(s->p == p);
}

/* Skipping must agree with walking, from the same place. */
static inline void
oracle_check_skip(const struct scan *before, const struct scan *after)
{
	struct scan s = *before;
	struct span raw;

	ASSERT(scan_skip(&s, &raw) == (after->err == ERR_OK));
	ASSERT(s.err == after->err && s.at == after->at && s.p == after->p);
	if (s.err == ERR_OK) {
		oracle_check_within(&s, raw);
		ASSERT(raw.len > 0 && raw.p + raw.len == after->p);
	}
}

static inline void
oracle_check_unescape(struct arena *a, struct span raw)
{
	struct span text;

	ASSERT(scan_unescape(a, raw, &text));
	ASSERT(text.len <= raw.len && utf8_is_valid(text.p, text.len));
	arena_reset(a);
}

/* Consumes the next value by the function of its type. Skips are checked
 * down to a few levels only: below, the cost would grow with the square. */
static inline void
oracle_walk_value(struct scan *s, struct arena *a)
{
	enum scan_type type = scan_peek(s);
	struct scan before = *s;
	struct span raw;
	bool value;

	ASSERT((type == SCAN_NONE) == (s->err != ERR_OK));
	oracle_check_refusals(s, type);
	if (type == SCAN_OBJECT && scan_object(s)) {
		while (scan_key(s, &raw)) {
			oracle_check_within(s, raw);
			oracle_check_unescape(a, raw);
			oracle_walk_value(s, a);
		}
	} else if (type == SCAN_ARRAY && scan_array(s)) {
		while (scan_item(s))
			oracle_walk_value(s, a);
	} else if (type == SCAN_STRING && scan_string(s, &raw)) {
		oracle_check_within(s, raw);
		oracle_check_unescape(a, raw);
	} else if (type == SCAN_NUMBER && scan_number(s, &raw)) {
		oracle_check_within(s, raw);
	} else if (type == SCAN_BOOL) {
		scan_bool(s, &value);
	} else if (type == SCAN_NULL) {
		scan_null(s);
	}
	if (type != SCAN_NONE && before.depth < 4)
		oracle_check_skip(&before, s);
}

/* The verdict when every value is consumed by its own function. */
static inline struct scan
oracle_walk(struct span text)
{
	struct arena *a = arena_new(SIZE_MAX);
	struct scan s;

	scan_init(&s, text);
	oracle_walk_value(&s, a);
	ASSERT(scan_end(&s) == s.err);
	arena_free(a);
	return s;
}

/* cJSON's verdict, with blanks only behind the value. */
static inline bool
oracle_cjson_accepts(struct span text)
{
	char *copy = xmemdupz(text.p, text.len);
	const char *end = NULL;
	cJSON *doc = cJSON_ParseWithOpts(copy, &end, false);
	bool ok = false;

	if (doc != NULL) {
		end += strspn(end, " \t\r\n");
		ok = end == copy + text.len;
	}
	cJSON_Delete(doc);
	free(copy);
	return ok;
}

#endif
