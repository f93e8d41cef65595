#ifndef SCHEDD_CORE_KEYS_H
#define SCHEDD_CORE_KEYS_H

/*
 * The keys of encrypted columns: crypt.key_file has one a line, "id:" and 64
 * hex digits; the last one seals, unless crypt.key says otherwise, and all of
 * them open. One set for the process, as the log's files.
 */

#include <stddef.h>

#include "core/buf.h"
#include "core/conf.h"
#include "core/err.h"
#include "core/seal.h"

/* Reads the keys that these settings name, to be taken with keys_take:
 * KEY_FILE with a line in why, and all stays as it was. */
enum err keys_prepare(const struct conf *conf, struct buf *why) MUST_CHECK;
/* Ends what keys_prepare began: the new ones are taken, or forgotten. The
 * first that are make the process one that leaves no picture of its memory,
 * and wipes what it gives back. */
void keys_take(bool is_taken);
void keys_clear(void);

size_t keys_count(void);
/* The one that seals so; NULL when there is none. */
const struct seal_key *keys_for(enum seal_kind kind);
/* NULL when it is not there. */
const struct seal_key *keys_find(struct span id);

/* 1-32 of A-Za-z0-9._- */
bool key_id_is_valid(struct span id);

/* Opens a value by the key that it names; see seal.h. CIPHER_BAD,
 * KEY_UNKNOWN. */
enum err keys_open(struct span value, char *scratch,
    const struct seal_place *place, struct span *text) MUST_CHECK;

/* Values that were encrypted, decrypted, or given as such and are not, for the
 * metrics. */
enum keys_done {
	KEYS_ENCRYPTED,
	KEYS_DECRYPTED,
	KEYS_REFUSED,
	KEYS_DONE_COUNT
};
void keys_tally(enum keys_done what, size_t n);

#endif
