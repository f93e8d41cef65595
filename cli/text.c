/* Text for people; see text.h. */

#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700 /* wcwidth */
#endif

#include "cli/text.h"

#include <stdbool.h>
#include <wchar.h>

#include "core/rfc3339.h"

/* The character at p, which has len bytes of valid UTF-8. */
static uint32_t
utf8_decode(const char *p, size_t len)
{
	static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t c = (unsigned char)p[0] & masks[len];

	for (size_t i = 1; i < len; i++)
		c = c << 6 | ((unsigned char)p[i] & 0x3f);
	return c;
}

/* Would a terminal act on it, or a reader be misled by it? */
static bool
is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 ||
	       c == 0x2029 || c == 0x200e || c == 0x200f || c == 0x61c ||
	       (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
	       c == 0xfeff;
}

static void
add_escape(struct buf *out, uint32_t c)
{
	if (c == '\n')
		buf_add_str(out, "\\n");
	else if (c == '\r')
		buf_add_str(out, "\\r");
	else if (c == '\t')
		buf_add_str(out, "\\t");
	else if (c < 0x80)
		buf_addf(out, "\\x%02x", (unsigned)c);
	else
		buf_addf(out, "\\u{%x}", (unsigned)c);
}

void
text_add_clean(struct buf *out, struct span s)
{
	const char *p = s.p, *end = s.p + s.len;
	size_t len;
	uint32_t c;

	while (p < end) {
		len = utf8_seq_len(p, end);
		if (len == 0) {
			buf_addf(out, "\\x%02x", (unsigned char)*p++);
			continue;
		}
		c = utf8_decode(p, len);
		if (is_control(c))
			add_escape(out, c);
		else
			buf_add(out, p, len);
		p += len;
	}
}

void
text_add_json(struct buf *out, struct span json)
{
	const char *p = json.p, *end = json.p + json.len;
	size_t len;
	uint32_t c;

	while (p < end) {
		len = utf8_seq_len(p, end);
		c = len == 0 ? 0xfffd : utf8_decode(p, len);
		/* Inside strings JSON has no raw control characters below
		 * 0x20: those that are here stand between values. */
		if (len == 0 || c == '\r')
			buf_add_char(out, len == 0 ? '?' : ' ');
		else if (is_control(c) && c != '\n' && c != '\t')
			buf_addf(out, "\\u%04x", (unsigned)c);
		else
			buf_add(out, p, len);
		p += len == 0 ? 1 : len;
	}
}

/* Columns of one character; 1 where the locale does not know it. */
static size_t
char_width(uint32_t c)
{
	int width = c < 0x80 ? 1 : wcwidth((wchar_t)c);

	return width < 0 ? 1 : (size_t)width;
}

struct span
text_cut(struct span s, size_t columns)
{
	const char *p = s.p, *end = s.p + s.len;
	size_t used = 0, len, width;

	while (p < end) {
		len = utf8_seq_len(p, end);
		width = len == 0 ? 1 : char_width(utf8_decode(p, len));
		if (used + width > columns)
			break;
		used += width;
		p += len == 0 ? 1 : len;
	}
	return (struct span){s.p, (size_t)(p - s.p)};
}

size_t
text_width(struct span s)
{
	const char *p = s.p, *end = s.p + s.len;
	size_t used = 0, len;

	while (p < end) {
		len = utf8_seq_len(p, end);
		used += len == 0 ? 1 : char_width(utf8_decode(p, len));
		p += len == 0 ? 1 : len;
	}
	return used;
}

void
text_add_seconds(struct buf *out, double seconds)
{
	uint64_t s = seconds > 0 && seconds < 1e15 ? (uint64_t)seconds : 0;

	if (seconds >= 0 && seconds < 9.95)
		buf_addf(
		    out, seconds == (double)s ? "%.0fs" : "%.1fs", seconds);
	else if (s < 60)
		buf_addf(out, "%us", (unsigned)s);
	else if (s < 3600)
		buf_addf(out, "%um%us", (unsigned)(s / 60), (unsigned)(s % 60));
	else if (s < 86400)
		buf_addf(out, "%uh%um", (unsigned)(s / 3600),
		    (unsigned)(s % 3600 / 60));
	else
		buf_addf(out, "%lud%uh", (unsigned long)(s / 86400),
		    (unsigned)(s % 86400 / 3600));
}

void
text_add_latency(struct buf *out, double seconds)
{
	if (seconds < 0.001)
		buf_addf(out, "%.2fms", seconds * 1e3);
	else if (seconds < 0.01)
		buf_addf(out, "%.1fms", seconds * 1e3);
	else if (seconds < 1)
		buf_addf(out, "%.0fms", seconds * 1e3);
	else
		text_add_seconds(out, seconds);
}

void
text_add_when(struct buf *out, struct span time, int64_t now_ms)
{
	int64_t ms;

	if (time.len == 0) {
		buf_add_char(out, '-');
	} else if (!rfc3339_parse(time, &ms)) {
		text_add_clean(out, time);
	} else if (ms > now_ms) {
		buf_add_str(out, "in ");
		text_add_seconds(out, (double)(ms - now_ms) / 1000);
	} else {
		text_add_seconds(out, (double)(now_ms - ms) / 1000);
		buf_add_str(out, " ago");
	}
}

void
text_add_count(struct buf *out, uint64_t n)
{
	static const char units[] = "kMGTPE";
	uint64_t whole = n, part = 0;
	size_t unit = 0;

	if (n < 100000) {
		buf_add_u64(out, n);
		return;
	}
	for (; whole >= 1000; unit++) {
		part = whole % 1000;
		whole /= 1000;
	}
	buf_add_u64(out, whole);
	if (whole < 10)
		buf_addf(out, ".%02u", (unsigned)(part / 10));
	else if (whole < 100)
		buf_addf(out, ".%u", (unsigned)(part / 100));
	buf_add_char(out, units[unit - 1]);
}

void
text_add_rate(struct buf *out, double per_second)
{
	if (!(per_second >= 0.05))
		buf_add_char(out, '0');
	else if (per_second < 100)
		buf_addf(out, "%.1f", per_second);
	else
		buf_addf(out, "%.0f", per_second);
}
