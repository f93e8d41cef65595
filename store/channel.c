/*
 * The set of channels: made of the settings at start, their numbers asked for
 * once a second by one script, which also says which schedd brings their rows
 * on. Without channels nothing of this runs.
 */

#include "store/channel_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/metrics.h"
#include "store/reply.h"

enum { NUMBERS = 13, MISSED_TELL_S = 60 };

static void tick_on_timer(void *arg);
static void floor_send(struct channel *ch);

/* ---- places and ids --------------------------------------------------- */

int
place_compare(const struct place *a, const struct place *b)
{
	if (a->ms != b->ms)
		return a->ms < b->ms ? -1 : 1;
	if (a->seq != b->seq)
		return a->seq < b->seq ? -1 : 1;
	return a->rows < b->rows ? -1 : a->rows > b->rows;
}

static bool
cut_number(struct span *text, char end, uint64_t *out)
{
	const char *at =
	    end == '\0' ? text->p + text->len : memchr(text->p, end, text->len);
	struct span digits;

	if (at == NULL)
		return false;
	digits = (struct span){text->p, (size_t)(at - text->p)};
	text->len -= digits.len + (end != '\0');
	text->p = at + (end != '\0');
	return str_to_u64(digits, out);
}

bool
entry_parse(struct span text, uint64_t *ms, uint64_t *seq)
{
	return cut_number(&text, '-', ms) && cut_number(&text, '\0', seq);
}

bool
place_parse(struct span text, struct place *out)
{
	return cut_number(&text, '-', &out->ms) &&
	       cut_number(&text, ':', &out->seq) &&
	       cut_number(&text, '\0', &out->rows);
}

void
place_print(const struct place *p, struct buf *out)
{
	buf_addf(
	    out, "%" PRIu64 "-%" PRIu64 ":%" PRIu64, p->ms, p->seq, p->rows);
}

void
bad_id_print(char dst[BAD_ID_LEN], uint64_t ms, uint64_t seq, uint64_t index)
{
	(void)snprintf(dst, BAD_ID_LEN,
	    "%013" PRIu64 "-%06" PRIu64 "-%04" PRIu64, ms, seq, index);
}

static struct span
without_zeros(struct span s)
{
	while (s.len > 1 && s.p[0] == '0')
		s = (struct span){s.p + 1, s.len - 1};
	return s;
}

bool
bad_id_parse(struct span text, uint64_t *ms, uint64_t *seq, uint64_t *index)
{
	struct span part[3];

	for (int i = 0; i < 3; i++) {
		const char *dash =
		    text.len > 0 ? memchr(text.p, '-', text.len) : NULL;
		size_t len = dash != NULL ? (size_t)(dash - text.p) : text.len;

		part[i] = without_zeros((struct span){text.p, len});
		text.p += len + (dash != NULL);
		text.len -= len + (dash != NULL);
	}
	return str_to_u64(part[0], ms) && str_to_u64(part[1], seq) &&
	       str_to_u64(part[2], index) && text.len == 0;
}

/* ---- life ------------------------------------------------------------- */

static struct pg_db *
db_of(struct channels *all, const char *name)
{
	const struct conf *conf = all->store->conf;

	for (size_t i = 0; i < all->db_count; i++) {
		if (strcmp(pg_db_name(all->dbs[i]), name) == 0)
			return all->dbs[i];
	}
	for (size_t i = 0; i < conf->postgres_count; i++) {
		if (strcmp(conf->postgres[i].name, name) != 0)
			continue;
		all->dbs[all->db_count] =
		    pg_db_new(all->store, &conf->postgres[i]);
		return all->dbs[all->db_count++];
	}
	ASSERT(!"the settings were looked at");
	return NULL;
}

