#ifndef SCHEDD_CLI_TOP_H
#define SCHEDD_CLI_TOP_H

/*
 * What "schedctl top" knows and shows: the server's last answers, rates out
 * of earlier ones, what is wrong with a queue, the order and choice of rows.
 * Pure: no terminal, no requests, no clock (times are given).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/frame.h"
#include "core/arena.h"
#include "core/str.h"

enum top_state {
	TOP_TODO,
	TOP_DOING,
	TOP_DELAYED,
	TOP_FAILED,
	TOP_DEAD,
	TOP_FINISH,
	TOP_STATES
};

/* Tasks a second; the last one is those that ran out of attempts. */
enum top_rate { TOP_IN, TOP_OUT, TOP_DONE, TOP_FAIL, TOP_DIED, TOP_RATES };

enum top_level { TOP_FINE, TOP_NOTE, TOP_WARN, TOP_BAD };

/* Totals of a queue at some times: what rates are made of. */
enum { TOP_SAMPLES = 64 };
struct top_history {
	size_t next, count;
	struct top_sample {
		int64_t at_us;
		double totals[TOP_RATES];
	} samples[TOP_SAMPLES];
};

struct top_queue {
	struct span name;
	uint64_t counts[TOP_STATES];
	double rates[TOP_RATES];
	double totals[TOP_RATES];
	bool has_totals;
	double died_1m; /* since a minute ago, or since top began */
	double oldest_s;
	double taken_ago_s; /* since the last take; < 0: not known */
	double idle_s;      /* since a take was seen by top, at least */
	uint64_t max_tasks; /* 0 = not known */
	uint64_t workers, waiting;
	bool has_workers; /* an older server does not count them */
	bool paused;
	bool has_held_up;    /* the server says what holds it up... */
	struct span held_up; /* ...in a JSON list */
	enum top_level level;
	struct span brief; /* what is wrong, in few columns; "" = nothing */
	struct span note;  /* and in full */
	struct top_history *history;
};

struct top_worker {
	struct span name, addr;
	uint64_t held;
	double seen_s, beat_s; /* ago; < 0: never, or not told */
	enum top_level level;
};

struct top_duty {
	struct span name;
	double ran_s; /* ago; < 0: never */
	double took_s;
	uint64_t items, runs, errors;
};

struct top_latency {
	double p50_s, p99_s; /* < 0: not told */
};

enum { TOP_DUTIES_MAX = 16, TOP_CLASSES = 3, TOP_LATENCIES = 3 };

/* What GET /v1/stats says besides the queues. */
struct top_server {
	struct span version, reason;
	struct span away, away_why; /* a backend that is; "" = none */
	bool ready;
	double uptime_s;
	uint64_t pending, lost, connections, waiting, workers;
	struct top_latency latency[TOP_LATENCIES]; /* push, take, report */
	bool has_latency;
	double
	    outcomes[TOP_CLASSES]; /* 2xx, 4xx, 5xx a second; < 0: not told */
	struct top_duty duties[TOP_DUTIES_MAX];
	size_t duty_count;
};

/* The three lists that can fill the screen. */
enum top_view { TOP_QUEUES, TOP_WORKERS, TOP_JANITOR, TOP_VIEWS };

/* A round of answers; its text lives in its arena. */
struct top_data {
	struct arena *arena;
	struct top_server server;
	struct top_queue *queues; /* by name */
	size_t queue_count;
};

/* The workers, which are asked for by themselves: that asks Redis, and may
 * take as long as Redis does. */
struct top_crew {
	struct arena *arena;
	struct top_worker *workers;
	size_t count;
	bool is_known;
	struct span why; /* why there are none: an error's text */
};

/* The columns of each list, in their order; sorted by any of them. The first
 * one is the name. */
enum top_column {
	TOP_COL_NAME,
	TOP_COL_TODO,
	TOP_COL_DOING,
	TOP_COL_DELAYED,
	TOP_COL_FAILED,
	TOP_COL_DEAD,
	TOP_COL_FINISH,
	TOP_COL_OLDEST,
	TOP_COL_IN,
	TOP_COL_OUT,
	TOP_COL_DONE,
	TOP_COL_FAIL,
	TOP_COL_WORKERS,
	TOP_COL_WAITING,
	TOP_COL_TAKEN,
	TOP_COL_FULL,
	TOP_COL_DRAINS,
	TOP_COL_NOTE,
	TOP_COLUMNS
};
enum {
	TOP_WORKER_NAME,
	TOP_WORKER_HELD,
	TOP_WORKER_SEEN,
	TOP_WORKER_BEAT,
	TOP_WORKER_ADDR,
	TOP_WORKER_NOTE,
	TOP_WORKER_COLUMNS
};
enum {
	TOP_DUTY_NAME,
	TOP_DUTY_RAN,
	TOP_DUTY_TOOK,
	TOP_DUTY_ITEMS,
	TOP_DUTY_RUNS,
	TOP_DUTY_ERRORS,
	TOP_DUTY_COLUMNS
};

