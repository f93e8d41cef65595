/*
 * Settings from a file and from arguments, as sources. inih splits the lines;
 * what it would do silently is kept from it: it cuts lines at 199 characters
 * and section names at 49, takes duplicates, and stops texts at a NUL byte.
 * So every line passes our checks first, and sections never reach it.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

#include "core/conf_priv.h"

enum {
	LINE_LEN_MAX = 199, /* what inih 55 takes as one line */
	SECTION_LEN_MAX = 16,
	SHOWN_MAX = 96 /* bytes of a bad value that an error line shows */
};

static const char BLANKS[] = " \t";

/* Where a setting comes from, for the error line. */
struct origin {
	const char *label; /* the file's name; NULL for an argument */
	unsigned line;
	struct span word; /* the argument up to its '=' */
};

/* What is under way in a file. */
struct reader {
	struct conf_sources *sources;
	struct buf *why;
	const char *p, *end; /* what is left of the text */
	struct origin at;
	bool in_section;
	char section[SECTION_LEN_MAX + 1];
	char name[NAME_MAX_LEN + 1]; /* of the section, "" for none */
	enum err err;
};

/* ---- sources ---------------------------------------------------------- */

static void
source_clear(struct conf_source *s)
{
	free(s->name);
	free(s->text);
	free(s->where);
}

void
conf_sources_clear(struct conf_sources *sources)
{
	for (size_t i = 0; i < sources->count; i++)
		source_clear(&sources->items[i]);
	free(sources->items);
	*sources = (struct conf_sources){0};
}