/* Every channel has the same slot in each family. */
static unsigned
slot_of(const char *name)
{
	static const enum metric families[] = {METRIC_CHANNEL_ROWS,
	    METRIC_CHANNEL_REFUSED, METRIC_CHANNEL_COMMITTED,
	    METRIC_CHANNEL_DUPLICATES, METRIC_CHANNEL_QUARANTINED,
	    METRIC_CHANNEL_QUARANTINE, METRIC_CHANNEL_SPOOL_ROWS,
	    METRIC_CHANNEL_SPOOL_BYTES, METRIC_CHANNEL_SPOOL_AGE,
	    METRIC_CHANNEL_COMMIT_SECONDS, METRIC_CHANNEL_UP};
	unsigned slot = 0;

	for (size_t i = 0; i < COUNT_OF(families); i++)
		slot = metric_series(families[i], name);
	return slot;
}

void
channel_base(char *dst, size_t size, const struct store *s, const char *name)
{
	(void)snprintf(dst, size, "%schannel:{%s}:", s->redis->prefix, name);
}

/* Which of them are encrypted. */
static void
columns_mark(const struct channel *ch, struct columns *columns)
{
	columns_seal(columns, ch->conf->encrypt, SEAL_RANDOM);
	columns_seal(
	    columns, ch->conf->encrypt_deterministic, SEAL_DETERMINISTIC);
}

static struct channel *
channel_new(struct channels *all, size_t index)
{
	struct channel *ch = xcalloc(1, sizeof(*ch));
	const struct conf_channel *conf = &all->store->conf->channels[index];
	char why[160];

	ch->store = all->store;
	ch->conf = conf;
	ch->index = index;
	channel_base(ch->base, sizeof(ch->base), all->store, conf->name);
	if (conf->columns[0] != '\0') {
		ch->columns = xcalloc(1, sizeof(*ch->columns));
		ASSERT(columns_parse(
		    ch->columns, conf->columns, why, sizeof(why)));
		columns_mark(ch, ch->columns);
	}
	list_init(&ch->gathering_link);
	list_init(&ch->waiters);
	ch->slot = slot_of(conf->name);
	ch->db = db_of(all, conf->database);
	ch->forward = forward_new(ch);
	return ch;
}

enum err
store_check_conf(const struct conf *conf, struct buf *why)
{
	return pg_check_conf(conf, why);
}

static void
history_print(struct channels *all, const struct channel *ch)
{
	(void)snprintf(all->history, sizeof(all->history),
	    "%s %" PRIu64 " %" PRIu64, ch->base, ch->conf->max_spool,
	    ch->conf->max_spool_bytes);
}

const char *
channels_history(const struct store *s)
{
	return s->channels->history;
}

enum err
channels_init(struct store *s, struct buf *why)
{
	struct channels *all = xcalloc(1, sizeof(*all));
	const struct conf *conf = s->conf;
	enum err err = pg_check_conf(conf, why);

	s->channels = all;
	all->store = s;
	list_init(&all->gathering);
	post_init(&all->flush_post, rows_flush, all);
	timer_init(&all->tick, s->loop, tick_on_timer, all);
	timer_init(&all->wait_timer, s->loop, rows_on_wait_timer, all);
	if (err != ERR_OK)
		return err;
	all->items = xcalloc(conf->channel_count + 1, sizeof(*all->items));
	all->dbs = xcalloc(conf->postgres_count + 1, sizeof(*all->dbs));
	for (size_t i = 0; s->index == 0 && i < conf->channel_count; i++) {
		all->items[all->count++] = channel_new(all, i);
		if (conf->channels[i].kind == CHANNEL_OF_HISTORY)
			history_print(all, all->items[i]);
	}
	return ERR_OK;
}

void
channels_start(struct store *s)
{
	struct channels *all = s->channels;

	for (size_t i = 0; i < all->db_count; i++)
		pg_db_start(all->dbs[i]);
	/* This Redis may be another one. */
	for (size_t i = 0; i < all->count; i++)
		floor_send(all->items[i]);
	channels_look_left(s);
	channels_look_soon(s);
}

void
channels_drain(struct store *s)
{
	for (size_t i = 0; i < s->channels->count; i++)
		rows_end_waiters(s->channels->items[i]);
}

