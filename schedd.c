/*
 * schedd: settings, build the parts, run the loop, drain, stop. The order of
 * the end is that of the beginning turned round: listeners, waiting takes,
 * requests, janitor, store.
 */

#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/conf.h"
#include "core/err.h"
#include "core/keys.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/mem.h"
#include "core/metrics.h"
#include "core/notify.h"
#include "http/server.h"
#include "janitor/janitor.h"
#include "relay/relay.h"
#include "store/store.h"

/* Larger pieces of memory are mapped one by one: without a limit the C library
 * learns to take them from the heap, where small ones keep them from being
 * given back. */
enum { MAPPED_FROM = 256 * 1024 };

struct program {
	const char *conf_file;
	char **settings; /* the --section.key=value words */
	size_t setting_count;
	bool check, print, accept;

	struct conf *conf;
	struct loop *loop;
	struct notify *notify;
	struct store *store;
	struct server *server;
	struct janitor **janitors; /* one for each backend */
	size_t janitor_count;
	struct relays *relays;
	bool is_ready; /* the store was, once */
	bool stopping;
	bool drain_only; /* USR1: stay, but accept nothing */
	bool drained;    /* and what was open then has ended */
	int status;
};

static void start_on_ready(enum err err, struct span why, void *arg);
static void on_tokens(void *arg);
static void on_stop(int signo, void *arg);
static void on_drain(int signo, void *arg);
static void on_reload(int signo, void *arg);
static void stop_on_drained(void *arg);
static void stop_on_closed(void *arg);

/* What a shell or systemd makes of a failed start; sysexits.h. */
static int
exit_status(enum err err)
{
	switch ((int)err) {
	case ERR_OK:
		return EX_OK;
	case ERR_USAGE:
		return EX_USAGE;
	case ERR_CONF_SYNTAX:
	case ERR_CONF_UNKNOWN:
	case ERR_CONF_VALUE:
	case ERR_CONF_RELOAD:
	case ERR_REDIS_SETTINGS:
	case ERR_ACCESS_OPEN:
	case ERR_TLS_FILES:
	case ERR_KEY_FILE:
		return EX_CONFIG;
	case ERR_LISTEN_FAILED:
		return EX_OSERR;
	case ERR_STATE_DIR:
	case ERR_LOG_FILE:
		return EX_CANTCREAT;
	case ERR_STATE_LOCKED:
		return EX_TEMPFAIL;
	case ERR_REDIS_SERVER:
		return EX_UNAVAILABLE;
	case ERR_REDIS_AUTH:
		return EX_NOPERM;
	default:
		return EX_SOFTWARE;
	}
}

/* The one clear line, for a person at a terminal. */
static int
fail(enum err err, struct span why)
{
	const struct err_info *info = err_info(err);

	fprintf(stderr, "schedd: E%03d %s: %.*s\n", info->number, info->name,
	    SPAN_ARG(why));
	return exit_status(err);
}

static void
usage(FILE *to)
{
	fputs("usage: schedd [-c FILE] [--check] [--print-config] "
	      "[--accept-store]\n"
	      "              [--version] [--section.key=value ...]\n"
	      "\n"
	      "A task scheduler for fleets of workers: HTTP API, tasks in "
	      "Redis.\n\n",
	    to);
#define O(words, does) fprintf(to, "  %-21s %s\n", words, does);
#include "schedd.def"
#undef O
	fputs("\nSettings: schedd.conf(5). Signals: TERM and INT drain and "
	      "stop, USR1 drains,\nHUP reads the settings again and opens the "
	      "log's files anew.\n",
	    to);
}

static enum err
usage_error(const char *what, const char *word)
{
	fprintf(stderr, "schedd: E%03d %s: %s '%s'; see schedd --help\n",
	    err_info(ERR_USAGE)->number, err_info(ERR_USAGE)->name, what, word);
	return ERR_USAGE;
}

