/* The types of settings: reading, bounds, what to expect, printing. */

#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "core/column.h"
#include "core/conf_priv.h"

enum {
	TEXT_LEN_MAX = 1024,
	ADDRESSES_MAX = 16,   /* as in http/listen.c */
	SOCKET_PATH_MAX = 107 /* sun_path without its NUL */
};

/* A value of any type. */
struct value {
	uint64_t n; /* number, ms, bytes, bool, level, which word */
	bool is_negative;
};

typedef bool parse_fn(const char *text, struct value *out);

/* ---- reading ---------------------------------------------------------- */

static bool
parse_number(const char *text, struct value *out)
{
	return str_to_u64(span_of(text), &out->n);
}

static bool
parse_time(const char *text, struct value *out)
{
	return str_to_ms(span_of(text), &out->n);
}

static bool
parse_offset(const char *text, struct value *out)
{
	out->is_negative = *text == '-';
	return parse_time(text + (*text == '-' || *text == '+'), out);
}

static bool
parse_size(const char *text, struct value *out)
{
	return str_to_bytes(span_of(text), &out->n);
}

static bool
parse_level(const char *text, struct value *out)
{
	enum log_level level;

	if (!log_level_parse(span_of(text), &level))
		return false;
	out->n = level;
	return true;
}

static bool
parse_own_level(const char *text, struct value *out)
{
	return text[0] == '\0' || parse_level(text, out);
}

/* ---- words ------------------------------------------------------------ */

static const char *const ACCESSES[] = {"no", "failed", "all"};
static const char *const CONFIRMS[] = {"auto", "memory", "disk", "replicated"};
static const char *const DEGRADES[] = {"no", "disk"};
static const char *const CONFLICTS[] = {"ignore", "update"};
static const char *const KINDS[] = {"rows", "history"};

static bool
parse_word(
    const char *text, const char *const *words, size_t count, struct value *out)
{
	for (out->n = 0; out->n < count; out->n++) {
		if (strcmp(text, words[out->n]) == 0)
			return true;
	}
	return false;
}

static bool
parse_access(const char *text, struct value *out)
{
	return parse_word(text, ACCESSES, COUNT_OF(ACCESSES), out);
}

static bool
parse_confirm(const char *text, struct value *out)
{
	return parse_word(text, CONFIRMS, COUNT_OF(CONFIRMS), out);
}

static bool
parse_degrade(const char *text, struct value *out)
{
	return parse_word(text, DEGRADES, COUNT_OF(DEGRADES), out);
}

static bool
parse_conflict(const char *text, struct value *out)
{
	return parse_word(text, CONFLICTS, COUNT_OF(CONFLICTS), out);
}

static bool
parse_kind(const char *text, struct value *out)
{
	return parse_word(text, KINDS, COUNT_OF(KINDS), out);
}

/* ---- texts ------------------------------------------------------------ */

static bool
parse_text(const char *text, struct value *out)
{
	size_t len = strlen(text);

	(void)out;
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	}
	return len <= TEXT_LEN_MAX && utf8_is_valid(text, len);
}

static bool
parse_folder(const char *text, struct value *out)
{
	return text[0] == '/' && parse_text(text, out);
}

static bool
parse_log_file(const char *text, struct value *out)
{
	return text[0] == '\0' || parse_folder(text, out);
}

static bool
is_port(struct span s, uint64_t least)
{
	uint64_t port;

	return str_to_u64(s, &port) && port >= least && port <= 65535;
}

static bool
is_host(struct span s)
{
	static const char PLAIN[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

	for (size_t i = 0; i < s.len; i++) {
		if (memchr(PLAIN, s.p[i], sizeof(PLAIN) - 1) == NULL)
			return false;
	}
	return s.len <= 253;
}

static bool
is_ip(int family, struct span s)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr addr; /* the larger of the two */

	if (s.len >= sizeof(text))
		return false;
	memcpy(text, s.p, s.len);
	text[s.len] = '\0';
	return inet_pton(family, text, &addr) == 1;
}

/* In brackets. */
static bool
is_ipv6(struct span s)
{
	return s.len > 2 && s.p[0] == '[' && s.p[s.len - 1] == ']' &&
	       is_ip(AF_INET6, (struct span){s.p + 1, s.len - 2});
}

