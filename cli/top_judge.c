/* What is wrong with a queue, in a word and in a line; see top.h. */

#include "cli/top.h"

#include <math.h>

#include "cli/rows.h"
#include "cli/text.h"
#include "core/mem.h"

enum { NOTE_MAX = 4096, NOT_TAKEN_S = 60, BEHIND_S = 300 };

struct judging {
	const struct top_queue *q;
	struct arena *arena;
	enum top_level level;
	struct buf brief; /* of the worst of them, the first of equals */
	struct buf note;  /* all of them */
};

/* One thing more that is wrong. */
static void
judge_add(struct judging *j, enum top_level level, struct span brief,
    struct span note)
{
	if (j->note.len > 0)
		buf_add_str(&j->note, "; ");
	buf_add_span(&j->note, note);
	if (j->brief.len > 0 && level <= j->level)
		return;
	buf_reset(&j->brief, NOTE_MAX);
	buf_add_span(&j->brief, brief);
	j->level = level;
}

/* In one unit, for a brief word: 59s 12m 3h 2d. */
static struct span
add_about(struct buf *text, const char *before, double seconds)
{
	static const struct {
		double seconds;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	size_t i = 0;

	while (i + 1 < COUNT_OF(units) && seconds < units[i].seconds)
		i++;
	buf_addf(text, "%s%.0f%c", before, floor(seconds / units[i].seconds),
	    units[i].unit);
	return buf_span(text);
}

static struct span
add_seconds(struct buf *text, const char *before, double seconds)
{
	buf_add_str(text, before);
	text_add_seconds(text, seconds);
	return buf_span(text);
}

/* How long nobody has taken from it; 0 when somebody did just now. Tasks
 * that are held were taken once: when is not known of an older server, so
 * only what was seen counts. */
static double
not_taken_s(const struct top_queue *q)
{
	double idle_s = q->oldest_s;

	if (q->counts[TOP_TODO] == 0 || q->rates[TOP_OUT] > 0)
		return 0;
	if (q->taken_ago_s >= 0)
		idle_s = q->taken_ago_s;
	else if (q->counts[TOP_DOING] > 0)
		idle_s = q->idle_s;
	return idle_s < q->oldest_s ? idle_s : q->oldest_s;
}

/* ---- what the server says ---------------------------------------------- */

/* "no worker 12m" when nobody holds any of it; workers that are long at work
 * take nothing either, which is bad only once tasks wait for long. */
static enum top_level
judge_untaken(const struct top_queue *q, double idle_s, struct buf *brief)
{
	bool is_long = idle_s >= NOT_TAKEN_S;

	if (q->counts[TOP_DOING] == 0) {
		/* Since when a server that began just now cannot know. */
		if (q->has_held_up && q->taken_ago_s < 0)
			buf_add_str(brief, "no worker");
		else
			add_about(brief, "no worker ", idle_s);
		return is_long ? TOP_BAD : TOP_WARN;
	}
	add_about(brief, "no take ", idle_s);
	return q->oldest_s >= BEHIND_S ? TOP_WARN : TOP_NOTE;
}

static enum top_level
judge_brief(const struct top_queue *q, struct span reason, struct buf *brief)
{
	static const struct {
		const char *reason;
		enum top_level level;
	} levels[] = {
	    {"broken", TOP_BAD}, {"full", TOP_BAD}, {"paused", TOP_WARN}};
	enum top_level level = TOP_NOTE;

	if (span_is(reason, "no_worker"))
		return judge_untaken(q, not_taken_s(q), brief);
	for (size_t i = 0; i < COUNT_OF(levels); i++)
		if (span_is(reason, levels[i].reason))
			level = levels[i].level;
	for (size_t i = 0; i < reason.len; i++)
		buf_add_char(brief, reason.p[i] == '_' ? ' ' : reason.p[i]);
	return level;
}

/* That the store is away is said once, above all queues. */
static void
judge_reason(struct judging *j, struct span reason, struct span text)
{
	struct buf brief;
	enum top_level level;

	if (span_is(reason, "store"))
		return;
	buf_init(&brief, NOTE_MAX);
	level = judge_brief(j->q, reason, &brief);
	judge_add(j, level, buf_span(&brief), text.len > 0 ? text : reason);
	buf_clear(&brief);
}

static void
judge_held_up(struct judging *j)
{
	static const struct row_field fields[] = {
	    {"reason", false}, {"text", false}};
	struct span f[2];
	struct scan s;

	scan_init(&s, j->q->held_up);
	if (!scan_array(&s))
		return;
	while (scan_item(&s)) {
		if (!row_read(&s, j->arena, fields, 2, f))
			return;
		judge_reason(j, f[0], f[1]);
	}
}

/* ---- what is seen without it ------------------------------------------- */

/* For a server that does not say what holds a queue up. */
static void
judge_ourselves(struct judging *j)
{
	const struct top_queue *q = j->q;
	double part = top_queue_full(q);
	double idle_s = not_taken_s(q);
	struct buf brief, note;
	enum top_level level;

	buf_init(&brief, NOTE_MAX);
	buf_init(&note, NOTE_MAX);
	if (part >= 1)
		judge_add(j, TOP_BAD, SPAN("full"), SPAN("full"));
	if (q->paused) {
		judge_add(j, TOP_WARN, SPAN("paused"), SPAN("paused"));
	} else if (idle_s >= NOT_TAKEN_S) {
		level = judge_untaken(q, idle_s, &brief);
		judge_add(j, level, buf_span(&brief),
		    add_seconds(&note, "no worker has taken for ", idle_s));
	}
	buf_clear(&brief);
	buf_clear(&note);
}

static void
judge_room(struct judging *j)
{
	double part = top_queue_full(j->q);
	struct buf text;

	if (part < 0.9 || part >= 1)
		return;
	buf_init(&text, NOTE_MAX);
	/* Cut, not rounded; and one that takes turns at being full is full. */
	buf_addf(&text, "%u%% full", (unsigned)(part * 100));
	judge_add(j, part < 0.98 ? TOP_WARN : TOP_BAD, buf_span(&text),
	    buf_span(&text));
	buf_clear(&text);
}

static void
judge_dead(struct judging *j)
{
	struct buf brief, note;

	if (j->q->died_1m < 1)
		return;
	buf_init(&brief, NOTE_MAX);
	buf_init(&note, NOTE_MAX);
	buf_addf(&brief, "+%.0f dead", j->q->died_1m);
	buf_addf(&note, "%.0f died within a minute", j->q->died_1m);
	judge_add(j, TOP_BAD, buf_span(&brief), buf_span(&note));
	buf_clear(&brief);
	buf_clear(&note);
}

static void
judge_failing(struct judging *j)
{
	double fail = j->q->rates[TOP_FAIL];
	double all = fail + j->q->rates[TOP_DONE];
	struct buf brief, note;

	if (fail < 0.05 || fail < all / 10)
		return;
	buf_init(&brief, NOTE_MAX);
	buf_init(&note, NOTE_MAX);
	buf_addf(&brief, "%.0f%% fail", fail / all * 100);
	buf_addf(&note, "%.0f%% of the attempts fail", fail / all * 100);
	judge_add(j, TOP_WARN, buf_span(&brief), buf_span(&note));
	buf_clear(&brief);
	buf_clear(&note);
}

static void
judge_pace(struct judging *j)
{
	const struct top_queue *q = j->q;
	double grows = q->rates[TOP_IN] - q->rates[TOP_OUT];
	struct buf brief, note;

	if (q->paused || q->counts[TOP_TODO] == 0 || q->oldest_s < BEHIND_S ||
	    q->rates[TOP_OUT] <= 0)
		return;
	buf_init(&brief, NOTE_MAX);
	buf_init(&note, NOTE_MAX);
	add_about(&brief, "behind ", q->oldest_s);
	add_seconds(&note, "behind: the oldest waits ", q->oldest_s);
	if (grows >= 0.05) {
		buf_add_str(&note, ", growing by ");
		text_add_rate(&note, grows);
		buf_add_str(&note, "/s");
	}
	judge_add(j, TOP_WARN, buf_span(&brief), buf_span(&note));
	buf_clear(&brief);
	buf_clear(&note);
}

static struct span
kept(struct arena *a, const struct buf *text)
{
	char *copy = arena_dup(a, buf_span(text));

	return copy != NULL ? (struct span){copy, text->len} : SPAN("");
}

void
top_judge(struct top_queue *q, struct arena *a)
{
	struct judging j = {.q = q, .arena = a};

	buf_init(&j.brief, NOTE_MAX);
	buf_init(&j.note, NOTE_MAX);
	if (q->has_held_up)
		judge_held_up(&j);
	else
		judge_ourselves(&j);
	judge_dead(&j);
	judge_room(&j);
	judge_failing(&j);
	judge_pace(&j);
	q->level = j.level;
	q->brief = kept(a, &j.brief);
	q->note = kept(a, &j.note);
	buf_clear(&j.brief);
	buf_clear(&j.note);
}
