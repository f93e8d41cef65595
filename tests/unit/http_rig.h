#ifndef SCHEDD_TESTS_UNIT_HTTP_RIG_H
#define SCHEDD_TESTS_UNIT_HTTP_RIG_H

/*
 * The HTTP engine in this process, with a route table of its own, and clients
 * on loopback sockets in the same loop. Whoever waits for something runs the
 * loop until it is there, or fails after ten seconds.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/mem.h"
#include "http/req.h"
#include "http/route.h"
#include "http/server.h"

enum { RIG_LIMIT_US = 10000000, RIG_HELD_MAX = 64 };

static struct {
	struct loop *loop;
	struct server *server;
	struct conf conf;
	struct timer timer;
	char addr[128]; /* of the last listener */
	struct req *held[RIG_HELD_MAX];
	size_t held_count, gone_count, big_count, surplus_lines;
	char last_access[4096];
} rig;

/* ---- routes ----------------------------------------------------------- */

static inline void
rig_on_hello(struct req *req)
{
	buf_add_str(req_out(req), "\"hi\"");
	req_reply(req, 200);
}

static inline void
rig_on_echo(struct req *req)
{
	req_set_type(req, "text/plain");
	buf_add_span(req_out(req), req_body(req));
	req_reply(req, 201);
}

static inline void
rig_on_gone(void *arg)
{
	assert_true(req_is_gone(arg));
	rig.gone_count++;
}

static inline void
rig_on_hold(struct req *req)
{
	assert_true(rig.held_count < RIG_HELD_MAX);
	rig.held[rig.held_count++] = req;
	req_on_gone(req, rig_on_gone, req);
}

/* ?n= bytes; past the cap of the answer, none. */
static inline void
rig_on_big(struct req *req)
{
	uint64_t n = 0;
	struct span text;

	rig.big_count++;
	if (req_query(req, "n", &text))
		assert_true(str_to_u64(text, &n));
	if (buf_reserve(req_out(req), n)) {
		memset(req_out(req)->data, 'x', n);
		req_out(req)->len = n;
	}
	req_reply(req, 200);
}

static inline void
rig_on_empty(struct req *req)
{
	buf_add_str(req_out(req), "to be dropped");
	req_reply(req, 204);
}

static inline void
rig_on_fail(struct req *req)
{
	buf_add_str(req_out(req), "to be dropped");
	req_failf(req, ERR_TASK_UNKNOWN, "in %.*s \"\x01\xff",
	    SPAN_ARG(req_param(req, "queue")));
}

static inline void
rig_on_full(struct req *req)
{
	if (req_query(req, "after", &(struct span){0}))
		req_set_header(req, "Retry-After", "7");
	req_fail(req, ERR_QUEUE_FULL);
}

static inline void
rig_on_peer(struct req *req)
{
	buf_add_str(req_out(req), req_peer(req));
	req_reply(req, 200);
}

/* clang-format off */
static const struct route rig_routes[] = {
	{METHOD_GET,  "/hello",          rig_on_hello, ROLE_ANY, 0, "", ""},
	{METHOD_POST, "/echo",           rig_on_echo,  ROLE_ANY, UINT64_MAX, "", ""},
	{METHOD_POST, "/small",          rig_on_echo,  ROLE_ANY, 100, "", ""},
	{METHOD_POST, "/none",           rig_on_echo,  ROLE_ANY, 0, "", ""},
	{METHOD_GET,  "/hold",           rig_on_hold,  ROLE_ANY, 0, "", ""},
	{METHOD_POST, "/hold",           rig_on_hold,  ROLE_ANY, 100, "", ""},
	{METHOD_GET,  "/big",            rig_on_big,   ROLE_ANY, 0, "n", ""},
	{METHOD_GET,  "/empty",          rig_on_empty, ROLE_ANY, 0, "", ""},
	{METHOD_GET,  "/q/{queue}/fail", rig_on_fail,  ROLE_ANY, 0, "", ""},
	{METHOD_GET,  "/full",           rig_on_full,  ROLE_ANY, 0, "after", ""},
	{METHOD_GET,  "/peer",           rig_on_peer,  ROLE_ANY, 0, "", ""},
};
/* clang-format on */

