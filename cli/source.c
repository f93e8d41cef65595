/* The bytes of some files, unpacked; see source.h. */

#include "cli/source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "core/mem.h"

enum {
	CHUNK = 64 * 1024,
	WHY_MAX = 512,
	GZIP_WINDOW = 15 + 16 /* the largest, and gzip's own frame only */
};

enum source_kind {
	SOURCE_NEW,   /* not looked at */
	SOURCE_PLAIN, /* what is read is what is given */
	SOURCE_GZIP,  /* in a member */
	SOURCE_BEHIND /* a member is over: another, zeros, or the end */
};

struct source {
	const char *const *names;
	size_t count, at;
	int fd; /* -1: names[at] was not opened */
	bool is_regular;
	bool is_over;   /* the descriptor has no more */
	bool has_zeros; /* behind the last member */
	enum source_kind kind;
	z_stream z;
	unsigned char in[CHUNK]; /* of what was read, begin..end is left */
	size_t begin, end;
	uint64_t bytes, total;
	struct buf why;
};

static bool
is_stdin(const char *name)
{
	return strcmp(name, "-") == 0;
}

const char *
source_name(const char *name)
{
	return is_stdin(name) ? "standard input" : name;
}

/* ---- before ----------------------------------------------------------- */

enum err
source_check(const char *const *names, size_t count, struct buf *why)
{
	struct stat st;
	size_t stdins = 0;

	for (size_t i = 0; i < count; i++) {
		if (is_stdin(names[i])) {
			if (++stdins > 1) {
				buf_add_str(why, "'-' is given twice");
				return ERR_USAGE;
			}
			continue;
		}
		errno = 0;
		if (stat(names[i], &st) == 0 && S_ISDIR(st.st_mode))
			errno = EISDIR;
		else if (errno == 0)
			(void)access(names[i], R_OK);
		if (errno != 0) {
			buf_addf(why, "'%s': %s", names[i], strerror(errno));
			return ERR_USAGE;
		}
	}
	return ERR_OK;
}

/* How many bytes a file has left; false when it cannot be told. */
static bool
size_of(const char *name, uint64_t *size)
{
	struct stat st;
	off_t at = 0;

	if (is_stdin(name)) {
		if (fstat(STDIN_FILENO, &st) != 0)
			return false;
		at = lseek(STDIN_FILENO, 0, SEEK_CUR);
	} else if (stat(name, &st) != 0) {
		return false;
	}
	if (!S_ISREG(st.st_mode) || at < 0)
		return false;
	*size = st.st_size > at ? (uint64_t)(st.st_size - at) : 0;
	return true;
}

struct source *
source_new(const char *const *names, size_t count)
{
	struct source *s = xcalloc(1, sizeof(*s));
	uint64_t size;

	s->names = names;
	s->count = count;
	s->fd = -1;
	buf_init(&s->why, WHY_MAX);
	for (size_t i = 0; i < count; i++) {
		if (!size_of(names[i], &size)) {
			s->total = 0;
			break;
		}
		s->total += size;
	}
	return s;
}

/* ---- one file --------------------------------------------------------- */

static void
source_close(struct source *s)
{
	if (s->fd < 0)
		return;
	if (s->kind == SOURCE_GZIP || s->kind == SOURCE_BEHIND)
		(void)inflateEnd(&s->z);
	if (s->fd != STDIN_FILENO)
		(void)close(s->fd);
	s->fd = -1;
	s->at++;
}

void
source_free(struct source *s)
{
	if (s == NULL)
		return;
	source_close(s);
	buf_clear(&s->why);
	free(s);
}

static enum source_got
source_fail(struct source *s, const char *what, const char *more)
{
	buf_reset(&s->why, WHY_MAX);
	buf_add_str(&s->why, what);
	if (more != NULL)
		buf_addf(&s->why, " (%s)", more);
	buf_add_char(&s->why, '\0');
	return SOURCE_ERROR;
}

static bool
source_open(struct source *s)
{
	const char *name = s->names[s->at];
	struct stat st;

	s->fd = is_stdin(name) ? STDIN_FILENO
			       : open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (s->fd < 0)
		return false;
	s->is_regular = fstat(s->fd, &st) == 0 && S_ISREG(st.st_mode);
	s->is_over = s->has_zeros = false;
	s->kind = SOURCE_NEW;
	s->begin = s->end = 0;
	return true;
}

/* Reads without waiting. BYTES, WAIT or ERROR; *n = 0 at the end. */
static enum source_got
source_read_raw(struct source *s, void *dst, size_t room, size_t *n)
{
	struct pollfd poller = {.fd = s->fd, .events = POLLIN};
	ssize_t got;

	*n = 0;
	if (s->is_over)
		return SOURCE_BYTES;
	if (!s->is_regular && poll(&poller, 1, 0) == 0)
		return SOURCE_WAIT;
	do
		got = read(s->fd, dst, room);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EAGAIN)
		return SOURCE_WAIT;
	if (got < 0)
		return source_fail(s, strerror(errno), NULL);
	s->is_over = got == 0;
	s->bytes += (size_t)got;
	*n = (size_t)got;
	return SOURCE_BYTES;
}

