#ifndef SCHEDD_CORE_JSON_H
#define SCHEDD_CORE_JSON_H

/*
 * Cold JSON (cJSON behind typed getters; json.c is the only file that
 * includes it). The text is validated by the scanner first, so what cJSON
 * lets pass (BOM, raw control characters, trailing garbage) is refused.
 * \u0000 reads as U+FFFD, since strings here end at a NUL. Numbers keep their
 * text, so that 64-bit integers are exact and print as they came.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"

struct json; /* a value; borrowed from its document */

/* NULL with *err and *why (a literal or "" ) when the text is not valid. */
struct json *json_parse(struct span text, enum err *err, const char **why);
void json_free(struct json *doc);

bool json_is_object(const struct json *v);
bool json_is_array(const struct json *v);
bool json_is_string(const struct json *v);
bool json_is_number(const struct json *v);
bool json_is_bool(const struct json *v);
bool json_is_null(const struct json *v);

/* The member of that name (case matters), NULL when there is none. */
const struct json *json_get(const struct json *object, const char *name);
/* First child of an object or array, then the next one; NULL at the end. */
const struct json *json_first(const struct json *v);
const struct json *json_next(const struct json *v);
/* The name under which a member stands in its object. */
const char *json_name(const struct json *member);
size_t json_count(const struct json *v);

/* Typed reads: false when v is NULL, of another type, or not whole / not in
 * the range of the result. */
bool json_string(const struct json *v, struct span *out);
bool json_u64(const struct json *v, uint64_t *out);
bool json_i64(const struct json *v, int64_t *out);
bool json_double(const struct json *v, double *out);
bool json_bool(const struct json *v, bool *out);
/* Shorthand for json_x(json_get(object, name), out). */
bool json_get_string(
    const struct json *object, const char *name, struct span *out);
bool json_get_u64(const struct json *object, const char *name, uint64_t *out);
bool json_get_bool(const struct json *object, const char *name, bool *out);

/* The value as text, indented for people when pretty; the caller frees. */
char *json_print(const struct json *v, bool pretty);

#endif
