/*
 * The commands of a connection: they wait in queue, go out in as few writes
 * as the system takes, wait in sent for their reply, and complete once. Looks
 * wait apart before that, for their turn.
 *
 * Where replicas must confirm changes, what goes out together ends with a
 * WAIT, and a change that was answered is held until the next WAIT is: Redis
 * takes them in order, so that one confirms all that is held. Meanwhile Redis
 * does nothing else for this connection: what is given then goes out together
 * behind it, so that under load groups grow instead of queueing.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include <hiredis/hiredis.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/metrics.h"
#include "store/redis_conn_priv.h"

enum {
	IOV_MAX_USED = 128, /* pieces per write; two for each command */
	LOOKS_MAX = 4,      /* under way: what a change waits behind */
	LOOK_LARGE =
	    128 * 1024,     /* bytes of an answer; of such, one at a time */
	ELEMENT_BYTES = 64, /* what one costs beside its text, or so */
	UNUSED_MAX = 4096,  /* ops kept for reuse; trimmed now and then */
	EVAL_MAX = 16 * 1024 * 1024,
	SLOW_US = 500 * 1000,
	WAIT_ARGS_MAX = 200,
	OP_OVERHEAD = OP_HEAD_MAX /* counted per command beside its args */
};

#define OP_OF(ptr) CONTAINER_OF(ptr, struct conn_op, link)

static void ops_on_done(void *arg);
static void ops_on_deadline(void *arg);
static void ops_on_write(void *arg);

void
ops_init(struct redis_conn *c)
{
	list_init(&c->looks);
	list_init(&c->queue);
	list_init(&c->out);
	list_init(&c->sent);
	list_init(&c->held);
	list_init(&c->done);
	list_init(&c->by_age);
	timer_init(&c->deadline, c->loop, ops_on_deadline, c);
	post_init(&c->write_post, ops_on_write, c);
	post_init(&c->done_post, ops_on_done, c);
}

/* Frees ops that are left over from a burst. */
static void
ops_trim(struct redis_conn *c, size_t keep)
{
	while (c->unused_count > keep) {
		struct conn_op *op = c->unused;

		c->unused = op->next_unused;
		c->unused_count--;
		free(op);
	}
}

void
ops_clear(struct redis_conn *c)
{
	ASSERT(list_is_empty(&c->by_age) && list_is_empty(&c->done));
	while (c->spare_count > 0)
		buf_clear(&c->spares[--c->spare_count]);
	timer_clear(&c->deadline);
	post_cancel(&c->write_post);
	post_cancel(&c->done_post);
	ops_trim(c, 0);
}

/* ---- life of an op ---------------------------------------------------- */

static struct conn_op *
op_new(struct redis_conn *c)
{
	struct conn_op *op = c->unused;

	if (op == NULL) {
		op = xcalloc(1, sizeof(*op));
		list_init(&op->link);
		list_init(&op->age);
		return op;
	}
	c->unused = op->next_unused;
	c->unused_count--;
	return op;
}

/* Keeps the memory of args for the next command, unless there is plenty. */
static void
args_spare(struct redis_conn *c, struct buf *args)
{
	if (args->cap == 0 || c->spare_count == SPARE_BUFS ||
	    args->cap > SPARE_BYTES - c->spare_bytes) {
		buf_clear(args);
		return;
	}
	buf_reset(args, SPARE_BYTES);
	c->spare_bytes += args->cap;
	c->spares[c->spare_count++] = *args;
	buf_init(args, args->max);
}

void
redis_conn_take_spare(struct redis_conn *c, struct buf *b)
{
	size_t max = b->max;

	if (c->spare_count == 0)
		return;
	*b = c->spares[--c->spare_count];
	c->spare_bytes -= b->cap;
	b->max = max;
}

static void
op_free(struct redis_conn *c, struct conn_op *op)
{
	args_spare(c, &op->args);
	buf_clear(&op->eval);
	op->next_unused = c->unused;
	c->unused = op;
	c->unused_count++;
}

static size_t
op_bytes(const struct conn_op *op)
{
	return OP_OVERHEAD + op->args.len;
}

static const char *
op_name(const struct conn_op *op)
{
	return op->script == NULL ? "command" : op->script->stem;
}

/* A mark or its WAIT: nobody is told of it. */
static bool
op_is_our_own(const struct conn_op *op)
{
	return op->cb == NULL;
}

