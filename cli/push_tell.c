/*
 * What became of each line of a push: on stdout as a member of one JSON
 * document (--json), on stderr where it was refused, in the file of the
 * refused; see push_priv.h.
 */

#include <stdio.h>
#include <stdlib.h>

#include "cli/push_priv.h"
#include "core/arena.h"

enum {
	ARENA_MAX = 1 << 30,
	TOLD_MAX = 10 /* on stderr, where a file has all of them */
};

/* ---- where ------------------------------------------------------------ */

void
push_add_place(
    const struct push *p, struct buf *out, uint64_t line, size_t file)
{
	if (p->source == NULL) {
		buf_add_str(out, "argument ");
	} else {
		if (p->plan->names_files)
			buf_addf(
			    out, "%s: ", source_name(p->plan->files[file]));
		buf_add_str(out, "line ");
	}
	buf_add_u64(out, line);
}

struct span
push_item_id(const struct push_batch *b, const struct push_item *item)
{
	return (struct span){b->text.data + item->id_at, item->id_len};
}

/* ---- one result ------------------------------------------------------- */

/* The members that say where, "\"line\":12" and the file's name. */
static void
add_members(const struct push *p, const struct push_item *item, struct buf *out)
{
	buf_addf(out, "\"line\":%llu", (unsigned long long)item->line);
	if (p->source == NULL || !p->plan->names_files)
		return;
	buf_add_str(out, ",\"file\":");
	buf_add_json(out, span_of(p->plan->files[item->file]));
}

/* As a member of the list that --json prints; rest begins with a comma. */
static void
write_result(struct push *p, const struct push_item *item, struct span id,
    const char *status, struct span rest)
{
	struct buf out;

	if (!p->c->json)
		return;
	buf_init(&out, PUSH_TEXT_MAX);
	buf_add_str(&out, p->has_results ? ",{" : "{");
	add_members(p, item, &out);
	buf_addf(&out, ",\"status\":\"%s\"", status);
	if (id.len > 0)
		buf_addf(&out, ",\"id\":\"%.*s\"", SPAN_ARG(id));
	buf_add_span(&out, rest);
	buf_add_char(&out, '}');
	cli_write(p->c, buf_span(&out));
	buf_clear(&out);
	p->has_results = true;
}

void
push_tell_queued(struct push_batch *b, const struct push_item *item)
{
	struct push *p = b->push;
	struct span id = push_item_id(b, item);

	b->sums.queued++;
	p->sums.queued++;
	write_result(p, item, id, "queued", SPAN(""));
	if (p->source == NULL && !p->c->json && !p->c->quiet)
		cli_write_line(p->c, "queued %.*s", SPAN_ARG(id));
}

void
push_tell_exists(
    struct push_batch *b, const struct push_item *item, struct span state)
{
	struct push *p = b->push;
	struct span id = push_item_id(b, item);
	char rest[64];

	b->sums.exists++;
	p->sums.exists++;
	(void)snprintf(
	    rest, sizeof(rest), ",\"state\":\"%.*s\"", SPAN_ARG(state));
	write_result(p, item, id, "exists", span_of(rest));
	if (p->source == NULL && !p->c->json && !p->c->quiet)
		cli_write_line(
		    p->c, "exists %.*s, %.*s", SPAN_ARG(id), SPAN_ARG(state));
}

/* ---- refused ---------------------------------------------------------- */

