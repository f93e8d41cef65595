/* JSON on indented lines; see pretty.h. */

#include "cli/pretty.h"

enum { INDENT = 2 };

static bool
is_blank(char ch)
{
	return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r';
}

static const char *
skip_blanks(const char *p, const char *end)
{
	while (p < end && is_blank(*p))
		p++;
	return p;
}

/* What is behind a string that begins at p. */
static const char *
string_end(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		if (*p == '\\')
			p++;
	return p < end ? p + 1 : end;
}

static void
add_break(struct buf *out, unsigned depth)
{
	buf_addf(out, "\n%*s", (int)(depth * INDENT), "");
}

/* An opening bracket; with nothing in it the closing one stays beside it. */
static const char *
add_opening(struct buf *out, const char *p, const char *end, unsigned *depth)
{
	const char *inner = skip_blanks(p + 1, end);

	buf_add_char(out, *p);
	if (inner < end && (*inner == '}' || *inner == ']')) {
		buf_add_char(out, *inner);
		return inner + 1;
	}
	add_break(out, ++*depth);
	return inner;
}

void
pretty_add(struct buf *out, struct span json)
{
	const char *p = json.p, *end = json.p + json.len, *next;
	unsigned depth = 0;

	while ((p = skip_blanks(p, end)) < end) {
		next = p + 1;
		if (*p == '"') {
			next = string_end(p, end);
			buf_add(out, p, (size_t)(next - p));
		} else if (*p == '{' || *p == '[') {
			next = add_opening(out, p, end, &depth);
		} else if (*p == '}' || *p == ']') {
			add_break(out, depth > 0 ? --depth : 0);
			buf_add_char(out, *p);
		} else {
			buf_add_char(out, *p);
			if (*p == ',')
				add_break(out, depth);
			else if (*p == ':')
				buf_add_char(out, ' ');
		}
		p = next;
	}
}