void
channels_free(struct store *s)
{
	struct channels *all = s->channels;

	if (all == NULL)
		return;
	for (size_t i = 0; i < all->count; i++) {
		forward_free(all->items[i]->forward);
		free(all->items[i]->columns);
		free(all->items[i]);
	}
	for (size_t i = 0; i < all->db_count; i++)
		pg_db_free(all->dbs[i]);
	post_cancel(&all->flush_post);
	timer_clear(&all->tick);
	timer_clear(&all->wait_timer);
	free(all->items);
	free(all->dbs);
	free(all);
	s->channels = NULL;
}

/* ---- what they share -------------------------------------------------- */

struct channel *
store_channel_find(struct store *s, struct span name)
{
	for (size_t i = 0; i < s->channels->count; i++) {
		if (span_is(name, s->channels->items[i]->conf->name))
			return s->channels->items[i];
	}
	return NULL;
}

struct span
store_channel_name(const struct channel *ch)
{
	return span_of(ch->conf->name);
}

const struct columns *
store_channel_columns(const struct channel *ch)
{
	return ch->columns;
}

bool
store_channel_is_closed(const struct channel *ch)
{
	return ch->conf->kind == CHANNEL_OF_HISTORY;
}

bool
store_channel_is_key(const struct channel *ch, struct span column)
{
	struct span rest = span_of(ch->conf->key), name;

	while (column_list_next(&rest, &name)) {
		if (span_eq(name, column))
			return true;
	}
	return false;
}

unsigned
store_channel_retry_s(const struct channel *ch)
{
	unsigned ms = forward_retry_ms(ch->forward);

	return ms < 1000 ? 1 : (ms + 999) / 1000;
}

enum err
channel_err(const struct channel *ch)
{
	static const enum err first[] = {
	    ERR_CHANNEL_1, ERR_CHANNEL_2, ERR_CHANNEL_3};

	return ch->index < COUNT_OF(first) ? first[ch->index]
					   : ERR_CHANNEL_OTHER;
}

const char *
channel_state_name(enum channel_state state)
{
	static const char *const names[CHANNEL_STATE_COUNT] = {
	    [CHANNEL_STARTING] = "starting",
	    [CHANNEL_RUNNING] = "running",
	    [CHANNEL_PAUSED] = "paused",
	    [CHANNEL_WAITING] = "waiting",
	    [CHANNEL_STOPPED] = "stopped",
	    [CHANNEL_ELSEWHERE] = "elsewhere",
	};

	return names[state];
}

void
channel_args(const struct channel *ch, struct buf *args)
{
	buf_init(args, CALL_MAX_ARGS_BYTES);
	resp_add_str(args, ch->base);
	resp_add_i64(args, clock_offset_ms());
}

void
channel_send(const struct channel *ch, enum script_id id, struct buf *args,
    unsigned argc, redis_reply_cb *cb, void *arg)
{
	redis_conn_script(ch->store->conn, id, args, argc, 1, cb, arg);
}

/* ---- where the spool goes on ------------------------------------------ */

static void
floor_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	const struct channel *ch = arg;
	int64_t was_told = 0;

	if (err != ERR_OK)
		return; /* again with the next connection */
	if (reply_is_int(reply, &was_told) && was_told != 0)
		log_warn("channel.shorter",
		    "channel=%s hint=\"Redis lost the end of the spool\"",
		    ch->conf->name);
}

static void
floor_send(struct channel *ch)
{
	struct buf args, at;

	if (ch->floor.ms == 0)
		return;
	buf_init(&at, 64);
	buf_addf(&at, "%" PRIu64 "-%" PRIu64, ch->floor.ms, ch->floor.seq);
	channel_args(ch, &args);
	resp_add_span(&args, buf_span(&at));
	channel_send(ch, SCRIPT_SPOOL_FLOOR, &args, 3, floor_on_reply, ch);
	buf_clear(&at);
}

static void
floor_raise(struct channel *ch, const struct place *at)
{
	if (place_compare(at, &ch->floor) > 0)
		ch->floor = *at;
}

void
channel_set_floor(struct channel *ch, const struct place *at)
{
	floor_raise(ch, at);
	floor_send(ch);
}

