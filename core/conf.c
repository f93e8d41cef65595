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
#define CONF_TYPE_NAME_TEXT "text"
#define CONF_TYPE_NAME_FOLDER "path"
#define CONF_TYPE_NAME_LOG_FILE "path"
#define CONF_TYPE_NAME_LISTEN "addresses"
#define CONF_TYPE_NAME_URL "url"
#define CONF_TYPE_NAME_PREFIX "name"
#define CONF_TYPE_NAME_BACKEND "name"
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

/* [redis "main"] is there whether the file has it or not. */
static void
build_redis(struct conf *c)
{
	struct conf_redis *main = xcalloc(1, sizeof(*main));

	memcpy(main->name, "main", sizeof("main"));
	fill_defaults(main, CONF_OWNER_conf_redis);
	c->redis = main;
	c->redis_count = 1;
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

		if (specs[s->row].owner == CONF_OWNER_conf_redis)
			owner = &c->redis[0];
		else if (specs[s->row].owner == CONF_OWNER_conf_queue)
			owner = s->name[0] == '\0'
				    ? &fallback
				    : build_queue(c, s, &fallback);
		conf_value_set(s->row, owner, s->text);
	}
	c->queue_default = fallback.policy;
}

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
	build_redis(c);
	build_from_sources(c);
	if (c->server_state_dir == NULL)
		err = state_dir_default(c, why);
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
	for (size_t i = 0; i < c->redis_count; i++)
		clear_fields(&c->redis[i], CONF_OWNER_conf_redis);
	free(c->redis);
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

static const struct conf_source *
source_of(const struct conf *c, size_t row, const char *name)
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

const struct queue_policy *
conf_queue_policy(const struct conf *c, struct span queue)
{
	size_t low = 0, high = c->queue_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct conf_queue *q = &c->queues[mid];
		int order = strncmp(queue.p, q->name, queue.len);

		if (order == 0 && q->name[queue.len] == '\0')
			return &q->policy;
		if (order <= 0)
			high = mid;
		else
			low = mid + 1;
	}
	return &c->queue_default;
}

bool
conf_policy_is_set(const struct conf *c, const char *queue, size_t offset)
{
	size_t row = 0;

	while (
	    specs[row].owner != CONF_OWNER_conf_queue ||
	    specs[row].offset != offsetof(struct conf_queue, policy) + offset)
		ASSERT(++row < CONF_ROW_COUNT);
	return source_of(c, row, queue) != NULL ||
	       source_of(c, row, "") != NULL;
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

/* Does a setting differ that only a restart can change? A queue's may all
 * change; its backend cannot differ, since there is but one. */
static bool
is_refused(const struct conf *a, const struct conf *b, size_t row)
{
	if (rows[row].reloadable || specs[row].owner == CONF_OWNER_conf_queue)
		return false;
	if (specs[row].owner == CONF_OWNER_conf_redis)
		return !is_same(row, &a->redis[0], &b->redis[0]);
	return !is_same(row, a, b);
}

static void
why_not_reloadable(const struct conf *c, size_t row, struct buf *why)
{
	bool is_redis = specs[row].owner == CONF_OWNER_conf_redis;
	const struct conf_source *s = source_of(c, row, is_redis ? "main" : "");

	buf_addf(why,
	    "%s: [%s%s] %s: cannot change while schedd runs; restart it",
	    s != NULL ? s->where : "default", rows[row].section,
	    is_redis ? " \"main\"" : "", rows[row].key);
}

/* What cannot change keeps its place in memory: others point to it. */
static void
keep_fixed(struct conf *to, struct conf *from)
{
	char *text;
	struct conf_redis *redis = to->redis;

	to->redis = from->redis;
	from->redis = redis;
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
	enum err err = conf_load(&fresh, file, args, arg_count, why);

	if (fresh == NULL)
		return err;
	for (size_t i = 0; i < CONF_ROW_COUNT && err == ERR_OK; i++) {
		if (!is_refused(c, fresh, i))
			continue;
		why_not_reloadable(fresh, i, why);
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

/* One row of one owner; what a named queue does not set comes from [queue].
 */
static void
walk_row(const struct walk *w, size_t row, const char *name, const void *owner)
{
	const struct conf_source *s = source_of(w->c, row, name);
	struct conf_item item = {.row = row, .name = name};
	struct buf value;

	if (s == NULL && specs[row].owner == CONF_OWNER_conf_queue)
		s = source_of(w->c, row, "");
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
	struct conf_queue all = {.backend = "main", .policy = c->queue_default};
	struct walk w = {c, fn, arg};

	walk_owner(&w, CONF_OWNER_conf, "", c);
	walk_owner(&w, CONF_OWNER_conf_queue, "", &all);
	for (size_t i = 0; i < c->queue_count; i++)
		walk_owner(&w, CONF_OWNER_conf_queue, c->queues[i].name,
		    &c->queues[i]);
	for (size_t i = 0; i < c->redis_count; i++)
		walk_owner(
		    &w, CONF_OWNER_conf_redis, c->redis[i].name, &c->redis[i]);
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