/* Reads one piece behind what is left of the last. */
static enum source_got
source_fill(struct source *s)
{
	enum source_got got;
	size_t n;

	memmove(s->in, s->in + s->begin, s->end - s->begin);
	s->end -= s->begin;
	s->begin = 0;
	got = source_read_raw(s, s->in + s->end, CHUNK - s->end, &n);
	s->end += n;
	return got;
}

static bool
is_gzip(const struct source *s)
{
	return s->end - s->begin >= 2 && s->in[s->begin] == 0x1f &&
	       s->in[s->begin + 1] == 0x8b;
}

/* Looks at the first two bytes. BYTES: the kind is known. */
static enum source_got
source_look(struct source *s)
{
	enum source_got got;

	while (s->end < 2 && !s->is_over) {
		got = source_fill(s);
		if (got != SOURCE_BYTES)
			return got;
	}
	if (!is_gzip(s)) {
		s->kind = SOURCE_PLAIN;
		return SOURCE_BYTES;
	}
	s->z = (z_stream){0};
	if (inflateInit2(&s->z, GZIP_WINDOW) != Z_OK)
		return source_fail(s, "no memory to unpack it", NULL);
	s->kind = SOURCE_GZIP;
	return SOURCE_BYTES;
}

static enum source_got
source_give_plain(struct source *s, char *dst, size_t room, size_t *n)
{
	enum source_got got;

	*n = s->end - s->begin;
	if (*n == 0) {
		got = source_read_raw(s, dst, room, n);
		return got == SOURCE_BYTES && *n == 0 ? SOURCE_NEXT : got;
	}
	if (*n > room)
		*n = room;
	memcpy(dst, s->in + s->begin, *n);
	s->begin += *n;
	return SOURCE_BYTES;
}

/* Behind a member: BYTES when another begins. Zeros may fill up the rest, as
 * tapes have it; anything else is no gzip. */
static enum source_got
source_pass_member(struct source *s)
{
	enum source_got got;

	for (;;) {
		while (s->begin < s->end && s->in[s->begin] == 0) {
			s->has_zeros = true;
			s->begin++;
		}
		if (is_gzip(s) && !s->has_zeros)
			break;
		if (s->begin == s->end && s->is_over)
			return SOURCE_NEXT;
		if (s->end - s->begin >= 2 || s->is_over)
			return source_fail(s,
			    "damaged: behind the gzip data there is something "
			    "else",
			    NULL);
		got = source_fill(s);
		if (got != SOURCE_BYTES)
			return got;
	}
	s->kind = SOURCE_GZIP;
	if (inflateReset(&s->z) != Z_OK)
		return source_fail(s, "cannot unpack it", NULL);
	return SOURCE_BYTES;
}

/* One call of zlib. BYTES also when nothing came out of it yet. */
static enum source_got
source_inflate(struct source *s, char *dst, size_t room, size_t *n)
{
	int code;

	s->z.next_in = s->in + s->begin;
	s->z.avail_in = (uInt)(s->end - s->begin);
	s->z.next_out = (Bytef *)dst;
	s->z.avail_out = (uInt)room;
	code = inflate(&s->z, Z_NO_FLUSH);
	*n = room - s->z.avail_out;
	s->begin = s->end - s->z.avail_in;
	if (code == Z_STREAM_END)
		s->kind = SOURCE_BEHIND;
	if (code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR ||
	    *n > 0)
		return SOURCE_BYTES;
	return source_fail(s, "damaged gzip data", s->z.msg);
}

static enum source_got
source_give_gzip(struct source *s, char *dst, size_t room, size_t *n)
{
	enum source_got got;

	for (;;) {
		if (s->kind == SOURCE_BEHIND) {
			got = source_pass_member(s);
			if (got != SOURCE_BYTES)
				return got;
		}
		got = source_inflate(s, dst, room, n);
		if (got != SOURCE_BYTES || *n > 0)
			return got;
		if (s->kind == SOURCE_BEHIND || s->begin < s->end)
			continue;
		if (s->is_over)
			return source_fail(
			    s, "the gzip data ends too early", NULL);
		got = source_fill(s);
		if (got != SOURCE_BYTES)
			return got;
	}
}

/* ---- all of them ------------------------------------------------------ */

enum source_got
source_read(struct source *s, char *dst, size_t room, size_t *n)
{
	enum source_got got = SOURCE_BYTES;

	*n = 0;
	if (s->fd < 0) {
		if (s->at == s->count)
			return SOURCE_END;
		if (!source_open(s))
			return source_fail(s, strerror(errno), NULL);
	}
	if (s->kind == SOURCE_NEW)
		got = source_look(s);
	if (got != SOURCE_BYTES)
		return got;
	got = s->kind == SOURCE_PLAIN ? source_give_plain(s, dst, room, n)
				      : source_give_gzip(s, dst, room, n);
	if (got == SOURCE_NEXT)
		source_close(s);
	return got;
}

int
source_fd(const struct source *s)
{
	return s->fd;
}

size_t
source_index(const struct source *s)
{
	return s->at;
}

const char *
source_why(const struct source *s)
{
	return s->why.len > 0 ? s->why.data : "";
}

uint64_t
source_bytes(const struct source *s)
{
	return s->bytes;
}

uint64_t
source_total(const struct source *s)
{
	return s->total;
}
