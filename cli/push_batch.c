/*
 * One batch of a push: the requests that it takes, and what their answers
 * say about each of its tasks; see push_priv.h. Mostly that is one request.
 * One that is refused for one of its tasks is halved until that stands
 * alone; of one that is answered in part, the rest is sent again.
 */

#include <stdlib.h>

#include "cli/push_priv.h"
#include "cli/rows.h"
#include "core/arena.h"
#include "core/clock.h"

enum { BODY_KEEP = 8 << 20, ARENA_MAX = 1 << 30, TELL_EVERY_US = 60000000 };

/* What became of a request. */
enum push_got {
	GOT_ALL,   /* nothing of it is pending */
	GOT_BUSY,  /* what is pending can be sent again later; see reason */
	GOT_FAULT, /* refused for one of its tasks */
	GOT_STOP   /* told; see stop */
};

/* ---- life ------------------------------------------------------------- */

struct push_batch *
push_batch_new(struct push *p)
{
	struct push_batch *b = xcalloc(1, sizeof(*b));

	list_init(&b->link);
	b->push = p;
	b->items = xcalloc(p->plan->batch, sizeof(*b->items));
	buf_init(&b->text, PUSH_TEXT_MAX);
	buf_init(&b->lines, PUSH_TEXT_MAX);
	buf_init(&b->body, PUSH_TEXT_MAX);
	buf_init(&b->refused, PUSH_TEXT_MAX);
	return b;
}

void
push_batch_free(struct push_batch *b)
{
	list_del(&b->link);
	buf_clear(&b->text);
	buf_clear(&b->lines);
	buf_clear(&b->body);
	buf_clear(&b->refused);
	free(b->items);
	free(b);
}

void
push_batch_reset(struct push_batch *b)
{
	b->count = 0;
	b->todo_count = 0;
	b->is_sealed = b->is_sending = b->was_sent = false;
	b->sums = (struct push_sums){0};
	b->line_count = b->last_line = 0;
	buf_reset(&b->text, BODY_KEEP);
	buf_reset(&b->lines, BODY_KEEP);
	buf_reset(&b->body, BODY_KEEP);
	buf_reset(&b->refused, BODY_KEEP);
}

void
push_batch_keep(
    struct push_batch *b, uint64_t number, size_t file, struct span line)
{
	struct push_item *item = &b->items[b->count++];

	item->line = number;
	item->file = file;
	item->is_pending = true;
	if (b->push->refused_fd < 0)
		return;
	item->line_at = b->lines.len;
	item->line_len = line.len;
	buf_add_span(&b->lines, line);
}

void
push_batch_seal(struct push_batch *b)
{
	b->is_sealed = true;
	if (b->count > 0)
		b->todo[b->todo_count++] = (struct push_range){0, b->count};
}

bool
push_batch_is_done(const struct push_batch *b)
{
	return b->is_sealed && b->todo_count == 0;
}

static size_t
count_pending(const struct push_batch *b, struct push_range r)
{
	size_t count = 0;

	for (size_t i = r.from; i < r.from + r.n; i++)
		count += b->items[i].is_pending;
	return count;
}

size_t
push_batch_pending(const struct push_batch *b)
{
	return count_pending(b, (struct push_range){0, b->count});
}

/* ---- answers ---------------------------------------------------------- */

static enum push_got
stop_here(struct push *p, enum cli_exit why)
{
	if (p->stop == CLI_DONE)
		p->stop = why;
	return GOT_STOP;
}

/* What is pending is to be sent again in so many seconds. */
static void
set_wait(struct push *p, const struct cli_error *e, uint64_t retry_s)
{
	if (e != NULL) {
		buf_reset(&p->reason, PUSH_REASON_MAX);
		cli_add_error(&p->reason, e);
	}
	if (retry_s == 0)
		retry_s = 1;
	p->not_before_us = clock_mono_us_fresh() + (int64_t)retry_s * 1000000;
}

static bool
is_number(struct span code, enum err err)
{
	uint64_t n;

	return str_to_u64(code, &n) && n == (uint64_t)err_info(err)->number;
}

/* Is it the fault of a task, not of the request or the queue? */
static bool
is_task_fault(const struct cli_error *e)
{
	static const enum err faults[] = {ERR_BODY_NOT_JSON, ERR_BODY_NOT_UTF8,
	    ERR_BODY_TOO_DEEP, ERR_FIELD_TYPE, ERR_FIELD_MISSING,
	    ERR_FIELD_RANGE, ERR_FIELD_UNKNOWN, ERR_FIELD_DUPLICATE,
	    ERR_FIELD_CONFLICT, ERR_TASK_ID_BAD, ERR_RUN_AT_BAD,
	    ERR_BODY_TOO_LARGE};

	for (size_t i = 0; i < COUNT_OF(faults); i++)
		if (is_number(e->code, faults[i]))
			return true;
	return false;
}

