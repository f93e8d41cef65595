#ifndef SCHEDD_CORE_SECRET_H
#define SCHEDD_CORE_SECRET_H

/*
 * What secrets need: SHA-256 (libcrypto's), random bytes, comparing without
 * telling by time, reading them from files that nobody else may read, and a
 * process that leaves no picture of its memory.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"

enum { DIGEST_LEN = 32, SECRET_FILE_MAX = 64 * 1024 };

void digest_sha256(unsigned char out[DIGEST_LEN], struct span text);
/*
 * One more link of a chain: SHA-256, in hex, of the hash before it, a line
 * break, the link's number, a line break, and its text.
 */
void digest_chain(char out[2 * DIGEST_LEN + 1], struct span prev, uint64_t seq,
    struct span text);
/* Two hex digits a byte and a NUL: dst has 2 * len + 1. */
void hex_print(char *dst, const unsigned char *bytes, size_t len);
/* False unless text is exactly len bytes in lower-case hex. */
bool hex_read(struct span text, unsigned char *bytes, size_t len) MUST_CHECK;
/* From the kernel; aborts when it has none. */
void secret_random(void *dst, size_t len);
/* Takes as long whether they differ early, late or not at all. */
bool secret_eq(const void *a, const void *b, size_t len);
/* Overwrites, whatever the optimizer thinks of it. */
void secret_wipe(void *p, size_t len);

/*
 * The whole of a file that holds a secret, into out (the caller wipes it).
 * A relative name is looked up in $CREDENTIALS_DIRECTORY where a service
 * manager set that. CONF_VALUE with a line in why, which begins with the
 * setting's name, when it cannot be read, is empty or larger than 64 KiB, or
 * when others may read it.
 */
enum err secret_read(const char *setting, const char *name, struct buf *out,
    struct buf *why) MUST_CHECK;
/* The path behind such a name; the caller frees it. */
char *secret_path(const char *name);

/* No core dumps, no debugger of another user. Called when there is something
 * to protect; more than once does no harm. */
void secret_protect_process(void);

#endif
