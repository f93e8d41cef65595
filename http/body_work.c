/* The bodies that workers send: take, report, extend. */

#include "http/body.h"

#include <string.h>

#include "store/store.h"

enum {
	TAKE_DEFAULT = 500,
	TAKE_MAX = 1000,
	WAIT_MAX_MS = 60000,
	ID_TABLE = 4096 /* slots for up to 2000 ids; a power of two */
};
static const uint64_t lease_max_ms = 30 * UINT64_C(86400000);

/* ---- single fields ---------------------------------------------------- */

static bool
work_read_worker(struct body *b, void *into)
{
	return body_worker(b, &((struct work_body *)into)->worker);
}

static bool
work_read_count(struct body *b, void *into)
{
	return body_whole(b, 1, TAKE_MAX, &((struct work_body *)into)->count);
}

static bool
work_read_wait(struct body *b, void *into)
{
	return body_seconds(
	    b, 0, WAIT_MAX_MS, &((struct work_body *)into)->wait_ms);
}

static bool
work_read_lease(struct body *b, void *into)
{
	return body_seconds(
	    b, 1000, lease_max_ms, &((struct work_body *)into)->lease_ms);
}

static bool
work_read_request_id(struct body *b, void *into)
{
	struct work_body *w = into;

	return body_text(b, &w->request_id) &&
	       (name_is_valid(w->request_id) ||
		   body_refuse(b, ERR_FIELD_RANGE,
		       "1-64 characters of A-Za-z0-9._:@-"));
}

/* ---- finished and failed ---------------------------------------------- */

static struct store_report_item *
item_now(void *into)
{
	struct work_body *w = into;

	return &w->items[w->item_count];
}

static bool
item_read_id(struct body *b, void *into)
{
	return body_id(b, &item_now(into)->id);
}

static bool
item_read_result(struct body *b, void *into)
{
	struct span *text = &item_now(into)->text;

	if (!body_raw(b, text))
		return false;
	return text->len <= BODY_RESULT_MAX ||
	       body_refuse(
		   b, ERR_PAYLOAD_TOO_LARGE, "a result of at most 65536 bytes");
}

static bool
item_read_error(struct body *b, void *into)
{
	struct span *text = &item_now(into)->text;

	if (!body_text(b, text))
		return false;
	*text = utf8_cut(*text, BODY_ERROR_TEXT_MAX);
	return true;
}

static bool
item_read_retry(struct body *b, void *into)
{
	bool retry;

	if (!body_bool(b, &retry))
		return false;
	item_now(into)->no_retry = !retry;
	return true;
}

/* Rows that only come when this task is finished now. */
static bool
item_read_rows(struct body *b, void *into)
{
	struct work_body *w = into;

	return body_read_pieces(b, w, w->item_count + 1);
}

/* clang-format off */
static const struct body_field finished_fields[] = {
	{"id",     item_read_id,     true},
	{"result", item_read_result, false},
	{"rows",   item_read_rows,   false},
};
static const struct body_field failed_fields[] = {
	{"id",    item_read_id,    true},
	{"error", item_read_error, false},
	{"retry", item_read_retry, false},
};
/* clang-format on */

/* One item: an id alone, or an object with it. */
static bool
item_read(struct body *b, struct work_body *w, bool failed)
{
	bool ok;

	w->items = body_room(
	    b, w->items, w->item_count, &w->item_room, sizeof(*w->items));
	if (w->items == NULL)
		return false;
	memset(item_now(w), 0, sizeof(*w->items));
	item_now(w)->failed = failed;
	if (scan_peek(&b->scan) == SCAN_STRING)
		ok = item_read_id(b, w);
	else if (scan_peek(&b->scan) != SCAN_OBJECT)
		ok = body_refuse_type(b, "an id or an object with one");
	else if (failed)
		ok = body_object(
		    b, failed_fields, COUNT_OF(failed_fields), w, NULL);
	else
		ok = body_object(
		    b, finished_fields, COUNT_OF(finished_fields), w, NULL);
	if (ok)
		w->item_count++;
	return ok;
}

static bool
item_read_finished(struct body *b, void *into)
{
	return item_read(b, into, false);
}

static bool
item_read_failed(struct body *b, void *into)
{
	return item_read(b, into, true);
}

static bool
work_read_finished(struct body *b, void *into)
{
	((struct work_body *)into)->has_report = true;
	return body_list(b, BODY_REPORT_LIST_MAX, item_read_finished, into);
}

static bool
work_read_failed(struct body *b, void *into)
{
	((struct work_body *)into)->has_report = true;
	return body_list(b, BODY_REPORT_LIST_MAX, item_read_failed, into);
}

