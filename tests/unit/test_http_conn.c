/* One client against the engine: answers, order, limits, faults, leaving. */

#include "tests/unit/http_client.h"

static struct client a;

static void
open_send(const char *text)
{
	client_open(&a);
	client_send(&a, text);
}

/* ---- answers ---------------------------------------------------------- */

static void
test_keep_alive(void **state)
{
	(void)state;
	client_open(&a);
	for (int i = 0; i < 3; i++)
		client_works(&a);
	assert_true(client_has_header(&a, "Content-Type: application/json"));
	assert_true(client_has_header(&a, "Content-Length: 4"));
	assert_non_null(strstr(a.head, "\r\nDate: "));
	assert_null(strstr(a.head, "Connection"));
	client_send(&a, "POST /echo" HOST "Content-Length: 5\r\n\r\nabcde");
	client_answer(&a, 201);
	client_body_is(&a, "abcde");
	assert_true(client_has_header(&a, "Content-Type: text/plain"));
	client_works(&a);
	client_close(&a);
	rig_wait_conns(0);
}

static void
test_request_id(void **state)
{
	const char *id;

	(void)state;
	open_send("GET /hello" HOST "X-Request-Id: my-id.1\r\n\r\n");
	client_answer(&a, 200);
	assert_true(client_has_header(&a, "X-Request-Id: my-id.1"));
	assert_non_null(strstr(rig.last_access, " id=my-id.1"));
	client_send(&a, "GET /hello" HOST "X-Request-Id: my id\r\n\r\n");
	client_answer(&a, 200);
	id = strstr(a.head, "X-Request-Id: ") + 14;
	assert_int_equal(strspn(id, "0123456789abcdefghijklmnopqrstuv"), 20);
	client_close(&a);
}

static void
test_access_log(void **state)
{
	(void)state;
	open_send("GET /hello?" HOST "\r\n");
	client_answer(&a, 200);
	assert_non_null(strstr(rig.last_access, " info access.request "));
	assert_non_null(strstr(rig.last_access, " peer=127.0.0.1:"));
	assert_non_null(strstr(
	    rig.last_access, " method=GET path=/hello status=200 bytes=4 us="));
	client_send(&a, GET("/\"x"));
	client_error(&a, ERR_PATH_BAD, NULL);
	assert_non_null(strstr(rig.last_access, " path=\"/\\\"x\" status=400"));
	rig.conf.log_access = ACCESS_FAILED;
	rig.last_access[0] = '\0';
	client_works(&a);
	assert_string_equal(rig.last_access, "");
	client_send(&a, GET("/\"x"));
	client_error(&a, ERR_PATH_BAD, NULL);
	assert_non_null(strstr(rig.last_access, " status=400"));
	rig.conf.log_access = ACCESS_NO;
	rig.last_access[0] = '\0';
	client_send(&a, GET("/\"x"));
	client_error(&a, ERR_PATH_BAD, NULL);
	assert_string_equal(rig.last_access, "");
	client_close(&a);
}

static void
test_http10(void **state)
{
	(void)state;
	open_send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	client_answer(&a, 200);
	assert_true(client_has_header(&a, "Connection: keep-alive"));
	client_send(&a, "GET /hello HTTP/1.0\r\n\r\n");
	client_answer(&a, 200);
	client_closed(&a);
}

static void
test_connection_close(void **state)
{
	(void)state;
	open_send("GET /hello" HOST "Connection: close\r\n\r\n" GET("/big"));
	client_answer(&a, 200);
	assert_int_equal(rig.big_count, 0);
	client_closed(&a);
}

/* No body, but the length of the one that GET has; the next request is not
 * put out of step. */
static void
test_head_and_empty(void **state)
{
	(void)state;
	open_send("HEAD /hello" HOST "\r\n");
	a.is_head = true;
	client_answer(&a, 200);
	a.is_head = false;
	assert_true(client_has_header(&a, "Content-Length: 4"));
	client_works(&a);
	client_send(&a, GET("/empty"));
	client_answer(&a, 204);
	assert_null(strstr(a.head, "Content-"));
	client_works(&a);
	client_close(&a);
}

