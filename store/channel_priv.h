#ifndef SCHEDD_STORE_CHANNEL_PRIV_H
#define SCHEDD_STORE_CHANNEL_PRIV_H

/*
 * What the files of channels share: the channel, its numbers, its forwarder.
 *
 *	channel.c       the set of channels, their numbers once a second
 *	channel_left.c  those that are in no settings any more
 *	channel_rows.c  rows come in, and wait for their commit
 *	report_rows.c   rows that come with a report
 *	quarantine.c    rows that the database refused
 *	forward.c       brings rows on: what to do next
 *	forward_*.c     its parts: reading and settling the spool, the table
 *	pg_*.c          Postgres
 */

#include "core/buf.h"
#include "core/column.h"
#include "core/json_scan.h"
#include "core/list.h"
#include "core/loop.h"
#include "store/pg_conn.h"
#include "store/store_priv.h"

struct forward;
struct pg_db;
struct rows_call;

enum {
	CHANNEL_TICK_MS = 1000,
	CHANNEL_SOON_MS = 200,   /* while other schedd are alive */
	CHANNEL_LEASE_MS = 5000, /* until another schedd brings the rows */
	ENTRY_MAX_ROWS = 1000,
	ENTRY_MAX_BYTES = 1024 * 1024
};

/* A place in a spool: so many rows of that entry, and all before it. */
struct place {
	uint64_t ms, seq;
	uint64_t rows;
};
int place_compare(const struct place *a, const struct place *b);
/* "ms-seq:rows" */
bool place_parse(struct span text, struct place *out) MUST_CHECK;
void place_print(const struct place *p, struct buf *out);
/* The id of a row in the quarantine: sorts as the rows came. index: from 0. */
void bad_id_print(
    char dst[BAD_ID_LEN], uint64_t ms, uint64_t seq, uint64_t index);
bool bad_id_parse(
    struct span text, uint64_t *ms, uint64_t *seq, uint64_t *index) MUST_CHECK;
/* "ms-seq", an entry's id. */
bool entry_parse(struct span text, uint64_t *ms, uint64_t *seq) MUST_CHECK;

struct channel_numbers {
	bool are_known;
	uint64_t rows, bytes, rows_out, bytes_out, bad_total, missed;
	struct place at;
	int64_t oldest_at; /* 0 = none waits */
	uint64_t bad;      /* in the quarantine */
	bool is_paused, is_ours;
	char owner[64]; /* another schedd */
};

struct channel {
	struct store *store;
	const struct conf_channel *conf;
	size_t index; /* in the settings: which error is its own */
	char base[2 * NAME_MAX_LEN + 32];
	struct columns *columns; /* NULL = not known */
	struct channel_numbers numbers;

	struct list gathering_link; /* on channels->gathering */
	struct rows_call *gathered; /* rows of this turn */
	struct list waiters;        /* struct rows_op, oldest first */

	struct pg_db *db;
	struct forward *forward;
	struct place floor; /* the furthest known to be in a table */
	int64_t missed_us;  /* when missing rows may be told again */
	uint64_t duplicates;
	int64_t last_commit_at;
	unsigned slot; /* of its metrics; the same in all families */
};

struct channels {
	struct store *store;
	struct channel **items; /* by name */
	size_t count;
	struct pg_db **dbs;
	size_t db_count;
	struct timer tick;
	bool is_asked; /* the numbers are */
	bool is_closed;
	struct list gathering;
	/* Of kind history: its prefix, rows and bytes that may wait. */
	char history[2 * NAME_MAX_LEN + 96];
	struct post flush_post;
	struct timer wait_timer;
	size_t waiting;
};

/* ---- channel.c -------------------------------------------------------- */

enum err channels_init(struct store *s, struct buf *why) MUST_CHECK;
/* The connection to Redis is ready. */
void channels_start(struct store *s);
/* Waiting is over (drain): answers who waits for a commit. */
void channels_drain(struct store *s);
/* No more of anything; before the connection to Redis is closed. */
void channels_close(struct store *s);
void channels_free(struct store *s);
/* Its own error: E201 to E203, E610. */
enum err channel_err(const struct channel *ch);
/* The prefix of a channel's keys. */
void channel_base(
    char *dst, size_t size, const struct store *s, const char *name);
/* Begins the arguments of a script of that channel. */
void channel_args(const struct channel *ch, struct buf *args);
void channel_send(const struct channel *ch, enum script_id id, struct buf *args,
    unsigned argc, redis_reply_cb *cb, void *arg);
/* The table has these columns; remembered in Redis. Takes them. */
void channel_set_columns(struct channel *ch, struct columns *columns);
void channel_fill_info(
    const struct channel *ch, struct store_channel_info *out);
/* Numbers soon, not only in a second. */
void channels_look_soon(struct store *s);
/* Rows up to there are in a table: those to come must stand behind it. */
void channel_set_floor(struct channel *ch, const struct place *at);

/* ---- channel_left.c --------------------------------------------------- */

/* Tells what waits in channels that are in no settings. */
void channels_look_left(struct store *s);

/* ---- channel_rows.c --------------------------------------------------- */

void rows_flush(void *arg);
void rows_on_wait_timer(void *arg);
void rows_abort(struct channel *ch, enum err err);
/* Those who wait for rows up to there need wait no longer. */
void rows_committed(struct channel *ch, const struct place *at);
/* A row was refused: who waits for it is told how many. */
void rows_refused(struct channel *ch, const struct place *row);
void rows_end_waiters(struct channel *ch);

/* ---- forward.c -------------------------------------------------------- */

struct forward *forward_new(struct channel *ch);
void forward_free(struct forward *f);
/* There may be rows; or may it go on? */
void forward_wake(struct forward *f);
/* Its database's connection is ready for it again, or is not. */
void forward_on_up(struct forward *f);
void forward_on_down(
    struct forward *f, const struct pg_result *why, unsigned again_ms);
/* It is its turn on the connection: one statement, then pg_db_done. */
void forward_turn(struct forward *f);
struct forward *forward_of_link(struct list *link);
/* New numbers are in. */
void forward_on_numbers(struct forward *f);
void forward_state(const struct forward *f, enum channel_state *state,
    enum err *err, struct span *reason);
unsigned forward_retry_ms(const struct forward *f);

/* ---- forward_spool.c -------------------------------------------------- */

/* Numbers are new: what is in the database is out, though the spool has it
 * for a while. */
void settle_count_out(struct forward *f);

/* ---- pg_db.c ---------------------------------------------------------- */

struct pg_db *pg_db_new(struct store *s, const struct conf_postgres *conf);
void pg_db_start(struct pg_db *db);
void pg_db_free(struct pg_db *db);
const char *pg_db_name(const struct pg_db *db);
bool pg_db_is_up(const struct pg_db *db);
/* The forward with that link wants a turn. */
void pg_db_ask(struct pg_db *db, struct list *link);
struct pg_conn *pg_db_conn(struct pg_db *db);
/* The turn is over. */
void pg_db_done(struct pg_db *db);

#endif
