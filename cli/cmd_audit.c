/* schedctl audit ls, audit verify. */

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cmds.h"
#include "cli/rows.h"
#include "core/mem.h"
#include "core/secret.h"

enum { PATH_MAX_BYTES = 256, ARENA_MAX = 1 << 30, PAGE = 1000 };

/* One entry of a page. */
struct entry {
	uint64_t seq;
	struct span hash, text;
};

/* Where a chain begins or ends. */
struct end {
	uint64_t seq;
	struct span hash;
};

struct page {
	struct end checkpoint, last, lost; /* lost.hash "": none was */
	struct span list;
};

static bool
end_read(struct span json, struct arena *a, struct end *end)
{
	static const struct row_field fields[] = {
	    {"seq", false}, {"hash", false}};
	struct span f[2];

	if (!row_read_all(json, a, fields, 2, f) ||
	    !scan_to_u64(f[0], &end->seq))
		return false;
	end->hash = f[1];
	return true;
}

static bool
page_read(struct span body, struct arena *a, struct page *page)
{
	static const struct row_field fields[] = {{"checkpoint", false},
	    {"last", false}, {"entries", false}, {"lost", false}};
	struct span f[4];

	if (!row_read_all(body, a, fields, 4, f))
		return false;
	page->list = f[2];
	page->lost = (struct end){0, {"", 0}};
	if (f[3].len > 0 && !end_read(f[3], a, &page->lost))
		return false;
	return end_read(f[0], a, &page->checkpoint) &&
	       end_read(f[1], a, &page->last);
}

static bool
entry_read(struct scan *s, struct arena *a, struct entry *e)
{
	static const struct row_field fields[] = {
	    {"seq", false}, {"hash", false}, {"entry", false}};
	struct span f[3];

	if (!row_read(s, a, fields, 3, f) || !scan_to_u64(f[0], &e->seq))
		return false;
	e->hash = f[1];
	e->text = f[2];
	return true;
}

/* ---- ls --------------------------------------------------------------- */

static void
ls_add(struct table *t, struct arena *a, const struct entry *e)
{
	static const struct row_field fields[] = {{"at", false}, {"who", false},
	    {"addr", false}, {"action", false}, {"outcome", false},
	    {"queue", false}, {"channel", false}, {"id", false},
	    {"worker", false}, {"token", false}, {"change", false}};
	struct span f[11];

	table_add_u64(t, e->seq);
	if (!row_read_all(e->text, a, fields, 11, f))
		memset(f, 0, sizeof(f));
	for (size_t i = 0; i < 5; i++)
		table_add(t, f[i]);
	for (size_t i = 5; i < 11; i++) {
		if (f[i].len == 0)
			continue;
		table_add(t, f[i]);
		return;
	}
	table_add_str(t, "");
}

static enum cli_exit
ls_print(struct cli *c, struct span body)
{
	static const struct table_column columns[] = {{"SEQ", TABLE_RIGHT},
	    {"AT", TABLE_LEFT}, {"WHO", TABLE_LEFT}, {"FROM", TABLE_LEFT},
	    {"ACTION", TABLE_LEFT}, {"OUTCOME", TABLE_LEFT},
	    {"WHAT", TABLE_LEFT}};
	struct table *t = table_new(columns, COUNT_OF(columns));
	struct arena *a = arena_new(ARENA_MAX);
	enum cli_exit result = CLI_DONE;
	struct page page = {.list = {"", 0}};
	struct entry e;
	struct scan s;
	bool ok = page_read(body, a, &page);

	scan_init(&s, page.list);
	ok = ok && scan_array(&s);
	while (ok && scan_item(&s)) {
		ok = entry_read(&s, a, &e);
		if (ok)
			ls_add(t, a, &e);
	}
	if (!ok || scan_end(&s) != ERR_OK)
		result =
		    cli_bad_answer(c, "expected a page of the audit trail");
	else
		cli_write_table(c, t);
	table_free(t);
	arena_free(a);
	return result;
}

enum cli_exit
cmd_audit_ls(struct cli *c)
{
	const char *limit = args_value(c->args, "limit");
	const char *after = args_value(c->args, "after");
	struct client_answer answer = {0};
	enum cli_exit result;
	struct buf path;

	buf_init(&path, PATH_MAX_BYTES);
	buf_add_str(&path, "/v1/audit?limit=");
	client_add_value(&path, span_of(limit == NULL ? "100" : limit));
	if (after != NULL) {
		buf_add_str(&path, "&after=");
		client_add_value(&path, span_of(after));
	}
	if (path.failed)
		result = cli_usage(c, "expected numbers");
	else
		result = cli_get(c, cli_path(&path), &answer);
	buf_clear(&path);
	if (result == CLI_DONE && c->json)
		return cli_document(c, &answer);
	return result == CLI_DONE ? ls_print(c, answer.body) : result;
}

/* ---- verify ----------------------------------------------------------- */

/* The chain as far as it was followed. */
struct chain {
	uint64_t seq; /* of the last entry that fits */
	char hash[2 * DIGEST_LEN + 1];
	uint64_t count;
	bool is_begun;
	struct end noted; /* --tip: what must be in it; hash "": nothing */
	bool has_noted;   /* and it was */
};

static enum cli_exit
chain_broken(const struct chain *k, const char *what)
{
	cli_say("the audit trail is broken at entry %llu: %s",
	    (unsigned long long)k->seq + 1, what);
	return CLI_REFUSED;
}

