/* /v1/queues/{queue}/move: a queue goes to another backend. */

#include "http/api.h"
#include "http/audit.h"

enum { WHAT_MAX = 1024 /* of an audit entry */ };

static store_move_cb move_on_started, move_on_undone;
static audit_go_fn move_on_begun, undo_on_begun;

struct moving {
	struct req *req;
	struct span to; /* "" when one is taken back */
};

static void
add_move(struct buf *out, const struct store_move_info *m)
{
	buf_add_str(out, "{\"queue\":");
	buf_add_json(out, m->queue);
	buf_addf(out,
	    ",\"from\":\"%s\",\"to\":\"%s\",\"state\":\"%s\",\"over\":%s,"
	    "\"tasks\":%llu,\"copied\":%llu,\"reason\":",
	    m->from, m->to, m->state, m->is_over ? "true" : "false",
	    (unsigned long long)m->tasks, (unsigned long long)m->copied);
	api_add_text(out, m->reason);
	buf_add_char(out, '}');
}

static void
move_describe(struct buf *what, const struct moving *moving)
{
	api_add_member(what, "queue", req_param(moving->req, "queue"));
	if (moving->to.len > 0)
		api_add_member(what, "to", moving->to);
}

static void
move_audit(struct moving *moving, const char *action, audit_go_fn *go)
{
	struct buf what;

	buf_init(&what, WHAT_MAX);
	move_describe(&what, moving);
	audit_begin(moving->req, action, buf_span(&what), go, moving);
	buf_clear(&what);
}

/* What became of it, in the answer and in the audit trail. */
static void
move_end(const struct moving *moving, const char *action, enum err err,
    const struct store_move_info *m)
{
	struct audit_end end = {action, 202, err, false, NULL};
	struct req *req = moving->req;
	struct buf what;

	if (err == ERR_MOVE_REFUSED)
		end.detail = arena_dup(req_arena(req), m->reason);
	buf_init(&what, WHAT_MAX);
	move_describe(&what, moving);
	if (err == ERR_OK) {
		api_add_member(&what, "from", span_of(m->from));
		add_move(req_out(req), m);
	}
	audit_end(req, &end, buf_span(&what));
	buf_clear(&what);
}

void
api_move_start(struct req *req)
{
	struct moving *moving = req_alloc(req, sizeof(*moving));
	struct body b;

	moving->req = req;
	api_body(req, &b);
	if (body_read_move(&b, &moving->to) != ERR_OK)
		api_refuse(req, &b);
	else
		move_audit(moving, "queue.move", move_on_begun);
}

static void
move_on_begun(void *arg)
{
	struct moving *moving = arg;
	struct req *req = moving->req;

	store_move_start(req_store(req), req_param(req, "queue"), moving->to,
	    move_on_started, moving);
}

static void
move_on_started(enum err err, const struct store_move_info *m, void *arg)
{
	move_end(arg, "queue.move", err, m);
}

void
api_move_get(struct req *req)
{
	struct store_move_info m;

	if (!store_move_get(req_store(req), req_param(req, "queue"), &m)) {
		req_fail(req, ERR_MOVE_UNKNOWN);
		return;
	}
	add_move(req_out(req), &m);
	req_reply(req, 200);
}

void
api_move_undo(struct req *req)
{
	struct moving *moving = req_alloc(req, sizeof(*moving));

	moving->req = req;
	moving->to = SPAN("");
	move_audit(moving, "queue.move_undo", undo_on_begun);
}

static void
undo_on_begun(void *arg)
{
	struct moving *moving = arg;
	struct req *req = moving->req;

	store_move_undo(
	    req_store(req), req_param(req, "queue"), move_on_undone, moving);
}

/* Undone is what was asked for. */
static void
move_on_undone(enum err err, const struct store_move_info *m, void *arg)
{
	if (err == ERR_MOVE_REFUSED && m->is_over)
		err = ERR_OK;
	move_end(arg, "queue.move_undo", err, m);
}
