/* A batch as a push to another schedd, and its answer. */

#include "relay/relay_priv.h"

#include <stdio.h>
#include <string.h>

#include "core/json_scan.h"

/* Is the number in an answer that error's? */
static bool
code_is(uint64_t code, enum err err)
{
	return code == (uint64_t)err_info(err)->number;
}

static void
add_task(struct buf *out, const struct store_task *t, bool is_first)
{
	buf_add_str(out, is_first ? "{\"id\":" : ",{\"id\":");
	buf_add_json(out, t->id);
	buf_add_str(out, ",\"payload\":");
	buf_add_span(out, t->payload);
	if (t->lane != LANE_NORMAL)
		buf_addf(out, ",\"priority\":\"%s\"", lane_name(t->lane));
	if (t->max_attempts > 0)
		buf_addf(out, ",\"max_attempts\":%u", t->max_attempts);
	buf_add_char(out, '}');
}

void
remote_write(struct relay *r)
{
	buf_reset(&r->body, RELAY_BODY_KEPT);
	buf_add_str(&r->body, "{\"tasks\":[");
	r->pushed = 0;
	for (size_t i = 0; i < r->n; i++) {
		if (r->fates[i] != RELAY_OPEN)
			continue;
		if (r->pushed > 0 &&
		    r->body.len + r->tasks[i].payload.len > r->body_max)
			break;
		add_task(&r->body, &r->tasks[i], r->pushed == 0);
		r->places[r->pushed++] = i;
	}
	buf_add_str(&r->body, "]}");
}

/* The number in {"code":n,...}; 0 when there is none. */
static uint64_t
read_code(struct scan *s)
{
	struct span key, raw;
	uint64_t code = 0;

	if (!scan_object(s))
		return 0;
	while (scan_key(s, &key)) {
		if (span_is(key, "code")) {
			if (!scan_number(s, &raw) || !scan_to_u64(raw, &code))
				return 0;
		} else if (!scan_skip(s, &raw)) {
			return 0;
		}
	}
	return code;
}

/* One task of the answer. */
static bool
read_task(struct relay *r, struct scan *s, size_t at)
{
	struct span key, raw, status = SPAN("");
	uint64_t code = 0;

	if (!scan_object(s))
		return false;
	while (scan_key(s, &key)) {
		if (span_is(key, "status")) {
			if (!scan_string(s, &status))
				return false;
		} else if (span_is(key, "error")) {
			code = read_code(s);
		} else if (!scan_skip(s, &raw)) {
			return false;
		}
	}
	if (span_is(status, "queued") || span_is(status, "exists"))
		r->fates[at] = RELAY_KNOWN;
	else if (code_is(code, ERR_PAYLOAD_TOO_LARGE))
		relay_refuse(r, at, RELAY_TOO_LARGE);
	else if (!code_is(code, ERR_QUEUE_FULL))
		return false;
	return true;
}

/* {"tasks":[...]} in the order in which they were sent. */
static bool
read_tasks(struct relay *r, struct span body)
{
	struct scan s;
	struct span key, raw;
	size_t n = 0;

	scan_init(&s, body);
	if (!scan_object(&s))
		return false;
	while (scan_key(&s, &key)) {
		if (!span_is(key, "tasks")) {
			if (!scan_skip(&s, &raw))
				return false;
			continue;
		}
		if (!scan_array(&s))
			return false;
		while (scan_item(&s))
			if (n >= r->pushed || !read_task(r, &s, r->places[n++]))
				return false;
	}
	return scan_end(&s) == ERR_OK && n == r->pushed;
}

/* The error object of an answer that refuses all. */
static uint64_t
read_error(struct span body)
{
	struct scan s;
	struct span key, raw;
	uint64_t code = 0;

	scan_init(&s, body);
	if (!scan_object(&s))
		return 0;
	while (scan_key(&s, &key)) {
		if (span_is(key, "error"))
			code = read_code(&s);
		else if (!scan_skip(&s, &raw))
			return 0;
	}
	return code;
}

enum err
remote_read(
    struct relay *r, int status, struct span body, char *why, size_t why_size)
{
	uint64_t code;

	if (status == 200 || status == 201) {
		if (read_tasks(r, body))
			return ERR_OK;
		(void)snprintf(why, why_size, "its answer is not understood");
		return ERR_ANSWER_BAD;
	}
	code = read_error(body);
	if (code_is(code, ERR_PAYLOAD_TOO_LARGE)) {
		for (size_t i = 0; i < r->pushed; i++)
			relay_refuse(r, r->places[i], RELAY_TOO_LARGE);
		return ERR_OK;
	}
	if (code_is(code, ERR_BODY_TOO_LARGE) && r->pushed > 1) {
		r->body_max = r->body.len / 2;
		return ERR_OK;
	}
	if (code_is(code, ERR_BODY_TOO_LARGE)) {
		relay_refuse(r, r->places[0],
		    "it is larger than a request there "
		    "may be");
		return ERR_OK;
	}
	(void)snprintf(why, why_size, "it answered %d E%03llu", status,
	    (unsigned long long)code);
	return ERR_UNREACHABLE;
}
