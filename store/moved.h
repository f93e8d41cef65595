#ifndef SCHEDD_STORE_MOVED_H
#define SCHEDD_STORE_MOVED_H

/*
 * Queues that were moved from one backend to another, are on their way, or
 * were left on it: what each backend notes of them (lua/move.lua), read with
 * the names of its queues. moved.c follows the notes and ends moves of schedd
 * that died; move.c drives those of this one, move_copy.c carries the tasks.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/id.h"
#include "core/list.h"
#include "core/loop.h"
#include "store/redis_conn.h"
#include "store/store.h"

struct fleet;
struct reply;
struct redisReply;
struct store;

enum { MOVE_ID_LEN = 14 + ID_MADE_LEN };

enum moved_kind {
	MOVED_LEAVES = '>',  /* is still here, but cannot be changed */
	MOVED_ARRIVES = '<', /* is not here yet */
	MOVED_GONE = '='     /* is at the other one */
};

/* What a backend notes of a queue. */
struct moved {
	struct moved *next;
	enum moved_kind kind;
	char name[NAME_MAX_LEN + 1];
	char id[MOVE_ID_LEN + 1]; /* when it began, and by whom: they sort */
	char backend[NAME_MAX_LEN + 1]; /* the other one */
};

/* ---- moved.c ---------------------------------------------------------- */

/* Takes the rest of a reply: queue, note, queue, note ... */
void moved_read(struct store *s, struct reply *c);
void moved_free(struct store *s);
const struct moved *moved_find(const struct store *s, struct span queue);
/* Is the queue not here, by its note? */
bool moved_is_elsewhere(const struct store *s, struct span queue);
/* Without asking: the queue has just gone from the one to the other. */
void moved_note(
    struct store *from, struct store *to, const char *queue, const char *id);
/* Its name is in the set of queues all the same: it goes. */
void moved_tidy(struct store *s, struct span queue);
/* From the backend that the settings give it to where the notes lead. */
struct store *moved_follow(
    const struct fleet *f, struct store *from, struct span queue);
/* Is a move under way to or from here that this schedd does not drive? Then it
 * may have to be ended. */
bool moves_are_open(const struct store *s);
void moves_recover(struct store *s);

/* A step of lua/move.lua there; cb gets its word, "" for an error, and the
 * number of tasks. */
struct move_step {
	struct store *at, *other;
	const char *step, *queue, *id;
};
void move_step_send(
    const struct move_step *step, redis_reply_cb *cb, void *arg);
struct span move_step_word(const struct redisReply *reply, uint64_t *tasks);

/* ---- move.c ----------------------------------------------------------- */

enum move_state {
	MOVE_ARRIVING,
	MOVE_LEAVING,
	MOVE_COPYING,
	MOVE_CHECKING,
	MOVE_COMMITTING,
	MOVE_OPENING,
	MOVE_BACK, /* undone: it stays where it was */
	MOVE_DISCARDING,
	MOVE_DONE,
	MOVE_UNDONE
};

/* How much of a key there is, and what. */
struct move_sum {
	uint64_t n, one, two;
};

struct move {
	struct list link;
	struct fleet *fleet;
	struct store *from, *to;
	char queue[NAME_MAX_LEN + 1];
	char id[MOVE_ID_LEN + 1];
	enum move_state state;
	bool is_stopping; /* an operator said so */
	bool is_busy;     /* an answer is to come */
	uint64_t total, copied;
	char reason[160]; /* why it was undone */
	int64_t moved_us; /* when a step last succeeded */
	int64_t began_us;
	struct timer timer;
	store_move_cb *cb; /* NULL: was told */
	void *arg;

	/* where the copy, or the check, is */
	size_t key;
	char at[24];   /* cursor or index; "" at the end of the key */
	char next[24]; /* when the slice is written */
	size_t slice, slice_n;
	int64_t ready_us[2]; /* since when both ends are there */
	bool at_target;      /* of the check: the second half */
	struct move_sum sums[2];
};

/* Is there one of that id that has not ended? */
bool move_is_ours(const struct fleet *f, const char *id);
void moves_free(struct fleet *f);
/* The slice came to an end; ERR_OK: on with m. */
void move_on_slice(struct move *m, enum err err);
/* Goes back, as it cannot be done. */
void move_give_up(struct move *m, const char *reason);

/* ---- move_copy.c ------------------------------------------------------ */

/* Begins with the first key. */
void move_copy_start(struct move *m);
/* One slice, in the state that m is in; then move_on_slice. */
void move_copy_slice(struct move *m);
/* Was that the last slice of the last key? */
bool move_copy_is_over(const struct move *m);

#endif
