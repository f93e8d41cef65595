/* Arguments of Redis commands as RESP bulk strings; see redis_conn.h. */

#include "store/redis_conn.h"

#include <string.h>

enum { DIGITS_MAX = 20 };

/* Writes n in decimal so that it ends at end; returns where it begins. */
static char *
digits_before(char *end, uint64_t n)
{
	do {
		*--end = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	return end;
}

void
resp_add(struct buf *b, const void *p, size_t len)
{
	char head[DIGITS_MAX + 3];
	char *end = head + sizeof(head) - 2, *start;

	memcpy(end, "\r\n", 2);
	start = digits_before(end, len);
	*--start = '$';
	if (!buf_reserve(b, (size_t)(end + 2 - start) + len + 2))
		return;
	buf_add(b, start, (size_t)(end + 2 - start));
	buf_add(b, p, len);
	buf_add(b, "\r\n", 2);
}

void
resp_add_str(struct buf *b, const char *s)
{
	resp_add(b, s, strlen(s));
}

void
resp_add_span(struct buf *b, struct span s)
{
	resp_add(b, s.p, s.len);
}

void
resp_add_u64(struct buf *b, uint64_t n)
{
	char text[DIGITS_MAX];
	char *end = text + sizeof(text), *start = digits_before(end, n);

	resp_add(b, start, (size_t)(end - start));
}

void
resp_add_i64(struct buf *b, int64_t n)
{
	char text[DIGITS_MAX + 1];
	char *end = text + sizeof(text), *start;

	start = digits_before(end, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
	if (n < 0)
		*--start = '-';
	resp_add(b, start, (size_t)(end - start));
}
