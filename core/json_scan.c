/*
 * The validating JSON scanner; see json_scan.h. One bit a level says whether
 * it is an object, one whether an item came before; there is no recursion,
 * also not in scan_skip. The payload bytes of every push pass through
 * scan_quoted once: plain ASCII goes eight bytes at a time, UTF-8 is looked
 * at only where the high bit appears.
 */

#include "core/json_scan.h"

#include <string.h>

#define EXACT_MAX (UINT64_C(1) << 53)

void
scan_init(struct scan *s, struct span text)
{
	*s = (struct scan){.why = ""};
	s->start = s->p = text.len == 0 ? "" : text.p;
	s->end = s->start + text.len;
}

/* Everything wrong ends here. Returns false for the caller to return. */
static bool
scan_fail(struct scan *s, enum err err, const char *at, const char *why)
{
	s->err = err;
	s->why = why;
	s->at = (size_t)(at - s->start);
	return false;
}

/* What stands at p is not what the grammar wants there. */
static bool
scan_fail_expected(struct scan *s, const char *why)
{
	if (s->p == s->end)
		return scan_fail(s, ERR_BODY_NOT_JSON, s->p,
		    s->start == s->end ? "the text is empty"
				       : "the text ends too early");
	if (utf8_seq_len(s->p, s->end) == 0)
		return scan_fail(
		    s, ERR_BODY_NOT_UTF8, s->p, "bytes that are not UTF-8");
	if (s->p == s->start && s->end - s->p >= 3 &&
	    memcmp(s->p, "\xef\xbb\xbf", 3) == 0)
		why = "a byte order mark";
	return scan_fail(s, ERR_BODY_NOT_JSON, s->p, why);
}

static void
scan_blanks(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' ||
				    *s->p == '\t' || *s->p == '\r'))
		s->p++;
}

static uint64_t
level_bit(const struct scan *s)
{
	return UINT64_C(1) << (s->depth - 1);
}

/* The type that the first byte announces; it need not be valid. */
static enum scan_type
type_of(char c)
{
	switch (c) {
	case '{':
		return SCAN_OBJECT;
	case '[':
		return SCAN_ARRAY;
	case '"':
		return SCAN_STRING;
	case 't':
	case 'f':
		return SCAN_BOOL;
	case 'n':
		return SCAN_NULL;
	default:
		return c == '-' || (c >= '0' && c <= '9') ? SCAN_NUMBER
							  : SCAN_NONE;
	}
}

enum scan_type
scan_peek(struct scan *s)
{
	enum scan_type type = SCAN_NONE;

	if (s->err != ERR_OK)
		return SCAN_NONE;
	scan_blanks(s);
	if (s->p < s->end)
		type = type_of(*s->p);
	if (type == SCAN_NONE)
		scan_fail_expected(s, "a value is expected");
	return type;
}

static bool
scan_open(struct scan *s, enum scan_type type)
{
	if (s->depth == SCAN_MAX_DEPTH)
		return scan_fail(
		    s, ERR_BODY_TOO_DEEP, s->p, "nested deeper than 64 levels");
	s->p++;
	s->depth++;
	s->has_member &= ~level_bit(s);
	if (type == SCAN_OBJECT)
		s->is_object |= level_bit(s);
	else
		s->is_object &= ~level_bit(s);
	return true;
}

bool
scan_object(struct scan *s)
{
	return scan_peek(s) == SCAN_OBJECT && scan_open(s, SCAN_OBJECT);
}

bool
scan_array(struct scan *s)
{
	return scan_peek(s) == SCAN_ARRAY && scan_open(s, SCAN_ARRAY);
}

