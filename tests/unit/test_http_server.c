/* Listening, the cap, short descriptors, the drain. */

#include "tests/unit/http_client.h"

#include <sys/resource.h>
#include <sys/stat.h>

static struct client a, b, c;
static char folder[] = "/tmp/schedd-http-XXXXXX";
static char path[128];

/* ---- addresses -------------------------------------------------------- */

static void
refused_as(enum err err, const char *addrs, const char *word)
{
	char why[512];

	assert_int_equal(rig_try_open(addrs, why, sizeof(why)), err);
	assert_null(rig.server);
	if (strstr(why, word) == NULL)
		fail_msg("%s: no '%s' in '%s'", addrs, word, why);
}

static void
refused(const char *addrs, const char *word)
{
	refused_as(ERR_LISTEN_FAILED, addrs, word);
}

static void
test_bad_addresses(void **state)
{
	(void)state;
	refused_as(ERR_ACCESS_OPEN, "0.0.0.0:0", "TLS and tokens: write tls:");
	refused_as(ERR_ACCESS_OPEN, "10.1.2.3:0", "TLS and tokens");
	refused_as(ERR_ACCESS_OPEN, "[::]:0", "TLS and tokens");
	refused_as(ERR_ACCESS_OPEN, "127.0.0.1:0,0.0.0.0:0", "0.0.0.0:0: an");
	refused("127.0.0.1", "expected");
	refused("127.0.0.1:", "expected");
	refused("127.0.0.1:65536", "expected");
	refused("127.0.0.1:-1", "expected");
	refused("example.org:80", "expected");
	refused(":80", "expected");
	refused("[::1:80", "expected");
	refused("[127.0.0.1]:80", "expected");
	refused("unix:x", "'/'");
	refused("unix:", "'/'");
	refused("unix:/no/such/folder/here", "No such file");
	refused("unix:/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	    "107");
}

static void
test_addresses(void **state)
{
	struct server *first;

	(void)state;
	rig_open("localhost:0");
	assert_memory_equal(rig.addr, "127.0.0.1:", 10);
	assert_string_not_equal(rig.addr, "127.0.0.1:0");
	client_open(&a);
	client_works(&a);
	client_send(&a, GET("/peer"));
	client_answer(&a, 200);
	buf_add_char(&a.body, '\0');
	assert_memory_equal(a.body.data, "127.0.0.1:", 10);
	client_close(&a);
	first = rig.server;
	refused(rig.addr, "Address already in use");
	rig.server = first;
}

static void
test_version_6(void **state)
{
	char why[512];

	(void)state;
	if (rig_try_open("[::1]:0", why, sizeof(why)) != ERR_OK) {
		assert_non_null(strstr(why, "Cannot assign"));
		skip();
	}
	assert_memory_equal(rig.addr, "[::1]:", 6);
}

static void
test_unix_socket(void **state)
{
	struct stat st;
	char addrs[256], uid[64];

	(void)state;
	snprintf(addrs, sizeof(addrs), "127.0.0.1:0 , unix:%s", path);
	rig_open(addrs);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0660);
	client_open(&a);
	client_send(&a, GET("/peer"));
	client_answer(&a, 200);
	snprintf(uid, sizeof(uid), "unix:uid=%u", (unsigned)getuid());
	client_body_is(&a, uid);
	client_close(&a);
	rig_wait_conns(0);
	server_free(rig.server);
	rig.server = NULL;
	assert_int_equal(stat(path, &st), -1);
}

/* In use: refused. Left over: replaced. No socket: left alone. */
static void
test_unix_leftover(void **state)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	char addrs[256];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	snprintf(addrs, sizeof(addrs), "unix:%s", path);
	snprintf(un.sun_path, sizeof(un.sun_path), "%.107s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(fd, 1), 0);
	refused(addrs, "Address already in use");
	assert_int_equal(access(path, F_OK), 0);
	close(fd);
	rig_open(addrs);
	client_open(&a);
	client_works(&a);
	client_close(&a);
	rig_wait_conns(0);
	server_free(rig.server);
	rig.server = NULL;
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	refused(addrs, "no socket");
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
}

/* ---- the cap ---------------------------------------------------------- */

