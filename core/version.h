#ifndef SCHEDD_CORE_VERSION_H
#define SCHEDD_CORE_VERSION_H

/* The version of this build, "0.1.0"; CMakeLists.txt is where it is set. */
const char *version_text(void);

#endif