static bool
work_read_rows(struct body *b, void *into)
{
	return body_read_pieces(b, into, 0);
}

/* ---- extend ----------------------------------------------------------- */

static bool
id_read(struct body *b, void *into)
{
	struct work_body *w = into;

	w->ids =
	    body_room(b, w->ids, w->id_count, &w->id_room, sizeof(*w->ids));
	return w->ids != NULL && body_id(b, &w->ids[w->id_count++]);
}

static bool
work_read_ids(struct body *b, void *into)
{
	struct work_body *w = into;

	if (!body_list(b, BODY_IDS_MAX, id_read, into))
		return false;
	return w->id_count > 0 ||
	       body_refuse(b, ERR_FIELD_RANGE, "at least one id");
}

/* ---- the same id twice ------------------------------------------------ */

static size_t
id_hash(struct span id)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < id.len; i++)
		h = (h ^ (unsigned char)id.p[i]) * UINT64_C(1099511628211);
	return (size_t)(h ^ h >> 32) & (ID_TABLE - 1);
}

/* Refuses when two of the ids are the same; at() gives the one at index. */
static bool
ids_differ(struct body *b, const struct work_body *w, size_t count,
    struct span (*at)(const struct work_body *w, size_t i))
{
	uint16_t table[ID_TABLE] = {0}; /* index + 1 */
	struct span id;
	size_t slot;

	for (size_t i = 0; i < count; i++) {
		id = at(w, i);
		slot = id_hash(id);
		while (table[slot] != 0) {
			if (span_eq(at(w, table[slot] - 1u), id))
				return body_refusef(b, ERR_FIELD_DUPLICATE,
				    "id '%.*s': expected it only once",
				    SPAN_ARG(id));
			slot = (slot + 1) & (ID_TABLE - 1);
		}
		table[slot] = (uint16_t)(i + 1);
	}
	return true;
}

static struct span
id_at_item(const struct work_body *w, size_t i)
{
	return w->items[i].id;
}

static struct span
id_at_id(const struct work_body *w, size_t i)
{
	return w->ids[i];
}

/* ---- the three bodies ------------------------------------------------- */

/* clang-format off */
static const struct body_field take_fields[] = {
	{"worker",     work_read_worker,     true},
	{"count",      work_read_count,      false},
	{"wait_s",     work_read_wait,       false},
	{"lease_s",    work_read_lease,      false},
	{"request_id", work_read_request_id, false},
	{"finished",   work_read_finished,   false},
	{"failed",     work_read_failed,     false},
	{"rows",       work_read_rows,       false},
};
static const struct body_field report_fields[] = {
	{"worker",   work_read_worker,   true},
	{"finished", work_read_finished, false},
	{"failed",   work_read_failed,   false},
	{"rows",     work_read_rows,     false},
};
static const struct body_field extend_fields[] = {
	{"worker",  work_read_worker, true},
	{"ids",     work_read_ids,    true},
	{"lease_s", work_read_lease,  false},
};
/* clang-format on */

static void
work_init(struct work_body *w)
{
	memset(w, 0, sizeof(*w));
	w->count = TAKE_DEFAULT;
}

/* By its items a repeated report is known. */
static bool
rows_have_items(struct body *b, const struct work_body *w)
{
	return w->piece_count == 0 || w->item_count > 0 ||
	       body_refusef(b, ERR_FIELD_MISSING,
		   "fields 'finished', 'failed': expected at least one task "
		   "beside rows");
}

enum err
body_read_take(struct body *b, struct work_body *out)
{
	work_init(out);
	if (body_object(b, take_fields, COUNT_OF(take_fields), out, NULL) &&
	    rows_have_items(b, out))
		(void)ids_differ(b, out, out->item_count, id_at_item);
	return body_end(b);
}

enum err
body_read_report(struct body *b, struct work_body *out)
{
	work_init(out);
	if (body_object(b, report_fields, COUNT_OF(report_fields), out, NULL)) {
		if (!out->has_report)
			body_refusef(b, ERR_FIELD_MISSING,
			    "fields 'finished', 'failed': expected one of "
			    "them to be given");
		(void)rows_have_items(b, out);
		(void)ids_differ(b, out, out->item_count, id_at_item);
	}
	return body_end(b);
}

enum err
body_read_extend(struct body *b, struct work_body *out)
{
	work_init(out);
	if (body_object(b, extend_fields, COUNT_OF(extend_fields), out, NULL))
		(void)ids_differ(b, out, out->id_count, id_at_id);
	return body_end(b);
}
