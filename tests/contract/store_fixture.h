#ifndef SCHEDD_TESTS_CONTRACT_STORE_FIXTURE_H
#define SCHEDD_TESTS_CONTRACT_STORE_FIXTURE_H

/*
 * A store on a Redis of its own, and short forms of its operations that run
 * the loop until the answer is there. What a callback brought is copied into
 * a struct seen.
 */

#include "tests/contract/harness.h"

#include "core/conf.h"
#include "core/mem.h"
#include "store/store.h"

enum { SECOND = 1000, DAY = 86400 * SECOND };

struct world {
	struct test_redis redis;
	struct test_proxy proxy;
	bool through_proxy;
	struct conf *conf;
	struct loop *loop;
	struct store *store;
};

/* What a callback brought, copied. */
struct seen {
	unsigned calls;
	enum err err;
	size_t n;
	uint64_t count, looked;
	int64_t lease_until;
	bool paused;
	struct store_pushed pushed[8];
	struct store_reported reported[8];
	char ids[8][64], payloads[8][64];
	uint64_t attempts[8];
	struct store_task_info task;
	char text[3][128]; /* worker, error, result */
	char after[320];
	struct store_queue_info queue;
	uint64_t held;
};

static const struct span Q = {"q", 1};

/* Starts Redis, the proxy where asked for, and a store that is ready.
 * setting: one more setting, as on the command line. */
void wait_for(struct world *w, struct seen *s);
void on_push(enum err err, const struct store_pushed *r, size_t n, void *arg);
void on_take(const struct store_take_result *r, void *arg);
void on_report(
    enum err err, const struct store_reported *r, size_t n, void *arg);
void on_extend(enum err err, const struct store_reported *r, size_t n,
    int64_t lease_until, void *arg);
void on_task(enum err err, const struct store_task_info *t, void *arg);
void on_page(enum err err, const struct store_page *p, void *arg);
void on_act(enum err err, const struct store_acted *acted, void *arg);
/* count: tasks; n: live ones. */
void on_removed(enum err err, const struct store_removed *r, void *arg);
void on_count(enum err err, uint64_t count, void *arg);
void on_queue(enum err err, const struct store_queue_info *q, void *arg);
void on_workers(
    enum err err, const struct store_worker_info *workers, size_t n, void *arg);
bool world_is_ready(void *arg);
void world_begin(struct world *w, bool through_proxy, const char *setting);
void world_end(struct world *w);
struct seen push(struct world *w, const struct store_task *tasks, size_t n);
struct seen push_id(struct world *w, const char *id);
struct seen take(
    struct world *w, const char *worker, uint32_t count, uint64_t lease_ms);
struct seen report(struct world *w, const char *worker, const char *id,
    bool failed, const char *text);
struct seen show(struct world *w, const char *id);
struct seen duty(struct world *w, enum store_duty d);
/* On all that is meant, to the end. */
struct seen act(struct world *w, enum store_act act, bool dry_run,
    const struct store_filter *f);
/* At most limit of them (0 = all), from where after says. */
struct seen act_from(struct world *w, enum store_act act, bool dry_run,
    const struct store_filter *f, uint64_t limit, const char *after);
struct seen queue_now(struct world *w);
void assert_state(struct world *w, const char *id, enum task_state state);

#endif
