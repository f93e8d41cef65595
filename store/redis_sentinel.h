#ifndef SCHEDD_STORE_REDIS_SENTINEL_H
#define SCHEDD_STORE_REDIS_SENTINEL_H

/*
 * Where the master is, by the word of the sentinels: they are asked in turn
 * until one knows, and the one that did is listened to for the news of a
 * switch. That news is a hint only; what counts is the answer to the next
 * question, and what the Redis found there says of itself. One that is cut
 * off goes on naming an old master: the others are asked before a master that
 * was just left is believed in again.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct conf_redis;
struct loop;
struct sentinel;

/* What a sentinel says of the master. */
struct sentinel_master {
	const char *url;        /* "tcp://host:port" */
	uint64_t epoch;         /* raised by each switch */
	uint64_t down_after_ms; /* without an answer it is replaced */
};

/* All come from the loop, never from within a call. */
struct sentinel_events {
	/* Once for each question that none was under way for, and when it was
	 * found out again by itself. It is not called down. */
	void (*on_master)(const struct sentinel_master *m, void *arg);
	/* No sentinel could tell. err: REDIS_AUTH, or OK for all that may
	 * pass. */
	void (*on_no_master)(enum err err, const char *reason, void *arg);
	/* One says that there is a new master, "tcp://host:port". */
	void (*on_switch)(const char *url, void *arg);
	void *arg;
};

/* "sentinel://host:port,host:port/master"? */
bool sentinel_is_url(const char *url);
/* NULL with a line for people in why: the url is none. Keeps conf. */
struct sentinel *sentinel_new(struct loop *loop, const struct conf_redis *conf,
    const char *url, const struct sentinel_events *events, char *why,
    size_t why_size);
void sentinel_set_password(struct sentinel *s, const char *password);
void sentinel_free(struct sentinel *s);

/* Asks; does nothing while a question is under way. Begins with another
 * sentinel each time. */
void sentinel_ask(struct sentinel *s);
/* The same, of all of them, from now on: with sentinel_doubt of the master
 * that it is about. */
void sentinel_survey(struct sentinel *s);
/* The master at url was left, or is none: from now on an answer that names it
 * counts only when no sentinel names another or is replacing it, and half of
 * them name it. "": all answers count. */
void sentinel_doubt(struct sentinel *s, const char *url);
bool sentinel_doubts(const struct sentinel *s, const char *url);

/* The replicas that the last answer named, and the lowest and the highest of
 * their priorities (replica-priority). */
struct sentinel_replicas {
	size_t count;
	int64_t lowest, highest;
};
const struct sentinel_replicas *sentinel_replicas(const struct sentinel *s);

#endif
