#ifndef SCHEDD_HTTP_AUTH_H
#define SCHEDD_HTTP_AUTH_H

/*
 * Who calls. Every request passes auth_check between routing and the reading
 * of its body. There are no tokens yet, and only loopback and unix sockets
 * are listened on: the caller is "local" and may do everything.
 */

#include "core/err.h"
#include "http/route.h"

struct req;

struct auth_caller {
	const char *name;
	enum role role;
};

/* ERR_OK and who it is, or why the request ends here. */
enum err auth_check(
    const struct req *req, const struct auth_caller **caller) MUST_CHECK;

#endif
