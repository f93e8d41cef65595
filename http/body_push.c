/* The body of a push: one task, or {"tasks": [...]}. */

#include "http/body.h"

#include <string.h>

#include "core/id.h"
#include "core/rfc3339.h"
#include "store/store.h"

/* Ten years: what run_at and delay_s may reach. */
static const int64_t reach_ms = 3652 * INT64_C(86400000);

enum { F_ID, F_PAYLOAD, F_PRIORITY, F_RUN_AT, F_DELAY, F_ATTEMPTS, F_REPLACE };

static struct store_task *
task_now(void *into)
{
	struct push_body *p = into;

	return &p->tasks[p->count];
}

static bool
task_read_id(struct body *b, void *into)
{
	return body_id(b, &task_now(into)->id);
}

static bool
task_read_payload(struct body *b, void *into)
{
	return body_raw(b, &task_now(into)->payload);
}

static bool
task_read_priority(struct body *b, void *into)
{
	struct span name;

	return body_text(b, &name) &&
	       (lane_parse(name, &task_now(into)->lane) ||
		   body_refuse(b, ERR_FIELD_RANGE, "high, normal or low"));
}

static bool
task_read_run_at(struct body *b, void *into)
{
	struct push_body *p = into;
	struct span text;
	double seconds;
	int64_t at;

	if (scan_peek(&b->scan) == SCAN_NUMBER) {
		if (!body_number(b, &seconds))
			return false;
		if (seconds < 0 || seconds > 1e12)
			return body_refuse(b, ERR_RUN_AT_BAD,
			    "a time within ten years of now");
		at = (int64_t)(seconds * 1000 + 0.5);
	} else if (scan_peek(&b->scan) != SCAN_STRING) {
		return body_refuse_type(
		    b, "an RFC 3339 time or a number of seconds since 1970");
	} else if (!body_text(b, &text)) {
		return false;
	} else if (!rfc3339_parse(text, &at)) {
		return body_refuse(b, ERR_FIELD_RANGE,
		    "an RFC 3339 time such as 2026-01-02T03:04:05Z");
	}
	if (at < p->now_ms - reach_ms || at > p->now_ms + reach_ms)
		return body_refuse(
		    b, ERR_RUN_AT_BAD, "a time within ten years of now");
	task_now(into)->run_at = at > p->now_ms ? at : 0;
	return true;
}

static bool
task_read_delay(struct body *b, void *into)
{
	double seconds;

	if (!body_number(b, &seconds))
		return false;
	if (seconds < 0)
		return body_refuse(
		    b, ERR_FIELD_RANGE, "a number of seconds, 0 or more");
	if (seconds * 1000 > (double)reach_ms)
		return body_refuse(
		    b, ERR_RUN_AT_BAD, "at most ten years, in seconds");
	task_now(into)->delay_ms = (int64_t)(seconds * 1000 + 0.5);
	return true;
}

static bool
task_read_attempts(struct body *b, void *into)
{
	uint64_t n;

	if (!body_whole(b, 1, 1000, &n))
		return false;
	task_now(into)->max_attempts = (uint32_t)n;
	return true;
}

static bool
task_read_replace(struct body *b, void *into)
{
	return body_bool(b, &task_now(into)->replace);
}

static bool push_read_tasks(struct body *b, void *into);

/* clang-format off */
static const struct body_field push_fields[] = {
	[F_ID]       = {"id",           task_read_id,       false},
	[F_PAYLOAD]  = {"payload",      task_read_payload,  true},
	[F_PRIORITY] = {"priority",     task_read_priority, false},
	[F_RUN_AT]   = {"run_at",       task_read_run_at,   false},
	[F_DELAY]    = {"delay_s",      task_read_delay,    false},
	[F_ATTEMPTS] = {"max_attempts", task_read_attempts, false},
	[F_REPLACE]  = {"replace",      task_read_replace,  false},
};
static const struct body_field list_fields[] = {
	{"tasks", push_read_tasks, true},
};
/* clang-format on */

/* Room for one more task, with what holds when nothing is said. */
static bool
task_begin(struct body *b, struct push_body *p)
{
	struct store_task *task;

	p->tasks =
	    body_room(b, p->tasks, p->count, &p->room, sizeof(*p->tasks));
	if (p->tasks == NULL)
		return false;
	task = &p->tasks[p->count];
	memset(task, 0, sizeof(*task));
	task->lane = LANE_NORMAL;
	return true;
}

/* What the fields say together. */
static bool
task_finish(struct body *b, struct push_body *p, unsigned seen)
{
	struct store_task *task = &p->tasks[p->count];
	char *made;

	if ((seen & 1u << F_RUN_AT) != 0 && (seen & 1u << F_DELAY) != 0) {
		b->field = "delay_s";
		return body_refuse(
		    b, ERR_FIELD_CONFLICT, "either run_at or delay_s");
	}
	if ((seen & 1u << F_ID) == 0) {
		made = arena_alloc(b->arena, ID_MADE_LEN + 1);
		if (made == NULL)
			return body_refusef(b, ERR_NO_MEMORY, "ids");
		id_make(made);
		task->id = (struct span){made, ID_MADE_LEN};
	}
	p->count++;
	return true;
}

static bool
task_read(struct body *b, void *into)
{
	unsigned seen;

	return task_begin(b, into) &&
	       body_object(
		   b, push_fields, COUNT_OF(push_fields), into, &seen) &&
	       task_finish(b, into, seen);
}

static bool
push_read_tasks(struct body *b, void *into)
{
	struct push_body *p = into;

	if (!body_list(b, BODY_TASKS_MAX, task_read, into))
		return false;
	return p->count > 0 ||
	       body_refuse(b, ERR_FIELD_RANGE, "at least one task");
}

/*
 * Is it {"tasks": ...}? Decided by looking for that name at the top before
 * anything is read, since the tables differ; a copy of the scanner walks.
 */
static bool
has_tasks(const struct body *b)
{
	struct scan ahead = b->scan;
	struct span key, ignored;

	if (!scan_object(&ahead))
		return false;
	/* Mostly the first name tells. */
	while (scan_key(&ahead, &key)) {
		if (span_is(key, "tasks"))
			return true;
		if (span_is(key, "payload"))
			return false;
		if (!scan_skip(&ahead, &ignored))
			return false;
	}
	return false;
}

enum err
body_read_push(struct body *b, struct push_body *out)
{
	out->tasks = NULL;
	out->count = out->room = 0;
	if (has_tasks(b))
		(void)body_object(
		    b, list_fields, COUNT_OF(list_fields), out, NULL);
	else
		(void)task_read(b, out);
	return body_end(b);
}
