#ifndef SCHEDD_CORE_CONF_H
#define SCHEDD_CORE_CONF_H

/*
 * Settings: one table (conf.def), read from an INI file and from
 * --section.key=value; where each value came from is remembered. An unknown
 * key or a value out of range stops the start with file, line and what was
 * expected. docs/config.md is held against the table by a test.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/log.h"

/* The policy of a queue: [queue] sets what holds for all, [queue "name"]
 * for one. Every field can also be changed over HTTP; that change is kept in
 * Redis and wins over the file. */
struct queue_policy {
	uint64_t max_tasks;     /* live tasks; default 500000 */
	uint64_t max_payload;   /* bytes; default 64 KiB */
	uint64_t max_attempts;  /* default 3 */
	uint64_t lease_ms;      /* default one day */
	uint64_t retry_base_ms; /* first retry after this; default 10 s */
	uint64_t retry_max_ms;  /* never later than this; default 1 h */
	uint64_t finish_keep;   /* finished tasks remembered; 100000 */
	uint64_t finish_age_ms; /* and for how long; 7 days */
	uint64_t dead_keep;     /* 0 = no limit (default) */
	uint64_t dead_age_ms;   /* 0 = no limit (default) */
};

struct conf_queue {
	char name[NAME_MAX_LEN + 1];
	char backend[NAME_MAX_LEN + 1]; /* of struct conf_redis */
	struct queue_policy policy;     /* [queue] with its own laid over */
};

/* Which requests get a line in the log. */
enum access_log { ACCESS_NO, ACCESS_FAILED, ACCESS_ALL };

/* What must have happened to a change before it is acknowledged. */
enum confirm {
	CONFIRM_AUTO,      /* replicated with Sentinel, else disk */
	CONFIRM_MEMORY,    /* Redis has made it */
	CONFIRM_DISK,      /* and synced it to its disk */
	CONFIRM_REPLICATED /* and so have replicas */
};

/* What to do when there are too few replicas for CONFIRM_REPLICATED. */
enum degrade {
	DEGRADE_NO,  /* refuse changes */
	DEGRADE_DISK /* after degrade_after, go on as CONFIRM_DISK */
};

struct conf_redis {
	char name[NAME_MAX_LEN + 1];
	char *url;           /* "" = a private redis-server of our own;
				tcp://host:port, unix:/path,
				sentinel://host:port,.../master */
	char *user;          /* "" = the default user */
	char *password_file; /* "" = none; first line is the password */
	char *prefix;        /* "sched:" */
	uint64_t database;
	uint64_t deadline_ms;         /* a command's answer; 2000 */
	uint64_t connect_timeout_ms;  /* 2000 */
	uint64_t max_pending;         /* operations under way; 20000 */
	uint64_t max_pending_bytes;   /* their bytes; 64 MiB */
	char *sentinel_user;          /* "" = the sentinels' default user */
	char *sentinel_password_file; /* "" = none */
	enum confirm confirm;
	uint64_t confirm_replicas;   /* of CONFIRM_REPLICATED; 1 */
	uint64_t confirm_timeout_ms; /* how long they may take; 300 */
	enum degrade degrade;
	uint64_t degrade_after_ms; /* 30 s */
};

/* What to do with a row whose key is in the table already. */
enum on_conflict { CONFLICT_IGNORE, CONFLICT_UPDATE };

/* What a channel brings: rows that programs hand over, or what becomes of
 * tasks. */
enum channel_kind { CHANNEL_OF_ROWS, CHANNEL_OF_HISTORY };

/* [channel] sets what holds for all, [channel "name"] is one. */
struct conf_channel {
	char name[NAME_MAX_LEN + 1];
	enum channel_kind kind;
	uint64_t keep_ms; /* of a history; 30 d */
	char *table;      /* "schema.table" or "table" */
	char *columns;    /* "a:text, b:int8"; "" = from the catalogue */
	char *key;        /* "a, b"; "" = none */
	enum on_conflict on_conflict;
	char *encrypt; /* "phone, idcard"; "" = none */
	char *encrypt_deterministic;
	uint64_t batch;                  /* rows of one transaction; 1000 */
	uint64_t max_spool;              /* rows that wait in Redis; 1000000 */
	uint64_t max_spool_bytes;        /* their bytes; 256 MiB */
	uint64_t max_quarantine;         /* 10000 */
	char database[NAME_MAX_LEN + 1]; /* of struct conf_postgres */
};

/* [postgres] sets what holds for all, [postgres "name"] is one; "main" is
 * always there. */
struct conf_postgres {
	char name[NAME_MAX_LEN + 1];
	char *conninfo;              /* as libpq has it, without a password */
	char *password_file;         /* "" = none; first line is the password */
	uint64_t connect_timeout_ms; /* 5 s */
	uint64_t statement_timeout_ms; /* 30 s */
	uint64_t lock_timeout_ms;      /* 500 ms */
};