/* Four hex digits at p as a number, -1 when they are none. */
static int
hex4(const char *p, const char *end)
{
	int value = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = p[i];

		if (c >= '0' && c <= '9')
			value = value * 16 + (c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value * 16 + (c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			value = value * 16 + (c - 'A' + 10);
		else
			return -1;
	}
	return value;
}

static bool
is_high_surrogate(int unit)
{
	return unit >= 0xd800 && unit <= 0xdbff;
}

static bool
is_low_surrogate(int unit)
{
	return unit >= 0xdc00 && unit <= 0xdfff;
}

/* The length of the escape whose backslash is at p; 0 when it is none. */
static size_t
escape_len(const char *p, const char *end)
{
	int unit;

	if (end - p < 2)
		return 0;
	if (p[1] != 'u')
		return p[1] != '\0' && strchr("\"\\/bfnrt", p[1]) ? 2 : 0;
	unit = hex4(p + 2, end);
	if (unit < 0 || is_low_surrogate(unit))
		return 0;
	if (!is_high_surrogate(unit))
		return 6;
	if (end - p < 12 || p[6] != '\\' || p[7] != 'u')
		return 0;
	return is_low_surrogate(hex4(p + 8, end)) ? 12 : 0;
}

/* p stands in a string at a byte that str_plain_len stopped at, and that is
 * no quote. Returns where to go on, NULL on error. */
static const char *
scan_special(struct scan *s, const char *p)
{
	size_t n;

	if (*p == '\\') {
		n = escape_len(p, s->end);
		if (n == 0)
			scan_fail(s, ERR_BODY_NOT_JSON, p,
			    "an escape that JSON does not have, or a lone "
			    "surrogate");
		return n == 0 ? NULL : p + n;
	}
	if ((unsigned char)*p < 0x80) {
		scan_fail(
		    s, ERR_BODY_NOT_JSON, p, "a control character in a string");
		return NULL;
	}
	do {
		n = utf8_seq_len(p, s->end);
		if (n == 0) {
			scan_fail(s, ERR_BODY_NOT_UTF8, p,
			    "bytes in a string that are not UTF-8");
			return NULL;
		}
		p += n;
	} while (p < s->end && (unsigned char)*p >= 0x80);
	return p;
}

/* The string whose opening quote is at p. */
static bool
scan_quoted(struct scan *s, struct span *raw)
{
	const char *start = s->p + 1, *p = start;

	for (;;) {
		p += str_plain_len(p, s->end);
		if (p == s->end)
			return scan_fail(s, ERR_BODY_NOT_JSON, p,
			    "a string without its closing quote");
		if (*p == '"')
			break;
		p = scan_special(s, p);
		if (p == NULL)
			return false;
	}
	*raw = (struct span){start, (size_t)(p - start)};
	s->p = p + 1;
	return true;
}

/* Steps over digits; false when there is none. */
static bool
scan_digits(struct scan *s)
{
	const char *start = s->p;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return s->p > start;
}

static bool
scan_is_at(const struct scan *s, char a, char b)
{
	return s->p < s->end && (*s->p == a || *s->p == b);
}

/* The number whose first character is at p. */
static bool
scan_numeral(struct scan *s, struct span *raw)
{
	const char *start = s->p, *first;

	if (*s->p == '-')
		s->p++;
	first = s->p;
	if (!scan_digits(s))
		return scan_fail_expected(s, "a number without digits");
	if (*first == '0' && s->p - first > 1)
		return scan_fail(s, ERR_BODY_NOT_JSON, first,
		    "a number with a leading zero");
	if (scan_is_at(s, '.', '.')) {
		s->p++;
		if (!scan_digits(s))
			return scan_fail_expected(
			    s, "a number without digits after the point");
	}
	if (scan_is_at(s, 'e', 'E')) {
		s->p++;
		if (scan_is_at(s, '+', '-'))
			s->p++;
		if (!scan_digits(s))
			return scan_fail_expected(
			    s, "a number without digits in its exponent");
	}
	*raw = (struct span){start, (size_t)(s->p - start)};
	return true;
}

/* One of the three words of JSON. */
static bool
scan_word(struct scan *s, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0)
		return scan_fail(s, ERR_BODY_NOT_JSON, s->p,
		    "a word that is not true, false or null");
	s->p += len;
	return true;
}

/* The next key or item: the closing bracket is consumed (false), or the
 * comma before what comes next. */
static bool
scan_next(struct scan *s, char closing)
{
	scan_blanks(s);
	if (s->p < s->end && *s->p == closing) {
		s->p++;
		s->depth--;
		return false;
	}
	if ((s->has_member & level_bit(s)) == 0) {
		s->has_member |= level_bit(s);
		return true;
	}
	if (!scan_is_at(s, ',', ','))
		return scan_fail_expected(s, closing == '}'
						 ? "a comma or } is expected"
						 : "a comma or ] is expected");
	s->p++;
	return true;
}

bool
scan_key(struct scan *s, struct span *key)
{
	if (s->err != ERR_OK)
		return false;
	ASSERT(s->depth > 0 && (s->is_object & level_bit(s)) != 0);
	if (!scan_next(s, '}'))
		return false;
	scan_blanks(s);
	if (!scan_is_at(s, '"', '"'))
		return scan_fail_expected(s, "a key in quotes is expected");
	if (!scan_quoted(s, key))
		return false;
	scan_blanks(s);
	if (!scan_is_at(s, ':', ':'))
		return scan_fail_expected(s, "a colon is expected");
	s->p++;
	return true;
}

bool
scan_item(struct scan *s)
{
	if (s->err != ERR_OK)
		return false;
	ASSERT(s->depth > 0 && (s->is_object & level_bit(s)) == 0);
	return scan_next(s, ']');
}

/* A scalar whole, or the opening bracket of a container. */
static bool
scan_begin(struct scan *s)
{
	enum scan_type type = scan_peek(s);
	struct span raw;

	switch (type) {
	case SCAN_NULL:
		return scan_word(s, "null");
	case SCAN_BOOL:
		return scan_word(s, *s->p == 't' ? "true" : "false");
	case SCAN_NUMBER:
		return scan_numeral(s, &raw);
	case SCAN_STRING:
		return scan_quoted(s, &raw);
	case SCAN_ARRAY:
	case SCAN_OBJECT:
		return scan_open(s, type);
	case SCAN_NONE:
	default:
		return false;
	}
}

