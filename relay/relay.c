/*
 * A relay's steps: claim, take, look at the tasks' options, push, report, and
 * from the start. A take has the number of its batch as its request id, and
 * the number goes up only when the batch is through: so whoever comes next,
 * also after a kill, finds the same tasks in the same order. Where a step
 * fails it is repeated, after a look whether the relay is still ours.
 */

#include "relay/relay_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/metrics.h"
#include "core/secret.h"

enum {
	WAIT_MS = 5000, /* for tasks */
	LEASE_MS = 3600 * 1000,
	EXTEND_US = 1200 * 1000000,
	START_US = 5000 * 1000,
	AGAIN_MIN_MS = 100,
	AGAIN_MAX_MS = 10 * 1000,
	ELSEWHERE_MS = 1000,    /* another schedd has it */
	REST_MS = 50,           /* after a take that brought nothing */
	SOON_US = 100 * 1000,   /* and did not even wait: the server drains */
	ARENA_MAX = 1200 << 20, /* 1000 tasks of 1 MiB, and their ids */
	BODY_MAX = 4 << 20
};

struct relays {
	struct loop *loop;
	const struct conf *conf;
	struct store *store;
	struct relay *items;
	size_t count;
	int64_t opened_us;
	size_t busy; /* store calls under way */
	bool freed;
};

static loop_fn relay_claim;
static void relay_push(struct relay *r);
static void relay_report(struct relay *r);

/* ---- waiting, and telling ----------------------------------------------- */

/* A store call came back; false when the relays were freed meanwhile. */
static bool
is_back(struct relay *r)
{
	struct relays *all = r->all;

	all->busy--;
	if (!all->freed)
		return true;
	if (all->busy == 0)
		relays_free(all);
	return false;
}

static void
relay_later(struct relay *r, uint64_t ms)
{
	timer_arm_ms(&r->timer, ms);
}

static void
relay_set_state(struct relay *r, enum relay_state state, const char *why)
{
	store_relay_set_state(
	    r->all->store, r->claim.index, state, span_of(why));
}

/* It cannot go on now: tries again, ever later. */
static void
relay_again(struct relay *r, const char *what, const char *why)
{
	uint64_t ms = AGAIN_MIN_MS;
	char quoted[200], text[240];

	for (unsigned i = 0; i < r->fails && ms < AGAIN_MAX_MS; i++)
		ms *= 2;
	r->fails++;
	metric_set_series(METRIC_RELAY_UP, r->up_slot, 0);
	(void)snprintf(text, sizeof(text), "%s: %s", what, why);
	relay_set_state(r, RELAY_WAITING, text);
	if (!r->told)
		log_warn("queue.relay_waits", "relay=%s step=%s reason=%s",
		    r->conf->name, what,
		    log_quote(quoted, sizeof(quoted), span_of(why)));
	r->told = true;
	relay_later(r, ms < AGAIN_MAX_MS ? ms : AGAIN_MAX_MS);
}

/* That Redis is not reached yet at the start is nothing to be told. */
static bool
is_starting(const struct relay *r, enum err err)
{
	return err == ERR_REDIS_DOWN && r->batch == 0 &&
	       clock_mono_us() - r->all->opened_us < START_US;
}

static void
relay_failed(struct relay *r, const char *what, enum err err)
{
	if (err == ERR_SHUTTING_DOWN)
		return;
	if (is_starting(r, err))
		relay_later(r, AGAIN_MIN_MS);
	else
		relay_again(r, what, err_info(err)->text);
}

static void
relay_went_well(struct relay *r)
{
	r->fails = 0;
	metric_set_series(METRIC_RELAY_UP, r->up_slot, 1);
	relay_set_state(r, RELAY_RUNNING, "");
	if (r->told)
		log_info("queue.relay_goes_on", "relay=%s", r->conf->name);
	r->told = false;
}

static void
relay_on_timer(void *arg)
{
	relay_claim(arg);
}

/* ---- taking ------------------------------------------------------------- */

static void
forget_batch(struct relay *r)
{
	r->n = 0;
	arena_reset(r->arena);
}

static void
relay_on_opts(
    enum err err, const struct store_task_opts *opts, size_t n, void *arg)
{
	struct relay *r = arg;

