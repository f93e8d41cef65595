/* Walks bodies by their tables of fields, and reads single values. */

#include "http/body.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SHOWN_MAX = 64, FIRST_ROOM = 16 };

void
body_init(struct body *b, struct arena *arena, struct span text)
{
	memset(b, 0, sizeof(*b));
	b->arena = arena;
	scan_init(&b->scan, text);
}

/* Reads all of it again, as mere JSON. */
static enum err
scan_whole(struct body *b)
{
	struct span whole = {
	    b->scan.start, (size_t)(b->scan.end - b->scan.start)};

	scan_init(&b->scan, whole);
	(void)scan_skip(&b->scan, &whole);
	return scan_end(&b->scan);
}

enum err
body_end(struct body *b)
{
	enum err err;

	/* What is no JSON is refused as that, whatever its fields are. */
	if (b->err != ERR_OK)
		err = scan_whole(b);
	else
		err = scan_end(&b->scan);
	if (err == ERR_OK)
		return b->err;
	b->err = err;
	(void)snprintf(b->detail, sizeof(b->detail), "byte %zu: %s", b->scan.at,
	    b->scan.why);
	return err;
}

/* ---- refusals --------------------------------------------------------- */

bool
body_refusef(struct body *b, enum err err, const char *fmt, ...)
{
	va_list ap;

	if (b->err != ERR_OK || b->scan.err != ERR_OK)
		return false;
	b->err = err;
	va_start(ap, fmt);
	(void)vsnprintf(b->detail, sizeof(b->detail), fmt, ap);
	va_end(ap);
	return false;
}

/* "tasks[3].id" for a field of an item, "finished[3]" for an item, "id". */
static void
path_print(const struct body *b, struct span field, char *dst, size_t size)
{
	if (b->list == NULL)
		(void)snprintf(dst, size, "%.*s", SPAN_ARG(field));
	else if (field.len == 0)
		(void)snprintf(dst, size, "%s[%zu]", b->list, b->index);
	else
		(void)snprintf(dst, size, "%s[%zu].%.*s", b->list, b->index,
		    SPAN_ARG(field));
}

static bool
refuse_named(
    struct body *b, enum err err, struct span field, const char *expected)
{
	char path[NAME_SHOWN_MAX * 4];

	if (field.len > NAME_SHOWN_MAX)
		field = utf8_cut(field, NAME_SHOWN_MAX);
	path_print(b, field, path, sizeof(path));
	if (path[0] == '\0')
		return body_refusef(b, err, "the body: expected %s", expected);
	return body_refusef(b, err, "field '%s': expected %s", path, expected);
}

bool
body_refuse(struct body *b, enum err err, const char *expected)
{
	return refuse_named(
	    b, err, span_of(b->field != NULL ? b->field : ""), expected);
}

bool
body_refuse_type(struct body *b, const char *expected)
{
	/* Where nothing begins that could be a value, the scanner says so. */
	if (scan_peek(&b->scan) == SCAN_NONE)
		return false;
	return body_refuse(b, ERR_FIELD_TYPE, expected);
}

/* Refuses a key, and says which ones there are. */
static bool
refuse_unknown(struct body *b, const struct body_field *fields, size_t count,
    struct span key)
{
	char expected[256];
	size_t used = 0;

	for (size_t i = 0; i < count; i++)
		used +=
		    (size_t)snprintf(expected + used, sizeof(expected) - used,
			"%s%s", i == 0 ? "only " : ", ", fields[i].name);
	ASSERT(used < sizeof(expected));
	return refuse_named(b, ERR_FIELD_UNKNOWN, key, expected);
}

/* ---- objects and lists ------------------------------------------------ */

static size_t
field_find(const struct body_field *fields, size_t count, struct span key)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (key.len > 0 && fields[i].name[0] == key.p[0] &&
		    span_is(key, fields[i].name))
			break;
	return i;
}

/* Reads the value of one key. */
static bool
read_member(struct body *b, const struct body_field *fields, size_t count,
    struct span key, void *into, unsigned *seen)
{
	size_t i = field_find(fields, count, key);

	if (i == count)
		return refuse_unknown(b, fields, count, key);
	if ((*seen & 1u << i) != 0)
		return refuse_named(
		    b, ERR_FIELD_DUPLICATE, key, "it only once");
	*seen |= 1u << i;
	b->field = fields[i].name;
	if (!fields[i].read(b, into))
		return false;
	b->field = NULL;
	return true;
}

bool
body_object(struct body *b, const struct body_field *fields, size_t count,
    void *into, unsigned *seen)
{
	unsigned bits = 0;
	struct span key;

	if (!scan_object(&b->scan))
		return body_refuse_type(b, "an object");
	while (scan_key(&b->scan, &key))
		if (!read_member(b, fields, count, key, into, &bits))
			return false;
	if (b->scan.err != ERR_OK)
		return false;
	for (size_t i = 0; i < count; i++)
		if (fields[i].required && (bits & 1u << i) == 0)
			return refuse_named(b, ERR_FIELD_MISSING,
			    span_of(fields[i].name), "it to be given");
	if (seen != NULL)
		*seen = bits;
	return true;
}

