/*
 * The file is written anew under another name, synced, and renamed, so that it
 * is always whole. The writer owns its text while it is asked; what it found is
 * looked at by the loop, once a second.
 */

#define _GNU_SOURCE /* O_NOFOLLOW, pthread_condattr_setclock */

#include "store/known.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/folder.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/rfc3339.h"
#include "core/secret.h"
#include "core/str.h"

enum {
	SAVE_US = 5000000, /* between two writes of the file */
	CLOSE_S = 2,       /* for a disk that takes too long at the end */
	VALUES_MAX = 256,  /* the lines of a file that change */
	TAG_BYTES = 8,
	GENERATION_MAX = 63
};

static const char head[] =
    "# What schedd knows of its Redis; it refuses one that is older or another."
    "\n# To accept what is there: schedd --accept-store\n";

/* Where the file of a Redis is, and the lines that say which that is. */
struct place {
	char *folder, *file, *fresh;
	char *head;
	size_t text_max; /* more is no such file */
	char *name; /* for people: "tcp://10.0.0.1:6379", "the private Redis" */
};

struct facts {
	char generation[GENERATION_MAX + 1];
	uint64_t sequence;
};

enum writer_state {
	WRITER_IDLE,  /* has nothing to do */
	WRITER_ASKED, /* has a text, and may be writing it */
	WRITER_DONE   /* has written; the loop has not seen how that ended */
};

struct known {
	struct place place;
	struct facts facts;
	bool is_dirty;       /* the file is not as the facts */
	bool is_failing;     /* and it was said why */
	int64_t asked_at_us; /* 0 = not yet for this generation */

	bool has_writer;
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t change;
	enum writer_state state;
	bool is_closing;
	int code; /* errno of the last time */
	char *text;
	size_t len;
};

/* ---- the place -------------------------------------------------------- */

static char *
taken_text(struct buf *b)
{
	char *text;

	ASSERT(!b->failed);
	text = xmemdupz(b->data, b->len);
	buf_clear(b);
	return text;
}

static void
place_open(
    struct place *p, const struct conf *conf, const struct conf_redis *redis)
{
	unsigned char digest[DIGEST_LEN];
	char tag[2 * TAG_BYTES + 1];
	struct buf b;

	buf_init(&b, SIZE_MAX);
	buf_addf(&b, "redis %s%s\ndatabase %" PRIu64 "\nprefix %s\n",
	    redis->url[0] != '\0' ? "" : "private ",
	    redis->url[0] != '\0' ? redis->url : redis->name, redis->database,
	    redis->prefix);
	digest_sha256(digest, buf_span(&b));
	hex_print(tag, digest, TAG_BYTES);
	p->head = taken_text(&b);
	p->text_max = strlen(head) + strlen(p->head) + VALUES_MAX;
	p->name =
	    xstrdup(redis->url[0] != '\0' ? redis->url : "the private Redis");
	p->folder = xstrdup(conf->server_state_dir);
	buf_addf(&b, "%s/store-%s", p->folder, tag);
	p->file = taken_text(&b);
	buf_addf(&b, "%s.%d", p->file, (int)getpid());
	p->fresh = taken_text(&b);
}

static void
place_clear(struct place *p)
{
	free(p->folder);
	free(p->file);
	free(p->fresh);
	free(p->head);
	free(p->name);
}

/* ---- reading ---------------------------------------------------------- */

/* The value of the next line, which has that name; false without. */
static bool
next_line(struct span *rest, const char *name, struct span *value)
{
	const char *end = memchr(rest->p, '\n', rest->len);
	size_t len = strlen(name), line;

	if (end == NULL)
		return false;
	line = (size_t)(end - rest->p);
	if (line <= len || memcmp(rest->p, name, len) != 0 ||
	    rest->p[len] != ' ')
		return false;
	*value = (struct span){rest->p + len + 1, line - len - 1};
	*rest = (struct span){end + 1, rest->len - line - 1};
	return true;
}

static bool
skip(struct span *rest, const char *text)
{
	size_t len = strlen(text);

	if (rest->len < len || memcmp(rest->p, text, len) != 0)
		return false;
	*rest = (struct span){rest->p + len, rest->len - len};
	return true;
}

static bool
facts_read(struct facts *f, const struct place *p, struct span text)
{
	struct span generation, sequence, saved;

	if (!skip(&text, head) || !skip(&text, p->head) ||
	    !next_line(&text, "generation", &generation) ||
	    !next_line(&text, "sequence", &sequence) ||
	    !next_line(&text, "saved", &saved) || text.len > 0 ||
	    generation.len == 0 || generation.len > GENERATION_MAX ||
	    !str_to_u64(sequence, &f->sequence))
		return false;
	memcpy(f->generation, generation.p, generation.len);
	f->generation[generation.len] = '\0';
	return true;
}

