/* schedctl config show, get, set. */

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/rows.h"
#include "core/arena.h"

enum { BODY_MAX = 64 * 1024, ARENA_MAX = 1 << 30, NAME_MAX_BYTES = 256 };

/* One setting of an answer. */
struct setting {
	struct span raw; /* as it came */
	struct span name, value, fallback, source, change;
};

/* False ends the walk. */
typedef bool setting_fn(const struct setting *s, void *arg);

static bool
setting_read(struct span raw, struct arena *a, struct setting *s)
{
	static const struct row_field fields[] = {{"name", false},
	    {"value", false}, {"default", false}, {"source", false},
	    {"change", false}};
	struct span f[COUNT_OF(fields)];

	if (!row_read_all(raw, a, fields, COUNT_OF(fields), f) || f[0].len == 0)
		return false;
	*s = (struct setting){raw, f[0], f[1], f[2], f[3], f[4]};
	return true;
}

/* False when body holds no list of settings. */
static bool
settings_each(struct span body, struct arena *a, setting_fn *fn, void *arg)
{
	static const struct row_field fields[] = {{"settings", false}};
	struct span list, raw;
	struct setting one;
	struct scan s;

	if (!row_read_all(body, a, fields, 1, &list))
		return false;
	scan_init(&s, list);
	if (!scan_array(&s))
		return false;
	while (scan_item(&s)) {
		if (!scan_skip(&s, &raw) || !setting_read(raw, a, &one))
			return false;
		if (!fn(&one, arg))
			return true;
	}
	return scan_end(&s) == ERR_OK;
}

/* ---- show ------------------------------------------------------------- */

struct show {
	struct table *table;
	const char *prefix; /* only names that begin so */
};

static void
show_value(struct table *t, struct span value)
{
	table_add(t, value.len > 0 ? value : SPAN("-"));
}

static bool
show_add(const struct setting *s, void *arg)
{
	struct show *show = arg;
	struct table *t = show->table;
	size_t len = strlen(show->prefix);
	bool is_set = !span_eq(s->source, SPAN("default"));

	if (s->name.len < len || memcmp(s->name.p, show->prefix, len) != 0)
		return true;
	table_add(t, s->name);
	show_value(t, s->value);
	if (is_set)
		table_set_colour(t, TABLE_BOLD);
	table_add(t, s->change);
	table_add(t, s->source);
	if (span_eq(s->source, SPAN("http")))
		table_set_colour(t, TABLE_YELLOW);
	else if (!is_set)
		table_set_colour(t, TABLE_DIM);
	show_value(t, s->fallback);
	table_set_colour(t, TABLE_DIM);
	return true;
}

static enum cli_exit
show_print(struct cli *c, struct span body)
{
	static const struct table_column columns[] = {{"SETTING", TABLE_LEFT},
	    {"VALUE", TABLE_LEFT}, {"CHANGES BY", TABLE_LEFT},
	    {"SOURCE", TABLE_LEFT}, {"DEFAULT", TABLE_LEFT}};
	const char *prefix = args_word(c->args, 0);
	struct show show = {.prefix = prefix != NULL ? prefix : ""};
	struct arena *a = arena_new(ARENA_MAX);
	enum cli_exit result = CLI_DONE;

	show.table = table_new(columns, COUNT_OF(columns));
	if (!settings_each(body, a, show_add, &show)) {
		result = cli_bad_answer(c, "expected a list of settings");
	} else if (table_rows(show.table) == 0) {
		cli_say("no setting begins with '%s'; 'schedctl config' lists "
			"all",
		    show.prefix);
		result = CLI_REFUSED;
	} else {
		cli_write_table(c, show.table);
	}
	table_free(show.table);
	arena_free(a);
	return result;
}

enum cli_exit
cmd_config_show(struct cli *c)
{
	struct client_answer answer;
	enum cli_exit result = cli_get(c, "/v1/config", &answer);

	if (result == CLI_DONE && c->json)
		return cli_document(c, &answer);
	return result == CLI_DONE ? show_print(c, answer.body) : result;
}

