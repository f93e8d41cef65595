/* Would Redis take a push now? Asked, not guessed: it knows its memory. */

#include <stdlib.h>

#include "core/mem.h"
#include "store/store_priv.h"

struct room {
	store_count_cb *cb;
	void *arg;
};

static void
room_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct room room = *(struct room *)arg;

	(void)reply;
	free(arg);
	room.cb(err, 0, room.arg);
}

void
store_check_room(struct store *s, store_count_cb *cb, void *arg)
{
	struct room *room = xcalloc(1, sizeof(*room));
	struct buf args;

	room->cb = cb;
	room->arg = arg;
	buf_init(&args, CALL_MAX_ARGS_BYTES);
	resp_add_str(&args, s->redis->prefix);
	redis_conn_script(
	    s->conn, SCRIPT_ROOM, &args, 1, 1, room_on_reply, room);
}
