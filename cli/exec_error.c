/* Why a command failed; see exec_error.h. */

#include "cli/exec_error.h"

#include <string.h>

void
exec_tail_add(struct exec_tail *t, const char *p, size_t n)
{
	if (n > EXEC_TAIL_KEEP) {
		p += n - EXEC_TAIL_KEEP;
		n = EXEC_TAIL_KEEP;
		t->len = 0;
		t->is_cut = true;
	}
	if (t->len + n > EXEC_TAIL_ROOM) {
		memmove(
		    t->data, t->data + t->len - EXEC_TAIL_KEEP, EXEC_TAIL_KEEP);
		t->len = EXEC_TAIL_KEEP;
		t->is_cut = true;
	}
	memcpy(t->data + t->len, p, n);
	t->len += n;
}

/* The last lines, at most so many bytes: whole ones, unless the last line
 * alone is longer. */
static struct span
last_lines(const struct exec_tail *t, size_t max)
{
	const char *begin = t->data, *end = t->data + t->len, *from, *newline;

	while (end > begin && (end[-1] == '\n' || end[-1] == '\r' ||
				  end[-1] == ' ' || end[-1] == '\t'))
		end--;
	from = begin;
	if ((size_t)(end - begin) > max)
		from = end - max;
	if (from > begin || t->is_cut) {
		newline = memchr(from, '\n', (size_t)(end - from));
		if (newline != NULL)
			from = newline + 1;
	}
	/* Not in the middle of a character. */
	while (from < end && ((unsigned char)*from & 0xc0) == 0x80)
		from++;
	return (struct span){from, (size_t)(end - from)};
}

void
exec_error_add(struct buf *out, struct span how, const struct exec_tail *tail)
{
	struct span lines = last_lines(tail, EXEC_ERROR_MAX - how.len - 2);

	buf_add_span(out, how);
	if (lines.len == 0)
		return;
	buf_add_str(out, ": ");
	buf_add_span(out, lines);
}
