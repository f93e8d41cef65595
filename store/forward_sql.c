/* The statements of a channel. Names and texts are quoted here and nowhere
 * else; values only ever go as parameters. */

#include <stdio.h>
#include <string.h>

#include "store/forward_priv.h"

static void
add_quoted(struct buf *out, struct span text, char quote)
{
	buf_add_char(out, quote);
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] == quote)
			buf_add_char(out, quote);
		buf_add_char(out, text.p[i]);
	}
	buf_add_char(out, quote);
}

void
sql_add_name(struct buf *out, struct span name)
{
	add_quoted(out, name, '"');
}

/* With standard_conforming_strings, which each connection sets. */
void
sql_add_text(struct buf *out, struct span text)
{
	add_quoted(out, text, '\'');
}

void
sql_add_table(struct buf *out, const struct channel *ch)
{
	struct span schema, table;

	ASSERT(table_name_parse(ch->conf->table, &schema, &table));
	if (schema.len > 0) {
		sql_add_name(out, schema);
		buf_add_char(out, '.');
	}
	sql_add_name(out, table);
}

void
sql_catalog(struct buf *out, const struct channel *ch)
{
	struct buf table;

	buf_init(&table, 1024);
	sql_add_table(&table, ch);
	buf_add_str(out,
	    "SELECT a.attname, coalesce(b.typname, t.typname), "
	    "format_type(a.atttypid, -1), a.attnotnull, a.attidentity, "
	    "a.attgenerated, pg_get_expr(d.adbin, d.adrelid) "
	    "FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
	    "LEFT JOIN pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype "
	    "LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid "
	    "AND d.adnum = a.attnum WHERE a.attrelid = to_regclass(");
	sql_add_text(out, buf_span(&table));
	buf_add_str(out, ") AND a.attnum > 0 AND NOT a.attisdropped "
			 "ORDER BY a.attnum");
	buf_clear(&table);
}

/* ---- the insert ------------------------------------------------------- */

/* "v3"::type, or the column's default where the row has nothing. */
static void
add_value(struct buf *out, const struct table *t, size_t i)
{
	const struct table_column *c = &t->columns[i];

	if (c->fallback != NULL)
		buf_add_str(out, "coalesce(");
	buf_addf(out, "u.v%zu::%s", i, c->cast);
	if (c->fallback != NULL)
		buf_addf(out, ", %s)", c->fallback);
}

static void
add_columns(struct buf *out, const struct table *t, bool only_key)
{
	const char *comma = "";

	for (size_t i = 0; i < t->count; i++) {
		if (only_key && !t->columns[i].is_key)
			continue;
		buf_add_str(out, comma);
		sql_add_name(out, span_of(t->columns[i].name));
		comma = ", ";
	}
}

static bool
has_key(const struct table *t)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->columns[i].is_key)
			return true;
	return false;
}

static bool
has_other_than_key(const struct table *t)
{
	for (size_t i = 0; i < t->count; i++)
		if (!t->columns[i].is_key)
			return true;
	return false;
}

static bool
is_update(const struct forward *f)
{
	return f->ch->conf->on_conflict == CONFLICT_UPDATE &&
	       has_other_than_key(&f->table);
}

static void
add_key_values(struct buf *out, const struct table *t)
{
	const char *comma = "";

	for (size_t i = 0; i < t->count; i++) {
		if (!t->columns[i].is_key)
			continue;
		buf_addf(out, "%su.v%zu::%s", comma, i, t->columns[i].cast);
		comma = ", ";
	}
}

static void
add_conflict(struct buf *out, const struct forward *f)
{
	const struct table *t = &f->table;
	const char *comma = "";

	if (!has_key(t))
		return;
	buf_add_str(out, " ON CONFLICT (");
	add_columns(out, t, true);
	if (!is_update(f)) {
		buf_add_str(out, ") DO NOTHING");
		return;
	}
	buf_add_str(out, ") DO UPDATE SET ");
	for (size_t i = 0; i < t->count; i++) {
		struct span name = span_of(t->columns[i].name);

		if (t->columns[i].is_key)
			continue;
		buf_add_str(out, comma);
		sql_add_name(out, name);
		buf_add_str(out, " = EXCLUDED.");
		sql_add_name(out, name);
		comma = ", ";
	}
}

/* INSERT INTO t (a, b) SELECT ... FROM unnest(lists) WHERE cond. An update
 * may meet each key once only: of several rows the last. */