const struct route *
routes_get(size_t *count)
{
	*count = COUNT_OF(rig_routes);
	return rig_routes;
}

/* ---- running the loop ------------------------------------------------- */

typedef bool rig_fn(void *arg);

static struct {
	rig_fn *fn;
	void *arg;
	int64_t until_us;
	bool is_met;
} rig_wait;

static inline void
rig_on_tick(void *arg)
{
	(void)arg;
	rig_wait.is_met = rig_wait.fn(rig_wait.arg);
	if (rig_wait.is_met || clock_mono_us_fresh() > rig_wait.until_us)
		loop_stop(rig.loop);
	else
		timer_arm_ms(&rig.timer, 1);
}

/* Runs the loop until fn says true. */
static inline bool
rig_until(rig_fn *fn, void *arg)
{
	rig_wait.fn = fn;
	rig_wait.arg = arg;
	rig_wait.until_us = clock_mono_us_fresh() + RIG_LIMIT_US;
	timer_arm_ms(&rig.timer, 0);
	loop_run(rig.loop);
	timer_disarm(&rig.timer);
	return rig_wait.is_met;
}

static inline bool
rig_has_conns(void *arg)
{
	return server_connections(rig.server) == *(size_t *)arg;
}

static inline void
rig_wait_conns(size_t n)
{
	if (!rig_until(rig_has_conns, &n))
		fail_msg("%zu connections instead of %zu",
		    server_connections(rig.server), n);
}

static inline bool
rig_has_held(void *arg)
{
	return rig.held_count >= *(size_t *)arg;
}

static inline void
rig_wait_held(size_t n)
{
	assert_true(rig_until(rig_has_held, &n));
}

static inline bool
rig_has_gone(void *arg)
{
	return rig.gone_count >= *(size_t *)arg;
}

/* So many turns of a millisecond: for what must not happen. */
static inline bool
rig_counts_down(void *arg)
{
	return (*(int *)arg)-- == 0;
}

static inline void
rig_turns(int n)
{
	assert_true(rig_until(rig_counts_down, &n));
}

/* Answers what is held, oldest first. */
static inline void
rig_release(size_t n)
{
	assert_true(n <= rig.held_count);
	for (size_t i = 0; i < n; i++) {
		buf_addf(req_out(rig.held[i]), "%zu", i);
		req_reply(rig.held[i], 200);
	}
	rig.held_count -= n;
	memmove(rig.held, rig.held + n, rig.held_count * sizeof(rig.held[0]));
}

/* ---- the server ------------------------------------------------------- */

static inline void
rig_on_log(const char *line, size_t len)
{
	const char *at;
	char text[4096];

	snprintf(text, sizeof(text), "%.*s", (int)len, line);
	if (strstr(text, "access.request") != NULL)
		snprintf(rig.last_access, sizeof(rig.last_access), "%s", text);
	if (strstr(text, "http.accept_failed") != NULL)
		rig.surplus_lines++;
	at = strstr(text, "http.listening addr=");
	if (at != NULL)
		(void)sscanf(at, "http.listening addr=%127s", rig.addr);
}

static inline int
rig_setup(void **state)
{
	(void)state;
	memset(&rig, 0, sizeof(rig));
	log_set_sink(rig_on_log);
	rig.loop = loop_new();
	timer_init(&rig.timer, rig.loop, rig_on_tick, NULL);
	rig.conf.http_listen = xstrdup("127.0.0.1:0");
	rig.conf.http_max_connections = 1000;
	rig.conf.http_max_body = 1 << 20;
	rig.conf.http_header_timeout_ms = 10000;
	rig.conf.http_idle_timeout_ms = 75000;
	rig.conf.http_write_timeout_ms = 30000;
	rig.conf.http_min_rate = 1024;
	rig.conf.log_access = true;
	return 0;
}

