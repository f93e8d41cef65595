/* A growing byte buffer with a cap; see buf.h. */

#include "core/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUF_FIRST = 256 };

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void
buf_clear(struct buf *b)
{
	mem_wipe(b->data, b->cap);
	free(b->data);
	buf_init(b, b->max);
}

void
buf_reset(struct buf *b, size_t keep)
{
	if (b->cap > keep)
		buf_clear(b);
	mem_wipe(b->data, b->len);
	b->len = 0;
	b->failed = false;
}

/* As realloc(3), but the old bytes are not left behind. */
static char *
buf_move(struct buf *b, size_t size)
{
	char *data;

	if (!mem_wipes() || b->data == NULL)
		return realloc(b->data, size);
	data = malloc(size);
	if (data == NULL)
		return NULL;
	memcpy(data, b->data, b->len);
	mem_wipe(b->data, b->cap);
	free(b->data);
	return data;
}

/* The slow half of buf_reserve: more memory, at least doubled. */
static bool
buf_grow(struct buf *b, size_t n)
{
	size_t cap = b->cap < BUF_FIRST ? BUF_FIRST : b->cap;
	char *data;

	if (n > b->max - b->len) {
		b->failed = true;
		return false;
	}
	while (cap - b->len < n)
		cap = cap > b->max / 2 ? b->max : cap * 2;
	if (cap > b->max)
		cap = b->max;
	/* One byte more than cap, for the NUL that vsnprintf writes. */
	data = buf_move(b, cap + 1);
	if (data == NULL) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->cap = cap;
	return true;
}

bool
buf_reserve(struct buf *b, size_t n)
{
	if (b->failed)
		return false;
	return n <= b->cap - b->len || buf_grow(b, n);
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	if (n == 0 || !buf_reserve(b, n))
		return;
	memcpy(b->data + b->len, p, n);
	b->len += n;
}

void
buf_add_span(struct buf *b, struct span s)
{
	buf_add(b, s.p, s.len);
}

void
buf_add_char(struct buf *b, char c)
{
	if (buf_reserve(b, 1))
		b->data[b->len++] = c;
}

void
buf_add_u64(struct buf *b, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n != 0);
	buf_add(b, digits + at, sizeof(digits) - at);
}

void
buf_add_i64(struct buf *b, int64_t n)
{
	/* One reservation for sign and digits: all or nothing. */
	if (!buf_reserve(b, n < 0 ? 2 : 1))
		return;
	if (n >= 0) {
		buf_add_u64(b, (uint64_t)n);
		return;
	}
	buf_add_char(b, '-');
	buf_add_u64(b, -(uint64_t)n);
	if (b->failed)
		b->len--;
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
	size_t room;
	va_list ap;
	int n;

	if (b->failed || (b->data == NULL && !buf_grow(b, 0)))
		return;
	room = b->cap - b->len;
	va_start(ap, fmt);
	n = vsnprintf(b->data + b->len, room + 1, fmt, ap);
	va_end(ap);
	ASSERT(n >= 0);
	if ((size_t)n > room) {
		if (!buf_reserve(b, (size_t)n))
			return;
		va_start(ap, fmt);
		vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	b->len += (size_t)n;
}

static void
buf_add_escape(struct buf *b, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char letters[32] = {['\b'] = 'b',
	    ['\t'] = 't',
	    ['\n'] = 'n',
	    ['\f'] = 'f',
	    ['\r'] = 'r'};
	char escape[6] = {'\\', (char)c};

	if (c >= 32) {
		buf_add(b, escape, 2);
	} else if (letters[c] != 0) {
		escape[1] = letters[c];
		buf_add(b, escape, 2);
	} else {
		memcpy(escape + 1, "u00", 3);
		escape[4] = hex[c >> 4];
		escape[5] = hex[c & 15];
		buf_add(b, escape, 6);
	}
}

void
buf_add_json(struct buf *b, struct span s)
{
	size_t start = b->len;
	const char *p = s.len == 0 ? "" : s.p, *end = p + s.len;

	if (b->failed || !buf_reserve(b, s.len + 2))
		return;
	buf_add_char(b, '"');
	while (p < end) {
		size_t n = str_plain_len(p, end);

		buf_add(b, p, n);
		p += n;
		if (p == end)
			break;
		if ((unsigned char)*p < 0x80) {
			buf_add_escape(b, (unsigned char)*p++);
			continue;
		}
		n = utf8_seq_len(p, end);
		if (n > 0)
			buf_add(b, p, n);
		else
			buf_add_str(b, "\xef\xbf\xbd");
		p += n > 0 ? n : 1;
	}
	buf_add_char(b, '"');
	if (b->failed)
		b->len = start;
}

struct span
buf_span(const struct buf *b)
{
	return (struct span){b->data == NULL ? "" : b->data, b->len};
}
