/*
 * load: the load driver of ./dev bench. bench/README.md says how it is used;
 * usage() below says with which options.
 */

#include "bench/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/modes.h"
#include "core/mem.h"
#include "core/str.h"

enum { EXIT_USAGE = 2, BODY_MAX = 64 * 1024 * 1024, MODES_MAX = 8 };

static const struct proto *const protos[] = {&proto_schedd, &proto_redis,
    &proto_gearmand, &proto_beanstalkd, &proto_beanstalkd_pipelined,
    &proto_flask};

static const struct {
	const char *name;
	void (*run)(struct load *l);
} modes[] = {
    {"push", mode_push},
    {"take", mode_take},
    {"finish", mode_finish},
    {"turn", mode_turn},
    {"life", mode_life},
    {"latency", mode_latency},
    {"parked", mode_parked},
    {"idle", mode_idle},
};

void
load_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("load: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(EXIT_FAILURE);
}

void
load_print(const char *mode, const char *name, double value)
{
	printf("%s_%s %.6g\n", mode, name, value);
	fflush(stdout);
}

static _Noreturn void
usage(const char *why, const char *what)
{
	fprintf(stderr,
	    "load: %s%s\n"
	    "usage: load --proto NAME --to ADDRESS:PORT|unix:PATH\n"
	    "            --mode push|take|finish|turn|life|latency|parked|idle"
	    "[,...]\n"
	    "            [--producers 16] [--workers 16] [--count 10000]\n"
	    "            [--batch 1] [--first 0] [--rate 200] [--limit 120]\n"
	    "            [--pids 1,2] [--scripts PUSH,WORK]\n",
	    why, what);
	exit(EXIT_USAGE);
}

static void
set_proto(struct load *l, const char *name)
{
	size_t i;

	for (i = 0; i < COUNT_OF(protos); i++)
		if (strcmp(protos[i]->name, name) == 0)
			l->proto = protos[i];
	if (l->proto == NULL)
		usage("no protocol ", name);
}

static void
set_address(struct load *l, const char *text)
{
	struct sockaddr_un *un = (void *)&l->address;
	struct sockaddr_in *in = (void *)&l->address;
	const char *colon = strrchr(text, ':');
	char host[64];
	uint64_t port;

	if (strncmp(text, "unix:", 5) == 0) {
		if (strlen(text + 5) >= sizeof(un->sun_path))
			usage("a path that is too long: ", text);
		un->sun_family = AF_UNIX;
		memcpy(un->sun_path, text + 5, strlen(text + 5));
		l->address_len = sizeof(*un);
		return;
	}
	if (colon == NULL || (size_t)(colon - text) >= sizeof(host) ||
	    !str_to_u64(span_of(colon + 1), &port) || port > UINT16_MAX)
		usage("no address: ", text);
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
		usage("no address: ", text);
	l->address_len = sizeof(*in);
}

/* Three hashes, separated by commas. */
static void
set_scripts(struct load *l, const char *text)
{
	size_t i;

	for (i = 0; i < COUNT_OF(l->scripts); i++) {
		size_t n = strcspn(text, ",");

		if (n != sizeof(l->scripts[i]) - 1)
			usage("no two hashes: ", text);
		memcpy(l->scripts[i], text, n);
		text += n + (text[n] == ',');
	}
}

static bool
set_number(struct load *l, const char *name, const char *text)
{
	uint64_t limit_s = 0, n = 0;
	struct {
		const char *name;
		uint32_t *field;
		uint64_t least;
	} numbers[] = {
	    {"--producers", &l->producers, 1},
	    {"--workers", &l->workers, 1},
	    {"--count", &l->count, 1},
	    {"--batch", &l->batch, 1},
	    {"--first", &l->first, 0},
	    {"--rate", &l->rate, 1},
	};
	size_t i;

	if (strcmp(name, "--limit") == 0) {
		if (!str_to_u64(span_of(text), &limit_s) || limit_s > 86400)
			usage("no number of seconds: ", text);
		l->limit_ns = limit_s * 1000000000u;
		return true;
	}
	for (i = 0; i < COUNT_OF(numbers); i++) {
		if (strcmp(numbers[i].name, name) != 0)
			continue;
		if (!str_to_u64(span_of(text), &n) || n > INT32_MAX ||
		    n < numbers[i].least)
			usage("no such number: ", text);
		*numbers[i].field = (uint32_t)n;
		return true;
	}
	return false;
}

/* The options; returns the modes. */
static const char *
read_options(struct load *l, int argc, char **argv)
{
	const char *wanted = NULL;
	int i;

	for (i = 1; i + 1 < argc; i += 2) {
		const char *name = argv[i], *value = argv[i + 1];

		if (strcmp(name, "--proto") == 0)
			set_proto(l, value);
		else if (strcmp(name, "--to") == 0)
			set_address(l, value);
		else if (strcmp(name, "--scripts") == 0)
			set_scripts(l, value);
		else if (strcmp(name, "--mode") == 0)
			wanted = value;
		else if (strcmp(name, "--pids") == 0) {
			if (!usage_init(&l->usage, value))
				usage("no process ids: ", value);
		} else if (!set_number(l, name, value))
			usage("unknown option ", name);
	}
	if (i != argc || l->proto == NULL || wanted == NULL ||
	    l->address_len == 0)
		usage("--proto, --to and --mode are needed", "");
	return wanted;
}

static void
run_modes(struct load *l, const char *wanted)
{
	while (*wanted != '\0') {
		size_t i, n = strcspn(wanted, ",");

		for (i = 0; i < COUNT_OF(modes); i++)
			if (strlen(modes[i].name) == n &&
			    memcmp(modes[i].name, wanted, n) == 0)
				break;
		if (i == COUNT_OF(modes))
			usage("unknown mode in ", wanted);
		modes[i].run(l);
		wanted += n + (wanted[n] == ',');
	}
}

/* Ten thousand connections need as many descriptors. */
static void
raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

int
main(int argc, char **argv)
{
	struct load l = {.producers = 16,
	    .workers = 16,
	    .count = 10000,
	    .batch = 1,
	    .rate = 200,
	    .tick_fd = -1,
	    .limit_ns = 120000000000u};
	const char *wanted = read_options(&l, argc, argv);

	raise_file_limit();
	buf_init(&l.body, BODY_MAX);
	l.epoll = epoll_create1(0);
	if (l.epoll < 0)
		load_die("epoll: %s", strerror(errno));
	run_modes(&l, wanted);
	conn_close_all(&l);
	buf_clear(&l.body);
	close(l.epoll);
	return 0;
}
