/* What top knows and in what order it shows it; see top.h. */

#include "cli/top.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"

enum {
	RATE_US = 10 * 1000000, /* what a rate is taken over */
	DIED_US = 60 * 1000000, /* and the number of those that died */
	SAMPLE_US = 950 * 1000, /* samples are so far apart at least */
	SAID_US = 8 * 1000000,  /* how long a message stands */
	SILENT_S = 60           /* a worker that sends heartbeats */
};

void
top_init(struct top *t)
{
	*t = (struct top){.server_name = ""};
	t->order[TOP_QUEUES].column = TOP_COL_NOTE;
	t->order[TOP_WORKERS].column = TOP_WORKER_NOTE;
}

static void
data_clear(struct top_data *d)
{
	for (size_t i = 0; i < d->queue_count; i++)
		free(d->queues[i].history);
	free(d->queues);
	arena_free(d->arena);
	*d = (struct top_data){0};
}

static void
crew_clear(struct top_crew *crew)
{
	free(crew->workers);
	arena_free(crew->arena);
	*crew = (struct top_crew){0};
}

void
top_clear(struct top *t)
{
	data_clear(&t->data);
	data_clear(&t->next);
	crew_clear(&t->crew);
	crew_clear(&t->next_crew);
	free(t->rows);
	free(t->pane);
	top_init(t);
}