/* It waits for nothing any more: off its list, no longer pending. */
static void
op_unlink(struct redis_conn *c, struct conn_op *op)
{
	list_del(&op->link);
	list_del(&op->age);
	c->pending--;
	c->pending_bytes -= op_bytes(op);
	if (c->is_closing && c->state == CONN_READY && c->pending == 0)
		conn_step_within(c, 0);
	if (!op->is_looking)
		return;
	op->is_looking = false;
	c->looking--;
	if (!list_is_empty(&c->looks))
		loop_post(c->loop, &c->write_post);
}

/* Completes it from the loop. */
static void
op_post(struct redis_conn *c, struct conn_op *op, enum err err)
{
	op->err = err;
	list_add_tail(&c->done, &op->link);
	loop_post(c->loop, &c->done_post);
}

/* Completes it now: from the loop only. */
static void
op_complete(struct redis_conn *c, struct conn_op *op, enum err err,
    const struct redisReply *reply)
{
	redis_reply_cb *cb = op->cb;
	void *arg = op->arg;

	op_free(c, op);
	if (cb == NULL)
		return;
	outcome_count(err);
	cb(err, reply, arg);
}

static void
ops_on_done(void *arg)
{
	struct redis_conn *c = arg;
	struct conn_op *last = OP_OF(c->done.prev), *op;

	/* What the callbacks add has to wait for the next turn. */
	while (!list_is_empty(&c->done)) {
		op = OP_OF(c->done.next);
		list_del(&op->link);
		op_complete(c, op, op->err, NULL);
		if (op == last)
			break;
	}
	if (!list_is_empty(&c->done))
		loop_post(c->loop, &c->done_post);
	else if (c->state == CONN_CLOSED && c->close_cb != NULL)
		conn_closed(c);
}

/* ---- taking commands -------------------------------------------------- */

static enum err
op_admit(const struct redis_conn *c, const struct conn_op *op)
{
	if (c->is_closing)
		return ERR_SHUTTING_DOWN;
	if (op->args.failed)
		return ERR_NO_MEMORY;
	if (c->is_away)
		return ERR_REDIS_DOWN;
	if (op->kind == REDIS_WRITE && c->state == CONN_READY &&
	    c->check.weak[0] != '\0')
		return c->check.weak_err;
	if (c->pending >= c->conf->max_pending ||
	    c->pending_bytes + op_bytes(op) > c->conf->max_pending_bytes)
		return ERR_STORE_BUSY;
	return ERR_OK;
}

static struct conn_op *
ops_oldest(const struct redis_conn *c)
{
	return CONTAINER_OF(c->by_age.next, struct conn_op, age);
}

int64_t
redis_conn_age_us(const struct redis_conn *c)
{
	if (list_is_empty(&c->by_age))
		return 0;
	return clock_mono_us() - ops_oldest(c)->given_us;
}

/* Its time begins. */
static void
op_begin(struct redis_conn *c, struct conn_op *op)
{
	op->given_us = clock_mono_us();
	op->expires_us = op->given_us + (int64_t)c->conf->deadline_ms * 1000;
	if (!timer_is_armed(&c->deadline))
		timer_arm_ms(&c->deadline, c->conf->deadline_ms);
}

/* From now on it is pending, at the end of list. */
static void
op_add(struct redis_conn *c, struct conn_op *op, struct list *list)
{
	op_begin(c, op);
	if (list != &c->looks)
		list_add_tail(&c->by_age, &op->age);
	list_add_tail(list, &op->link);
	c->pending++;
	c->pending_bytes += op_bytes(op);
}

/* As many looks as may be under way join the queue. */
static void
looks_release(struct redis_conn *c)
{
	size_t most = c->look_is_large ? 1 : LOOKS_MAX;

	while (c->looking < most && !list_is_empty(&c->looks)) {
		struct conn_op *op = OP_OF(c->looks.next);

		list_del(&op->link);
		op_begin(c, op);
		list_add_tail(&c->by_age, &op->age);
		list_add_tail(&c->queue, &op->link);
		op->is_looking = true;
		c->looking++;
	}
}

static void
op_submit(struct redis_conn *c, struct conn_op *op)
{
	enum err err = op_admit(c, op);

	if (err != ERR_OK) {
		op_post(c, op, err);
		return;
	}
	op_add(c, op, op->kind == REDIS_LOOK ? &c->looks : &c->queue);
	if (c->state == CONN_READY)
		loop_post(c->loop, &c->write_post);
}

