#ifndef SCHEDD_HTTP_HELD_UP_H
#define SCHEDD_HTTP_HELD_UP_H

#include "core/buf.h"
#include "store/store.h"

/*
 * Why tasks of a queue do not go on: a list of {"reason","text"}, empty when
 * nothing holds them up. reason is one of the words of docs/api.md, text is
 * for people.
 */
void held_up_add(struct buf *out, const struct store_queue_info *q);

#endif
