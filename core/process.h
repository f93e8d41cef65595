#ifndef SCHEDD_CORE_PROCESS_H
#define SCHEDD_CORE_PROCESS_H

/* What this process uses of the machine, read from the kernel. */

#include <stdint.h>

struct process_usage {
	uint64_t rss_bytes;
	double cpu_seconds; /* user and system */
	uint64_t open_fds;
	uint64_t max_fds;
};

/* What cannot be read stays 0. */
void process_usage_read(struct process_usage *out);

/* Resident memory alone. */
uint64_t process_rss_bytes(void);

/* When the process started, in seconds since 1970; 0 when unknown. */
double process_start_seconds(void);

#endif
