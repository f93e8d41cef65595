/*
 * The end of the append-only file. Payloads can hold anything, also what looks
 * like commands, so the file is walked from its start, by the lengths in it.
 */

#define _GNU_SOURCE /* memmem */

#include "store/aof_tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	WINDOW_BYTES = 256 * 1024,
	NUMBER_MAX = 16, /* "*1\r\n", "$536870912\r\n" */
	NOTE_MAX = 128,  /* "#TS:1700000000\r\n"; Redis's own bound */
	BULK_MAX = 512 * 1024 * 1024, /* proto-max-bulk-len */
	OPEN_FLAGS = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
};

static const char folder_name[] = "appendonlydir";
static const char manifest_name[] = "appendonly.aof.manifest";

/* A file, and the part of it that was read. */
struct reader {
	int fd;
	uint64_t size, pos;
	uint64_t from; /* where the window starts */
	size_t len;
};

static char window[WINDOW_BYTES];

enum step {
	STEP_DONE,
	STEP_SHORT, /* the file ends within it */
	STEP_BAD,   /* no such thing */
	STEP_FAILED /* errno */
};

enum word { WORD_OTHER, WORD_MULTI, WORD_EXEC };

/* ---- reading ---------------------------------------------------------- */

/* Fills the window from pos on. */
static bool
reader_fill(struct reader *r)
{
	ssize_t n;

	r->from = r->pos;
	r->len = 0;
	while (r->len < sizeof(window) && r->from + r->len < r->size) {
		n = pread(r->fd, window + r->len, sizeof(window) - r->len,
		    (off_t)(r->from + r->len));
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO; /* it became shorter */
		if (n <= 0)
			return false;
		r->len += (size_t)n;
	}
	return true;
}

/* What is at pos: max bytes, less where the file ends; NULL with errno. */
static const char *
reader_peek(struct reader *r, size_t max, size_t *len)
{
	uint64_t left = r->size - r->pos;

	*len = left < max ? (size_t)left : max;
	if ((r->pos < r->from || r->pos + *len > r->from + r->len) &&
	    !reader_fill(r))
		return NULL;
	return window + (r->pos - r->from);
}

static enum step
read_line_end(struct reader *r)
{
	size_t len;
	const char *s = reader_peek(r, 2, &len);

	if (s == NULL)
		return STEP_FAILED;
	if (memcmp(s, "\r\n", len) != 0)
		return STEP_BAD;
	r->pos += len;
	return len == 2 ? STEP_DONE : STEP_SHORT;
}

/* prefix, digits, line end. */
static enum step
read_number(struct reader *r, char prefix, uint64_t *value)
{
	size_t len, i = 1;
	const char *s = reader_peek(r, NUMBER_MAX, &len);

	if (s == NULL)
		return STEP_FAILED;
	if (len > 0 && s[0] != prefix)
		return STEP_BAD;
	for (*value = 0; i < len && s[i] >= '0' && s[i] <= '9'; i++)
		*value = *value * 10 + (uint64_t)(s[i] - '0');
	if (i >= len)
		return len < NUMBER_MAX ? STEP_SHORT : STEP_BAD;
	if (i == 1)
		return STEP_BAD;
	r->pos += i;
	return read_line_end(r);
}

static enum step
read_bulk(struct reader *r, enum word *word)
{
	uint64_t size;
	enum step step = read_number(r, '$', &size);
	const char *s;
	size_t len;

	if (step != STEP_DONE)
		return step;
	if (size > BULK_MAX)
		return STEP_BAD;
	if (size > r->size - r->pos)
		return STEP_SHORT;
	if (word != NULL && size <= strlen("MULTI")) {
		s = reader_peek(r, (size_t)size, &len);
		if (s == NULL)
			return STEP_FAILED;
		if (len == 5 && strncasecmp(s, "MULTI", len) == 0)
			*word = WORD_MULTI;
		else if (len == 4 && strncasecmp(s, "EXEC", len) == 0)
			*word = WORD_EXEC;
	}
	r->pos += size;
	return read_line_end(r);
}

/* "#..." between two commands: when that was. */
static enum step
read_note(struct reader *r)
{
	size_t len;
	const char *s = reader_peek(r, NOTE_MAX, &len), *end;

	if (s == NULL)
		return STEP_FAILED;
	end = memchr(s, '\n', len);
	if (end == NULL)
		return len < NOTE_MAX ? STEP_SHORT : STEP_BAD;
	r->pos += (size_t)(end - s) + 1;
	return STEP_DONE;
}

