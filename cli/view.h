#ifndef SCHEDD_CLI_VIEW_H
#define SCHEDD_CLI_VIEW_H

/*
 * An answer on its way to people: what the views of queues, tasks, workers
 * and the server's numbers share. Facts are a table of labels and values,
 * whose long values go on below themselves. Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cli/table.h"
#include "core/arena.h"
#include "core/buf.h"
#include "core/str.h"

/* How an answer is shown; false when it is not what it should be. */
typedef bool view_fn(struct buf *out, struct span body, int64_t now_ms,
    const struct table_look *look);

struct view {
	struct span body;
	int64_t now_ms;
	const struct table_look *look;
	struct buf *out;
	struct arena *arena;
	struct buf text; /* of one cell */
};

/* Keeps all that is given. */
void view_init(struct view *v, struct buf *out, struct span body,
    int64_t now_ms, const struct table_look *look);
void view_clear(struct view *v);

/* A member of the answer, empty when it is not there. */
struct span view_member(struct view *v, const char *name);
/* What text holds becomes a cell, "-" when that is nothing, and is
 * forgotten. */
void view_add_cell(struct view *v, struct table *t);
/* A point in time as a cell: "3s ago". */
void view_add_when(struct view *v, struct table *t, struct span time);
/* Behind an empty line, if something was shown before; and frees it. A table
 * without rows is not shown. */
void view_print(struct view *v, struct table *t);

struct table *view_facts_new(void);
/* The value's cell comes next. */
void view_label(struct table *t, const char *label);
/* Nothing when there is no text. */
void view_fact(struct table *t, const char *label, struct span text);
/* A member of the answer as a fact, under that label. */
void view_member_fact(
    struct view *v, struct table *t, const char *label, const char *name);
/* The answer's error, if it has one, as two facts. */
void view_add_error(struct view *v, struct table *t);
/* What there is to say about one thing. */
typedef bool view_facts_fn(struct view *v, struct table *t);
/* The body of a view_fn: of an answer that has a name, what add says of it. */
bool view_of_named(struct view *v, view_facts_fn *add);
void view_print_facts(struct view *v, struct table *t);

#endif
