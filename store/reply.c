/* Shape-checked reading of Redis's replies. */

#include "store/reply.h"

#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

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

bool
task_value_read(struct span value, struct task_value *out)
{
	uint64_t at = 0;

	if (value.len < TASK_VALUE_HEAD ||
	    (value.p[0] != 'P' && value.p[0] != 'F'))
		return false;
	for (int i = 1; i < TASK_VALUE_HEAD; i++)
		at = at << 8 | (unsigned char)value.p[i];
	out->kind = value.p[0];
	out->at = (int64_t)at;
	out->rest.p = value.p + TASK_VALUE_HEAD;
	out->rest.len = value.len - TASK_VALUE_HEAD;
	return true;
}

void
task_value_head(char dst[TASK_VALUE_HEAD], int64_t pushed_at)
{
	uint64_t at = pushed_at < 0 ? 0 : (uint64_t)pushed_at;

	dst[0] = 'P';
	for (int i = TASK_VALUE_HEAD - 1; i > 0; i--, at >>= 8)
		dst[i] = (char)(at & 0xff);
}
