#ifndef SCHEDD_CLI_ROWS_H
#define SCHEDD_CLI_ROWS_H

/*
 * Reading the server's answers: named members of an object as text, without
 * a tree, so that payloads and large numbers stay as they came. Pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include "core/arena.h"
#include "core/json_scan.h"
#include "core/str.h"

struct row_field {
	const char *name;
	bool raw; /* a string too as it stands in the JSON, with quotes */
};

/*
 * Reads the next value, an object, into out[0..n): strings decoded (into the
 * arena), null and absent as the empty span, everything else as its JSON
 * text. Other members are skipped. False when it is no object or not valid.
 */
bool row_read(struct scan *s, struct arena *a, const struct row_field *fields,
    size_t n, struct span *out);

/* The same for a whole text. */
bool row_read_all(struct span json, struct arena *a,
    const struct row_field *fields, size_t n, struct span *out);

/* One member of an object; empty when it is not there. */
struct span row_member(struct span json, const char *name, struct arena *a);

/* The same as it stands in the JSON. */
struct span row_raw(struct span json, const char *name, struct arena *a);

/* A JSON number; 0 for anything else. */
double row_number(struct span text);

#endif
