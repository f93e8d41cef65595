#ifndef SCHEDD_HTTP_AUDIT_H
#define SCHEDD_HTTP_AUDIT_H

/*
 * Requests that change more than a worker's or producer's daily business go
 * through here twice. Before the change its intent is noted in Redis, so that
 * a schedd that is killed leaves no change without an entry: another one, or
 * the next, enters it as one of unknown outcome. After it, who changed what is
 * written to the audit trail before they are answered.
 */

#include "core/buf.h"
#include "core/err.h"
#include "http/req.h"

/*
 * Notes that this is about to be changed, then calls go; when it cannot be
 * noted, the request has failed and nothing was changed. action: a literal such
 * as "tasks.purge". what: members of a JSON object, "\"state\":\"dead\"", not
 * empty.
 */
typedef void audit_go_fn(void *arg);
void audit_begin(struct req *req, const char *action, struct span what,
    audit_go_fn *go, void *arg);

/*
 * Ends the request, whose answer of that status is in req_out, with what
 * became of the change. ERR_OK: it was made. Of an error that leaves it open
 * (STORE_UNKNOWN and its like) that much is written; of any other nothing,
 * unless is_partly: some of it was made before.
 */
struct audit_end {
	const char *action;
	int status;
	enum err err;
	bool is_partly;
	const char *detail; /* of the error, for req_failf; NULL = none */
};
void audit_end(struct req *req, const struct audit_end *end, struct span what);

/* One more entry of the same change, before audit_end, of which there is too
 * much to tell for one. */
void audit_part(struct req *req, const struct audit_end *end, struct span what);

#endif
