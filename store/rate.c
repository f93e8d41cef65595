/*
 * How many tasks a second were pushed, taken, finished, failed in a queue by
 * this process: its counters as they were at each second of the last minute,
 * and at each half minute of the last quarter of an hour.
 */

#include "store/store_priv.h"

#include <string.h>

#include "core/clock.h"

/* The slots of 15 minutes are fewer than there are. */
enum { LONG_S = 30, SLOTS_5M = 10, SLOTS_15M = 30 };

/* Low bits do: what is wanted are differences. */
static void
slot_fill(const struct queue *q, uint32_t slot[RATE_COUNT])
{
	slot[RATE_PUSHED] = (uint32_t)q->counters.pushed;
	slot[RATE_TAKEN] = (uint32_t)q->counters.taken;
	slot[RATE_FINISHED] = (uint32_t)q->counters.finished;
	slot[RATE_FAILED] = (uint32_t)q->counters.failed;
}

void
rates_sample(struct queue *q)
{
	int64_t sec = clock_mono_us() / 1000000;
	int64_t at = sec / LONG_S;

	slot_fill(q, q->rate_at[sec % RATE_SLOTS]);
	if (q->rate_long_at == at)
		return;
	/* Slots that were slept through count as filled now. */
	if (q->rate_long_at < at - RATE_LONG_SLOTS)
		q->rate_long_at = at - RATE_LONG_SLOTS;
	while (q->rate_long_at < at)
		slot_fill(q, q->rate_long[++q->rate_long_at % RATE_LONG_SLOTS]);
}

static void
fill_since(const struct queue *q, const uint32_t then[RATE_COUNT],
    int64_t seconds, double rates[RATE_COUNT])
{
	uint32_t now[RATE_COUNT];

	slot_fill(q, now);
	for (int i = 0; i < RATE_COUNT; i++)
		rates[i] = (double)(now[i] - then[i]) / (double)seconds;
}

void
rates_fill(const struct queue *q, double rates[RATE_COUNT])
{
	int64_t sec = clock_mono_us() / 1000000;

	fill_since(q, q->rate_at[(sec + 1) % RATE_SLOTS], RATE_SLOTS, rates);
}

static void
fill_long(const struct queue *q, int slots, double rates[RATE_COUNT])
{
	int64_t sec = clock_mono_us() / 1000000;
	int64_t at = q->rate_long_at - slots;
	/* Not below 0, however short the machine has been up. */
	size_t slot = (size_t)(at + RATE_LONG_SLOTS) % RATE_LONG_SLOTS;

	fill_since(q, q->rate_long[slot], sec - at * LONG_S, rates);
}

void
rates_fill_long(const struct queue *q, double rates_5m[RATE_COUNT],
    double rates_15m[RATE_COUNT])
{
	fill_long(q, SLOTS_5M, rates_5m);
	fill_long(q, SLOTS_15M, rates_15m);
}

void
rates_reset(struct queue *q)
{
	memset(q->rate_at, 0, sizeof(q->rate_at));
	memset(q->rate_long, 0, sizeof(q->rate_long));
	q->rate_long_at = clock_mono_us() / 1000000 / LONG_S;
}
