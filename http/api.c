/* What the handlers share; see api.h. */

#include "http/api.h"

#include "core/rfc3339.h"
#include "http/auth.h"

void
api_worker(struct req *req, struct span name, struct store_worker *out)
{
	out->name = name;
	out->queues = req_caller(req)->queues;
	out->addr = req_peer(req);
}

void
api_body(struct req *req, struct body *b)
{
	body_init(b, req_arena(req), req_body(req));
}

void
api_refuse(struct req *req, const struct body *b)
{
	req_failf(req, b->err, "%s", b->detail);
}

bool
api_query_u64(struct req *req, const char *name, uint64_t min, uint64_t max,
    uint64_t fallback, uint64_t *out)
{
	struct span text;

	*out = fallback;
	if (!req_query(req, name, &text))
		return true;
	if (str_to_u64(text, out) && *out >= min && *out <= max)
		return true;
	req_failf(req, ERR_FIELD_RANGE,
	    "query '%s': expected a whole number from %llu to %llu", name,
	    (unsigned long long)min, (unsigned long long)max);
	return false;
}

void
api_add_time(struct buf *out, int64_t ms)
{
	char text[RFC3339_LEN + 1];

	if (ms == 0) {
		buf_add(out, "null", 4);
		return;
	}
	rfc3339_print(text, ms);
	buf_add_char(out, '"');
	buf_add(out, text, RFC3339_LEN);
	buf_add_char(out, '"');
}

void
api_add_seconds(struct buf *out, uint64_t ms)
{
	unsigned rest = (unsigned)(ms % 1000);

	buf_add_u64(out, ms / 1000);
	if (rest == 0)
		return;
	if (rest % 100 == 0)
		buf_addf(out, ".%u", rest / 100);
	else if (rest % 10 == 0)
		buf_addf(out, ".%02u", rest / 10);
	else
		buf_addf(out, ".%03u", rest);
}

void
api_add_number(struct buf *out, const char *name, uint64_t n)
{
	buf_addf(out, ",\"%s\":%llu", name, (unsigned long long)n);
}

void
api_add_text(struct buf *out, struct span text)
{
	if (text.len == 0)
		buf_add(out, "null", 4);
	else
		buf_add_json(out, text);
}

void
api_add_raw(struct buf *out, struct span raw)
{
	if (raw.len == 0)
		buf_add(out, "null", 4);
	else
		buf_add_span(out, raw);
}

void
api_add_member(struct buf *out, const char *name, struct span text)
{
	buf_addf(out, "\"%s\":", name);
	buf_add_json(out, text);
}

void
api_add_refused(struct buf *out, struct span id, enum err err)
{
	buf_add_str(out, "{\"id\":");
	buf_add_json(out, id);
	buf_add_str(out, ",\"error\":");
	err_print_json(out, err, SPAN(""));
	buf_add_char(out, '}');
}
