/*
 * Access tokens: the table in memory, how it is kept up, and the operations
 * on it. Redis holds them in one hash, by name, as text (tokens.lua), with a
 * version that each change raises.
 */

#include "store/store_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/secret.h"
#include "store/reply.h"

enum {
	LOOK_MS = 800,            /* how often the version is asked for */
	USED_EVERY_US = 60000000, /* how often last uses are written */
	RECORD_MAX = 4096
};

/* What is kept of a token besides what others see. */
struct token {
	struct store_token t;
	char *queues; /* behind t.queues */
	bool is_used; /* since it was written last */
};

struct token_table {
	struct token *items; /* by id */
	size_t count;
	uint64_t version;
	bool is_read;    /* at least once */
	bool is_looking; /* a look is under way */
	bool was_behind; /* told that Redis has older ones */
	struct timer timer;
	int64_t used_us; /* when last uses were written */
	void (*on_change)(void *arg);
	void *change_arg;
};

/* ---- roles ------------------------------------------------------------ */

static const char *const role_names[ROLE_COUNT] = {
    [ROLE_ANY] = "any",
    [ROLE_KNOWN] = "known",
    [ROLE_PRODUCER] = "producer",
    [ROLE_WORKER] = "worker",
    [ROLE_VIEWER] = "viewer",
    [ROLE_OPERATOR] = "operator",
    [ROLE_ADMIN] = "admin",
};

const char *
role_name(enum role role)
{
	return role_names[role];
}

bool
role_parse(struct span name, enum role *out)
{
	for (int i = ROLE_PRODUCER; i < ROLE_COUNT; i++)
		if (span_is(name, role_names[i])) {
			*out = (enum role)i;
			return true;
		}
	return false;
}

/* ---- records ---------------------------------------------------------- */

/* Cuts the next word off a text; empty at its end. */
static struct span
word_cut(struct span *text)
{
	const char *space = memchr(text->p, ' ', text->len);
	size_t len = space == NULL ? text->len : (size_t)(space - text->p);
	struct span word = {text->p, len};

	len += space != NULL;
	text->p += len;
	text->len -= len;
	return word;
}

static bool
time_read(struct span word, int64_t *out)
{
	uint64_t n;

	if (!str_to_u64(word, &n) || n > INT64_MAX)
		return false;
	*out = (int64_t)n;
	return true;
}

/* t->queues points into the record. */
static bool
record_read(struct span name, struct span record, struct store_token *t)
{
	struct span id = word_cut(&record), hash = word_cut(&record);
	struct span role = word_cut(&record);

	memset(t, 0, sizeof(*t));
	if (!name_is_valid(name) || id.len != TOKEN_ID_LEN)
		return false;
	memcpy(t->name, name.p, name.len);
	memcpy(t->id, id.p, id.len);
	if (!hex_read(hash, t->hash, TOKEN_HASH_LEN) ||
	    !role_parse(role, &t->role) ||
	    !time_read(word_cut(&record), &t->created_at) ||
	    !time_read(word_cut(&record), &t->expires_at))
		return false;
	t->queues = record;
	return record.len > 0;
}

static void
record_add(struct buf *args, const struct store_token *t, int64_t now)
{
	char hash[2 * TOKEN_HASH_LEN + 1];
	struct buf text;

	buf_init(&text, RECORD_MAX);
	hex_print(hash, t->hash, TOKEN_HASH_LEN);
	buf_addf(&text, "%s %s %s %" PRId64 " %" PRId64 " %.*s", t->id, hash,
	    role_name(t->role), now, t->expires_at, SPAN_ARG(t->queues));
	ASSERT(!text.failed);
	resp_add_span(args, buf_span(&text));
	buf_clear(&text);
}

/* ---- the table -------------------------------------------------------- */

static int
by_id(const void *a, const void *b)
{
	const struct token *x = a, *y = b;

	return memcmp(x->t.id, y->t.id, TOKEN_ID_LEN);
}

static struct token *
table_find(const struct token_table *table, struct span id)
{
	struct token key = {.is_used = false};

	if (id.len != TOKEN_ID_LEN || table->count == 0)
		return NULL;
	memcpy(key.t.id, id.p, id.len);
	return bsearch(&key, table->items, table->count, sizeof(key), by_id);
}

static void
items_free(struct token *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(items[i].queues);
	free(items);
}

