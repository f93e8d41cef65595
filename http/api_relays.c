/* /v1/relays: all of them, and one. Who may look at the queues that a relay
 * joins sees it. */

#include "http/api.h"
#include "http/auth.h"

static bool
is_seen(const struct auth_caller *caller, const struct store_relay_info *r)
{
	return auth_sees(caller, r->from) &&
	       (r->url.len > 0 || auth_sees(caller, r->to));
}

/* What keeps it from going on now, and what last did. */
static void
add_errors(struct buf *out, const struct store_relay_info *r)
{
	buf_add_str(out, ",\"error\":");
	if (r->state == RELAY_WAITING)
		err_print_json(out, ERR_RELAY_WAITS, r->error);
	else
		buf_add_str(out, "null");
	buf_add_str(out, ",\"last_error\":");
	api_add_text(out, r->error);
	buf_add_str(out, ",\"last_error_at\":");
	api_add_time(out, r->error_at);
}

static void
add_relay(struct buf *out, const struct store_relay_info *r)
{
	buf_add_char(out, '{');
	api_add_member(out, "name", r->name);
	buf_add_char(out, ',');
	api_add_member(out, "queue", r->from);
	buf_add_char(out, ',');
	api_add_member(out, "to", r->to);
	buf_add_str(out, ",\"url\":");
	api_add_text(out, r->url);
	buf_add_str(out, ",\"backend\":");
	api_add_text(out, span_of(r->backend != NULL ? r->backend : ""));
	buf_addf(out, ",\"state\":\"%s\"", relay_state_name(r->state));
	add_errors(out, r);
	buf_add_str(out, ",\"owner\":");
	api_add_text(out, r->owner);
	api_add_number(out, "waiting_tasks", r->waiting);
	buf_addf(out, ",\"oldest_s\":%.3f", r->oldest_s);
	api_add_number(out, "tasks_total", r->tasks_total);
	api_add_number(out, "refused_total", r->refused_total);
	buf_add_str(out, ",\"last_batch\":");
	api_add_time(out, r->last_at);
	api_add_number(out, "batch", r->batch);
	buf_add_char(out, '}');
}

struct relay_list {
	const struct auth_caller *caller;
	struct buf *out;
	size_t count;
};

static void
list_add(const struct store_relay_info *info, void *arg)
{
	struct relay_list *list = arg;

	if (!is_seen(list->caller, info))
		return;
	if (list->count++ > 0)
		buf_add_char(list->out, ',');
	add_relay(list->out, info);
}

void
api_relays_list(struct req *req)
{
	struct relay_list list = {
	    .caller = req_caller(req), .out = req_out(req)};

	buf_add_str(list.out, "{\"relays\":[");
	store_relay_each(req_store(req), list_add, &list);
	buf_add_str(list.out, "]}");
	req_reply(req, 200);
}

void
api_relays_get(struct req *req)
{
	struct store_relay_info info;

	if (!store_relay_get(req_store(req), req_param(req, "relay"), &info) ||
	    !is_seen(req_caller(req), &info)) {
		req_fail(req, ERR_RELAY_UNKNOWN);
		return;
	}
	add_relay(req_out(req), &info);
	req_reply(req, 200);
}
