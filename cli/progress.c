/* A line of progress; see progress.h. */

#include "cli/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/text.h"
#include "core/clock.h"

enum {
	EVERY_US = 200000,
	BAR = 24,
	PACE_WIDTH = 12, /* of the rate, about */
	LINE_MAX_BYTES = 1024,
	WIDTH_UNKNOWN = 80
};

void
progress_init(struct progress *p, bool is_on, uint64_t total)
{
	*p = (struct progress){.is_on = is_on, .total = total};
	p->begun_us = clock_mono_us_fresh();
}

static void
add_bar(struct buf *line, double part)
{
	int full = (int)(part * BAR);

	buf_add_char(line, '[');
	for (int i = 0; i < BAR; i++)
		buf_add_char(line, i < full ? '#' : '.');
	buf_addf(line, "] %3d%%  ", (int)(part * 100));
}

/* "  4500/s  1m20s left". What is left is told once it can be known. */
static void
add_pace(struct buf *line, double part, uint64_t count, double seconds)
{
	buf_add_str(line, "  ");
	text_add_rate(line, (double)count / seconds);
	buf_add_str(line, "/s");
	if (seconds < 1 || part <= 0 || part >= 1)
		return;
	buf_add_str(line, "  ");
	text_add_seconds(line, seconds * (1 - part) / part);
	buf_add_str(line, " left");
}

/* Asked anew each time: people resize their terminals. */
static size_t
terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 2)
		return WIDTH_UNKNOWN;
	return size.ws_col;
}

void
progress_show(
    struct progress *p, uint64_t done, uint64_t count, const char *fmt, ...)
{
	int64_t now = clock_mono_us_fresh();
	char text[LINE_MAX_BYTES];
	struct buf line;
	struct span cut;
	size_t width;
	double part;
	va_list ap;

	if (!p->is_on || now - p->drawn_us < EVERY_US)
		return;
	p->drawn_us = now;
	p->is_drawn = true;
	part = p->total > 0 ? (double)done / (double)p->total : 0;
	part = part > 1 ? 1 : part;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	width = terminal_width();
	buf_init(&line, 2 * LINE_MAX_BYTES);
	/* On a narrow terminal the words go before the picture. */
	if (p->total > 0 && strlen(text) + BAR + PACE_WIDTH < width)
		add_bar(&line, part);
	buf_add_str(&line, text);
	if (now > p->begun_us)
		add_pace(&line, part, count, (double)(now - p->begun_us) / 1e6);
	/* A line that wraps could not be wiped; the cursor needs a column. */
	cut = text_cut(buf_span(&line), width - 1);
	fprintf(stderr, "\r\033[K%.*s", SPAN_ARG(cut));
	fflush(stderr);
	buf_clear(&line);
}

void
progress_clear(struct progress *p)
{
	if (p->is_drawn)
		fputs("\r\033[K", stderr);
	p->is_drawn = false;
}