static void
test_options(void **state)
{
	(void)state;
	open_send("OPTIONS /hold" HOST "\r\n");
	client_answer(&a, 204);
	assert_true(client_has_header(&a, "Allow: GET, POST, HEAD, OPTIONS"));
	client_send(&a, "OPTIONS *" HOST "\r\n");
	client_answer(&a, 204);
	assert_true(client_has_header(&a, "Allow: GET, POST, HEAD, OPTIONS"));
	client_send(&a, "OPTIONS /nope" HOST "\r\n");
	client_error(&a, ERR_ROUTE_UNKNOWN, NULL);
	client_works(&a);
	client_close(&a);
}

static void
test_errors_keep_connection(void **state)
{
	(void)state;
	open_send(GET("/nope"));
	client_error(&a, ERR_ROUTE_UNKNOWN, NULL);
	client_send(&a, GET("/small"));
	client_error(&a, ERR_METHOD_NOT_ALLOWED, NULL);
	assert_true(client_has_header(&a, "Allow: POST, OPTIONS"));
	client_send(&a, GET("/a//b"));
	client_error(&a, ERR_PATH_BAD, NULL);
	client_send(&a, GET("/hello?x=1"));
	client_error(&a, ERR_QUERY_BAD, "'x'");
	client_send(&a, "BREW /hello" HOST "\r\n");
	client_error(&a, ERR_NOT_IMPLEMENTED, "method");
	client_send(&a, GET("/q/a+/fail"));
	client_error(&a, ERR_QUEUE_NAME_BAD, NULL);
	client_send(&a, GET("/q/mail/fail"));
	client_error(&a, ERR_TASK_UNKNOWN,
	    "\"detail\":\"in mail \\\"\\u0001\xef\xbf\xbd\"");
	client_send(&a, GET("/full"));
	client_error(&a, ERR_QUEUE_FULL, NULL);
	assert_true(client_has_header(&a, "Retry-After: 1"));
	client_send(&a, GET("/full?after=1"));
	client_error(&a, ERR_QUEUE_FULL, NULL);
	assert_true(client_has_header(&a, "Retry-After: 7"));
	client_send(&a, GET("/big?n=70000000"));
	client_error(&a, ERR_NO_MEMORY, NULL);
	assert_true(client_has_header(&a, "Retry-After: 1"));
	client_works(&a);
	client_close(&a);
}

/* A refused request's body is read and dropped, if it is small. */
static void
test_refused_body(void **state)
{
	char big[200];

	(void)state;
	open_send("POST /nope" HOST "Content-Length: 5\r\n\r\n");
	client_error(&a, ERR_ROUTE_UNKNOWN, NULL);
	client_send(&a, "GET /" GET("/hello"));
	client_answer(&a, 200);
	snprintf(big, sizeof(big),
	    "POST /nope" HOST "Content-Length: %d\r\n\r\n", 64 * 1024 + 1);
	client_send(&a, big);
	client_error(&a, ERR_ROUTE_UNKNOWN, NULL);
	shutdown(a.fd, SHUT_WR);
	client_closed(&a);
	open_send("POST /nope" HOST "Connection: close\r\n"
		  "Content-Length: 5\r\n\r\n");
	client_error(&a, ERR_ROUTE_UNKNOWN, NULL);
	client_send(&a, "abcde");
	client_closed(&a);
}

/* ---- what ends the connection ----------------------------------------- */

static void
check_fault(const char *text, enum err err, const char *word)
{
	open_send(text);
	/* The answer must come through although more follows. */
	client_send(&a, "garbage");
	client_error(&a, err, word);
	assert_true(client_has_header(&a, "Connection: close"));
	client_end(&a);
	client_close(&a);
	rig_wait_conns(0);
}

