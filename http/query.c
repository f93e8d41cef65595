/* Query strings; see query.h. */

#include "http/query.h"

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "http/unescape.h"

static bool
is_known(const char *known, struct span name)
{
	size_t len;

	for (; *known != '\0'; known += len + (known[len] == ',')) {
		len = strcspn(known, ",");
		if (span_eq((struct span){known, len}, name))
			return true;
	}
	return false;
}

/* QUERY_BAD for a bad escape or a NUL. */
static enum err
decode(struct arena *arena, struct span raw, struct span *out)
{
	char *text = arena_dup(arena, raw);

	*out = (struct span){text, raw.len};
	if (text == NULL)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < raw.len; i++)
		if (text[i] == '+')
			text[i] = ' ';
	if (!unescape(text, &out->len))
		return ERR_QUERY_BAD;
	return memchr(text, '\0', out->len) == NULL ? ERR_OK : ERR_QUERY_BAD;
}

static enum err
bad(char detail[QUERY_DETAIL_MAX], struct span name, const char *what)
{
	int len = name.len > 64 ? 64 : (int)name.len;

	snprintf(
	    detail, QUERY_DETAIL_MAX, "query '%.*s': %s", len, name.p, what);
	return ERR_QUERY_BAD;
}

static enum err
pair_parse(struct arena *arena, struct span pair, const char *known,
    struct query *out, char detail[QUERY_DETAIL_MAX])
{
	const char *eq = memchr(pair.p, '=', pair.len);
	size_t len = eq == NULL ? pair.len : (size_t)(eq - pair.p);
	struct span raw_value = {pair.p + pair.len, 0}, name, value;
	enum err err = decode(arena, (struct span){pair.p, len}, &name);

	if (err == ERR_QUERY_BAD)
		return bad(detail, (struct span){pair.p, len},
		    "a percent escape is not valid");
	if (eq != NULL)
		raw_value = (struct span){eq + 1, pair.len - len - 1};
	if (err == ERR_OK && !is_known(known, name))
		return bad(detail, name, "not known here");
	if (err == ERR_OK && query_find(out, name, &value))
		return bad(detail, name, "given twice");
	if (err == ERR_OK)
		err = decode(arena, raw_value, &value);
	if (err == ERR_QUERY_BAD)
		return bad(detail, name, "a percent escape is not valid");
	if (err != ERR_OK)
		return err;
	ASSERT(out->count < QUERY_MAX);
	out->params[out->count].name = name;
	out->params[out->count].value = value;
	out->count++;
	return ERR_OK;
}

enum err
query_parse(struct arena *arena, struct span text, const char *known,
    struct query *out, char detail[QUERY_DETAIL_MAX])
{
	const char *p = text.p, *end = text.p + text.len, *amp;
	enum err err = ERR_OK;

	out->count = 0;
	detail[0] = '\0';
	while (err == ERR_OK && p < end) {
		amp = memchr(p, '&', (size_t)(end - p));
		if (amp == NULL)
			amp = end;
		/* "a=1&&b=2" and a last '&' do no harm. */
		if (amp > p)
			err = pair_parse(arena,
			    (struct span){p, (size_t)(amp - p)}, known, out,
			    detail);
		p = amp < end ? amp + 1 : end;
	}
	return err;
}

bool
query_find(const struct query *q, struct span name, struct span *value)
{
	for (size_t i = 0; i < q->count; i++) {
		if (!span_eq(q->params[i].name, name))
			continue;
		*value = q->params[i].value;
		return true;
	}
	return false;
}
