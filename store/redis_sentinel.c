/* Asking the sentinels where the master is; see redis_sentinel.h. */

#define _DEFAULT_SOURCE /* explicit_bzero */

#include "store/redis_sentinel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include <hiredis/hiredis.h>

#include "core/conf.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/mem.h"
#include "core/str.h"
#include "store/redis_conn.h"
#include "store/redis_link.h"

enum {
	HOSTS_MAX = 16,
	OUT_MAX = 4096,
	REASON_MAX = 256,
	URL_MAX = 300,
	AGAIN_MS = 1000 /* the one that is listened to was lost */
};

/* The answers that are waited for, in order. */
enum ask_step {
	ASK_AUTH,
	ASK_MASTER,
	ASK_STATE,
	ASK_REPLICAS,
	ASK_LISTEN,
	ASK_NEWS
};

struct sentinel {
	struct loop *loop;
	const struct conf_redis *conf;
	struct sentinel_events events;
	struct redis_url hosts[HOSTS_MAX];
	size_t count, at; /* which is asked or listened to */
	char master[NAME_MAX_LEN + 1];
	char *password;

	struct redis_link *link;
	struct buf out;
	size_t written;
	enum ask_step step;
	bool is_asking;
	size_t tried; /* in this question */
	struct timer limit, again;
	enum err err; /* of the last that could not tell */
	char url[URL_MAX];
	uint64_t epoch, down_after_ms; /* of the last answer */
	char doubted[URL_MAX];         /* a master that was left; "" */
	size_t named_doubted;          /* by how many, to this question */
	bool is_replaced;              /* one says so, to this question */
	bool believes;                 /* as there was no other answer */
	struct sentinel_replicas replicas;
};

static void sentinel_on_open(void *arg);
static void sentinel_on_writable(void *arg);
static void sentinel_on_reply(const struct redisReply *reply, void *arg);
static void sentinel_on_broken(const char *reason, void *arg);
static void sentinel_on_limit(void *arg);
static void sentinel_on_again(void *arg);

/* ---- the url ----------------------------------------------------------- */

static const char scheme[] = "sentinel://";

bool
sentinel_is_url(const char *url)
{
	return strncmp(url, scheme, sizeof(scheme) - 1) == 0;
}

/* One "host:port". */
static bool
hosts_add(struct sentinel *s, struct span host, char *why, size_t why_size)
{
	char url[300];

	if (s->count == HOSTS_MAX) {
		snprintf(why, why_size, "more than %d sentinels", HOSTS_MAX);
		return false;
	}
	snprintf(url, sizeof(url), "tcp://%.*s", SPAN_ARG(host));
	return redis_url_parse(&s->hosts[s->count++], url, why, why_size);
}

static bool
hosts_read(struct sentinel *s, const char *url, char *why, size_t why_size)
{
	const char *p = url + sizeof(scheme) - 1, *slash = strchr(p, '/');
	size_t len;

	if (slash == NULL || !name_is_valid(span_of(slash + 1))) {
		snprintf(
		    why, why_size, "no name of a master at the end: %s", url);
		return false;
	}
	memcpy(s->master, slash + 1, strlen(slash + 1) + 1);
	for (; p <= slash; p += len + 1) {
		len = strcspn(p, ",/");
		if (!hosts_add(s, (struct span){p, len}, why, why_size))
			return false;
	}
	return true;
}

/* ---- life -------------------------------------------------------------- */

struct sentinel *
sentinel_new(struct loop *loop, const struct conf_redis *conf, const char *url,
    const struct sentinel_events *events, char *why, size_t why_size)
{
	struct sentinel *s = xcalloc(1, sizeof(*s));

	s->loop = loop;
	s->conf = conf;
	s->events = *events;
	s->password = xstrdup("");
	buf_init(&s->out, OUT_MAX);
	timer_init(&s->limit, loop, sentinel_on_limit, s);
	timer_init(&s->again, loop, sentinel_on_again, s);
	if (hosts_read(s, url, why, why_size))
		return s;
	sentinel_free(s);
	return NULL;
}

static void
password_free(struct sentinel *s)
{
	explicit_bzero(s->password, strlen(s->password));
	free(s->password);
}

void
sentinel_set_password(struct sentinel *s, const char *password)
{
	password_free(s);
	s->password = xstrdup(password);
}

/* Forgets the bytes too, for the password's sake. */
static void
sentinel_drop(struct sentinel *s)
{
	if (s->link != NULL)
		redis_link_close(s->link);
	s->link = NULL;
	if (s->out.len > 0)
		explicit_bzero(s->out.data, s->out.len);
	buf_clear(&s->out);
	s->written = 0;
}

void
sentinel_free(struct sentinel *s)
{
	if (s == NULL)
		return;
	sentinel_drop(s);
	timer_clear(&s->limit);
	timer_clear(&s->again);
	password_free(s);
	free(s);
}

const struct sentinel_replicas *
sentinel_replicas(const struct sentinel *s)
{
	return &s->replicas;
}

/* ---- asking ------------------------------------------------------------ */

