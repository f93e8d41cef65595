#ifndef SCHEDD_CLI_EXEC_PRIV_H
#define SCHEDD_CLI_EXEC_PRIV_H

/*
 * What the parts of a worker share: exec.c (the loop, stopping), exec_take.c
 * (tasks and their commands), exec_lease.c (extending, heartbeats),
 * exec_report.c (reports), exec_spool.c (where they are kept), exec_tell.c
 * (messages).
 */

#include "cli/exec.h"
#include "cli/exec_job.h"
#include "cli/signals.h"
#include "cli/spool.h"
#include "cli/wire.h"
#include "core/arena.h"

enum {
	EXEC_BODY_MAX = 64 << 20,
	EXEC_TEXT_MAX = 64 * 1024,
	EXEC_PATH_MAX = 1024
};

struct exec;

/* A task and its command. */
struct exec_task {
	struct exec *exec;
	struct exec_job job;
	char id[ID_MAX_LEN + 1];
	uint64_t attempt;
	int64_t lease_us;  /* its length */
	int64_t extend_us; /* when it is to be extended */
	bool is_extending; /* a request is under way */
};

/* A kind of request of which one is under way at a time. */
struct exec_call {
	struct wire_call *call; /* NULL = none */
	struct buf body;
	int64_t due_us;  /* not before; INT64_MAX = not at all */
	int64_t told_us; /* when it was said that it must wait */
};

struct exec {
	struct cli *c;
	const struct exec_plan *plan;
	struct wire *wire;
	struct signals signals;
	struct buf path; /* of requests, built anew for each */

	struct exec_task *tasks; /* plan->jobs of them */
	unsigned running;
	uint64_t taken;

	/* The way to the server. */
	bool is_away, was_reached;
	unsigned away_tries;
	int64_t away_until_us; /* no request before */

	struct exec_call take, extend, beat, report;
	char request_id[32]; /* of the take; "" = a new one is needed */
	int64_t idle_us;     /* since when no task came */
	bool has_asked;      /* a take was answered */
	bool is_told_paused;

	struct spool *spool;
	bool is_replaying;    /* what an earlier run left goes first */
	bool has_unsaved;     /* reports that are not on disk */
	bool is_told_unsaved; /* nor can be */
	bool is_unsure;       /* whether the first of them were taken */
	bool one_by_one;      /* one of some reports is refused: which? */
	size_t reporting;     /* how many are under way */

	uint64_t finished, failed, dead; /* as the server took it */
	uint64_t lost;                   /* tasks that were not ours any more */

	bool is_over;     /* no more tasks are taken */
	bool is_stopping; /* as we were asked to */
	unsigned signal_count;
	int64_t grace_until_us; /* for what still runs */
	int64_t flush_until_us; /* for reports, when nothing runs any more */
	enum cli_exit stop;     /* why, when that is no good end */
};

/* ---- exec.c ----------------------------------------------------------- */

int64_t exec_in_us(uint64_t ms);
/* "/v1/queues/QUEUE/verb", until the next one. */
const char *exec_path_of(struct exec *e, const char *verb);
void exec_post(struct exec *e, struct exec_call *call, const char *path,
    uint64_t wait_ms, wire_cb *cb);
/* Is there an answer? Tells when the server goes away and comes back. */
bool exec_reached(struct exec *e, const struct wire_result *result);
/* An answer that is no success: due again as it says. False, and told, when
 * asking again is of no use. */
bool exec_is_busy(
    struct exec *e, struct exec_call *call, const struct client_answer *answer);
/* Takes no more tasks. */
void exec_finish(struct exec *e);
void exec_fail(struct exec *e, enum cli_exit why);

/* ---- exec_take.c ------------------------------------------------------ */

void exec_take_send(struct exec *e);
/* When one may be sent; INT64_MAX = none is to be sent. */
int64_t exec_take_due_us(const struct exec *e);
/* Lets commands go on whose descriptors fds has; *fds in the order of
 * exec_task_fds. */
nfds_t exec_task_fds(const struct exec *e, struct pollfd *fds);
void exec_task_turn(struct exec *e, const struct pollfd *fds);

/* ---- exec_lease.c ----------------------------------------------------- */

void exec_extend_send(struct exec *e);
void exec_beat_send(struct exec *e);
/* When the next lease is to be extended; INT64_MAX = none. */
int64_t exec_extend_due_us(const struct exec *e);

/* ---- exec_spool.c ----------------------------------------------------- */

/* The members of a record. */
enum {
	REPORT_SERVER,
	REPORT_QUEUE,
	REPORT_WORKER,
	REPORT_KIND, /* "finished" or "failed" */
	REPORT_ID,
	REPORT_ITEM, /* as the API takes it */
	REPORT_FIELDS
};
/* False when it is none of ours. */
bool exec_record_read(
    const struct spool_record *r, struct arena *a, struct span *f);
struct spool_record *exec_record_of(struct list *link);
enum cli_exit exec_report_open(struct exec *e);

/* ---- exec_report.c ---------------------------------------------------- */

/* A member of a report's list: an object with the task's id. */
void exec_report_finished(
    struct exec *e, const struct exec_task *t, struct span result);
void exec_report_failed(
    struct exec *e, const struct exec_task *t, struct span error, bool retry);
/* There may be a report of a task that comes to us once more. True: it is
 * finished, and needs no command. */
bool exec_report_settle(struct exec *e, const char *id);
bool exec_report_is_empty(const struct exec *e);
size_t exec_report_count(const struct exec *e);
void exec_report_send(struct exec *e);

/* ---- exec_tell.c ------------------------------------------------------ */

void exec_tell_begin(const struct exec *e);
/* outcome: "finished", "failed", "dead" or "lost". */
void exec_tell_task(struct exec *e, const struct exec_task *t,
    const char *outcome, struct span error);
void exec_tell_sums(const struct exec *e);

#endif
