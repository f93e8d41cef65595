/*
 * The store's life: the private redis-server or somebody's Redis, the
 * connection, readiness, and the end.
 */

#include "store/store_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/metrics.h"
#include "core/secret.h"
#include "store/channel_priv.h"
#include "store/known.h"
#include "store/moved.h"
#include "store/redis_child.h"
#include "store/script.h"
#include "store/worker_priv.h"

enum { NAMES_AGAIN_MS = 250 };

/* ---- completions that need no Redis ------------------------------------ */

static void
done_on_post(void *arg)
{
	struct store *s = arg;
	struct list now, *pos;

	/* What completes here may complete more: that is for the next post. */
	list_init(&now);
	while (!list_is_empty(&s->done)) {
		pos = s->done.next;
		list_del(pos);
		list_add_tail(&now, pos);
	}
	while (!list_is_empty(&now)) {
		struct done *d = CONTAINER_OF(now.next, struct done, link);

		list_del(&d->link);
		d->fn(d);
	}
}

void
store_complete(struct store *s, struct done *d)
{
	list_add_tail(&s->done, &d->link);
	loop_post(s->loop, &s->done_post);
}

/* ---- readiness --------------------------------------------------------- */

static void
tell_ready(struct store *s, enum err err, const char *why)
{
	s->told_ready = true;
	if (s->ready_cb != NULL)
		s->ready_cb(err, span_of(why), s->ready_arg);
}

/* Main is ready when it can say where each queue is, as far as that may be. */
static void
tell_settled(struct store *main)
{
	if (main->names_loaded && !main->told_ready &&
	    fleet_is_settled(main->fleet))
		tell_ready(main, ERR_OK, "");
}

static void
names_on_loaded(enum err err, struct store *s)
{
	if (err != ERR_OK ||
	    (s->index == 0 && store_tokens_state(s) == STORE_TOKENS_UNREAD)) {
		timer_arm_ms(&s->names_timer, NAMES_AGAIN_MS);
		return;
	}
	s->names_loaded = true;
	wait_wake_all_queues(s);
	tell_settled(s->fleet->all[0]);
}

static void
names_on_timer(void *arg)
{
	struct store *s = arg;

	if (!s->closing && redis_conn_is_ready(s->conn))
		queues_load(s, names_on_loaded);
}

static void
conn_on_ready(void *arg)
{
	struct store *s = arg;

	s->ready_at_us = clock_mono_us();
	metric_set_series(METRIC_STORE_UP, s->up_slot, 1);
	for (size_t i = 0; i < s->queue_count; i++)
		queue_touch(s->sorted[i]);
	beat_now(s);
	channels_start(s);
	if (s->index == 0)
		tokens_load(s, NULL);
	queues_load(s, names_on_loaded);
}

static void
conn_on_lost(const char *reason, void *arg)
{
	struct store *s = arg;

	(void)reason; /* the connection has logged it */
	s->was_lost = true;
	metric_set_series(METRIC_STORE_UP, s->up_slot, 0);
	others_look(s);
	tell_settled(s->fleet->all[0]);
}

static void
conn_on_hopeless(enum err err, const char *reason, void *arg)
{
	struct store *s = arg;

	metric_set_series(METRIC_STORE_UP, s->up_slot, 0);
	others_look(s);
	s->was_lost = true;
	/* Later on a person may put it right while we wait; and always where
	 * it is Redis's data that they have to bring back. */
	if (!s->told_ready && err != ERR_REDIS_OLDER)
		tell_ready(s, err, reason);
	tell_settled(s->fleet->all[0]);
}

static void
child_on_failed(const char *reason, void *arg)
{
	struct store *s = arg;

	tell_ready(s, ERR_REDIS_SERVER, reason);
}

void
store_on_ready(struct store *s, store_ready_cb *cb, void *arg)
{
	s->ready_cb = cb;
	s->ready_arg = arg;
}

bool
store_is_ready(const struct store *s, const char **why)
{
	*why = "";
	if (s->closing || s->draining)
		*why = "the server is shutting down";
	else if (!redis_conn_is_ready(s->conn))
		*why = redis_conn_reason(s->conn);
	else if (redis_conn_weakness(s->conn)[0] != '\0')
		*why = redis_conn_weakness(s->conn);
	else if (!s->names_loaded)
		*why = "the list of queues is being read";
	else
		return true;
	return false;
}

const char *
store_durability(const struct store *s)
{
	return redis_conn_durability(s->conn);
}

/* ---- opening ----------------------------------------------------------- */

/* The first line of a file that nobody else may read; none without path. */
static enum err
password_read(const struct store *s, const char *key, const char *path,
    char **out, struct buf *why)
{
	char setting[NAME_MAX_LEN + 64];
	struct buf text;
	enum err err;

	if (path[0] == '\0')
		return ERR_OK;
	(void)snprintf(
	    setting, sizeof(setting), "redis.%s.%s", s->redis->name, key);
	buf_init(&text, SECRET_FILE_MAX);
	err = secret_read(setting, path, &text, why);
	if (err == ERR_OK) {
		*out = xmemdupz(text.data, text.len);
		(*out)[strcspn(*out, "\r\n")] = '\0';
		secret_protect_process();
	}
	secret_wipe(text.data, text.len);
	buf_clear(&text);
	return err;
}

/* The private redis-server; another than the main one has a folder of its own
 * in the state folder, and is tried for ever. */
