/* /v1/queues: all queues, one queue, changing its policy, removing it. */

#include "http/api.h"

#include <string.h>

#include "http/audit.h"
#include "http/auth.h"
#include "http/held_up.h"
#include "http/policy.h"

enum { WHAT_MAX = 32 * 1024 /* of an audit entry; the body has 16 KiB */ };

static store_queue_cb queue_on_read;
static store_queue_cb queue_on_set;
static store_remove_cb queue_on_removed;
static audit_go_fn queue_on_begun, removal_on_begun;

/* ---- answers ---------------------------------------------------------- */

static void
add_comma(struct buf *out, size_t index)
{
	if (index > 0)
		buf_add_char(out, ',');
}

static void
add_member(struct buf *out, size_t index, const char *name, uint64_t value)
{
	add_comma(out, index);
	buf_addf(out, "\"%s\":", name);
	buf_add_u64(out, value);
}

void
api_add_counts(struct buf *out, const uint64_t *counts)
{
	for (size_t s = TASK_TODO; s < TASK_STATE_COUNT; s++)
		add_member(out, s - TASK_TODO,
		    task_state_name((enum task_state)s), counts[s]);
}

void
api_add_rates(struct buf *out, const double *rates)
{
	static const char *const names[RATE_COUNT] = {
	    [RATE_PUSHED] = "pushed",
	    [RATE_TAKEN] = "taken",
	    [RATE_FINISHED] = "finished",
	    [RATE_FAILED] = "failed",
	};

	for (size_t i = 0; i < RATE_COUNT; i++) {
		add_comma(out, i);
		buf_addf(out, "\"%s\":%.3f", names[i], rates[i]);
	}
}

static void
add_totals(struct buf *out, const struct store_totals *t)
{
	add_member(out, 0, "pushed", t->pushed);
	add_member(out, 1, "taken", t->taken);
	add_member(out, 1, "finished", t->finished);
	add_member(out, 1, "failed", t->failed);
	add_member(out, 1, "dead", t->dead);
	add_member(out, 1, "lease_lost", t->lease_lost);
	add_member(out, 1, "reclaimed", t->reclaimed);
	add_member(out, 1, "retried", t->retried);
	add_member(out, 1, "trimmed", t->trimmed);
}

static void
add_policy(struct buf *out, const struct queue_policy *policy)
{
	uint64_t value;

	for (size_t i = 0; i < POLICY_FIELD_COUNT; i++) {
		memcpy(&value, (const char *)policy + policy_rows[i].offset,
		    sizeof(value));
		add_comma(out, i);
		buf_addf(out, "\"%s\":", policy_rows[i].name);
		if (policy_rows[i].kind == POLICY_TIME)
			api_add_seconds(out, value);
		else
			buf_add_u64(out, value);
	}
}

static void
add_overridden(struct buf *out, unsigned overridden)
{
	size_t n = 0;

	for (size_t i = 0; i < POLICY_FIELD_COUNT; i++) {
		if ((overridden & 1u << i) == 0)
			continue;
		add_comma(out, n++);
		buf_addf(out, "\"%s\"", policy_rows[i].name);
	}
}

/* Where each value comes from. */
static void
add_policy_from(struct buf *out, const struct store_queue_info *q)
{
	for (size_t i = 0; i < POLICY_FIELD_COUNT; i++) {
		const char *from = "default";

		if ((q->overridden & 1u << i) != 0)
			from = "http";
		else if ((q->configured & 1u << i) != 0)
			from = "file";
		add_comma(out, i);
		buf_addf(out, "\"%s\":\"%s\"", policy_rows[i].name, from);
	}
}

/* What only the answer for a single queue has. */
static void
add_whole(struct buf *out, const struct store_queue_info *q)
{
	buf_add_str(out, ",\"rates_5m\":{");
	api_add_rates(out, q->rates_5m);
	buf_add_str(out, "},\"rates_15m\":{");
	api_add_rates(out, q->rates_15m);
	buf_add_str(out, "},\"policy_from\":{");
	add_policy_from(out, q);
	buf_add_char(out, '}');
}

static void
add_queue(struct buf *out, const struct store_queue_info *q)
{
	buf_add_str(out, "{\"name\":");
	buf_add_json(out, q->name);
	buf_addf(out, ",\"backend\":\"%s\",\"paused\":%s,\"counts\":{",
	    q->backend, q->paused ? "true" : "false");
	api_add_counts(out, q->counts);
	buf_add_str(out, "},\"lanes\":{");
	for (size_t i = 0; i < LANE_COUNT; i++)
		add_member(out, i, lane_name((enum lane)i), q->lanes[i]);
	buf_addf(out, "},\"oldest_todo_s\":%.3f,\"workers\":%llu,",
	    q->oldest_todo_s, (unsigned long long)q->workers);
	buf_add_str(out, "\"last_push_at\":");
	api_add_time(out, q->last_push_at);
	buf_add_str(out, ",\"last_take_at\":");
	api_add_time(out, q->last_take_at);
	buf_add_str(out, ",\"held_up\":");
	held_up_add(out, q);
	buf_add_str(out, ",\"rates\":{");
	api_add_rates(out, q->rates);
	buf_add_str(out, "},\"totals\":{");
	add_totals(out, &q->totals);
	buf_addf(out, "},\"waiting_takes\":%zu,\"policy\":{", q->waiting);
	add_policy(out, &q->policy);
	buf_add_str(out, "},\"overridden\":[");
	add_overridden(out, q->overridden);
	buf_add_char(out, ']');
	if (q->is_whole)
		add_whole(out, q);
	buf_add_char(out, '}');
}