/* ---- columns that were seen ------------------------------------------- */

static void
set_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	/* Said again at the next start. */
	(void)err;
	(void)reply;
	(void)arg;
}

static void
columns_print(const struct columns *columns, struct buf *out)
{
	for (size_t i = 0; i < columns->count; i++)
		buf_addf(out, "%s%s:%s", i > 0 ? "," : "",
		    columns->items[i].name, columns->items[i].type);
}

void
channel_set_columns(struct channel *ch, struct columns *columns)
{
	struct buf args, text;

	free(ch->columns);
	ch->columns = columns;
	columns_mark(ch, columns);
	buf_init(&text, 64 * 1024);
	columns_print(columns, &text);
	channel_args(ch, &args);
	resp_add_str(&args, "columns");
	resp_add_span(&args, buf_span(&text));
	channel_send(ch, SCRIPT_CHANNEL_SET, &args, 4, set_on_reply, ch);
	buf_clear(&text);
}

/* As they were when a schedd last saw the table; until it is seen again. */
static void
columns_remembered(struct channel *ch, struct span text)
{
	struct columns *columns;
	char *copy, why[160];

	if (ch->columns != NULL || text.len == 0)
		return;
	columns = xcalloc(1, sizeof(*columns));
	copy = xmemdupz(text.p, text.len);
	if (columns_parse(columns, copy, why, sizeof(why))) {
		columns_mark(ch, columns);
		ch->columns = columns;
	} else {
		free(columns);
	}
	free(copy);
}

/* ---- numbers ---------------------------------------------------------- */

static void
metrics_set(const struct channel *ch, int64_t now)
{
	const struct channel_numbers *n = &ch->numbers;
	double age = n->oldest_at > 0 && now > n->oldest_at
			 ? (double)(now - n->oldest_at) / 1000
			 : 0;

	metric_set_series(METRIC_CHANNEL_SPOOL_ROWS, ch->slot,
	    (double)(n->rows > n->rows_out ? n->rows - n->rows_out : 0));
	metric_set_series(METRIC_CHANNEL_SPOOL_BYTES, ch->slot,
	    (double)(n->bytes > n->bytes_out ? n->bytes - n->bytes_out : 0));
	metric_set_series(METRIC_CHANNEL_SPOOL_AGE, ch->slot, age);
	metric_set_series(METRIC_CHANNEL_QUARANTINE, ch->slot, (double)n->bad);
}

/* Rows of a history are counted where all of them are known: at the schedd
 * that brings them on. */
static void
history_count(struct channel *ch, const struct channel_numbers *now)
{
	const struct channel_numbers *n = &ch->numbers;
	int64_t us = clock_mono_us();

	if (ch->conf->kind != CHANNEL_OF_HISTORY || !n->are_known ||
	    !now->is_ours)
		return;
	if (now->rows > n->rows)
		metric_add_series(
		    METRIC_CHANNEL_ROWS, ch->slot, now->rows - n->rows);
	if (now->missed <= n->missed)
		return;
	metric_add_series(
	    METRIC_CHANNEL_REFUSED, ch->slot, now->missed - n->missed);
	if (us < ch->missed_us)
		return;
	ch->missed_us = us + (int64_t)MISSED_TELL_S * 1000000;
	log_error("channel.missed",
	    "error=E%03d channel=%s rows=%" PRIu64
	    " hint=\"the spool is full: ended tasks are not in the history\"",
	    err_info(channel_err(ch))->number, ch->conf->name, now->missed);
}

