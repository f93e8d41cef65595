/* The table of embedded scripts; see script.h and cmake/embed.cmake. */

#include "store/script.h"

#define S(id, stem, kind)                        \
	extern const unsigned char lua_##stem[]; \
	extern const size_t lua_##stem##_len;
#include "store/scripts.def"
#undef S

static struct script table[SCRIPT_COUNT];

/* The lengths are no constant expressions, so the table is filled once. */
const struct script *
script_table(void)
{
	if (table[0].stem != NULL)
		return table;
#define S(id, name, how)                      \
	table[SCRIPT_##id] = (struct script){ \
	    .stem = #name,                    \
	    .kind = (how),                    \
	    .text = (const char *)lua_##name, \
	    .len = lua_##name##_len,          \
	};
#include "store/scripts.def"
#undef S
	return table;
}
