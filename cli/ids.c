/* Acting on tasks that are named; see ids.h. */

#include "cli/ids.h"

#include "cli/interrupt.h"
#include "cli/rows.h"
#include "core/arena.h"

enum {
	PATH_MAX_BYTES = 2048,
	BODY_MAX = 4096,
	JSON_MAX = 1 << 30,
	ARENA_MAX = 1 << 24
};

struct ids {
	struct cli *c;
	bool is_dry;
	struct buf path, body;
	struct buf json; /* of those that were told, with --json */
	uint64_t done, refused;
};

/* ---- requests --------------------------------------------------------- */

/* From the first task that was told on, the document is the one at the end. */
static void
hold_document(struct ids *s)
{
	s->c->has_json = s->c->has_json || s->done + s->refused > 0;
}

/* DONE: an answer of any status came. */
static enum cli_exit
call(struct ids *s, struct client_request *request, const char *tail,
    const char *id, struct client_answer *answer)
{
	enum cli_exit result;

	buf_reset(&s->path, PATH_MAX_BYTES);
	result = cli_queue_path(s->c, args_word(s->c->args, 0), tail, &s->path);
	if (result != CLI_DONE)
		return result;
	if (id != NULL)
		client_add_segment(&s->path, span_of(id));
	request->path = cli_path(&s->path);
	if (client_call(s->c->client, request, answer) == ERR_OK)
		return CLI_DONE;
	hold_document(s);
	return cli_unreachable(s->c);
}

/* ---- telling ---------------------------------------------------------- */

static void
add_json(struct ids *s, const char *id, const char *member, struct span value)
{
	if (!s->c->json)
		return;
	buf_add_str(&s->json, s->json.len > 0 ? ",{\"id\":" : "{\"id\":");
	buf_add_json(&s->json, span_of(id));
	buf_addf(&s->json, ",\"%s\":%.*s}", member, SPAN_ARG(value));
}

static enum cli_exit
tell_done(struct ids *s, const char *id, const char *done, const char *verb,
    struct span state)
{
	struct buf json;

	s->done++;
	buf_init(&json, BODY_MAX);
	buf_add_json(&json, state);
	add_json(s, id, "state", buf_span(&json));
	buf_clear(&json);
	if (!s->c->json && !s->c->quiet)
		cli_write_line(s->c, "%s%s %s, %.*s", s->is_dry ? "would " : "",
		    s->is_dry ? verb : done, id, SPAN_ARG(state));
	return CLI_DONE;
}

/* One that is not there, or not in a state for it. Anything else concerns
 * those behind it, too. */
static enum cli_exit
tell_refused(struct ids *s, const char *id, const struct client_answer *answer)
{
	const struct err_info *unknown = err_info(ERR_TASK_UNKNOWN);
	struct arena *a = arena_new(ARENA_MAX);
	enum cli_exit result = CLI_DONE;
	struct span error = row_raw(answer->body, "error", a);
	struct cli_error e;
	struct buf text;

	if (!cli_read_error_object(error, a, &e) ||
	    !span_is(e.name, unknown->name)) {
		hold_document(s);
		result = cli_refused(s->c, answer);
	} else {
		s->refused++;
		add_json(s, id, "error", error);
		buf_init(&text, BODY_MAX);
		cli_add_error(&text, &e);
		cli_say("%s: %.*s", id, SPAN_ARG(buf_span(&text)));
		buf_clear(&text);
	}
	arena_free(a);
	return result;
}

/* ---- one task --------------------------------------------------------- */

enum cli_exit
ids_remove(struct ids *s, const char *id)
{
	struct client_request request = {
	    .method = s->is_dry ? "GET" : "DELETE"};
	struct client_answer answer;
	enum cli_exit result = call(s, &request, "/tasks/", id, &answer);
	struct arena *a;

	if (result != CLI_DONE)
		return result;
	if (answer.status != 200)
		return tell_refused(s, id, &answer);
	a = arena_new(ARENA_MAX);
	result = tell_done(
	    s, id, "removed", "remove", row_member(answer.body, "state", a));
	arena_free(a);
	return result;
}

