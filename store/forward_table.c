/* What must be known and made before rows go: the table's columns, the
 * statements, the position. One statement a turn. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/forward_priv.h"

static pg_cb catalog_on_rows, step_on_done, position_on_rows;

enum { SQL_MAX = 1024 * 1024 };

void
table_clear(struct table *t)
{
	for (size_t i = 0; i < t->count; i++) {
		free(t->columns[i].name);
		free(t->columns[i].cast);
		free(t->columns[i].fallback);
	}
	free(t->columns);
	t->columns = NULL;
	t->count = 0;
}

/* ---- the catalogue ---------------------------------------------------- */

enum {
	CAT_NAME,
	CAT_TYPE,
	CAT_CAST,
	CAT_NOT_NULL,
	CAT_IDENTITY,
	CAT_GENERATED,
	CAT_DEFAULT
};

static bool
is_made_by_database(const struct pg_result *r, size_t row)
{
	return pg_value(r, row, CAT_IDENTITY).len > 0 ||
	       pg_value(r, row, CAT_GENERATED).len > 0;
}

static size_t
catalog_find(const struct pg_result *r, const char *name)
{
	size_t row = 0;

	while (row < pg_rows(r) && !span_is(pg_value(r, row, CAT_NAME), name))
		row++;
	return row;
}

static char *
span_copy(struct span s)
{
	return s.len > 0 ? xmemdupz(s.p, s.len) : NULL;
}

static void
table_add(struct forward *f, const struct pg_result *r, size_t row)
{
	struct table *t = &f->table;
	struct span name = pg_value(r, row, CAT_NAME);
	struct table_column *c;

	t->columns = xrealloc(t->columns, t->count + 1, sizeof(*t->columns));
	c = &t->columns[t->count++];
	c->name = xmemdupz(name.p, name.len);
	c->cast = span_copy(pg_value(r, row, CAT_CAST));
	c->fallback = span_copy(pg_value(r, row, CAT_DEFAULT));
	c->is_key = store_channel_is_key(f->ch, name);
	if (strcmp(c->name, "ended_at") == 0)
		f->day_column = t->count - 1;
}

/* The columns of a table, as a channel has them that names none. */
static bool
columns_of_catalog(
    const struct pg_result *r, struct columns *out, char *why, size_t size)
{
	for (size_t row = 0; row < pg_rows(r); row++) {
		struct span name = pg_value(r, row, CAT_NAME);
		struct column *c = &out->items[out->count];

		if (is_made_by_database(r, row))
			continue;
		if (!column_name_is_valid(name) || out->count == COLUMNS_MAX) {
			snprintf(why, size,
			    "column \"%.*s\" cannot be taken from the "
			    "database: set channel.columns",
			    SPAN_ARG(name));
			return false;
		}
		memcpy(c->name, name.p, name.len);
		c->name[name.len] = '\0';
		if (!column_type_find(
			pg_value(r, row, CAT_TYPE), &c->type, &c->kind)) {
			c->type = "text";
			c->kind = COLUMN_STRING;
		}
		out->count++;
	}
	return true;
}

/* Are the columns and the key in the table, and all that it insists on among
 * them? */
static bool
table_check(struct forward *f, const struct pg_result *r,
    const struct columns *columns, char *why, size_t size)
{
	struct span rest = span_of(f->ch->conf->key), name;

	for (size_t i = 0; i < columns->count; i++) {
		const char *column = columns->items[i].name;
		size_t row = catalog_find(r, column);

		if (row == pg_rows(r)) {
			snprintf(why, size, "table %s has no column \"%s\"",
			    f->ch->conf->table, column);
			return false;
		}
		if (pg_value(r, row, CAT_GENERATED).len > 0) {
			snprintf(why, size,
			    "column \"%s\" is made by the database", column);
			return false;
		}
		table_add(f, r, row);
	}
	while (column_list_next(&rest, &name)) {
		if (columns_find(columns, name) == NULL) {
			snprintf(why, size,
			    "key column \"%.*s\" is not among the columns",
			    SPAN_ARG(name));
			return false;
		}
	}
	for (size_t row = 0; row < pg_rows(r); row++) {
		name = pg_value(r, row, CAT_NAME);
		if (span_is(pg_value(r, row, CAT_NOT_NULL), "t") &&
		    pg_value(r, row, CAT_DEFAULT).len == 0 &&
		    !is_made_by_database(r, row) &&
		    columns_find(columns, name) == NULL) {
			snprintf(why, size,
			    "column \"%.*s\" must not be null, has no default "
			    "and is not among the columns",
			    SPAN_ARG(name));
			return false;
		}
	}
	return true;
}

/* Are those that are encrypted among the columns, and in the table of a type
 * that can hold what they become? */