static struct conf_source *
source_find(const struct conf_sources *sources, size_t row, const char *name)
{
	for (size_t i = 0; i < sources->count; i++) {
		struct conf_source *s = &sources->items[i];

		if (s->row == row && strcmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

static struct conf_source *
source_new(struct conf_sources *sources)
{
	if (sources->count == sources->cap) {
		sources->cap = sources->cap == 0 ? 32 : sources->cap * 2;
		sources->items = xrealloc(
		    sources->items, sources->cap, sizeof(*sources->items));
	}
	return &sources->items[sources->count++];
}

/* ---- error lines ------------------------------------------------------ */

static void
why_origin(struct buf *why, const struct origin *at)
{
	char quoted[SHOWN_MAX];

	buf_reset(why, why->cap);
	if (at->label != NULL)
		buf_addf(why, "%s:%u: ", at->label, at->line);
	else
		buf_addf(
		    why, "%s: ", log_quote(quoted, sizeof(quoted), at->word));
}

/* A piece of the settings as it may stand in a line. */
static void
why_add_quoted(struct buf *why, struct span s)
{
	char quoted[SHOWN_MAX];

	log_quote(quoted, sizeof(quoted), s);
	buf_addf(why, quoted[0] == '"' ? "%s" : "\"%s\"", quoted);
}

static void
why_add_value(struct buf *why, size_t row, const char *text)
{
	struct buf shown;

	buf_init(&shown, SIZE_MAX / 2);
	conf_value_add_shown(row, text, &shown);
	why_add_quoted(why, buf_span(&shown));
	buf_clear(&shown);
}

static enum err __attribute__((format(printf, 4, 5))) fail(struct buf *why,
    const struct origin *at, enum err err, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	why_origin(why, at);
	buf_add_str(why, text);
	return err;
}

/* "[queue "mail"] lease: ", where the origin does not say it already. */
static void
why_setting(struct buf *why, const struct origin *at, const char *section,
    const char *name, struct span key)
{
	why_origin(why, at);
	if (at->label == NULL)
		return;
	buf_addf(why, "[%s", section);
	if (name[0] != '\0')
		buf_addf(why, " \"%s\"", name);
	buf_add_str(why, "] ");
	if (key.len < SHOWN_MAX / 4 && id_is_valid(key))
		buf_add_span(why, key);
	else
		why_add_quoted(why, key);
	buf_add_str(why, ": ");
}

/* The length of "file." in "file.janitor", 0 for keys without a dot. */
static size_t
family_len(const char *key)
{
	const char *dot = strchr(key, '.');

	return dot == NULL ? 0 : (size_t)(dot - key) + 1;
}

/* Does the key begin as those of the row's family do? */
static bool
is_family(const struct conf_row *row, struct span key)
{
	size_t len = family_len(row->key);

	return len > 0 && key.len >= len && memcmp(key.p, row->key, len) == 0;
}

static void
why_sections(struct buf *why)
{
	size_t count;
	const struct conf_row *rows = conf_rows(&count);

	buf_addf(why, "; expected one of %s", rows[0].section);
	for (size_t i = 1; i < count; i++)
		if (strcmp(rows[i].section, rows[i - 1].section) != 0)
			buf_addf(why, ", %s", rows[i].section);
}

/* "; expected one of a, b": the keys of a section. A family is one of them,
 * unless the wrong key is of that family: then its members are. */
static void
why_keys(struct buf *why, const char *section, struct span key)
{
	size_t count, shown = 0;
	const struct conf_row *rows = conf_rows(&count), *last = NULL;
	bool is_member = false;

	for (size_t i = 0; i < count; i++)
		if (strcmp(rows[i].section, section) == 0)
			is_member |= is_family(&rows[i], key);
	for (size_t i = 0; i < count; i++) {
		size_t len = family_len(rows[i].key);

		if (strcmp(rows[i].section, section) != 0 ||
		    is_member != is_family(&rows[i], key) ||
		    (!is_member && last != NULL &&
			is_family(last, span_of(rows[i].key))))
			continue;
		buf_add_str(why, shown++ == 0 ? "; expected one of " : ", ");
		if (is_member || len == 0)
			buf_add_str(why, rows[i].key);
		else
			buf_addf(why, "%.*sCOMPONENT", (int)len, rows[i].key);
		last = &rows[i];
	}
}

/* ---- one setting ------------------------------------------------------ */

static enum err
section_check(struct buf *why, const struct origin *at, struct span section,
    struct span name, bool has_name)
{
	size_t count, row = 0;
	const struct conf_row *rows = conf_rows(&count);
	enum conf_owner owner;

	while (row < count && !span_is(section, rows[row].section))
		row++;
	if (row == count) {
		why_origin(why, at);
		why_add_quoted(why, section);
		buf_add_str(why, ": no such section");
		why_sections(why);
		return ERR_CONF_UNKNOWN;
	}
	owner = conf_spec(row)->owner;
	if (owner == CONF_OWNER_conf_redis && !has_name)
		return fail(why, at, ERR_CONF_UNKNOWN,
		    "expected a backend's name: %s",
		    at->label != NULL ? "[redis \"main\"]"
				      : "--redis.main.KEY=VALUE");
	if (owner == CONF_OWNER_conf && has_name)
		return fail(why, at, ERR_CONF_UNKNOWN,
		    "expected %s without a name", rows[row].section);
	if (has_name && !name_is_valid(name))
		return fail(why, at, ERR_CONF_VALUE,
		    "expected a name of 1 to 64 of A-Za-z0-9._:@-");
	return ERR_OK;
}

static size_t
row_find(const char *section, struct span key)
{
	size_t count, row = 0;
	const struct conf_row *rows = conf_rows(&count);

	while (row < count && !(strcmp(rows[row].section, section) == 0 &&
				  span_is(key, rows[row].key)))
		row++;
	return row;
}

/* In a file a setting stands once; an argument wins over what was before. */
static enum err
setting_add(struct reader *r, struct span key, const char *text)
{
	size_t row = row_find(r->section, key);
	struct conf_source *s;
	struct buf where;

	if (row == CONF_ROW_COUNT) {
		why_setting(r->why, &r->at, r->section, r->name, key);
		buf_add_str(r->why, "no such setting");
		why_keys(r->why, r->section, key);
		return ERR_CONF_UNKNOWN;
	}
	if (!conf_value_is_valid(row, text)) {
		why_setting(r->why, &r->at, r->section, r->name, key);
		buf_add_str(r->why, "expected ");
		conf_value_expected(row, r->why);
		buf_add_str(r->why, ", got ");
		why_add_value(r->why, row, text);
		return ERR_CONF_VALUE;
	}
	s = source_find(r->sources, row, r->name);
	if (s != NULL && r->at.label != NULL) {
		why_setting(r->why, &r->at, r->section, r->name, key);
		buf_addf(r->why, "stands twice, first at %s", s->where);
		return ERR_CONF_SYNTAX;
	}
	if (s != NULL)
		source_clear(s);
	else
		s = source_new(r->sources);
	buf_init(&where, SIZE_MAX / 2);
	if (r->at.label != NULL)
		buf_addf(&where, "%s:%u", r->at.label, r->at.line);
	else
		buf_add_str(&where, "argument");
	*s = (struct conf_source){.row = row,
	    .name = xstrdup(r->name),
	    .text = xstrdup(text),
	    .where = xmemdupz(where.data, where.len)};
	buf_clear(&where);
	return ERR_OK;
}

static void
reader_enter(struct reader *r, struct span section, struct span name)
{
	memcpy(r->section, section.p, section.len);
	r->section[section.len] = '\0';
	if (name.len > 0)
		memcpy(r->name, name.p, name.len);
	r->name[name.len] = '\0';
	r->in_section = true;
}

/* ---- the file --------------------------------------------------------- */

static struct span
span_trim(struct span s)
{
	while (s.len > 0 && memchr(BLANKS, s.p[0], 2) != NULL)
		s = (struct span){s.p + 1, s.len - 1};
	while (s.len > 0 && memchr(BLANKS, s.p[s.len - 1], 2) != NULL)
		s.len--;
	return s;
}

/* Cuts s at the first c: what is before it, and the rest behind it. */
static bool
span_cut(struct span s, char c, struct span *before, struct span *behind)
{
	const char *at = s.len > 0 ? memchr(s.p, c, s.len) : NULL;

	if (at == NULL)
		return false;
	*before = (struct span){s.p, (size_t)(at - s.p)};
	*behind = (struct span){at + 1, s.len - before->len - 1};
	return true;
}

/* [section] or [section "name"], and nothing behind it but a comment. */
static enum err
reader_section(struct reader *r, struct span line)
{
	struct span inner, rest, name = {"", 0};
	bool has_name;
	enum err err;

	if (!span_cut(line, ']', &inner, &rest))
		return fail(r->why, &r->at, ERR_CONF_SYNTAX,
		    "expected ] at the end of the section's name");
	rest = span_trim(rest);
	if (rest.len > 0 && rest.p[0] != ';' && rest.p[0] != '#')
		return fail(r->why, &r->at, ERR_CONF_SYNTAX,
		    "expected nothing behind the section's name");
	inner = span_trim((struct span){inner.p + 1, inner.len - 1});
	has_name = span_cut(inner, '"', &inner, &name);
	if (has_name &&
	    (!span_cut(name, '"', &name, &rest) || span_trim(rest).len > 0))
		return fail(r->why, &r->at, ERR_CONF_SYNTAX,
		    "expected [section \"name\"]");
	inner = span_trim(inner);
	err = section_check(r->why, &r->at, inner, name, has_name);
	if (err == ERR_OK)
		reader_enter(r, inner, name);
	return err;
}

/* What no line of settings may hold. */
static enum err
reader_check_line(struct reader *r, struct span line)
{
	if (line.len > LINE_LEN_MAX)
		return fail(r->why, &r->at, ERR_CONF_SYNTAX,
		    "expected at most %d bytes in a line, got %zu",
		    (int)LINE_LEN_MAX, line.len);
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return fail(r->why, &r->at, ERR_CONF_SYNTAX,
			    "expected text, got the control character %02x",
			    (unsigned)c);
	}
	if (!utf8_is_valid(line.p, line.len))
		return fail(r->why, &r->at, ERR_CONF_SYNTAX,
		    "expected UTF-8, got other bytes");
	return ERR_OK;
}

/* The next line of the text, without its end. */
static struct span
reader_take_line(struct reader *r)
{
	struct span rest = {r->p, (size_t)(r->end - r->p)}, line, behind;

	if (span_cut(rest, '\n', &line, &behind)) {
		r->p = behind.p;
	} else {
		line = rest;
		r->p = r->end;
	}
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* inih asks for a line; a section is taken out and shown to it as empty. */
static char *
reader_on_line(char *dst, int size, void *arg)
{
	struct reader *r = arg;
	struct span line, trimmed;

	if (r->err != ERR_OK || r->p == r->end)
		return NULL;
	line = reader_take_line(r);
	r->at.line++;
	r->err = reader_check_line(r, line);
	if (r->err != ERR_OK)
		return NULL;
	trimmed = span_trim(line);
	if (trimmed.len > 0 && trimmed.p[0] == '[') {
		r->err = reader_section(r, trimmed);
		line.len = 0;
	}
	ASSERT(size > 0 && line.len < (size_t)size);
	if (line.len > 0)
		memcpy(dst, line.p, line.len);
	dst[line.len] = '\0';
	return r->err == ERR_OK ? dst : NULL;
}

/* inih calls this for each key and value; 0 says that it failed. */
static int
reader_on_setting(
    void *arg, const char *section, const char *key, const char *value)
{
	struct reader *r = arg;

	(void)section;
	if (!r->in_section)
		r->err = fail(r->why, &r->at, ERR_CONF_SYNTAX,
		    "expected a [section] before the first setting");
	else if (strstr(value, " #") != NULL || strstr(value, "\t#") != NULL)
		r->err = fail(r->why, &r->at, ERR_CONF_SYNTAX,
		    "expected no # in a value: a comment behind one begins "
		    "with \" ;\"");
	else
		r->err = setting_add(r, span_of(key), value);
	return r->err == ERR_OK;
}

enum err
conf_read_text(struct conf_sources *sources, const char *label,
    struct span text, struct buf *why)
{
	struct reader r = {.sources = sources,
	    .why = why,
	    .p = text.p,
	    .end = text.len > 0 ? text.p + text.len : text.p,
	    .at = {.label = label}};

	if (text.len >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
		r.p += 3;
	ini_allow_multiline = false;
	ini_stop_on_first_error = true;
	if (ini_parse_stream(reader_on_line, &r, reader_on_setting, &r) != 0 &&
	    r.err == ERR_OK)
		r.err =
		    fail(why, &r.at, ERR_CONF_SYNTAX, "expected key = value");
	return r.err;
}

/* ---- arguments -------------------------------------------------------- */

/* "name.key" into its parts; the name may hold dots. Where the section has
 * keys with a dot, or there is none, all of it is the key. */
static struct span
cut_name(struct span section, struct span *key)
{
	const char *dot = key->p + key->len;
	size_t count;
	const struct conf_row *rows = conf_rows(&count);
	struct span name = {"", 0};

	for (size_t i = 0; i < count; i++)
		if (span_is(section, rows[i].section) &&
		    is_family(&rows[i], *key))
			return name;
	while (dot > key->p && dot[-1] != '.')
		dot--;
	if (dot > key->p)
		name = (struct span){key->p, (size_t)(dot - 1 - key->p)};
	*key = (struct span){dot, (size_t)(key->p + key->len - dot)};
	return name;
}

/* --section.key=value or --section.name.key=value. */
static enum err
read_arg(struct conf_sources *sources, const char *arg, struct buf *why)
{
	struct span word, value, section, rest, key, name;
	struct reader r = {
	    .sources = sources, .why = why, .at = {.word = span_of(arg)}};
	enum err err;

	if (strncmp(arg, "--", 2) != 0 ||
	    !span_cut(span_of(arg + 2), '=', &word, &value))
		return fail(why, &r.at, ERR_CONF_SYNTAX,
		    "expected --section.key=value");
	r.at.word.len = word.len + 2;
	if (!span_cut(word, '.', &section, &rest))
		return fail(why, &r.at, ERR_CONF_SYNTAX,
		    "expected --section.key=value");
	key = rest;
	name = cut_name(section, &key);
	err = section_check(why, &r.at, section, name, key.p > rest.p);
	if (err != ERR_OK)
		return err;
	reader_enter(&r, section, name);
	return setting_add(&r, key, value.p);
}

enum err
conf_read_args(struct conf_sources *sources, char *const *args,
    size_t arg_count, struct buf *why)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < arg_count && err == ERR_OK; i++)
		err = read_arg(sources, args[i], why);
	return err;
}