/* It is in none of the states that can be retried, or is not there. */
static enum cli_exit
retry_tell_state(struct ids *s, const char *id)
{
	struct client_request request = {.method = "GET"};
	struct client_answer answer;
	enum cli_exit result = call(s, &request, "/tasks/", id, &answer);
	struct arena *a;
	struct span state;
	struct buf json;

	if (result != CLI_DONE)
		return result;
	if (answer.status != 200)
		return tell_refused(s, id, &answer);
	a = arena_new(ARENA_MAX);
	state = row_member(answer.body, "state", a);
	s->refused++;
	buf_init(&json, BODY_MAX);
	buf_add_json(&json, state);
	add_json(s, id, "not_retried", buf_span(&json));
	buf_clear(&json);
	cli_say("%s: it is %.*s; failed, dead and delayed ones can be retried",
	    id, SPAN_ARG(state));
	arena_free(a);
	return CLI_DONE;
}

/* In one state; *count: was it there? */
static enum cli_exit
retry_in(struct ids *s, const char *id, const char *state, uint64_t *count)
{
	struct client_request request = {.method = "POST"};
	struct client_answer answer;
	enum cli_exit result;
	struct arena *a;
	bool ok;

	*count = 0;
	buf_reset(&s->body, BODY_MAX);
	buf_addf(&s->body, "{\"state\":\"%s\",\"ids\":[", state);
	buf_add_json(&s->body, span_of(id));
	buf_addf(&s->body, "],\"dry_run\":%s}", s->is_dry ? "true" : "false");
	request.body = buf_span(&s->body);
	result = call(s, &request, "/retry", NULL, &answer);
	if (result != CLI_DONE)
		return result;
	if (answer.status != 200)
		return tell_refused(s, id, &answer);
	a = arena_new(ARENA_MAX);
	ok = scan_to_u64(row_member(answer.body, "count", a), count);
	arena_free(a);
	if (ok)
		return CLI_DONE;
	hold_document(s);
	return cli_bad_answer(s->c, "expected a count");
}

enum cli_exit
ids_retry(struct ids *s, const char *id)
{
	static const char *const states[] = {"dead", "failed", "delayed"};
	enum cli_exit result;
	uint64_t count;

	for (size_t i = 0; i < COUNT_OF(states); i++) {
		result = retry_in(s, id, states[i], &count);
		if (result != CLI_DONE)
			return result;
		if (count > 0)
			return tell_done(
			    s, id, "retried", "retry", span_of(states[i]));
	}
	return retry_tell_state(s, id);
}

/* ---- all of them ------------------------------------------------------ */

static void
write_json(struct ids *s)
{
	struct buf out;

	buf_init(&out, JSON_MAX);
	buf_add_str(&out, "{\"tasks\":[");
	buf_add_span(&out, buf_span(&s->json));
	buf_addf(&out, "],\"count\":%llu,\"refused\":%llu,\"dry_run\":%s}",
	    (unsigned long long)s->done, (unsigned long long)s->refused,
	    s->is_dry ? "true" : "false");
	cli_write_json(s->c, buf_span(&out));
	buf_clear(&out);
}

static enum cli_exit
run_each(struct ids *s, ids_fn *one)
{
	enum cli_exit result = CLI_DONE;
	const char *id = NULL;
	size_t i = 1;

	for (; result == CLI_DONE && !interrupt_came(); i++) {
		id = args_word(s->c->args, i);
		if (id == NULL)
			break;
		result = one(s, id);
	}
	if (id != NULL && result == CLI_DONE && interrupt_came()) {
		cli_say("stopped behind %s", args_word(s->c->args, i - 1));
		result = CLI_REFUSED;
	}
	if (result == CLI_DONE && s->refused > 0)
		result = CLI_REFUSED;
	return result != CLI_DONE && s->done > 0 ? CLI_PARTLY : result;
}

enum cli_exit
ids_run(struct cli *c, ids_fn *one)
{
	struct ids s = {.c = c, .is_dry = args_has(c->args, "dry-run")};
	enum cli_exit result = CLI_DONE;
	const char *id;

	for (size_t i = 1; result == CLI_DONE; i++) {
		id = args_word(c->args, i);
		if (id == NULL)
			break;
		result = cli_check_id(c, id);
	}
	if (result != CLI_DONE)
		return result;
	interrupt_catch();
	buf_init(&s.path, PATH_MAX_BYTES);
	buf_init(&s.body, BODY_MAX);
	buf_init(&s.json, JSON_MAX);
	result = run_each(&s, one);
	if (c->json && s.done + s.refused > 0)
		write_json(&s);
	buf_clear(&s.path);
	buf_clear(&s.body);
	buf_clear(&s.json);
	return result;
}
