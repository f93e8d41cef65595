/* The upper part of top's picture: the server, and all queues in sum. */

#include "cli/top_parts.h"

#include "cli/text.h"
#include "core/mem.h"

enum {
	TEXT_MAX = 8192,
	LABEL = 9, /* columns of what a line is about */
	GAP = 2,
	LINES_ALL = 18, /* of the screen, for the whole summary to be shown */
	LINES_SOME = 10,
	LINES_FEW = 6,  /* below, only the table */
	FAILS_MANY = 9, /* one in so many that are done is worth a look */
	LATE_S = 60     /* a janitor that does not run */
};

/* ---- the summary: a line each, what matters most first ----------------- */

static void
line_begin(struct frame *f, const char *label)
{
	frame_add_cell(f, FRAME_DIM, span_of(label), LABEL, false);
}

static void
line_end(struct frame *f)
{
	frame_next(f);
}

/* "12.4k todo", unless there is no room for all of it. */
static void
item_add(struct frame *f, enum frame_style style, struct span value,
    const char *what)
{
	size_t gap = f->column > LABEL ? GAP : 0;
	struct span unit = span_of(what);
	size_t unit_gap = unit.len > 0;

	if (gap + text_width(value) + unit_gap + unit.len > frame_room(f))
		return;
	frame_skip(f, gap);
	frame_add(f, style, value);
	frame_skip(f, unit_gap);
	frame_add(f, style >= FRAME_WARN ? style : FRAME_DIM, unit);
}

static void
item_count(
    struct frame *f, enum frame_style style, uint64_t n, const char *what)
{
	struct buf text;

	buf_init(&text, TEXT_MAX);
	text_add_count(&text, n);
	item_add(f, n > 0 ? style : FRAME_PLAIN, buf_span(&text), what);
	buf_clear(&text);
}

static void
item_rate(
    struct frame *f, enum frame_style style, double rate, const char *what)
{
	struct buf text;

	buf_init(&text, TEXT_MAX);
	top_add_rate(&text, rate);
	buf_add_str(&text, "/s");
	item_add(f, rate >= 0.05 ? style : FRAME_PLAIN, buf_span(&text), what);
	buf_clear(&text);
}

static void
item_seconds(struct frame *f, enum frame_style style, const char *before,
    double seconds, const char *what)
{
	struct buf text;

	buf_init(&text, TEXT_MAX);
	buf_add_str(&text, before);
	text_add_seconds(&text, seconds);
	item_add(f, style, buf_span(&text), what);
	buf_clear(&text);
}

struct sums {
	uint64_t counts[TOP_STATES], levels[TOP_BAD + 1], paused;
	double rates[TOP_RATES], oldest_s;
};

static void
sums_make(const struct top *t, struct sums *s)
{
	*s = (struct sums){0};
	for (size_t i = 0; i < t->data.queue_count; i++) {
		const struct top_queue *q = &t->data.queues[i];

		for (size_t k = 0; k < TOP_STATES; k++)
			s->counts[k] += q->counts[k];
		for (size_t k = 0; k < TOP_RATES; k++)
			s->rates[k] += q->rates[k];
		s->levels[q->level]++;
		s->paused += q->paused;
		if (q->counts[TOP_TODO] > 0 && q->oldest_s > s->oldest_s)
			s->oldest_s = q->oldest_s;
	}
}

static void
draw_queues_line(const struct top *t, const struct sums *s, struct frame *f)
{
	line_begin(f, "Queues");
	item_count(f, FRAME_BOLD, t->data.queue_count, "in all");
	item_count(f, FRAME_BAD, s->levels[TOP_BAD], "in trouble");
	item_count(f, FRAME_WARN, s->levels[TOP_WARN], "to watch");
	item_count(f, FRAME_WARN, s->paused, "paused");
	if (s->oldest_s > 0)
		item_seconds(f, FRAME_PLAIN, "oldest ", s->oldest_s, "");
	line_end(f);
}

static void
draw_tasks_line(const struct sums *s, struct frame *f)
{
	line_begin(f, "Tasks");
	item_count(f, FRAME_BOLD, s->counts[TOP_TODO], "todo");
	item_count(f, FRAME_BOLD, s->counts[TOP_DOING], "doing");
	item_count(f, FRAME_WARN, s->counts[TOP_DEAD], "dead");
	item_count(f, FRAME_BOLD, s->counts[TOP_FAILED], "failed");
	item_count(f, FRAME_BOLD, s->counts[TOP_DELAYED], "delayed");
	item_count(f, FRAME_PLAIN, s->counts[TOP_FINISH], "finished");
	line_end(f);
}

static void
draw_rates_line(const struct sums *s, struct frame *f)
{
	line_begin(f, "Rates");
	item_rate(f, FRAME_BOLD, s->rates[TOP_IN], "in");
	item_rate(f, FRAME_BOLD, s->rates[TOP_OUT], "out");
	item_rate(f, FRAME_BOLD, s->rates[TOP_DONE], "done");
	item_rate(f,
	    s->rates[TOP_FAIL] * FAILS_MANY > s->rates[TOP_DONE] ? FRAME_WARN
								 : FRAME_BOLD,
	    s->rates[TOP_FAIL], "failed");
	line_end(f);
}

