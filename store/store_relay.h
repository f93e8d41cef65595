#ifndef SCHEDD_STORE_STORE_RELAY_H
#define SCHEDD_STORE_STORE_RELAY_H

/*
 * What a relay notes in the queue whose tasks it hands on: the part of
 * store.h, under its contract, that is for relay/.
 */

#include "store/store_types.h"

struct store;

struct store_relay {
	struct span name, queue;
	uint64_t through; /* the batch that was handed on; 0 = none */
};
/* is_ours: as no other schedd that is alive does, this one may hand on the
 * batch of that number, from 1 on: a take's request id by which one that was
 * interrupted is found again. */
typedef void store_relay_cb(
    enum err err, bool is_ours, uint64_t batch, void *arg);
void store_relay_claim(struct store *s, const struct store_relay *relay,
    store_relay_cb *cb, void *arg);

/* The lane and the attempts of tasks as they were pushed, in order. */
struct store_task_opts {
	enum lane lane;
	uint32_t max_attempts; /* 0 = the queue's */
};
typedef void store_opts_cb(
    enum err err, const struct store_task_opts *opts, size_t n, void *arg);
void store_task_opts(struct store *s, struct span queue, const struct span *ids,
    size_t n, store_opts_cb *cb, void *arg);

#endif
