#ifndef SCHEDD_HTTP_AUDIT_H
#define SCHEDD_HTTP_AUDIT_H

/*
 * Requests that change more than a worker's or producer's daily business end
 * here: who changed what is written to the audit trail before they are
 * answered.
 */

#include "core/buf.h"
#include "core/err.h"
#include "http/req.h"

/*
 * Ends the request, whose answer of that status is in req_out, with what
 * became of the change. ERR_OK: it was made. Of an error that leaves it open
 * (STORE_UNKNOWN and its like) that much is written; of any other nothing,
 * unless is_partly: some of it was made before.
 * action: a literal such as "tasks.purge". what: members of a JSON object,
 * "\"state\":\"dead\"", not empty.
 */
struct audit_end {
	const char *action;
	int status;
	enum err err;
	bool is_partly;
	const char *detail; /* of the error, for req_failf; NULL = none */
};
void audit_end(struct req *req, const struct audit_end *end, struct span what);

#endif
