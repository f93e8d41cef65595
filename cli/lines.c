/* Reading lines; see lines.h. */

#include "cli/lines.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

enum { CHUNK = 64 * 1024 };

struct lines {
	struct source *source;
	char *data;
	size_t room;       /* max plus one chunk */
	size_t begin, end; /* what was read and not yet given out */
	size_t seen;       /* of that, looked at without finding a \n */
	size_t max;
	uint64_t number, ordinal;
	size_t file;
	bool is_skipping; /* the line at the front is too long */
};

struct lines *
lines_new(struct source *source, size_t max)
{
	struct lines *l = xcalloc(1, sizeof(*l));

	/* Two bytes more for the line's end. */
	l->room = max + 2 + CHUNK;
	l->data = xcalloc(l->room, 1);
	l->max = max;
	l->source = source;
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

/* Reads one piece behind what is there. */
static enum source_got
lines_fill(struct lines *l)
{
	size_t n, file = source_index(l->source);
	enum source_got got;

	if (l->begin > 0) {
		memmove(l->data, l->data + l->begin, l->end - l->begin);
		l->end -= l->begin;
		l->begin = 0;
	}
	got = source_read(l->source, l->data + l->end, l->room - l->end, &n);
	l->end += n;
	if (got != SOURCE_END && file != l->file) {
		l->file = file;
		l->number = 0;
	}
	return got;
}

/* Gives len bytes out, of which the last belong to the line's end. */
static enum lines_got
lines_give(struct lines *l, size_t len, size_t with_end, struct span *text)
{
	bool is_too_long = l->is_skipping;

	*text = (struct span){l->data + l->begin, len};
	if (with_end > len && len > 0 && text->p[len - 1] == '\r')
		text->len--;
	l->begin += with_end;
	l->seen = 0;
	l->is_skipping = false;
	l->number++;
	l->ordinal++;
	return is_too_long || text->len > l->max ? LINES_TOO_LONG : LINES_LINE;
}

/* There is no line end in what is there. */
static enum source_got
lines_more(struct lines *l)
{
	l->seen = l->end - l->begin;
	if (l->is_skipping || l->seen > l->max + 1) {
		l->is_skipping = true;
		l->begin = l->end = l->seen = 0;
	}
	return lines_fill(l);
}

enum lines_got
lines_next(struct lines *l, struct span *text)
{
	const char *front, *newline;
	size_t have;

	for (;;) {
		front = l->data + l->begin;
		have = l->end - l->begin;
		newline = memchr(front + l->seen, '\n', have - l->seen);
		if (newline != NULL) {
			have = (size_t)(newline - front);
			return lines_give(l, have, have + 1, text);
		}
		switch (lines_more(l)) {
		case SOURCE_WAIT:
			return LINES_WAIT;
		case SOURCE_END:
			return LINES_END;
		case SOURCE_ERROR:
			l->begin = l->end = l->seen = 0;
			return LINES_ERROR;
		case SOURCE_NEXT:
			have = l->end - l->begin;
			if (have > 0 || l->is_skipping)
				return lines_give(l, have, have, text);
			continue;
		case SOURCE_BYTES:
			continue;
		}
	}
}

uint64_t
lines_number(const struct lines *l)
{
	return l->number;
}

uint64_t
lines_ordinal(const struct lines *l)
{
	return l->ordinal;
}

size_t
lines_file(const struct lines *l)
{
	return l->file;
}
