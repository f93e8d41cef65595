/* core/mem: pieces that are kept stay apart and keep their bytes. */

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/mem.h"

enum { PIECES = 1000 };

/* Every byte of every piece is its own, also of those that come again. */
static void
test_pieces_are_apart(void **state)
{
	static const size_t sizes[] = {1, 255, 256, 300, 4096, 65536, 100000};
	static unsigned char *pieces[COUNT_OF(sizes)][3];

	(void)state;
	for (int turn = 0; turn < 3; turn++) {
		for (size_t i = 0; i < COUNT_OF(sizes); i++)
			for (int j = 0; j < 3; j++) {
				unsigned char *p = mem_take(sizes[i]);

				assert_non_null(p);
				assert_int_equal(
				    (uintptr_t)p % alignof(max_align_t), 0);
				memset(p, (int)(3 * i) + j, sizes[i]);
				pieces[i][j] = p;
			}
		for (size_t i = 0; i < COUNT_OF(sizes); i++)
			for (int j = 0; j < 3; j++) {
				unsigned char *p = pieces[i][j];

				for (size_t at = 0; at < sizes[i]; at++)
					assert_int_equal(
					    p[at], (int)(3 * i) + j);
				mem_give(p);
			}
	}
}

static void
test_retake_keeps_bytes(void **state)
{
	char *p = mem_retake(NULL, 3);

	(void)state;
	assert_non_null(p);
	memcpy(p, "ab", 3);
	for (size_t n = 4; n < 300000; n *= 3) {
		p = mem_retake(p, n);
		assert_non_null(p);
		assert_string_equal(p, "ab");
	}
	p = mem_retake(p, 3);
	assert_string_equal(p, "ab");
	mem_give(p);
	mem_give(NULL);
}

/* More than is kept goes back to the system; ASan would tell a leak. */
static void
test_many_pieces(void **state)
{
	static void *pieces[PIECES];

	(void)state;
	for (int i = 0; i < PIECES; i++) {
		pieces[i] = mem_take(16384);
		assert_non_null(pieces[i]);
	}
	for (int i = 0; i < PIECES; i++)
		mem_give(pieces[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pieces_are_apart),
	    cmocka_unit_test(test_retake_keeps_bytes),
	    cmocka_unit_test(test_many_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
