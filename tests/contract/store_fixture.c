/* A store on a Redis of its own; see store_fixture.h. */

#include "tests/contract/store_fixture.h"

#include <string.h>

#include "core/clock.h"
#include "core/loop.h"

static bool
has_called(void *arg)
{
	return ((struct seen *)arg)->calls > 0;
}

/* Runs the loop until the operation called back, once. */
void
wait_for(struct world *w, struct seen *s)
{
	assert_true(run_until(w->loop, has_called, s, LIMIT_MS));
	assert_int_equal(s->calls, 1);
}

static void
copy(char *dst, size_t size, struct span s)
{
	assert_true(s.len < size);
	if (s.len > 0)
		memcpy(dst, s.p, s.len);
	dst[s.len] = '\0';
}

/* ---- callbacks --------------------------------------------------------- */

void
on_push(enum err err, const struct store_pushed *r, size_t n, void *arg)
{
	struct seen *s = arg;

	s->calls++;
	s->err = err;
	s->n = n;
	for (size_t i = 0; i < n && i < COUNT_OF(s->pushed); i++)
		s->pushed[i] = r[i];
}

void
on_take(const struct store_take_result *r, void *arg)
{
	struct seen *s = arg;

	s->calls++;
	s->err = r->err;
	s->n = r->n;
	s->lease_until = r->lease_until;
	s->paused = r->paused;
	for (size_t i = 0; i < r->n && i < COUNT_OF(s->ids); i++) {
		copy(s->ids[i], sizeof(s->ids[i]), r->tasks[i].id);
		copy(s->payloads[i], sizeof(s->payloads[i]),
		    r->tasks[i].payload);
		s->attempts[i] = r->tasks[i].attempt;
	}
}

void
on_report(enum err err, const struct store_reported *r, size_t n, void *arg)
{
	struct seen *s = arg;

	s->calls++;
	s->err = err;
	s->n = n;
	for (size_t i = 0; i < n && i < COUNT_OF(s->reported); i++)
		s->reported[i] = r[i];
}

void
on_extend(enum err err, const struct store_reported *r, size_t n,
    int64_t lease_until, void *arg)
{
	struct seen *s = arg;

	on_report(err, r, n, arg);
	s->lease_until = lease_until;
}

void
on_task(enum err err, const struct store_task_info *t, void *arg)
{
	struct seen *s = arg;

	s->calls++;
	s->err = err;
	if (t == NULL)
		return;
	s->task = *t;
	copy(s->ids[0], sizeof(s->ids[0]), t->id);
	copy(s->payloads[0], sizeof(s->payloads[0]), t->payload);
	copy(s->text[0], sizeof(s->text[0]), t->worker);
	copy(s->text[1], sizeof(s->text[1]), t->error);
	copy(s->text[2], sizeof(s->text[2]), t->result);
}

void
on_page(enum err err, const struct store_page *p, void *arg)
{
	struct seen *s = arg;

	s->calls++;
	s->err = err;
	if (p == NULL)
		return;
	s->n = p->n;
	s->looked = p->looked;
	copy(s->after, sizeof(s->after), p->after);
	for (size_t i = 0; i < p->n && i < COUNT_OF(s->ids); i++)
		copy(s->ids[i], sizeof(s->ids[i]), p->tasks[i].id);
}

void
on_act(enum err err, const struct store_acted *acted, void *arg)
{
	struct seen *s = arg;

	s->calls++;
	s->err = err;
	s->count = acted->count;
	s->looked = acted->looked;
	copy(s->after, sizeof(s->after), acted->after);
}

void
on_removed(enum err err, const struct store_removed *r, void *arg)
{
	struct seen *s = arg;

	s->calls++;
	s->err = err;
	s->count = r->tasks;
	s->n = r->live;
}

void
on_done(enum err err, void *arg)
{
	on_count(err, 0, arg);
}

void
on_count(enum err err, uint64_t count, void *arg)
{
	struct seen *s = arg;

	s->calls++;
	s->err = err;
	s->count = count;
}

void
on_queue(enum err err, const struct store_queue_info *q, void *arg)
{
	struct seen *s = arg;

	s->calls++;
	s->err = err;
	if (q != NULL)
		s->queue = *q;
}

void
on_workers(
    enum err err, const struct store_worker_info *workers, size_t n, void *arg)
{
	struct seen *s = arg;

	s->calls++;
	s->err = err;
	s->n = n;
	if (n > 0) {
		copy(s->ids[0], sizeof(s->ids[0]), workers[0].name);
		s->held = workers[0].held;
	}
}

/* ---- the world --------------------------------------------------------- */

bool
world_is_ready(void *arg)
{
	const char *why;

	return store_is_ready(((struct world *)arg)->store, &why);
}

static void
on_closed(void *arg)
{
	*(bool *)arg = true;
}

static bool
is_set(void *arg)
{
	return *(bool *)arg;
}

