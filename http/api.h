#ifndef SCHEDD_HTTP_API_H
#define SCHEDD_HTTP_API_H

/*
 * The handlers that routes.c names, one file per resource (api_*.c), and what
 * they share: refusing a bad body, reading the query, writing answers. The
 * answers are written by hand into req_out; docs/api.md describes them.
 */

#include "core/buf.h"
#include "http/body.h"
#include "http/req.h"
#include "store/store.h"

req_fn api_push;
req_fn api_take;
req_fn api_report;
req_fn api_extend;
req_fn api_tasks_list;
req_fn api_tasks_get;
req_fn api_tasks_remove;
req_fn api_tasks_retry;
req_fn api_tasks_purge;
req_fn api_queues_list;
req_fn api_queues_get;
req_fn api_queues_set;
req_fn api_queues_remove;
req_fn api_workers_list;
req_fn api_workers_get;
req_fn api_workers_remove;
req_fn api_workers_heartbeat;
req_fn api_audit_list;
req_fn api_config_get;
req_fn api_config_set;
req_fn api_tokens_list;
req_fn api_tokens_add;
req_fn api_tokens_remove;
req_fn api_channels_list;
req_fn api_channels_get;
req_fn api_channels_set;
req_fn api_relays_list;
req_fn api_relays_get;
req_fn api_rows;
req_fn api_bad_list;
req_fn api_bad_get;
req_fn api_bad_edit;
req_fn api_bad_retry;
req_fn api_bad_purge;
req_fn api_decrypt;
req_fn api_encrypt;
req_fn api_stats;
req_fn api_metrics;
req_fn api_move_get;
req_fn api_move_start;
req_fn api_move_undo;
req_fn api_health;
req_fn api_ready;
req_fn api_errors;
req_fn api_version;
req_fn api_openapi;

/* The worker of that name, as this request speaks for it. */
void api_worker(struct req *req, struct span name, struct store_worker *out);

/* Begins to read the request's body. */
void api_body(struct req *req, struct body *b);
/* Ends the request with what the body was refused for. */
void api_refuse(struct req *req, const struct body *b);

/* A whole number of the query, or the fallback when it is absent. False when
 * it is none of min to max; the request has ended then. */
bool api_query_u64(struct req *req, const char *name, uint64_t min,
    uint64_t max, uint64_t fallback, uint64_t *out);

/* A time as RFC 3339 in quotes; null for 0. */
void api_add_time(struct buf *out, int64_t ms);
/* A span of time as a number of seconds: 86400, 0.25. */
void api_add_seconds(struct buf *out, uint64_t ms);
/* A text in quotes; null when it is empty. */
void api_add_text(struct buf *out, struct span text);
/* JSON bytes as they are; null when there are none. */
void api_add_raw(struct buf *out, struct span raw);
/* ,"name":number */
void api_add_number(struct buf *out, const char *name, uint64_t n);
/* "name":"text" */
void api_add_member(struct buf *out, const char *name, struct span text);
/* {"id":...,"error":{...}} */
void api_add_refused(struct buf *out, struct span id, enum err err);

/* The answer to a report: counts, and each item that was not taken. */
void api_add_report(struct buf *out, const struct store_report_item *items,
    const struct store_reported *results, size_t n, const struct work_body *w);
/* ,"rows":{"channel":n,...} of a report, behind it; nothing without. */
void api_add_pieces(
    struct buf *out, const struct store_rows_piece *pieces, size_t n);
/* Lets the body's rows go to the channels that the caller may use. */
void api_allow_rows(struct req *req, struct body *b);
/* SPOOL_FULL: says so, and when to come again; the other only when. */
void api_fail_full(struct req *req, const struct channel *ch);
void api_retry_full(struct req *req, const struct channel *ch);
/* "todo":1,... of the six states, without braces. */
void api_add_counts(struct buf *out, const uint64_t *counts);
/* "pushed":1.500,... of the four rates, without braces. */
/* The backends as a list; reasons only for those who may see them. */
void api_add_backends(struct buf *out, struct store *store, bool reasons);
void api_add_rates(struct buf *out, const double *rates);

#endif
