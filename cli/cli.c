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
#include "core/arena.h"
#include "core/clock.h"

enum {
	SAY_MAX = 64 * 1024,
	OUT_MAX = 1 << 30,
	ARENA_MAX = 1 << 30,
	PATH_MAX_BYTES = 8192
};

/* ---- the run ---------------------------------------------------------- */

static bool
cli_has_colour(const struct cli *c)
{
	const char *term = getenv("TERM");

	return c->stdout_is_terminal &&
	       !settings_is_on(&c->settings, SETTING_NO_COLOR) &&
	       term != NULL && strcmp(term, "dumb") != 0;
}

static size_t
terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
		return 0;
	return size.ws_col;
}

static void
cli_init_look(struct cli *c)
{
	c->stdout_is_terminal = isatty(STDOUT_FILENO) == 1;
	c->stderr_is_terminal = isatty(STDERR_FILENO) == 1;
	c->look.headings = !c->quiet;
	c->look.width = c->stdout_is_terminal ? terminal_width() : 0;
	c->look.colour = cli_has_colour(c);
}

enum cli_exit
cli_init(struct cli *c, const struct args *args)
{
	const struct settings *s = &c->settings;
	struct client_options options;
	struct buf why;
	enum err err;

	*c = (struct cli){.args = args, .yes = args_has(args, "yes")};
	buf_init(&why, SAY_MAX);
	err = settings_load(&c->settings, args, &why);
	if (err == ERR_OK) {
		c->json = settings_is_on(s, SETTING_JSON);
		c->quiet = settings_is_on(s, SETTING_QUIET);
		c->timeout_ms = settings_ms(s, SETTING_TIMEOUT);
		cli_init_look(c);
		options = (struct client_options){
		    .server = settings_text(s, SETTING_SERVER),
		    .timeout_ms = c->timeout_ms,
		    .token_file = settings_text(s, SETTING_TOKEN_FILE),
		    .ca = settings_text(s, SETTING_CA),
		    .cert = settings_text(s, SETTING_CERT)};
		err = client_open(&c->client, &options, &why);
	}
	if (err != ERR_OK)
		cli_say("%.*s", SPAN_ARG(buf_span(&why)));
	buf_clear(&why);
	return err == ERR_OK ? CLI_DONE : CLI_USAGE;
}

void
cli_clear(struct cli *c)
{
	client_close(c->client);
	c->client = NULL;
	settings_clear(&c->settings);
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

enum cli_exit
cli_call_queue(struct cli *c, struct client_request request, const char *tail,
    struct client_answer *answer)
{
	enum cli_exit result;
	struct buf path;

	buf_init(&path, PATH_MAX_BYTES);
	result = cli_queue_path(c, args_word(c->args, 0), tail, &path);
	if (result == CLI_DONE) {
		request.path = cli_path(&path);
		result = cli_call(c, &request, answer);
	}
	buf_clear(&path);
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
	cli_add_line(&line, fmt, ap);
	va_end(ap);
	cli_write(c, buf_span(&line));
	buf_clear(&line);
}

void
cli_write_json_part(struct cli *c, struct span json)
{
	struct buf clean;

	if (c->stdout_is_terminal) {
		buf_init(&clean, OUT_MAX);
		text_add_json(&clean, json);
		cli_write(c, buf_span(&clean));
		buf_clear(&clean);
	} else {
		cli_write(c, json);
	}
}

void
cli_write_json(struct cli *c, struct span json)
{
	c->has_json = true;
	cli_write_json_part(c, json);
	if (json.len == 0 || json.p[json.len - 1] != '\n')
		cli_write(c, SPAN("\n"));
}

static void
write_table(struct cli *c, struct table *t, const struct table_look *look)
{
	struct buf out;

	buf_init(&out, OUT_MAX);
	table_print(t, look, &out);
	cli_write(c, buf_span(&out));
	buf_clear(&out);
}

void
cli_write_table(struct cli *c, struct table *t)
{
	write_table(c, t, &c->look);
}

void
cli_write_facts(struct cli *c, struct table *t)
{
	struct table_look look = c->look;

	look.headings = false;
	write_table(c, t, &look);
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

static enum cli_exit
list_print(struct cli *c, const struct cli_list *list, struct span body)
{
	const struct row_field fields[] = {{list->field, false}};
	struct table *t = table_new(list->columns, list->column_count);
	struct arena *a = arena_new(ARENA_MAX);
	enum cli_exit result = CLI_DONE;
	struct span items;
	struct scan s;
	bool ok = row_read_all(body, a, fields, 1, &items);

	scan_init(&s, items);
	ok = ok && scan_array(&s);
	while (ok && scan_item(&s))
		ok = list->add(t, a, &s);
	if (!ok || scan_end(&s) != ERR_OK)
		result = cli_bad_answer(c, list->expected);
	else if (table_rows(t) == 0 && !c->quiet)
		cli_say("%s", list->none);
	else
		cli_write_table(c, t);
	table_free(t);
	arena_free(a);
	return result;
}

enum cli_exit
cli_list(struct cli *c, const struct cli_list *list)
{
	struct client_answer answer;
	enum cli_exit result = cli_get(c, list->path, &answer);

	if (result == CLI_DONE && c->json)
		return cli_document(c, &answer);
	return result == CLI_DONE ? list_print(c, list, answer.body) : result;
}

enum cli_exit
cli_show(struct cli *c, const struct client_answer *answer, view_fn *view,
    const char *what)
{
	struct buf out;
	bool ok;

	if (c->json)
		return cli_document(c, answer);
	buf_init(&out, OUT_MAX);
	ok = view(&out, answer->body, clock_now_ms(), &c->look);
	if (ok)
		cli_write(c, buf_span(&out));
	buf_clear(&out);
	return ok ? CLI_DONE : cli_bad_answer(c, what);
}

enum cli_exit
cli_show_thing(struct cli *c, const struct cli_thing *thing)
{
	struct client_answer answer;
	enum cli_exit result;
	struct buf path;

	buf_init(&path, PATH_MAX_BYTES);
	result = name_path(
	    c, thing->what, args_word(c->args, 0), thing->begin, &path);
	if (result == CLI_DONE)
		result = cli_get(c, cli_path(&path), &answer);
	buf_clear(&path);
	return result == CLI_DONE
		   ? cli_show(c, &answer, thing->view, thing->expected)
		   : result;
}
