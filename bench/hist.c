/* See hist.h. */

#include "bench/hist.h"

#include <string.h>

#include "core/mem.h"

void
hist_init(struct hist *h)
{
	memset(h, 0, sizeof(*h));
}

/* Values under 64 have a slot each; above, the leading six bits after the
 * first name the slot within the power of two. */
static uint32_t
slot_of(uint64_t ns)
{
	uint32_t power = 0;

	while (ns >= HIST_FINE * 2) {
		ns /= 2;
		power++;
	}
	return power * HIST_FINE + (uint32_t)ns;
}

/* The middle of a slot. */
static double
slot_ns(uint32_t slot)
{
	uint32_t power = slot < HIST_FINE * 2 ? 0 : slot / HIST_FINE - 1;
	uint64_t base = slot - power * HIST_FINE;

	return (double)(base << power) + (double)(1ULL << power) / 2;
}

void
hist_add(struct hist *h, uint64_t ns)
{
	uint32_t slot = slot_of(ns);

	if (slot >= COUNT_OF(h->slots))
		slot = COUNT_OF(h->slots) - 1;
	h->slots[slot]++;
	h->total++;
	if (ns > h->max_ns)
		h->max_ns = ns;
}

double
hist_us(const struct hist *h, double share)
{
	uint64_t wanted = (uint64_t)(share * (double)h->total), seen = 0;
	uint32_t i;

	for (i = 0; i < COUNT_OF(h->slots); i++) {
		seen += h->slots[i];
		if (seen > wanted)
			return slot_ns(i) / 1e3;
	}
	return (double)h->max_ns / 1e3;
}
