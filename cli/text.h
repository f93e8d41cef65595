#ifndef SCHEDD_CLI_TEXT_H
#define SCHEDD_CLI_TEXT_H

/*
 * Text for people: nothing that a terminal would act on, widths in columns,
 * spans of time, rates. Pure functions.
 */

#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/str.h"

/* s on one line: control characters (also of Unicode, and those that turn
 * the writing direction) and bytes that are no UTF-8 become \n, \x1b,
 * \u{202e}. Everything else, also a backslash, stays. */
void text_add_clean(struct buf *out, struct span s);
/* JSON text as it is, except that such characters become \u escapes (the
 * same document); line breaks between values stay. */
void text_add_json(struct buf *out, struct span json);

/* Columns that clean text takes on a terminal. */
size_t text_width(struct span s);
/* The longest beginning that takes at most so many columns. */
struct span text_cut(struct span s, size_t columns);

/* A span of time in at most two units: 0.2s 12s 5m12s 3h20m 2d4h. */
void text_add_seconds(struct buf *out, double seconds);
/* A short one: 0.21ms 3.4ms 120ms 2.5s. */
void text_add_latency(struct buf *out, double seconds);
/* A time of RFC 3339 as seen from now: "in 5m12s", "3s ago"; "-" for the
 * empty one, anything else as it is. */
void text_add_when(struct buf *out, struct span time, int64_t now_ms);
/* A number of things in at most five columns: 99999, 123k, 1.25M. What is cut
 * off is never rounded up. */
void text_add_count(struct buf *out, uint64_t n);
/* A rate: 0, 0.2, 12.5, 1250. */
void text_add_rate(struct buf *out, double per_second);

#endif
