/* Settings: values, files, arguments, reloading. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* ---- defaults --------------------------------------------------------- */

static void
test_the_defaults(void **state)
{
	struct conf *c = load_ok("", no_args);

	(void)state;
	assert_string_equal(c->server_state_dir, "/h/.local/state/schedd");
	assert_int_equal(c->server_drain_ms, 10000);
	assert_string_equal(c->http_listen, "127.0.0.1:7070");
	assert_int_equal(c->http_max_connections, 12000);
	assert_int_equal(c->http_max_body, 16 * 1024 * 1024);
	assert_int_equal(c->worker_timeout_ms, 60000);
	assert_int_equal(c->worker_forget_ms, 7 * 24 * 3600 * 1000);
	assert_int_equal(c->log_level, LOG_INFO);
	for (int i = 0; i < LOG_COMPONENT_COUNT; i++) {
		assert_int_equal(c->log_levels[i], LOG_LEVEL_COMMON);
		assert_string_equal(c->log_files[i], "");
	}
	assert_int_equal(c->log_access, ACCESS_FAILED);
	assert_int_equal(c->log_rate, 100);
	assert_string_equal(c->log_file, "");
	assert_string_equal(c->log_file_error, "");
	assert_int_equal(c->debug_clock_offset_ms, 0);
	assert_int_equal(c->queue_default.max_tasks, 500000);
	assert_int_equal(c->queue_default.max_payload, 65536);
	assert_int_equal(c->queue_default.max_attempts, 3);
	assert_int_equal(c->queue_default.lease_ms, 24 * 3600 * 1000);
	assert_int_equal(c->queue_default.retry_base_ms, 10000);
	assert_int_equal(c->queue_default.retry_max_ms, 3600 * 1000);
	assert_int_equal(c->queue_default.finish_keep, 100000);
	assert_int_equal(c->queue_default.dead_keep, 0);
	assert_int_equal(c->queue_count, 0);
	assert_int_equal(c->redis_count, 1);
	assert_string_equal(c->redis[0].name, "main");
	assert_string_equal(c->redis[0].url, "");
	assert_string_equal(c->redis[0].prefix, "sched:");
	assert_int_equal(c->redis[0].deadline_ms, 2000);
	assert_int_equal(c->redis[0].max_pending_bytes, 64 * 1024 * 1024);
	conf_free(c);
	conf_free(NULL);
}

static void
assert_state_dir(const char *expected)
{
	struct conf *c = load_ok("", no_args);

	assert_string_equal(c->server_state_dir, expected);
	conf_free(c);
}

static void
test_where_state_belongs(void **state)
{
	(void)state;
	setenv("XDG_STATE_HOME", "relative", 1);
	assert_state_dir("/h/.local/state/schedd");
	setenv("XDG_STATE_HOME", "/x", 1);
	assert_state_dir("/x/schedd");
	setenv("STATE_DIRECTORY", "/var/lib/schedd:/var/lib/other", 1);
	assert_state_dir("/var/lib/schedd");
	unsetenv("STATE_DIRECTORY");
	unsetenv("XDG_STATE_HOME");
	unsetenv("HOME");
	assert_fails("", ERR_CONF_VALUE,
	    "[server] state_dir: expected a folder; neither HOME nor "
	    "XDG_STATE_HOME says where");
}

static void
test_each_default_is_within_its_range(void **state)
{
	size_t count;
	const struct conf_row *rows = conf_rows(&count);

	(void)state;
	assert_true(count > 30);
	for (size_t i = 0; i < count; i++) {
		if (i != CONF_ROW_server_state_dir &&
		    !conf_value_is_valid(i, rows[i].fallback))
			fail_msg("%s.%s", rows[i].section, rows[i].key);
		assert_true(strlen(rows[i].help) > 0);
		assert_true(strlen(rows[i].type) > 0);
	}
}

/* ---- files ------------------------------------------------------------ */

