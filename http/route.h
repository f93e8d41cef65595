#ifndef SCHEDD_HTTP_ROUTE_H
#define SCHEDD_HTTP_ROUTE_H

/*
 * The route table (routes.c) and its matching. A pattern has literal
 * segments and {name} only. The path is split at '/' first; percent-escapes
 * are taken in an {id} segment only and decoded once; any other spelling
 * than the canonical one (., .., //, %, a trailing slash) is PATH_BAD.
 */

#include "http/req.h"
#include "store/store.h"

enum {
	METHOD_GET = 1u << 0,
	METHOD_POST = 1u << 1,
	METHOD_PUT = 1u << 2,
	METHOD_PATCH = 1u << 3,
	METHOD_DELETE = 1u << 4,
	METHOD_HEAD = 1u << 5,   /* follows from GET */
	METHOD_OPTIONS = 1u << 6 /* answered from the table */
};

/* Which queues the caller's token must be for. */
enum scope {
	SCOPE_QUEUE = 1, /* the {queue} of the path */
	SCOPE_LIST,      /* the handler shows only those it is for */
	SCOPE_CHANNEL,   /* "channel:" and the {channel} of the path */
	SCOPE_ALL,       /* all of them */
	SCOPE_NONE       /* no queue is concerned */
};

enum { ROUTE_MAX_PARAMS = 3 };

struct route {
	unsigned method;     /* one METHOD_ bit */
	const char *pattern; /* "/v1/queues/{queue}/tasks" */
	req_fn *handler;
	enum role role; /* who may call it (store_types.h) */
	enum scope scope;
	uint64_t body_max; /* bytes; 0 = takes no body; UINT64_MAX = the
			      setting http.max_body */
	const char *query; /* names it knows, comma separated, "" = none;
			      any other is QUERY_BAD */
	const char *doc;   /* one line, also in openapi.json */
};

const struct route *routes_get(size_t *count);

/* Checks the table: two rows that could match the same path abort. */
void routes_check(void);

struct route_match {
	const struct route *route;
	unsigned allowed; /* METHOD_ bits of this path; 0 with a route */
	struct {
		struct span name;  /* in the table's pattern */
		struct span value; /* in the arena, NUL-terminated */
	} params[ROUTE_MAX_PARAMS];
	size_t param_count;
};

/* path: the raw path without query. ERR_OK; PATH_BAD, ROUTE_UNKNOWN,
 * METHOD_NOT_ALLOWED (allowed is set), QUEUE_NAME_BAD, TASK_ID_BAD,
 * WORKER_NAME_BAD, NO_MEMORY. HEAD matches GET rows; OPTIONS matches every
 * path that is known, without a route. */
enum err route_find(struct arena *arena, unsigned method, struct span path,
    struct route_match *out) MUST_CHECK;

/* METHOD_ bits of the whole table, for "OPTIONS *". */
unsigned routes_methods(void);

/* "GET" -> METHOD_GET; 0 for one we do not know. */
unsigned method_parse(struct span name);
/* And back; "-" for what is not one METHOD_ bit. */
const char *method_name(unsigned method);

#endif
