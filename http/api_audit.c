/* GET /v1/audit: a page of the audit trail. */

#include "http/api.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000 };

static store_audit_cb page_on_read;

void
api_audit_list(struct req *req)
{
	uint64_t limit, after;
	struct span text;
	bool has_after = req_query(req, "after", &text);

	if (!api_query_u64(req, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &limit) ||
	    !api_query_u64(req, "after", 0, INT64_MAX / 2, 0, &after))
		return;
	store_audit_list(req_store(req), has_after ? &after : NULL,
	    (uint32_t)limit, page_on_read, req);
}

static void
add_end_value(struct buf *out, uint64_t seq, struct span hash)
{
	buf_addf(out, "{\"seq\":%llu,\"hash\":", (unsigned long long)seq);
	buf_add_json(out, hash);
	buf_add_char(out, '}');
}

static void
add_end(struct buf *out, const char *name, uint64_t seq, struct span hash)
{
	buf_addf(out, "\"%s\":", name);
	add_end_value(out, seq, hash);
}

static void
page_on_read(enum err err, const struct store_audit_page *page, void *arg)
{
	struct req *req = arg;
	struct buf *out = req_out(req);

	if (err != ERR_OK) {
		req_fail(req, err);
		return;
	}
	buf_add_char(out, '{');
	add_end(out, "checkpoint", page->from_seq, page->from_hash);
	buf_add_char(out, ',');
	add_end(out, "last", page->last_seq, page->last_hash);
	buf_add_str(out, ",\"lost\":");
	if (page->lost_hash.len > 0)
		add_end_value(out, page->lost_seq, page->lost_hash);
	else
		buf_add_str(out, "null");
	buf_add_str(out, ",\"entries\":[");
	for (size_t i = 0; i < page->n; i++) {
		const struct store_audit_entry *e = &page->entries[i];

		/* As a string: whatever somebody made of it in Redis is then
		 * still shown, and hashed as it is. */
		buf_addf(out, "%s{\"seq\":%llu,\"hash\":", i > 0 ? "," : "",
		    (unsigned long long)e->seq);
		buf_add_json(out, e->hash);
		buf_add_str(out, ",\"entry\":");
		buf_add_json(out, e->text);
		buf_add_char(out, '}');
	}
	buf_add_str(out, "]}");
	req_reply(req, 200);
}
