/*
 * The request parser on any bytes: what comes of them must not depend on how
 * they are cut. Cuts come from the bytes themselves, so that a find repeats.
 */

#include <stddef.h>
#include <stdint.h>

#include "tests/unit/parser_trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 4096, BYTEWISE_MAX = 600 };

static uint64_t
next_random(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return *seed >> 33;
}

static uint64_t
seed_of(const uint8_t *data, size_t size)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < size; i++)
		h = (h ^ data[i]) * UINT64_C(1099511628211);
	return h;
}

/* most: the longest piece. */
static void
feed(struct trace *t, const uint8_t *data, size_t size, size_t most,
    uint64_t *seed)
{
	size_t at = 0, n;

	trace_init(t, BODY_MAX);
	while (at < size) {
		n = most == SIZE_MAX ? size : 1 + next_random(seed) % most;
		if (n > size - at)
			n = size - at;
		trace_feed(t, (const char *)data + at, n);
		at += n;
	}
	trace_end(t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t most[] = {64, 9, 1};
	uint64_t seed = seed_of(data, size);
	struct trace whole, cut;

	feed(&whole, data, size, SIZE_MAX, &seed);
	for (size_t i = 0; i < COUNT_OF(most); i++) {
		if (most[i] == 1 && size > BYTEWISE_MAX)
			continue;
		feed(&cut, data, size, most[i], &seed);
		ASSERT(span_eq(buf_span(&whole.text), buf_span(&cut.text)));
		ASSERT(whole.is_over == cut.is_over);
		trace_clear(&cut);
	}
	trace_clear(&whole);
	return 0;
}
