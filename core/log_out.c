/*
 * Where lines go: stderr, and the files that the settings name, one write(2)
 * each, so that lines of several processes on one pipe stay whole. A reader
 * that does not keep up, a full disk or a slow one costs lines, never the
 * loop's time; what was lost is counted by file, and told in it.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log_priv.h"
#include "core/mem.h"
#include "core/metrics.h"

enum {
	OUTS_MAX = LOG_COMPONENT_COUNT + 2, /* common, errors */
	FILE_MODE = 0640,
	/* A write that took SLOW_US is followed by a rest of REST_TIMES as
	 * long: a slow disk has at most a tenth of our time. */
	SLOW_US = 100000,
	REST_TIMES = 10,
	REST_MAX_US = 60000000,
	CRY_AGAIN_US = 60000000,
	WHY_MAX = 128
};

/* Why a file takes nothing, beside the system's own reasons. */
enum { WHY_SLOW = -1, WHY_FULL = -2 };

struct out {
	char *path;       /* NULL: stderr */
	const char *name; /* whose lines it has, for the metric */
	int fd;
	bool is_regular;       /* opened by us, and a plain file */
	bool is_torn;          /* it ends with a part of a line */
	int why;               /* it failed last: errno, or one of WHY_* */
	int64_t rest_until_us; /* 0 = does not rest */
	int64_t cried_at_us;   /* 0 = never */
	uint64_t dropped;
	uint64_t told; /* of those, a line was written about */
};

static struct out on_stderr = {.name = "stderr", .fd = STDERR_FILENO};

/* Where each component's lines go; of no component at the end. */
struct routes {
	struct out *outs[OUTS_MAX];
	size_t count;
	struct out *of[LOG_COMPONENT_COUNT + 1];
	struct out *errors; /* NULL = no copy */
};

static struct routes routes = {.of = {
#define L(name, about) [LOG_COMPONENT_##name] = &on_stderr,
#include "core/log.def"
#undef L
				   [LOG_COMPONENT_COUNT] = &on_stderr}};
static struct routes prepared;

static uint64_t dropped_by_all;

/* Access lines of this turn, for one file. */
static struct {
	char text[32 * 1024];
	size_t len;
	struct out *out;
	bool on;
} held;

/* ---- writing ---------------------------------------------------------- */

static ssize_t
fd_write(int fd, const char *p, size_t n)
{
	ssize_t wrote;

	do
		wrote = write(fd, p, n);
	while (wrote < 0 && errno == EINTR);
	return wrote;
}

/* How many of the bytes end within a line at most max bytes long. */
static size_t
whole_lines(const char *p, size_t n, size_t max)
{
	if (n <= max)
		return n;
	while (max > 0 && p[max - 1] != '\n')
		max--;
	return max;
}

/* A pipe, a terminal, a socket: may be full (or halted), and must not hold
 * the loop. One that can be written takes PIPE_BUF bytes, not more. */
static size_t
out_write_stream(struct out *o, const char *p, size_t n)
{
	struct pollfd pfd = {.fd = o->fd, .events = POLLOUT};
	size_t done = 0, part;
	ssize_t wrote;

	while (done < n) {
		if (poll(&pfd, 1, 0) != 1 || (pfd.revents & POLLOUT) == 0) {
			o->why = WHY_FULL;
			break;
		}
		part = whole_lines(p + done, n - done, LOG_LINE_MAX);
		wrote = fd_write(o->fd, p + done, part);
		done += wrote > 0 ? (size_t)wrote : 0;
		if (wrote == (ssize_t)part)
			continue;
		o->why = wrote < 0 && errno != EAGAIN ? errno : WHY_FULL;
		break;
	}
	return done;
}

static size_t
out_write_file(struct out *o, const char *p, size_t n)
{
	int64_t began_us = clock_mono_us_fresh(), took_us;
	ssize_t wrote = fd_write(o->fd, p, n);

	if (wrote != (ssize_t)n)
		o->why = wrote < 0 ? errno : ENOSPC;
	took_us = clock_mono_us_fresh() - began_us;
	if (took_us >= SLOW_US) {
		took_us *= REST_TIMES;
		o->rest_until_us =
		    began_us + (took_us < REST_MAX_US ? took_us : REST_MAX_US);
	}
	return wrote > 0 ? (size_t)wrote : 0;
}

