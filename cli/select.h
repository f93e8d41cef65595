#ifndef SCHEDD_CLI_SELECT_H
#define SCHEDD_CLI_SELECT_H

/*
 * Which tasks: the options --state, --match, --error-match, --older, --worker
 * and --limit, looked at before anything is sent.
 */

#include "cli/cli.h"

enum { SELECT_STATES = 6 };

struct selection {
	const char *states[SELECT_STATES]; /* one at least */
	size_t state_count;
	const char *match, *error_match, *worker; /* NULL: any */
	uint64_t older_ms;
	bool has_older;
	uint64_t limit; /* UINT64_MAX: none */
};

/* What a command takes. */
struct select_rules {
	const char *states;   /* those it works on: "failed dead delayed" */
	const char *fallback; /* when --state is not given; NULL: it must be */
	bool several;         /* --state a,b and --state all */
};

/* Is one of the options given that choose tasks? */
bool select_is_given(const struct args *args);
/* CLI_USAGE, told, for what does not go together. */
enum cli_exit select_read(const struct cli *c, const struct select_rules *rules,
    struct selection *out);

/* All but the state and the limit, for a query: "&match=...". */
void select_add_query(const struct selection *s, struct buf *path);
/* The same for a body: ",\"match\":...". There is always a match. */
void select_add_body(const struct selection *s, struct buf *body);

#endif
