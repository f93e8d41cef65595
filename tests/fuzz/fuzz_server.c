/*
 * The whole server between a client and a Redis that both send any bytes:
 * requests as they come, and replies to the scripts they lead to. The pieces
 * are apart by "\n--\n": the first is the client's, the others are replies, in
 * turn. Whatever comes, every answer is whole, and all of it can be taken down
 * without a leak.
 */

#define _DEFAULT_SOURCE /* mkdtemp */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>

#include "core/clock.h"
#include "core/conf_priv.h"
#include "core/loop.h"
#include "core/mem.h"
#include "http/conn.h"
#include "http/server.h"
#include "store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIECES_MAX = 16, REDIS_MAX = 8, READY_TURNS = 2000, QUIET_TURNS = 30 };
enum { READY_US = 60000000 };

static struct {
	struct loop *loop;
	struct evconnlistener *listener;
	struct timer tick;
	int turns;
	bool (*is_met)(void);
	struct conf *conf;
	struct store *store;
	struct server *server;
	struct bufferevent *redis[REDIS_MAX]; /* its side of connections */
	bool is_closed, is_started;
	struct span pieces[PIECES_MAX];
	size_t piece_count, next;
	char folder[64], path[80];
} w;

/* ---- the Redis --------------------------------------------------------- */

/* What a good Redis says to what is no script of ours. */
static void
redis_answer(struct evbuffer *out, const char *name)
{
	static const char info[] = "redis_version:7.0.15\r\nrole:master\r\n";

	if (strcmp(name, "SCRIPT") == 0)
		evbuffer_add_printf(out, "$40\r\n%040d\r\n", 7);
	else if (strcmp(name, "INFO") == 0)
		evbuffer_add_printf(
		    out, "$%zu\r\n%s\r\n", sizeof(info) - 1, info);
	else if (strcmp(name, "SMEMBERS") == 0)
		evbuffer_add_printf(out, "*1\r\n$1\r\nq\r\n");
	else if (strcmp(name, "HMGET") == 0)
		evbuffer_add_printf(out, "*2\r\n$-1\r\n$-1\r\n");
	else if (strcmp(name, "CONFIG") == 0)
		evbuffer_add_printf(out, "*0\r\n");
	else
		evbuffer_add_printf(out, "+OK\r\n");
}

/* A start is answered well, on whichever connection it is asked: the sign of
 * life, the one script with four keys, the names of queues, the one with two,
 * and that there are no tokens. */
static void
redis_answer_script(struct evbuffer *out, char keys)
{
	static const char beat[] =
	    "*9\r\n$1\r\ng\r\n:1\r\n:1\r\n:0\r\n:0\r\n:0\r\n$1\r\n0\r\n"
	    "$64\r\n00000000000000000000000000000000"
	    "00000000000000000000000000000000\r\n:0\r\n";
	static const char names[] = "*2\r\n:1\r\n$1\r\nq\r\n";
	static const char tokens[] = "*1\r\n$1\r\n0\r\n";

	if (w.next < w.piece_count) {
		evbuffer_add(out, w.pieces[w.next].p, w.pieces[w.next].len);
		w.next++;
	} else if (!w.is_started && keys == '2') {
		evbuffer_add(out, names, sizeof(names) - 1);
	} else if (!w.is_started && keys != '4') {
		evbuffer_add(out, tokens, sizeof(tokens) - 1);
	} else {
		evbuffer_add(out, beat, sizeof(beat) - 1);
	}
}

/* One command, when it is there whole: an array of strings. Its name, and how
 * its third word begins: of a script how many keys it has. */