static void
test_a_whole_file(void **state)
{
	struct conf *c = load_ok("\xef\xbb\xbf# a comment\r\n"
				 "; another\r\n"
				 "[http] ; behind a section\r\n"
				 "listen = 127.0.0.1:1, [::1]:2,unix:/s ; x\r\n"
				 "\tmax_body=1M\r\n"
				 "[ log ]\n"
				 "level = debug\n"
				 "access: no\n"
				 "[queue \"mail.de\"]\n"
				 "lease = 90s\n"
				 "[queue]\n"
				 "max_attempts = 9\n"
				 "lease = 1h\n"
				 "[queue \"a\"]\n"
				 "max_payload = 1B\n"
				 "[redis \"main\"]\n"
				 "url = unix:/run/redis.sock\n"
				 "[debug]\n"
				 "clock_offset = -1h\n"
				 "[log]\n",
	    no_args);

	(void)state;
	assert_string_equal(c->http_listen, "127.0.0.1:1, [::1]:2,unix:/s");
	assert_int_equal(c->http_max_body, 1024 * 1024);
	assert_int_equal(c->log_level, LOG_DEBUG);
	assert_int_equal(c->log_access, ACCESS_NO);
	assert_int_equal(c->debug_clock_offset_ms, -3600 * 1000);
	assert_string_equal(c->redis[0].url, "unix:/run/redis.sock");
	assert_int_equal(c->queue_count, 2);
	assert_string_equal(c->queues[0].name, "a");
	assert_string_equal(c->queues[0].backend, "main");
	assert_int_equal(c->queues[0].policy.max_payload, 1);
	assert_int_equal(c->queues[0].policy.lease_ms, 3600 * 1000);
	assert_string_equal(c->queues[1].name, "mail.de");
	assert_int_equal(c->queues[1].policy.lease_ms, 90 * 1000);
	/* [queue] holds for all, wherever it stands. */
	assert_int_equal(c->queues[1].policy.max_attempts, 9);
	conf_free(c);
}

static void
test_where_a_policy_is_from(void **state)
{
	enum {
		LEASE = offsetof(struct queue_policy, lease_ms),
		KEEP = offsetof(struct queue_policy, finish_keep),
		MAX = offsetof(struct queue_policy, max_tasks)
	};
	struct conf *c = load_ok("[queue]\nlease=1d\n" /* the default, said */
				 "[queue \"b\"]\nfinish_keep=7\n",
	    no_args);

	(void)state;
	assert_true(conf_policy_is_set(c, "b", LEASE));
	assert_true(conf_policy_is_set(c, "b", KEEP));
	assert_false(conf_policy_is_set(c, "b", MAX));
	assert_true(conf_policy_is_set(c, "other", LEASE));
	assert_false(conf_policy_is_set(c, "other", KEEP));
	conf_free(c);
}

static void
test_a_queue_has_its_policy(void **state)
{
	struct conf *c = load_ok("[queue]\nlease=2s\n"
				 "[queue \"b\"]\nlease=3s\n"
				 "[queue \"bb\"]\nlease=4s\n"
				 "[queue \"a\"]\nlease=5s\n"
				 "[queue \"main\"]\nlease=6s\n"
				 "[redis \"main\"]\ndatabase=3\n",
	    no_args);

	(void)state;
	assert_int_equal(conf_queue_policy(c, SPAN("a"))->lease_ms, 5000);
	assert_int_equal(conf_queue_policy(c, SPAN("b"))->lease_ms, 3000);
	assert_int_equal(conf_queue_policy(c, SPAN("bb"))->lease_ms, 4000);
	assert_int_equal(conf_queue_policy(c, SPAN("main"))->lease_ms, 6000);
	assert_ptr_equal(conf_queue_policy(c, SPAN("c")), &c->queue_default);
	assert_ptr_equal(conf_queue_policy(c, SPAN("bbb")), &c->queue_default);
	assert_ptr_equal(conf_queue_policy(c, SPAN("")), &c->queue_default);
	assert_int_equal(c->queue_default.lease_ms, 2000);
	assert_int_equal(c->queue_count, 4);
	assert_int_equal(c->redis[0].database, 3);
	conf_free(c);
}

static void
test_a_queue_has_its_backend(void **state)
{
	struct conf *c = load_ok("[queue]\nbackend=b\n"
				 "[queue \"q\"]\nlease=3s\n"
				 "[queue \"r\"]\nbackend=main\n"
				 "[redis \"b\"]\nurl=tcp://h:1\nprefix=x:\n"
				 "[redis \"a\"]\nurl=tcp://h:1\ndatabase=2\n"
				 "[redis \"main\"]\nurl=tcp://h:1\n",
	    no_args);

	(void)state;
	assert_int_equal(c->redis_count, 3);
	assert_string_equal(c->redis[0].name, "main");
	assert_string_equal(c->redis[1].name, "a");
	assert_string_equal(c->redis[2].name, "b");
	assert_string_equal(conf_queue_backend(c, SPAN("q")), "b");
	assert_string_equal(conf_queue_backend(c, SPAN("r")), "main");
	assert_string_equal(conf_queue_backend(c, SPAN("other")), "b");
	conf_free(c);
}

static void
test_names_longer_than_inih_takes(void **state)
{
	char name[NAME_MAX_LEN + 1], text[256];
	struct conf *c;

	(void)state;
	memset(name, 'q', NAME_MAX_LEN);
	name[NAME_MAX_LEN] = '\0';
	snprintf(text, sizeof(text), "[queue \"%s\"]\nlease=3s\n", name);
	c = load_ok(text, no_args);
	assert_string_equal(c->queues[0].name, name);
	assert_int_equal(conf_queue_policy(c, span_of(name))->lease_ms, 3000);
	conf_free(c);
}

