#ifndef SCHEDD_JANITOR_JANITOR_H
#define SCHEDD_JANITOR_JANITOR_H

/*
 * The periodic duties: a table and one timer. Once per janitor.interval it
 * asks the store for its numbers (one command) and then runs, queue after
 * queue and slice after slice, the duties that have something to do. A round
 * never overlaps itself; a duty that fails is counted and logged under its
 * own number (000-005) and tried again in the next round.
 */

struct conf;
struct janitor;
struct loop;
struct store;

/* One for each backend (struct store_backend_info): none waits for another's.
 * Keeps all it is given. Begins at once; rounds are skipped while the backend
 * is not ready. */
struct janitor *janitor_new(struct loop *loop, const struct conf *conf,
    struct store *store, const char *backend);
/* Ends the timer. A slice that is under way may still complete in the store;
 * call it before store_close. */
void janitor_free(struct janitor *j);

#endif
