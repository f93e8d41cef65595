/*
 * What a move carries: each key of the queue in slices, through this process,
 * as much as is in memory at a time; then both ends summed up in slices and
 * held against each other. Nobody changes either end meanwhile.
 */

#include "store/moved.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "core/clock.h"
#include "core/mem.h"
#include "store/reply.h"
#include "store/store_priv.h"

enum {
	SLICE_FIRST = 8, /* elements, while nothing is known of their size */
	SLICE_MOST = 2000,
	SLICE_GROWS = 16, /* times, from one to the next */
	SLICE_BYTES = 1 << 20
};

/* task comes first: it is what is counted. */
static const struct {
	const char *name;
	char kind; /* hash, list, zset */
} keys[] = {
    {"task", 'h'},
    {"todo:high", 'l'},
    {"todo:normal", 'l'},
    {"todo:low", 'l'},
    {"delayed", 'z'},
    {"doing", 'z'},
    {"holder", 'h'},
    {"held", 'h'},
    {"retry", 'h'},
    {"failed", 'z'},
    {"finish", 'l'},
    {"dead", 'z'},
    {"error", 'h'},
    {"result", 'h'},
    {"opts", 'h'},
    {"request", 'h'},
    {"requests", 'z'},
    {"cancelled", 'z'},
    {"meta", 'h'},
};

static void
key_begin(struct move *m, size_t key)
{
	m->key = key;
	m->slice = SLICE_FIRST;
	m->at[0] = '0';
	m->at[1] = '\0';
	m->ready_us[0] = m->from->ready_at_us;
	m->ready_us[1] = m->to->ready_at_us;
}

/* A cursor holds for one life of a Redis, as its hashes are in another order
 * then: the hash is gone through again from its beginning. */
static void
key_check(struct move *m)
{
	if (m->ready_us[0] == m->from->ready_at_us &&
	    m->ready_us[1] == m->to->ready_at_us)
		return;
	if (keys[m->key].kind == 'h') {
		if (m->key == 0)
			m->copied = 0;
		m->sums[m->at_target] = (struct move_sum){0};
		key_begin(m, m->key);
	}
	m->ready_us[0] = m->from->ready_at_us;
	m->ready_us[1] = m->to->ready_at_us;
}

void
move_copy_start(struct move *m)
{
	key_begin(m, 0);
	if (m->state == MOVE_COPYING)
		m->copied = 0;
	m->at_target = false;
	memset(m->sums, 0, sizeof(m->sums));
}

bool
move_copy_is_over(const struct move *m)
{
	return m->key >= COUNT_OF(keys);
}

/* The next slice is as large as fits, by the size of the last one. */
static void
slice_measure(struct move *m, size_t n, size_t bytes)
{
	size_t next = n == 0 ? SLICE_MOST : SLICE_BYTES / (bytes / n + 1) + 1;

	if (next > m->slice * SLICE_GROWS)
		next = m->slice * SLICE_GROWS;
	m->slice = next < SLICE_MOST ? next : SLICE_MOST;
}

/* What every script of a move takes first. */
static void
add_base(const struct move *m, const struct store *s, struct buf *args)
{
	queue_add_key(s, args, m->queue, "");
	resp_add_i64(args, clock_offset_ms());
}

static uint64_t
index_at(const struct move *m)
{
	uint64_t n;

	return str_to_u64(span_of(m->at), &n) ? n : 0;
}

/* ---- copying ------------------------------------------------------------ */

/* That slice is through: the next one of its key, or the next key. */
static void
slice_through(struct move *m)
{
	memcpy(m->at, m->next, sizeof(m->at));
	if (m->at[0] == '\0')
		key_begin(m, m->key + 1);
}

static void
write_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct move *m = arg;
	int64_t length = 0;

	if (err == ERR_OK && !reply_is_int(reply, &length))
		err = ERR_STORE_REPLY;
	if (err == ERR_OK && keys[m->key].kind == 'l' &&
	    (uint64_t)length != index_at(m) + m->slice_n) {
		move_give_up(m, "a list of it has changed under way");
		return;
	}
	if (err == ERR_OK) {
		if (m->key == 0)
			m->copied += m->slice_n;
		slice_through(m);
	}
	move_on_slice(m, err);
}

static void
slice_write(struct move *m, struct redisReply *const *items, size_t count)
{
	unsigned per = keys[m->key].kind == 'l' ? 1 : 2;
	size_t bytes = 0;
	struct buf args;

	buf_init(&args, CALL_MAX_ARGS_BYTES);
	add_base(m, m->to, &args);
	resp_add_str(&args, m->id);
	resp_add_str(&args, keys[m->key].name);
	resp_add_u64(&args, index_at(m));
	for (size_t i = 0; i < count; i++) {
		resp_add(&args, items[i]->str, items[i]->len);
		bytes += items[i]->len;
	}
	m->slice_n = count / per;
	slice_measure(m, m->slice_n, bytes);
	redis_conn_script(m->to->conn, SCRIPT_ARRIVE, &args,
	    5 + (unsigned)count, 1, write_on_reply, m);
}

static bool
are_texts(struct redisReply *const *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (items[i]->type != REDIS_REPLY_STRING)
			return false;
	return true;
}

