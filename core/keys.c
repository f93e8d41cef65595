/* The keys of encrypted columns; see keys.h. */

#include "core/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/metrics.h"
#include "core/secret.h"

enum { LINE_WHY_MAX = 120 };

struct keyring {
	struct seal_key **items;
	size_t count;
	const struct seal_key *by_kind[SEAL_KIND_COUNT];
};

static struct keyring current, next;

static void
ring_clear(struct keyring *ring)
{
	for (size_t i = 0; i < ring->count; i++)
		seal_key_free(ring->items[i]);
	free(ring->items);
	*ring = (struct keyring){0};
}

static const struct seal_key *
ring_find(const struct keyring *ring, struct span id)
{
	for (size_t i = 0; i < ring->count; i++) {
		if (span_is(id, seal_key_id(ring->items[i])))
			return ring->items[i];
	}
	return NULL;
}

/* ---- the file --------------------------------------------------------- */

bool
key_id_is_valid(struct span id)
{
	return id.len <= KEY_ID_MAX && name_is_valid(id) &&
	       memchr(id.p, ':', id.len) == NULL &&
	       memchr(id.p, '@', id.len) == NULL;
}

static struct span
trim(struct span s)
{
	while (s.len > 0 && strchr(" \t\r", s.p[0]) != NULL)
		s = (struct span){s.p + 1, s.len - 1};
	while (s.len > 0 && strchr(" \t\r", s.p[s.len - 1]) != NULL)
		s.len--;
	return s;
}

/* Such as 0000..., or 000102... of an example. */
static bool
is_made_up(const unsigned char secret[KEY_LEN])
{
	unsigned char step = (unsigned char)(secret[1] - secret[0]);

	for (size_t i = 2; i < KEY_LEN; i++) {
		if ((unsigned char)(secret[i] - secret[i - 1]) != step)
			return false;
	}
	return true;
}

/* A key that is new in the ring, and in use under no other name. What is wrong
 * is said without a byte of the line. */
static bool
ring_add(struct keyring *ring, struct span id,
    const unsigned char secret[KEY_LEN], char *why)
{
	const struct seal_key *before = ring_find(&current, id);
	struct seal_key *key = seal_key_new(id, secret);
	const char *other = NULL;

	for (size_t i = 0; i < ring->count; i++) {
		if (seal_key_eq(ring->items[i], key))
			other = seal_key_id(ring->items[i]);
	}
	if (ring_find(ring, id) != NULL)
		(void)snprintf(
		    why, LINE_WHY_MAX, "'%.*s' stands twice", SPAN_ARG(id));
	else if (other != NULL)
		(void)snprintf(why, LINE_WHY_MAX,
		    "'%.*s' is the same key as '%s'", SPAN_ARG(id), other);
	else if (before != NULL && !seal_key_eq(before, key))
		(void)snprintf(why, LINE_WHY_MAX,
		    "'%.*s' was another key until now; a new key needs a new "
		    "id",
		    SPAN_ARG(id));
	if (why[0] != '\0') {
		seal_key_free(key);
		return false;
	}
	ring->items =
	    xrealloc(ring->items, ring->count + 1, sizeof(*ring->items));
	ring->items[ring->count++] = key;
	return true;
}

static bool
line_read(struct keyring *ring, struct span line, char *why)
{
	const char *colon;
	unsigned char secret[KEY_LEN];
	struct span id, hex;
	bool ok = true;

	line = trim(line);
	if (line.len == 0 || line.p[0] == '#')
		return true;
	colon = memchr(line.p, ':', line.len);
	id =
	    (struct span){line.p, colon != NULL ? (size_t)(colon - line.p) : 0};
	hex = (struct span){line.p + id.len + 1, line.len - id.len - 1};
	id = trim(id);
	if (!key_id_is_valid(id) || !hex_read(trim(hex), secret, KEY_LEN)) {
		(void)snprintf(why, LINE_WHY_MAX,
		    "expected id:64 lower-case hex digits, the id 1-32 of "
		    "A-Za-z0-9._-");
		return false;
	}
	if (is_made_up(secret)) {
		(void)snprintf(why, LINE_WHY_MAX,
		    "expected a random key, as 'schedctl key new' makes them");
		ok = false;
	}
	ok = ok && ring_add(ring, id, secret, why);
	secret_wipe(secret, sizeof(secret));
	return ok;
}

static enum err
fail(struct buf *why, const char *setting, const char *file, const char *text)
{
	buf_addf(why, "crypt.%s: %s: %s", setting, file, text);
	return ERR_KEY_FILE;
}

static enum err
text_read(
    struct keyring *ring, const char *file, struct span text, struct buf *why)
{
	const char *p = text.p, *end = text.p + text.len, *stop;
	char line_why[LINE_WHY_MAX] = "";
	size_t number = 0;