static int
by_text(const void *a, const void *b)
{
	const struct span *x = a, *y = b;
	size_t len = x->len < y->len ? x->len : y->len;
	int order = memcmp(x->p, y->p, len);

	return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

/* The globs in an order of their own: a token that takes another's place has
 * the same as that, however they were given. */
static char *
globs_sorted(struct span globs)
{
	struct span words[TOKEN_PATTERNS_MAX], rest = globs;
	char *text = xmemdupz(globs.p, globs.len);
	size_t n = 0, at = 0;

	while (rest.len > 0 && n < COUNT_OF(words))
		words[n++] = word_cut(&rest);
	if (rest.len > 0)
		return text; /* not written by us */
	qsort(words, n, sizeof(*words), by_text);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			text[at++] = ' ';
		memcpy(text + at, words[i].p, words[i].len);
		at += words[i].len;
	}
	return text;
}

/* One token of a reply into the new table. A record that cannot be read is
 * no token: it lets nobody in. */
static void
items_add(struct token_table *table, struct token *items, size_t *count,
    struct reply *c)
{
	struct token *item = &items[*count], *old;
	struct span name = reply_bytes(c), record = reply_bytes(c);
	int64_t used_at = reply_int(c, 0);
	char quoted[4 * NAME_MAX_LEN];

	if (c->bad)
		return;
	if (!record_read(name, record, &item->t)) {
		log_error("access.token_bad", "name=%s",
		    log_quote(quoted, sizeof(quoted), name));
		return;
	}
	item->queues = globs_sorted(item->t.queues);
	item->t.queues.p = item->queues;
	item->t.used_at = used_at;
	item->is_used = false;
	old = table_find(table, span_of(item->t.id));
	if (old != NULL && old->t.used_at > used_at) {
		item->t.used_at = old->t.used_at;
		item->is_used = old->is_used;
	}
	(*count)++;
}

/*
 * Redis has fewer changes behind it than we have seen: it was emptied, or is
 * an older copy. A token that was removed must not come back by that, and a
 * server must not open by it: what is known stays.
 */
static bool
table_is_ahead(struct token_table *table, uint64_t version)
{
	bool is_ahead = table->is_read && version < table->version;

	if (is_ahead && !table->was_behind)
		log_error("access.tokens_behind",
		    "known=%" PRIu64 " redis=%" PRIu64, table->version,
		    version);
	table->was_behind = is_ahead;
	return is_ahead;
}

static enum err
table_read(struct store *s, const struct redisReply *r)
{
	struct token_table *table = s->tokens;
	struct token *items;
	struct reply c;
	uint64_t version;
	size_t count = 0, n;

	reply_open(&c, r);
	version = (uint64_t)reply_int(&c, 0);
	n = reply_left(&c) / 3;
	if (c.bad)
		return ERR_STORE_REPLY;
	if (table_is_ahead(table, version) ||
	    (table->is_read && version == table->version))
		return ERR_OK;
	items = xcalloc(n + 1, sizeof(*items));
	for (size_t i = 0; i < n; i++)
		items_add(table, items, &count, &c);
	if (c.bad) {
		items_free(items, count);
		return ERR_STORE_REPLY;
	}
	qsort(items, count, sizeof(*items), by_id);
	items_free(table->items, table->count);
	table->items = items;
	table->count = count;
	table->version = version;
	table->is_read = true;
	if (count > 0)
		secret_protect_process();
	log_debug(
	    "access.tokens", "count=%zu version=%" PRIu64, count, version);
	if (table->on_change != NULL)
		table->on_change(table->change_arg);
	return ERR_OK;
}

enum store_tokens
store_tokens_state(const struct store *s)
{
	if (!s->tokens->is_read)
		return STORE_TOKENS_UNREAD;
	return s->tokens->count > 0 ? STORE_TOKENS_SOME : STORE_TOKENS_NONE;
}

bool
store_token_is_over(const struct store *s, const struct store_token *t)
{
	return t->expires_at != 0 && t->expires_at <= store_redis_now(s);
}

bool
store_tokens_has_admin(const struct store *s)
{
	for (size_t i = 0; i < s->tokens->count; i++) {
		const struct store_token *t = &s->tokens->items[i].t;

		if (t->role == ROLE_ADMIN && !store_token_is_over(s, t))
			return true;
	}
	return false;
}

const struct store_token *
store_token_find(const struct store *s, struct span id)
{
	const struct token *item = table_find(s->tokens, id);

	return item == NULL ? NULL : &item->t;
}

void
store_token_used(struct store *s, const struct store_token *t)
{
	struct token *item = table_find(s->tokens, span_of(t->id));

	ASSERT(item != NULL);
	item->t.used_at = store_redis_now(s);
	item->is_used = true;
}

