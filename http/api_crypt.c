/* POST /v1/encrypt and /v1/decrypt: values of encrypted columns, as a channel
 * makes them of rows. */

#include "http/api.h"

#include <stdio.h>

#include "core/keys.h"
#include "http/audit.h"
#include "http/auth.h"

enum { WHAT_MAX = 32 * 1024, VALUES_MAX = 1000 };

/* Names a field in an error. */
static void
refuse(struct body *b, enum err err, struct span field, const char *expected)
{
	(void)body_refusef(b, err, "field 'fields.%.*s': expected %s",
	    SPAN_ARG(field), expected);
}

/* ---- encrypting ------------------------------------------------------- */

struct encrypt {
	struct channel *channel;
	const struct columns *columns;
	const struct seal_key *key; /* NULL = that of each kind */
};

static void
value_add(struct buf *out, const struct encrypt *e, const struct column *c,
    struct span text)
{
	const struct seal_place place = {
	    store_channel_name(e->channel), span_of(c->name)};
	const struct seal_key *key =
	    e->key != NULL ? e->key : keys_for(c->seal);
	enum seal_form form;
	size_t size;

	(void)column_type_seals(c->type, &form);
	size = seal_size(key, c->seal, form, text.len);
	buf_add_str(out, form == SEAL_HEX ? "\"\\" : "\"");
	if (!buf_reserve(out, size))
		return;
	seal_write(out->data + out->len, key, c->seal, form, &place, text);
	out->len += size;
	buf_add_char(out, '"');
	keys_tally(KEYS_ENCRYPTED, 1);
}

static bool
field_encrypt(struct buf *out, struct body *b, const struct encrypt *e,
    const struct crypt_field *field)
{
	const struct column *c = columns_find(e->columns, field->name);
	const struct seal_place place = {
	    store_channel_name(e->channel), field->name};
	struct span text;

	if (c == NULL || c->seal == SEAL_NONE) {
		refuse(b, ERR_NOT_ENCRYPTED, field->name,
		    "a column of the channel's encrypt or "
		    "encrypt_deterministic");
		return false;
	}
	b->field = c->name;
	if (!body_seal_text(b, &place, field->raw, &text))
		return false;
	buf_add_json(out, field->name);
	buf_add_char(out, ':');
	if (text.len > 0)
		value_add(out, e, c, text);
	else
		buf_add_span(out, field->raw);
	return true;
}

/* ERR_OK and what is needed, of a channel that the caller may bring rows to. */
static enum err
encrypt_begin(struct req *req, const struct crypt_body *body, struct encrypt *e)
{
	if (auth_sees_channel(req_caller(req), body->channel))
		e->channel = store_channel_find(req_store(req), body->channel);
	if (e->channel == NULL)
		return ERR_CHANNEL_UNKNOWN;
	e->columns = store_channel_columns(e->channel);
	if (e->columns == NULL)
		return ERR_COLUMNS_UNKNOWN;
	if (body->key.len == 0)
		return ERR_OK;
	e->key = keys_find(body->key);
	return e->key != NULL ? ERR_OK : ERR_KEY_UNKNOWN;
}

void
api_encrypt(struct req *req)
{
	struct buf *out = req_out(req);
	struct encrypt e = {NULL, NULL, NULL};
	struct crypt_body body;
	struct body b;
	enum err err;

	api_body(req, &b);
	if (body_read_encrypt(&b, &body) != ERR_OK) {
		api_refuse(req, &b);
		return;
	}
	err = encrypt_begin(req, &body, &e);
	if (err != ERR_OK) {
		req_fail(req, err);
		return;
	}
	buf_add_str(out, "{\"fields\":{");
	for (size_t i = 0; i < body.count; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		if (!field_encrypt(out, &b, &e, &body.fields[i])) {
			api_refuse(req, &b);
			return;
		}
	}
	buf_add_str(out, "}}");
	req_reply(req, 200);
}

/* ---- decrypting ------------------------------------------------------- */

