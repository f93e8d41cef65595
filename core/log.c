/*
 * The log: levels, and lines as text. Where a line goes is log_out.c's
 * business, how many a client may cause log_rate.c's.
 */

#include "core/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/log_priv.h"

/* What looks like an access token has so many digits at least. */
enum { TOKEN_ID_MIN = 8, TOKEN_SECRET_MIN = 8 };

static const char *const LEVEL_NAMES[] = {"error", "warn", "info", "debug"};

static const char *const COMPONENT_NAMES[] = {
#define L(name, about) #name,
#include "core/log.def"
#undef L
};

enum log_level log_loudest = LOG_INFO;

static struct {
	enum log_level level;
	int of[LOG_COMPONENT_COUNT]; /* or LOG_LEVEL_COMMON */
	void (*sink)(const char *line, size_t len);
} conf = {.level = LOG_INFO,
    .of = {
#define L(name, about) [LOG_COMPONENT_##name] = LOG_LEVEL_COMMON,
#include "core/log.def"
#undef L
    }};

/* A line under construction; cut marks that something did not fit. */
struct line {
	char text[LOG_LINE_MAX];
	size_t len;
	bool cut;
};

/* ---- levels ----------------------------------------------------------- */

static void
find_loudest(void)
{
	log_loudest = conf.level;
	for (int c = 0; c < LOG_COMPONENT_COUNT; c++)
		if (conf.of[c] > (int)log_loudest)
			log_loudest = (enum log_level)conf.of[c];
}

void
log_set_level(enum log_level level)
{
	conf.level = level;
	find_loudest();
}

enum log_level
log_level(void)
{
	return conf.level;
}

void
log_set_component_level(enum log_component c, int level)
{
	ASSERT(c < LOG_COMPONENT_COUNT);
	conf.of[c] = level;
	find_loudest();
}

int
log_component_level(enum log_component c)
{
	ASSERT(c < LOG_COMPONENT_COUNT);
	return conf.of[c];
}

const char *
log_level_name(enum log_level level)
{
	return LEVEL_NAMES[level];
}

bool
log_level_parse(struct span s, enum log_level *out)
{
	for (size_t i = 0; i < COUNT_OF(LEVEL_NAMES); i++) {
		if (span_is(s, LEVEL_NAMES[i])) {
			*out = (enum log_level)i;
			return true;
		}
	}
	return false;
}

const char *
log_component_name(enum log_component c)
{
	return COMPONENT_NAMES[c];
}

bool
log_component_parse(struct span s, enum log_component *out)
{
	int c = 0;

	while (c < LOG_COMPONENT_COUNT && !span_is(s, COMPONENT_NAMES[c]))
		c++;
	*out = (enum log_component)c;
	return c < LOG_COMPONENT_COUNT;
}

/* LOG_COMPONENT_COUNT where the event is of none. */
static enum log_component
component_of(const char *event)
{
	enum log_component c;

	(void)log_component_parse(
	    (struct span){event, strcspn(event, ".")}, &c);
	return c;
}

static bool
component_is_on(enum log_component c, enum log_level level)
{
	if (c < LOG_COMPONENT_COUNT && conf.of[c] != LOG_LEVEL_COMMON)
		return (int)level <= conf.of[c];
	return level <= conf.level;
}

bool
log_look(enum log_level level, const char *event)
{
	return component_is_on(component_of(event), level);
}

void
log_set_sink(void (*fn)(const char *line, size_t len))
{
	conf.sink = fn;
}

/* ---- building a line -------------------------------------------------- */

/* Characters that cannot be seen, break a line or turn it round: U+200B to
 * U+200F, U+2028 to U+202E, U+2060 to U+206F, U+FEFF. */
static bool
is_unseen(const unsigned char *u)
{
	if (u[0] == 0xe2 && u[1] == 0x80)
		return (u[2] >= 0x8b && u[2] <= 0x8f) ||
		       (u[2] >= 0xa8 && u[2] <= 0xae);
	if (u[0] == 0xe2 && u[1] == 0x81)
		return u[2] >= 0xa0 && u[2] <= 0xaf;
	return u[0] == 0xef && u[1] == 0xbb && u[2] == 0xbf;
}

/* Bytes at p that stand for themselves (1-4), or 0 where one must be
 * escaped: control characters (C1 ones too), what cannot be seen, and what is
 * not UTF-8. */
static size_t
log_plain_len(const char *p, const char *end)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t n = utf8_seq_len(p, end);

	if (n == 1 && (u[0] < 0x20 || u[0] == 0x7f))
		return 0;
	if (n == 2 && u[0] == 0xc2 && u[1] < 0xa0)
		return 0;
	return n == 3 && is_unseen(u) ? 0 : n;
}

/* Writes what stands for the byte c into dst; returns its length (2 or 4). */
static size_t
log_escape(char dst[4], unsigned char c)
{
	static const char HEX[] = "0123456789abcdef";

	dst[0] = '\\';
	if (c == '\n' || c == '\t') {
		dst[1] = c == '\n' ? 'n' : 't';
		return 2;
	}
	if (c == '"' || c == '\\') {
		dst[1] = (char)c;
		return 2;
	}
	dst[1] = 'x';
	dst[2] = HEX[c >> 4];
	dst[3] = HEX[c & 15];
	return 4;
}

/* Adds text with what must not stand in a line escaped; cut at a character
 * where the line is full. */
