/* The one clock; see clock.h. */

#include "core/clock.h"

#include <stdbool.h>
#include <time.h>

#include "core/mem.h"

static struct {
	int64_t wall_ms;
	int64_t mono_us;
	int64_t offset_ms;
	bool is_read; /* false until the first refresh */
} now;

static struct timespec
clock_read(clockid_t id)
{
	struct timespec ts;

	ASSERT(clock_gettime(id, &ts) == 0);
	return ts;
}

int64_t
clock_mono_us_fresh(void)
{
	struct timespec ts = clock_read(CLOCK_MONOTONIC);

	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void
clock_refresh(void)
{
	struct timespec ts = clock_read(CLOCK_REALTIME);

	now.wall_ms = (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
	now.mono_us = clock_mono_us_fresh();
	now.is_read = true;
}

int64_t
clock_now_ms(void)
{
	if (!now.is_read)
		clock_refresh();
	return now.wall_ms + now.offset_ms;
}

int64_t
clock_mono_us(void)
{
	if (!now.is_read)
		clock_refresh();
	return now.mono_us;
}

void
clock_set_offset_ms(int64_t offset_ms)
{
	now.offset_ms = offset_ms;
}

int64_t
clock_offset_ms(void)
{
	return now.offset_ms;
}
