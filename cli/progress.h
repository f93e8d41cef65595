#ifndef SCHEDD_CLI_PROGRESS_H
#define SCHEDD_CLI_PROGRESS_H

/* One line on a terminal that is drawn over and over, on stderr. */

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool is_on;     /* there is a terminal to draw on */
	bool is_drawn;  /* and something stands there */
	uint64_t total; /* bytes of input; 0 = not known */
	int64_t begun_us, drawn_us;
};

/* fd: the input, whose size is looked up. */
void progress_init(struct progress *p, bool is_on, int fd);
/* Draws "[###....] 42% 12500 pushed, 3 refused, 45000/s", a few times a
 * second at most. */
void progress_show(
    struct progress *p, uint64_t bytes, uint64_t pushed, uint64_t refused);
/* Wipes the line, so that others can write. */
void progress_clear(struct progress *p);

#endif
