/*
 * The log: lines on stderr, one write(2) each, so that lines of several
 * processes on one pipe stay whole. A reader that does not keep up costs
 * lines, never the loop's time; what was lost is counted and told.
 */

#include "core/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	LINE_MAX_LEN = 4096, /* with its line break; at most PIPE_BUF */
	COMPONENT_MAX = 16,
	COMPONENT_NAME_MAX = 16
};

static const char LEVEL_NAMES[][6] = {"error", "warn", "info", "debug"};

struct component {
	char name[COMPONENT_NAME_MAX];
	enum log_level level;
};

static struct {
	enum log_level level;
	struct component components[COMPONENT_MAX];
	size_t component_count;
	void (*sink)(const char *line, size_t len);
	uint64_t dropped;
	uint64_t dropped_told; /* of those, a line was written about */
} conf = {.level = LOG_INFO};

/* A line under construction; cut marks that something did not fit. */
struct line {
	char text[LINE_MAX_LEN];
	size_t len;
	bool cut;
	bool is_access;
};

/* Access lines of this turn, and how many. */
static struct {
	char text[32 * 1024];
	size_t len, lines;
	bool on;
} held;

/* ---- levels ----------------------------------------------------------- */

void
log_set_level(enum log_level level)
{
	conf.level = level;
}

static struct component *
component_find(const char *name, size_t len)
{
	for (size_t i = 0; i < conf.component_count; i++) {
		struct component *c = &conf.components[i];

		if (strncmp(c->name, name, len) == 0 && c->name[len] == '\0')
			return c;
	}
	return NULL;
}

void
log_set_component_level(const char *component, enum log_level level)
{
	size_t len = strlen(component);
	struct component *c;

	ASSERT(len > 0 && len < COMPONENT_NAME_MAX);
	c = component_find(component, len);
	if (c == NULL) {
		ASSERT(conf.component_count < COMPONENT_MAX);
		c = &conf.components[conf.component_count++];
		memcpy(c->name, component, len + 1);
	}
	c->level = level;
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

bool
log_is_on(enum log_level level, const char *event)
{
	const struct component *c = NULL;
	size_t len;

	if (conf.component_count > 0) {
		len = strcspn(event, ".");
		if (len < COMPONENT_NAME_MAX)
			c = component_find(event, len);
	}
	return level <= (c != NULL ? c->level : conf.level);
}

void
log_set_sink(void (*fn)(const char *line, size_t len))
{
	conf.sink = fn;
}

uint64_t
log_dropped(void)
{
	return conf.dropped;
}

/* ---- building a line -------------------------------------------------- */

/* Bytes at p that stand for themselves (1-4), or 0 where one must be
 * escaped: control characters (C1 ones too) and what is not UTF-8. */
static size_t
log_plain_len(const char *p, const char *end)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t n = utf8_seq_len(p, end);

	if (n == 1 && (u[0] < 0x20 || u[0] == 0x7f))
		return 0;
	if (n == 2 && u[0] == 0xc2 && u[1] < 0xa0)
		return 0;
	return n;
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
	char text[LINE_MAX_LEN];
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

/* One write that does not wait: a full pipe (or a terminal that was halted)
 * must not hold the loop. */
static bool
log_put(const char *p, size_t n)
{
	struct pollfd pfd = {.fd = STDERR_FILENO, .events = POLLOUT};
	ssize_t wrote;

	if (poll(&pfd, 1, 0) != 1 || (pfd.revents & POLLOUT) == 0)
		return false;
	do
		wrote = write(STDERR_FILENO, p, n);
	while (wrote < 0 && errno == EINTR);
	return wrote == (ssize_t)n;
}

/* The lines that were held back go out in one write. */
void
log_flush(void)
{
	if (held.len > 0 && !log_put(held.text, held.len))
		conf.dropped += held.lines;
	held.len = held.lines = 0;
}

void
log_hold_access(bool on)
{
	held.on = on;
	if (!on)
		log_flush();
}

/* Access lines may wait for the end of the turn; all others go out at once,
 * behind those that came before them. */
static bool
line_hold(const struct line *l)
{
	if (held.len + l->len > sizeof(held.text))
		log_flush();
	if (!held.on || !l->is_access) {
		log_flush();
		return false;
	}
	memcpy(held.text + held.len, l->text, l->len);
	held.len += l->len;
	held.lines++;
	return true;
}

static void
line_put(struct line *l)
{
	if (l->cut) {
		memcpy(l->text + l->len, "...", 3);
		l->len += 3;
	}
	l->text[l->len++] = '\n';
	if (conf.sink != NULL)
		conf.sink(l->text, l->len);
	else if (!line_hold(l) && !log_put(l->text, l->len))
		conf.dropped++;
}

static void
line_begin(struct line *l, enum log_level level, const char *event)
{
	l->len = 0;
	l->cut = false;
	l->is_access = strncmp(event, "access.", 7) == 0;
	line_add_time(l);
	line_add(l, LEVEL_NAMES[level], strlen(LEVEL_NAMES[level]));
	line_add(l, " ", 1);
	line_add(l, event, strlen(event));
}

/* Says how many lines were lost, before the first one that gets through. */
static void
log_tell_dropped(void)
{
	uint64_t before = conf.dropped;
	char text[48];
	struct line l;
	int n;

	line_begin(&l, LOG_WARN, "log.dropped");
	n = snprintf(text, sizeof(text), " lines=%llu",
	    (unsigned long long)(before - conf.dropped_told));
	line_add(&l, text, (size_t)n);
	line_put(&l);
	if (conf.dropped == before)
		conf.dropped_told = before;
	else
		conf.dropped = before; /* this line is not one of theirs */
}

/* Everything up to the pairs; false when the line is not written. */
static bool
log_begin(struct line *l, enum log_level level, const char *event)
{
	if (!log_is_on(level, event))
		return false;
	if (conf.dropped != conf.dropped_told)
		log_tell_dropped();
	line_begin(l, level, event);
	return true;
}

void
log_write_span(enum log_level level, const char *event, struct span pairs)
{
	int saved = errno;
	struct line l;

	if (!log_begin(&l, level, event))
		return;
	line_add(&l, " ", 1);
	line_add(&l, pairs.p, pairs.len);
	line_put(&l);
	errno = saved;
}

void
log_write(enum log_level level, const char *event, const char *fmt, ...)
{
	int saved = errno;
	struct line l;
	va_list args;

	if (!log_begin(&l, level, event))
		return;
	va_start(args, fmt);
	line_add_args(&l, fmt, args);
	va_end(args);
	line_put(&l);
	errno = saved;
}

/* ---- values ----------------------------------------------------------- */

/* Can the value stand without quotes? */
static bool
log_is_bare(struct span value)
{
	const char *p = value.p, *end = p + value.len;

	while (p < end) {
		bool is_ascii = *p > ' ' && *p <= '~';
		size_t n = is_ascii ? 1 : log_plain_len(p, end);

		if (n == 0 || *p == ' ' || *p == '"' || *p == '\\' || *p == '=')
			return false;
		p += n;
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