/* The slice of a reply; where the next begins goes to m->next. False when the
 * reply has another shape. */
static bool
slice_read(struct move *m, const struct redisReply *r,
    struct redisReply *const **items, size_t *count)
{
	size_t per = keys[m->key].kind == 'l' ? 1 : 2;

	if (r->type != REDIS_REPLY_ARRAY)
		return false;
	if (keys[m->key].kind == 'h') {
		if (r->elements != 2 ||
		    r->element[0]->type != REDIS_REPLY_STRING ||
		    r->element[0]->len >= sizeof(m->next) ||
		    r->element[1]->type != REDIS_REPLY_ARRAY)
			return false;
		(void)snprintf(
		    m->next, sizeof(m->next), "%s", r->element[0]->str);
		if (strcmp(m->next, "0") == 0)
			m->next[0] = '\0';
		r = r->element[1];
	} else if (r->elements == m->slice * per) {
		(void)snprintf(m->next, sizeof(m->next), "%" PRIu64,
		    index_at(m) + m->slice);
	} else {
		m->next[0] = '\0';
	}
	*items = r->element;
	*count = r->elements;
	return r->elements % per == 0 && are_texts(*items, *count);
}

static void
read_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct move *m = arg;
	struct redisReply *const *items = NULL;
	size_t count = 0;

	if (err == ERR_OK && !slice_read(m, reply, &items, &count))
		err = ERR_STORE_REPLY;
	if (err != ERR_OK) {
		move_on_slice(m, err);
	} else if (count > 0) {
		slice_write(m, items, count);
	} else {
		slice_through(m);
		move_on_slice(m, ERR_OK);
	}
}

static void
copy_slice(struct move *m)
{
	bool is_hash = keys[m->key].kind == 'h';
	uint64_t first = index_at(m);
	unsigned argc = 4;
	struct buf args;

	buf_init(&args, CALL_MAX_ARGS_BYTES);
	if (is_hash)
		resp_add_str(&args, "HSCAN");
	else if (keys[m->key].kind == 'l')
		resp_add_str(&args, "LRANGE");
	else
		resp_add_str(&args, "ZRANGE");
	queue_add_key(m->from, &args, m->queue, keys[m->key].name);
	if (is_hash) {
		resp_add_str(&args, m->at);
		resp_add_str(&args, "COUNT");
		resp_add_u64(&args, m->slice);
		argc = 5;
	} else {
		resp_add_u64(&args, first);
		resp_add_u64(&args, first + m->slice - 1);
	}
	if (keys[m->key].kind == 'z') {
		resp_add_str(&args, "WITHSCORES");
		argc = 5;
	}
	redis_conn_command(
	    m->from->conn, REDIS_READ, &args, argc, read_on_reply, m);
}

/* ---- checking ----------------------------------------------------------- */

static bool
sums_are_same(const struct move_sum *a, const struct move_sum *b)
{
	return a->n == b->n && a->one == b->one && a->two == b->two;
}

/* One end's key is through: the other end's, or the next key. */
static void
sum_end(struct move *m)
{
	if (!m->at_target) {
		m->at_target = true;
		key_begin(m, m->key);
		move_on_slice(m, ERR_OK);
	} else if (!sums_are_same(&m->sums[0], &m->sums[1])) {
		move_give_up(m, "what arrived is not what was sent");
	} else {
		m->at_target = false;
		memset(m->sums, 0, sizeof(m->sums));
		key_begin(m, m->key + 1);
		move_on_slice(m, ERR_OK);
	}
}

static void
digest_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct move *m = arg;
	struct move_sum *sum = &m->sums[m->at_target];
	struct span next;
	struct reply c;
	size_t n, bytes;
	uint64_t one, two;

	if (err != ERR_OK) {
		move_on_slice(m, err);
		return;
	}
	reply_open(&c, reply);
	next = reply_bytes(&c);
	n = (size_t)reply_int(&c, 0);
	bytes = (size_t)reply_int(&c, 0);
	one = (uint64_t)reply_int(&c, 0);
	two = (uint64_t)reply_int(&c, 0);
	if (c.bad || next.len >= sizeof(m->at)) {
		move_on_slice(m, ERR_STORE_REPLY);
		return;
	}
	sum->n += n;
	sum->one += one;
	sum->two += two;
	slice_measure(m, n, bytes);
	memcpy(m->at, next.p, next.len);
	m->at[next.len] = '\0';
	if (next.len == 0)
		sum_end(m);
	else
		move_on_slice(m, ERR_OK);
}

static void
digest_slice(struct move *m)
{
	struct store *s = m->at_target ? m->to : m->from;
	struct buf args;

	buf_init(&args, CALL_MAX_ARGS_BYTES);
	add_base(m, s, &args);
	resp_add_str(&args, keys[m->key].name);
	resp_add_str(&args, m->at);
	resp_add_u64(&args, m->slice);
	redis_conn_script(
	    s->conn, SCRIPT_DIGEST, &args, 5, 1, digest_on_reply, m);
}

void
move_copy_slice(struct move *m)
{
	key_check(m);
	if (m->state == MOVE_COPYING)
		copy_slice(m);
	else
		digest_slice(m);
}
