/*
 * Removing a queue. In Redis it is one step. Here the queue stays as long as
 * somebody waits in it, as one that was only asked for; what is pushed while
 * the step is under way comes behind it, and makes the queue anew.
 */

#include "store/store_priv.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/mem.h"
#include "store/reply.h"

struct drop {
	struct done done;
	struct queue *queue;
	enum err err;
	store_remove_cb *cb;
	void *arg;
};

static void
drop_on_done(struct done *d)
{
	static const struct store_removed none;
	struct drop *drop = CONTAINER_OF(d, struct drop, done);

	drop->cb(drop->err, &none, drop->arg);
	free(drop);
}

static void
drop_on_reply(enum err err, const struct redisReply *r, void *arg)
{
	struct drop *drop = arg;
	struct store_removed removed = {0};
	struct queue *q = drop->queue;
	bool is_removed = false;
	struct reply c;

	if (err == ERR_OK) {
		reply_open(&c, r);
		is_removed = reply_int(&c, 0) != 0;
		removed.tasks = (uint64_t)reply_int(&c, 0);
		removed.live = (uint64_t)reply_int(&c, 0);
		removed.dead = (uint64_t)reply_int(&c, 0);
		if (c.bad)
			err = ERR_STORE_REPLY;
		else if (!is_removed)
			err = ERR_QUEUE_NOT_EMPTY;
	}
	q->dropping--;
	if (is_removed)
		queue_forget(q);
	drop->cb(err, &removed, drop->arg);
	free(drop);
}

void
store_queue_remove(struct store *s, struct span queue, bool force,
    store_remove_cb *cb, void *arg)
{
	struct drop *drop = xcalloc(1, sizeof(*drop));
	struct queue *q;
	struct buf args;

	s = store_of(s, queue);
	q = queue_find(s, queue);
	drop->queue = q;
	drop->cb = cb;
	drop->arg = arg;
	drop->err = queue_refusal(s, q);
	if (drop->err != ERR_OK) {
		drop->done.fn = drop_on_done;
		store_complete(s, &drop->done);
		return;
	}
	q->dropping++;
	q->renewed = false;
	q->used_us = clock_mono_us();
	buf_init(&args, CALL_MAX_ARGS_BYTES);
	resp_add_span(&args, q->key);
	store_add_key(s, &args, "queues");
	store_add_key(s, &args, "store");
	resp_add_i64(&args, clock_offset_ms());
	resp_add_str(&args, q->name);
	resp_add_str(&args, force ? "1" : "");
	redis_conn_script(
	    s->conn, SCRIPT_DROP, &args, 6, 3, drop_on_reply, drop);
}
