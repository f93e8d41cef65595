/*
 * Our own API, docs/api.md: the queue "bench", payloads as JSON values.
 * Every answer is held to what was asked: all queued, all reports taken.
 */

#define _GNU_SOURCE /* memmem */

#include <string.h>

#include "bench/http_client.h"
#include "bench/load.h"
#include "bench/task.h"
#include "core/mem.h"

static const char tasks_path[] = "/v1/queues/bench/tasks";
static const char take_path[] = "/v1/queues/bench/take";
static const char report_path[] = "/v1/queues/bench/report";

static void
schedd_push(struct conn *c, uint32_t first, uint32_t n)
{
	struct buf *b = &c->load->body;
	uint32_t i;

	buf_reset(b, SIZE_MAX);
	if (n > 1)
		buf_add_str(b, "{\"tasks\":[");
	for (i = 0; i < n; i++) {
		buf_add_str(b, i == 0 ? "{\"id\":\"" : ",{\"id\":\"");
		task_add_id(b, first + i);
		buf_add_str(b, "\",\"payload\":");
		task_add_payload(b, first + i);
		buf_add_char(b, '}');
	}
	if (n > 1)
		buf_add_str(b, "]}");
	http_client_request(c, "POST", tasks_path, b);
}

static void
begin(struct conn *c)
{
	struct buf *b = &c->load->body;

	buf_reset(b, SIZE_MAX);
	buf_add_str(b, "{\"worker\":\"w");
	buf_add_u64(b, c->index);
	buf_add_char(b, '"');
}

static void
add_finished(struct conn *c, uint32_t n)
{
	struct buf *b = &c->load->body;
	uint32_t i;

	if (n == 0)
		return;
	buf_add_str(b, ",\"finished\":[");
	for (i = 0; i < n; i++) {
		const struct handle *h = conn_drop(c);

		buf_add_str(b, i == 0 ? "\"" : ",\"");
		buf_add(b, h->text, h->len);
		buf_add_char(b, '"');
	}
	buf_add_char(b, ']');
}

static void
add_count(struct conn *c, uint32_t n)
{
	struct buf *b = &c->load->body;

	buf_add_str(b, ",\"count\":");
	buf_add_u64(b, n);
}

static void
send_to(struct conn *c, const char *path)
{
	buf_add_char(&c->load->body, '}');
	http_client_request(c, "POST", path, &c->load->body);
}

static void
schedd_turn(struct conn *c, uint32_t n, uint32_t m)
{
	begin(c);
	add_count(c, m);
	add_finished(c, n);
	send_to(c, take_path);
}

static void
schedd_take(struct conn *c, uint32_t n)
{
	schedd_turn(c, 0, n);
}

static void
schedd_wait(struct conn *c)
{
	begin(c);
	add_count(c, 1);
	buf_add_str(&c->load->body, ",\"wait_s\":60");
	add_finished(c, c->held_count);
	send_to(c, take_path);
}

static void
schedd_finish(struct conn *c, uint32_t n)
{
	begin(c);
	add_finished(c, n);
	send_to(c, report_path);
}

static void
schedd_ping(struct conn *c)
{
	http_client_request(c, "GET", "/readyz", NULL);
}

/* The number after a field's name, somewhere in an answer, is n. */
static void
need_number(struct span body, const char *field, uint32_t n)
{
	const char *at = memmem(body.p, body.len, field, strlen(field));
	size_t left;
	uint32_t number = 0;

	if (at != NULL) {
		at += strlen(field);
		left = body.len - (size_t)(at - body.p);
		for (; left > 0 && *at >= '0' && *at <= '9'; at++, left--)
			number = number * 10 + (uint32_t)(*at - '0');
	}
	if (at == NULL || number != n)
		load_die("%s%u was expected in %.*s", field, n,
		    body.len > 600 ? 600 : (int)body.len, body.p);
}

static void
hold_tasks(struct conn *c, struct span body)
{
	static const char mark[] = "\"id\":\"t-";
	const size_t mark_len = sizeof(mark) - 1;
	const char *at = body.p, *end = body.p + body.len;

	while ((at = memmem(at, (size_t)(end - at), mark, mark_len)) != NULL) {
		at += mark_len;
		if ((size_t)(end - at) < TASK_DIGITS)
			break;
		conn_hold(c, at - 2, TASK_ID_LEN, at);
	}
}

static enum reply
schedd_reply(struct conn *c)
{
	struct span body;

	if (!http_client_answer(c, &body))
		return REPLY_PART;
	if (c->request == REQUEST_PUSH)
		need_number(body, "\"queued\":", c->asked);
	else if (c->reported > 0)
		need_number(body, "\"finished\":", c->reported);
	if (c->request == REQUEST_TAKE || c->request == REQUEST_TURN ||
	    c->request == REQUEST_WAIT)
		hold_tasks(c, body);
	return REPLY_ONE;
}

const struct proto proto_schedd = {
    .name = "schedd",
    .push = schedd_push,
    .take = schedd_take,
    .wait = schedd_wait,
    .finish = schedd_finish,
    .turn = schedd_turn,
    .ping = schedd_ping,
    .reply = schedd_reply,
};
