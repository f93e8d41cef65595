/* What requests may hold in memory together; see budget.h. */

#include "http/budget.h"

#include <malloc.h>

#include "core/log.h"
#include "core/metrics.h"
#include "core/process.h"
#include "http/server_priv.h"

enum { TRIM_AGAIN_US = 5000000 };

uint64_t
budget_room(const struct server *s, enum role role)
{
	uint64_t max = s->conf->limits_max_memory / 2;
	uint64_t used = s->budget.held + s->budget.unread;

	if (role == ROLE_ANY)
		return UINT64_MAX;
	if (role == ROLE_PRODUCER)
		max = s->budget.is_over ? 0 : max / 2;
	return used < max ? max - used : 0;
}

/* The C library keeps what was freed; a busy moment must not count for
 * ever. */
static uint64_t
rss_after_trim(struct budget *b, uint64_t rss)
{
	int64_t now = clock_mono_us();

	if (b->trim_us != 0 && now - b->trim_us < TRIM_AGAIN_US)
		return rss;
	b->trim_us = now;
	return malloc_trim(0) == 1 ? process_rss_bytes() : rss;
}

void
budget_look(struct server *s)
{
	struct budget *b = &s->budget;
	uint64_t max = s->conf->limits_max_memory, rss = process_rss_bytes();
	bool was_over = b->is_over;

	metric_set(METRIC_HTTP_HELD, (double)(b->held + b->unread));
	/* A tenth less ends it, so that it does not flutter. */
	if (was_over)
		max -= max / 10;
	if (rss > max)
		rss = rss_after_trim(b, rss);
	b->is_over = rss > max;
	if (b->is_over && !was_over)
		log_warn("server.memory_full", "rss=%llu max=%llu",
		    (unsigned long long)rss, (unsigned long long)max);
	else if (was_over && !b->is_over)
		log_info(
		    "server.memory_ok", "rss=%llu", (unsigned long long)rss);
}
