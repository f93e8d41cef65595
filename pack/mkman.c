/*
 * Writes one manual page: a template of pack/man/, in Markdown, in which a
 * line that begins with @ stands for what the programs' own tables and the
 * pages of docs/ have. What a table has and its page has not ends the build.
 *
 *   mkman SOURCE_FOLDER TEMPLATE VERSION DATE >PAGE
 */

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cmds.h"
#include "core/conf_priv.h"
#include "pack/roff.h"

enum { PAGE_MAX = 1 << 20, NAME_MAX_BYTES = 512 };

struct man {
	const char *folder, *version, *date;
	struct buf out;
	char last_family[NAME_MAX_BYTES]; /* of settings; its heading */
};

/* What a line "@word argument" stands for. */
struct directive {
	const char *word;
	void (*fn)(struct man *m, const char *argument);
};

static _Noreturn void die(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

static _Noreturn void
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("mkman: ", stderr);
	(void)vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

/* ---- the pages of docs/ ----------------------------------------------- */

static void
read_file(const char *folder, const char *name, struct buf *text)
{
	char path[NAME_MAX_BYTES];
	FILE *file;
	size_t got;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "re");
	if (file == NULL)
		die("%s: cannot be read", path);
	while (buf_reserve(text, BUFSIZ) &&
	       (got = fread(text->data + text->len, 1, BUFSIZ, file)) > 0)
		text->len += got;
	if (ferror(file) || text->failed)
		die("%s: cannot be read", path);
	(void)fclose(file);
}

/* What stands under a heading of a page; spoken of by name when it is not
 * there. */
static struct span
section(const struct buf *page, const char *name, const char *heading)
{
	struct span body;

	if (!page_find(buf_span(page), heading, &body))
		die("%s: there is no heading '%s'", name, heading);
	return body;
}

/* @page FILE#Heading: that section. */
static void
add_page(struct man *m, const char *argument)
{
	char name[NAME_MAX_BYTES], heading[NAME_MAX_BYTES];
	const char *mark = strchr(argument, '#');
	struct buf page;

	if (mark == NULL)
		die("@page %s: expected FILE#Heading", argument);
	(void)snprintf(
	    name, sizeof(name), "%.*s", (int)(mark - argument), argument);
	(void)snprintf(heading, sizeof(heading), "## %s", mark + 1);
	buf_init(&page, PAGE_MAX);
	read_file(m->folder, name, &page);
	roff_add_blocks(&m->out, section(&page, name, heading));
	buf_clear(&page);
}

/* @intro FILE: what stands before its first section. */
static void
add_intro(struct man *m, const char *argument)
{
	struct buf page;

	buf_init(&page, PAGE_MAX);
	read_file(m->folder, argument, &page);
	roff_add_blocks(&m->out, page_intro(section(&page, argument, "#")));
	buf_clear(&page);
}

/* ---- schedctl's commands ---------------------------------------------- */

static void
add_command(struct man *m, const struct buf *page, const struct cmd *cmd)
{
	char heading[NAME_MAX_BYTES];
	int len = snprintf(heading, sizeof(heading), "### `%s%s%s`", cmd->words,
	    cmd->arguments[0] != '\0' ? " " : "", cmd->arguments);

	buf_add_str(&m->out, ".SS ");
	roff_add_usage(&m->out, (struct span){heading + 5, (size_t)len - 6});
	buf_add_char(&m->out, '\n');
	roff_add_blocks(&m->out, section(page, "docs/schedctl.md", heading));
}

/* @commands: all of them, each with its section of docs/schedctl.md. */
static void
add_commands(struct man *m, const char *argument)
{
	struct buf page;

	(void)argument;
	buf_init(&page, PAGE_MAX);
	read_file(m->folder, "docs/schedctl.md", &page);
	for (size_t i = 0; i < cmd_set.count; i++)
		add_command(m, &page, &cmd_set.cmds[i]);
	buf_clear(&page);
}

/* ---- settings --------------------------------------------------------- */

/* Behind the line that repeats the table. */
static struct span
without_facts(struct span body, const char *heading)
{
	struct span line;

	while (page_line(&body, &line))
		if (page_begins(line, "Type:"))
			return body;
	die("docs/config.md: %s has no line 'Type: ...'", heading);
}

