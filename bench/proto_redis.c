/*
 * Redis driven with schedd's own scripts (store/lua/push.lua, work.lua:
 * their first lines say what they take and answer), without schedd: the most
 * that any server on these scripts can reach.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load.h"
#include "bench/task.h"

enum {
	VALUE_HEAD_LEN = 4, /* the push time */
	TAKE_HEAD = 6,      /* elements before the first task of work's reply */
	SCRIPT_PUSH = 0,
	SCRIPT_WORK = 1
};

static const char key[] = "sched:{bench}:";

static void
add_bulk(struct conn *c, const char *p, size_t len)
{
	buf_add_char(&c->out, '$');
	buf_add_u64(&c->out, len);
	buf_add_str(&c->out, "\r\n");
	buf_add(&c->out, p, len);
	buf_add_str(&c->out, "\r\n");
}

static void
add_text(struct conn *c, const char *s)
{
	add_bulk(c, s, strlen(s));
}

static void
add_number(struct conn *c, uint64_t n)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	add_text(c, text);
}

static void
add_worker(struct conn *c)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "w%u", c->index);
	add_text(c, text);
}

/* EVALSHA hash 1 key and the clock offset; argc more arguments follow. */
static void
begin(struct conn *c, uint32_t script, uint32_t argc)
{
	buf_add_char(&c->out, '*');
	buf_add_u64(&c->out, argc + 5);
	buf_add_str(&c->out, "\r\n");
	add_text(c, "EVALSHA");
	add_text(c, c->load->scripts[script]);
	add_text(c, "1");
	add_text(c, key);
	add_text(c, "0");
	c->expect++;
}

static void
redis_push(struct conn *c, uint32_t first, uint32_t n)
{
	static const char head[VALUE_HEAD_LEN] = "\1\2\3\4";
	uint32_t i;

	begin(c, SCRIPT_PUSH, 2 + 2 * n);
	add_number(c, 1000000000);
	for (i = 0; i < n; i++) {
		buf_add_str(&c->out, "$11\r\n");
		task_add_id(&c->out, first + i);
		buf_add_str(&c->out, "\r\n$204\r\n");
		buf_add(&c->out, head, sizeof(head));
		task_add_payload(&c->out, first + i);
		buf_add_str(&c->out, "\r\n");
	}
	add_number(c, 0);
}

/* work.lua with argc more arguments than its settings. */
static void
begin_work(struct conn *c, uint32_t argc)
{
	begin(c, SCRIPT_WORK, 6 + argc);
	add_number(c, 3);
	add_number(c, 10000);
	add_number(c, 3600000);
	add_number(c, 1);
	add_number(c, 86400000);
	add_text(c, "");
}

static void
add_reports(struct conn *c, uint32_t n)
{
	uint32_t i;

	add_worker(c);
	add_number(c, n);
	for (i = 0; i < n; i++) {
		const struct handle *h = conn_drop(c);

		add_bulk(c, h->text, h->len);
		buf_add_str(&c->out, "$1\r\nf\r\n");
	}
}

static void
add_taker(struct conn *c, uint32_t n)
{
	add_worker(c);
	add_number(c, n);
	add_text(c, "");
	add_text(c, "");
}

static void
redis_take(struct conn *c, uint32_t n)
{
	begin_work(c, 5);
	add_text(c, "");
	add_taker(c, n);
}

static void
redis_finish(struct conn *c, uint32_t n)
{
	begin_work(c, 3 + 2 * n);
	add_reports(c, n);
	add_text(c, "");
}

static void
redis_turn(struct conn *c, uint32_t n, uint32_t m)
{
	begin_work(c, 7 + 2 * n);
	add_reports(c, n);
	add_text(c, "");
	add_taker(c, m);
}

/* One element of a reply: a number, or bytes. */
struct element {
	long number;
	const char *bytes;
};

/* Reads the element at *at; false while it is not all there. */
static bool
read_element(const char **at, const char *end, struct element *e)
{
	const char *p = *at, *line = NULL;

	if (p < end)
		line = memchr(p, '\n', (size_t)(end - p));
	if (line == NULL)
		return false;
	if (*p != ':' && *p != '$' && *p != '*')
		load_die("redis: %.*s", (int)(line - p), p);
	e->number = strtol(p + 1, NULL, 10);
	e->bytes = NULL;
	*at = line + 1;
	if (*p == '$' && e->number >= 0) {
		if (end - *at < e->number + 2)
			return false;
		e->bytes = *at;
		*at += e->number + 2;
	}
	return true;
}

/* A string of letters, one for each task; each must be the one given. A push
 * into a new queue says so at the end. */
static void
need_letters(const struct element *e, char letter)
{
	long i, n = e->number;

	if (e->bytes == NULL)
		load_die("redis: an answer that is no text");
	if (n > 0 && e->bytes[n - 1] == '!')
		n--;
	for (i = 0; i < n; i++)
		if (e->bytes[i] != letter)
			load_die("redis: '%c' was expected in %.*s", letter,
			    (int)e->number, e->bytes);
}

/* work's reply to reports and at most one taker: letters, the head, then id,
 * attempt and value of each task. In two passes: whether it is all there, then
 * what it holds. */
static enum reply
worked(struct conn *c, const char *at, const char *end, long count)
{
	const char *first = at;
	struct element e;
	long i;

	for (i = 0; i < count; i++)
		if (!read_element(&at, end, &e))
			return REPLY_PART;
	c->in_at += (size_t)(at - first);
	at = first;
	for (i = 0; i < count; i++) {
		(void)read_element(&at, end, &e);
		if (i == 0)
			need_letters(&e, 'k');
		if (i < TAKE_HEAD || (i - TAKE_HEAD) % 3 != 0)
			continue;
		if (e.bytes == NULL || e.number != TASK_ID_LEN)
			load_die("redis: work.lua's reply has another shape");
		conn_hold(c, e.bytes, TASK_ID_LEN, e.bytes + 2);
	}
	return REPLY_ONE;
}

static enum reply
redis_reply(struct conn *c)
{
	size_t len;
	const char *p = conn_unread(c, &len), *at = p, *end = p + len;
	struct element e;
	enum reply reply;

	if (!read_element(&at, end, &e))
		return REPLY_PART;
	if (*p == '*') {
		reply = worked(c, at, end, e.number);
		if (reply == REPLY_ONE)
			c->in_at += (size_t)(at - p);
		return reply;
	}
	need_letters(&e, 'q');
	c->in_at += (size_t)(at - p);
	return REPLY_ONE;
}

const struct proto proto_redis = {
    .name = "redis",
    .push = redis_push,
    .take = redis_take,
    .finish = redis_finish,
    .turn = redis_turn,
    .reply = redis_reply,
};
