/*
 * Memory that ends together. Blocks are handed out from front to back; the
 * newest block is the only one with room that is still used. Under ASan what
 * was not handed out is poisoned, with a gap behind each piece.
 */

#include "core/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

#ifdef UNDER_ASAN
#include <sanitizer/asan_interface.h>
enum { GAP = 8 };
#define POISON(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
enum { GAP = 0 };
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

enum {
	BLOCK_FIRST = 4096,
	BLOCK_MAX = 64 * 1024, /* larger only for a single larger piece */
	ALIGN = alignof(max_align_t)
};

struct block {
	struct block *prev;
	size_t size; /* bytes at data */
	size_t used;
	alignas(max_align_t) char data[];
};

struct arena {
	struct block *newest;
	size_t next_size; /* of the next block, its head included */
	size_t max;
	size_t handed_out;
};

struct arena *
arena_new(size_t max)
{
	struct arena *a = xcalloc(1, sizeof(*a));

	/* So that adding the heads of blocks cannot overflow. */
	a->max = max < SIZE_MAX / 2 ? max : SIZE_MAX / 2;
	a->next_size = BLOCK_FIRST;
	return a;
}

static void
block_free(struct block *b)
{
	UNPOISON(b->data, b->size);
	mem_give(b);
}

/* Of a block that is kept; mem_give does it for the others. */
static void
block_wipe(struct block *b)
{
	UNPOISON(b->data, b->used);
	mem_wipe(b->data, b->used);
}

void
arena_free(struct arena *a)
{
	struct block *b, *prev;

	if (a == NULL)
		return;
	for (b = a->newest; b != NULL; b = prev) {
		prev = b->prev;
		block_free(b);
	}
	free(a);
}

void
arena_reset(struct arena *a)
{
	struct block *b = a->newest;

	a->handed_out = 0;
	if (b == NULL)
		return;
	while (b->prev != NULL) {
		struct block *prev = b->prev;

		block_free(b);
		b = prev;
	}
	/* A first block made for one large piece is not worth keeping. */
	if (b->size > BLOCK_FIRST) {
		block_free(b);
		b = NULL;
	} else {
		block_wipe(b);
		b->used = 0;
		POISON(b->data, b->size);
	}
	a->newest = b;
	a->next_size = b == NULL ? BLOCK_FIRST : 2 * BLOCK_FIRST;
}

/* A new block with room for n bytes; NULL when memory ends and n is large. */
static struct block *
block_new(struct arena *a, size_t n)
{
	size_t size;
	struct block *b;

	/* Powers of two as far as possible: mem_give keeps those. */
	while (a->next_size - sizeof(*b) < n && a->next_size < BLOCK_MAX)
		a->next_size *= 2;
	size = a->next_size - sizeof(*b);
	if (size < n)
		size = n;
	b = mem_take(sizeof(*b) + size);
	ASSERT(b != NULL || n > BLOCK_MAX);
	if (b == NULL)
		return NULL;
	b->size = size;
	b->used = 0;
	b->prev = a->newest;
	a->newest = b;
	if (a->next_size < BLOCK_MAX)
		a->next_size *= 2;
	POISON(b->data, b->size);
	return b;
}

/* n bytes, not zeroed, whose offset is a multiple of align. */
static void *
arena_take(struct arena *a, size_t n, size_t align)
{
	struct block *b = a->newest;
	size_t at;
	char *p;

	if (n > a->max - a->handed_out)
		return NULL;
	at = b == NULL ? 0 : (b->used + align - 1) / align * align;
	if (b == NULL || at > b->size || n + GAP > b->size - at) {
		b = block_new(a, n + GAP);
		if (b == NULL)
			return NULL;
		at = 0;
	}
	p = b->data + at;
	b->used = at + n + GAP;
	a->handed_out += n;
	UNPOISON(p, n);
	return p;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	void *p = arena_take(a, n, ALIGN);

	if (p != NULL)
		memset(p, 0, n);
	return p;
}

char *
arena_dup(struct arena *a, struct span s)
{
	char *p;

	if (s.len >= a->max)
		return NULL;
	p = arena_take(a, s.len + 1, 1);
	if (p == NULL)
		return NULL;
	if (s.len > 0)
		memcpy(p, s.p, s.len);
	p[s.len] = '\0';
	return p;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	char small[512];
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	ASSERT(n >= 0);
	if ((size_t)n < sizeof(small))
		return arena_dup(a, (struct span){small, (size_t)n});
	p = arena_take(a, (size_t)n + 1, 1);
	if (p == NULL)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}
