/*
 * A database: one connection that its channels share in turns, each turn one
 * statement, so that none starves another. What our own tables need is made
 * when a connection is new.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "store/channel_priv.h"

extern const unsigned char sql_001_position[];
extern const size_t sql_001_position_len;
extern const unsigned char sql_002_history[];
extern const size_t sql_002_history_len;

/* By number, as they are applied; the text is that of store/sql. */
static const struct {
	unsigned number;
	const unsigned char *text;
} migrations[] = {
    {1, sql_001_position},
    {2, sql_002_history},
};

enum { SQL_MAX = 256 * 1024, LOCK_KEY = 731905 };

/* What is made on a new connection. */
enum setup {
	SETUP_SESSION,
	SETUP_LOOK, /* is there a table of migrations? */
	SETUP_NUMBER,
	SETUP_MIGRATE,
	SETUP_DONE
};

struct pg_db {
	struct store *store;
	const struct conf_postgres *conf;
	struct pg_conn *conn;
	enum setup setup;
	unsigned applied; /* the last migration */
	bool is_started, is_busy, is_telling;
	struct list asking; /* forwards that want a turn */
	struct timer again; /* the setup, when it failed */
	unsigned again_ms;
};

static pg_cb setup_on_done;
static void db_turn(struct pg_db *db);

/* The forwards of that database, one after the other. */
static void
each_forward(
    struct pg_db *db, void (*fn)(struct forward *f, void *arg), void *arg)
{
	struct channels *all = db->store->channels;

	for (size_t i = 0; i < all->count; i++) {
		if (all->items[i]->db == db)
			fn(all->items[i]->forward, arg);
	}
}

/* ---- setting up ------------------------------------------------------- */

static void
setup_session(const struct pg_db *db, struct buf *sql)
{
	buf_addf(sql,
	    "SET statement_timeout = %llu; SET lock_timeout = %llu; "
	    "SET idle_in_transaction_session_timeout = 30000; "
	    "SET standard_conforming_strings = on; "
	    "SET client_min_messages = warning; "
	    /* What was committed must stay so. */
	    "SELECT set_config('synchronous_commit', CASE "
	    "current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE "
	    "current_setting('synchronous_commit') END, false)",
	    (unsigned long long)db->conf->statement_timeout_ms,
	    (unsigned long long)db->conf->lock_timeout_ms);
}

static void
setup_migration(const struct pg_db *db, struct buf *sql)
{
	for (size_t i = 0; i < COUNT_OF(migrations); i++) {
		if (migrations[i].number <= db->applied)
			continue;
		buf_addf(sql, "BEGIN; SELECT pg_advisory_xact_lock(%d); ",
		    (int)LOCK_KEY);
		buf_add_str(sql, (const char *)migrations[i].text);
		buf_addf(sql,
		    "; INSERT INTO schedd.migration (number) VALUES (%u) "
		    "ON CONFLICT DO NOTHING; COMMIT",
		    migrations[i].number);
		return;
	}
}

static bool
has_all_migrations(const struct pg_db *db)
{
	return db->applied >= migrations[COUNT_OF(migrations) - 1].number;
}

static void
forward_up(struct forward *f, void *arg)
{
	(void)arg;
	forward_on_up(f);
}

static void
setup_next(struct pg_db *db)
{
	struct buf sql;

	if (db->setup == SETUP_DONE) {
		db->again_ms = 0;
		log_info("pg.ready", "database=%s", db->conf->name);
		each_forward(db, forward_up, NULL);
		return;
	}
	buf_init(&sql, SQL_MAX);
	switch (db->setup) {
	case SETUP_SESSION:
		setup_session(db, &sql);
		break;
	case SETUP_LOOK:
		buf_add_str(
		    &sql, "SELECT to_regclass('schedd.migration') IS NOT NULL");
		break;
	case SETUP_NUMBER:
		buf_add_str(&sql,
		    "SELECT coalesce(max(number), 0) FROM schedd.migration");
		break;
	case SETUP_MIGRATE:
		setup_migration(db, &sql);
		break;
	case SETUP_DONE:
		break;
	}
	buf_add_char(&sql, '\0');
	pg_conn_text(db->conn, sql.data, setup_on_done, db);
	buf_clear(&sql);
}

/* What comes after a step that went well. */
static enum setup
setup_after(struct pg_db *db, const struct pg_result *r)
{
	uint64_t number = 0;

	switch (db->setup) {
	case SETUP_SESSION:
		return SETUP_LOOK;
	case SETUP_LOOK:
		db->applied = 0;
		return pg_rows(r) == 1 && span_is(pg_value(r, 0, 0), "t")
			   ? SETUP_NUMBER
			   : SETUP_MIGRATE;
	case SETUP_NUMBER:
		if (pg_rows(r) == 1 && str_to_u64(pg_value(r, 0, 0), &number))
			db->applied = (unsigned)number;
		return has_all_migrations(db) ? SETUP_DONE : SETUP_MIGRATE;
	case SETUP_MIGRATE:
		log_info("pg.migrated", "database=%s number=%u", db->conf->name,
		    db->applied + 1);
		return SETUP_NUMBER;
	case SETUP_DONE:
		break;
	}
	return SETUP_DONE;
}

