/* Pushing a stream of lines in batches; see push.h. */

#include "cli/push.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/lines.h"
#include "cli/progress.h"
#include "cli/rows.h"
#include "core/arena.h"
#include "core/clock.h"

enum {
	BATCH_LINES = 500,
	BATCH_BYTES = 4 << 20,
	BODY_KEEP = 2 * BATCH_BYTES, /* of memory, for the next batch */
	LINE_MAX_BYTES = 1 << 20,
	TEXT_MAX = 1 << 30,
	REASON_MAX = 4096,
	ARENA_MAX = 1 << 30
};

struct push {
	struct cli *c;
	const struct push_plan *plan;
	struct lines *lines;
	struct progress progress;

	struct push_item items[BATCH_LINES];
	size_t count;
	struct buf text; /* the items' JSON */
	struct buf body; /* of one request */

	uint64_t queued, known, refused;
	int64_t deadline_us; /* of the batch; moves on with every progress */
	struct buf reason;   /* why a batch must wait or stop */
	uint64_t retry_s;
	bool has_answered;  /* the server did, at least once */
	bool has_waited;    /* told for this batch */
	enum cli_exit stop; /* anything but DONE: nothing more is sent */
};

/* What became of a request. */
enum push_got {
	GOT_ALL,   /* nothing of it is pending */
	GOT_BUSY,  /* what is pending can be sent again later; see reason */
	GOT_FAULT, /* refused for one of its tasks */
	GOT_STOP   /* told; see stop */
};

/* ---- telling ---------------------------------------------------------- */

/* One result as a member of the list that --json prints. */
static void
write_result(struct push *p, uint64_t line, struct span id, const char *status,
    struct span rest)
{
	struct buf out;

	if (!p->c->json)
		return;
	buf_init(&out, TEXT_MAX);
	buf_addf(&out, "%s{\"line\":%llu,\"status\":\"%s\"",
	    p->queued + p->known + p->refused > 1 ? "," : "",
	    (unsigned long long)line, status);
	if (id.len > 0)
		buf_addf(&out, ",\"id\":\"%.*s\"", SPAN_ARG(id));
	buf_add_span(&out, rest);
	buf_add_char(&out, '}');
	cli_write(p->c, buf_span(&out));
	buf_clear(&out);
}

/* Tells of a refused line. error is the object as JSON. */
static void
refuse_line(struct push *p, uint64_t line, struct span id, struct span error)
{
	struct arena *a = arena_new(ARENA_MAX);
	struct cli_error e;
	struct buf text;

	p->refused++;
	buf_init(&text, TEXT_MAX);
	buf_add_str(&text, ",\"error\":");
	buf_add_span(&text, error);
	write_result(p, line, id, "refused", buf_span(&text));
	buf_reset(&text, TEXT_MAX);
	if (cli_read_error_object(error, a, &e))
		cli_add_error(&text, &e);
	progress_clear(&p->progress);
	cli_say("line %llu: %.*s", (unsigned long long)line,
	    SPAN_ARG(buf_span(&text)));
	buf_clear(&text);
	arena_free(a);
}

/* A line that was not sent at all. */
static void
refuse_own(struct push *p, uint64_t line, enum err err, struct span detail)
{
	const struct err_info *info = err_info(err);
	struct buf error;

	buf_init(&error, TEXT_MAX);
	buf_addf(&error, "{\"code\":%d,\"name\":\"%s\",\"text\":", info->number,
	    info->name);
	buf_add_json(&error, span_of(info->text));
	if (detail.len > 0) {
		buf_add_str(&error, ",\"detail\":");
		buf_add_json(&error, detail);
	}
	buf_add_char(&error, '}');
	refuse_line(p, line, SPAN(""), buf_span(&error));
	buf_clear(&error);
}

static struct span
item_id(const struct push *p, const struct push_item *item)
{
	return (struct span){p->text.data + item->id_at, item->id_len};
}

