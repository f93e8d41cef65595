/*
 * Cold JSON: cJSON behind typed getters. cJSON keeps numbers as doubles; so
 * that a 64-bit integer stays one, the text of every number that a double
 * might not give back hangs at its item's valuestring, which cJSON frees
 * with the item and uses for strings only.
 */

#include "core/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "core/buf.h"
#include "core/json_scan.h"

enum {
	EXACT_DIGITS = 15, /* every whole number this long is exact */
	INDENT = 2
};

static cJSON *
item_of(struct json *v)
{
	return (cJSON *)(void *)v;
}

static const cJSON *
item_of_const(const struct json *v)
{
	return (const cJSON *)(const void *)v;
}

static const struct json *
json_of(const cJSON *item)
{
	return (const struct json *)(const void *)item;
}

/* In a copy of a valid text: \u0000, at which cJSON would end the string,
 * becomes \uFFFD. */
static void
replace_nuls(char *p, size_t len)
{
	for (size_t i = 0; i + 5 < len; i++) {
		if (p[i] != '\\')
			continue;
		if (memcmp(p + i, "\\u0000", 6) == 0)
			memcpy(p + i, "\\ufffd", 6);
		i++; /* the second backslash of a pair starts nothing */
	}
}

/* Does a double print as this very text? */
static bool
is_exact(struct span number)
{
	uint64_t value;

	if (number.len > 1 && number.p[0] == '-' && number.p[1] != '0')
		number = (struct span){number.p + 1, number.len - 1};
	return number.len <= EXACT_DIGITS && str_to_u64(number, &value);
}

static void keep_children(struct scan *s, cJSON *item);

/* Walks the text beside the tree made of it and hangs up number texts. At
 * most SCAN_MAX_DEPTH deep. */
static void
keep_numbers(struct scan *s, cJSON *item)
{
	struct span raw;

	ASSERT(item != NULL);
	switch (scan_peek(s)) {
	case SCAN_NUMBER:
		scan_number(s, &raw);
		if (is_exact(raw))
			break;
		item->valuestring = cJSON_malloc(raw.len + 1);
		ASSERT(item->valuestring != NULL);
		memcpy(item->valuestring, raw.p, raw.len);
		item->valuestring[raw.len] = '\0';
		break;
	case SCAN_ARRAY:
	case SCAN_OBJECT:
		keep_children(s, item->child);
		break;
	case SCAN_NONE:
	case SCAN_NULL:
	case SCAN_BOOL:
	case SCAN_STRING:
	default:
		scan_skip(s, &raw);
		break;
	}
}

static void
keep_children(struct scan *s, cJSON *child)
{
	struct span key;

	if (scan_array(s)) {
		for (; scan_item(s); child = child->next)
			keep_numbers(s, child);
		return;
	}
	if (scan_object(s))
		for (; scan_key(s, &key); child = child->next)
			keep_numbers(s, child);
}

/* The tree of a text that the scanner accepted. NULL when memory ends, or
 * when cJSON is one without Debian's patch and a number has more than 63
 * characters. */
static cJSON *
tree_of(struct span text)
{
	char *copy = malloc(text.len + 1);
	struct scan s;
	cJSON *doc;

	if (copy == NULL)
		return NULL;
	memcpy(copy, text.p, text.len);
	copy[text.len] = '\0';
	replace_nuls(copy, text.len);
	doc = cJSON_ParseWithOpts(copy, NULL, false);
	free(copy);
	if (doc == NULL)
		return NULL;
	scan_init(&s, text);
	keep_numbers(&s, doc);
	return doc;
}

struct json *
json_parse(struct span text, enum err *err, const char **why)
{
	struct scan s;
	struct span raw;
	cJSON *doc;

	scan_init(&s, text);
	scan_skip(&s, &raw);
	*err = scan_end(&s);
	*why = s.why;
	if (*err != ERR_OK)
		return NULL;
	errno = 0;
	doc = tree_of(raw);
	if (doc == NULL && errno == ENOMEM) {
		*err = ERR_NO_MEMORY;
	} else if (doc == NULL) {
		*err = ERR_BODY_NOT_JSON;
		*why = "a number that is too long";
	}
	return (struct json *)(void *)doc;
}

void
json_free(struct json *doc)
{
	cJSON_Delete(item_of(doc));
}

bool
json_is_object(const struct json *v)
{
	return cJSON_IsObject(item_of_const(v));
}

bool
json_is_array(const struct json *v)
{
	return cJSON_IsArray(item_of_const(v));
}

bool
json_is_string(const struct json *v)
{
	return cJSON_IsString(item_of_const(v));
}

bool
json_is_number(const struct json *v)
{
	return cJSON_IsNumber(item_of_const(v));
}

bool
json_is_bool(const struct json *v)
{
	return cJSON_IsBool(item_of_const(v));
}

bool
json_is_null(const struct json *v)
{
	return cJSON_IsNull(item_of_const(v));
}

