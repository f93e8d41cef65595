/* Allocation that cannot fail, pieces that are kept for the next request, and
 * assertions that are always on. */

#define _GNU_SOURCE /* explicit_bzero */

#include "core/mem.h"

#include <malloc.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void
assert_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "assertion failed: %s at %s:%d\n", what, file, line);
	abort();
}

void *
xcalloc(size_t n, size_t size)
{
	void *p = calloc(n == 0 ? 1 : n, size == 0 ? 1 : size);

	if (p == NULL)
		assert_failed("out of memory", __FILE__, __LINE__);
	return p;
}

void *
xrealloc(void *p, size_t n, size_t size)
{
	void *q;

	ASSERT(size == 0 || n <= SIZE_MAX / size);
	q = realloc(p, n * size == 0 ? 1 : n * size);
	if (q == NULL)
		assert_failed("out of memory", __FILE__, __LINE__);
	return q;
}

char *
xstrdup(const char *s)
{
	return xmemdupz(s, strlen(s));
}

char *
xmemdupz(const void *p, size_t n)
{
	char *copy = xcalloc(n + 1, 1);

	if (n > 0)
		memcpy(copy, p, n);
	return copy;
}

/* ---- pieces that are kept --------------------------------------------- */

static bool wipes;

void
mem_wipe_given(void)
{
	wipes = true;
}

bool
mem_wipes(void)
{
	return wipes;
}

void
mem_wipe(void *p, size_t n)
{
	if (wipes && n > 0)
		explicit_bzero(p, n);
}

#ifdef UNDER_ASAN

void *
mem_take(size_t n)
{
	return malloc(n);
}

void *
mem_retake(void *p, size_t n)
{
	size_t size = p == NULL ? 0 : malloc_usable_size(p);
	void *q;

	if (!wipes)
		return realloc(p, n);
	q = malloc(n);
	if (q == NULL)
		return NULL;
	if (size > 0)
		memcpy(q, p, size < n ? size : n);
	mem_give(p);
	return q;
}

void
mem_give(void *p)
{
	if (p != NULL)
		mem_wipe(p, malloc_usable_size(p));
	free(p);
}

#else

enum {
	KEPT_LEAST = 256,
	KEPT_CLASSES = 9,            /* powers of two up to 64 KiB */
	KEPT_BYTES = 4 * 1024 * 1024 /* of all of them together */
};

/* In front of each piece. */
struct piece {
	size_t size;
	struct piece *next; /* while it is kept */
};

_Static_assert(sizeof(struct piece) % alignof(max_align_t) == 0,
    "what follows must be aligned for any type");

static struct piece *kept[KEPT_CLASSES];
static size_t kept_bytes;

/* The class of pieces of n bytes, or KEPT_CLASSES: those are not kept. */
static unsigned
class_of(size_t n)
{
	unsigned c = 0;

	while (c < KEPT_CLASSES && (size_t)KEPT_LEAST << c != n)
		c++;
	return c;
}

void *
mem_take(size_t n)
{
	unsigned c = class_of(n);
	struct piece *piece;

	if (c < KEPT_CLASSES && kept[c] != NULL) {
		piece = kept[c];
		kept[c] = piece->next;
		kept_bytes -= piece->size;
		return piece + 1;
	}
	if (n > SIZE_MAX - sizeof(*piece))
		return NULL;
	piece = malloc(sizeof(*piece) + n);
	if (piece == NULL)
		return NULL;
	piece->size = n;
	return piece + 1;
}

void
mem_give(void *p)
{
	struct piece *piece = p;
	unsigned c;

	if (p == NULL)
		return;
	piece--;
	mem_wipe(p, piece->size);
	c = class_of(piece->size);
	if (c == KEPT_CLASSES || kept_bytes + piece->size > KEPT_BYTES) {
		free(piece);
		return;
	}
	piece->next = kept[c];
	kept[c] = piece;
	kept_bytes += piece->size;
}

void *
mem_retake(void *p, size_t n)
{
	size_t size = p == NULL ? 0 : ((struct piece *)p - 1)->size;
	void *q;

	if (p != NULL && n <= size)
		return p;
	q = mem_take(n);
	if (q == NULL)
		return NULL;
	if (size > 0)
		memcpy(q, p, size);
	mem_give(p);
	return q;
}

#endif
