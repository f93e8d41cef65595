#ifndef SCHEDD_HTTP_GUESS_H
#define SCHEDD_HTTP_GUESS_H

/*
 * Who guesses too much. A key (an address, the id of a token) may fail
 * GUESS_BUDGET times within a minute; then nothing of it is looked at for a
 * minute, and each further time for twice as long, up to a quarter of an
 * hour. The table has a fixed size whatever comes: the oldest entries that
 * matter least make room.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

struct guesses;

enum { GUESS_BUDGET = 5 };

struct guesses *guesses_new(void);
void guesses_free(struct guesses *g);

/* How many seconds it is still not looked at; 0 = it is. kind keeps keys of
 * different kinds apart. */
uint64_t guesses_wait_s(
    const struct guesses *g, char kind, struct span key, int64_t now_us);
/* It failed. */
void guesses_failed(
    struct guesses *g, char kind, struct span key, int64_t now_us);

/* Bytes that the table has. */
size_t guesses_bytes(const struct guesses *g);

#endif