/* Goes to the next value above the given depth, closing what is complete.
 * False when that depth is reached, or on error. */
static bool
scan_climb(struct scan *s, unsigned depth)
{
	struct span key;

	while (s->depth > depth && s->err == ERR_OK)
		if ((s->is_object & level_bit(s)) != 0 ? scan_key(s, &key)
						       : scan_item(s))
			return true;
	return false;
}

bool
scan_skip(struct scan *s, struct span *raw)
{
	unsigned depth = s->depth;
	const char *start;

	if (scan_peek(s) == SCAN_NONE)
		return false;
	start = s->p;
	do
		if (!scan_begin(s))
			return false;
	while (scan_climb(s, depth));
	if (s->err != ERR_OK)
		return false;
	*raw = (struct span){start, (size_t)(s->p - start)};
	return true;
}

bool
scan_string(struct scan *s, struct span *raw)
{
	return scan_peek(s) == SCAN_STRING && scan_quoted(s, raw);
}

bool
scan_number(struct scan *s, struct span *raw)
{
	return scan_peek(s) == SCAN_NUMBER && scan_numeral(s, raw);
}

bool
scan_bool(struct scan *s, bool *value)
{
	if (scan_peek(s) != SCAN_BOOL)
		return false;
	*value = *s->p == 't';
	return scan_word(s, *value ? "true" : "false");
}

bool
scan_null(struct scan *s)
{
	return scan_peek(s) == SCAN_NULL && scan_word(s, "null");
}

enum err
scan_end(struct scan *s)
{
	struct scan first;

	if (s->err != ERR_OK)
		return s->err;
	scan_blanks(s);
	scan_init(&first, (struct span){s->start, (size_t)(s->end - s->start)});
	scan_blanks(&first);
	if (s->p == first.p)
		scan_fail_expected(s, "a value is expected");
	else if (s->depth > 0)
		scan_fail_expected(s, "the value goes on");
	else if (s->p < s->end)
		scan_fail_expected(s, "more follows after the value");
	return s->err;
}

/* Writes the UTF-8 form of a code point; returns its length. */
static size_t
utf8_write(char *dst, unsigned code)
{
	if (code < 0x80) {
		dst[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		dst[0] = (char)(0xc0 | code >> 6);
		dst[1] = (char)(0x80 | (code & 63));
		return 2;
	}
	if (code < 0x10000) {
		dst[0] = (char)(0xe0 | code >> 12);
		dst[1] = (char)(0x80 | (code >> 6 & 63));
		dst[2] = (char)(0x80 | (code & 63));
		return 3;
	}
	dst[0] = (char)(0xf0 | code >> 18);
	dst[1] = (char)(0x80 | (code >> 12 & 63));
	dst[2] = (char)(0x80 | (code >> 6 & 63));
	dst[3] = (char)(0x80 | (code & 63));
	return 4;
}

/* Decodes one escape of the given length; returns the bytes written. */
static size_t
escape_write(char *dst, const char *p, size_t len)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *found;
	unsigned code;

	if (len == 2) {
		found = strchr(from, p[1]);
		*dst = found == NULL ? p[1] : to[found - from];
		return 1;
	}
	code = (unsigned)hex4(p + 2, p + len);
	if (len == 12)
		code = 0x10000 + ((code - 0xd800) << 10) +
		       ((unsigned)hex4(p + 8, p + len) - 0xdc00);
	return utf8_write(dst, code);
}

bool
scan_unescape(struct arena *a, struct span raw, struct span *out)
{
	const char *p = raw.p, *end, *next;
	char *dst;
	size_t len = 0;

	if (raw.len == 0 || memchr(raw.p, '\\', raw.len) == NULL) {
		*out = raw;
		return true;
	}
	/* No escape is shorter than what it stands for. */
	dst = arena_alloc(a, raw.len);
	if (dst == NULL)
		return false;
	for (end = p + raw.len; p < end; p = next) {
		if (*p == '\\') {
			size_t n = escape_len(p, end);

			ASSERT(n > 0);
			len += escape_write(dst + len, p, n);
			next = p + n;
			continue;
		}
		next = memchr(p, '\\', (size_t)(end - p));
		if (next == NULL)
			next = end;
		memcpy(dst + len, p, (size_t)(next - p));
		len += (size_t)(next - p);
	}
	*out = (struct span){dst, len};
	return true;
}

bool
scan_to_u64(struct span raw, uint64_t *out)
{
	uint64_t value;

	if (!str_to_u64(raw, &value) || value > EXACT_MAX)
		return false;
	*out = value;
	return true;
}
