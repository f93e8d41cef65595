#ifndef SCHEDD_CLI_PUSH_RESUME_H
#define SCHEDD_CLI_PUSH_RESUME_H

/*
 * The file by which a push goes on where another one ended, however that
 * ended. It holds how many lines were acknowledged, a checksum over each of
 * them, by which another input is told, and what the ids of lines are made
 * of that come without: the same line gets the same id in each run, so what
 * was sent and not yet noted is known to the server when it comes again.
 * Replaced as a whole, and on disk before push_resume_save returns.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

enum { PUSH_RESUME_ID_MAX = 48 };

struct push_sums {
	uint64_t queued, exists, refused;
};

/* Up to where all is acknowledged. */
struct push_mark {
	uint64_t lines;
	uint32_t chain; /* checksum over them */
	struct push_sums sums;
	uint64_t refused_bytes; /* length of the file of the refused */
};

/* What a file belongs to; none may be different the next time. */
struct push_binding {
	const char *queue;
	const char *how;     /* a line is read: "payloads", "lines", "tasks" */
	const char *id_from; /* "" = none */
};

struct push_resume;

/* Reads the file, or makes it. USAGE with a line in why when it is not a
 * resume file, belongs to something else, or cannot be written. */
enum err push_resume_open(struct push_resume **out, const char *file,
    const struct push_binding *binding, struct buf *why) MUST_CHECK;
void push_resume_close(struct push_resume *r);

/* Where the last run ended. */
const struct push_mark *push_resume_mark(const struct push_resume *r);

enum push_resume_got {
	PUSH_RESUME_NEW,   /* the line is still to be pushed */
	PUSH_RESUME_KNOWN, /* it was acknowledged */
	PUSH_RESUME_OTHER  /* it is not the line that was acknowledged */
};
/* Looks at the next line; each in its order. */
enum push_resume_got push_resume_look(struct push_resume *r, struct span line);
/* The checksum over all lines looked at. */
uint32_t push_resume_chain(const struct push_resume *r);
/* The id of the line last looked at, if it brings none; in dst. */
struct span push_resume_id(
    const struct push_resume *r, char dst[PUSH_RESUME_ID_MAX]);

enum err push_resume_save(struct push_resume *r, const struct push_mark *mark,
    struct buf *why) MUST_CHECK;

#endif
