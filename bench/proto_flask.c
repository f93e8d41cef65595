/*
 * The stack that teams start from, bench/flask_app.py: a route for each step,
 * payloads as JSON strings. Without a waiting take, and a report is a round
 * trip of its own.
 */

#define _GNU_SOURCE /* memmem */

#include <stdio.h>
#include <string.h>

#include "bench/http_client.h"
#include "bench/load.h"
#include "bench/task.h"

static void
flask_push(struct conn *c, uint32_t first, uint32_t n)
{
	struct buf *b = &c->load->body;
	uint32_t i;

	buf_reset(b, SIZE_MAX);
	if (n > 1)
		buf_add_char(b, '[');
	for (i = 0; i < n; i++) {
		buf_add_str(b, i == 0 ? "{\"id\":\"" : ",{\"id\":\"");
		task_add_id(b, first + i);
		buf_add_str(b, "\",\"content\":");
		task_add_payload_string(b, first + i);
		buf_add_char(b, '}');
	}
	if (n > 1)
		buf_add_char(b, ']');
	http_client_request(c, "POST", n > 1 ? "/push_many" : "/push", b);
}

static void
flask_take(struct conn *c, uint32_t n)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/fetch?count=%u", n);
	http_client_request(c, "GET", path, NULL);
}

static void
flask_finish(struct conn *c, uint32_t n)
{
	struct buf *b = &c->load->body;
	uint32_t i;

	buf_reset(b, SIZE_MAX);
	for (i = 0; i < n; i++) {
		const struct handle *h = conn_drop(c);

		buf_add_str(b, i == 0 ? "[\"" : "\",\"");
		buf_add(b, h->text, h->len);
	}
	buf_add_str(b, "\"]");
	http_client_request(c, "POST", "/finish", b);
}

static enum reply
flask_reply(struct conn *c)
{
	static const char mark[] = "\"t-";
	struct span body;
	const char *at, *end;

	if (!http_client_answer(c, &body))
		return REPLY_PART;
	if (c->request != REQUEST_TAKE)
		return REPLY_ONE;
	at = body.p;
	end = at + body.len;
	while ((at = memmem(at, (size_t)(end - at), mark, 3)) != NULL &&
	       end - at > 3 + TASK_DIGITS) {
		conn_hold(c, at + 1, TASK_ID_LEN, at + 3);
		at += 3 + TASK_DIGITS;
	}
	return REPLY_ONE;
}

const struct proto proto_flask = {
    .name = "flask",
    .push = flask_push,
    .take = flask_take,
    .finish = flask_finish,
    .reply = flask_reply,
};