#define BAD_URL                                                        \
	"a.conf:2: [redis \"main\"] url: expected tcp://host:port, "   \
	"unix:/path or sentinel://host:port,.../master, without user " \
	"or password, got "

/* What stands in a file, and the line that says what is wrong with it. */
static const struct {
	const char *text;
	enum err err;
	const char *why;
} bad_files[] = {
    {"[http]\nlisten = nowhere\n", ERR_CONF_VALUE,
	"a.conf:2: [http] listen: expected IP:port, [IPv6]:port, "
	"localhost:port, the same after tls:, or unix:/path, at most 16, "
	"separated by commas, got \"nowhere\""},
    {"[http]\n\n# x\nlisen = a:1\n", ERR_CONF_UNKNOWN,
	"a.conf:4: [http] lisen: no such setting; expected one of listen, "
	"tls_cert, tls_key, tls_client_ca, allowed_hosts, "
	"max_connections, max_body, header_timeout, idle_timeout, "
	"write_timeout, min_rate"},
    {"[htp]\n", ERR_CONF_UNKNOWN,
	"a.conf:1: \"htp\": no such section; expected one of server, http, "
	"worker, janitor, limits, crypt, log, debug, queue, channel, postgres, "
	"relay, "
	"redis"},
    {"[worker]\ntimeout = 1m\n[log]\n[worker]\ntimeout = 2m\n", ERR_CONF_SYNTAX,
	"a.conf:5: [worker] timeout: stands twice, first at a.conf:2"},
    {"[queue \"a\"]\nlease=1h\nlease=1h\n", ERR_CONF_SYNTAX,
	"a.conf:3: [queue \"a\"] lease: stands twice, first at a.conf:2"},
    {"[queue \"a\"]\nlease = 31d\n", ERR_CONF_VALUE,
	"a.conf:2: [queue \"a\"] lease: expected a time from 1s to 30d, got "
	"\"31d\""},
    {"[queue]\nmax_payload = 2MiB\n", ERR_CONF_VALUE,
	"a.conf:2: [queue] max_payload: expected a size from 1B to 1MiB, got "
	"\"2MiB\""},
    {"[queue]\nmax_attempts = 0\n", ERR_CONF_VALUE,
	"a.conf:2: [queue] max_attempts: expected a whole number from 1 to "
	"1000, got \"0\""},
    {"[queue]\nbackend = other\n", ERR_CONF_VALUE,
	"a.conf:2: [queue] backend: expected the name of a section [redis "
	"\"...\"], got \"other\""},
    {"[queue \"a\"]\nlease=1h\nbackend = other\n", ERR_CONF_VALUE,
	"a.conf:3: [queue \"a\"] backend: expected the name of a section "
	"[redis \"...\"], got \"other\""},
    {"[redis \"main\"]\nurl=tcp://h:1\n[redis \"b\"]\nurl=tcp://h:1\n",
	ERR_CONF_VALUE,
	"a.conf:4: [redis \"b\"] url: expected another Redis, database or "
	"prefix than those of [redis \"main\"]"},
    {"[log]\naccess = maybe\n", ERR_CONF_VALUE,
	"a.conf:2: [log] access: expected no, failed or all, got \"maybe\""},
    {"[log]\nlevel =\n", ERR_CONF_VALUE,
	"a.conf:2: [log] level: expected error, warn, info or debug, got "
	"\"\""},
    {"[log]\nlevel\n", ERR_CONF_SYNTAX, "a.conf:2: expected key = value"},
    {"[log]\n=debug\n", ERR_CONF_UNKNOWN,
	"a.conf:2: [log] \"\": no such setting; expected one of level, "
	"level.COMPONENT, access, rate, file, file.COMPONENT"},
    {"[log]\nfile.nope = /x\n", ERR_CONF_UNKNOWN,
	"a.conf:2: [log] file.nope: no such setting; expected one of "
	"file.access, file.channel, file.conf, file.http, file.janitor, "
	"file.log, file.loop, file.pg, "
	"file.queue, file.redis, file.sentinel, file.server, file.store, "
	"file.task, file.error"},
    {"[log]\nfile.janitor = x.log\n", ERR_CONF_VALUE,
	"a.conf:2: [log] file.janitor: expected a path that begins with /, or "
	"nothing, got \"x.log\""},
    {"[log]\nlevel.janitor = loud\n", ERR_CONF_VALUE,
	"a.conf:2: [log] level.janitor: expected error, warn, info or debug, "
	"or nothing, got \"loud\""},
    {"[log]\nlevel. = info\n", ERR_CONF_UNKNOWN,
	"a.conf:2: [log] level.: no such setting; expected one of "
	"level.access, level.channel, level.conf, level.http, level.janitor, "
	"level.log, level.loop, level.pg, level.queue, level.redis, "
	"level.sentinel, level.server, level.store, level.task"},
    {"level = debug\n", ERR_CONF_SYNTAX,
	"a.conf:1: expected a [section] before the first setting"},
    {"[log\n", ERR_CONF_SYNTAX,
	"a.conf:1: expected ] at the end of the section's name"},
    {"[log] level = debug\n", ERR_CONF_SYNTAX,
	"a.conf:1: expected nothing behind the section's name"},
    {"[log \"x\"]\n", ERR_CONF_UNKNOWN,
	"a.conf:1: expected log without a name"},
    {"[queue \"a b\"]\n", ERR_CONF_VALUE,
	"a.conf:1: expected a name of 1 to 64 of A-Za-z0-9._:@-"},
    {"[queue \"\"]\n", ERR_CONF_VALUE,
	"a.conf:1: expected a name of 1 to 64 of A-Za-z0-9._:@-"},
    {"[queue \"a\" x]\n", ERR_CONF_SYNTAX,
	"a.conf:1: expected [section \"name\"]"},
    {"[queue \"a]\n", ERR_CONF_SYNTAX, "a.conf:1: expected [section \"name\"]"},
    {"[queue a]\n", ERR_CONF_UNKNOWN,
	"a.conf:1: \"queue a\": no such section; expected one of server, "
	"http, worker, janitor, limits, crypt, log, debug, queue, channel, "
	"postgres, relay, "
	"redis"},
    {"[redis]\nurl=\n", ERR_CONF_UNKNOWN,
	"a.conf:1: expected a backend's name: [redis \"main\"]"},
    {"[redis \"main\"]\nurl=tcp://u:p@h:1\n", ERR_CONF_VALUE,
	BAD_URL "\"tcp://***@h:1\""},
    {"[redis \"main\"]\nurl=tcp://u:p@?://q@h:1?password=p\n", ERR_CONF_VALUE,
	BAD_URL "\"tcp://***@h:1?***\""},
    {"[redis \"main\"]\nurl=u:p://q@h\n", ERR_CONF_VALUE, BAD_URL "\"***@h\""},
    {"[redis \"main\"]\nurl=rediss://h:1/0?password=p\n", ERR_CONF_VALUE,
	BAD_URL "\"rediss://h:1/0?***\""},
    {"[redis \"main\"]\nurl=sentinel://a:1,b:2\n", ERR_CONF_VALUE,
	BAD_URL "\"sentinel://a:1,b:2\""},
    {"[redis \"main\"]\nurl=sentinel://a:1,b:2/\n", ERR_CONF_VALUE,
	BAD_URL "\"sentinel://a:1,b:2/\""},
    {"[redis \"main\"]\nurl=sentinel://a:1,,b:2/m\n", ERR_CONF_VALUE,
	BAD_URL "\"sentinel://a:1,,b:2/m\""},
    {"[redis \"main\"]\nurl=sentinel://a/m\n", ERR_CONF_VALUE,
	BAD_URL "\"sentinel://a/m\""},
    {"[redis \"main\"]\nurl=sentinel:///m\n", ERR_CONF_VALUE,
	BAD_URL "\"sentinel:///m\""},
    {"[redis \"main\"]\nconfirm=always\n", ERR_CONF_VALUE,
	"a.conf:2: [redis \"main\"] confirm: expected auto, memory, disk or "
	"replicated, got \"always\""},
    {"[redis \"main\"]\nprefix=a{b}\n", ERR_CONF_VALUE,
	"a.conf:2: [redis \"main\"] prefix: expected 1 to 64 of "
	"A-Za-z0-9._:@-, got \"a{b}\""},
    {"[server]\nstate_dir = here\n", ERR_CONF_VALUE,
	"a.conf:2: [server] state_dir: expected a path that begins with /, "
	"got \"here\""},
    {"[server]\nstate_dir = /a # here\n", ERR_CONF_SYNTAX,
	"a.conf:2: expected no # in a value: a comment behind one begins "
	"with \" ;\""},
    {"[debug]\nclock_offset = +-1s\n", ERR_CONF_VALUE,
	"a.conf:2: [debug] clock_offset: expected a time with or without a "
	"sign, as in -90s, got \"+-1s\""},
    {"[log]\nle\x01vel = info\n", ERR_CONF_SYNTAX,
	"a.conf:2: expected text, got the control character 01"},
    {"[log]\n\xff = info\n", ERR_CONF_SYNTAX,
	"a.conf:2: expected UTF-8, got other bytes"},
};

