#ifndef SCHEDD_TESTS_UNIT_HTTP_RIG_H
#define SCHEDD_TESTS_UNIT_HTTP_RIG_H

/*
 * The HTTP engine in this process, with a route table of its own
 * (http_rig_routes.h); clients (http_client.h) are in the same loop. Whoever
 * waits for something runs the loop until it is there, or fails after ten
 * seconds.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/mem.h"
#include "http/req.h"
#include "http/route.h"
#include "http/server.h"

enum { RIG_LIMIT_US = 10000000, RIG_HELD_MAX = 64 };

static struct {
	struct loop *loop;
	struct server *server;
	struct conf conf;
	struct timer timer;
	char addr[128]; /* of the last listener */
	struct req *held[RIG_HELD_MAX];
	size_t held_count, gone_count, big_count, surplus_lines;
	char last_access[4096];
	char none[1]; /* of settings without a value */
} rig;

/* ---- running the loop ------------------------------------------------- */

typedef bool rig_fn(void *arg);

static struct {
	rig_fn *fn;
	void *arg;
	int64_t until_us;
	bool is_met;
} rig_wait;

static inline void
rig_on_tick(void *arg)
{
	(void)arg;
	rig_wait.is_met = rig_wait.fn(rig_wait.arg);
	if (rig_wait.is_met || clock_mono_us_fresh() > rig_wait.until_us)
		loop_stop(rig.loop);
	else
		timer_arm_ms(&rig.timer, 1);
}

/* Runs the loop until fn says true. */
static inline bool
rig_until(rig_fn *fn, void *arg)
{
	rig_wait.fn = fn;
	rig_wait.arg = arg;
	rig_wait.until_us = clock_mono_us_fresh() + RIG_LIMIT_US;
	timer_arm_ms(&rig.timer, 0);
	loop_run(rig.loop);
	timer_disarm(&rig.timer);
	return rig_wait.is_met;
}

static inline bool
rig_has_conns(void *arg)
{
	return server_connections(rig.server) == *(size_t *)arg;
}

static inline void
rig_wait_conns(size_t n)
{
	if (!rig_until(rig_has_conns, &n))
		fail_msg("%zu connections instead of %zu",
		    server_connections(rig.server), n);
}

static inline bool
rig_has_held(void *arg)
{
	return rig.held_count >= *(size_t *)arg;
}

static inline void
rig_wait_held(size_t n)
{
	assert_true(rig_until(rig_has_held, &n));
}

static inline bool
rig_has_gone(void *arg)
{
	return rig.gone_count >= *(size_t *)arg;
}

/* So many turns of a millisecond: for what must not happen. */
static inline bool
rig_counts_down(void *arg)
{
	return (*(int *)arg)-- == 0;
}

static inline void
rig_turns(int n)
{
	assert_true(rig_until(rig_counts_down, &n));
}

/* Answers what is held, oldest first. */
static inline void
rig_release(size_t n)
{
	assert_true(n <= rig.held_count);
	for (size_t i = 0; i < n; i++) {
		buf_addf(req_out(rig.held[i]), "%zu", i);
		req_reply(rig.held[i], 200);
	}
	rig.held_count -= n;
	memmove(rig.held, rig.held + n, rig.held_count * sizeof(rig.held[0]));
}

/* ---- the server ------------------------------------------------------- */

static inline void
rig_on_log(const char *line, size_t len)
{
	const char *at;
	char text[4096];

	snprintf(text, sizeof(text), "%.*s", (int)len, line);
	if (strstr(text, "access.request") != NULL)
		snprintf(rig.last_access, sizeof(rig.last_access), "%s", text);
	if (strstr(text, "http.accept_failed") != NULL)
		rig.surplus_lines++;
	at = strstr(text, "http.listening addr=");
	if (at != NULL)
		(void)sscanf(at, "http.listening addr=%127s", rig.addr);
}

static inline int
rig_setup(void **state)
{
	(void)state;
	memset(&rig, 0, sizeof(rig));
	log_set_sink(rig_on_log);
	rig.loop = loop_new();
	timer_init(&rig.timer, rig.loop, rig_on_tick, NULL);
	rig.conf.http_listen = xstrdup("127.0.0.1:0");
	rig.conf.http_tls_cert = rig.conf.http_tls_key = rig.none;
	rig.conf.http_tls_client_ca = rig.conf.http_allowed_hosts = rig.none;
	rig.conf.http_max_connections = 1000;
	rig.conf.http_max_body = 1 << 20;
	rig.conf.http_header_timeout_ms = 10000;
	rig.conf.http_idle_timeout_ms = 75000;
	rig.conf.http_write_timeout_ms = 30000;
	rig.conf.http_min_rate = 1024;
	rig.conf.limits_max_per_address = 1000;
	rig.conf.limits_max_memory = 1 << 30;
	rig.conf.log_access = ACCESS_ALL;
	return 0;
}

static inline enum err
rig_try_open(const char *addrs, char *why, size_t size)
{
	struct buf text;
	enum err err;

	free(rig.conf.http_listen);
	rig.conf.http_listen = xstrdup(addrs);
	buf_init(&text, size - 1);
	err = server_open(&rig.server, rig.loop, &rig.conf, NULL, &text);
	snprintf(why, size, "%.*s", SPAN_ARG(buf_span(&text)));
	buf_clear(&text);
	return err;
}

static inline void
rig_open(const char *addrs)
{
	char why[512];

	if (rig_try_open(addrs, why, sizeof(why)) != ERR_OK)
		fail_msg("%s", why);
}

static inline int
rig_setup_open(void **state)
{
	rig_setup(state);
	rig_open("127.0.0.1:0");
	return 0;
}

static inline int
rig_teardown(void **state)
{
	(void)state;
	rig_release(rig.held_count);
	server_free(rig.server);
	timer_clear(&rig.timer);
	loop_free(rig.loop);
	free(rig.conf.http_listen);
	log_set_sink(NULL);
	return 0;
}

#endif
