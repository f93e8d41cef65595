#ifndef SCHEDD_CLI_PUSH_PRIV_H
#define SCHEDD_CLI_PUSH_PRIV_H

/*
 * What the parts of a push share: push.c (the loop: sending, waiting, what is
 * through), push_read.c (lines become tasks), push_batch.c (one batch: its
 * requests and their answers) and push_tell.c (what became of each line, told).
 */

#include "cli/lines.h"
#include "cli/progress.h"
#include "cli/push.h"
#include "cli/push_resume.h"
#include "cli/signals.h"
#include "cli/wire.h"
#include "core/list.h"

enum {
	PUSH_TEXT_MAX = 1 << 30,
	PUSH_REASON_MAX = 4096,
	/* Halving a batch leaves one more range each time. */
	PUSH_RANGES = 16
};

struct push_range {
	size_t from, n;
};

/* Lines that follow one another, and the tasks that became of them. */
struct push_batch {
	struct list link; /* of push.batches or push.spare */
	struct push *push;
	struct push_item *items;
	size_t count;
	struct buf text;    /* the items' JSON */
	struct buf lines;   /* the lines as they came, for the refused */
	struct buf body;    /* of the request under way */
	struct buf refused; /* for the file of the refused */
	/* What is still to be sent; the last is next. */
	struct push_range todo[PUSH_RANGES];
	unsigned todo_count;
	bool is_sealed;  /* no line is added any more */
	bool is_sending; /* a request is under way */
	bool was_sent;   /* at least once */
	struct push_sums sums;
	uint64_t line_count, last_line; /* ordinal of the last one */
	uint32_t chain;                 /* of push_resume, behind it */
};

struct push {
	struct cli *c;
	const struct push_plan *plan;
	struct source *source; /* NULL: arguments */
	struct lines *lines;
	struct wire *wire;
	struct signals signals;
	struct progress progress;
	struct push_resume *resume; /* NULL = none */
	int refused_fd;             /* -1 = no file of the refused */

	struct list batches;        /* in the order of their lines */
	struct list spare;          /* for the next ones */
	struct push_batch *filling; /* the last of them, or NULL */
	int64_t filled_at_us;       /* when it got its first line */
	unsigned sending;           /* requests under way */
	size_t next_payload;        /* of the arguments */
	bool input_waits, input_is_over;

	struct push_sums sums;  /* of everything, as shown */
	uint64_t pushed_before; /* of that, by earlier runs */
	struct push_mark mark;  /* of all that is acknowledged in its order */
	uint64_t saved_lines;   /* mark.lines in the resume file */
	int64_t saved_us, save_took_us;
	int64_t deadline_us;     /* to give up; moves with every progress */
	int64_t not_before_us;   /* the server asked to wait until then */
	struct buf reason;       /* why to wait */
	uint64_t told;           /* refused lines that were told of */
	struct buf told_reason;  /* as it was said last, */
	int64_t told_waiting_us; /* then */
	bool has_answered;       /* the server did, at least once */
	bool has_results;        /* written, for --json */
	bool is_unreadable;      /* the input, from somewhere on */
	bool is_interrupted, is_cut;
	enum cli_exit stop; /* anything but DONE: nothing more is sent */
};

/* ---- push.c ----------------------------------------------------------- */

bool push_is_stopping(const struct push *p);
/* Says why, and sends nothing more. */
void push_stop(struct push *p, enum cli_exit why, const struct buf *text);

/* ---- push_read.c ------------------------------------------------------ */

/* Lines into the batch, until it is full or there are none. */
void push_read(struct push *p);
/* The batch that lines go into; NULL when enough of them are under way. */
struct push_batch *push_filling(struct push *p);
/* It is sent as it is. */
void push_seal(struct push *p);

/* ---- push_batch.c ----------------------------------------------------- */

struct push_batch *push_batch_new(struct push *p);
void push_batch_free(struct push_batch *b);
/* Empties it for other lines. */
void push_batch_reset(struct push_batch *b);
/* A line that became an item, with b->items[b->count]. */
void push_batch_keep(
    struct push_batch *b, uint64_t number, size_t file, struct span line);
void push_batch_seal(struct push_batch *b);
bool push_batch_is_done(const struct push_batch *b);
size_t push_batch_pending(const struct push_batch *b);
/* Sends what is next. */
void push_batch_send(struct push_batch *b);

/* ---- push_tell.c ------------------------------------------------------ */

struct span push_item_id(
    const struct push_batch *b, const struct push_item *item);
/* What became of an item. */
void push_tell_queued(struct push_batch *b, const struct push_item *item);
void push_tell_exists(
    struct push_batch *b, const struct push_item *item, struct span state);
/* error is the object as JSON. */
void push_tell_refused(
    struct push_batch *b, const struct push_item *item, struct span error);
/* A line that is not sent at all; line NULL: it was not kept. */
void push_tell_unfit(struct push_batch *b, const struct push_item *item,
    const struct span *line, enum err err, struct span detail);
/* "line 12", "mail.ndjson: line 12", "argument 3". */
void push_add_place(
    const struct push *p, struct buf *out, uint64_t line, size_t file);
void push_tell_stop(struct push *p);
void push_tell_sums(struct push *p);

#endif