static void
test_bad_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad_files); i++)
		assert_fails(
		    bad_files[i].text, bad_files[i].err, bad_files[i].why);
}

static void
test_a_nul_byte_is_refused(void **state)
{
	(void)state;
	assert_fails_span(SPAN("[log]\nlevel = info\0x\n"), no_args,
	    ERR_CONF_SYNTAX,
	    "a.conf:2: expected text, got the control character 00");
}

/* The longest line is taken whole, one byte more is told. */
static void
test_long_lines_are_never_cut(void **state)
{
	char text[300], why[80];
	struct conf *c;
	int at = snprintf(text, sizeof(text), "[server]\nstate_dir = /");

	(void)state;
	memset(text + at, 'd', 199 - 13);
	text[at + 199 - 13] = '\0';
	assert_int_equal(strlen(strchr(text, '\n') + 1), 199);
	c = load_ok(text, no_args);
	assert_string_equal(c->server_state_dir, strchr(text, '/'));
	conf_free(c);
	memcpy(text + at + 199 - 13, "e\n", 3);
	snprintf(why, sizeof(why),
	    "a.conf:2: expected at most 199 bytes in a line, got 200");
	assert_fails(text, ERR_CONF_SYNTAX, why);
}

static void
test_a_long_value_is_shown_short(void **state)
{
	char text[256] = "[log]\nlevel = ";
	struct conf *c;
	struct buf why;

	(void)state;
	memset(text + strlen(text), 'x', 180);
	buf_init(&why, WHY_MAX);
	assert_int_equal(
	    conf_load_text(&c, "a.conf", span_of(text), NULL, 0, &why),
	    ERR_CONF_VALUE);
	assert_true(why.len < 200);
	assert_null(memchr(why.data, '\n', why.len));
	buf_clear(&why);
}

