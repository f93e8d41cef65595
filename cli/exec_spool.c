/*
 * The spool of a worker: which file it is, what an earlier run left in it, and
 * what others left beside it; see exec_priv.h. A record is a report as one
 * object, with whose it is and for which server, so that none goes astray.
 */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "cli/exec_priv.h"
#include "cli/rows.h"
#include "core/arena.h"
#include "core/folder.h"

enum {
	ARENA_MAX = 64 << 20,
	SPOOLS_MAX = 256 /* of workers beside us */
};

/* ---- a record --------------------------------------------------------- */

static const struct row_field fields[REPORT_FIELDS] = {
    [REPORT_SERVER] = {"server", false},
    [REPORT_QUEUE] = {"queue", false},
    [REPORT_WORKER] = {"worker", false},
    [REPORT_KIND] = {"kind", false},
    [REPORT_ID] = {"id", false},
    [REPORT_ITEM] = {"item", true},
};

bool
exec_record_read(const struct spool_record *r, struct arena *a, struct span *f)
{
	return row_read_all((struct span){r->text, r->len}, a, fields,
		   REPORT_FIELDS, f) &&
	       (span_is(f[REPORT_KIND], "finished") ||
		   span_is(f[REPORT_KIND], "failed")) &&
	       name_is_valid(f[REPORT_WORKER]) && id_is_valid(f[REPORT_ID]) &&
	       f[REPORT_ITEM].len > 0;
}

struct spool_record *
exec_record_of(struct list *link)
{
	return CONTAINER_OF(link, struct spool_record, link);
}

/* ---- the file --------------------------------------------------------- */

/* "<state folder>/schedctl/QUEUE-SERVER-N.spool": one for each worker that
 * runs at a time. False without any place to put it. */
static bool
default_name(const struct exec *e, unsigned number, struct buf *name)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	const char *server = client_server(e->c->client);

	if (state != NULL && state[0] == '/')
		buf_addf(name, "%s/schedctl/", state);
	else if (home != NULL && home[0] == '/')
		buf_addf(name, "%s/.local/state/schedctl/", home);
	else
		return false;
	buf_addf(name, "%s-%08lx-%u.spool", e->plan->queue,
	    (unsigned long)crc32(
		0, (const Bytef *)server, (uInt)strlen(server)),
	    number);
	buf_add_char(name, '\0');
	return !name->failed;
}

/* Moves all records of the other spool into ours: on disk here before it is
 * gone there, as twice is no harm. */
static enum err
move_records(struct exec *e, struct spool *other, struct buf *why)
{
	struct list *pos;
	enum err err;

	LIST_FOREACH (pos, spool_records(other)) {
		struct spool_record *r = exec_record_of(pos);

		(void)spool_add(e->spool, (struct span){r->text, r->len});
	}
	err = spool_save(e->spool, why);
	if (err != ERR_OK)
		return err;
	while (!list_is_empty(spool_records(other)))
		spool_done(other, exec_record_of(spool_records(other)->next));
	return spool_save(other, why);
}

/* What another worker left behind becomes ours. */
static void
adopt(struct exec *e, const char *name)
{
	struct spool *other;
	enum err err;
	struct buf why;

	if (access(name, F_OK) != 0)
		return;
	buf_init(&why, EXEC_TEXT_MAX);
	err = spool_open(&other, name, &why);
	if (err == ERR_OK) {
		err = move_records(e, other, &why);
		spool_close(other);
	}
	if (err != ERR_OK && err != ERR_STATE_LOCKED)
		cli_say("spool %.*s", SPAN_ARG(buf_span(&why)));
	buf_clear(&why);
}

/* The first one that nobody uses. */
static enum err
open_free(struct exec *e, unsigned *number, struct buf *why)
{
	enum err err = ERR_STATE_LOCKED;
	struct buf name;

	buf_init(&name, EXEC_TEXT_MAX);
	for (*number = 1; err == ERR_STATE_LOCKED && *number <= SPOOLS_MAX;
	     ++*number) {
		buf_reset(&name, EXEC_TEXT_MAX);
		buf_reset(why, EXEC_TEXT_MAX);
		if (default_name(e, *number, &name)) {
			(void)folder_make_above(name.data);
			err = spool_open(&e->spool, name.data, why);
		} else {
			buf_add_str(why, "there is no state folder (HOME is "
					 "not set): --spool FILE is needed");
			err = ERR_USAGE;
		}
	}
	buf_clear(&name);
	return err;
}

/* Takes along what is in others that nobody uses: of workers that ran beside
 * ours, and were not started again. */
static enum err
open_default(struct exec *e, struct buf *why)
{
	unsigned number;
	enum err err = open_free(e, &number, why);
	struct buf name;

	buf_init(&name, EXEC_TEXT_MAX);
	for (; err == ERR_OK && number <= SPOOLS_MAX; number++) {
		buf_reset(&name, EXEC_TEXT_MAX);
		if (default_name(e, number, &name))
			adopt(e, name.data);
	}
	buf_clear(&name);
	return err;
}

/* Is every record one of ours? Another queue's, or for another server, would
 * be refused there and lost. */
static bool
check_records(struct exec *e, struct buf *why)
{
	struct arena *a = arena_new(ARENA_MAX);
	struct span f[REPORT_FIELDS];
	struct list *pos, *tmp;
	bool ok = true;

	LIST_FOREACH_SAFE (pos, tmp, spool_records(e->spool)) {
		struct spool_record *r = exec_record_of(pos);

		if (!exec_record_read(r, a, f)) {
			spool_set_aside(e->spool, r);
			e->lost++;
		} else if (ok && (!span_is(f[REPORT_QUEUE], e->plan->queue) ||
				     !span_is(f[REPORT_SERVER],
					 client_server(e->c->client)))) {
			buf_addf(why,
			    "'%s' holds reports of queue '%.*s' at %.*s",
			    spool_file(e->spool), SPAN_ARG(f[REPORT_QUEUE]),
			    SPAN_ARG(f[REPORT_SERVER]));
			ok = false;
		}
	}
	arena_free(a);
	return ok;
}

static void
tell_spool(const struct exec *e)
{
	uint64_t damaged = spool_damaged(e->spool);

	if (damaged > 0)
		cli_say("%s was damaged in %llu places: what cannot be read is "
			"in %s.aside",
		    spool_file(e->spool), (unsigned long long)damaged,
		    spool_file(e->spool));
	if (!exec_report_is_empty(e) && !e->c->quiet)
		cli_say("%zu reports of an earlier run go first",
		    exec_report_count(e));
}

enum cli_exit
exec_report_open(struct exec *e)
{
	struct buf why;
	enum err err;

	buf_init(&why, EXEC_TEXT_MAX);
	err = e->plan->spool != NULL
		  ? spool_open(&e->spool, e->plan->spool, &why)
		  : open_default(e, &why);
	if (err == ERR_OK && !check_records(e, &why))
		err = ERR_USAGE;
	if (err != ERR_OK)
		cli_say("spool %.*s", SPAN_ARG(buf_span(&why)));
	else
		tell_spool(e);
	e->is_replaying = err == ERR_OK && !exec_report_is_empty(e);
	e->is_unsure = e->is_replaying;
	buf_clear(&why);
	return err == ERR_OK ? CLI_DONE : CLI_USAGE;
}
