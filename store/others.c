/*
 * Other schedd on the same Redis: what is pushed at one wakes the takes that
 * wait at another. Whoever brings tasks into todo publishes the queue's name,
 * but only while others are alive (beat.c): alone it costs one compare. To
 * hear them, a socket of its own is subscribed for as long. A message that
 * gets lost is made up for by the next tick.
 */

#define _DEFAULT_SOURCE /* explicit_bzero */

#include "store/store_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include <hiredis/hiredis.h>

#include "core/log.h"
#include "core/mem.h"
#include "store/redis_child.h"
#include "store/redis_link.h"

enum { OTHERS_AGAIN_MS = 500, OTHERS_OUT_MAX = 4096 };

struct others {
	struct store *store;
	struct redis_link *link; /* NULL: not subscribed */
	struct timer again;
	struct buf out; /* what was not written yet */
	size_t written;
	bool told; /* that it cannot subscribe */
};

static void others_on_again(void *arg);

void
others_init(struct store *s)
{
	struct others *o = xcalloc(1, sizeof(*o));

	s->others = o;
	o->store = s;
	buf_init(&o->out, OTHERS_OUT_MAX);
	timer_init(&o->again, s->loop, others_on_again, o);
}

static void
others_close(struct others *o)
{
	if (o->link != NULL)
		redis_link_close(o->link);
	o->link = NULL;
	o->written = 0;
	if (o->out.len > 0) /* the password is in it */
		explicit_bzero(o->out.data, o->out.len);
	buf_reset(&o->out, OTHERS_OUT_MAX);
}

void
others_free(struct store *s)
{
	others_close(s->others);
	timer_clear(&s->others->again);
	buf_clear(&s->others->out);
	free(s->others);
	s->others = NULL;
}

/* ---- telling ----------------------------------------------------------- */

static void
tell_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	/* Not told: the tick of the others finds it. */
	(void)err;
	(void)reply;
	(void)arg;
}

/* Before the first sign of life it is not known whether there are any. */
static bool
may_have_others(const struct store *s)
{
	return beat_has_others(s) || beat_generation(s)[0] == '\0';
}

void
others_tell(struct queue *q, size_t n)
{
	struct store *s = q->store;
	char text[NAME_MAX_LEN + 32];
	struct buf args;

	if (!may_have_others(s) || n <= q->waiting_count)
		return;
	buf_init(&args, OTHERS_OUT_MAX);
	redis_conn_take_spare(s->conn, &args);
	resp_add_str(&args, "PUBLISH");
	store_add_key(s, &args, "wake");
	snprintf(text, sizeof(text), "%zu %s", n, q->name);
	resp_add_str(&args, text);
	redis_conn_command(s->conn, REDIS_READ, &args, 3, tell_on_reply, NULL);
}

void
others_wake(struct queue *q, size_t n)
{
	queue_wake(q, n);
	others_tell(q, n);
}

/* ---- hearing ----------------------------------------------------------- */

/* "n queue": ask for as many of the takes that wait there. */
static void
others_hear(struct store *s, struct span text)
{
	const char *space = memchr(text.p, ' ', text.len);
	struct queue *q;
	uint64_t n;

	if (space == NULL ||
	    !str_to_u64((struct span){text.p, (size_t)(space - text.p)}, &n))
		return;
	q = queue_find(s,
	    (struct span){space + 1, text.len - (size_t)(space + 1 - text.p)});
	if (q != NULL && q->waiting_count > 0)
		queue_wake(q, n < q->waiting_count ? n : q->waiting_count);
}

static void
others_lost(struct others *o, const char *reason)
{
	char quoted[200];

	if (!o->told)
		log_warn("store.unheard", "reason=%s",
		    log_quote(quoted, sizeof(quoted), span_of(reason)));
	o->told = true;
	others_close(o);
	timer_arm_ms(&o->again, OTHERS_AGAIN_MS);
}

static void
others_on_reply(const struct redisReply *reply, void *arg)
{
	struct others *o = arg;

	if (reply->type == REDIS_REPLY_ERROR) {
		others_lost(o, reply->str);
		return;
	}
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3)
		return; /* AUTH's */
	o->told = false;
	if (reply->element[2]->type == REDIS_REPLY_STRING)
		others_hear(o->store, (struct span){reply->element[2]->str,
					  (size_t)reply->element[2]->len});
	else /* subscribed: what was published until now was not heard */
		wait_wake_all_queues(o->store);
}

static void
others_write(void *arg)
{
	struct others *o = arg;
	struct iovec iov;

	if (o->written == o->out.len)
		return;
	iov.iov_base = o->out.data + o->written;
	iov.iov_len = o->out.len - o->written;
	o->written += redis_link_write(o->link, &iov, 1);
}

static void
others_on_open(void *arg)
{
	struct others *o = arg;
	struct store *s = o->store;
	const char *user = s->redis->user, *password = s->password;

	if (s->child != NULL)
		password = redis_child_password(s->child);
	if (password != NULL && password[0] != '\0') {
		buf_addf(&o->out, "*%d\r\n", user[0] != '\0' ? 3 : 2);
		resp_add_str(&o->out, "AUTH");
		if (user[0] != '\0')
			resp_add_str(&o->out, user);
		resp_add_str(&o->out, password);
	}
	buf_add_str(&o->out, "*2\r\n");
	resp_add_str(&o->out, "SUBSCRIBE");
	store_add_key(s, &o->out, "wake");
	others_write(o);
}

static void
others_on_broken(const char *reason, void *arg)
{
	struct others *o = arg;

	others_lost(o, reason);
}

static void
others_open(struct others *o)
{
	const struct redis_link_events events = {
	    .on_open = others_on_open,
	    .on_writable = others_write,
	    .on_reply = others_on_reply,
	    .on_broken = others_on_broken,
	    .arg = o,
	};
	const struct redis_url url = {.addr = *redis_conn_addr(o->store->conn)};

	o->link = redis_link_open(o->store->loop, &url, &events);
}

static void
others_on_again(void *arg)
{
	struct others *o = arg;

	others_look(o->store);
}

void
others_look(struct store *s)
{
	struct others *o = s->others;
	bool wanted =
	    beat_has_others(s) && redis_conn_is_ready(s->conn) && !s->closing;

	if (!wanted) {
		timer_disarm(&o->again);
		others_close(o);
	} else if (o->link == NULL && !timer_is_armed(&o->again)) {
		others_open(o);
	}
}
