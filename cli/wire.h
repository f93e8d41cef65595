#ifndef SCHEDD_CLI_WIRE_H
#define SCHEDD_CLI_WIRE_H

/*
 * Several requests to one schedd at the same time, inside the caller's poll
 * loop: wire_fd becomes readable when there is something to do for wire_turn,
 * and so does time, wire_wait_ms. Nothing here blocks.
 */

#include <stdbool.h>

#include "cli/client.h"

enum { WIRE_CALLS_MAX = 16 }; /* under way at a time */

struct wire;
struct wire_call;

/* What became of a request; all borrowed until the callback returns. */
struct wire_result {
	enum err err; /* ERR_OK: an answer of any status; else UNREACHABLE */
	struct client_answer answer;
	const struct client *via; /* why, was_sent, was_refused */
};

typedef void wire_cb(const struct wire_result *result, void *arg);

/* Server, options and timeout are those of the client, which lives longer. */
struct wire *wire_open(const struct client *like);
/* Breaks off what is under way; nothing is called back. */
void wire_close(struct wire *w);

/* cb runs once, from a wire_turn behind this one, unless the call is broken
 * off. Body and arg are borrowed until then, the path is not. */
struct wire_call *wire_send(struct wire *w,
    const struct client_request *request, wire_cb *cb, void *arg);
/* Breaks one off and closes its connection, so that the server notices. */
void wire_break(struct wire_call *call);

int wire_fd(const struct wire *w);
/* How long to poll at most; -1 = for ever. */
int wire_wait_ms(const struct wire *w);
/* Does what can be done now and calls back for what has ended. */
void wire_turn(struct wire *w);

#endif