static enum step
read_command(struct reader *r, enum word *word)
{
	size_t len;
	const char *s = reader_peek(r, 1, &len);
	uint64_t count, i;
	enum step step;

	*word = WORD_OTHER;
	if (s == NULL)
		return STEP_FAILED;
	if (*s == '#')
		return read_note(r);
	step = read_number(r, '*', &count);
	if (step == STEP_DONE && count == 0)
		return STEP_BAD;
	for (i = 0; i < count && step == STEP_DONE; i++)
		step = read_bulk(r, count == 1 ? word : NULL);
	return step;
}

/* ---- the walk --------------------------------------------------------- */

/* offset is the end of the last transaction, or command outside of one. */
static enum step
walk(struct reader *r, uint64_t *offset)
{
	bool in_multi = false;
	enum step step;
	enum word word;

	*offset = 0;
	while (r->pos < r->size) {
		step = read_command(r, &word);
		if (step != STEP_DONE)
			return step;
		/* Left by a Redis that started on a torn end without us. What
		 * it did since stands behind: a cut would cost all of that. */
		if (word == (in_multi ? WORD_MULTI : WORD_EXEC))
			return STEP_BAD;
		if (word != WORD_OTHER)
			in_multi = word == WORD_MULTI;
		if (!in_multi)
			*offset = r->pos;
	}
	return in_multi ? STEP_SHORT : STEP_DONE;
}

/* That there is no such file is none: Redis makes them at its first start. */
static struct aof_tail
failure(void)
{
	enum aof_end end = errno == ENOENT ? AOF_WHOLE : AOF_FAILED;

	return (struct aof_tail){.end = end, .code = errno};
}

static bool
reader_open(struct reader *r, int fd)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return false;
	errno = EINVAL;
	*r = (struct reader){.fd = fd, .size = (uint64_t)st.st_size};
	return S_ISREG(st.st_mode);
}

static struct aof_tail
mend_file(int fd)
{
	struct aof_tail t = {.end = AOF_WHOLE};
	struct reader r;
	enum step step;

	if (!reader_open(&r, fd))
		return failure();
	step = walk(&r, &t.offset);
	t.bytes = r.size - t.offset;
	if (step == STEP_FAILED)
		return failure();
	if (step == STEP_BAD)
		t.end = AOF_STRANGE;
	if (step != STEP_SHORT)
		return t;
	if (ftruncate(fd, (off_t)t.offset) != 0 || fsync(fd) != 0)
		return failure();
	t.end = AOF_CUT;
	return t;
}

/* ---- which file ------------------------------------------------------- */

/* The name in "file NAME seq N type i", ended by a zero, or NULL: another
 * kind, or no line that Redis would write for us. */
static char *
name_in_line(char *line, size_t len)
{
	static const char before[] = "file ", kind[] = " type i";
	char *name = line + strlen(before), *end;

	if (len < strlen(before) || memcmp(line, before, strlen(before)) != 0 ||
	    memmem(line, len, kind, strlen(kind)) == NULL)
		return NULL;
	end = memchr(name, ' ', (size_t)(line + len - name));
	if (end == NULL || end == name || *name == '"' ||
	    memchr(name, '/', (size_t)(end - name)) != NULL)
		return NULL;
	*end = '\0';
	return name;
}

/* The file that Redis goes on with: the last of its kind in the manifest,
 * whose text is in the window. NULL when there is none. */
static char *
last_name(size_t len)
{
	char *at = window, *end, *found = NULL, *name;

	while ((end = memchr(at, '\n', (size_t)(window + len - at))) != NULL) {
		name = name_in_line(at, (size_t)(end - at));
		found = name != NULL ? name : found;
		at = end + 1;
	}
	return found;
}

/* manifest says what files there are in folder. */
static struct aof_tail
mend_last(int folder, int manifest)
{
	struct aof_tail t = {.end = AOF_WHOLE};
	struct reader r;
	char *name;
	int fd;

	if (!reader_open(&r, manifest) || !reader_fill(&r))
		return failure();
	errno = EFBIG;
	if (r.len < r.size)
		return failure();
	name = last_name(r.len);
	if (name == NULL)
		return t;
	fd = openat(folder, name, O_RDWR | OPEN_FLAGS);
	t = mend_file(fd);
	if (fd >= 0)
		close(fd);
	return t;
}

struct aof_tail
aof_tail_mend(int folder)
{
	struct aof_tail t;
	int manifest;

	folder = openat(folder, folder_name, O_DIRECTORY | OPEN_FLAGS);
	if (folder < 0)
		return failure();
	manifest = openat(folder, manifest_name, OPEN_FLAGS);
	t = mend_last(folder, manifest);
	if (manifest >= 0)
		close(manifest);
	close(folder);
	return t;
}