/* ---- all queues ------------------------------------------------------- */

struct queue_list {
	const struct auth_caller *caller;
	struct buf *out;
	size_t count;
};

static void
list_add(const struct store_queue_info *q, void *arg)
{
	struct queue_list *list = arg;

	if (!auth_sees(list->caller, q->name))
		return;
	add_comma(list->out, list->count++);
	add_queue(list->out, q);
}

void
api_queues_list(struct req *req)
{
	struct queue_list list = {
	    .caller = req_caller(req), .out = req_out(req)};
	const char *why;

	if (!store_queues_are_known(req_store(req), &why)) {
		req_failf(req, ERR_REDIS_DOWN, "%s", why);
		return;
	}
	buf_add_str(list.out, "{\"queues\":[");
	store_queue_each(req_store(req), list_add, &list);
	buf_add_str(list.out, "]}");
	req_reply(req, 200);
}

/* ---- one queue -------------------------------------------------------- */

void
api_queues_get(struct req *req)
{
	store_queue_get(
	    req_store(req), req_param(req, "queue"), queue_on_read, req);
}

struct setting {
	struct req *req;
	struct store_policy_change change;
};

static void
set_describe(struct buf *what, const struct req *req)
{
	api_add_member(what, "queue", req_param(req, "queue"));
	buf_add_str(what, ",\"change\":");
	buf_add_span(what, req_body(req));
}

void
api_queues_set(struct req *req)
{
	struct setting *setting = req_alloc(req, sizeof(*setting));
	struct buf what;
	struct body b;

	setting->req = req;
	api_body(req, &b);
	if (body_read_policy(&b, &setting->change) != ERR_OK) {
		api_refuse(req, &b);
		return;
	}
	buf_init(&what, WHAT_MAX);
	set_describe(&what, req);
	audit_begin(req, "queue.set", buf_span(&what), queue_on_begun, setting);
	buf_clear(&what);
}

static void
queue_on_begun(void *arg)
{
	struct setting *setting = arg;
	struct req *req = setting->req;

	store_queue_set(req_store(req), req_param(req, "queue"),
	    &setting->change, queue_on_set, req);
}

static void
queue_on_read(enum err err, const struct store_queue_info *q, void *arg)
{
	struct req *req = arg;

	if (err != ERR_OK) {
		req_fail(req, err);
		return;
	}
	add_queue(req_out(req), q);
	req_reply(req, 200);
}

static void
queue_on_set(enum err err, const struct store_queue_info *q, void *arg)
{
	struct req *req = arg;
	struct audit_end end = {"queue.set", 200, err, false, NULL};
	struct buf what;

	buf_init(&what, WHAT_MAX);
	set_describe(&what, req);
	if (err == ERR_OK)
		add_queue(req_out(req), q);
	audit_end(req, &end, buf_span(&what));
	buf_clear(&what);
}

/* ---- removing one ----------------------------------------------------- */

struct removal {
	struct req *req;
	bool force;
};

static bool
query_force(struct req *req, bool *force)
{
	struct span text;

	*force = req_query(req, "force", &text) && span_is(text, "true");
	if (*force || !req_query(req, "force", &text) || span_is(text, "false"))
		return true;
	req_failf(
	    req, ERR_FIELD_RANGE, "query 'force': expected true or false");
	return false;
}

static void
removal_describe(struct buf *what, const struct removal *removal)
{
	api_add_member(what, "queue", req_param(removal->req, "queue"));
	buf_addf(what, ",\"force\":%s", removal->force ? "true" : "false");
}

void
api_queues_remove(struct req *req)
{
	struct removal *removal = req_alloc(req, sizeof(*removal));
	struct buf what;

	removal->req = req;
	if (!query_force(req, &removal->force))
		return;
	buf_init(&what, WHAT_MAX);
	removal_describe(&what, removal);
	audit_begin(
	    req, "queue.remove", buf_span(&what), removal_on_begun, removal);
	buf_clear(&what);
}

static void
removal_on_begun(void *arg)
{
	struct removal *removal = arg;
	struct req *req = removal->req;

	store_queue_remove(req_store(req), req_param(req, "queue"),
	    removal->force, queue_on_removed, removal);
}

static void
queue_on_removed(enum err err, const struct store_removed *removed, void *arg)
{
	struct removal *removal = arg;
	struct req *req = removal->req;
	struct audit_end end = {"queue.remove", 200, err, false, NULL};
	struct buf *out = req_out(req), what;

	if (err == ERR_QUEUE_NOT_EMPTY)
		end.detail = arena_printf(req_arena(req),
		    "it has %llu live and %llu dead tasks: purge them, or say "
		    "force=true",
		    (unsigned long long)removed->live,
		    (unsigned long long)removed->dead);
	buf_init(&what, WHAT_MAX);
	removal_describe(&what, removal);
	if (err == ERR_OK) {
		buf_addf(&what, ",\"tasks\":%llu",
		    (unsigned long long)removed->tasks);
		buf_add_str(out, "{\"name\":");
		buf_add_json(out, req_param(req, "queue"));
		buf_addf(out, ",\"removed\":true,\"tasks\":%llu}",
		    (unsigned long long)removed->tasks);
	}
	audit_end(req, &end, buf_span(&what));
	buf_clear(&what);
}