static void
test_cap(void **state)
{
	(void)state;
	rig.conf.http_max_connections = 2;
	client_open(&a);
	client_works(&a);
	client_open(&b);
	client_works(&b);
	client_open(&c);
	client_send(&c, GET("/known"));
	client_error(&c, ERR_TOO_MANY_CONNS, NULL);
	assert_true(client_has_header(&c, "Retry-After: 1"));
	assert_true(client_has_header(&c, "Connection: close"));
	client_end(&c);
	client_close(&c);
	client_open(&c);
	client_works(&c); /* what everybody may ask, once */
	assert_true(client_has_header(&c, "Connection: close"));
	client_end(&c);
	client_close(&c);
	client_works(&a);
	client_close(&a);
	rig_wait_conns(1);
	client_open(&c);
	client_works(&c);
	client_close(&c);
	client_close(&b);
}

/* Those beyond the cap have a cap, too. */
static void
test_cap_of_extra(void **state)
{
	enum { N = 90 };
	static struct client many[N];
	size_t most = 1 + 64;

	(void)state;
	rig.conf.http_max_connections = 1;
	client_open(&a);
	client_works(&a);
	for (size_t i = 0; i < N; i++)
		client_open(&many[i]);
	rig_wait_conns(most);
	client_open(&b);
	client_works(&b); /* the oldest of the silent ones made room */
	client_close(&b);
	for (size_t i = 0; i < N; i++) {
		client_error(&many[i], ERR_TOO_MANY_CONNS, NULL);
		client_close(&many[i]);
	}
	rig_wait_conns(1);
	client_works(&a);
	client_close(&a);
}

static size_t seen_conns, most_new;

static void
observe_conns(uint64_t us)
{
	size_t n = server_connections(rig.server);

	(void)us;
	if (n > seen_conns && n - seen_conns > most_new)
		most_new = n - seen_conns;
	seen_conns = n;
}

/* Whoever comes with many others waits for a turn of the loop or two. */
static void
test_crowd(void **state)
{
	enum { N = 300 };
	static struct client many[N];

	(void)state;
	seen_conns = most_new = 0;
	for (size_t i = 0; i < N; i++)
		client_open(&many[i]);
	loop_set_turn_observer(rig.loop, observe_conns);
	rig_wait_conns(N);
	loop_set_turn_observer(rig.loop, NULL);
	assert_in_range(most_new, 1, 64);
	for (size_t i = 0; i < N; i++)
		client_send(&many[i], GET("/hello"));
	for (size_t i = 0; i < N; i++)
		client_answer(&many[i], 200);
	rig.conf.http_idle_timeout_ms = 1;
	rig_wait_conns(0);
	for (size_t i = 0; i < N; i++)
		client_end(&many[i]);
	for (size_t i = 0; i < N; i++)
		client_close(&many[i]);
}

/* Descriptors end: clients are told so, the loop does not spin, and when
 * there are some again all is as before. */
static void
test_short_descriptors(void **state)
{
	enum { N = 30 }; /* more than there are reserved descriptors */
	static struct client many[N];
	int fds[N], filler[256], low = 0;
	struct rlimit old, less;

	(void)state;
	client_open(&a);
	client_works(&a);
	for (int i = 0; i < N; i++)
		fds[i] = rig_socket();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	less = old;
	less.rlim_cur = 128;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &less), 0);
	while (low < 256 && (filler[low] = dup(0)) >= 0)
		low++;
	assert_int_equal(errno, EMFILE);
	for (int i = 0; i < N; i++)
		client_open_on(&many[i], fds[i]);
	client_works(&many[N - 1]); /* behind all that are silent */
	client_end(&many[N - 1]);
	client_send(&many[N - 2], GET("/known"));
	for (int i = 0; i < N - 1; i++) {
		client_error(&many[i], ERR_TOO_MANY_CONNS, NULL);
		client_end(&many[i]);
	}
	client_works(&a);
	assert_int_equal(rig.surplus_lines, 1);
	while (low > 0)
		close(filler[--low]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	for (int i = 0; i < N; i++)
		client_close(&many[i]);
	client_open(&b);
	client_works(&b);
	client_close(&b);
	client_close(&a);
}

/* ---- the drain -------------------------------------------------------- */

static bool is_drained;

static void
on_drained(void *arg)
{
	assert_ptr_equal(arg, &is_drained);
	assert_false(is_drained);
	is_drained = true;
}

