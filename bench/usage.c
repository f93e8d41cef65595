/* See usage.h; proc(5) for the fields of /proc/PID/stat. */

#include "bench/usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool
usage_init(struct usage *u, const char *pids)
{
	char *end;

	memset(u, 0, sizeof(*u));
	while (*pids != '\0') {
		long pid = strtol(pids, &end, 10);

		if (end == pids || pid <= 0 || u->count == USAGE_MAX)
			return false;
		u->pids[u->count++] = (int)pid;
		pids = *end == ',' ? end + 1 : end;
	}
	return true;
}

/* utime + stime + cutime + cstime, fields 14 to 17; the name in field 2 may
 * hold anything, so count from its closing parenthesis. */
static double
cpu_of(int pid)
{
	char path[64], line[1024], *at;
	double ticks = 0;
	size_t n;
	FILE *f;
	int field;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	n = fread(line, 1, sizeof(line) - 1, f);
	fclose(f);
	line[n] = '\0';
	at = strrchr(line, ')');
	for (field = 2; at != NULL && field < 17; field++) {
		at = strchr(at + 1, ' ');
		if (at != NULL && field >= 13)
			ticks += (double)strtoul(at + 1, NULL, 10);
	}
	return ticks / (double)sysconf(_SC_CLK_TCK);
}

static double
own_cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void
usage_mark(struct usage *u)
{
	uint32_t i;

	for (i = 0; i < u->count; i++)
		u->at_s[i] = cpu_of(u->pids[i]);
	u->own_s = own_cpu();
}

double
usage_since(const struct usage *u, uint32_t server)
{
	return cpu_of(u->pids[server]) - u->at_s[server];
}

double
usage_own(const struct usage *u)
{
	return own_cpu() - u->own_s;
}

uint64_t
usage_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