/* False when the reply has another shape. */
static bool
numbers_read(struct channel *ch, struct reply *c, bool with_owner)
{
	struct channel_numbers n = ch->numbers;
	int64_t rows = reply_int(c, 0);
	struct span text;

	n.bytes = (uint64_t)reply_int(c, 0);
	n.rows_out = (uint64_t)reply_int(c, 0);
	n.bytes_out = (uint64_t)reply_int(c, 0);
	n.bad_total = (uint64_t)reply_int(c, 0);
	text = reply_bytes(c);
	if (text.len == 0 || !place_parse(text, &n.at))
		memset(&n.at, 0, sizeof(n.at));
	n.oldest_at = reply_int(c, 0);
	n.bad = (uint64_t)reply_int(c, 0);
	n.is_paused = reply_int(c, 0) != 0;
	if (with_owner)
		n.is_ours = reply_int(c, 0) != 0;
	else
		(void)reply_int(c, 0);
	text = reply_bytes(c);
	n.owner[0] = '\0';
	if (text.len < sizeof(n.owner)) {
		memcpy(n.owner, text.p, text.len);
		n.owner[text.len] = '\0';
	}
	text = reply_bytes(c);
	n.missed = (uint64_t)reply_int(c, 0);
	if (c->bad)
		return false;
	if (rows < 0) {
		log_warn("channel.unreadable", "channel=%s", ch->conf->name);
		return true;
	}
	n.rows = (uint64_t)rows;
	n.are_known = true;
	history_count(ch, &n);
	ch->numbers = n;
	settle_count_out(ch->forward);
	floor_raise(ch, &n.at);
	columns_remembered(ch, text);
	return true;
}

static void
tick_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct channels *all = arg;
	struct reply c;
	int64_t now;

	all->is_asked = false;
	if (err != ERR_OK || all->is_closed)
		return;
	reply_open(&c, reply);
	now = reply_int(&c, 0);
	for (size_t i = 0; i < all->count; i++) {
		struct channel *ch = all->items[i];

		if (!numbers_read(ch, &c, true))
			return;
		metrics_set(ch, now);
	}
	for (size_t i = 0; i < all->count; i++) {
		struct channel *ch = all->items[i];

		if (!list_is_empty(&ch->waiters) && !ch->numbers.is_ours)
			rows_committed(ch, &ch->numbers.at);
		forward_on_numbers(ch->forward);
	}
}

/* Asks for the numbers of some channels. */
static void
numbers_ask(struct store *s, struct channel *const *items, size_t n,
    uint64_t lease_ms, bool wants, redis_reply_cb *cb, void *arg)
{
	struct buf args;

	buf_init(&args, CALL_MAX_ARGS_BYTES);
	for (size_t i = 0; i < n; i++)
		resp_add_str(&args, items[i]->base);
	resp_add_i64(&args, clock_offset_ms());
	resp_add_str(&args, wants ? beat_id(s) : "");
	resp_add_u64(&args, lease_ms);
	redis_conn_script(s->conn,
	    wants ? SCRIPT_CHANNELS : SCRIPT_CHANNELS_LOOK, &args,
	    (unsigned)n + 3, (unsigned)n, cb, arg);
}

static void
tick_on_timer(void *arg)
{
	struct channels *all = arg;
	struct store *s = all->store;

	if (all->count == 0 || all->is_closed)
		return;
	timer_arm_ms(
	    &all->tick, beat_has_others(s) ? CHANNEL_SOON_MS : CHANNEL_TICK_MS);
	if (all->is_asked || !redis_conn_is_ready(s->conn))
		return;
	all->is_asked = true;
	numbers_ask(s, all->items, all->count, CHANNEL_LEASE_MS, true,
	    tick_on_reply, all);
}

void
channels_look_soon(struct store *s)
{
	timer_arm_ms(&s->channels->tick, 0);
}

static void
close_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	(void)err;
	(void)reply;
	(void)arg;
}

void
channels_close(struct store *s)
{
	struct channels *all = s->channels;

	if (all == NULL || all->is_closed)
		return;
	rows_flush(all);
	all->is_closed = true;
	timer_disarm(&all->tick);
	for (size_t i = 0; i < all->db_count; i++)
		pg_db_free(all->dbs[i]);
	all->db_count = 0;
	/* So that another schedd need not wait for the lease's end. */
	if (all->count > 0 && redis_conn_is_ready(s->conn))
		numbers_ask(
		    s, all->items, all->count, 0, true, close_on_reply, all);
	for (size_t i = 0; i < all->count; i++) {
		rows_abort(all->items[i], ERR_SHUTTING_DOWN);
		rows_end_waiters(all->items[i]);
	}
}

