/*
 * What settings say together: values that are each valid and do not fit one
 * another.
 */

#include <stdlib.h>
#include <string.h>

#include "core/column.h"
#include "core/conf_priv.h"
#include "core/mem.h"

/* "schedd.conf:12: [channel "a"] key: expected ...": the setting, or where its
 * section begins to be. */
static enum err
section_fail(const struct conf *c, size_t row, const char *name,
    struct buf *why, const char *expected)
{
	const struct conf_source *s = conf_source_of(c, row, name);
	enum conf_owner kind = conf_spec(row)->owner;
	size_t count;
	const struct conf_row *rows = conf_rows(&count);

	for (size_t i = 0; i < c->source_count && s == NULL; i++) {
		if (conf_spec(c->sources[i].row)->owner == kind &&
		    strcmp(c->sources[i].name, name) == 0)
			s = &c->sources[i];
	}
	buf_addf(why, "%s: [%s \"%s\"] %s: expected %s",
	    s != NULL ? s->where : "default", rows[row].section, name,
	    rows[row].key, expected);
	return ERR_CONF_VALUE;
}

/* ---- channels ---------------------------------------------------------- */

static bool
key_is_of_columns(const struct conf_channel *channel)
{
	struct columns *columns = xcalloc(1, sizeof(*columns));
	struct span rest = span_of(channel->key), name;
	char why[160];
	bool ok = channel->columns[0] == '\0' ||
		  columns_parse(columns, channel->columns, why, sizeof(why));

	while (
	    channel->columns[0] != '\0' && ok && column_list_next(&rest, &name))
		ok = columns_find(columns, name) != NULL;
	free(columns);
	return ok;
}

/* Rows of a history are made in the step that ends the task, so they are where
 * the channels are. */
static bool
queues_are_on_main(const struct conf *c)
{
	bool are = strcmp(c->queue_backend, "main") == 0;

	for (size_t i = 0; i < c->queue_count; i++)
		are = are && strcmp(c->queues[i].backend, "main") == 0;
	return are;
}

/* Of a history the table is ours, and so are its columns; there is one. */
static enum err
history_check(
    const struct conf *c, const struct conf_channel *channel, struct buf *why)
{
	if (strcmp(channel->table, CONF_HISTORY_TABLE) != 0)
		return section_fail(c, CONF_ROW_channel_table, channel->name,
		    why,
		    "nothing: a history has the table " CONF_HISTORY_TABLE);
	if (channel->columns[0] != '\0')
		return section_fail(c, CONF_ROW_channel_columns, channel->name,
		    why, "nothing: a history has columns of its own");
	if (channel->key[0] != '\0')
		return section_fail(c, CONF_ROW_channel_key, channel->name, why,
		    "nothing: a history keeps all rows");
	if (!queues_are_on_main(c))
		return section_fail(c, CONF_ROW_channel_kind, channel->name,
		    why,
		    "rows, as queues have another backend than main: a "
		    "history would miss their tasks");
	for (size_t i = 0; i < c->channel_count; i++) {
		if (&c->channels[i] != channel &&
		    c->channels[i].kind == CHANNEL_OF_HISTORY)
			return section_fail(c, CONF_ROW_channel_kind,
			    channel->name, why,
			    "rows, as another channel is the history");
	}
	return ERR_OK;
}

static enum err
channel_check(
    const struct conf *c, const struct conf_channel *channel, struct buf *why)
{
	const char *expected;
	size_t row;

	if (channel->table[0] == '\0')
		return section_fail(c, CONF_ROW_channel_table, channel->name,
		    why, "schema.table: a channel needs one");
	if (conf_find(c, CONF_OWNER_conf_postgres, channel->database) == NULL)
		return section_fail(c, CONF_ROW_channel_database, channel->name,
		    why, "the name of a section [postgres \"...\"]");
	if (channel->kind == CHANNEL_OF_HISTORY)
		return history_check(c, channel, why);
	if (!key_is_of_columns(channel))
		return section_fail(c, CONF_ROW_channel_key, channel->name, why,
		    "names that stand in columns");
	if (channel->on_conflict == CONFLICT_UPDATE && channel->key[0] == '\0')
		return section_fail(c, CONF_ROW_channel_key, channel->name, why,
		    "names of columns, as on_conflict = update needs them");
	expected = conf_check_crypt(c, channel, &row);
	return expected == NULL
		   ? ERR_OK
		   : section_fail(c, row, channel->name, why, expected);
}

