#ifndef SCHEDD_CORE_MEM_H
#define SCHEDD_CORE_MEM_H

/*
 * Small fixed allocations and assertions. xcalloc and its relatives abort
 * when memory ends: use them for sizes that we choose. Whatever a peer can
 * size is bounded by a cap first (core/buf.h, core/arena.h).
 */

#include <stdbool.h>
#include <stddef.h>

/* What cannot be. Always compiled in: prints where and what, then aborts. */
#define ASSERT(x) ((x) ? (void)0 : assert_failed(#x, __FILE__, __LINE__))

#define MUST_CHECK __attribute__((warn_unused_result))
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#endif

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* The struct of the given type whose member is at ptr. */
#define CONTAINER_OF(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

_Noreturn void assert_failed(const char *what, const char *file, int line);

/* Zeroed memory for n items of the given size; aborts when there is none. */
void *xcalloc(size_t n, size_t size);
/* As realloc(3), but aborts when there is none. New bytes are not zeroed. */
void *xrealloc(void *p, size_t n, size_t size);
/* A copy of s on the heap; the caller frees it with free(). */
char *xstrdup(const char *s);
/* A NUL-terminated copy of n bytes at p; the caller frees it with free(). */
char *xmemdupz(const void *p, size_t n);

/*
 * Memory that comes and goes with each request: of pieces whose size is a
 * power of two, from 256 bytes to 64 KiB, some are kept when they are given
 * back, so that a busy server asks the system for none. Not zeroed; NULL
 * when there is none. Under ASan nothing is kept, so that it sees each end.
 */
void *mem_take(size_t n);
/* As realloc(3), for a piece of mem_take or NULL. */
void *mem_retake(void *p, size_t n);
void mem_give(void *p);

/* From now on memory that is given back, here and by core/buf.h and
 * core/arena.h, is overwritten first: it may hold what nobody is to find in
 * this process. */
void mem_wipe_given(void);
bool mem_wipes(void);
/* Overwrites these bytes, if so. */
void mem_wipe(void *p, size_t n);

#endif