/* A quarter of the time for connecting for each of them. */
static void
sentinel_try(struct sentinel *s)
{
	const struct redis_link_events events = {
	    .on_open = sentinel_on_open,
	    .on_writable = sentinel_on_writable,
	    .on_reply = sentinel_on_reply,
	    .on_broken = sentinel_on_broken,
	    .arg = s,
	};

	sentinel_drop(s);
	s->at = (s->at + 1) % s->count;
	s->link = redis_link_open(s->loop, &s->hosts[s->at], &events);
	timer_arm_ms(&s->limit, s->conf->connect_timeout_ms / 4 + 1);
}

void
sentinel_ask(struct sentinel *s)
{
	if (s->is_asking)
		return;
	s->is_asking = true;
	s->tried = 0;
	s->named_doubted = 0;
	s->is_replaced = s->believes = false;
	s->err = ERR_OK;
	timer_disarm(&s->again);
	sentinel_try(s);
}

void
sentinel_survey(struct sentinel *s)
{
	s->is_asking = false;
	sentinel_ask(s);
}

void
sentinel_doubt(struct sentinel *s, const char *url)
{
	snprintf(s->doubted, sizeof(s->doubted), "%s", url);
}

bool
sentinel_doubts(const struct sentinel *s, const char *url)
{
	return strcmp(s->doubted, url) == 0;
}

/* Nobody named another than the doubted one: all once more, to be believed. */
static bool
sentinel_asks_again(struct sentinel *s)
{
	if (s->believes || s->is_replaced ||
	    s->named_doubted < (s->count + 1) / 2)
		return false;
	s->believes = true;
	s->tried = 0;
	return true;
}

/* This one cannot tell: the next, or the end. */
static void
sentinel_pass(struct sentinel *s, const char *reason)
{
	char text[REASON_MAX];

	snprintf(text, sizeof(text), "no sentinel knows the master; %zu: %s",
	    s->at + 1, reason);
	if (++s->tried < s->count || sentinel_asks_again(s)) {
		sentinel_try(s);
		return;
	}
	sentinel_drop(s);
	timer_disarm(&s->limit);
	timer_arm_ms(&s->again, AGAIN_MS);
	s->is_asking = false;
	s->events.on_no_master(s->err, text, s->events.arg);
}

static void
sentinel_on_limit(void *arg)
{
	sentinel_pass(arg, "no answer in time");
}

static void
sentinel_on_again(void *arg)
{
	sentinel_ask(arg);
}

static void
add_words(
    struct buf *out, const char *first, const char *second, const char *third)
{
	buf_addf(out, "*%d\r\n", third != NULL ? 3 : 2);
	resp_add_str(out, first);
	resp_add_str(out, second);
	if (third != NULL)
		resp_add_str(out, third);
}

static void
sentinel_on_open(void *arg)
{
	struct sentinel *s = arg;
	const char *user = s->conf->sentinel_user;

	s->step = ASK_MASTER;
	if (user[0] != '\0' || s->password[0] != '\0') {
		s->step = ASK_AUTH;
		add_words(&s->out, "AUTH", user[0] != '\0' ? user : s->password,
		    user[0] != '\0' ? s->password : NULL);
	}
	add_words(&s->out, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", s->master);
	add_words(&s->out, "SENTINEL", "MASTER", s->master);
	add_words(&s->out, "SENTINEL", "REPLICAS", s->master);
	add_words(&s->out, "SUBSCRIBE", "+switch-master", NULL);
	ASSERT(!s->out.failed);
	sentinel_on_writable(s);
}

static void
sentinel_on_writable(void *arg)
{
	struct sentinel *s = arg;
	struct iovec iov = {s->out.data + s->written, s->out.len - s->written};

	if (iov.iov_len > 0)
		s->written += redis_link_write(s->link, &iov, 1);
}

static void
sentinel_on_broken(const char *reason, void *arg)
{
	struct sentinel *s = arg;
	char text[REASON_MAX];

	snprintf(text, sizeof(text), "%s", reason);
	if (s->is_asking) {
		sentinel_pass(s, text);
		return;
	}
	sentinel_drop(s);
	timer_arm_ms(&s->again, AGAIN_MS);
}

/* ---- answers ----------------------------------------------------------- */

static void
make_url(char *dst, size_t size, const char *host, const char *port)
{
	snprintf(dst, size,
	    strchr(host, ':') != NULL ? "tcp://[%.250s]:%.20s"
				      : "tcp://%.250s:%.20s",
	    host, port);
}

/* Two texts: host and port. */
static bool
read_master(struct sentinel *s, const struct redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[0]->str == NULL || reply->element[1]->str == NULL)
		return false;
	make_url(s->url, sizeof(s->url), reply->element[0]->str,
	    reply->element[1]->str);
	return true;
}

/* A value in an array of names and values; NULL: it is not there. */
static const char *
find_value(const struct redisReply *pairs, const char *wanted)
{
	for (size_t i = 0; i + 1 < pairs->elements; i += 2) {
		const char *name = pairs->element[i]->str;

		if (name != NULL && strcmp(name, wanted) == 0)
			return pairs->element[i + 1]->str;
	}
	return NULL;
}

