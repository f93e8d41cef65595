#ifndef SCHEDD_BENCH_HIST_H
#define SCHEDD_BENCH_HIST_H

/*
 * A histogram of durations: 64 slots for each power of two, so that a
 * percentile is right to 1.6 % at any size, in fixed memory.
 */

#include <stdint.h>

enum { HIST_FINE = 64, HIST_POWERS = 40 };

struct hist {
	uint64_t total;
	uint64_t max_ns;
	uint64_t slots[HIST_POWERS * HIST_FINE];
};

/* Empty. */
void hist_init(struct hist *h);
void hist_add(struct hist *h, uint64_t ns);
/* The duration that this share (0 to 1) stays under, in microseconds. */
double hist_us(const struct hist *h, double share);

#endif