static inline enum err
rig_try_open(const char *addrs, char *why, size_t size)
{
	struct buf text;
	enum err err;

	free(rig.conf.http_listen);
	rig.conf.http_listen = xstrdup(addrs);
	buf_init(&text, size - 1);
	err = server_open(&rig.server, rig.loop, &rig.conf, NULL, &text);
	snprintf(why, size, "%.*s", SPAN_ARG(buf_span(&text)));
	buf_clear(&text);
	return err;
}

static inline void
rig_open(const char *addrs)
{
	char why[512];

	if (rig_try_open(addrs, why, sizeof(why)) != ERR_OK)
		fail_msg("%s", why);
}

static inline int
rig_setup_open(void **state)
{
	rig_setup(state);
	rig_open("127.0.0.1:0");
	return 0;
}

static inline int
rig_teardown(void **state)
{
	(void)state;
	rig_release(rig.held_count);
	server_free(rig.server);
	timer_clear(&rig.timer);
	loop_free(rig.loop);
	free(rig.conf.http_listen);
	log_set_sink(NULL);
	return 0;
}

/* ---- clients ---------------------------------------------------------- */

struct client {
	int fd;
	struct buf in;  /* what came and was not yet looked at */
	struct buf out; /* what is still to be sent */
	bool is_ended;  /* the server closed */
	bool is_reset;
	bool is_head; /* the next answer has no body */
	int status;   /* of the answer that was read last */
	char head[4096];
	struct buf body;
};

static inline int
rig_connect(int fd)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET};
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	if (strncmp(rig.addr, "unix:", 5) == 0) {
		snprintf(
		    un.sun_path, sizeof(un.sun_path), "%.107s", rig.addr + 5);
		return connect(fd, (struct sockaddr *)&un, sizeof(un));
	}
	in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in4.sin_port =
	    htons((uint16_t)strtoul(strrchr(rig.addr, ':') + 1, NULL, 10));
	return connect(fd, (struct sockaddr *)&in4, sizeof(in4));
}

static inline int
rig_socket(void)
{
	bool is_unix = strncmp(rig.addr, "unix:", 5) == 0;
	int fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	return fd;
}

