/* Reading the server's answers; see rows.h. */

#include "cli/rows.h"

#include <stdlib.h>

enum { NUMBER_MAX = 64 };

static bool
row_value(struct scan *s, struct arena *a, bool raw, struct span *out)
{
	struct span text;

	if (scan_peek(s) == SCAN_NULL && !raw)
		return scan_null(s);
	if (scan_peek(s) != SCAN_STRING || raw)
		return scan_skip(s, out);
	return scan_string(s, &text) && scan_unescape(a, text, out);
}

static size_t
row_find(const struct row_field *fields, size_t n, struct span name)
{
	size_t i = 0;

	while (i < n && !span_is(name, fields[i].name))
		i++;
	return i;
}

bool
row_read(struct scan *s, struct arena *a, const struct row_field *fields,
    size_t n, struct span *out)
{
	struct span name, ignored;
	size_t i;

	for (i = 0; i < n; i++)
		out[i] = SPAN("");
	if (!scan_object(s))
		return false;
	while (scan_key(s, &name)) {
		i = row_find(fields, n, name);
		if (i == n) {
			if (!scan_skip(s, &ignored))
				return false;
		} else if (!row_value(s, a, fields[i].raw, &out[i])) {
			return false;
		}
	}
	return s->err == ERR_OK;
}

bool
row_read_all(struct span json, struct arena *a, const struct row_field *fields,
    size_t n, struct span *out)
{
	struct scan s;

	scan_init(&s, json);
	return row_read(&s, a, fields, n, out) && scan_end(&s) == ERR_OK;
}

static struct span
row_one(struct span json, struct row_field field, struct arena *a)
{
	struct span found;

	return row_read_all(json, a, &field, 1, &found) ? found : SPAN("");
}

struct span
row_member(struct span json, const char *name, struct arena *a)
{
	return row_one(json, (struct row_field){name, false}, a);
}

struct span
row_raw(struct span json, const char *name, struct arena *a)
{
	return row_one(json, (struct row_field){name, true}, a);
}

double
row_number(struct span text)
{
	char copy[NUMBER_MAX];

	if (text.len >= sizeof(copy))
		return 0;
	for (size_t i = 0; i < text.len; i++)
		copy[i] = text.p[i];
	copy[text.len] = '\0';
	return strtod(copy, NULL);
}