/* ---- the file itself -------------------------------------------------- */

/* Writes a settings file into a fresh folder; the caller removes both. */
static void
file_write(char *folder, char *path, size_t size, const char *text)
{
	FILE *f;

	assert_non_null(mkdtemp(folder));
	snprintf(path, size, "%s/schedd.conf", folder);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void
test_a_file_on_disk(void **state)
{
	char folder[] = "/tmp/schedd-conf-XXXXXX", path[64];
	struct conf *c;
	struct buf why;

	(void)state;
	buf_init(&why, WHY_MAX);
	file_write(folder, path, sizeof(path), "[queue]\nmax_tasks = 7");
	assert_int_equal(conf_load(&c, path, NULL, 0, &why), ERR_OK);
	assert_int_equal(c->queue_default.max_tasks, 7);
	conf_free(c);
	unlink(path);
	assert_int_equal(conf_load(&c, path, NULL, 0, &why), ERR_CONF_SYNTAX);
	assert_null(c);
	buf_add_char(&why, '\0');
	assert_non_null(strstr(why.data,
	    "/schedd.conf: cannot be read: No such file or directory"));
	buf_reset(&why, 0);
	assert_int_equal(conf_load(&c, folder, NULL, 0, &why), ERR_CONF_SYNTAX);
	buf_add_char(&why, '\0');
	assert_non_null(strstr(why.data, "cannot be read: Is a directory"));
	buf_clear(&why);
	rmdir(folder);
}

static void
test_a_file_without_end(void **state)
{
	struct conf *c;
	struct buf why;

	(void)state;
	buf_init(&why, WHY_MAX);
	assert_int_equal(
	    conf_load(&c, "/dev/zero", NULL, 0, &why), ERR_CONF_SYNTAX);
	buf_add_char(&why, '\0');
	assert_string_equal(
	    why.data, "/dev/zero: cannot be read: File too large");
	buf_clear(&why);
}

/* ---- arguments -------------------------------------------------------- */

static void
test_arguments_win(void **state)
{
	char *args[] = {xstrdup("--http.listen=[::1]:0"),
	    xstrdup("--queue.lease=5s"), xstrdup("--queue.a.b.lease=7s"),
	    xstrdup("--redis.main.url=tcp://h:1"), xstrdup("--queue.lease=6s"),
	    NULL};
	struct conf *c = load_ok("[http]\nlisten=[::1]:1\n[queue]\nlease=9s\n"
				 "[queue \"a.b\"]\nlease=1h\ndead_keep=4\n",
	    args);

	(void)state;
	assert_string_equal(c->http_listen, "[::1]:0");
	assert_int_equal(c->queue_default.lease_ms, 6000);
	assert_int_equal(conf_queue_policy(c, SPAN("a.b"))->lease_ms, 7000);
	assert_int_equal(conf_queue_policy(c, SPAN("a.b"))->dead_keep, 4);
	assert_string_equal(c->redis[0].url, "tcp://h:1");
	conf_free(c);
	for (size_t i = 0; args[i] != NULL; i++)
		free(args[i]);
}

/* Keys with a dot, of both kinds of sources; a queue may be called like one.
 */
static void
test_the_log_by_component(void **state)
{
	char *args[] = {xstrdup("--log.file.janitor=/b"),
	    xstrdup("--log.level.access="), xstrdup("--log.file.error=/e"),
	    xstrdup("--queue.file.janitor.lease=7s"), NULL};
	struct conf *c = load_ok("[log]\nfile.janitor = /a\nfile = /c\n"
				 "level.redis = debug\nlevel.access = warn\n",
	    args);

	(void)state;
	assert_string_equal(c->log_file, "/c");
	assert_string_equal(c->log_files[LOG_COMPONENT_janitor], "/b");
	assert_string_equal(c->log_files[LOG_COMPONENT_redis], "");
	assert_string_equal(c->log_file_error, "/e");
	assert_int_equal(c->log_levels[LOG_COMPONENT_redis], LOG_DEBUG);
	assert_int_equal(c->log_levels[LOG_COMPONENT_access], LOG_LEVEL_COMMON);
	assert_int_equal(
	    conf_queue_policy(c, SPAN("file.janitor"))->lease_ms, 7000);
	conf_free(c);
	for (size_t i = 0; args[i] != NULL; i++)
		free(args[i]);
}

static void
test_bad_arguments(void **state)
{
	(void)state;
	assert_arg_fails("--http.listen", ERR_CONF_SYNTAX,
	    "--http.listen: expected --section.key=value");
	assert_arg_fails("--listen=a.b", ERR_CONF_SYNTAX,
	    "--listen: expected --section.key=value");
	assert_arg_fails("--log.levl=info", ERR_CONF_UNKNOWN,
	    "--log.levl: no such setting; expected one of level, "
	    "level.COMPONENT, access, rate, file, file.COMPONENT");
	assert_arg_fails("--log.file.x=/x", ERR_CONF_UNKNOWN,
	    "--log.file.x: no such setting; expected one of file.access, "
	    "file.channel, file.conf, file.http, file.janitor, file.log, "
	    "file.loop, file.pg, "
	    "file.queue, file.redis, file.sentinel, file.server, file.store, "
	    "file.task, file.error");
	assert_arg_fails("--log.file.janitor=x", ERR_CONF_VALUE,
	    "--log.file.janitor: expected a path that begins with /, or "
	    "nothing, got \"x\"");
	assert_arg_fails("--log.level=loud", ERR_CONF_VALUE,
	    "--log.level: expected error, warn, info or debug, got \"loud\"");
	assert_arg_fails("--log.x.level=info", ERR_CONF_UNKNOWN,
	    "--log.x.level: expected log without a name");
	assert_arg_fails("--redis.main.url=tcp://u:p@h:1", ERR_CONF_VALUE,
	    "--redis.main.url: expected tcp://host:port, unix:/path or "
	    "sentinel://host:port,.../master, without user or password, got "
	    "\"tcp://***@h:1\"");
	assert_arg_fails("--redis.url=", ERR_CONF_UNKNOWN,
	    "--redis.url: expected a backend's name: "
	    "--redis.main.KEY=VALUE");
	assert_arg_fails("--queue..lease=1h", ERR_CONF_VALUE,
	    "--queue..lease: expected a name of 1 to 64 of A-Za-z0-9._:@-");
	assert_arg_fails("--.=", ERR_CONF_UNKNOWN,
	    "--.: \"\": no such section; expected one of server, http, "
	    "worker, janitor, limits, crypt, log, debug, queue, channel, "
	    "postgres, relay, "
	    "redis");
	assert_arg_fails("--lo\ng.\xff=x", ERR_CONF_UNKNOWN,
	    "\"--lo\\ng.\\xff\": \"lo\\ng\": no such section; expected one of "
	    "server, http, worker, janitor, limits, crypt, log, debug, queue, "
	    "channel, postgres, relay, redis");
	assert_arg_fails("--server.state_dir=/a\nb", ERR_CONF_VALUE,
	    "--server.state_dir: expected a path that begins with /, got "
	    "\"/a\\nb\"");
}

/* ---- values ----------------------------------------------------------- */

#define FOUR "[::1]:0,[::1]:0,[::1]:0,[::1]:0"
#define SIXTEEN FOUR "," FOUR "," FOUR "," FOUR

static const struct {
	enum conf_row_id row;
	const char *text;
	bool is_valid;
} values[] = {
    {CONF_ROW_http_listen, ":0", false},
    {CONF_ROW_http_listen, "tls::0", false},
    {CONF_ROW_http_listen, "a.example:1", false},
    {CONF_ROW_http_listen, "1.2.3:1", false},
    {CONF_ROW_http_listen, "tls:1.2.3.4:1", true},
    {CONF_ROW_http_listen, SIXTEEN, true},
    {CONF_ROW_http_listen, SIXTEEN ",unix:/s", false},
    {CONF_ROW_http_listen, "localhost:65535", true},
    {CONF_ROW_http_listen, "[::1]:0", true},
    {CONF_ROW_http_listen, "unix:/run/s", true},
    {CONF_ROW_http_listen, "127.0.0.1:1 , localhost:2", true},
    {CONF_ROW_http_listen, "", false},
    {CONF_ROW_http_listen, "127.0.0.1:1,", false},
    {CONF_ROW_http_listen, ",127.0.0.1:1", false},
    {CONF_ROW_http_listen, "127.0.0.1:65536", false},
    {CONF_ROW_http_listen, "127.0.0.1:", false},
    {CONF_ROW_http_listen, "127.0.0.1:01", false},
    {CONF_ROW_http_listen, "::1:80", false},
    {CONF_ROW_http_listen, "[::g]:80", false},
    {CONF_ROW_http_listen, "[]:80", false},
    {CONF_ROW_http_listen, "unix:run/s", false},
    {CONF_ROW_http_listen, "unix:/", false},
    {CONF_ROW_http_listen, "unix:", false},
    {CONF_ROW_http_listen, "a b:1", false},
    {CONF_ROW_redis_url, "", true},
    {CONF_ROW_redis_url, "tcp://127.0.0.1:6379", true},
    {CONF_ROW_redis_url, "tcp://[::1]:6379", true},
    {CONF_ROW_redis_url, "tcp://:6379", false},
    {CONF_ROW_redis_url, "tcp://h:0", false},
    {CONF_ROW_redis_url, "tcp://h", false},
    {CONF_ROW_redis_url, "redis://h:1", false},
    {CONF_ROW_redis_url, "sentinel://h:1", false},
    {CONF_ROW_debug_clock_offset, "+5m", true},
    {CONF_ROW_debug_clock_offset, "-36500d", true},
    {CONF_ROW_debug_clock_offset, "36501d", false},
    {CONF_ROW_debug_clock_offset, "-", false},
    {CONF_ROW_queue_retry_base, "0", true},
    {CONF_ROW_queue_lease, "1s", true},
    {CONF_ROW_queue_lease, "999ms", false},
    {CONF_ROW_queue_lease, "30d", true},
    {CONF_ROW_queue_lease, "-1s", false},
    {CONF_ROW_queue_max_tasks, "1.5", false},
    {CONF_ROW_queue_max_tasks, "99999999999999999999", false},
    {CONF_ROW_queue_max_payload, "0", false},
    {CONF_ROW_redis_database, "15", true},
    {CONF_ROW_redis_database, "16", false},
    {CONF_ROW_log_access, "all", true},
    {CONF_ROW_log_access, "no", true},
    {CONF_ROW_log_access, "yes", false},
    {CONF_ROW_janitor_interval, "50ms", true},
    {CONF_ROW_janitor_interval, "49ms", false},
    {CONF_ROW_janitor_interval, "61s", false},
};

static void
test_values_at_their_bounds(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(values); i++) {
		if (conf_value_is_valid(values[i].row, values[i].text) !=
		    values[i].is_valid)
			fail_msg(
			    "row %d: %s", (int)values[i].row, values[i].text);
	}
}

