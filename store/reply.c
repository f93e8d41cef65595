/* Shape-checked reading of Redis's replies. */

#include "store/reply.h"

#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

enum { FINISHED = 198, FINISHED_HEAD = 7, EPOCH_2020_S = 1577836800 };

void
reply_open(struct reply *c, const struct redisReply *r)
{
	*c = (struct reply){.array = r};
	if (r == NULL || r->type != REDIS_REPLY_ARRAY)
		c->bad = true;
	else
		c->count = r->elements;
}

size_t
reply_left(const struct reply *c)
{
	return c->bad ? 0 : c->count - c->next;
}

static const struct redisReply *
reply_next(struct reply *c)
{
	if (c->bad || c->next >= c->count) {
		c->bad = true;
		return NULL;
	}
	return c->array->element[c->next++];
}

bool
reply_is_int(const struct redisReply *r, int64_t *out)
{
	char *end;

	if (r->type == REDIS_REPLY_INTEGER) {
		*out = r->integer;
		return true;
	}
	if (r->type != REDIS_REPLY_STRING || r->len == 0 || r->len > 24)
		return false;
	/* Scores come as doubles, in whole ms here. */
	*out = (int64_t)strtod(r->str, &end);
	return *end == '\0';
}

bool
reply_is_bytes(const struct redisReply *r, struct span *out)
{
	if (r->type != REDIS_REPLY_STRING)
		return false;
	*out = (struct span){r->str, (size_t)r->len};
	return true;
}

bool
reply_maybe_int(struct reply *c, int64_t *out)
{
	const struct redisReply *r = reply_next(c);

	if (r == NULL || r->type == REDIS_REPLY_NIL)
		return false;
	if (!reply_is_int(r, out)) {
		c->bad = true;
		return false;
	}
	return true;
}

int64_t
reply_int(struct reply *c, int64_t fallback)
{
	int64_t value = fallback;

	(void)reply_maybe_int(c, &value);
	return value;
}

struct span
reply_bytes(struct reply *c)
{
	const struct redisReply *r = reply_next(c);
	struct span s = {"", 0};

	if (r != NULL && r->type != REDIS_REPLY_NIL && !reply_is_bytes(r, &s))
		c->bad = true;
	return s;
}

static uint64_t
read_be(const char *p, size_t n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++)
		value = value << 8 | (unsigned char)p[i];
	return value;
}

bool
task_value_read(struct span value, struct task_value *out)
{
	size_t head = TASK_VALUE_HEAD;

	if (value.len < head)
		return false;
	out->is_finished = (unsigned char)value.p[0] == FINISHED;
	if (out->is_finished) {
		head = FINISHED_HEAD;
		if (value.len < head)
			return false;
		out->at_ms = (int64_t)read_be(value.p + 1, head - 1);
	} else {
		out->at_ms =
		    ((int64_t)read_be(value.p, head) + EPOCH_2020_S) * 1000;
	}
	out->rest.p = value.p + head;
	out->rest.len = value.len - head;
	return true;
}

void
task_value_head(char dst[TASK_VALUE_HEAD], int64_t pushed_at_ms)
{
	int64_t at = pushed_at_ms / 1000 - EPOCH_2020_S;

	/* The first bit tells a finished one. */
	if (at < 0 || at > INT32_MAX)
		at = 0;
	for (int i = TASK_VALUE_HEAD - 1; i >= 0; i--, at >>= 8)
		dst[i] = (char)(at & 0xff);
}