static void
refuse_pending(struct push *p, size_t from, size_t n, struct span error)
{
	for (size_t i = from; i < from + n; i++)
		if (p->items[i].is_pending) {
			p->items[i].is_pending = false;
			refuse_line(p, p->items[i].line,
			    item_id(p, &p->items[i]), error);
		}
}

/* ---- answers ---------------------------------------------------------- */

static enum push_got
stop_here(struct push *p, enum cli_exit why)
{
	p->stop = why;
	return GOT_STOP;
}

static void
set_reason(struct push *p, const struct cli_error *e, uint64_t retry_s)
{
	buf_reset(&p->reason, REASON_MAX);
	cli_add_error(&p->reason, e);
	p->retry_s = retry_s > 0 ? retry_s : 1;
}

static bool
is_number(struct span code, int number)
{
	uint64_t n;

	return str_to_u64(code, &n) && n == (uint64_t)number;
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
		if (is_number(e->code, err_info(faults[i])->number))
			return true;
	return false;
}

/* One task of an answer. False when it is not understood. */
static bool
apply_result(struct push *p, struct push_item *item, const struct span *f,
    struct arena *a, uint64_t retry_s)
{
	struct span id = item_id(p, item);
	struct cli_error e;
	char state[64];

	if (span_is(f[0], "refused")) {
		if (!cli_read_error_object(f[2], a, &e))
			return false;
		if (is_number(e.code, err_info(ERR_QUEUE_FULL)->number)) {
			set_reason(p, &e, retry_s);
			return true;
		}
		item->is_pending = false;
		refuse_line(p, item->line, id, f[2]);
		return true;
	}
	item->is_pending = false;
	if (span_is(f[0], "queued") ||
	    (item->may_be_there && item->has_made_id)) {
		p->queued++;
		write_result(p, item->line, id, "queued", SPAN(""));
		return true;
	}
	p->known++;
	(void)snprintf(
	    state, sizeof(state), ",\"state\":\"%.*s\"", SPAN_ARG(f[1]));
	write_result(p, item->line, id, "exists", span_of(state));
	return span_is(f[0], "exists");
}

/* The answer's tasks are those of the request, in their order. */
static bool
apply_results(struct push *p, size_t from, size_t n, struct arena *a,
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
	for (size_t i = from; i < from + n; i++) {
		if (!p->items[i].is_pending)
			continue;
		if (!scan_item(&s) || !row_read(&s, a, fields, 3, f) ||
		    !apply_result(p, &p->items[i], f, a, answer->retry_after_s))
			return false;
	}
	return !scan_item(&s) && scan_end(&s) == ERR_OK;
}

static size_t
count_pending(const struct push *p, size_t from, size_t n)
{
	size_t count = 0;

	for (size_t i = from; i < from + n; i++)
		count += p->items[i].is_pending;
	return count;
}

static void
move_deadline(struct push *p)
{
	p->deadline_us =
	    clock_mono_us_fresh() + (int64_t)p->c->timeout_ms * 1000;
}

static enum push_got
got_results(
    struct push *p, size_t from, size_t n, const struct client_answer *answer)
{
	struct arena *a = arena_new(ARENA_MAX);
	size_t before = count_pending(p, from, n), left;
	bool ok = apply_results(p, from, n, a, answer);

	arena_free(a);
	if (!ok) {
		progress_clear(&p->progress);
		return stop_here(
		    p, cli_bad_answer(p->c, "expected the result of a push"));
	}
	left = count_pending(p, from, n);
	if (left < before)
		move_deadline(p);
	return left > 0 ? GOT_BUSY : GOT_ALL;
}

/* The outcome of what is pending is not known. */
static void
mark_sent(struct push *p, size_t from, size_t n)
{
	for (size_t i = from; i < from + n; i++)
		if (p->items[i].is_pending)
			p->items[i].may_be_there = true;
}

