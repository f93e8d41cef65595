/* What settings say together about encrypted columns. */

#include <stdlib.h>
#include <string.h>

#include "core/column.h"
#include "core/conf_priv.h"

static bool
list_has(const char *list, struct span name)
{
	struct span rest = span_of(list), item;

	while (column_list_next(&rest, &item)) {
		if (span_eq(item, name))
			return true;
	}
	return false;
}

static bool
lists_overlap(const char *a, const char *b)
{
	struct span rest = span_of(a), name;

	while (column_list_next(&rest, &name)) {
		if (list_has(b, name))
			return true;
	}
	return false;
}

/* Columns that the settings name not are looked at in the database. */
static bool
can_hold(const struct conf_channel *channel, const char *list)
{
	struct columns *columns = xcalloc(1, sizeof(*columns));
	struct span rest = span_of(list), name;
	enum seal_form form;
	char why[160];
	bool ok = channel->columns[0] == '\0' ||
		  columns_parse(columns, channel->columns, why, sizeof(why));

	while (channel->columns[0] != '\0' && ok &&
	       column_list_next(&rest, &name)) {
		const struct column *c = columns_find(columns, name);

		ok = c != NULL && column_type_seals(c->type, &form);
	}
	free(columns);
	return ok;
}

const char *
conf_check_crypt(
    const struct conf *c, const struct conf_channel *channel, size_t *row)
{
	const char *sealed = channel->encrypt;
	const char *deterministic = channel->encrypt_deterministic;

	*row = CONF_ROW_channel_encrypt;
	if (!can_hold(channel, sealed))
		return "names that stand in columns, of type text or bytea";
	if (lists_overlap(sealed, channel->key))
		return "no column of the key, as two rows are never the same "
		       "then; encrypt_deterministic may have it";
	if (sealed[0] != '\0' && c->crypt_key_file[0] == '\0')
		return "[crypt] key_file to be set, too: there are no keys";
	*row = CONF_ROW_channel_encrypt_deterministic;
	if (!can_hold(channel, deterministic))
		return "names that stand in columns, of type text or bytea";
	if (lists_overlap(sealed, deterministic))
		return "no column that encrypt has, too";
	if (deterministic[0] != '\0' && c->crypt_key_file[0] == '\0')
		return "[crypt] key_file to be set, too: there are no keys";
	return NULL;
}
