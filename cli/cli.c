/* What the commands share; see cli.h. */

#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/rows.h"
#include "cli/text.h"
#include "cli/view.h"
#include "core/arena.h"

enum {
	TIMEOUT_DEFAULT_MS = 30000,
	TIMEOUT_MAX_MS = 86400000,
	SAY_MAX = 64 * 1024,
	OUT_MAX = 1 << 30,
	ARENA_MAX = 1 << 30
};

/* ---- the run ---------------------------------------------------------- */

static bool
cli_has_colour(const struct cli *c)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return c->stdout_is_terminal && !args_has(c->args, "no-color") &&
	       (no == NULL || *no == '\0') && term != NULL &&
	       strcmp(term, "dumb") != 0;
}

static size_t
terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
		return 0;
	return size.ws_col;
}

/* Of the command line, else of the environment; NULL when it is empty. */
static const char *
option_of(const struct args *args, const char *option, const char *variable)
{
	const char *value = args_value(args, option);

	if (value == NULL)
		value = getenv(variable);
	return value != NULL && *value != '\0' ? value : NULL;
}

enum cli_exit
cli_init(struct cli *c, const struct args *args)
{
	const char *timeout = args_value(args, "timeout");
	struct client_options options = {
	    .server = option_of(args, "server", "SCHEDCTL_SERVER"),
	    .token_file = option_of(args, "token-file", "SCHEDCTL_TOKEN_FILE"),
	    .ca = option_of(args, "ca", "SCHEDCTL_CA"),
	    .cert = option_of(args, "cert", "SCHEDCTL_CERT"),
	};
	struct buf why;
	enum err err;

	*c = (struct cli){.args = args, .timeout_ms = TIMEOUT_DEFAULT_MS};
	c->json = args_has(args, "json");
	c->quiet = args_has(args, "quiet");
	c->stdout_is_terminal = isatty(STDOUT_FILENO) == 1;
	c->stderr_is_terminal = isatty(STDERR_FILENO) == 1;
	c->look.headings = !c->quiet;
	c->look.width = c->stdout_is_terminal ? terminal_width() : 0;
	c->look.colour = cli_has_colour(c);
	if (timeout != NULL &&
	    (!str_to_ms(span_of(timeout), &c->timeout_ms) ||
		c->timeout_ms == 0 || c->timeout_ms > TIMEOUT_MAX_MS))
		return cli_usage(c,
		    "--timeout '%s': expected seconds, or such as 500ms or 2m",
		    timeout);
	if (options.server == NULL)
		options.server = "http://127.0.0.1:7070";
	options.timeout_ms = c->timeout_ms;
	buf_init(&why, SAY_MAX);
	err = client_open(&c->client, &options, &why);
	if (err != ERR_OK)
		cli_usage(c, "server %.*s", SPAN_ARG(buf_span(&why)));
	buf_clear(&why);
	return err == ERR_OK ? CLI_DONE : CLI_USAGE;
}

void
cli_clear(struct cli *c)
{
	client_close(c->client);
	c->client = NULL;
}

enum cli_exit
cli_finish(enum cli_exit result)
{
	bool failed = ferror(stdout) != 0;

	if (fflush(stdout) == 0 && !failed)
		return result;
	cli_say("cannot write the output: %s", strerror(errno));
	return result == CLI_DONE ? CLI_REFUSED : result;
}

/* ---- telling ---------------------------------------------------------- */

static void add_line(struct buf *out, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* One cleaned line. */
static void
add_line(struct buf *out, const char *fmt, va_list ap)
{
	char *text = xcalloc(SAY_MAX, 1);

	(void)vsnprintf(text, SAY_MAX, fmt, ap);
	text_add_clean(out, span_of(text));
	buf_add_char(out, '\n');
	free(text);
}

static void say_v(const char *fmt, va_list ap)
    __attribute__((format(printf, 1, 0)));

static void
say_v(const char *fmt, va_list ap)
{
	struct buf line;

	buf_init(&line, OUT_MAX);
	buf_add_str(&line, "schedctl: ");
	add_line(&line, fmt, ap);
	(void)fwrite(line.data, 1, line.len, stderr);
	buf_clear(&line);
}

void
cli_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_v(fmt, ap);
	va_end(ap);
}

enum cli_exit
cli_usage(const struct cli *c, const char *fmt, ...)
{
	struct buf usage;
	va_list ap;

	va_start(ap, fmt);
	say_v(fmt, ap);
	va_end(ap);
	if (c->args->cmd != NULL) {
		buf_init(&usage, SAY_MAX);
		help_add_usage(&usage, c->args->cmd);
		(void)fwrite(usage.data, 1, usage.len, stderr);
		buf_clear(&usage);
	}
	return CLI_USAGE;
}

