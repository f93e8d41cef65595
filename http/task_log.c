/* The log's lines about single tasks; see task_log.h. */

#include "http/task_log.h"

#include <stdio.h>

/* An id has no control characters: only " and \ grow. */
enum { QUOTED_MAX = 2 * ID_MAX_LEN + 3, REST_MAX = 64 };

/* "queue=mail id=mail-1 request=01J..."; valid until the next call. */
static const char *
task_names(const struct req *req, struct span id)
{
	static char text[NAME_MAX_LEN + QUOTED_MAX + REST_MAX + 64];
	char quoted[QUOTED_MAX];

	(void)snprintf(text, sizeof(text), "queue=%.*s id=%s request=%s",
	    SPAN_ARG(req_param(req, "queue")),
	    log_quote(quoted, sizeof(quoted), id), req_id(req));
	return text;
}

/* "refused error=E319", or the word. */
static const char *
outcome_of(enum err err, const char *word, char dst[REST_MAX])
{
	if (err == ERR_OK)
		return word;
	(void)snprintf(
	    dst, REST_MAX, "refused error=E%03d", err_info(err)->number);
	return dst;
}

void
task_log_pushed(const struct req *req, const struct push_body *body,
    const struct store_pushed *results)
{
	char text[REST_MAX];

	for (size_t i = 0; i < body->count; i++)
		log_debug("task.pushed", "%s lane=%s outcome=%s",
		    task_names(req, body->tasks[i].id),
		    lane_name(body->tasks[i].lane),
		    outcome_of(results[i].err,
			results[i].known == TASK_GONE ? "queued" : "exists",
			text));
}

void
task_log_taken(
    const struct req *req, struct span worker, const struct span *ids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		log_debug("task.taken", "%s worker=%.*s",
		    task_names(req, ids[i]), SPAN_ARG(worker));
}

void
task_log_returned(
    const struct req *req, struct span worker, const struct span *ids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		log_debug("task.returned", "%s worker=%.*s",
		    task_names(req, ids[i]), SPAN_ARG(worker));
}

static const char *
report_word(const struct store_report_item *item, bool is_dead)
{
	if (!item->failed)
		return "finished";
	return is_dead ? "dead" : "failed";
}

void
task_log_reported(const struct req *req, const struct work_body *body,
    const struct store_reported *results)
{
	char text[REST_MAX];

	for (size_t i = 0; i < body->item_count; i++)
		log_debug("task.reported", "%s worker=%.*s outcome=%s",
		    task_names(req, body->items[i].id), SPAN_ARG(body->worker),
		    outcome_of(results[i].err,
			report_word(&body->items[i], results[i].dead), text));
}

void
task_log_extended(const struct req *req, const struct work_body *body,
    const struct store_reported *results)
{
	char text[REST_MAX];

	for (size_t i = 0; i < body->id_count; i++)
		log_debug("task.extended", "%s worker=%.*s outcome=%s",
		    task_names(req, body->ids[i]), SPAN_ARG(body->worker),
		    outcome_of(results[i].err, "extended", text));
}