/* Text that is no UTF-8 cannot be a JSON string. */
static void
add_base64(struct buf *out, struct span text)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	char four[4];

	for (size_t i = 0; i < text.len; i += 3) {
		uint32_t bits = 0;
		size_t left = text.len - i;

		for (size_t k = 0; k < 3; k++)
			bits = bits << 8 |
			       (k < left ? (unsigned char)text.p[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			four[k] = digits[bits >> (18 - 6 * k) & 63];
		if (left < 3)
			four[3] = '=';
		if (left < 2)
			four[2] = '=';
		buf_add(out, four, 4);
	}
}

/* For the file of the refused: written when all lines before it are through,
 * so that the file and the mark of a resumed push agree. */
static void
keep_refused(struct push_batch *b, const struct push_item *item,
    const struct span *line, struct span error)
{
	struct buf *out = &b->refused;

	if (b->push->refused_fd < 0)
		return;
	buf_add_char(out, '{');
	add_members(b->push, item, out);
	buf_add_str(out, ",\"error\":");
	buf_add_span(out, error);
	if (line == NULL) {
		buf_add_str(out, ",\"text\":null");
	} else if (utf8_is_valid(line->p, line->len)) {
		buf_add_str(out, ",\"text\":");
		buf_add_json(out, *line);
	} else {
		buf_add_str(out, ",\"base64\":\"");
		add_base64(out, *line);
		buf_add_char(out, '"');
	}
	buf_add_str(out, "}\n");
}

static void
say_refused(struct push *p, const struct push_item *item, struct span error)
{
	struct arena *a = arena_new(ARENA_MAX);
	struct cli_error e;
	struct buf text;

	buf_init(&text, PUSH_TEXT_MAX);
	push_add_place(p, &text, item->line, item->file);
	buf_add_str(&text, ": ");
	if (cli_read_error_object(error, a, &e))
		cli_add_error(&text, &e);
	progress_clear(&p->progress);
	cli_say("%.*s", SPAN_ARG(buf_span(&text)));
	if (p->refused_fd >= 0 && p->told == TOLD_MAX)
		cli_say(
		    "further refused lines are in %s only", p->plan->refused);
	buf_clear(&text);
	arena_free(a);
}

/* line: as in push_tell_unfit. */
static void
tell_refused(struct push_batch *b, const struct push_item *item,
    const struct span *line, struct span id, struct span error)
{
	struct push *p = b->push;
	struct buf rest;

	b->sums.refused++;
	p->sums.refused++;
	buf_init(&rest, PUSH_TEXT_MAX);
	buf_add_str(&rest, ",\"error\":");
	buf_add_span(&rest, error);
	write_result(p, item, id, "refused", buf_span(&rest));
	buf_clear(&rest);
	if (p->refused_fd < 0 || p->told < TOLD_MAX) {
		p->told++;
		say_refused(p, item, error);
	}
	keep_refused(b, item, line, error);
}

void
push_tell_refused(
    struct push_batch *b, const struct push_item *item, struct span error)
{
	struct span line = {b->lines.data + item->line_at, item->line_len};

	if (b->lines.len == 0)
		line = SPAN("");
	tell_refused(b, item, &line, push_item_id(b, item), error);
}

void
push_tell_unfit(struct push_batch *b, const struct push_item *item,
    const struct span *line, enum err err, struct span detail)
{
	const struct err_info *info = err_info(err);
	struct buf error;

	buf_init(&error, PUSH_TEXT_MAX);
	buf_addf(&error, "{\"code\":%d,\"name\":\"%s\",\"text\":", info->number,
	    info->name);
	buf_add_json(&error, span_of(info->text));
	if (detail.len > 0) {
		buf_add_str(&error, ",\"detail\":");
		buf_add_json(&error, detail);
	}
	buf_add_char(&error, '}');
	tell_refused(b, item, line, SPAN(""), buf_span(&error));
	buf_clear(&error);
}

/* ---- the whole -------------------------------------------------------- */

/* Of the lines that were sent, and are not all through: from the first to
 * the last. Lines behind them were only read. */
static void
say_left(struct push *p)
{
	const struct push_item *first = NULL, *last = NULL;
	struct list *pos;
	size_t left = 0;
	bool perhaps = false;
	struct buf from, to;

	LIST_FOREACH (pos, &p->batches) {
		struct push_batch *b =
		    CONTAINER_OF(pos, struct push_batch, link);

		if (!b->was_sent || push_batch_pending(b) == 0)
			continue;
		left += push_batch_pending(b);
		if (first == NULL)
			first = &b->items[0];
		last = &b->items[b->count - 1];
		for (size_t i = 0; i < b->count; i++)
			perhaps =
			    perhaps ||
			    (b->items[i].is_pending &&
				(b->is_sending || b->items[i].may_be_there));
	}
	if (first == NULL)
		return;
	buf_init(&from, PUSH_REASON_MAX);
	buf_init(&to, PUSH_REASON_MAX);
	push_add_place(p, &from, first->line, first->file);
	push_add_place(p, &to, last->line, last->file);
	cli_say("stopped: from %.*s to %.*s, %zu %s pushed, and none behind "
		"them",
	    SPAN_ARG(buf_span(&from)), SPAN_ARG(buf_span(&to)), left,
	    perhaps ? "were perhaps not" : "were not");
	buf_clear(&from);
	buf_clear(&to);
}

void
push_tell_stop(struct push *p)
{
	progress_clear(&p->progress);
	if (p->stop == CLI_USAGE)
		return;
	say_left(p);
	if (p->resume != NULL)
		cli_say(
		    "acknowledged up to line %llu; the same command goes on "
		    "behind it",
		    (unsigned long long)p->mark.lines);
}

void
push_tell_sums(struct push *p)
{
	struct buf out;

	progress_clear(&p->progress);
	if (p->stop == CLI_USAGE)
		return;
	if (!p->c->quiet && (p->source != NULL || p->sums.refused > 0))
		cli_say("queued %llu, exists %llu, refused %llu",
		    (unsigned long long)p->sums.queued,
		    (unsigned long long)p->sums.exists,
		    (unsigned long long)p->sums.refused);
	if (!p->c->json)
		return;
	buf_init(&out, PUSH_REASON_MAX);
	buf_addf(&out, "],\"queued\":%llu,\"exists\":%llu,\"refused\":%llu}\n",
	    (unsigned long long)p->sums.queued,
	    (unsigned long long)p->sums.exists,
	    (unsigned long long)p->sums.refused);
	cli_write(p->c, buf_span(&out));
	buf_clear(&out);
}
