/* What schedctl itself goes by; see settings.h. */

#include "cli/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FILE_MAX = 64 * 1024,
	PATH_MAX_BYTES = 4096,
	SHOWN_MAX = 64, /* bytes of what was misspelt that a line shows */
	TIMEOUT_MAX_MS = 86400000
};

enum kind {
	KIND_TEXT,
	KIND_FILE, /* "~/" is the home folder */
	KIND_TIME,
	KIND_FLAG,    /* yes or no; the option alone is yes */
	KIND_NO_COLOR /* the same; the variable is yes unless it is empty */
};

/* Sorted, as enum settings_key is. */
/* clang-format off */
static const struct {
	const char *name; /* of the option, and in the file */
	const char *variable;
	enum kind kind;
	const char *fallback;
} rows[SETTING_COUNT] = {
	[SETTING_CA] =         {"ca",         "SCHEDCTL_CA",         KIND_FILE,     NULL},
	[SETTING_CERT] =       {"cert",       "SCHEDCTL_CERT",       KIND_FILE,     NULL},
	[SETTING_JSON] =       {"json",       "SCHEDCTL_JSON",       KIND_FLAG,     "no"},
	[SETTING_NO_COLOR] =   {"no-color",   "NO_COLOR",            KIND_NO_COLOR, "no"},
	[SETTING_QUIET] =      {"quiet",      "SCHEDCTL_QUIET",      KIND_FLAG,     "no"},
	[SETTING_SERVER] =     {"server",     "SCHEDCTL_SERVER",     KIND_TEXT,     "http://127.0.0.1:7070"},
	[SETTING_TIMEOUT] =    {"timeout",    "SCHEDCTL_TIMEOUT",    KIND_TIME,     "30s"},
	[SETTING_TOKEN_FILE] = {"token-file", "SCHEDCTL_TOKEN_FILE", KIND_FILE,     NULL},
};
/* clang-format on */

/* ---- one value -------------------------------------------------------- */

/* Keeps the value, in place of what was there. */
static void
keep(struct settings *s, enum settings_key which, const char *text,
    const char *from)
{
	free(s->values[which].text);
	free(s->values[which].from);
	s->values[which].text = xstrdup(text);
	s->values[which].from = xstrdup(from);
}

