/* Where a database is, in libpq's words; see pg_conninfo.h. */

#include "store/pg_conninfo.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/pg_conn.h"

/* Said by us, after those of the settings unless they stand there. */
static const struct {
	const char *word, *value;
	bool always;
} ours[] = {
    {"application_name", "schedd", false},
    {"client_encoding", "UTF8", true},
    {"gssencmode", "disable", false},
    {"keepalives_idle", "30", false},
    {"keepalives_interval", "10", false},
    {"keepalives_count", "3", false},
    {"sslmode", "prefer", false},
    {"target_session_attrs", "read-write", false},
    {"tcp_user_timeout", "20000", false},
};

/* Secrets have a file; the others would have libpq block or look elsewhere. */
static const struct {
	const char *word, *instead;
} refused[] = {
    {"password", "the password in postgres.password_file"},
    {"sslpassword", "a key without a password"},
    {"service", "the words themselves, no service file"},
    {"replication", "a usual connection"},
};

static const char *
option(const struct pg_conninfo *info, const char *word)
{
	for (const PQconninfoOption *o = info->options; o->keyword != NULL;
	     o++) {
		if (strcmp(o->keyword, word) == 0)
			return o->val != NULL && o->val[0] != '\0' ? o->val
								   : NULL;
	}
	return NULL;
}

static bool
is_address(const char *text)
{
	struct in6_addr addr;

	return inet_pton(AF_INET, text, &addr) == 1 ||
	       inet_pton(AF_INET6, text, &addr) == 1;
}

/* The item at index of a comma-separated list; the only one counts for all. */
static void
item_at(const char *list, size_t index, char *out, size_t size)
{
	bool is_alone = strchr(list, ',') == NULL;
	size_t len;

	while (index > 0 && !is_alone && *list != '\0') {
		list += strcspn(list, ",");
		list += *list == ',';
		index--;
	}
	len = strcspn(list, ",");
	if (len >= size)
		len = size - 1;
	memcpy(out, list, len);
	out[len] = '\0';
}

static size_t
item_count(const char *list)
{
	size_t n = 1;

	for (; *list != '\0'; list++)
		n += *list == ',';
	return n;
}

static bool
hosts_read(struct pg_conninfo *info)
{
	const char *host = option(info, "host"), *port = option(info, "port");
	const char *addr = option(info, "hostaddr");
	const char *list = host != NULL ? host : addr;

	if (list == NULL)
		return true;
	info->host_count = item_count(list);
	if (info->host_count > PG_HOSTS_MAX)
		return false;
	for (size_t i = 0; i < info->host_count; i++) {
		char *name = info->hosts[i].name, *found;

		item_at(host != NULL ? host : "", i, name,
		    sizeof(info->hosts[i].name));
		item_at(port != NULL ? port : "", i, info->hosts[i].port,
		    sizeof(info->hosts[i].port));
		found = info->hosts[i].addrs[0];
		item_at(addr != NULL ? addr : "", i, found,
		    sizeof(info->hosts[i].addrs[0]));
		if (found[0] == '\0' && is_address(name))
			memcpy(found, name, strlen(name) + 1);
		info->hosts[i].addr_count = found[0] != '\0';
		info->hosts[i].is_named = found[0] == '\0' && name[0] != '/' &&
					  name[0] != '@' && name[0] != '\0';
	}
	return true;
}

static enum err
conninfo_refuse(const struct pg_conninfo *info, struct buf *why)
{
	for (size_t i = 0; i < COUNT_OF(refused); i++) {
		if (option(info, refused[i].word) == NULL)
			continue;
		buf_addf(why, "expected %s, got %s", refused[i].instead,
		    refused[i].word);
		return ERR_CONF_VALUE;
	}
	return ERR_OK;
}

enum err
pg_conninfo_parse(
    struct pg_conninfo *out, const struct conf_postgres *conf, struct buf *why)
{
	char *error = NULL;
	enum err err;

