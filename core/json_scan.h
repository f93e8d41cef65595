#ifndef SCHEDD_CORE_JSON_SCAN_H
#define SCHEDD_CORE_JSON_SCAN_H

/*
 * A validating JSON scanner that yields spans of its input: no tree, no
 * allocation, one pass. Strict RFC 8259: valid UTF-8 only, no NUL byte, no
 * BOM, no control characters in strings, no lone surrogate escapes, at most
 * 64 levels. Used for the hot bodies, so that payloads pass through
 * untouched.
 *
 *	scan_init(&s, body);
 *	if (scan_object(&s))
 *		while (scan_key(&s, &key))
 *			if (span_is(key, "id"))
 *				ok = scan_string(&s, &id);
 *			else
 *				scan_skip(&s, &raw);
 *	if (scan_end(&s) != ERR_OK) ...
 *
 * After the first error every call returns false and reads nothing, so a
 * caller may check once, at scan_end; s->err, s->at and s->why say what was
 * wrong and where. Each value must be consumed by exactly one call.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"

enum { SCAN_MAX_DEPTH = 64 };

enum scan_type {
	SCAN_NONE, /* end of input or an error */
	SCAN_NULL,
	SCAN_BOOL,
	SCAN_NUMBER,
	SCAN_STRING,
	SCAN_ARRAY,
	SCAN_OBJECT
};

struct scan {
	const char *start, *p, *end;
	enum err err;    /* ERR_OK, BODY_NOT_JSON, _NOT_UTF8, _TOO_DEEP */
	const char *why; /* literal: what was wrong */
	size_t at;       /* byte offset of it */
	unsigned depth;
	uint64_t is_object;  /* one bit a level */
	uint64_t has_member; /* one bit a level: an item came before */
};

void scan_init(struct scan *s, struct span text);

/* The type of the next value, without consuming it. */
enum scan_type scan_peek(struct scan *s);

/* Enter the next value. False when it is not one (then it is NOT consumed
 * and no error is set, so that the caller can report the field). */
bool scan_object(struct scan *s);
bool scan_array(struct scan *s);

/* The next key of the innermost object, raw between its quotes (keys with
 * escapes come out undecoded and so match no known name); its value comes
 * next. False at the closing brace, which is consumed, or on error. */
bool scan_key(struct scan *s, struct span *key);
/* Is there another element in the innermost array? False at the closing
 * bracket, which is consumed, or on error. */
bool scan_item(struct scan *s);

/* Any value, validated; raw is its text without surrounding blanks. */
bool scan_skip(struct scan *s, struct span *raw);
/* A value of that type; false and NOT consumed when it is another type.
 * raw of a string is what stands between the quotes, escapes undecoded. */
bool scan_string(struct scan *s, struct span *raw);
bool scan_number(struct scan *s, struct span *raw);
bool scan_bool(struct scan *s, bool *value);
bool scan_null(struct scan *s);

/* Only blanks may follow the document. Returns s->err. */
enum err scan_end(struct scan *s) MUST_CHECK;

/* Decodes the escapes of a raw string that the scanner accepted into the
 * arena (raw itself when it has none). False past the arena's cap. The
 * result may hold NUL where the text said \u0000. */
bool scan_unescape(struct arena *a, struct span raw, struct span *out);

/* A raw number as whole number >= 0; false for sign, fraction, exponent or
 * more than 2^53. */
bool scan_to_u64(struct span raw, uint64_t *out);

#endif
