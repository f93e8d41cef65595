/* One connection to one Postgres; see pg_conn.h. */

#include "store/pg_conn.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <libpq-fe.h>

#include "core/clock.h"
#include "core/id.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/mem.h"
#include "core/metrics.h"
#include "core/secret.h"
#include "store/pg_conninfo.h"
#include "store/redis_addr.h"

enum {
	BACKOFF_FIRST_MS = 200,
	BACKOFF_MOST_MS = 30000,
	GRACE_MS = 5000 /* beyond the statement's own timeout */
};

enum pg_conn_state {
	PG_NEW,
	PG_WAITING,    /* for the next attempt */
	PG_RESOLVING,  /* one host after the other */
	PG_CONNECTING, /* libpq is at it */
	PG_READY       /* a statement is under way, or none */
};

struct pg_conn {
	struct loop *loop;
	const struct conf_postgres *conf;
	struct pg_conn_events events;
	enum pg_conn_state state;
	struct pg_conninfo info;
	struct resolve *resolve;
	size_t resolving; /* index of the host that is looked up */
	PGconn *pq;
	struct event *ev;
	short waits_for; /* EV_READ, EV_WRITE */
	struct timer timer;
	unsigned backoff_ms; /* of the next attempt */
	unsigned up_slot;
	/* the statement under way */
	pg_cb *cb;
	void *arg;
	PGresult *result; /* the last, or the first that failed */
	struct span copy; /* what a COPY gets */
	bool is_moved;    /* the UPDATE before it changed one row */
};

static void conn_on_event(int fd, short what, void *arg);
static void conn_on_timer(void *arg);
static void conn_on_resolved(const struct redis_addr *addrs, size_t count,
    const char *reason, void *arg);
static void conn_poll(struct pg_conn *c);
static void conn_begin(struct pg_conn *c);

/* ---- results ---------------------------------------------------------- */

size_t
pg_rows(const struct pg_result *r)
{
	return r->rows == NULL ? 0 : (size_t)PQntuples(r->rows);
}

struct span
pg_value(const struct pg_result *r, size_t row, int column)
{
	return (struct span){PQgetvalue(r->rows, (int)row, column),
	    (size_t)PQgetlength(r->rows, (int)row, column)};
}

