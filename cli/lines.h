#ifndef SCHEDD_CLI_LINES_H
#define SCHEDD_CLI_LINES_H

/*
 * Reads a descriptor line by line, in large pieces and bounded memory. A
 * line ends with \n or \r\n (not part of it) or with the input. Owns no
 * descriptor.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

struct lines;

/* fd is kept. A line may have max bytes. */
struct lines *lines_new(int fd, size_t max);
void lines_free(struct lines *l);

enum lines_got {
	LINES_END,
	LINES_LINE,
	LINES_TOO_LONG, /* skipped to its end */
	LINES_ERROR     /* errno says what */
};
/* The next line; text is borrowed until the next call. */
enum lines_got lines_next(struct lines *l, struct span *text);
/* The number of the line that came last, from 1. */
uint64_t lines_number(const struct lines *l);
/* Bytes of the lines that came. */
uint64_t lines_bytes(const struct lines *l);

#endif
