/*
 * Batches: rows out of the spool's entries become one binary array of text
 * for each column, which the statement unnests and casts. A batch is made
 * while the one before is on its way.
 */

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/keys.h"
#include "core/mem.h"
#include "store/forward_priv.h"

enum {
	TEXT_OID = 25,
	ARRAY_HEAD = 20,  /* dimensions, nulls, type, length, first index */
	ARRAY_EMPTY = 12, /* without the last two */
	VALUES_MAX = 64 * 1024 * 1024
};

/* ---- arrays ----------------------------------------------------------- */

static void
add_u32(struct buf *b, uint32_t n)
{
	n = htonl(n);
	buf_add(b, &n, sizeof(n));
}

static void
array_begin(struct buf *b)
{
	add_u32(b, 1);
	add_u32(b, 1); /* nulls may be among them */
	add_u32(b, TEXT_OID);
	add_u32(b, 0);
	add_u32(b, 1);
}

static void
array_add(struct buf *b, struct span s)
{
	add_u32(b, (uint32_t)s.len);
	buf_add_span(b, s);
}

static void
array_add_null(struct buf *b)
{
	add_u32(b, UINT32_MAX);
}

/* Writes the length into the head; an empty one has no dimension. */
static struct pg_param
array_end(struct buf *b, size_t count)
{
	uint32_t n = htonl((uint32_t)count), dimensions = htonl(count > 0);

	ASSERT(b->len >= ARRAY_HEAD);
	memcpy(b->data, &dimensions, sizeof(dimensions));
	memcpy(b->data + 12, &n, sizeof(n));
	return (struct pg_param){
	    b->data, count > 0 ? b->len : ARRAY_EMPTY, true};
}

/* ---- life ------------------------------------------------------------- */

struct batch *
batch_new(const struct forward *f)
{
	struct batch *b = xcalloc(1, sizeof(*b));

	b->value_count = f->table.count;
	b->values = xcalloc(b->value_count + 1, sizeof(*b->values));
	b->nulls = xcalloc(b->value_count + 1, sizeof(*b->nulls));
	for (size_t i = 0; i < b->value_count; i++) {
		buf_init(&b->values[i], VALUES_MAX);
		array_begin(&b->values[i]);
	}
	buf_init(&b->ids, VALUES_MAX);
	buf_init(&b->text, VALUES_MAX);
	b->old = b->end = f->built;
	return b;
}

void
batch_free(struct batch *b)
{
	if (b == NULL)
		return;
	for (size_t i = 0; i < b->value_count; i++)
		buf_clear(&b->values[i]);
	for (size_t i = 0; i < b->refused_count; i++)
		free(b->refused[i].message);
	buf_clear(&b->ids);
	buf_clear(&b->text);
	free(b->values);
	free(b->nulls);
	free(b->refused);
	free(b->rows);
	free(b);
}

void
batch_refuse(
    struct batch *b, size_t row, const char *state, const char *message)
{
	struct refused *r;

	b->refused =
	    xrealloc(b->refused, b->refused_count + 1, sizeof(*b->refused));
	r = &b->refused[b->refused_count++];
	r->row = row;
	memcpy(r->state, state, sizeof(r->state) - 1);
	r->state[sizeof(r->state) - 1] = '\0';
	r->message = xstrdup(message);
}

void
batch_refuse_all(struct batch *b, const char *state, const char *message)
{
	ASSERT(b->count == 1);
	while (b->refused_count > 0)
		free(b->refused[--b->refused_count].message);
	for (size_t i = 0; i < b->value_count; i++) {
		buf_reset(&b->values[i], VALUES_MAX);
		array_begin(&b->values[i]);
	}
	b->sent = 0;
	b->is_slow = false;
	b->is_none = b->rows[0].is_refused = true;
	batch_refuse(b, 0, state, message);
}

bool
batch_is_full(const struct forward *f, const struct batch *b)
{
	return b->count >= f->limit || b->text.len >= BATCH_MAX_BYTES ||
	       b->days.count == DAYS_MAX;
}