/* ---- get -------------------------------------------------------------- */

/* "log.janitor" is short for "log.level.janitor"; a setting that is really
 * called so comes first. */
struct find {
	struct span name;
	char level_name[NAME_MAX_BYTES];
	struct setting found; /* name empty: none */
};

static bool
find_look(const struct setting *s, void *arg)
{
	struct find *find = arg;

	if (span_eq(s->name, find->name)) {
		find->found = *s;
		return false;
	}
	if (span_is(s->name, find->level_name))
		find->found = *s;
	return true;
}

static void
find_init(struct find *find, const char *name)
{
	const char *short_name = strncmp(name, "log.", 4) == 0 ? name + 4 : "";

	*find = (struct find){.name = span_of(name), .found.name = {"", 0}};
	if (*short_name != '\0' &&
	    strlen(short_name) < NAME_MAX_BYTES - sizeof("log.level."))
		snprintf(find->level_name, sizeof(find->level_name),
		    "log.level.%s", short_name);
}

enum cli_exit
cmd_config_get(struct cli *c)
{
	const char *name = args_word(c->args, 0);
	struct client_answer answer;
	enum cli_exit result = cli_get(c, "/v1/config", &answer);
	struct arena *a;
	struct find find;

	if (result != CLI_DONE)
		return result;
	a = arena_new(ARENA_MAX);
	find_init(&find, name);
	if (!settings_each(answer.body, a, find_look, &find)) {
		result = cli_bad_answer(c, "expected a list of settings");
	} else if (find.found.name.len == 0) {
		cli_say("there is no setting '%s'; 'schedctl config' lists "
			"them",
		    name);
		result = CLI_REFUSED;
	} else if (c->json) {
		cli_write_json(c, find.found.raw);
	} else {
		cli_write_line(c, "%.*s", SPAN_ARG(find.found.value));
	}
	arena_free(a);
	return result;
}

/* ---- set -------------------------------------------------------------- */

static bool
set_tell(const struct setting *s, void *arg)
{
	struct cli *c = arg;
	struct span value = s->value;

	if (value.len == 0)
		value = SPAN("as log.level");
	if (span_is(s->source, "http"))
		cli_write_line(c,
		    "%.*s is %.*s until the next restart or reload",
		    SPAN_ARG(s->name), SPAN_ARG(value));
	else
		cli_write_line(c, "%.*s is %.*s, as the settings say",
		    SPAN_ARG(s->name), SPAN_ARG(value));
	return true;
}

static void
set_body(struct buf *body, const char *name, const char *level)
{
	buf_add_char(body, '{');
	buf_add_json(body, span_of(name));
	buf_add_char(body, ':');
	if (*level == '\0' || strcmp(level, "default") == 0)
		buf_add_str(body, "null");
	else
		buf_add_json(body, span_of(level));
	buf_add_char(body, '}');
}

enum cli_exit
cmd_config_set(struct cli *c)
{
	struct client_request request = {
	    .method = "PATCH", .path = "/v1/config"};
	struct client_answer answer;
	enum cli_exit result;
	struct arena *a;
	struct buf body;

	buf_init(&body, BODY_MAX);
	set_body(&body, args_word(c->args, 0), args_word(c->args, 1));
	if (body.failed) {
		buf_clear(&body);
		return cli_usage(c, "SETTING and LEVEL: expected less text");
	}
	request.body = buf_span(&body);
	result = cli_call(c, &request, &answer);
	buf_clear(&body);
	if (result == CLI_DONE && c->json)
		return cli_document(c, &answer);
	if (result != CLI_DONE || c->quiet)
		return result;
	a = arena_new(ARENA_MAX);
	if (!settings_each(answer.body, a, set_tell, c))
		result = cli_bad_answer(c, "expected a list of settings");
	arena_free(a);
	return result;
}
