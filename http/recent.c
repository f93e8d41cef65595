/* See recent.h. */

#include "http/recent.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "http/route.h"

enum { SLOT_US = RECENT_SLOT_S * 1000000 };

/* 0 for what is not looked at, else its kind plus one. */
static unsigned char
kind_of(const struct route *route)
{
	static const char *const patterns[RECENT_KIND_COUNT] = {
	    [RECENT_PUSH] = "/v1/queues/{queue}/tasks",
	    [RECENT_TAKE] = "/v1/queues/{queue}/take",
	    [RECENT_REPORT] = "/v1/queues/{queue}/report",
	};

	for (unsigned i = 0; i < RECENT_KIND_COUNT; i++)
		if (route->method == METHOD_POST &&
		    strcmp(route->pattern, patterns[i]) == 0)
			return (unsigned char)(i + 1);
	return 0;
}

void
recent_init(struct recent *r, int64_t now_us)
{
	size_t count;
	const struct route *routes = routes_get(&count);

	r->kinds = xcalloc(count + 1, sizeof(*r->kinds));
	for (size_t i = 0; i < count; i++)
		r->kinds[i] = kind_of(&routes[i]);
	r->at = now_us / SLOT_US;
	r->slot = &r->slots[r->at % RECENT_SLOTS];
	for (size_t i = 0; i < RECENT_SLOTS; i++)
		r->slots[i].began_us = now_us;
}

void
recent_clear(struct recent *r)
{
	free(r->kinds);
}

void
recent_turn(
    struct recent *r, int64_t now_us, const uint64_t ended[RECENT_CLASS_COUNT])
{
	int64_t at = now_us / SLOT_US;

	if (r->at < at - RECENT_SLOTS)
		r->at = at - RECENT_SLOTS;
	while (r->at < at) {
		r->slot = &r->slots[++r->at % RECENT_SLOTS];
		memset(r->slot, 0, sizeof(*r->slot));
		r->slot->began_us = r->at * SLOT_US;
		memcpy(r->slot->ended, ended, sizeof(r->slot->ended));
	}
}

uint64_t
recent_count(const struct recent *r, enum recent_kind kind)
{
	uint64_t n = 0;

	for (size_t s = 0; s < RECENT_SLOTS; s++)
		for (size_t i = 0; i < RECENT_BUCKETS; i++)
			n += r->slots[s].took[kind][i];
	return n;
}

double
recent_quantile(const struct recent *r, enum recent_kind kind, double part)
{
	double left = part * (double)recent_count(r, kind);

	for (size_t i = 0; i < RECENT_BUCKETS; i++) {
		double width = (double)(UINT64_C(1) << i / 8);
		double low = (double)(8 + i % 8) * width - 8;
		uint64_t n = 0;

		for (size_t s = 0; s < RECENT_SLOTS; s++)
			n += r->slots[s].took[kind][i];
		if (n > 0 && (double)n >= left)
			return (low + width * left / (double)n) / 1e6;
		left -= (double)n;
	}
	return 0;
}

double
recent_rate(const struct recent *r, int64_t now_us, enum recent_class class,
    const uint64_t ended[RECENT_CLASS_COUNT])
{
	const struct recent_slot *oldest =
	    &r->slots[(r->at + 1) % RECENT_SLOTS];
	int64_t us = now_us - oldest->began_us;

	if (us <= 0)
		return 0;
	return (double)(ended[class] - oldest->ended[class]) * 1e6 / (double)us;
}
