#ifndef SCHEDD_STORE_REDIS_CHILD_PRIV_H
#define SCHEDD_STORE_REDIS_CHILD_PRIV_H

/* What the parts of the private redis-server share: redis_child.c (its life)
 * and redis_spawn.c (files, locks, fork and exec). */

#include <stdbool.h>
#include <sys/types.h>

#include "core/buf.h"
#include "core/err.h"

enum { CHILD_SECRET_LEN = 64 };

/* Where one private redis-server lives. All paths are absolute. */
struct child_place {
	char *program; /* redis-server, found in PATH */
	char *folder;  /* state_dir/redis: data, log, locks */
	char *socket;
	char *short_folder; /* made for the socket when folder is too deep;
			       else NULL */
	int lock_fd; /* state_dir/schedd.lock: one schedd per state_dir */
};

/* Makes the folders, takes the lock, finds the program, picks the socket. */
enum err child_place_open(
    struct child_place *p, const char *state_dir, struct buf *why) MUST_CHECK;
/* Gives the lock back and removes the short folder. */
void child_place_close(struct child_place *p);

/*
 * The process that still writes to the data, or 0. redis-server holds a
 * record lock on its own from fork to end, so one that outlives its schedd
 * for a moment (it is told to end and syncs) is seen and waited for: it
 * would otherwise take the new one's socket away when it ends.
 */
pid_t child_place_user(const struct child_place *p);

/* 256 random bits in hex; kept in memory only. */
bool child_make_password(char password[CHILD_SECRET_LEN + 1]) MUST_CHECK;
/* Starts redis-server; -1 with errno on failure. tail_fd, never blocking and
 * the caller's to close, yields a struct aof_tail: how its file ended. */
pid_t child_spawn(
    const struct child_place *p, const char *password, int *tail_fd);
/* The last line of its log that says what went wrong. */
void child_last_words(const struct child_place *p, char *dst, size_t size);

#endif
