/* The bodies of POST /v1/encrypt and /v1/decrypt: values of a channel's
 * encrypted columns. */

#include "http/body.h"

#include <string.h>

#include "core/column.h"
#include "core/keys.h"
#include "store/store.h"

/* ---- what both have --------------------------------------------------- */

static bool
context_read_channel(struct body *b, void *into)
{
	struct crypt_body *c = into;

	return body_text(b, &c->channel) &&
	       (name_is_valid(c->channel) ||
		   body_refuse(
		       b, ERR_CHANNEL_NAME_BAD, "1-64 of A-Za-z0-9._:@-"));
}

/* clang-format off */
static const struct body_field context_fields[] = {
	{"channel", context_read_channel, true},
};
/* clang-format on */

static bool
crypt_read_context(struct body *b, void *into)
{
	return body_object(
	    b, context_fields, COUNT_OF(context_fields), into, NULL);
}

static bool
crypt_read_key(struct body *b, void *into)
{
	struct crypt_body *c = into;

	return body_text(b, &c->key) &&
	       (key_id_is_valid(c->key) ||
		   body_refuse(b, ERR_FIELD_RANGE, "1-32 of A-Za-z0-9._-"));
}

static bool
has_field(const struct crypt_body *c, struct span name)
{
	for (size_t i = 0; i < c->count; i++) {
		if (span_eq(c->fields[i].name, name))
			return true;
	}
	return false;
}

/* One member: the name of a column, and any value. */
static bool
field_read(struct body *b, struct crypt_body *c, struct span key)
{
	struct crypt_field *field;
	struct span name;

	if (c->count == COLUMNS_MAX)
		return body_refuse(
		    b, ERR_TOO_MANY_ITEMS, "at most 200 columns");
	c->fields =
	    body_room(b, c->fields, c->count, &c->room, sizeof(*c->fields));
	if (c->fields == NULL)
		return false;
	if (!scan_unescape(b->arena, key, &name))
		return body_refusef(b, ERR_NO_MEMORY, "a column's name");
	if (!column_name_is_valid(name))
		return body_refuse(
		    b, ERR_FIELD_RANGE, "names of columns: 1-63 bytes");
	if (has_field(c, name))
		return body_refuse(
		    b, ERR_FIELD_DUPLICATE, "each column only once");
	field = &c->fields[c->count++];
	field->name = name;
	return body_raw(b, &field->raw);
}

static bool
crypt_read_fields(struct body *b, void *into)
{
	struct crypt_body *c = into;
	struct span key;

	if (!scan_object(&b->scan))
		return body_refuse_type(b, "an object: values by column");
	while (scan_key(&b->scan, &key)) {
		if (!field_read(b, c, key))
			return false;
	}
	return b->scan.err == ERR_OK &&
	       (c->count > 0 ||
		   body_refuse(b, ERR_FIELD_RANGE, "at least one column"));
}

/* clang-format off */
static const struct body_field encrypt_fields[] = {
	{"fields",  crypt_read_fields,  true},
	{"context", crypt_read_context, true},
	{"key",     crypt_read_key,     false},
};
static const struct body_field decrypt_fields[] = {
	{"fields",  crypt_read_fields,  true},
	{"context", crypt_read_context, true},
};
/* clang-format on */

enum err
body_read_encrypt(struct body *b, struct crypt_body *out)
{
	memset(out, 0, sizeof(*out));
	(void)body_object(
	    b, encrypt_fields, COUNT_OF(encrypt_fields), out, NULL);
	return body_end(b);
}

enum err
body_read_decrypt(struct body *b, struct crypt_body *out)
{
	memset(out, 0, sizeof(*out));
	(void)body_object(
	    b, decrypt_fields, COUNT_OF(decrypt_fields), out, NULL);
	return body_end(b);
}