/* How many of the bytes were written. */
static size_t
out_write(struct out *o, const char *p, size_t n)
{
	size_t done =
	    o->is_regular ? out_write_file(o, p, n) : out_write_stream(o, p, n);

	if (done > 0)
		o->is_torn = p[done - 1] != '\n';
	return done;
}

static bool
out_rests(struct out *o)
{
	if (o->rest_until_us == 0)
		return false;
	if (clock_mono_us_fresh() < o->rest_until_us) {
		o->why = WHY_SLOW;
		return true;
	}
	o->rest_until_us = 0;
	return false;
}

/* A line of which a part got through is ended, so that the next one stands
 * alone. */
static bool
out_mend(struct out *o)
{
	return !o->is_torn || out_write(o, "\n", 1) == 1;
}

/* ---- losing ----------------------------------------------------------- */

static const char *
why_text(int why, char dst[WHY_MAX])
{
	if (why == WHY_SLOW)
		return "slow";
	if (why == WHY_FULL)
		return "full";
	return log_quote(dst, WHY_MAX, span_of(strerror(why)));
}

/* Says in the file how many lines are missing there, before the first one
 * that gets through. */
static bool
out_tell(struct out *o)
{
	char line[LOG_LINE_MAX], why[WHY_MAX];
	size_t len;

	if (o->dropped == o->told)
		return true;
	len = log_make_line(line, LOG_WARN, "log.dropped",
	    "lines=%llu reason=%s", (unsigned long long)(o->dropped - o->told),
	    why_text(o->why, why));
	if (out_write(o, line, len) != len)
		return false;
	o->told = o->dropped;
	return true;
}

static void out_put(struct out *o, const char *p, size_t n);

/* A file that fails is told of where somebody may look. */
static void
out_cry(struct out *o)
{
	char line[LOG_LINE_MAX], path[1200], why[WHY_MAX];
	int64_t now_us = clock_mono_us_fresh();
	size_t len;

	if (o == &on_stderr ||
	    (o->cried_at_us != 0 && now_us - o->cried_at_us < CRY_AGAIN_US))
		return;
	o->cried_at_us = now_us;
	len = log_make_line(line, LOG_ERROR, "log.failed", "file=%s reason=%s",
	    log_quote(path, sizeof(path), span_of(o->path)),
	    why_text(o->why, why));
	out_put(&on_stderr, line, len);
}

static void
out_lose(struct out *o, const char *p, size_t n)
{
	const char *end = p + n;
	uint64_t lines = 0;

	for (; p < end; p++)
		lines += *p == '\n';
	o->dropped += lines;
	dropped_by_all += lines;
	metric_add_series(METRIC_LOG_DROPPED,
	    metric_series(METRIC_LOG_DROPPED, o->name), lines);
	out_cry(o);
}

/* Whole lines, with their line breaks. */
static void
out_put(struct out *o, const char *p, size_t n)
{
	size_t done = 0;

	if (!out_rests(o) && out_mend(o) && out_tell(o))
		done = out_write(o, p, n);
	if (done < n)
		out_lose(o, p + done, n - done);
}

uint64_t
log_dropped(void)
{
	return dropped_by_all;
}

/* ---- holding ---------------------------------------------------------- */

void
log_out_flush(void)
{
	size_t len = held.len;

	held.len = 0;
	if (len > 0)
		out_put(held.out, held.text, len);
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
is_held(struct out *o, enum log_component c, struct span line)
{
	if (o == held.out && (!held.on || c != LOG_COMPONENT_access ||
				 held.len + line.len > sizeof(held.text)))
		log_out_flush();
	if (!held.on || c != LOG_COMPONENT_access)
		return false;
	held.out = o;
	memcpy(held.text + held.len, line.p, line.len);
	held.len += line.len;
	return true;
}

void
log_out(enum log_component c, enum log_level level, struct span line)
{
	struct out *o = routes.of[c];

	if (!is_held(o, c, line))
		out_put(o, line.p, line.len);
	if (level == LOG_ERROR && routes.errors != NULL && routes.errors != o)
		out_put(routes.errors, line.p, line.len);
}

/* ---- files ------------------------------------------------------------ */

/* Only one that we made gets its mode from us. Without waiting: a fifo that
 * nobody reads is refused, one that is full loses lines. */
static int
file_open(const char *path)
{
	const int flags =
	    O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	int fd = open(path, flags);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	fd = open(path, flags | O_CREAT | O_EXCL, FILE_MODE);
	if (fd >= 0)
		(void)fchmod(fd, FILE_MODE);
	else if (errno == EEXIST) /* in between, or a link to nowhere */
		fd = open(path, flags | O_CREAT, FILE_MODE);
	return fd;
}

static void
out_use(struct out *o, int fd)
{
	struct stat st;

	o->fd = fd;
	o->is_regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	o->is_torn = false;
	o->rest_until_us = 0;
}

static struct out *
routes_find(const struct routes *r, const char *path)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->outs[i]->path, path) == 0)
			return r->outs[i];
	return NULL;
}

