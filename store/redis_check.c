/*
 * Is this Redis as safe as redis.main.confirm asks for? Asked in hello, every
 * 10 s after that, and again and again while it is not: what INFO and CONFIG
 * GET say, and whether enough replicas confirm a WAIT. While the answer is
 * no, changes are refused; the first connection is not even made with
 * settings that are too weak.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/metrics.h"
#include "store/redis_conn_priv.h"

enum {
	AGAIN_MS = 9 * 1000, /* so that ten seconds are kept */
	AGAIN_WEAK_MS = 1000,
	PROBE_MS = 100,      /* between two WAITs while replicas are missing */
	PROBE_WAIT_MS = 50,  /* and what each may take of the others' time */
	REDIS_MAJOR_MIN = 7, /* the flags in the scripts' first lines */
	ARGS_MAX = 1000
};

static void check_on_again(void *arg);
static void check_on_probe_due(void *arg);

static const char *const level_names[] = {
    "auto", "memory", "disk", "replicated"};

/* clang-format off */
static const struct {
	const char *name, *wanted;
} rules[] = {
	{"maxmemory-policy",          "noeviction"},
	{"appendonly",                "yes"},
	{"appendfsync",               "always"},
	{"no-appendfsync-on-rewrite", "no"},
};
/* clang-format on */

void
check_init(struct redis_conn *c)
{
	struct check *k = &c->check;

	k->level = c->conf->confirm;
	if (k->level == CONFIRM_AUTO)
		k->level =
		    c->sentinel != NULL ? CONFIRM_REPLICATED : CONFIRM_DISK;
	timer_init(&k->again, c->loop, check_on_again, c);
	timer_init(&k->probe, c->loop, check_on_probe_due, c);
	k->confirms_slot = metric_series(METRIC_STORE_CONFIRMS, c->conf->name);
	k->degraded_slot = metric_series(METRIC_STORE_DEGRADED, c->conf->name);
}

void
check_clear(struct redis_conn *c)
{
	timer_clear(&c->check.again);
	timer_clear(&c->check.probe);
}

bool
check_is_replicated(const struct redis_conn *c)
{
	return c->check.level == CONFIRM_REPLICATED && !c->check.is_degraded;
}

const char *
redis_conn_durability(const struct redis_conn *c)
{
	return c->check.is_degraded ? level_names[CONFIRM_DISK]
				    : level_names[c->check.level];
}

bool
redis_conn_is_degraded(const struct redis_conn *c)
{
	return c->check.is_degraded;
}

/* ---- what INFO says ---------------------------------------------------- */

/* The value of "name:" in an INFO text; empty when it is not there. */
static struct span
info_field(const struct redisReply *reply, const char *name)
{
	const char *at, *end;
	size_t len = strlen(name);

	for (at = reply->str; at != NULL; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, name, len) == 0 && at[len] == ':') {
			at += len + 1;
			end = at + strcspn(at, "\r\n");
			return (struct span){at, (size_t)(end - at)};
		}
	}
	return SPAN("");
}

static bool
version_is_bad(struct span version)
{
	struct span major = {version.p, strcspn(version.p, ".\r\n")};
	uint64_t n;

	return str_to_u64(major, &n) && n < REDIS_MAJOR_MIN;
}

/*
 * Switched on, the log begins with a file that is written in the background:
 * until that is whole, nothing of the log would be read again. INFO says the
 * same of a log that is only being rewritten, so it counts only when we saw
 * that there was none.
 */
static void
aof_look(struct redis_conn *c, const struct redisReply *reply)
{
	struct span enabled = info_field(reply, "aof_enabled");

	if (enabled.len > 0)
		c->check.has_log =
		    span_is(enabled, "1") &&
		    span_is(
			info_field(reply, "aof_rewrite_in_progress"), "0") &&
		    span_is(info_field(reply, "aof_rewrite_scheduled"), "0") &&
		    span_is(
			info_field(reply, "aof_last_bgrewrite_status"), "ok");
}

/* Of CONFIG GET, which is asked behind INFO. */
static void
aof_judge(struct redis_conn *c, const char *appendonly)
{
	struct check *k = &c->check;
	bool is_off = appendonly == NULL || strcmp(appendonly, "yes") != 0;

	k->has_log = k->has_log && !is_off;
	k->was_off = is_off || (k->was_off && !k->has_log);
}

