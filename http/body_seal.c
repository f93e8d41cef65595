/* Encrypted columns: their values leave a row here, before anything is stored
 * or told of it. */

#include "http/body.h"

#include <string.h>

#include "core/keys.h"

static struct seal_place
place_of(const struct rows_body *r, const struct column *c)
{
	return (struct seal_place){
	    store_channel_name(r->channel), span_of(c->name)};
}

static bool
has_sealed(const struct columns *columns)
{
	for (size_t i = 0; i < columns->count; i++) {
		if (columns->items[i].seal != SEAL_NONE)
			return true;
	}
	return false;
}

bool
body_seal_begin(struct body *b, struct rows_body *r)
{
	r->spot_count = 0;
	if (r->spots != NULL || r->count > 0 || !has_sealed(r->columns))
		return true;
	r->spots = arena_alloc(b->arena, r->columns->count * sizeof(*r->spots));
	return r->spots != NULL || body_refuse(b, ERR_NO_MEMORY, "less");
}

/* One that was encrypted before, as the quarantine shows it or as
 * POST /v1/encrypt made it. */
static bool
text_open(struct body *b, const struct seal_place *place, struct span *text)
{
	char *scratch = arena_alloc(b->arena, text->len);
	struct sealed sealed;
	enum err err;

	if (scratch == NULL)
		return body_refuse(b, ERR_NO_MEMORY, "less");
	if (!seal_read(*text, scratch, &sealed))
		return true; /* it only begins so */
	err = keys_open(*text, scratch, place, text);
	if (err == ERR_OK)
		return true;
	keys_tally(KEYS_REFUSED, 1);
	return body_refuse(b, err,
	    err == ERR_KEY_UNKNOWN
		? "plain text, or a value whose key is in the key file"
		: "plain text, or a value that was encrypted for this channel "
		  "and column");
}

bool
body_seal_text(struct body *b, const struct seal_place *place, struct span raw,
    struct span *text)
{
	*text = raw;
	if (raw.p[0] == 'n') {
		text->len = 0;
		return true;
	}
	if (raw.p[0] != '"')
		return true;
	raw = (struct span){raw.p + 1, raw.len - 2};
	if (!scan_unescape(b->arena, raw, text))
		return body_refuse(b, ERR_NO_MEMORY, "less");
	return !seal_is_marked(*text) || text_open(b, place, text);
}

bool
body_seal_value(
    struct body *b, struct rows_body *r, const struct column *c, bool is_key)
{
	const struct seal_place place = place_of(r, c);
	struct seal_spot *spot = &r->spots[r->spot_count];

	if (is_key && scan_peek(&b->scan) == SCAN_NULL)
		return body_refuse_type(b, "a value: it is part of the key");
	if (!scan_skip(&b->scan, &spot->raw) ||
	    !body_seal_text(b, &place, spot->raw, &spot->text))
		return false;
	spot->column = c;
	r->spot_count += spot->text.len > 0;
	return true;
}

/* ---- the row anew ----------------------------------------------------- */

/* With its quotes, and the backslash of bytea twice. */
static size_t
value_size(const struct seal_spot *spot, enum seal_form *form)
{
	const struct column *c = spot->column;

	(void)column_type_seals(c->type, form);
	return 2 + (*form == SEAL_HEX) +
	       seal_size(keys_for(c->seal), c->seal, *form, spot->text.len);
}

static size_t
row_size(const struct rows_body *r, size_t len)
{
	enum seal_form form;

	for (size_t i = 0; i < r->spot_count; i++)
		len += value_size(&r->spots[i], &form) - r->spots[i].raw.len;
	return len;
}

static char *
value_write(char *p, const struct rows_body *r, const struct seal_spot *spot)
{
	const struct column *c = spot->column;
	const struct seal_place place = place_of(r, c);
	enum seal_form form;
	char *end = p + value_size(spot, &form) - 1;

	*p++ = '"';
	if (form == SEAL_HEX)
		*p++ = '\\';
	seal_write(p, keys_for(c->seal), c->seal, form, &place, spot->text);
	*end = '"';
	return end + 1;
}

/* What stands between them goes through untouched. */
bool
body_seal_row(struct body *b, struct rows_body *r, struct span *row)
{
	size_t size = row_size(r, row->len);
	char *made = arena_alloc(b->arena, size), *p = made;
	const char *from = row->p, *end = row->p + row->len;

	if (made == NULL)
		return body_refuse(b, ERR_BODY_TOO_LARGE,
		    "fewer rows: encrypted, these are more than a request may "
		    "have");
	for (size_t i = 0; i < r->spot_count; i++) {
		const struct seal_spot *spot = &r->spots[i];
		size_t between = (size_t)(spot->raw.p - from);

		memcpy(p, from, between);
		p = value_write(p + between, r, spot);
		from = spot->raw.p + spot->raw.len;
	}
	memcpy(p, from, (size_t)(end - from));
	ASSERT(p + (end - from) == made + size);
	keys_tally(KEYS_ENCRYPTED, r->spot_count);
	*row = (struct span){made, size};
	return true;
}
