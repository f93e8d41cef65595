#ifndef SCHEDD_STORE_WORKER_PRIV_H
#define SCHEDD_STORE_WORKER_PRIV_H

/* What the rest of store/ asks of the workers of one backend: seen.c, who is
 * heard of; worker.c, who falls silent and is forgotten; holds.c. What store.h
 * has of them goes to all backends. */

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

/* seen.c */
void workers_init(struct store *s);
void worker_seen(struct store *s, const struct store_worker *worker);
void worker_took(struct store *s, const struct store_worker *worker);
void worker_heartbeat(struct store *s, const struct store_worker *worker,
    struct span details, store_done_cb *cb, void *arg);
/* Writes what was heard. */
void workers_flush(struct store *s);
/* Redis does not know it any more. */
void workers_lost(struct store *s, struct span name);
void workers_free(struct store *s);

/* holds.c */
void workers_get(
    struct store *s, struct span worker, store_worker_cb *cb, void *arg);

/* worker.c */
void workers_list(struct store *s, store_workers_cb *cb, void *arg);
void workers_remove(
    struct store *s, struct span worker, store_count_cb *cb, void *arg);
void workers_sweep(struct store *s, store_count_cb *cb, void *arg);
/* Of so many that may be: beyond these only those enter that send heartbeats
 * or get tasks. */
uint64_t workers_few(uint64_t most);
/* Is that so now? */
bool workers_are_many(const struct store *s);
/* Redis's memory is full: workers that may go, go. */
void workers_note_full(struct store *s);

#endif
