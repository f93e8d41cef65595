/* The file by which a push goes on; see push_resume.h. */

#include "cli/push_resume.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "cli/rows.h"
#include "core/arena.h"
#include "core/folder.h"
#include "core/id.h"
#include "core/mem.h"

enum { TEXT_MAX = 64 * 1024, SEED_LEN = 12 };

struct push_resume {
	char *file, *temporary;
	struct push_binding binding; /* borrowed */
	char seed[SEED_LEN + 1];
	uint32_t first; /* checksum of the first line, known from line 1 on */
	bool has_first;
	struct push_mark mark;
	/* Of the lines looked at: */
	uint64_t count;
	uint32_t chain, last; /* checksums over all, and of the last one */
};

/* ---- reading ---------------------------------------------------------- */

/* The whole file. OK with nothing in text when there is none. */
static enum err
read_file(const char *file, struct buf *text, struct buf *why)
{
	char piece[4096];
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY), code;
	ssize_t n = -1;

	if (fd >= 0)
		while ((n = read(fd, piece, sizeof(piece))) > 0)
			buf_add(text, piece, (size_t)n);
	code = errno;
	if (fd >= 0)
		(void)close(fd);
	if (fd < 0 && code == ENOENT)
		return ERR_OK;
	if (n < 0)
		buf_addf(why, "cannot read '%s': %s", file, strerror(code));
	else if (text->failed)
		buf_addf(why, "'%s' is not a resume file", file);
	return n < 0 || text->failed ? ERR_USAGE : ERR_OK;
}

static bool
read_hex(struct span text, uint32_t *out)
{
	char copy[9] = "", *end;

	if (text.len != 8)
		return false;
	memcpy(copy, text.p, 8);
	*out = (uint32_t)strtoul(copy, &end, 16);
	return *end == '\0';
}

enum resume_field {
	IS_RESUME,
	QUEUE,
	HOW,
	ID_FROM,
	SEED,
	LINES,
	FIRST,
	CHAIN,
	QUEUED,
	EXISTS,
	REFUSED,
	REFUSED_BYTES,
	FIELDS
};
/* clang-format off */
static const struct row_field fields[FIELDS] = {
	[IS_RESUME] = {"schedctl_push", false},
	[QUEUE] = {"queue", false},
	[HOW] = {"how", false},
	[ID_FROM] = {"id_from", false},
	[SEED] = {"seed", false},
	[LINES] = {"lines", false},
	[FIRST] = {"first", false},
	[CHAIN] = {"chain", false},
	[QUEUED] = {"queued", false},
	[EXISTS] = {"exists", false},
	[REFUSED] = {"refused", false},
	[REFUSED_BYTES] = {"refused_bytes", false},
};
/* clang-format on */

/* False when it is not what we write. */
static bool
resume_parse(struct push_resume *r, const struct span *f)
{
	struct push_mark *m = &r->mark;

	if (!span_is(f[IS_RESUME], "1") || f[SEED].len != SEED_LEN ||
	    !id_is_valid(f[SEED]))
		return false;
	memcpy(r->seed, f[SEED].p, SEED_LEN);
	return str_to_u64(f[LINES], &m->lines) &&
	       str_to_u64(f[QUEUED], &m->sums.queued) &&
	       str_to_u64(f[EXISTS], &m->sums.exists) &&
	       str_to_u64(f[REFUSED], &m->sums.refused) &&
	       str_to_u64(f[REFUSED_BYTES], &m->refused_bytes) &&
	       read_hex(f[FIRST], &r->first) && read_hex(f[CHAIN], &m->chain);
}

/* What was asked for another time must be what is asked for now. */
static bool
is_same(const char *file, const char *what, struct span was, const char *is,
    struct buf *why)
{
	if (span_is(was, is))
		return true;
	buf_addf(why, "'%s' belongs to another push: %s '%.*s', not '%s'", file,
	    what, SPAN_ARG(was), is);
	return false;
}

static enum err
resume_read(struct push_resume *r, struct span text, struct buf *why)
{
	struct arena *a = arena_new(TEXT_MAX);
	struct span f[FIELDS];
	enum err err = ERR_USAGE;

	if (!row_read_all(text, a, fields, FIELDS, f) || !resume_parse(r, f))
		buf_addf(why, "'%s' is not a resume file", r->file);
	else if (is_same(r->file, "its queue is", f[QUEUE], r->binding.queue,
		     why) &&
		 is_same(r->file, "it reads lines as", f[HOW], r->binding.how,
		     why) &&
		 is_same(r->file, "its --id-from is", f[ID_FROM],
		     r->binding.id_from, why))
		err = ERR_OK;
	r->has_first = r->mark.lines > 0;
	arena_free(a);
	return err;
}

/* ---- life ------------------------------------------------------------- */

static enum err
cannot_write(const char *file, struct buf *why)
{
	buf_addf(why, "cannot write '%s': %s", file, strerror(errno));
	return ERR_USAGE;
}

/* A name in a folder is on disk when the folder is. */
static bool
sync_folder(const char *file)
{
	char *copy = xstrdup(file);
	bool ok = folder_sync(dirname(copy));

	free(copy);
	return ok;
}

