#ifndef SCHEDD_STORE_KNOWN_H
#define SCHEDD_STORE_KNOWN_H

/*
 * What is known of the Redis whose answers we passed on, also by the schedd
 * that ran here before: generation and sequence of its store, in a small file
 * of the state folder, one for each Redis (url, database and prefix). A thread
 * of its own writes it, as a disk may take any time over that; every call here
 * is from the loop and waits for none, but for known_open and known_close.
 */

#include <stdint.h>

#include "core/buf.h"
#include "core/conf.h"
#include "core/err.h"

struct known;

/* Reads what is known, and makes the state folder. A file or folder that
 * cannot be used costs a warning: then nothing outlives this schedd. STATE_DIR
 * with a line in why for a file that is there and does not say what was known.
 */
enum err known_open(struct known **out, const struct conf *conf,
    const struct conf_redis *redis, struct buf *why) MUST_CHECK;
/* Writes what is not yet written, and waits for that some seconds. */
void known_close(struct known *k);

/* "" = it is the first time. */
const char *known_generation(const struct known *k);
uint64_t known_sequence(const struct known *k);

/* Redis has acknowledged this. In the file within some seconds. */
void known_set(struct known *k, const char *generation, uint64_t sequence);
/* About once a second. */
void known_tick(struct known *k);

/* Removes the file, so that the next start accepts whatever Redis is there;
 * told says what was known. STATE_DIR when it cannot be removed. */
enum err known_forget(const struct conf *conf, const struct conf_redis *redis,
    struct buf *told) MUST_CHECK;

#endif
