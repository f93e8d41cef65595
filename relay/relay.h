#ifndef SCHEDD_RELAY_RELAY_H
#define SCHEDD_RELAY_RELAY_H

/*
 * The relays of the settings. Each hands the tasks of one queue on to another
 * queue, batch after batch and in the order of each lane, as pushes under the
 * same ids: a task that is there already, as a batch had to be repeated,
 * stays the one it is. It is finished here when it is there. Of several schedd
 * on one Redis one hands on.
 */

#include "core/buf.h"
#include "core/err.h"

struct conf;
struct loop;
struct relays;
struct store;

/* Keeps loop, conf and store, and begins. CONF_VALUE and a line in why when a
 * token cannot be read. */
enum err relays_open(struct relays **out, struct loop *loop,
    const struct conf *conf, struct store *store, struct buf *why) MUST_CHECK;
/* Before store_close; what is under way there may still complete. */
void relays_free(struct relays *all);

#endif
