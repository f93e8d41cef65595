/*
 * Settings: the table, building struct conf of what was read, reloading,
 * printing. Reading is in conf_read.c, the types are in conf_values.c.
 */

#include "core/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/conf_priv.h"

enum { FILE_MAX_BYTES = 1024 * 1024 };

static const struct conf_row rows[CONF_ROW_COUNT] = {
#define CONF_TYPE_NAME_NUMBER "number"
#define CONF_TYPE_NAME_TIME "time"
#define CONF_TYPE_NAME_OFFSET "time with sign"
#define CONF_TYPE_NAME_SIZE "size"
#define CONF_TYPE_NAME_ACCESS "word"
#define CONF_TYPE_NAME_LEVEL "level"
#define CONF_TYPE_NAME_OWN_LEVEL "level"
#define CONF_TYPE_NAME_CONFIRM "word"
#define CONF_TYPE_NAME_DEGRADE "word"
#define CONF_TYPE_NAME_CONFLICT "word"
#define CONF_TYPE_NAME_KIND "word"
#define CONF_TYPE_NAME_TEXT "text"
#define CONF_TYPE_NAME_FOLDER "path"
#define CONF_TYPE_NAME_LOG_FILE "path"
#define CONF_TYPE_NAME_LISTEN "addresses"
#define CONF_TYPE_NAME_URL "url"
#define CONF_TYPE_NAME_PREFIX "name"
#define CONF_TYPE_NAME_TABLE "table"
#define CONF_TYPE_NAME_COLUMNS "columns"
#define CONF_TYPE_NAME_NAMES "names"
#define CONF_TYPE_NAME_QUEUE "name"
#define CONF_TYPE_NAME_NAME "name"
#define C(                                                                 \
    section, key, type, owner, field, fallback, least, most, reload, help) \
	{#section, #key, CONF_TYPE_NAME_##type, fallback, help, reload},
#define D(section, key, part, type, owner, field, fallback, least, most,  \
    reload, help)                                                         \
	{#section, #key "." #part, CONF_TYPE_NAME_##type, fallback, help, \
	    reload},
#include "core/conf.def"
#undef C
};

static const struct conf_spec specs[CONF_ROW_COUNT] = {
#define C(                                                                 \
    section, key, type, owner, field, fallback, least, most, reload, help) \
	{CONF_##type, CONF_OWNER_##owner, offsetof(struct owner, field),   \
	    least, most},
#include "core/conf.def"
#undef C
};

const struct conf_row *
conf_rows(size_t *count)
{
	*count = CONF_ROW_COUNT;
	return rows;
}

const struct conf_spec *
conf_spec(size_t row)
{
	ASSERT(row < CONF_ROW_COUNT);
	return &specs[row];
}

/* ---- the state folder's default --------------------------------------- */

/* Where state belongs: systemd says so to a service; else the user's own
 * folder. NULL when nothing says where; the caller frees. */
static char *
state_dir_fallback(void)
{
	const char *service = getenv("STATE_DIRECTORY");
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	struct buf path;
	char *copy;

	buf_init(&path, 4096);
	if (service != NULL && service[0] == '/')
		buf_add(&path, service, strcspn(service, ":"));
	else if (xdg != NULL && xdg[0] == '/')
		buf_addf(&path, "%s/schedd", xdg);
	else if (home != NULL && home[0] == '/')
		buf_addf(&path, "%s/.local/state/schedd", home);
	copy =
	    path.failed || path.len == 0 ? NULL : xmemdupz(path.data, path.len);
	buf_clear(&path);
	return copy;
}

static enum err
state_dir_default(struct conf *c, struct buf *why)
{
	char *path = state_dir_fallback();

	if (path == NULL ||
	    !conf_value_is_valid(CONF_ROW_server_state_dir, path)) {
		free(path);
		buf_add_str(why,
		    "[server] state_dir: expected a folder; neither HOME nor "
		    "XDG_STATE_HOME says where");
		return ERR_CONF_VALUE;
	}
	c->server_state_dir = path;
	return ERR_OK;
}