static uint64_t
find_number(const struct redisReply *pairs, const char *wanted)
{
	const char *value = find_value(pairs, wanted);
	uint64_t n;

	return value != NULL && str_to_u64(span_of(value), &n) ? n : 0;
}

/* What it says of the master that it named; "" when that one is already the
 * new one, and this is about the old. */
static const char *
find_flags(const struct sentinel *s, const struct redisReply *reply)
{
	const char *flags = find_value(reply, "flags");
	const char *host = find_value(reply, "ip");
	const char *port = find_value(reply, "port");
	char url[URL_MAX];

	if (flags == NULL || host == NULL || port == NULL)
		return "";
	make_url(url, sizeof(url), host, port);
	return strcmp(url, s->url) == 0 ? flags : "";
}

/* One that is down or being replaced may go on answering, and what it is told
 * then is lost. That one sentinel does not see it says less. */
static void
read_state(struct sentinel *s, const struct redisReply *reply)
{
	const char *flags = find_flags(s, reply);

	s->epoch = find_number(reply, "config-epoch");
	s->down_after_ms = find_number(reply, "down-after-milliseconds");
	if (strstr(flags, "failover_in_progress") != NULL ||
	    strstr(flags, "o_down") != NULL) {
		s->is_replaced = true;
		sentinel_pass(s, "it says that the master is being replaced");
	} else if (strstr(flags, "s_down") != NULL) {
		sentinel_pass(s, "it says that the master is down");
	}
}

static void
read_replicas(struct sentinel *s, const struct redisReply *reply)
{
	struct sentinel_replicas *r = &s->replicas;
	const char *value;
	int64_t priority;

	*r = (struct sentinel_replicas){0};
	for (size_t i = 0; i < reply->elements; i++) {
		value = find_value(reply->element[i], "slave-priority");
		if (value == NULL)
			continue;
		priority = strtoll(value, NULL, 10);
		if (r->count == 0 || priority < r->lowest)
			r->lowest = priority;
		if (r->count == 0 || priority > r->highest)
			r->highest = priority;
		r->count++;
	}
}

/* The question is answered; from now on it is listened to. */
static void
sentinel_told(struct sentinel *s)
{
	char quoted[2 * URL_MAX];
	const struct sentinel_master m = {s->url, s->epoch, s->down_after_ms};

	if (!s->believes && sentinel_doubts(s, s->url)) {
		s->named_doubted++;
		sentinel_pass(s, "it names a master that was left");
		return;
	}
	s->is_asking = false;
	timer_disarm(&s->limit);
	log_debug("sentinel.master", "url=%s replicas=%zu",
	    log_quote(quoted, sizeof(quoted), span_of(s->url)),
	    s->replicas.count);
	s->events.on_master(&m, s->events.arg);
}

/* "message", "+switch-master", "name host port host port". */
static void
read_news(struct sentinel *s, const struct redisReply *reply)
{
	size_t len = strlen(s->master);
	char host[251], port[21], url[URL_MAX], quoted[256];
	const char *text;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
	    reply->element[2]->str == NULL)
		return;
	text = reply->element[2]->str;
	if (strncmp(text, s->master, len) != 0 || text[len] != ' ')
		return;
	if (sscanf(text + len, " %*s %*s %250s %20s", host, port) != 2)
		return;
	log_info("sentinel.switch", "news=%s",
	    log_quote(quoted, sizeof(quoted), span_of(text)));
	make_url(url, sizeof(url), host, port);
	s->events.on_switch(url, s->events.arg);
}

static bool
is_about_rights(enum ask_step step, const struct redisReply *reply)
{
	return step == ASK_AUTH || strncmp(reply->str, "NOAUTH", 6) == 0 ||
	       strncmp(reply->str, "NOPERM", 6) == 0;
}

static void
sentinel_refused(
    struct sentinel *s, enum ask_step step, const struct redisReply *reply)
{
	char reason[REASON_MAX];

	if (is_about_rights(step, reply))
		s->err = ERR_REDIS_AUTH;
	snprintf(reason, sizeof(reason), "refused: %.200s", reply->str);
	sentinel_pass(s, reason);
}

static void
sentinel_on_reply(const struct redisReply *reply, void *arg)
{
	struct sentinel *s = arg;
	enum ask_step step = s->step;

	if (step < ASK_NEWS)
		s->step = step + 1;
	if (step == ASK_NEWS)
		read_news(s, reply);
	else if (reply->type == REDIS_REPLY_ERROR)
		sentinel_refused(s, step, reply);
	else if (step == ASK_MASTER && !read_master(s, reply))
		sentinel_pass(s, "it has no such master");
	else if (step == ASK_STATE)
		read_state(s, reply);
	else if (step == ASK_REPLICAS)
		read_replicas(s, reply);
	else if (step == ASK_LISTEN)
		sentinel_told(s);
}
