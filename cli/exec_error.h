#ifndef SCHEDD_CLI_EXEC_ERROR_H
#define SCHEDD_CLI_EXEC_ERROR_H

/* Why a command failed, in a few words: how it ended, and the last lines of
 * what it wrote to stderr. Pure. */

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/str.h"

enum {
	EXEC_TAIL_KEEP = 4096, /* of stderr, at least, when there was more */
	EXEC_TAIL_ROOM = 4 * EXEC_TAIL_KEEP,
	EXEC_ERROR_MAX = 4000 /* the server keeps 4096 bytes */
};

struct exec_tail {
	char data[EXEC_TAIL_ROOM];
	size_t len;
	bool is_cut; /* something came before */
};

void exec_tail_add(struct exec_tail *t, const char *p, size_t n);

/* "exit 3: no such user". how is "exit 3"; of the tail as many whole lines as
 * fit, the last ones, blank lines at its end left out. */
void exec_error_add(
    struct buf *out, struct span how, const struct exec_tail *tail);

#endif
