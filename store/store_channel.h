#ifndef SCHEDD_STORE_STORE_CHANNEL_H
#define SCHEDD_STORE_STORE_CHANNEL_H

/*
 * Channels: rows that wait in a spool in Redis until they are in a table of
 * Postgres. The part of store.h, under its contract, that is about them.
 */

#include "core/column.h"
#include "store/store_types.h"

struct channel;
struct store;

enum {
	ROW_MAX_BYTES = 1024 * 1024,
	ROWS_MAX = 1000,        /* of a request */
	ROWS_MAX_LINES = 10000, /* of one that has a row a line */
	BAD_ID_LEN = 64         /* more than ids of the quarantine have */
};

enum channel_state {
	CHANNEL_STARTING, /* the database was not reached yet */
	CHANNEL_RUNNING,
	CHANNEL_PAUSED,    /* by an operator */
	CHANNEL_WAITING,   /* will be tried again soon: reason */
	CHANNEL_STOPPED,   /* somebody must act: reason */
	CHANNEL_ELSEWHERE, /* another schedd brings its rows */
	CHANNEL_STATE_COUNT
};
const char *channel_state_name(enum channel_state state);

struct store_channel_info {
	struct span name, table, key, database;
	enum on_conflict on_conflict;
	enum channel_kind kind;
	uint64_t keep_ms;              /* of a history */
	const struct columns *columns; /* NULL = not known yet */
	bool columns_from_database;
	enum channel_state state;
	bool is_paused;
	enum err err;       /* E200 to E203, E610; ERR_OK in the good states */
	struct span reason; /* for people; empty in the good states */
	struct span
	    owner; /* the schedd that brings its rows on; empty = none */
	uint64_t max_spool, max_spool_bytes, max_quarantine;
	/* kept in Redis, so of all schedd; at most a second old for lists */
	uint64_t spool_rows, spool_bytes;
	uint64_t quarantined; /* are there now */
	uint64_t rows_total, committed_total, quarantined_total;
	uint64_t missed_total; /* of a history: they had no room */
	double oldest_s;       /* how long the oldest row in the spool waits */
	/* of this process */
	uint64_t duplicates;    /* rows whose key was there */
	int64_t last_commit_at; /* 0 = none yet */
	bool connected;         /* to its database */
};

/* By name, NULL when there is none. Borrowed for the life of the store. */
struct channel *store_channel_find(struct store *s, struct span name);
struct span store_channel_name(const struct channel *ch);
/* What its rows may have; NULL while that is not known. Valid until the loop
 * runs again. */
const struct columns *store_channel_columns(const struct channel *ch);
/* Is it closed to rows of programs: the history? */
bool store_channel_is_closed(const struct channel *ch);
/* Is that column part of the key? */
bool store_channel_is_key(const struct channel *ch, struct span column);
/* For Retry-After: in how many seconds there may be room. */
unsigned store_channel_retry_s(const struct channel *ch);

typedef void store_channel_cb(
    enum err err, const struct store_channel_info *info, void *arg);
/* Fresh from Redis. */
void store_channel_get(
    struct store *s, struct channel *ch, store_channel_cb *cb, void *arg);
void store_channel_pause(struct store *s, struct channel *ch, bool paused,
    store_channel_cb *cb, void *arg);
/* From memory. Sorted by name. */
typedef void store_channel_each_fn(
    const struct store_channel_info *info, void *arg);
void store_channel_each(struct store *s, store_channel_each_fn *fn, void *arg);

/* ---- rows ------------------------------------------------------------- */

struct store_rows_result {
	enum err err;      /* ERR_OK; SPOOL_FULL; as of any change */
	bool is_committed; /* waited for, and all are in the table or refused */
	size_t refused;    /* of those: they are in the quarantine */
};
typedef void store_rows_cb(const struct store_rows_result *r, void *arg);
/* rows: n objects as JSON that fit the channel's columns (1 to
 * ROWS_MAX_LINES). All or none are taken. wait_ms > 0: cb comes when they are
 * in the table, or after that time. */
void store_rows_add(struct store *s, struct channel *ch,
    const struct span *rows, size_t n, uint64_t wait_ms, store_rows_cb *cb,
    void *arg);

/* Who asked with that arg waits no longer, if it still does: cb comes now. */
void store_rows_leave(struct store *s, struct channel *ch, const void *arg);

/* Rows that a report brings: those of one of its items, or of all of it. */
struct store_rows_piece {
	struct channel *channel;
	size_t item;      /* index + 1; 0 = the report as a whole */
	size_t n;         /* rows */
	struct span rows; /* they, with commas between */
	bool is_taken;    /* set when cb runs: they are in the spool */
};
struct store_rows_report {
	struct span queue, worker;
	const struct store_report_item *items;
	struct store_rows_piece *pieces; /* kept until cb */
	size_t n, piece_count;
};
/* As store_report, and the pieces' rows in the same step. SPOOL_FULL: nothing
 * was done; full says which channel has no room. */
typedef void store_report_rows_cb(enum err err,
    const struct store_reported *items, size_t n, struct channel *full,
    void *arg);
void store_report_rows(struct store *s, const struct store_rows_report *op,
    store_report_rows_cb *cb, void *arg);

/* ---- the quarantine --------------------------------------------------- */

struct store_bad_row {
	struct span id;
	struct span sqlstate, message, row;
	int64_t at; /* when it was refused */
};
struct store_bad_page {
	const struct store_bad_row *rows;
	size_t n;
	uint64_t total;    /* in the quarantine */
	struct span after; /* where the next page begins; empty = the end */
};
typedef void store_bad_cb(
    enum err err, const struct store_bad_page *page, void *arg);
/* after: empty or the id of the last page's last row. */
void store_bad_list(struct store *s, struct channel *ch, struct span after,
    uint32_t limit, store_bad_cb *cb, void *arg);
/* One row, or ROW_UNKNOWN. */
void store_bad_get(struct store *s, struct channel *ch, struct span id,
    store_bad_cb *cb, void *arg);

enum store_bad_act { STORE_BAD_RETRY, STORE_BAD_DROP };
struct store_bad_filter {
	const struct span *ids; /* NULL: all, */
	size_t id_count;
	struct span sqlstate; /* with this one; empty = any */
	struct span after;    /* and from behind this id */
};
typedef void store_bad_act_cb(
    enum err err, uint64_t count, struct span after, void *arg);
/* Retry: back to the end of the spool (SPOOL_FULL when not even one has
 * room). A bounded piece of it; after says where to go on, empty = done. */
void store_bad_act(struct store *s, struct channel *ch, enum store_bad_act act,
    const struct store_bad_filter *f, store_bad_act_cb *cb, void *arg);
/* Another row in place of one that was refused, or ROW_UNKNOWN. */
typedef void store_bad_edit_cb(enum err err, void *arg);
void store_bad_edit(struct store *s, struct channel *ch, struct span id,
    struct span row, store_bad_edit_cb *cb, void *arg);

#endif
