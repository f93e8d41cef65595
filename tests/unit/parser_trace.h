#ifndef SCHEDD_TESTS_UNIT_PARSER_TRACE_H
#define SCHEDD_TESTS_UNIT_PARSER_TRACE_H

/*
 * What the request parser makes of some bytes, as text, so that two ways of
 * cutting them can be compared: per request its line, "close" when the
 * connection is not to be kept, "len=" or "chunked", "expect", "expect?",
 * "id=", the body in brackets and a full stop; then "!NAME" for an error, or
 * "~" when more would have to come.
 */

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "http/parser.h"

struct trace {
	struct parser parser;
	struct buf text;
	struct buf held; /* offered, but not yet used */
	uint64_t body_max;
	bool in_body;
	bool is_over; /* an error was said */
};

static inline void
trace_init(struct trace *t, uint64_t body_max)
{
	memset(t, 0, sizeof(*t));
	parser_init(&t->parser);
	buf_init(&t->text, 64 << 20);
	buf_init(&t->held, 64 << 20);
	t->body_max = body_max;
}

static inline void
trace_clear(struct trace *t)
{
	buf_clear(&t->text);
	buf_clear(&t->held);
}

static inline void
trace_head(struct trace *t)
{
	const struct parser_head *h = &t->parser.head;

	buf_add_span(&t->text, h->method);
	buf_add_char(&t->text, ' ');
	buf_add_span(&t->text, h->target);
	buf_add_str(&t->text, h->is_http10 ? " 1.0" : " 1.1");
	if (!h->keep_alive)
		buf_add_str(&t->text, " close");
	if (h->has_length)
		buf_addf(&t->text, " len=%llu", (unsigned long long)h->length);
	if (h->is_chunked)
		buf_add_str(&t->text, " chunked");
	if (h->expect != EXPECT_NONE)
		buf_add_str(&t->text,
		    h->expect == EXPECT_CONTINUE ? " expect" : " expect?");
	if (h->request_id.len > 0) {
		buf_add_str(&t->text, " id=");
		buf_add_span(&t->text, h->request_id);
	}
	t->parser.body_max = t->body_max;
}

static inline void
trace_event(struct trace *t, enum parser_event event)
{
	switch (event) {
	case PARSER_MORE:
		break;
	case PARSER_HEAD:
		ASSERT(!t->in_body);
		trace_head(t);
		break;
	case PARSER_BODY:
		ASSERT(t->parser.piece.len > 0);
		if (!t->in_body)
			buf_add_str(&t->text, " [");
		t->in_body = true;
		buf_add_span(&t->text, t->parser.piece);
		break;
	case PARSER_DONE:
		buf_add_str(&t->text, t->in_body ? "]. " : ". ");
		t->in_body = false;
		break;
	case PARSER_ERROR:
		ASSERT(t->parser.err != ERR_OK);
		buf_addf(&t->text, "!%s", err_info(t->parser.err)->name);
		t->is_over = true;
		break;
	}
}

/* One step on a copy of just the bytes that are held, so that a look beyond
 * them is found. False when it wants more. */
static inline bool
trace_step(struct trace *t)
{
	size_t len = t->held.len, used = 0;
	char *copy = xmemdupz(len == 0 ? "" : t->held.data, len);
	char *exact = realloc(copy, len == 0 ? 1 : len);
	enum parser_event event;

	ASSERT(exact != NULL);
	event = parser_next(&t->parser, (struct span){exact, len}, &used);
	trace_event(t, event);
	free(exact);
	ASSERT(used <= len);
	if (used > 0)
		memmove(t->held.data, t->held.data + used, len - used);
	t->held.len -= used;
	return event != PARSER_ERROR && (event != PARSER_MORE || used > 0);
}

static inline void
trace_feed(struct trace *t, const char *p, size_t n)
{
	if (t->is_over)
		return;
	buf_add(&t->held, p, n);
	while (trace_step(t))
		;
	ASSERT(t->is_over || t->held.len < PARSER_HEAD_MAX);
}

static inline void
trace_end(struct trace *t)
{
	if (!t->is_over && (!parser_is_idle(&t->parser) || t->held.len > 0))
		buf_add_char(&t->text, '~');
}

#endif
