#ifndef SCHEDD_HTTP_LISTEN_H
#define SCHEDD_HTTP_LISTEN_H

/*
 * Listening sockets: "host:port" with an IP literal or localhost, port 0 for
 * a free one, "[::1]:port", both with "tls:" before them, "unix:/path". An
 * address beyond this machine must have it. When descriptors are short, a few
 * reserved ones serve for clients that are only told so, and accepting rests a
 * while instead of spinning.
 */

#include <stddef.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/loop.h"

struct listeners;

/* What is known of a client by the socket it came through. */
enum {
	LISTEN_LOCAL = 1u << 0, /* that listens to this machine only */
	LISTEN_TLS = 1u << 1,   /* and speaks TLS */
	LISTEN_OWNER = 1u << 2, /* a unix socket's peer: our user, or root */
	LISTEN_FROM_HERE = 1u << 3, /* the client is on this machine */
	LISTEN_SURPLUS = 1u << 4    /* its descriptor is a reserved one */
};

struct listen_calls {
	/* A client: the socket is now the callee's. flags: LISTEN_ bits. */
	void (*on_client)(int fd, const char *peer, unsigned flags, void *arg);
	/* Descriptors are short: those that surplus clients have had for a
	 * while are to be given back, for the next ones. */
	void (*on_shortage)(void *arg);
	void *arg;
};

/* addrs: separated by commas. LISTEN_FAILED, or ACCESS_OPEN where TLS is
 * missing, with a line in why. */
enum err listeners_open(struct listeners **out, struct loop *loop,
    const char *addrs, const struct listen_calls *calls,
    struct buf *why) MUST_CHECK;
/* Also unlinks unix sockets. NULL is fine. */
void listeners_close(struct listeners *ls);

/* LISTEN_ bits of listener i; 0 past the last. */
unsigned listeners_flags(const struct listeners *ls, size_t i);
/* The address that listener i got, as it is logged; NULL past the last. */
const char *listeners_addr(const struct listeners *ls, size_t i);

#endif
