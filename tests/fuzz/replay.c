/*
 * The fuzz targets without libFuzzer, for any compiler: every known input,
 * then changed ones for some seconds, by a seed of their own. Arguments: the
 * seconds, and folders of inputs.
 */

#define _DEFAULT_SOURCE /* dirent's d_name of any length */

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUTS_MAX = 512, SIZE_MOST = 64 * 1024 };

static struct {
	uint8_t *data;
	size_t size;
} inputs[INPUTS_MAX];
static size_t input_count;
static uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t
pick(uint64_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (seed >> 33) % below;
}

static void
load(const char *path)
{
	FILE *f = fopen(path, "re");
	uint8_t *data = xcalloc(1, SIZE_MOST);

	ASSERT(f != NULL && input_count < INPUTS_MAX);
	inputs[input_count].data = data;
	inputs[input_count++].size = fread(data, 1, SIZE_MOST, f);
	(void)fclose(f);
}

static void
load_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	char path[1024];

	ASSERT(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (entry->d_name[0] != '.')
			load(path);
	}
	(void)closedir(dir);
}

/* An exact copy, so that a look beyond its end is found. */
static void
run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size == 0 ? 1 : size);

	ASSERT(copy != NULL);
	memcpy(copy, data, size);
	(void)LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

/* Some bytes changed, cut out, doubled, or taken from another input. */
static size_t
change(uint8_t *data, size_t size)
{
	static const char odd[] = "\0\xff\r\n{}[]\":,%/\\*$-+09 ~";
	size_t at, n, from = pick(input_count);

	for (uint64_t i = 1 + pick(4); i > 0; i--) {
		at = size == 0 ? 0 : pick(size);
		n = 1 + pick(16);
		switch (pick(4)) {
		case 0:
			if (size > 0)
				data[at] = (uint8_t)odd[pick(sizeof(odd) - 1)];
			break;
		case 1:
			n = n > size - at ? size - at : n;
			memmove(data + at, data + at + n, size - at - n);
			size -= n;
			break;
		case 2:
			n = n > size - at ? size - at : n;
			if (size + n > SIZE_MOST)
				break;
			memmove(data + at + n, data + at, size - at);
			size += n;
			break;
		default:
			n = inputs[from].size;
			n = n > SIZE_MOST - at ? SIZE_MOST - at : n;
			memcpy(data + at, inputs[from].data, n);
			size = at + n > size ? at + n : size;
			break;
		}
	}
	return size;
}

int
main(int argc, char **argv)
{
	static uint8_t data[SIZE_MOST];
	time_t end;
	size_t runs = 0, one;

	ASSERT(argc >= 3);
	for (int i = 2; i < argc; i++)
		load_folder(argv[i]);
	ASSERT(input_count > 0);
	for (size_t i = 0; i < input_count; i++)
		run(inputs[i].data, inputs[i].size);
	for (end = time(NULL) + strtol(argv[1], NULL, 10); time(NULL) < end;) {
		one = pick(input_count);
		memcpy(data, inputs[one].data, inputs[one].size);
		run(data, change(data, inputs[one].size));
		runs++;
	}
	printf("%zu inputs, %zu changed ones\n", input_count, runs);
	for (size_t i = 0; i < input_count; i++)
		free(inputs[i].data);
	return 0;
}
