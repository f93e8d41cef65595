/*
 * The first exchange on a new socket, sent in one go: who we are, what kind
 * of Redis this is, and all scripts. Each answer is checked in order. While
 * Redis loads its data it refuses; then it is asked again every 50 ms.
 */

#define _DEFAULT_SOURCE /* explicit_bzero */

#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include <hiredis/hiredis.h>

#include "core/clock.h"
#include "core/log.h"
#include "store/redis_conn_priv.h"

enum {
	AGAIN_MS = 50,
	OUT_MAX = 16 * 1024 * 1024,
	ARGS_MAX = 1000,
	WAIT_MS = 50
};

static void hello_on_again(void *arg);

void
hello_init(struct redis_conn *c)
{
	buf_init(&c->hello.out, OUT_MAX);
	timer_init(&c->hello.again, c->loop, hello_on_again, c);
}

void
hello_clear(struct redis_conn *c)
{
	timer_clear(&c->hello.again);
	buf_clear(&c->hello.out);
}

/* ---- asking ----------------------------------------------------------- */

static void
hello_begin(struct redis_conn *c)
{
	struct hello *h = &c->hello;

	buf_reset(&h->out, OUT_MAX);
	h->written = 0;
	h->count = h->next = 0;
	h->wait = false;
	h->begun_us = clock_mono_us_fresh();
	timer_disarm(&h->again);
	conn_step_within(c, c->conf->connect_timeout_ms);
}

/* Adds one command of up to three words; NULL ends it early. */
static void
hello_ask(struct redis_conn *c, unsigned step, const char *first,
    const char *second, const char *third)
{
	struct hello *h = &c->hello;
	unsigned argc = 1u + (second != NULL) + (third != NULL);

	h->steps[h->count++] = (unsigned char)step;
	buf_addf(&h->out, "*%u\r\n", argc);
	resp_add_str(&h->out, first);
	if (second != NULL)
		resp_add_str(&h->out, second);
	if (third != NULL)
		resp_add_str(&h->out, third);
}

static void
hello_ask_auth(struct redis_conn *c)
{
	if (c->conf->user[0] != '\0')
		hello_ask(c, HELLO_AUTH, "AUTH", c->conf->user, c->password);
	else if (c->password[0] != '\0')
		hello_ask(c, HELLO_AUTH, "AUTH", c->password, NULL);
}

static void
hello_ask_config(struct redis_conn *c)
{
	struct hello *h = &c->hello;
	struct buf args;

	buf_init(&args, ARGS_MAX);
	h->steps[h->count++] = HELLO_CONFIG;
	buf_addf(&h->out, "*%u\r\n", check_add_config(&args));
	buf_add_span(&h->out, buf_span(&args));
	buf_clear(&args);
}

/* Do replicas confirm? */
static void
hello_ask_wait(struct redis_conn *c)
{
	struct hello *h = &c->hello;

	h->steps[h->count++] = HELLO_MARK;
	buf_add_str(&h->out, "*3\r\n");
	check_add_mark(&h->out);
	h->steps[h->count++] = HELLO_WAIT;
	buf_add_str(&h->out, "*3\r\n");
	check_add_wait(&h->out, c->conf->confirm_replicas, WAIT_MS);
	hello_ask(c, HELLO_ROLE, "ROLE", NULL, NULL);
}

/* Is it the one we know? */
static void
hello_ask_store(struct redis_conn *c)
{
	struct hello *h = &c->hello;

	h->steps[h->count++] = HELLO_STORE;
	buf_add_str(&h->out, "*4\r\n");
	resp_add_str(&h->out, "HMGET");
	buf_addf(&h->out, "$%zu\r\n%sstore\r\n", strlen(c->conf->prefix) + 5,
	    c->conf->prefix);
	resp_add_str(&h->out, "generation");
	resp_add_str(&h->out, "sequence");
}

static void
hello_ask_scripts(struct redis_conn *c)
{
	struct hello *h = &c->hello;
	unsigned id;

	for (id = 0; id < SCRIPT_COUNT; id++) {
		h->steps[h->count++] = (unsigned char)(HELLO_SCRIPT + id);
		buf_add_str(&h->out, "*3\r\n");
		resp_add_str(&h->out, "SCRIPT");
		resp_add_str(&h->out, "LOAD");
		resp_add(&h->out, c->scripts[id].text, c->scripts[id].len);
	}
}

void
hello_start(struct redis_conn *c)
{
	char database[24];

	hello_begin(c);
	hello_ask_auth(c);
	if (c->conf->database != 0) {
		snprintf(database, sizeof(database), "%llu",
		    (unsigned long long)c->conf->database);
		hello_ask(c, HELLO_SELECT, "SELECT", database, NULL);
	}
	hello_ask(c, HELLO_NAME, "CLIENT", "SETNAME", "schedd");
	hello_ask(c, HELLO_INFO, "INFO", "server", "replication");
	hello_ask_config(c);
	hello_ask_scripts(c);
	hello_ask_store(c);
	if (c->check.level == CONFIRM_REPLICATED)
		hello_ask_wait(c);
	ASSERT(!c->hello.out.failed);
	hello_write(c);
}

