#ifndef SCHEDD_CLI_PRETTY_H
#define SCHEDD_CLI_PRETTY_H

/* JSON for people: on indented lines. Only the blanks between values are
 * others; numbers, strings, the order of keys stay byte for byte. Pure. */

#include "core/buf.h"
#include "core/str.h"

/* json is valid, as all that came through row_read is. No line break at the
 * end. */
void pretty_add(struct buf *out, struct span json);

#endif
