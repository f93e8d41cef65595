/* Allocation that cannot fail, and assertions that are always on. */

#include "core/mem.h"

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