static inline void
client_open_on(struct client *c, int fd)
{
	memset(c, 0, sizeof(*c));
	c->fd = fd;
	buf_init(&c->in, 256 << 20);
	buf_init(&c->out, 256 << 20);
	buf_init(&c->body, 256 << 20);
	assert_int_equal(rig_connect(fd), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

static inline void
client_open(struct client *c)
{
	client_open_on(c, rig_socket());
}

static inline void
client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	buf_clear(&c->in);
	buf_clear(&c->out);
	buf_clear(&c->body);
}

/* So that the server sees a reset. */
static inline void
client_reset(struct client *c)
{
	struct linger hard = {1, 0};

	assert_int_equal(
	    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
	client_close(c);
}

static inline void
client_write(struct client *c)
{
	ssize_t n;

	while (c->out.len > 0) {
		n = send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL);
		if (n <= 0)
			return;
		memmove(c->out.data, c->out.data + n, c->out.len - (size_t)n);
		c->out.len -= (size_t)n;
	}
}

static inline void
client_read(struct client *c)
{
	char bytes[65536];
	ssize_t n;

	while ((n = recv(c->fd, bytes, sizeof(bytes), 0)) > 0)
		buf_add(&c->in, bytes, (size_t)n);
	if (n == 0)
		c->is_ended = true;
	else if (errno != EAGAIN)
		c->is_ended = c->is_reset = true;
}

static inline void
client_send_bytes(struct client *c, const char *p, size_t n)
{
	buf_add(&c->out, p, n);
	client_write(c);
}

static inline void
client_send(struct client *c, const char *text)
{
	client_send_bytes(c, text, strlen(text));
}

/* Length of the whole answer at the front of in, 0 while it is not there. */
static inline size_t
client_answer_len(struct client *c)
{
	size_t head, body = 0;
	const char *end, *field;

	if (c->in.len == 0)
		return 0;
	buf_add_char(&c->in, '\0');
	c->in.len--;
	end = strstr(c->in.data, "\r\n\r\n");
	if (end == NULL)
		return 0;
	head = (size_t)(end + 4 - c->in.data);
	field = strstr(c->in.data, "Content-Length: ");
	if (field != NULL && field < end && !c->is_head)
		body = strtoul(field + 16, NULL, 10);
	return c->in.len < head + body ? 0 : head + body;
}

static inline bool
client_has_answer(void *arg)
{
	struct client *c = arg;

	client_write(c);
	client_read(c);
	return client_answer_len(c) > 0;
}

/* Reads one answer and checks what every answer must have. */
static inline void
client_answer(struct client *c, int status)
{
	size_t len, head;

	if (!rig_until(client_has_answer, c))
		fail_msg("no answer, but '%.*s'", SPAN_ARG(buf_span(&c->in)));
	len = client_answer_len(c);
	head = (size_t)(strstr(c->in.data, "\r\n\r\n") + 4 - c->in.data);
	snprintf(c->head, sizeof(c->head), "%.*s", (int)head, c->in.data);
	buf_reset(&c->body, SIZE_MAX);
	buf_add(&c->body, c->in.data + head, len - head);
	memmove(c->in.data, c->in.data + len, c->in.len - len);
	c->in.len -= len;
	c->status = (int)strtol(c->head + 9, NULL, 10);
	if (c->status != status)
		fail_msg("%d instead of %d: %s%.*s", c->status, status, c->head,
		    SPAN_ARG(buf_span(&c->body)));
	assert_memory_equal(c->head, "HTTP/1.1 ", 9);
	if (status == 100)
		return;
	assert_non_null(strstr(c->head, "\r\nX-Request-Id: "));
	if (status != 204)
		assert_non_null(strstr(c->head, "\r\nContent-Type: "));
}

/* The same for an error: its name, and a word of its detail, or NULL. */
static inline void
client_error(struct client *c, enum err err, const char *word)
{
	const struct err_info *info = err_info(err);
	char want[512];

	client_answer(c, info->http);
	buf_add_char(&c->body, '\0');
	snprintf(want, sizeof(want),
	    "{\"error\":{\"code\":%d,\"name\":\"%s\",\"text\":\"%s\"",
	    info->number, info->name, info->text);
	if (strncmp(c->body.data, want, strlen(want)) != 0)
		fail_msg("%s\n instead of %s", c->body.data, want);
	if (word == NULL)
		assert_string_equal(c->body.data + strlen(want), "}}");
	else if (strstr(c->body.data, word) == NULL)
		fail_msg("no '%s' in %s", word, c->body.data);
}

static inline void
client_body_is(struct client *c, const char *want)
{
	if (!span_is(buf_span(&c->body), want))
		fail_msg("'%.*s' instead of '%s'", SPAN_ARG(buf_span(&c->body)),
		    want);
}

static inline bool
client_has_end(void *arg)
{
	struct client *c = arg;

	client_write(c);
	client_read(c);
	return c->is_ended;
}

/* The server closes, cleanly, without a further byte. */
static inline void
client_end(struct client *c)
{
	assert_true(rig_until(client_has_end, c));
	assert_false(c->is_reset);
	if (c->in.len > 0)
		fail_msg("more came: '%.*s'", SPAN_ARG(buf_span(&c->in)));
}

static inline bool
client_has_header(struct client *c, const char *line)
{
	char want[256];

	snprintf(want, sizeof(want), "\r\n%s\r\n", line);
	return strstr(c->head, want) != NULL;
}

/* The last answer said so, and it is so. */
static inline void
client_closed(struct client *c)
{
	assert_true(client_has_header(c, "Connection: close"));
	client_end(c);
	client_close(c);
	rig_wait_conns(0);
}

#define HOST " HTTP/1.1\r\nHost: x\r\n"
#define GET(path) "GET " path HOST "\r\n"

/* The connection works: a plain request and its answer. */
static inline void
client_works(struct client *c)
{
	client_send(c, GET("/hello"));
	client_answer(c, 200);
	client_body_is(c, "\"hi\"");
}

#endif