bool
check_on_info(struct redis_conn *c, const struct redisReply *reply)
{
	char reason[CONN_REASON_MAX];
	struct span version;
	uint64_t used, max;

	if (reply->type != REDIS_REPLY_STRING)
		return true;
	if (span_is(info_field(reply, "redis_mode"), "cluster")) {
		conn_hopeless(
		    c, ERR_REDIS_SETTINGS, "cluster mode is not supported");
		return false;
	}
	version = info_field(reply, "redis_version");
	if (version_is_bad(version)) {
		snprintf(reason, sizeof(reason),
		    "Redis %d or later is needed, this is %.*s",
		    REDIS_MAJOR_MIN, SPAN_ARG(version));
		conn_hopeless(c, ERR_REDIS_SETTINGS, reason);
		return false;
	}
	if (str_to_u64(info_field(reply, "used_memory"), &used))
		metric_set_series(METRIC_REDIS_MEMORY,
		    metric_series(METRIC_REDIS_MEMORY, c->conf->name),
		    (double)used);
	if (str_to_u64(info_field(reply, "maxmemory"), &max))
		metric_set_series(METRIC_REDIS_MEMORY_MAX,
		    metric_series(METRIC_REDIS_MEMORY_MAX, c->conf->name),
		    (double)max);
	aof_look(c, reply);
	c->check.is_replica = span_is(info_field(reply, "role"), "slave");
	fresh_on_info(c, reply);
	return true;
}

/* ---- what CONFIG GET says ---------------------------------------------- */

unsigned
check_add_config(struct buf *args)
{
	resp_add_str(args, "CONFIG");
	resp_add_str(args, "GET");
	for (size_t i = 0; i < COUNT_OF(rules); i++)
		resp_add_str(args, rules[i].name);
	resp_add_str(args, "replica-priority");
	return 3 + COUNT_OF(rules);
}

/* NULL: it was not told. */
static const char *
config_value(const struct redisReply *reply, const char *name)
{
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		const char *key = reply->element[i]->str;

		if (key != NULL && strcmp(key, name) == 0)
			return reply->element[i + 1]->str;
	}
	return NULL;
}

static void
config_judge(
    struct redis_conn *c, struct buf *out, const struct redisReply *reply)
{
	const char *priority = config_value(reply, "replica-priority");

	aof_judge(c, config_value(reply, "appendonly"));
	c->check.priority = priority != NULL ? strtoll(priority, NULL, 10) : -1;
	for (size_t i = 0; i < COUNT_OF(rules); i++) {
		const char *value = config_value(reply, rules[i].name);

		if (value != NULL && strcmp(value, rules[i].wanted) == 0)
			continue;
		buf_addf(out, "%s%s is %.40s (wanted: %s)",
		    out->len > 0 ? ", " : "", rules[i].name,
		    value != NULL ? value : "not told", rules[i].wanted);
	}
}

/* At level memory they lose what may be lost, so that is only told. */
static void
settings_warn(struct redis_conn *c, const char *text)
{
	char quoted[2 * CONN_REASON_MAX];
	bool is_bad = text[0] != '\0';

	if (is_bad && !c->check.warned)
		log_warn("redis.settings", "reason=%s",
		    log_quote(quoted, sizeof(quoted), span_of(text)));
	c->check.warned = is_bad;
}

void
check_on_config(struct redis_conn *c, const struct redisReply *reply)
{
	struct buf out;
	char text[CONN_REASON_MAX];

	buf_init(&out, ARGS_MAX);
	if (reply != NULL && reply->type == REDIS_REPLY_ARRAY)
		config_judge(c, &out, reply);
	else
		buf_addf(&out,
		    "Redis's settings cannot be checked, as it answers CONFIG "
		    "GET with: %.80s",
		    reply != NULL && reply->str != NULL ? reply->str
							: "an error");
	snprintf(text, sizeof(text), "%.*s", SPAN_ARG(buf_span(&out)));
	buf_clear(&out);
	if (c->check.level == CONFIRM_MEMORY)
		settings_warn(c, text);
	else
		memcpy(c->check.settings, text, sizeof(text));
}

/* ---- whether replicas confirm ------------------------------------------ */

uint64_t
check_wait_ms(const struct redis_conn *c)
{
	uint64_t most = c->conf->deadline_ms / 2;
	uint64_t fresh = fresh_limit_ms(c) / 2;

	/* It answers nothing else meanwhile. */
	if (fresh > 0 && fresh < most)
		most = fresh;
	return c->conf->confirm_timeout_ms < most ? c->conf->confirm_timeout_ms
						  : most;
}

/*
 * WAIT looks at this connection's last command that wrote. The message
 * (nobody listens) goes to the replicas too, so that there is one, and what
 * is confirmed is confirmed now, by the replicas that there are now.
 */
void
check_add_mark(struct buf *args)
{
	resp_add_str(args, "PUBLISH");
	resp_add_str(args, "schedd:confirm");
	resp_add_str(args, "1");
}

void
check_add_wait(struct buf *args, uint64_t replicas, uint64_t ms)
{
	resp_add_str(args, "WAIT");
	resp_add_u64(args, replicas);
	resp_add_u64(args, ms);
}