int
top_compare_names(struct span a, struct span b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len > 0 ? memcmp(a.p, b.p, len) : 0;

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* ---- rates ------------------------------------------------------------- */

static const struct top_sample *
history_get(const struct top_history *h, size_t age)
{
	return &h->samples[(h->next + TOP_SAMPLES - 1 - age) % TOP_SAMPLES];
}

/* The oldest sample that is at most so old. */
static const struct top_sample *
history_since(const struct top_history *h, int64_t at_us)
{
	size_t age = 0;

	while (age + 1 < h->count && history_get(h, age + 1)->at_us >= at_us)
		age++;
	return history_get(h, age);
}

/* Since when nothing was taken, as far as the samples go. */
static int64_t
history_unchanged(const struct top_history *h)
{
	double taken = history_get(h, 0)->totals[TOP_OUT];
	size_t age = 0;

	while (age + 1 < h->count &&
	       history_get(h, age + 1)->totals[TOP_OUT] >= taken)
		age++;
	return history_get(h, age)->at_us;
}

/* Totals that went down are those of another queue of the same name. */
static bool
is_behind(const struct top_queue *q, const struct top_sample *last)
{
	for (size_t i = 0; i < TOP_RATES; i++)
		if (q->totals[i] < last->totals[i])
			return true;
	return false;
}

static void
history_add(struct top_queue *q, int64_t now_us)
{
	struct top_history *h = q->history;
	struct top_sample *sample;

	if (h->count > 0 && is_behind(q, history_get(h, 0)))
		h->count = 0;
	if (h->count > 0 && now_us - history_get(h, 0)->at_us < SAMPLE_US)
		return;
	sample = &h->samples[h->next];
	sample->at_us = now_us;
	memcpy(sample->totals, q->totals, sizeof(sample->totals));
	h->next = (h->next + 1) % TOP_SAMPLES;
	if (h->count < TOP_SAMPLES)
		h->count++;
}

/* Rates of the last seconds in place of the server's own, which are of a
 * minute and of that one schedd alone. */
static void
queue_rate(struct top_queue *q, int64_t now_us)
{
	const struct top_sample *new, *old;
	double seconds;

	if (!q->has_totals)
		return;
	if (q->history == NULL)
		q->history = xcalloc(1, sizeof(*q->history));
	history_add(q, now_us);
	new = history_get(q->history, 0);
	old = history_since(q->history, now_us - DIED_US);
	q->died_1m = new->totals[TOP_DIED] - old->totals[TOP_DIED];
	old = history_since(q->history, now_us - RATE_US);
	/* After a gap the one before it, however old. */
	if (old == new && q->history->count > 1)
		old = history_get(q->history, 1);
	seconds = (double)(new->at_us - old->at_us) / 1e6;
	q->idle_s = (double)(now_us - history_unchanged(q->history)) / 1e6;
	for (size_t i = 0; i < TOP_RATES && seconds > 0; i++)
		q->rates[i] = (new->totals[i] - old->totals[i]) / seconds;
}

/* ---- a new round ------------------------------------------------------- */

/* Queues that were known keep what was seen of them; both are sorted. */
static void
histories_move(struct top_data *from, struct top_data *to)
{
	size_t i = 0, k = 0;

	while (i < from->queue_count && k < to->queue_count) {
		int order =
		    top_compare_names(from->queues[i].name, to->queues[k].name);

		if (order == 0) {
			to->queues[k].history = from->queues[i].history;
			from->queues[i].history = NULL;
		}
		i += order <= 0;
		k += order >= 0;
	}
	for (i = 0; i < from->queue_count; i++)
		free(from->queues[i].history);
	from->queue_count = 0;
}

static void
worker_judge(struct top_worker *w)
{
	bool is_silent = w->beat_s > SILENT_S;

	w->level = is_silent && w->held > 0 ? TOP_BAD
		   : is_silent              ? TOP_NOTE
					    : TOP_FINE;
}

struct span
top_name(const struct top *t, enum top_view view, size_t item)
{
	if (view == TOP_QUEUES)
		return t->data.queues[item].name;
	if (view == TOP_WORKERS)
		return t->crew.workers[item].name;
	return t->data.server.duties[item].name;
}

static size_t rows_of(
    struct top *t, enum top_view view, const char *filter, size_t **rows);
static void rows_make(struct top *t);

void
top_commit(struct top *t)
{
	struct top_data old = t->data;

	histories_move(&old, &t->next);
	for (size_t i = 0; i < t->next.queue_count; i++) {
		queue_rate(&t->next.queues[i], t->now_us);
		top_judge(&t->next.queues[i], t->next.arena);
	}
	t->data = t->next;
	t->next = old;
	t->answered_us = t->now_us;
	t->unreached[0] = '\0';
	rows_make(t);
}

void
top_commit_crew(struct top *t)
{
	struct top_crew old = t->crew;

	for (size_t i = 0; i < t->next_crew.count; i++)
		worker_judge(&t->next_crew.workers[i]);
	t->crew = t->next_crew;
	t->next_crew = old;
	(void)rows_of(t, TOP_WORKERS, "", &t->pane);
	rows_make(t);
}

/* ---- what a list is ordered by ----------------------------------------- */

/* Seconds until nothing is left to do; far away when it only grows. */
static double
drains_s(const struct top_queue *q)
{
	double left = (double)(q->counts[TOP_TODO] + q->counts[TOP_DOING]);
	double pace = q->rates[TOP_DONE] - q->rates[TOP_IN];

	if (left == 0)
		return 0;
	return pace > 0 ? left / pace : 1e12;
}

double
top_queue_full(const struct top_queue *q)
{
	uint64_t live = q->counts[TOP_TODO] + q->counts[TOP_DOING] +
			q->counts[TOP_DELAYED] + q->counts[TOP_FAILED];

	return q->max_tasks > 0 ? (double)live / (double)q->max_tasks : 0;
}

double
top_queue_value(const struct top_queue *q, unsigned column)
{
	const double values[TOP_COLUMNS] = {
	    [TOP_COL_TODO] = (double)q->counts[TOP_TODO],
	    [TOP_COL_DOING] = (double)q->counts[TOP_DOING],
	    [TOP_COL_DELAYED] = (double)q->counts[TOP_DELAYED],
	    [TOP_COL_FAILED] = (double)q->counts[TOP_FAILED],
	    [TOP_COL_DEAD] = (double)q->counts[TOP_DEAD],
	    [TOP_COL_FINISH] = (double)q->counts[TOP_FINISH],
	    [TOP_COL_OLDEST] = q->counts[TOP_TODO] > 0 ? q->oldest_s : 0,
	    [TOP_COL_IN] = q->rates[TOP_IN],
	    [TOP_COL_OUT] = q->rates[TOP_OUT],
	    [TOP_COL_DONE] = q->rates[TOP_DONE],
	    [TOP_COL_FAIL] = q->rates[TOP_FAIL],
	    [TOP_COL_WORKERS] = (double)q->workers,
	    [TOP_COL_WAITING] = (double)q->waiting,
	    [TOP_COL_TAKEN] = q->taken_ago_s,
	    [TOP_COL_FULL] = top_queue_full(q),
	    [TOP_COL_DRAINS] = drains_s(q),
	    [TOP_COL_NOTE] = (double)q->level,
	};

	return values[column];
}

static double
worker_value(const struct top_worker *w, unsigned column)
{
	const double values[TOP_WORKER_COLUMNS] = {
	    [TOP_WORKER_HELD] = (double)w->held,
	    [TOP_WORKER_SEEN] = w->seen_s,
	    [TOP_WORKER_BEAT] = w->beat_s,
	    [TOP_WORKER_NOTE] = (double)w->level,
	};

	return values[column];
}

static double
duty_value(const struct top_duty *d, unsigned column)
{
	const double values[TOP_DUTY_COLUMNS] = {
	    [TOP_DUTY_RAN] = d->ran_s,
	    [TOP_DUTY_TOOK] = d->took_s,
	    [TOP_DUTY_ITEMS] = (double)d->items,
	    [TOP_DUTY_RUNS] = (double)d->runs,
	    [TOP_DUTY_ERRORS] = (double)d->errors,
	};

	return values[column];
}

size_t
top_columns(enum top_view view)
{
	static const size_t counts[TOP_VIEWS] = {
	    [TOP_QUEUES] = TOP_COLUMNS,
	    [TOP_WORKERS] = TOP_WORKER_COLUMNS,
	    [TOP_JANITOR] = TOP_DUTY_COLUMNS,
	};

	return counts[view];
}

/* What a row is ordered by, and then by what: of those that are equally bad
 * the one with most to do, or most in its hands. */
struct sort_key {
	double value, then;
	struct span name;
	size_t item;
};

static struct sort_key
sort_key_of(const struct top *t, enum top_view view, size_t item)
{
	unsigned column = t->order[view].column;
	struct sort_key key = {.item = item, .name = top_name(t, view, item)};

	if (view == TOP_QUEUES) {
		const struct top_queue *q = &t->data.queues[item];

		key.value = top_queue_value(q, column);
		key.then = (double)q->counts[TOP_TODO];
	} else if (view == TOP_WORKERS) {
		const struct top_worker *w = &t->crew.workers[item];

		key.value = worker_value(w, column);
		key.then = (double)w->held;
	} else {
		key.value = duty_value(&t->data.server.duties[item], column);
	}
	if (column == 0)
		key.then = 0;
	return key;
}

/* The largest first; what is equal, and names, from A on. */
static int
compare_keys(const void *left, const void *right)
{
	const struct sort_key *a = left, *b = right;
	int order = (a->value < b->value) - (a->value > b->value);

	if (order == 0)
		order = (a->then < b->then) - (a->then > b->then);
	return order != 0 ? order : top_compare_names(a->name, b->name);
}

static bool
is_same(const char *text, const char *part, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (tolower((unsigned char)text[i]) !=
		    tolower((unsigned char)part[i]))
			return false;
	return true;
}

/* Does the name hold what was typed, in either case? */
static bool
name_matches(struct span name, const char *part)
{
	size_t len = strlen(part);

	for (size_t at = 0; at + len <= name.len; at++)
		if (is_same(name.p + at, part, len))
			return true;
	return false;
}

static size_t
list_count(const struct top *t, enum top_view view)
{
	if (view == TOP_QUEUES)
		return t->data.queue_count;
	if (view == TOP_WORKERS)
		return t->crew.count;
	return t->data.server.duty_count;
}

/* The items of a list that match, in its order; how many. */
static size_t
rows_of(struct top *t, enum top_view view, const char *filter, size_t **rows)
{
	size_t count = list_count(t, view), n = 0;
	struct sort_key *keys = xcalloc(count + 1, sizeof(*keys));

	for (size_t i = 0; i < count; i++)
		if (name_matches(top_name(t, view, i), filter))
			keys[n++] = sort_key_of(t, view, i);
	qsort(keys, n, sizeof(*keys), compare_keys);
	*rows = xrealloc(*rows, n + 1, sizeof(**rows));
	for (size_t i = 0; i < n; i++)
		(*rows)[t->order[view].is_reversed ? n - 1 - i : i] =
		    keys[i].item;
	free(keys);
	return n;
}

/* Makes the rows anew. The one that is followed stays selected; while it is
 * not there, the one that has its place. */
static void
rows_make(struct top *t)
{
	t->row_count = rows_of(t, t->view, t->filter, &t->rows);
	for (size_t i = 0; i < t->row_count; i++)
		if (span_is(top_name(t, t->view, t->rows[i]), t->followed)) {
			t->selected = i;
			break;
		}
	if (t->selected >= t->row_count)
		t->selected = t->row_count > 0 ? t->row_count - 1 : 0;
}

void
top_set_view(struct top *t, enum top_view view)
{
	t->view = view;
	top_home(t);
	rows_make(t);
}

void
top_sort_next(struct top *t, int by)
{
	struct top_order *order = &t->order[t->view];
	int count = (int)top_columns(t->view), column = (int)order->column;

	do
		column = (column + by + count) % count;
	while (!order->shown[column] && column != (int)order->column);
	order->column = (unsigned)column;
	order->is_reversed = false;
	rows_make(t);
}

void
top_reverse(struct top *t)
{
	t->order[t->view].is_reversed = !t->order[t->view].is_reversed;
	rows_make(t);
}

void
top_set_filter(struct top *t, const char *filter)
{
	(void)snprintf(t->filter, sizeof(t->filter), "%s", filter);
	rows_make(t);
}

void
top_move(struct top *t, int64_t by)
{
	int64_t to = (int64_t)t->selected + by;
	struct span name;

	if (to >= (int64_t)t->row_count)
		to = (int64_t)t->row_count - 1;
	t->selected = to > 0 ? (size_t)to : 0;
	if (t->row_count == 0)
		return;
	name = top_name(t, t->view, t->rows[t->selected]);
	(void)snprintf(
	    t->followed, sizeof(t->followed), "%.*s", SPAN_ARG(name));
}

void
top_home(struct top *t)
{
	t->selected = t->first = 0;
	t->followed[0] = '\0';
}

const struct top_queue *
top_selected(const struct top *t)
{
	if (t->view != TOP_QUEUES || t->selected >= t->row_count)
		return NULL;
	return &t->data.queues[t->rows[t->selected]];
}

void
top_say(struct top *t, enum top_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(t->message, sizeof(t->message), fmt, ap);
	va_end(ap);
	t->message_level = level;
	t->message_until_us = t->now_us + SAID_US;
}