static void
test_faults(void **state)
{
	(void)state;
	check_fault("GET /hello HTTP/1.1\r\n\r\n", ERR_HTTP_BAD, "Host");
	check_fault("GET /hello HTTP/1.1\n", ERR_HTTP_BAD, "CR LF");
	check_fault("\x16\x03\x01", ERR_HTTP_BAD, "not HTTP");
	check_fault("GET http://x/" HOST "\r\n", ERR_HTTP_BAD, "target");
	check_fault("GET / HTTP/2.0\r\n", ERR_HTTP_VERSION, NULL);
	check_fault("POST /echo" HOST "Transfer-Encoding: gzip\r\n\r\n",
	    ERR_NOT_IMPLEMENTED, "chunked");
	check_fault("POST /echo" HOST "Content-Length: 1\r\n"
		    "Content-Length: 1\r\n\r\na",
	    ERR_HTTP_BAD, "Content-Length");
	check_fault("POST /echo" HOST "\r\n", ERR_LENGTH_REQUIRED, NULL);
	check_fault("POST /small" HOST "Content-Length: 101\r\n\r\n",
	    ERR_BODY_TOO_LARGE, NULL);
	check_fault("POST /echo" HOST "Content-Length: 1048577\r\n\r\n",
	    ERR_BODY_TOO_LARGE, NULL);
	check_fault("GET /hello" HOST "Content-Length: 1\r\n\r\na",
	    ERR_BODY_TOO_LARGE, "takes no body");
	check_fault("GET /hello" HOST "Transfer-Encoding: chunked\r\n\r\n",
	    ERR_BODY_TOO_LARGE, "takes no body");
	check_fault("POST /none" HOST "Content-Length: 1\r\n\r\na",
	    ERR_BODY_TOO_LARGE, "takes no body");
	check_fault("POST /echo" HOST "Expect: 200-ok\r\n"
		    "Content-Length: 1\r\n\r\na",
	    ERR_EXPECT_UNKNOWN, NULL);
	check_fault("POST /small" HOST "Transfer-Encoding: chunked\r\n\r\n"
		    "65\r\n",
	    ERR_BODY_TOO_LARGE, NULL);
	check_fault("POST /small" HOST "Transfer-Encoding: chunked\r\n\r\n"
		    "3\r\nabcd\r\n",
	    ERR_HTTP_BAD, "chunk");
	check_fault("GET /hello" HOST "A : b\r\n\r\n", ERR_HTTP_BAD, "name");
}

static void
test_head_too_large(void **state)
{
	char *text = xcalloc(1, 40000);

	(void)state;
	memset(text, 'a', 39999);
	memcpy(text, "GET /", 5);
	check_fault(text, ERR_URI_TOO_LONG, "8 KiB");
	memcpy(text, "GET /" HOST "A: ", strlen("GET /" HOST "A: "));
	check_fault(text, ERR_HEADERS_TOO_LARGE, "16 KiB");
	free(text);
}

/* Faults behind good requests: those are answered first. */
static void
test_fault_behind_requests(void **state)
{
	(void)state;
	open_send(GET("/hold") GET("/hello") "GET /\n");
	rig_wait_held(1);
	rig_turns(5);
	assert_int_equal(a.in.len, 0);
	rig_release(1);
	client_answer(&a, 200);
	client_body_is(&a, "0");
	assert_null(strstr(a.head, "Connection"));
	client_answer(&a, 200);
	client_error(&a, ERR_HTTP_BAD, "CR LF");
	client_closed(&a);
}

static bool
has_sent_all(void *arg)
{
	(void)client_has_end(arg);
	return a.is_reset || a.out.len == 0;
}

/* The whole upload is far more than socket buffers hold; the client sends
 * all of it and still reads the answer. */
static void
test_upload_refused(void **state)
{
	enum { LEN = 24 << 20 };
	char *body = xcalloc(1, LEN);

	(void)state;
	open_send("POST /echo" HOST "Content-Length: 25165824\r\n\r\n");
	client_send_bytes(&a, body, LEN);
	client_error(&a, ERR_BODY_TOO_LARGE, NULL);
	assert_true(rig_until(has_sent_all, &a));
	assert_false(a.is_reset);
	client_closed(&a);
	free(body);
}

/* ---- bodies ----------------------------------------------------------- */

