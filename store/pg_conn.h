#ifndef SCHEDD_STORE_PG_CONN_H
#define SCHEDD_STORE_PG_CONN_H

/*
 * One connection to one Postgres, by libpq without ever blocking: names are
 * looked up by evdns, connecting and statements are driven from the loop. One
 * statement at a time. A connection that is lost, or cannot be made, is tried
 * again for ever: after 0.2 s and up to 30 s, with jitter.
 */

#include <stdbool.h>
#include <stddef.h>

#include "core/conf.h"
#include "core/err.h"

struct loop;
struct pg_conn;

enum { PG_STATE_LEN = 5, PG_MESSAGE_MAX = 300 };

/* What to do about an SQLSTATE. */
enum pg_kind {
	PG_FINE,
	PG_TRANSIENT, /* the same again later */
	PG_DATA,      /* one of the rows is at fault */
	PG_CONFIG     /* somebody must act */
};
enum pg_kind pg_state_kind(const char *state);

struct pg_result {
	enum pg_kind kind;
	bool is_lost;                 /* the connection is: not known if done */
	bool is_unmoved;              /* of pg_conn_copy; see there */
	char state[PG_STATE_LEN + 1]; /* "" when fine */
	char message[PG_MESSAGE_MAX]; /* one line, of no row's values */
	const void *rows;             /* for pg_rows and pg_value */
};
/* Borrowed until the callback returns. */
size_t pg_rows(const struct pg_result *r);
struct span pg_value(const struct pg_result *r, size_t row, int column);
typedef void pg_cb(const struct pg_result *r, void *arg);

struct pg_conn_events {
	void (*on_ready)(void *arg);
	/* Lost, or an attempt failed; for how long it is not tried again. */
	void (*on_down)(
	    const struct pg_result *why, unsigned again_ms, void *arg);
	void *arg;
};

/* Looks at the conninfo of all databases: CONF_VALUE with a line in why. */
enum err pg_check_conf(const struct conf *conf, struct buf *why) MUST_CHECK;

/* Keeps conf. Connects when pg_conn_start is called. */
struct pg_conn *pg_conn_new(struct loop *loop, const struct conf_postgres *conf,
    const struct pg_conn_events *events);
void pg_conn_start(struct pg_conn *c);
/* What is under way is not answered any more. */
void pg_conn_free(struct pg_conn *c);
bool pg_conn_is_ready(const struct pg_conn *c);

/* Only while ready, one after the other's callback. The callback comes from
 * the loop. Statements of pg_conn_text may be several. */
void pg_conn_text(struct pg_conn *c, const char *sql, pg_cb *cb, void *arg);
void pg_conn_prepare(
    struct pg_conn *c, const char *name, const char *sql, pg_cb *cb, void *arg);
struct pg_param {
	const char *value; /* with a NUL unless binary; NULL = null */
	size_t len;        /* of a binary one */
	bool is_binary;
};
void pg_conn_run(struct pg_conn *c, const char *name,
    const struct pg_param *params, size_t n, pg_cb *cb, void *arg);
/* Two statements, the first an UPDATE and the second COPY ... FROM STDIN, which
 * gets data (kept until the callback). When the UPDATE changes no row or
 * more than one, nothing is done: is_unmoved. */
void pg_conn_copy(
    struct pg_conn *c, const char *sql, struct span data, pg_cb *cb, void *arg);

#endif
