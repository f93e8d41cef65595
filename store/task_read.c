/* What the scripts say of a task, read into a struct store_task_info. */

#include "store/task_read.h"

#include <stdlib.h>
#include <string.h>

#include "store/reply.h"

/* "1795234040167 worker-7" */
void
task_read_holder(struct span holder, struct store_task_info *t)
{
	const char *space = memchr(holder.p, ' ', holder.len);

	if (space == NULL)
		return;
	t->taken_at = strtoll(holder.p, NULL, 10);
	t->worker.p = space + 1;
	t->worker.len = holder.len - (size_t)(space + 1 - holder.p);
}

/* "h5": lane and max_attempts of its own; empty = none. */
void
task_read_opts(struct span opts, struct store_task_info *t)
{
	uint64_t own;

	t->lane = LANE_NORMAL;
	if (opts.len == 0)
		return;
	if (opts.p[0] == 'h')
		t->lane = LANE_HIGH;
	else if (opts.p[0] == 'l')
		t->lane = LANE_LOW;
	if (str_to_u64((struct span){opts.p + 1, opts.len - 1}, &own))
		t->max_attempts = own;
}

void
task_read_value(struct span value, struct store_task_info *t)
{
	struct task_value v;

	if (!task_value_read(value, &v))
		return;
	if (v.is_finished) {
		t->due_at = v.at_ms;
		t->worker = v.rest;
	} else {
		t->pushed_at = v.at_ms;
		t->payload = v.rest;
	}
}

/* A held task's attempt is under way; retry counts those before. */
void
task_read_attempts(int64_t retry, struct store_task_info *t)
{
	t->attempts = (uint64_t)retry + (t->state == TASK_DOING ? 1 : 0);
}

void
task_read_error(struct span error, struct store_task_info *t)
{
	enum { HEAD = 1 + 6 };

	if (error.len >= HEAD && (unsigned char)error.p[0] == 255) {
		for (int i = 1; i < HEAD; i++)
			t->failed_at =
			    t->failed_at << 8 | (unsigned char)error.p[i];
		error.p += HEAD;
		error.len -= HEAD;
	}
	t->error = error;
}
