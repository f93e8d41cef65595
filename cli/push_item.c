/* One line of input becomes the JSON of one task; see push_item.h. */

#include "cli/push_item.h"

#include "core/arena.h"
#include "core/id.h"
#include "core/json_scan.h"

enum { DECODE_MAX = 4 << 20 }; /* of the texts of one line */

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

/* ---- ids out of payloads ---------------------------------------------- */

/* Text between quotes, decoded; false when the arena is too small for it. */
static bool
decode(struct arena *a, struct span raw, struct span *out)
{
	*out = raw;
	return memchr(raw.p, '\\', raw.len) == NULL ||
	       scan_unescape(a, raw, out);
}

static bool
is_digits(struct span number)
{
	for (size_t i = number.p[0] == '-' ? 1 : 0; i < number.len; i++)
		if (number.p[i] < '0' || number.p[i] > '9')
			return false;
	return true;
}

/* The value at which s stands, as an id. */
static enum err
read_id(struct scan *s, struct arena *a, const char *field, struct span *id,
    struct buf *why)
{
	struct span raw;

	if (scan_string(s, &raw)) {
		if (decode(a, raw, id) && id_is_valid(*id))
			return ERR_OK;
		buf_addf(why,
		    "member '%s': expected 1-255 printable ASCII characters "
		    "without space",
		    field);
		return ERR_TASK_ID_BAD;
	}
	if (scan_number(s, id) && is_digits(*id) && id_is_valid(*id))
		return ERR_OK;
	buf_addf(
	    why, "member '%s': expected a string or a whole number", field);
	return ERR_TASK_ID_BAD;
}

/* The member of the object that is to be the id, which must be there once.
 * raw is valid JSON. */
static enum err
find_id_member(struct span raw, struct arena *a, const char *field,
    struct span *id, struct buf *why)
{
	struct span name, key, ignored;
	bool has_id = false;
	enum err err = ERR_OK;
	struct scan s;

	scan_init(&s, raw);
	if (!scan_object(&s)) {
		buf_addf(why, "expected an object with the member '%s'", field);
		return ERR_FIELD_TYPE;
	}
	while (err == ERR_OK && scan_key(&s, &name)) {
		if (!decode(a, name, &key) || !span_is(key, field)) {
			(void)scan_skip(&s, &ignored);
		} else if (has_id) {
			buf_addf(why, "member '%s' is there twice", field);
			err = ERR_FIELD_DUPLICATE;
		} else {
			has_id = true;
			err = read_id(&s, a, field, id, why);
		}
	}
	if (err != ERR_OK || has_id)
		return err;
	buf_addf(why, "there is no member '%s'", field);
	return ERR_FIELD_MISSING;
}

/* ---- payloads --------------------------------------------------------- */

/* A payload that is known to be good. */
static void
add_payload(struct push_item *item, struct buf *text,
    const struct push_shape *shape, struct span payload, struct span id)
{
	begin_item(item, text);
	add_id(item, text, id);
	buf_add_str(text, ",\"payload\":");
	if (shape->kind == PUSH_RAW)
		buf_add_json(text, payload);
	else
		buf_add_span(text, payload);
	buf_add_span(text, shape->extra);
	buf_add_char(text, '}');
	item->len = text->len - item->at;
}

static enum err
add_with_member(struct push_item *item, struct buf *text,
    const struct push_shape *shape, struct span raw, struct buf *why)
{
	struct arena *a = arena_new(DECODE_MAX);
	struct span id;
	enum err err = find_id_member(raw, a, shape->id_from, &id, why);

	if (err == ERR_OK)
		add_payload(item, text, shape, raw, id);
	arena_free(a);
	return err;
}

enum err
push_item_add(struct push_item *item, struct buf *text,
    const struct push_shape *shape, struct span line, struct span made,
    struct buf *why)
{
	char own[ID_MADE_LEN + 1];
	struct span raw = line, id = shape->id.len > 0 ? shape->id : made;
	enum err err = ERR_OK;

	if (id.len == 0) {
		id_make(own);
		id = (struct span){own, ID_MADE_LEN};
	}
	if (shape->kind == PUSH_TASKS)
		return add_task(item, text, line, id, why);
	if (shape->kind == PUSH_PAYLOADS)
		err = check_value(line, &raw, why);
	else if (!utf8_is_valid(line.p, line.len))
		err = ERR_BODY_NOT_UTF8;
	if (err != ERR_OK)
		return err;
	if (shape->id_from != NULL)
		return add_with_member(item, text, shape, raw, why);
	add_payload(item, text, shape, raw, id);
	item->has_made_id = shape->id.len == 0;
	return ERR_OK;
}