/* Returns ERR_OK to go on; *done when there is nothing more to do. */
static enum err
read_args(struct program *p, int argc, char **argv, bool *done)
{
	p->settings = xcalloc((size_t)argc, sizeof(*p->settings));
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];

		if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
			usage(stdout);
			*done = true;
			return ERR_OK;
		} else if (strcmp(word, "--version") == 0) {
			printf("schedd %s\n", SCHEDD_VERSION);
			*done = true;
			return ERR_OK;
		} else if (strcmp(word, "--check") == 0) {
			p->check = true;
		} else if (strcmp(word, "--print-config") == 0) {
			p->print = true;
		} else if (strcmp(word, "--accept-store") == 0) {
			p->accept = true;
		} else if (strcmp(word, "-c") == 0) {
			if (++i == argc)
				return usage_error("a file must follow", word);
			p->conf_file = argv[i];
		} else if (strncmp(word, "--", 2) == 0 &&
			   strchr(word, '.') != NULL &&
			   strchr(word, '=') != NULL) {
			p->settings[p->setting_count++] = argv[i];
		} else {
			return usage_error("unknown argument", word);
		}
	}
	return ERR_OK;
}

/* Opens the files that the log is to go to. */
static enum err
prepare_log(const struct conf *conf, struct buf *why)
{
	struct log_files files = {
	    .common = conf->log_file, .errors = conf->log_file_error};

	for (int i = 0; i < LOG_COMPONENT_COUNT; i++)
		files.of[i] = conf->log_files[i];
	return log_files_prepare(&files, why);
}

/* What was set at run time ends with it. */
static void
apply_conf(const struct conf *conf)
{
	log_set_level(conf->log_level);
	for (int i = 0; i < LOG_COMPONENT_COUNT; i++)
		log_set_component_level(
		    (enum log_component)i, conf->log_levels[i]);
	log_set_rate(conf->log_rate);
	clock_set_offset_ms(conf->debug_clock_offset_ms);
}

/* As many descriptors as we may have: connections, Redis, and some room. */
static void
raise_fd_limit(const struct conf *conf)
{
	struct rlimit limit;
	rlim_t want = (rlim_t)conf->http_max_connections + 64;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur < want)
		log_warn("server.fd_limit", "limit=%llu wanted=%llu",
		    (unsigned long long)limit.rlim_cur,
		    (unsigned long long)want);
}

/* What goes on, for the service manager: "systemctl status". */
static void
add_status(struct buf *out, void *arg)
{
	const struct program *p = arg;
	const char *why;

	if (p->stopping)
		buf_add_str(out, "stopping");
	else if (p->drain_only)
		buf_add_str(out, p->drained ? "drained" : "draining");
	else if (!store_is_ready(p->store, &why))
		buf_addf(out, "%s: %s",
		    p->is_ready ? "degraded" : "waiting for Redis", why);
	else if (server_is_over_memory(p->server))
		buf_add_str(out, "degraded: over limits.max_memory, pushes "
				 "are refused");
	else
		buf_addf(
		    out, "ready, durability: %s", store_durability(p->store));
}

static void
turn_on_end(uint64_t held_us)
{
	metric_observe(METRIC_LOOP_HELD, 0, (double)held_us / 1e6);
}

static void
add_janitor(const struct store_backend_info *backend, void *arg)
{
	struct program *p = arg;

	p->janitors[p->janitor_count++] =
	    janitor_new(p->loop, p->conf, backend->store, backend->name);
}

static void
free_janitors(struct program *p)
{
	while (p->janitor_count > 0)
		janitor_free(p->janitors[--p->janitor_count]);
	free(p->janitors);
	p->janitors = NULL;
}