	memset(out, 0, sizeof(*out));
	buf_init(&out->host, 64 * 1024);
	buf_init(&out->hostaddr, 64 * 1024);
	buf_init(&out->port, 64 * 1024);
	out->options = PQconninfoParse(conf->conninfo, &error);
	if (out->options == NULL) {
		buf_addf(why, "expected libpq's words: %.*s",
		    error != NULL ? (int)strcspn(error, "\n") : 0,
		    error != NULL ? error : "");
		PQfreemem(error);
		return ERR_CONF_VALUE;
	}
	err = conninfo_refuse(out, why);
	if (err == ERR_OK && !hosts_read(out)) {
		buf_addf(why, "expected at most %d hosts", (int)PG_HOSTS_MAX);
		err = ERR_CONF_VALUE;
	}
	if (err != ERR_OK)
		pg_conninfo_clear(out);
	return err;
}

void
pg_conninfo_clear(struct pg_conninfo *info)
{
	if (info->options != NULL)
		PQconninfoFree(info->options);
	info->options = NULL;
	buf_clear(&info->host);
	buf_clear(&info->hostaddr);
	buf_clear(&info->port);
}

/* ---- for connecting --------------------------------------------------- */

/* Each host once for each of its addresses, with commas between. */
static void
hosts_print(struct pg_conninfo *info)
{
	size_t n = 0;

	buf_reset(&info->host, 64 * 1024);
	buf_reset(&info->hostaddr, 64 * 1024);
	buf_reset(&info->port, 64 * 1024);
	for (size_t i = 0; i < info->host_count; i++) {
		size_t count = info->hosts[i].addr_count;

		for (size_t k = 0; k < (count > 0 ? count : 1); k++, n++) {
			const char *comma = n > 0 ? "," : "";

			buf_addf(
			    &info->host, "%s%s", comma, info->hosts[i].name);
			buf_addf(&info->hostaddr, "%s%s", comma,
			    count > 0 ? info->hosts[i].addrs[k] : "");
			buf_addf(
			    &info->port, "%s%s", comma, info->hosts[i].port);
		}
	}
	buf_add_char(&info->host, '\0');
	buf_add_char(&info->hostaddr, '\0');
	buf_add_char(&info->port, '\0');
}

static size_t
word_add(
    struct pg_conninfo *info, size_t n, const char *word, const char *value)
{
	ASSERT(n + 1 < PG_WORDS_MAX);
	info->words[n] = word;
	info->values[n] = value;
	info->words[n + 1] = info->values[n + 1] = NULL;
	return n + 1;
}

static bool
is_of_hosts(const char *word)
{
	return strcmp(word, "host") == 0 || strcmp(word, "hostaddr") == 0 ||
	       strcmp(word, "port") == 0;
}

void
pg_conninfo_words(struct pg_conninfo *info, const char *password)
{
	size_t n = 0;

	hosts_print(info);
	for (const PQconninfoOption *o = info->options; o->keyword != NULL;
	     o++) {
		bool is_ours = info->host_count > 0 && is_of_hosts(o->keyword);

		if (o->val != NULL && o->val[0] != '\0' && !is_ours &&
		    strcmp(o->keyword, "client_encoding") != 0)
			n = word_add(info, n, o->keyword, o->val);
	}
	if (info->host_count > 0) {
		n = word_add(info, n, "host", info->host.data);
		n = word_add(info, n, "hostaddr", info->hostaddr.data);
		n = word_add(info, n, "port", info->port.data);
	}
	for (size_t i = 0; i < COUNT_OF(ours); i++) {
		if (ours[i].always || option(info, ours[i].word) == NULL)
			n = word_add(info, n, ours[i].word, ours[i].value);
	}
	if (option(info, "dbname") == NULL)
		n = word_add(info, n, "dbname", "schedd");
	if (password != NULL)
		(void)word_add(info, n, "password", password);
}

/* ---- checking settings ------------------------------------------------ */

enum err
pg_check_conf(const struct conf *conf, struct buf *why)
{
	for (size_t i = 0; i < conf->postgres_count; i++) {
		const struct conf_postgres *p = &conf->postgres[i];
		struct pg_conninfo info;
		enum err err;

		buf_addf(why, "%s: [postgres \"%s\"] conninfo: ",
		    conf_where(conf, "postgres", p->name, "conninfo"), p->name);
		err = pg_conninfo_parse(&info, p, why);
		if (err != ERR_OK)
			return err;
		pg_conninfo_clear(&info);
		buf_reset(why, why->cap);
	}
	return ERR_OK;
}
