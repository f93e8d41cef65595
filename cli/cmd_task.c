/* schedctl task ...: ls, report, show, take. For push see cmd_push.c. */

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/rows.h"
#include "cli/text.h"
#include "core/arena.h"
#include "core/clock.h"

enum {
	PATH_MAX_BYTES = 8192,
	BODY_MAX = 64 << 20,
	OUT_MAX = 1 << 30,
	CELL_MAX = 4096,
	ID_MAX = 64 * 1024, /* of a word that may be no id */
	LS_DEFAULT = 100,
	LS_PAGE = 1000
};

/* "/v1/queues/QUEUE" + tail, POST of body. */
static enum cli_exit
post_to_queue(struct cli *c, const char *tail, struct span body,
    uint64_t wait_ms, struct client_answer *answer)
{
	struct client_request request = {
	    .method = "POST", .body = body, .wait_ms = wait_ms};
	enum cli_exit result;
	struct buf path;

	buf_init(&path, PATH_MAX_BYTES);
	result = cli_queue_path(c, args_word(c->args, 0), tail, &path);
	if (result == CLI_DONE) {
		request.path = cli_path(&path);
		result = cli_call(c, &request, answer);
	}
	buf_clear(&path);
	return result;
}

/* A cell that says when. */
static void
add_when(struct table *t, struct span time)
{
	struct buf text;

	buf_init(&text, CELL_MAX);
	text_add_when(&text, time, clock_now_ms());
	table_add(t, buf_span(&text));
	buf_clear(&text);
}

/* ---- ls --------------------------------------------------------------- */

struct list {
	struct cli *c;
	struct buf tasks; /* the JSON of those that came, between commas */
	struct buf after; /* where the next page begins; empty: nowhere */
	uint64_t count, limit;
};

static enum cli_exit
list_path(struct list *l, struct buf *path)
{
	const struct args *args = l->c->args;
	const char *state = args_value(args, "state");
	const char *match = args_value(args, "match");
	uint64_t left = l->limit - l->count;
	enum cli_exit result =
	    cli_queue_path(l->c, args_word(args, 0), "/tasks?limit=", path);

	buf_add_u64(path, left < LS_PAGE ? left : LS_PAGE);
	if (state != NULL) {
		buf_add_str(path, "&state=");
		client_add_value(path, span_of(state));
	}
	if (match != NULL) {
		buf_add_str(path, "&match=");
		client_add_value(path, span_of(match));
	}
	if (l->after.len > 0) {
		buf_add_str(path, "&after=");
		client_add_value(path, buf_span(&l->after));
	}
	if (path->failed)
		return cli_usage(l->c, "--match and --after are too long");
	return result;
}

/* Keeps what a page holds. */
static enum cli_exit
list_keep(struct list *l, struct span body)
{
	static const struct row_field fields[] = {
	    {"tasks", false}, {"after", false}};
	struct arena *a = arena_new(OUT_MAX);
	struct span found[2], task;
	struct scan s;
	bool ok = row_read_all(body, a, fields, 2, found);

	scan_init(&s, ok ? found[0] : SPAN(""));
	ok = ok && scan_array(&s);
	while (ok && scan_item(&s)) {
		ok = scan_skip(&s, &task);
		if (l->count++ > 0)
			buf_add_char(&l->tasks, ',');
		buf_add_span(&l->tasks, task);
	}
	buf_reset(&l->after, PATH_MAX_BYTES);
	if (ok)
		buf_add_span(&l->after, found[1]);
	ok = ok && !l->tasks.failed && !l->after.failed;
	arena_free(a);
	return ok ? CLI_DONE : cli_bad_answer(l->c, "expected a page of tasks");
}

/* Pages until there are enough, or no more. A page may be empty and still
 * not the last. */
static enum cli_exit
list_fetch(struct list *l)
{
	struct client_answer answer;
	enum cli_exit result;
	struct buf path;

	do {
		buf_init(&path, PATH_MAX_BYTES);
		result = list_path(l, &path);
		if (result == CLI_DONE)
			result = cli_get(l->c, cli_path(&path), &answer);
		if (result == CLI_DONE)
			result = list_keep(l, answer.body);
		buf_clear(&path);
	} while (result == CLI_DONE && l->after.len > 0 && l->count < l->limit);
	return result;
}