/* ---- lists of named sections ------------------------------------------ */

/* How the sections of a kind that have a name lie in struct conf; size 0 for
 * those that have none, or are built otherwise. */
static const struct {
	size_t size, items_at, count_at;
} lists[CONF_OWNER_COUNT] = {
    [CONF_OWNER_conf_channel] = {sizeof(struct conf_channel),
	offsetof(struct conf, channels), offsetof(struct conf, channel_count)},
    [CONF_OWNER_conf_postgres] = {sizeof(struct conf_postgres),
	offsetof(struct conf, postgres), offsetof(struct conf, postgres_count)},
    [CONF_OWNER_conf_relay] = {sizeof(struct conf_relay),
	offsetof(struct conf, relays), offsetof(struct conf, relay_count)},
    [CONF_OWNER_conf_redis] = {sizeof(struct conf_redis),
	offsetof(struct conf, redis), offsetof(struct conf, redis_count)},
};

/* All of them begin with their name. */
_Static_assert(offsetof(struct conf_channel, name) == 0 &&
		   offsetof(struct conf_postgres, name) == 0 &&
		   offsetof(struct conf_relay, name) == 0 &&
		   offsetof(struct conf_redis, name) == 0,
    "a section's struct begins with its name");

static size_t
list_count(const struct conf *c, enum conf_owner kind)
{
	size_t count;

	memcpy(&count, (const char *)c + lists[kind].count_at, sizeof(count));
	return count;
}

static char *
list_items(const struct conf *c, enum conf_owner kind)
{
	char *items;

	memcpy(&items, (const char *)c + lists[kind].items_at, sizeof(items));
	return items;
}

/* The one at that index, which begins with its name. */
static char *
list_at(const struct conf *c, enum conf_owner kind, size_t i)
{
	return list_items(c, kind) + i * lists[kind].size;
}

/* One more at the end, zeroed but for its name. */
static char *
list_add(struct conf *c, enum conf_owner kind, const char *name)
{
	size_t count = list_count(c, kind);
	char *items =
	    xrealloc(list_items(c, kind), count + 1, lists[kind].size);
	char *last = items + count * lists[kind].size;

	memset(last, 0, lists[kind].size);
	memcpy(last, name, strlen(name) + 1);
	count++;
	memcpy((char *)c + lists[kind].items_at, &items, sizeof(items));
	memcpy((char *)c + lists[kind].count_at, &count, sizeof(count));
	return last;
}

char *
conf_find(const struct conf *c, enum conf_owner kind, const char *name)
{
	for (size_t i = 0; i < list_count(c, kind); i++) {
		if (strcmp(list_at(c, kind, i), name) == 0)
			return list_at(c, kind, i);
	}
	return NULL;
}

/* ---- building --------------------------------------------------------- */

/* Gives every field of an owner its default. */
static void
fill_defaults(void *owner, enum conf_owner kind)
{
	for (size_t i = 0; i < CONF_ROW_COUNT; i++) {
		if (specs[i].owner == kind && i != CONF_ROW_server_state_dir)
			conf_value_set(i, owner, rows[i].fallback);
	}
}

/* By name, then by row: an owner's own sources stand together. */
static int
source_compare(const void *a, const void *b)
{
	const struct conf_source *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	if (order != 0)
		return order;
	return x->row < y->row ? -1 : x->row > y->row;
}

/* Gives every field what the section without a name says, or its default. */
static void
fill_from_unnamed(const struct conf *c, enum conf_owner kind, void *item)
{
	for (size_t i = 0; i < CONF_ROW_COUNT; i++) {
		const struct conf_source *s = conf_source_of(c, i, "");

		if (specs[i].owner == kind)
			conf_value_set(
			    i, item, s != NULL ? s->text : rows[i].fallback);
	}
}

