#ifndef SCHEDD_CLI_CLI_H
#define SCHEDD_CLI_CLI_H

/*
 * What the commands share: the run of one command line, requests with their
 * errors told, output. Answers go to stdout, everything said about them to
 * stderr.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/args.h"
#include "cli/client.h"
#include "cli/settings.h"
#include "cli/table.h"
#include "cli/view.h"
#include "core/buf.h"
#include "core/str.h"

struct cli {
	const struct args *args;
	struct client *client;
	struct settings settings;
	struct table_look look;
	uint64_t timeout_ms;
	bool json, quiet;
	bool yes; /* do not ask */
	bool stdout_is_terminal, stderr_is_terminal;
	bool has_json; /* a document was written to stdout */
};

/* Reads settings and global options, and opens the client. */
enum cli_exit cli_init(struct cli *c, const struct args *args);
void cli_clear(struct cli *c);
/* Writes out what stdout still holds; the exit code to end with. */
enum cli_exit cli_finish(enum cli_exit result);

/* ---- telling (tell.c) ------------------------------------------------- */

/* "schedctl: ..." on stderr, cleaned. */
void cli_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same, and the command's usage. Returns CLI_USAGE. */
enum cli_exit cli_usage(const struct cli *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* An error object as it came, decoded. Lengths 0: absent. */
struct cli_error {
	struct span code, name, text, detail;
};
/* False when body is no {"error":{...}}. The spans live in the arena or in
 * the body. */
struct arena;
struct scan;
bool cli_read_error(struct span body, struct arena *a, struct cli_error *out);
/* The same of the error object alone. */
bool cli_read_error_object(
    struct span object, struct arena *a, struct cli_error *out);
/* "E310 QUEUE_UNKNOWN: there is no such queue (detail)". */
void cli_add_error(struct buf *out, const struct cli_error *e);

/* One cleaned line and its end. */
void cli_add_line(struct buf *out, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* After a failed client_call: says where, why, and what to try. */
enum cli_exit cli_unreachable(struct cli *c);
/* Says what an answer of 400 and above holds, and what to do about it. */
enum cli_exit cli_refused(struct cli *c, const struct client_answer *answer);
/* The answer is not what schedd answers. */
enum cli_exit cli_bad_answer(struct cli *c, const char *what);

/* ---- requests --------------------------------------------------------- */

/* Anything but CLI_DONE was told. */
enum cli_exit cli_call(struct cli *c, const struct client_request *request,
    struct client_answer *answer);
/* GET of a path without variable parts. */
enum cli_exit cli_get(
    struct cli *c, const char *path, struct client_answer *answer);

/* "/v1/queues/<queue>" + tail into path, after a look at the name: CLI_USAGE
 * otherwise. */
enum cli_exit cli_queue_path(
    struct cli *c, const char *queue, const char *tail, struct buf *path);
/* The same of "/v1/channels/" and the command's first argument. */
enum cli_exit cli_channel_path(
    struct cli *c, const char *tail, struct buf *path);
/* A request, whose path is made here, for the queue that is the first
 * argument. */
enum cli_exit cli_call_queue(struct cli *c, struct client_request request,
    const char *tail, struct client_answer *answer);
/* What was built, with a NUL behind it; borrowed from the buffer. */
const char *cli_path(struct buf *path);
/* Refuses a name that no server takes, of an argument or option. */
enum cli_exit cli_check_name(
    const struct cli *c, const char *what, const char *name);
enum cli_exit cli_check_id(const struct cli *c, const char *id);

/* Options as JSON members, ",\"count\":5"; nothing when not given. */
enum cli_exit cli_add_number(const struct cli *c, struct buf *body,
    const char *option, const char *member);
enum cli_exit cli_add_seconds(const struct cli *c, struct buf *body,
    const char *option, const char *member);

/* ---- output ----------------------------------------------------------- */

void cli_write(struct cli *c, struct span text);
/* A line, cleaned. */
void cli_write_line(struct cli *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A JSON document and a line break; harmless on a terminal. */
void cli_write_json(struct cli *c, struct span json);
/* The same of a piece of one, without the line break. */
void cli_write_json_part(struct cli *c, struct span json);
void cli_write_table(struct cli *c, struct table *t);
/* The same without headings: what there is to say about one thing. */
void cli_write_facts(struct cli *c, struct table *t);
/* The whole answer, for --json. */
enum cli_exit cli_document(struct cli *c, const struct client_answer *answer);

/* A list that one request answers whole, as a table. */
struct cli_list {
	const char *path, *field; /* "/v1/tokens", "tokens" */
	const char *expected;     /* "expected a list of tokens" */
	const char *none;         /* what is said when it is empty */
	const struct table_column *columns;
	size_t column_count;
	/* Reads one item, and adds its row; false: it is none. */
	bool (*add)(struct table *t, struct arena *a, struct scan *s);
};
enum cli_exit cli_list(struct cli *c, const struct cli_list *list);
/* The answer as the view has it, or as JSON. what was expected is told when
 * it is not that. */
enum cli_exit cli_show(struct cli *c, const struct client_answer *answer,
    view_fn *view, const char *what);

/* Something that one request answers, named by the first argument. */
struct cli_thing {
	const char *what, *begin; /* "RELAY", "/v1/relays/" */
	view_fn *view;
	const char *expected; /* "expected a relay" */
};
enum cli_exit cli_show_thing(struct cli *c, const struct cli_thing *thing);

#endif
