/* A line of progress; see progress.h. */

#include "cli/progress.h"

#include <stdio.h>
#include <sys/stat.h>

#include "core/clock.h"

enum { EVERY_US = 200000, BAR = 24 };

void
progress_init(struct progress *p, bool is_on, int fd)
{
	struct stat st;

	*p = (struct progress){.is_on = is_on};
	p->begun_us = clock_mono_us_fresh();
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		p->total = (uint64_t)st.st_size;
}

static void
draw_bar(const struct progress *p, uint64_t bytes)
{
	char bar[BAR + 1];
	double part = (double)bytes / (double)p->total;
	int done;

	if (part > 1)
		part = 1;
	done = (int)(part * BAR);
	for (int i = 0; i < BAR; i++)
		bar[i] = i < done ? '#' : '.';
	bar[BAR] = '\0';
	fprintf(stderr, "[%s] %3d%%  ", bar, (int)(part * 100));
}

void
progress_show(
    struct progress *p, uint64_t bytes, uint64_t pushed, uint64_t refused)
{
	int64_t now = clock_mono_us_fresh();
	double seconds = (double)(now - p->begun_us) / 1e6;

	if (!p->is_on || now - p->drawn_us < EVERY_US)
		return;
	p->drawn_us = now;
	p->is_drawn = true;
	fputs("\r\033[K", stderr);
	if (p->total > 0)
		draw_bar(p, bytes);
	fprintf(stderr, "%llu pushed, %llu refused, %.0f/s",
	    (unsigned long long)pushed, (unsigned long long)refused,
	    seconds > 0 ? (double)pushed / seconds : 0);
	fflush(stderr);
}

void
progress_clear(struct progress *p)
{
	if (p->is_drawn)
		fputs("\r\033[K", stderr);
	p->is_drawn = false;
}
