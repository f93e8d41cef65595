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
 * -LOADING), READY, CLOSED. Commands given while it is not READY wait, at
 * most until their deadline, and are then REDIS_DOWN: they were never sent.
 * When a connection is lost, sent writes are STORE_UNKNOWN, sent reads
 * REDIS_DOWN. A command that got no answer within the deadline completes the
 * same way, and the connection that let it hang is dropped.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/conf.h"
#include "core/err.h"

struct loop;
struct redis_conn;
struct redisReply;

/* The scripts of store/lua, in scripts.def: S(ID, file stem, kind). */
enum redis_kind { REDIS_READ, REDIS_WRITE };
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
	void *arg;
};

/* url: "unix:/path" or "tcp://host:port" (host may be a name: resolved
 * without blocking). password "" = none. Keeps conf; copies the texts. */
struct redis_conn *redis_conn_open(struct loop *loop,
    const struct conf_redis *conf, const char *url, const char *password,
    const struct redis_conn_events *events);
/* Completes everything with SHUTTING_DOWN (sent writes: STORE_UNKNOWN) from
 * the loop, then calls cb; no further completion comes after it. */
void redis_conn_close(struct redis_conn *c, void (*cb)(void *arg), void *arg);
void redis_conn_free(struct redis_conn *c);

bool redis_conn_is_ready(const struct redis_conn *c);
/* Why it is not, for people; "" when it is. */
const char *redis_conn_reason(const struct redis_conn *c);
/* Commands that wait or are under way, and their bytes. */
size_t redis_conn_pending(const struct redis_conn *c);
size_t redis_conn_pending_bytes(const struct redis_conn *c);

/*
 * EVALSHA of a script. args holds argc RESP bulk strings (resp_add), the
 * first numkeys of them keys; its bytes move into the command and args is
 * left empty. On NOSCRIPT the script is loaded again and the call repeated
 * once: the refusal proves that nothing ran. STORE_BUSY past
 * conf->max_pending or max_pending_bytes.
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

/* Appends one RESP bulk string: $len CRLF bytes CRLF. */
void resp_add(struct buf *b, const void *p, size_t len);
void resp_add_str(struct buf *b, const char *s);
void resp_add_span(struct buf *b, struct span s);
void resp_add_u64(struct buf *b, uint64_t n);
void resp_add_i64(struct buf *b, int64_t n);

#endif
