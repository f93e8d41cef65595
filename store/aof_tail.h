#ifndef SCHEDD_STORE_AOF_TAIL_H
#define SCHEDD_STORE_AOF_TAIL_H

/*
 * Takes what was only half written off the end of the private Redis's
 * append-only file, before each start of Redis.
 *
 * Redis writes what a script did as MULTI, commands, EXEC. When it is killed,
 * or power fails, in the middle of a command of such a transaction, its next
 * start cuts that command off and leaves MULTI and the whole commands behind
 * it in the file (7.0 to 7.4 at least; only where the file ends between two
 * commands all of it is cut. Valkey does it always, by its pull request 4342).
 * That start is right: what has no EXEC is not done. But what it then writes
 * stands behind that MULTI, and the start after it does at the next EXEC what
 * the torn transaction had asked for: changes that nobody was told of, and that
 * clients have long asked for again.
 */

#include <stdint.h>

enum aof_end {
	AOF_WHOLE,   /* or there is none */
	AOF_CUT,     /* from offset on, and synced */
	AOF_STRANGE, /* from offset on no end that a cut can mend; untouched */
	AOF_FAILED   /* code says why; untouched, unless it is the sync */
};

struct aof_tail {
	enum aof_end end;
	int code;        /* errno */
	uint64_t offset; /* the end of the last whole transaction or command */
	uint64_t bytes;  /* behind it */
};

/*
 * folder: where Redis works (which none may do now), or AT_FDCWD. Safe between
 * fork and exec: it allocates nothing and takes no lock.
 *
 * Nothing acknowledged is cut: Redis answers when all that it wrote in that
 * turn of its loop is in the file (and synced), and here a part of it is not.
 */
struct aof_tail aof_tail_mend(int folder);

#endif
