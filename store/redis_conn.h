#ifndef SCHEDD_STORE_REDIS_CONN_H
#define SCHEDD_STORE_REDIS_CONN_H

/*
 * One pipelined connection to one Redis: the only reader of its wire (with
 * hiredis's reader; redis_link.h). It connects, authenticates, loads the
 * scripts, reconnects with jittered backoff, and gives every command exactly
 * one completion, from the loop, never before the call has returned.
 *
 * States: DOWN (waiting to try again), CONNECTING, LOADING (AUTH, SELECT,
 * CLIENT SETNAME, settings check, SCRIPT LOAD; also while Redis answers
 * -LOADING), READY, CLOSED. Commands given while it is not READY wait, so
 * that a gap of up to 150 ms goes unnoticed; when it lasts longer, or an
 * attempt to connect failed, they are refused at once, as all that come: with
 * REDIS_DOWN, they were never sent.
 * When a connection is lost, sent writes are STORE_UNKNOWN, sent reads
 * REDIS_DOWN. A command that got no answer within the deadline completes the
 * same way, and the connection that let it hang is dropped.
 *
 * A change completes when it is as safe as conf->confirm asks for. Replicated:
 * behind the changes of a turn goes one WAIT, and what was answered is held
 * until that is; too few replicas make all of it STORE_UNCONFIRMED. While
 * Redis's settings are weaker than the level, or replicas are missing,
 * changes are refused with STORE_WEAK and reading goes on (redis_check.c).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/conf.h"
#include "core/err.h"

struct loop;
struct redis_addr;
struct redis_conn;
struct redisReply;

/* A look is a read that a client asked for and that may be large: a few of
 * them are under way at a time, the rest wait their turn apart, so that they
 * hold up nothing else. */
enum redis_kind { REDIS_READ, REDIS_LOOK, REDIS_WRITE };
/* The scripts of store/lua, in scripts.def: S(ID, file stem, kind). */
enum script_id {
#define S(id, stem, kind) SCRIPT_##id,
#include "store/scripts.def"
#undef S
	SCRIPT_COUNT
};

/*
 * reply is valid until the callback returns and is never an error reply:
 * those become STORE_FULL (OOM), STORE_READ_ONLY (READONLY, MISCONF,
 * NOREPLICAS), REDIS_DOWN (LOADING, BUSY, MASTERDOWN, TRYAGAIN) or
 * STORE_REFUSED (anything else, e.g. WRONGTYPE or a script error), after one
 * warn line "redis.refused". reply is NULL unless err is ERR_OK.
 */
typedef void redis_reply_cb(
    enum err err, const struct redisReply *reply, void *arg);

struct redis_conn_events {
	/* Became READY (each time). */
	void (*on_ready)(void *arg);
	/* Was lost, or an attempt failed; reason is a line for people. */
	void (*on_lost)(const char *reason, void *arg);
	/* Trying again is of no use without a person: REDIS_AUTH (WRONGPASS,
	 * NOAUTH, NOPERM), REDIS_SETTINGS (cluster mode, too old). It goes on
	 * trying all the same, at the slowest pace. */
	void (*on_hopeless)(enum err err, const char *reason, void *arg);
	/* Before READY: the store's generation and sequence, as HMGET has
	 * them. ERR_OK, or why this is not the Redis that was known, with a
	 * line in why: then as hopeless. NULL: any will do. */
	enum err (*on_identity)(const struct redisReply *reply, char *why,
	    size_t why_size, void *arg);
	void *arg;
};

/* url: "unix:/path", "tcp://host:port" or "sentinel://host:port,.../master"
 * (hosts may be names: resolved without blocking). password "" = none. Keeps
 * conf; copies the texts. */
struct redis_conn *redis_conn_open(struct loop *loop,
    const struct conf_redis *conf, const char *url, const char *password,
    const struct redis_conn_events *events);
/* The sentinels' own password; right after redis_conn_open. */
void redis_conn_set_sentinel_password(
    struct redis_conn *c, const char *password);
/* While READY what was given before gets up to 200 ms to be sent and answered.
 * Completes all else with SHUTTING_DOWN (sent writes: STORE_UNKNOWN) from the
 * loop, then calls cb; no further completion comes after it. */
void redis_conn_close(struct redis_conn *c, void (*cb)(void *arg), void *arg);
void redis_conn_free(struct redis_conn *c);

/* READY, and found to be another Redis than was known: as hopeless. */
void redis_conn_refuse(struct redis_conn *c, enum err err, const char *reason);

bool redis_conn_is_ready(const struct redis_conn *c);
/* Why it is not, for people; "" when it is. */
const char *redis_conn_reason(const struct redis_conn *c);
/* Why changes are refused although it is READY; "" when they are not. */
const char *redis_conn_weakness(const struct redis_conn *c);
/* What a change that completes now is: "memory", "disk" or "replicated". */
const char *redis_conn_durability(const struct redis_conn *c);
/* Is that less than what was set? */
bool redis_conn_is_degraded(const struct redis_conn *c);
/* Are commands refused at once, as there is no Redis? */
bool redis_conn_is_away(const struct redis_conn *c);
/* For how long the oldest of those that wait or are under way does, looks
 * that wait left out. */
int64_t redis_conn_age_us(const struct redis_conn *c);
/* Commands that wait or are under way, and their bytes. */
size_t redis_conn_pending(const struct redis_conn *c);
size_t redis_conn_pending_bytes(const struct redis_conn *c);

/*
 * EVALSHA of a script. args holds argc RESP bulk strings (resp_add), the
 * first numkeys of them keys; its bytes move into the command and args is
 * left empty. On NOSCRIPT the script is loaded again and the call repeated
 * once: the refusal proves that nothing ran. STORE_BUSY past
 * conf->max_pending or max_pending_bytes, and for a look whose turn did not
 * come within conf->deadline_ms.
 */
void redis_conn_script(struct redis_conn *c, enum script_id id,
    struct buf *args, unsigned argc, unsigned numkeys, redis_reply_cb *cb,
    void *arg);
/* A plain command; args as above, the first one is its name. */
void redis_conn_command(struct redis_conn *c, enum redis_kind kind,
    struct buf *args, unsigned argc, redis_reply_cb *cb, void *arg);
/* Empty memory of an earlier command for the next one's args, or none (then
 * b is as after buf_init); b keeps its max. Saves the hot path a malloc. */
void redis_conn_take_spare(struct redis_conn *c, struct buf *b);
/* Writes out what was given in this turn now, instead of in the next. */
void redis_conn_flush(struct redis_conn *c);
/* Where it is connected, or was last: for a second socket to the same. */
const struct redis_addr *redis_conn_addr(const struct redis_conn *c);

/* Appends one RESP bulk string: $len CRLF bytes CRLF. */
void resp_add(struct buf *b, const void *p, size_t len);
void resp_add_str(struct buf *b, const char *s);
void resp_add_span(struct buf *b, struct span s);
void resp_add_u64(struct buf *b, uint64_t n);
void resp_add_i64(struct buf *b, int64_t n);

#endif
