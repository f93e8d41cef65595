/*
 * How rows come into Postgres fastest, once each: the ways that a forwarder
 * could take, on one connection, in batches of four columns, each batch a
 * transaction that moves a position as well.
 *
 *	methods CONNINFO ROWS BATCH METHOD
 *
 * METHOD: literal (unnest of array literals), text (unnest of binary arrays
 * of text, cast), typed (unnest of binary arrays of the columns' types),
 * staging (COPY into a temporary table, then INSERT), copy (COPY into the
 * table itself: cannot skip rows that are there). Prints rows per second.
 * The table is bench.rows(id text primary key, n int8, t text, j jsonb).
 */

#include <arpa/inet.h>
#include <endian.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

enum { COLUMNS = 4, TEXT_OID = 25, INT8_OID = 20, JSONB_OID = 3802 };

#define POS                                                             \
	"WITH pos AS (UPDATE bench.position SET at = $1 WHERE at = $2 " \
	"RETURNING 1), ins AS (INSERT INTO bench.rows "
#define INTO_END                                                            \
	"WHERE EXISTS (SELECT 1 FROM pos) ON CONFLICT (id) DO NOTHING "     \
	"RETURNING 1) SELECT (SELECT count(*) FROM pos), (SELECT count(*) " \
	"FROM ins)"

static const char *const statements[] = {
    POS "SELECT * FROM unnest($3::text[], $4::int8[], $5::text[], "
	"$6::jsonb[]) " INTO_END,
    POS "SELECT a, b::int8, c, d::jsonb FROM unnest($3::text[], $4::text[], "
	"$5::text[], $6::text[]) AS u(a, b, c, d) " INTO_END,
};

struct bytes {
	char *p;
	size_t len, cap;
};

static void
add(struct bytes *b, const void *p, size_t n)
{
	if (b->len + n > b->cap) {
		b->cap = (b->len + n) * 2;
		b->p = realloc(b->p, b->cap);
		if (b->p == NULL)
			abort();
	}
	memcpy(b->p + b->len, p, n);
	b->len += n;
}

static void
add_u32(struct bytes *b, uint32_t n)
{
	n = htonl(n);
	add(b, &n, 4);
}

/* One row's values as text. */
static void
row_make(long i, char text[COLUMNS][160])
{
	snprintf(text[0], 160, "row-%012ld", i);
	snprintf(text[1], 160, "%ld", i * 7919);
	snprintf(text[2], 160,
	    "a text of some length, as a crawler brings it: number %ld", i);
	snprintf(text[3], 160, "{\"page\":%ld,\"tags\":[\"a\",\"b\"]}", i);
}

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
must(PGconn *c, PGresult *r)
{
	ExecStatusType st = PQresultStatus(r);

	if (st != PGRES_COMMAND_OK && st != PGRES_TUPLES_OK &&
	    st != PGRES_COPY_IN) {
		fprintf(stderr, "%s\n", PQerrorMessage(c));
		exit(1);
	}
	PQclear(r);
}

static void
do_sql(PGconn *c, const char *sql)
{
	must(c, PQexec(c, sql));
}

static void
array_head(struct bytes *b, uint32_t oid, uint32_t n)
{
	b->len = 0;
	add_u32(b, 1);
	add_u32(b, 0);
	add_u32(b, oid);
	add_u32(b, n);
	add_u32(b, 1);
}

static void
literal_add(struct bytes *b, const char *text)
{
	add(b, b->len == 0 ? "{\"" : ",\"", 2);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			add(b, "\\", 1);
		add(b, text, 1);
	}
	add(b, "\"", 1);
}

static void
typed_add(struct bytes *b, int column, const char *text)
{
	uint64_t n;

	if (column == 1) {
		n = htobe64((uint64_t)strtoll(text, NULL, 10));
		add_u32(b, 8);
		add(b, &n, 8);
	} else if (column == 3) {
		add_u32(b, (uint32_t)strlen(text) + 1);
		add(b, "\1", 1);
		add(b, text, strlen(text));
	} else {
		add_u32(b, (uint32_t)strlen(text));
		add(b, text, strlen(text));
	}
}