	for (; p < end; p = stop + 1) {
		number++;
		stop = memchr(p, '\n', (size_t)(end - p));
		if (stop == NULL)
			stop = end;
		if (line_read(
			ring, (struct span){p, (size_t)(stop - p)}, line_why))
			continue;
		buf_addf(
		    why, "crypt.key_file: %s:%zu: %s", file, number, line_why);
		return ERR_KEY_FILE;
	}
	return ring->count > 0
		   ? ERR_OK
		   : fail(why, "key_file", file, "there is no key in it");
}

static enum err
file_read(struct keyring *ring, const char *file, struct buf *why)
{
	struct buf text;
	enum err err;

	buf_init(&text, SECRET_FILE_MAX + 1);
	err = secret_read("crypt.key_file", file, &text, why);
	if (err == ERR_OK)
		err = text_read(ring, file, buf_span(&text), why);
	else
		err = ERR_KEY_FILE;
	secret_wipe(text.data, text.cap);
	buf_clear(&text);
	return err;
}

/* ---- which one seals -------------------------------------------------- */

static enum err
choose(struct keyring *ring, enum seal_kind kind, const char *setting,
    const char *id, const struct seal_key *fallback, const char *file,
    struct buf *why)
{
	char text[LINE_WHY_MAX];

	ring->by_kind[kind] =
	    id[0] != '\0' ? ring_find(ring, span_of(id)) : fallback;
	if (ring->by_kind[kind] != NULL)
		return ERR_OK;
	(void)snprintf(text, sizeof(text), "there is no key '%.64s' in it", id);
	return fail(why, setting, file, text);
}

static enum err
ring_read(struct keyring *ring, const struct conf *conf, struct buf *why)
{
	const char *file = conf->crypt_key_file;
	enum err err = file_read(ring, file, why);

	if (err == ERR_OK)
		err = choose(ring, SEAL_RANDOM, "key", conf->crypt_key,
		    ring->items[ring->count - 1], file, why);
	if (err == ERR_OK)
		err = choose(ring, SEAL_DETERMINISTIC, "deterministic_key",
		    conf->crypt_deterministic_key, ring->by_kind[SEAL_RANDOM],
		    file, why);
	return err;
}

enum err
keys_prepare(const struct conf *conf, struct buf *why)
{
	enum err err = ERR_OK;

	ring_clear(&next);
	if (conf->crypt_key_file[0] != '\0')
		err = ring_read(&next, conf, why);
	if (err != ERR_OK)
		ring_clear(&next);
	return err;
}

void
keys_take(bool is_taken)
{
	if (!is_taken) {
		ring_clear(&next);
		return;
	}
	ring_clear(&current);
	current = next;
	next = (struct keyring){0};
	metric_set(METRIC_CRYPT_KEYS, (double)current.count);
	if (current.count == 0)
		return;
	for (int i = 0; i < KEYS_DONE_COUNT; i++)
		keys_tally((enum keys_done)i, 0);
	secret_protect_process();
	mem_wipe_given();
	log_info("conf.keys", "keys=%zu key=%s deterministic_key=%s",
	    current.count, seal_key_id(current.by_kind[SEAL_RANDOM]),
	    seal_key_id(current.by_kind[SEAL_DETERMINISTIC]));
}

void
keys_clear(void)
{
	ring_clear(&current);
	ring_clear(&next);
}

/* ---- use -------------------------------------------------------------- */

size_t
keys_count(void)
{
	return current.count;
}

const struct seal_key *
keys_for(enum seal_kind kind)
{
	return current.by_kind[kind];
}

const struct seal_key *
keys_find(struct span id)
{
	return ring_find(&current, id);
}

void
keys_tally(enum keys_done what, size_t n)
{
	static const char *const names[KEYS_DONE_COUNT] = {
	    [KEYS_ENCRYPTED] = "encrypted",
	    [KEYS_DECRYPTED] = "decrypted",
	    [KEYS_REFUSED] = "refused",
	};

	metric_add_series(METRIC_CRYPT_FIELDS,
	    metric_series(METRIC_CRYPT_FIELDS, names[what]), n);
}

enum err
keys_open(struct span value, char *scratch, const struct seal_place *place,
    struct span *text)
{
	const struct seal_key *key;
	struct sealed sealed;

	if (!seal_read(value, scratch, &sealed))
		return ERR_CIPHER_BAD;
	key = keys_find(sealed.id);
	if (key == NULL)
		return ERR_KEY_UNKNOWN;
	return seal_open(&sealed, key, place, text) ? ERR_OK : ERR_CIPHER_BAD;
}
