/* The server: accepting, the cap, the coarse timer, the drain; server.h. */

#include "http/server.h"

#include <stdlib.h>

#include "core/log.h"
#include "core/mem.h"
#include "http/conn.h"
#include "http/guess.h"
#include "http/req_priv.h"
#include "http/route.h"
#include "http/server_priv.h"
#include "http/tls.h"

enum {
	SWEEP_MS = 250,
	ACCESS_LINE_MAX = 4096 /* its parts' bounds sum up to less */
};

/* ---- accepting -------------------------------------------------------- */

static enum err
server_check_room(const struct server *s, const char *peer)
{
	const struct conf *conf = s->conf;

	if (s->conn_count - s->extra_count >= conf->http_max_connections)
		return ERR_TOO_MANY_CONNS;
	if (peers_count(s->peers, peer) >= conf->limits_max_per_address)
		return ERR_TOO_MANY_PER_ADDR;
	return ERR_OK;
}

static void
server_on_client(int fd, const char *peer, unsigned flags, void *arg)
{
	struct server *s = arg;
	enum err err = ERR_TOO_MANY_CONNS;

	if ((flags & LISTEN_SURPLUS) == 0)
		err = server_check_room(s, peer);
	if (err == ERR_OK)
		conn_open(s, fd, peer, flags);
	else
		conn_open_extra(s, fd, peer, flags, err);
	if (s->conn_count > 0 && !timer_is_armed(&s->sweep_timer))
		timer_arm_ms(&s->sweep_timer, SWEEP_MS);
}

static void
server_on_shortage(void *arg)
{
	conns_end_surplus(arg);
}

/* One timer for all deadlines; none while nobody is connected. */
static void
server_on_sweep(void *arg)
{
	struct server *s = arg;
	bool is_done = conns_sweep(s);

	budget_look(s);
	if (s->conn_count > 0)
		timer_arm_ms(&s->sweep_timer, is_done ? SWEEP_MS : 0);
}

static void
server_on_flush(void *arg)
{
	struct server *s = arg;

	conns_flush(s);
}

static void
server_on_revoked(void *arg)
{
	struct server *s = arg;

	conns_close_revoked(s);
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

bool
server_is_over_memory(const struct server *s)
{
	return s->budget.is_over;
}

/* ---- TLS -------------------------------------------------------------- */

static bool
has_tls_listener(const struct server *s)
{
	for (size_t i = 0;
	     s->listeners != NULL && listeners_addr(s->listeners, i) != NULL;
	     i++)
		if ((listeners_flags(s->listeners, i) & LISTEN_TLS) != 0)
			return true;
	return false;
}

static enum err
check_tls(const struct server *s, const struct tls *tls, struct buf *why)
{
	if (tls != NULL || !has_tls_listener(s))
		return ERR_OK;
	buf_add_str(why, "http.listen has an address with tls: before it; "
			 "http.tls_cert and http.tls_key must be set");
	return ERR_TLS_FILES;
}

enum err
server_prepare(struct server *s, const struct conf *next, struct buf *why)
{
	enum err err;

	ASSERT(s->tls_next == NULL);
	err = tls_open(&s->tls_next, next, why);
	if (err == ERR_OK)
		err = check_tls(s, s->tls_next, why);
	if (err != ERR_OK)
		server_reloaded(s, false);
	return err;
}

void
server_reloaded(struct server *s, bool is_taken)
{
	struct tls *old = is_taken ? s->tls : s->tls_next;

	if (is_taken)
		s->tls = s->tls_next;
	s->tls_next = NULL;
	tls_close(old);
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
	s->guesses = guesses_new();
	s->route_slots = xcalloc(routes + 1, sizeof(*s->route_slots));
	recent_init(&s->recent, clock_mono_us());
	s->peers = peers_new();
	for (size_t i = 0; i < COUNT_OF(s->classes); i++)
		list_init(&s->classes[i]);
	list_init(&s->extras);
	list_init(&s->writers);
	list_init(&s->flushes);
	list_init(&s->orphans);
	list_init(&s->spares);
	buf_init(&s->access_line, ACCESS_LINE_MAX);
	/* Behind what goes to Redis, which then works while we write. */
	post_init_last(&s->flush_post, server_on_flush, s);
	post_init(&s->tokens_post, server_on_revoked, s);
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
	struct listen_calls calls = {server_on_client, server_on_shortage, s};
	char quoted[256];
	const char *addr;
	enum err err;

	routes_check();
	err = tls_open(&s->tls, conf, why);
	if (err == ERR_OK)
		err = listeners_open(
		    &s->listeners, loop, conf->http_listen, &calls, why);
	if (err == ERR_OK)
		err = check_tls(s, s->tls, why);
	if (err != ERR_OK) {
		server_free(s);
		s = NULL;
	}
	for (size_t i = 0; s != NULL; i++) {
		addr = listeners_addr(s->listeners, i);
		if (addr == NULL)
			break;
		log_info("http.listening", "addr=%s",
		    log_quote(quoted, sizeof(quoted), span_of(addr)));
	}
	*out = s;
	return err;
}

bool
server_is_public(const struct server *s)
{
	bool is_public = false;

	for (size_t i = 0;
	     s->listeners != NULL && listeners_addr(s->listeners, i) != NULL;
	     i++)
		is_public |=
		    (listeners_flags(s->listeners, i) & LISTEN_LOCAL) == 0;
	return is_public;
}

/* Later: whoever ended a token is answered first. */
void
server_on_tokens(struct server *s)
{
	loop_post(s->loop, &s->tokens_post);
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
	post_cancel(&s->tokens_post);
	post_cancel(&s->drain_post);
	timer_clear(&s->sweep_timer);
	timer_clear(&s->drain_timer);
	while (!list_is_empty(&s->spares)) {
		struct list *link = s->spares.next;

		list_del(link);
		req_free(CONTAINER_OF(link, struct req, link));
	}
	buf_clear(&s->access_line);
	tls_close(s->tls);
	guesses_free(s->guesses);
	free(s->route_slots);
	recent_clear(&s->recent);
	peers_free(s->peers);
	free(s);
}
