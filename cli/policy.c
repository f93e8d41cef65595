/* A queue's policy in the words of the settings file; see policy.h. */

#include "cli/policy.h"

#include <math.h>

#include "cli/rows.h"

enum { VALUE_MAX = 32 };

static bool
is_policy(const struct conf_row *row)
{
	return strcmp(row->section, "queue") == 0 &&
	       strcmp(row->key, "backend") != 0;
}

static bool
is_type(const struct conf_row *row, const char *type)
{
	return strcmp(row->type, type) == 0;
}

const struct conf_row *
policy_find(struct span name)
{
	size_t count;
	const struct conf_row *rows = conf_rows(&count);
	struct span stem = name;

	if (name.len > 2 && memcmp(name.p + name.len - 2, "_s", 2) == 0)
		stem.len -= 2;
	for (size_t i = 0; i < count; i++) {
		if (!is_policy(&rows[i]))
			continue;
		if (span_is(name, rows[i].key) ||
		    (is_type(&rows[i], "time") && span_is(stem, rows[i].key)))
			return &rows[i];
	}
	return NULL;
}

void
policy_add_names(struct buf *out)
{
	size_t count;
	const struct conf_row *rows = conf_rows(&count);
	const char *mark = "";

	for (size_t i = 0; i < count; i++) {
		if (!is_policy(&rows[i]))
			continue;
		buf_addf(out, "%s%s", mark, rows[i].key);
		mark = ", ";
	}
}

void
policy_add_member(struct buf *out, const struct conf_row *row)
{
	buf_addf(out, "\"%s%s\"", row->key, is_type(row, "time") ? "_s" : "");
}

bool
policy_add_number(struct buf *out, const struct conf_row *row, struct span text)
{
	uint64_t n;

	if (is_type(row, "time")) {
		if (!str_to_ms(text, &n))
			return false;
		buf_add_u64(out, n / 1000);
		if (n % 1000 != 0)
			buf_addf(out, ".%03u", (unsigned)(n % 1000));
		return true;
	}
	if (is_type(row, "size") ? !str_to_bytes(text, &n)
				 : !str_to_u64(text, &n))
		return false;
	buf_add_u64(out, n);
	return true;
}

const char *
policy_expected(const struct conf_row *row)
{
	if (is_type(row, "time"))
		return "a span of time such as 500ms, 30s, 5m, 2h, 1d";
	if (is_type(row, "size"))
		return "a size such as 1000, 64KiB, 1MiB";
	return "a whole number";
}

void
policy_add_text(struct buf *out, const struct conf_row *row, struct span number)
{
	char text[VALUE_MAX];
	uint64_t n;

	if (span_is(number, "0") || span_is(number, "0.000")) {
		buf_add_char(out, '0');
	} else if (is_type(row, "time")) {
		str_from_ms(text, sizeof(text),
		    (uint64_t)llround(row_number(number) * 1000));
		buf_add_str(out, text);
	} else if (is_type(row, "size") && scan_to_u64(number, &n)) {
		str_from_bytes(text, sizeof(text), n);
		buf_add_str(out, text);
	} else {
		buf_add_span(out, number);
	}
}