static void
list_add_row(struct table *t, struct scan *s, struct arena *a)
{
	static const struct row_field fields[] = {{"id", false},
	    {"priority", false}, {"attempts", false}, {"max_attempts", false},
	    {"due_at", false}, {"worker", false}, {"error", false}};
	struct span f[COUNT_OF(fields)];
	struct buf tries;

	if (!row_read(s, a, fields, COUNT_OF(fields), f))
		return;
	buf_init(&tries, CELL_MAX);
	buf_addf(&tries, "%.*s/%.*s", SPAN_ARG(f[2]), SPAN_ARG(f[3]));
	table_add(t, f[0]);
	table_add(t, f[1]);
	table_add(t, buf_span(&tries));
	add_when(t, f[4]);
	table_add(t, f[5].len > 0 ? f[5] : SPAN("-"));
	table_add(t, f[6]);
	buf_clear(&tries);
}

static void
list_print(struct list *l)
{
	static const struct table_column columns[] = {{"ID", TABLE_LEFT},
	    {"PRIORITY", TABLE_LEFT}, {"ATTEMPTS", TABLE_RIGHT},
	    {"DUE", TABLE_RIGHT}, {"WORKER", TABLE_LEFT},
	    {"ERROR", TABLE_LEFT}};
	struct table *t = table_new(columns, COUNT_OF(columns));
	struct arena *a = arena_new(OUT_MAX);
	struct buf all;
	struct scan s;

	buf_init(&all, OUT_MAX);
	buf_add_char(&all, '[');
	buf_add_span(&all, buf_span(&l->tasks));
	buf_add_char(&all, ']');
	scan_init(&s, buf_span(&all));
	if (scan_array(&s))
		while (scan_item(&s))
			list_add_row(t, &s, a);
	if (l->count > 0)
		cli_write_table(l->c, t);
	if (l->count == 0 && !l->c->quiet)
		cli_say("no such tasks");
	if (l->after.len > 0 && !l->c->quiet)
		cli_say("there are more: --after %.*s",
		    SPAN_ARG(buf_span(&l->after)));
	buf_clear(&all);
	arena_free(a);
	table_free(t);
}

static void
list_print_json(struct list *l)
{
	struct buf out;

	buf_init(&out, OUT_MAX);
	buf_add_str(&out, "{\"tasks\":[");
	buf_add_span(&out, buf_span(&l->tasks));
	buf_add_str(&out, "],\"after\":");
	if (l->after.len > 0)
		buf_add_json(&out, buf_span(&l->after));
	else
		buf_add_str(&out, "null");
	buf_add_char(&out, '}');
	cli_write_json(l->c, buf_span(&out));
	buf_clear(&out);
}

enum cli_exit
cmd_task_ls(struct cli *c)
{
	const char *limit = args_value(c->args, "limit");
	const char *after = args_value(c->args, "after");
	struct list l = {.c = c, .limit = LS_DEFAULT};
	enum cli_exit result;

	if (limit != NULL &&
	    (!str_to_u64(span_of(limit), &l.limit) || l.limit == 0))
		return cli_usage(
		    c, "--limit '%s': expected a whole number", limit);
	buf_init(&l.tasks, OUT_MAX);
	buf_init(&l.after, PATH_MAX_BYTES);
	if (after != NULL)
		buf_add_str(&l.after, after);
	result = list_fetch(&l);
	if (result == CLI_DONE && c->json)
		list_print_json(&l);
	else if (result == CLI_DONE)
		list_print(&l);
	buf_clear(&l.tasks);
	buf_clear(&l.after);
	return result;
}

/* ---- report ----------------------------------------------------------- */

/* "ID=ERROR", in which "\=" is an equals sign of the id. */
static void
add_failed(struct buf *body, const char *value, bool no_retry)
{
	const char *p = value;
	struct buf id;

	buf_init(&id, ID_MAX);
	for (; *p != '\0' && *p != '='; p++) {
		if (p[0] == '\\' && p[1] == '=')
			p++;
		buf_add_char(&id, *p);
	}
	buf_add_str(body, "{\"id\":");
	buf_add_json(body, buf_span(&id));
	if (*p == '=') {
		buf_add_str(body, ",\"error\":");
		buf_add_json(body, span_of(p + 1));
	}
	if (no_retry)
		buf_add_str(body, ",\"retry\":false");
	buf_add_char(body, '}');
	buf_clear(&id);
}

