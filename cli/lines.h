#ifndef SCHEDD_CLI_LINES_H
#define SCHEDD_CLI_LINES_H

/*
 * Reads a source line by line, in large pieces and bounded memory. A line
 * ends with \n or \r\n (not part of it) or with its file.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/source.h"
#include "core/str.h"

struct lines;

/* The source is borrowed. A line may have max bytes. */
struct lines *lines_new(struct source *source, size_t max);
void lines_free(struct lines *l);

enum lines_got {
	LINES_END,
	LINES_LINE,
	LINES_TOO_LONG, /* skipped to its end */
	LINES_WAIT,     /* there is none yet: poll source_fd */
	LINES_ERROR     /* see source_why; a line that was begun is dropped */
};
/* The next line; text is borrowed until the next call. */
enum lines_got lines_next(struct lines *l, struct span *text);
/* Of the line that came last: its number in its file, from 1, its number in
 * all files together, and the file's place among them. */
uint64_t lines_number(const struct lines *l);
uint64_t lines_ordinal(const struct lines *l);
size_t lines_file(const struct lines *l);

#endif
