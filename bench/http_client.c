/* See http_client.h. */

#define _GNU_SOURCE /* memmem */

#include "bench/http_client.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bench/load.h"

void
http_client_request(struct conn *c, const char *method, const char *path,
    const struct buf *body)
{
	struct buf *out = &c->out;

	buf_add_str(out, method);
	buf_add_char(out, ' ');
	buf_add_str(out, path);
	buf_add_str(out, " HTTP/1.1\r\nHost: 127.0.0.1\r\n");
	if (body != NULL) {
		buf_add_str(out, "Content-Type: application/json\r\n"
				 "Content-Length: ");
		buf_add_u64(out, body->len);
		buf_add_str(out, "\r\n");
	}
	buf_add_str(out, "\r\n");
	if (body != NULL)
		buf_add(out, body->data, body->len);
	c->expect++;
}

/* The value of Content-Length among the header lines; -1: none. */
static long
content_length(const char *at, const char *end)
{
	static const char name[] = "content-length:";

	while (at < end) {
		const char *line = memchr(at, '\n', (size_t)(end - at));

		if (line == NULL)
			break;
		at = line + 1;
		if ((size_t)(end - at) > sizeof(name) &&
		    strncasecmp(at, name, sizeof(name) - 1) == 0)
			return strtol(at + sizeof(name) - 1, NULL, 10);
	}
	return -1;
}

bool
http_client_answer(struct conn *c, struct span *body)
{
	size_t len, head;
	const char *p = conn_unread(c, &len), *end;
	long length;

	if (len < 16)
		return false;
	end = memmem(p, len, "\r\n\r\n", 4);
	if (end == NULL)
		return false;
	head = (size_t)(end + 4 - p);
	length = content_length(p, end + 4);
	if (p[9] != '2' || length < 0)
		load_die("HTTP answer: %.*s", len > 600 ? 600 : (int)len, p);
	if (len < head + (size_t)length)
		return false;
	*body = (struct span){p + head, (size_t)length};
	c->in_at += head + (size_t)length;
	return true;
}
