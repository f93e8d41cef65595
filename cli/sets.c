/* Acting on a set of tasks; see sets.h. */

#include "cli/sets.h"

#include <time.h>

#include "cli/ask.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/rows.h"
#include "core/arena.h"
#include "core/clock.h"

enum {
	PATH_MAX_BYTES = 1024,
	BODY_MAX = 64 * 1024,
	AFTER_MAX = 4096,
	ARENA_MAX = 1 << 20,
	CALL_LIMIT = 1000000 /* the most that a request may act on */
};

const struct sets_verb sets_remove = {"/purge", "remove", "removed",
    {"todo doing delayed failed dead finish", NULL, true}};
const struct sets_verb sets_retry = {
    "/retry", "retry", "retried", {"failed dead delayed", "dead", true}};

/* One way through the set: counting, or doing it. */
struct pass {
	bool is_dry;
	uint64_t count, seen;
	uint64_t counts[SELECT_STATES]; /* by state of the selection */
	bool is_whole;                  /* nothing is left to look at */
};

struct sets {
	struct cli *c;
	const struct sets_verb *verb;
	struct selection chosen;
	struct buf path, body, after;
	uint64_t total; /* tasks in those states, as it began */
	struct progress progress;
};

static unsigned long long
ull(uint64_t n)
{
	return (unsigned long long)n;
}

/* ---- telling ---------------------------------------------------------- */

static const char *
plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

/* "120 tasks of mail (dead 100, failed 20)". */
static void
add_sum(struct buf *out, const struct sets *s, const struct pass *p)
{
	const char *mark = " (";

	buf_addf(out, "%llu task%s of %s", ull(p->count), plural(p->count),
	    args_word(s->c->args, 0));
	for (size_t i = 0; i < s->chosen.state_count; i++) {
		buf_addf(out, "%s%s %llu", mark, s->chosen.states[i],
		    ull(p->counts[i]));
		mark = ", ";
	}
	buf_add_char(out, ')');
}

/* What came of it, for --json. error: the server's object; empty = none. */
static void
write_json(const struct sets *s, const struct pass *p, struct span error)
{
	struct buf out;

	buf_init(&out, BODY_MAX);
	buf_addf(&out, "{\"queue\":\"%s\",\"count\":%llu,\"seen\":%llu",
	    args_word(s->c->args, 0), ull(p->count), ull(p->seen));
	buf_addf(&out, ",\"dry_run\":%s,\"complete\":%s,\"states\":{",
	    p->is_dry ? "true" : "false", p->is_whole ? "true" : "false");
	for (size_t i = 0; i < s->chosen.state_count; i++)
		buf_addf(&out, "%s\"%s\":%llu", i > 0 ? "," : "",
		    s->chosen.states[i], ull(p->counts[i]));
	buf_add_char(&out, '}');
	if (error.len > 0) {
		buf_add_str(&out, ",\"error\":");
		buf_add_span(&out, error);
	}
	buf_add_char(&out, '}');
	cli_write_json(s->c, buf_span(&out));
	buf_clear(&out);
}

/* The pass ended early, and it was said why. What was done is done. */
static enum cli_exit
tell_part(struct sets *s, const struct pass *p, enum cli_exit why)
{
	struct buf sum;

	if (p->is_dry || p->count == 0)
		return why;
	buf_init(&sum, BODY_MAX);
	add_sum(&sum, s, p);
	cli_say("%s %.*s before that; the same command goes on", s->verb->done,
	    SPAN_ARG(buf_span(&sum)));
	buf_clear(&sum);
	return CLI_PARTLY;
}

static enum cli_exit
tell_interrupt(struct sets *s, const struct pass *p)
{
	struct buf sum;

	buf_init(&sum, BODY_MAX);
	add_sum(&sum, s, p);
	if (p->is_dry)
		cli_say("stopped: nothing was done; %.*s were found so far",
		    SPAN_ARG(buf_span(&sum)));
	else
		cli_say("stopped: %s %.*s; the same command goes on",
		    s->verb->done, SPAN_ARG(buf_span(&sum)));
	buf_clear(&sum);
	if (s->c->json)
		write_json(s, p, SPAN(""));
	return !p->is_dry && p->count > 0 ? CLI_PARTLY : CLI_REFUSED;
}

static enum cli_exit
tell_result(struct sets *s, const struct pass *p)
{
	struct buf sum;

	buf_init(&sum, BODY_MAX);
	add_sum(&sum, s, p);
	if (s->c->json)
		write_json(s, p, SPAN(""));
	else if (!s->c->quiet)
		cli_write_line(s->c, "%s%s %.*s", p->is_dry ? "would " : "",
		    p->is_dry ? s->verb->verb : s->verb->done,
		    SPAN_ARG(buf_span(&sum)));
	buf_clear(&sum);
	return CLI_DONE;
}

