/* The error table: numbers, texts, and the way back from a number. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"

/* The table's numbers in its order. */
static const int numbers[] = {
#define E(num, name, http, text) num,
#include "core/err.def"
#undef E
};

static void
test_numbers_are_sorted_and_unique(void **state)
{
	(void)state;
	assert_int_equal(COUNT_OF(numbers), ERR_COUNT - 1);
	for (size_t i = 1; i < COUNT_OF(numbers); i++) {
		if (numbers[i] <= numbers[i - 1])
			fail_msg(
			    "%d stands behind %d", numbers[i], numbers[i - 1]);
	}
}

static void
test_each_has_its_advice(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	for (int e = ERR_OK + 1; e < ERR_COUNT; e++) {
		buf_reset(&out, 4096);
		err_add_advice(&out, (enum err)e);
		assert_in_range(out.len, 10, 1000);
		assert_null(memchr(out.data, '\n', out.len));
		assert_null(memchr(out.data, '[', out.len));
		assert_int_not_equal(out.data[0], ' ');
		assert_int_not_equal(out.data[out.len - 1], '|');
	}
	buf_clear(&out);
}

static void
assert_advice(enum err e, const char *want)
{
	struct buf out;

	buf_init(&out, 4096);
	err_add_advice(&out, e);
	buf_add_char(&out, '\0');
	assert_string_equal(out.data, want);
	buf_clear(&out);
}

static void
test_links_of_advice(void **state)
{
	(void)state;
	assert_advice(ERR_TOKEN_UNKNOWN, "`schedctl token ls` lists them.");
	assert_advice(ERR_ROUTE_UNKNOWN, "Check the path with api.md.");
	assert_advice(ERR_TOKEN_MISSING,
	    "Send `Authorization: Bearer TOKEN`. Operator: "
	    "operations.md#access says how tokens are made.");
	assert_advice(ERR_OK, "");
}

static void
test_no_number_reads_as_a_status(void **state)
{
	static const int STATUSES[] = {400, 401, 402, 403, 404, 405, 409, 413,
	    429, 500, 501, 502, 503, 504};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(STATUSES); i++)
		assert_int_equal(err_by_number(STATUSES[i]), ERR_OK);
}

static void
test_each_has_its_info(void **state)
{
	(void)state;
	for (int e = ERR_OK + 1; e < ERR_COUNT; e++) {
		const struct err_info *info = err_info((enum err)e);

		assert_true(strlen(info->name) > 0);
		assert_true(strlen(info->text) > 0);
		assert_in_range(info->http, 400, 599);
		assert_int_equal(info->number, numbers[e - 1]);
		assert_int_equal(err_by_number(info->number), e);
	}
}

static void
test_numbers_that_operators_know(void **state)
{
	(void)state;
	assert_int_equal(err_by_number(0), ERR_JANITOR_CLEANUP);
	assert_int_equal(err_by_number(101), ERR_REDIS_DOWN);
	assert_int_equal(err_by_number(105), ERR_TAKE);
	assert_int_equal(err_by_number(107), ERR_REPORT_FAILED);
	assert_int_equal(err_by_number(999), ERR_BUG);
}

static void
test_what_is_not_there(void **state)
{
	(void)state;
	assert_int_equal(err_by_number(-1), ERR_OK);
	assert_int_equal(err_by_number(1000), ERR_OK);
	assert_int_equal(err_by_number(998), ERR_OK);
	assert_string_equal(err_info(ERR_COUNT)->name, "BUG");
	assert_string_equal(err_info((enum err) - 1)->name, "BUG");
	assert_string_equal(err_info(ERR_OK)->name, "OK");
}

static void
test_what_may_be_sent_again(void **state)
{
	(void)state;
	assert_true(err_is_retryable(ERR_REDIS_DOWN));
	assert_true(err_is_retryable(ERR_STORE_UNKNOWN));
	assert_true(err_is_retryable(ERR_QUEUE_FULL));
	assert_true(err_is_retryable(ERR_SHUTTING_DOWN));
	assert_false(err_is_retryable(ERR_OK));
	assert_false(err_is_retryable(ERR_BODY_NOT_JSON));
	assert_false(err_is_retryable(ERR_LEASE_LOST));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_numbers_are_sorted_and_unique),
	    cmocka_unit_test(test_each_has_its_advice),
	    cmocka_unit_test(test_links_of_advice),
	    cmocka_unit_test(test_no_number_reads_as_a_status),
	    cmocka_unit_test(test_each_has_its_info),
	    cmocka_unit_test(test_numbers_that_operators_know),
	    cmocka_unit_test(test_what_is_not_there),
	    cmocka_unit_test(test_what_may_be_sent_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