/* Takes :port off the end; false when there is none. */
static bool
cut_port(struct span *s, uint64_t least)
{
	const char *colon = NULL;
	struct span port;

	for (size_t i = 0; i < s->len; i++) {
		if (s->p[i] == ':')
			colon = s->p + i;
	}
	if (colon == NULL)
		return false;
	port.p = colon + 1;
	port.len = s->len - (size_t)(port.p - s->p);
	s->len = (size_t)(colon - s->p);
	return is_port(port, least);
}

/* host:port or [v6]:port. */
static bool
is_host_port(struct span s)
{
	return cut_port(&s, 1) && s.len > 0 && (is_ipv6(s) || is_host(s));
}

/* What can be bound without asking for a name; port 0 picks one. */
static bool
is_own_address(struct span s)
{
	return cut_port(&s, 0) &&
	       (is_ipv6(s) || is_ip(AF_INET, s) || span_is(s, "localhost"));
}

static bool
has_prefix(struct span s, struct span prefix)
{
	return s.len >= prefix.len && memcmp(s.p, prefix.p, prefix.len) == 0;
}

/* unix:/path, short enough for a socket's address. */
static bool
is_unix(struct span s)
{
	return has_prefix(s, SPAN("unix:/")) && s.len > 6 &&
	       s.len - 5 <= SOCKET_PATH_MAX;
}

static bool
parse_listen(const char *text, struct value *out)
{
	const char *p = text;

	if (!parse_text(text, out))
		return false;
	for (int i = 0; i < ADDRESSES_MAX; i++) {
		struct span item;

		p += strspn(p, " \t");
		item = (struct span){p, strcspn(p, ",")};
		p += item.len;
		while (item.len > 0 && strchr(" \t", item.p[item.len - 1]))
			item.len--;
		if (has_prefix(item, SPAN("tls:")))
			item = (struct span){item.p + 4, item.len - 4};
		else if (is_unix(item))
			item = SPAN("localhost:0");
		if (!is_own_address(item))
			return false;
		if (*p++ == '\0')
			return true;
	}
	return false;
}

/* host:port,host:port/master */
static bool
is_sentinels(const char *text)
{
	for (;;) {
		size_t len = strcspn(text, ",/");

		if (!is_host_port((struct span){text, len}))
			return false;
		text += len;
		if (*text == '/')
			return name_is_valid(span_of(text + 1));
		if (*text++ == '\0')
			return false;
	}
}

static bool
parse_url(const char *text, struct value *out)
{
	struct span s = span_of(text);

	if (!parse_text(text, out))
		return false;
	if (has_prefix(s, SPAN("sentinel://")))
		return is_sentinels(text + strlen("sentinel://"));
	if (has_prefix(s, SPAN("tcp://")))
		return is_host_port((struct span){s.p + 6, s.len - 6});
	return s.len == 0 || is_unix(s);
}

/* No braces: what stands in them decides on which node a key lives. */
static bool
parse_prefix(const char *text, struct value *out)
{
	(void)out;
	return name_is_valid(span_of(text));
}

/* Empty where it may be left out; who needs it looks again. */
static bool
parse_table(const char *text, struct value *out)
{
	struct span schema, table;

	(void)out;
	return text[0] == '\0' || table_name_parse(text, &schema, &table);
}

static bool
parse_columns(const char *text, struct value *out)
{
	struct columns *columns = xcalloc(1, sizeof(*columns));
	char why[160];
	bool ok =
	    text[0] == '\0' || columns_parse(columns, text, why, sizeof(why));

	(void)out;
	free(columns);
	return ok;
}

static bool
parse_names(const char *text, struct value *out)
{
	struct span rest = span_of(text), name;

	(void)out;
	while (column_list_next(&rest, &name)) {
		if (!column_name_is_valid(name))
			return false;
	}
	return strlen(text) <= TEXT_LEN_MAX;
}

static bool
parse_queue(const char *text, struct value *out)
{
	(void)out;
	return text[0] == '\0' || name_is_valid(span_of(text));
}

static bool
parse_name(const char *text, struct value *out)
{
	(void)out;
	return name_is_valid(span_of(text));
}

/* ---- the table of types ----------------------------------------------- */