	if (!is_back(r))
		return;
	if (err != ERR_OK) {
		/* The take is repeated, as its number stays. */
		forget_batch(r);
		relay_failed(r, "take", err);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		r->tasks[i].lane = opts[i].lane;
		r->tasks[i].max_attempts = opts[i].max_attempts;
	}
	relay_push(r);
}

static void
relay_ask_opts(struct relay *r)
{
	struct span ids[RELAY_BATCH_MAX];

	for (size_t i = 0; i < r->n; i++)
		ids[i] = r->tasks[i].id;
	r->all->busy++;
	store_task_opts(r->all->store, r->from, ids, r->n, relay_on_opts, r);
}

static bool
keep(struct relay *r, struct span *out, struct span text)
{
	char *copy = arena_dup(r->arena, text);

	*out = (struct span){copy, text.len};
	return copy != NULL;
}

static bool
keep_tasks(struct relay *r, const struct store_take_result *t)
{
	bool ok = true;

	for (size_t i = 0; i < t->n && ok; i++) {
		r->tasks[i] = (struct store_task){.lane = LANE_NORMAL};
		r->fates[i] = RELAY_OPEN;
		ok = keep(r, &r->tasks[i].id, t->tasks[i].id) &&
		     keep(r, &r->tasks[i].payload, t->tasks[i].payload);
	}
	r->n = ok ? t->n : 0;
	return ok;
}

static void
relay_on_taken(const struct store_take_result *t, void *arg)
{
	struct relay *r = arg;

	if (!is_back(r))
		return;
	r->taken_us = clock_mono_us();
	if (t->err != ERR_OK) {
		relay_failed(r, "take", t->err);
	} else if (t->n == 0) {
		/* Nothing is held under this number; it may be an old one. */
		relay_went_well(r);
		r->claim.through = r->batch;
		relay_later(r, clock_mono_us() - r->take.began_us < SOON_US
				   ? ELSEWHERE_MS
				   : REST_MS);
	} else if (!keep_tasks(r, t)) {
		forget_batch(r);
		relay_failed(r, "take", ERR_NO_MEMORY);
	} else {
		relay_ask_opts(r);
	}
}

static void
relay_take(struct relay *r)
{
	(void)snprintf(r->request, sizeof(r->request), "batch-%llu",
	    (unsigned long long)r->batch);
	memset(&r->take, 0, sizeof(r->take));
	r->take.queue = r->from;
	r->take.worker = span_of(r->take_worker);
	r->take.request_id = span_of(r->request);
	r->take.count = (uint32_t)r->conf->batch;
	r->take.lease_ms = LEASE_MS;
	r->take.wait_ms = WAIT_MS;
	r->take.cb = relay_on_taken;
	r->take.arg = r;
	r->all->busy++;
	store_take(r->all->store, &r->take);
}

static void
relay_on_claimed(enum err err, bool is_ours, uint64_t batch, void *arg)
{
	struct relay *r = arg;

	if (!is_back(r))
		return;
	if (err != ERR_OK) {
		relay_failed(r, "claim", err);
		return;
	}
	r->claim.through = 0;
	r->claim.tasks = r->claim.refused = 0;
	if (!is_ours)
		relay_set_state(r, RELAY_ELSEWHERE, "");
	else if (r->fails == 0)
		relay_set_state(r, RELAY_RUNNING, "");
	if (!is_ours || (r->n > 0 && batch != r->batch))
		forget_batch(r); /* whoever has it takes it again */
	r->batch = batch;
	if (!is_ours)
		relay_later(r, ELSEWHERE_MS);
	else if (r->n > 0)
		relay_push(r);
	else
		relay_take(r);
}

static void
relay_claim(void *arg)
{
	struct relay *r = arg;

	r->all->busy++;
	store_relay_claim(r->all->store, &r->claim, relay_on_claimed, r);
}

/* ---- handing on --------------------------------------------------------- */

void
relay_refuse(struct relay *r, size_t at, const char *reason)
{
	r->fates[at] = RELAY_REFUSED;
	r->reasons[at] = reason;
}

static size_t
count_open(const struct relay *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->fates[i] == RELAY_OPEN;
	return n;
}