/* It is over, well or not: forgets the bytes too, for the password's sake. */
void
hello_stop(struct redis_conn *c)
{
	struct hello *h = &c->hello;

	timer_disarm(&h->again);
	if (h->out.len > 0)
		explicit_bzero(h->out.data, h->out.len);
	buf_clear(&h->out);
	h->count = h->next = 0;
	h->written = 0;
	h->told_wait = false;
}

void
hello_write(struct redis_conn *c)
{
	struct hello *h = &c->hello;
	struct iovec iov;

	if (h->written == h->out.len)
		return;
	iov.iov_base = h->out.data + h->written;
	iov.iov_len = h->out.len - h->written;
	h->written += redis_link_write(c->link, &iov, 1);
}

static void
hello_on_again(void *arg)
{
	struct redis_conn *c = arg;

	hello_begin(c);
	hello_ask(c, HELLO_PING, "PING", NULL, NULL);
	hello_write(c);
}

/* ---- checking --------------------------------------------------------- */

static bool
hello_check_store(struct redis_conn *c, const struct redisReply *reply)
{
	char why[CONN_REASON_MAX];
	enum err err = ERR_OK;

	if (c->events.on_identity != NULL)
		err = c->events.on_identity(
		    reply, why, sizeof(why), c->events.arg);
	if (err != ERR_OK)
		conn_stranger(c, err, why);
	return err == ERR_OK;
}

static bool
hello_check_script(
    struct redis_conn *c, unsigned id, const struct redisReply *reply)
{
	if (reply->type != REDIS_REPLY_STRING || reply->len != SHA_LEN) {
		conn_lost(c, "SCRIPT LOAD was answered with nonsense");
		return false;
	}
	memcpy(c->sha[id], reply->str, SHA_LEN);
	return true;
}

static bool
refusal_begins(const struct redisReply *reply, const char *text)
{
	return strncmp(reply->str, text, strlen(text)) == 0;
}

/* Is it about who we are? Whatever AUTH is refused with is. */
static bool
is_about_rights(unsigned step, const struct redisReply *reply)
{
	return step == HELLO_AUTH || refusal_is(reply, "NOAUTH") ||
	       refusal_is(reply, "DENIED") ||
	       (step >= HELLO_MARK && refusal_is(reply, "NOPERM"));
}

/* A database that it does not have, a script that it cannot compile. */
static bool
is_about_settings(unsigned step, const struct redisReply *reply)
{
	return step == HELLO_SELECT ||
	       (step >= HELLO_SCRIPT && refusal_is(reply, "ERR"));
}

/* Redis answered one step with an error. False: that was the end. */
static bool
hello_refused(
    struct redis_conn *c, unsigned step, const struct redisReply *reply)
{
	/* It says this unasked, whatever the step, and closes. */
	bool is_crowded = refusal_begins(reply, "ERR max number of clients");
	char reason[CONN_REASON_MAX];

	if (refusal_is(reply, "LOADING") || refusal_is(reply, "BUSY")) {
		c->hello.wait = true;
		return true;
	}
	snprintf(reason, sizeof(reason), "Redis refused: %s", reply->str);
	if (!is_crowded && is_about_rights(step, reply))
		conn_hopeless(c, ERR_REDIS_AUTH, reason);
	else if (!is_crowded && is_about_settings(step, reply))
		conn_hopeless(c, ERR_REDIS_SETTINGS, reason);
	else if (is_crowded || step >= HELLO_PING)
		conn_lost(c, reason);
	else
		return true;
	return false;
}

/* False: the connection is no more. */
static bool
hello_check(struct redis_conn *c, unsigned step, const struct redisReply *reply)
{
	if (step == HELLO_CONFIG && !refusal_is(reply, "LOADING") &&
	    !refusal_is(reply, "NOAUTH"))
		check_on_config(c, reply);
	if (step == HELLO_WAIT)
		check_on_wait(c, reply);
	if (reply->type == REDIS_REPLY_ERROR)
		return hello_refused(c, step, reply);
	if (step == HELLO_INFO)
		return check_on_info(c, reply);
	if (step == HELLO_STORE)
		return hello_check_store(c, reply);
	if (step >= HELLO_SCRIPT)
		return hello_check_script(c, step - HELLO_SCRIPT, reply);
	return true;
}

static void
hello_wait(struct redis_conn *c)
{
	if (!c->hello.told_wait)
		log_info("redis.loading",
		    "text=\"Redis is loading its data; waiting\"");
	c->hello.told_wait = true;
	snprintf(c->reason, sizeof(c->reason), "Redis is loading its data");
	timer_disarm(&c->step);
	timer_arm_ms(&c->hello.again, AGAIN_MS);
}

void
hello_on_reply(struct redis_conn *c, const struct redisReply *reply)
{
	struct hello *h = &c->hello;
	unsigned step;

	if (h->next == h->count) {
		conn_lost(c, "Redis answered what was not asked");
		return;
	}
	step = h->steps[h->next++];
	if (!hello_check(c, step, reply) || h->next < h->count)
		return;
	if (h->wait)
		hello_wait(c);
	else if (step == HELLO_PING)
		hello_start(c);
	else if (check_hello_done(c))
		conn_ready(c);
}