static void
line_add(struct line *l, const char *p, size_t n)
{
	const char *end = p + n;

	while (p < end && !l->cut) {
		size_t used = str_printable_len(p, end), len;
		const char *from = p;
		char escaped[4];

		if (used > sizeof(l->text) - 4 - l->len)
			used = sizeof(l->text) - 4 - l->len;
		if (used == 0)
			used = log_plain_len(p, end);
		len = used;
		if (used == 0) {
			used = 1;
			len = log_escape(escaped, (unsigned char)*p);
			from = escaped;
		}
		/* Room for "..." and the line break stays. */
		l->cut = len > sizeof(l->text) - 4 - l->len;
		if (!l->cut) {
			memcpy(l->text + l->len, from, len);
			l->len += len;
		}
		p += used;
	}
}

/* "2026-01-02T03:04:05.678Z ": when it was written, by the wall clock and
 * not by the loop's, which tests may move. */
static void
line_add_time(struct line *l)
{
	static time_t second = -1;
	static char text[24]; /* up to the second */
	struct timespec ts;
	char ms[] = ".000Z ";
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (ts.tv_sec != second && gmtime_r(&ts.tv_sec, &tm) != NULL) {
		second = ts.tv_sec;
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	}
	ms[1] = (char)('0' + ts.tv_nsec / 100000000);
	ms[2] = (char)('0' + ts.tv_nsec / 10000000 % 10);
	ms[3] = (char)('0' + ts.tv_nsec / 1000000 % 10);
	line_add(l, text, strlen(text));
	line_add(l, ms, sizeof(ms) - 1);
}

static void __attribute__((format(printf, 2, 0)))
line_add_args(struct line *l, const char *fmt, va_list args)
{
	char text[LOG_LINE_MAX];
	int n = vsnprintf(text, sizeof(text), fmt, args);

	if (n <= 0)
		return;
	line_add(l, " ", 1);
	if ((size_t)n < sizeof(text)) {
		line_add(l, text, (size_t)n);
		return;
	}
	line_add(l, text, sizeof(text) - 1);
	l->cut = true;
}

/* ---- writing it ------------------------------------------------------- */

static void
line_begin(struct line *l, enum log_level level, const char *event)
{
	l->len = 0;
	l->cut = false;
	line_add_time(l);
	line_add(l, LEVEL_NAMES[level], strlen(LEVEL_NAMES[level]));
	line_add(l, " ", 1);
	line_add(l, event, strlen(event));
}

/* An access token that stands where it does not belong, in a path or an id,
 * loses its secret: schedd_ID_SECRET, both in hex. */
static void
line_hide_tokens(struct line *l)
{
	static const char mark[] = "schedd_", digits[] = "0123456789abcdef";
	char *p = l->text;
	size_t n;

	l->text[l->len] = '\0'; /* where the line break comes */
	while ((p = strstr(p, mark)) != NULL) {
		p += sizeof(mark) - 1;
		n = strspn(p, digits);
		if (n < TOKEN_ID_MIN || p[n] != '_')
			continue;
		p += n + 1;
		n = strspn(p, digits);
		if (n >= TOKEN_SECRET_MIN)
			memset(p, '*', n);
	}
}

static void
line_end(struct line *l)
{
	line_hide_tokens(l);
	if (l->cut) {
		memcpy(l->text + l->len, "...", 3);
		l->len += 3;
	}
	l->text[l->len++] = '\n';
}

static void
line_put(struct line *l, enum log_component c, enum log_level level)
{
	line_end(l);
	if (conf.sink != NULL)
		conf.sink(l->text, l->len);
	else
		log_out(c, level, (struct span){l->text, l->len});
}

void
log_write_span(enum log_level level, const char *event, struct span pairs)
{
	enum log_component c = component_of(event);
	int saved = errno;
	struct line l;

	if (!component_is_on(c, level))
		return;
	line_begin(&l, level, event);
	line_add(&l, " ", 1);
	line_add(&l, pairs.p, pairs.len);
	line_put(&l, c, level);
	errno = saved;
}

void
log_write(enum log_level level, const char *event, const char *fmt, ...)
{
	enum log_component c = component_of(event);
	int saved = errno;
	struct line l;
	va_list args;

	if (!component_is_on(c, level))
		return;
	line_begin(&l, level, event);
	va_start(args, fmt);
	line_add_args(&l, fmt, args);
	va_end(args);
	line_put(&l, c, level);
	errno = saved;
}

size_t
log_make_line(char dst[LOG_LINE_MAX], enum log_level level, const char *event,
    const char *fmt, ...)
{
	struct line l;
	va_list args;

	line_begin(&l, level, event);
	va_start(args, fmt);
	line_add_args(&l, fmt, args);
	va_end(args);
	line_end(&l);
	memcpy(dst, l.text, l.len);
	return l.len;
}

void
log_flush(void)
{
	log_rate_flush(false);
	log_out_flush();
}

/* ---- values ----------------------------------------------------------- */

/* Can the value stand without quotes? Other letters than ASCII's have blanks
 * of their own. */
static bool
log_is_bare(struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];

		if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=')
			return false;
	}
	return value.len > 0;
}

/* A value that does not fit is cut at a character; its quotes stay whole. */
const char *
log_quote(char *dst, size_t size, struct span value)
{
	const char *p = value.p, *end;
	size_t len = 0;

	ASSERT(size >= 5);
	if (value.len > 0 && value.len < size && log_is_bare(value)) {
		memcpy(dst, value.p, value.len);
		dst[value.len] = '\0';
		return dst;
	}
	end = value.len > 0 ? p + value.len : p;
	dst[len++] = '"';
	while (p < end) {
		size_t used = log_plain_len(p, end), n = used;
		const char *from = p;
		char escaped[4];

		if (used == 0 || *p == '"' || *p == '\\') {
			used = 1;
			n = log_escape(escaped, (unsigned char)*p);
			from = escaped;
		}
		if (n > size - 2 - len)
			break;
		memcpy(dst + len, from, n);
		len += n;
		p += used;
	}
	dst[len++] = '"';
	dst[len] = '\0';
	return dst;
}