static bool
sealed_check(const struct forward *f, const struct pg_result *r,
    const struct columns *columns, const char *list, char *why, size_t size)
{
	struct span rest = span_of(list), name;
	enum seal_form form, found;

	while (column_list_next(&rest, &name)) {
		const struct column *c = columns_find(columns, name);
		char type[COLUMN_NAME_MAX + 1];
		struct span there;

		if (c == NULL) {
			snprintf(why, size,
			    "encrypted column \"%.*s\" is not among the "
			    "columns",
			    SPAN_ARG(name));
			return false;
		}
		there = pg_value(r, catalog_find(r, c->name), CAT_TYPE);
		(void)snprintf(type, sizeof(type), "%.*s", SPAN_ARG(there));
		if (!column_type_seals(type, &found) ||
		    !column_type_seals(c->type, &form) || form != found) {
			snprintf(why, size,
			    "encrypted column \"%s\" must be of type text or "
			    "bytea, as the channel has it; in table %s it is "
			    "%s",
			    c->name, f->ch->conf->table, type);
			return false;
		}
	}
	return true;
}

static bool
columns_are_same(const struct columns *a, const struct columns *b)
{
	if (a == NULL || a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (strcmp(a->items[i].name, b->items[i].name) != 0 ||
		    a->items[i].kind != b->items[i].kind ||
		    /* Another form of encrypted values; to others it is all
		     * one. */
		    (a->items[i].seal != SEAL_NONE &&
			strcmp(a->items[i].type, b->items[i].type) != 0))
			return false;
	}
	return true;
}

static bool
columns_check(struct forward *f, const struct pg_result *r,
    const struct columns *columns, char *why, size_t size)
{
	const struct conf_channel *conf = f->ch->conf;

	return table_check(f, r, columns, why, size) &&
	       sealed_check(f, r, columns, conf->encrypt, why, size) &&
	       sealed_check(
		   f, r, columns, conf->encrypt_deterministic, why, size);
}

/* What the catalogue says; "" in why when all is right. */
static void
catalog_read(
    struct forward *f, const struct pg_result *r, char *why, size_t size)
{
	struct channel *ch = f->ch;
	struct columns *seen;

	table_clear(&f->table);
	if (pg_rows(r) == 0) {
		snprintf(why, size, "table %s does not exist", ch->conf->table);
		return;
	}
	if (ch->conf->columns[0] != '\0') {
		(void)columns_check(f, r, ch->columns, why, size);
		return;
	}
	seen = xcalloc(1, sizeof(*seen));
	if (columns_of_catalog(r, seen, why, size) &&
	    columns_check(f, r, seen, why, size) &&
	    !columns_are_same(ch->columns, seen)) {
		channel_set_columns(ch, seen);
		return;
	}
	free(seen);
}

static void
catalog_on_rows(const struct pg_result *r, void *arg)
{
	struct forward *f = arg;
	char why[PG_MESSAGE_MAX] = "";

	if (r->is_lost) /* forward_on_down follows */
		return;
	f->is_on_turn = false;
	if (r->kind == PG_FINE) {
		f->has_fast = f->has_slow = false;
		catalog_read(f, r, why, sizeof(why));
	}
	if (r->kind != PG_FINE)
		forward_trouble(f, r->kind, r->state, r->message);
	else if (why[0] != '\0')
		forward_trouble(f, PG_CONFIG, "42P01", why);
	else
		f->step = STEP_PREPARE;
	pg_db_done(f->ch->db);
	forward_next(f);
}

/* What was prepared for the table as it was before goes first. */
static void
catalog_ask(struct forward *f)
{
	struct buf sql;

	buf_init(&sql, SQL_MAX);
	if (f->has_fast)
		buf_addf(&sql, "DEALLOCATE %s; ", f->fast);
	if (f->has_slow)
		buf_addf(&sql, "DEALLOCATE %s; ", f->slow);
	f->serial++;
	f->saw_bad = f->must_look = false;
	f->can_copy = f->ch->conf->key[0] == '\0' ||
		      f->ch->conf->on_conflict == CONFLICT_IGNORE;
	f->looked_us = clock_mono_us();
	(void)snprintf(f->fast, sizeof(f->fast), "schedd_f%zu_%u", f->ch->index,
	    f->serial);
	(void)snprintf(f->slow, sizeof(f->slow), "schedd_s%zu_%u", f->ch->index,
	    f->serial);
	sql_catalog(&sql, f->ch);
	buf_add_char(&sql, '\0');
	pg_conn_text(pg_db_conn(f->ch->db), sql.data, catalog_on_rows, f);
	buf_clear(&sql);
}

/* ---- statements ------------------------------------------------------- */

