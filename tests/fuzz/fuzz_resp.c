/*
 * Replies of Redis from any bytes: what the reader makes of them must not
 * depend on how they are cut, and what walks over a reply stays within it.
 */

#include <stddef.h>
#include <stdint.h>

#include <hiredis/hiredis.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/mem.h"
#include "store/reply.h"
#include "store/reply_make.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_MAX = 1 << 20, TEXT_MAX = 8 << 20, DEPTH_MAX = 16 };

/* As text, so that two readings can be compared. */
static void
show(struct buf *out, const struct redisReply *r, int depth)
{
	ASSERT(depth < DEPTH_MAX);
	buf_addf(out, "%d", r->type);
	if (r->type == REDIS_REPLY_INTEGER)
		buf_add_i64(out, r->integer);
	else if (r->type == REDIS_REPLY_ARRAY)
		for (size_t i = 0; i < r->elements; i++)
			show(out, r->element[i], depth + 1);
	else if (r->str != NULL)
		buf_add(out, r->str, r->len);
	buf_add_char(out, ';');
}

/* Everything that store/ reads replies with. */
static void
walk(const struct redisReply *r)
{
	struct task_value value;
	struct reply c;
	struct span s;
	int64_t n;

	(void)reply_is_int(r, &n);
	if (reply_is_bytes(r, &s) && task_value_read(s, &value))
		ASSERT(value.rest.p + value.rest.len == s.p + s.len);
	for (int turn = 0; turn < 3; turn++) {
		reply_open(&c, r);
		for (size_t left = reply_left(&c); left > 0; left--) {
			if (turn == 0)
				(void)reply_int(&c, 0);
			else if (turn == 1)
				(void)reply_maybe_int(&c, &n);
			else
				(void)reply_bytes(&c);
			ASSERT(c.bad || reply_left(&c) == left - 1);
		}
		(void)reply_bytes(&c);
		ASSERT(c.bad && reply_left(&c) == 0);
	}
}

/* step: the longest piece. */
static void
read_all(struct buf *out, const uint8_t *data, size_t size, size_t step)
{
	struct arena *arena = arena_new(ARENA_MAX);
	struct redisReader *reader = reply_reader_new(arena);
	void *reply = NULL;
	bool is_broken = false;

	for (size_t at = 0, n; at < size && !is_broken; at += n) {
		n = size - at < step ? size - at : step;
		is_broken =
		    redisReaderFeed(reader, (const char *)data + at, n) != 0;
		while (!is_broken) {
			is_broken = redisReaderGetReply(reader, &reply) != 0;
			if (is_broken || reply == NULL)
				break;
			walk(reply);
			show(out, reply, 0);
		}
	}
	buf_add_str(out, is_broken ? "!" : ".");
	redisReaderFree(reader);
	arena_free(arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t steps[] = {1, 3, 17};
	struct buf whole, cut;

	buf_init(&whole, TEXT_MAX);
	buf_init(&cut, TEXT_MAX);
	read_all(&whole, data, size, SIZE_MAX);
	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		buf_reset(&cut, SIZE_MAX);
		read_all(&cut, data, size, steps[i]);
		ASSERT(span_eq(buf_span(&whole), buf_span(&cut)));
	}
	buf_clear(&whole);
	buf_clear(&cut);
	return 0;
}