/* What the kind takes, or NULL when text is that. */
static const char *
not_expected(enum kind kind, const char *text)
{
	uint64_t ms;

	if (kind == KIND_TIME &&
	    (!str_to_ms(span_of(text), &ms) || ms == 0 || ms > TIMEOUT_MAX_MS))
		return "expected seconds, or such as 500ms or 2m";
	if ((kind == KIND_FLAG || kind == KIND_NO_COLOR) &&
	    strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
		return "expected yes or no";
	return NULL;
}

/* From an option or a variable, whose name is from. */
static enum err
set_given(struct settings *s, enum settings_key which, const char *text,
    const char *from, struct buf *why)
{
	const char *wrong = not_expected(rows[which].kind, text);

	if (wrong != NULL) {
		buf_addf(why, "%s '%s': %s", from, text, wrong);
		return ERR_USAGE;
	}
	keep(s, which, text, from);
	return ERR_OK;
}

/* ---- the file --------------------------------------------------------- */

/* $XDG_CONFIG_HOME/schedctl.conf, else that of ~/.config; "" for neither. */
static void
file_path(char *path, size_t size)
{
	const char *base = getenv("XDG_CONFIG_HOME");
	const char *home = getenv("HOME");
	int len = 0;

	/* By that standard a relative one is no folder. */
	if (base != NULL && base[0] == '/')
		len = snprintf(path, size, "%s/schedctl.conf", base);
	else if (home != NULL && home[0] == '/')
		len = snprintf(path, size, "%s/.config/schedctl.conf", home);
	if (len <= 0 || (size_t)len >= size)
		path[0] = '\0';
}

/* What is under way in the file. */
struct reader {
	struct settings *settings;
	const char *path;
	unsigned line;
	struct buf *why;
	unsigned lines[SETTING_COUNT]; /* where each stands; 0: nowhere */
};

/* "path:3: 'name': ". */
static struct buf *
why_line(struct reader *r, struct span shown)
{
	if (shown.len > SHOWN_MAX)
		shown.len = SHOWN_MAX;
	buf_addf(r->why, "%s:%u: '%.*s': ", r->path, r->line, SPAN_ARG(shown));
	return r->why;
}

static enum err
unknown_name(struct reader *r, struct span name)
{
	struct buf *why = why_line(r, name);

	buf_add_str(why, "there is no such setting; expected one of ");
	for (size_t i = 0; i < SETTING_COUNT; i++)
		buf_addf(why, "%s%s", i > 0 ? ", " : "", rows[i].name);
	return ERR_USAGE;
}

/* The value as it is kept: a file's name with the home folder in it. */
static enum err
value_text(struct reader *r, enum settings_key which, struct span value,
    struct span name, struct buf *text)
{
	bool is_home = value.len > 1 && memcmp(value.p, "~/", 2) == 0;
	const char *home = getenv("HOME"), *wrong;

	if (rows[which].kind == KIND_FILE && is_home && home != NULL) {
		buf_add_str(text, home);
		value = (struct span){value.p + 1, value.len - 1};
	} else if (rows[which].kind == KIND_FILE && value.p[0] != '/') {
		/* Relative to what? The file is read from anywhere. */
		buf_addf(why_line(r, name),
		    "expected a path that begins with / or ~/");
		return ERR_USAGE;
	}
	buf_add_span(text, value);
	buf_add_char(text, '\0');
	if (text->failed) {
		buf_addf(why_line(r, name), "it is too long");
		return ERR_USAGE;
	}
	wrong = not_expected(rows[which].kind, text->data);
	if (wrong != NULL) {
		buf_addf(why_line(r, name), "%s, not '%.*s'", wrong,
		    SPAN_ARG(value));
		return ERR_USAGE;
	}
	return ERR_OK;
}

static enum err
set_from_file(struct reader *r, struct span name, struct span value)
{
	char from[PATH_MAX_BYTES + 16];
	enum settings_key which = 0;
	struct buf text;
	enum err err;

	while (which < SETTING_COUNT && !span_is(name, rows[which].name))
		which++;
	if (which == SETTING_COUNT)
		return unknown_name(r, name);
	if (r->lines[which] > 0) {
		buf_addf(why_line(r, name), "it stands twice, first in line %u",
		    r->lines[which]);
		return ERR_USAGE;
	}
	r->lines[which] = r->line;
	if (value.len == 0)
		return ERR_OK;
	(void)snprintf(from, sizeof(from), "%s:%u", r->path, r->line);
	buf_init(&text, FILE_MAX);
	err = value_text(r, which, value, name, &text);
	if (err == ERR_OK)
		keep(r->settings, which, text.data, from);
	buf_clear(&text);
	return err;
}

static struct span
trim(struct span s)
{
	while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = (struct span){s.p + 1, s.len - 1};
	while (s.len > 0 && strchr(" \t\r", s.p[s.len - 1]) != NULL)
		s.len--;
	return s;
}

static enum err
read_line(struct reader *r, struct span line)
{
	const char *mark;
	struct span name;

	line = trim(line);
	if (line.len == 0 || line.p[0] == '#' || line.p[0] == ';')
		return ERR_OK;
	mark = memchr(line.p, '=', line.len);
	if (mark == NULL || memchr(line.p, '\0', line.len) != NULL) {
		buf_addf(why_line(r, line), "expected name = value");
		return ERR_USAGE;
	}
	name = (struct span){line.p, (size_t)(mark - line.p)};
	line = (struct span){mark + 1, line.len - name.len - 1};
	return set_from_file(r, trim(name), trim(line));
}

static enum err
read_lines(struct reader *r, struct span text)
{
	enum err err = ERR_OK;
	const char *end;
	struct span line;

	while (err == ERR_OK && text.len > 0) {
		r->line++;
		end = memchr(text.p, '\n', text.len);
		line = text;
		if (end != NULL)
			line.len = (size_t)(end - text.p);
		err = read_line(r, line);
		text.p += line.len;
		text.len -= line.len;
		if (end != NULL)
			text = (struct span){text.p + 1, text.len - 1};
	}
	return err;
}

/* No file is fine; one that cannot be read is not. */
static enum err
read_file(struct settings *s, struct buf *why)
{
	char path[PATH_MAX_BYTES];
	struct reader r = {.settings = s, .path = path, .why = why};
	enum err err = ERR_OK;
	char *text;
	size_t len;
	FILE *file;

	file_path(path, sizeof(path));
	if (path[0] == '\0')
		return ERR_OK;
	file = fopen(path, "re");
	if (file == NULL && (errno == ENOENT || errno == ENOTDIR))
		return ERR_OK;
	if (file == NULL) {
		buf_addf(why, "cannot read %s: %s", path, strerror(errno));
		return ERR_USAGE;
	}
	text = xcalloc(FILE_MAX + 1, 1);
	len = fread(text, 1, FILE_MAX + 1, file);
	if (ferror(file) || len > FILE_MAX) {
		buf_addf(why, "cannot read %s: %s", path,
		    len > FILE_MAX ? "it has more than 64 KiB"
				   : strerror(errno));
		err = ERR_USAGE;
	} else {
		err = read_lines(&r, (struct span){text, len});
	}
	free(text);
	(void)fclose(file);
	return err;
}

/* ---- the whole -------------------------------------------------------- */

/* The option, else the variable, over what is there. */
static enum err
read_given(struct settings *s, const struct args *args, enum settings_key which,
    struct buf *why)
{
	const char *text = args_value(args, rows[which].name);
	const char *variable = getenv(rows[which].variable);
	char option[32];

	if (text != NULL && rows[which].kind >= KIND_FLAG)
		text = "yes";
	(void)snprintf(option, sizeof(option), "--%s", rows[which].name);
	if (text != NULL && *text != '\0')
		return set_given(s, which, text, option, why);
	if (variable == NULL || *variable == '\0')
		return ERR_OK;
	if (rows[which].kind == KIND_NO_COLOR)
		variable = "yes";
	return set_given(s, which, variable, rows[which].variable, why);
}

enum err
settings_load(struct settings *s, const struct args *args, struct buf *why)
{
	enum err err;

	*s = (struct settings){0};
	for (enum settings_key i = 0; i < SETTING_COUNT; i++)
		if (rows[i].fallback != NULL)
			keep(s, i, rows[i].fallback, "the default");
	err = read_file(s, why);
	for (enum settings_key i = 0; err == ERR_OK && i < SETTING_COUNT; i++)
		err = read_given(s, args, i, why);
	return err;
}

void
settings_clear(struct settings *s)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		free(s->values[i].text);
		free(s->values[i].from);
	}
	*s = (struct settings){0};
}

const char *
settings_text(const struct settings *s, enum settings_key which)
{
	return s->values[which].text;
}

bool
settings_is_on(const struct settings *s, enum settings_key which)
{
	return strcmp(s->values[which].text, "yes") == 0;
}

uint64_t
settings_ms(const struct settings *s, enum settings_key which)
{
	uint64_t ms = 0;

	/* It was looked at when it was set. */
	ASSERT(str_to_ms(span_of(s->values[which].text), &ms));
	return ms;
}

const char *
settings_from(const struct settings *s, enum settings_key which)
{
	return s->values[which].from;
}