/* The section of that name. */
static char *
build_named(struct conf *c, enum conf_owner kind, const char *name)
{
	char *item = conf_find(c, kind, name);

	if (item != NULL)
		return item;
	item = list_add(c, kind, name);
	fill_from_unnamed(c, kind, item);
	return item;
}

/* The [queue "name"] of that source; sources come sorted by name. */
static struct conf_queue *
build_queue(struct conf *c, const struct conf_source *s,
    const struct conf_queue *fallback)
{
	struct conf_queue *last =
	    c->queue_count > 0 ? &c->queues[c->queue_count - 1] : NULL;

	if (last != NULL && strcmp(last->name, s->name) == 0)
		return last;
	c->queues = xrealloc(c->queues, c->queue_count + 1, sizeof(*c->queues));
	last = &c->queues[c->queue_count++];
	*last = *fallback;
	memcpy(last->name, s->name, strlen(s->name) + 1);
	return last;
}

/* Names sort behind "", so [queue] is whole before the first [queue "x"]. */
static void
build_from_sources(struct conf *c)
{
	struct conf_queue fallback = {.name = ""};

	fill_defaults(&fallback, CONF_OWNER_conf_queue);
	for (size_t i = 0; i < c->source_count; i++) {
		const struct conf_source *s = &c->sources[i];
		void *owner = c;

		if (specs[s->row].owner == CONF_OWNER_conf_queue)
			owner = s->name[0] == '\0'
				    ? &fallback
				    : build_queue(c, s, &fallback);
		else if (specs[s->row].owner != CONF_OWNER_conf)
			owner =
			    s->name[0] == '\0'
				? NULL
				: build_named(c, specs[s->row].owner, s->name);
		if (owner != NULL)
			conf_value_set(s->row, owner, s->text);
	}
	c->queue_default = fallback.policy;
	memcpy(c->queue_backend, fallback.backend, sizeof(c->queue_backend));
}

static int
name_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* "main" is the first of all. */
static int
backend_compare(const void *a, const void *b)
{
	int x = strcmp(a, "main") != 0, y = strcmp(b, "main") != 0;

	return x != y ? x - y : strcmp(a, b);
}

/* These are there whether the file has them or not. */
static void
build_mains(struct conf *c)
{
	(void)build_named(c, CONF_OWNER_conf_redis, "main");
	(void)build_named(c, CONF_OWNER_conf_postgres, "main");
	qsort(c->redis, c->redis_count, sizeof(*c->redis), backend_compare);
	qsort(
	    c->postgres, c->postgres_count, sizeof(*c->postgres), name_compare);
}

/* The table of a history, where none is named. */
static void
build_history(struct conf *c)
{
	for (size_t i = 0; i < c->channel_count; i++) {
		struct conf_channel *channel = &c->channels[i];

		if (channel->kind == CHANNEL_OF_HISTORY &&
		    channel->table[0] == '\0')
			conf_value_set(CONF_ROW_channel_table, channel,
			    CONF_HISTORY_TABLE);
	}
}

/* ---- of all of it ----------------------------------------------------- */

/* Takes the sources. */
static enum err
conf_build(struct conf **out, struct conf_sources *sources, struct buf *why)
{
	struct conf *c = xcalloc(1, sizeof(*c));
	enum err err = ERR_OK;

	c->sources = sources->items;
	c->source_count = sources->count;
	*sources = (struct conf_sources){0};
	if (c->source_count > 0)
		qsort(c->sources, c->source_count, sizeof(*c->sources),
		    source_compare);
	fill_defaults(c, CONF_OWNER_conf);
	build_from_sources(c);
	build_mains(c);
	if (c->server_state_dir == NULL)
		err = state_dir_default(c, why);
	build_history(c);
	if (err == ERR_OK)
		err = conf_check(c, why);
	if (err != ERR_OK) {
		conf_free(c);
		c = NULL;
	}
	*out = c;
	return err;
}

