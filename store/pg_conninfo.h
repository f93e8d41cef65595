#ifndef SCHEDD_STORE_PG_CONNINFO_H
#define SCHEDD_STORE_PG_CONNINFO_H

/*
 * Where a database is: libpq's words of the settings, with ours added and
 * each host by its address, so that libpq never asks for a name itself.
 */

#include <libpq-fe.h>

#include "core/buf.h"
#include "core/conf.h"

enum { PG_HOSTS_MAX = 16, PG_WORDS_MAX = 64 };

struct pg_conninfo {
	PQconninfoOption *options;
	struct {
		char name[256];
		char port[8];
		bool is_named; /* must be looked up */
		char addrs[8][64];
		size_t addr_count;
	} hosts[PG_HOSTS_MAX];
	size_t host_count; /* 0: the local socket */
	/* for PQconnectStartParams */
	const char *words[PG_WORDS_MAX], *values[PG_WORDS_MAX];
	struct buf host, hostaddr, port;
};

/* CONF_VALUE with a line in why. */
enum err pg_conninfo_parse(struct pg_conninfo *out,
    const struct conf_postgres *conf, struct buf *why) MUST_CHECK;
void pg_conninfo_clear(struct pg_conninfo *info);
/* Fills words and values; password NULL = none. Valid until cleared. */
void pg_conninfo_words(struct pg_conninfo *info, const char *password);

#endif