static struct batch_row *
batch_add_row(struct batch *b, const struct chunk *c)
{
	struct batch_row *row;

	if (b->count == b->room) {
		b->room = b->room == 0 ? 64 : b->room * 2;
		b->rows = xrealloc(b->rows, b->room, sizeof(*b->rows));
	}
	row = &b->rows[b->count++];
	memset(row, 0, sizeof(*row));
	row->ms = c->ms;
	row->seq = c->seq;
	row->index = c->taken;
	return row;
}

/* ---- a row ------------------------------------------------------------ */

/* Rows mostly have their members in the same order. */
static size_t
column_find(const struct table *t, struct span name, size_t hint)
{
	for (size_t i = 0; i < t->count; i++) {
		size_t at = (hint + i) % t->count;

		if (span_is(name, t->columns[at].name))
			return at;
	}
	return t->count;
}

/* Reads a row's values into cells, as they stand in the JSON; len 0: it has
 * none. False, with a word in why, when it does
 * not fit the table as it is now; it is read to its end all the same. */
static bool
row_scan(struct forward *f, struct scan *s, struct span *cells, char *why,
    size_t size)
{
	const struct table *t = &f->table;
	struct span key, value, name;
	size_t at, hint = 0;
	bool ok = true;

	if (!scan_object(s)) {
		(void)scan_skip(s, &value);
		(void)snprintf(why, size, "the row is no object");
		return false;
	}
	while (scan_key(s, &key)) {
		if (!scan_skip(s, &value))
			break;
		if (!scan_unescape(f->arena, key, &name))
			name = key;
		at = column_find(t, name, hint);
		if (at == t->count) {
			(void)snprintf(why, size,
			    "the channel has no column \"%.*s\" any more",
			    name.len > 63 ? 0 : (int)name.len, name.p);
			ok = false;
			continue;
		}
		cells[at] = value;
		hint = at + 1;
	}
	return ok;
}

static bool
is_sealed(struct forward *f, struct span text)
{
	char *scratch;
	struct sealed sealed;

	if (!seal_is_marked(text))
		return false;
	scratch = arena_alloc(f->arena, text.len);
	return scratch != NULL && seal_read(text, scratch, &sealed);
}

/* The text of an encrypted column, encrypted. One that is none yet was spooled
 * before the settings said so, or by a schedd that has others: it does not get
 * out. */
static bool
sealed_of(struct forward *f, const struct column *c, struct span *text)
{
	const struct seal_key *key = keys_for(c->seal);
	const struct seal_place place = {
	    store_channel_name(f->ch), span_of(c->name)};
	enum seal_form form;
	size_t size;
	char *out;

	if (text->len == 0 || is_sealed(f, *text))
		return true;
	ASSERT(key != NULL);
	(void)column_type_seals(c->type, &form);
	size = seal_size(key, c->seal, form, text->len);
	out = arena_alloc(f->arena, size);
	if (out == NULL)
		return false;
	seal_write(out, key, c->seal, form, &place, *text);
	keys_tally(KEYS_ENCRYPTED, 1);
	*text = (struct span){out, size};
	return true;
}

/* The text of a value: a string's without its quotes and escapes, else how it
 * is written. */
static bool
text_of(struct forward *f, struct span raw, struct span *text)
{
	*text = raw;
	return raw.p[0] != '"' ||
	       scan_unescape(
		   f->arena, (struct span){raw.p + 1, raw.len - 2}, text);
}

/* Makes cells what the database is to read: JSON as it is, strings without
 * their quotes and escapes; p NULL: null. Else the SQLSTATE of what is wrong:
 * in a text the database reads no NUL, and would refuse all of the batch. */
