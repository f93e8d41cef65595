/*
 * Counts the allocations of the program it is preloaded into, for
 * test_allocations.py. The counts lie in the file that ALLOC_COUNT_FILE
 * names, mapped shared, so that the test reads them while the program runs.
 * Beside them: who allocated, the last ones, for the test's complaint.
 * Programs that are started from there are left alone.
 */

#define _GNU_SOURCE /* unsetenv */

#include <execinfo.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CALLERS = 512, DEPTH = 8 };

/* The file; test_allocations.py knows the layout. */
struct counts {
	uint64_t wants_callers; /* written by the test */
	uint64_t made;          /* malloc, calloc, realloc and their like */
	uint64_t freed;
	uint64_t callers[CALLERS][DEPTH];
};

/* glibc's own, below the names that are taken here. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *p);

static struct counts nowhere;
static struct counts *counts = &nowhere;
static bool is_tracing;

static void
count_made(void)
{
	void *frames[DEPTH + 2] = {0};
	uint64_t *caller;

	counts->made++;
	if (counts->wants_callers == 0 || is_tracing)
		return;
	is_tracing = true;
	backtrace(frames, DEPTH + 2);
	is_tracing = false;
	caller = counts->callers[counts->made % CALLERS];
	for (int i = 0; i < DEPTH; i++)
		caller[i] = (uint64_t)(uintptr_t)frames[i + 2];
}

void *
malloc(size_t size)
{
	count_made();
	return __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	count_made();
	return __libc_calloc(n, size);
}

void *
realloc(void *p, size_t size)
{
	count_made();
	return __libc_realloc(p, size);
}

void *
aligned_alloc(size_t align, size_t size)
{
	count_made();
	return __libc_memalign(align, size);
}

int
posix_memalign(void **p, size_t align, size_t size)
{
	count_made();
	*p = __libc_memalign(align, size);
	return *p == NULL ? 12 : 0;
}

void
free(void *p)
{
	if (p != NULL)
		counts->freed++;
	__libc_free(p);
}

__attribute__((constructor)) static void
counts_open(void)
{
	const char *path = getenv("ALLOC_COUNT_FILE");
	void *frames[1];
	void *at;
	int fd;

	unsetenv("LD_PRELOAD");
	if (path == NULL || (fd = open(path, O_RDWR | O_CLOEXEC)) < 0)
		return;
	/* Its first call loads a library. */
	backtrace(frames, 1);
	at = mmap(
	    NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (at != MAP_FAILED)
		counts = at;
}
