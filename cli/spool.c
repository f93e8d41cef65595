/*
 * Records that must outlive the process; see spool.h. A line of the file is
 *
 *	LENGTH CHECKSUM R SEQ TEXT	a record
 *	LENGTH CHECKSUM D SEQ		that record is done
 *
 * with length and checksum (CRC-32) of what stands behind them, eight hex
 * digits each. A line that does not fit is damage up to the next line that
 * does.
 */

#include "cli/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "core/mem.h"

enum {
	FILE_MAX_BYTES = 1 << 30,
	CHUNK = 64 * 1024,
	HEAD = 18,        /* "00000000 00000000 " */
	COMPACT = 1 << 20 /* a file of this size is written anew */
};

struct spool {
	char *file, *temporary, *aside;
	int fd;
	uint64_t size; /* of the file, as far as it is good */
	struct list records;
	uint64_t last_seq;
	uint64_t damaged;
	struct buf done; /* lines of what is done, to be written */
};

/* ---- lines ------------------------------------------------------------ */

static uint32_t
checksum(const void *p, size_t len)
{
	return (uint32_t)crc32(0, p, (uInt)len);
}

static void
add_line(struct buf *out, char kind, uint64_t seq, struct span text)
{
	struct buf body;

	buf_init(&body, FILE_MAX_BYTES);
	buf_addf(&body, "%c %llu", kind, (unsigned long long)seq);
	if (kind == 'R')
		buf_add_char(&body, ' ');
	buf_add_span(&body, text);
	buf_addf(out, "%08lx %08lx ", (unsigned long)body.len,
	    (unsigned long)checksum(body.data, body.len));
	buf_add_span(out, buf_span(&body));
	buf_add_char(out, '\n');
	buf_clear(&body);
}

static bool
read_hex(const char *p, uint32_t *out)
{
	*out = 0;
	for (int i = 0; i < 8; i++) {
		char c = p[i];

		if (c >= '0' && c <= '9')
			*out = *out << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*out = *out << 4 | (uint32_t)(c - 'a' + 10);
		else
			return false;
	}
	return p[8] == ' ';
}

/* The body of the line at the front of rest; false when there is none that
 * is whole. */
static bool
read_line(struct span rest, struct span *body)
{
	uint32_t len, sum;

	if (rest.len < HEAD || !read_hex(rest.p, &len) ||
	    !read_hex(rest.p + 9, &sum) || len > rest.len - HEAD ||
	    len == rest.len - HEAD || rest.p[HEAD + len] != '\n')
		return false;
	*body = (struct span){rest.p + HEAD, len};
	return checksum(body->p, body->len) == sum;
}

/* "R 12 text" */
static bool
split_body(struct span body, char *kind, uint64_t *seq, struct span *text)
{
	const char *at, *end = body.p + body.len;

	if (body.len < 3 || body.p[1] != ' ')
		return false;
	*kind = body.p[0];
	at = memchr(body.p + 2, ' ', body.len - 2);
	if (at == NULL)
		at = end;
	*text = at == end ? SPAN("")
			  : (struct span){at + 1, (size_t)(end - at - 1)};
	return str_to_u64(
	    (struct span){body.p + 2, (size_t)(at - body.p - 2)}, seq);
}

/* ---- records ---------------------------------------------------------- */

static struct spool_record *
record_new(struct spool *s, uint64_t seq, struct span text)
{
	struct spool_record *r = xcalloc(1, sizeof(*r) + text.len + 1);

	r->seq = seq;
	r->len = text.len;
	memcpy(r->text, text.p, text.len);
	list_add_tail(&s->records, &r->link);
	return r;
}

static void
record_free(struct spool_record *r)
{
	list_del(&r->link);
	free(r);
}

static struct spool_record *
record_find(struct spool *s, uint64_t seq)
{
	struct list *pos;

	LIST_FOREACH (pos, &s->records) {
		struct spool_record *r =
		    CONTAINER_OF(pos, struct spool_record, link);

		if (r->seq == seq)
			return r;
	}
	return NULL;
}

/* ---- reading ---------------------------------------------------------- */

static void
write_aside(struct spool *s, struct span text)
{
	int fd =
	    open(s->aside, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0)
		return;
	if (write(fd, text.p, text.len) == (ssize_t)text.len)
		(void)fsync(fd);
	(void)close(fd);
}