/* The file's bytes; an errno when they cannot be had. */
static int
file_read(const char *file, char *text, size_t size, size_t *len)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n;
	int code;

	if (fd < 0)
		return errno;
	n = read(fd, text, size);
	code = n < 0 ? errno : 0;
	(void)close(fd);
	*len = n < 0 ? 0 : (size_t)n;
	return code;
}

/* False: it is there, and does not say what was known; with an errno, 0 where
 * it makes no sense. True with an errno: whether it is there cannot be said. */
static bool
place_read(const struct place *p, struct facts *f, int *code)
{
	char *text = xcalloc(p->text_max, 1);
	size_t len = 0;
	struct stat st;
	bool ok;

	*f = (struct facts){0};
	*code = file_read(p->file, text, p->text_max, &len);
	if (*code == 0)
		ok = facts_read(f, p, (struct span){text, len});
	else
		ok = lstat(p->file, &st) != 0;
	free(text);
	return ok;
}

/* ---- the writer ------------------------------------------------------- */

static bool
write_all(int fd, const char *p, size_t n)
{
	ssize_t wrote;

	for (; n > 0; p += wrote, n -= (size_t)wrote) {
		wrote = write(fd, p, n);
		if (wrote < 0 && errno == EINTR)
			wrote = 0;
		else if (wrote <= 0)
			return false;
	}
	return true;
}

/* Gives an errno. */
static int
file_write(const struct place *p, const char *text, size_t len)
{
	int fd = open(p->fresh,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int code = 0;

	if (fd < 0)
		return errno;
	if (!write_all(fd, text, len) || fsync(fd) != 0)
		code = errno;
	if (close(fd) != 0 && code == 0)
		code = errno;
	if (code == 0 && rename(p->fresh, p->file) != 0)
		code = errno;
	if (code != 0)
		(void)unlink(p->fresh);
	else if (!folder_sync(p->folder))
		code = errno;
	return code;
}

static void *
writer_run(void *arg)
{
	struct known *k = arg;
	int code;

	pthread_mutex_lock(&k->lock);
	while (!k->is_closing || k->state == WRITER_ASKED) {
		if (k->state != WRITER_ASKED) {
			pthread_cond_wait(&k->change, &k->lock);
			continue;
		}
		pthread_mutex_unlock(&k->lock);
		code = file_write(&k->place, k->text, k->len);
		pthread_mutex_lock(&k->lock);
		k->code = code;
		k->state = WRITER_DONE;
		pthread_cond_broadcast(&k->change);
	}
	pthread_mutex_unlock(&k->lock);
	return NULL;
}

/* Signals are for the loop's thread. Gives an errno. */
static int
writer_start(struct known *k)
{
	pthread_condattr_t attr;
	sigset_t all, before;
	int code;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&k->change, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&k->lock, NULL);
	k->text = xcalloc(k->place.text_max, 1);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(&k->thread, NULL, writer_run, k);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	k->has_writer = code == 0;
	return code;
}

/* ---- the loop's side -------------------------------------------------- */

static void
tell_failure(struct known *k, const char *what, int code)
{
	char file[300], reason[300], text[200];

	if (k->is_failing)
		return;
	k->is_failing = true;
	snprintf(text, sizeof(text), "%s: %s", what, strerror(code));
	log_warn("store.unsaved", "file=%s reason=%s hint=%s",
	    log_quote(file, sizeof(file), span_of(k->place.file)),
	    log_quote(reason, sizeof(reason), span_of(text)),
	    "\"a restart may accept an older Redis\"");
}

/* What the writer last did; with the lock. */
static void
writer_look(struct known *k)
{
	if (k->state != WRITER_DONE)
		return;
	k->state = WRITER_IDLE;
	if (k->code != 0) {
		k->is_dirty = true;
		tell_failure(k, "cannot write", k->code);
	} else if (k->is_failing) {
		k->is_failing = false;
		log_info("store.saved", "sequence=%" PRIu64, k->facts.sequence);
	}
}

/* With the lock, of an idle writer. */
static void
writer_ask(struct known *k)
{
	char saved[RFC3339_LEN + 1];
	int n;

	rfc3339_print(saved, clock_now_ms());
	n = snprintf(k->text, k->place.text_max,
	    "%s%sgeneration %s\nsequence %" PRIu64 "\nsaved %s\n", head,
	    k->place.head, k->facts.generation, k->facts.sequence, saved);
	ASSERT(n > 0 && (size_t)n < k->place.text_max);
	k->len = (size_t)n;
	k->is_dirty = false;
	k->asked_at_us = clock_mono_us();
	k->state = WRITER_ASKED;
	pthread_cond_broadcast(&k->change);
}

