/*
 * schedctl top: asks the server over and over and shows what it says, while
 * keys and signals are heeded at once: no request is waited for. Where there
 * is no terminal it asks once and prints.
 */

#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/screen.h"
#include "cli/top.h"
#include "cli/wire.h"
#include "core/arena.h"
#include "core/clock.h"

enum {
	INTERVAL_MS = 2000,
	INTERVAL_MIN_MS = 100,
	INTERVAL_MAX_MS = 3600000,
	LIMIT_MIN_MS = 1000, /* of a request; else three intervals */
	LIMIT_MAX_MS = 10000,
	PATH_BYTES = 1024,
	OUT_MAX = 1 << 30,
	ARENA_MAX = 1 << 20,
	DRAW_MS = 1000 /* at least so often, for the times on the screen */
};

enum step { STEP_NONE, STEP_STATS, STEP_QUEUES, STEP_WORKERS, STEP_PAUSE };

struct live {
	struct cli *c;
	struct screen *screen;
	struct wire *wire;
	struct wire_call *call; /* under way; NULL = none */
	struct frame frame;
	struct top top;
	enum step step;               /* what is asked now */
	int64_t begun_us;             /* since when it is */
	int64_t next_us;              /* the next round */
	int64_t workers_us;           /* no workers are asked for before */
	uint64_t limit_ms;            /* of each request */
	bool is_over;                 /* q was typed */
	char asked[NAME_MAX_LEN + 1]; /* the queue that is being paused */
	bool will_pause;              /* or resumed */
	struct buf path, body;        /* of the request under way */
};

static const char *const paths[] = {
    [STEP_STATS] = "/v1/stats",
    [STEP_QUEUES] = "/v1/queues",
    [STEP_WORKERS] = "/v1/workers",
};

static void
live_init(struct live *l, struct cli *c, uint64_t interval_ms)
{
	*l = (struct live){.c = c};
	top_init(&l->top);
	frame_init(&l->frame);
	buf_init(&l->path, PATH_BYTES);
	buf_init(&l->body, PATH_BYTES);
	l->top.server_name = client_server(c->client);
	l->top.interval_ms = interval_ms;
	l->limit_ms = interval_ms * 3;
	if (l->limit_ms < LIMIT_MIN_MS)
		l->limit_ms = LIMIT_MIN_MS;
	if (l->limit_ms > LIMIT_MAX_MS)
		l->limit_ms = LIMIT_MAX_MS;
	if (l->limit_ms > c->timeout_ms)
		l->limit_ms = c->timeout_ms;
}

static void
live_clear(struct live *l)
{
	wire_close(l->wire);
	top_clear(&l->top);
	frame_clear(&l->frame);
	buf_clear(&l->path);
	buf_clear(&l->body);
}

/* ---- answers ----------------------------------------------------------- */

/* What an answer of 400 and above says. */
static void
add_refusal(struct buf *out, const struct client_answer *answer)
{
	struct arena *a = arena_new(ARENA_MAX);
	struct cli_error e;

	if (cli_read_error(answer->body, a, &e))
		cli_add_error(out, &e);
	else
		buf_addf(out, "HTTP status %d", answer->status);
	arena_free(a);
}

/* The server's clock, to which the times in its answers belong. */
static int64_t
server_now_ms(const struct client_answer *answer)
{
	if (answer->date_ms > 0)
		return answer->date_ms;
	clock_refresh();
	return clock_now_ms();
}

/* False when the answer is not what was asked for. A server that does not
 * let us see all of the queues is shown without. */
static bool
read_round(struct top *t, enum step step, const struct client_answer *answer)
{
	int64_t now_ms = server_now_ms(answer);

	if (step == STEP_STATS)
		return answer->status == 200 &&
		       top_read_stats(t, answer->body, now_ms);
	return answer->status != 200 ||
	       top_read_queues(t, answer->body, now_ms);
}

/* Whatever comes: the workers are shown, or why they are not. */
static void
read_workers(struct top *t, const struct wire_result *result)
{
	const struct client_answer *answer = &result->answer;
	struct buf why;

	if (result->err == ERR_OK && answer->status == 200 &&
	    top_read_workers(t, answer->body, server_now_ms(answer)))
		return;
	buf_init(&why, OUT_MAX);
	if (result->err != ERR_OK)
		buf_add_str(&why, client_why(result->via));
	else if (answer->status == 200)
		buf_add_str(&why, "the answer is no list of workers");
	else
		add_refusal(&why, answer);
	top_no_workers(t, buf_span(&why));
	buf_clear(&why);
}

/* A round that is waited for: the first one, whose failures are told as
 * those of any command. */
static enum cli_exit
first_round(struct live *l)
{
	struct client_answer answer;
	struct client_request request = {.method = "GET"};
	enum cli_exit result = cli_get(l->c, paths[STEP_STATS], &answer);

	if (result != CLI_DONE)
		return result;
	top_begin(&l->top);
	if (!read_round(&l->top, STEP_STATS, &answer))
		return cli_bad_answer(l->c, "expected the server's numbers");
	request.path = paths[STEP_QUEUES];
	if (client_call(l->c->client, &request, &answer) != ERR_OK)
		return cli_unreachable(l->c);
	if (!read_round(&l->top, STEP_QUEUES, &answer))
		return cli_bad_answer(l->c, "expected a list of queues");
	l->top.now_us = clock_mono_us_fresh();
	top_commit(&l->top);
	return CLI_DONE;
}

