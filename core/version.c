/* The version, compiled in once. */

#include "core/version.h"

#ifndef SCHEDD_VERSION
#error "SCHEDD_VERSION comes from CMakeLists.txt"
#endif

const char *
version_text(void)
{
	return SCHEDD_VERSION;
}
