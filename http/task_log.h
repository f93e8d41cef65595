#ifndef SCHEDD_HTTP_TASK_LOG_H
#define SCHEDD_HTTP_TASK_LOG_H

/*
 * The log's lines about single tasks, at level debug of the component
 * "task": what was asked for, by whom, and what became of it. Without
 * payloads, results and texts of errors. While they are off, asking costs a
 * comparison.
 */

#include "core/log.h"
#include "http/body.h"
#include "http/req.h"
#include "store/store.h"

static inline bool
task_log_is_on(void)
{
	return log_is_on(LOG_DEBUG, "task.pushed");
}

/* results: one for each task of the body. */
void task_log_pushed(const struct req *req, const struct push_body *body,
    const struct store_pushed *results);
/* Handed to the client; or, as that left, put back. */
void task_log_taken(const struct req *req, struct span worker,
    const struct span *ids, size_t n);
void task_log_returned(const struct req *req, struct span worker,
    const struct span *ids, size_t n);
/* results: one for each item, or each id, of the body. */
void task_log_reported(const struct req *req, const struct work_body *body,
    const struct store_reported *results);
void task_log_extended(const struct req *req, const struct work_body *body,
    const struct store_reported *results);

#endif
