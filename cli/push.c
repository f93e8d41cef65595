/*
 * The loop of a push: reads lines and builds batches while others are under
 * way, sends in the order of the lines, waits where it must; see push.h and
 * push_priv.h. Batches leave the list from its front, once they are through
 * and all before them are: what is acknowledged is always a beginning of the
 * input, and that is what the resume file notes.
 */

#include "cli/push.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/push_priv.h"
#include "core/clock.h"

enum {
	LINE_MAX_BYTES = 1 << 20,
	LINGER_US = 50000, /* a batch that is not full waits for more lines */
	DRAW_MS = 200,
	SAVE_EVERY_US = 100000, /* what is acknowledged, and on a slow disk */
	SAVE_SHARE = 4          /* not more than a part of the time */
};

/* ---- through ---------------------------------------------------------- */

void
push_stop(struct push *p, enum cli_exit why, const struct buf *text)
{
	progress_clear(&p->progress);
	cli_say("%.*s", SPAN_ARG(buf_span(text)));
	if (p->stop == CLI_DONE)
		p->stop = why;
}

/* Writes the refused of one batch. False (and told) when that failed. */
static bool
write_refused(struct push *p, struct span text)
{
	struct buf why;
	ssize_t n = 0;

	for (size_t at = 0; at < text.len; at += (size_t)n) {
		do
			n = write(p->refused_fd, text.p + at, text.len - at);
		while (n < 0 && errno == EINTR);
		if (n >= 0)
			continue;
		buf_init(&why, PUSH_REASON_MAX);
		buf_addf(&why, "cannot write '%s': %s", p->plan->refused,
		    strerror(errno));
		push_stop(p, CLI_REFUSED, &why);
		buf_clear(&why);
		return false;
	}
	p->mark.refused_bytes += text.len;
	return true;
}

/* Notes what is acknowledged. Not each time: what was not noted is known to
 * the server by its ids. */
static void
push_save(struct push *p, bool at_once)
{
	int64_t now = clock_mono_us_fresh();
	int64_t rest_us = SAVE_SHARE * p->save_took_us;
	struct buf why;

	if (rest_us < SAVE_EVERY_US)
		rest_us = SAVE_EVERY_US;
	if (p->resume == NULL || p->mark.lines == p->saved_lines ||
	    (!at_once && now - p->saved_us < rest_us))
		return;
	/* The file of the refused first: it must not lack what the mark says
	 * is through. A pipe cannot be synced, and need not be. */
	if (p->refused_fd >= 0)
		(void)fsync(p->refused_fd);
	buf_init(&why, PUSH_REASON_MAX);
	if (push_resume_save(p->resume, &p->mark, &why) != ERR_OK)
		push_stop(p, CLI_REFUSED, &why);
	buf_clear(&why);
	p->saved_lines = p->mark.lines;
	p->saved_us = clock_mono_us_fresh();
	p->save_took_us = p->saved_us - now;
}

/* All up to the batch's last line is acknowledged. */
static void
move_mark(struct push_mark *mark, const struct push_batch *b)
{
	mark->lines = b->last_line;
	mark->chain = b->chain;
	mark->sums.queued += b->sums.queued;
	mark->sums.exists += b->sums.exists;
	mark->sums.refused += b->sums.refused;
}

static void
push_retire(struct push *p)
{
	while (!list_is_empty(&p->batches)) {
		struct push_batch *b =
		    CONTAINER_OF(p->batches.next, struct push_batch, link);

		if (!push_batch_is_done(b) ||
		    !write_refused(p, buf_span(&b->refused)))
			break;
		/* The last one has no lines when the input ends with the
		 * batch before it. */
		if (b->line_count > 0)
			move_mark(&p->mark, b);
		list_del(&b->link);
		push_batch_reset(b);
		list_add_tail(&p->spare, &b->link);
	}
	push_save(p, false);
}

/* ---- the loop --------------------------------------------------------- */

bool
push_is_stopping(const struct push *p)
{
	return p->stop != CLI_DONE || p->is_interrupted;
}

/* What may be sent now, in the order of the lines. */
static void
push_send(struct push *p)
{
	int64_t now = clock_mono_us_fresh();
	struct list *pos;

	/* Lines that came slowly do not wait for a full batch. */
	if (p->filling != NULL && p->filling->line_count > 0 &&
	    p->input_waits && p->sending < p->plan->parallel &&
	    now - p->filled_at_us >= LINGER_US)
		push_seal(p);
	if (push_is_stopping(p) || now < p->not_before_us)
		return;
	LIST_FOREACH (pos, &p->batches) {
		struct push_batch *b =
		    CONTAINER_OF(pos, struct push_batch, link);

		if (p->sending == p->plan->parallel)
			return;
		if (b->is_sealed && !b->is_sending && b->todo_count > 0)
			push_batch_send(b);
	}
}

