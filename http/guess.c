/* Who guesses too much; see guess.h. */

#include "http/guess.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/secret.h"

enum {
	SETS = 2048, /* a power of two */
	WAYS = 4,
	KEY_LEN = 16,
	SEED_LEN = 16,
	TEXT_MAX = 128,
	MINUTE_US = 60000000,
	LEVEL_MAX = 5 /* 1, 2, 4, 8, 15 minutes */
};

static const int64_t block_us[LEVEL_MAX + 1] = {0, 1ll * MINUTE_US,
    2ll * MINUTE_US, 4ll * MINUTE_US, 8ll * MINUTE_US, 15ll * MINUTE_US};

struct entry {
	unsigned char key[KEY_LEN];
	int64_t since_us; /* of the minute that is counted */
	int64_t until_us; /* not looked at before; 0 = never was blocked */
	uint8_t fails;    /* in this minute */
	uint8_t level;    /* how often it was blocked */
};

/* The seed keeps others from choosing keys that fall into one set. */
struct guesses {
	unsigned char seed[SEED_LEN];
	struct entry sets[SETS][WAYS];
};

struct guesses *
guesses_new(void)
{
	struct guesses *g = xcalloc(1, sizeof(*g));

	secret_random(g->seed, sizeof(g->seed));
	return g;
}

void
guesses_free(struct guesses *g)
{
	free(g);
}

size_t
guesses_bytes(const struct guesses *g)
{
	return sizeof(*g);
}

static void
make_key(const struct guesses *g, char kind, struct span text,
    unsigned char out[DIGEST_LEN])
{
	char all[SEED_LEN + 1 + TEXT_MAX];

	ASSERT(text.len <= TEXT_MAX);
	memcpy(all, g->seed, SEED_LEN);
	all[SEED_LEN] = kind;
	memcpy(all + SEED_LEN + 1, text.p, text.len);
	digest_sha256(out, (struct span){all, SEED_LEN + 1 + text.len});
}

/* The set is told by bytes that are no part of what is compared in it. */
static size_t
set_of(const unsigned char digest[DIGEST_LEN])
{
	return ((size_t)digest[KEY_LEN] << 8 | digest[KEY_LEN + 1]) &
	       (SETS - 1);
}

/* When it stops to matter: quiet for as long as it was blocked last, and for
 * a minute at least. */
static int64_t
matters_until(const struct entry *e)
{
	int64_t end = e->since_us + MINUTE_US;

	if (e->level > 0 && e->until_us + block_us[LEVEL_MAX] > end)
		end = e->until_us + block_us[LEVEL_MAX];
	return end;
}

static const struct entry *
find(const struct guesses *g, const unsigned char digest[DIGEST_LEN],
    int64_t now_us)
{
	const struct entry *set = g->sets[set_of(digest)];

	for (int i = 0; i < WAYS; i++)
		if (memcmp(set[i].key, digest, KEY_LEN) == 0 &&
		    matters_until(&set[i]) > now_us)
			return &set[i];
	return NULL;
}

uint64_t
guesses_wait_s(
    const struct guesses *g, char kind, struct span key, int64_t now_us)
{
	unsigned char digest[DIGEST_LEN];
	const struct entry *e;

	make_key(g, kind, key, digest);
	e = find(g, digest, now_us);
	if (e == NULL || e->until_us <= now_us)
		return 0;
	return (uint64_t)((e->until_us - now_us + 999999) / 1000000);
}

/* The key's own entry, or the one that matters for the shortest time. */
static struct entry *
entry_for(struct guesses *g, const unsigned char digest[DIGEST_LEN])
{
	struct entry *set = g->sets[set_of(digest)], *least = &set[0];

	for (int i = 0; i < WAYS; i++) {
		if (memcmp(set[i].key, digest, KEY_LEN) == 0)
			return &set[i];
		if (matters_until(&set[i]) < matters_until(least))
			least = &set[i];
	}
	memset(least, 0, sizeof(*least));
	memcpy(least->key, digest, KEY_LEN);
	return least;
}

void
guesses_failed(struct guesses *g, char kind, struct span key, int64_t now_us)
{
	unsigned char digest[DIGEST_LEN];
	struct entry *e;

	make_key(g, kind, key, digest);
	e = entry_for(g, digest);
	if (matters_until(e) <= now_us)
		e->level = 0;
	if (now_us - e->since_us >= MINUTE_US || e->fails >= GUESS_BUDGET) {
		e->since_us = now_us;
		e->fails = 0;
	}
	if (++e->fails < GUESS_BUDGET)
		return;
	if (e->level < LEVEL_MAX)
		e->level++;
	e->until_us = now_us + block_us[e->level];
}