static void
step_on_done(const struct pg_result *r, void *arg)
{
	struct forward *f = arg;
	enum pg_kind kind = r->kind;

	if (r->is_lost)
		return;
	f->is_on_turn = false;
	if (kind == PG_FINE) {
		f->has_fast |= f->step == STEP_PREPARE;
		f->has_slow |= f->step == STEP_PREPARE_SLOW;
		f->step++;
		if (f->step == STEP_POSITION)
			forward_fine(f);
	} else {
		/* No row is concerned yet. */
		forward_trouble(f, kind == PG_DATA ? PG_CONFIG : kind, r->state,
		    r->message);
	}
	pg_db_done(f->ch->db);
	forward_next(f);
}

static void
step_prepare(struct forward *f)
{
	struct pg_conn *conn = pg_db_conn(f->ch->db);
	struct buf sql;

	buf_init(&sql, SQL_MAX);
	if (f->step == STEP_PREPARE)
		sql_fast(&sql, f);
	else if (f->step == STEP_FUNCTION)
		sql_function(&sql, f);
	else
		sql_slow(&sql, f);
	buf_add_char(&sql, '\0');
	if (sql.failed)
		buf_reset(&sql, SQL_MAX);
	if (f->step == STEP_FUNCTION)
		pg_conn_text(conn, sql.data, step_on_done, f);
	else
		pg_conn_prepare(conn,
		    f->step == STEP_PREPARE ? f->fast : f->slow, sql.data,
		    step_on_done, f);
	buf_clear(&sql);
}

/* An empty batch from a place where nobody stands: it changes nothing, and is
 * planned and allowed, or not. */
static void
step_try(struct forward *f)
{
	struct pg_param params[BATCH_PARAMS_MAX];
	struct batch *b = batch_new(f);
	struct buf scratch;
	size_t n;

	buf_init(&scratch, SQL_MAX);
	n = batch_params(f, b, params, &scratch);
	params[PARAM_OLD] = (struct pg_param){.value = ""};
	pg_conn_run(pg_db_conn(f->ch->db), f->fast, params, n, step_on_done, f);
	buf_clear(&scratch);
	batch_free(b);
}

/* ---- the position ----------------------------------------------------- */

/* The rows that a position says were refused; NULL = none. */
static struct json *
refused_read(struct span text)
{
	enum err err;
	const char *why;
	struct json *doc = json_parse(text, &err, &why);

	if (doc != NULL && json_first(doc) != NULL)
		return doc;
	json_free(doc);
	return NULL;
}

static void
position_on_rows(const struct pg_result *r, void *arg)
{
	struct forward *f = arg;
	struct channel *ch = f->ch;
	struct place at;

	if (r->is_lost)
		return;
	f->is_on_turn = false;
	if (r->kind != PG_FINE) {
		forward_trouble(f, r->kind == PG_DATA ? PG_CONFIG : r->kind,
		    r->state, r->message);
	} else if (pg_rows(r) != 1) {
		/* Somebody else makes it just now. */
		forward_trouble(
		    f, PG_TRANSIENT, "40001", "the position is new");
	} else if (!place_parse(pg_value(r, 0, 0), &at)) {
		forward_trouble(
		    f, PG_CONFIG, "XX001", "schedd.position cannot be read");
	} else {
		forward_reset(f);
		f->at = f->built = at;
		channel_set_floor(ch, &at);
		if (place_compare(&ch->numbers.at, &f->settled) > 0)
			f->settled = ch->numbers.at;
		/* What it names may be in the quarantine already. */
		if (place_compare(&f->settled, &at) < 0)
			f->recover = refused_read(pg_value(r, 0, 1));
		if (place_compare(&ch->numbers.at, &at) > 0)
			log_error("channel.behind",
			    "channel=%s hint=\"the database came back older: "
			    "rows that it had are not there\"",
			    ch->conf->name);
		f->step = STEP_ROWS;
		forward_fine(f);
		/* Those of a batch whose answer was lost. Where rows were
		 * refused they wait until that is settled. */
		if (f->recover == NULL)
			rows_committed(ch, &f->at);
	}
	pg_db_done(ch->db);
	forward_next(f);
}

static void
position_ask(struct forward *f)
{
	struct buf sql;

	buf_init(&sql, SQL_MAX);
	sql_position(&sql, f);
	buf_add_char(&sql, '\0');
	pg_conn_text(pg_db_conn(f->ch->db), sql.data, position_on_rows, f);
	buf_clear(&sql);
}

void
forward_step(struct forward *f)
{
	switch (f->step) {
	case STEP_CATALOG:
		catalog_ask(f);
		break;
	case STEP_PREPARE:
	case STEP_FUNCTION:
	case STEP_PREPARE_SLOW:
		step_prepare(f);
		break;
	case STEP_TRY:
		step_try(f);
		break;
	case STEP_POSITION:
		position_ask(f);
		break;
	case STEP_ROWS:
		ASSERT(!"a step");
	}
}
