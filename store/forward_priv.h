#ifndef SCHEDD_STORE_FORWARD_PRIV_H
#define SCHEDD_STORE_FORWARD_PRIV_H

/*
 * What the files of the forwarder share: its state, what it knows of the
 * table, what it read of the spool, batches on their way.
 */

#include "store/channel_priv.h"

enum {
	BATCH_MAX_BYTES = 4 * 1024 * 1024,
	BUILD_ROWS = 100, /* of a batch in one turn of the loop */
	PARAM_SPOOL = 0,  /* of the statement that brings a batch */
	PARAM_CHANNEL,
	PARAM_NEW,
	PARAM_REFUSED,
	PARAM_OLD,
	PARAM_VALUES /* a list for each column; in the slow one: ids first */
};

/* What must be known and made, in this order, before rows go. */
enum step {
	STEP_CATALOG,  /* the table's columns */
	STEP_PREPARE,  /* the statement that brings a batch */
	STEP_FUNCTION, /* the function for a batch with bad rows */
	STEP_PREPARE_SLOW,
	STEP_TRY,      /* does the database plan and allow it? */
	STEP_POSITION, /* where we stand */
	STEP_ROWS
};

/* A column of the table that rows may have. */
struct table_column {
	char *name, *cast; /* its type, to cast text to */
	char *fallback;    /* expression of its default; NULL = none */
	bool is_key;
};

struct table {
	struct table_column *columns;
	size_t count;
};

/* An entry of the spool. */
struct chunk {
	struct list link;
	uint64_t ms, seq, n, rows, bytes; /* sums up to and with it */
	uint64_t taken;                   /* rows that were taken out */
	char *data;
	size_t len;
	struct scan scan; /* in data */
};

struct batch_row {
	uint64_t ms, seq, index; /* of its entry */
	size_t at, len;          /* in text */
	bool is_refused;         /* before the database saw it */
};

/* Days of a history's rows. */
enum { DAYS_MAX = 64, DAY_LEN = 10 /* 2026-11-26 */ };
struct days {
	char items[DAYS_MAX][DAY_LEN];
	size_t count;
};

/* Rows that the database did not take, or never saw. */
struct refused {
	size_t row; /* index in the batch */
	char state[PG_STATE_LEN + 1];
	char *message;
};

struct batch {
	struct batch_row *rows;
	size_t count, room;
	struct buf text;          /* of the rows, as they came */
	struct buf *values;       /* a binary array of text for each column */
	size_t value_count, sent; /* columns; rows in the arrays */
	size_t *nulls;            /* of each column */
	bool no_copy;             /* COPY has failed with it */
	struct buf ids;           /* the same of their ids, for the slow way */
	struct place old, end;
	uint64_t rows_out, bytes_out;
	bool is_whole; /* end is the end of an entry */
	bool is_slow;  /* one of its rows is bad */
	bool is_none;  /* its one row is refused: nothing of it is sent */
	struct refused *refused;
	size_t refused_count;
	struct days days; /* of its rows, in a history */
	bool has_days;    /* they were made once more */
};

struct forward {
	struct channel *ch;
	struct list link; /* on the database's list of those that want a turn */
	enum step step;
	bool is_on_turn;
	struct table table;
	unsigned serial;         /* of its statements' names */
	bool has_fast, has_slow; /* they are prepared */
	char fast[32], slow[32];
	int64_t sent_us;
	/* Rows were refused: the table may be mended by now. */
	bool saw_bad, must_look;
	int64_t looked_us; /* at the catalogue */
	/* May batches go by COPY; and for how many not, as keys were there. */
	bool can_copy;
	unsigned copy_rest, copy_step;
	struct buf copy; /* what is on its way */

	/* a history */
	size_t day_column;            /* which of the table's */
	struct days days, days_asked; /* that have a partition; may have */
	int64_t keep_us;              /* when old ones are dropped */

	/* the spool */
	struct place at, built; /* committed; in batches */
	uint64_t read_ms, read_seq;
	uint64_t read_rows; /* all that came, up to there; 0 = not known */
	bool is_reading, is_more;
	unsigned read_serial, asked_serial; /* as with settle_serial */
	struct place settled;               /* in Redis, as far as we know */
	struct place told; /* who waits was told of refused rows up to there */
	struct list chunks;
	size_t chunk_rows, chunk_bytes;
	struct batch *cur, *next;
	size_t
	    limit; /* rows of a batch; fewer for a while when that is needed */
	struct arena *arena;
	struct post build_post;
	struct json *recover; /* rows that were refused, by the position */