static const struct {
	parse_fn *parse;
	const char *expected; /* of those without bounds, the whole of it */
	bool has_bounds;
} types[CONF_TYPE_COUNT] = {
    [CONF_NUMBER] = {parse_number, "a whole number", true},
    [CONF_TIME] = {parse_time, "a time", true},
    [CONF_OFFSET] = {parse_offset, "a time with or without a sign, as in -90s",
	false},
    [CONF_SIZE] = {parse_size, "a size", true},
    [CONF_ACCESS] = {parse_access, "no, failed or all", false},
    [CONF_LEVEL] = {parse_level, "error, warn, info or debug", false},
    [CONF_OWN_LEVEL] = {parse_own_level,
	"error, warn, info or debug, or nothing", false},
    [CONF_CONFIRM] = {parse_confirm, "auto, memory, disk or replicated", false},
    [CONF_DEGRADE] = {parse_degrade, "no or disk", false},
    [CONF_CONFLICT] = {parse_conflict, "ignore or update", false},
    [CONF_KIND] = {parse_kind, "rows or history", false},
    [CONF_TEXT] = {parse_text, "text of at most 1024 bytes", false},
    [CONF_FOLDER] = {parse_folder, "a path that begins with /", false},
    [CONF_LOG_FILE] = {parse_log_file, "a path that begins with /, or nothing",
	false},
    [CONF_LISTEN] = {parse_listen,
	"IP:port, [IPv6]:port, localhost:port, the same after tls:, or "
	"unix:/path, at most 16, separated by commas",
	false},
    [CONF_URL] = {parse_url,
	"tcp://host:port, unix:/path or sentinel://host:port,.../master, "
	"without user or password",
	false},
    [CONF_PREFIX] = {parse_prefix, "1 to 64 of A-Za-z0-9._:@-", false},
    [CONF_TABLE] = {parse_table, "schema.table, as they are spelled", false},
    [CONF_COLUMNS] = {parse_columns,
	"name:type, ... with types such as text, int8, float8, numeric, bool, "
	"jsonb, timestamptz, each name once",
	false},
    [CONF_QUEUE] = {parse_queue, "1 to 64 of A-Za-z0-9._:@-", false},
    [CONF_NAMES] = {parse_names, "names of columns with commas between", false},
    [CONF_NAME] = {parse_name, "1 to 64 of A-Za-z0-9._:@-", false},
};

static bool
value_parse(size_t row, const char *text, struct value *out)
{
	const struct conf_spec *spec = conf_spec(row);
	struct value least = {0}, most = {UINT64_MAX, false};

	*out = (struct value){0};
	if (!types[spec->type].parse(text, out))
		return false;
	if (spec->least[0] != '\0')
		ASSERT(types[spec->type].parse(spec->least, &least));
	if (spec->most[0] != '\0')
		ASSERT(types[spec->type].parse(spec->most, &most));
	return out->n >= least.n && out->n <= most.n;
}

bool
conf_value_is_valid(size_t row, const char *text)
{
	struct value v;

	return value_parse(row, text, &v);
}

void
conf_value_expected(size_t row, struct buf *out)
{
	const struct conf_spec *spec = conf_spec(row);

	buf_add_str(out, types[spec->type].expected);
	if (types[spec->type].has_bounds)
		buf_addf(out, " from %s to %s", spec->least, spec->most);
}

/* Of a URL its scheme, and what is behind the last @ before a ?: user and
 * password stand before the one, or behind the other. */
void
conf_value_add_shown(size_t row, const char *text, struct buf *out)
{
	size_t scheme = strspn(text, "abcdefghijklmnopqrstuvwxyz");
	bool has_scheme = strncmp(text + scheme, "://", 3) == 0;
	const char *from = text + (has_scheme ? scheme + 3 : 0);
	const char *at = strrchr(text, '@');

	if (conf_spec(row)->type != CONF_URL ||
	    (at == NULL && strchr(text, '?') == NULL)) {
		buf_add_str(out, text);
		return;
	}
	buf_add(out, text, (size_t)(from - text));
	if (at != NULL) {
		buf_add_str(out, "***");
		from = at;
	}
	buf_add(out, from, strcspn(from, "?"));
	if (from[strcspn(from, "?")] != '\0')
		buf_add_str(out, "?***");
}

/* ---- fields ----------------------------------------------------------- */

/* The field, as a pointer to its type. */
static void *
value_field(size_t row, void *owner)
{
	return (char *)owner + conf_spec(row)->offset;
}

void
conf_value_clear(size_t row, void *owner)
{
	enum conf_type type = conf_spec(row)->type;
	char **text = value_field(row, owner);

	if (type < CONF_TEXT || type > CONF_QUEUE)
		return;
	free(*text);
	*text = NULL;
}

