#ifndef SCHEDD_CLI_SPOOL_H
#define SCHEDD_CLI_SPOOL_H

/*
 * Records that must outlive the process: what is saved comes back at the next
 * open until it is done. One file, only ever appended to, each record with
 * its length and checksum; emptied when nothing is left, and removed by
 * spool_close then. One process at a time holds it. What is damaged is
 * counted and set aside, in the same folder under the name with ".aside".
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/list.h"

struct spool;

struct spool_record {
	struct list link; /* of the spool, in the order in which they came */
	uint64_t seq;
	bool is_saved;
	size_t len;
	char text[]; /* and a NUL */
};

/* Reads the file, or makes it. STATE_LOCKED when another process holds it,
 * USAGE when it cannot be read or made; both with a line in why. */
enum err spool_open(
    struct spool **out, const char *file, struct buf *why) MUST_CHECK;
void spool_close(struct spool *s);

const char *spool_file(const struct spool *s);
/* The head of the list of records. */
struct list *spool_records(struct spool *s);
/* How many pieces of the file were damaged. */
uint64_t spool_damaged(const struct spool *s);

/* One more record, in memory until spool_save. Its text has no line break. */
struct spool_record *spool_add(struct spool *s, struct span text);
/* On disk when it returns OK. Else USAGE with a line in why, and the same is
 * tried by the next call. */
enum err spool_save(struct spool *s, struct buf *why) MUST_CHECK;
/* The record is not needed any more, and ends here. */
void spool_done(struct spool *s, struct spool_record *record);
/* The same, and its text is set aside for a person to look at. */
void spool_set_aside(struct spool *s, struct spool_record *record);

#endif
