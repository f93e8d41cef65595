#ifndef SCHEDD_CORE_ID_H
#define SCHEDD_CORE_ID_H

/* Ids that we make: unique across processes, sortable by time of making. */

enum { ID_MADE_LEN = 20 };

/* Writes ID_MADE_LEN characters of 0-9a-v and a NUL: 45 bits of wall time in
 * ms, then randomness from getrandom(2), raised by one within a millisecond
 * so that ids of one process also sort in the order they were made. */
void id_make(char dst[ID_MADE_LEN + 1]);

/* 64 random bits from getrandom(2): seeds, jitter. */
unsigned long long id_random(void);

#endif
