#ifndef SCHEDD_HTTP_BUDGET_H
#define SCHEDD_HTTP_BUDGET_H

/*
 * What requests may hold in memory together: bodies that came, answers that
 * wait to be sent, answers that their clients do not read. limits.max_memory
 * is the ceiling of the whole process; these bytes may be half of it, and
 * pushes stop at a quarter, so that taking, reporting and looking go on. Pushes
 * stop, too, while the process as a whole is over the ceiling.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/route.h"

struct budget {
	uint64_t held;   /* by requests: bodies and answers */
	uint64_t unread; /* of answers given to slow readers, as last seen */
	bool is_over;    /* the process holds more than its ceiling */
	int64_t trim_us; /* when free memory was given back last */
};

/* How many more bytes a request of this role may bring or be answered with.
 * ROLE_ANY is not bounded: health must be answered always. */
uint64_t budget_room(const struct server *s, enum role role);

/* Looks at the process; called by the coarse timer. */
void budget_look(struct server *s);

#endif
