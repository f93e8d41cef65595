#ifndef SCHEDD_HTTP_BODY_H
#define SCHEDD_HTTP_BODY_H

/*
 * Reading request bodies: JSON objects described by tables of fields, walked
 * with the span scanner in one pass into the request's arena. Every refusal
 * names the field and what was expected; unknown and repeated fields are
 * refused. Pure: no request, no store, so that tests can call it.
 *
 * All bodies are read this way, the cold ones too: a document of cJSON ends
 * a string at \u0000 and keeps repeated names, and neither may decide which
 * tasks are purged.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/json_scan.h"
#include "core/mem.h"
#include "core/str.h"
#include "store/store.h"

enum {
	BODY_DETAIL_MAX = 640,
	BODY_ERROR_TEXT_MAX = 4096,  /* kept of a failed task's error */
	BODY_RESULT_MAX = 64 * 1024, /* a finished task's result */
	BODY_REPORT_LIST_MAX = 1000, /* finished, and failed */
	BODY_TASKS_MAX = 1000,       /* of one push */
	BODY_IDS_MAX = 1000
};

/* A value that is to be encrypted: how it stands in the body, and its text. */
struct seal_spot {
	const struct column *column;
	struct span raw, text;
};

/* Rows of one channel. */
struct rows_body {
	struct channel *channel;
	const struct columns *columns; /* that a row may have */
	struct span *rows;
	size_t count, room;
	struct seal_spot *spots; /* of the row that is being read; NULL = the
				    channel encrypts nothing */
	size_t spot_count;
};

/* The channel of that name that the caller may bring rows to, or NULL. */
typedef struct channel *body_channel_fn(struct span name, void *arg);

struct body {
	struct scan scan;
	struct arena *arena;
	const char *list;  /* the list that is being read, NULL outside */
	size_t index;      /* of its item */
	const char *field; /* the field that is being read */
	body_channel_fn *find_channel; /* NULL: there are none */
	void *find_arg;
	size_t rows_count; /* of all channels, in a report */
	enum err err;      /* what was refused first, and why */
	char detail[BODY_DETAIL_MAX];
};

/* Reads the value of the current field, or item of a list, into what the
 * caller of body_object or body_list gave. False after body_refuse* or an
 * error of the scanner. */
typedef bool body_fn(struct body *b, void *into);

struct body_field {
	const char *name;
	body_fn *read;
	bool required;
};

void body_init(struct body *b, struct arena *arena, struct span text);
/* Only blanks may follow. Ends every reading: the error, if there was one;
 * detail then says what and where. A body that is no JSON is refused as such
 * before anything that a field was refused for. */
enum err body_end(struct body *b) MUST_CHECK;