/* [relay] sets what holds for all, [relay "name"] is one. */
struct conf_relay {
	char name[NAME_MAX_LEN + 1];
	char *from;
	char *to;         /* "" = as from */
	char *url;        /* "" = this schedd */
	char *token_file; /* "" = none; first line is the token */
	char *ca;         /* "" = those of the system */
	uint64_t batch;
};

struct conf {
	char *server_state_dir;
	uint64_t server_drain_ms;

	/* Comma separated: IP:port, [IPv6]:port, localhost:port, tls: and one
	 * of them, unix:/path; at most 16. */
	char *http_listen;
	char *http_tls_cert;
	char *http_tls_key;
	char *http_tls_client_ca;
	char *http_allowed_hosts; /* separated by commas */
	uint64_t http_max_connections;
	uint64_t http_max_body;
	uint64_t http_header_timeout_ms;
	uint64_t http_idle_timeout_ms;
	uint64_t http_write_timeout_ms;
	uint64_t http_min_rate; /* bytes per second, of a body */

	uint64_t worker_timeout_ms;
	uint64_t worker_forget_ms;

	uint64_t janitor_interval_ms;
	uint64_t janitor_slice;

	uint64_t limits_max_waiting;
	uint64_t limits_max_queues;
	uint64_t limits_max_workers;
	uint64_t limits_max_request_ids; /* of each queue */
	uint64_t limits_max_per_address; /* connections */
	uint64_t limits_max_memory;      /* bytes; the whole process */

	char *crypt_key_file;          /* "" = no column is encrypted */
	char *crypt_key;               /* "" = the last one of the file */
	char *crypt_deterministic_key; /* "" = as crypt_key */

	enum log_level log_level;
	int log_levels[LOG_COMPONENT_COUNT]; /* or LOG_LEVEL_COMMON */
	enum access_log log_access;
	uint64_t log_rate; /* lines of an event a client, in a second */
	char *log_file;    /* "" = stderr */
	char *log_files[LOG_COMPONENT_COUNT]; /* "" = log_file */
	char *log_file_error;                 /* "" = no copy */

	int64_t debug_clock_offset_ms;

	struct queue_policy queue_default;    /* [queue] */
	char queue_backend[NAME_MAX_LEN + 1]; /* the same */
	struct conf_queue *queues;            /* [queue "name"], by name */
	size_t queue_count;
	struct conf_channel *channels; /* [channel "name"], by name */
	size_t channel_count;
	struct conf_postgres *postgres; /* [postgres "name"], by name */
	size_t postgres_count;
	struct conf_relay *relays; /* [relay "name"], by name */
	size_t relay_count;
	struct conf_redis *redis; /* [redis "name"]; [0] is "main", always */
	size_t redis_count;

	struct conf_source *sources; /* where each value came from; conf.c */
	size_t source_count;
};

/*
 * Reads defaults, then the file (NULL: none), then args: the words of argv
 * that start with "--" and hold a '.', such as --http.listen=:0. On failure
 * *out is NULL and why holds one line for people: file:line (or the
 * argument), the key, what was expected. The caller frees with conf_free.
 */
enum err conf_load(struct conf **out, const char *file, char *const *args,
    size_t arg_count, struct buf *why) MUST_CHECK;
void conf_free(struct conf *c);

/*
 * Reload: reads anew the same way and, when all is well and only settings
 * differ that may change while running, swaps the contents of *c. Otherwise
 * *c stays as it is, wholly, and why says what stood against it.
 */
enum err conf_reload(struct conf *c, const char *file, char *const *args,
    size_t arg_count, struct buf *why) MUST_CHECK;

/* One setting as it is: of which row, of which name ("" for none), its value
 * as text, and where that came from ("default", "schedd.conf:12"). */
struct conf_item {
	size_t row;
	const char *name;
	struct span value;
	const char *where;
};
typedef void conf_item_fn(const struct conf_item *item, void *arg);
/* All of them, in the order of the table. */
void conf_each(const struct conf *c, conf_item_fn *fn, void *arg);
/* "section.name.key" */
void conf_add_name(struct buf *out, const struct conf_item *item);
/* The whole effective table, one "section.key = value  # source" per line. */
void conf_print(const struct conf *c, struct buf *out);
/* The policy for a queue of that name: its own section or [queue]. */
const struct queue_policy *conf_queue_policy(
    const struct conf *c, struct span queue);
/* The backend that the settings give it. */
const char *conf_queue_backend(const struct conf *c, struct span queue);
/* Does the field at that offset of it stand in the settings, for the queue of
 * that name or for all? Else it has its default. */
bool conf_policy_is_set(const struct conf *c, const char *queue, size_t offset);

/* Where that setting of a named section came from: "schedd.conf:12", or
 * "default". */
const char *conf_where(const struct conf *c, const char *section,
    const char *name, const char *key);

/* The table itself, for docs lint and for later man pages. */
struct conf_row {
	const char *section; /* "http", "queue", "redis" */
	const char *key;     /* "listen" */
	const char *type;    /* "number", "time", "size", "text", "bool", ... */
	const char *fallback; /* the default, as text */
	const char *help;
	bool reloadable;
};
const struct conf_row *conf_rows(size_t *count);

#endif
