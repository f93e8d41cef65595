/* What relays note in a queue, and ask of its tasks; see store_relay.h. */

#include <stdlib.h>

#include "core/mem.h"
#include "store/reply.h"
#include "store/store_priv.h"
#include "store/task_read.h"

struct relay_op {
	struct done done;
	enum err err;
	store_relay_cb *claim_cb;
	store_opts_cb *opts_cb;
	void *arg;
	size_t n;
};

static void
op_end(struct relay_op *op, enum err err)
{
	if (op->claim_cb != NULL)
		op->claim_cb(err, false, 0, op->arg);
	else
		op->opts_cb(err, NULL, 0, op->arg);
	free(op);
}

static void
op_on_done(struct done *d)
{
	struct relay_op *op = CONTAINER_OF(d, struct relay_op, done);

	op_end(op, op->err);
}

/* The queue, asked for as by a take; NULL: op ends with why. */
static struct queue *
op_queue(struct store *s, struct span queue, struct relay_op *op)
{
	struct queue *q = s->closing ? NULL : queue_ask(s, queue);

	if (q != NULL)
		return q;
	op->err = s->closing ? ERR_SHUTTING_DOWN : ERR_TOO_MANY_QUEUES;
	op->done.fn = op_on_done;
	store_complete(s, &op->done);
	return NULL;
}

static void
claim_on_reply(enum err err, const struct redisReply *r, void *arg)
{
	struct relay_op *op = arg;
	bool is_ours;
	uint64_t batch;
	struct reply c;

	if (err != ERR_OK) {
		op_end(op, err);
		return;
	}
	reply_open(&c, r);
	is_ours = reply_int(&c, 0) != 0;
	batch = (uint64_t)reply_int(&c, 0);
	op->claim_cb(c.bad ? ERR_STORE_REPLY : ERR_OK, is_ours, batch, op->arg);
	free(op);
}

void
store_relay_claim(struct store *s, const struct store_relay *relay,
    store_relay_cb *cb, void *arg)
{
	struct relay_op *op = xcalloc(1, sizeof(*op));
	struct queue *q;
	struct call *c;

	s = store_of(s, relay->queue);
	op->claim_cb = cb;
	op->arg = arg;
	q = op_queue(s, relay->queue, op);
	if (q == NULL)
		return;
	c = call_new(q);
	call_add(c, relay->name);
	call_add(c, span_of(beat_id(s)));
	store_add_key(s, &c->args, "schedds");
	c->argc++;
	call_add_u64(c, BEAT_GAP_MS);
	if (relay->through > 0)
		call_add_u64(c, relay->through);
	else
		call_add(c, SPAN(""));
	call_send(c, SCRIPT_RELAY, claim_on_reply, op);
	call_free(c);
}

static void
opts_on_reply(enum err err, const struct redisReply *r, void *arg)
{
	struct relay_op *op = arg;
	struct store_task_opts *opts;
	struct store_task_info info;
	struct reply c;

	if (err != ERR_OK) {
		op_end(op, err);
		return;
	}
	opts = xcalloc(op->n, sizeof(*opts));
	reply_open(&c, r);
	for (size_t i = 0; i < op->n; i++) {
		info = (struct store_task_info){.lane = LANE_NORMAL};
		task_read_opts(reply_bytes(&c), &info);
		opts[i].lane = info.lane;
		opts[i].max_attempts = (uint32_t)info.max_attempts;
	}
	if (c.bad)
		err = ERR_STORE_REPLY;
	op->opts_cb(err, opts, err == ERR_OK ? op->n : 0, op->arg);
	free(opts);
	free(op);
}

void
store_task_opts(struct store *s, struct span queue, const struct span *ids,
    size_t n, store_opts_cb *cb, void *arg)
{
	struct relay_op *op = xcalloc(1, sizeof(*op));
	struct queue *q;
	struct buf args;

	s = store_of(s, queue);
	op->opts_cb = cb;
	op->arg = arg;
	op->n = n;
	q = op_queue(s, queue, op);
	if (q == NULL)
		return;
	buf_init(&args, CALL_MAX_ARGS_BYTES);
	resp_add_str(&args, "HMGET");
	buf_addf(
	    &args, "$%zu\r\n%.*sopts\r\n", q->key.len + 4, SPAN_ARG(q->key));
	for (size_t i = 0; i < n; i++)
		resp_add_span(&args, ids[i]);
	redis_conn_command(
	    s->conn, REDIS_READ, &args, 2 + (unsigned)n, opts_on_reply, op);
}
