#ifndef SCHEDD_HTTP_AUTH_H
#define SCHEDD_HTTP_AUTH_H

/*
 * Who calls, and what they may. Every request passes auth_check between
 * routing and the reading of its body:
 *
 * - a route for ROLE_ANY asks nobody;
 * - who comes over a unix socket as schedd's own user or root may all;
 * - while there are no tokens, whoever comes over loopback or a unix socket
 *   may all ("local");
 * - anybody else shows a token: Authorization: Bearer TOKEN. Its role and its
 *   queues say what it may. A queue that it is not for is answered as one
 *   that does not exist.
 */

#include <stdbool.h>

#include "core/err.h"
#include "core/str.h"
#include "http/route.h"

struct req;
struct server;
struct store_token;

enum {
	AUTH_TOKEN_LEN = 84, /* schedd_ID_SECRET, both in hex */
	AUTH_SECRET_LEN = 32 /* random bytes */
};

struct auth_caller {
	char name[NAME_MAX_LEN + 1];  /* the token's, "local", or "-" */
	char token[TOKEN_ID_LEN + 1]; /* its id; "" = none was shown */
	enum role role;               /* ROLE_ANY: we do not know who */
	struct span queues;           /* globs with a space between */
};

/* ERR_OK and who it is, or why the request ends here. authorization: the
 * header's value, empty without; not kept. */
enum err auth_check(struct req *req, struct span authorization,
    const struct auth_caller **caller) MUST_CHECK;

/* Is the caller's token for this queue? For answers that list queues. */
bool auth_sees(const struct auth_caller *caller, struct span queue);
/* The same of a channel: the token's globs are held against "channel:NAME". */
bool auth_sees_channel(const struct auth_caller *caller, struct span channel);
bool auth_sees_all(const struct auth_caller *caller);
/* Does a role do for a route that asks for need? */
bool auth_role_may(enum role have, enum role need);

/* Did it come through a socket that listens to this machine only? */
bool auth_is_local(const struct req *req);

/* Makes a new token: its text (with a NUL), id and hash. */
void auth_token_make(char text[AUTH_TOKEN_LEN + 1], struct store_token *token);

/* Is the token that a running request came with still good? */
bool auth_is_current(const struct req *req);

#endif