/* After a push: the rest of the batch, or its report. */
static void
relay_pushed(struct relay *r, bool went_on)
{
	if (count_open(r) == 0)
		relay_report(r);
	else if (went_on)
		relay_push(r);
	else
		relay_again(r, "push", "the queue there is full");
}

static void
relay_on_pushed(
    enum err err, const struct store_pushed *results, size_t n, void *arg)
{
	struct relay *r = arg;
	size_t before = count_open(r);

	if (!is_back(r))
		return;
	if (err != ERR_OK) {
		relay_failed(r, "push", err);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		size_t at = r->places[i];

		if (results[i].err == ERR_OK) {
			r->fates[at] = RELAY_KNOWN;
		} else if (results[i].err == ERR_PAYLOAD_TOO_LARGE) {
			relay_refuse(r, at, RELAY_TOO_LARGE);
		}
	}
	relay_pushed(r, count_open(r) < before);
}

static void
relay_on_posted(int status, struct span body, const char *why, void *arg)
{
	struct relay *r = arg;
	size_t before = count_open(r), body_before = r->body_max;
	char text[160];

	if (status == 0) {
		relay_again(r, "push", why);
		return;
	}
	if (remote_read(r, status, body, text, sizeof(text)) != ERR_OK)
		relay_again(r, "push", text);
	else
		relay_pushed(
		    r, count_open(r) < before || r->body_max < body_before);
}

/* Those that are open, in their order. */
static void
push_here(struct relay *r)
{
	struct store_task tasks[RELAY_BATCH_MAX];

	r->pushed = 0;
	for (size_t i = 0; i < r->n; i++) {
		if (r->fates[i] != RELAY_OPEN)
			continue;
		r->places[r->pushed] = i;
		tasks[r->pushed++] = r->tasks[i];
	}
	r->all->busy++;
	store_push(r->all->store, r->to, tasks, r->pushed, relay_on_pushed, r);
}

static void
relay_on_extended(enum err err, const struct store_reported *items, size_t n,
    int64_t lease_until, void *arg)
{
	struct relay *r = arg;

	(void)items;
	(void)n;
	(void)lease_until;
	if (!is_back(r))
		return;
	if (err != ERR_OK) {
		relay_failed(r, "extend", err);
		return;
	}
	r->taken_us = clock_mono_us();
	relay_push(r);
}

static void
relay_extend(struct relay *r)
{
	struct span ids[RELAY_BATCH_MAX];

	for (size_t i = 0; i < r->n; i++)
		ids[i] = r->tasks[i].id;
	r->all->busy++;
	store_extend(r->all->store, r->from, span_of(r->take_worker), ids, r->n,
	    LEASE_MS, relay_on_extended, r);
}

static void
relay_push(struct relay *r)
{
	if (count_open(r) == 0) {
		relay_report(r);
	} else if (clock_mono_us() - r->taken_us > EXTEND_US) {
		relay_extend(r);
	} else if (r->post == NULL) {
		push_here(r);
	} else {
		remote_write(r);
		post_send(r->post, buf_span(&r->body), relay_on_posted, r);
	}
}

/* ---- the end of a batch ------------------------------------------------- */

static void
tell_refused(const struct relay *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->fates[i] == RELAY_REFUSED)
			log_warn("queue.relay_refused",
			    "relay=%s id=%.*s reason=\"%s\"", r->conf->name,
			    SPAN_ARG(r->tasks[i].id), r->reasons[i]);
}

static void
relay_on_reported(
    enum err err, const struct store_reported *items, size_t n, void *arg)
{
	struct relay *r = arg;
	size_t known = 0;

	(void)items;
	(void)n;
	if (!is_back(r))
		return;
	if (err != ERR_OK) {
		relay_failed(r, "report", err);
		return;
	}
	for (size_t i = 0; i < r->n; i++)
		known += r->fates[i] == RELAY_KNOWN;
	metric_add_series(METRIC_RELAY_TASKS, r->tasks_slot, known);
	metric_add_series(METRIC_RELAY_REFUSED, r->refused_slot, r->n - known);
	tell_refused(r);
	relay_went_well(r);
	r->claim.through = r->batch;
	r->claim.tasks = known;
	r->claim.refused = r->n - known;
	forget_batch(r);
	relay_claim(r);
}

