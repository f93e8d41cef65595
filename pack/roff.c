/* Markdown as man(7); see roff.h. Blocks are taken line by line, the text of
 * each paragraph is gathered first, so that code and links may go over the
 * end of a line. */

#include "pack/roff.h"

#include <ctype.h>

#include "core/mem.h"

enum { TEXT_MAX = 1 << 20, LINE_MAX = 76, CELLS_MAX = 8 };

/* ---- letters ---------------------------------------------------------- */

/* A letter of code: groff would print typographic ones for some. */
static void
add_code_char(struct buf *out, char c)
{
	static const char *const names[128] = {['\\'] = "\\e",
	    ['-'] = "\\-",
	    ['\''] = "\\(aq",
	    ['`'] = "\\(ga",
	    ['^'] = "\\(ha",
	    ['~'] = "\\(ti",
	    ['"'] = "\\(dq"};
	const char *name = (unsigned char)c < 128 ? names[(int)c] : NULL;

	if (name != NULL)
		buf_add_str(out, name);
	else
		buf_add_char(out, c);
}

void
roff_add_code(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		add_code_char(out, text.p[i]);
}

/* Is it a word in the place of something else, such as QUEUE or ID[=ERROR]? */
static bool
is_stand_in(struct span word)
{
	bool has_letter = false;

	for (size_t i = 0; i < word.len; i++) {
		unsigned char c = (unsigned char)word.p[i];

		if (islower(c) || c == '-')
			return false;
		has_letter |= isupper(c) != 0;
	}
	return has_letter;
}

void
roff_add_usage(struct buf *out, struct span text)
{
	const char *end = text.p + text.len;

	for (const char *p = text.p; p < end; p++) {
		struct span word = {p, 0};

		while (p < end && *p != ' ')
			p++;
		word.len = (size_t)(p - word.p);
		buf_add_str(out, is_stand_in(word) ? "\\fI" : "\\fB");
		roff_add_code(out, word);
		buf_add_str(out, "\\fR");
		if (p < end)
			buf_add_char(out, ' ');
	}
}

/* ---- the text of a paragraph ------------------------------------------ */

/* Where mark comes next, from at on; the length of text when it does not. */
static size_t
find(struct span text, size_t at, const char *mark)
{
	size_t len = strlen(mark);

	for (; at + len <= text.len; at++)
		if (memcmp(text.p + at, mark, len) == 0)
			return at;
	return text.len;
}

static struct span
part(struct span text, size_t from, size_t to)
{
	return (struct span){text.p + from, to - from};
}

/* font: what to go back to behind a mark, 'R' or 'B'. */
static void add_inline(struct buf *out, struct span text, char font);

/* Code of a table holds | as \|. */
static void
add_inline_code(struct buf *out, struct span code, char font)
{
	buf_add_str(out, "\\fB");
	for (size_t i = 0; i < code.len; i++)
		if (code.p[i] == '\n')
			buf_add_char(out, ' ');
		else if (code.p[i] != '\\' || i + 1 == code.len ||
			 code.p[i + 1] != '|')
			add_code_char(out, code.p[i]);
	buf_addf(out, "\\f%c", font);
}

/* Of [text](target) the text. False when it is no link. */
static bool
add_link(struct buf *out, struct span text, size_t *at, char font)
{
	size_t middle = find(text, *at, "]"), end = find(text, middle, ")");

	if (end >= text.len || text.p[middle + 1] != '(')
		return false;
	add_inline(out, part(text, *at + 1, middle), font);
	*at = end + 1;
	return true;
}

/* What stands between two marks, or false. */
static bool
add_marked(struct buf *out, struct span text, size_t *at, char font)
{
	bool is_code = text.p[*at] == '`';
	const char *mark = is_code ? "`" : "**";
	size_t begin = *at + strlen(mark), end = find(text, begin, mark);

	if (begin > text.len || end >= text.len ||
	    memcmp(text.p + *at, mark, strlen(mark)) != 0)
		return false;
	if (is_code) {
		add_inline_code(out, part(text, begin, end), font);
	} else {
		buf_add_str(out, "\\fB");
		add_inline(out, part(text, begin, end), 'B');
		buf_addf(out, "\\f%c", font);
	}
	*at = end + strlen(mark);
	return true;
}