static void
report_add_body(const struct cli *c, struct buf *body)
{
	bool no_retry = args_has(c->args, "no-retry");
	const char *id, *mark = "";
	size_t at = 0;

	buf_add_str(body, "{\"worker\":");
	buf_add_json(body, span_of(args_value(c->args, "worker")));
	buf_add_str(body, ",\"finished\":[");
	while ((id = args_each(c->args, "finished", &at)) != NULL) {
		buf_add_str(body, mark);
		buf_add_json(body, span_of(id));
		mark = ",";
	}
	buf_add_str(body, "],\"failed\":[");
	mark = "";
	at = 0;
	while ((id = args_each(c->args, "failed", &at)) != NULL) {
		buf_add_str(body, mark);
		add_failed(body, id, no_retry);
		mark = ",";
	}
	buf_add_str(body, "]}");
}

/* Says each refused id; how many there were. False: not understood. */
static bool
report_say_refused(struct span list, struct arena *a, uint64_t *count)
{
	static const struct row_field fields[] = {
	    {"id", false}, {"error", true}};
	struct cli_error e;
	struct span f[2];
	struct buf text;
	struct scan s;
	bool ok;

	*count = 0;
	scan_init(&s, list);
	ok = scan_array(&s);
	while (ok && scan_item(&s)) {
		buf_init(&text, OUT_MAX);
		ok = row_read(&s, a, fields, 2, f) &&
		     cli_read_error_object(f[1], a, &e);
		if (ok) {
			cli_add_error(&text, &e);
			cli_say("%.*s: %.*s", SPAN_ARG(f[0]),
			    SPAN_ARG(buf_span(&text)));
			++*count;
		}
		buf_clear(&text);
	}
	return ok && scan_end(&s) == ERR_OK;
}

static enum cli_exit
report_tell(struct cli *c, const struct client_answer *answer)
{
	static const struct row_field fields[] = {{"finished", false},
	    {"failed", false}, {"dead", false}, {"refused", false}};
	struct arena *a = arena_new(OUT_MAX);
	uint64_t finished = 0, failed = 0, dead = 0, refused = 0;
	struct span f[4];
	bool ok = row_read_all(answer->body, a, fields, 4, f) &&
		  scan_to_u64(f[0], &finished) && scan_to_u64(f[1], &failed) &&
		  scan_to_u64(f[2], &dead) &&
		  report_say_refused(f[3], a, &refused);

	arena_free(a);
	if (!ok)
		return cli_bad_answer(c, "expected the counts of a report");
	if (c->json)
		(void)cli_document(c, answer);
	else if (!c->quiet)
		cli_say("finished %llu, failed %llu (%llu now dead), "
			"refused %llu",
		    (unsigned long long)finished, (unsigned long long)failed,
		    (unsigned long long)dead, (unsigned long long)refused);
	if (refused == 0)
		return CLI_DONE;
	return finished + failed > 0 ? CLI_PARTLY : CLI_REFUSED;
}

enum cli_exit
cmd_task_report(struct cli *c)
{
	struct client_answer answer;
	enum cli_exit result;
	struct buf body;

	if (!args_has(c->args, "finished") && !args_has(c->args, "failed"))
		return cli_usage(c, "task report: --finished ID or --failed "
				    "ID is missing");
	result = cli_check_name(c, "--worker", args_value(c->args, "worker"));
	if (result != CLI_DONE)
		return result;
	buf_init(&body, BODY_MAX);
	report_add_body(c, &body);
	result = post_to_queue(c, "/report", buf_span(&body), 0, &answer);
	buf_clear(&body);
	return result == CLI_DONE ? report_tell(c, &answer) : result;
}

/* ---- show ------------------------------------------------------------- */