bool
body_list(struct body *b, size_t max, body_fn *item, void *into)
{
	const char *name = b->field;
	char expected[64];

	if (!scan_array(&b->scan))
		return body_refuse_type(b, "a list");
	b->list = name;
	b->field = NULL;
	for (b->index = 0; scan_item(&b->scan); b->index++) {
		if (b->index == max) {
			b->list = NULL;
			b->field = name;
			(void)snprintf(expected, sizeof(expected),
			    "at most %zu items", max);
			return body_refuse(b, ERR_TOO_MANY_ITEMS, expected);
		}
		if (!item(b, into))
			return false;
	}
	b->list = NULL;
	b->field = name;
	return b->scan.err == ERR_OK;
}

void *
body_room(struct body *b, void *array, size_t count, size_t *room, size_t size)
{
	size_t more = *room == 0 ? FIRST_ROOM : *room * 2;
	void *grown;

	if (count < *room)
		return array;
	grown = arena_alloc(b->arena, more * size);
	if (grown == NULL) {
		body_refusef(b, ERR_NO_MEMORY, "the body's lists");
		return NULL;
	}
	if (count > 0)
		memcpy(grown, array, count * size);
	*room = more;
	return grown;
}

/* ---- single values ---------------------------------------------------- */

bool
body_text(struct body *b, struct span *out)
{
	struct span raw;

	if (!scan_string(&b->scan, &raw))
		return body_refuse_type(b, "a string");
	if (!scan_unescape(b->arena, raw, out))
		return body_refuse(
		    b, ERR_NO_MEMORY, "a text that fits into memory");
	return true;
}

bool
body_bool(struct body *b, bool *out)
{
	return scan_bool(&b->scan, out) || body_refuse_type(b, "true or false");
}

bool
body_raw(struct body *b, struct span *raw)
{
	return scan_skip(&b->scan, raw);
}

bool
body_whole(struct body *b, uint64_t min, uint64_t max, uint64_t *out)
{
	char expected[80];
	struct span raw;

	(void)snprintf(expected, sizeof(expected),
	    "a whole number from %llu to %llu", (unsigned long long)min,
	    (unsigned long long)max);
	if (!scan_number(&b->scan, &raw))
		return body_refuse_type(b, expected);
	if (!scan_to_u64(raw, out) || *out < min || *out > max)
		return body_refuse(b, ERR_FIELD_RANGE, expected);
	return true;
}

/* A raw number as double; infinite when it is too large, or too long to be
 * meant as a number of anything here. */
static double
raw_to_double(struct span raw)
{
	char text[64];

	if (raw.len >= sizeof(text))
		return HUGE_VAL;
	memcpy(text, raw.p, raw.len);
	text[raw.len] = '\0';
	return strtod(text, NULL);
}

bool
body_number(struct body *b, double *out)
{
	struct span raw;

	if (!scan_number(&b->scan, &raw))
		return body_refuse_type(b, "a number");
	*out = raw_to_double(raw);
	if (!isfinite(*out))
		return body_refuse(
		    b, ERR_FIELD_RANGE, "a number of usual size and length");
	return true;
}

bool
body_seconds(struct body *b, uint64_t min_ms, uint64_t max_ms, uint64_t *ms)
{
	char expected[96];
	struct span raw;
	double value;

	(void)snprintf(expected, sizeof(expected),
	    "a number of seconds from %g to %.10g", (double)min_ms / 1000,
	    (double)max_ms / 1000);
	if (!scan_number(&b->scan, &raw))
		return body_refuse_type(b, expected);
	value = raw_to_double(raw) * 1000;
	if (!(value >= (double)min_ms && value <= (double)max_ms))
		return body_refuse(b, ERR_FIELD_RANGE, expected);
	*ms = (uint64_t)llround(value);
	return true;
}

bool
body_id(struct body *b, struct span *id)
{
	return body_text(b, id) &&
	       (id_is_valid(*id) ||
		   body_refuse(b, ERR_TASK_ID_BAD,
		       "1-255 printable ASCII characters without space"));
}

bool
body_worker(struct body *b, struct span *worker)
{
	return body_text(b, worker) &&
	       (name_is_valid(*worker) ||
		   body_refuse(b, ERR_WORKER_NAME_BAD,
		       "1-64 characters of A-Za-z0-9._:@-"));
}

struct span
utf8_cut(struct span text, size_t max)
{
	if (text.len <= max)
		return text;
	/* The byte at max is the first one that goes: it must begin a
	 * character. */
	while (max > 0 && ((unsigned char)text.p[max] & 0xc0) == 0x80)
		max--;
	text.len = max;
	return text;
}