/* Text with its marks, as one line of roff. */
static void
add_inline(struct buf *out, struct span text, char font)
{
	size_t at = 0;

	while (at < text.len) {
		char c = text.p[at];

		if ((c == '`' || c == '*') && add_marked(out, text, &at, font))
			continue;
		if (c == '[' && add_link(out, text, &at, font))
			continue;
		if (c == '\\' && at + 1 < text.len)
			c = text.p[++at];
		if (c == '\\')
			buf_add_str(out, "\\e");
		else
			buf_add_char(out, c == '\n' ? ' ' : c);
		at++;
	}
}

/* Does a sentence end before the blank at this place? */
static bool
ends_sentence(struct span text, size_t blank)
{
	return blank > 1 && strchr(".!?", text.p[blank - 1]) != NULL &&
	       blank + 1 < text.len &&
	       (isupper((unsigned char)text.p[blank + 1]) ||
		   text.p[blank + 1] == '\\');
}

static void
add_line(struct buf *out, struct span line)
{
	if (line.len > 0 && (line.p[0] == '.' || line.p[0] == '\''))
		buf_add_str(out, "\\&");
	buf_add_span(out, line);
	buf_add_char(out, '\n');
}

/* In lines of some length; a sentence begins a new one. */
static void
add_filled(struct buf *out, struct span text)
{
	size_t start = 0, last = 0;

	for (size_t i = 0; i <= text.len; i++) {
		bool is_end = i == text.len;

		if (!is_end && text.p[i] != ' ')
			continue;
		if (i - start > LINE_MAX && last > start) {
			add_line(out, part(text, start, last));
			start = last + 1;
		}
		if (i > start && (is_end || ends_sentence(text, i))) {
			add_line(out, part(text, start, i));
			start = i + 1;
		}
		last = i;
	}
}

void
roff_add_text(struct buf *out, struct span text)
{
	struct buf line;

	buf_init(&line, TEXT_MAX);
	add_inline(&line, text, 'R');
	add_filled(out, buf_span(&line));
	buf_clear(&line);
}

/* ---- blocks ----------------------------------------------------------- */

struct blocks {
	struct buf *out;
	struct span rest;
	struct buf text; /* of the paragraph or item that is being read */
};

static size_t
blanks(struct span line)
{
	size_t n = 0;

	while (n < line.len && line.p[n] == ' ')
		n++;
	return n;
}

bool
roff_is_at_start(const struct buf *out)
{
	size_t at = out->len;

	while (at > 1 && out->data[at - 2] != '\n')
		at--;
	return at == 0 ||
	       page_begins(part(buf_span(out), at - 1, out->len), ".S") ||
	       page_begins(part(buf_span(out), at - 1, out->len), ".RS");
}

static void
flush(struct blocks *b)
{
	if (b->text.len > 0)
		roff_add_text(b->out, buf_span(&b->text));
	buf_reset(&b->text, TEXT_MAX);
}

static void
add_heading(struct blocks *b, struct span line)
{
	size_t level = 0;

	while (line.p[level] == '#')
		level++;
	buf_add_str(b->out, level <= 2 ? ".SH " : ".SS ");
	add_inline(b->out, part(line, level + 1, line.len), 'R');
	buf_add_char(b->out, '\n');
}

static void
add_code_line(struct buf *out, struct span line)
{
	if (line.len > 0 && (line.p[0] == '.' || line.p[0] == '\''))
		buf_add_str(out, "\\&");
	roff_add_code(out, line);
	buf_add_char(out, '\n');
}

static void
begin_code(struct buf *out)
{
	buf_add_str(
	    out, roff_is_at_start(out) ? ".RS 2\n.EX\n" : ".sp\n.RS 2\n.EX\n");
}

/* To the closing fence. */
static void
add_fenced(struct blocks *b)
{
	struct span line;

	begin_code(b->out);
	while (page_line(&b->rest, &line) && !page_begins(line, "```"))
		add_code_line(b->out, line);
	buf_add_str(b->out, ".EE\n.RE\n");
}

/* As long as lines are indented; empty ones between them belong to it. */
static void
add_indented(struct blocks *b, struct span line)
{
	struct span next;

	begin_code(b->out);
	for (;;) {
		add_code_line(b->out, part(line, 4, line.len));
		next = b->rest;
		if (!page_line(&next, &line))
			break;
		if (line.len == 0 && page_begins(next, "    ")) {
			buf_add_char(b->out, '\n');
			b->rest = next;
			(void)page_line(&next, &line);
		}
		if (!page_begins(line, "    "))
			break;
		b->rest = next;
	}
	buf_add_str(b->out, ".EE\n.RE\n");
}

