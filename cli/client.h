#ifndef SCHEDD_CLI_CLIENT_H
#define SCHEDD_CLI_CLIENT_H

/*
 * HTTP to one schedd, by libcurl: one request after the other over one
 * connection, each waited for; wire.h has those that are not. Nothing is
 * printed here.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

struct client;

struct client_request {
	const char *method;
	const char *path; /* "/v1/queues", encoded; see client_add_segment */
	struct span body; /* JSON; empty = none */
	uint64_t wait_ms; /* what the server may take on top of the timeout */
	uint64_t timeout_ms; /* in place of the client's; 0 = that one */
};

struct client_answer {
	int status;
	struct span body;       /* borrowed until the next call */
	uint64_t retry_after_s; /* 0 = not said */
	uint64_t took_us;
	int64_t date_ms; /* the server's clock, to the second; 0 = not said */
};

/* Why there was no answer, as far as it makes a difference to what to try. */
enum client_fault {
	CLIENT_FAULT_REFUSED,   /* nobody listens there */
	CLIENT_FAULT_NO_HOST,   /* its name is not known */
	CLIENT_FAULT_NO_ANSWER, /* no connection came about in time */
	CLIENT_FAULT_DENIED,    /* we may not use the socket */
	CLIENT_FAULT_UNTRUSTED, /* its certificate */
	CLIENT_FAULT_FILES,     /* of --ca or --cert */
	CLIENT_FAULT_CLOSED,    /* without an answer, or with none of HTTP */
	CLIENT_FAULT_SLOW,      /* connected, and no answer in time */
	CLIENT_FAULT_OTHER
};

struct client_options {
	const char *server; /* http://host:port, https://..., host:port or
			       unix:/path */
	uint64_t timeout_ms;
	const char *token_file; /* NULL = no token is shown */
	const char *ca;         /* PEM; NULL = those that the system trusts */
	const char *cert;       /* PEM with its key behind it; NULL = none */
};

/* USAGE with a line in why when one of the options is not what it should be,
 * or when a token would go over a network in the clear. */
enum err client_open(struct client **out, const struct client_options *options,
    struct buf *why) MUST_CHECK;
void client_close(struct client *c);

/* ERR_OK: an answer came, of any status. Else UNREACHABLE. */
enum err client_call(struct client *c, const struct client_request *request,
    struct client_answer *out) MUST_CHECK;

/* After UNREACHABLE: why, in a few words; and whether the server may have
 * got the request, so that it may have been carried out. */
const char *client_why(const struct client *c);
enum client_fault client_fault(const struct client *c);
bool client_was_sent(const struct client *c);
/* No connection came about at all. */
bool client_was_refused(const struct client *c);
/* Lets c say what the other would say of its last request. */
void client_copy_why(struct client *c, const struct client *other);
/* The server as messages name it. */
const char *client_server(const struct client *c);

/* One segment of a path: what does not stand for itself as %XX. */
void client_add_segment(struct buf *path, struct span text);
/* One value of a query. */
void client_add_value(struct buf *path, struct span text);

#endif
