#ifndef SCHEDD_CORE_COLUMN_H
#define SCHEDD_CORE_COLUMN_H

/*
 * Columns of a table: their names and which JSON values they take. Pure: the
 * settings name columns as text, "id:int8, name:text", and a table's own are
 * found in its catalogue (store/pg_check.c).
 */

#include <stdbool.h>
#include <stddef.h>

#include "core/mem.h"
#include "core/seal.h"
#include "core/str.h"

enum {
	COLUMN_NAME_MAX = 63, /* Postgres cuts what is longer */
	COLUMNS_MAX = 200
};

/* What a JSON value must be for it; see column_kind_expected. */
enum column_kind {
	COLUMN_STRING, /* Postgres reads it by the column's type */
	COLUMN_BOOL,
	COLUMN_INT2,
	COLUMN_INT4,
	COLUMN_INT8,
	COLUMN_FLOAT,
	COLUMN_NUMERIC,
	COLUMN_JSON,
	COLUMN_KIND_COUNT
};

struct column {
	char name[COLUMN_NAME_MAX + 1];
	const char *type; /* of the table of types: "int8" */
	enum column_kind kind;
	enum seal_kind seal;
};

struct columns {
	struct column items[COLUMNS_MAX];
	size_t count;
};

/* "a whole number", for people. */
const char *column_kind_expected(enum column_kind kind);
/* By the name that Postgres has for a type ("int8", "timestamptz"), or one
 * of its other spellings; false for one that is not in the table. */
bool column_type_find(
    struct span name, const char **type, enum column_kind *kind);

/* A name of a table, schema or column: 1-63 bytes of UTF-8 without control
 * characters, and without what separates them in settings. */
bool column_name_is_valid(struct span name);

/* Reads "a:text, b:int8". False: why holds what is wrong with it (a line for
 * people, cut at why_size). */
bool columns_parse(struct columns *out, const char *text, char *why,
    size_t why_size) MUST_CHECK;
/* The one of that name, or NULL. */
const struct column *columns_find(
    const struct columns *columns, struct span name);

/* Those of a list are sealed so. */
void columns_seal(
    struct columns *columns, const char *names, enum seal_kind kind);
/* Can a column of that type hold sealed values, and in which form? */
bool column_type_seals(const char *type, enum seal_form *form);

/* "items" or "shop.items": both parts valid. schema is empty without one. */
bool table_name_parse(
    const char *text, struct span *schema, struct span *table) MUST_CHECK;
/* "a, b": the next name of such a list; false at its end. *rest begins as
 * the whole. */
bool column_list_next(struct span *rest, struct span *name);

#endif
