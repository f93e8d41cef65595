/* What this process uses; /proc is small and never waits for a disk. */

#include "core/process.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double
seconds_of(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) != 0)
		return 0;
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

uint64_t
process_rss_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long long total, resident = 0;
	long page = sysconf(_SC_PAGESIZE);

	if (f == NULL)
		return 0;
	if (fscanf(f, "%llu %llu", &total, &resident) != 2)
		resident = 0;
	(void)fclose(f);
	return resident * (page > 0 ? (uint64_t)page : 4096);
}

static uint64_t
open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	uint64_t n = 0;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.';
	(void)closedir(dir);
	return n - 1; /* without the one that reads this folder */
}

void
process_usage_read(struct process_usage *out)
{
	struct rlimit limit;

	memset(out, 0, sizeof(*out));
	out->rss_bytes = process_rss_bytes();
	out->cpu_seconds = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
	out->open_fds = open_fds();
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		out->max_fds = limit.rlim_cur;
}

/* Field 22 of /proc/self/stat: clock ticks from boot to start; 0 on error. */
static double
start_ticks(void)
{
	FILE *f = fopen("/proc/self/stat", "re");
	unsigned long long ticks = 0;
	char line[1024];
	const char *p;

	if (f == NULL)
		return 0;
	p = fgets(line, sizeof(line), f);
	(void)fclose(f);
	/* Field 2 is the name in brackets and may hold anything. */
	p = p == NULL ? NULL : strrchr(line, ')');
	for (int field = 2; p != NULL && field < 22; field++) {
		p = strchr(p, ' ');
		p = p == NULL ? NULL : p + 1;
	}
	if (p == NULL || sscanf(p, "%llu", &ticks) != 1)
		return 0;
	return (double)ticks;
}

double
process_start_seconds(void)
{
	static double start;
	double ticks;
	long per_second = sysconf(_SC_CLK_TCK);

	if (start > 0)
		return start;
	ticks = start_ticks();
	if (ticks > 0 && per_second > 0)
		start = seconds_of(CLOCK_REALTIME) -
			seconds_of(CLOCK_BOOTTIME) + ticks / (double)per_second;
	return start;
}