void
store_on_tokens(struct store *s, void (*fn)(void *arg), void *arg)
{
	s->tokens->on_change = fn;
	s->tokens->change_arg = arg;
}

/* ---- keeping it up ---------------------------------------------------- */

struct look {
	struct store *store;
	void (*cb)(enum err err, struct store *s);
};

static void
look_on_reply(enum err err, const struct redisReply *r, void *arg)
{
	struct look *look = arg;
	struct store *s = look->store;
	void (*cb)(enum err err, struct store * s) = look->cb;

	free(look);
	s->tokens->is_looking = false;
	if (err == ERR_OK)
		err = table_read(s, r);
	if (cb != NULL)
		cb(err, s);
}

static void
tokens_ask(struct store *s, bool all, redis_reply_cb *cb, void *arg)
{
	struct token_table *table = s->tokens;
	struct buf args;

	store_key(s, &args);
	if (table->is_read)
		resp_add_u64(&args, table->version);
	else
		resp_add_str(&args, "");
	resp_add_str(&args, all ? "1" : "0");
	redis_conn_script(s->conn, SCRIPT_TOKENS, &args, 4, 1, cb, arg);
}

void
tokens_load(struct store *s, void (*cb)(enum err err, struct store *s))
{
	struct look *look = xcalloc(1, sizeof(*look));

	look->store = s;
	look->cb = cb;
	s->tokens->is_looking = true;
	tokens_ask(s, false, look_on_reply, look);
}

/* Asked by a plain command: it is asked all the time, and mostly for nothing.
 */
static void
look_on_version(enum err err, const struct redisReply *r, void *arg)
{
	struct store *s = arg;
	struct token_table *table = s->tokens;
	struct span text = SPAN("0");
	uint64_t version;

	table->is_looking = false;
	if (err != ERR_OK || s->closing)
		return;
	(void)reply_is_bytes(r, &text);
	if (!str_to_u64(text, &version) || !table->is_read ||
	    version != table->version)
		tokens_load(s, NULL);
}

static void
tokens_look(struct store *s)
{
	const char *prefix = s->redis->prefix;
	struct buf args;

	s->tokens->is_looking = true;
	buf_init(&args, CALL_MAX_ARGS_BYTES);
	resp_add_str(&args, "HGET");
	buf_addf(&args, "$%zu\r\n%stokens\r\n", strlen(prefix) + 6, prefix);
	resp_add_str(&args, "#");
	redis_conn_command(s->conn, REDIS_READ, &args, 3, look_on_version, s);
}

static void
used_on_written(enum err err, const struct redisReply *reply, void *arg)
{
	/* Not written: it says when a token was used last, no more. */
	(void)err;
	(void)reply;
	(void)arg;
}

static void
tokens_write_used(struct store *s)
{
	struct token_table *table = s->tokens;
	unsigned argc = 3;
	struct buf args;

	table->used_us = clock_mono_us();
	store_key(s, &args);
	resp_add_str(&args, "used");
	for (size_t i = 0; i < table->count; i++) {
		if (!table->items[i].is_used)
			continue;
		table->items[i].is_used = false;
		resp_add_str(&args, table->items[i].t.name);
		resp_add_i64(&args, table->items[i].t.used_at);
		argc += 2;
	}
	if (argc > 3)
		redis_conn_script(s->conn, SCRIPT_TOKEN, &args, argc, 1,
		    used_on_written, NULL);
	buf_clear(&args);
}

static void
tokens_on_timer(void *arg)
{
	struct store *s = arg;
	struct token_table *table = s->tokens;

	if (s->closing)
		return;
	timer_arm_ms(&table->timer, LOOK_MS);
	if (table->is_looking || !redis_conn_is_ready(s->conn))
		return;
	tokens_look(s);
	if (clock_mono_us() - table->used_us >= USED_EVERY_US)
		tokens_write_used(s);
}

void
tokens_init(struct store *s)
{
	s->tokens = xcalloc(1, sizeof(*s->tokens));
	s->tokens->used_us = clock_mono_us();
	timer_init(&s->tokens->timer, s->loop, tokens_on_timer, s);
	if (s->index == 0)
		timer_arm_ms(&s->tokens->timer, LOOK_MS);
}

void
tokens_close(struct store *s)
{
	timer_disarm(&s->tokens->timer);
	if (redis_conn_is_ready(s->conn))
		tokens_write_used(s);
}

void
tokens_free(struct store *s)
{
	if (s->tokens == NULL)
		return;
	timer_clear(&s->tokens->timer);
	items_free(s->tokens->items, s->tokens->count);
	free(s->tokens);
	s->tokens = NULL;
}

