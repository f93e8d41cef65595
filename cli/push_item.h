#ifndef SCHEDD_CLI_PUSH_ITEM_H
#define SCHEDD_CLI_PUSH_ITEM_H

/* One line of input becomes the JSON of one task. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

enum push_kind {
	PUSH_PAYLOADS, /* a line is a payload, any JSON value */
	PUSH_RAW,      /* a line is text, and becomes a JSON string */
	PUSH_TASKS     /* a line is a task object */
};

struct push_item {
	size_t at, len;           /* its JSON, in the text given */
	size_t id_at, id_len;     /* its id there; len 0: not a string */
	uint64_t line;            /* the caller's: where it stands, */
	size_t file;              /* in which file, */
	size_t line_at, line_len; /* and its text, where that is kept */
	bool has_made_id;         /* the id is ours, and new */
	bool is_pending;          /* the caller's: no answer yet */
	bool may_be_there;        /* the caller's: was sent without an answer */
};

/* How lines are to be read. */
struct push_shape {
	enum push_kind kind;
	struct span id;      /* empty: one is made for each task without */
	const char *id_from; /* of a payload: this member is the id; or NULL */
	struct span extra;   /* members for each payload, a comma before each */
};

/*
 * Adds the task to text. A task without id gets one here, not from the
 * server, so that a push whose answer was lost can be repeated: made, or a
 * new one where that is empty. Else BODY_NOT_JSON, _NOT_UTF8, _TOO_DEEP,
 * FIELD_TYPE, _MISSING, _DUPLICATE or TASK_ID_BAD, with words of what was
 * expected, and text is as it was.
 */
enum err push_item_add(struct push_item *item, struct buf *text,
    const struct push_shape *shape, struct span line, struct span made,
    struct buf *why) MUST_CHECK;

#endif