bool
cli_read_error_object(
    struct span object, struct arena *a, struct cli_error *out)
{
	static const struct row_field fields[] = {{"code", false},
	    {"name", false}, {"text", false}, {"detail", false}};
	struct span found[4];

	if (!row_read_all(object, a, fields, 4, found) || found[1].len == 0)
		return false;
	*out = (struct cli_error){found[0], found[1], found[2], found[3]};
	return true;
}

bool
cli_read_error(struct span body, struct arena *a, struct cli_error *out)
{
	static const struct row_field fields[] = {{"error", true}};
	struct span object;

	return row_read_all(body, a, fields, 1, &object) && object.len > 0 &&
	       cli_read_error_object(object, a, out);
}

void
cli_add_error(struct buf *out, const struct cli_error *e)
{
	uint64_t code = 0;

	if (str_to_u64(e->code, &code))
		buf_addf(out, "E%03u ", (unsigned)code);
	buf_addf(out, "%.*s: %.*s", SPAN_ARG(e->name), SPAN_ARG(e->text));
	if (e->detail.len > 0)
		buf_addf(out, " (%.*s)", SPAN_ARG(e->detail));
}

/* An error of our own, in the server's shape. */
static void
cli_write_own_error(struct cli *c, enum err err, const char *detail)
{
	const struct err_info *info = err_info(err);
	struct buf out;

	if (!c->json || c->has_json)
		return;
	buf_init(&out, SAY_MAX);
	buf_addf(&out,
	    "{\"error\":{\"code\":%d,\"name\":\"%s\",\"text\":", info->number,
	    info->name);
	buf_add_json(&out, span_of(info->text));
	buf_add_str(&out, ",\"detail\":");
	buf_add_json(&out, span_of(detail));
	buf_add_str(&out, "}}");
	cli_write_json(c, buf_span(&out));
	buf_clear(&out);
}

enum cli_exit
cli_unreachable(struct cli *c)
{
	bool was_refused = client_was_refused(c->client);

	cli_say("cannot reach %s: %s", client_server(c->client),
	    client_why(c->client));
	if (was_refused)
		cli_say("is schedd running? ./dev run, or --server URL");
	else if (client_was_sent(c->client))
		cli_say("the request was sent: it may have been carried out");
	cli_write_own_error(c, ERR_UNREACHABLE, client_why(c->client));
	return CLI_UNREACHABLE;
}

enum cli_exit
cli_bad_answer(struct cli *c, const char *what)
{
	const struct err_info *info = err_info(ERR_ANSWER_BAD);

	cli_say("E%03d %s: %s (%s: %s)", info->number, info->name, info->text,
	    client_server(c->client), what);
	cli_write_own_error(c, ERR_ANSWER_BAD, what);
	return CLI_UNREACHABLE;
}

enum cli_exit
cli_refused(struct cli *c, const struct client_answer *answer)
{
	struct arena *a = arena_new(ARENA_MAX);
	struct cli_error e;
	struct buf text;
	bool ok = cli_read_error(answer->body, a, &e);

	buf_init(&text, SAY_MAX);
	if (ok) {
		cli_add_error(&text, &e);
		cli_say("%.*s", SPAN_ARG(buf_span(&text)));
		if (c->json)
			cli_write_json(c, answer->body);
	} else {
		buf_addf(&text, "HTTP status %d", answer->status);
		buf_add_char(&text, '\0');
		cli_bad_answer(c, text.data);
	}
	buf_clear(&text);
	arena_free(a);
	return ok ? CLI_REFUSED : CLI_UNREACHABLE;
}

/* ---- requests --------------------------------------------------------- */

enum cli_exit
cli_call(struct cli *c, const struct client_request *request,
    struct client_answer *answer)
{
	if (client_call(c->client, request, answer) != ERR_OK)
		return cli_unreachable(c);
	if (answer->status < 200 || answer->status > 299)
		return cli_refused(c, answer);
	return CLI_DONE;
}

enum cli_exit
cli_get(struct cli *c, const char *path, struct client_answer *answer)
{
	struct client_request request = {.method = "GET", .path = path};

	return cli_call(c, &request, answer);
}

enum cli_exit
cli_check_name(const struct cli *c, const char *what, const char *name)
{
	if (name_is_valid(span_of(name)))
		return CLI_DONE;
	return cli_usage(
	    c, "%s '%s': expected 1-64 of A-Za-z0-9._:@-", what, name);
}

