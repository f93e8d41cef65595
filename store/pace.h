#ifndef SCHEDD_STORE_PACE_H
#define SCHEDD_STORE_PACE_H

/*
 * Long walks through a queue, window after window. Whoever takes or pushes
 * meanwhile waits for one window at most, and gets Redis in between.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/list.h"
#include "core/loop.h"

struct store;

/* Tasks that one script call looks at: by their ids, by more than those; and
 * acts on: in a set, in a list. Each costs about as much as the others. */
enum {
	PACE_IDS = 400,
	PACE_VALUES = 250,
	PACE_SET_ACTS = 100,
	PACE_LIST_ACTS = 50
};

/* Embedded; pace_clear ends it. */
struct pace {
	struct list link; /* on store->walks */
	struct timer timer;
	int64_t began_us, sent_us;
	loop_fn *next; /* asks for the next window */
	void *arg;
};

void pace_init(struct pace *p, struct store *s, loop_fn *next, void *arg);
void pace_clear(struct pace *p);
/* A window is sent. */
void pace_sent(struct pace *p);
/* It was answered: p->next comes after the rest that is due. */
void pace_go_on(struct pace *p);
/* Has one request walked for long enough? */
bool pace_is_over(const struct pace *p);
/* The store closes: those that rest go on at once. */
void pace_hurry(struct store *s);

#endif
