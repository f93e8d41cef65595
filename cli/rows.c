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

double
row_number(struct span text)
{
	char copy[NUMBER_MAX];

	if (text.len == 0 || text.len >= sizeof(copy))
		return 0;
	memcpy(copy, text.p, text.len);
	copy[text.len] = '\0';
	return strtod(copy, NULL);
}
