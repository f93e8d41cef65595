/* What schedctl says on stderr: lines, errors of the server, and that it
 * cannot be reached. See cli.h. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/rows.h"
#include "cli/text.h"
#include "core/arena.h"

enum { SAY_MAX = 64 * 1024, OUT_MAX = 1 << 30, ARENA_MAX = 1 << 30 };

/* ---- lines ------------------------------------------------------------ */

void
cli_add_line(struct buf *out, const char *fmt, va_list ap)
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
	cli_add_line(&line, fmt, ap);
	/* What stands on stdout came first. */
	(void)fflush(stdout);
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

/* ---- error objects ---------------------------------------------------- */

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
write_own_error(struct cli *c, enum err err, const char *detail)
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

/* ---- no answer -------------------------------------------------------- */

/* What to try. */
static const char *
unreachable_hint(enum client_fault fault)
{
	/* clang-format off */
	static const char *const hints[] = {
		[CLIENT_FAULT_REFUSED] = "is schedd running? ./dev run or systemctl start schedd starts it; --server URL names another",
		[CLIENT_FAULT_NO_HOST] = "is the host's name right? --server URL",
		[CLIENT_FAULT_NO_ANSWER] = "nothing answers at this address: is it right, does a firewall stand between?",
		[CLIENT_FAULT_DENIED] = "ask for the right to use this socket, or be its owner",
		[CLIENT_FAULT_UNTRUSTED] = "its certificate is not trusted: --ca FILE names what signed it; --server must have the name that it is for",
		[CLIENT_FAULT_FILES] = "--ca FILE and --cert FILE are PEM files; behind the certificate of --cert stands its key",
		[CLIENT_FAULT_CLOSED] = "is it schedd, and does it want https:// there, or a certificate (--cert FILE)?",
		[CLIENT_FAULT_SLOW] = "is it busy? 'schedctl ping' says whether it is ready, --timeout S waits longer",
		[CLIENT_FAULT_OTHER] = NULL,
	};
	/* clang-format on */

	return hints[fault];
}

enum cli_exit
cli_unreachable(struct cli *c)
{
	const char *hint = unreachable_hint(client_fault(c->client));
	const char *from = settings_from(&c->settings, SETTING_SERVER);
	bool was_option = args_has(c->args, "server");

	cli_say("cannot reach %s%s%s%s: %s", client_server(c->client),
	    was_option ? "" : " (", was_option ? "" : from,
	    was_option ? "" : ")", client_why(c->client));
	if (client_was_sent(c->client))
		cli_say("the request was sent: it may have been carried out");
	if (hint != NULL && !c->quiet)
		cli_say("%s", hint);
	write_own_error(c, ERR_UNREACHABLE, client_why(c->client));
	return CLI_UNREACHABLE;
}

enum cli_exit
cli_bad_answer(struct cli *c, const char *what)
{
	const struct err_info *info = err_info(ERR_ANSWER_BAD);

	cli_say("E%03d %s: %s (%s: %s)", info->number, info->name, info->text,
	    client_server(c->client), what);
	write_own_error(c, ERR_ANSWER_BAD, what);
	return CLI_UNREACHABLE;
}

/* ---- refused ---------------------------------------------------------- */

/* What to do about it. Of a request that is wrong the detail says that. */
static void
say_advice(const struct cli *c, const struct cli_error *e, int status)
{
	struct buf advice;
	uint64_t code;

	if (c->quiet || status == 400 || !str_to_u64(e->code, &code) ||
	    code > 999)
		return;
	buf_init(&advice, SAY_MAX);
	err_add_advice(&advice, err_by_number((int)code));
	if (advice.len > 0)
		cli_say("%.*s", SPAN_ARG(buf_span(&advice)));
	buf_clear(&advice);
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
		say_advice(c, &e, answer->status);
		if (c->json && !c->has_json)
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