static void
relay_report(struct relay *r)
{
	struct store_report_item *items =
	    arena_alloc(r->arena, r->n * sizeof(*items));

	if (items == NULL) {
		forget_batch(r);
		relay_failed(r, "report", ERR_NO_MEMORY);
		return;
	}
	for (size_t i = 0; i < r->n; i++) {
		items[i].id = r->tasks[i].id;
		items[i].failed = items[i].no_retry =
		    r->fates[i] == RELAY_REFUSED;
		if (items[i].failed)
			items[i].text = span_of(r->reasons[i]);
	}
	r->all->busy++;
	store_report(r->all->store, r->from, span_of(r->take_worker), items,
	    r->n, relay_on_reported, r);
}

/* ---- life --------------------------------------------------------------- */

static enum err
post_prepare(struct relay *r, struct buf *why)
{
	const struct conf_relay *conf = r->conf;
	char setting[NAME_MAX_LEN + 32], path[NAME_MAX_LEN + 32];
	struct post_options options = {
	    .url = conf->url, .path = path, .token = "", .ca = conf->ca};
	enum err err = ERR_OK;
	struct buf token;

	(void)snprintf(
	    setting, sizeof(setting), "relay.%s.token_file", conf->name);
	(void)snprintf(
	    path, sizeof(path), "/v1/queues/%.*s/tasks", SPAN_ARG(r->to));
	buf_init(&token, SECRET_FILE_MAX + 1);
	if (conf->token_file[0] != '\0') {
		err = secret_read(setting, conf->token_file, &token, why);
		if (err == ERR_OK) {
			buf_add_char(&token, '\0');
			token.data[strcspn(token.data, "\r\n")] = '\0';
			options.token = token.data;
			secret_protect_process();
		}
	}
	if (err == ERR_OK)
		r->post = post_open(r->all->loop, &options);
	secret_wipe(token.data, token.len);
	buf_clear(&token);
	return err;
}

static enum err
relay_open(struct relays *all, struct relay *r, const struct conf_relay *conf,
    struct buf *why)
{
	r->all = all;
	r->conf = conf;
	r->claim.index = (size_t)(conf - all->conf->relays);
	r->from = span_of(conf->from);
	r->to = conf->to[0] != '\0' ? span_of(conf->to) : r->from;
	r->arena = arena_new(ARENA_MAX);
	r->body_max = BODY_MAX;
	r->tasks_slot = metric_series(METRIC_RELAY_TASKS, conf->name);
	r->refused_slot = metric_series(METRIC_RELAY_REFUSED, conf->name);
	r->up_slot = metric_series(METRIC_RELAY_UP, conf->name);
	(void)snprintf(r->take_worker, sizeof(r->take_worker), "relay:%.*s",
	    NAME_MAX_LEN - 6, conf->name);
	buf_init(&r->body, RELAY_BODY_MAX);
	timer_init(&r->timer, all->loop, relay_on_timer, r);
	relay_later(r, 0);
	return conf->url[0] != '\0' ? post_prepare(r, why) : ERR_OK;
}

enum err
relays_open(struct relays **out, struct loop *loop, const struct conf *conf,
    struct store *store, struct buf *why)
{
	struct relays *all = xcalloc(1, sizeof(*all));
	enum err err = ERR_OK;

	*out = all;
	all->loop = loop;
	all->conf = conf;
	all->store = store;
	all->opened_us = clock_mono_us();
	all->items = xcalloc(conf->relay_count + 1, sizeof(*all->items));
	for (size_t i = 0; i < conf->relay_count && err == ERR_OK; i++)
		err = relay_open(
		    all, &all->items[all->count++], &conf->relays[i], why);
	return err;
}

void
relays_free(struct relays *all)
{
	if (all == NULL)
		return;
	for (size_t i = 0; i < all->count && !all->freed; i++) {
		struct relay *r = &all->items[i];

		timer_clear(&r->timer);
		post_free(r->post);
		buf_clear(&r->body);
	}
	all->freed = true;
	if (all->busy > 0)
		return;
	for (size_t i = 0; i < all->count; i++)
		arena_free(all->items[i].arena);
	free(all->items);
	free(all);
}