/* One task of an answer. False when it is not understood. */
static bool
apply_result(struct push_batch *b, struct push_item *item, const struct span *f,
    struct arena *a, uint64_t retry_s)
{
	struct cli_error e;

	if (span_is(f[0], "refused")) {
		if (!cli_read_error_object(f[2], a, &e))
			return false;
		if (is_number(e.code, ERR_QUEUE_FULL)) {
			set_wait(b->push, &e, retry_s);
			return true;
		}
		item->is_pending = false;
		push_tell_refused(b, item, f[2]);
		return true;
	}
	item->is_pending = false;
	/* An id that is ours and known can only be from a request of ours
	 * whose answer was lost, or from the run before this one. */
	if (span_is(f[0], "queued") ||
	    (item->has_made_id && (item->may_be_there || b->push->resume)))
		push_tell_queued(b, item);
	else
		push_tell_exists(b, item, f[1]);
	return span_is(f[0], "queued") || span_is(f[0], "exists");
}

/* The answer's tasks are those of the request, in their order. */
static bool
apply_results(struct push_batch *b, struct push_range r, struct arena *a,
    const struct client_answer *answer)
{
	static const struct row_field list[] = {{"tasks", false}};
	static const struct row_field fields[] = {
	    {"status", false}, {"state", false}, {"error", true}};
	struct span tasks, f[3];
	struct scan s;

	if (!row_read_all(answer->body, a, list, 1, &tasks))
		return false;
	scan_init(&s, tasks);
	if (!scan_array(&s))
		return false;
	for (size_t i = r.from; i < r.from + r.n; i++) {
		if (!b->items[i].is_pending)
			continue;
		if (!scan_item(&s) || !row_read(&s, a, fields, 3, f) ||
		    !apply_result(b, &b->items[i], f, a, answer->retry_after_s))
			return false;
	}
	return !scan_item(&s) && scan_end(&s) == ERR_OK;
}

static enum push_got
got_results(struct push_batch *b, struct push_range r,
    const struct client_answer *answer)
{
	struct push *p = b->push;
	struct arena *a = arena_new(ARENA_MAX);
	size_t before = count_pending(b, r), left;
	bool ok = apply_results(b, r, a, answer);

	arena_free(a);
	if (!ok) {
		progress_clear(&p->progress);
		return stop_here(
		    p, cli_bad_answer(p->c, "expected the result of a push"));
	}
	left = count_pending(b, r);
	if (left < before)
		p->deadline_us =
		    clock_mono_us_fresh() + (int64_t)p->c->timeout_ms * 1000;
	return left > 0 ? GOT_BUSY : GOT_ALL;
}

/* The outcome of what is pending is not known. */
static void
mark_sent(struct push_batch *b, struct push_range r)
{
	for (size_t i = r.from; i < r.from + r.n; i++)
		if (b->items[i].is_pending)
			b->items[i].may_be_there = true;
}

static void
refuse_pending(struct push_batch *b, struct push_range r, struct span error)
{
	for (size_t i = r.from; i < r.from + r.n; i++)
		if (b->items[i].is_pending) {
			b->items[i].is_pending = false;
			push_tell_refused(b, &b->items[i], error);
		}
}

static enum push_got
got_refusal(struct push_batch *b, struct push_range r,
    const struct client_answer *answer)
{
	static const struct row_field fields[] = {{"error", true}};
	struct push *p = b->push;
	struct arena *a = arena_new(ARENA_MAX);
	enum push_got got = GOT_STOP;
	struct cli_error e;
	struct span object;
	int status = answer->status;

	if (!row_read_all(answer->body, a, fields, 1, &object) ||
	    !cli_read_error_object(object, a, &e)) {
		/* Not schedd's; told below. */
	} else if (status == 429 || status == 503 || status == 504 ||
		   status == 507) {
		if (status == 504)
			mark_sent(b, r);
		set_wait(p, &e, answer->retry_after_s);
		got = GOT_BUSY;
	} else if (is_number(e.code, ERR_PAYLOAD_TOO_LARGE) ||
		   (is_task_fault(&e) && count_pending(b, r) == 1)) {
		refuse_pending(b, r, object);
		got = GOT_ALL;
	} else if (is_task_fault(&e)) {
		got = GOT_FAULT;
	}
	arena_free(a);
	if (got == GOT_STOP) {
		progress_clear(&p->progress);
		return stop_here(p, cli_refused(p->c, answer));
	}
	return got;
}

