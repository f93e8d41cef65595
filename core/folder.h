#ifndef SCHEDD_CORE_FOLDER_H
#define SCHEDD_CORE_FOLDER_H

/* Folders of ours: for nobody else, and on disk. */

#include <stdbool.h>

/* As mkdir -p, every folder that is made 0700. False leaves errno. */
bool folder_make(const char *path);
/* Those above the last "/" of path, which is as before afterwards. */
bool folder_make_above(char *path);
/* A name in a folder is on disk when the folder is. */
bool folder_sync(const char *path);

#endif