static void
test_a_socket_path_has_its_length(void **state)
{
	char text[128] = "unix:/";

	(void)state;
	memset(text + 6, 'p', 106);
	assert_true(conf_value_is_valid(CONF_ROW_http_listen, text));
	text[112] = 'p';
	assert_false(conf_value_is_valid(CONF_ROW_http_listen, text));
}

/* ---- reloading -------------------------------------------------------- */

static enum err
reload(struct conf *c, const char *text, struct buf *why)
{
	char folder[] = "/tmp/schedd-conf-XXXXXX", path[64];
	enum err err;

	file_write(folder, path, sizeof(path), text);
	err = conf_reload(c, path, NULL, 0, why);
	unlink(path);
	rmdir(folder);
	return err;
}

static void
test_reload_changes_what_may(void **state)
{
	struct conf *c =
	    load_ok("[http]\nlisten=[::1]:1\n[queue \"a\"]\nlease=1h\n"
		    "[redis \"main\"]\nurl=unix:/s\n",
		no_args);
	const struct conf_redis *redis = c->redis;
	const char *listen = c->http_listen, *url = redis->url;
	struct buf why;

	(void)state;
	buf_init(&why, WHY_MAX);
	assert_int_equal(
	    reload(c,
		"[redis \"main\"]\nurl=unix:/s\n[http]\nmax_body=1MiB\n"
		"listen=[::1]:1\n[queue \"b\"]\nlease=2h\n[queue]\nlease=3h\n"
		"[log]\nlevel=debug\n[debug]\nclock_offset=1h\n",
		&why),
	    ERR_OK);
	assert_int_equal(c->http_max_body, 1024 * 1024);
	assert_int_equal(c->log_level, LOG_DEBUG);
	assert_int_equal(c->debug_clock_offset_ms, 3600 * 1000);
	assert_int_equal(c->queue_count, 1);
	assert_int_equal(
	    conf_queue_policy(c, SPAN("a"))->lease_ms, 3 * 3600 * 1000);
	assert_int_equal(
	    conf_queue_policy(c, SPAN("b"))->lease_ms, 2 * 3600 * 1000);
	/* Others hold on to these. */
	assert_ptr_equal(c->redis, redis);
	assert_ptr_equal(c->redis->url, url);
	assert_ptr_equal(c->http_listen, listen);
	assert_string_equal(listen, "[::1]:1");
	buf_clear(&why);
	conf_free(c);
}

