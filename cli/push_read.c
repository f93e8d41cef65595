/*
 * The input of a push: lines and payloads become tasks of the batch that is
 * being filled; see push_priv.h. Lines that an earlier run saw acknowledged
 * are passed over, after a look whether they are the same.
 */

#include <string.h>

#include "cli/push_priv.h"
#include "core/clock.h"

enum {
	BATCH_BYTES = 4 << 20,
	BATCH_LINES = 8192, /* of which most are blank or unfit */
	REFUSED_BYTES = 1 << 20
};

static bool
is_blank(struct span line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\r')
			return false;
	return true;
}

/* The batch that lines go into; NULL when enough of them are under way. */
struct push_batch *
push_filling(struct push *p)
{
	struct list *pos;
	unsigned count = 0;

	if (p->filling != NULL)
		return p->filling;
	LIST_FOREACH (pos, &p->batches)
		count++;
	/* One more than can be sent, so that it is there when one returns. */
	if (count > p->plan->parallel)
		return NULL;
	if (list_is_empty(&p->spare)) {
		p->filling = push_batch_new(p);
	} else {
		p->filling =
		    CONTAINER_OF(p->spare.next, struct push_batch, link);
		list_del(&p->filling->link);
	}
	list_add_tail(&p->batches, &p->filling->link);
	/* The ids of a batch are of its time. */
	clock_refresh();
	return p->filling;
}

void
push_seal(struct push *p)
{
	struct push_batch *b = p->filling;

	if (b == NULL)
		return;
	p->filling = NULL;
	push_batch_seal(b);
}

/* One payload or task into the batch. */
static void
add_item(struct push *p, struct push_batch *b, struct span line,
    const struct push_item *place)
{
	char made[PUSH_RESUME_ID_MAX];
	struct span id = SPAN("");
	struct buf why;
	enum err err;

	if (p->resume != NULL)
		id = push_resume_id(p->resume, made);
	buf_init(&why, PUSH_REASON_MAX);
	err = push_item_add(
	    &b->items[b->count], &b->text, &p->plan->shape, line, id, &why);
	if (err == ERR_OK)
		push_batch_keep(b, place->line, place->file, line);
	else
		push_tell_unfit(b, place, &line, err, buf_span(&why));
	buf_clear(&why);
}

/* The line is not the one that was acknowledged. */
static void
refuse_input(struct push *p, uint64_t line)
{
	struct buf text;

	buf_init(&text, PUSH_REASON_MAX);
	buf_addf(&text,
	    "'%s' belongs to another input: line %llu is not what was pushed",
	    p->plan->resume, (unsigned long long)line);
	push_stop(p, CLI_USAGE, &text);
	buf_clear(&text);
}

/* Is the line still to be pushed? */
static bool
is_new(struct push *p, struct span line)
{
	if (p->resume == NULL)
		return true;
	switch (push_resume_look(p->resume, line)) {
	case PUSH_RESUME_NEW:
		return true;
	case PUSH_RESUME_KNOWN:
		return false;
	case PUSH_RESUME_OTHER:
		refuse_input(p, lines_ordinal(p->lines));
		return false;
	}
	return false;
}

static void
push_add_line(
    struct push *p, struct push_batch *b, enum lines_got got, struct span line)
{
	struct push_item place = {
	    .line = lines_number(p->lines), .file = lines_file(p->lines)};

	if (!is_new(p, got == LINES_LINE ? line : SPAN("")))
		return;
	if (b->line_count++ == 0)
		p->filled_at_us = clock_mono_us_fresh();
	b->last_line = lines_ordinal(p->lines);
	if (got == LINES_TOO_LONG)
		push_tell_unfit(b, &place, NULL, ERR_PAYLOAD_TOO_LARGE,
		    SPAN("a line may have 1 MiB"));
	else if (!is_blank(line))
		add_item(p, b, line, &place);
	if (p->resume != NULL)
		b->chain = push_resume_chain(p->resume);
	if (b->count == p->plan->batch || b->text.len >= BATCH_BYTES ||
	    b->line_count >= BATCH_LINES || b->refused.len >= REFUSED_BYTES)
		push_seal(p);
}

/* The input is damaged or cannot be read: what stands before it goes on. */
static void
tell_unreadable(struct push *p)
{
	struct buf text;

	buf_init(&text, PUSH_REASON_MAX);
	buf_addf(&text, "cannot read %s behind line %llu: %s",
	    source_name(p->plan->files[lines_file(p->lines)]),
	    (unsigned long long)lines_number(p->lines), source_why(p->source));
	progress_clear(&p->progress);
	cli_say("%.*s", SPAN_ARG(buf_span(&text)));
	if (lines_file(p->lines) + 1 < p->plan->file_count)
		cli_say("the files behind it are not pushed");
	buf_clear(&text);
	p->is_unreadable = true;
}

/* Fewer lines came than were acknowledged. */
static void
check_end(struct push *p)
{
	const struct push_mark *mark;
	struct buf text;

	if (p->resume == NULL || p->stop != CLI_DONE)
		return;
	mark = push_resume_mark(p->resume);
	if (lines_ordinal(p->lines) >= mark->lines)
		return;
	buf_init(&text, PUSH_REASON_MAX);
	buf_addf(&text,
	    "'%s' belongs to another input: %llu lines of it were pushed, and "
	    "this one has %llu",
	    p->plan->resume, (unsigned long long)mark->lines,
	    (unsigned long long)lines_ordinal(p->lines));
	push_stop(p, CLI_USAGE, &text);
	buf_clear(&text);
}

/* Lines until the batch is full, or there are none. */
static void
push_read_lines(struct push *p, struct push_batch *b)
{
	enum lines_got got;
	struct span line;

	p->input_waits = false;
	while (p->filling == b && p->stop == CLI_DONE) {
		got = lines_next(p->lines, &line);
		if (got == LINES_LINE || got == LINES_TOO_LONG) {
			push_add_line(p, b, got, line);
			continue;
		}
		if (got == LINES_WAIT) {
			p->input_waits = true;
			return;
		}
		if (got == LINES_ERROR)
			tell_unreadable(p);
		p->input_is_over = true;
		check_end(p);
		push_seal(p);
	}
}

static void
push_read_payloads(struct push *p, struct push_batch *b)
{
	const struct push_plan *plan = p->plan;
	struct push_item place = {0};

	while (p->filling == b && p->next_payload < plan->payload_count) {
		const char *payload = plan->payloads[p->next_payload++];

		place.line = p->next_payload;
		add_item(p, b, span_of(payload), &place);
		if (b->count == plan->batch || b->text.len >= BATCH_BYTES)
			push_seal(p);
	}
	if (p->next_payload < plan->payload_count)
		return;
	p->input_is_over = true;
	push_seal(p);
}

void
push_read(struct push *p)
{
	struct push_batch *b;

	if (p->input_is_over || push_is_stopping(p))
		return;
	b = push_filling(p);
	if (b == NULL)
		return;
	if (p->source != NULL)
		push_read_lines(p, b);
	else
		push_read_payloads(p, b);
}
