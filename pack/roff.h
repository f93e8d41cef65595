#ifndef SCHEDD_PACK_ROFF_H
#define SCHEDD_PACK_ROFF_H

/*
 * Our pages in Markdown become manual pages: man(7), as groff and mandoc
 * read it. Only what our pages use is known: headings, paragraphs, lists,
 * tables, code, and in a line code, strong text and links.
 */

#include <stdbool.h>

#include "core/buf.h"

/* Whole blocks. A heading of level 2 becomes .SH, a deeper one .SS. */
void roff_add_blocks(struct buf *out, struct span text);
/* The text of one paragraph, filled; ends with a line break. */
void roff_add_text(struct buf *out, struct span text);
/* "task ls QUEUE" or "--limit N": what is typed so in bold, what stands for
 * something else (upper case) in italics. No line break. */
void roff_add_usage(struct buf *out, struct span text);
/* Does a paragraph begin here anyway, behind a heading or an indent? */
bool roff_is_at_start(const struct buf *out);
/* Letters as they are, for the argument of a macro or a line of code. */
void roff_add_code(struct buf *out, struct span text);

/* What stands under the first heading that begins with these words ("## [http"
 * finds "## [http]"), up to the next one of its level or above. False when
 * there is none. */
bool page_find(struct span page, const char *heading, struct span *body);
/* Of that what stands before the first heading in it. */
struct span page_intro(struct span body);
/* The next line; false at the end. */
bool page_line(struct span *rest, struct span *line);
bool page_begins(struct span line, const char *word);
/* The cells of a line "| a | b |", trimmed; at most max. Returns how many. */
size_t page_cells(struct span line, struct span *cells, size_t max);

#endif