static void
assert_reload_fails(const char *text, enum err expected, const char *part)
{
	struct conf *c = load_ok("[http]\nmax_body=2MiB\n", no_args);
	char *before = print_text(c), *after;
	struct buf why;

	buf_init(&why, WHY_MAX);
	assert_int_equal(reload(c, text, &why), expected);
	buf_add_char(&why, '\0');
	if (strstr(why.data, part) == NULL)
		fail_msg("expected %s in: %s", part, why.data);
	after = print_text(c);
	assert_string_equal(after, before);
	free(before);
	free(after);
	buf_clear(&why);
	conf_free(c);
}

static void
test_reload_is_all_or_nothing(void **state)
{
	(void)state;
	assert_reload_fails("[log]\nlevel=warn\n[http]\nlisten=[::1]:2\n",
	    ERR_CONF_RELOAD,
	    "/schedd.conf:4: [http] listen: cannot change while schedd runs; "
	    "restart it");
	assert_reload_fails("[log]\nlevel=warn\n[redis \"main\"]\ndatabase=2\n",
	    ERR_CONF_RELOAD,
	    "/schedd.conf:4: [redis \"main\"] database: cannot change");
	assert_reload_fails("[server]\nstate_dir=/other\n", ERR_CONF_RELOAD,
	    "/schedd.conf:2: [server] state_dir: cannot change");
	assert_reload_fails("[log]\nlevel=warn\nacces=no\n", ERR_CONF_UNKNOWN,
	    "/schedd.conf:3: [log] acces: no such setting");
}