void
world_begin(struct world *w, bool through_proxy, const char *setting)
{
	char url[192], state[96], own[64];
	char *args[] = {url, state, own};
	struct buf why;

	memset(w, 0, sizeof(*w));
	log_catch();
	clock_set_offset_ms(0);
	test_redis_start(&w->redis, "");
	w->through_proxy = through_proxy;
	if (through_proxy) {
		test_proxy_start(&w->proxy, "tcp:127.0.0.1:0", w->redis.url, 1);
		test_proxy_tell(&w->proxy, "slice 61");
	}
	snprintf(url, sizeof(url), "--redis.main.url=%s",
	    through_proxy ? w->proxy.url : w->redis.url);
	snprintf(
	    state, sizeof(state), "--server.state_dir=%s", w->redis.folder);
	snprintf(own, sizeof(own), "%s", setting);
	buf_init(&why, 1024);
	assert_int_equal(conf_load(&w->conf, NULL, args, 3, &why), ERR_OK);
	w->loop = loop_new();
	assert_int_equal(store_open(&w->store, w->loop, w->conf, &why), ERR_OK);
	assert_true(run_until(w->loop, world_is_ready, w, LIMIT_MS));
	buf_clear(&why);
}

void
world_end(struct world *w)
{
	bool closed = false;

	store_close(w->store, on_closed, &closed);
	assert_true(run_until(w->loop, is_set, &closed, LIMIT_MS));
	store_free(w->store);
	loop_free(w->loop);
	conf_free(w->conf);
	if (w->through_proxy)
		test_proxy_stop(&w->proxy);
	test_redis_stop(&w->redis);
	clock_set_offset_ms(0);
}

/* ---- short forms ------------------------------------------------------- */

struct seen
push(struct world *w, const struct store_task *tasks, size_t n)
{
	struct seen s = {0};

	store_push(w->store, Q, tasks, n, on_push, &s);
	assert_int_equal(s.calls, 0);
	wait_for(w, &s);
	return s;
}

/* One task in the normal lane, payload "p". */
struct seen
push_id(struct world *w, const char *id)
{
	struct store_task t = {
	    .id = span_of(id), .payload = SPAN("\"p\""), .lane = LANE_NORMAL};

	return push(w, &t, 1);
}

struct seen
take(struct world *w, const char *worker, uint32_t count, uint64_t lease_ms)
{
	struct seen s = {0};
	struct store_take t = {.queue = Q,
	    .worker = span_of(worker),
	    .count = count,
	    .lease_ms = lease_ms,
	    .cb = on_take,
	    .arg = &s};

	store_take(w->store, &t);
	assert_int_equal(s.calls, 0);
	wait_for(w, &s);
	return s;
}

struct seen
report(struct world *w, const char *worker, const char *id, bool failed,
    const char *text)
{
	struct seen s = {0};
	struct store_report_item item = {
	    .id = span_of(id), .text = span_of(text), .failed = failed};

	store_report(w->store, Q, span_of(worker), &item, 1, on_report, &s);
	wait_for(w, &s);
	assert_int_equal(s.err, ERR_OK);
	assert_int_equal(s.n, 1);
	return s;
}

struct seen
show(struct world *w, const char *id)
{
	struct seen s = {0};

	store_task_get(w->store, Q, span_of(id), on_task, &s);
	wait_for(w, &s);
	return s;
}

struct seen
duty(struct world *w, enum store_duty d)
{
	struct seen s = {0};

	store_duty_run(w->store, d, Q, 1000, on_count, &s);
	wait_for(w, &s);
	assert_int_equal(s.err, ERR_OK);
	return s;
}

struct seen
queue_now(struct world *w)
{
	struct seen s = {0};

	store_queue_get(w->store, Q, on_queue, &s);
	wait_for(w, &s);
	assert_int_equal(s.err, ERR_OK);
	return s;
}

void
assert_state(struct world *w, const char *id, enum task_state state)
{
	struct seen s = show(w, id);

	if (state == TASK_GONE) {
		assert_int_equal(s.err, ERR_TASK_UNKNOWN);
		return;
	}
	assert_int_equal(s.err, ERR_OK);
	assert_string_equal(
	    task_state_name(s.task.state), task_state_name(state));
}

struct seen
act_from(struct world *w, enum store_act act, bool dry_run,
    const struct store_filter *f, uint64_t limit, const char *after)
{
	struct store_action action = {.act = act,
	    .dry_run = dry_run,
	    .whole = true,
	    .limit = limit,
	    .after = span_of(after)};
	struct seen s = {0};

	store_act_on(w->store, Q, &action, f, on_act, &s);
	assert_int_equal(s.calls, 0);
	wait_for(w, &s);
	return s;
}

struct seen
act(struct world *w, enum store_act act, bool dry_run,
    const struct store_filter *f)
{
	return act_from(w, act, dry_run, f, 0, "");
}