void
known_tick(struct known *k)
{
	if (!k->has_writer)
		return;
	pthread_mutex_lock(&k->lock);
	writer_look(k);
	if (k->state == WRITER_IDLE && k->is_dirty &&
	    (k->asked_at_us == 0 ||
		clock_mono_us() - k->asked_at_us >= SAVE_US))
		writer_ask(k);
	pthread_mutex_unlock(&k->lock);
}

void
known_set(struct known *k, const char *generation, uint64_t sequence)
{
	struct facts *f = &k->facts;

	ASSERT(strlen(generation) <= GENERATION_MAX);
	if (strcmp(f->generation, generation) != 0)
		k->asked_at_us = 0;
	snprintf(f->generation, sizeof(f->generation), "%s", generation);
	f->sequence = sequence;
	k->is_dirty = id_is_valid(span_of(generation));
	if (!k->is_dirty) /* none of ours: it would spoil the file */
		tell_failure(k, "the store's generation", EINVAL);
	known_tick(k);
}

const char *
known_generation(const struct known *k)
{
	return k->facts.generation;
}

uint64_t
known_sequence(const struct known *k)
{
	return k->facts.sequence;
}

enum err
known_open(struct known **out, const struct conf *conf,
    const struct conf_redis *redis, struct buf *why)
{
	struct known *k = xcalloc(1, sizeof(*k));
	int code;

	*out = k;
	place_open(&k->place, conf, redis);
	if (!place_read(&k->place, &k->facts, &code)) {
		buf_addf(why,
		    "%s: %s; if what it knew of Redis is to be forgotten: "
		    "schedd --accept-store",
		    k->place.file,
		    code != 0 ? strerror(code)
			      : "expected what schedd writes there");
		return ERR_STATE_DIR;
	}
	if (code != 0 && code != ENOENT && code != ENOTDIR)
		tell_failure(k, "cannot read", code);
	if (!folder_make(k->place.folder))
		tell_failure(k, "cannot make the folder", errno);
	code = writer_start(k);
	if (code != 0)
		tell_failure(k, "cannot start a thread", code);
	return ERR_OK;
}

/* With the lock: until the writer is through, or the time is over. */
static bool
writer_wait(struct known *k)
{
	struct timespec end;
	int code = 0;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += CLOSE_S;
	while (code == 0 && k->state == WRITER_ASKED)
		code = pthread_cond_timedwait(&k->change, &k->lock, &end);
	return k->state != WRITER_ASKED;
}

/* False: it is still at work, and keeps everything. */
static bool
writer_stop(struct known *k)
{
	bool ok;

	pthread_mutex_lock(&k->lock);
	ok = writer_wait(k);
	writer_look(k);
	if (ok && k->is_dirty) {
		writer_ask(k);
		ok = writer_wait(k);
		writer_look(k);
	}
	k->is_closing = true;
	pthread_cond_broadcast(&k->change);
	pthread_mutex_unlock(&k->lock);
	if (ok)
		pthread_join(k->thread, NULL);
	else
		tell_failure(k, "the disk takes too long", ETIMEDOUT);
	return ok;
}

void
known_close(struct known *k)
{
	if (k == NULL)
		return;
	if (k->has_writer) {
		if (!writer_stop(k))
			return;
		pthread_cond_destroy(&k->change);
		pthread_mutex_destroy(&k->lock);
	}
	free(k->text);
	place_clear(&k->place);
	free(k);
}

enum err
known_forget(
    const struct conf *conf, const struct conf_redis *redis, struct buf *told)
{
	struct place p;
	struct facts f;
	enum err err = ERR_OK;
	int code;

	place_open(&p, conf, redis);
	(void)place_read(&p, &f, &code);
	if (unlink(p.file) == 0 && folder_sync(p.folder)) {
		buf_addf(told,
		    "forgotten what was known of %s (generation '%s', "
		    "sequence %" PRIu64 "); the next start accepts what is "
		    "there",
		    p.name, f.generation, f.sequence);
	} else if (errno == ENOENT || errno == ENOTDIR) {
		buf_addf(told,
		    "nothing is known of %s in %s; the next start accepts what "
		    "is there",
		    p.name, p.folder);
	} else {
		buf_addf(
		    told, "%s: cannot remove: %s", p.file, strerror(errno));
		err = ERR_STATE_DIR;
	}
	place_clear(&p);
	return err;
}
