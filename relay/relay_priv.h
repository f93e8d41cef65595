#ifndef SCHEDD_RELAY_RELAY_PRIV_H
#define SCHEDD_RELAY_RELAY_PRIV_H

/* What the files of relay/ share: a relay, its batch, and how a batch is
 * written for another schedd and its answer read. */

#include "relay/relay.h"

#include "core/arena.h"
#include "core/conf.h"
#include "core/loop.h"
#include "relay/post.h"
#include "store/store.h"

enum {
	RELAY_BATCH_MAX = 1000,
	RELAY_BODY_MAX = 64 << 20,
	RELAY_BODY_KEPT = 64 * 1024 /* memory, from one to the next */
};

enum relay_fate {
	RELAY_OPEN,   /* it is to be handed on */
	RELAY_KNOWN,  /* it is there */
	RELAY_REFUSED /* for good */
};

struct relay {
	struct relays *all;
	const struct conf_relay *conf;
	struct span from, to;
	struct post_client *post; /* NULL: to this schedd */
	struct timer timer;
	unsigned fails; /* one after the other */
	bool told;      /* that it cannot hand on */
	unsigned tasks_slot, refused_slot, up_slot;

	uint64_t batch;           /* the one that is under way */
	struct store_relay claim; /* and which is through */
	char request[32];         /* of its take */
	char take_worker[NAME_MAX_LEN + 1];
	struct store_take take;
	int64_t taken_us;
	struct arena *arena; /* of the batch */
	struct store_task tasks[RELAY_BATCH_MAX];
	enum relay_fate fates[RELAY_BATCH_MAX];
	const char *reasons[RELAY_BATCH_MAX]; /* of those that are refused */
	size_t n, pushed; /* pushed: of a push that is under way */
	size_t places[RELAY_BATCH_MAX]; /* of those in the batch */
	size_t body_max;
	struct buf body;
};

/* Why a task cannot be handed on, ever. */
#define RELAY_TOO_LARGE "the payload is larger than the queue there allows"

/* reason: kept as it is. */
void relay_refuse(struct relay *r, size_t at, const char *reason);
/* Writes the next open tasks as a push; how many went in is r->pushed. */
void remote_write(struct relay *r);
/*
 * What became of them. ERR_OK: read, though some may still be open; else they
 * are to be sent again, and why says what for.
 */
enum err remote_read(struct relay *r, int status, struct span body, char *why,
    size_t why_size) MUST_CHECK;

#endif
