#ifndef SCHEDD_CLI_QUEUES_H
#define SCHEDD_CLI_QUEUES_H

/* Queues as a table for people: of "queue ls" and of "stats". Pure. */

#include <stdbool.h>

#include "cli/table.h"
#include "core/arena.h"
#include "core/buf.h"
#include "core/str.h"

enum { QUEUES_STATES = 6 };

/* One queue of an answer, from which the spans are borrowed. */
struct queues_row {
	struct span name, raw, backend;
	uint64_t counts[QUEUES_STATES]; /* in the order of the columns */
	double oldest_s, in_rate, out_rate;
	uint64_t workers;
	bool has_workers; /* the server said how many */
	bool paused;
	struct span held_up; /* the list of what holds it up */
	double key;          /* what it is sorted by */
};

struct queues {
	struct queues_row *rows;
	size_t count;
};

/* The rows of a JSON list of queues whose names match (match NULL: all).
 * False when it is not such a list. The rows live in the arena. */
bool queues_read(
    struct queues *q, struct span list, const char *match, struct arena *a);
/* By the column of that title, the greatest first; false when there is no
 * such column. */
bool queues_sort(struct queues *q, const char *column, bool reverse);
/* " name, todo, ...": what queues_sort takes. */
void queues_add_columns(struct buf *out);

/* The table, with a row of sums when there are several. False when what holds
 * a queue up is not what it should be. */
bool queues_add_table(
    struct buf *out, const struct queues *q, const struct table_look *look);

#endif