/* In the words of the page: "Type: time. Default: 10s. SIGHUP: yes." */
static void
add_facts(
    struct buf *out, const struct conf_row *row, const struct conf_spec *spec)
{
	struct buf facts;

	buf_init(&facts, PAGE_MAX);
	buf_addf(&facts, "Type: %s. Default: ", row->type);
	if (row->fallback[0] == '\0')
		buf_add_str(&facts, "empty.");
	else
		buf_addf(&facts, "`%s`.", row->fallback);
	if (spec->most[0] != '\0')
		buf_addf(&facts, " Range: %s to %s.", spec->least, spec->most);
	buf_addf(&facts, " SIGHUP: %s.", row->reloadable ? "yes" : "no");
	roff_add_text(out, buf_span(&facts));
	buf_clear(&facts);
}

/* Settings that are there once for each of several parts, such as
 * log.level.http, have one section on the page: log.level.COMPONENT. */
static bool
is_of_family(const struct buf *page, const struct conf_row *row,
    char heading[NAME_MAX_BYTES])
{
	const char *dot = strchr(row->key, '.');
	struct span body;

	(void)snprintf(
	    heading, NAME_MAX_BYTES, "### %s.%s", row->section, row->key);
	if (dot == NULL || page_find(buf_span(page), heading, &body))
		return false;
	(void)snprintf(heading, NAME_MAX_BYTES, "### %s.%.*s.COMPONENT",
	    row->section, (int)(dot - row->key), row->key);
	return true;
}

static void
add_setting(struct man *m, const struct buf *page, const struct conf_row *row,
    const struct conf_spec *spec)
{
	char heading[NAME_MAX_BYTES];
	const char *key;

	if (is_of_family(page, row, heading) &&
	    strcmp(m->last_family, heading) == 0)
		return;
	memcpy(m->last_family, heading, sizeof(heading));
	key = heading + strlen("### ") + strlen(row->section) + strlen(".");
	buf_add_str(&m->out, ".TP 7\n");
	roff_add_usage(&m->out, span_of(key));
	buf_add_char(&m->out, '\n');
	add_facts(&m->out, row, spec);
	buf_add_str(&m->out, ".RS\n");
	roff_add_blocks(&m->out,
	    without_facts(section(page, "docs/config.md", heading), heading));
	buf_add_str(&m->out, ".RE\n");
}

/* "[http]" with what the page says of it as a whole. */
static void
add_settings_section(struct man *m, const struct buf *page, const char *name,
    enum conf_owner owner)
{
	char heading[NAME_MAX_BYTES];

	(void)snprintf(heading, sizeof(heading), "## [%s", name);
	if (owner == CONF_OWNER_conf_queue)
		buf_addf(
		    &m->out, ".SS [%s] and [%s \\(dqNAME\\(dq]\n", name, name);
	else if (owner == CONF_OWNER_conf_redis)
		buf_addf(&m->out, ".SS [%s \\(dqmain\\(dq]\n", name);
	else
		buf_addf(&m->out, ".SS [%s]\n", name);
	roff_add_blocks(
	    &m->out, page_intro(section(page, "docs/config.md", heading)));
}

/* @settings: all of them, each with its section of docs/config.md. */
static void
add_settings(struct man *m, const char *argument)
{
	const char *last = "";
	struct buf page;
	size_t count;
	const struct conf_row *rows = conf_rows(&count);

	(void)argument;
	buf_init(&page, PAGE_MAX);
	read_file(m->folder, "docs/config.md", &page);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(rows[i].section, last) != 0)
			add_settings_section(
			    m, &page, rows[i].section, conf_spec(i)->owner);
		last = rows[i].section;
		add_setting(m, &page, &rows[i], conf_spec(i));
	}
	buf_clear(&page);
}

/* ---- errors, the program's own options -------------------------------- */

static void
add_error(struct man *m, enum err e)
{
	const struct err_info *info = err_info(e);
	char first = (char)toupper((unsigned char)info->text[0]);
	struct buf text;

	buf_init(&text, PAGE_MAX);
	buf_addf(&text, "%c%s. ", first, info->text + 1);
	err_add_advice(&text, e);
	buf_addf(&m->out, ".TP 7\n\\fBE%03d %s\\fR (%d)\n", info->number,
	    info->name, info->http);
	roff_add_text(&m->out, buf_span(&text));
	buf_clear(&text);
}

