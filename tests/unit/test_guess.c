/* Who guesses too much: budgets, growing pauses, a table of a fixed size. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/mem.h"
#include "http/guess.h"

static const int64_t SECOND = 1000000, START = 1000 * 1000000ll;
static const struct span KEY = {"192.0.2.1", 9};

/* Tries until it is not looked at; how often it was. */
static unsigned
guess_until_blocked(struct guesses *g, struct span key, int64_t now)
{
	unsigned n = 0;

	for (; guesses_wait_s(g, 'a', key, now) == 0; n++)
		guesses_failed(g, 'a', key, now);
	return n;
}

static void
test_budget_and_pauses(void **state)
{
	static const uint64_t pauses_s[] = {60, 120, 240, 480, 900, 900, 900};
	struct guesses *g = guesses_new();
	int64_t now = START;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(pauses_s); i++) {
		assert_int_equal(guess_until_blocked(g, KEY, now), 5);
		assert_int_equal(guesses_wait_s(g, 'a', KEY, now), pauses_s[i]);
		now += (int64_t)pauses_s[i] * SECOND;
		assert_int_equal(guesses_wait_s(g, 'a', KEY, now - 1), 1);
	}
	guesses_free(g);
}

/* Ten thousand guesses as fast as they come, and over an hour. */
static void
test_ten_thousand(void **state)
{
	struct guesses *g = guesses_new();
	unsigned fast = 0, slow = 0;

	(void)state;
	for (int i = 0; i < 10000; i++)
		if (guesses_wait_s(g, 'a', KEY, START + i * 1000) == 0) {
			guesses_failed(g, 'a', KEY, START + i * 1000);
			fast++;
		}
	assert_int_equal(fast, 5);
	for (int64_t i = 0; i < 10000; i++) {
		int64_t now = START + 3600 * SECOND + i * 360000;

		if (guesses_wait_s(g, 'a', KEY, now) == 0) {
			guesses_failed(g, 'a', KEY, now);
			slow++;
		}
	}
	assert_in_range(slow, 10, 40);
	guesses_free(g);
}

static void
test_few_failures_are_forgiven(void **state)
{
	struct guesses *g = guesses_new();
	int64_t now = START;

	(void)state;
	for (int minute = 0; minute < 100; minute++, now += 61 * SECOND)
		for (int i = 0; i < 4; i++) {
			assert_int_equal(guesses_wait_s(g, 'a', KEY, now), 0);
			guesses_failed(g, 'a', KEY, now);
		}
	assert_int_equal(guess_until_blocked(g, KEY, now), 5);
	/* A quarter of an hour of quiet, and it begins anew. */
	now += (60 + 900) * SECOND;
	assert_int_equal(guess_until_blocked(g, KEY, now), 5);
	assert_int_equal(guesses_wait_s(g, 'a', KEY, now), 60);
	guesses_free(g);
}

static void
test_keys_are_apart(void **state)
{
	struct guesses *g = guesses_new();

	(void)state;
	guess_until_blocked(g, KEY, START);
	assert_int_equal(guesses_wait_s(g, 't', KEY, START), 0);
	assert_int_equal(guesses_wait_s(g, 'a', SPAN("192.0.2.2"), START), 0);
	assert_int_equal(guesses_wait_s(g, 'a', SPAN("192.0.2."), START), 0);
	guesses_free(g);
}

/* A million addresses: no byte more, and the last ones are still held to
 * their budget. */
static void
test_a_million_addresses(void **state)
{
	struct guesses *g = guesses_new();
	unsigned held = 0;
	char text[16];

	(void)state;
	assert_in_range(guesses_bytes(g), 1, 1 << 20);
	for (int i = 0; i < 1000000; i++) {
		int len = snprintf(text, sizeof(text), "10.%d.%d.%d",
		    i >> 16 & 255, i >> 8 & 255, i & 255);

		for (int n = 0; n < (i < 995000 ? 1 : 5); n++)
			guesses_failed(g, 'a', (struct span){text, (size_t)len},
			    START + i);
	}
	for (int i = 999000; i < 1000000; i++) {
		int len = snprintf(text, sizeof(text), "10.%d.%d.%d",
		    i >> 16 & 255, i >> 8 & 255, i & 255);

		held += guesses_wait_s(g, 'a', (struct span){text, (size_t)len},
			    START + 1000000) > 0;
	}
	assert_in_range(held, 900, 1000);
	guesses_free(g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_budget_and_pauses),
	    cmocka_unit_test(test_ten_thousand),
	    cmocka_unit_test(test_few_failures_are_forgiven),
	    cmocka_unit_test(test_keys_are_apart),
	    cmocka_unit_test(test_a_million_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
