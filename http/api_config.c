/*
 * /v1/config: the settings as they are, and the levels of the log, which may
 * change at once. What is changed here holds until the settings are read
 * again: at a restart or by SIGHUP.
 */

#include "http/api.h"

#include <string.h>

#include "core/log.h"
#include "http/audit.h"
#include "http/auth.h"

enum { WHAT_MAX = 4096 /* of an audit entry */ };

/* What is written of the settings. */
struct show {
	struct req *req;
	const struct levels_body *only; /* what it names; NULL: all */
	size_t count;
};

/* ---- levels ----------------------------------------------------------- */

/* Which level a setting is: a component's, LOG_COMPONENT_COUNT the common
 * one; -1 for all other settings. */
static int
level_of_row(const struct conf_row *row)
{
	enum log_component c;

	if (strcmp(row->section, "log") != 0 ||
	    strncmp(row->key, "level", 5) != 0)
		return -1;
	if (row->key[5] == '\0')
		return LOG_COMPONENT_COUNT;
	return row->key[5] == '.' &&
		       log_component_parse(span_of(row->key + 6), &c)
		   ? (int)c
		   : -1;
}

static int
level_now(int which)
{
	return which == LOG_COMPONENT_COUNT
		   ? (int)log_level()
		   : log_component_level((enum log_component)which);
}

static int
level_of_settings(const struct conf *conf, int which)
{
	return which == LOG_COMPONENT_COUNT ? (int)conf->log_level
					    : conf->log_levels[which];
}

static void
level_set(int which, int level)
{
	if (which == LOG_COMPONENT_COUNT)
		log_set_level((enum log_level)level);
	else
		log_set_component_level((enum log_component)which, level);
}

/* ---- showing ---------------------------------------------------------- */

static const char *
change_of(const struct conf_row *row, int which)
{
	if (which >= 0)
		return "now";
	return row->reloadable ? "reload" : "restart";
}

static void
show_item(const struct conf_item *item, void *arg)
{
	struct show *show = arg;
	struct buf *out = req_out(show->req), name;
	size_t count;
	const struct conf_row *row = &conf_rows(&count)[item->row];
	struct span value = item->value, where = span_of(item->where);
	int which = level_of_row(row), level;

	if (show->only != NULL &&
	    (which < 0 || show->only->of[which] == LEVEL_KEPT))
		return;
	level = which < 0 ? 0 : level_now(which);
	if (which >= 0 &&
	    level != level_of_settings(req_conf(show->req), which)) {
		value = span_of(level == LOG_LEVEL_COMMON
				    ? ""
				    : log_level_name((enum log_level)level));
		where = SPAN("http");
	}
	buf_init(&name, 2 * NAME_MAX_LEN + 64);
	conf_add_name(&name, item);
	buf_add_str(out, show->count++ > 0 ? ",{" : "{");
	api_add_member(out, "name", buf_span(&name));
	buf_add_char(out, ',');
	api_add_member(out, "value", value);
	buf_add_char(out, ',');
	api_add_member(out, "default", span_of(row->fallback));
	buf_add_char(out, ',');
	api_add_member(out, "source", where);
	buf_addf(out, ",\"change\":\"%s\"}", change_of(row, which));
	buf_clear(&name);
}

static void
show_settings(struct req *req, const struct levels_body *only)
{
	struct show show = {.req = req, .only = only};

	buf_add_str(req_out(req), "{\"settings\":[");
	conf_each(req_conf(req), show_item, &show);
	buf_add_str(req_out(req), "]}");
}

void
api_config_get(struct req *req)
{
	show_settings(req, NULL);
	req_reply(req, 200);
}

/* ---- changing --------------------------------------------------------- */

/* Members "log.janitor":"debug" of the audit entry; and each in the log,
 * where the lines that follow are to be understood. */
static void
change_one(struct req *req, int which, int level, struct buf *what)
{
	const char *name = which == LOG_COMPONENT_COUNT
			       ? "level"
			       : log_component_name((enum log_component)which);
	const char *word =
	    level >= 0 ? log_level_name((enum log_level)level) : NULL;

	level_set(which,
	    level >= 0 ? level : level_of_settings(req_conf(req), which));
	log_info("conf.changed", "setting=log.%s level=%s by=%s", name,
	    word != NULL ? word : "-", req_caller(req)->name);
	buf_addf(what,
	    "%s\"log.%s\":", what->data[what->len - 1] == '{' ? "" : ",", name);
	if (word != NULL)
		buf_add_json(what, span_of(word));
	else
		buf_add_str(what, "null");
}

void
api_config_set(struct req *req)
{
	struct audit_end end = {"config.set", 200, ERR_OK, false, NULL};
	struct levels_body body;
	struct buf what;
	struct body b;

	api_body(req, &b);
	if (body_read_levels(&b, &body) != ERR_OK) {
		api_refuse(req, &b);
		return;
	}
	buf_init(&what, WHAT_MAX);
	buf_add_str(&what, "\"change\":{");
	for (int i = 0; i <= LOG_COMPONENT_COUNT; i++)
		if (body.of[i] != LEVEL_KEPT)
			change_one(req, i, body.of[i], &what);
	buf_add_char(&what, '}');
	show_settings(req, &body);
	audit_end(req, &end, buf_span(&what));
	buf_clear(&what);
}