static void
clear_fields(void *owner, enum conf_owner kind)
{
	for (size_t i = 0; i < CONF_ROW_COUNT; i++) {
		if (specs[i].owner == kind)
			conf_value_clear(i, owner);
	}
}

/* All that c holds, but not c. */
static void
conf_clear(struct conf *c)
{
	struct conf_sources sources = {
	    c->sources, c->source_count, c->source_count};

	conf_sources_clear(&sources);
	for (int kind = 0; kind < CONF_OWNER_COUNT; kind++) {
		if (lists[kind].size == 0)
			continue;
		for (size_t i = 0; i < list_count(c, kind); i++)
			clear_fields(list_at(c, kind, i), kind);
		free(list_items(c, kind));
	}
	free(c->queues);
	clear_fields(c, CONF_OWNER_conf);
}

void
conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	conf_clear(c);
	free(c);
}

/* ---- loading ---------------------------------------------------------- */

/* Reads the whole file; errno says why not. */
static bool
file_read(const char *file, struct buf *out)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t got = -1;
	int saved;

	if (fd < 0)
		return false;
	while (buf_reserve(out, 4096)) {
		got = read(fd, out->data + out->len, 4096);
		if (got <= 0)
			break;
		out->len += (size_t)got;
	}
	saved = out->failed ? EFBIG : errno;
	close(fd);
	errno = saved;
	return got == 0 && !out->failed;
}

enum err
conf_load_text(struct conf **out, const char *label, struct span text,
    char *const *args, size_t arg_count, struct buf *why)
{
	struct conf_sources sources = {0};
	enum err err = ERR_OK;

	*out = NULL;
	if (label != NULL)
		err = conf_read_text(&sources, label, text, why);
	if (err == ERR_OK)
		err = conf_read_args(&sources, args, arg_count, why);
	if (err == ERR_OK)
		err = conf_build(out, &sources, why);
	conf_sources_clear(&sources);
	return err;
}

enum err
conf_load(struct conf **out, const char *file, char *const *args,
    size_t arg_count, struct buf *why)
{
	struct buf text;
	enum err err;

	*out = NULL;
	buf_init(&text, FILE_MAX_BYTES);
	if (file != NULL && !file_read(file, &text)) {
		buf_addf(why, "%s: cannot be read: %s", file, strerror(errno));
		err = ERR_CONF_SYNTAX;
	} else {
		err = conf_load_text(
		    out, file, buf_span(&text), args, arg_count, why);
	}
	buf_clear(&text);
	return err;
}

/* ---- looking things up ------------------------------------------------ */