	/* what is to be settled in Redis */
	bool is_settling, must_settle, has_settle;
	struct timer settle_timer; /* armed: the last one is not long ago */
	struct place settle;
	bool settle_whole;
	uint64_t settle_rows, settle_bytes;
	struct buf settle_refused;
	unsigned settle_count;
	unsigned settle_sent;   /* how many of them are on their way */
	unsigned settle_serial; /* raised when all of it is forgotten */
	unsigned sent_serial;
	struct place sent_place;
	uint64_t sent_rows, sent_bytes;

	/* trouble */
	bool is_stopped, is_waiting, was_running;
	char reason[PG_MESSAGE_MAX + 64];
	unsigned backoff_ms, again_ms;
	struct timer timer;
};

/* ---- forward.c -------------------------------------------------------- */

/* Goes on: asks for a turn, reads, builds, whatever comes next. */
void forward_next(struct forward *f);
/* Forgets what was read; the position is asked for again. */
void forward_reset(struct forward *f);
/* Waits, or stops, for that reason; and tries again later. */
void forward_trouble(struct forward *f, enum pg_kind kind, const char *state,
    const char *message);
/* All is well again. */
void forward_fine(struct forward *f);

/* ---- forward_table.c -------------------------------------------------- */

/* Starts the statement of a step before STEP_ROWS. */
void forward_step(struct forward *f);
void table_clear(struct table *t);

/* ---- forward_sql.c ---------------------------------------------------- */

void sql_add_name(struct buf *out, struct span name);
void sql_add_text(struct buf *out, struct span text);
void sql_add_table(struct buf *out, const struct channel *ch);
void sql_catalog(struct buf *out, const struct channel *ch);
void sql_fast(struct buf *out, const struct forward *f);
void sql_function(struct buf *out, const struct forward *f);
void sql_slow(struct buf *out, const struct forward *f);
void sql_position(struct buf *out, const struct forward *f);

/* ---- forward_days.c --------------------------------------------------- */

/* Notes the day of a row that was read into cells. */
void days_note(
    const struct forward *f, struct batch *b, const struct span *cells);
/* Must something be done about days that are over? */
bool days_are_due(const struct forward *f);
/* A batch failed like that: was a partition taken away? Then it is made again,
 * once. */
bool days_are_gone(struct forward *f, const char *state);
/* Starts a statement that makes or drops partitions, if one is needed. */
bool days_turn(struct forward *f);

/* ---- forward_batch.c -------------------------------------------------- */

struct batch *batch_new(const struct forward *f);
void batch_free(struct batch *b);
/* Takes rows out of chunks into f->next, a bounded number of them. True when
 * it stopped at that bound. */
bool batch_build(struct forward *f);
bool batch_is_full(const struct forward *f, const struct batch *b);
void batch_refuse(
    struct batch *b, size_t row, const char *state, const char *message);
/* The same for its only row, of which nothing is sent then. */
void batch_refuse_all(struct batch *b, const char *state, const char *message);
/* The parameters, valid until the batch changes; count of them. */
size_t batch_params(struct forward *f, struct batch *b, struct pg_param *params,
    struct buf *scratch);
enum { BATCH_PARAMS_MAX = COLUMNS_MAX + 8 };
/* The index of the row with that id, looked for from an index on; count when
 * there is none. */
size_t batch_find(const struct batch *b, struct span id, size_t from);

/* ---- forward_copy.c --------------------------------------------------- */

bool copy_may(const struct forward *f, const struct batch *b);
/* A key was there: the next batches go another way. */
void copy_collided(struct forward *f);
/* The statements and what is copied. False: it cannot be made. */
bool copy_make(const struct forward *f, const struct batch *b,
    const struct pg_param *params, struct buf *sql, struct buf *data);

/* ---- forward_spool.c -------------------------------------------------- */

void spool_read(struct forward *f);
void spool_clear(struct forward *f);
void chunk_free(struct chunk *c);
/* Notes one row for the quarantine, with the next settling. */
void settle_add_refused(struct forward *f, const struct batch_row *row,
    struct span text, const char *state, struct span message);
void settle_send(struct forward *f);
/* What is met on the way to the position, when a batch was committed and
 * perhaps not settled: a row (one that was refused goes to the quarantine),
 * and a place. */
void recover_row(
    struct forward *f, const struct batch_row *row, struct span text);
void recover_place(struct forward *f, const struct chunk *c);

#endif
