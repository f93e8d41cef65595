/*
 * Settings from any bytes: the text of a file, and behind a line "--" words
 * as arguments. What fails says why in one line of text; what loads can be
 * printed, looked up in and freed.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/conf_priv.h"

enum { ARGS_MAX = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Splits off what follows the last line "--": one argument a line. */
static size_t
split_args(struct span *text, char **args)
{
	const char *end = text->p + text->len, *p = end;
	size_t count = 0;

	while (p > text->p && !(end - p >= 4 && memcmp(p, "\n--\n", 4) == 0))
		p--;
	if (p == text->p)
		return 0;
	text->len = (size_t)(p - text->p);
	for (p += 4; p < end && count < ARGS_MAX; p++) {
		const char *start = p;

		while (p < end && *p != '\n')
			p++;
		args[count++] = xmemdupz(start, (size_t)(p - start));
	}
	return count;
}

static void
check_why(struct buf *why)
{
	ASSERT(!why->failed && why->len > 0);
	ASSERT(memchr(why->data, '\n', why->len) == NULL);
	ASSERT(memchr(why->data, '\0', why->len) == NULL);
	ASSERT(utf8_is_valid(why->data, why->len));
}

static void
check_conf(const struct conf *c)
{
	struct buf out;

	buf_init(&out, 64 * 1024 * 1024);
	conf_print(c, &out);
	ASSERT(!out.failed && out.len > 0);
	buf_clear(&out);
	ASSERT(c->server_state_dir[0] == '/');
	ASSERT(c->redis_count >= 1);
	ASSERT(strcmp(c->redis[0].name, "main") == 0);
	for (size_t i = 0; i < c->queue_count; i++) {
		const struct conf_queue *q = &c->queues[i];

		ASSERT(name_is_valid(span_of(q->name)));
		ASSERT(conf_queue_policy(c, span_of(q->name)) == &q->policy);
		ASSERT(q->policy.lease_ms >= 1000);
		ASSERT(i == 0 || strcmp(q[-1].name, q->name) < 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = {(const char *)data, size};
	char *args[ARGS_MAX];
	struct conf *c;
	struct buf why;
	size_t count = size > 0 ? split_args(&text, args) : 0;
	enum err err;

	buf_init(&why, 4096);
	err = conf_load_text(&c, "schedd.conf", text, args, count, &why);
	ASSERT((err == ERR_OK) == (c != NULL));
	if (c == NULL)
		check_why(&why);
	else
		check_conf(c);
	conf_free(c);
	buf_clear(&why);
	while (count > 0)
		free(args[--count]);
	return 0;
}
