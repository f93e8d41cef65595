#ifndef SCHEDD_STORE_STORE_ACCESS_H
#define SCHEDD_STORE_STORE_ACCESS_H

/*
 * Who may do what, and who did: the part of store.h, under its contract, that
 * is about access tokens and the audit trail.
 */

#include "store/store_types.h"

struct store;

/* ---- access tokens ---------------------------------------------------- */

/*
 * The tokens are held in memory, read at every connection and looked after
 * every 800 ms, so that what another schedd on this Redis changed holds
 * here within a second. What was added or removed by this store holds when
 * its callback runs.
 */
enum store_tokens {
	STORE_TOKENS_UNREAD, /* Redis was not reached yet */
	STORE_TOKENS_NONE,
	STORE_TOKENS_SOME
};
enum store_tokens store_tokens_state(const struct store *s);
/* Is there one of an admin that has not ended? */
bool store_tokens_has_admin(const struct store *s);
/* By its id, also one that has ended; NULL when there is none. Borrowed until
 * the loop runs again. */
const struct store_token *store_token_find(
    const struct store *s, struct span id);
/* Has it ended by now? */
bool store_token_is_over(const struct store *s, const struct store_token *t);
/* It was used now; written to Redis once a minute. */
void store_token_used(struct store *s, const struct store_token *t);
/* fn runs after each change of the tokens, and after the first reading. */
void store_on_tokens(struct store *s, void (*fn)(void *arg), void *arg);

typedef void store_done_cb(enum err err, void *arg);
/* TOKEN_EXISTS, TOO_MANY_TOKENS, ADMIN_NEEDED. created_at and used_at are
 * not read. */
void store_token_add(
    struct store *s, const struct store_token *t, store_done_cb *cb, void *arg);
/* TOKEN_UNKNOWN, ADMIN_NEEDED. */
void store_token_remove(
    struct store *s, struct span name, store_done_cb *cb, void *arg);
typedef void store_tokens_cb(
    enum err err, const struct store_token *tokens, size_t n, void *arg);
/* Fresh from Redis, by name. */
void store_token_list(struct store *s, store_tokens_cb *cb, void *arg);

/* ---- the audit trail -------------------------------------------------- */

/*
 * Notes a change before it is made: entry is what the trail says of it should
 * this process not live to say more. intent: its name, for whichever of the
 * two below ends it. cb: ERR_OK, else the change must not be made.
 */
enum { STORE_INTENT_MAX = 96 };
void store_audit_begin(struct store *s, struct span entry,
    char intent[STORE_INTENT_MAX], store_done_cb *cb, void *arg);
/* It was not made. "" is none. */
void store_audit_forget(struct store *s, const char *intent);

/*
 * Appends an entry, and ends the intent of that name ("" is none). cb, or
 * NULL: ERR_OK when it is written; STORE_UNKNOWN when it is
 * not yet, or not for sure: then it is tried again for as long as this
 * process runs, and ends in the log if that does not help. text: JSON of an
 * object.
 */
void store_audit_add(struct store *s, struct span text, const char *intent,
    store_done_cb *cb, void *arg);

typedef void store_audit_cb(
    enum err err, const struct store_audit_page *page, void *arg);
/* Oldest first, from behind the number after; NULL: the last ones. limit
 * 1-1000. */
void store_audit_list(struct store *s, const uint64_t *after, uint32_t limit,
    store_audit_cb *cb, void *arg);

#endif