void
conf_value_set(size_t row, void *owner, const char *text)
{
	void *field = value_field(row, owner);
	struct value v;

	ASSERT(value_parse(row, text, &v));
	switch (conf_spec(row)->type) {
	case CONF_NUMBER:
	case CONF_TIME:
	case CONF_SIZE:
		*(uint64_t *)field = v.n;
		break;
	case CONF_OFFSET:
		*(int64_t *)field =
		    v.is_negative ? -(int64_t)v.n : (int64_t)v.n;
		break;
	case CONF_ACCESS:
		*(enum access_log *)field = (enum access_log)v.n;
		break;
	case CONF_LEVEL:
		*(enum log_level *)field = (enum log_level)v.n;
		break;
	case CONF_OWN_LEVEL:
		*(int *)field = text[0] == '\0' ? LOG_LEVEL_COMMON : (int)v.n;
		break;
	case CONF_CONFIRM:
		*(enum confirm *)field = (enum confirm)v.n;
		break;
	case CONF_DEGRADE:
		*(enum degrade *)field = (enum degrade)v.n;
		break;
	case CONF_CONFLICT:
		*(enum on_conflict *)field = (enum on_conflict)v.n;
		break;
	case CONF_KIND:
		*(enum channel_kind *)field = (enum channel_kind)v.n;
		break;
	case CONF_NAME:
		ASSERT(strlen(text) <= NAME_MAX_LEN);
		memcpy(field, text, strlen(text) + 1);
		break;
	case CONF_TEXT:
	case CONF_FOLDER:
	case CONF_LOG_FILE:
	case CONF_LISTEN:
	case CONF_URL:
	case CONF_PREFIX:
	case CONF_TABLE:
	case CONF_COLUMNS:
	case CONF_NAMES:
	case CONF_QUEUE:
		conf_value_clear(row, owner);
		*(char **)field = xstrdup(text);
		break;
	case CONF_TYPE_COUNT:
		ASSERT(!"a type");
	}
}

static void
print_time(uint64_t ms, struct buf *out)
{
	char text[32];

	str_from_ms(text, sizeof(text), ms);
	buf_add_str(out, text);
}

void
conf_value_print(size_t row, const void *owner, struct buf *out)
{
	const char *field = (const char *)owner + conf_spec(row)->offset;
	const void *p = field;
	char text[32];
	int64_t ms;

	switch (conf_spec(row)->type) {
	case CONF_NUMBER:
		buf_add_u64(out, *(const uint64_t *)p);
		break;
	case CONF_TIME:
		print_time(*(const uint64_t *)p, out);
		break;
	case CONF_OFFSET:
		ms = *(const int64_t *)p;
		buf_add_str(out, ms < 0 ? "-" : "");
		print_time((uint64_t)(ms < 0 ? -ms : ms), out);
		break;
	case CONF_SIZE:
		str_from_bytes(text, sizeof(text), *(const uint64_t *)p);
		buf_add_str(out, text);
		break;
	case CONF_ACCESS:
		buf_add_str(out, ACCESSES[*(const enum access_log *)p]);
		break;
	case CONF_LEVEL:
		buf_add_str(out, log_level_name(*(const enum log_level *)p));
		break;
	case CONF_OWN_LEVEL:
		if (*(const int *)p != LOG_LEVEL_COMMON)
			buf_add_str(
			    out, log_level_name(*(const enum log_level *)p));
		break;
	case CONF_CONFIRM:
		buf_add_str(out, CONFIRMS[*(const enum confirm *)p]);
		break;
	case CONF_DEGRADE:
		buf_add_str(out, DEGRADES[*(const enum degrade *)p]);
		break;
	case CONF_CONFLICT:
		buf_add_str(out, CONFLICTS[*(const enum on_conflict *)p]);
		break;
	case CONF_KIND:
		buf_add_str(out, KINDS[*(const enum channel_kind *)p]);
		break;
	case CONF_NAME:
		buf_add_str(out, field);
		break;
	case CONF_TEXT:
	case CONF_FOLDER:
	case CONF_LOG_FILE:
	case CONF_LISTEN:
	case CONF_URL:
	case CONF_PREFIX:
	case CONF_TABLE:
	case CONF_COLUMNS:
	case CONF_NAMES:
	case CONF_QUEUE:
		buf_add_str(out, *(char *const *)p);
		break;
	case CONF_TYPE_COUNT:
		ASSERT(!"a type");
	}
}
