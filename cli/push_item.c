/* One line of input becomes the JSON of one task; see push_item.h. */

#include "cli/push_item.h"

#include "core/id.h"
#include "core/json_scan.h"

/* Is the line one JSON value? raw is that without surrounding blanks. */
static enum err
check_value(struct span line, struct span *raw, struct buf *why)
{
	struct scan s;
	enum err err;

	scan_init(&s, line);
	(void)scan_skip(&s, raw);
	err = scan_end(&s);
	if (err != ERR_OK)
		buf_addf(why, "byte %zu: %s", s.at + 1, s.why);
	return err;
}

/* The members of a task object that matter here. */
static void
find_id(struct span object, struct span *id, bool *has_id, bool *is_empty)
{
	struct span name, ignored;
	struct scan s;

	*has_id = false;
	*is_empty = true;
	*id = SPAN("");
	scan_init(&s, object);
	(void)scan_object(&s);
	while (scan_key(&s, &name)) {
		*is_empty = false;
		if (span_is(name, "id")) {
			*has_id = true;
			if (scan_string(&s, id))
				continue;
		}
		(void)scan_skip(&s, &ignored);
	}
}

static void
begin_item(struct push_item *item, struct buf *text)
{
	*item = (struct push_item){.at = text->len};
}

/* An id has no control characters, but may have quotes. */
static void
add_id(struct push_item *item, struct buf *text, struct span id)
{
	buf_add_str(text, "{\"id\":");
	item->id_at = text->len + 1;
	buf_add_json(text, id);
	item->id_len = text->len - 1 - item->id_at;
}

static enum err
add_task(struct push_item *item, struct buf *text, struct span line,
    struct span made, struct buf *why)
{
	struct span raw, id;
	bool has_id, is_empty;
	enum err err = check_value(line, &raw, why);

	if (err != ERR_OK)
		return err;
	if (raw.p[0] != '{') {
		buf_add_str(why, "expected an object with a payload");
		return ERR_FIELD_TYPE;
	}
	find_id(raw, &id, &has_id, &is_empty);
	begin_item(item, text);
	if (has_id) {
		item->id_at = text->len;
		if (id.len > 0)
			item->id_at += (size_t)(id.p - raw.p);
		item->id_len = id.len;
		buf_add_span(text, raw);
	} else {
		item->has_made_id = true;
		add_id(item, text, made);
		if (!is_empty)
			buf_add_char(text, ',');
		buf_add(text, raw.p + 1, raw.len - 1);
	}
	item->len = text->len - item->at;
	return ERR_OK;
}

enum err
push_item_add(struct push_item *item, struct buf *text,
    const struct push_shape *shape, struct span line, struct buf *why)
{
	char made[ID_MADE_LEN + 1];
	struct span raw = line, id = shape->id;
	enum err err = ERR_OK;

	if (id.len == 0) {
		id_make(made);
		id = (struct span){made, ID_MADE_LEN};
	}
	if (shape->kind == PUSH_TASKS)
		return add_task(item, text, line, id, why);
	if (shape->kind == PUSH_PAYLOADS)
		err = check_value(line, &raw, why);
	else if (!utf8_is_valid(line.p, line.len))
		err = ERR_BODY_NOT_UTF8;
	if (err != ERR_OK)
		return err;
	begin_item(item, text);
	item->has_made_id = shape->id.len == 0;
	add_id(item, text, id);
	buf_add_str(text, ",\"payload\":");
	if (shape->kind == PUSH_RAW)
		buf_add_json(text, line);
	else
		buf_add_span(text, raw);
	buf_add_span(text, shape->extra);
	buf_add_char(text, '}');
	item->len = text->len - item->at;
	return ERR_OK;
}
