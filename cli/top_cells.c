/* The columns of top's lists, and what stands in them; see top_parts.h. */

#include "cli/top_parts.h"

#include "cli/text.h"
#include "core/mem.h"

enum { WAITS_LONG_S = 300, MANY = 10000 };

/* clang-format off */
static const struct top_title queue_titles[TOP_COLUMNS] = {
	[TOP_COL_NAME]    = {"QUEUE",   0,  0, true,  "its name"},
	[TOP_COL_TODO]    = {"TODO",    5,  1, false, "tasks that wait to be taken"},
	[TOP_COL_DOING]   = {"DOING",   5,  4, false, "tasks that workers hold"},
	[TOP_COL_DELAYED] = {"DELAY",   5, 10, false, "tasks whose time has not come"},
	[TOP_COL_FAILED]  = {"FAILED",  6,  8, false, "tasks that wait for their retry"},
	[TOP_COL_DEAD]    = {"DEAD",    5,  3, false, "tasks out of attempts, for you to look at"},
	[TOP_COL_FINISH]  = {"FINISH",  6, 13, false, "finished tasks that are remembered"},
	[TOP_COL_OLDEST]  = {"OLDEST",  6,  2, false, "how long the oldest of TODO has waited"},
	[TOP_COL_IN]      = {"IN/S",    5,  5, false, "pushed a second, over the last 10 s"},
	[TOP_COL_OUT]     = {"OUT/S",   5,  6, false, "taken a second"},
	[TOP_COL_DONE]    = {"DONE/S",  6, 12, false, "finished a second"},
	[TOP_COL_FAIL]    = {"FAIL/S",  6, 11, false, "attempts that failed a second"},
	[TOP_COL_WORKERS] = {"WRK",     3,  7, false, "workers that hold tasks of it"},
	[TOP_COL_WAITING] = {"WAIT",    4, 14, false, "takes that wait for work"},
	[TOP_COL_TAKEN]   = {"TAKEN",   6, 15, false, "since the last take"},
	[TOP_COL_FULL]    = {"FULL",    4, 16, false, "live tasks as a part of max_tasks"},
	[TOP_COL_DRAINS]  = {"DRAINS",  6,  9, false, "until all is done at this pace; + grows"},
	[TOP_COL_NOTE]    = {"TROUBLE", 0,  0, true,  "what is wrong"},
};

static const struct top_title worker_titles[TOP_WORKER_COLUMNS] = {
	[TOP_WORKER_NAME] = {"WORKER",  0,  0, true,  "its name"},
	[TOP_WORKER_HELD] = {"HELD",    5,  1, false, "tasks that it holds"},
	[TOP_WORKER_SEEN] = {"SEEN",    6,  2, false, "since its last request"},
	[TOP_WORKER_BEAT] = {"BEAT",    6,  3, false, "since its last heartbeat"},
	[TOP_WORKER_ADDR] = {"ADDRESS", 22, 4, true,  "where it comes from"},
	[TOP_WORKER_NOTE] = {"TROUBLE", 0,  0, true,  "what is wrong"},
};

static const struct top_title duty_titles[TOP_DUTY_COLUMNS] = {
	[TOP_DUTY_NAME]   = {"DUTY",    0,  0, true,  "of the janitor"},
	[TOP_DUTY_RAN]    = {"RAN",     6,  1, false, "since its last run"},
	[TOP_DUTY_TOOK]   = {"TOOK",    6,  3, false, "how long that took"},
	[TOP_DUTY_ITEMS]  = {"ITEMS",   6,  4, false, "tasks it acted on"},
	[TOP_DUTY_RUNS]   = {"RUNS",    6,  5, false, "runs"},
	[TOP_DUTY_ERRORS] = {"ERRORS",  6,  2, false, "runs that failed"},
};
/* clang-format on */

const struct top_title *
top_titles(enum top_view view)
{
	static const struct top_title *const titles[TOP_VIEWS] = {
	    [TOP_QUEUES] = queue_titles,
	    [TOP_WORKERS] = worker_titles,
	    [TOP_JANITOR] = duty_titles,
	};

	return titles[view];
}

/* ---- pieces ------------------------------------------------------------ */

void
top_add_short(struct buf *out, double seconds)
{
	double ms = seconds * 1000;

	if (seconds < 0)
		buf_add_char(out, '-');
	else if (ms < 9.95)
		buf_addf(out, "%.1fms", ms);
	else if (ms < 999.5)
		buf_addf(out, "%.0fms", ms);
	else
		text_add_seconds(out, seconds);
}

void
top_add_rate(struct buf *out, double per_second)
{
	if (per_second < MANY)
		text_add_rate(out, per_second);
	else
		text_add_count(out, (uint64_t)per_second);
}

enum frame_style
top_level_style(enum top_level level)
{
	static const enum frame_style styles[] = {
	    [TOP_FINE] = FRAME_PLAIN,
	    [TOP_NOTE] = FRAME_PLAIN,
	    [TOP_WARN] = FRAME_WARN,
	    [TOP_BAD] = FRAME_BAD,
	};

	return styles[level];
}

/* What is 0 stays in the background. */
static enum frame_style
add_nothing(struct buf *out)
{
	buf_add_char(out, '-');
	return FRAME_DIM;
}

static enum frame_style
add_count(struct buf *out, double n)
{
	if (n <= 0)
		return add_nothing(out);
	text_add_count(out, (uint64_t)n);
	return FRAME_PLAIN;
}