/* An op with the caller's bytes moved in. */
static struct conn_op *
op_make(struct redis_conn *c, struct buf *args, redis_reply_cb *cb, void *arg)
{
	struct conn_op *op = op_new(c);

	op->cb = cb;
	op->arg = arg;
	op->args = *args;
	buf_init(args, op->args.max);
	buf_init(&op->eval, EVAL_MAX);
	op->written = 0;
	op->head_len = 0;
	op->needs_wait = op->is_looking = false;
	op->is_wait = op->is_role = false;
	return op;
}

void
redis_conn_script(struct redis_conn *c, enum script_id id, struct buf *args,
    unsigned argc, unsigned numkeys, redis_reply_cb *cb, void *arg)
{
	struct conn_op *op = op_make(c, args, cb, arg);

	op->script = &c->scripts[id];
	op->kind = op->script->kind;
	op->argc = argc;
	op->numkeys = numkeys;
	op_submit(c, op);
}

void
redis_conn_command(struct redis_conn *c, enum redis_kind kind, struct buf *args,
    unsigned argc, redis_reply_cb *cb, void *arg)
{
	struct conn_op *op = op_make(c, args, cb, arg);

	op->script = NULL;
	op->kind = kind;
	op->argc = argc;
	op->numkeys = 0;
	op_submit(c, op);
}

/* ---- writing ---------------------------------------------------------- */

/* What stands before the arguments: *argc, and for a script EVALSHA, its
 * hash and the number of keys. */
static void
op_make_head(const struct redis_conn *c, struct conn_op *op)
{
	char keys[12];
	int n;

	if (op->script == NULL) {
		n = snprintf(op->head, sizeof(op->head), "*%u\r\n", op->argc);
	} else {
		snprintf(keys, sizeof(keys), "%u", op->numkeys);
		n = snprintf(op->head, sizeof(op->head),
		    "*%u\r\n$7\r\nEVALSHA\r\n$40\r\n%s\r\n$%zu\r\n%s\r\n",
		    op->argc + 3, c->sha[op->script - c->scripts], strlen(keys),
		    keys);
	}
	ASSERT(n > 0 && n < (int)sizeof(op->head));
	op->head_len = (size_t)n;
}

static struct iovec
iov_from(const char *p, size_t len, size_t skip)
{
	struct iovec iov = {.iov_len = len - skip};

	/* sendmsg only reads. */
	p += skip;
	memcpy(&iov.iov_base, &p, sizeof(p));
	return iov;
}

static struct span
op_head(const struct conn_op *op)
{
	if (op->eval.len > 0)
		return buf_span(&op->eval);
	return (struct span){op->head, op->head_len};
}

/* Adds what is left of one op to iov; returns how many pieces. */
static size_t
op_pieces(const struct conn_op *op, struct iovec *iov)
{
	struct span head = op_head(op);
	size_t n = 0, skip = op->written;

	if (skip < head.len)
		iov[n++] = iov_from(head.p, head.len, skip);
	skip = skip < head.len ? 0 : skip - head.len;
	if (skip < op->args.len)
		iov[n++] = iov_from(op->args.data, op->args.len, skip);
	return n;
}

/* A command of our own at the end of out. */
static struct conn_op *
op_add_own(struct redis_conn *c, struct buf *args, unsigned argc)
{
	struct conn_op *op = op_make(c, args, NULL, NULL);

	op->script = NULL;
	op->kind = REDIS_READ;
	op->argc = argc;
	op_add(c, op, &c->out);
	return op;
}

/* What was given goes out together, and a WAIT behind it if it needs one. */
static void
ops_group(struct redis_conn *c)
{
	bool is_replicated = check_is_replicated(c);
	struct buf args;

	if (c->is_waiting)
		return;
	looks_release(c);
	while (!list_is_empty(&c->queue)) {
		struct conn_op *op = OP_OF(c->queue.next);

		list_del(&op->link);
		list_add_tail(&c->out, &op->link);
		op->needs_wait = is_replicated && op->kind == REDIS_WRITE;
		c->lacks_wait = c->lacks_wait || op->needs_wait;
	}
	if (!c->lacks_wait)
		return;
	buf_init(&args, WAIT_ARGS_MAX);
	check_add_mark(&args);
	op_add_own(c, &args, 3);
	buf_init(&args, WAIT_ARGS_MAX);
	check_add_wait(&args, fresh_ask_replicas(c), check_wait_ms(c));
	op_add_own(c, &args, 3)->is_wait = true;
	buf_init(&args, WAIT_ARGS_MAX);
	resp_add_str(&args, "ROLE");
	op_add_own(c, &args, 1)->is_role = true;
	c->is_waiting = true;
	c->lacks_wait = false;
}