/* ---- adding, removing ------------------------------------------------- */

struct token_op {
	struct store *store;
	store_done_cb *cb;
	store_tokens_cb *list_cb;
	void *arg;
	bool is_done; /* the change itself */
};

static void op_on_changed(enum err err, const struct redisReply *r, void *arg);
static void op_on_read(enum err err, const struct redisReply *r, void *arg);

static struct token_op *
op_new(struct store *s, void *arg)
{
	struct token_op *op = xcalloc(1, sizeof(*op));

	op->store = s;
	op->arg = arg;
	return op;
}

void
store_token_add(
    struct store *s, const struct store_token *t, store_done_cb *cb, void *arg)
{
	struct token_op *op = op_new(s, arg);
	struct buf args;

	op->cb = cb;
	store_key(s, &args);
	resp_add_str(&args, "add");
	resp_add_str(&args, t->name);
	record_add(&args, t, store_redis_now(s));
	resp_add_u64(&args, TOKENS_MAX);
	redis_conn_script(
	    s->conn, SCRIPT_TOKEN, &args, 6, 1, op_on_changed, op);
}

void
store_token_remove(
    struct store *s, struct span name, store_done_cb *cb, void *arg)
{
	struct token_op *op = op_new(s, arg);
	struct buf args;

	op->cb = cb;
	store_key(s, &args);
	resp_add_str(&args, "rm");
	resp_add_span(&args, name);
	redis_conn_script(
	    s->conn, SCRIPT_TOKEN, &args, 4, 1, op_on_changed, op);
}

static enum err
op_outcome(const struct redisReply *r)
{
	static const struct {
		const char *word;
		enum err err;
	} words[] = {
	    {"ok", ERR_OK},
	    {"exists", ERR_TOKEN_EXISTS},
	    {"unknown", ERR_TOKEN_UNKNOWN},
	    {"full", ERR_TOO_MANY_TOKENS},
	    {"admin", ERR_ADMIN_NEEDED},
	};
	struct span word;

	for (size_t i = 0; reply_is_bytes(r, &word) && i < COUNT_OF(words); i++)
		if (span_is(word, words[i].word))
			return words[i].err;
	return ERR_STORE_REPLY;
}

static void
op_on_changed(enum err err, const struct redisReply *r, void *arg)
{
	struct token_op *op = arg;

	if (err == ERR_OK)
		err = op_outcome(r);
	if (err != ERR_OK) {
		op->cb(err, op->arg);
		free(op);
		return;
	}
	tokens_ask(op->store, false, op_on_read, op);
}

/* Changed, but not known here: the next look will bring it. Unknown is what
 * the caller can act on. */
static void
op_on_read(enum err err, const struct redisReply *r, void *arg)
{
	struct token_op *op = arg;

	if (err == ERR_OK)
		err = table_read(op->store, r);
	op->cb(err == ERR_OK ? ERR_OK : ERR_STORE_UNKNOWN, op->arg);
	free(op);
}

/* ---- the list --------------------------------------------------------- */

static int
by_name(const void *a, const void *b)
{
	const struct store_token *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void
list_on_reply(enum err err, const struct redisReply *r, void *arg)
{
	struct token_op *op = arg;
	struct store_token *tokens = NULL;
	const struct token *known;
	size_t n = 0, count = 0;
	struct reply c;

	if (err == ERR_OK) {
		reply_open(&c, r);
		(void)reply_int(&c, 0);
		n = reply_left(&c) / 3;
		tokens = xcalloc(n + 1, sizeof(*tokens));
		for (size_t i = 0; i < n; i++) {
			struct store_token *t = &tokens[count];
			struct span name = reply_bytes(&c);
			struct span record = reply_bytes(&c);
			int64_t used_at = reply_int(&c, 0);

			if (c.bad || !record_read(name, record, t))
				continue;
			known = table_find(op->store->tokens, span_of(t->id));
			if (known != NULL && known->t.used_at > used_at)
				used_at = known->t.used_at;
			t->used_at = used_at;
			count++;
		}
		qsort(tokens, count, sizeof(*tokens), by_name);
		if (c.bad)
			err = ERR_STORE_REPLY;
	}
	op->list_cb(err, tokens, err == ERR_OK ? count : 0, op->arg);
	free(tokens);
	free(op);
}

void
store_token_list(struct store *s, store_tokens_cb *cb, void *arg)
{
	struct token_op *op = op_new(s, arg);

	op->list_cb = cb;
	tokens_ask(s, true, list_on_reply, op);
}