static enum push_got
got_nothing(struct push_batch *b, struct push_range r, const struct client *via)
{
	struct push *p = b->push;

	if (!p->has_answered) {
		progress_clear(&p->progress);
		client_copy_why(p->c->client, via);
		return stop_here(p, cli_unreachable(p->c));
	}
	if (client_was_sent(via))
		mark_sent(b, r);
	buf_reset(&p->reason, PUSH_REASON_MAX);
	buf_addf(&p->reason, "cannot reach %s: %s", client_server(p->c->client),
	    client_why(via));
	set_wait(p, NULL, 1);
	return GOT_BUSY;
}

/* ---- sending ---------------------------------------------------------- */

/* Says why it waits; the same reason not over and over. */
static void
tell_waiting(struct push *p)
{
	int64_t now = clock_mono_us_fresh();
	bool is_same = span_eq(buf_span(&p->reason), buf_span(&p->told_reason));

	if (p->c->quiet ||
	    (is_same && now - p->told_waiting_us < TELL_EVERY_US))
		return;
	p->told_waiting_us = now;
	buf_reset(&p->told_reason, PUSH_REASON_MAX);
	buf_add_span(&p->told_reason, buf_span(&p->reason));
	progress_clear(&p->progress);
	cli_say("waiting: %.*s; again in %lld s",
	    SPAN_ARG(buf_span(&p->reason)),
	    (long long)((p->not_before_us - now + 999999) / 1000000));
}

/* What is pending of a range is to be sent again: later, or never. */
static void
batch_wait(struct push_batch *b)
{
	struct push *p = b->push;

	if (p->stop != CLI_DONE)
		return;
	if (p->not_before_us <= p->deadline_us) {
		tell_waiting(p);
		return;
	}
	progress_clear(&p->progress);
	cli_say("gave up: %.*s", SPAN_ARG(buf_span(&p->reason)));
	p->stop = CLI_REFUSED;
}

static void
batch_halve(struct push_batch *b, struct push_range r)
{
	ASSERT(b->todo_count + 2 <= PUSH_RANGES && r.n > 1);
	b->todo[b->todo_count++] =
	    (struct push_range){r.from + r.n / 2, r.n - r.n / 2};
	b->todo[b->todo_count++] = (struct push_range){r.from, r.n / 2};
}

static void
batch_on_answer(const struct wire_result *result, void *arg)
{
	struct push_batch *b = arg;
	struct push *p = b->push;
	struct push_range r = b->todo[--b->todo_count];
	enum push_got got;

	b->is_sending = false;
	p->sending--;
	if (result->err != ERR_OK) {
		got = got_nothing(b, r, result->via);
	} else {
		p->has_answered = true;
		got =
		    result->answer.status == 200 || result->answer.status == 201
			? got_results(b, r, &result->answer)
			: got_refusal(b, r, &result->answer);
	}
	if (got == GOT_FAULT)
		batch_halve(b, r);
	else if (got != GOT_ALL)
		b->todo[b->todo_count++] = r;
	if (got == GOT_BUSY)
		batch_wait(b);
	while (b->todo_count > 0 &&
	       count_pending(b, b->todo[b->todo_count - 1]) == 0)
		b->todo_count--;
}

void
push_batch_send(struct push_batch *b)
{
	struct push *p = b->push;
	struct push_range r = b->todo[b->todo_count - 1];
	struct client_request request = {
	    .method = "POST", .path = p->plan->path};
	const char *mark = "";

	buf_reset(&b->body, BODY_KEEP);
	buf_add_str(&b->body, "{\"tasks\":[");
	for (size_t i = r.from; i < r.from + r.n; i++) {
		if (!b->items[i].is_pending)
			continue;
		buf_add_str(&b->body, mark);
		buf_add(
		    &b->body, b->text.data + b->items[i].at, b->items[i].len);
		mark = ",";
	}
	buf_add_str(&b->body, "]}");
	ASSERT(!b->body.failed);
	request.body = buf_span(&b->body);
	if (p->sending == 0 && !b->was_sent)
		p->deadline_us =
		    clock_mono_us_fresh() + (int64_t)p->c->timeout_ms * 1000;
	b->was_sent = b->is_sending = true;
	p->sending++;
	(void)wire_send(p->wire, &request, batch_on_answer, b);
}