static size_t
ops_gather(struct redis_conn *c, struct iovec *iov)
{
	struct list *pos;
	size_t n = 0;

	LIST_FOREACH (pos, &c->out) {
		struct conn_op *op = OP_OF(pos);

		if (n + 2 > IOV_MAX_USED)
			break;
		if (op->head_len == 0)
			op_make_head(c, op);
		n += op_pieces(op, iov + n);
	}
	return n;
}

/* bytes of out were written: moves what is whole to sent. */
static void
ops_written(struct redis_conn *c, size_t bytes)
{
	int64_t now = clock_mono_us_fresh();

	while (!list_is_empty(&c->out)) {
		struct conn_op *op = OP_OF(c->out.next);
		size_t left = op_head(op).len + op->args.len - op->written;

		if (bytes < left) {
			op->written += bytes;
			return;
		}
		bytes -= left;
		op->written += left;
		op->sent_us = now;
		list_del(&op->link);
		list_add_tail(&c->sent, &op->link);
		if (op->script != NULL)
			metric_add_series(METRIC_STORE_CALLS,
			    c->calls_slot[op->script - c->scripts], 1);
	}
}

void
ops_write(struct redis_conn *c)
{
	struct iovec iov[IOV_MAX_USED];
	size_t n, i, want, wrote;

	while (c->state == CONN_READY) {
		if (list_is_empty(&c->out))
			ops_group(c);
		if (list_is_empty(&c->out))
			break;
		n = ops_gather(c, iov);
		for (i = 0, want = 0; i < n; i++)
			want += iov[i].iov_len;
		wrote = redis_link_write(c->link, iov, n);
		ops_written(c, wrote);
		if (wrote < want)
			break;
	}
}

static void
ops_on_write(void *arg)
{
	struct redis_conn *c = arg;

	ops_write(c);
}

void
redis_conn_flush(struct redis_conn *c)
{
	post_cancel(&c->write_post);
	ops_write(c);
}

/* ---- replies ---------------------------------------------------------- */

/*
 * Redis does not know the script (it was restarted without its connection
 * being lost, or SCRIPT FLUSH): nothing ran. The same call again, before all
 * that waits, with the script's text in it, which also loads it.
 */
static void
op_repeat(struct redis_conn *c, struct conn_op *op)
{
	struct list *first = c->out.next;

	log_info("redis.noscript", "script=%s", op->script->stem);
	buf_addf(&op->eval, "*%u\r\n", op->argc + 3);
	resp_add(&op->eval, "EVAL", 4);
	resp_add(&op->eval, op->script->text, op->script->len);
	resp_add_u64(&op->eval, op->numkeys);
	op->written = 0;
	list_del(&op->link);
	/* Not in front of one that is half out. */
	if (first != &c->out && OP_OF(first)->written > 0)
		first = first->next;
	list_insert(&op->link, first->prev, first);
	c->lacks_wait = c->lacks_wait || op->needs_wait;
	loop_post(c->loop, &c->write_post);
}

static void
op_measure(struct redis_conn *c, const struct conn_op *op)
{
	int64_t us = clock_mono_us_fresh() - op->sent_us;
	unsigned held_back;

	if (op->script != NULL)
		metric_observe(METRIC_STORE_SECONDS,
		    c->seconds_slot[op->script - c->scripts], (double)us / 1e6);
	if (us > SLOW_US && log_pace_is_due(&c->slow_pace, &held_back))
		log_warn("redis.slow", "op=%s ms=%lld more=%u", op_name(op),
		    (long long)(us / 1000), held_back);
}

/* Is it one that keeps Redis and us for milliseconds? */
static bool
reply_is_large(const struct redisReply *reply)
{
	size_t bytes = reply->len + reply->elements * ELEMENT_BYTES;

	for (size_t i = 0; i < reply->elements && bytes < LOOK_LARGE; i++)
		bytes += reply->element[i]->len;
	return bytes >= LOOK_LARGE;
}