static bool
push_is_over(const struct push *p)
{
	if (p->is_cut)
		return true;
	if (push_is_stopping(p))
		return p->sending == 0;
	return p->input_is_over && list_is_empty(&p->batches);
}

/* Is there room for lines, and nothing that keeps them from coming? */
static bool
push_wants_input(struct push *p)
{
	return !p->input_is_over && !push_is_stopping(p) &&
	       push_filling(p) != NULL;
}

static int
sooner(int a_ms, int64_t until_us)
{
	int64_t left = until_us - clock_mono_us_fresh();
	int b_ms = left <= 0 ? 0 : (int)((left + 999) / 1000);

	return a_ms < 0 || b_ms < a_ms ? b_ms : a_ms;
}

/* How long nothing is to be done unless something comes. */
static int
push_wait_ms(struct push *p, bool wants_input)
{
	int ms = wire_wait_ms(p->wire);

	if (wants_input && !p->input_waits)
		return 0;
	if (p->progress.is_on && (ms < 0 || ms > DRAW_MS))
		ms = DRAW_MS;
	if (p->sending == p->plan->parallel)
		return ms;
	if (p->not_before_us > clock_mono_us_fresh())
		ms = sooner(ms, p->not_before_us);
	if (p->filling != NULL && p->filling->line_count > 0 && p->input_waits)
		ms = sooner(ms, p->filled_at_us + LINGER_US);
	return ms;
}

static void
push_on_signal(struct push *p)
{
	unsigned count = signals_take(&p->signals);

	if (count == 0)
		return;
	progress_clear(&p->progress);
	if (p->is_interrupted || count > 1) {
		p->is_cut = true;
		return;
	}
	p->is_interrupted = true;
	if (p->sending > 0)
		cli_say("stopping: waiting for what is under way; once more "
			"ends at once");
}

static void
push_poll(struct push *p)
{
	bool wants_input = push_wants_input(p);
	struct pollfd fds[3] = {{.fd = p->signals.fd, .events = POLLIN},
	    {.fd = wire_fd(p->wire), .events = POLLIN}};
	nfds_t n = 2;

	if (wants_input && p->input_waits)
		fds[n++] = (struct pollfd){
		    .fd = source_fd(p->source), .events = POLLIN};
	(void)poll(fds, n, push_wait_ms(p, wants_input));
	if (fds[0].revents != 0)
		push_on_signal(p);
	wire_turn(p->wire);
}

static void
push_draw(struct push *p)
{
	uint64_t pushed = p->sums.queued + p->sums.exists;
	bool waits = p->not_before_us > clock_mono_us_fresh();

	progress_show(&p->progress,
	    p->source != NULL ? source_bytes(p->source) : 0,
	    pushed - p->pushed_before, "%llu pushed, %llu refused%s",
	    (unsigned long long)pushed, (unsigned long long)p->sums.refused,
	    waits ? ", waiting" : "");
}

/* What is ready goes out, and what is through is noted. */
static void
push_step(struct push *p)
{
	push_send(p);
	push_retire(p);
}

static void
push_loop(struct push *p)
{
	for (;;) {
		push_step(p);
		push_read(p);
		push_step(p);
		if (push_is_over(p))
			break;
		push_poll(p);
		push_draw(p);
	}
}

/* ---- the whole -------------------------------------------------------- */

static enum cli_exit
open_resume(struct push *p)
{
	static const char *const kinds[] = {
	    [PUSH_PAYLOADS] = "payloads",
	    [PUSH_RAW] = "lines",
	    [PUSH_TASKS] = "tasks",
	};
	const struct push_plan *plan = p->plan;
	struct push_binding binding = {.queue = plan->queue,
	    .how = kinds[plan->shape.kind],
	    .id_from = plan->shape.id_from != NULL ? plan->shape.id_from : ""};
	struct buf why;
	enum err err = ERR_OK;

	if (plan->resume == NULL)
		return CLI_DONE;
	buf_init(&why, PUSH_REASON_MAX);
	err = push_resume_open(&p->resume, plan->resume, &binding, &why);
	if (err != ERR_OK) {
		cli_say("%.*s", SPAN_ARG(buf_span(&why)));
	} else {
		p->mark = *push_resume_mark(p->resume);
		p->sums = p->mark.sums;
		p->pushed_before = p->sums.queued + p->sums.exists;
		p->saved_lines = p->mark.lines;
		if (p->mark.lines > 0 && !p->c->quiet)
			cli_say("%s: going on behind line %llu", plan->resume,
			    (unsigned long long)p->mark.lines);
	}
	buf_clear(&why);
	return err == ERR_OK ? CLI_DONE : CLI_USAGE;
}