/* The first line of a message, as one line. */
static void
message_copy(char dst[PG_MESSAGE_MAX], const char *text)
{
	size_t len;

	if (text == NULL)
		text = "";
	len = strcspn(text, "\n");
	if (len >= PG_MESSAGE_MAX)
		len = PG_MESSAGE_MAX - 1;
	/* Not in the middle of a character. */
	while (len > 0 && len == PG_MESSAGE_MAX - 1 &&
	       ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	memcpy(dst, text, len);
	dst[len] = '\0';
}

/* What libpq says of a lost connection ends with what it guesses. */
static void
result_lost(struct pg_result *r, const char *state, const char *text)
{
	memset(r, 0, sizeof(*r));
	r->is_lost = true;
	r->kind = PG_TRANSIENT;
	memcpy(r->state, state, PG_STATE_LEN);
	message_copy(r->message, text);
}

static void
result_read(struct pg_result *r, const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	ExecStatusType status = PQresultStatus(res);

	memset(r, 0, sizeof(*r));
	r->rows = res;
	if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
	    status == PGRES_EMPTY_QUERY)
		return;
	if (state == NULL || strlen(state) != PG_STATE_LEN)
		state = "08006";
	memcpy(r->state, state, PG_STATE_LEN);
	r->kind = pg_state_kind(r->state);
	message_copy(
	    r->message, PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
}

/* ---- the socket ------------------------------------------------------- */

static void
conn_unwatch(struct pg_conn *c)
{
	if (c->ev != NULL)
		event_free(c->ev);
	c->ev = NULL;
	c->waits_for = 0;
}

/* The socket may be another one under the same number, so that an event is
 * never kept over a step of connecting. */
static void
conn_watch(struct pg_conn *c, short what)
{
	if (c->ev != NULL && c->waits_for == what)
		return;
	conn_unwatch(c);
	c->waits_for = what;
	c->ev = event_new(loop_base(c->loop), PQsocket(c->pq),
	    what | EV_PERSIST, conn_on_event, c);
	ASSERT(c->ev != NULL && event_add(c->ev, NULL) == 0);
}

static void
conn_drop(struct pg_conn *c)
{
	conn_unwatch(c);
	if (c->resolve != NULL)
		resolve_cancel(c->resolve);
	c->resolve = NULL;
	if (c->result != NULL)
		PQclear(c->result);
	c->result = NULL;
	if (c->pq != NULL)
		PQfinish(c->pq);
	c->pq = NULL;
	metric_set_series(METRIC_POSTGRES_UP, c->up_slot, 0);
}

/* Give or take a quarter, so that many do not come together. */
static unsigned
jittered(unsigned ms)
{
	return ms - ms / 4 + (unsigned)(id_random() % (ms / 2 + 1));
}

/* The one way down: what was under way is not known. */
static void
conn_lost(struct pg_conn *c, const struct pg_result *why)
{
	pg_cb *cb = c->cb;
	bool was_ready = c->state == PG_READY;
	unsigned again_ms = jittered(c->backoff_ms);

	c->cb = NULL;
	c->copy = (struct span){NULL, 0};
	conn_drop(c);
	c->state = PG_WAITING;
	c->backoff_ms = c->backoff_ms * 2 > BACKOFF_MOST_MS ? BACKOFF_MOST_MS
							    : c->backoff_ms * 2;
	timer_arm_ms(&c->timer, again_ms);
	if (was_ready && cb != NULL)
		cb(why, c->arg);
	c->events.on_down(why, again_ms, c->events.arg);
}

static void
conn_lost_text(struct pg_conn *c, const char *state, const char *text)
{
	struct pg_result r;

	result_lost(&r, state, text);
	conn_lost(c, &r);
}

/* ---- connecting ------------------------------------------------------- */

/* A first line of a file, or none; read anew each time. */
static char *
password_read(struct pg_conn *c, struct buf *why)
{
	struct buf text;
	char *password = NULL;

	if (c->conf->password_file[0] == '\0')
		return NULL;
	buf_init(&text, SECRET_FILE_MAX);
	if (secret_read("postgres.password_file", c->conf->password_file, &text,
		why) == ERR_OK) {
		password = xmemdupz(text.data, text.len);
		password[strcspn(password, "\r\n")] = '\0';
		secret_protect_process();
	}
	if (text.data != NULL)
		secret_wipe(text.data, text.len);
	buf_clear(&text);
	return password;
}

static void
notice_on_text(void *arg, const char *text)
{
	const struct pg_conn *c = arg;
	char line[PG_MESSAGE_MAX], quoted[PG_MESSAGE_MAX];

	message_copy(line, text);
	log_debug("pg.notice", "database=%s text=%s", c->conf->name,
	    log_quote(quoted, sizeof(quoted), span_of(line)));
}

static void
conn_connect(struct pg_conn *c)
{
	struct buf why;
	char *password;

	buf_init(&why, 1024);
	password = password_read(c, &why);
	if (why.len > 0) {
		buf_add_char(&why, '\0');
		conn_lost_text(c, "28000", why.data);
		buf_clear(&why);
		return;
	}
	buf_clear(&why);
	pg_conninfo_words(&c->info, password);
	c->pq = PQconnectStartParams(c->info.words, c->info.values, 0);
	if (password != NULL)
		secret_wipe(password, strlen(password));
	free(password);
	if (c->pq == NULL || PQstatus(c->pq) == CONNECTION_BAD) {
		conn_lost_text(c, "08001",
		    c->pq != NULL ? PQerrorMessage(c->pq) : "no memory");
		return;
	}
	PQsetNoticeProcessor(c->pq, notice_on_text, c);
	c->state = PG_CONNECTING;
	conn_watch(c, EV_WRITE);
}

/* Looks up the next host that has no address yet, or connects. */
static void
conn_resolve(struct pg_conn *c)
{
	struct redis_url url;

	while (c->resolving < c->info.host_count &&
	       !c->info.hosts[c->resolving].is_named)
		c->resolving++;
	if (c->resolving == c->info.host_count) {
		conn_connect(c);
		return;
	}
	memset(&url, 0, sizeof(url));
	memcpy(url.host, c->info.hosts[c->resolving].name, sizeof(url.host));
	c->resolve = resolve_start(c->loop, &url, conn_on_resolved, c);
}

static void
conn_on_resolved(
    const struct redis_addr *addrs, size_t count, const char *reason, void *arg)
{
	struct pg_conn *c = arg;
	char line[PG_MESSAGE_MAX];

	c->resolve = NULL;
	c->info.hosts[c->resolving].addr_count = 0;
	for (size_t i = 0; i < count; i++) {
		const struct sockaddr_storage *a = &addrs[i].addr;
		const void *ip =
		    a->ss_family == AF_INET
			? (const void *)&((const struct sockaddr_in *)a)
			      ->sin_addr
			: (const void *)&((const struct sockaddr_in6 *)a)
			      ->sin6_addr;

		(void)inet_ntop(a->ss_family, ip,
		    c->info.hosts[c->resolving].addrs[i],
		    sizeof(c->info.hosts[c->resolving].addrs[i]));
		c->info.hosts[c->resolving].addr_count++;
	}
	if (count == 0) {
		snprintf(line, sizeof(line), "%s: %s",
		    c->info.hosts[c->resolving].name, reason);
		conn_lost_text(c, "08001", line);
		return;
	}
	c->resolving++;
	conn_resolve(c);
}

static void
conn_begin(struct pg_conn *c)
{
	c->state = PG_RESOLVING;
	c->resolving = 0;
	timer_arm_ms(&c->timer, c->conf->connect_timeout_ms);
	conn_resolve(c);
}

static void
conn_ready(struct pg_conn *c)
{
	conn_unwatch(c);
	if (PQsetnonblocking(c->pq, 1) != 0) {
		conn_lost_text(c, "08001", PQerrorMessage(c->pq));
		return;
	}
	c->state = PG_READY;
	timer_disarm(&c->timer);
	conn_watch(c, EV_READ);
	metric_set_series(METRIC_POSTGRES_UP, c->up_slot, 1);
	c->events.on_ready(c->events.arg);
}

/* libpq has no SQLSTATE for what ends an attempt; most of it is the network.
 * What a person must mend is told by words that are not translated. */
static const char *
connect_state(const PGconn *pq)
{
	static const struct {
		const char *words, *state;
	} rows[] = {
	    {"password authentication failed", "28P01"},
	    {"no password supplied", "28P01"},
	    {"no pg_hba.conf entry", "28000"},
	    {"\" does not exist", "3D000"},
	    {"too many connections", "53300"},
	    {"remaining connection slots", "53300"},
	    {"session is read-only", "25006"},
	    {"starting up", "57P03"},
	};
	const char *text = PQerrorMessage(pq);

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (strstr(text, rows[i].words) != NULL)
			return rows[i].state;
	return "08001";
}

static void
conn_failed(struct pg_conn *c)
{
	struct pg_result r;

	result_lost(&r, connect_state(c->pq), PQerrorMessage(c->pq));
	r.kind = pg_state_kind(r.state);
	conn_lost(c, &r);
}

static void
conn_poll(struct pg_conn *c)
{
	conn_unwatch(c);
	switch (PQconnectPoll(c->pq)) {
	case PGRES_POLLING_READING:
		conn_watch(c, EV_READ);
		break;
	case PGRES_POLLING_WRITING:
		conn_watch(c, EV_WRITE);
		break;
	case PGRES_POLLING_OK:
		conn_ready(c);
		break;
	case PGRES_POLLING_FAILED:
	case PGRES_POLLING_ACTIVE:
		conn_failed(c);
		break;
	}
}

/* ---- statements ------------------------------------------------------- */

static bool
is_failed(const PGresult *res)
{
	return PQresultStatus(res) == PGRES_FATAL_ERROR;
}

/* Tells whoever asked; the next statement may come from within. */
static void
conn_done(struct pg_conn *c)
{
	PGresult *res = c->result;
	pg_cb *cb = c->cb;
	struct pg_result r;

	c->result = NULL;
	c->cb = NULL;
	timer_disarm(&c->timer);
	c->backoff_ms = BACKOFF_FIRST_MS;
	result_read(&r, res);
	r.is_unmoved = c->copy.p != NULL && !c->is_moved && is_failed(res) &&
		       strcmp(r.state, "57014") == 0;
	c->copy = (struct span){NULL, 0};
	cb(&r, c->arg);
	PQclear(res);
}

static bool conn_flush(struct pg_conn *c);

/* The database is ready to be given what a COPY has. False: it is lost. */
static bool
conn_give(struct pg_conn *c)
{
	int ok = 1;

	if (c->is_moved)
		ok = PQputCopyData(c->pq, c->copy.p, (int)c->copy.len);
	if (ok == 1)
		ok = PQputCopyEnd(
		    c->pq, c->is_moved ? NULL : "the position has moved");
	if (ok == 1 && conn_flush(c))
		return true;
	/* From the loop; see conn_sent. */
	timer_arm_ms(&c->timer, 0);
	return false;
}

/* All that has come. Of several results the last counts, or the first that
 * failed: then no other follows. */
static void
conn_collect(struct pg_conn *c)
{
	PGresult *res;

	while (!PQisBusy(c->pq)) {
		res = PQgetResult(c->pq);
		if (res == NULL) {
			if (c->cb != NULL && c->result != NULL)
				conn_done(c);
			return;
		}
		if (PQresultStatus(res) == PGRES_COPY_IN) {
			PQclear(res);
			if (!conn_give(c))
				return;
			continue;
		}
		if (c->copy.p != NULL && !c->is_moved)
			c->is_moved = strcmp(PQcmdTuples(res), "1") == 0;
		if (c->cb == NULL ||
		    (c->result != NULL && is_failed(c->result))) {
			PQclear(res);
			continue;
		}
		if (c->result != NULL)
			PQclear(c->result);
		c->result = res;
	}
}

/* Sends what libpq holds. */
static bool
conn_flush(struct pg_conn *c)
{
	int left = PQflush(c->pq);

	if (left < 0)
		return false;
	conn_watch(c, left > 0 ? EV_READ | EV_WRITE : EV_READ);
	return true;
}

static void
conn_on_event(int fd, short what, void *arg)
{
	struct pg_conn *c = arg;

	(void)fd;
	if (c->state == PG_CONNECTING) {
		conn_poll(c);
		return;
	}
	if ((what & EV_READ) != 0 && PQconsumeInput(c->pq) != 1) {
		conn_lost_text(c, "08006", PQerrorMessage(c->pq));
		return;
	}
	if (!conn_flush(c)) {
		conn_lost_text(c, "08006", PQerrorMessage(c->pq));
		return;
	}
	if (PQstatus(c->pq) == CONNECTION_BAD) {
		conn_lost_text(c, "08006", PQerrorMessage(c->pq));
		return;
	}
	conn_collect(c);
}

static void
conn_slow_name(struct pg_conn *c)
{
	char line[PG_MESSAGE_MAX];

	(void)snprintf(line, sizeof(line), "%s: no answer from the name server",
	    c->info.hosts[c->resolving].name);
	conn_lost_text(c, "08001", line);
}

static void
conn_on_timer(void *arg)
{
	struct pg_conn *c = arg;

	if (c->state == PG_WAITING)
		conn_begin(c);
	else if (c->state == PG_READY)
		conn_lost_text(c, "08006", "no answer to a statement");
	else if (c->resolve != NULL)
		conn_slow_name(c);
	else
		conn_lost_text(c, "08001", "connecting took too long");
}

/* A statement was given to libpq (or not: then the connection is broken, and
 * the read event will say so). */
static void
conn_sent(struct pg_conn *c, int sent, pg_cb *cb, void *arg)
{
	ASSERT(c->state == PG_READY && c->cb == NULL);
	c->cb = cb;
	c->arg = arg;
	timer_arm_ms(&c->timer, c->conf->statement_timeout_ms + GRACE_MS);
	if (sent != 1 || !conn_flush(c))
		/* From the loop, as all that is told. */
		timer_arm_ms(&c->timer, 0);
}

void
pg_conn_text(struct pg_conn *c, const char *sql, pg_cb *cb, void *arg)
{
	conn_sent(c, PQsendQuery(c->pq, sql), cb, arg);
}

void
pg_conn_prepare(
    struct pg_conn *c, const char *name, const char *sql, pg_cb *cb, void *arg)
{
	conn_sent(c, PQsendPrepare(c->pq, name, sql, 0, NULL), cb, arg);
}

void
pg_conn_run(struct pg_conn *c, const char *name, const struct pg_param *params,
    size_t n, pg_cb *cb, void *arg)
{
	const char **values = xcalloc(n + 1, sizeof(*values));
	int *lengths = xcalloc(n + 1, sizeof(*lengths));
	int *formats = xcalloc(n + 1, sizeof(*formats));
	int sent;

	for (size_t i = 0; i < n; i++) {
		values[i] = params[i].value;
		lengths[i] = (int)params[i].len;
		formats[i] = params[i].is_binary;
	}
	sent = PQsendQueryPrepared(
	    c->pq, name, (int)n, values, lengths, formats, 0);
	free(values);
	free(lengths);
	free(formats);
	conn_sent(c, sent, cb, arg);
}

void
pg_conn_copy(
    struct pg_conn *c, const char *sql, struct span data, pg_cb *cb, void *arg)
{
	c->copy = data;
	c->is_moved = false;
	conn_sent(c, PQsendQuery(c->pq, sql), cb, arg);
}

/* ---- life ------------------------------------------------------------- */

/* What settings say must not depend on who starts schedd. */
static void
forget_environment(const struct pg_conninfo *info)
{
	for (const PQconninfoOption *o = info->options; o->keyword != NULL;
	     o++) {
		if (o->envvar != NULL)
			(void)unsetenv(o->envvar);
	}
	(void)unsetenv("PGSERVICE");
}

struct pg_conn *
pg_conn_new(struct loop *loop, const struct conf_postgres *conf,
    const struct pg_conn_events *events)
{
	struct pg_conn *c = xcalloc(1, sizeof(*c));
	struct buf why;

	c->loop = loop;
	c->conf = conf;
	c->events = *events;
	c->backoff_ms = BACKOFF_FIRST_MS;
	c->up_slot = metric_series(METRIC_POSTGRES_UP, conf->name);
	metric_set_series(METRIC_POSTGRES_UP, c->up_slot, 0);
	timer_init(&c->timer, loop, conn_on_timer, c);
	buf_init(&why, 4096);
	/* pg_check_conf has looked at it. */
	ASSERT(pg_conninfo_parse(&c->info, conf, &why) == ERR_OK);
	buf_clear(&why);
	forget_environment(&c->info);
	return c;
}

void
pg_conn_start(struct pg_conn *c)
{
	/* From the loop. */
	c->state = PG_WAITING;
	timer_arm_ms(&c->timer, 0);
}

void
pg_conn_free(struct pg_conn *c)
{
	if (c == NULL)
		return;
	conn_drop(c);
	timer_clear(&c->timer);
	pg_conninfo_clear(&c->info);
	free(c);
}

bool
pg_conn_is_ready(const struct pg_conn *c)
{
	return c->state == PG_READY && c->cb == NULL;
}