static enum frame_style
add_ago(struct buf *out, double seconds)
{
	if (seconds < 0)
		return add_nothing(out);
	text_add_seconds(out, seconds);
	return FRAME_PLAIN;
}

static enum frame_style
add_rate(struct buf *out, double per_second)
{
	if (per_second < 0.05)
		return add_nothing(out);
	top_add_rate(out, per_second);
	return FRAME_PLAIN;
}

/* ---- a queue's cells --------------------------------------------------- */

static enum frame_style
add_note(const struct top_queue *q, size_t width, struct buf *out)
{
	bool fits = width == 0 || text_width(q->note) <= width;

	buf_add_span(out, fits ? q->note : q->brief);
	return top_level_style(q->level);
}

static enum frame_style
add_full(const struct top_queue *q, struct buf *out)
{
	double part = top_queue_full(q);

	if (part < 0.01)
		return add_nothing(out);
	/* Cut: it says 100 only when it is full. */
	buf_addf(out, "%u%%", part < 9.99 ? (unsigned)(part * 100) : 999);
	if (part >= 1)
		return FRAME_BAD;
	return part >= 0.9 ? FRAME_WARN : FRAME_PLAIN;
}

static enum frame_style
add_drains(const struct top_queue *q, double seconds, struct buf *out)
{
	if (seconds <= 0)
		return add_nothing(out);
	if (seconds < 1e9) {
		text_add_seconds(out, seconds);
		return FRAME_PLAIN;
	}
	if (q->rates[TOP_IN] - q->rates[TOP_DONE] < 0.05)
		return add_nothing(out);
	buf_add_char(out, '+');
	top_add_rate(out, q->rates[TOP_IN] - q->rates[TOP_DONE]);
	return FRAME_PLAIN;
}

static enum frame_style
queue_cell(
    const struct top_queue *q, unsigned column, size_t width, struct buf *out)
{
	double value = top_queue_value(q, column);
	enum frame_style style;

	switch ((enum top_column)column) {
	case TOP_COL_NAME:
		buf_add_span(out, q->name);
		return top_level_style(q->level);
	case TOP_COL_NOTE:
		return add_note(q, width, out);
	case TOP_COL_DEAD:
		style = add_count(out, value);
		if (q->died_1m >= 1)
			return FRAME_BAD;
		return value > 0 ? FRAME_WARN : style;
	case TOP_COL_OLDEST:
		if (q->counts[TOP_TODO] == 0)
			return add_nothing(out);
		style = add_ago(out, value);
		return value >= WAITS_LONG_S ? FRAME_WARN : style;
	case TOP_COL_IN:
	case TOP_COL_OUT:
	case TOP_COL_DONE:
	case TOP_COL_FAIL:
		return add_rate(out, value);
	case TOP_COL_TAKEN:
		return add_ago(out, value);
	case TOP_COL_FULL:
		return add_full(q, out);
	case TOP_COL_DRAINS:
		return add_drains(q, value, out);
	case TOP_COL_TODO:
	case TOP_COL_DOING:
	case TOP_COL_DELAYED:
	case TOP_COL_FAILED:
	case TOP_COL_FINISH:
	case TOP_COL_WORKERS:
	case TOP_COL_WAITING:
	case TOP_COLUMNS:
		break;
	}
	return add_count(out, value);
}

/* ---- the other lists --------------------------------------------------- */

static enum frame_style
worker_cell(const struct top_worker *w, unsigned column, struct buf *out)
{
	switch (column) {
	case TOP_WORKER_NAME:
		buf_add_span(out, w->name);
		return top_level_style(w->level);
	case TOP_WORKER_HELD:
		return add_count(out, (double)w->held);
	case TOP_WORKER_SEEN:
		return add_ago(out, w->seen_s);
	case TOP_WORKER_BEAT:
		return add_ago(out, w->beat_s);
	case TOP_WORKER_ADDR:
		buf_add_span(out, w->addr);
		return FRAME_PLAIN;
	default:
		if (w->level != TOP_FINE)
			buf_add_str(out, "silent");
		return top_level_style(w->level);
	}
}

static enum frame_style
duty_cell(const struct top_duty *d, unsigned column, struct buf *out)
{
	switch (column) {
	case TOP_DUTY_NAME:
		buf_add_span(out, d->name);
		return FRAME_PLAIN;
	case TOP_DUTY_RAN:
		return add_ago(out, d->ran_s);
	case TOP_DUTY_TOOK:
		top_add_short(out, d->runs > 0 ? d->took_s : -1);
		return FRAME_PLAIN;
	case TOP_DUTY_ITEMS:
		return add_count(out, (double)d->items);
	case TOP_DUTY_RUNS:
		return add_count(out, (double)d->runs);
	default:
		(void)add_count(out, (double)d->errors);
		return d->errors > 0 ? FRAME_WARN : FRAME_DIM;
	}
}

enum frame_style
top_cell(const struct top *t, enum top_view view, size_t item, unsigned column,
    size_t width, struct buf *out)
{
	if (view == TOP_QUEUES)
		return queue_cell(&t->data.queues[item], column, width, out);
	if (view == TOP_WORKERS)
		return worker_cell(&t->crew.workers[item], column, out);
	return duty_cell(&t->data.server.duties[item], column, out);
}