const struct json *
json_get(const struct json *object, const char *name)
{
	if (!json_is_object(object))
		return NULL;
	return json_of(
	    cJSON_GetObjectItemCaseSensitive(item_of_const(object), name));
}

const struct json *
json_first(const struct json *v)
{
	return v == NULL ? NULL : json_of(item_of_const(v)->child);
}

const struct json *
json_next(const struct json *v)
{
	return v == NULL ? NULL : json_of(item_of_const(v)->next);
}

const char *
json_name(const struct json *member)
{
	const char *name = item_of_const(member)->string;

	return name == NULL ? "" : name;
}

size_t
json_count(const struct json *v)
{
	return v == NULL ? 0 : (size_t)cJSON_GetArraySize(item_of_const(v));
}

bool
json_string(const struct json *v, struct span *out)
{
	if (!json_is_string(v))
		return false;
	*out = span_of(item_of_const(v)->valuestring);
	return true;
}

/* Sign and size of a whole number. A number without a kept text is whole
 * and exact; of the others those in another form than digits (1e3, 5.0)
 * count when the double cannot have lost anything. */
static bool
json_whole(const struct json *v, bool *negative, uint64_t *size)
{
	const cJSON *item = item_of_const(v);
	struct span text;
	double d;

	if (!json_is_number(v))
		return false;
	d = item->valuedouble;
	*negative = d < 0;
	if (item->valuestring != NULL) {
		text = span_of(item->valuestring);
		if (text.p[0] == '-')
			text = (struct span){text.p + 1, text.len - 1};
		if (str_to_u64(text, size))
			return true;
		if (text.len > EXACT_DIGITS)
			return false;
	}
	d = fabs(d);
	if (!(d < 18446744073709551616.0) || d != floor(d))
		return false;
	*size = (uint64_t)d;
	return true;
}

bool
json_u64(const struct json *v, uint64_t *out)
{
	bool negative;
	uint64_t size;

	if (!json_whole(v, &negative, &size) || negative)
		return false;
	*out = size;
	return true;
}

bool
json_i64(const struct json *v, int64_t *out)
{
	bool negative;
	uint64_t size;

	if (!json_whole(v, &negative, &size))
		return false;
	if (size > (uint64_t)INT64_MAX + (negative ? 1 : 0))
		return false;
	*out = negative ? -(int64_t)(size - 1) - 1 : (int64_t)size;
	return true;
}

bool
json_double(const struct json *v, double *out)
{
	if (!json_is_number(v) || !isfinite(item_of_const(v)->valuedouble))
		return false;
	*out = item_of_const(v)->valuedouble;
	return true;
}

bool
json_bool(const struct json *v, bool *out)
{
	if (!json_is_bool(v))
		return false;
	*out = cJSON_IsTrue(item_of_const(v));
	return true;
}

bool
json_get_string(const struct json *object, const char *name, struct span *out)
{
	return json_string(json_get(object, name), out);
}

bool
json_get_u64(const struct json *object, const char *name, uint64_t *out)
{
	return json_u64(json_get(object, name), out);
}

bool
json_get_bool(const struct json *object, const char *name, bool *out)
{
	return json_bool(json_get(object, name), out);
}

static void
print_scalar(const cJSON *item, struct buf *out)
{
	if (cJSON_IsString(item))
		buf_add_json(out, span_of(item->valuestring));
	else if (cJSON_IsNumber(item) && item->valuestring != NULL)
		buf_add_str(out, item->valuestring);
	else if (cJSON_IsNumber(item))
		buf_addf(out, "%.0f", item->valuedouble);
	else if (cJSON_IsBool(item))
		buf_add_str(out, cJSON_IsTrue(item) ? "true" : "false");
	else
		buf_add_str(out, "null");
}

static void
print_break(struct buf *out, unsigned depth)
{
	buf_addf(out, "\n%*s", (int)depth * INDENT, "");
}

static void
print_value(const cJSON *item, bool pretty, unsigned depth, struct buf *out)
{
	bool is_object = cJSON_IsObject(item);
	const cJSON *child;

	if (!is_object && !cJSON_IsArray(item)) {
		print_scalar(item, out);
		return;
	}
	buf_add_char(out, is_object ? '{' : '[');
	cJSON_ArrayForEach(child, item)
	{
		if (child != item->child)
			buf_add_char(out, ',');
		if (pretty)
			print_break(out, depth + 1);
		if (is_object) {
			buf_add_json(out, span_of(child->string));
			buf_add_str(out, pretty ? ": " : ":");
		}
		print_value(child, pretty, depth + 1, out);
	}
	if (pretty && item->child != NULL)
		print_break(out, depth);
	buf_add_char(out, is_object ? '}' : ']');
}

char *
json_print(const struct json *v, bool pretty)
{
	struct buf out;

	buf_init(&out, SIZE_MAX / 2);
	print_value(item_of_const(v), pretty, 0, &out);
	buf_add_char(&out, '\0');
	ASSERT(!out.failed);
	return out.data;
}
