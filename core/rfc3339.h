#ifndef SCHEDD_CORE_RFC3339_H
#define SCHEDD_CORE_RFC3339_H

/* Points in time as text: 2026-01-02T03:04:05.678Z. Pure functions. */

#include <stdbool.h>
#include <stdint.h>

#include "core/mem.h"
#include "core/str.h"

enum { RFC3339_LEN = 24 };

/*
 * Reads a date and time of RFC 3339: "T" and "Z" in either case, an optional
 * fraction (what is finer than a millisecond is cut), an offset or Z, years
 * 0000 to 9999, a leap second as the first of the next minute. False for
 * anything else, also for days that no calendar has.
 */
bool rfc3339_parse(struct span text, int64_t *ms) MUST_CHECK;

/* Writes RFC3339_LEN characters and a NUL: UTC with milliseconds. A time
 * outside the years 0000 to 9999 becomes the nearest one inside. */
void rfc3339_print(char dst[RFC3339_LEN + 1], int64_t ms);

#endif
