/*
 * The audit trail: a stream in Redis in which each entry's hash covers the
 * hash of the one before it, so that a change to any of them shows. Entries
 * are written one after the other. One that cannot be written now is kept
 * and tried again; whether an attempt whose reply was lost had worked is seen
 * by the next. The end that was seen last is remembered: it must be there
 * whenever Redis is asked again.
 */

#include "store/store_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/metrics.h"
#include "core/secret.h"
#include "store/reply.h"

enum {
	PENDING_MAX = 1000,
	AGAIN_MS = 500,
	TRUSTED_MAX = 10,
	HASH_LEN = AUDIT_HASH_LEN
};

_Static_assert(HASH_LEN == 2 * DIGEST_LEN, "a hash in hex");

struct entry {
	struct list link;
	char *text;
	char intent[STORE_INTENT_MAX]; /* which this entry closes; "" = none */
	store_done_cb *cb;             /* NULL once it was called */
	void *arg;
};

struct audit {
	struct store *store;
	struct list pending; /* oldest first; the first is being written */
	size_t count;
	bool is_writing;
	struct audit_tip tip;
	struct audit_tip sent;   /* what it was when the first was sent */
	struct audit_tip lost;   /* one that was not found again; "" = none */
	char hash[HASH_LEN + 1]; /* of the entry that is being written */
	struct timer timer;
	uint64_t made;    /* intents, to tell them apart */
	uint64_t open;    /* of them, as far as we know in Redis */
	unsigned trusted; /* signs of life since it was not gone by */
	bool is_adopting;
};

static void audit_write(struct audit *a);
static void audit_on_reply(enum err err, const struct redisReply *r, void *arg);

/* ---- life ------------------------------------------------------------- */

static void
audit_on_timer(void *arg)
{
	struct audit *a = arg;

	if (!list_is_empty(&a->pending) && !a->is_writing && !a->store->closing)
		audit_write(a);
}

void
audit_init(struct store *s)
{
	struct audit *a = xcalloc(1, sizeof(*a));

	a->store = s;
	list_init(&a->pending);
	memset(a->tip.hash, '0', HASH_LEN);
	timer_init(&a->timer, s->loop, audit_on_timer, a);
	s->audit = a;
}

static struct entry *
audit_first(struct audit *a)
{
	return CONTAINER_OF(a->pending.next, struct entry, link);
}

static void
audit_drop(struct audit *a, struct entry *e)
{
	list_del(&e->link);
	a->count--;
	free(e->text);
	free(e);
}

/* What never reached Redis is in the log at least. */
void
audit_free(struct store *s)
{
	struct audit *a = s->audit;
	struct list *pos, *tmp;
	char quoted[3072];

	if (a == NULL)
		return;
	LIST_FOREACH_SAFE (pos, tmp, &a->pending) {
		struct entry *e = CONTAINER_OF(pos, struct entry, link);

		log_error("access.audit_lost", "entry=%s",
		    log_quote(quoted, sizeof(quoted), span_of(e->text)));
		audit_drop(a, e);
	}
	timer_clear(&a->timer);
	free(a);
	s->audit = NULL;
}

/* ---- the end of the chain ---------------------------------------------- */

const struct audit_tip *
audit_tip(const struct store *s)
{
	return &s->audit->tip;
}

bool
audit_read_tip(struct reply *c, struct audit_tip *tip)
{
	struct span seq = reply_bytes(c), hash = reply_bytes(c);

	if (c->bad || hash.len != HASH_LEN || !str_to_u64(seq, &tip->seq))
		return false;
	memcpy(tip->hash, hash.p, HASH_LEN);
	tip->hash[HASH_LEN] = '\0';
	return true;
}

/* Entries are only added: whatever is found later is no shorter. */
void
audit_saw_tip(struct store *s, const struct audit_tip *known,
    const struct audit_tip *found)
{
	struct audit *a = s->audit;
	bool is_same = strcmp(known->hash, found->hash) == 0;

	if (known->cuts != a->tip.cuts)
		return; /* sent before the cut that was told already */
	if (found->seq < known->seq || (found->seq == known->seq && !is_same)) {
		log_error("access.audit_cut",
		    "known=%" PRIu64 " known_hash=%s found=%" PRIu64,
		    known->seq, known->hash, found->seq);
		metric_add(METRIC_AUDIT_CUTS, 1);
		a->lost = *known;
		a->tip = *found;
		a->tip.cuts = known->cuts + 1;
	} else if (found->seq > a->tip.seq) {
		a->tip.seq = found->seq;
		memcpy(a->tip.hash, found->hash, sizeof(a->tip.hash));
	}
}

/* ---- writing ---------------------------------------------------------- */

