#ifndef SCHEDD_STORE_SCRIPT_H
#define SCHEDD_STORE_SCRIPT_H

/*
 * The Lua scripts of store/lua, embedded by the build: a table by script_id,
 * made from scripts.def. A row without its file does not link.
 */

#include <stddef.h>

#include "store/redis_conn.h"

struct script {
	const char *stem; /* the file's name without .lua; label in metrics */
	enum redis_kind kind;
	const char *text;
	size_t len;
};

/* SCRIPT_COUNT rows, by script_id. */
const struct script *script_table(void);

/* Tests: other scripts than the embedded ones. Right after redis_conn_open;
 * the table (SCRIPT_COUNT rows) is kept. */
void redis_conn_set_scripts(struct redis_conn *c, const struct script *scripts);

#endif