/* ---- once -------------------------------------------------------------- */

static enum cli_exit
print_once(struct live *l)
{
	enum cli_exit result = first_round(l);
	struct buf out;

	if (result != CLI_DONE)
		return result;
	l->top.is_one_shot = true;
	l->top.is_quiet = l->c->quiet;
	top_draw(&l->top, &l->frame, l->c->look.width, 0);
	buf_init(&out, OUT_MAX);
	frame_print(&l->frame, &out);
	cli_write(l->c, buf_span(&out));
	buf_clear(&out);
	return CLI_DONE;
}

/* ---- one request after the other --------------------------------------- */

static wire_cb on_answer;

static void
ask(struct live *l, enum step step)
{
	struct client_request request = {
	    .method = "GET", .path = paths[step], .timeout_ms = l->limit_ms};

	l->step = step;
	l->call = wire_send(l->wire, &request, on_answer, l);
}

static void
round_begin(struct live *l)
{
	l->begun_us = l->top.now_us;
	l->next_us = l->begun_us + (int64_t)l->top.interval_ms * 1000;
	top_begin(&l->top);
	ask(l, STEP_STATS);
}

/* What took long is left in peace for four times as long. */
static int64_t
rest_until(const struct live *l)
{
	return l->top.now_us + 4 * (l->top.now_us - l->begun_us);
}

static void
round_failed(struct live *l, bool is_refused, const char *why)
{
	(void)snprintf(l->top.unreached, sizeof(l->top.unreached), "%s", why);
	l->top.is_refused = is_refused;
	l->step = STEP_NONE;
}

/* The round is complete; the workers follow, which Redis is asked for. */
static void
round_done(struct live *l)
{
	int64_t rest_us = rest_until(l);

	top_commit(&l->top);
	if (l->next_us < rest_us)
		l->next_us = rest_us;
	l->step = STEP_NONE;
	if (l->top.now_us < l->workers_us)
		return;
	l->begun_us = l->top.now_us;
	ask(l, STEP_WORKERS);
}

static void
workers_on_answer(struct live *l, const struct wire_result *result)
{
	read_workers(&l->top, result);
	l->workers_us = rest_until(l);
	l->step = STEP_NONE;
}

static void
round_on_answer(struct live *l, const struct wire_result *result)
{
	const struct client_answer *answer = &result->answer;
	struct buf why;

	if (result->err != ERR_OK) {
		round_failed(l, false, client_why(result->via));
	} else if (read_round(&l->top, l->step, answer)) {
		if (l->step == STEP_STATS)
			ask(l, STEP_QUEUES);
		else
			round_done(l);
	} else if (answer->status == 200) {
		round_failed(l, true, "what answers there is no schedd");
	} else {
		buf_init(&why, OUT_MAX);
		add_refusal(&why, answer);
		buf_add_char(&why, '\0');
		round_failed(l, true, why.data);
		buf_clear(&why);
	}
}

/* ---- pausing a queue --------------------------------------------------- */

static const char *
pause_verb(const struct live *l)
{
	return l->will_pause ? "pausing" : "resuming";
}

/* A round that is under way is given up for it: it only reads. */
static void
pause_begin(struct live *l)
{
	struct top *t = &l->top;
	struct client_request request = {
	    .method = "PATCH", .timeout_ms = l->limit_ms};

	if (l->step == STEP_PAUSE) {
		top_say(t, TOP_WARN, "%s %s waits for its answer still",
		    pause_verb(l), l->asked);
		t->asked[0] = '\0';
		return;
	}
	if (l->call != NULL)
		wire_break(l->call);
	buf_reset(&l->path, PATH_BYTES);
	buf_add_str(&l->path, "/v1/queues/");
	client_add_segment(&l->path, span_of(t->asked));
	request.path = cli_path(&l->path);
	buf_reset(&l->body, PATH_BYTES);
	buf_addf(&l->body, "{\"paused\":%s}", t->will_pause ? "true" : "false");
	request.body = buf_span(&l->body);
	memcpy(l->asked, t->asked, sizeof(l->asked));
	l->will_pause = t->will_pause;
	top_say(t, TOP_NOTE, "%s %s ...", pause_verb(l), l->asked);
	t->asked[0] = '\0';
	l->step = STEP_PAUSE;
	l->call = wire_send(l->wire, &request, on_answer, l);
}

static void
pause_on_answer(struct live *l, const struct wire_result *result)
{
	const struct client_answer *answer = &result->answer;
	struct top *t = &l->top;
	struct buf why;

	if (result->err != ERR_OK) {
		top_say(t, TOP_BAD, "%s %s: %s%s", pause_verb(l), l->asked,
		    client_why(result->via),
		    client_was_sent(result->via) ? " (it may be done)" : "");
	} else if (answer->status == 200) {
		top_say(t, TOP_FINE, "%s %s", l->asked,
		    l->will_pause ? "is paused" : "goes on");
	} else {
		buf_init(&why, OUT_MAX);
		add_refusal(&why, answer);
		top_say(t, TOP_BAD, "%s %s: %.*s", pause_verb(l), l->asked,
		    SPAN_ARG(buf_span(&why)));
		buf_clear(&why);
	}
	l->step = STEP_NONE;
	l->next_us = l->top.now_us;
}