static bool
redis_take(struct evbuffer *in, char name[16], char *keys)
{
	struct evbuffer_ptr at = {0};
	char line[32];
	long words, len;
	size_t pos = 0;

	for (long i = -1, count = 0; i < count; i++) {
		ASSERT(evbuffer_ptr_set(in, &at, pos, EVBUFFER_PTR_SET) == 0);
		struct evbuffer_ptr end = evbuffer_search_eol(
		    in, &at, NULL, EVBUFFER_EOL_CRLF_STRICT);
		if (end.pos < 0)
			return false;
		words = (long)end.pos - (long)pos;
		ASSERT(words > 1 && words < (long)sizeof(line));
		evbuffer_copyout_from(in, &at, line, (size_t)words);
		line[words] = '\0';
		len = strtol(line + 1, NULL, 10);
		pos = (size_t)end.pos + 2;
		if (i < 0) {
			count = len;
			continue;
		}
		if (pos + (size_t)len + 2 > evbuffer_get_length(in))
			return false;
		if (i == 0) {
			ASSERT(evbuffer_ptr_set(
				   in, &at, pos, EVBUFFER_PTR_SET) == 0);
			snprintf(name, 16, "%s", "");
			evbuffer_copyout_from(
			    in, &at, name, len < 15 ? (size_t)len : 15);
			name[len < 15 ? len : 15] = '\0';
		} else if (i == 2 && len > 0) {
			ASSERT(evbuffer_ptr_set(
				   in, &at, pos, EVBUFFER_PTR_SET) == 0);
			evbuffer_copyout_from(in, &at, keys, 1);
		}
		pos += (size_t)len + 2;
	}
	evbuffer_drain(in, pos);
	return true;
}

static void
redis_on_read(struct bufferevent *bev, void *arg)
{
	char name[16] = "", keys = '\0';

	(void)arg;
	while (evbuffer_get_length(bufferevent_get_input(bev)) > 0 &&
	       redis_take(bufferevent_get_input(bev), name, &keys)) {
		if (strcmp(name, "EVALSHA") == 0)
			redis_answer_script(bufferevent_get_output(bev), keys);
		else
			redis_answer(bufferevent_get_output(bev), name);
	}
}

static void
redis_on_event(struct bufferevent *bev, short what, void *arg)
{
	struct bufferevent **place = arg;

	(void)what;
	bufferevent_free(bev);
	*place = NULL;
}

static void
redis_end(void)
{
	for (size_t i = 0; i < REDIS_MAX; i++)
		if (w.redis[i] != NULL)
			redis_on_event(w.redis[i], 0, &w.redis[i]);
}

static void
redis_on_accept(struct evconnlistener *lev, evutil_socket_t fd,
    struct sockaddr *sa, int len, void *arg)
{
	size_t i = 0;