static const char *
row_decode(struct forward *f, struct span *cells, size_t n)
{
	const struct columns *columns = f->ch->columns;

	for (size_t i = 0; i < n; i++) {
		const struct column *c = &columns->items[i];
		struct span raw = cells[i];

		if (raw.len == 0 || raw.p[0] == 'n') {
			cells[i] = (struct span){NULL, 0};
			continue;
		}
		if (c->seal == SEAL_NONE &&
		    (raw.p[0] != '"' || c->kind == COLUMN_JSON))
			continue;
		if (!text_of(f, raw, &cells[i]))
			return "54000";
		if (c->seal != SEAL_NONE) {
			if (!sealed_of(f, c, &cells[i]))
				return "54000";
		} else if (cells[i].len > 0 &&
			   memchr(cells[i].p, '\0', cells[i].len) != NULL) {
			return "22021";
		}
	}
	return NULL;
}

static void
row_add(struct batch *b, const struct span *cells, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (cells[i].p != NULL) {
			array_add(&b->values[i], cells[i]);
		} else {
			array_add_null(&b->values[i]);
			b->nulls[i]++;
		}
		ASSERT(!b->values[i].failed); /* batches are smaller */
	}
	b->sent++;
}

/* False: there the entry is no JSON any more. */
static bool
row_take(struct forward *f, struct batch *b, struct chunk *c)
{
	struct span cells[COLUMNS_MAX];
	const size_t n = b->value_count;
	struct batch_row *row = batch_add_row(b, c);
	const char *start, *state = "42703";
	char why[128] = "";
	bool fits;

	for (size_t i = 0; i < n; i++)
		cells[i] = SPAN("");
	(void)scan_peek(&c->scan); /* steps over blanks */
	start = c->scan.p;
	fits = row_scan(f, &c->scan, cells, why, sizeof(why));
	if (c->scan.err != ERR_OK) {
		b->count--;
		return false;
	}
	row->at = b->text.len;
	row->len = (size_t)(c->scan.p - start);
	buf_add(&b->text, start, row->len);
	if (fits &&
	    row->len > ROW_MAX_BYTES) /* by hand; see http/body_rows.c */
		state = "54000";
	else if (fits)
		state = row_decode(f, cells, n);
	if (state == NULL) {
		row_add(b, cells, n);
		days_note(f, b, cells);
		return true;
	}
	row->is_refused = true;
	if (fits)
		(void)snprintf(why, sizeof(why), "%s",
		    strcmp(state, "22021") == 0
			? "a text has the character \\u0000"
			: "the row is too large");
	batch_refuse(b, b->count - 1, state, why);
	return true;
}

/* ---- building --------------------------------------------------------- */

/* An entry that is no list of rows goes to the quarantine as text. */
static void
chunk_damaged(struct batch *b, struct chunk *c)
{
	struct batch_row *row = batch_add_row(b, c);

	row->at = b->text.len;
	buf_add_json(&b->text, (struct span){c->data, c->len});
	row->len = b->text.len - row->at;
	row->is_refused = true;
	batch_refuse(b, b->count - 1, "XX001",
	    "this entry of the spool is damaged; its bytes as text");
	c->taken = c->n;
}

static void
batch_set_end(struct batch *b, const struct chunk *c)
{
	b->end = (struct place){c->ms, c->seq, c->taken};
	b->is_whole = c->taken >= c->n;
	b->rows_out = c->rows - c->n + c->taken;
	b->bytes_out = b->is_whole ? c->bytes : c->bytes - c->len;
}

/* A row that is in its table already. */
static void
row_pass(struct forward *f, struct chunk *c)
{
	struct batch_row row = {.ms = c->ms, .seq = c->seq, .index = c->taken};
	struct span text;

	if (scan_skip(&c->scan, &text))
		recover_row(f, &row, text);
}

/* One row of an entry. False at its end. */
static bool
chunk_step(struct forward *f, struct batch *b, struct chunk *c)
{
	struct place place = {c->ms, c->seq, c->taken + 1};

	if (c->taken >= c->n)
		return false;
	if (!scan_item(&c->scan)) {
		/* Fewer than it said, or no list at all. */
		if (place_compare(&place, &f->built) > 0) {
			chunk_damaged(b, c);
			batch_set_end(b, c);
		}
		c->taken = c->n;
		recover_place(f, c);
		return false;
	}
	if (place_compare(&place, &f->built) <= 0) {
		row_pass(f, c);
		c->taken++;
		recover_place(f, c);
		return true;
	}
	if (!row_take(f, b, c)) {
		chunk_damaged(b, c);
		batch_set_end(b, c);
		return false;
	}
	c->taken++;
	batch_set_end(b, c);
	return true;
}

