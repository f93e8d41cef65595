/* What holds a queue up; see held_up.h. */

#include "http/held_up.h"

enum { TEXT_MAX = 4096 };

/* Nobody took for so long although there was something to take: then it is
 * said. Workers that pause for a moment are none of an operator's business. */
static const double UNTAKEN_S = 10;

/* "4 m 10 s", "2 h 3 m", "3 d 4 h": the two greatest units. */
static void
add_time(struct buf *out, double seconds)
{
	static const struct {
		const char *name;
		uint64_t seconds;
	} units[] = {{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}};
	uint64_t s = seconds > 0 ? (uint64_t)seconds : 0;
	size_t i = 0;

	while (i < COUNT_OF(units) - 1 && s < units[i].seconds)
		i++;
	buf_addf(out, "%llu %s", (unsigned long long)(s / units[i].seconds),
	    units[i].name);
	s %= units[i].seconds;
	if (i + 1 < COUNT_OF(units))
		buf_addf(out, " %llu %s",
		    (unsigned long long)(s / units[i + 1].seconds),
		    units[i + 1].name);
}

static void
add_count(struct buf *out, uint64_t n, const char *one, const char *many)
{
	buf_addf(out, "%llu %s", (unsigned long long)n, n == 1 ? one : many);
}

struct entries {
	struct buf *out;
	struct buf text; /* of the one that is being written */
	size_t n;
};

static struct buf *
begin(struct entries *e)
{
	buf_reset(&e->text, TEXT_MAX);
	return &e->text;
}

static void
end(struct entries *e, const char *reason)
{
	buf_addf(e->out,
	    "%s{\"reason\":\"%s\",\"text\":", e->n++ > 0 ? "," : "", reason);
	buf_add_json(e->out, buf_span(&e->text));
	buf_add_char(e->out, '}');
}

static void
add_plain(struct entries *e, const char *reason, const char *text)
{
	buf_add_str(begin(e), text);
	end(e, reason);
}

static void
add_untaken(struct entries *e, const struct store_queue_info *q)
{
	struct buf *out;
	double s =
	    q->untaken_s < q->oldest_todo_s ? q->untaken_s : q->oldest_todo_s;

	if (q->counts[TASK_TODO] == 0 || q->waiting > 0 || s < UNTAKEN_S)
		return;
	out = begin(e);
	buf_add_str(out, "no worker has taken for ");
	add_time(out, s);
	if (q->workers > 0) {
		buf_add_str(out, "; ");
		add_count(out, q->workers, "worker holds ", "workers hold ");
		add_count(out, q->counts[TASK_DOING], "task", "tasks");
	}
	end(e, "no_worker");
}

/* Nothing to take, nothing in work, but something will be due. */
static void
add_waiting(struct entries *e, const struct store_queue_info *q)
{
	struct buf *out;

	if (q->counts[TASK_TODO] > 0 || q->counts[TASK_DOING] > 0)
		return;
	if (q->counts[TASK_FAILED] > 0) {
		out = begin(e);
		add_count(
		    out, q->counts[TASK_FAILED], "task waits", "tasks wait");
		buf_add_str(out, " for a retry, the first is due in ");
		add_time(out, (double)(q->retry_at - q->now) / 1000);
		end(e, "retry_wait");
	}
	if (q->counts[TASK_DELAYED] > 0) {
		out = begin(e);
		add_count(out, q->counts[TASK_DELAYED], "task is", "tasks are");
		buf_add_str(out, " delayed, the first is due in ");
		add_time(out, (double)(q->run_at - q->now) / 1000);
		end(e, "delayed");
	}
}

static void
add_full(struct entries *e, const struct store_queue_info *q)
{
	uint64_t live = q->counts[TASK_TODO] + q->counts[TASK_DELAYED] +
			q->counts[TASK_DOING] + q->counts[TASK_FAILED];

	if (live < q->policy.max_tasks)
		return;
	buf_addf(begin(e), "full: %llu of %llu, pushes are refused",
	    (unsigned long long)live, (unsigned long long)q->policy.max_tasks);
	end(e, "full");
}

void
held_up_add(struct buf *out, const struct store_queue_info *q)
{
	struct entries e = {.out = out};

	buf_init(&e.text, TEXT_MAX);
	buf_add_char(out, '[');
	if (q->away != NULL)
		add_plain(&e, "store", q->away);
	if (q->broken)
		add_plain(
		    &e, "broken", "a key of it in Redis has the wrong type");
	if (q->paused)
		add_plain(&e, "paused", "paused");
	add_full(&e, q);
	if (!q->paused) {
		add_untaken(&e, q);
		add_waiting(&e, q);
	}
	buf_add_char(out, ']');
	buf_clear(&e.text);
}
