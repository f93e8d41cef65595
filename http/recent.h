#ifndef SCHEDD_HTTP_RECENT_H
#define SCHEDD_HTTP_RECENT_H

/*
 * What the server answered in the last minute: how long pushes, takes and
 * reports took, and how many requests ended well or not. In slots of ten
 * seconds, of which the oldest is overwritten by the next.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum recent_kind { RECENT_PUSH, RECENT_TAKE, RECENT_REPORT, RECENT_KIND_COUNT };
enum recent_class { RECENT_2XX, RECENT_4XX, RECENT_5XX, RECENT_CLASS_COUNT };

/* Eight buckets for each power of two of the microseconds and eight more, up
 * to two minutes. */
enum { RECENT_BUCKETS = 24 * 8, RECENT_SLOTS = 7, RECENT_SLOT_S = 10 };

struct recent_slot {
	int64_t began_us;
	uint32_t took[RECENT_KIND_COUNT][RECENT_BUCKETS];
	uint64_t ended[RECENT_CLASS_COUNT]; /* before it */
};

struct recent {
	struct recent_slot slots[RECENT_SLOTS];
	struct recent_slot *slot; /* of now */
	int64_t at;               /* its number since the start of the clock */
	unsigned char *kinds;     /* by row of the route table, plus one */
};

/* Times are monotonic microseconds. */
void recent_init(struct recent *r, int64_t now_us);
void recent_clear(struct recent *r);
/* Is the slot of now over? */
static inline bool
recent_is_over(const struct recent *r, int64_t now_us)
{
	return now_us / (RECENT_SLOT_S * INT64_C(1000000)) != r->at;
}

/* Then, at least once a second while requests are answered, and before
 * reading. ended: how many of each class so far. */
void recent_turn(
    struct recent *r, int64_t now_us, const uint64_t ended[RECENT_CLASS_COUNT]);

/* Notes a request of that row of the route table. */
static inline void
recent_note(struct recent *r, size_t row, int64_t us)
{
	uint64_t n = (uint64_t)us + 8;
	unsigned kind = r->kinds[row], power, bucket;

	if (kind == 0)
		return;
	power = 60 - (unsigned)__builtin_clzll(n);
	bucket = power * 8 + (unsigned)(n >> power & 7);
	if (bucket >= RECENT_BUCKETS)
		bucket = RECENT_BUCKETS - 1;
	r->slot->took[kind - 1][bucket]++;
}

/* How many of a kind there were, and within how many seconds that part of
 * them (0 to 1) was answered. */
uint64_t recent_count(const struct recent *r, enum recent_kind kind);
double recent_quantile(
    const struct recent *r, enum recent_kind kind, double part);
/* Requests a second that ended so. */
double recent_rate(const struct recent *r, int64_t now_us,
    enum recent_class class, const uint64_t ended[RECENT_CLASS_COUNT]);

#endif