static void
test_bodies(void **state)
{
	enum { LEN = 1 << 20 };
	char *body = xcalloc(1, LEN);

	(void)state;
	memset(body, 'b', LEN);
	open_send("POST /echo" HOST "Content-Length: 0\r\n\r\n");
	client_answer(&a, 201);
	client_body_is(&a, "");
	client_send(&a, "POST /echo" HOST "Transfer-Encoding: chunked\r\n\r\n"
			"3;x\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\n");
	client_answer(&a, 201);
	client_body_is(&a, "abcde");
	client_send(&a, "POST /none" HOST "\r\n");
	client_answer(&a, 201);
	client_send(&a, "POST /echo" HOST "Content-Length: 1048576\r\n\r\n");
	client_send_bytes(&a, body, LEN);
	client_answer(&a, 201);
	assert_int_equal(a.body.len, LEN);
	assert_memory_equal(a.body.data, body, LEN);
	client_send(&a, "POST /echo" HOST "Transfer-Encoding: chunked\r\n\r\n"
			"100000\r\n");
	client_send_bytes(&a, body, LEN);
	client_send(&a, "\r\n0\r\n\r\n");
	client_answer(&a, 201);
	assert_int_equal(a.body.len, LEN);
	client_works(&a);
	client_close(&a);
	free(body);
}

static void
test_byte_by_byte(void **state)
{
	static const char text[] =
	    "POST /echo" HOST "Content-Length: 3\r\n\r\nabc" GET("/hello");

	(void)state;
	client_open(&a);
	for (size_t i = 0; i + 1 < sizeof(text); i++) {
		client_send_bytes(&a, text + i, 1);
		rig_turns(1);
	}
	client_answer(&a, 201);
	client_body_is(&a, "abc");
	client_answer(&a, 200);
	client_close(&a);
}

static void
test_continue(void **state)
{
	(void)state;
	open_send("POST /echo" HOST "Expect: 100-continue\r\n"
		  "Content-Length: 3\r\n\r\n");
	client_answer(&a, 100);
	client_send(&a, "abc");
	client_answer(&a, 201);
	client_body_is(&a, "abc");
	/* The body came along: no interim answer. */
	client_send(&a, "POST /echo" HOST "Expect: 100-continue\r\n"
			"Content-Length: 3\r\n\r\nabc");
	client_answer(&a, 201);
	client_send(&a, "POST /echo" HOST "Expect: 100-continue\r\n"
			"Content-Length: 0\r\n\r\n");
	client_answer(&a, 201);
	client_works(&a);
	/* Refused by its head: the body is not asked for. */
	client_send(&a, "POST /nope" HOST "Expect: 100-continue\r\n"
			"Content-Length: 3\r\n\r\n");
	client_error(&a, ERR_ROUTE_UNKNOWN, NULL);
	shutdown(a.fd, SHUT_WR);
	client_closed(&a);
}

/* The interim answer keeps its place in the order, too. */
static void
test_continue_in_order(void **state)
{
	(void)state;
	open_send(GET("/hold") "POST /echo" HOST "Expect: 100-continue\r\n"
			       "Content-Length: 3\r\n\r\n");
	rig_wait_held(1);
	rig_turns(5);
	assert_false(client_has_answer(&a));
	rig_release(1);
	client_answer(&a, 200);
	client_answer(&a, 100);
	client_send(&a, "abc");
	client_answer(&a, 201);
	client_close(&a);
}

/* ---- pipelining ------------------------------------------------------- */

static void
test_order(void **state)
{
	(void)state;
	open_send(GET("/hold") GET("/hello") GET("/hold") GET("/hello"));
	rig_wait_held(2);
	rig_turns(5);
	assert_false(client_has_answer(&a));
	/* The later one is done first. */
	buf_add_str(req_out(rig.held[1]), "later");
	req_reply(rig.held[1], 200);
	rig.held_count = 1;
	rig_turns(5);
	assert_false(client_has_answer(&a));
	rig_release(1);
	client_answer(&a, 200);
	client_body_is(&a, "0");
	client_answer(&a, 200);
	client_body_is(&a, "\"hi\"");
	client_answer(&a, 200);
	client_body_is(&a, "later");
	client_answer(&a, 200);
	client_close(&a);
}

static void
test_in_flight(void **state)
{
	(void)state;
	client_open(&a);
	for (int i = 0; i < 20; i++)
		client_send(&a, GET("/hold"));
	rig_wait_held(16);
	rig_turns(5);
	assert_int_equal(rig.held_count, 16);
	rig_release(1);
	rig_wait_held(16);
	rig_turns(5);
	assert_int_equal(rig.held_count, 16);
	rig_release(16);
	rig_wait_held(3);
	rig_release(3);
	for (int i = 0; i < 20; i++)
		client_answer(&a, 200);
	client_works(&a);
	client_close(&a);
}

