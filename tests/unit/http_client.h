#ifndef SCHEDD_TESTS_UNIT_HTTP_CLIENT_H
#define SCHEDD_TESTS_UNIT_HTTP_CLIENT_H

/* Clients of the engine that http_rig.h runs, in the same loop. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/http_rig.h"
#include "tests/unit/http_rig_routes.h"

struct client {
	int fd;
	struct buf in;  /* what came and was not yet looked at */
	struct buf out; /* to be sent */
	size_t sent;    /* of it */
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

	while (c->sent < c->out.len) {
		n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent,
		    MSG_NOSIGNAL);
		if (n <= 0)
			return;
		c->sent += (size_t)n;
	}
	buf_reset(&c->out, SIZE_MAX);
	c->sent = 0;
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