	(void)lev;
	(void)sa;
	(void)len;
	(void)arg;
	while (i < REDIS_MAX - 1 && w.redis[i] != NULL)
		i++;
	if (w.redis[i] != NULL)
		redis_on_event(w.redis[i], 0, &w.redis[i]);
	w.redis[i] = bufferevent_socket_new(
	    loop_base(w.loop), fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(
	    w.redis[i], redis_on_read, NULL, redis_on_event, &w.redis[i]);
	bufferevent_enable(w.redis[i], EV_READ | EV_WRITE);
}

/* ---- the loop ---------------------------------------------------------- */

static void
on_tick(void *arg)
{
	(void)arg;
	if (--w.turns <= 0 || (w.is_met != NULL && w.is_met()))
		loop_stop(w.loop);
	else
		timer_arm_ms(&w.tick, 0);
}

/* Runs until it is met, or for so many turns. */
static void
run(int turns, bool (*is_met)(void))
{
	w.turns = turns;
	w.is_met = is_met;
	timer_arm_ms(&w.tick, 0);
	loop_run(w.loop);
	timer_disarm(&w.tick);
}

/* Runs until it is met. On a busy machine the connection may be late, and be
 * made anew, any number of times: that is not what is looked for here. */
static void
run_until(bool (*is_met)(void))
{
	int64_t end_us = clock_mono_us_fresh() + READY_US;

	while (!is_met() && clock_mono_us_fresh() < end_us)
		run(READY_TURNS, is_met);
	ASSERT(is_met());
}

static bool
is_ready(void)
{
	const char *why;

	return store_is_ready(w.store, &why);
}

static bool
is_closed(void)
{
	return w.is_closed;
}

static void
on_closed(void *arg)
{
	(void)arg;
	w.is_closed = true;
}

static void
on_ready(enum err err, struct span why, void *arg)
{
	(void)err;
	(void)why;
	(void)arg;
}

static void
no_log(const char *line, size_t len)
{
	(void)line;
	(void)len;
}

/* ---- one life ---------------------------------------------------------- */

static void
remove_folder(void)
{
	unlink(w.path);
	rmdir(w.folder);
}

static void
set_up_once(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	char url[128], state[128];
	char *args[] = {url, state, (char[]){"--redis.main.confirm=memory"},
	    (char[]){"--http.listen=127.0.0.1:0"},
	    (char[]){"--redis.main.deadline=50ms"}};
	struct buf why;

	if (w.loop != NULL)
		return;
	log_set_sink(no_log);
	snprintf(w.folder, sizeof(w.folder), "/tmp/schedd-fuzz-XXXXXX");
	ASSERT(mkdtemp(w.folder) != NULL);
	snprintf(w.path, sizeof(w.path), "%s/redis", w.folder);
	atexit(remove_folder);
	w.loop = loop_new();
	timer_init(&w.tick, w.loop, on_tick, NULL);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", w.path);
	w.listener = evconnlistener_new_bind(loop_base(w.loop), redis_on_accept,
	    NULL, LEV_OPT_CLOSE_ON_FREE, 16, (struct sockaddr *)&sun,
	    sizeof(sun));
	ASSERT(w.listener != NULL);
	snprintf(url, sizeof(url), "--redis.main.url=unix:%s", w.path);
	/* Nothing is remembered from one input to the next. */
	snprintf(state, sizeof(state), "--server.state_dir=/proc/none");
	buf_init(&why, 4096);
	ASSERT(conf_load_text(&w.conf, "", SPAN(""), args, COUNT_OF(args),
		   &why) == ERR_OK);
	buf_clear(&why);
}

static void
open_all(void)
{
	struct buf why;

	buf_init(&why, 4096);
	w.is_closed = w.is_started = false;
	ASSERT(store_open(&w.store, w.loop, w.conf, &why) == ERR_OK);
	store_on_ready(w.store, on_ready, NULL);
	ASSERT(server_open(&w.server, w.loop, w.conf, w.store, &why) == ERR_OK);
	buf_clear(&why);
	/* What the start asks is answered well. */
	w.next = PIECES_MAX;
	run_until(is_ready);
	w.is_started = true;
	w.next = 1;
}

static void
close_all(void)
{
	store_close(w.store, on_closed, NULL);
	run_until(is_closed);
	server_free(w.server);
	store_free(w.store);
	redis_end();
}

/* Each answer has a head that says how long it is, and is so long. */
static void
check_answers(int fd)
{
	static char text[1 << 20];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	ASSERT(n < (ssize_t)sizeof(text) - 1);
	text[n < 0 ? 0 : n] = '\0';
	ASSERT(n <= 0 || strncmp(text, "HTTP/1.1 ", 9) == 0);
}

static void
split(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data, *end = p + size, *at = p;

	w.piece_count = 0;
	while (w.piece_count < PIECES_MAX - 1) {
		while (at < end &&
		       !(end - at >= 4 && memcmp(at, "\n--\n", 4) == 0))
			at++;
		w.pieces[w.piece_count++] = (struct span){p, (size_t)(at - p)};
		if (at == end)
			break;
		p = at += 4;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fds[2];

	set_up_once();
	split(data, size);
	open_all();
	ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	conn_open(w.server, fds[0], "unix:uid=0",
	    LISTEN_LOCAL | LISTEN_OWNER | LISTEN_FROM_HERE);
	(void)send(fds[1], w.pieces[0].p, w.pieces[0].len,
	    MSG_NOSIGNAL | MSG_DONTWAIT);
	run(QUIET_TURNS, NULL);
	check_answers(fds[1]);
	close(fds[1]);
	run(QUIET_TURNS, NULL);
	close_all();
	return 0;
}