static void
add_insert(struct buf *out, const struct forward *f, const char *lists,
    const char *cond)
{
	const struct table *t = &f->table;

	buf_add_str(out, "INSERT INTO ");
	sql_add_table(out, f->ch);
	buf_add_str(out, " (");
	add_columns(out, t, false);
	buf_add_str(out, ") SELECT ");
	if (is_update(f)) {
		buf_add_str(out, "DISTINCT ON (");
		add_key_values(out, t);
		buf_add_str(out, ") ");
	}
	for (size_t i = 0; i < t->count; i++) {
		buf_add_str(out, i > 0 ? ", " : "");
		add_value(out, t, i);
	}
	buf_addf(out, " FROM unnest(%s) WITH ORDINALITY AS u(", lists);
	for (size_t i = 0; i < t->count; i++)
		buf_addf(out, "v%zu, ", i);
	buf_addf(out, "n)%s", cond);
	if (is_update(f)) {
		buf_add_str(out, " ORDER BY ");
		add_key_values(out, t);
		buf_add_str(out, ", u.n DESC");
	}
	add_conflict(out, f);
}

/* One statement, one transaction: moves the position if it is where we think,
 * and only then brings the rows. */
void
sql_fast(struct buf *out, const struct forward *f)
{
	struct buf lists;

	buf_init(&lists, 64 * 1024);
	for (size_t i = 0; i < f->table.count; i++)
		buf_addf(&lists, "%s$%zu::text[]", i > 0 ? ", " : "",
		    PARAM_VALUES + 1 + i);
	buf_add_char(&lists, '\0');
	buf_add_str(out,
	    "WITH pos AS (UPDATE schedd.position SET at = $3, refused = $4, "
	    "changed_at = now() WHERE spool = $1 AND channel = $2 AND at = $5 "
	    "RETURNING 1), ins AS (");
	add_insert(out, f, lists.data, " WHERE EXISTS (SELECT 1 FROM pos)");
	buf_add_str(out, " RETURNING 1) SELECT (SELECT count(*) FROM pos), "
			 "(SELECT count(*) FROM ins)");
	buf_clear(&lists);
}

/* What stands before and behind a piece's INSERT. A block of the batch is cut
 * out once, since to cut a piece the database walks to it. */
static const char piece_begin[] =
    "size_ := least(64, n_all_ - b_ * 64);\n"
    "FOR i_ IN REVERSE (size_ + 15) / 16 - 1 .. 0 LOOP\n"
    "top_ := top_ + 1; los_[top_] := i_ * 16 + 1; "
    "his_[top_] := least(size_, i_ * 16 + 16);\n"
    "END LOOP;\n"
    "WHILE top_ > 0 LOOP\n"
    "l_ := los_[top_]; h_ := his_[top_]; top_ := top_ - 1;\n"
    "BEGIN\n";
static const char piece_end[] =
    ";\nGET DIAGNOSTICS more_ = ROW_COUNT; done_ := done_ + more_;\n"
    "EXCEPTION WHEN OTHERS THEN\n"
    "GET STACKED DIAGNOSTICS st_ = RETURNED_SQLSTATE, "
    "msg_ = MESSAGE_TEXT;\n"
    "IF left(st_, 2) NOT IN ('21', '22', '23', '44', '54') AND "
    "st_ <> 'P0001' THEN RAISE; END IF;\n"
    "IF l_ = h_ THEN bad_ := bad_ || jsonb_build_array("
    "jsonb_build_array(ids_[b_ * 64 + l_], st_, left(msg_, 300)));\n"
    "ELSE m_ := (l_ + h_) / 2;\n"
    "top_ := top_ + 1; los_[top_] := m_ + 1; his_[top_] := h_;\n"
    "top_ := top_ + 1; los_[top_] := l_; his_[top_] := m_;\n"
    "END IF;\n"
    "END;\n"
    "END LOOP;\n"
    "END LOOP;\n";

/*
 * The same for a batch in which a row is bad: pieces of it, each undone and
 * halved when it fails, down to the row. In the database, so that a bad row
 * costs neither a round trip nor a commit.
 */