/* Is the open file one of those that are read? */
static bool
is_input(const struct push_plan *plan, int fd)
{
	struct stat out, in;

	if (fstat(fd, &out) != 0 || !S_ISREG(out.st_mode))
		return false;
	for (size_t i = 0; i < plan->file_count; i++) {
		int got = strcmp(plan->files[i], "-") == 0
			      ? fstat(STDIN_FILENO, &in)
			      : stat(plan->files[i], &in);

		if (got == 0 && in.st_dev == out.st_dev &&
		    in.st_ino == out.st_ino)
			return true;
	}
	return false;
}

/* The file begins anew, or where a push that goes on had it. */
static enum cli_exit
open_refused(struct push *p)
{
	const struct push_plan *plan = p->plan;
	off_t keep = (off_t)p->mark.refused_bytes;
	struct stat st;

	if (plan->refused == NULL)
		return CLI_DONE;
	p->refused_fd =
	    open(plan->refused, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (p->refused_fd < 0) {
		cli_say(
		    "cannot write '%s': %s", plan->refused, strerror(errno));
		return CLI_USAGE;
	}
	if (is_input(plan, p->refused_fd)) {
		cli_say("--refused '%s' is also what is read", plan->refused);
		return CLI_USAGE;
	}
	if (fstat(p->refused_fd, &st) != 0 || !S_ISREG(st.st_mode))
		return CLI_DONE;
	/* Shorter than it was: it is another file, and is added to. */
	if (st.st_size < keep)
		keep = st.st_size;
	if (ftruncate(p->refused_fd, keep) != 0 ||
	    lseek(p->refused_fd, keep, SEEK_SET) != keep) {
		cli_say(
		    "cannot write '%s': %s", plan->refused, strerror(errno));
		return CLI_USAGE;
	}
	p->mark.refused_bytes = (uint64_t)keep;
	return CLI_DONE;
}

static void
push_open(struct push *p)
{
	const struct push_plan *plan = p->plan;
	bool draws = p->c->stderr_is_terminal && !p->c->quiet;

	list_init(&p->batches);
	list_init(&p->spare);
	buf_init(&p->reason, PUSH_REASON_MAX);
	buf_init(&p->told_reason, PUSH_REASON_MAX);
	p->refused_fd = -1;
	if (plan->file_count > 0) {
		p->source = source_new(plan->files, plan->file_count);
		p->lines = lines_new(p->source, LINE_MAX_BYTES);
		progress_init(&p->progress, draws, source_total(p->source));
	}
	p->wire = wire_open(p->c->client);
	signals_open(&p->signals);
}

static void
free_batches(struct list *head)
{
	while (!list_is_empty(head))
		push_batch_free(
		    CONTAINER_OF(head->next, struct push_batch, link));
}

static void
push_close(struct push *p)
{
	signals_close(&p->signals);
	wire_close(p->wire);
	free_batches(&p->batches);
	free_batches(&p->spare);
	lines_free(p->lines);
	source_free(p->source);
	push_resume_close(p->resume);
	buf_clear(&p->reason);
	buf_clear(&p->told_reason);
	if (p->refused_fd >= 0)
		(void)close(p->refused_fd);
	free(p);
}

static enum cli_exit
push_result(const struct push *p)
{
	enum cli_exit result = p->stop;

	if (result == CLI_USAGE)
		return result;
	if (p->is_unreadable)
		return CLI_PARTLY;
	if (result == CLI_DONE && (p->sums.refused > 0 || p->is_interrupted))
		result = CLI_REFUSED;
	if (result != CLI_DONE && p->sums.queued + p->sums.exists > 0)
		result = CLI_PARTLY;
	return result;
}

static void
push_all(struct push *p)
{
	if (p->c->json) {
		/* From here on there is a document on stdout. */
		p->c->has_json = true;
		cli_write(p->c, SPAN("{\"tasks\":["));
	}
	push_loop(p);
	push_save(p, true);
	if (p->stop != CLI_DONE || p->is_interrupted)
		push_tell_stop(p);
	push_tell_sums(p);
}

enum cli_exit
push_run(struct cli *c, const struct push_plan *plan)
{
	struct push *p = xcalloc(1, sizeof(*p));
	enum cli_exit result;

	p->c = c;
	p->plan = plan;
	push_open(p);
	result = open_resume(p);
	if (result == CLI_DONE)
		result = open_refused(p);
	if (result == CLI_DONE) {
		push_all(p);
		result = push_result(p);
	}
	push_close(p);
	return result;
}