/* Redis made this change: held until a WAIT behind it is answered. */
static void
op_hold(
    struct redis_conn *c, struct conn_op *op, const struct redisReply *reply)
{
	list_del(&op->link);
	list_add_tail(&c->held, &op->link);
	op->reply = reply;
	redis_link_keep(c->link, true);
}

/* Completes what is held, up to last and with it. */
static void
ops_end_held(struct redis_conn *c, const struct conn_op *last, enum err err)
{
	bool is_last = false;

	while (!is_last && !list_is_empty(&c->held)) {
		struct conn_op *op = OP_OF(c->held.next);

		is_last = op == last;
		op_unlink(c, op);
		op_complete(c, op, err, err == ERR_OK ? op->reply : NULL);
	}
	if (!list_is_empty(&c->held))
		return;
	fresh_let_go(c);
	if (c->link != NULL)
		redis_link_keep(c->link, false);
}

void
ops_confirm_to(struct redis_conn *c, const struct conn_op *last)
{
	ops_end_held(c, last, ERR_OK);
}

/* A WAIT was answered, and who is there: so is all that is held. */
static void
ops_on_role(struct redis_conn *c, const struct redisReply *reply)
{
	enum fresh_wait shown = fresh_on_role(c, reply);

	c->is_waiting = false;
	loop_post(c->loop, &c->write_post);
	if (shown == FRESH_SHORT)
		check_short(c);
	if (shown == FRESH_MORE)
		c->lacks_wait = true;
	if (shown == FRESH_ENOUGH)
		ops_end_held(c, NULL, ERR_OK);
	else if (shown == FRESH_SHORT)
		ops_end_held(c, NULL, ERR_STORE_UNCONFIRMED);
}

void
ops_on_reply(struct redis_conn *c, const struct redisReply *reply)
{
	struct conn_op *op = OP_OF(c->sent.next);
	enum err err = ERR_OK;
	bool is_wait, is_role;

	if (list_is_empty(&c->sent)) {
		conn_lost(c, "Redis answered what was not asked");
		return;
	}
	if (!fresh_on_reply(c, op->sent_us))
		return;
	if (op->script != NULL && op->eval.len == 0 &&
	    refusal_is(reply, "NOSCRIPT")) {
		op_repeat(c, op);
		return;
	}
	c->attempts = 0;
	c->heard_us = clock_mono_us();
	op_measure(c, op);
	if (op->is_looking)
		c->look_is_large = reply_is_large(reply);
	if (reply->type == REDIS_REPLY_ERROR)
		err = refusal_err(c, op_name(op), reply);
	if (err == ERR_OK && op->needs_wait) {
		op_hold(c, op, reply);
		return;
	}
	is_wait = op->is_wait;
	is_role = op->is_role;
	op_unlink(c, op);
	op_complete(c, op, err, err == ERR_OK ? reply : NULL);
	if (is_wait)
		fresh_on_wait(c, reply);
	if (is_role)
		ops_on_role(c, reply);
}

/* ---- loss, deadline, end ---------------------------------------------- */

/* What a sent command becomes when its reply will never come. */
static enum err
op_lost_err(const struct conn_op *op, enum err err_of_reads)
{
	return op->kind == REDIS_WRITE ? ERR_STORE_UNKNOWN : err_of_reads;
}

static void
ops_fail_list(struct redis_conn *c, struct list *list, enum err err_of_reads)
{
	while (!list_is_empty(list)) {
		struct conn_op *op = OP_OF(list->next);

		op_unlink(c, op);
		op_post(c, op, op_lost_err(op, err_of_reads));
	}
}

/* What was sent will not be answered or confirmed any more; what was only to
 * be sent goes back to the queue, our own commands left out. */
static void
ops_withdraw(struct redis_conn *c, enum err err_of_reads)
{
	post_cancel(&c->write_post);
	ops_fail_list(c, &c->held, err_of_reads);
	ops_fail_list(c, &c->sent, err_of_reads);
	while (!list_is_empty(&c->out)) {
		struct conn_op *op = OP_OF(c->out.prev);

		list_del(&op->link);
		list_add_head(&c->queue, &op->link);
		if (op_is_our_own(op)) {
			op_unlink(c, op);
			op_free(c, op);
		}
	}
	c->is_waiting = false;
	c->lacks_wait = false;
	fresh_let_go(c);
}