bool
check_is_enough(const struct redis_conn *c, const struct redisReply *reply)
{
	return reply != NULL && reply->type == REDIS_REPLY_INTEGER &&
	       reply->integer >= (long long)c->conf->confirm_replicas;
}

static void
check_set_short(struct redis_conn *c, bool is_short)
{
	struct check *k = &c->check;

	if (is_short && !k->is_short)
		k->short_since_us = clock_mono_us();
	k->is_short = is_short;
}

void
check_on_wait(struct redis_conn *c, const struct redisReply *reply)
{
	check_set_short(c, !check_is_enough(c, reply));
}

/* ---- the verdict ------------------------------------------------------- */

/* May it go on without replicas? */
static bool
check_may_degrade(const struct redis_conn *c)
{
	const struct check *k = &c->check;
	int64_t short_us = clock_mono_us() - k->short_since_us;

	return k->is_short && c->conf->degrade == DEGRADE_DISK &&
	       short_us >= (int64_t)c->conf->degrade_after_ms * 1000;
}

static void
check_set_degraded(struct redis_conn *c, bool is_degraded)
{
	struct check *k = &c->check;

	if (is_degraded == k->is_degraded)
		return;
	k->is_degraded = is_degraded;
	metric_set_series(
	    METRIC_STORE_DEGRADED, k->degraded_slot, is_degraded ? 1 : 0);
	if (is_degraded)
		log_warn("redis.degraded", "missing=%llu after_ms=%llu",
		    (unsigned long long)c->conf->confirm_replicas,
		    (unsigned long long)c->conf->degrade_after_ms);
	else
		log_info("redis.replicated", "replicas=%llu",
		    (unsigned long long)c->conf->confirm_replicas);
}

/* Sentinel may promote the replica of the better priority, confirmed or not:
 * so all have the same, or all confirm. */
static bool
priorities_differ(const struct redis_conn *c)
{
	const struct sentinel_replicas *r;
	int64_t own = c->check.priority;

	if (c->check.level != CONFIRM_REPLICATED || c->sentinel == NULL)
		return false;
	r = sentinel_replicas(c->sentinel);
	if (r->count <= c->conf->confirm_replicas)
		return false;
	return r->lowest != r->highest || (own >= 0 && own != r->lowest);
}

/* What is set too weak; "" when nothing is. */
static void
check_judge_settings(const struct redis_conn *c, char *dst, size_t size)
{
	const struct check *k = &c->check;

	dst[0] = '\0';
	if (k->settings[0] != '\0')
		snprintf(dst, size,
		    "redis.main.confirm is %s, but %.320s: change that, or "
		    "ask for less with redis.main.confirm = memory",
		    level_names[k->level], k->settings);
	else if (k->was_off && k->level != CONFIRM_MEMORY)
		snprintf(dst, size,
		    "redis.main.confirm is %s, but Redis has no whole log yet: "
		    "appendonly was switched on, and the first file is being "
		    "written",
		    level_names[k->level]);
	else if (priorities_differ(c))
		snprintf(dst, size,
		    "redis.main.confirm is replicated, but replica-priority "
		    "is not the same on all Redis servers: make it so, or set "
		    "redis.main.confirm_replicas to the number of replicas");
}

/* Why changes are not safe here; "" when they are. */
static void
check_judge(const struct redis_conn *c, char *dst, size_t size)
{
	const struct check *k = &c->check;

	check_judge_settings(c, dst, size);
	if (k->is_replica)
		snprintf(dst, size, "this Redis is a replica, no master");
	else if (dst[0] == '\0' && k->is_short && check_is_replicated(c))
		snprintf(dst, size,
		    "fewer than %llu replicas confirm changes "
		    "(redis.main.confirm_replicas)",
		    (unsigned long long)c->conf->confirm_replicas);
}

static void
check_set_weak(struct redis_conn *c, const char *why)
{
	struct check *k = &c->check;
	char quoted[2 * CONN_REASON_MAX];

	if (strcmp(k->weak, why) == 0)
		return;
	snprintf(k->weak, sizeof(k->weak), "%s", why);
	if (why[0] == '\0') {
		log_info("redis.strong", "confirm=%s", level_names[k->level]);
		return;
	}
	log_warn("redis.weak", "reason=%s",
	    log_quote(quoted, sizeof(quoted), span_of(why)));
	/* Soon, not when it would have been: the replicas may have left to
	 * follow another, and the sentinels are asked then. */
	timer_disarm(&k->again);
}

