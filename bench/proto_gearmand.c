/*
 * Gearman's binary protocol: background jobs of the function "task". A batch
 * is as many packets in one write. WORK_COMPLETE has no answer; where no
 * take follows it, an echo shows that it was read.
 */

#include <arpa/inet.h>
#include <string.h>

#include "bench/load.h"
#include "bench/task.h"

enum packet {
	CAN_DO = 1,
	PRE_SLEEP = 4,
	NOOP = 6,
	JOB_CREATED = 8,
	GRAB_JOB = 9,
	NO_JOB = 10,
	JOB_ASSIGN = 11,
	WORK_COMPLETE = 13,
	ECHO_REQ = 16,
	ECHO_RES = 17,
	SUBMIT_JOB_BG = 18,
	ERROR_PACKET = 19,
	HEAD_LEN = 12
};

static const char function[] = "task"; /* goes out with its NUL */

static void
add_head(struct conn *c, enum packet type, size_t size)
{
	uint32_t words[2] = {htonl(type), htonl((uint32_t)size)};

	buf_add(&c->out, "\0REQ", 4);
	buf_add(&c->out, words, sizeof(words));
}

static void
gearmand_hello(struct conn *c)
{
	add_head(c, CAN_DO, sizeof(function) - 1);
	buf_add(&c->out, function, sizeof(function) - 1);
}

static void
gearmand_push(struct conn *c, uint32_t first, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		add_head(c, SUBMIT_JOB_BG,
		    sizeof(function) + TASK_ID_LEN + 1 + TASK_PAYLOAD_LEN);
		buf_add(&c->out, function, sizeof(function));
		task_add_id(&c->out, first + i);
		buf_add_char(&c->out, '\0');
		task_add_payload(&c->out, first + i);
	}
	c->expect += n;
}

static void
gearmand_take(struct conn *c, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		add_head(c, GRAB_JOB, 0);
	c->expect += n;
}

static void
add_complete(struct conn *c, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		const struct handle *h = conn_drop(c);

		add_head(c, WORK_COMPLETE, h->len + 1u);
		buf_add(&c->out, h->text, h->len);
		buf_add_char(&c->out, '\0');
	}
}

static void
gearmand_finish(struct conn *c, uint32_t n)
{
	add_complete(c, n);
	add_head(c, ECHO_REQ, 1);
	buf_add_char(&c->out, 'x');
	c->expect++;
}

static void
gearmand_turn(struct conn *c, uint32_t n, uint32_t m)
{
	add_complete(c, n);
	gearmand_take(c, m);
}

static void
gearmand_wait(struct conn *c)
{
	gearmand_turn(c, c->held_count, 1);
}

/* A worker that waits goes to sleep, and grabs when it is woken. */
static enum reply
no_job(struct conn *c)
{
	if (c->request != REQUEST_WAIT)
		return REPLY_ONE;
	add_head(c, PRE_SLEEP, 0);
	conn_send(c);
	return REPLY_NOTE;
}

static enum reply
woken(struct conn *c)
{
	add_head(c, GRAB_JOB, 0);
	conn_send(c);
	return REPLY_NOTE;
}

/* handle, function and payload, with a NUL between them. */
static enum reply
assigned(struct conn *c, const char *p, size_t size)
{
	size_t handle_len = strnlen(p, size);

	if (size < handle_len + 1 + sizeof(function) + TASK_PAYLOAD_LEN)
		load_die("gearmand: a job of %zu bytes", size);
	conn_hold(c, p, handle_len,
	    p + size - TASK_PAYLOAD_LEN + TASK_PAYLOAD_DIGITS_AT);
	return REPLY_ONE;
}

static enum reply
gearmand_reply(struct conn *c)
{
	size_t len;
	const char *p = conn_unread(c, &len);
	uint32_t type, size;

	if (len < HEAD_LEN)
		return REPLY_PART;
	memcpy(&type, p + 4, 4);
	memcpy(&size, p + 8, 4);
	type = ntohl(type);
	size = ntohl(size);
	p += HEAD_LEN;
	if (len < HEAD_LEN + (size_t)size)
		return REPLY_PART;
	c->in_at += HEAD_LEN + (size_t)size;
	switch (type) {
	case JOB_CREATED:
	case ECHO_RES:
		return REPLY_ONE;
	case NO_JOB:
		return no_job(c);
	case NOOP:
		return woken(c);
	case JOB_ASSIGN:
		return assigned(c, p, size);
	case ERROR_PACKET:
		load_die("gearmand: %.*s", (int)size, p);
	default:
		load_die("gearmand: packet %u", type);
	}
}

const struct proto proto_gearmand = {
    .name = "gearmand",
    .hello = gearmand_hello,
    .push = gearmand_push,
    .take = gearmand_take,
    .wait = gearmand_wait,
    .finish = gearmand_finish,
    .turn = gearmand_turn,
    .reply = gearmand_reply,
};
