/* What to do about an SQLSTATE. */

#include <string.h>

#include "core/mem.h"
#include "store/pg_conn.h"

/* The first row that the state begins with decides. What stands in none is
 * for a person: nothing is lost while a channel waits. */
/* clang-format off */
static const struct {
	const char *begins;
	enum pg_kind kind;
} states[] = {
	{"08",    PG_TRANSIENT}, /* connection */
	{"21",    PG_DATA},      /* cardinality: one key twice in an update */
	{"22",    PG_DATA},      /* values that do not fit their type */
	{"23",    PG_DATA},      /* constraints */
	{"25006", PG_TRANSIENT}, /* read-only: a standby, or on its way to be one */
	{"26000", PG_TRANSIENT}, /* a prepared statement is gone */
	{"40",    PG_TRANSIENT}, /* deadlock, serialization */
	{"44",    PG_DATA},      /* a view's check option */
	{"53",    PG_TRANSIENT}, /* disk, memory, connections */
	{"54",    PG_DATA},      /* too large or too deep for the database */
	{"55",    PG_TRANSIENT}, /* locks */
	{"57",    PG_TRANSIENT}, /* cancelled, shutting down */
	{"58",    PG_TRANSIENT}, /* the system under it */
	{"P0001", PG_DATA},      /* a trigger raised it */
	{"XX",    PG_TRANSIENT}, /* its own bugs, damaged data */
};
/* clang-format on */

enum pg_kind
pg_state_kind(const char *state)
{
	if (state[0] == '\0' || strcmp(state, "00000") == 0)
		return PG_FINE;
	for (size_t i = 0; i < COUNT_OF(states); i++) {
		if (strncmp(
			state, states[i].begins, strlen(states[i].begins)) == 0)
			return states[i].kind;
	}
	return PG_CONFIG;
}
