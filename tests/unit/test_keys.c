/* The file with the keys of encrypted columns. */

#define _GNU_SOURCE /* memmem */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/keys.h"
#include "core/secret.h"

static char path[] = "/tmp/test_keys.XXXXXX";
static struct conf conf;
static char none[] = "", id_a[] = "a", id_b[] = "b.2_-x", id_e[] = "e";
static char keys[3][2 * KEY_LEN + 1];
static struct buf why;

static int
set_up(void **state)
{
	unsigned char secret[KEY_LEN];

	(void)state;
	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
	close(mkstemp(path));
	for (int i = 0; i < 3; i++) {
		secret_random(secret, sizeof(secret));
		hex_print(keys[i], secret, sizeof(secret));
	}
	conf.crypt_key_file = path;
	conf.crypt_key = conf.crypt_deterministic_key = none;
	buf_init(&why, 4096);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	keys_clear();
	buf_clear(&why);
	unlink(path);
	return 0;
}

static void
write_file(const char *fmt, ...)
{
	FILE *file = fopen(path, "w");
	va_list ap;

	va_start(ap, fmt);
	vfprintf(file, fmt, ap);
	va_end(ap);
	fclose(file);
	chmod(path, 0600);
}

static void
take(void)
{
	assert_int_equal(keys_prepare(&conf, &why), ERR_OK);
	keys_take(true);
}

/* Nothing of a key may be told. */
static void
refused(const char *words)
{
	buf_reset(&why, 4096);
	assert_int_equal(keys_prepare(&conf, &why), ERR_KEY_FILE);
	buf_add_char(&why, '\0');
	if (strstr(why.data, words) == NULL)
		fail_msg("no '%s' in: %s", words, why.data);
	for (int i = 0; i < 3; i++)
		assert_null(memmem(why.data, why.len, keys[i], 12));
}

static void
test_without_a_file_there_are_none(void **state)
{
	(void)state;
	conf.crypt_key_file = none;
	take();
	assert_int_equal(keys_count(), 0);
	assert_null(keys_for(SEAL_RANDOM));
}

static void
test_keys_are_read(void **state)
{
	(void)state;
	write_file("# ours\n\na:%s\r\n  b.2_-x : %s \nc:%s", keys[0], keys[1],
	    keys[2]);
	take();
	assert_int_equal(keys_count(), 3);
	assert_string_equal(seal_key_id(keys_for(SEAL_RANDOM)), "c");
	assert_string_equal(seal_key_id(keys_for(SEAL_DETERMINISTIC)), "c");
	assert_string_equal(seal_key_id(keys_find(SPAN("b.2_-x"))), "b.2_-x");
	assert_null(keys_find(SPAN("d")));
	conf.crypt_key = id_a;
	take();
	assert_string_equal(seal_key_id(keys_for(SEAL_RANDOM)), "a");
	assert_string_equal(seal_key_id(keys_for(SEAL_DETERMINISTIC)), "a");
	conf.crypt_deterministic_key = id_b;
	take();
	assert_string_equal(seal_key_id(keys_for(SEAL_RANDOM)), "a");
	assert_string_equal(
	    seal_key_id(keys_for(SEAL_DETERMINISTIC)), "b.2_-x");
	conf.crypt_deterministic_key = id_e;
	refused("crypt.deterministic_key");
	refused("there is no key 'e' in it");
	assert_int_equal(keys_count(), 3);
}

static void
test_what_is_no_key_is_refused(void **state)
{
	static const char *const bad[] = {"a:", "a", ":", "a:g",
	    "a b:", "a@b:", "abcdefghijabcdefghijabcdefghijabc:", "ä:"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		write_file("x:%s\n%s%s\n", keys[0], bad[i],
		    i < 4 ? keys[1] + 1 : keys[1]);
		refused(":2: expected id:64 lower-case hex digits");
	}
	write_file("");
	refused("is empty");
	write_file("# none\n");
	refused("there is no key in it");
	write_file("a:%s\na:%s\n", keys[0], keys[1]);
	refused(":2: 'a' stands twice");
	write_file("a:%s\nb:%s\n", keys[0], keys[0]);
	refused(":2: 'b' is the same key as 'a'");
	write_file("a:%064d\n", 0);
	refused("a random key");
	write_file("a:000102030405060708090a0b0c0d0e0f"
		   "101112131415161718191a1b1c1d1e1f\n");
	refused("a random key");
	assert_int_equal(keys_count(), 0);
}

static void
test_others_may_not_read_it(void **state)
{
	static const mode_t modes[] = {0601, 0602, 0604, 0610, 0640, 0644};

	(void)state;
	write_file("a:%s\n", keys[0]);
	for (size_t i = 0; i < COUNT_OF(modes); i++) {
		chmod(path, modes[i]);
		refused("must not be readable by others (chmod 600)");
	}
	unlink(path);
	refused("No such file");
}

static void
test_new_keys_are_taken_whole_or_not(void **state)
{
	char value[256], scratch[256];
	const struct seal_place place = {SPAN("c"), SPAN("x")};
	struct span text, sealed;

	(void)state;
	write_file("a:%s\n", keys[0]);
	take();
	sealed = (struct span){value,
	    seal_size(keys_for(SEAL_RANDOM), SEAL_RANDOM, SEAL_BASE64, 3)};
	seal_write(value, keys_for(SEAL_RANDOM), SEAL_RANDOM, SEAL_BASE64,
	    &place, SPAN("old"));
	write_file("a:%s\nb:%s\n", keys[1], keys[2]);
	refused("'a' was another key until now");
	assert_string_equal(seal_key_id(keys_for(SEAL_RANDOM)), "a");
	write_file("a:%s\nb:%s\n", keys[0], keys[2]);
	assert_int_equal(keys_prepare(&conf, &why), ERR_OK);
	keys_take(false);
	assert_int_equal(keys_count(), 1);
	take();
	assert_string_equal(seal_key_id(keys_for(SEAL_RANDOM)), "b");
	assert_int_equal(keys_open(sealed, scratch, &place, &text), ERR_OK);
	assert_true(span_is(text, "old"));
	write_file("b:%s\n", keys[2]);
	take();
	assert_int_equal(
	    keys_open(sealed, scratch, &place, &text), ERR_KEY_UNKNOWN);
	assert_int_equal(
	    keys_open(SPAN("old"), scratch, &place, &text), ERR_CIPHER_BAD);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_without_a_file_there_are_none),
	    TEST(test_keys_are_read),
	    TEST(test_what_is_no_key_is_refused),
	    TEST(test_others_may_not_read_it),
	    TEST(test_new_keys_are_taken_whole_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
