#ifndef SCHEDD_CLI_SOURCE_H
#define SCHEDD_CLI_SOURCE_H

/*
 * The bytes of some files, one after the other; "-" is standard input. What
 * gzip packed (its first two bytes say so) comes out unpacked, also of
 * several members. Never waits: the caller polls.
 */

#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"

struct source;

/* The names are kept. Files are opened when their turn comes. */
struct source *source_new(const char *const *names, size_t count);
void source_free(struct source *s);

/* Can all be read, as far as that can be seen without opening? Else USAGE,
 * with a line in why. */
enum err source_check(
    const char *const *names, size_t count, struct buf *why) MUST_CHECK;

enum source_got {
	SOURCE_BYTES, /* *n of them, at least one */
	SOURCE_WAIT,  /* there are none yet: poll source_fd */
	SOURCE_NEXT,  /* the current file is over */
	SOURCE_END,   /* and it was the last */
	SOURCE_ERROR  /* see source_why; the current file is over */
};
enum source_got source_read(
    struct source *s, char *dst, size_t room, size_t *n);

int source_fd(const struct source *s);
/* The current file, from 0, and a name for people. */
size_t source_index(const struct source *s);
const char *source_name(const char *name);
const char *source_why(const struct source *s);
/* Bytes read so far, as they lie on disk, and how many there are in all;
 * 0 = that is not known. */
uint64_t source_bytes(const struct source *s);
uint64_t source_total(const struct source *s);

#endif