enum cli_exit
cli_check_id(const struct cli *c, const char *id)
{
	if (id_is_valid(span_of(id)))
		return CLI_DONE;
	return cli_usage(c,
	    "id '%s': expected 1-255 printable ASCII characters without space",
	    id);
}

/* Where something of that name is, after a look at the name. */
static enum cli_exit
name_path(const struct cli *c, const char *what, const char *name,
    const char *begin, struct buf *path)
{
	enum cli_exit result = cli_check_name(c, what, name);

	if (result != CLI_DONE)
		return result;
	buf_add_str(path, begin);
	client_add_segment(path, span_of(name));
	return CLI_DONE;
}

enum cli_exit
cli_queue_path(
    struct cli *c, const char *queue, const char *tail, struct buf *path)
{
	enum cli_exit result =
	    name_path(c, "QUEUE", queue, "/v1/queues/", path);

	if (result == CLI_DONE)
		buf_add_str(path, tail);
	return result;
}

enum cli_exit
cli_channel_path(struct cli *c, const char *tail, struct buf *path)
{
	enum cli_exit result = name_path(
	    c, "CHANNEL", args_word(c->args, 0), "/v1/channels/", path);

	if (result == CLI_DONE)
		buf_add_str(path, tail);
	return result;
}

const char *
cli_path(struct buf *path)
{
	buf_add_char(path, '\0');
	ASSERT(!path->failed);
	return path->data;
}

enum cli_exit
cli_add_number(const struct cli *c, struct buf *body, const char *option,
    const char *member)
{
	const char *value = args_value(c->args, option);
	uint64_t n;

	if (value == NULL)
		return CLI_DONE;
	if (!str_to_u64(span_of(value), &n))
		return cli_usage(
		    c, "--%s '%s': expected a whole number", option, value);
	buf_addf(body, ",\"%s\":", member);
	buf_add_u64(body, n);
	return CLI_DONE;
}

enum cli_exit
cli_add_seconds(const struct cli *c, struct buf *body, const char *option,
    const char *member)
{
	const char *value = args_value(c->args, option);
	uint64_t ms;

	if (value == NULL)
		return CLI_DONE;
	if (!str_to_ms(span_of(value), &ms))
		return cli_usage(c,
		    "--%s '%s': expected seconds, or such as 500ms, 10m, 1d",
		    option, value);
	buf_addf(body, ",\"%s\":", member);
	buf_add_u64(body, ms / 1000);
	if (ms % 1000 != 0)
		buf_addf(body, ".%03u", (unsigned)(ms % 1000));
	return CLI_DONE;
}

/* ---- output ----------------------------------------------------------- */

void
cli_write(struct cli *c, struct span text)
{
	(void)c;
	/* cli_finish looks whether it failed. */
	(void)fwrite(text.p, 1, text.len, stdout);
}

void
cli_write_line(struct cli *c, const char *fmt, ...)
{
	struct buf line;
	va_list ap;

	buf_init(&line, OUT_MAX);
	va_start(ap, fmt);
	add_line(&line, fmt, ap);
	va_end(ap);
	cli_write(c, buf_span(&line));
	buf_clear(&line);
}

void
cli_write_json(struct cli *c, struct span json)
{
	struct buf clean;

	c->has_json = true;
	if (c->stdout_is_terminal) {
		buf_init(&clean, OUT_MAX);
		text_add_json(&clean, json);
		cli_write(c, buf_span(&clean));
		buf_clear(&clean);
	} else {
		cli_write(c, json);
	}
	if (json.len == 0 || json.p[json.len - 1] != '\n')
		cli_write(c, SPAN("\n"));
}

void
cli_write_table(struct cli *c, const struct table *t)
{
	struct buf out;

	buf_init(&out, OUT_MAX);
	table_print(t, &c->look, &out);
	cli_write(c, buf_span(&out));
	buf_clear(&out);
}

enum cli_exit
cli_document(struct cli *c, const struct client_answer *answer)
{
	struct scan s;
	struct span all;

	scan_init(&s, answer->body);
	(void)scan_skip(&s, &all);
	if (scan_end(&s) != ERR_OK)
		return cli_bad_answer(c, "it is not JSON");
	cli_write_json(c, all);
	return CLI_DONE;
}

enum cli_exit
cli_show(struct cli *c, const struct client_answer *answer, const char *skip)
{
	struct buf out;
	bool ok;

	if (c->json)
		return cli_document(c, answer);
	buf_init(&out, OUT_MAX);
	ok = view_add(&out, answer->body, skip, &c->look);
	if (ok)
		cli_write(c, buf_span(&out));
	buf_clear(&out);
	return ok ? CLI_DONE : cli_bad_answer(c, "it is not a JSON object");
}
