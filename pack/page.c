/* Finding our way in a page of Markdown; see roff.h. */

#include "pack/roff.h"

#include <ctype.h>

bool
page_line(struct span *rest, struct span *line)
{
	const char *end;

	if (rest->len == 0)
		return false;
	end = memchr(rest->p, '\n', rest->len);
	line->p = rest->p;
	line->len = end != NULL ? (size_t)(end - rest->p) : rest->len;
	rest->p += line->len + (end != NULL);
	rest->len -= line->len + (end != NULL);
	return true;
}

bool
page_begins(struct span line, const char *word)
{
	size_t len = strlen(word);

	return line.len >= len && memcmp(line.p, word, len) == 0;
}

/* How many # a heading begins with; 0 for another line. */
static size_t
heading_level(struct span line)
{
	size_t n = 0;

	while (n < line.len && line.p[n] == '#')
		n++;
	return n < line.len && line.p[n] == ' ' ? n : 0;
}

/* Does the line begin with the heading, and not with more of its last word? */
static bool
is_heading(struct span line, const char *heading)
{
	size_t len = strlen(heading);

	return page_begins(line, heading) &&
	       (line.len == len || (!isalnum((unsigned char)line.p[len]) &&
				       strchr("._", line.p[len]) == NULL));
}

bool
page_find(struct span page, const char *heading, struct span *body)
{
	size_t level = strspn(heading, "#"), own;
	bool is_code = false, is_found = false;
	struct span rest = page, line;

	while (page_line(&rest, &line)) {
		if (page_begins(line, "```"))
			is_code = !is_code;
		own = is_code ? 0 : heading_level(line);
		if (is_found && own != 0 && own <= level) {
			body->len = (size_t)(line.p - body->p);
			return true;
		}
		if (is_found || own != level || !is_heading(line, heading))
			continue;
		is_found = true;
		*body = rest;
	}
	return is_found;
}

struct span
page_intro(struct span body)
{
	struct span rest = body, line;

	while (page_line(&rest, &line))
		if (heading_level(line) != 0)
			return (struct span){body.p, (size_t)(line.p - body.p)};
	return body;
}

static struct span
trim(struct span s)
{
	while (s.len > 0 && s.p[0] == ' ') {
		s.p++;
		s.len--;
	}
	while (s.len > 0 && s.p[s.len - 1] == ' ')
		s.len--;
	return s;
}

size_t
page_cells(struct span line, struct span *cells, size_t max)
{
	size_t count = 0, start = 0;

	line = trim(line);
	for (size_t i = 0; i < line.len; i++) {
		if (line.p[i] != '|' || (i > 0 && line.p[i - 1] == '\\'))
			continue;
		if (i > 0 && count < max)
			cells[count++] =
			    trim((struct span){line.p + start, i - start});
		start = i + 1;
	}
	return count;
}
