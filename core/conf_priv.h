#ifndef SCHEDD_CORE_CONF_PRIV_H
#define SCHEDD_CORE_CONF_PRIV_H

/*
 * What the files of the settings share: conf_values.c knows the types,
 * conf_read.c turns a file and arguments into sources, conf.c builds struct
 * conf of them. The columns of conf.def: owner and field are where the value
 * lies; least and most bound numbers, times and sizes, as texts of the type.
 */

#include "core/conf.h"

enum conf_type {
	CONF_NUMBER,    /* uint64_t */
	CONF_TIME,      /* uint64_t, milliseconds */
	CONF_OFFSET,    /* int64_t, milliseconds, with sign */
	CONF_SIZE,      /* uint64_t, bytes */
	CONF_ACCESS,    /* enum access_log */
	CONF_LEVEL,     /* enum log_level */
	CONF_OWN_LEVEL, /* int: enum log_level, or LOG_LEVEL_COMMON */
	CONF_CONFIRM,   /* enum confirm */
	CONF_DEGRADE,   /* enum degrade */
	CONF_CONFLICT,  /* enum on_conflict */
	CONF_KIND,      /* enum channel_kind */
	CONF_TEXT,      /* char *, as all below up to CONF_QUEUE */
	CONF_FOLDER,    /* absolute path */
	CONF_LOG_FILE,  /* the same, or empty */
	CONF_LISTEN,    /* addresses */
	CONF_URL,       /* of a Redis */
	CONF_PREFIX,    /* of keys in Redis */
	CONF_TABLE,     /* schema.table */
	CONF_COLUMNS,   /* name:type, ... */
	CONF_NAMES,     /* names of columns */
	CONF_QUEUE,     /* the name of a queue, or empty */
	CONF_NAME,      /* char[NAME_MAX_LEN + 1] */
	CONF_TYPE_COUNT
};

/* Whose field it is; says how its section is named in the file too. */
enum conf_owner {
	CONF_OWNER_conf,          /* [http]: one of a kind */
	CONF_OWNER_conf_queue,    /* [queue] and [queue "name"] */
	CONF_OWNER_conf_channel,  /* [channel] and [channel "name"] */
	CONF_OWNER_conf_postgres, /* [postgres] and [postgres "name"] */
	CONF_OWNER_conf_relay,    /* [relay] and [relay "name"] */
	CONF_OWNER_conf_redis,    /* [redis "name"] */
	CONF_OWNER_COUNT
};

struct conf_spec {
	enum conf_type type;
	enum conf_owner owner;
	size_t offset;
	const char *least, *most;
};

/* What conf_rows() shows and what only we need, by the same index. */
enum conf_row_id {
#define C(                                                                 \
    section, key, type, owner, field, fallback, least, most, reload, help) \
	CONF_ROW_##section##_##key,
#include "core/conf.def"
#undef C
	CONF_ROW_COUNT
};
const struct conf_spec *conf_spec(size_t row);

/* ---- conf.c ----------------------------------------------------------- */

/* ---- conf_check.c ----------------------------------------------------- */

/* What settings say together. */
enum err conf_check(const struct conf *c, struct buf *why) MUST_CHECK;

/* ---- conf_values.c ---------------------------------------------------- */

/* Does the text say a value of that row, within its range? */
bool conf_value_is_valid(size_t row, const char *text);
/* What the row takes, for people: "a time from 1s to 30d". */
void conf_value_expected(size_t row, struct buf *out);
/* Adds a text that is no value of that row, as it may be shown to people:
 * what can be a password in it is left out. */
void conf_value_add_shown(size_t row, const char *text, struct buf *out);
/* Writes a valid text into the row's field of its owner. */
void conf_value_set(size_t row, void *owner, const char *text);
/* The field's value as text that would be read back as the same. */
void conf_value_print(size_t row, const void *owner, struct buf *out);
/* Frees what the field points to. */
void conf_value_clear(size_t row, void *owner);

/* ---- conf_read.c ------------------------------------------------------ */

/* One setting that somebody gave: valid, and known. */
struct conf_source {
	size_t row;
	char *name;  /* of the section, "" for none */
	char *text;  /* the value */
	char *where; /* "schedd.conf:12" or "argument" */
};

struct conf_sources {
	struct conf_source *items; /* each row and name once */
	size_t count, cap;
};

/* Both add to sources; on failure a line is in why. label names the file. */
enum err conf_read_text(struct conf_sources *sources, const char *label,
    struct span text, struct buf *why) MUST_CHECK;
enum err conf_read_args(struct conf_sources *sources, char *const *args,
    size_t arg_count, struct buf *why) MUST_CHECK;
void conf_sources_clear(struct conf_sources *sources);

/* ---- conf_check.c ----------------------------------------------------- */

/* Of settings that are built; on failure a line is in why. */
enum err conf_check(const struct conf *c, struct buf *why) MUST_CHECK;

/* ---- conf_crypt.c ----------------------------------------------------- */

/* What is expected of a setting, and of which one, that does not fit the
 * channel's encrypted columns; NULL when all do. */
const char *conf_check_crypt(const struct conf *c,
    const struct conf_channel *channel, size_t *row) MUST_CHECK;

/* ---- conf.c ----------------------------------------------------------- */

#define CONF_HISTORY_TABLE "schedd.history"

/* Who gave that setting in the section of that name; NULL = nobody did. */
const struct conf_source *conf_source_of(
    const struct conf *c, size_t row, const char *name);
/* The section of that name, of a kind that has names; NULL = none. */
char *conf_find(const struct conf *c, enum conf_owner kind, const char *name);

/* conf_load with the file's text in place of the file. */
enum err conf_load_text(struct conf **out, const char *label, struct span text,
    char *const *args, size_t arg_count, struct buf *why) MUST_CHECK;

#endif
