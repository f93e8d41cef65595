/* hiredis's hooks for making replies, on an arena; see reply_make.h. */

#include "store/reply_make.h"

#include <stddef.h>

#include <hiredis/hiredis.h>

#include "core/arena.h"
#include "core/mem.h"

/* NULL, which breaks the reader, past the arena's cap. */
static redisReply *
reply_new(const redisReadTask *task, int type)
{
	redisReply *r = arena_alloc(task->privdata, sizeof(*r)), *parent;

	if (r == NULL)
		return NULL;
	r->type = type;
	if (task->parent != NULL) {
		parent = task->parent->obj;
		parent->element[task->idx] = r;
	}
	return r;
}

/* Also a status or an error: the task says which. The reader waits for two
 * bytes behind the text, but does not look at them: a length that is wrong
 * would shift all replies that follow. */
static void *
make_string(const redisReadTask *task, char *p, size_t len)
{
	redisReply *r;

	if (p[len] != '\r' || p[len + 1] != '\n')
		return NULL;
	r = reply_new(task, task->type);
	if (r == NULL)
		return NULL;
	r->str = arena_dup(task->privdata, (struct span){p, len});
	r->len = len;
	return r->str == NULL ? NULL : r;
}

static void *
make_array(const redisReadTask *task, int count)
{
	redisReply *r = reply_new(task, REDIS_REPLY_ARRAY);
	size_t n = (size_t)count;

	if (r == NULL)
		return NULL;
	r->element = arena_alloc(task->privdata, n * sizeof(r->element[0]));
	r->elements = n;
	return r->element == NULL ? NULL : r;
}

static void *
make_integer(const redisReadTask *task, long long value)
{
	redisReply *r = reply_new(task, REDIS_REPLY_INTEGER);

	if (r != NULL)
		r->integer = value;
	return r;
}

static void *
make_nil(const redisReadTask *task)
{
	return reply_new(task, REDIS_REPLY_NIL);
}

/* It goes with the arena. */
static void
drop(void *reply)
{
	(void)reply;
}

struct redisReader *
reply_reader_new(struct arena *arena)
{
	static redisReplyObjectFunctions hooks = {
	    make_string, make_array, make_integer, make_nil, drop};
	redisReader *reader = redisReaderCreateWithFunctions(&hooks);

	ASSERT(reader != NULL);
	reader->privdata = arena;
	return reader;
}
