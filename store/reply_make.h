#ifndef SCHEDD_STORE_REPLY_MAKE_H
#define SCHEDD_STORE_REPLY_MAKE_H

/*
 * A hiredis reader whose replies lie in an arena: nothing is allocated or
 * freed for each of their parts. A reply is used until the arena is reset,
 * and not given to freeReplyObject.
 */

struct arena;
struct redisReader;

/* The arena is borrowed. A reply that does not fit in breaks the reader
 * (REDIS_ERR_OOM), as one that is no RESP does, and a text without
 * CRLF behind it. Aborts when memory ends. */
struct redisReader *reply_reader_new(struct arena *arena);

#endif