static void
add_body(struct buf *out, const struct forward *f)
{
	struct buf lists;

	buf_init(&lists, 64 * 1024);
	buf_add_str(out,
	    "\n#variable_conflict use_column\n"
	    "DECLARE los_ int[] := '{}'; his_ int[] := '{}'; l_ int; h_ int; "
	    "m_ int; top_ int := 0; size_ int; st_ text; msg_ text; "
	    "more_ int8; done_ int8 := 0; bad_ jsonb := refused_::jsonb; "
	    "n_all_ int := coalesce(array_length(ids_, 1), 0);\n");
	for (size_t i = 0; i < f->table.count; i++) {
		buf_addf(out, "c%zu_ text[]; ", i);
		buf_addf(&lists, "%sc%zu_[l_:h_]", i > 0 ? ", " : "", i);
	}
	buf_add_char(&lists, '\0');
	buf_add_str(out,
	    "\nBEGIN\n"
	    "PERFORM 1 FROM schedd.position WHERE spool = spool_ AND "
	    "channel = channel_ AND at = old_ FOR UPDATE;\n"
	    "IF NOT FOUND THEN RETURN QUERY SELECT false, ''::text, ''::text, "
	    "''::text, 0::int8; RETURN; END IF;\n"
	    "SET CONSTRAINTS ALL IMMEDIATE;\n"
	    "FOR b_ IN 0 .. (n_all_ + 63) / 64 - 1 LOOP\n");
	for (size_t i = 0; i < f->table.count; i++)
		buf_addf(
		    out, "c%zu_ := a%zu[b_ * 64 + 1 : b_ * 64 + 64];\n", i, i);
	buf_add_str(out, piece_begin);
	add_insert(out, f, lists.data, "");
	buf_add_str(out, piece_end);
	buf_add_str(out,
	    "UPDATE schedd.position SET at = new_, refused = bad_::text, "
	    "changed_at = now() WHERE spool = spool_ AND "
	    "channel = channel_;\n"
	    "RETURN QUERY SELECT true, ''::text, ''::text, ''::text, done_ "
	    "UNION ALL SELECT true, e_.r_->>0, e_.r_->>1, e_.r_->>2, "
	    "0::int8 FROM jsonb_array_elements(bad_) AS e_(r_);\n"
	    "END ");
	buf_clear(&lists);
}

/* A quote that does not stand in the text, whatever its names are. */
static void
add_dollar_quoted(struct buf *out, struct buf *text)
{
	char quote[24];
	unsigned n = 0;

	buf_add_char(text, '\0');
	do
		(void)snprintf(quote, sizeof(quote), "$schedd%u$", n++);
	while (!text->failed && strstr(text->data, quote) != NULL);
	buf_add_str(out, quote);
	if (!text->failed)
		buf_add(out, text->data, text->len - 1);
	buf_add_str(out, quote);
}

void
sql_function(struct buf *out, const struct forward *f)
{
	struct buf body;

	buf_init(&body, 1024 * 1024);
	add_body(&body, f);
	buf_addf(out,
	    "CREATE OR REPLACE FUNCTION pg_temp.schedd_s%zu(spool_ text, "
	    "channel_ text, new_ text, refused_ text, old_ text, ids_ text[]",
	    f->ch->index);
	for (size_t i = 0; i < f->table.count; i++)
		buf_addf(out, ", a%zu text[]", i);
	buf_add_str(out,
	    ") RETURNS TABLE (moved_ bool, id_ text, state_ text, text_ text, "
	    "n_ int8) LANGUAGE plpgsql AS ");
	add_dollar_quoted(out, &body);
	buf_clear(&body);
}

void
sql_slow(struct buf *out, const struct forward *f)
{
	buf_addf(out,
	    "SELECT moved_, id_, state_, text_, n_ FROM "
	    "pg_temp.schedd_s%zu($1, "
	    "$2, $3, $4, $5, $6::text[]",
	    f->ch->index);
	for (size_t i = 0; i < f->table.count; i++)
		buf_addf(out, ", $%zu::text[]", PARAM_VALUES + 2 + i);
	buf_add_char(out, ')');
}

/* A new one begins where Redis knows that rows are in a table: in the one of
 * another database before, or in this one, whose position somebody removed. */
void
sql_position(struct buf *out, const struct forward *f)
{
	struct span spool = span_of(beat_generation(f->ch->store));
	struct span channel = span_of(f->ch->conf->name);
	struct buf at;

	buf_init(&at, 128);
	place_print(&f->ch->numbers.at, &at);
	buf_add_str(out, "WITH made AS (INSERT INTO schedd.position "
			 "(spool, channel, at) VALUES (");
	sql_add_text(out, spool);
	buf_add_str(out, ", ");
	sql_add_text(out, channel);
	buf_add_str(out, ", ");
	sql_add_text(out, buf_span(&at));
	buf_clear(&at);
	buf_add_str(out, ") ON CONFLICT DO NOTHING RETURNING at, "
			 "refused) SELECT at, refused FROM made UNION ALL "
			 "SELECT at, refused FROM schedd.position "
			 "WHERE spool = ");
	sql_add_text(out, spool);
	buf_add_str(out, " AND channel = ");
	sql_add_text(out, channel);
}
