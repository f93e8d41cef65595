/* One redis_conn on a loop; see conn_fixture.h. */

#include "tests/contract/conn_fixture.h"

#include <string.h>

#include "store/script.h"

static const char read_text[] = "return redis.call('LLEN', KEYS[1])";
static const char write_text[] = "return redis.call('RPUSH', KEYS[1], ARGV[1])";

static struct script scripts[SCRIPT_COUNT];

/* Rows that no test calls hold something small that loads. */
static void
make_scripts(void)
{
	static char other[SCRIPT_COUNT][32];
	unsigned id;

	for (id = 0; id < SCRIPT_COUNT; id++) {
		scripts[id] = script_table()[id];
		snprintf(other[id], sizeof(other[id]), "return %u", id);
		scripts[id].text = other[id];
		scripts[id].len = strlen(other[id]);
	}
	scripts[TEST_READ].kind = REDIS_READ;
	scripts[TEST_READ].text = read_text;
	scripts[TEST_READ].len = strlen(read_text);
	scripts[TEST_WRITE].kind = REDIS_WRITE;
	scripts[TEST_WRITE].text = write_text;
	scripts[TEST_WRITE].len = strlen(write_text);
}

static void
fixture_on_ready(void *arg)
{
	struct fixture *f = arg;

	assert_true(redis_conn_is_ready(f->conn));
	assert_string_equal(redis_conn_reason(f->conn), "");
	f->ready++;
}

static void
fixture_on_lost(const char *reason, void *arg)
{
	struct fixture *f = arg;

	assert_false(redis_conn_is_ready(f->conn));
	snprintf(f->reason, sizeof(f->reason), "%s", reason);
	f->lost++;
}

static void
fixture_on_hopeless(enum err err, const char *reason, void *arg)
{
	struct fixture *f = arg;

	snprintf(f->reason, sizeof(f->reason), "%s", reason);
	f->hopeless_err = err;
	f->hopeless++;
}

static void
fixture_on_closed(void *arg)
{
	struct fixture *f = arg;

	f->closed++;
}

/* ---- life ------------------------------------------------------------- */

void
fixture_init(struct fixture *f)
{
	static char none[] = "", prefix[] = "t:";

	memset(f, 0, sizeof(*f));
	log_catch();
	make_scripts();
	f->loop = loop_new();
	assert_non_null(f->loop);
	f->conf = (struct conf_redis){
	    .name = "main",
	    .url = none,
	    .user = none,
	    .password_file = none,
	    .sentinel_user = none,
	    .sentinel_password_file = none,
	    .prefix = prefix,
	    .deadline_ms = 5000,
	    .connect_timeout_ms = 3000,
	    .max_pending = 20000,
	    .max_pending_bytes = 256u << 20,
	    .confirm = CONFIRM_MEMORY,
	    .confirm_replicas = 1,
	    .confirm_timeout_ms = 300,
	};
}

void
fixture_open(struct fixture *f, const char *url, const char *password)
{
	const struct redis_conn_events events = {
	    .on_ready = fixture_on_ready,
	    .on_lost = fixture_on_lost,
	    .on_hopeless = fixture_on_hopeless,
	    .arg = f,
	};

	f->conn = redis_conn_open(f->loop, &f->conf, url, password, &events);
	assert_non_null(f->conn);
	redis_conn_set_scripts(f->conn, scripts);
	f->ready = f->lost = f->hopeless = f->closed = 0;
}

void
fixture_open_ready(struct fixture *f, const char *url, const char *password)
{
	fixture_open(f, url, password);
	wait_ready(f, 1);
}

static bool
is_closed(void *arg)
{
	const struct fixture *f = arg;

	return f->closed > 0;
}

void
fixture_close(struct fixture *f)
{
	redis_conn_close(f->conn, fixture_on_closed, f);
	assert_int_equal(f->closed, 0);
	assert_true(run_until(f->loop, is_closed, f, LIMIT_MS));
	run_for(f->loop, 5);
	assert_int_equal(f->closed, 1);
	assert_int_equal(redis_conn_pending(f->conn), 0);
	assert_int_equal(redis_conn_pending_bytes(f->conn), 0);
	redis_conn_free(f->conn);
	f->conn = NULL;
}

void
fixture_clear(struct fixture *f)
{
	if (f->conn != NULL)
		fixture_close(f);
	loop_free(f->loop);
}

/* ---- waiting ---------------------------------------------------------- */

struct wanted {
	const unsigned *count;
	unsigned n;
};

static bool
is_reached(void *arg)
{
	const struct wanted *w = arg;

	return *w->count >= w->n;
}

static void
wait_count(struct fixture *f, const unsigned *count, unsigned n)
{
	struct wanted w = {count, n};

	if (!run_until(f->loop, is_reached, &w, LIMIT_MS))
		fail_msg("waited for %u, got %u; last loss: %s", n, *count,
		    f->reason);
}

void
wait_ready(struct fixture *f, unsigned n)
{
	wait_count(f, &f->ready, n);
}

void
wait_lost(struct fixture *f, unsigned n)
{
	wait_count(f, &f->lost, n);
}

void
wait_hopeless(struct fixture *f)
{
	wait_count(f, &f->hopeless, 1);
}

void
wait_answer(struct answer *a)
{
	wait_count(a->fixture, &a->count, 1);
}

void
wait_answers(struct answer *a, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		wait_answer(&a[i]);
}

/* ---- giving ----------------------------------------------------------- */

static void
answer_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct answer *a = arg;

	assert_false(a->fixture->in_call);
	assert_int_equal(a->count, 0);
	assert_true((err == ERR_OK) == (reply != NULL));
	a->count++;
	a->err = err;
	if (reply == NULL)
		return;
	assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
	a->integer = reply->integer;
	if (reply->str != NULL)
		snprintf(a->text, sizeof(a->text), "%s", reply->str);
}

static void
answer_init(struct answer *a, struct fixture *f)
{
	memset(a, 0, sizeof(*a));
	a->fixture = f;
}

void
give_script(struct fixture *f, struct answer *a, enum script_id id,
    const char *key, const void *value, size_t len)
{
	struct buf args;

	answer_init(a, f);
	buf_init(&args, 128u << 20);
	resp_add_str(&args, key);
	if (value != NULL)
		resp_add(&args, value, len);
	f->in_call = true;
	redis_conn_script(
	    f->conn, id, &args, value != NULL ? 2 : 1, 1, answer_on_reply, a);
	f->in_call = false;
	assert_null(args.data);
}

void
give_write(
    struct fixture *f, struct answer *a, const char *key, const char *value)
{
	give_script(f, a, TEST_WRITE, key, value, strlen(value));
}

void
give_read(struct fixture *f, struct answer *a, const char *key)
{
	give_script(f, a, TEST_READ, key, NULL, 0);
}

void
give_words(struct fixture *f, struct answer *a, enum redis_kind kind, ...)
{
	struct buf args;
	const char *word;
	unsigned argc = 0;
	va_list ap;

	answer_init(a, f);
	buf_init(&args, 1u << 20);
	va_start(ap, kind);
	while ((word = va_arg(ap, const char *)) != NULL) {
		resp_add_str(&args, word);
		argc++;
	}
	va_end(ap);
	f->in_call = true;
	redis_conn_command(f->conn, kind, &args, argc, answer_on_reply, a);
	f->in_call = false;
	assert_null(args.data);
}
