#ifndef SCHEDD_CORE_STR_H
#define SCHEDD_CORE_STR_H

/*
 * Spans (borrowed pieces of text that need not end in NUL), the rules for
 * names and ids, numbers and durations as text, globs.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/mem.h"

struct span {
	const char *p;
	size_t len;
};

#define SPAN(lit) ((struct span){"" lit, sizeof(lit) - 1})

/* printf helpers: printf("%.*s", SPAN_ARG(s)). */
#define SPAN_ARG(s) (int)(s).len, (s).p

/* In the header so that the length of a literal is known when compiled. */
static inline struct span
span_of(const char *s)
{
	return (struct span){s, strlen(s)};
}

static inline bool
span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static inline bool
span_is(struct span a, const char *s)
{
	return span_eq(a, span_of(s));
}

enum {
	NAME_MAX_LEN = 64, /* queue and worker names */
	ID_MAX_LEN = 255   /* task ids */
};

/* 1-64 of A-Za-z0-9._:@- (DESIGN 5.2). */
bool name_is_valid(struct span s);
/* 1-255 printable ASCII characters without space (DESIGN 5.2). */
bool id_is_valid(struct span s);

/* A whole decimal number without sign, spaces or leading zeros beyond "0". */
bool str_to_u64(struct span s, uint64_t *out) MUST_CHECK;
/* A span of time with unit: 250ms 10s 5m 1h 7d; a bare number is seconds.
 * The result is in milliseconds. */
bool str_to_ms(struct span s, uint64_t *out) MUST_CHECK;
/* A size with unit: 64KiB 16M 1GiB 100B; a bare number is bytes; powers of
 * 1024 throughout. */
bool str_to_bytes(struct span s, uint64_t *out) MUST_CHECK;
/* The largest unit that divides the value, as in 90s 1h 64KiB 1000B; what
 * str_to_ms / str_to_bytes read back. */
void str_from_ms(char *dst, size_t size, uint64_t ms);
void str_from_bytes(char *dst, size_t size, uint64_t bytes);

/* Valid UTF-8 per RFC 3629 (no surrogates, no overlong forms). */
bool utf8_is_valid(const char *p, size_t len);
/* Bytes of the valid UTF-8 sequence at p (1-4), 0 when there is none. */
size_t utf8_seq_len(const char *p, const char *end);
/* How many bytes from p on stand for themselves in a JSON string: ASCII, but
 * no control character, quote or backslash. */
size_t str_plain_len(const char *p, const char *end);
/* How many of them are printable ASCII, the blank included. */
size_t str_printable_len(const char *p, const char *end);

/* Shell-like match of the whole text: * any run, ? any one byte, [a-z] and
 * [^a-z] a class, \ takes the next byte literally (also in a class); as Redis
 * has it in MATCH. Never more than pattern x text steps. */
bool glob_match(struct span pattern, struct span text);
/* Does any of them, with a space between, match? */
bool globs_match(struct span patterns, struct span text);

#endif
