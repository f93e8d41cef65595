#ifndef SCHEDD_CORE_BUF_H
#define SCHEDD_CORE_BUF_H

/*
 * A growing byte buffer with a cap. Growing past the cap (or running out of
 * memory) sets failed, drops what was added since and makes every further
 * add a no-op, so that a builder checks once, at its end.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

struct buf {
	char *data; /* not NUL-terminated; NULL while nothing was added */
	size_t len;
	size_t cap; /* allocated */
	size_t max; /* may never hold more than this */
	bool failed;
};

/* Inside memory the caller owns; nothing is allocated yet. */
void buf_init(struct buf *b, size_t max);
/* Frees the bytes; the buffer can be used again (same max). */
void buf_clear(struct buf *b);
/* Empties but keeps the memory, unless it is larger than keep bytes. */
void buf_reset(struct buf *b, size_t keep);
/* Makes room for n more bytes. False (and failed set) past the cap. */
bool buf_reserve(struct buf *b, size_t n);

void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_span(struct buf *b, struct span s);
void buf_add_char(struct buf *b, char c);
void buf_add_u64(struct buf *b, uint64_t n);
void buf_add_i64(struct buf *b, int64_t n);
/* In the header so that the length of a literal is known when compiled. */
static inline void
buf_add_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}
void buf_addf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A JSON string with its quotes: escapes ", \ and control characters; other
 * bytes go through as they are (callers hold valid UTF-8; bytes that are not
 * become U+FFFD, so that the answer always is). */
void buf_add_json(struct buf *b, struct span s);

/* What was built, borrowed until the buffer changes. */
struct span buf_span(const struct buf *b);

#endif
