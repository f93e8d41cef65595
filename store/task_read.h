#ifndef SCHEDD_STORE_TASK_READ_H
#define SCHEDD_STORE_TASK_READ_H

/* Parts of a task as show.lua and list.lua give them. */

#include "store/store_types.h"

/* "taken-at worker" */
void task_read_holder(struct span holder, struct store_task_info *t);
void task_read_opts(struct span opts, struct store_task_info *t);
void task_read_value(struct span value, struct store_task_info *t);
/* After the state. */
void task_read_attempts(int64_t retry, struct store_task_info *t);
/* The text, and when it failed; failed_now of common.lua. */
void task_read_error(struct span error, struct store_task_info *t);

#endif
