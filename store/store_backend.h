#ifndef SCHEDD_STORE_STORE_BACKEND_H
#define SCHEDD_STORE_STORE_BACKEND_H

/*
 * The backends of a schedd, and how a queue goes from one to another: the part
 * of store.h, under its contract, that is about them.
 */

#include "store/store_types.h"

struct store;

/* The backends, in the order of the settings, main first; store is one of them
 * for itself: the janitor has one for each, and /readyz asks each. All else
 * is asked of the main one, which store_open gives: it finds the queue's, or
 * answers for all. */
struct store_backend_info {
	const char *name;
	struct store *store;
	bool is_ready;
	const char *why; /* not */
	const char *durability;
	size_t pending, queues, waiting;
};
typedef void store_backend_each_fn(
    const struct store_backend_info *info, void *arg);
void store_backend_each(struct store *s, store_backend_each_fn *fn, void *arg);
size_t store_backend_count(const struct store *s);

/* ---- moving a queue to another backend -------------------------------- */

struct store_move_info {
	struct span queue;
	const char *from, *to;
	const char *state; /* copying checking switching undoing done undone */
	bool is_over;      /* one of the last two */
	uint64_t tasks, copied;
	struct span reason; /* why it was undone, or is not begun */
};
typedef void store_move_cb(
    enum err err, const struct store_move_info *info, void *arg);
/*
 * cb when it has begun: from then on, until it has ended, takes are empty and
 * paused, and all else on the queue is QUEUE_MOVING. Or BACKEND_UNKNOWN,
 * QUEUE_UNKNOWN; MOVE_REFUSED with a reason; as of any change: nothing is
 * moved. One whose backend is away for 10 s, or whose schedd dies, before the
 * queue was switched, is undone; later on it is ended by any schedd.
 */
void store_move_start(struct store *s, struct span queue, struct span backend,
    store_move_cb *cb, void *arg);
/* How far the last move by this schedd is; false when there was none. */
bool store_move_get(
    struct store *s, struct span queue, struct store_move_info *out);
/* Takes one back that this schedd drives; cb at its end: MOVE_REFUSED with
 * state undone. MOVE_UNKNOWN; MOVE_REFUSED, when it is too late. */
void store_move_undo(
    struct store *s, struct span queue, store_move_cb *cb, void *arg);

#endif