static bool
has_drained(void *arg)
{
	(void)arg;
	return is_drained;
}

static void
drain(uint64_t deadline_ms)
{
	is_drained = false;
	server_drain(rig.server, deadline_ms, on_drained, &is_drained);
	assert_false(is_drained);
	assert_true(server_is_draining(rig.server));
}

static void
test_drain_idle(void **state)
{
	int fd;

	(void)state;
	client_open(&a);
	client_works(&a);
	drain(60000);
	assert_true(rig_until(has_drained, NULL));
	client_end(&a);
	client_close(&a);
	fd = rig_socket();
	assert_int_equal(rig_connect(fd), -1);
	close(fd);
}

/* What is under way is answered; what comes now is refused. */
static void
test_drain(void **state)
{
	(void)state;
	client_open(&a);
	client_send(&a, GET("/hold"));
	client_open(&b);
	client_send(&b, GET("/hold") "GET /hello HT");
	client_open(&c);
	client_send(&c, "POST /echo" HOST "Content-Length: 3\r\n\r\na");
	rig_wait_held(2);
	rig_turns(3);
	drain(60000);
	client_send(&b, "TP/1.1\r\nHost: x\r\n\r\n");
	client_send(&c, "bc");
	client_answer(&c, 201);
	client_body_is(&c, "abc");
	assert_true(client_has_header(&c, "Connection: close"));
	client_end(&c);
	rig_turns(5);
	assert_false(is_drained);
	rig_release(2);
	client_answer(&a, 200);
	assert_true(client_has_header(&a, "Connection: close"));
	client_end(&a);
	client_answer(&b, 200);
	assert_null(strstr(b.head, "Connection"));
	client_error(&b, ERR_SHUTTING_DOWN, NULL);
	assert_true(client_has_header(&b, "Retry-After: 1"));
	assert_true(client_has_header(&b, "Connection: close"));
	client_end(&b);
	assert_true(rig_until(has_drained, NULL));
	client_close(&a);
	client_close(&b);
	client_close(&c);
	rig_wait_conns(0);
}

/* An answer that is being written is waited for. */
static void
test_drain_writes(void **state)
{
	(void)state;
	client_open(&a);
	client_send(&a, GET("/big?n=30000000"));
	rig_wait_conns(1);
	rig_turns(20);
	drain(60000);
	rig_turns(20);
	assert_false(is_drained);
	client_answer(&a, 200);
	assert_int_equal(a.body.len, 30000000);
	assert_true(rig_until(has_drained, NULL));
	client_close(&a);
}

static void
test_drain_deadline(void **state)
{
	(void)state;
	client_open(&a);
	client_send(&a, GET("/hold"));
	rig_wait_held(1);
	drain(50);
	assert_true(rig_until(has_drained, NULL));
	assert_int_equal(rig.gone_count, 0);
	rig_release(1);
	client_answer(&a, 200);
	client_end(&a);
	client_close(&a);
}

/* Freed with clients in every state, and never drained. */
static void
test_free_busy(void **state)
{
	(void)state;
	client_open(&a);
	client_send(&a, "GET /hel");
	client_open(&b);
	client_send(&b, GET("/big?n=30000000"));
	client_open(&c);
	client_send(&c, "POST /echo" HOST "Content-Length: 3\r\n\r\na");
	rig_wait_conns(3);
	rig_turns(5);
	server_free(rig.server);
	rig.server = NULL;
	client_end(&a);
	client_close(&a);
	client_close(&b);
	client_close(&c);
}

static int
group_setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/socket", folder);
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	return rmdir(folder);
}

int
main(void)
{
#define C(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)
#define T(fn) cmocka_unit_test_setup_teardown(fn, rig_setup_open, rig_teardown)
	const struct CMUnitTest tests[] = {
	    C(test_bad_addresses),
	    C(test_addresses),
	    C(test_version_6),
	    C(test_unix_socket),
	    C(test_unix_leftover),
	    T(test_cap),
	    T(test_cap_of_extra),
	    T(test_crowd),
	    T(test_short_descriptors),
	    T(test_drain_idle),
	    T(test_drain),
	    T(test_drain_writes),
	    T(test_drain_deadline),
	    T(test_free_busy),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