/* ---- trouble ---------------------------------------------------------- */

struct down {
	const struct pg_result *why;
	unsigned again_ms;
};

static void
forward_down(struct forward *f, void *arg)
{
	const struct down *down = arg;

	forward_on_down(f, down->why, down->again_ms);
}

static void
db_down(struct pg_db *db, const struct pg_result *why, unsigned again_ms)
{
	struct down down = {why, again_ms};
	char quoted[2 * PG_MESSAGE_MAX];

	log_quote(quoted, sizeof(quoted), span_of(why->message));
	if (why->kind == PG_CONFIG)
		log_error("pg.refused",
		    "error=E%03d database=%s sqlstate=%s reason=%s again_ms=%u",
		    err_info(ERR_POSTGRES_DOWN)->number, db->conf->name,
		    why->state, quoted, again_ms);
	else
		log_warn("pg.down",
		    "error=E%03d database=%s sqlstate=%s reason=%s again_ms=%u",
		    err_info(ERR_POSTGRES_DOWN)->number, db->conf->name,
		    why->state, quoted, again_ms);
	each_forward(db, forward_down, &down);
}

static void
setup_on_done(const struct pg_result *r, void *arg)
{
	struct pg_db *db = arg;

	if (r->is_lost)
		return; /* conn_on_down follows */
	if (r->kind == PG_FINE) {
		db->setup = setup_after(db, r);
		setup_next(db);
		return;
	}
	/* A failed migration leaves its transaction open. */
	db->setup = SETUP_SESSION;
	db->again_ms = db->again_ms == 0 ? 500 : db->again_ms * 2;
	if (db->again_ms > 30000)
		db->again_ms = 30000;
	timer_arm_ms(&db->again, db->again_ms);
	db_down(db, r, db->again_ms);
}

static void
again_on_done(const struct pg_result *r, void *arg)
{
	if (!r->is_lost)
		setup_next(arg);
}

static void
again_on_timer(void *arg)
{
	struct pg_db *db = arg;

	if (pg_conn_is_ready(db->conn))
		pg_conn_text(db->conn, "ROLLBACK", again_on_done, db);
}

static void
conn_on_ready(void *arg)
{
	struct pg_db *db = arg;

	db->setup = SETUP_SESSION;
	setup_next(db);
}

static void
conn_on_down(const struct pg_result *why, unsigned again_ms, void *arg)
{
	struct pg_db *db = arg;

	db->setup = SETUP_SESSION;
	db->is_busy = false;
	timer_disarm(&db->again);
	while (!list_is_empty(&db->asking))
		list_del(db->asking.next);
	db_down(db, why, again_ms);
}

/* ---- turns ------------------------------------------------------------ */

bool
pg_db_is_up(const struct pg_db *db)
{
	return db->setup == SETUP_DONE;
}

struct pg_conn *
pg_db_conn(struct pg_db *db)
{
	return db->conn;
}

const char *
pg_db_name(const struct pg_db *db)
{
	return db->conf->name;
}

static void
db_turn(struct pg_db *db)
{
	struct list *first;

	if (db->is_busy || !pg_db_is_up(db) || list_is_empty(&db->asking))
		return;
	db->is_busy = true;
	first = db->asking.next;
	list_del(first);
	forward_turn(forward_of_link(first));
}

void
pg_db_ask(struct pg_db *db, struct list *link)
{
	if (list_is_empty(link))
		list_add_tail(&db->asking, link);
	db_turn(db);
}

void
pg_db_done(struct pg_db *db)
{
	db->is_busy = false;
	db_turn(db);
}

/* ---- life ------------------------------------------------------------- */

struct pg_db *
pg_db_new(struct store *s, const struct conf_postgres *conf)
{
	struct pg_conn_events events = {conn_on_ready, conn_on_down, NULL};
	struct pg_db *db = xcalloc(1, sizeof(*db));

	db->store = s;
	db->conf = conf;
	list_init(&db->asking);
	timer_init(&db->again, s->loop, again_on_timer, db);
	events.arg = db;
	db->conn = pg_conn_new(s->loop, conf, &events);
	return db;
}

void
pg_db_start(struct pg_db *db)
{
	if (db->is_started)
		return;
	db->is_started = true;
	pg_conn_start(db->conn);
}

void
pg_db_free(struct pg_db *db)
{
	if (db == NULL)
		return;
	while (!list_is_empty(&db->asking))
		list_del(db->asking.next);
	pg_conn_free(db->conn);
	timer_clear(&db->again);
	free(db);
}