static enum err
child_prepare(struct store *s, struct buf *why)
{
	struct buf folder;
	enum err err;

	if (s->index == 0)
		return redis_child_start(&s->child, s->loop,
		    s->conf->server_state_dir, child_on_failed, s, why);
	buf_init(&folder, 64 * 1024);
	buf_addf(&folder, "%s/backend.%s", s->conf->server_state_dir,
	    s->redis->name);
	buf_add_char(&folder, '\0');
	err =
	    redis_child_start(&s->child, s->loop, folder.data, NULL, NULL, why);
	buf_clear(&folder);
	return err;
}

/* The private redis-server, or the passwords of somebody's Redis. */
static enum err
store_prepare(struct store *s, struct buf *why)
{
	const struct conf_redis *redis = s->redis;
	enum err err;

	if (redis->url[0] == '\0' && redis->confirm == CONFIRM_REPLICATED) {
		buf_addf(why,
		    "redis.%s.confirm: the private Redis has no replicas; set "
		    "redis.%s.url",
		    redis->name, redis->name);
		return ERR_CONF_VALUE;
	}
	if (redis->url[0] == '\0')
		return child_prepare(s, why);
	err = password_read(
	    s, "password_file", redis->password_file, &s->password, why);
	if (err != ERR_OK)
		return err;
	return password_read(s, "sentinel_password_file",
	    redis->sentinel_password_file, &s->sentinel_password, why);
}

struct store *
backend_new(
    struct fleet *f, struct loop *loop, const struct conf *conf, size_t index)
{
	struct store *s = xcalloc(1, sizeof(*s));

	s->fleet = f;
	s->index = index;
	s->loop = loop;
	s->conf = conf;
	s->redis = &conf->redis[index];
	for (int i = 0; i < SCRIPT_COUNT; i++)
		s->gathered_slot[i] = metric_series(
		    METRIC_STORE_GATHERED, script_table()[i].stem);
	s->up_slot = metric_series(METRIC_STORE_UP, s->redis->name);
	(void)metric_series(METRIC_STORE_STRANGE, s->redis->name);
	list_init(&s->call_pool);
	list_init(&s->dirty);
	list_init(&s->touched);
	list_init(&s->done);
	list_init(&s->walks);
	post_init(&s->flush_post, batch_flush, s);
	post_init(&s->done_post, done_on_post, s);
	timer_init(&s->names_timer, loop, names_on_timer, s);
	wait_init(s);
	workers_init(s);
	beat_init(s);
	repair_init(s);
	others_init(s);
	tokens_init(s);
	audit_init(s);
	return s;
}

static void
store_connect(struct store *s)
{
	struct redis_conn_events events = {
	    .on_ready = conn_on_ready,
	    .on_lost = conn_on_lost,
	    .on_hopeless = conn_on_hopeless,
	    .on_identity = beat_identity,
	    .arg = s,
	};
	const char *url = s->redis->url, *password = s->password;

	if (s->child != NULL) {
		url = redis_child_url(s->child);
		password = redis_child_password(s->child);
	}
	s->conn = redis_conn_open(
	    s->loop, s->redis, url, password != NULL ? password : "", &events);
	if (s->sentinel_password != NULL)
		redis_conn_set_sentinel_password(s->conn, s->sentinel_password);
}

enum err
backend_open(struct store *s, struct buf *why)
{
	enum err err = channels_init(s, why);

	if (err == ERR_OK)
		err = known_open(&s->known, s->conf, s->redis, why);
	if (err == ERR_OK)
		err = store_prepare(s, why);
	if (err == ERR_OK)
		store_connect(s);
	return err;
}

enum err
store_accept(const struct conf *conf, struct buf *told)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < conf->redis_count && err == ERR_OK; i++) {
		if (i > 0)
			buf_add_char(told, '\n');
		err = known_forget(conf, &conf->redis[i], told);
	}
	return err;
}

/* ---- closing ----------------------------------------------------------- */

static void
close_on_child(void *arg)
{
	struct store *s = arg;

	s->close_cb(s->close_arg);
}

static void
close_on_conn(void *arg)
{
	struct store *s = arg;

	if (s->child != NULL)
		redis_child_stop(s->child, close_on_child, s);
	else
		s->close_cb(s->close_arg);
}

void
backend_close(struct store *s, void (*cb)(void *arg), void *arg)
{
	s->close_cb = cb;
	s->close_arg = arg;
	batch_flush(s);
	channels_close(s);
	workers_flush(s);
	tokens_close(s);
	s->closing = true;
	others_look(s);
	batch_abort(s, ERR_SHUTTING_DOWN);
	audit_abort(s);
	wait_abort(s, ERR_SHUTTING_DOWN);
	pace_hurry(s);
	redis_conn_close(s->conn, close_on_conn, s);
}

void
backend_free(struct store *s)
{
	post_cancel(&s->flush_post);
	post_cancel(&s->done_post);
	if (s->conn != NULL)
		redis_conn_free(s->conn);
	if (s->child != NULL)
		redis_child_free(s->child);
	timer_clear(&s->names_timer);
	batch_clear(s);
	wait_clear(s);
	workers_free(s);
	others_free(s);
	beat_free(s);
	known_close(s->known);
	tokens_free(s);
	audit_free(s);
	queues_free(s);
	repair_free(s);
	channels_free(s);
	moved_free(s);
	free(s->password);
	free(s->sentinel_password);
	free(s);
}
