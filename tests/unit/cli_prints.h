/* What the tests of schedctl's output share. */

#include "cli/table.h"
#include "core/buf.h"

enum { TEXT_MAX = 64 * 1024, ARENA_MAX = 1 << 20 };

/* To a pipe, with headings. */
static const struct table_look plain = {.headings = true};

/* What was written is that; the buffer is empty then. */
static void
assert_prints(struct buf *out, const char *want)
{
	buf_add_char(out, '\0');
	assert_false(out->failed);
	assert_string_equal(out->data, want);
	buf_clear(out);
}
