#ifndef SCHEDD_BENCH_USAGE_H
#define SCHEDD_BENCH_USAGE_H

/*
 * CPU time: that of the servers, by process id, with the children they have
 * waited for; and our own.
 */

#include <stdbool.h>
#include <stdint.h>

enum { USAGE_MAX = 32 };

struct usage {
	uint32_t count;
	int pids[USAGE_MAX];
	double at_s[USAGE_MAX]; /* CPU seconds when last looked at */
	double own_s;
};

/* "12,34": whose CPU time is to be read. False when it is no such list. */
bool usage_init(struct usage *u, const char *pids);
/* Reads all of them: usage_since counts from here. */
void usage_mark(struct usage *u);
/* CPU seconds that one of the servers used since the mark. */
double usage_since(const struct usage *u, uint32_t server);
/* CPU seconds that we used since the mark. */
double usage_own(const struct usage *u);

/* The monotonic clock. */
uint64_t usage_now_ns(void);

#endif
