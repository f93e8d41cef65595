/*
 * The body of PATCH /v1/config. Its fields are made of the log's components:
 * "log.level", and for each "log.NAME" or, as the setting is called,
 * "log.level.NAME".
 */

#include "http/body.h"

#include <stdio.h>
#include <string.h>

enum { SHOWN_MAX = 64, EXPECTED_MAX = 400 };

/* What stands behind the prefix. */
static bool
cut_prefix(struct span *s, struct span prefix)
{
	if (s->len < prefix.len || memcmp(s->p, prefix.p, prefix.len) != 0)
		return false;
	*s = (struct span){s->p + prefix.len, s->len - prefix.len};
	return true;
}

/* Which level a field is of. */
static bool
parse_name(struct span key, size_t *which)
{
	enum log_component c;

	*which = LOG_COMPONENT_COUNT;
	if (!cut_prefix(&key, SPAN("log.")))
		return false;
	if (span_is(key, "level"))
		return true;
	(void)cut_prefix(&key, SPAN("level."));
	if (!log_component_parse(key, &c))
		return false;
	*which = c;
	return true;
}

static bool
refuse_name(struct body *b, struct span key)
{
	char expected[EXPECTED_MAX];
	size_t used = 0;

	for (int c = 0; c < LOG_COMPONENT_COUNT; c++)
		used +=
		    (size_t)snprintf(expected + used, sizeof(expected) - used,
			", log.%s", log_component_name((enum log_component)c));
	ASSERT(used < sizeof(expected));
	return body_refusef(b, ERR_FIELD_UNKNOWN,
	    "field '%.*s': expected only log.level%s; other settings are "
	    "changed in the file, then SIGHUP",
	    SPAN_ARG(utf8_cut(key, SHOWN_MAX)), expected);
}

/* null and "" go back to the settings. */
static bool
read_level(struct body *b, int *level)
{
	struct span text;
	enum log_level parsed;

	*level = LEVEL_OF_SETTINGS;
	if (scan_null(&b->scan))
		return true;
	if (!body_text(b, &text))
		return false;
	if (text.len == 0)
		return true;
	if (!log_level_parse(text, &parsed))
		return body_refuse(b, ERR_FIELD_RANGE,
		    "error, warn, info or debug; null for that of the "
		    "settings");
	*level = (int)parsed;
	return true;
}

static bool
read_member(struct body *b, struct span key, struct levels_body *out)
{
	char name[SHOWN_MAX + 1];
	size_t which;
	bool ok;

	if (!parse_name(key, &which))
		return refuse_name(b, key);
	(void)snprintf(name, sizeof(name), "%.*s", SPAN_ARG(key));
	if (out->of[which] != LEVEL_KEPT)
		return body_refusef(b, ERR_FIELD_DUPLICATE,
		    "field '%s': expected it only once", name);
	b->field = name;
	ok = read_level(b, &out->of[which]);
	b->field = NULL;
	return ok;
}

static bool
read_members(struct body *b, struct levels_body *out)
{
	struct span key;
	size_t count = 0;

	if (!scan_object(&b->scan))
		return body_refuse_type(b, "an object");
	for (; scan_key(&b->scan, &key); count++)
		if (!read_member(b, key, out))
			return false;
	return b->scan.err != ERR_OK || count > 0 ||
	       body_refusef(b, ERR_FIELD_MISSING,
		   "the body: expected at least one level to change");
}

enum err
body_read_levels(struct body *b, struct levels_body *out)
{
	for (size_t i = 0; i < COUNT_OF(out->of); i++)
		out->of[i] = LEVEL_KEPT;
	(void)read_members(b, out);
	return body_end(b);
}
