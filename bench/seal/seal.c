/*
 * What encrypting one value costs: ns a field, by length of the text, for
 * both ciphers, as they write it (base64) and read it. Prints a table.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/seal.h"
#include "core/secret.h"

enum { MANY = 20000, ROUNDS = 5, TEXT_MAX = 4096, ROOM = 8192 };

static const struct seal_place place = {{"people", 6}, {"phone", 5}};
static char text[TEXT_MAX], value[ROOM], scratch[ROOM];

static void
seal_one(const struct seal_key *key, enum seal_kind kind, size_t len)
{
	seal_write(
	    value, key, kind, SEAL_BASE64, &place, (struct span){text, len});
}

static void
open_one(const struct seal_key *key, enum seal_kind kind, size_t len)
{
	size_t size = seal_size(key, kind, SEAL_BASE64, len);
	struct sealed sealed;
	struct span got;

	ASSERT(seal_read((struct span){value, size}, scratch, &sealed));
	ASSERT(seal_open(&sealed, key, &place, &got) && got.len == len);
}

static double
cpu_ns(void)
{
	struct timespec t;

	ASSERT(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* The least of some rounds: others use this machine, too. */
static double
cost_ns(void (*fn)(const struct seal_key *, enum seal_kind, size_t),
    const struct seal_key *key, enum seal_kind kind, size_t len)
{
	double least = 0;

	for (int round = 0; round < ROUNDS; round++) {
		double began = cpu_ns();
		double ns;

		for (int i = 0; i < MANY; i++)
			fn(key, kind, len);
		ns = (cpu_ns() - began) / MANY;
		if (round == 0 || ns < least)
			least = ns;
	}
	return least;
}

int
main(void)
{
	static const size_t sizes[] = {16, 100, 1000, TEXT_MAX};
	unsigned char secret[KEY_LEN];
	struct seal_key *key;

	secret_random(secret, sizeof(secret));
	key = seal_key_new(SPAN("2026-01"), secret);
	memset(text, 'x', sizeof(text));
	printf("| bytes | GCM, ns | opened | SIV, ns | opened |\n"
	       "|---:|---:|---:|---:|---:|\n");
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		printf("| %zu |", sizes[i]);
		for (int kind = SEAL_RANDOM; kind < SEAL_KIND_COUNT; kind++) {
			printf(" %.0f |", cost_ns(seal_one, key,
					      (enum seal_kind)kind, sizes[i]));
			printf(" %.0f |", cost_ns(open_one, key,
					      (enum seal_kind)kind, sizes[i]));
		}
		printf("\n");
	}
	seal_key_free(key);
	return 0;
}
