/* Folders are made and synced here; see folder.h. */

#define _DEFAULT_SOURCE /* O_DIRECTORY */

#include "core/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"

static bool
make_one(const char *path)
{
	return mkdir(path, 0700) == 0 || errno == EEXIST;
}

bool
folder_make_above(char *path)
{
	bool ok = true;

	for (char *at = path + 1; ok && *at != '\0'; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		ok = make_one(path);
		*at = '/';
	}
	return ok;
}

bool
folder_make(const char *path)
{
	char *copy = xstrdup(path);
	bool ok = folder_make_above(copy) && make_one(copy);
	int code = errno;

	free(copy);
	errno = code;
	return ok;
}

bool
folder_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;
	int code = errno;

	if (fd >= 0)
		(void)close(fd);
	errno = code;
	return ok;
}