/* ---- keys -------------------------------------------------------------- */

static void
on_keys(struct live *l)
{
	int key;

	while (!l->is_over && (key = screen_key(l->screen)) != SCREEN_NONE) {
		switch (top_key(&l->top, key)) {
		case TOP_WISH_NOTHING:
			break;
		case TOP_WISH_QUIT:
			l->is_over = true;
			break;
		case TOP_WISH_NOW:
			l->next_us = l->top.now_us;
			break;
		case TOP_WISH_REDRAW:
			screen_redraw(l->screen);
			break;
		case TOP_WISH_PAUSE:
			pause_begin(l);
			break;
		}
	}
}

/* ---- the loop ---------------------------------------------------------- */

static void
draw(struct live *l)
{
	size_t columns, lines;
	time_t now = time(NULL);
	struct tm tm;

	if (localtime_r(&now, &tm) != NULL)
		(void)strftime(
		    l->top.clock, sizeof(l->top.clock), "%H:%M:%S", &tm);
	screen_size(l->screen, &columns, &lines);
	top_draw(&l->top, &l->frame, columns, lines);
	screen_show(l->screen, &l->frame);
}

/* Until the next round, but the times on the screen go on meanwhile. */
static int
wait_ms(const struct live *l)
{
	int64_t left_us = l->next_us - l->top.now_us;

	if (l->step != STEP_NONE || left_us > (int64_t)DRAW_MS * 1000)
		return DRAW_MS;
	return left_us > 0 ? (int)(left_us / 1000) + 1 : 0;
}

static void
on_answer(const struct wire_result *result, void *arg)
{
	struct live *l = arg;

	l->call = NULL;
	if (l->step == STEP_PAUSE)
		pause_on_answer(l, result);
	else if (l->step == STEP_WORKERS)
		workers_on_answer(l, result);
	else
		round_on_answer(l, result);
}

/* Until a key, a signal or an answer comes, or it is time for something. */
static void
live_wait(const struct live *l)
{
	struct pollfd fds[SCREEN_FDS + 1];
	int screen[SCREEN_FDS], ms = wire_wait_ms(l->wire);

	screen_fds(l->screen, screen);
	for (size_t i = 0; i < SCREEN_FDS; i++)
		fds[i] = (struct pollfd){.fd = screen[i], .events = POLLIN};
	fds[SCREEN_FDS] =
	    (struct pollfd){.fd = wire_fd(l->wire), .events = POLLIN};
	if (ms < 0 || ms > wait_ms(l))
		ms = wait_ms(l);
	(void)poll(fds, SCREEN_FDS + 1, ms);
}

static void
live_run(struct live *l)
{
	l->top.now_us = clock_mono_us_fresh();
	round_begin(l);
	while (!l->is_over) {
		draw(l);
		live_wait(l);
		l->top.now_us = clock_mono_us_fresh();
		if (!screen_heed(l->screen))
			return;
		on_keys(l);
		wire_turn(l->wire);
		if (l->step == STEP_NONE && l->top.now_us >= l->next_us)
			round_begin(l);
	}
}

static enum cli_exit
show_live(struct live *l)
{
	enum cli_exit result = first_round(l);

	if (result != CLI_DONE)
		return result;
	l->screen = screen_open(l->c->look.colour);
	if (l->screen == NULL) {
		cli_say("this terminal cannot be drawn on (TERM); once only:");
		return print_once(l);
	}
	l->wire = wire_open(l->c->client);
	live_run(l);
	screen_close(l->screen);
	l->screen = NULL;
	if (l->step == STEP_PAUSE)
		cli_say("%s %s was not answered yet: it may be done",
		    pause_verb(l), l->asked);
	return CLI_DONE;
}

enum cli_exit
cmd_top(struct cli *c)
{
	const char *interval = args_value(c->args, "interval");
	uint64_t interval_ms = INTERVAL_MS;
	struct client_answer answer;
	enum cli_exit result;
	struct live l;

	if (interval != NULL &&
	    (!str_to_ms(span_of(interval), &interval_ms) ||
		interval_ms < INTERVAL_MIN_MS || interval_ms > INTERVAL_MAX_MS))
		return cli_usage(c,
		    "--interval '%s': expected 100ms to 1h, such as 5, or "
		    "500ms",
		    interval);
	if (c->json) {
		result = cli_get(c, paths[STEP_STATS], &answer);
		return result == CLI_DONE ? cli_document(c, &answer) : result;
	}
	live_init(&l, c, interval_ms);
	if (c->stdout_is_terminal && isatty(STDIN_FILENO) == 1)
		result = show_live(&l);
	else
		result = print_once(&l);
	live_clear(&l);
	return result;
}