static void
test_reload_back_to_a_default(void **state)
{
	char *args[] = {xstrdup("--http.listen=[::1]:5"), NULL};
	struct conf *c = load_ok("", args);
	struct buf why;

	(void)state;
	buf_init(&why, WHY_MAX);
	assert_int_equal(conf_reload(c, NULL, args, 0, &why), ERR_CONF_RELOAD);
	buf_add_char(&why, '\0');
	assert_string_equal(why.data,
	    "default: [http] listen: cannot change while schedd runs; "
	    "restart it");
	buf_reset(&why, 0);
	assert_int_equal(conf_reload(c, NULL, args, 1, &why), ERR_OK);
	assert_string_equal(c->http_listen, "[::1]:5");
	buf_clear(&why);
	conf_free(c);
	free(args[0]);
}

static void
test_which_may_change(void **state)
{
	size_t count;
	const struct conf_row *rows = conf_rows(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		bool fixed = strcmp(rows[i].section, "redis") == 0 ||
			     strcmp(rows[i].section, "channel") == 0 ||
			     strcmp(rows[i].section, "postgres") == 0 ||
			     strcmp(rows[i].section, "relay") == 0 ||
			     strcmp(rows[i].key, "state_dir") == 0 ||
			     strcmp(rows[i].key, "listen") == 0 ||
			     strcmp(rows[i].key, "backend") == 0;

		assert_int_equal(rows[i].reloadable, !fixed);
	}
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup(fn, set_up)
	const struct CMUnitTest tests[] = {
	    TEST(test_the_defaults),
	    TEST(test_where_state_belongs),
	    TEST(test_each_default_is_within_its_range),
	    TEST(test_a_whole_file),
	    TEST(test_where_a_policy_is_from),
	    TEST(test_a_queue_has_its_policy),
	    TEST(test_a_queue_has_its_backend),
	    TEST(test_names_longer_than_inih_takes),
	    TEST(test_bad_files),
	    TEST(test_a_nul_byte_is_refused),
	    TEST(test_long_lines_are_never_cut),
	    TEST(test_a_long_value_is_shown_short),
	    TEST(test_a_file_on_disk),
	    TEST(test_a_file_without_end),
	    TEST(test_arguments_win),
	    TEST(test_the_log_by_component),
	    TEST(test_bad_arguments),
	    TEST(test_values_at_their_bounds),
	    TEST(test_a_socket_path_has_its_length),
	    TEST(test_reload_changes_what_may),
	    TEST(test_reload_is_all_or_nothing),
	    TEST(test_reload_back_to_a_default),
	    TEST(test_which_may_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