/* ---- what callers see ------------------------------------------------- */

void
channel_fill_info(const struct channel *ch, struct store_channel_info *out)
{
	const struct channel_numbers *n = &ch->numbers;
	const struct conf_channel *conf = ch->conf;
	int64_t now = store_redis_now(ch->store);

	memset(out, 0, sizeof(*out));
	out->name = span_of(conf->name);
	out->table = span_of(conf->table);
	out->key = span_of(conf->key);
	out->database = span_of(conf->database);
	out->on_conflict = conf->on_conflict;
	out->kind = conf->kind;
	out->keep_ms = conf->keep_ms;
	out->columns = ch->columns;
	out->columns_from_database = conf->columns[0] == '\0';
	forward_state(ch->forward, &out->state, &out->err, &out->reason);
	out->is_paused = n->is_paused;
	out->owner = span_of(n->owner);
	out->max_spool = conf->max_spool;
	out->max_spool_bytes = conf->max_spool_bytes;
	out->max_quarantine = conf->max_quarantine;
	out->spool_rows = n->rows > n->rows_out ? n->rows - n->rows_out : 0;
	out->spool_bytes =
	    n->bytes > n->bytes_out ? n->bytes - n->bytes_out : 0;
	out->quarantined = n->bad;
	out->rows_total = n->rows;
	out->committed_total =
	    n->rows_out > n->bad_total ? n->rows_out - n->bad_total : 0;
	out->quarantined_total = n->bad_total;
	out->missed_total = n->missed;
	if (n->oldest_at > 0 && now > n->oldest_at)
		out->oldest_s = (double)(now - n->oldest_at) / 1000;
	out->duplicates = ch->duplicates;
	out->last_commit_at = ch->last_commit_at;
	out->connected = pg_db_is_up(ch->db);
}

void
store_channel_each(struct store *s, store_channel_each_fn *fn, void *arg)
{
	struct store_channel_info info;

	for (size_t i = 0; i < s->channels->count; i++) {
		channel_fill_info(s->channels->items[i], &info);
		fn(&info, arg);
	}
}

struct channel_get {
	struct channel *channel;
	store_channel_cb *cb;
	void *arg;
};

static void
get_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct channel_get get = *(struct channel_get *)arg;
	struct store_channel_info info;
	struct reply c;

	free(arg);
	if (err == ERR_OK) {
		reply_open(&c, reply);
		(void)reply_int(&c, 0);
		if (!numbers_read(get.channel, &c, false))
			err = ERR_STORE_REPLY;
	}
	if (err != ERR_OK) {
		get.cb(err, NULL, get.arg);
		return;
	}
	channel_fill_info(get.channel, &info);
	get.cb(ERR_OK, &info, get.arg);
}

void
store_channel_get(
    struct store *s, struct channel *ch, store_channel_cb *cb, void *arg)
{
	struct channel_get *get = xcalloc(1, sizeof(*get));

	*get = (struct channel_get){ch, cb, arg};
	numbers_ask(s, &ch, 1, 0, false, get_on_reply, get);
}

static void
pause_on_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct channel_get *get = arg;

	(void)reply;
	if (err != ERR_OK) {
		get->cb(err, NULL, get->arg);
		free(get);
		return;
	}
	channels_look_soon(get->channel->store);
	numbers_ask(
	    get->channel->store, &get->channel, 1, 0, false, get_on_reply, get);
}

void
store_channel_pause(struct store *s, struct channel *ch, bool paused,
    store_channel_cb *cb, void *arg)
{
	struct channel_get *get = xcalloc(1, sizeof(*get));
	struct buf args;

	(void)s;
	*get = (struct channel_get){ch, cb, arg};
	channel_args(ch, &args);
	resp_add_str(&args, "paused");
	resp_add_str(&args, paused ? "1" : "");
	channel_send(ch, SCRIPT_CHANNEL_SET, &args, 4, pause_on_reply, get);
}
