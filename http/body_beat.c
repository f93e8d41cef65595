/* The body of a heartbeat: checked, then kept as it came. */

#include "http/body.h"

enum { VERSION_MAX = 64, HOST_MAX = 255 };

static bool
beat_read_load(struct body *b, void *into)
{
	double load;

	(void)into;
	if (!body_number(b, &load))
		return false;
	return (load >= 0 && load <= 1e6) ||
	       body_refuse(b, ERR_FIELD_RANGE, "a number from 0 to 1000000");
}

static bool
beat_read_version(struct body *b, void *into)
{
	struct span text;

	(void)into;
	return body_text(b, &text) &&
	       (text.len <= VERSION_MAX ||
		   body_refuse(b, ERR_FIELD_RANGE, "at most 64 bytes"));
}

static bool
beat_read_host(struct body *b, void *into)
{
	struct span text;

	(void)into;
	return body_text(b, &text) &&
	       (text.len <= HOST_MAX ||
		   body_refuse(b, ERR_FIELD_RANGE, "at most 255 bytes"));
}

static bool
beat_read_pid(struct body *b, void *into)
{
	uint64_t pid;

	(void)into;
	return body_whole(b, 1, UINT32_MAX, &pid);
}

static bool
beat_read_id(struct body *b, void *into)
{
	struct span id;

	(void)into;
	return body_id(b, &id);
}

static bool
beat_read_running(struct body *b, void *into)
{
	uint64_t count;

	if (scan_peek(&b->scan) == SCAN_NUMBER)
		return body_whole(b, 0, 1000000, &count);
	if (scan_peek(&b->scan) != SCAN_ARRAY)
		return body_refuse_type(b, "a number or a list of ids");
	return body_list(b, BODY_IDS_MAX, beat_read_id, into);
}

/* clang-format off */
static const struct body_field beat_fields[] = {
	{"load",    beat_read_load,    false},
	{"version", beat_read_version, false},
	{"running", beat_read_running, false},
	{"pid",     beat_read_pid,     false},
	{"host",    beat_read_host,    false},
};
/* clang-format on */

enum err
body_read_heartbeat(struct body *b, struct span *details)
{
	unsigned seen = 0;
	struct body whole = *b;

	*details = SPAN("");
	if (body_object(b, beat_fields, COUNT_OF(beat_fields), NULL, &seen) &&
	    seen != 0)
		(void)scan_skip(&whole.scan, details);
	return body_end(b);
}
