/* schedctl task ls: pages of tasks, printed as they come, so that a list of
 * any length needs the memory of one. */

#include <stdio.h>

#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/rows.h"
#include "cli/select.h"
#include "cli/task_view.h"
#include "core/clock.h"

enum {
	PATH_MAX_BYTES = 8192,
	ARENA_MAX = 1 << 30,
	LIMIT_DEFAULT = 100,
	PAGE = 1000
};

struct list {
	struct cli *c;
	struct selection chosen;
	struct table *table;
	struct buf path;
	struct buf after; /* where the next page begins; empty: nowhere */
	uint64_t count;
	bool is_open; /* a JSON document was begun */
};

/* ---- a page ----------------------------------------------------------- */

static enum cli_exit
list_path(struct list *l)
{
	uint64_t left = l->chosen.limit - l->count;
	enum cli_exit result;

	buf_reset(&l->path, PATH_MAX_BYTES);
	result = cli_queue_path(
	    l->c, args_word(l->c->args, 0), "/tasks?state=", &l->path);
	buf_add_str(&l->path, l->chosen.states[0]);
	buf_add_str(&l->path, "&limit=");
	buf_add_u64(&l->path, left < PAGE ? left : PAGE);
	select_add_query(&l->chosen, &l->path);
	if (l->after.len > 0) {
		buf_add_str(&l->path, "&after=");
		client_add_value(&l->path, buf_span(&l->after));
	}
	if (l->path.failed)
		return cli_usage(l->c, "what chooses the tasks is too long");
	return result;
}

static bool
list_add_task(struct list *l, struct scan *s, struct arena *a)
{
	struct span task;

	if (!scan_skip(s, &task))
		return false;
	if (l->c->json) {
		cli_write_json_part(l->c, l->count > 0 ? SPAN(",") : SPAN(""));
		cli_write_json_part(l->c, task);
	} else if (!task_view_add_row(l->table, l->chosen.states[0], task,
		       clock_now_ms(), a)) {
		return false;
	}
	l->count++;
	return true;
}

static void
list_begin_json(struct list *l)
{
	if (!l->c->json || l->is_open)
		return;
	l->is_open = l->c->has_json = true;
	cli_write_json_part(l->c, SPAN("{\"tasks\":["));
}

static enum cli_exit
list_add_page(struct list *l, struct span body)
{
	static const struct row_field fields[] = {
	    {"tasks", false}, {"after", false}};
	struct arena *a = arena_new(ARENA_MAX);
	struct span found[2];
	struct scan s;
	bool ok = row_read_all(body, a, fields, 2, found);

	scan_init(&s, ok ? found[0] : SPAN(""));
	ok = ok && scan_array(&s);
	if (ok)
		list_begin_json(l);
	while (ok && scan_item(&s))
		ok = list_add_task(l, &s, a);
	buf_reset(&l->after, PATH_MAX_BYTES);
	if (ok)
		buf_add_span(&l->after, found[1]);
	ok = ok && !l->after.failed;
	arena_free(a);
	return ok ? CLI_DONE : cli_bad_answer(l->c, "expected a page of tasks");
}

/* What the page brought goes out before the next one is asked for. */
static void
list_print_page(struct list *l)
{
	if (l->c->json || table_rows(l->table) == 0)
		return;
	cli_write_table(l->c, l->table);
	table_next_page(l->table);
	(void)fflush(stdout);
}

/* ---- the list --------------------------------------------------------- */

/* Pages until there are enough, or no more. A page may be empty and still
 * not the last. */
static enum cli_exit
list_run(struct list *l)
{
	struct client_answer answer;
	enum cli_exit result;

	do {
		result = list_path(l);
		if (result == CLI_DONE)
			result = cli_get(l->c, cli_path(&l->path), &answer);
		if (result == CLI_DONE)
			result = list_add_page(l, answer.body);
		if (result == CLI_DONE)
			list_print_page(l);
	} while (result == CLI_DONE && l->after.len > 0 &&
		 l->count < l->chosen.limit && ferror(stdout) == 0);
	return result;
}

/* The document is completed also when a page failed. */
static void
list_end_json(struct list *l)
{
	struct buf out;

	buf_init(&out, PATH_MAX_BYTES);
	buf_add_str(&out, "],\"after\":");
	if (l->after.len > 0)
		buf_add_json(&out, buf_span(&l->after));
	else
		buf_add_str(&out, "null");
	buf_add_str(&out, "}\n");
	cli_write_json_part(l->c, buf_span(&out));
	buf_clear(&out);
}

static void
list_end(struct list *l)
{
	if (l->c->quiet)
		return;
	if (l->count == 0 && l->after.len == 0)
		cli_say("no such tasks");
	if (l->after.len > 0)
		cli_say("there are more: --after %.*s",
		    SPAN_ARG(buf_span(&l->after)));
}

enum cli_exit
cmd_task_ls(struct cli *c)
{
	static const struct select_rules rules = {
	    "todo doing delayed failed dead finish", "todo", false};
	const char *after = args_value(c->args, "after");
	struct list l = {.c = c};
	enum cli_exit result = select_read(c, &rules, &l.chosen);

	if (result != CLI_DONE)
		return result;
	if (l.chosen.limit == UINT64_MAX)
		l.chosen.limit = LIMIT_DEFAULT;
	l.table = task_view_table(l.chosen.states[0]);
	buf_init(&l.path, PATH_MAX_BYTES);
	buf_init(&l.after, PATH_MAX_BYTES);
	if (after != NULL)
		buf_add_str(&l.after, after);
	result = list_run(&l);
	if (l.is_open)
		list_end_json(&l);
	else if (result == CLI_DONE)
		list_end(&l);
	table_free(l.table);
	buf_clear(&l.path);
	buf_clear(&l.after);
	return result;
}
