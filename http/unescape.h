#ifndef SCHEDD_HTTP_UNESCAPE_H
#define SCHEDD_HTTP_UNESCAPE_H

/* Percent escapes, as in ids and query strings; hex digits. */

#include <stdbool.h>
#include <stddef.h>

/* 0-15, or -1 for what is no hex digit. */
int hex_digit(char c);

/* Decodes s in place, once, and ends it with a NUL (there is room for one
 * behind s[*len - 1]). False when an escape is not valid. */
bool unescape(char *s, size_t *len);

#endif
