/* What a connection does differently over TLS; see conn_priv.h. */

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>

#include <event2/bufferevent.h>

#include "core/log.h"
#include "core/mem.h"
#include "http/conn_priv.h"
#include "http/tls.h"

enum { ANSWER_MAX = 1024, WHY_MAX = 120, REST_MAX = 64 };

struct bufferevent *
conn_make_bev(struct server *s, int fd, unsigned flags)
{
	if ((flags & LISTEN_TLS) != 0)
		return tls_accept(s->tls, loop_base(s->loop), fd);
	return bufferevent_socket_new(
	    loop_base(s->loop), fd, BEV_OPT_CLOSE_ON_FREE);
}

/* The client's last word of the handshake has no answer that would carry our
 * acknowledgement, and without TCP_NODELAY its first request waits for that:
 * 40 ms, were it delayed. */
static void
acknowledge(int fd)
{
	int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

void
conn_on_shaken(struct conn *c)
{
	acknowledge(bufferevent_getfd(c->bev));
	c->is_shaking = false;
	c->is_fresh = true;
	conn_go_on(c);
}

/* It spoke HTTP where TLS is spoken: so that its user sees what is wrong.
 * What it sent is read away, or closing would reset what we say. */
static void
say_in_plain(struct conn *c)
{
	char bytes[4096];
	struct buf body, all;
	int fd = bufferevent_getfd(c->bev);

	buf_init(&body, ANSWER_MAX);
	buf_init(&all, ANSWER_MAX);
	buf_add_str(&body, "{\"error\":");
	err_print_json(&body, ERR_HTTP_BAD,
	    SPAN("this address speaks TLS: begin its URL with https"));
	buf_add_char(&body, '}');
	buf_addf(&all,
	    "HTTP/1.1 400 Bad Request\r\n"
	    "Content-Type: application/json\r\n"
	    "Content-Length: %zu\r\n"
	    "Connection: close\r\n\r\n%.*s",
	    body.len, SPAN_ARG(buf_span(&body)));
	ASSERT(!all.failed);
	(void)send(fd, all.data, all.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	shutdown(fd, SHUT_WR);
	for (int i = 0; i < REST_MAX; i++)
		if (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) <= 0)
			break;
	buf_clear(&body);
	buf_clear(&all);
}

void
conn_on_shake_failed(struct conn *c)
{
	char why[WHY_MAX], quoted[2 * WHY_MAX];
	bool is_http = tls_why(c->bev, why);

	if (peer_may_log(LOG_DEBUG, "http.tls_failed", c->peer))
		log_debug("http.tls_failed", "peer=%s reason=%s", c->peer,
		    log_quote(quoted, sizeof(quoted), span_of(why)));
	if (is_http)
		say_in_plain(c);
	conn_close(c, CLOSE_HANDSHAKE);
}