static void
test_thousand(void **state)
{
	char text[100];

	(void)state;
	client_open(&a);
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text),
		    "GET /hello" HOST "X-Request-Id: %d\r\n\r\n", i);
		client_send(&a, text);
	}
	for (int i = 0; i < 1000; i++) {
		client_answer(&a, 200);
		snprintf(text, sizeof(text), "X-Request-Id: %d", i);
		assert_true(client_has_header(&a, text));
	}
	client_close(&a);
}

/* Answers that nobody reads keep further requests from being run. */
static void
test_slow_reader(void **state)
{
	(void)state;
	client_open(&a);
	for (int i = 0; i < 40; i++)
		client_send(&a, GET("/big?n=4000000"));
	rig_turns(50);
	assert_in_range(rig.big_count, 1, 4);
	for (int i = 0; i < 40; i++) {
		client_answer(&a, 200);
		assert_int_equal(a.body.len, 4000000);
	}
	client_works(&a);
	client_close(&a);
}

/* ---- leaving ---------------------------------------------------------- */

static void
wait_gone(size_t n)
{
	assert_true(rig_until(rig_has_gone, &n));
	rig_wait_conns(0);
	assert_int_equal(rig.gone_count, n);
}

static void
test_leaves(void **state)
{
	(void)state;
	open_send(GET("/hold"));
	rig_wait_held(1);
	client_close(&a);
	wait_gone(1);
	assert_true(req_is_gone(rig.held[0]));
	rig_release(1);
	assert_non_null(strstr(rig.last_access, " status=499 bytes=0 "));

	open_send(GET("/hold"));
	rig_wait_held(1);
	shutdown(a.fd, SHUT_WR);
	wait_gone(2);
	rig_release(1);
	client_end(&a);
	client_close(&a);

	open_send(GET("/hold"));
	rig_wait_held(1);
	client_reset(&a);
	wait_gone(3);
	rig_release(1);
}

/* Several wait, some are answered, one is half read. */
static void
test_leaves_many(void **state)
{
	(void)state;
	open_send(GET("/hold") GET("/hello") GET("/hold")
		GET("/hold") "POST /echo" HOST "Content-Length: 5\r\n\r\nab");
	rig_wait_held(3);
	/* Taken back: no call for this one. */
	req_on_gone(rig.held[1], NULL, NULL);
	client_close(&a);
	wait_gone(2);
	for (size_t i = 0; i < 3; i++)
		assert_true(req_is_gone(rig.held[i]));
	rig_release(2);
	client_open(&a);
	client_works(&a);
	rig_release(1);
	client_close(&a);
}

static struct req *told[3];
static size_t told_count;

/* A handler that ends its request when it is told, and another one, too. */
static void
end_on_gone(void *arg)
{
	struct req *req = arg;

	told[told_count++] = req;
	if (told_count == 1)
		req_fail(rig.held[1], ERR_CLIENT_GONE);
	req_fail(req, ERR_CLIENT_GONE);
}

static void
test_ends_when_told(void **state)
{
	(void)state;
	told_count = 0;
	open_send(GET("/hold") GET("/hold") GET("/hold"));
	rig_wait_held(3);
	for (size_t i = 0; i < 3; i++)
		req_on_gone(rig.held[i], end_on_gone, rig.held[i]);
	client_reset(&a);
	rig_wait_conns(0);
	assert_int_equal(told_count, 2);
	assert_ptr_equal(told[1], rig.held[2]);
	rig.held_count = 0;
}

/* A client that floods while its request waits is held back, and is heard
 * out when the request was answered. */
static void
test_flood_while_waiting(void **state)
{
	(void)state;
	open_send(GET("/hold"));
	rig_wait_held(1);
	for (int i = 0; i < 3000; i++)
		client_send(&a, GET("/hello"));
	rig_turns(20);
	assert_int_equal(rig.held_count, 1);
	rig_release(1);
	client_answer(&a, 200);
	client_body_is(&a, "0");
	for (int i = 0; i < 3000; i++)
		client_answer(&a, 200);
	client_close(&a);
}