/* @errors: all of them, with what to do. */
static void
add_errors(struct man *m, const char *argument)
{
	(void)argument;
	for (int e = ERR_OK + 1; e < ERR_COUNT; e++)
		add_error(m, (enum err)e);
}

/* @options: those of schedd. */
static void
add_options(struct man *m, const char *argument)
{
	static const char *const options[][2] = {
#define O(words, does) {words, does},
#include "schedd.def"
#undef O
	};

	(void)argument;
	for (size_t i = 0; i < COUNT_OF(options); i++) {
		buf_add_str(&m->out, ".TP 7\n");
		roff_add_usage(&m->out, span_of(options[i][0]));
		buf_add_char(&m->out, '\n');
		roff_add_text(&m->out, span_of(options[i][1]));
	}
}

/* @usage: words to be typed, and what stands for others. */
static void
add_usage(struct man *m, const char *argument)
{
	if (!roff_is_at_start(&m->out))
		buf_add_str(&m->out, ".br\n");
	roff_add_usage(&m->out, span_of(argument));
	buf_add_char(&m->out, '\n');
}

/* ---- the template ----------------------------------------------------- */

static const struct directive directives[] = {
    {"commands", add_commands},
    {"errors", add_errors},
    {"intro", add_intro},
    {"options", add_options},
    {"page", add_page},
    {"settings", add_settings},
    {"usage", add_usage},
};

static void
run_directive(struct man *m, struct span line)
{
	char text[NAME_MAX_BYTES], *argument;

	(void)snprintf(
	    text, sizeof(text), "%.*s", (int)line.len - 1, line.p + 1);
	argument = strchr(text, ' ');
	if (argument != NULL)
		*argument++ = '\0';
	for (size_t i = 0; i < COUNT_OF(directives); i++)
		if (strcmp(directives[i].word, text) == 0) {
			directives[i].fn(m, argument != NULL ? argument : "");
			return;
		}
	die("there is no @%s", text);
}

/* The first line, "# schedctl(1) User Commands". */
static void
add_title(struct man *m, struct span line)
{
	char name[64], title[64];
	int section;

	if (sscanf(line.p, "# %63[a-z.](%d) %63[^\n]", name, &section, title) !=
	    3)
		die("the first line is to be '# name(1) What Manual'");
	for (char *p = name; *p != '\0'; p++)
		*p = (char)toupper((unsigned char)*p);
	buf_add_str(&m->out, ".\\\" Made by the build; see pack/mkman.c.\n");
	buf_addf(&m->out, ".TH %s %d \"%s\" \"schedd %s\" \"%s\"\n", name,
	    section, m->date, m->version, title);
}

/* What stands between directives is Markdown. */
static void
add_template(struct man *m, struct span text)
{
	struct span line, plain;

	if (!page_line(&text, &line))
		die("the template is empty");
	add_title(m, line);
	plain = (struct span){text.p, 0};
	while (page_line(&text, &line)) {
		if (line.len == 0 || line.p[0] != '@') {
			plain.len = (size_t)(text.p - plain.p);
			continue;
		}
		roff_add_blocks(&m->out, plain);
		run_directive(m, line);
		plain = (struct span){text.p, 0};
	}
	roff_add_blocks(&m->out, plain);
}

int
main(int argc, char **argv)
{
	struct man m = {0};
	struct buf text;

	if (argc != 5)
		die("usage: mkman SOURCE_FOLDER TEMPLATE VERSION DATE >PAGE");
	m = (struct man){
	    .folder = argv[1], .version = argv[3], .date = argv[4]};
	buf_init(&m.out, PAGE_MAX);
	buf_init(&text, PAGE_MAX);
	read_file(m.folder, argv[2], &text);
	add_template(&m, buf_span(&text));
	if (m.out.failed)
		die("the page is too long");
	(void)fwrite(m.out.data, 1, m.out.len, stdout);
	buf_clear(&text);
	buf_clear(&m.out);
	if (fflush(stdout) != 0)
		die("the page cannot be written");
	return 0;
}
