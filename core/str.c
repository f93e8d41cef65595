/* Spans, names, numbers and durations as text, UTF-8, globs; see str.h. */

#include "core/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* Largest first; the first of each factor is the one that is written. */
/* clang-format off */
static const struct unit time_units[] = {
	{"d",   UINT64_C(24) * 60 * 60 * 1000},
	{"h",   UINT64_C(60) * 60 * 1000},
	{"m",   UINT64_C(60) * 1000},
	{"s",   1000},
	{"ms",  1},
	{"",    1000}, /* bare: seconds; below "ms" so that it is only read */
};

static const struct unit size_units[] = {
	{"TiB", UINT64_C(1) << 40}, {"TB", UINT64_C(1) << 40}, {"T", UINT64_C(1) << 40},
	{"GiB", UINT64_C(1) << 30}, {"GB", UINT64_C(1) << 30}, {"G", UINT64_C(1) << 30},
	{"MiB", UINT64_C(1) << 20}, {"MB", UINT64_C(1) << 20}, {"M", UINT64_C(1) << 20},
	{"KiB", UINT64_C(1) << 10}, {"KB", UINT64_C(1) << 10}, {"K", UINT64_C(1) << 10},
	{"B",   1},
	{"",    1},
};
/* clang-format on */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       is_digit(c) || c == '.' || c == '_' || c == ':' || c == '@' ||
	       c == '-';
}

bool
name_is_valid(struct span s)
{
	if (s.len == 0 || s.len > NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_name_char(s.p[i]))
			return false;
	return true;
}

bool
id_is_valid(struct span s)
{
	if (s.len == 0 || s.len > ID_MAX_LEN)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return true;
}

bool
str_to_u64(struct span s, uint64_t *out)
{
	uint64_t value = 0;

	if (s.len == 0 || (s.len > 1 && s.p[0] == '0'))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned)(s.p[i] - '0');

		if (!is_digit(s.p[i]) || value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return true;
}

static bool
unit_is(const struct unit *unit, struct span name, bool any_case)
{
	if (strlen(unit->name) != name.len)
		return false;
	return any_case ? strncasecmp(unit->name, name.p, name.len) == 0
			: strncmp(unit->name, name.p, name.len) == 0;
}

/* Digits and the name of a unit, together below 2^64. */
static bool
units_read(const struct unit *units, size_t count, bool any_case, struct span s,
    uint64_t *out)
{
	struct span name;
	uint64_t value;
	size_t digits = 0;

	while (digits < s.len && is_digit(s.p[digits]))
		digits++;
	if (!str_to_u64((struct span){s.p, digits}, &value))
		return false;
	name = (struct span){s.p + digits, s.len - digits};
	for (size_t i = 0; i < count; i++) {
		if (!unit_is(&units[i], name, any_case))
			continue;
		if (value > UINT64_MAX / units[i].factor)
			return false;
		*out = value * units[i].factor;
		return true;
	}
	return false;
}

static void
units_write(const struct unit *units, char *dst, size_t size, uint64_t value)
{
	/* Every table has a factor of one, so this ends. */
	while (value % units->factor != 0)
		units++;
	snprintf(
	    dst, size, "%" PRIu64 "%s", value / units->factor, units->name);
}

bool
str_to_ms(struct span s, uint64_t *out)
{
	return units_read(time_units, COUNT_OF(time_units), false, s, out);
}

bool
str_to_bytes(struct span s, uint64_t *out)
{
	return units_read(size_units, COUNT_OF(size_units), true, s, out);
}

void
str_from_ms(char *dst, size_t size, uint64_t ms)
{
	if (ms == 0)
		snprintf(dst, size, "0s");
	else
		units_write(time_units, dst, size, ms);
}

void
str_from_bytes(char *dst, size_t size, uint64_t bytes)
{
	if (bytes == 0)
		snprintf(dst, size, "0B");
	else
		units_write(size_units, dst, size, bytes);
}

#define EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (c))

/* Eight bytes, the first one lowest. */
static uint64_t
load_le64(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	x = __builtin_bswap64(x);
#endif
	return x;
}

/*
 * Bit 7 of each byte that is not plain; exact up to the first one, which is
 * all that is used: a subtraction borrows upwards only. Bytes from 0x80 on
 * show up by themselves; below, x - 0x20 has bit 7 for control characters
 * and (x ^ c) - 1 for c alone.
 */
static uint64_t
not_plain_mask(uint64_t x)
{
	uint64_t control = x - EACH_BYTE(0x20);
	uint64_t quote = (x ^ EACH_BYTE('"')) - EACH_BYTE(1);
	uint64_t backslash = (x ^ EACH_BYTE('\\')) - EACH_BYTE(1);

	return (x | control | quote | backslash) & EACH_BYTE(0x80);
}