/* Remembers the first refusal, of the current field. Returns false. */
bool body_refuse(struct body *b, enum err err, const char *expected);
/* The same, FIELD_TYPE, unless the value is no JSON at all. */
bool body_refuse_type(struct body *b, const char *expected);
/* The same with a whole sentence as detail. */
bool body_refusef(struct body *b, enum err err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The next value is an object with these fields. seen, when not NULL, gets
 * one bit (1u << index in fields) for each that was there. */
bool body_object(struct body *b, const struct body_field *fields, size_t count,
    void *into, unsigned *seen);
/* The next value is a list; item reads each of at most max. */
bool body_list(struct body *b, size_t max, body_fn *item, void *into);
/* Makes room in an array of items of the given size that holds count and has
 * space for *room: NULL (and refused) past the arena's cap. */
void *body_room(
    struct body *b, void *array, size_t count, size_t *room, size_t size);

/* One value of a kind. min and max are inclusive. */
bool body_text(struct body *b, struct span *out);
bool body_bool(struct body *b, bool *out);
bool body_whole(struct body *b, uint64_t min, uint64_t max, uint64_t *out);
/* Seconds with fractions, as ms. */
bool body_seconds(
    struct body *b, uint64_t min_ms, uint64_t max_ms, uint64_t *ms);
bool body_raw(struct body *b, struct span *raw);
bool body_id(struct body *b, struct span *id);
bool body_worker(struct body *b, struct span *worker);
/* Any number; false (and refused) when it does not fit. */
bool body_number(struct body *b, double *out);

/* ---- the bodies ------------------------------------------------------- */

struct push_body {
	struct store_task *tasks;
	size_t count, room;
	int64_t now_ms; /* set by the caller: what run_at is held against */
};
enum err body_read_push(struct body *b, struct push_body *out) MUST_CHECK;

/* What workers send; each of the three reads fills its part. */
struct work_body {
	struct span worker;
	struct span request_id;
	uint64_t count, lease_ms, wait_ms;
	struct store_report_item *items; /* finished and failed */
	size_t item_count, item_room;
	bool has_report; /* finished or failed was given, maybe empty */
	struct store_rows_piece *pieces;
	size_t piece_count, piece_room;
	struct span *ids;
	size_t id_count, id_room;
};
enum err body_read_take(struct body *b, struct work_body *out) MUST_CHECK;
enum err body_read_report(struct body *b, struct work_body *out) MUST_CHECK;
enum err body_read_extend(struct body *b, struct work_body *out) MUST_CHECK;

/* Which tasks to retry or purge. */
enum set_verb { SET_RETRY, SET_PURGE };
struct set_body {
	struct store_filter filter;
	struct span *ids; /* those of the filter */
	size_t id_room;
	uint64_t limit;    /* 0: none was given */
	struct span after; /* empty: from the start */
	bool is_partial;   /* need not look at all in one go */
	bool dry_run;
};
enum err body_read_set(
    struct body *b, struct set_body *out, enum set_verb verb) MUST_CHECK;
/* Something to look for, a glob or a text: 1-255 bytes without NUL. */
bool match_is_valid(struct span match);
enum { SET_OLDER_MAX_S = 315360000 /* ten years */ };
/* Which part of a filter does not go with its state, and with which states it
 * does; NULL when all goes together. */
const char *filter_misfit(const struct store_filter *f, const char **states);

enum err body_read_policy(
    struct body *b, struct store_policy_change *out) MUST_CHECK;

/* ---- encrypted columns (body_seal.c) ---- */

/* Makes room for the spots of a row, where there can be any. */
bool body_seal_begin(struct body *b, struct rows_body *r);
/* The text of any value: a string's characters, else how it is written. null
 * and "" have none. One that is encrypted already is opened. */
bool body_seal_text(struct body *b, const struct seal_place *place,
    struct span raw, struct span *text);
/* Reads the value of a column that is encrypted, and notes it. */
bool body_seal_value(
    struct body *b, struct rows_body *r, const struct column *c, bool is_key);
/* The row anew, with what was noted encrypted. */
bool body_seal_row(struct body *b, struct rows_body *r, struct span *row);

/* One row, or {"rows": [...]}. channel and columns are set by the caller. */
enum err body_read_rows(struct body *b, struct rows_body *out) MUST_CHECK;
/* A row a line. */
enum err body_read_lines(
    struct body *b, struct rows_body *out, struct span text) MUST_CHECK;
/* The one row that takes the place of another: {"row": {...}}. */
enum err body_read_row(struct body *b, struct rows_body *out) MUST_CHECK;
/* The next value is {"channel": [rows], ...}: adds pieces of that item. */
bool body_read_pieces(struct body *b, struct work_body *w, size_t item);

/* Values of encrypted columns, with the names of those. */
struct crypt_field {
	struct span name, raw;
};
struct crypt_body {
	struct span channel; /* context.channel */
	struct span key;     /* "" = the current one */
	struct crypt_field *fields;
	size_t count, room;
};
enum err body_read_encrypt(struct body *b, struct crypt_body *out) MUST_CHECK;
enum err body_read_decrypt(struct body *b, struct crypt_body *out) MUST_CHECK;

/* {"to": "backend"} */
enum err body_read_move(struct body *b, struct span *to) MUST_CHECK;

struct channel_body {
	bool paused;
};
enum err body_read_channel(struct body *b, struct channel_body *out) MUST_CHECK;

/* Which rows of a quarantine to act on. */
struct bad_body {
	struct span *ids;
	size_t id_count, id_room;
	bool all;
	struct span sqlstate, after;
};
enum err body_read_bad(struct body *b, struct bad_body *out) MUST_CHECK;

/* What a heartbeat may say. details gets its bytes as they came; empty when
 * it says nothing. */
enum err body_read_heartbeat(struct body *b, struct span *details) MUST_CHECK;

struct token_body {
	struct span name;
	enum role role;
	struct span queues;  /* globs with a space between */
	uint64_t expires_ms; /* from now; 0 = never */
};
enum err body_read_token(struct body *b, struct token_body *out) MUST_CHECK;

/* Levels of the log: of each component and, behind them, the common one. */
enum { LEVEL_KEPT = -3, LEVEL_OF_SETTINGS = -2 }; /* or an enum log_level */
struct levels_body {
	int of[LOG_COMPONENT_COUNT + 1];
};
enum err body_read_levels(struct body *b, struct levels_body *out) MUST_CHECK;

/* Longest beginning of at most max bytes that does not cut a character. */
struct span utf8_cut(struct span text, size_t max);

#endif