/* The payload on lines of its own, byte for byte. */
static void
show_payload(struct cli *c, struct span body)
{
	static const struct row_field fields[] = {{"payload", true}};
	struct arena *a = arena_new(OUT_MAX);
	struct span payload;

	if (row_read_all(body, a, fields, 1, &payload) && payload.len > 0) {
		cli_write(c, SPAN("payload:\n"));
		cli_write_json(c, payload);
	}
	arena_free(a);
}

enum cli_exit
cmd_task_show(struct cli *c)
{
	const char *id = args_word(c->args, 1);
	struct client_answer answer;
	enum cli_exit result = cli_check_id(c, id);
	struct buf path;

	if (result != CLI_DONE)
		return result;
	buf_init(&path, PATH_MAX_BYTES);
	result = cli_queue_path(c, args_word(c->args, 0), "/tasks/", &path);
	client_add_segment(&path, span_of(id));
	if (result == CLI_DONE)
		result = cli_get(c, cli_path(&path), &answer);
	buf_clear(&path);
	if (result == CLI_DONE)
		result = cli_show(c, &answer, "payload");
	if (result == CLI_DONE && !c->json)
		show_payload(c, answer.body);
	return result;
}

/* ---- take ------------------------------------------------------------- */

static bool
take_add_rows(struct table *t, struct arena *a, struct span list)
{
	static const struct row_field fields[] = {{"id", false},
	    {"attempt", false}, {"lease_until", false}, {"payload", true}};
	struct span f[4];
	struct scan s;

	scan_init(&s, list);
	if (!scan_array(&s))
		return false;
	while (scan_item(&s)) {
		if (!row_read(&s, a, fields, 4, f))
			return false;
		table_add(t, f[0]);
		table_add(t, f[1]);
		add_when(t, f[2]);
		table_add(t, f[3]);
	}
	return scan_end(&s) == ERR_OK;
}

static enum cli_exit
take_print(struct cli *c, struct span body)
{
	static const struct table_column columns[] = {{"ID", TABLE_LEFT},
	    {"ATTEMPT", TABLE_RIGHT}, {"LEASE ENDS", TABLE_RIGHT},
	    {"PAYLOAD", TABLE_LEFT}};
	static const struct row_field fields[] = {
	    {"tasks", false}, {"paused", false}};
	struct table *t = table_new(columns, COUNT_OF(columns));
	struct arena *a = arena_new(OUT_MAX);
	enum cli_exit result = CLI_DONE;
	struct span f[2];

	if (!row_read_all(body, a, fields, 2, f) || !take_add_rows(t, a, f[0]))
		result = cli_bad_answer(c, "expected a list of tasks");
	else if (table_rows(t) > 0)
		cli_write_table(c, t);
	else if (!c->quiet)
		cli_say(
		    span_is(f[1], "true") ? "the queue is paused" : "no tasks");
	arena_free(a);
	table_free(t);
	return result;
}

static enum cli_exit
take_add_body(const struct cli *c, struct buf *body)
{
	enum cli_exit result = CLI_DONE;

	buf_add_str(body, "{\"worker\":");
	buf_add_json(body, span_of(args_value(c->args, "worker")));
	if (!args_has(c->args, "count"))
		buf_add_str(body, ",\"count\":1");
	else
		result = cli_add_number(c, body, "count", "count");
	if (result == CLI_DONE)
		result = cli_add_seconds(c, body, "wait", "wait_s");
	if (result == CLI_DONE)
		result = cli_add_seconds(c, body, "lease", "lease_s");
	buf_add_char(body, '}');
	return result;
}

enum cli_exit
cmd_task_take(struct cli *c)
{
	const char *wait = args_value(c->args, "wait");
	struct client_answer answer;
	enum cli_exit result =
	    cli_check_name(c, "--worker", args_value(c->args, "worker"));
	uint64_t wait_ms = 0;
	struct buf body;

	if (result != CLI_DONE)
		return result;
	buf_init(&body, BODY_MAX);
	result = take_add_body(c, &body);
	if (wait != NULL && !str_to_ms(span_of(wait), &wait_ms))
		wait_ms = 0;
	if (result == CLI_DONE)
		result = post_to_queue(
		    c, "/take", buf_span(&body), wait_ms, &answer);
	buf_clear(&body);
	if (result != CLI_DONE)
		return result;
	return c->json ? cli_document(c, &answer) : take_print(c, answer.body);
}
