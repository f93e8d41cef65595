/* Connections counted by address. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/mem.h"
#include "http/peers.h"

/* Two addresses of clients, and whether they count as one. */
static const struct {
	const char *one, *other;
	bool same;
} pairs[] = {
    {"10.0.0.1:1", "10.0.0.1:65535", true},
    {"10.0.0.1:1", "10.0.0.2:1", false},
    {"10.0.0.1:1", "10.0.0.11:1", false},
    {"unix:uid=0", "unix:uid=0", true},
    {"unix:uid=0", "unix:uid=1000", false},
    {"unix:uid=1", "unix:uid=10", false},
    {"[::1]:1", "[::1]:2", true},
    {"[2001:db8::1]:1", "[2001:db8::ffff:1]:1", true},
    {"[2001:db8::1]:1", "[2001:db8:0:0:1:2:3:4]:1", true},
    {"[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false},
    {"[::ffff:10.0.0.1]:1", "[::ffff:10.0.0.1]:2", true},
    {"[::ffff:10.0.0.1]:1", "[::ffff:10.0.0.2]:1", false},
};

static void
test_who_is_one(void **state)
{
	struct peers *ps = peers_new();
	struct peer *p;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		p = peers_join(ps, pairs[i].one);
		if ((peers_count(ps, pairs[i].other) == 1) != pairs[i].same)
			fail_msg("%s, %s", pairs[i].one, pairs[i].other);
		assert_int_equal(peers_count(ps, pairs[i].one), 1);
		peer_leave(p);
		assert_int_equal(peers_count(ps, pairs[i].one), 0);
	}
	peers_free(ps);
	peers_free(NULL);
}

static void
test_many(void **state)
{
	enum { ADDRS = 3000, EACH = 3 };
	static struct peer *all[ADDRS * EACH];
	struct peers *ps = peers_new();
	char addr[32];

	(void)state;
	for (int i = 0; i < ADDRS * EACH; i++) {
		snprintf(addr, sizeof(addr), "10.0.%d.%d:%d", i % ADDRS / 200,
		    i % ADDRS % 200, i);
		assert_int_equal(peers_count(ps, addr), i / ADDRS);
		all[i] = peers_join(ps, addr);
	}
	for (int i = 0; i < ADDRS * EACH; i++)
		peer_leave(all[i]);
	peers_free(ps);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_who_is_one),
	    cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