static bool
routes_have(const struct routes *r, const struct out *o)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->outs[i] == o)
			return true;
	return false;
}

/* Closes what is in r but not in the other. */
static void
routes_clear(struct routes *r, const struct routes *other)
{
	for (size_t i = 0; i < r->count; i++) {
		if (routes_have(other, r->outs[i]))
			continue;
		close(r->outs[i]->fd);
		free(r->outs[i]->path);
		free(r->outs[i]);
	}
	r->count = 0;
}

/* The file of that path, opened unless it is open; NULL when it cannot be. */
static struct out *
prepare_file(const char *name, const char *path, struct buf *why)
{
	struct out *o = routes_find(&prepared, path);
	int fd;

	if (o != NULL)
		return o;
	o = routes_find(&routes, path);
	if (o == NULL) {
		fd = file_open(path);
		if (fd < 0) {
			buf_addf(why, "[log] file%s%s: %s: %s",
			    name[0] != '\0' ? "." : "", name, path,
			    strerror(errno));
			return NULL;
		}
		o = xcalloc(1, sizeof(*o));
		o->path = xstrdup(path);
		out_use(o, fd);
	}
	o->name = name[0] != '\0' ? name : "common";
	(void)metric_series(METRIC_LOG_DROPPED, o->name);
	prepared.outs[prepared.count++] = o;
	return o;
}

/* Where the lines of a setting go; false when its file cannot be opened. */
static bool
prepare_route(const char *name, const char *path, struct out *fallback,
    struct out **out, struct buf *why)
{
	*out = path[0] == '\0' ? fallback : prepare_file(name, path, why);
	return path[0] == '\0' || *out != NULL;
}

enum err
log_files_prepare(const struct log_files *files, struct buf *why)
{
	struct out **of = prepared.of, **common = &of[LOG_COMPONENT_COUNT];
	bool ok;

	ASSERT(prepared.count == 0);
	/* A limit on the size of files is an error to write, not our end. */
	signal(SIGXFSZ, SIG_IGN);
	/* Series are seen at 0 before anything is lost. */
	(void)metric_series(METRIC_LOG_DROPPED, on_stderr.name);
	ok = prepare_route("", files->common, &on_stderr, common, why);
	for (int c = 0; ok && c < LOG_COMPONENT_COUNT; c++)
		ok = prepare_route(log_component_name((enum log_component)c),
		    files->of[c], *common, &of[c], why);
	if (ok)
		ok = prepare_route(
		    "error", files->errors, NULL, &prepared.errors, why);
	if (!ok)
		log_files_take(false);
	return ok ? ERR_OK : ERR_LOG_FILE;
}

void
log_files_take(bool is_taken)
{
	struct routes old = routes;

	if (!is_taken) {
		routes_clear(&prepared, &routes);
		return;
	}
	log_out_flush();
	routes = prepared;
	prepared.count = 0;
	routes_clear(&old, &routes);
	held.out = NULL;
}

/* Called with the file where others moved it to, or as it was. */
static void
out_reopen(struct out *o)
{
	int fd = file_open(o->path);
	char path[1200], reason[WHY_MAX];

	if (fd >= 0) {
		close(o->fd);
		out_use(o, fd);
		return;
	}
	log_error("log.kept", "file=%s reason=%s",
	    log_quote(path, sizeof(path), span_of(o->path)),
	    log_quote(reason, sizeof(reason), span_of(strerror(errno))));
}

void
log_files_reopen(void)
{
	log_out_flush();
	for (size_t i = 0; i < routes.count; i++)
		out_reopen(routes.outs[i]);
}

void
log_files_close(void)
{
	log_rate_flush(true);
	log_out_flush();
	for (int c = 0; c <= LOG_COMPONENT_COUNT; c++)
		prepared.of[c] = &on_stderr;
	prepared.errors = NULL;
	log_files_take(true);
}