/* Its caller waits no longer, whatever becomes of it. */
static void
audit_tell(struct entry *e, enum err err)
{
	store_done_cb *cb = e->cb;

	e->cb = NULL;
	if (cb != NULL)
		cb(err, e->arg);
}

/* Their changes were made; that is all there is to say now. */
static void
audit_tell_all(struct audit *a)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE (pos, tmp, &a->pending)
		audit_tell(
		    CONTAINER_OF(pos, struct entry, link), ERR_STORE_UNKNOWN);
}

void
audit_abort(struct store *s)
{
	audit_tell_all(s->audit);
}

static void
audit_write(struct audit *a)
{
	struct entry *e = audit_first(a);
	struct buf args;

	a->is_writing = true;
	a->sent = a->tip;
	digest_chain(
	    a->hash, span_of(a->tip.hash), a->tip.seq + 1, span_of(e->text));
	store_key(a->store, &args);
	resp_add_u64(&args, a->sent.seq + 1);
	resp_add_str(&args, a->sent.hash);
	resp_add_str(&args, a->hash);
	resp_add_str(&args, e->text);
	resp_add_u64(&args, STORE_AUDIT_MAX);
	resp_add_str(&args, e->intent);
	redis_conn_script(
	    a->store->conn, SCRIPT_AUDIT, &args, 8, 1, audit_on_reply, a);
}

/* The entry is there: under the number that it was written with. */
static void
audit_on_written(struct audit *a, uint64_t seq)
{
	struct entry *e = audit_first(a);

	log_info("access.audit", "seq=%" PRIu64 " hash=%s", seq, a->hash);
	if (e->intent[0] != '\0' && a->open > 0)
		a->open--;
	audit_tell(e, ERR_OK);
	audit_drop(a, e);
}

static void
audit_on_reply(enum err err, const struct redisReply *r, void *arg)
{
	struct audit *a = arg;
	uint64_t seq = a->sent.seq + 1;
	struct span word = {"", 0};
	struct audit_tip found;
	struct reply c;

	a->is_writing = false;
	if (err == ERR_OK) {
		reply_open(&c, r);
		word = reply_bytes(&c);
		if (audit_read_tip(&c, &found))
			audit_saw_tip(a->store, &a->sent, &found);
		else
			err = ERR_STORE_REPLY;
	}
	if (err != ERR_OK) {
		audit_tell_all(a);
		timer_arm_ms(&a->timer, AGAIN_MS);
		return;
	}
	if (span_is(word, "ok"))
		audit_on_written(a, seq);
	if (!list_is_empty(&a->pending) && !a->is_writing)
		audit_write(a);
}

struct audit_full {
	struct done done;
	store_done_cb *cb;
	void *arg;
};

static void
full_on_done(struct done *d)
{
	struct audit_full *full = CONTAINER_OF(d, struct audit_full, done);

	full->cb(ERR_STORE_UNKNOWN, full->arg);
	free(full);
}

/* So many wait that Redis must have been away for long. */
static void
audit_refuse(struct store *s, struct span text, store_done_cb *cb, void *arg)
{
	struct audit_full *full;
	char quoted[3072];

	log_error("access.audit_lost", "entry=%s",
	    log_quote(quoted, sizeof(quoted), text));
	if (cb == NULL)
		return;
	full = xcalloc(1, sizeof(*full));
	full->done.fn = full_on_done;
	full->cb = cb;
	full->arg = arg;
	store_complete(s, &full->done);
}

void
store_audit_add(struct store *s, struct span text, const char *intent,
    store_done_cb *cb, void *arg)
{
	struct audit *a = s->audit;
	struct entry *e;

	if (a->count == PENDING_MAX || s->closing) {
		audit_refuse(s, text, cb, arg);
		return;
	}
	e = xcalloc(1, sizeof(*e));
	e->text = xmemdupz(text.p, text.len);
	snprintf(e->intent, sizeof(e->intent), "%s", intent);
	e->cb = cb;
	e->arg = arg;
	list_add_tail(&a->pending, &e->link);
	a->count++;
	if (!a->is_writing && !timer_is_armed(&a->timer))
		audit_write(a);
}

/* ---- changes that are about to be made --------------------------------- */

struct intent {
	struct audit *audit;
	store_done_cb *cb; /* NULL: it is being forgotten */
	void *arg;
};

static void
intent_on_reply(enum err err, const struct redisReply *r, void *arg)
{
	struct intent *i = arg;
	struct audit *a = i->audit;

	(void)r;
	if (i->cb != NULL) {
		a->open += err == ERR_OK;
		i->cb(err, i->arg);
	} else if (err == ERR_OK && a->open > 0) {
		a->open--;
	}
	free(i);
}

