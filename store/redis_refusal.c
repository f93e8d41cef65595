/* Error replies: what they mean to a caller; see redis_conn.h. */

#include <string.h>

#include <hiredis/hiredis.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/metrics.h"
#include "store/redis_conn_priv.h"

enum { PACE_US = 1000 * 1000 };

/* clang-format off */
static const struct {
	const char *word;
	enum err err;
} meanings[] = {
	{"OOM",         ERR_STORE_FULL},
	{"READONLY",    ERR_STORE_READ_ONLY},
	{"MISCONF",     ERR_STORE_READ_ONLY},
	{"NOREPLICAS",  ERR_STORE_READ_ONLY},
	{"LOADING",     ERR_REDIS_DOWN},
	{"BUSY",        ERR_REDIS_DOWN},
	{"MASTERDOWN",  ERR_REDIS_DOWN},
	{"TRYAGAIN",    ERR_REDIS_DOWN},
	{"CLUSTERDOWN", ERR_REDIS_DOWN},
	{"AWAY",        ERR_QUEUE_MOVING},
};
/* clang-format on */

/* Is it an error reply that begins with that word? */
bool
refusal_is(const struct redisReply *reply, const char *word)
{
	size_t len = strlen(word);

	return reply->type == REDIS_REPLY_ERROR && reply->len >= len &&
	       memcmp(reply->str, word, len) == 0 &&
	       (reply->len == len || reply->str[len] == ' ');
}

bool
log_pace_is_due(struct log_pace *p, unsigned *held_back)
{
	if (clock_mono_us() < p->next_us) {
		p->held_back++;
		return false;
	}
	p->next_us = clock_mono_us() + PACE_US;
	*held_back = p->held_back;
	p->held_back = 0;
	return true;
}

enum err
refusal_err(
    struct redis_conn *c, const char *what, const struct redisReply *reply)
{
	enum err err = ERR_STORE_REFUSED;
	char quoted[300];
	unsigned held_back;
	size_t i;

	for (i = 0; i < COUNT_OF(meanings); i++)
		if (refusal_is(reply, meanings[i].word))
			err = meanings[i].err;
	if (log_pace_is_due(&c->refused_pace, &held_back))
		log_warn("redis.refused", "op=%s error=%s reply=%s more=%u",
		    what, err_info(err)->name,
		    log_quote(quoted, sizeof(quoted),
			(struct span){reply->str, reply->len}),
		    held_back);
	return err;
}

static const char *
outcome_name(enum err err)
{
	if (err == ERR_OK)
		return "done";
	if (err == ERR_STORE_UNKNOWN || err == ERR_STORE_UNCONFIRMED)
		return "unknown";
	if (err == ERR_STORE_REFUSED)
		return "refused";
	return "not_done";
}

void
outcome_count(enum err err)
{
	static unsigned done_slot;
	static bool is_known;

	/* The hot one without a look-up by name. */
	if (!is_known)
		done_slot = metric_series(METRIC_STORE_OPS, "done");
	is_known = true;
	metric_add_series(METRIC_STORE_OPS,
	    err == ERR_OK ? done_slot
			  : metric_series(METRIC_STORE_OPS, outcome_name(err)),
	    1);
}