/* ---- requests --------------------------------------------------------- */

static void
set_body(struct sets *s, const struct pass *p, const char *state)
{
	uint64_t left = s->chosen.limit - p->count;

	buf_reset(&s->body, BODY_MAX);
	buf_addf(&s->body, "{\"state\":\"%s\"", state);
	select_add_body(&s->chosen, &s->body);
	buf_addf(&s->body, ",\"limit\":%llu,\"dry_run\":%s",
	    ull(left < CALL_LIMIT ? left : CALL_LIMIT),
	    p->is_dry ? "true" : "false");
	if (s->after.len > 0) {
		buf_add_str(&s->body, ",\"after\":");
		buf_add_json(&s->body, buf_span(&s->after));
	}
	buf_add_char(&s->body, '}');
}

static void
say_waiting(struct sets *s, const struct client_answer *answer, uint64_t wait_s)
{
	struct arena *a = arena_new(ARENA_MAX);
	struct cli_error e;
	struct buf text;

	buf_init(&text, BODY_MAX);
	if (cli_read_error(answer->body, a, &e))
		cli_add_error(&text, &e);
	progress_clear(&s->progress);
	if (!s->c->quiet)
		cli_say("waiting %llu s: %.*s", ull(wait_s),
		    SPAN_ARG(buf_span(&text)));
	buf_clear(&text);
	arena_free(a);
}

/* The server cannot do it now: as long as the timeout lasts, waits as it
 * asked. */
static bool
wait_for_server(
    struct sets *s, const struct client_answer *answer, int64_t deadline_us)
{
	uint64_t wait_s = answer->retry_after_s > 0 ? answer->retry_after_s : 1;
	struct timespec wait = {.tv_sec = (time_t)wait_s};

	if ((answer->status != 429 && answer->status != 503) ||
	    clock_mono_us_fresh() + (int64_t)wait_s * 1000000 > deadline_us)
		return false;
	say_waiting(s, answer, wait_s);
	(void)nanosleep(&wait, NULL);
	return !interrupt_came();
}

/* No answer, or a refusal; error is its object. After a part was done the
 * document says how much. */
static void
prepare_to_tell(struct sets *s, const struct pass *p, struct span error)
{
	progress_clear(&s->progress);
	if (s->c->json && !p->is_dry && p->count > 0)
		write_json(s, p, error);
}

static enum cli_exit
tell_refusal(
    struct sets *s, const struct pass *p, const struct client_answer *answer)
{
	struct arena *a = arena_new(ARENA_MAX);

	prepare_to_tell(s, p, row_raw(answer->body, "error", a));
	arena_free(a);
	return cli_refused(s->c, answer);
}

/* One request. Anything but CLI_DONE was told. */
static enum cli_exit
call(struct sets *s, const struct pass *p, struct client_answer *answer)
{
	struct client_request request = {
	    .method = "POST", .path = s->path.data, .body = buf_span(&s->body)};
	int64_t deadline_us =
	    clock_mono_us_fresh() + (int64_t)s->c->timeout_ms * 1000;

	if (s->body.failed)
		return cli_usage(s->c, "what chooses the tasks is too long");
	do {
		if (client_call(s->c->client, &request, answer) != ERR_OK) {
			prepare_to_tell(s, p, SPAN(""));
			return cli_unreachable(s->c);
		}
	} while (wait_for_server(s, answer, deadline_us));
	return answer->status == 200 ? CLI_DONE : tell_refusal(s, p, answer);
}

/* Adds what an answer says; where to go on is then in after. */
static enum cli_exit
take_answer(struct sets *s, struct pass *p, size_t state, struct span body)
{
	static const struct row_field fields[] = {
	    {"count", false}, {"seen", false}, {"after", false}};
	struct arena *a = arena_new(ARENA_MAX);
	uint64_t count = 0, seen = 0;
	struct span f[3];
	bool ok = row_read_all(body, a, fields, 3, f) &&
		  scan_to_u64(f[0], &count) && scan_to_u64(f[1], &seen);

	/* It must lead somewhere, or this would never end. */
	ok = ok &&
	     (f[2].len == 0 || seen > 0 || !span_eq(f[2], buf_span(&s->after)));
	buf_reset(&s->after, AFTER_MAX);
	if (ok)
		buf_add_span(&s->after, f[2]);
	arena_free(a);
	if (!ok || s->after.failed) {
		prepare_to_tell(s, p, SPAN(""));
		return cli_bad_answer(s->c, "expected a count of tasks");
	}
	p->count += count;
	p->counts[state] += count;
	p->seen += seen;
	return CLI_DONE;
}