static void
make_seed(char seed[SEED_LEN + 1])
{
	static const char alphabet[] = "0123456789abcdefghijklmnopqrstuv";
	unsigned long long bits = id_random();

	for (int i = 0; i < SEED_LEN; i++, bits >>= 5)
		seed[i] = alphabet[bits & 31];
}

enum err
push_resume_open(struct push_resume **out, const char *file,
    const struct push_binding *binding, struct buf *why)
{
	struct push_resume *r = xcalloc(1, sizeof(*r));
	size_t size = strlen(file) + sizeof(".tmp");
	struct buf text;
	enum err err;

	r->file = xstrdup(file);
	r->temporary = xcalloc(size, 1);
	(void)snprintf(r->temporary, size, "%s.tmp", file);
	r->binding = *binding;
	buf_init(&text, TEXT_MAX);
	err = read_file(file, &text, why);
	if (err == ERR_OK && text.len > 0) {
		err = resume_read(r, buf_span(&text), why);
	} else if (err == ERR_OK) {
		/* On disk before the first id is made of it. Where a later
		 * one is lost with the power, this one serves as well. */
		make_seed(r->seed);
		err = push_resume_save(r, &r->mark, why);
		if (err == ERR_OK && !sync_folder(file))
			err = cannot_write(file, why);
	}
	buf_clear(&text);
	*out = r;
	if (err == ERR_OK)
		return ERR_OK;
	push_resume_close(r);
	*out = NULL;
	return ERR_USAGE;
}

void
push_resume_close(struct push_resume *r)
{
	if (r == NULL)
		return;
	free(r->file);
	free(r->temporary);
	free(r);
}

const struct push_mark *
push_resume_mark(const struct push_resume *r)
{
	return &r->mark;
}

/* ---- lines ------------------------------------------------------------ */

static uint32_t
checksum(uint32_t before, const void *p, size_t len)
{
	return (uint32_t)crc32(before, p, (uInt)len);
}

enum push_resume_got
push_resume_look(struct push_resume *r, struct span line)
{
	r->last = checksum((uint32_t)line.len, line.p, line.len);
	r->chain = checksum(r->chain, &r->last, sizeof(r->last));
	r->count++;
	if (!r->has_first) {
		r->has_first = true;
		r->first = r->last;
	}
	if (r->count > r->mark.lines)
		return PUSH_RESUME_NEW;
	if ((r->count == 1 && r->last != r->first) ||
	    (r->count == r->mark.lines && r->chain != r->mark.chain))
		return PUSH_RESUME_OTHER;
	return PUSH_RESUME_KNOWN;
}

uint32_t
push_resume_chain(const struct push_resume *r)
{
	return r->chain;
}

struct span
push_resume_id(const struct push_resume *r, char dst[PUSH_RESUME_ID_MAX])
{
	static const char digits[] = "0123456789abcdef";
	size_t at = PUSH_RESUME_ID_MAX;
	uint64_t count = r->count;

	/* From its end: for each line once, and printf takes its time. */
	for (unsigned i = 0; i < 8; i++)
		dst[--at] = digits[r->last >> (4 * i) & 15];
	dst[--at] = '-';
	do
		dst[--at] = digits[count % 10];
	while ((count /= 10) > 0);
	dst[--at] = '-';
	at -= SEED_LEN;
	memcpy(dst + at, r->seed, SEED_LEN);
	return (struct span){dst + at, PUSH_RESUME_ID_MAX - at};
}

/* ---- writing ---------------------------------------------------------- */

static void
add_state(
    const struct push_resume *r, const struct push_mark *m, struct buf *out)
{
	buf_add_str(out, "{\"schedctl_push\":1,\"queue\":");
	buf_add_json(out, span_of(r->binding.queue));
	buf_addf(out, ",\"how\":\"%s\",\"id_from\":", r->binding.how);
	buf_add_json(out, span_of(r->binding.id_from));
	buf_addf(out,
	    ",\"seed\":\"%s\",\"lines\":%llu,\"first\":\"%08lx\","
	    "\"chain\":\"%08lx\",",
	    r->seed, (unsigned long long)m->lines, (unsigned long)r->first,
	    (unsigned long)m->chain);
	buf_addf(out,
	    "\"queued\":%llu,\"exists\":%llu,\"refused\":%llu,"
	    "\"refused_bytes\":%llu}\n",
	    (unsigned long long)m->sums.queued,
	    (unsigned long long)m->sums.exists,
	    (unsigned long long)m->sums.refused,
	    (unsigned long long)m->refused_bytes);
}

static bool
replace_file(const struct push_resume *r, struct span text)
{
	int fd =
	    open(r->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	ssize_t n = fd >= 0 ? write(fd, text.p, text.len) : -1;
	bool ok = n == (ssize_t)text.len && fsync(fd) == 0;
	int code = n >= 0 && n < (ssize_t)text.len ? ENOSPC : errno;

	if (fd >= 0)
		(void)close(fd);
	errno = code;
	return ok && rename(r->temporary, r->file) == 0;
}

enum err
push_resume_save(
    struct push_resume *r, const struct push_mark *mark, struct buf *why)
{
	struct buf text;
	bool ok;

	buf_init(&text, TEXT_MAX);
	add_state(r, mark, &text);
	ok = !text.failed && replace_file(r, buf_span(&text));
	buf_clear(&text);
	return ok ? ERR_OK : cannot_write(r->file, why);
}
