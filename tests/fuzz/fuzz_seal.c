/*
 * Values of encrypted columns. Any bytes: they are read within their bounds,
 * and open only if they are the one spelling of what was sealed. Any text
 * comes back as it was, and not when one of its bytes was changed.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct seal_place place = {{"people", 6}, {"phone", 5}};

/* That of the vectors in docs/encryption.md. */
static const struct seal_key *
the_key(void)
{
	static struct seal_key *key;
	unsigned char secret[KEY_LEN];

	if (key != NULL)
		return key;
	for (int i = 0; i < KEY_LEN; i++)
		secret[i] = (unsigned char)i;
	key = seal_key_new(SPAN("2026-01"), secret);
	return key;
}

static bool
opens(struct span value, char *scratch, struct span *text, enum seal_kind *kind)
{
	struct sealed sealed;

	if (!seal_read(value, scratch, &sealed))
		return false;
	ASSERT(seal_is_marked(value) && sealed.len <= value.len);
	*kind = sealed.kind;
	return span_is(sealed.id, seal_key_id(the_key())) &&
	       seal_open(&sealed, the_key(), &place, text);
}

/* What opens is as long as it would be if we had sealed it; if deterministic
 * it is just that. */
static void
check_value(struct span value)
{
	char *scratch = malloc(value.len + 1), *made;
	enum seal_form form =
	    value.len > 0 && value.p[0] == '\\' ? SEAL_HEX : SEAL_BASE64;
	enum seal_kind kind;
	struct span text;

	ASSERT(scratch != NULL);
	if (opens(value, scratch, &text, &kind)) {
		ASSERT(seal_size(the_key(), kind, form, text.len) == value.len);
		made = malloc(value.len);
		ASSERT(made != NULL);
		seal_write(made, the_key(), kind, form, &place, text);
		if (kind == SEAL_DETERMINISTIC)
			ASSERT(memcmp(made, value.p, value.len) == 0);
		free(made);
	}
	free(scratch);
}

static void
check_text(struct span text, uint8_t how)
{
	enum seal_kind kind = how & 2 ? SEAL_RANDOM : SEAL_DETERMINISTIC, got;
	enum seal_form form = how & 4 ? SEAL_HEX : SEAL_BASE64;
	size_t size = seal_size(the_key(), kind, form, text.len);
	char *value = malloc(size), *scratch = malloc(size);
	struct span back;

	ASSERT(value != NULL && scratch != NULL);
	seal_write(value, the_key(), kind, form, &place, text);
	ASSERT(opens((struct span){value, size}, scratch, &back, &got));
	ASSERT(got == kind && span_eq(back, text));
	value[(how >> 3) * size / 32] ^= 1;
	ASSERT(!opens((struct span){value, size}, scratch, &back, &got));
	free(value);
	free(scratch);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest;

	if (size < 2)
		return 0;
	rest = (struct span){(const char *)data + 1, size - 1};
	if ((data[0] & 1) != 0)
		check_text(rest, data[0]);
	else
		check_value(rest);
	return 0;
}