/* ---- a pass ----------------------------------------------------------- */

static enum cli_exit
pass_state(struct sets *s, struct pass *p, size_t state)
{
	struct client_answer answer = {0};
	enum cli_exit result;

	buf_reset(&s->after, AFTER_MAX);
	do {
		set_body(s, p, s->chosen.states[state]);
		result = call(s, p, &answer);
		if (result == CLI_DONE)
			result = take_answer(s, p, state, answer.body);
		if (result != CLI_DONE)
			return tell_part(s, p, result);
		progress_show(&s->progress, p->seen, p->seen, "%llu %s",
		    ull(p->count), p->is_dry ? "found" : s->verb->done);
	} while (s->after.len > 0 && p->count < s->chosen.limit &&
		 !interrupt_came());
	return CLI_DONE;
}

static enum cli_exit
run_pass(struct sets *s, struct pass *p)
{
	enum cli_exit result = CLI_DONE;
	size_t i = 0;

	progress_init(
	    &s->progress, s->c->stderr_is_terminal && !s->c->quiet, s->total);
	while (result == CLI_DONE && i < s->chosen.state_count &&
	       p->count < s->chosen.limit && !interrupt_came()) {
		result = pass_state(s, p, i);
		i += s->after.len == 0;
	}
	progress_clear(&s->progress);
	p->is_whole = i == s->chosen.state_count || p->count >= s->chosen.limit;
	if (result == CLI_DONE && !p->is_whole)
		return tell_interrupt(s, p);
	return result;
}

/* ---- the whole -------------------------------------------------------- */

/* How many tasks there are in those states. */
static enum cli_exit
find_total(struct sets *s)
{
	struct client_request request = {.method = "GET"};
	struct client_answer answer;
	enum cli_exit result = cli_call_queue(s->c, request, "", &answer);
	struct span counts;
	struct arena *a;
	uint64_t n;

	if (result != CLI_DONE)
		return result;
	a = arena_new(ARENA_MAX);
	counts = row_member(answer.body, "counts", a);
	for (size_t i = 0; i < s->chosen.state_count; i++)
		if (scan_to_u64(row_member(counts, s->chosen.states[i], a), &n))
			s->total += n;
	arena_free(a);
	return CLI_DONE;
}

/* Says how many there are, and asks. No more than that are acted on later,
 * however many came meanwhile. */
static enum cli_exit
count_and_ask(struct sets *s)
{
	struct pass dry = {.is_dry = true};
	enum cli_exit result = run_pass(s, &dry);
	struct buf sum;

	s->chosen.limit = dry.count;
	if (result != CLI_DONE || dry.count == 0)
		return result;
	buf_init(&sum, BODY_MAX);
	add_sum(&sum, s, &dry);
	result = ask(s->c, "%s %.*s?", s->verb->verb, SPAN_ARG(buf_span(&sum)));
	buf_clear(&sum);
	return result;
}

static enum cli_exit
run(struct sets *s)
{
	struct pass p = {.is_dry = args_has(s->c->args, "dry-run")};
	enum cli_exit result = find_total(s);

	if (result == CLI_DONE && !p.is_dry && !s->c->yes)
		result = count_and_ask(s);
	if (result == CLI_DONE)
		result = run_pass(s, &p);
	return result == CLI_DONE ? tell_result(s, &p) : result;
}

enum cli_exit
sets_run(struct cli *c, const struct sets_verb *verb)
{
	struct sets s = {.c = c, .verb = verb};
	enum cli_exit result = select_read(c, &verb->rules, &s.chosen);

	if (result == CLI_DONE && args_has(c->args, "dry-run"))
		interrupt_catch();
	else if (result == CLI_DONE)
		result = ask_prepare(c);
	buf_init(&s.path, PATH_MAX_BYTES);
	buf_init(&s.body, BODY_MAX);
	buf_init(&s.after, AFTER_MAX);
	if (result == CLI_DONE)
		result = cli_queue_path(
		    c, args_word(c->args, 0), verb->tail, &s.path);
	if (result == CLI_DONE) {
		(void)cli_path(&s.path);
		result = run(&s);
	}
	buf_clear(&s.path);
	buf_clear(&s.body);
	buf_clear(&s.after);
	return result;
}
