/* Made ids, and the clock they are made from. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/id.h"
#include "core/str.h"

static int64_t
time_of_id(const char *id)
{
	static const char alphabet[] = "0123456789abcdefghijklmnopqrstuv";
	int64_t ms = 0;

	for (int i = 0; i < 9; i++)
		ms = ms * 32 + (strchr(alphabet, id[i]) - alphabet);
	return ms;
}

/* Runs first: the clock was never refreshed. */
static void
test_clock_before_refresh(void **state)
{
	int64_t wall = (int64_t)time(NULL) * 1000;

	(void)state;
	assert_true(llabs(clock_now_ms() - wall) < 5000);
	assert_true(clock_mono_us() > 0);
	assert_true(clock_mono_us() <= clock_mono_us_fresh());
}

static void
test_clock_stands_within_a_turn(void **state)
{
	int64_t wall, mono, fresh;

	(void)state;
	clock_refresh();
	wall = clock_now_ms();
	mono = clock_mono_us();
	do
		fresh = clock_mono_us_fresh();
	while (fresh < mono + 3000);
	assert_true(clock_now_ms() == wall && clock_mono_us() == mono);
	clock_refresh();
	assert_true(clock_mono_us() >= fresh);
	assert_true(clock_now_ms() > wall);
}

static void
test_clock_offset(void **state)
{
	int64_t wall = clock_now_ms(), mono = clock_mono_us();

	(void)state;
	clock_set_offset_ms(-5000);
	assert_true(clock_offset_ms() == -5000);
	assert_true(clock_now_ms() == wall - 5000);
	assert_true(clock_mono_us() == mono);
	clock_set_offset_ms(0);
	assert_true(clock_now_ms() == wall);
}

static void
test_shape(void **state)
{
	char id[ID_MADE_LEN + 1];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		clock_refresh();
		id_make(id);
		assert_int_equal(strlen(id), ID_MADE_LEN);
		assert_int_equal(strspn(id, "0123456789abcdefghijklmnopqrstuv"),
		    ID_MADE_LEN);
		assert_true(id_is_valid(span_of(id)));
		assert_true(name_is_valid(span_of(id)));
		assert_true(time_of_id(id) == clock_now_ms());
	}
}

/* Also within a millisecond, and when the clock is set back. */
static void
test_order(void **state)
{
	char last[ID_MADE_LEN + 1] = "", id[ID_MADE_LEN + 1];
	int64_t offset = 0;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		if (i % 100 == 0)
			clock_refresh();
		if (i % 1000 == 0)
			offset += i / 1000 % 3 == 0 ? -3600000 : 1000;
		clock_set_offset_ms(offset);
		id_make(id);
		assert_true(strcmp(last, id) < 0);
		memcpy(last, id, sizeof(last));
	}
	clock_set_offset_ms(0);
}

/* Far ahead, so that each id begins a new millisecond: the tail is drawn
 * anew, and never twice the same. */
static void
test_tail_is_random(void **state)
{
	char last[ID_MADE_LEN + 1] = "", id[ID_MADE_LEN + 1];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		clock_set_offset_ms(INT64_C(1000000000000) + INT64_C(1000) * i);
		id_make(id);
		assert_string_not_equal(id + 9, last + (i == 0 ? 0 : 9));
		memcpy(last, id, sizeof(last));
	}
	clock_set_offset_ms(0);
}

/* Each of the 64 bits is drawn both ways. */
static void
test_random(void **state)
{
	unsigned long long zeros = 0, ones = 0;

	(void)state;
	for (int i = 0; i < 200; i++) {
		unsigned long long bits = id_random();

		ones |= bits;
		zeros |= ~bits;
	}
	assert_true(ones == UINT64_MAX && zeros == UINT64_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clock_before_refresh),
	    cmocka_unit_test(test_clock_stands_within_a_turn),
	    cmocka_unit_test(test_clock_offset),
	    cmocka_unit_test(test_shape),
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_tail_is_random),
	    cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