static enum err
start(struct program *p, struct buf *why)
{
	enum err err;

	raise_fd_limit(p->conf);
	p->loop = loop_new();
	if (p->loop == NULL) {
		buf_add_str(why, "the event loop cannot be made");
		return ERR_BUG;
	}
	loop_set_turn_observer(p->loop, turn_on_end);
	/* Before anybody is told that we are there; they run in the loop. */
	loop_on_signal(p->loop, SIGTERM, on_stop, p);
	loop_on_signal(p->loop, SIGINT, on_stop, p);
	loop_on_signal(p->loop, SIGUSR1, on_drain, p);
	loop_on_signal(p->loop, SIGHUP, on_reload, p);
	log_info("server.starting", "version=%s pid=%d", SCHEDD_VERSION,
	    (int)getpid());
	p->notify = notify_open(p->loop, add_status, p);
	err = store_open(&p->store, p->loop, p->conf, why);
	if (err != ERR_OK)
		return err;
	store_on_ready(p->store, start_on_ready, p);
	err = server_open(&p->server, p->loop, p->conf, p->store, why);
	if (err != ERR_OK)
		return err;
	store_on_tokens(p->store, on_tokens, p);
	p->janitors =
	    xcalloc(store_backend_count(p->store), sizeof(struct janitor *));
	store_backend_each(p->store, add_janitor, p);
	return relays_open(&p->relays, p->loop, p->conf, p->store, why);
}

static void
begin_stop(struct program *p)
{
	p->stopping = true;
	notify_stopping(p->notify, p->conf->server_drain_ms);
	if (p->drain_only) {
		if (p->drained)
			stop_on_drained(p);
		return;
	}
	store_take_wake_all(p->store);
	server_drain(p->server, p->conf->server_drain_ms, stop_on_drained, p);
}

static void
on_tokens(void *arg)
{
	struct program *p = arg;

	server_on_tokens(p->server);
}

static void
start_on_ready(enum err err, struct span why, void *arg)
{
	struct program *p = arg;

	if (err == ERR_OK && server_is_public(p->server) &&
	    !store_tokens_has_admin(p->store)) {
		err = ERR_ACCESS_OPEN;
		why = SPAN("http.listen has an address beyond this machine, "
			   "and there is no admin's token; listen on loopback "
			   "and run: schedctl token add NAME --role admin");
	}
	if (err == ERR_OK) {
		log_info("server.ready", "backend=%s", p->conf->redis[0].name);
		p->is_ready = true;
		notify_ready(p->notify);
		return;
	}
	p->status = fail(err, why);
	if (!p->stopping)
		begin_stop(p);
}

static void
on_stop(int signo, void *arg)
{
	struct program *p = arg;

	if (p->stopping)
		return;
	log_info("server.stopping", "signal=%d", signo);
	begin_stop(p);
}

static void
drain_on_done(void *arg)
{
	struct program *p = arg;

	p->drained = true;
	log_info("server.drained", "pid=%d", (int)getpid());
	if (p->stopping)
		stop_on_drained(p);
}

static void
on_drain(int signo, void *arg)
{
	struct program *p = arg;

	if (p->stopping || p->drain_only)
		return;
	log_info("server.draining", "signal=%d", signo);
	p->drain_only = true;
	store_take_wake_all(p->store);
	server_drain(p->server, p->conf->server_drain_ms, drain_on_done, p);
}

/* All of it or nothing: the settings, and the files that they name. */
static enum err
reload(struct program *p, struct buf *why)
{
	struct conf *next = NULL;
	enum err err =
	    conf_load(&next, p->conf_file, p->settings, p->setting_count, why);

	if (err == ERR_OK)
		err = prepare_log(next, why);
	if (err == ERR_OK) {
		err = keys_prepare(next, why);
		if (err == ERR_OK)
			err = server_prepare(p->server, next, why);
		if (err != ERR_OK) {
			log_files_take(false);
			keys_take(false);
		}
	}
	conf_free(next);
	if (err != ERR_OK)
		return err;
	err = conf_reload(
	    p->conf, p->conf_file, p->settings, p->setting_count, why);
	log_files_take(err == ERR_OK);
	keys_take(err == ERR_OK);
	server_reloaded(p->server, err == ERR_OK);
	return err;
}

