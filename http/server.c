/* The server: accepting, the cap, the coarse timer, the drain; server.h. */

#include "http/server.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/id.h"
#include "core/log.h"
#include "core/mem.h"
#include "http/conn.h"
#include "http/req_priv.h"
#include "http/route.h"
#include "http/server_priv.h"

enum {
	SWEEP_MS = 250,
	EXTRA_MAX = 64 /* connections beyond the cap that are told so */
};

/* ---- accepting -------------------------------------------------------- */

/* There is no descriptor for a connection: the answer is thrown in whole,
 * and whether it arrives is left to luck. */
static void
server_on_surplus(int fd, void *arg)
{
	struct buf body, all;
	char id[ID_MADE_LEN + 1];

	(void)arg;
	buf_init(&body, 1024);
	buf_init(&all, 2048);
	id_make(id);
	buf_add_str(&body, "{\"error\":");
	err_print_json(&body, ERR_TOO_MANY_CONNS, SPAN(""));
	buf_add_char(&body, '}');
	buf_addf(&all,
	    "HTTP/1.1 503 Service Unavailable\r\n"
	    "Content-Type: application/json\r\n"
	    "Content-Length: %zu\r\n"
	    "X-Request-Id: %s\r\n"
	    "Retry-After: 1\r\n"
	    "Connection: close\r\n\r\n",
	    body.len, id);
	buf_add_span(&all, buf_span(&body));
	ASSERT(!all.failed);
	(void)send(fd, all.data, all.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	buf_clear(&body);
	buf_clear(&all);
}

static void
server_on_client(int fd, const char *peer, void *arg)
{
	struct server *s = arg;

	if (s->conn_count - s->extra_count < s->conf->http_max_connections) {
		conn_open(s, fd, peer);
	} else if (s->extra_count < EXTRA_MAX) {
		conn_open_refused(s, fd, peer, ERR_TOO_MANY_CONNS);
	} else {
		server_on_surplus(fd, s);
		close(fd);
	}
	if (s->conn_count > 0 && !timer_is_armed(&s->sweep_timer))
		timer_arm_ms(&s->sweep_timer, SWEEP_MS);
}

/* One timer for all deadlines; none while nobody is connected. */
static void
server_on_sweep(void *arg)
{
	struct server *s = arg;

	conns_sweep(s);
	if (s->conn_count > 0)
		timer_arm_ms(&s->sweep_timer, SWEEP_MS);
}

static void
server_on_flush(void *arg)
{
	struct server *s = arg;

	conns_flush(s);
}

/* ---- the drain -------------------------------------------------------- */

static void
drain_finish(struct server *s)
{
	if (s->is_drained)
		return;
	s->is_drained = true;
	timer_disarm(&s->drain_timer);
	s->drain_fn(s->drain_arg);
}

static bool
drain_is_done(const struct server *s)
{
	return s->req_count == 0 && list_is_empty(&s->writers);
}

static void
drain_on_quiet(void *arg)
{
	struct server *s = arg;

	if (drain_is_done(s))
		drain_finish(s);
}

static void
drain_on_deadline(void *arg)
{
	struct server *s = arg;

	log_warn("http.drain_late", "requests=%zu connections=%zu",
	    s->req_count, s->conn_count);
	drain_finish(s);
}

void
server_check_drained(struct server *s)
{
	if (s->is_draining && !s->is_drained && drain_is_done(s))
		loop_post(s->loop, &s->drain_post);
}

void
server_drain(struct server *s, uint64_t deadline_ms, void (*on_done)(void *arg),
    void *arg)
{
	ASSERT(!s->is_draining);
	s->is_draining = true;
	s->drain_fn = on_done;
	s->drain_arg = arg;
	listeners_close(s->listeners);
	s->listeners = NULL;
	timer_arm_ms(&s->drain_timer, deadline_ms);
	conns_close_idle(s);
	server_check_drained(s);
}

bool
server_is_draining(const struct server *s)
{
	return s->is_draining;
}

/* ---- the whole -------------------------------------------------------- */

static struct server *
server_new(struct loop *loop, const struct conf *conf, struct store *store)
{
	struct server *s = xcalloc(1, sizeof(*s));
	size_t routes;

	(void)routes_get(&routes);
	s->loop = loop;
	s->conf = conf;
	s->store = store;
	s->route_slots = xcalloc(routes + 1, sizeof(*s->route_slots));
	for (size_t i = 0; i < COUNT_OF(s->classes); i++)
		list_init(&s->classes[i]);
	list_init(&s->writers);
	list_init(&s->flushes);
	list_init(&s->orphans);
	list_init(&s->spares);
	post_init(&s->flush_post, server_on_flush, s);
	post_init(&s->drain_post, drain_on_quiet, s);
	timer_init(&s->sweep_timer, loop, server_on_sweep, s);
	timer_init(&s->drain_timer, loop, drain_on_deadline, s);
	return s;
}

enum err
server_open(struct server **out, struct loop *loop, const struct conf *conf,
    struct store *store, struct buf *why)
{
	struct server *s = server_new(loop, conf, store);
	struct listen_calls calls = {server_on_client, server_on_surplus, s};
	const char *addr;
	enum err err;

	routes_check();
	err =
	    listeners_open(&s->listeners, loop, conf->http_listen, &calls, why);
	if (err != ERR_OK) {
		server_free(s);
		s = NULL;
	}
	for (size_t i = 0; s != NULL; i++) {
		addr = listeners_addr(s->listeners, i);
		if (addr == NULL)
			break;
		log_info("http.listening", "addr=%s", addr);
	}
	*out = s;
	return err;
}

size_t
server_connections(const struct server *s)
{
	return s->conn_count;
}

void
server_free(struct server *s)
{
	if (s == NULL)
		return;
	listeners_close(s->listeners);
	/* Nobody waits for the drain any more. */
	s->is_drained = true;
	conns_free(s);
	post_cancel(&s->flush_post);
	post_cancel(&s->drain_post);
	timer_clear(&s->sweep_timer);
	timer_clear(&s->drain_timer);
	while (!list_is_empty(&s->spares)) {
		struct list *link = s->spares.next;

		list_del(link);
		req_free(CONTAINER_OF(link, struct req, link));
	}
	free(s->route_slots);
	free(s);
}
