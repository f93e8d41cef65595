#ifndef SCHEDD_STORE_STORE_TYPES_H
#define SCHEDD_STORE_STORE_TYPES_H

/*
 * What goes into the store's operations and what comes out of them; part of
 * store.h, which says how it is used. Spans are borrowed: inputs for the
 * call, results until the callback returns. Times are ms since 1970 on
 * Redis's clock (plus debug.clock_offset).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/conf.h"
#include "core/err.h"
#include "core/str.h"

enum task_state {
	TASK_GONE, /* not known (any more) */
	TASK_TODO,
	TASK_DELAYED,
	TASK_DOING,
	TASK_FAILED,
	TASK_FINISH,
	TASK_DEAD,
	TASK_STATE_COUNT
};

enum lane { LANE_HIGH, LANE_NORMAL, LANE_LOW, LANE_COUNT };

/* "todo" ... ; TASK_GONE is "gone". */
const char *task_state_name(enum task_state state);
bool task_state_parse(struct span name, enum task_state *out);
const char *lane_name(enum lane lane);
bool lane_parse(struct span name, enum lane *out);

struct store_task {
	struct span id;      /* valid, never empty */
	struct span payload; /* bytes, at most the policy's max_payload: the
				store checks it and answers per task */
	enum lane lane;
	bool replace;
	uint32_t max_attempts; /* 0 = the queue's */
	int64_t run_at;        /* ms; 0 = now */
	int64_t delay_ms; /* instead of run_at: from Redis's now; 0 = none */
};

struct store_pushed {
	enum err err;          /* ERR_OK: queued or known */
	enum task_state known; /* TASK_GONE: was queued; else its state */
};

struct store_taken {
	struct span id, payload;
	uint64_t attempt; /* 1 = the first handing-out */
};

struct store_report_item {
	struct span id;
	struct span text; /* result of a finish (JSON bytes) or error of a
			     fail; empty = none */
	bool failed;
	bool no_retry; /* fail only: straight to dead */
};

/* Per item, in order: ERR_OK, LEASE_LOST, TASK_NOT_HELD, TASK_CANCELLED,
 * TASK_UNKNOWN; dead says that a failed one ran out of attempts. */
struct store_reported {
	enum err err;
	bool dead;
};

struct store_task_info {
	struct span id, payload; /* payload empty for a finished one */
	enum task_state state;
	enum lane lane;
	int64_t pushed_at; /* 0 once finished */
	int64_t due_at;    /* run_at, retry_at, lease end; when it finished or
			      died; 0 for todo */
	int64_t taken_at;  /* doing only, else 0 */
	int64_t failed_at; /* its last failure; 0 = none, or not known */
	uint64_t attempts; /* handed out so far */
	uint64_t max_attempts; /* effective */
	struct span worker;    /* who holds or finished it; empty = nobody */
	struct span error, result; /* empty = none */
};

struct store_page {
	const struct store_task_info *tasks; /* payload and result left out */
	size_t n;
	uint64_t looked;   /* how many were looked at */
	struct span after; /* where the next page begins; empty = the end */
};

/* Which tasks of a state are meant: those that all of it fits; what is empty
 * fits any. */
struct store_filter {
	enum task_state state;
	const struct span *ids;  /* only these; NULL = any */
	size_t id_count;         /* up to 1000 */
	struct span match;       /* glob on the id */
	struct span error_match; /* text in the last error, in any case (ASCII);
				    of failed and dead ones */
	struct span worker;      /* who holds (doing) or finished it (finish) */
	bool has_age;            /* so long in its state, or longer; todo and */
	uint64_t older_ms;       /* delayed: since it was pushed */
};

enum store_act { STORE_PURGE, STORE_RETRY };

struct store_action {
	enum store_act act;
	bool dry_run;   /* only count */
	bool whole;     /* to the end, however long it takes */
	uint64_t limit; /* act on at most so many; 0 = all */
	struct span
	    after; /* where an earlier one ended; empty = at the start */
};

struct store_acted {
	uint64_t count, looked; /* how many were acted on, and looked at */
	struct span after;      /* where to go on; empty = at the end */
};

enum { RATE_PUSHED, RATE_TAKEN, RATE_FINISHED, RATE_FAILED, RATE_COUNT };

/* Since the queue was made, kept in Redis. */
struct store_totals {
	uint64_t pushed, taken, finished, failed, dead, lease_lost, reclaimed,
	    retried, trimmed;
};

/* Which fields of the policy were set over HTTP (1u << enum policy_field). */
enum policy_field {
	POLICY_MAX_TASKS,
	POLICY_MAX_PAYLOAD,
	POLICY_MAX_ATTEMPTS,
	POLICY_LEASE,
	POLICY_RETRY_BASE,
	POLICY_RETRY_MAX,
	POLICY_FINISH_KEEP,
	POLICY_FINISH_AGE,
	POLICY_DEAD_KEEP,
	POLICY_DEAD_AGE,
	POLICY_FIELD_COUNT
};

