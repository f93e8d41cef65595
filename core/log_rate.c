/*
 * What one client can make the log grow by. Of each event a source has so
 * many lines in a second; what is beyond is counted, and told by one line
 * when the second is over. A source that finds no room in the table is
 * counted with all others.
 */

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log_priv.h"
#include "core/metrics.h"

enum {
	SECOND_US = 1000000,
	ALL_TIMES = 10, /* of what one source may, all together */
	SETS = 64,      /* a power of two */
	WAYS = 4,
	EVENTS_MAX = 8, /* that are bounded */
	SOURCE_MAX = 64
};

/* One source and event, while its second lasts. */
struct entry {
	const char *event; /* NULL: free */
	enum log_level level;
	char source[SOURCE_MAX];
	int64_t until_us;
	uint64_t lines; /* written */
	uint64_t held;  /* suppressed */
};

static struct {
	uint64_t rate;
	struct entry sets[SETS][WAYS];
	struct entry all[EVENTS_MAX]; /* each event, source "*" */
	size_t open;                  /* entries that hold something back */
	int64_t look_at_us;           /* the first of them is over then */
} limit;

void
log_set_rate(uint64_t lines_a_second)
{
	limit.rate = lines_a_second;
}

/* The line that stands for what was held back. */
static void
entry_tell(struct entry *e)
{
	char source[2 * SOURCE_MAX];
	uint64_t held = e->held;

	if (held == 0)
		return;
	e->held = 0;
	limit.open--;
	log_write(e->level, e->event, "peer=%s suppressed=%llu",
	    log_quote(source, sizeof(source), span_of(e->source)),
	    (unsigned long long)held);
}

static void
entry_begin(struct entry *e, enum log_level level, const char *event,
    struct span source, int64_t now_us)
{
	entry_tell(e);
	*e = (struct entry){
	    .event = event, .level = level, .until_us = now_us + SECOND_US};
	if (source.len > SOURCE_MAX - 1)
		source.len = SOURCE_MAX - 1;
	if (source.len > 0)
		memcpy(e->source, source.p, source.len);
}

static bool
entry_is(const struct entry *e, const char *event, struct span source)
{
	return e->event != NULL && strcmp(e->event, event) == 0 &&
	       span_is(source, e->source);
}

static size_t
hash_of(const char *event, struct span source)
{
	uint32_t h = 2166136261u;

	for (; *event != '\0'; event++)
		h = (h ^ (unsigned char)*event) * 16777619u;
	for (size_t i = 0; i < source.len; i++)
		h = (h ^ (unsigned char)source.p[i]) * 16777619u;
	return h;
}

/* The entry of that source, begun anew when its second is over; NULL when
 * others have all the room. */
static struct entry *
entry_of(
    enum log_level level, const char *event, struct span source, int64_t now_us)
{
	struct entry *set = limit.sets[hash_of(event, source) % SETS];
	struct entry *e = NULL;

	for (int i = 0; i < WAYS; i++) {
		if (entry_is(&set[i], event, source)) {
			e = &set[i];
			break;
		}
		if (set[i].event == NULL || set[i].until_us <= now_us)
			e = &set[i];
	}
	if (e != NULL && (!entry_is(e, event, source) || e->until_us <= now_us))
		entry_begin(e, level, event, source, now_us);
	return e;
}

static struct entry *
entry_of_all(enum log_level level, const char *event, int64_t now_us)
{
	struct entry *e = limit.all;

	while (e->event != NULL && strcmp(e->event, event) != 0) {
		e++;
		ASSERT(e < limit.all + EVENTS_MAX);
	}
	if (e->event == NULL || e->until_us <= now_us)
		entry_begin(e, level, event, SPAN("*"), now_us);
	return e;
}

static void
entry_hold(struct entry *e)
{
	if (e->held++ == 0 &&
	    (limit.open++ == 0 || e->until_us < limit.look_at_us))
		limit.look_at_us = e->until_us;
	metric_add(METRIC_LOG_SUPPRESSED, 1);
}

bool
log_may(enum log_level level, const char *event, struct span source)
{
	int64_t now_us = clock_mono_us();
	struct entry *one, *all;

	if (limit.rate == 0)
		return true;
	if (source.len > SOURCE_MAX - 1)
		source.len = SOURCE_MAX - 1;
	one = entry_of(level, event, source, now_us);
	all = entry_of_all(level, event, now_us);
	if (one != NULL && one->lines >= limit.rate) {
		entry_hold(one);
		return false;
	}
	if (all->lines >= ALL_TIMES * limit.rate) {
		entry_hold(all);
		return false;
	}
	if (one != NULL)
		one->lines++;
	all->lines++;
	return true;
}

void
log_rate_flush(bool is_last)
{
	int64_t now_us;

	if (limit.open == 0)
		return;
	now_us = clock_mono_us();
	if (!is_last && now_us < limit.look_at_us)
		return;
	limit.look_at_us = INT64_MAX;
	for (size_t i = 0; i < SETS * WAYS + EVENTS_MAX; i++) {
		struct entry *e = i < SETS * WAYS
				      ? &limit.sets[i / WAYS][i % WAYS]
				      : &limit.all[i - SETS * WAYS];

		if (e->held == 0)
			continue;
		if (is_last || e->until_us <= now_us)
			entry_tell(e);
		else if (e->until_us < limit.look_at_us)
			limit.look_at_us = e->until_us;
	}
}
