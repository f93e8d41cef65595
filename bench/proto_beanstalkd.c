/*
 * beanstalkd's protocol.txt. A batch is as many commands in one write. A
 * report of one task and the next take are two round trips, as its clients
 * do it; "beanstalkd-pipelined" writes both at once.
 *
 * A reserve blocks when there is nothing, so it waits by nature.
 */

#include <stdlib.h>
#include <string.h>

#include "bench/load.h"
#include "bench/task.h"

static void
beanstalkd_push(struct conn *c, uint32_t first, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		buf_add_str(&c->out, "put 100 0 3600 200\r\n");
		task_add_payload(&c->out, first + i);
		buf_add_str(&c->out, "\r\n");
	}
	c->expect += n;
}

static void
beanstalkd_take(struct conn *c, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		buf_add_str(&c->out, "reserve\r\n");
	c->expect += n;
}

static void
beanstalkd_finish(struct conn *c, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		const struct handle *h = conn_drop(c);

		buf_add_str(&c->out, "delete ");
		buf_add(&c->out, h->text, h->len);
		buf_add_str(&c->out, "\r\n");
	}
	c->expect += n;
}

static void
beanstalkd_turn(struct conn *c, uint32_t n, uint32_t m)
{
	beanstalkd_finish(c, n);
	beanstalkd_take(c, m);
}

static void
beanstalkd_wait(struct conn *c)
{
	beanstalkd_turn(c, c->held_count, 1);
}

/* RESERVED id bytes, then the payload. */
static enum reply
reserved(struct conn *c, const char *p, size_t line, size_t len)
{
	const char *id = p + strlen("RESERVED ");
	const char *space = memchr(id, ' ', line - strlen("RESERVED "));
	size_t bytes = 0;

	if (space != NULL)
		bytes = strtoul(space, NULL, 10);
	if (bytes != TASK_PAYLOAD_LEN)
		load_die("beanstalkd: %.*s", (int)line, p);
	if (len < line + bytes + 2)
		return REPLY_PART;
	conn_hold(
	    c, id, (size_t)(space - id), p + line + TASK_PAYLOAD_DIGITS_AT);
	c->in_at += line + bytes + 2;
	return REPLY_ONE;
}

static enum reply
beanstalkd_reply(struct conn *c)
{
	size_t len, line;
	const char *p = conn_unread(c, &len), *end = memchr(p, '\n', len);

	if (end == NULL)
		return REPLY_PART;
	line = (size_t)(end + 1 - p);
	if (strncmp(p, "RESERVED ", 9) == 0)
		return reserved(c, p, line, len);
	if (strncmp(p, "INSERTED ", 9) != 0 && strncmp(p, "DELETED", 7) != 0)
		load_die("beanstalkd: %.*s", (int)line, p);
	c->in_at += line;
	return REPLY_ONE;
}

const struct proto proto_beanstalkd = {
    .name = "beanstalkd",
    .push = beanstalkd_push,
    .take = beanstalkd_take,
    .wait = beanstalkd_wait,
    .finish = beanstalkd_finish,
    .reply = beanstalkd_reply,
};

const struct proto proto_beanstalkd_pipelined = {
    .name = "beanstalkd-pipelined",
    .push = beanstalkd_push,
    .take = beanstalkd_take,
    .wait = beanstalkd_wait,
    .finish = beanstalkd_finish,
    .turn = beanstalkd_turn,
    .reply = beanstalkd_reply,
};