bool
batch_build(struct forward *f)
{
	size_t room = BUILD_ROWS;

	if (f->next == NULL)
		f->next = batch_new(f);
	while (!list_is_empty(&f->chunks) && !batch_is_full(f, f->next)) {
		struct chunk *c =
		    CONTAINER_OF(f->chunks.next, struct chunk, link);

		if (room == 0)
			return true;
		if (chunk_step(f, f->next, c)) {
			room--;
			continue;
		}
		list_del(&c->link);
		f->chunk_rows -= c->n;
		f->chunk_bytes -= c->len;
		chunk_free(c);
		arena_reset(f->arena);
	}
	arena_reset(f->arena);
	return false;
}

/* ---- sending ---------------------------------------------------------- */

static void
add_refused(const struct batch *b, struct buf *out)
{
	char id[BAD_ID_LEN];

	buf_add_char(out, '[');
	for (size_t i = 0; i < b->refused_count; i++) {
		const struct refused *r = &b->refused[i];
		const struct batch_row *row = &b->rows[r->row];

		bad_id_print(id, row->ms, row->seq, row->index);
		buf_addf(
		    out, "%s[\"%s\",\"%s\",", i > 0 ? "," : "", id, r->state);
		buf_add_json(out, span_of(r->message));
		buf_add_char(out, ']');
	}
	buf_add_char(out, ']');
	buf_add_char(out, '\0');
}

static void
add_ids(struct batch *b)
{
	char id[BAD_ID_LEN];

	buf_reset(&b->ids, VALUES_MAX);
	array_begin(&b->ids);
	for (size_t i = 0; i < b->count; i++) {
		const struct batch_row *row = &b->rows[i];

		if (row->is_refused)
			continue;
		bad_id_print(id, row->ms, row->seq, row->index);
		array_add(&b->ids, span_of(id));
	}
}

/* scratch gets the texts one after the other; it may move while it grows, so
 * their places are noted first. */
size_t
batch_params(struct forward *f, struct batch *b, struct pg_param *params,
    struct buf *scratch)
{
	size_t n = PARAM_VALUES, new_at, old_at, refused_at;

	new_at = scratch->len;
	place_print(&b->end, scratch);
	buf_add_char(scratch, '\0');
	old_at = scratch->len;
	place_print(&b->old, scratch);
	buf_add_char(scratch, '\0');
	refused_at = scratch->len;
	add_refused(b, scratch);
	ASSERT(!scratch->failed);
	params[PARAM_SPOOL] =
	    (struct pg_param){.value = beat_generation(f->ch->store)};
	params[PARAM_CHANNEL] = (struct pg_param){.value = f->ch->conf->name};
	params[PARAM_NEW] = (struct pg_param){.value = scratch->data + new_at};
	params[PARAM_REFUSED] =
	    (struct pg_param){.value = scratch->data + refused_at};
	params[PARAM_OLD] = (struct pg_param){.value = scratch->data + old_at};
	if (b->is_slow) {
		add_ids(b);
		params[n++] = array_end(&b->ids, b->sent);
	}
	for (size_t i = 0; i < b->value_count; i++)
		params[n++] = array_end(&b->values[i], b->sent);
	return n;
}

size_t
batch_find(const struct batch *b, struct span id, size_t from)
{
	uint64_t ms, seq, index;

	if (!bad_id_parse(id, &ms, &seq, &index))
		return b->count;
	for (size_t n = 0; n < b->count; n++) {
		size_t i = (from + n) % b->count;
		const struct batch_row *row = &b->rows[i];

		if (row->ms == ms && row->seq == seq && row->index == index)
			return i;
	}
	return b->count;
}
