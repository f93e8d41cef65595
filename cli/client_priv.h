#ifndef SCHEDD_CLI_CLIENT_PRIV_H
#define SCHEDD_CLI_CLIENT_PRIV_H

/* What the two ways of sending share: client.c (one request after the other)
 * and wire.c (several at a time). */

#include <curl/curl.h>

#include "cli/client.h"

struct client {
	CURL *curl;
	struct curl_slist *headers; /* NULL in a twin: they are the other's */
	char *server;               /* as messages name it */
	char *base;                 /* what a path is put behind */
	char *unix_path;            /* NULL = TCP */
	uint64_t timeout_ms;
	uint64_t limit_ms; /* of the request under way, in all */
	struct buf url, answer, why;
	char curl_text[CURL_ERROR_SIZE];
	bool was_sent, was_refused;
	enum client_fault fault;
};

/* Another one with the same server and options, for a request of its own at
 * the same time. Must not outlive the first. */
struct client *client_twin(const struct client *c);

/* The two halves of client_call: what libcurl is told before, and what
 * became of it. The request's body is borrowed in between. */
void client_prepare(struct client *c, const struct client_request *request);
enum err client_end(
    struct client *c, CURLcode code, struct client_answer *out) MUST_CHECK;

#endif