static void
on_reload(int signo, void *arg)
{
	struct program *p = arg;
	char text[1024];
	struct buf why;
	enum err err;

	(void)signo;
	/* Whatever becomes of the settings: somebody may have moved them. */
	log_files_reopen();
	buf_init(&why, 4096);
	notify_reloading(p->notify);
	err = reload(p, &why);
	if (err != ERR_OK) {
		log_error("conf.refused", "error=E%03d reason=%s",
		    err_info(err)->number,
		    log_quote(text, sizeof(text), buf_span(&why)));
	} else {
		apply_conf(p->conf);
		store_reloaded(p->store);
		log_info("conf.reloaded", "file=%s",
		    log_quote(text, sizeof(text),
			span_of(p->conf_file != NULL ? p->conf_file : "-")));
	}
	notify_reloaded(p->notify);
	buf_clear(&why);
}

static void
stop_on_drained(void *arg)
{
	struct program *p = arg;

	free_janitors(p);
	relays_free(p->relays);
	p->relays = NULL;
	store_close(p->store, stop_on_closed, p);
}

static void
stop_on_closed(void *arg)
{
	struct program *p = arg;

	log_info("server.stopped", "pid=%d", (int)getpid());
	loop_stop(p->loop);
}

static int
run(struct program *p)
{
	struct buf why;
	enum err err;

	buf_init(&why, 8192);
	err = start(p, &why);
	if (err == ERR_OK)
		loop_run(p->loop);
	else
		p->status = fail(err, buf_span(&why));
	free_janitors(p);
	relays_free(p->relays);
	server_free(p->server);
	store_free(p->store);
	notify_free(p->notify);
	loop_free(p->loop);
	buf_clear(&why);
	return p->status;
}

static int
print_config(const struct conf *conf)
{
	struct buf out;

	buf_init(&out, 16 << 20);
	conf_print(conf, &out);
	fwrite(out.data, 1, out.len, stdout);
	buf_clear(&out);
	return EX_OK;
}

static int
accept_store(const struct conf *conf)
{
	struct buf told;
	enum err err;

	buf_init(&told, 8192);
	err = store_accept(conf, &told);
	if (err == ERR_OK)
		printf("%.*s\n", SPAN_ARG(buf_span(&told)));
	else
		fail(err, buf_span(&told));
	buf_clear(&told);
	return exit_status(err);
}

int
main(int argc, char **argv)
{
	struct program p = {0};
	struct buf why;
	bool done = false;
	enum err err = read_args(&p, argc, argv, &done);
	int status;

	if (err != ERR_OK || done) {
		free(p.settings);
		return exit_status(err);
	}
	(void)mallopt(M_MMAP_THRESHOLD, MAPPED_FROM);
	buf_init(&why, 4096);
	err =
	    conf_load(&p.conf, p.conf_file, p.settings, p.setting_count, &why);
	if (err == ERR_OK)
		err = store_check_conf(p.conf, &why);
	if (err == ERR_OK && !p.print)
		err = keys_prepare(p.conf, &why);
	if (err == ERR_OK && !p.print && !p.check && !p.accept)
		err = prepare_log(p.conf, &why);
	if (err != ERR_OK) {
		status = fail(err, buf_span(&why));
	} else if (p.print) {
		status = print_config(p.conf);
	} else if (p.accept) {
		status = accept_store(p.conf);
	} else if (p.check) {
		puts("the settings are valid");
		status = EX_OK;
	} else {
		log_files_take(true);
		apply_conf(p.conf);
		keys_take(true);
		status = run(&p);
		log_files_close();
	}
	keys_clear();
	buf_clear(&why);
	conf_free(p.conf);
	free(p.settings);
	return status;
}
