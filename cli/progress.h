#ifndef SCHEDD_CLI_PROGRESS_H
#define SCHEDD_CLI_PROGRESS_H

/* One line on a terminal that is drawn over and over, on stderr. */

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool is_on;     /* there is a terminal to draw on */
	bool is_drawn;  /* and something stands there */
	uint64_t total; /* when done has come to this it ends; 0: not known */
	int64_t begun_us, drawn_us;
};

void progress_init(struct progress *p, bool is_on, uint64_t total);

/*
 * Draws "[####....]  42%  12500 pushed, 3 refused  4500/s  1m20s left", a few
 * times a second at most and never wider than the terminal. done is what
 * total counts, count what the rate is of, the rest is said about them.
 */
void progress_show(struct progress *p, uint64_t done, uint64_t count,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Wipes the line, so that others can write. */
void progress_clear(struct progress *p);

#endif
