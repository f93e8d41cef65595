#ifndef SCHEDD_HTTP_TLS_H
#define SCHEDD_HTTP_TLS_H

/*
 * TLS for listening sockets, by OpenSSL: 1.2 and 1.3, no renegotiation, the
 * server's order of ciphers. A struct tls is what the settings said at one
 * time; a reload makes a new one, and connections that are open keep theirs.
 */

#include <stdbool.h>

#include "core/buf.h"
#include "core/conf.h"
#include "core/err.h"

struct bufferevent;
struct event_base;
struct tls;

/* Reads http.tls_cert, tls_key and tls_client_ca. *out is NULL when none is
 * set. TLS_FILES with a line in why. */
enum err tls_open(
    struct tls **out, const struct conf *conf, struct buf *why) MUST_CHECK;
void tls_close(struct tls *t);

/* A client that has yet to shake hands; BEV_EVENT_CONNECTED says that it did.
 * Its callbacks are never called from within a write. NULL when memory is
 * short; the socket is then still the caller's. */
struct bufferevent *tls_accept(struct tls *t, struct event_base *base, int fd);
/* Says that nothing more comes (close_notify), as far as the socket takes
 * it. */
void tls_say_end(struct bufferevent *bev);
/* After a failed handshake: why, in OpenSSL's words, and whether it was plain
 * HTTP. text has 120 bytes. */
bool tls_why(struct bufferevent *bev, char text[120]);

#endif