const struct conf_source *
conf_source_of(const struct conf *c, size_t row, const char *name)
{
	size_t low = 0, high = c->source_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct conf_source *s = &c->sources[mid];
		int order = strcmp(name, s->name);

		if (order == 0 && s->row == row)
			return s;
		if (order < 0 || (order == 0 && row < s->row))
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

/* The section of a queue of its own, or NULL. */
static const struct conf_queue *
queue_section(const struct conf *c, struct span queue)
{
	size_t low = 0, high = c->queue_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct conf_queue *q = &c->queues[mid];
		int order = strncmp(queue.p, q->name, queue.len);

		if (order == 0 && q->name[queue.len] == '\0')
			return q;
		if (order <= 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

const struct queue_policy *
conf_queue_policy(const struct conf *c, struct span queue)
{
	const struct conf_queue *q = queue_section(c, queue);

	return q != NULL ? &q->policy : &c->queue_default;
}

const char *
conf_queue_backend(const struct conf *c, struct span queue)
{
	const struct conf_queue *q = queue_section(c, queue);

	return q != NULL ? q->backend : c->queue_backend;
}

const char *
conf_where(const struct conf *c, const char *section, const char *name,
    const char *key)
{
	const struct conf_source *s = NULL;

	for (size_t i = 0; i < CONF_ROW_COUNT && s == NULL; i++) {
		if (strcmp(rows[i].section, section) != 0 ||
		    strcmp(rows[i].key, key) != 0)
			continue;
		s = conf_source_of(c, i, name);
		if (s == NULL)
			s = conf_source_of(c, i, "");
	}
	return s != NULL ? s->where : "default";
}

bool
conf_policy_is_set(const struct conf *c, const char *queue, size_t offset)
{
	size_t row = 0;

	while (
	    specs[row].owner != CONF_OWNER_conf_queue ||
	    specs[row].offset != offsetof(struct conf_queue, policy) + offset)
		ASSERT(++row < CONF_ROW_COUNT);
	return conf_source_of(c, row, queue) != NULL ||
	       conf_source_of(c, row, "") != NULL;
}

/* ---- reloading -------------------------------------------------------- */

static bool
is_same(size_t row, const void *a, const void *b)
{
	struct buf x, y;
	bool same;

	buf_init(&x, SIZE_MAX / 2);
	buf_init(&y, SIZE_MAX / 2);
	conf_value_print(row, a, &x);
	conf_value_print(row, b, &y);
	same = span_eq(buf_span(&x), buf_span(&y));
	buf_clear(&x);
	buf_clear(&y);
	return same;
}

/* Does a list of sections differ in that row? *name gets one that does. */
static bool
list_differs(
    const struct conf *a, const struct conf *b, size_t row, const char **name)
{
	enum conf_owner kind = specs[row].owner;

	for (size_t i = 0; i < list_count(b, kind); i++) {
		const char *old = conf_find(a, kind, list_at(b, kind, i));

		*name = list_at(b, kind, i);
		if (old == NULL || !is_same(row, old, *name))
			return true;
	}
	for (size_t i = 0; i < list_count(a, kind); i++) {
		*name = list_at(a, kind, i);
		if (conf_find(b, kind, *name) == NULL)
			return true;
	}
	return false;
}

/* Does a queue of a section in one of them get another backend? */
static bool
backends_differ(const struct conf *a, const struct conf *b, const char **name)
{
	for (size_t i = 0; i < a->queue_count; i++) {
		struct span queue = span_of(a->queues[i].name);

		*name = a->queues[i].name;
		if (strcmp(conf_queue_backend(a, queue),
			conf_queue_backend(b, queue)) != 0)
			return true;
	}
	*name = "";
	return strcmp(a->queue_backend, b->queue_backend) != 0;
}

/* Does a setting differ that only a restart can change? A queue's may all
 * change but its backend. */
static bool
is_refused(
    const struct conf *a, const struct conf *b, size_t row, const char **name)
{
	*name = "";
	if (row == CONF_ROW_queue_backend)
		return backends_differ(b, a, name) ||
		       backends_differ(a, b, name);
	if (rows[row].reloadable || specs[row].owner == CONF_OWNER_conf_queue)
		return false;
	if (specs[row].owner != CONF_OWNER_conf)
		return list_differs(a, b, row, name);
	return !is_same(row, a, b);
}

static void
why_not_reloadable(
    const struct conf *c, size_t row, const char *name, struct buf *why)
{
	const struct conf_source *s = conf_source_of(c, row, name);

	buf_addf(why, "%s: [%s", s != NULL ? s->where : "default",
	    rows[row].section);
	if (name[0] != '\0')
		buf_addf(why, " \"%s\"", name);
	buf_addf(why, "] %s: cannot change while schedd runs; restart it",
	    rows[row].key);
}

/* What cannot change keeps its place in memory: others point to it. */
static void
keep_fixed(struct conf *to, struct conf *from)
{
	char *text;
	struct conf kept = *to;

	to->redis = from->redis;
	from->redis = kept.redis;
	to->channels = from->channels;
	from->channels = kept.channels;
	to->relays = from->relays;
	from->relays = kept.relays;
	to->postgres = from->postgres;
	from->postgres = kept.postgres;
	text = to->server_state_dir;
	to->server_state_dir = from->server_state_dir;
	from->server_state_dir = text;
	text = to->http_listen;
	to->http_listen = from->http_listen;
	from->http_listen = text;
}

enum err
conf_reload(struct conf *c, const char *file, char *const *args,
    size_t arg_count, struct buf *why)
{
	struct conf *fresh, old;
	const char *name;
	enum err err = conf_load(&fresh, file, args, arg_count, why);

	if (fresh == NULL)
		return err;
	for (size_t i = 0; i < CONF_ROW_COUNT && err == ERR_OK; i++) {
		if (!is_refused(c, fresh, i, &name))
			continue;
		why_not_reloadable(fresh, i, name, why);
		err = ERR_CONF_RELOAD;
	}
	if (err == ERR_OK) {
		keep_fixed(fresh, c);
		old = *c;
		*c = *fresh;
		*fresh = old;
	}
	conf_free(fresh);
	return err;
}

/* ---- printing --------------------------------------------------------- */

struct walk {
	const struct conf *c;
	conf_item_fn *fn;
	void *arg;
};

/* One row of one owner; what a named section does not set comes from the one
 * without a name. */
static void
walk_row(const struct walk *w, size_t row, const char *name, const void *owner)
{
	const struct conf_source *s = conf_source_of(w->c, row, name);
	struct conf_item item = {.row = row, .name = name};
	struct buf value;

	if (s == NULL)
		s = conf_source_of(w->c, row, "");
	buf_init(&value, SIZE_MAX / 2);
	conf_value_print(row, owner, &value);
	item.value = buf_span(&value);
	item.where = s != NULL ? s->where : "default";
	w->fn(&item, w->arg);
	buf_clear(&value);
}

static void
walk_owner(const struct walk *w, enum conf_owner kind, const char *name,
    const void *owner)
{
	for (size_t i = 0; i < CONF_ROW_COUNT; i++) {
		if (specs[i].owner == kind)
			walk_row(w, i, name, owner);
	}
}

void
conf_each(const struct conf *c, conf_item_fn *fn, void *arg)
{
	struct conf_queue all = {.policy = c->queue_default};
	struct conf_channel channel = {.name = ""};
	struct conf_relay relay = {.name = ""};
	struct walk w = {c, fn, arg};

	memcpy(all.backend, c->queue_backend, sizeof(all.backend));
	fill_from_unnamed(c, CONF_OWNER_conf_channel, &channel);
	walk_owner(&w, CONF_OWNER_conf, "", c);
	walk_owner(&w, CONF_OWNER_conf_queue, "", &all);
	for (size_t i = 0; i < c->queue_count; i++)
		walk_owner(&w, CONF_OWNER_conf_queue, c->queues[i].name,
		    &c->queues[i]);
	walk_owner(&w, CONF_OWNER_conf_channel, "", &channel);
	clear_fields(&channel, CONF_OWNER_conf_channel);
	fill_from_unnamed(c, CONF_OWNER_conf_relay, &relay);
	walk_owner(&w, CONF_OWNER_conf_relay, "", &relay);
	clear_fields(&relay, CONF_OWNER_conf_relay);
	for (int kind = 0; kind < CONF_OWNER_COUNT; kind++) {
		if (lists[kind].size == 0)
			continue;
		for (size_t i = 0; i < list_count(c, kind); i++) {
			const char *item = list_at(c, kind, i);

			walk_owner(&w, kind, item, item);
		}
	}
}

void
conf_add_name(struct buf *out, const struct conf_item *item)
{
	buf_addf(out, "%s.%s%s%s", rows[item->row].section, item->name,
	    item->name[0] != '\0' ? "." : "", rows[item->row].key);
}

static void
print_item(const struct conf_item *item, void *arg)
{
	struct buf *out = arg;

	conf_add_name(out, item);
	buf_add_str(out, " = ");
	buf_add_span(out, item->value);
	buf_addf(out, "  # %s\n", item->where);
}

void
conf_print(const struct conf *c, struct buf *out)
{
	conf_each(c, print_item, out);
}