/* Draws the conclusions from what is known now. */
static void
check_conclude(struct redis_conn *c)
{
	struct check *k = &c->check;
	char why[CONN_REASON_MAX];

	check_set_degraded(c, check_may_degrade(c));
	check_judge(c, why, sizeof(why));
	check_set_weak(c, why);
	k->weak_err = k->is_replica ? ERR_STORE_READ_ONLY : ERR_STORE_WEAK;
	metric_set_series(METRIC_STORE_CONFIRMS, k->confirms_slot,
	    why[0] == '\0' && !k->is_degraded ? 1 : 0);
	if (why[0] != '\0')
		ops_refuse_changes(c, k->weak_err);
}

bool
check_is_confirmed(const struct redis_conn *c)
{
	return c->check.level == CONFIRM_REPLICATED && !c->check.is_short;
}

/* Behind Sentinel there is a master elsewhere: asked for again. */
static bool
check_leaves_replica(struct redis_conn *c)
{
	if (!c->check.is_replica || c->sentinel == NULL)
		return false;
	conn_moved(c, "this Redis is a replica, no master");
	return true;
}

bool
check_hello_done(struct redis_conn *c)
{
	char why[CONN_REASON_MAX];

	if (check_leaves_replica(c))
		return false;
	/* Replicas may still come, settings do not change by themselves. */
	check_judge_settings(c, why, sizeof(why));
	if (!c->was_ready && why[0] != '\0') {
		conn_hopeless(c, ERR_REDIS_SETTINGS, why);
		return false;
	}
	check_conclude(c);
	return true;
}

/* ---- again and again --------------------------------------------------- */

static void
check_arm(struct redis_conn *c)
{
	struct check *k = &c->check;

	if (!timer_is_armed(&k->again))
		timer_arm_ms(
		    &k->again, k->weak[0] != '\0' ? AGAIN_WEAK_MS : AGAIN_MS);
	if (k->level == CONFIRM_REPLICATED && k->is_short && !k->is_probing &&
	    !timer_is_armed(&k->probe))
		timer_arm_ms(&k->probe, PROBE_MS);
}

void
check_start(struct redis_conn *c)
{
	c->check.is_probing = false;
	check_arm(c);
}

void
check_stop(struct redis_conn *c)
{
	timer_disarm(&c->check.again);
	timer_disarm(&c->check.probe);
}

void
check_again(struct redis_conn *c)
{
	check_conclude(c);
	check_arm(c);
}

void
check_short(struct redis_conn *c)
{
	check_set_short(c, true);
	check_again(c);
}

static void
check_on_info_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct redis_conn *c = arg;

	if (err == ERR_OK)
		(void)check_on_info(c, reply);
}

static void
check_on_config_reply(enum err err, const struct redisReply *reply, void *arg)
{
	struct redis_conn *c = arg;

	if (c->state != CONN_READY)
		return;
	if (check_leaves_replica(c))
		return;
	if (err == ERR_OK || err == ERR_STORE_REFUSED)
		check_on_config(c, reply);
	check_again(c);
}

static void
check_on_probe(enum err err, const struct redisReply *reply, void *arg)
{
	struct redis_conn *c = arg;

	if (c->state != CONN_READY)
		return;
	c->check.is_probing = false;
	if (err == ERR_OK)
		check_on_wait(c, reply);
	check_again(c);
}

static void
check_on_mark(enum err err, const struct redisReply *reply, void *arg)
{
	(void)err; /* the WAIT behind it tells */
	(void)reply;
	(void)arg;
}

static void
check_probe(struct redis_conn *c)
{
	struct buf args;

	if (c->check.is_probing)
		return;
	c->check.is_probing = true;
	buf_init(&args, ARGS_MAX);
	check_add_mark(&args);
	redis_conn_command(c, REDIS_READ, &args, 3, check_on_mark, c);
	buf_init(&args, ARGS_MAX);
	check_add_wait(&args, c->conf->confirm_replicas, PROBE_WAIT_MS);
	redis_conn_command(c, REDIS_READ, &args, 3, check_on_probe, c);
}

static void
check_on_probe_due(void *arg)
{
	struct redis_conn *c = arg;

	if (c->state == CONN_READY)
		check_probe(c);
}

static void
check_on_again(void *arg)
{
	struct redis_conn *c = arg;
	struct buf args;
	unsigned argc;

	if (c->state != CONN_READY)
		return;
	buf_init(&args, ARGS_MAX);
	resp_add_str(&args, "INFO");
	resp_add_str(&args, "server");
	resp_add_str(&args, "replication");
	resp_add_str(&args, "memory");
	resp_add_str(&args, "persistence");
	redis_conn_command(c, REDIS_READ, &args, 5, check_on_info_reply, c);
	buf_init(&args, ARGS_MAX);
	argc = check_add_config(&args);
	redis_conn_command(
	    c, REDIS_READ, &args, argc, check_on_config_reply, c);
	if (c->check.level == CONFIRM_REPLICATED)
		check_probe(c);
	if (c->sentinel != NULL)
		sentinel_ask(c->sentinel);
}
