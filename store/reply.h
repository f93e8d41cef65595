#ifndef SCHEDD_STORE_REPLY_H
#define SCHEDD_STORE_REPLY_H

/*
 * Reading Redis's replies: every element is checked for its shape, never
 * trusted. A number may come as an integer or as digits in a string.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

struct redisReply;

/* A cursor over a flat array; bad is set by the first element that is
 * missing or of the wrong shape, and then stays. */
struct reply {
	const struct redisReply *array;
	size_t next, count;
	bool bad;
};

/* r is to be an array (of any length). */
void reply_open(struct reply *c, const struct redisReply *r);
size_t reply_left(const struct reply *c);
/* A number; nil reads as fallback. */
int64_t reply_int(struct reply *c, int64_t fallback);
/* A number that may be nil: false then (and *out untouched). */
bool reply_maybe_int(struct reply *c, int64_t *out);
/* Bytes; nil reads as empty. */
struct span reply_bytes(struct reply *c);

/* A reply that is one string or one number. */
bool reply_is_bytes(const struct redisReply *r, struct span *out);
bool reply_is_int(const struct redisReply *r, int64_t *out);

/* A task's value (common.lua). */
struct task_value {
	bool is_finished;
	int64_t at_ms;    /* when it was pushed (whole seconds), or finished */
	struct span rest; /* the payload, or the worker that finished it */
};
bool task_value_read(struct span value, struct task_value *out);
enum { TASK_VALUE_HEAD = 4 };
/* Writes the TASK_VALUE_HEAD bytes in front of a payload. */
void task_value_head(char dst[TASK_VALUE_HEAD], int64_t pushed_at_ms);

#endif