/* In what order a list stands. */
struct top_order {
	unsigned column;
	bool is_reversed;
	bool shown[TOP_COLUMNS]; /* columns, by the last drawing */
};

enum { TOP_FILTER_MAX = 64, TOP_MESSAGE_MAX = 512 };

struct top {
	struct top_data data, next; /* shown, and being read */
	struct top_crew crew, next_crew;
	enum top_view view;
	struct top_order order[TOP_VIEWS];
	char filter[TOP_FILTER_MAX + 1];
	size_t *rows; /* of the list that is shown: which, in what order */
	size_t row_count;
	size_t *pane;           /* of the workers below the queues */
	size_t selected, first; /* a row; the first one on the screen */
	/* Who is selected, wherever it goes; "" = the first row. */
	char followed[NAME_MAX_LEN + 1];
	size_t page; /* rows that the last drawing had room for */
	/* What the frame says besides the data. */
	const char *server_name;
	uint64_t interval_ms;
	int64_t now_us, answered_us;     /* 0: never */
	char unreached[TOP_MESSAGE_MAX]; /* why, "" = it was reached */
	bool is_refused;                 /* it was, and says no */
	char clock[16];                  /* the time of day */
	char asked[NAME_MAX_LEN + 1];    /* y pauses it; "" = no question */
	bool will_pause;                 /* or resumes */
	char message[TOP_MESSAGE_MAX];
	enum top_level message_level;
	int64_t message_until_us;
	bool is_typing;    /* the filter */
	bool has_help;     /* the page of keys is shown */
	size_t help_first; /* the first of its lines on the screen */
	bool is_one_shot;  /* printed, not shown: no keys, no bounds */
	bool is_quiet;     /* only the table */
};

void top_init(struct top *t);
void top_clear(struct top *t);

/* ---- reading answers (top_read.c) -------------------------------------- */

/* Begins a round: forgets what was half read. */
void top_begin(struct top *t);
/* Of GET /v1/stats, then of GET /v1/queues, which may be left out. now_ms: the
 * server's clock. False when it is no such answer. */
bool top_read_stats(struct top *t, struct span body, int64_t now_ms);
bool top_read_queues(struct top *t, struct span body, int64_t now_ms);
/* Of GET /v1/workers, at any time; shown at once. Or why it was not told. */
bool top_read_workers(struct top *t, struct span body, int64_t now_ms);
void top_no_workers(struct top *t, struct span why);

/* ---- the model (top.c) ------------------------------------------------- */

/* The round is complete and becomes what is shown. */
void top_commit(struct top *t);
/* The same of the workers. */
void top_commit_crew(struct top *t);
/* What is wrong with a queue: level, brief and note (top_judge.c). */
void top_judge(struct top_queue *q, struct arena *a);
/* By their bytes, as memcmp. */
int top_compare_names(struct span a, struct span b);
double top_queue_value(const struct top_queue *q, unsigned column);
/* Live tasks as a part of max_tasks; 0 when that is not known. */
double top_queue_full(const struct top_queue *q);

/* How many columns the list that is shown has. */
size_t top_columns(enum top_view view);
/* The name of an item of a list. */
struct span top_name(const struct top *t, enum top_view view, size_t item);
void top_set_view(struct top *t, enum top_view view);
/* One column on, or back, among those shown. */
void top_sort_next(struct top *t, int by);
void top_reverse(struct top *t);
void top_set_filter(struct top *t, const char *filter);
void top_move(struct top *t, int64_t by);
/* To the first row, and stay there whatever comes to stand in it. */
void top_home(struct top *t);
/* The selected queue, NULL when there is none. */
const struct top_queue *top_selected(const struct top *t);
/* A line that stands there for a while. */
void top_say(struct top *t, enum top_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- keys (top_keys.c) ------------------------------------------------- */

/* What a key asks of others than the model. */
enum top_wish {
	TOP_WISH_NOTHING,
	TOP_WISH_QUIT,
	TOP_WISH_NOW,    /* ask the server now */
	TOP_WISH_REDRAW, /* the whole screen */
	TOP_WISH_PAUSE   /* or resume: asked, by will_pause */
};

/* A key of screen.h. */
enum top_wish top_key(struct top *t, int key);

/* ---- the picture (top_draw.c) ------------------------------------------ */

void top_draw(struct top *t, struct frame *f, size_t columns, size_t lines);

#endif