static bool
is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

size_t
str_plain_len(const char *p, const char *end)
{
	const char *start = p;

	while (end - p >= 8) {
		uint64_t mask = not_plain_mask(load_le64(p));

		if (mask != 0)
			return (size_t)(p - start) +
			       (size_t)__builtin_ctzll(mask) / 8;
		p += 8;
	}
	while (p < end && is_plain((unsigned char)*p))
		p++;
	return (size_t)(p - start);
}

size_t
str_printable_len(const char *p, const char *end)
{
	const char *start = p;

	/* Bit 7 of a byte below 0x20, of 0x7f, or from 0x80 on; exact up to
	 * the first one, so that eight at once are all or not all. */
	while (end - p >= 8) {
		uint64_t x = load_le64(p);

		if (((x | (x - EACH_BYTE(0x20)) | (x + EACH_BYTE(1))) &
			EACH_BYTE(0x80)) != 0)
			break;
		p += 8;
	}
	while (p < end && *p >= ' ' && *p <= '~')
		p++;
	return (size_t)(p - start);
}

/* The range of the second byte is what excludes overlong forms (E0, F0),
 * surrogates (ED) and what lies past U+10FFFF (F4). */
size_t
utf8_seq_len(const char *p, const char *end)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t left = (size_t)(end - p), len;
	unsigned char low = 0x80, high = 0xbf;

	if (left == 0)
		return 0;
	if (u[0] < 0x80)
		return 1;
	if (u[0] < 0xc2 || u[0] > 0xf4)
		return 0;
	len = u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
	if (left < len)
		return 0;
	if (u[0] == 0xe0)
		low = 0xa0;
	else if (u[0] == 0xed)
		high = 0x9f;
	else if (u[0] == 0xf0)
		low = 0x90;
	else if (u[0] == 0xf4)
		high = 0x8f;
	if (u[1] < low || u[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

bool
utf8_is_valid(const char *p, size_t len)
{
	const char *end;

	if (len == 0)
		return true; /* p may be NULL */
	end = p + len;
	while (p < end) {
		size_t n;

		if (end - p >= 8 && (load_le64(p) & EACH_BYTE(0x80)) == 0) {
			p += 8;
			continue;
		}
		n = utf8_seq_len(p, end);
		if (n == 0)
			return false;
		p += n;
	}
	return true;
}

/* Steps over the class whose '[' is at *at; does c belong to it? A class
 * that is not closed ends with the pattern. */
static bool
glob_class(struct span pattern, size_t *at, unsigned char c)
{
	const unsigned char *p = (const unsigned char *)pattern.p;
	size_t i = *at + 1, len = pattern.len;
	bool negated = i < len && p[i] == '^', found = false;

	if (negated)
		i++;
	for (; i < len && p[i] != ']'; i++) {
		unsigned char low, high;

		if (p[i] == '\\' && i + 1 < len)
			i++;
		low = high = p[i];
		if (i + 2 < len && p[i + 1] == '-' && p[i + 2] != ']') {
			i += 2;
			if (p[i] == '\\' && i + 1 < len)
				i++;
			high = p[i];
		}
		if (low > high)
			found |= c >= high && c <= low;
		else
			found |= c >= low && c <= high;
	}
	*at = i < len ? i + 1 : len;
	return found != negated;
}

/* Matches one byte against the pattern's element at *at, which is no star,
 * and steps over it. */
static bool
glob_one(struct span pattern, size_t *at, char c)
{
	char want = pattern.p[*at];

	if (want == '[')
		return glob_class(pattern, at, (unsigned char)c);
	if (want == '\\' && *at + 1 < pattern.len)
		want = pattern.p[++*at];
	else if (want == '?')
		want = c;
	++*at;
	return want == c;
}

/* On a mismatch only the last star can help: it takes one byte more. So no
 * star ever sees a byte twice from the same start. */
bool
glob_match(struct span pattern, struct span text)
{
	size_t p = 0, t = 0, star = 0, star_text = 0;
	bool has_star = false;

	while (t < text.len) {
		if (p < pattern.len && pattern.p[p] == '*') {
			star = ++p;
			star_text = t;
			has_star = true;
		} else if (p < pattern.len &&
			   glob_one(pattern, &p, text.p[t])) {
			t++;
		} else if (has_star) {
			p = star;
			t = ++star_text;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.p[p] == '*')
		p++;
	return p == pattern.len;
}

bool
globs_match(struct span patterns, struct span text)
{
	const char *p = patterns.p, *end = p + patterns.len;

	while (p < end) {
		const char *space = memchr(p, ' ', (size_t)(end - p));
		size_t len = (size_t)((space == NULL ? end : space) - p);

		if (glob_match((struct span){p, len}, text))
			return true;
		p += len + 1;
	}
	return false;
}