static void
apply_body(struct spool *s, struct span body)
{
	struct spool_record *r;
	struct span text;
	uint64_t seq;
	char kind;

	if (!split_body(body, &kind, &seq, &text))
		return;
	if (kind == 'R') {
		r = record_new(s, seq, text);
		r->is_saved = true;
		if (seq > s->last_seq)
			s->last_seq = seq;
	} else if (kind == 'D') {
		r = record_find(s, seq);
		if (r != NULL)
			record_free(r);
	}
}

/* Everything that is whole; damage goes aside. */
static void
read_lines(struct spool *s, struct span text)
{
	struct span rest = text, bad = {text.p, 0}, body;

	while (rest.len > 0) {
		const char *newline = memchr(rest.p, '\n', rest.len);
		size_t len =
		    newline == NULL ? rest.len : (size_t)(newline - rest.p) + 1;

		if (read_line(rest, &body)) {
			len = HEAD + body.len + 1;
			apply_body(s, body);
			if (bad.len > 0)
				write_aside(s, bad);
			bad = (struct span){rest.p + len, 0};
		} else {
			s->damaged += bad.len == 0;
			bad.len += len;
		}
		rest.p += len;
		rest.len -= len;
	}
	if (bad.len > 0)
		write_aside(s, bad);
}

static bool
read_whole(int fd, struct buf *text)
{
	ssize_t n;

	do {
		if (!buf_reserve(text, CHUNK))
			return false;
		n = read(fd, text->data + text->len, CHUNK);
		if (n > 0)
			text->len += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n == 0;
}

/* ---- writing ---------------------------------------------------------- */

static bool
write_at(int fd, uint64_t at, struct span text)
{
	while (text.len > 0) {
		ssize_t n = pwrite(fd, text.p, text.len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += (size_t)n;
		text.p += n;
		text.len -= (size_t)n;
	}
	return true;
}

static void
add_records(struct spool *s, struct buf *out, bool only_new)
{
	struct list *pos;

	LIST_FOREACH (pos, &s->records) {
		struct spool_record *r =
		    CONTAINER_OF(pos, struct spool_record, link);

		if (!only_new || !r->is_saved)
			add_line(
			    out, 'R', r->seq, (struct span){r->text, r->len});
	}
}

static void
mark_saved(struct spool *s)
{
	struct list *pos;

	LIST_FOREACH (pos, &s->records)
		CONTAINER_OF(pos, struct spool_record, link)->is_saved = true;
	buf_reset(&s->done, COMPACT);
}

/* Only what is not done, in a new file that takes the old one's place: held
 * by us before it has the name. */
static bool
spool_rewrite(struct spool *s)
{
	int fd =
	    open(s->temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct buf text;
	bool ok;

	buf_init(&text, FILE_MAX_BYTES);
	add_records(s, &text, false);
	ok = fd >= 0 && !text.failed && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
	     write_at(fd, 0, buf_span(&text)) && fsync(fd) == 0 &&
	     rename(s->temporary, s->file) == 0;
	if (ok) {
		(void)close(s->fd);
		s->fd = fd;
		s->size = text.len;
		mark_saved(s);
	} else if (fd >= 0) {
		int code = errno;

		(void)close(fd);
		(void)unlink(s->temporary);
		errno = code;
	}
	buf_clear(&text);
	return ok;
}

/* What came and went since the last time, behind the rest. */
static bool
spool_append(struct spool *s)
{
	struct buf text;
	size_t done;
	bool ok;

	buf_init(&text, FILE_MAX_BYTES);
	buf_add_span(&text, buf_span(&s->done));
	done = text.len;
	add_records(s, &text, true);
	/* That something is done may be lost: it is done once more then. */
	ok = !text.failed && write_at(s->fd, s->size, buf_span(&text)) &&
	     (text.len == done || fsync(s->fd) == 0);
	if (ok) {
		s->size += text.len;
		mark_saved(s);
	} else {
		int code = errno;

		/* What cannot be cut off is told from the rest by its sum. */
		if (ftruncate(s->fd, (off_t)s->size) != 0)
			s->damaged++;
		errno = code;
	}
	buf_clear(&text);
	return ok;
}

/* ---- life ------------------------------------------------------------- */

static char *
with_suffix(const char *file, const char *suffix)
{
	size_t size = strlen(file) + strlen(suffix) + 1;
	char *name = xcalloc(size, 1);

	(void)snprintf(name, size, "%s%s", file, suffix);
	return name;
}

static void
spool_free(struct spool *s)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE (pos, tmp, &s->records)
		free(CONTAINER_OF(pos, struct spool_record, link));
	if (s->fd >= 0)
		(void)close(s->fd);
	buf_clear(&s->done);
	free(s->file);
	free(s->temporary);
	free(s->aside);
	free(s);
}

/* Is the open file still the one of that name? Its holder may have put a new
 * one there, or removed it. */
static bool
is_current(const struct spool *s)
{
	struct stat open_file, named;

	return fstat(s->fd, &open_file) == 0 && stat(s->file, &named) == 0 &&
	       open_file.st_dev == named.st_dev &&
	       open_file.st_ino == named.st_ino;
}

/* Opens the file and holds it. */
static enum err
spool_hold(struct spool *s, struct buf *why)
{
	enum { TRIES = 100 };

	for (int i = 0; i < TRIES; i++) {
		s->fd = open(s->file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (s->fd < 0)
			break;
		if (flock(s->fd, LOCK_EX | LOCK_NB) != 0) {
			buf_addf(why, "'%s': another process uses it", s->file);
			return ERR_STATE_LOCKED;
		}
		if (is_current(s))
			return ERR_OK;
		(void)close(s->fd);
		s->fd = -1;
	}
	buf_addf(why, "'%s': %s", s->file, strerror(errno));
	return ERR_USAGE;
}

static enum err
spool_load(struct spool *s, struct buf *why)
{
	struct buf text;
	enum err err = ERR_OK;

	buf_init(&text, FILE_MAX_BYTES);
	errno = 0;
	if (read_whole(s->fd, &text)) {
		s->size = text.len;
		read_lines(s, buf_span(&text));
	} else {
		buf_addf(why, "'%s': %s", s->file,
		    text.failed ? "it has more than 1 GiB" : strerror(errno));
		err = ERR_USAGE;
	}
	buf_clear(&text);
	/* So that the damage is not found again. */
	if (err == ERR_OK && s->damaged > 0 && !spool_rewrite(s)) {
		buf_addf(why, "'%s': %s", s->file, strerror(errno));
		err = ERR_USAGE;
	}
	return err;
}

enum err
spool_open(struct spool **out, const char *file, struct buf *why)
{
	struct spool *s = xcalloc(1, sizeof(*s));
	enum err err;

	s->fd = -1;
	s->file = xstrdup(file);
	s->temporary = with_suffix(file, ".tmp");
	s->aside = with_suffix(file, ".aside");
	list_init(&s->records);
	buf_init(&s->done, FILE_MAX_BYTES);
	err = spool_hold(s, why);
	if (err == ERR_OK)
		err = spool_load(s, why);
	*out = err == ERR_OK ? s : NULL;
	if (err != ERR_OK)
		spool_free(s);
	return err;
}

void
spool_close(struct spool *s)
{
	if (s == NULL)
		return;
	if (list_is_empty(&s->records) && is_current(s))
		(void)unlink(s->file);
	spool_free(s);
}

const char *
spool_file(const struct spool *s)
{
	return s->file;
}

struct list *
spool_records(struct spool *s)
{
	return &s->records;
}

uint64_t
spool_damaged(const struct spool *s)
{
	return s->damaged;
}

/* ---- use -------------------------------------------------------------- */

struct spool_record *
spool_add(struct spool *s, struct span text)
{
	return record_new(s, ++s->last_seq, text);
}

enum err
spool_save(struct spool *s, struct buf *why)
{
	if (list_is_empty(&s->records)) {
		buf_reset(&s->done, COMPACT);
		if (s->size == 0 || ftruncate(s->fd, 0) == 0) {
			s->size = 0;
			return ERR_OK;
		}
	} else if (s->size > COMPACT ? spool_rewrite(s) : spool_append(s)) {
		return ERR_OK;
	}
	buf_addf(why, "cannot write '%s': %s", s->file, strerror(errno));
	return ERR_USAGE;
}

void
spool_done(struct spool *s, struct spool_record *record)
{
	if (record->is_saved)
		add_line(&s->done, 'D', record->seq, SPAN(""));
	record_free(record);
}

void
spool_set_aside(struct spool *s, struct spool_record *record)
{
	struct buf line;

	buf_init(&line, FILE_MAX_BYTES);
	buf_add(&line, record->text, record->len);
	buf_add_char(&line, '\n');
	write_aside(s, buf_span(&line));
	buf_clear(&line);
	spool_done(s, record);
}