void
ops_lost(struct redis_conn *c)
{
	struct list *pos;

	ops_withdraw(c, ERR_REDIS_DOWN);
	/* A command that went out in part cannot have run. Hashes may differ
	 * on the next Redis, so heads are made anew. */
	LIST_FOREACH (pos, &c->queue) {
		OP_OF(pos)->written = 0;
		OP_OF(pos)->head_len = 0;
	}
}

static void
ops_refuse_list(struct redis_conn *c, struct list *list, enum err err)
{
	while (!list_is_empty(list)) {
		struct conn_op *op = OP_OF(list->next);

		op_unlink(c, op);
		op_post(c, op, err);
	}
}

void
ops_refuse_all(struct redis_conn *c, enum err err)
{
	ops_refuse_list(c, &c->queue, err);
	ops_refuse_list(c, &c->looks, err);
}

void
ops_refuse_changes(struct redis_conn *c, enum err err)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE (pos, tmp, &c->queue) {
		struct conn_op *op = OP_OF(pos);

		if (op->kind != REDIS_WRITE)
			continue;
		op_unlink(c, op);
		op_post(c, op, err);
	}
}

void
ops_close(struct redis_conn *c)
{
	timer_disarm(&c->deadline);
	ops_withdraw(c, ERR_SHUTTING_DOWN);
	ops_refuse_all(c, ERR_SHUTTING_DOWN);
	loop_post(c->loop, &c->done_post);
}

/* Is it on sent? Ops there have been written to the end. */
static bool
op_is_sent(const struct conn_op *op)
{
	return op->written > 0 && op->written == op_head(op).len + op->args.len;
}

/* Did Redis answer something while this one waited? Then it is not stuck but
 * has much to do. */
static bool
op_is_behind(const struct redis_conn *c, const struct conn_op *op)
{
	return op_is_sent(op) && c->heard_us > op->given_us;
}

/* Its caller is told, its answer will be read and dropped. */
static void
op_give_up(struct redis_conn *c, struct conn_op *op)
{
	struct conn_op *told = op_new(c);

	told->cb = op->cb;
	told->arg = op->arg;
	buf_init(&told->args, 0);
	buf_init(&told->eval, 0);
	op->cb = NULL;
	list_del(&op->age);
	op_post(c, told, op_lost_err(op, ERR_STORE_BUSY));
}

/* Looks whose turn did not come; when the next one's time is over. */
static int64_t
looks_expire(struct redis_conn *c, int64_t next_us)
{
	while (!list_is_empty(&c->looks)) {
		struct conn_op *op = OP_OF(c->looks.next);

		if (op->expires_us > clock_mono_us())
			return op->expires_us < next_us ? op->expires_us
							: next_us;
		op_unlink(c, op);
		op_post(c, op, ERR_STORE_BUSY);
	}
	return next_us;
}

/*
 * The oldest commands are past their time. One that was never sent is simply
 * given up, as is one that is only behind others; one that Redis let hang
 * takes the connection with it, and all that were sent after it.
 */
static void
ops_on_deadline(void *arg)
{
	struct redis_conn *c = arg;
	int64_t next_us = INT64_MAX, now = clock_mono_us();
	bool hung = false;
	char reason[64];

	while (!list_is_empty(&c->by_age)) {
		struct conn_op *op = ops_oldest(c);
		bool was_sent = op_is_sent(op);

		if (op->expires_us > now) {
			next_us = op->expires_us;
			break;
		}
		if (op_is_behind(c, op)) {
			op_give_up(c, op);
			continue;
		}
		hung = hung || op->written > 0 || op_is_our_own(op);
		op_unlink(c, op);
		op_post(c, op,
		    was_sent ? op_lost_err(op, ERR_REDIS_DOWN)
			     : ERR_REDIS_DOWN);
	}
	next_us = looks_expire(c, next_us);
	ops_trim(c, UNUSED_MAX);
	if (next_us != INT64_MAX)
		timer_arm_ms(
		    &c->deadline, (uint64_t)(next_us - now + 999) / 1000);
	snprintf(reason, sizeof(reason), "no answer within %llu ms",
	    (unsigned long long)c->conf->deadline_ms);
	if (hung)
		conn_lost(c, reason);
}