static enum push_got
got_refusal(
    struct push *p, size_t from, size_t n, const struct client_answer *answer)
{
	static const struct row_field fields[] = {{"error", true}};
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
			mark_sent(p, from, n);
		set_reason(p, &e, answer->retry_after_s);
		got = GOT_BUSY;
	} else if (is_number(e.code, err_info(ERR_PAYLOAD_TOO_LARGE)->number) ||
		   (is_task_fault(&e) && count_pending(p, from, n) == 1)) {
		refuse_pending(p, from, n, object);
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
got_nothing(struct push *p, size_t from, size_t n)
{
	if (!p->has_answered) {
		progress_clear(&p->progress);
		return stop_here(p, cli_unreachable(p->c));
	}
	if (client_was_sent(p->c->client))
		mark_sent(p, from, n);
	buf_reset(&p->reason, REASON_MAX);
	buf_addf(&p->reason, "cannot reach %s: %s", client_server(p->c->client),
	    client_why(p->c->client));
	p->retry_s = 1;
	return GOT_BUSY;
}

/* ---- sending ---------------------------------------------------------- */

static enum push_got
send_range(struct push *p, size_t from, size_t n)
{
	struct client_request request = {
	    .method = "POST", .path = p->plan->path};
	struct client_answer answer;
	const char *mark = "";

	buf_reset(&p->body, BODY_KEEP);
	buf_add_str(&p->body, "{\"tasks\":[");
	for (size_t i = from; i < from + n; i++) {
		if (!p->items[i].is_pending)
			continue;
		buf_add_str(&p->body, mark);
		buf_add(
		    &p->body, p->text.data + p->items[i].at, p->items[i].len);
		mark = ",";
	}
	buf_add_str(&p->body, "]}");
	ASSERT(!p->body.failed);
	request.body = buf_span(&p->body);
	if (client_call(p->c->client, &request, &answer) != ERR_OK)
		return got_nothing(p, from, n);
	p->has_answered = true;
	if (answer.status == 200 || answer.status == 201)
		return got_results(p, from, n, &answer);
	return got_refusal(p, from, n, &answer);
}

/* Waits as the server asked. False when that is past the deadline. */
static bool
wait_for_server(struct push *p)
{
	int64_t now = clock_mono_us_fresh();
	struct timespec wait = {.tv_sec = (time_t)p->retry_s};

	if (now + (int64_t)p->retry_s * 1000000 > p->deadline_us) {
		progress_clear(&p->progress);
		cli_say("gave up: %.*s", SPAN_ARG(buf_span(&p->reason)));
		return false;
	}
	if (!p->has_waited && !p->c->quiet) {
		progress_clear(&p->progress);
		cli_say("waiting: %.*s", SPAN_ARG(buf_span(&p->reason)));
	}
	p->has_waited = true;
	while (nanosleep(&wait, &wait) != 0 && errno == EINTR)
		continue;
	return true;
}

/* Sends until nothing of the range is pending, or p->stop. A request that
 * was refused for one of its tasks is halved until that stands alone. */
static void
push_range(struct push *p, size_t from, size_t n)
{
	enum push_got got = GOT_BUSY;

	while (got == GOT_BUSY) {
		if (count_pending(p, from, n) == 0)
			return;
		got = send_range(p, from, n);
		if (got == GOT_BUSY && !wait_for_server(p))
			got = stop_here(p, CLI_REFUSED);
	}
	if (got != GOT_FAULT)
		return;
	push_range(p, from, n / 2);
	if (p->stop == CLI_DONE)
		push_range(p, from + n / 2, n - n / 2);
}

/* Says what was not pushed. */
static void
tell_stop(struct push *p)
{
	size_t left = count_pending(p, 0, p->count);
	bool perhaps = false;

	for (size_t i = 0; i < p->count; i++)
		perhaps = perhaps ||
			  (p->items[i].is_pending && p->items[i].may_be_there);
	progress_clear(&p->progress);
	if (left > 0)
		cli_say("stopped: of lines %llu to %llu, %zu %s pushed, and "
			"none behind them",
		    (unsigned long long)p->items[0].line,
		    (unsigned long long)p->items[p->count - 1].line, left,
		    perhaps ? "were perhaps not" : "were not");
}

static void
push_batch(struct push *p)
{
	if (p->count == 0 || p->stop != CLI_DONE)
		return;
	p->has_waited = false;
	move_deadline(p);
	push_range(p, 0, p->count);
	if (p->stop != CLI_DONE)
		tell_stop(p);
	p->count = 0;
	buf_reset(&p->text, BODY_KEEP);
	/* The ids of the next batch are of its time. */
	clock_refresh();
	progress_show(&p->progress, lines_bytes(p->lines), p->queued + p->known,
	    "%llu pushed, %llu refused",
	    (unsigned long long)(p->queued + p->known),
	    (unsigned long long)p->refused);
}

/* ---- input ------------------------------------------------------------ */

static bool
is_blank(struct span line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\r')
			return false;
	return true;
}

static void
add_line(struct push *p, struct span line)
{
	struct push_item *item = &p->items[p->count];
	uint64_t number = lines_number(p->lines);
	struct buf why;
	enum err err;

	if (is_blank(line))
		return;
	buf_init(&why, REASON_MAX);
	err = push_item_add(item, &p->text, &p->plan->shape, line, &why);
	if (err != ERR_OK) {
		refuse_own(p, number, err, buf_span(&why));
	} else {
		item->line = number;
		item->is_pending = true;
		p->count++;
	}
	buf_clear(&why);
	if (p->count == BATCH_LINES || p->text.len >= BATCH_BYTES)
		push_batch(p);
}

/* Until the input ends. False (and told) when it cannot be read. */
static bool
read_lines(struct push *p)
{
	enum lines_got got = LINES_LINE;
	struct span line;

	while (got != LINES_END && p->stop == CLI_DONE) {
		got = lines_next(p->lines, &line);
		if (got == LINES_LINE) {
			add_line(p, line);
		} else if (got == LINES_TOO_LONG) {
			refuse_own(p, lines_number(p->lines),
			    ERR_PAYLOAD_TOO_LARGE,
			    SPAN("a line may have 1 MiB"));
		} else if (got == LINES_ERROR) {
			progress_clear(&p->progress);
			cli_say(
			    "cannot read standard input: %s", strerror(errno));
			return false;
		}
	}
	return true;
}

static void
tell_sums(struct push *p)
{
	struct buf out;

	progress_clear(&p->progress);
	if (!p->c->quiet)
		cli_say("queued %llu, known %llu, refused %llu",
		    (unsigned long long)p->queued, (unsigned long long)p->known,
		    (unsigned long long)p->refused);
	if (!p->c->json)
		return;
	buf_init(&out, REASON_MAX);
	buf_addf(&out, "],\"queued\":%llu,\"exists\":%llu,\"refused\":%llu}\n",
	    (unsigned long long)p->queued, (unsigned long long)p->known,
	    (unsigned long long)p->refused);
	cli_write(p->c, buf_span(&out));
	buf_clear(&out);
}

enum cli_exit
push_stream(struct cli *c, const struct push_plan *plan)
{
	struct push *p = xcalloc(1, sizeof(*p));
	enum cli_exit result;
	bool was_read;

	p->c = c;
	p->plan = plan;
	p->lines = lines_new(plan->fd, LINE_MAX_BYTES);
	progress_init(&p->progress, c->stderr_is_terminal && !c->quiet,
	    progress_file_size(plan->fd));
	buf_init(&p->text, TEXT_MAX);
	buf_init(&p->body, TEXT_MAX);
	buf_init(&p->reason, REASON_MAX);
	if (c->json) {
		/* From here on there is a document on stdout. */
		c->has_json = true;
		cli_write(c, SPAN("{\"tasks\":["));
	}
	was_read = read_lines(p);
	push_batch(p);
	tell_sums(p);
	result = p->stop;
	if (!was_read && result == CLI_DONE)
		result = CLI_REFUSED;
	if (result == CLI_DONE && p->refused > 0)
		result = CLI_REFUSED;
	if (result != CLI_DONE && p->queued + p->known > 0)
		result = CLI_PARTLY;
	lines_free(p->lines);
	buf_clear(&p->text);
	buf_clear(&p->body);
	buf_clear(&p->reason);
	free(p);
	return result;
}