static void
batch_unnest(PGconn *c, const char *method, long first, int n)
{
	static struct bytes b[COLUMNS];
	static const uint32_t typed[] = {
	    TEXT_OID, INT8_OID, TEXT_OID, JSONB_OID};
	char at[2][32], text[COLUMNS][160];
	const char *values[COLUMNS + 2] = {at[1], at[0]};
	int lengths[COLUMNS + 2] = {0}, formats[COLUMNS + 2] = {0};
	bool is_literal = strcmp(method, "literal") == 0;
	bool is_typed = strcmp(method, "typed") == 0;

	snprintf(at[0], 32, "%ld", first);
	snprintf(at[1], 32, "%ld", first + n);
	for (int k = 0; k < COLUMNS; k++) {
		b[k].len = 0;
		if (!is_literal)
			array_head(
			    &b[k], is_typed ? typed[k] : TEXT_OID, (uint32_t)n);
	}
	for (long i = first; i < first + n; i++) {
		row_make(i, text);
		for (int k = 0; k < COLUMNS; k++) {
			if (is_literal) {
				literal_add(&b[k], text[k]);
			} else if (is_typed) {
				typed_add(&b[k], k, text[k]);
			} else {
				add_u32(&b[k], (uint32_t)strlen(text[k]));
				add(&b[k], text[k], strlen(text[k]));
			}
		}
	}
	for (int k = 0; k < COLUMNS; k++) {
		if (is_literal)
			add(&b[k], "}", 2);
		values[k + 2] = b[k].p;
		lengths[k + 2] = (int)b[k].len;
		formats[k + 2] = !is_literal;
	}
	must(c,
	    PQexecPrepared(c, "put", COLUMNS + 2, values, lengths, formats, 0));
}

/* COPY's text form: here nothing needs an escape but backslash. */
static void
copy_rows(PGconn *c, long first, int n)
{
	static struct bytes b;
	char text[COLUMNS][160];
	PGresult *r;

	b.len = 0;
	for (long i = first; i < first + n; i++) {
		row_make(i, text);
		for (int k = 0; k < COLUMNS; k++) {
			add(&b, text[k], strlen(text[k]));
			add(&b, k + 1 < COLUMNS ? "\t" : "\n", 1);
		}
	}
	if (PQputCopyData(c, b.p, (int)b.len) != 1 ||
	    PQputCopyEnd(c, NULL) != 1)
		exit(1);
	while ((r = PQgetResult(c)) != NULL)
		must(c, r);
}

static void
batch_copy(PGconn *c, bool is_staged, long first, int n)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
	    "BEGIN; UPDATE bench.position SET at = '%ld' WHERE at = '%ld'",
	    first + n, first);
	do_sql(c, sql);
	do_sql(c, is_staged ? "COPY staging FROM STDIN"
			    : "COPY bench.rows FROM STDIN");
	copy_rows(c, first, n);
	do_sql(c, is_staged ? "INSERT INTO bench.rows SELECT * FROM staging ON "
			      "CONFLICT (id) DO NOTHING; COMMIT"
			    : "COMMIT");
}

int
main(int argc, char **argv)
{
	PGconn *c;
	long rows;
	int batch;
	double began, took;
	bool is_copy, is_staged;

	if (argc != 5) {
		fputs("usage: methods CONNINFO ROWS BATCH METHOD\n", stderr);
		return 2;
	}
	c = PQconnectdb(argv[1]);
	if (PQstatus(c) != CONNECTION_OK) {
		fprintf(stderr, "%s", PQerrorMessage(c));
		return 1;
	}
	rows = strtol(argv[2], NULL, 10);
	batch = (int)strtol(argv[3], NULL, 10);
	is_staged = strcmp(argv[4], "staging") == 0;
	is_copy = is_staged || strcmp(argv[4], "copy") == 0;
	do_sql(c, "SET client_min_messages = warning");
	do_sql(c, "DROP SCHEMA IF EXISTS bench CASCADE; CREATE SCHEMA bench; "
		  "CREATE TABLE bench.rows (id text PRIMARY KEY, n int8, t "
		  "text, j jsonb); CREATE TABLE bench.position (at text); "
		  "INSERT INTO bench.position VALUES ('0'); "
		  "CREATE TEMP TABLE staging (LIKE bench.rows) ON COMMIT "
		  "DELETE ROWS");
	must(c, PQprepare(c, "put", statements[strcmp(argv[4], "text") == 0], 0,
		    NULL));
	began = now();
	for (long i = 0; i < rows; i += batch) {
		int n = i + batch > rows ? (int)(rows - i) : batch;

		if (is_copy)
			batch_copy(c, is_staged, i, n);
		else
			batch_unnest(c, argv[4], i, n);
	}
	took = now() - began;
	printf("%.0f\n", (double)rows / took);
	PQfinish(c);
	return 0;
}
