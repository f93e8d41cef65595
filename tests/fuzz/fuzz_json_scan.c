/*
 * The scanner on any bytes: skipping and walking agree, spans lie within the
 * input, a skipped span scans again, and cJSON parses whatever is accepted.
 */

#include <stddef.h>
#include <stdint.h>

#include "core/json_scan.h"
#include "tests/unit/json_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every prefix is refused or a document of its own; only short inputs, the
 * cost grows with the square. */
static void
check_prefixes(struct span text)
{
	for (size_t len = 0; len < text.len; len++) {
		struct span copy =
		    oracle_exact_copy((struct span){text.p, len});
		struct scan s = oracle_skip(copy);

		if (s.err == ERR_OK)
			ASSERT(oracle_cjson_accepts(copy));
		oracle_free(copy);
	}
}

/* The raw text of a value is the same value again. */
static void
check_raw(struct span text)
{
	struct scan s;
	struct span raw, again;

	scan_init(&s, text);
	ASSERT(scan_skip(&s, &raw));
	ASSERT(oracle_skip(raw).err == ERR_OK);
	scan_init(&s, raw);
	ASSERT(scan_skip(&s, &again));
	ASSERT(again.p == raw.p && again.len == raw.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text =
	    oracle_exact_copy((struct span){(const char *)data, size});
	struct scan skipped = oracle_skip(text);
	struct scan walked = oracle_walk(text);

	ASSERT(skipped.err == walked.err && skipped.at == walked.at);
	if (skipped.err == ERR_OK) {
		ASSERT(utf8_is_valid(text.p, text.len));
		ASSERT(oracle_cjson_accepts(text));
		check_raw(text);
	}
	if (size <= 64)
		check_prefixes(text);
	oracle_free(text);
	return 0;
}