static enum err
queue_check(const struct conf *c, const char *name, const char *backend,
    struct buf *why)
{
	const struct conf_source *s =
	    conf_source_of(c, CONF_ROW_queue_backend, name);

	if (conf_find(c, CONF_OWNER_conf_redis, backend) != NULL)
		return ERR_OK;
	if (s == NULL)
		s = conf_source_of(c, CONF_ROW_queue_backend, "");
	buf_addf(why, "%s: [queue", s != NULL ? s->where : "default");
	if (s != NULL && s->name[0] != '\0')
		buf_addf(why, " \"%s\"", s->name);
	buf_addf(why,
	    "] backend: expected the name of a section [redis \"...\"], got "
	    "\"%s\"",
	    backend);
	return ERR_CONF_VALUE;
}

/* Two backends in one place would be one, and neither would know. */
static enum err
redis_check(
    const struct conf *c, const struct conf_redis *redis, struct buf *why)
{
	const struct conf_source *s =
	    conf_source_of(c, CONF_ROW_redis_url, redis->name);

	for (const struct conf_redis *r = c->redis; r < redis; r++) {
		if (redis->url[0] == '\0' || strcmp(r->url, redis->url) != 0 ||
		    r->database != redis->database ||
		    strcmp(r->prefix, redis->prefix) != 0)
			continue;
		buf_addf(why,
		    "%s: [redis \"%s\"] url: expected another Redis, database "
		    "or prefix than those of [redis \"%s\"]",
		    s != NULL ? s->where : "default", redis->name, r->name);
		return ERR_CONF_VALUE;
	}
	return ERR_OK;
}

static enum err
backends_check(const struct conf *c, struct buf *why)
{
	enum err err = queue_check(c, "", c->queue_backend, why);

	for (size_t i = 0; i < c->queue_count && err == ERR_OK; i++)
		err = queue_check(
		    c, c->queues[i].name, c->queues[i].backend, why);
	for (size_t i = 1; i < c->redis_count && err == ERR_OK; i++)
		err = redis_check(c, &c->redis[i], why);
	return err;
}

/* ---- relays ------------------------------------------------------------ */

/* http://host:port, https://host, and nothing behind it. */
static bool
is_base_url(const char *url)
{
	static const char *const heads[] = {"http://", "https://"};

	for (size_t i = 0; i < COUNT_OF(heads); i++) {
		size_t len = strlen(heads[i]);

		if (strncmp(url, heads[i], len) == 0)
			return url[len] != '\0' &&
			       url[len + strcspn(url + len, "/@?# ")] == '\0';
	}
	return false;
}

/* Does nobody on the way read the token? */
static bool
is_private_url(const char *url)
{
	static const char *const heads[] = {
	    "https://", "http://127.", "http://localhost:", "http://[::1]:"};

	for (size_t i = 0; i < COUNT_OF(heads); i++)
		if (strncmp(url, heads[i], strlen(heads[i])) == 0)
			return true;
	return false;
}

static enum err
relay_check(
    const struct conf *c, const struct conf_relay *relay, struct buf *why)
{
	if (relay->from[0] == '\0')
		return section_fail(c, CONF_ROW_relay_from, relay->name, why,
		    "the name of a queue: a relay needs one");
	if (relay->url[0] != '\0' && !is_base_url(relay->url))
		return section_fail(c, CONF_ROW_relay_url, relay->name, why,
		    "http://host:port or https://host:port, and nothing "
		    "behind it");
	if (relay->token_file[0] != '\0' && !is_private_url(relay->url))
		return section_fail(c, CONF_ROW_relay_url, relay->name, why,
		    "https://host:port, or an address of this machine: the "
		    "token would go over the network in the clear");
	if (relay->url[0] == '\0' &&
	    (relay->to[0] == '\0' || strcmp(relay->to, relay->from) == 0))
		return section_fail(c, CONF_ROW_relay_to, relay->name, why,
		    "another queue than that of from, or an url");
	for (const struct conf_relay *r = c->relays; r < relay; r++)
		if (strcmp(r->from, relay->from) == 0)
			return section_fail(c, CONF_ROW_relay_from, relay->name,
			    why, "a queue that no other relay hands on");
	return ERR_OK;
}

enum err
conf_check(const struct conf *c, struct buf *why)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < c->channel_count && err == ERR_OK; i++)
		err = channel_check(c, &c->channels[i], why);
	if (err == ERR_OK)
		err = backends_check(c, why);
	for (size_t i = 0; i < c->relay_count && err == ERR_OK; i++)
		err = relay_check(c, &c->relays[i], why);
	return err;
}
