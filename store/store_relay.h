#ifndef SCHEDD_STORE_STORE_RELAY_H
#define SCHEDD_STORE_STORE_RELAY_H

/*
 * What a relay notes in the queue whose tasks it hands on, and how all of them
 * stand: the part of store.h, under its contract, that is about relays.
 */

#include "store/store_types.h"

struct store;

/* ---- for relay/ ------------------------------------------------------- */

struct store_relay {
	size_t index;          /* of conf->relays */
	uint64_t through;      /* the batch that was handed on; 0 = none */
	size_t tasks, refused; /* of that batch */
};
/* is_ours: as no other schedd that is alive does, this one may hand on the
 * batch of that number, from 1 on: a take's request id by which one that was
 * interrupted is found again. */
typedef void store_relay_cb(
    enum err err, bool is_ours, uint64_t batch, void *arg);
void store_relay_claim(struct store *s, const struct store_relay *relay,
    store_relay_cb *cb, void *arg);

enum relay_state {
	RELAY_STARTING, /* nobody said yet who hands on */
	RELAY_RUNNING,
	RELAY_PAUSED,    /* its queue is, by an operator */
	RELAY_WAITING,   /* cannot hand on, will be tried again soon */
	RELAY_ELSEWHERE, /* another schedd hands on */
	RELAY_STATE_COUNT
};
const char *relay_state_name(enum relay_state state);
/* How it stands here. why: for people, of RELAY_WAITING. */
void store_relay_set_state(
    struct store *s, size_t index, enum relay_state state, struct span why);

/* The lane and the attempts of tasks as they were pushed, in order. */
struct store_task_opts {
	enum lane lane;
	uint32_t max_attempts; /* 0 = the queue's */
};
typedef void store_opts_cb(
    enum err err, const struct store_task_opts *opts, size_t n, void *arg);
void store_task_opts(struct store *s, struct span queue, const struct span *ids,
    size_t n, store_opts_cb *cb, void *arg);

/* ---- for those who look ----------------------------------------------- */

struct store_relay_info {
	struct span name, from, to;
	struct span url;     /* empty = this schedd, */
	const char *backend; /* and there this one; else NULL */
	uint64_t batch;
	enum relay_state state;
	uint64_t waiting; /* tasks of its queue, due or held by it */
	double oldest_s;  /* how long the oldest in todo is due */
	/* noted in the queue, so of all schedd, as of the last batch */
	struct span owner; /* the schedd that hands on; empty = none */
	uint64_t tasks_total, refused_total;
	int64_t last_at; /* when a batch was through; 0 = never */
	/* of this process: when it could not hand on, and why; 0 = never */
	struct span error;
	int64_t error_at;
};
/* From memory, at most a few seconds old. Borrowed until the loop runs again.
 * Sorted by name. */
typedef void store_relay_each_fn(
    const struct store_relay_info *info, void *arg);
void store_relay_each(struct store *s, store_relay_each_fn *fn, void *arg);
/* False when there is none of that name. */
bool store_relay_get(
    struct store *s, struct span name, struct store_relay_info *out);

#endif
