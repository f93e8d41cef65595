/* Reading lines; see lines.h. */

#include "cli/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"

enum { CHUNK = 64 * 1024 };

struct lines {
	char *data;
	size_t room;       /* max plus one chunk */
	size_t begin, end; /* what was read and not yet given out */
	size_t max;
	uint64_t number, bytes;
	int fd;
	bool is_over; /* the descriptor has no more */
};

struct lines *
lines_new(int fd, size_t max)
{
	struct lines *l = xcalloc(1, sizeof(*l));

	/* Two bytes more for the line's end. */
	l->room = max + 2 + CHUNK;
	l->data = xcalloc(l->room, 1);
	l->max = max;
	l->fd = fd;
	return l;
}

void
lines_free(struct lines *l)
{
	if (l == NULL)
		return;
	free(l->data);
	free(l);
}

/* Reads one piece behind what is there. False on an error. */
static bool
lines_fill(struct lines *l)
{
	ssize_t n;

	if (l->begin > 0) {
		memmove(l->data, l->data + l->begin, l->end - l->begin);
		l->end -= l->begin;
		l->begin = 0;
	}
	do
		n = read(l->fd, l->data + l->end, l->room - l->end);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return false;
	l->is_over = n == 0;
	l->end += (size_t)n;
	return true;
}

/* Gives len bytes out, of which the last belong to the line's end. */
static enum lines_got
lines_give(struct lines *l, size_t len, size_t with_end, struct span *text)
{
	*text = (struct span){l->data + l->begin, len};
	if (with_end > len && len > 0 && text->p[len - 1] == '\r')
		text->len--;
	l->begin += with_end;
	l->bytes += with_end;
	l->number++;
	return text->len > l->max ? LINES_TOO_LONG : LINES_LINE;
}

/* The line at the front is longer than may be: drops it to its end. */
static enum lines_got
lines_skip(struct lines *l)
{
	const char *newline;

	for (;;) {
		newline = memchr(l->data + l->begin, '\n', l->end - l->begin);
		if (newline != NULL) {
			size_t n = (size_t)(newline - l->data) + 1 - l->begin;

			l->begin += n;
			l->bytes += n;
			break;
		}
		l->bytes += l->end - l->begin;
		l->begin = l->end = 0;
		if (l->is_over)
			break;
		if (!lines_fill(l))
			return LINES_ERROR;
	}
	l->number++;
	return LINES_TOO_LONG;
}

enum lines_got
lines_next(struct lines *l, struct span *text)
{
	size_t seen = 0, have; /* of what is there, looked at without \n */
	const char *newline;

	for (;;) {
		have = l->end - l->begin;
		newline = memchr(l->data + l->begin + seen, '\n', have - seen);
		if (newline != NULL) {
			have = (size_t)(newline - l->data) - l->begin;
			return lines_give(l, have, have + 1, text);
		}
		if (have > l->max + 1)
			return lines_skip(l);
		seen = have;
		if (l->is_over)
			break;
		if (!lines_fill(l))
			return LINES_ERROR;
	}
	if (have == 0)
		return LINES_END;
	return lines_give(l, have, have, text);
}

uint64_t
lines_number(const struct lines *l)
{
	return l->number;
}

uint64_t
lines_bytes(const struct lines *l)
{
	return l->bytes;
}