static bool
chain_set(struct chain *k, const struct end *end)
{
	if (end->hash.len != 2 * DIGEST_LEN)
		return false;
	k->seq = end->seq;
	memcpy(k->hash, end->hash.p, end->hash.len);
	k->is_begun = true;
	return true;
}

/* The end that was noted once is still in the chain, as it was. */
static enum cli_exit
chain_look(struct chain *k)
{
	if (k->noted.hash.len == 0 || k->seq != k->noted.seq)
		return CLI_DONE;
	if (!span_is(k->noted.hash, k->hash)) {
		cli_say("the audit trail is not the one of --tip: entry %llu "
			"has the hash %s",
		    (unsigned long long)k->seq, k->hash);
		return CLI_REFUSED;
	}
	k->has_noted = true;
	return CLI_DONE;
}

static enum cli_exit
chain_end(const struct chain *k, const struct end *lost)
{
	if (lost->hash.len > 0) {
		cli_say("the audit trail was cut: the server knew entry %llu, "
			"%.*s, and did not find it again",
		    (unsigned long long)lost->seq, SPAN_ARG(lost->hash));
		return CLI_REFUSED;
	}
	if (k->noted.hash.len == 0 || k->has_noted)
		return CLI_DONE;
	if (k->noted.seq > k->seq)
		cli_say("the audit trail was cut: it ends at entry %llu, "
			"before that of --tip",
		    (unsigned long long)k->seq);
	else
		cli_say("the entry of --tip is older than all that are kept");
	return CLI_REFUSED;
}

static enum cli_exit
chain_add(struct chain *k, const struct entry *e)
{
	char hash[2 * DIGEST_LEN + 1];

	if (e->seq != k->seq + 1)
		return chain_broken(k, "it is missing");
	digest_chain(hash, span_of(k->hash), e->seq, e->text);
	if (!span_is(e->hash, hash))
		return chain_broken(
		    k, "its hash does not fit it and the one before");
	memcpy(k->hash, hash, sizeof(hash));
	k->seq = e->seq;
	k->count++;
	return chain_look(k);
}

/* *is_done: the end was reached. */
static enum cli_exit
chain_read(struct cli *c, struct chain *k, struct span body, bool *is_done)
{
	struct arena *a = arena_new(ARENA_MAX);
	enum cli_exit result = CLI_DONE;
	uint64_t before = k->count;
	struct page page = {.list = {"", 0}};
	struct entry e;
	struct scan s;
	bool is_first = !k->is_begun;
	bool ok = page_read(body, a, &page) &&
		  (k->is_begun || chain_set(k, &page.checkpoint));

	if (ok && is_first)
		result = chain_look(k);
	scan_init(&s, page.list);
	ok = ok && scan_array(&s);
	while (ok && result == CLI_DONE && scan_item(&s)) {
		ok = entry_read(&s, a, &e);
		if (ok)
			result = chain_add(k, &e);
	}
	*is_done = k->count - before < PAGE;
	if (!ok)
		result =
		    cli_bad_answer(c, "expected a page of the audit trail");
	else if (result == CLI_DONE && *is_done && k->seq != page.last.seq)
		result = chain_broken(k, "it is missing");
	else if (result == CLI_DONE && *is_done &&
		 !span_is(page.last.hash, k->hash))
		result = chain_broken(k, "the end has another hash");
	else if (result == CLI_DONE && *is_done)
		result = chain_end(k, &page.lost);
	arena_free(a);
	return result;
}

/* "N:HASH", as verify prints it. */
static bool
read_noted(const char *text, struct end *noted)
{
	const char *colon = text == NULL ? NULL : strchr(text, ':');

	*noted = (struct end){0, {"", 0}};
	if (text == NULL)
		return true;
	if (colon == NULL ||
	    !str_to_u64(
		(struct span){text, (size_t)(colon - text)}, &noted->seq))
		return false;
	noted->hash = span_of(colon + 1);
	return noted->hash.len == 2 * DIGEST_LEN;
}

enum cli_exit
cmd_audit_verify(struct cli *c)
{
	struct chain k = {.is_begun = false};
	enum cli_exit result = CLI_DONE;
	struct client_answer answer;
	char path[PATH_MAX_BYTES];
	bool is_done = false;

	if (!read_noted(args_value(c->args, "tip"), &k.noted))
		return cli_usage(c, "--tip: expected N:HASH, as verify prints");
	while (result == CLI_DONE && !is_done) {
		snprintf(path, sizeof(path), "/v1/audit?limit=%d&after=%llu",
		    PAGE, (unsigned long long)k.seq);
		result = cli_get(c, path, &answer);
		if (result == CLI_DONE)
			result = chain_read(c, &k, answer.body, &is_done);
	}
	if (result != CLI_DONE)
		return result;
	if (c->json) {
		snprintf(path, sizeof(path),
		    "{\"ok\":true,\"count\":%llu,\"last\":{\"seq\":%llu,"
		    "\"hash\":\"%s\"}}",
		    (unsigned long long)k.count, (unsigned long long)k.seq,
		    k.hash);
		cli_write_json(c, span_of(path));
	} else {
		cli_write_line(c, "%llu entries fit; the last is %llu:%s",
		    (unsigned long long)k.count, (unsigned long long)k.seq,
		    k.hash);
	}
	return CLI_DONE;
}
