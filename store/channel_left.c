/*
 * Channels that are in no settings any more, because they were removed or
 * renamed: what waits in their spools and quarantines is told at the start, so
 * that it is not forgotten.
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/channel_priv.h"
#include "store/reply.h"

enum { LEFT_MAX = 1000, NUMBERS = 13, NUMBER_BAD = 7 };

struct left {
	struct store *store;
	size_t count;
	char names[][NAME_MAX_LEN + 1];
};

static void
left_tell(const char *name, struct reply *c)
{
	int64_t n[NUMBERS] = {0};

	/* As numbers_read has them. */
	for (int i = 0; i < NUMBERS; i++) {
		if (i == 5 || i == 10 || i == 11)
			(void)reply_bytes(c);
		else
			n[i] = reply_int(c, 0);
	}
	if (!c->bad && (n[0] > n[2] || n[NUMBER_BAD] > 0))
		log_warn("channel.left",
		    "channel=%s rows=%" PRId64 " quarantined=%" PRId64
		    " hint=\"no settings name it: its rows wait in Redis\"",
		    name, n[0] > n[2] ? n[0] - n[2] : 0, n[NUMBER_BAD]);
}

static void
left_on_numbers(enum err err, const struct redisReply *reply, void *arg)
{
	struct left *left = arg;
	struct reply c;

	if (err == ERR_OK) {
		reply_open(&c, reply);
		(void)reply_int(&c, 0);
		for (size_t i = 0; i < left->count && !c.bad; i++)
			left_tell(left->names[i], &c);
	}
	free(left);
}

static void
left_ask(struct left *left)
{
	struct store *s = left->store;
	char key[2 * NAME_MAX_LEN + 32];
	struct buf args;

	buf_init(&args, CALL_MAX_ARGS_BYTES);
	for (size_t i = 0; i < left->count; i++) {
		channel_base(key, sizeof(key), s, left->names[i]);
		resp_add_str(&args, key);
	}
	resp_add_i64(&args, clock_offset_ms());
	resp_add_str(&args, "");
	resp_add_u64(&args, 0);
	redis_conn_script(s->conn, SCRIPT_CHANNELS_LOOK, &args,
	    (unsigned)left->count + 3, (unsigned)left->count, left_on_numbers,
	    left);
}

static void
names_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct store *s = arg;
	struct left *left;
	struct reply c;
	size_t n;

	if (err != ERR_OK || s->channels->is_closed)
		return; /* with the next connection */
	reply_open(&c, reply);
	n = reply_left(&c) < LEFT_MAX ? reply_left(&c) : LEFT_MAX;
	left = xcalloc(1, sizeof(*left) + n * sizeof(left->names[0]));
	left->store = s;
	for (size_t i = 0; i < n; i++) {
		struct span name = reply_bytes(&c);

		/* Others are nobody's channels. */
		if (name_is_valid(name))
			memcpy(left->names[left->count++], name.p, name.len);
	}
	if (left->count > 0)
		left_ask(left);
	else
		free(left);
}

void
channels_look_left(struct store *s)
{
	const struct channels *all = s->channels;
	struct buf args;

	buf_init(&args, CALL_MAX_ARGS_BYTES);
	store_add_key(s, &args, "channels");
	resp_add_i64(&args, clock_offset_ms());
	for (size_t i = 0; i < all->count; i++)
		resp_add_str(&args, all->items[i]->conf->name);
	redis_conn_script(s->conn, SCRIPT_CHANNEL_NAMES, &args,
	    (unsigned)all->count + 2, 1, names_on_reply, s);
}
