#ifndef SCHEDD_HTTP_SERVER_PRIV_H
#define SCHEDD_HTTP_SERVER_PRIV_H

/* The inside of the server, for the engine. */

#include "core/clock.h"
#include "core/list.h"
#include "core/loop.h"
#include "http/budget.h"
#include "http/listen.h"
#include "http/peers.h"
#include "http/recent.h"
#include "http/server.h"

/* What a connection waits for; each open one is on the list of its class,
 * the one that waits longest first. */
enum conn_class {
	CLASS_IDLE,      /* the first byte of a request: http.idle_timeout */
	CLASS_HANDSHAKE, /* the end of TLS's: http.header_timeout */
	CLASS_EXTRA,     /* beyond the caps, its head: 1 s */
	CLASS_HEAD,      /* the rest of a head: http.header_timeout */
	CLASS_BODY,      /* the rest of a body: 30 s and http.min_rate */
	CLASS_BUSY,      /* us, or the client to read its answers */
	CLASS_LINGER,    /* the client to close, all is said: 5 s of quiet */
	CLASS_COUNT
};

/* Why a connection ended; the label of schedd_http_closed_total. */
enum close_reason {
	CLOSE_CLIENT,   /* it closed or half-closed */
	CLOSE_RESET,    /* reset, or another fault of the network */
	CLOSE_ANSWERED, /* as announced by Connection: close */
	CLOSE_REFUSED,  /* after an error that ends the connection */
	CLOSE_IDLE,
	CLOSE_HANDSHAKE, /* of TLS: failed, or late */
	CLOSE_TIMEOUT_HEAD,
	CLOSE_TIMEOUT_BODY,
	CLOSE_TIMEOUT_WRITE,
	CLOSE_TOO_MANY,
	CLOSE_REVOKED, /* its token ended while a request was under way */
	CLOSE_SHUTDOWN,
	CLOSE_REASON_COUNT
};

enum { STATUS_MAX = 600 };

struct server {
	struct loop *loop;
	const struct conf *conf;
	struct store *store;
	struct listeners *listeners;
	struct tls *tls;         /* for those that come; NULL without */
	struct tls *tls_next;    /* while a reload is not decided */
	struct guesses *guesses; /* at tokens */
	struct post tokens_post; /* they changed */

	struct list classes[CLASS_COUNT]; /* struct conn by link */
	struct list writers; /* by writer_link: a reader is slower than we */
	struct list flushes; /* by flush_link: answers to hand over */
	struct list orphans; /* by link: closed, but requests are under way */
	size_t conn_count;   /* open ones */
	struct list extras;  /* of them, beyond the caps, by extra_link */
	size_t extra_count;
	struct peers *peers; /* of the others, by address */
	struct budget budget;
	struct post flush_post;
	struct timer sweep_timer;

	struct list spares; /* struct req for reuse */
	size_t spare_count;
	size_t req_count; /* not spare */

	bool is_draining;
	bool is_drained; /* told so */
	struct timer drain_timer;
	struct post drain_post;
	void (*drain_fn)(void *arg);
	void *drain_arg;

	/* Slots of metric series, plus one; 0 = not made yet. */
	unsigned status_slots[STATUS_MAX];
	unsigned error_slots[ERR_COUNT];
	unsigned close_slots[CLOSE_REASON_COUNT];
	unsigned *route_slots; /* by row; the last one for no route */
	struct recent recent;

	char date[40]; /* of date_s, for the Date header */
	int64_t date_s;
	struct buf access_line; /* while it is being built */
};

/* Tells the drain that something ended. */
void server_check_drained(struct server *s);

#endif
