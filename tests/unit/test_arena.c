/* The arena: alignment, zeroes, the cap, reuse. */

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/arena.h"

static bool
is_filled(const char *p, char c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != c)
			return false;
	return true;
}

/* Pieces of many sizes are aligned, zeroed, and do not touch each other. */
static void
test_pieces(void **state)
{
	enum { COUNT = 2000 };
	static char *pieces[COUNT];
	struct arena *a = arena_new(SIZE_MAX);

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < COUNT; i++) {
			size_t n = i * i % 777;

			pieces[i] = arena_alloc(a, n);
			assert_non_null(pieces[i]);
			assert_int_equal(
			    (uintptr_t)pieces[i] % alignof(max_align_t), 0);
			assert_true(is_filled(pieces[i], 0, n));
			memset(pieces[i], (char)(i | 1), n);
			/* An odd address in between. */
			assert_string_equal(arena_dup(a, SPAN("x")), "x");
		}
		for (size_t i = 0; i < COUNT; i++)
			assert_true(
			    is_filled(pieces[i], (char)(i | 1), i * i % 777));
		arena_reset(a);
	}
	arena_free(a);
	arena_free(NULL);
}

static void
test_cap(void **state)
{
	struct arena *a = arena_new(100);

	(void)state;
	assert_null(arena_alloc(a, 101));
	assert_null(arena_alloc(a, SIZE_MAX));
	assert_non_null(arena_alloc(a, 60));
	assert_null(arena_alloc(a, 41));
	assert_non_null(arena_alloc(a, 40));
	assert_non_null(arena_alloc(a, 0));
	assert_null(arena_alloc(a, 1));
	assert_null(arena_dup(a, SPAN("")));
	assert_null(arena_printf(a, "x"));
	arena_reset(a);
	assert_non_null(arena_alloc(a, 100));
	arena_reset(a);
	/* A copy needs one more, for its NUL. */
	assert_null(arena_dup(a, (struct span){(char[100]){0}, 100}));
	assert_non_null(arena_dup(a, (struct span){(char[99]){0}, 99}));
	arena_reset(a);
	assert_null(arena_printf(a, "%100d", 1));
	assert_null(arena_printf(a, "%1000d", 1));
	assert_non_null(arena_printf(a, "%99d", 1));
	arena_free(a);

	a = arena_new(0);
	assert_null(arena_alloc(a, 1));
	assert_null(arena_dup(a, SPAN("")));
	arena_reset(a);
	arena_free(a);
}

static void
test_reset_keeps_first_block(void **state)
{
	struct arena *a = arena_new(SIZE_MAX);
	char *first = arena_alloc(a, 100);

	(void)state;
	for (int i = 0; i < 100; i++)
		arena_alloc(a, 5000);
	for (int i = 0; i < 3; i++) {
		arena_reset(a);
		assert_ptr_equal(arena_alloc(a, 100), first);
	}
	arena_free(a);
}

static void
test_large_pieces(void **state)
{
	struct arena *a = arena_new(SIZE_MAX);
	char *small, *large;

	(void)state;
	for (int i = 0; i < 3; i++) {
		large = arena_alloc(a, 1000000);
		assert_true(is_filled(large, 0, 1000000));
		memset(large, 1, 1000000);
		small = arena_alloc(a, 16);
		assert_true(is_filled(small, 0, 16));
		arena_reset(a);
	}
	arena_free(a);
}

static void
test_texts(void **state)
{
	struct arena *a = arena_new(1 << 20);
	char *text;

	(void)state;
	assert_string_equal(arena_dup(a, (struct span){NULL, 0}), "");
	assert_string_equal(arena_dup(a, (struct span){"abcdef", 3}), "abc");
	assert_memory_equal(arena_dup(a, SPAN("a\0b")), "a\0b", 4);
	assert_string_equal(arena_printf(a, "%s-%d", "id", 7), "id-7");
	for (int n = 505; n < 520; n++) {
		text = arena_printf(a, "%*d", n, 1);
		assert_int_equal(strlen(text), n);
		assert_int_equal(text[n - 1], '1');
	}
	assert_int_equal(strlen(arena_printf(a, "%100000d", 1)), 100000);
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pieces),
	    cmocka_unit_test(test_cap),
	    cmocka_unit_test(test_reset_keeps_first_block),
	    cmocka_unit_test(test_large_pieces),
	    cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
