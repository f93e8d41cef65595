/*
 * What relays note in a queue, and ask of its tasks; and how each of them
 * stands, as it says itself and as its queue has it. See store_relay.h.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "store/relay_note.h"
#include "store/reply.h"
#include "store/store_priv.h"
#include "store/task_read.h"

struct relay_note {
	enum relay_state state;
	char owner[64], error[240];
	uint64_t tasks, refused;
	int64_t last_at, error_at;
};

/* ---- what relay/ asks for --------------------------------------------- */

struct relay_op {
	struct done done;
	enum err err;
	struct relay_note *note;
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
copy(char *dst, size_t size, struct span text)
{
	(void)snprintf(dst, size, "%.*s", SPAN_ARG(text));
}

/* What the queue has of its relay; false when that has another shape. */
static bool
note_read(struct relay_note *note, struct reply *c)
{
	struct relay_note n = *note;
	struct span owner = reply_bytes(c);

	n.tasks = (uint64_t)reply_int(c, 0);
	n.refused = (uint64_t)reply_int(c, 0);
	n.last_at = reply_int(c, 0);
	if (c->bad)
		return false;
	copy(n.owner, sizeof(n.owner), owner);
	*note = n;
	return true;
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
	if (!note_read(op->note, &c))
		err = ERR_STORE_REPLY;
	op->claim_cb(err, is_ours, batch, op->arg);
	free(op);
}

void
store_relay_claim(struct store *s, const struct store_relay *relay,
    store_relay_cb *cb, void *arg)
{
	const struct conf_relay *conf = &s->conf->relays[relay->index];
	struct relay_op *op = xcalloc(1, sizeof(*op));
	struct span queue = span_of(conf->from);
	struct queue *q;
	struct call *c;

	s = store_of(s, queue);
	op->note = &s->fleet->relays[relay->index];
	op->claim_cb = cb;
	op->arg = arg;
	q = op_queue(s, queue, op);
	if (q == NULL)
		return;
	c = call_new(q);
	call_add(c, span_of(conf->name));
	call_add(c, span_of(beat_id(s)));
	store_add_key(s, &c->args, "schedds");
	c->argc++;
	call_add_u64(c, BEAT_GAP_MS);
	if (relay->through > 0)
		call_add_u64(c, relay->through);
	else
		call_add(c, SPAN(""));
	call_add_u64(c, relay->tasks);
	call_add_u64(c, relay->refused);
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
	queue_add_key(s, &args, q->name, "opts");
	for (size_t i = 0; i < n; i++)
		resp_add_span(&args, ids[i]);
	redis_conn_command(
	    s->conn, REDIS_READ, &args, 2 + (unsigned)n, opts_on_reply, op);
}

/* ---- how they stand --------------------------------------------------- */

const char *
relay_state_name(enum relay_state state)
{
	static const char *const names[RELAY_STATE_COUNT] = {
	    [RELAY_STARTING] = "starting",
	    [RELAY_RUNNING] = "running",
	    [RELAY_PAUSED] = "paused",
	    [RELAY_WAITING] = "waiting",
	    [RELAY_ELSEWHERE] = "elsewhere",
	};

	return names[state];
}

struct relay_note *
relay_notes_new(const struct conf *conf)
{
	return xcalloc(conf->relay_count + 1, sizeof(struct relay_note));
}

void
store_relay_set_state(
    struct store *s, size_t index, enum relay_state state, struct span why)
{
	struct relay_note *note = &s->fleet->relays[index];

	note->state = state;
	if (state != RELAY_WAITING)
		return;
	copy(note->error, sizeof(note->error), why);
	note->error_at = store_redis_now(s);
}

/* What is known of the queue that it hands on. */
static void
fill_queue(const struct store *s, struct store_relay_info *out)
{
	const struct queue *q = queue_find(s, out->from);
	struct store_queue_info info;

	if (q == NULL)
		return;
	queue_fill_info(q, &info);
	out->waiting = info.counts[TASK_TODO] + info.counts[TASK_DOING];
	out->oldest_s = info.oldest_todo_s;
	if (out->state == RELAY_RUNNING && info.paused)
		out->state = RELAY_PAUSED;
}

static void
fill_info(struct store *s, size_t index, struct store_relay_info *out)
{
	const struct conf_relay *conf = &s->conf->relays[index];
	const struct relay_note *note = &s->fleet->relays[index];

	memset(out, 0, sizeof(*out));
	out->name = span_of(conf->name);
	out->from = span_of(conf->from);
	out->to = conf->to[0] != '\0' ? span_of(conf->to) : out->from;
	out->url = span_of(conf->url);
	if (conf->url[0] == '\0')
		out->backend = store_of(s, out->to)->redis->name;
	out->batch = conf->batch;
	out->state = note->state;
	out->owner = span_of(note->owner);
	out->tasks_total = note->tasks;
	out->refused_total = note->refused;
	out->last_at = note->last_at;
	out->error = span_of(note->error);
	out->error_at = note->error_at;
	fill_queue(store_of(s, out->from), out);
}

void
store_relay_each(struct store *s, store_relay_each_fn *fn, void *arg)
{
	struct store_relay_info info;

	for (size_t i = 0; i < s->conf->relay_count; i++) {
		fill_info(s, i, &info);
		fn(&info, arg);
	}
}

bool
store_relay_get(struct store *s, struct span name, struct store_relay_info *out)
{
	for (size_t i = 0; i < s->conf->relay_count; i++) {
		if (!span_is(name, s->conf->relays[i].name))
			continue;
		fill_info(s, i, out);
		return true;
	}
	return false;
}
