#ifndef SCHEDD_CORE_ARENA_H
#define SCHEDD_CORE_ARENA_H

/*
 * Memory that ends together: a chain of blocks owned by one object (mostly a
 * request). Nothing in it is freed by hand.
 */

#include <stddef.h>

#include "core/str.h"

struct arena;

/* max bounds the bytes handed out until the next reset. */
struct arena *arena_new(size_t max);
void arena_free(struct arena *a);
/* Forgets everything; keeps the first block for the next use. */
void arena_reset(struct arena *a);

/* Zeroed, aligned for any type. NULL past the cap: only sizes that a peer
 * chose can get there, so only those callers check. */
void *arena_alloc(struct arena *a, size_t n);
/* Copies; the text copies end in NUL. NULL past the cap. */
char *arena_dup(struct arena *a, struct span s);
char *arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