struct decrypt {
	struct buf *out;
	struct body *b;
	struct seal_place place;
	size_t count;
};

/* A string; null and "" are as they are. */
static bool
value_decrypt(struct decrypt *d, struct span raw)
{
	struct span value, text;
	char *scratch;
	enum err err;

	if (++d->count > VALUES_MAX) {
		refuse(d->b, ERR_TOO_MANY_ITEMS, d->place.column,
		    "at most 1000 values in all");
		return false;
	}
	if (raw.p[0] == 'n' || span_is(raw, "\"\"")) {
		buf_add_span(d->out, raw);
		return true;
	}
	if (raw.p[0] != '"') {
		refuse(d->b, ERR_FIELD_TYPE, d->place.column,
		    "an encrypted value, a string, or a list of them");
		return false;
	}
	raw = (struct span){raw.p + 1, raw.len - 2};
	scratch = arena_alloc(d->b->arena, raw.len);
	if (scratch == NULL || !scan_unescape(d->b->arena, raw, &value)) {
		refuse(d->b, ERR_NO_MEMORY, d->place.column, "less");
		return false;
	}
	err = keys_open(value, scratch, &d->place, &text);
	if (err != ERR_OK) {
		keys_tally(KEYS_REFUSED, 1);
		refuse(d->b, err, d->place.column,
		    err == ERR_KEY_UNKNOWN
			? "a value whose key is in the key file"
			: "a value that was encrypted for this channel and "
			  "column");
		return false;
	}
	keys_tally(KEYS_DECRYPTED, 1);
	buf_add_json(d->out, text);
	return true;
}

static bool
list_decrypt(struct decrypt *d, struct span raw)
{
	struct scan s;
	struct span item;
	bool ok = true;

	scan_init(&s, raw);
	(void)scan_array(&s);
	buf_add_char(d->out, '[');
	for (size_t i = 0; ok && scan_item(&s); i++) {
		if (i > 0)
			buf_add_char(d->out, ',');
		ok = scan_skip(&s, &item) && value_decrypt(d, item);
	}
	buf_add_char(d->out, ']');
	return ok;
}

static bool
fields_decrypt(struct decrypt *d, const struct crypt_body *body)
{
	d->place.channel = body->channel;
	buf_add_str(d->out, "{\"fields\":{");
	for (size_t i = 0; i < body->count; i++) {
		const struct crypt_field *f = &body->fields[i];

		d->place.column = f->name;
		if (i > 0)
			buf_add_char(d->out, ',');
		buf_add_json(d->out, f->name);
		buf_add_char(d->out, ':');
		if (f->raw.p[0] == '[' ? !list_decrypt(d, f->raw)
				       : !value_decrypt(d, f->raw))
			return false;
	}
	buf_add_str(d->out, "}}");
	return true;
}

/* The audit trail is told which columns, and how many values, of what. */
static void
decrypt_end(struct req *req, const struct crypt_body *body, size_t count)
{
	struct audit_end end = {"fields.decrypt", 200, ERR_OK, false, NULL};
	struct buf what;

	buf_init(&what, WHAT_MAX);
	api_add_member(&what, "channel", body->channel);
	buf_addf(&what, ",\"values\":%zu,\"columns\":[", count);
	for (size_t i = 0; i < body->count; i++) {
		if (i > 0)
			buf_add_char(&what, ',');
		buf_add_json(&what, body->fields[i].name);
	}
	buf_add_char(&what, ']');
	audit_end(req, &end, buf_span(&what));
	buf_clear(&what);
}

void
api_decrypt(struct req *req)
{
	struct decrypt d = {.out = req_out(req)};
	struct crypt_body body;
	struct body b;

	api_body(req, &b);
	d.b = &b;
	if (body_read_decrypt(&b, &body) != ERR_OK ||
	    !fields_decrypt(&d, &body))
		api_refuse(req, &b);
	else
		decrypt_end(req, &body, d.count);
}