static void
test_leaves_in_upload(void **state)
{
	(void)state;
	open_send("POST /echo" HOST "Content-Length: 1000\r\n\r\nabc");
	rig_wait_conns(1);
	rig_turns(3);
	client_close(&a);
	rig_wait_conns(0);
	open_send("GET /hel");
	rig_wait_conns(1);
	client_reset(&a);
	rig_wait_conns(0);
}

/* ---- deadlines -------------------------------------------------------- */

static void
test_header_deadline(void **state)
{
	(void)state;
	rig.conf.http_header_timeout_ms = 100;
	client_open(&a);
	client_works(&a);
	client_send(&a, "GET /hello HTTP/1.1\r\nHo");
	client_error(&a, ERR_REQUEST_TIMEOUT, NULL);
	client_closed(&a);
	open_send("\r\n");
	client_error(&a, ERR_REQUEST_TIMEOUT, NULL);
	client_closed(&a);
}

/* A byte now and then does not help. */
static void
test_header_drip(void **state)
{
	static const char text[] = "GET /hello HTTP/1.1\r\nHost: "
				   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
				   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	size_t at = 0;

	(void)state;
	rig.conf.http_header_timeout_ms = 300;
	client_open(&a);
	while (!client_has_answer(&a) && at < sizeof(text) - 1) {
		client_send_bytes(&a, text + at++, 1);
		rig_turns(10);
	}
	client_error(&a, ERR_REQUEST_TIMEOUT, NULL);
	client_closed(&a);
}

static void
test_idle_deadline(void **state)
{
	(void)state;
	rig.conf.http_idle_timeout_ms = 100;
	client_open(&a);
	client_end(&a);
	client_close(&a);
	client_open(&a);
	client_works(&a);
	client_end(&a);
	client_close(&a);
	/* One that waits for us is not idle. */
	open_send(GET("/hold"));
	rig_wait_held(1);
	rig_turns(500);
	assert_int_equal(rig.gone_count, 0);
	rig_release(1);
	client_answer(&a, 200);
	client_close(&a);
}

static void
test_body_deadline(void **state)
{
	(void)state;
	rig.conf.http_idle_timeout_ms = 100;
	rig.conf.http_min_rate = 0;
	open_send("POST /echo" HOST "Content-Length: 5\r\n\r\nab");
	client_error(&a, ERR_REQUEST_TIMEOUT, NULL);
	client_closed(&a);
	/* That of a refused request: there is nothing more to say. */
	open_send("POST /nope" HOST "Content-Length: 5\r\n\r\nab");
	client_error(&a, ERR_ROUTE_UNKNOWN, NULL);
	client_end(&a);
	client_close(&a);
}

static void
test_write_deadline(void **state)
{
	(void)state;
	rig.conf.http_write_timeout_ms = 100;
	open_send(GET("/big?n=40000000"));
	rig_wait_conns(1);
	rig_wait_conns(0);
	client_close(&a);
}

int
main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, rig_setup_open, rig_teardown)
	const struct CMUnitTest tests[] = {
	    T(test_keep_alive),
	    T(test_request_id),
	    T(test_access_log),
	    T(test_http10),
	    T(test_connection_close),
	    T(test_head_and_empty),
	    T(test_options),
	    T(test_errors_keep_connection),
	    T(test_refused_body),
	    T(test_faults),
	    T(test_head_too_large),
	    T(test_fault_behind_requests),
	    T(test_upload_refused),
	    T(test_bodies),
	    T(test_byte_by_byte),
	    T(test_continue),
	    T(test_continue_in_order),
	    T(test_order),
	    T(test_in_flight),
	    T(test_thousand),
	    T(test_slow_reader),
	    T(test_leaves),
	    T(test_leaves_many),
	    T(test_ends_when_told),
	    T(test_flood_while_waiting),
	    T(test_leaves_in_upload),
	    T(test_header_deadline),
	    T(test_header_drip),
	    T(test_idle_deadline),
	    T(test_body_deadline),
	    T(test_write_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