/* "- " or "1. ": its length, else 0. */
static size_t
item_mark(struct span line)
{
	size_t n = 0;

	if (page_begins(line, "- "))
		return 2;
	while (n < line.len && isdigit((unsigned char)line.p[n]))
		n++;
	return n > 0 && page_begins(part(line, n, line.len), ". ") ? n + 2 : 0;
}

static void
begin_item(struct blocks *b, struct span line, size_t mark)
{
	if (mark == 2)
		buf_add_str(b->out, ".IP \\(bu 2\n");
	else
		buf_addf(b->out, ".IP %.*s 4\n", (int)mark - 1, line.p);
	buf_add_span(&b->text, part(line, mark, line.len));
}

/* ---- tables ----------------------------------------------------------- */

/* Is the last column about the first, and what is between a mere note? Its
 * head is one word then, such as "level". */
static bool
has_notes(const struct span *heads, size_t count)
{
	struct span last = heads[count - 1];

	if (!page_begins(last, "means") && !page_begins(last, "what to do"))
		return false;
	for (size_t i = 1; i + 1 < count; i++)
		if (memchr(heads[i].p, ' ', heads[i].len) != NULL)
			return false;
	return true;
}

static void
add_tag(struct buf *out, struct span cell)
{
	if (page_begins(cell, "`-"))
		roff_add_usage(out, part(cell, 1, cell.len - 1));
	else
		add_inline(out, cell, 'R');
}

/* A row as a paragraph that hangs on its first cell. */
static void
add_row(struct buf *out, const struct span *heads, const struct span *cells,
    size_t count)
{
	bool notes = has_notes(heads, count);
	struct buf text;

	buf_init(&text, TEXT_MAX);
	buf_add_str(out, ".TP 7\n");
	add_tag(out, cells[0]);
	for (size_t i = 1; i < count; i++) {
		if (cells[i].len == 0)
			continue;
		if (notes && i + 1 < count) {
			buf_add_str(out, " (");
			add_inline(out, cells[i], 'R');
			buf_add_char(out, ')');
			continue;
		}
		if (count > 2 && !notes)
			buf_addf(&text, "%s%.*s: ", text.len > 0 ? "; " : "",
			    SPAN_ARG(heads[i]));
		buf_add_span(&text, cells[i]);
	}
	buf_add_char(out, '\n');
	roff_add_text(out, buf_span(&text));
	buf_clear(&text);
}

static void
add_table(struct blocks *b, struct span line)
{
	struct span heads[CELLS_MAX], cells[CELLS_MAX], next;
	size_t count = page_cells(line, heads, CELLS_MAX);

	(void)page_line(&b->rest, &line); /* |---|---| */
	for (next = b->rest; page_line(&next, &line) && page_begins(line, "|");
	     b->rest = next) {
		size_t have = page_cells(line, cells, CELLS_MAX);

		if (have > 0)
			add_row(
			    b->out, heads, cells, have < count ? have : count);
	}
}

/* ---- the whole -------------------------------------------------------- */

static void
add_block_line(struct blocks *b, struct span line)
{
	size_t mark = item_mark(line);
	bool is_start = b->text.len == 0;

	if (line.len > 0 && line.p[0] != '#' && line.p[0] != '|' && mark == 0 &&
	    !page_begins(line, "```") && !(is_start && blanks(line) >= 4)) {
		if (is_start && !roff_is_at_start(b->out))
			buf_add_str(b->out, ".PP\n");
		if (!is_start)
			buf_add_char(&b->text, '\n');
		buf_add_span(&b->text, part(line, blanks(line), line.len));
		return;
	}
	flush(b);
	if (line.len == 0)
		return;
	if (mark > 0)
		begin_item(b, line, mark);
	else if (line.p[0] == '#')
		add_heading(b, line);
	else if (line.p[0] == '|')
		add_table(b, line);
	else if (line.p[0] == '`')
		add_fenced(b);
	else
		add_indented(b, line);
}

void
roff_add_blocks(struct buf *out, struct span text)
{
	struct blocks b = {.out = out, .rest = text};
	struct span line;

	buf_init(&b.text, TEXT_MAX);
	while (page_line(&b.rest, &line))
		add_block_line(&b, line);
	flush(&b);
	buf_clear(&b.text);
}