static void
draw_latency_line(const struct top *t, struct frame *f)
{
	static const char *const names[TOP_LATENCIES] = {
	    "push", "take", "report"};
	struct buf text;

	if (!t->data.server.has_latency)
		return;
	line_begin(f, "Latency");
	buf_init(&text, TEXT_MAX);
	for (size_t i = 0; i < TOP_LATENCIES; i++) {
		const struct top_latency *l = &t->data.server.latency[i];

		buf_reset(&text, TEXT_MAX);
		buf_addf(&text, "%s ", names[i]);
		top_add_short(&text, l->p50_s);
		buf_add_str(&text, ", 99% ");
		top_add_short(&text, l->p99_s);
		/* A take may wait for work: that is not slow. */
		item_add(f, l->p99_s >= 1 && i != 1 ? FRAME_WARN : FRAME_PLAIN,
		    buf_span(&text), "");
	}
	buf_clear(&text);
	line_end(f);
}

static void
draw_server_line(const struct top *t, struct frame *f)
{
	const struct top_server *s = &t->data.server;

	line_begin(f, "Server");
	item_count(f, FRAME_PLAIN, s->workers, "workers");
	item_count(f, FRAME_PLAIN, s->waiting, "takes wait");
	item_count(f, FRAME_PLAIN, s->connections, "connections");
	if (s->outcomes[0] >= 0)
		item_rate(f, FRAME_PLAIN, s->outcomes[0], "2xx");
	if (s->outcomes[1] >= 0)
		item_rate(f, FRAME_PLAIN, s->outcomes[1], "4xx");
	if (s->outcomes[2] >= 0)
		item_rate(f, FRAME_BAD, s->outcomes[2], "5xx");
	line_end(f);
}

/* What it stands on, and what it does by itself. */
static void
draw_store_line(const struct top *t, struct frame *f)
{
	const struct top_server *s = &t->data.server;
	double ran_s = -1;
	uint64_t errors = 0;

	for (size_t i = 0; i < s->duty_count; i++) {
		double ago_s = s->duties[i].ran_s;

		errors += s->duties[i].errors;
		if (ago_s >= 0 && (ran_s < 0 || ago_s < ran_s))
			ran_s = ago_s;
	}
	line_begin(f, "Store");
	item_add(f, s->ready ? FRAME_PLAIN : FRAME_BAD,
	    s->ready ? SPAN("ready") : SPAN("not ready"), "");
	item_count(f, FRAME_PLAIN, s->pending, "calls under way");
	item_count(f, FRAME_PLAIN, s->lost, "times lost");
	if (ran_s < 0)
		item_add(f, FRAME_WARN, SPAN("janitor not run yet"), "");
	else
		item_seconds(f, ran_s >= LATE_S ? FRAME_BAD : FRAME_PLAIN,
		    "janitor ran ", ran_s, "ago");
	item_count(f, FRAME_WARN, errors, "errors");
	line_end(f);
}

/* ---- the first line, and what is wrong with the server ----------------- */

static void
draw_bar(const struct top *t, struct frame *f)
{
	const struct top_server *s = &t->data.server;
	struct buf text;

	buf_init(&text, TEXT_MAX);
	buf_addf(&text, "schedd %.*s at %s, up ", SPAN_ARG(s->version),
	    t->server_name);
	text_add_seconds(&text, s->uptime_s);
	frame_add(f, FRAME_BAR, buf_span(&text));
	buf_reset(&text, TEXT_MAX);
	if (!t->is_one_shot) {
		buf_add_str(&text, "every ");
		text_add_seconds(&text, (double)t->interval_ms / 1000);
		buf_addf(&text, "  %s", t->clock);
		frame_add_right(f, FRAME_BAR, buf_span(&text));
	}
	frame_next(f);
	buf_clear(&text);
}

static void
draw_alarm(const struct top *t, struct frame *f)
{
	const struct top_server *s = &t->data.server;
	struct buf text;

	buf_init(&text, TEXT_MAX);
	if (t->unreached[0] != '\0') {
		buf_addf(&text, "%s for ",
		    t->is_refused ? "refused" : "not reached");
		text_add_seconds(
		    &text, (double)(t->now_us - t->answered_us) / 1e6);
		buf_addf(&text, ": %s", t->unreached);
	} else if (!s->ready) {
		buf_addf(&text, "takes no pushes: %.*s", SPAN_ARG(s->reason));
	} else if (s->away.len > 0) {
		buf_addf(&text, "backend %.*s is away: %.*s", SPAN_ARG(s->away),
		    SPAN_ARG(s->away_why));
	}
	if (text.len > 0) {
		frame_add(f, FRAME_BAD, buf_span(&text));
		frame_next(f);
	}
	buf_clear(&text);
}

/* ---- all of it, as far as the lines go --------------------------------- */

void
top_draw_summary(const struct top *t, struct frame *f)
{
	size_t lines = f->lines > 0 ? f->lines : SIZE_MAX;
	struct sums sums;

	draw_bar(t, f);
	draw_alarm(t, f);
	sums_make(t, &sums);
	if (lines >= LINES_SOME)
		draw_queues_line(t, &sums, f);
	if (lines >= LINES_FEW)
		draw_tasks_line(&sums, f);
	if (lines < LINES_ALL)
		return;
	draw_rates_line(&sums, f);
	draw_latency_line(t, f);
	draw_server_line(t, f);
	draw_store_line(t, f);
	frame_next(f);
}
