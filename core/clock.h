#ifndef SCHEDD_CORE_CLOCK_H
#define SCHEDD_CORE_CLOCK_H

/*
 * The one clock. Both times are read once per loop turn (loop.c refreshes
 * them); code between two turns sees the same moment. Tests move them.
 */

#include <stdint.h>

/* Wall time in ms since 1970 of this loop turn, plus the test offset. */
int64_t clock_now_ms(void);
/* Monotonic time in microseconds of this loop turn. */
int64_t clock_mono_us(void);
/* Monotonic time in microseconds, read now: for measuring durations. */
int64_t clock_mono_us_fresh(void);

/* Called by the loop at the start of a turn. */
void clock_refresh(void);

/* Moves wall time by so many ms for tests (setting debug.clock_offset);
 * scripts in Redis get the same offset as an argument. */
void clock_set_offset_ms(int64_t offset_ms);
int64_t clock_offset_ms(void);

#endif
