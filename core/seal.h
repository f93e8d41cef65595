#ifndef SCHEDD_CORE_SEAL_H
#define SCHEDD_CORE_SEAL_H

/*
 * Values of encrypted columns, by libcrypto. Sealed with AES-256-GCM one text
 * never becomes the same value twice; with AES-SIV (RFC 5297) it always does.
 * The one is bound to its channel and column, the other to columns of that
 * name: in any other place they do not open. docs/encryption.md has the format,
 * byte by byte.
 */

#include <stdbool.h>
#include <stddef.h>

#include "core/mem.h"
#include "core/str.h"

enum {
	KEY_ID_MAX = 32,
	KEY_LEN = 32,
	SEAL_MAX_BYTES = 64 * 1024 * 1024 /* of a text */
};

/* The numbers stand in the values, as their version. */
enum seal_kind {
	SEAL_NONE,
	SEAL_RANDOM = 1,
	SEAL_DETERMINISTIC = 2,
	SEAL_KIND_COUNT
};
/* "random", "deterministic"; "" for SEAL_NONE. */
const char *seal_kind_name(enum seal_kind kind);

/* How a value is written: for a column of type text, or bytea. */
enum seal_form { SEAL_BASE64, SEAL_HEX };

/* Where it belongs: at most 255 bytes each. */
struct seal_place {
	struct span channel, column;
};

struct seal_key;
struct seal_key *seal_key_new(
    struct span id, const unsigned char secret[KEY_LEN]);
/* Wipes it. */
void seal_key_free(struct seal_key *key);
const char *seal_key_id(const struct seal_key *key);
/* Are they made of the same secret? */
bool seal_key_eq(const struct seal_key *a, const struct seal_key *b);

/* How many bytes seal_write writes for a text of that length, 1 at least. */
size_t seal_size(const struct seal_key *key, enum seal_kind kind,
    enum seal_form form, size_t len);
void seal_write(char *dst, const struct seal_key *key, enum seal_kind kind,
    enum seal_form form, const struct seal_place *place, struct span text);

/* A value taken apart. */
struct sealed {
	enum seal_kind kind;
	struct span id; /* of its key */
	char *bytes;    /* the whole */
	size_t len;
};

/* Does it begin as sealed values do? */
bool seal_is_marked(struct span value);
/* False when value is none, in neither form. scratch has room for as many
 * bytes as value has, is borrowed, and gets the text when it is opened. */
bool seal_read(struct span value, char *scratch, struct sealed *out) MUST_CHECK;
/* False when it was sealed with another key, for another place, or was
 * changed. Once only: the text, in scratch, takes its place. */
bool seal_open(const struct sealed *sealed, const struct seal_key *key,
    const struct seal_place *place, struct span *text) MUST_CHECK;

#endif