static void
intent_send(struct store *s, const char *intent, struct span text,
    store_done_cb *cb, void *arg)
{
	struct intent *i = xcalloc(1, sizeof(*i));
	struct buf args;

	i->audit = s->audit;
	i->cb = cb;
	i->arg = arg;
	store_key(s, &args);
	resp_add_str(&args, intent);
	resp_add_span(&args, text);
	redis_conn_script(
	    s->conn, SCRIPT_INTENT, &args, 4, 1, intent_on_reply, i);
}

void
store_audit_begin(struct store *s, struct span text,
    char intent[STORE_INTENT_MAX], store_done_cb *cb, void *arg)
{
	snprintf(intent, STORE_INTENT_MAX, "%s:%" PRIu64, beat_id(s),
	    ++s->audit->made);
	intent_send(s, intent, text, cb, arg);
}

void
store_audit_forget(struct store *s, const char *intent)
{
	if (intent[0] != '\0')
		intent_send(s, intent, SPAN(""), NULL, NULL);
}

/* Whether they were made before their schedd ended, nobody knows: that is what
 * these entries say. */
static void
adopt_on_reply(enum err err, const struct redisReply *r, void *arg)
{
	struct audit *a = arg;
	char intent[STORE_INTENT_MAX];
	struct reply c;

	a->is_adopting = false;
	if (err != ERR_OK)
		return; /* the next sign of life asks again */
	reply_open(&c, r);
	while (reply_left(&c) >= 2) {
		struct span which = reply_bytes(&c), text = reply_bytes(&c);

		if (c.bad || which.len >= sizeof(intent))
			continue;
		memcpy(intent, which.p, which.len);
		intent[which.len] = '\0';
		a->open++;
		log_warn("access.audit_adopted", "intent=%s", intent);
		store_audit_add(a->store, text, intent, NULL, NULL);
	}
}

void
audit_adopt(struct store *s, uint64_t open)
{
	struct audit *a = s->audit;
	struct buf args;

	if (open == 0 || a->is_adopting || s->closing)
		return;
	/* Our own count may be off, by a reply that was lost. */
	if (open == a->open && ++a->trusted < TRUSTED_MAX)
		return;
	a->trusted = 0;
	a->is_adopting = true;
	store_key(s, &args);
	resp_add_str(&args, beat_id(s));
	resp_add_u64(&args, BEAT_GAP_MS);
	redis_conn_script(
	    s->conn, SCRIPT_ADOPT, &args, 4, 1, adopt_on_reply, a);
}

/* ---- reading ---------------------------------------------------------- */

struct audit_read {
	struct store *store;
	struct audit_tip sent;
	store_audit_cb *cb;
	void *arg;
};

static void
read_see(struct audit_read *read, struct store_audit_page *page)
{
	const struct audit *a = read->store->audit;
	struct audit_tip found = {.seq = page->last_seq};

	if (page->last_hash.len == HASH_LEN) {
		memcpy(found.hash, page->last_hash.p, HASH_LEN);
		audit_saw_tip(read->store, &read->sent, &found);
	}
	page->lost_seq = a->lost.seq;
	page->lost_hash = span_of(a->lost.hash);
}

static void
read_on_reply(enum err err, const struct redisReply *r, void *arg)
{
	struct audit_read *read = arg;
	struct store_audit_entry *entries = NULL;
	struct store_audit_page page = {0};
	struct reply c;

	if (err == ERR_OK) {
		reply_open(&c, r);
		page.last_seq = (uint64_t)reply_int(&c, 0);
		page.last_hash = reply_bytes(&c);
		page.from_seq = (uint64_t)reply_int(&c, 0);
		page.from_hash = reply_bytes(&c);
		page.n = reply_left(&c) / 3;
		page.entries = entries = xcalloc(page.n + 1, sizeof(*entries));
		for (size_t i = 0; i < page.n; i++) {
			entries[i].seq = (uint64_t)reply_int(&c, 0);
			entries[i].hash = reply_bytes(&c);
			entries[i].text = reply_bytes(&c);
		}
		if (c.bad)
			err = ERR_STORE_REPLY;
		else
			read_see(read, &page);
	}
	read->cb(err, err == ERR_OK ? &page : NULL, read->arg);
	free(entries);
	free(read);
}

void
store_audit_list(struct store *s, const uint64_t *after, uint32_t limit,
    store_audit_cb *cb, void *arg)
{
	struct audit_read *read = xcalloc(1, sizeof(*read));
	struct buf args;

	read->store = s;
	read->sent = s->audit->tip;
	read->cb = cb;
	read->arg = arg;
	store_key(s, &args);
	if (after != NULL)
		resp_add_u64(&args, *after);
	else
		resp_add_str(&args, "");
	resp_add_u64(&args, limit);
	redis_conn_script(
	    s->conn, SCRIPT_AUDITS, &args, 4, 1, read_on_reply, read);
}
