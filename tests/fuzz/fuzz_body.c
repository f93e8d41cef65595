/*
 * Every reader of request bodies on any bytes; the first byte chooses which.
 * What is read is within its bounds; what is refused says why, in UTF-8 once
 * it is printed; and no body is read that the scanner itself refuses.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/column.h"
#include "http/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_MS INT64_C(1767323045000)
#define DAY_MS INT64_C(86400000)

static void
check_push(struct body *b)
{
	struct push_body push = {.now_ms = NOW_MS};
	const struct store_task *t;

	if (body_read_push(b, &push) != ERR_OK)
		return;
	ASSERT(push.count >= 1 && push.count <= BODY_TASKS_MAX);
	for (size_t i = 0; i < push.count; i++) {
		t = &push.tasks[i];
		ASSERT(id_is_valid(t->id) && t->payload.len > 0);
		ASSERT((unsigned)t->lane < LANE_COUNT);
		ASSERT(t->max_attempts <= 1000);
		ASSERT(
		    t->run_at == 0 || (t->run_at > NOW_MS &&
					  t->run_at <= NOW_MS + 3652 * DAY_MS));
		ASSERT(t->delay_ms >= 0 && t->delay_ms <= 3652 * DAY_MS);
	}
}

static void
check_work(struct body *b, unsigned which)
{
	struct work_body work;
	enum err err = which == 1   ? body_read_take(b, &work)
		       : which == 2 ? body_read_report(b, &work)
				    : body_read_extend(b, &work);

	if (err != ERR_OK)
		return;
	ASSERT(name_is_valid(work.worker));
	ASSERT(work.count >= 1 && work.count <= 1000);
	ASSERT(work.wait_ms <= 60000 && work.lease_ms <= 30 * DAY_MS);
	ASSERT(work.item_count <= (size_t)2 * BODY_REPORT_LIST_MAX);
	for (size_t i = 0; i < work.item_count; i++) {
		ASSERT(id_is_valid(work.items[i].id));
		ASSERT(work.items[i].text.len <= BODY_RESULT_MAX);
	}
	ASSERT(work.id_count <= BODY_IDS_MAX);
	for (size_t i = 0; i < work.id_count; i++)
		ASSERT(id_is_valid(work.ids[i]));
}

static void
check_set(struct body *b, enum set_verb verb)
{
	struct set_body set;
	const struct store_filter *f = &set.filter;
	const char *states;

	if (body_read_set(b, &set, verb) != ERR_OK)
		return;
	ASSERT(f->state > TASK_GONE && f->state < TASK_STATE_COUNT);
	ASSERT(f->id_count == 0 || f->match.len == 0);
	ASSERT(f->id_count > 0 || f->match.len > 0 || f->error_match.len > 0 ||
	       f->has_age || f->worker.len > 0);
	ASSERT(filter_misfit(f, &states) == NULL);
	for (size_t i = 0; i < f->id_count; i++)
		ASSERT(id_is_valid(f->ids[i]));
}

static void
check_rest(struct body *b, unsigned which)
{
	struct store_policy_change change;
	struct span details;

	if (which == 6) {
		if (body_read_policy(b, &change) == ERR_OK)
			ASSERT((change.set & change.unset) == 0);
	} else if (body_read_heartbeat(b, &details) == ERR_OK) {
		ASSERT(details.len == 0 || details.p[0] == '{');
	}
}

static void
check_levels(struct body *b)
{
	struct levels_body levels;
	size_t changes = 0;

	if (body_read_levels(b, &levels) != ERR_OK)
		return;
	for (size_t i = 0; i < COUNT_OF(levels.of); i++) {
		ASSERT(levels.of[i] >= LEVEL_KEPT && levels.of[i] <= LOG_DEBUG);
		ASSERT(levels.of[i] != LOG_LEVEL_COMMON);
		changes += levels.of[i] != LEVEL_KEPT;
	}
	ASSERT(changes > 0);
}

static void
check_crypt(struct body *b, bool is_encrypt)
{
	struct crypt_body crypt;
	enum err err = is_encrypt ? body_read_encrypt(b, &crypt)
				  : body_read_decrypt(b, &crypt);

	if (err != ERR_OK)
		return;
	ASSERT(name_is_valid(crypt.channel));
	ASSERT(crypt.count >= 1 && crypt.count <= COLUMNS_MAX);
	for (size_t i = 0; i < crypt.count; i++) {
		ASSERT(column_name_is_valid(crypt.fields[i].name));
		ASSERT(crypt.fields[i].raw.len > 0);
	}
}

static void
check_body(struct body *b, unsigned which)
{
	if (which == 0)
		check_push(b);
	else if (which <= 3)
		check_work(b, which);
	else if (which <= 5)
		check_set(b, which == 4 ? SET_RETRY : SET_PURGE);
	else if (which <= 7)
		check_rest(b, which);
	else if (which == 9 || which == 10)
		check_crypt(b, which == 9);
	else
		check_levels(b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(4 << 20);
	struct body body;
	struct scan scan;
	struct span text, raw;
	char *copy;

	if (size > 0) {
		text.len = size - 1;
		copy = malloc(text.len + 1);
		ASSERT(copy != NULL);
		memcpy(copy, data + 1, text.len);
		text.p = copy;
		body_init(&body, arena, text);
		check_body(&body, data[0] % 16);
		ASSERT((body.err == ERR_OK) == (body.detail[0] == '\0'));
		scan_init(&scan, text);
		(void)scan_skip(&scan, &raw);
		if (scan_end(&scan) != ERR_OK)
			ASSERT(body.err != ERR_OK);
		free(copy);
	}
	arena_free(arena);
	return 0;
}
