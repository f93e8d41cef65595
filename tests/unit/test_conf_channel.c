/* Settings of channels and databases. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/conf_priv.h"
#include "tests/unit/conf_text.h"

static void
assert_fails_span(
    struct span text, char *const *args, enum err expected, const char *line)
{
	struct conf *c;
	struct buf why;
	enum err err;

	buf_init(&why, WHY_MAX);
	err = conf_load_text(&c, "a.conf", text, args, count_words(args), &why);
	buf_add_char(&why, '\0');
	assert_false(why.failed);
	if (err != expected || strcmp(why.data, line) != 0)
		fail_msg("expected %s: %s\ngot %s: %s",
		    err_info(expected)->name, line, err_info(err)->name,
		    why.data);
	assert_null(c);
	buf_clear(&why);
}

static void
assert_fails(const char *text, enum err expected, const char *line)
{
	assert_fails_span(span_of(text), no_args, expected, line);
}

static void
assert_arg_fails(const char *arg, enum err expected, const char *line)
{
	char *args[] = {xstrdup(arg), NULL};

	assert_fails_span(SPAN(""), args, expected, line);
	free(args[0]);
}

static void
test_channels_and_databases(void **state)
{
	struct conf *c = load_ok("[channel]\nbatch=7\non_conflict=update\n"
				 "[channel \"b\"]\ntable=t\nkey=x\n"
				 "[postgres]\nconnect_timeout=1s\n"
				 "[channel \"a\"]\ntable=s.t\nbatch=9\n"
				 "columns=x:text, y:int8\nkey=x\n"
				 "database=far\n[postgres \"far\"]\n"
				 "conninfo=host=far\n[queue \"a\"]\n"
				 "lease=1h\n",
	    no_args);

	(void)state;
	assert_int_equal(c->queue_count, 1);
	assert_int_equal(c->channel_count, 2);
	assert_string_equal(c->channels[0].name, "a");
	assert_string_equal(c->channels[0].table, "s.t");
	assert_int_equal(c->channels[0].batch, 9);
	assert_string_equal(c->channels[0].database, "far");
	assert_int_equal(c->channels[1].batch, 7);
	assert_int_equal(c->channels[1].on_conflict, CONFLICT_UPDATE);
	assert_string_equal(c->channels[1].database, "main");
	assert_int_equal(c->postgres_count, 2);
	assert_string_equal(c->postgres[0].name, "far");
	assert_string_equal(c->postgres[0].conninfo, "host=far");
	assert_int_equal(c->postgres[0].connect_timeout_ms, 1000);
	assert_string_equal(c->postgres[1].name, "main");
	assert_string_equal(
	    conf_where(c, "postgres", "far", "conninfo"), "a.conf:16");
	conf_free(c);
}

static void
test_what_channels_must_say(void **state)
{
	(void)state;
	assert_fails("[channel \"a\"]\nbatch=7\n", ERR_CONF_VALUE,
	    "a.conf:2: [channel \"a\"] table: expected schema.table: a "
	    "channel needs one");
	assert_fails("[channel \"a\"]\ntable=t\ndatabase=b\n", ERR_CONF_VALUE,
	    "a.conf:3: [channel \"a\"] database: expected the name of a "
	    "section [postgres \"...\"]");
	assert_fails("[channel \"a\"]\ntable=t\ncolumns=x:text\nkey=y\n",
	    ERR_CONF_VALUE,
	    "a.conf:4: [channel \"a\"] key: expected names that stand in "
	    "columns");
	assert_fails("[channel \"a\"]\ntable=t\non_conflict=update\n",
	    ERR_CONF_VALUE,
	    "a.conf:2: [channel \"a\"] key: expected names of columns, as "
	    "on_conflict = update needs them");
	assert_arg_fails("--channel.a.columns=x:txt", ERR_CONF_VALUE,
	    "--channel.a.columns: expected name:type, ... with types such as "
	    "text, int8, float8, numeric, bool, jsonb, timestamptz, each name "
	    "once, got \"x:txt\"");
	assert_arg_fails("--channel.a.table=a.b.c", ERR_CONF_VALUE,
	    "--channel.a.table: expected schema.table, as they are spelled, "
	    "got \"a.b.c\"");
	assert_arg_fails("--channel.a.on_conflict=fail", ERR_CONF_VALUE,
	    "--channel.a.on_conflict: expected ignore or update, got \"fail\"");
}

#define SEALS "[crypt]\nkey_file=k\n[channel \"a\"]\ntable=t\n"

static void
test_what_encrypted_columns_must_be(void **state)
{
	struct conf *c = load_ok(SEALS "columns=x:text, y:bytea, z:int8\n"
				       "encrypt=x\nencrypt_deterministic=y\n"
				       "key=y\n",
	    no_args);

	(void)state;
	assert_string_equal(c->crypt_key_file, "k");
	assert_string_equal(c->channels[0].encrypt, "x");
	assert_string_equal(c->channels[0].encrypt_deterministic, "y");
	conf_free(c);
	conf_free(load_ok(SEALS "encrypt=whatever\n", no_args));
	assert_fails(SEALS "columns=x:text\nencrypt=x, y\n", ERR_CONF_VALUE,
	    "a.conf:6: [channel \"a\"] encrypt: expected names that stand in "
	    "columns, of type text or bytea");
	assert_fails(SEALS "columns=x:text, y:varchar\nencrypt=y\n",
	    ERR_CONF_VALUE,
	    "a.conf:6: [channel \"a\"] encrypt: expected names that stand in "
	    "columns, of type text or bytea");
	assert_fails(SEALS "columns=x:jsonb\nencrypt_deterministic=x\n",
	    ERR_CONF_VALUE,
	    "a.conf:6: [channel \"a\"] encrypt_deterministic: expected names "
	    "that stand in columns, of type text or bytea");
	assert_fails(SEALS "encrypt=x\nencrypt_deterministic=z, x\n",
	    ERR_CONF_VALUE,
	    "a.conf:6: [channel \"a\"] encrypt_deterministic: expected no "
	    "column that encrypt has, too");
	assert_fails(SEALS "key=x\nencrypt=x\n", ERR_CONF_VALUE,
	    "a.conf:6: [channel \"a\"] encrypt: expected no column of the "
	    "key, as two rows are never the same then; encrypt_deterministic "
	    "may have it");
	assert_fails("[channel \"a\"]\ntable=t\nencrypt=x\n", ERR_CONF_VALUE,
	    "a.conf:3: [channel \"a\"] encrypt: expected [crypt] key_file to "
	    "be set, too: there are no keys");
	assert_fails("[channel]\nencrypt_deterministic=x\n"
		     "[channel \"a\"]\ntable=t\n",
	    ERR_CONF_VALUE,
	    "a.conf:4: [channel \"a\"] encrypt_deterministic: expected "
	    "[crypt] key_file to be set, too: there are no keys");
}

static void
test_a_history_is_ours(void **state)
{
	struct conf *c = load_ok("[channel \"h\"]\nkind=history\nkeep=3d\n"
				 "[channel \"r\"]\ntable=t\n",
	    no_args);

	(void)state;
	assert_int_equal(c->channels[0].kind, CHANNEL_OF_HISTORY);
	assert_int_equal(c->channels[0].keep_ms, 3 * 86400000ll);
	assert_string_equal(c->channels[0].table, "schedd.history");
	assert_int_equal(c->channels[1].kind, CHANNEL_OF_ROWS);
	conf_free(c);
	assert_fails("[channel \"h\"]\nkind=history\ntable=t\n", ERR_CONF_VALUE,
	    "a.conf:3: [channel \"h\"] table: expected nothing: a history has "
	    "the table schedd.history");
	assert_fails("[channel \"h\"]\nkind=history\ncolumns=a:text\n",
	    ERR_CONF_VALUE,
	    "a.conf:3: [channel \"h\"] columns: expected nothing: a history "
	    "has columns of its own");
	assert_fails("[redis \"g\"]\nurl=tcp://h:1\n[queue \"a\"]\nbackend=g\n"
		     "[channel \"h\"]\nkind=history\n",
	    ERR_CONF_VALUE,
	    "a.conf:6: [channel \"h\"] kind: expected rows, as queues have "
	    "another backend than main: a history would miss their tasks");
	assert_fails("[channel \"h\"]\nkind=history\nkey=id\n", ERR_CONF_VALUE,
	    "a.conf:3: [channel \"h\"] key: expected nothing: a history keeps "
	    "all rows");
	assert_fails("[channel \"g\"]\nkind=history\n"
		     "[channel \"h\"]\nkind=history\n",
	    ERR_CONF_VALUE,
	    "a.conf:2: [channel \"g\"] kind: expected rows, as another channel "
	    "is the history");
	assert_arg_fails("--channel.a.kind=log", ERR_CONF_VALUE,
	    "--channel.a.kind: expected rows or history, got \"log\"");
	assert_arg_fails("--channel.a.keep=1h", ERR_CONF_VALUE,
	    "--channel.a.keep: expected a time from 1d to 36500d, "
	    "got \"1h\"");
}

static void
test_channels_stay_as_they_are(void **state)
{
	char *args[] = {
	    xstrdup("--channel.a.table=t"), xstrdup("--channel.b.table=t")};
	struct conf *c;
	struct buf why;

	(void)state;
	buf_init(&why, WHY_MAX);
	assert_int_equal(conf_load(&c, NULL, args, 1, &why), ERR_OK);
	assert_int_equal(conf_reload(c, NULL, args, 1, &why), ERR_OK);
	assert_int_equal(conf_reload(c, NULL, args, 2, &why), ERR_CONF_RELOAD);
	assert_int_equal(conf_reload(c, NULL, args, 0, &why), ERR_CONF_RELOAD);
	assert_int_equal(c->channel_count, 1);
	buf_clear(&why);
	conf_free(c);
	free(args[0]);
	free(args[1]);
}

#define TEST(fn) cmocka_unit_test_setup(fn, set_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_channels_and_databases),
	    TEST(test_what_channels_must_say),
	    TEST(test_what_encrypted_columns_must_be),
	    TEST(test_a_history_is_ours),
	    TEST(test_channels_stay_as_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
