/* Columns of a table, as settings name them; see column.h. */

#include "core/column.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
static const struct {
	const char *name; /* as settings and the catalogue have it */
	const char *type; /* as Postgres has it */
	enum column_kind kind;
} types[] = {
	{"bigint",      "int8",        COLUMN_INT8},
	{"bool",        "bool",        COLUMN_BOOL},
	{"boolean",     "bool",        COLUMN_BOOL},
	{"bpchar",      "bpchar",      COLUMN_STRING},
	{"bytea",       "bytea",       COLUMN_STRING},
	{"cidr",        "cidr",        COLUMN_STRING},
	{"date",        "date",        COLUMN_STRING},
	{"float4",      "float4",      COLUMN_FLOAT},
	{"float8",      "float8",      COLUMN_FLOAT},
	{"inet",        "inet",        COLUMN_STRING},
	{"int2",        "int2",        COLUMN_INT2},
	{"int4",        "int4",        COLUMN_INT4},
	{"int8",        "int8",        COLUMN_INT8},
	{"integer",     "int4",        COLUMN_INT4},
	{"interval",    "interval",    COLUMN_STRING},
	{"json",        "json",        COLUMN_JSON},
	{"jsonb",       "jsonb",       COLUMN_JSON},
	{"numeric",     "numeric",     COLUMN_NUMERIC},
	{"real",        "float4",      COLUMN_FLOAT},
	{"smallint",    "int2",        COLUMN_INT2},
	{"text",        "text",        COLUMN_STRING},
	{"time",        "time",        COLUMN_STRING},
	{"timestamp",   "timestamp",   COLUMN_STRING},
	{"timestamptz", "timestamptz", COLUMN_STRING},
	{"uuid",        "uuid",        COLUMN_STRING},
	{"varchar",     "varchar",     COLUMN_STRING},
};
/* clang-format on */

const char *
column_kind_expected(enum column_kind kind)
{
	static const char *const texts[COLUMN_KIND_COUNT] = {
	    [COLUMN_STRING] = "a string",
	    [COLUMN_BOOL] = "true or false",
	    [COLUMN_INT2] = "a whole number from -32768 to 32767",
	    [COLUMN_INT4] = "a whole number from -2147483648 to 2147483647",
	    [COLUMN_INT8] = "a whole number of 64 bits, or a string with one",
	    [COLUMN_FLOAT] = "a number",
	    [COLUMN_NUMERIC] = "a number, or a string with one",
	    [COLUMN_JSON] = "any value",
	};

	return texts[kind];
}

bool
column_type_find(struct span name, const char **type, enum column_kind *kind)
{
	for (size_t i = 0; i < COUNT_OF(types); i++) {
		if (!span_is(name, types[i].name))
			continue;
		*type = types[i].type;
		*kind = types[i].kind;
		return true;
	}
	return false;
}

bool
column_name_is_valid(struct span name)
{
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (c < 0x20 || c == 0x7f || memchr(",:.\\", c, 4) != NULL)
			return false;
	}
	return name.len > 0 && name.len <= COLUMN_NAME_MAX &&
	       name.p[0] != ' ' && name.p[name.len - 1] != ' ' &&
	       utf8_is_valid(name.p, name.len);
}

static struct span
trim(struct span s)
{
	while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = (struct span){s.p + 1, s.len - 1};
	while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Cuts what is before the next c (or all of it) off the front. */
static struct span
cut(struct span *rest, char c)
{
	const char *at = memchr(rest->p, c, rest->len);
	struct span part = {
	    rest->p, at != NULL ? (size_t)(at - rest->p) : rest->len};

	rest->p += part.len + (at != NULL);
	rest->len -= part.len + (at != NULL);
	return part;
}

bool
column_list_next(struct span *rest, struct span *name)
{
	if (rest->len == 0)
		return false;
	*name = trim(cut(rest, ','));
	return true;
}

const struct column *
columns_find(const struct columns *columns, struct span name)
{
	for (size_t i = 0; i < columns->count; i++) {
		if (span_is(name, columns->items[i].name))
			return &columns->items[i];
	}
	return NULL;
}

void
columns_seal(struct columns *columns, const char *names, enum seal_kind kind)
{
	struct span rest = span_of(names), name;

	while (column_list_next(&rest, &name)) {
		for (size_t i = 0; i < columns->count; i++) {
			if (span_is(name, columns->items[i].name))
				columns->items[i].seal = kind;
		}
	}
}

bool
column_type_seals(const char *type, enum seal_form *form)
{
	bool is_bytes = strcmp(type, "bytea") == 0;

	*form = is_bytes ? SEAL_HEX : SEAL_BASE64;
	return is_bytes || strcmp(type, "text") == 0;
}

static bool
column_parse(struct columns *out, struct span item, char *why, size_t why_size)
{
	struct column *c = &out->items[out->count];
	struct span rest = item, name = trim(cut(&rest, ':'));
	struct span type = trim(rest);

	if (!column_name_is_valid(name)) {
		snprintf(why, why_size,
		    "a column's name has 1 to 63 bytes, no control "
		    "characters and none of , : . \\");
		return false;
	}
	if (!column_type_find(type, &c->type, &c->kind)) {
		snprintf(why, why_size,
		    "column %.*s: no such type; text, int8, float8, numeric, "
		    "bool, jsonb, timestamptz and others are known",
		    SPAN_ARG(name));
		return false;
	}
	if (columns_find(out, name) != NULL) {
		snprintf(
		    why, why_size, "column %.*s stands twice", SPAN_ARG(name));
		return false;
	}
	memcpy(c->name, name.p, name.len);
	c->name[name.len] = '\0';
	c->seal = SEAL_NONE;
	out->count++;
	return true;
}

bool
columns_parse(struct columns *out, const char *text, char *why, size_t why_size)
{
	struct span rest = span_of(text), item;

	out->count = 0;
	while (column_list_next(&rest, &item)) {
		if (out->count == COLUMNS_MAX) {
			snprintf(why, why_size, "at most %d columns",
			    (int)COLUMNS_MAX);
			return false;
		}
		if (!column_parse(out, item, why, why_size))
			return false;
	}
	if (out->count == 0)
		snprintf(why, why_size, "at least one column");
	return out->count > 0;
}

bool
table_name_parse(const char *text, struct span *schema, struct span *table)
{
	struct span rest = span_of(text);

	*schema = (struct span){"", 0};
	*table = cut(&rest, '.');
	if (strchr(text, '.') == NULL)
		return column_name_is_valid(*table);
	*schema = *table;
	*table = rest;
	return column_name_is_valid(*schema) && column_name_is_valid(*table);
}