struct store_queue_info {
	struct span name;
	int64_t now; /* Redis's clock */
	const char *backend;
	const char *away; /* why that cannot be reached; NULL = it can */
	bool paused;
	uint64_t counts[TASK_STATE_COUNT]; /* [TASK_GONE] unused */
	uint64_t lanes[LANE_COUNT];
	double oldest_todo_s;     /* 0 when todo is empty */
	double rates[RATE_COUNT]; /* per second, over a minute */
	struct store_totals totals;
	size_t waiting;             /* takes that wait, of this process */
	struct queue_policy policy; /* effective */
	unsigned overridden;        /* 1u << enum policy_field */
	bool broken;      /* the numbers are old: a key cannot be read */
	uint64_t workers; /* that hold a lease */
	int64_t last_push_at, last_take_at; /* here; 0 = none */
	double untaken_s; /* nobody took, anywhere, as far as is known */
	int64_t retry_at,
	    run_at; /* of the first failed, delayed one; 0 = none */
	/* For a single queue only: */
	bool is_whole;
	double rates_5m[RATE_COUNT], rates_15m[RATE_COUNT];
	unsigned configured; /* 1u << enum policy_field: in the settings */
};

/* Tasks that a queue has, or had when it was removed. */
struct store_removed {
	uint64_t tasks;      /* all of them */
	uint64_t live, dead; /* of them */
};

struct store_policy_change {
	unsigned set;   /* 1u << enum policy_field: take values[] */
	unsigned unset; /* back to what the file says */
	uint64_t values[POLICY_FIELD_COUNT]; /* ms, bytes, counts */
	int paused;                          /* 1, 0, or -1 = leave */
};

/* Counters of this process, from memory: the values of METRIC_QUEUE_*_TOTAL. */
struct store_counters {
	uint64_t pushed, exists, refused, taken, finished, failed, lease_lost,
	    reclaimed, retried, dead, trimmed;
};

/*
 * Which worker speaks. For silence it is one by its name and the queues of the
 * token that it came with: what another tenant's worker of the same name says,
 * or leaves unsaid, ends and keeps no lease in queues which its token is not
 * for.
 */
struct store_worker {
	struct span name;
	struct span queues; /* globs as in struct store_token; "*" without */
	const char *addr;
};

struct store_worker_info {
	struct span name, addr, details;
	int64_t last_seen;
	int64_t last_heartbeat; /* 0 = never sent one */
	uint64_t held;          /* leases, in all queues */
};

/* What a worker holds in one queue. */
struct store_hold {
	struct span queue;
	uint64_t count;
	const struct span *ids; /* of some of them */
	size_t id_count;
	int64_t oldest_at; /* when the first of them was taken; 0 = not known */
};
enum { STORE_HOLD_IDS = 100 };

/* Who may do what; routes.c says what each route asks for. */
enum role {
	ROLE_ANY = 1, /* of a route: no token is asked for; health, no more */
	ROLE_KNOWN,   /* of a route: any token */
	ROLE_SENDER,  /* of a route: a producer or a worker */
	ROLE_PRODUCER,
	ROLE_WORKER,
	ROLE_VIEWER,
	ROLE_OPERATOR,
	ROLE_ADMIN,
	ROLE_COUNT
};

/* "producer" ...; those that a token may have. */
const char *role_name(enum role role);
bool role_parse(struct span name, enum role *out);

enum {
	TOKEN_ID_LEN = 12,       /* hex digits by which a token is found */
	TOKEN_HASH_LEN = 32,     /* SHA-256 of its whole text */
	TOKEN_PATTERNS_MAX = 32, /* globs on queue names */
	TOKENS_MAX = 10000
};

struct store_token {
	char name[NAME_MAX_LEN + 1];
	char id[TOKEN_ID_LEN + 1];
	unsigned char hash[TOKEN_HASH_LEN];
	enum role role;
	struct span queues; /* globs with a space between; "*" = all */
	int64_t created_at;
	int64_t expires_at; /* 0 = never */
	int64_t used_at;    /* 0 = never */
};

enum { STORE_AUDIT_MAX = 100000 /* entries kept */ };

struct store_audit_entry {
	uint64_t seq;     /* from 1 on */
	struct span hash; /* in hex; digest_chain of the one before */
	struct span text;
};

struct store_audit_page {
	const struct store_audit_entry *entries;
	size_t n;
	uint64_t last_seq, from_seq; /* of all; of the last one dropped */
	struct span last_hash, from_hash;
	/* The end that this schedd knew and did not find again; hash "": it
	 * always did, since it started. */
	uint64_t lost_seq;
	struct span lost_hash;
};

enum store_duty {
	DUTY_DOING,   /* leases that are over -> front of todo, or dead */
	DUTY_FAILED,  /* retry_at reached -> todo */
	DUTY_DELAYED, /* run_at reached -> todo */
	DUTY_FINISH,  /* over finish_keep or finish_age -> gone */
	DUTY_DEAD,    /* over dead_keep or dead_age -> gone */
	DUTY_CHECK,   /* what is in no place or in two -> mended */
	DUTY_WORKERS, /* silent workers' leases -> todo; forget old workers,
			 request ids, cancel marks. Not per queue. */
	DUTY_COUNT
};

#endif
