#ifndef SCHEDD_CORE_ERR_H
#define SCHEDD_CORE_ERR_H

/*
 * The error table: err.def is the only place where a number, an HTTP status
 * or a public text appears. docs/errors.md is held against it by lint.
 */

#include <stdbool.h>
#include <stddef.h>

struct buf;

/* ERR_OK is zero; the numbers that people see are in the table (000 is one
 * of them, the janitor's clean-up). */
enum err {
	ERR_OK = 0,
#define E(num, name, http, text) ERR_##name,
#include "core/err.def"
#undef E
	ERR_COUNT
};

struct err_info {
	const char *name; /* "QUEUE_UNKNOWN" */
	const char *text; /* public, fixed */
	int number;       /* printed E310, three digits */
	int http;         /* status of an answer that fails with it */
};

/* Never NULL: a value outside the table is reported as BUG. */
const struct err_info *err_info(enum err e);
/* The error with that public number, or ERR_OK when there is none. */
enum err err_by_number(int number);
/* What to do about it, as plain text: the last column of docs/errors.md. */
void err_add_advice(struct buf *out, enum err e);
/* The whole table as JSON:
 * {"errors":[{code,name,http,text,retryable,advice}]}. */
void err_print_table(struct buf *out);
/* May the same request be sent again later without changes? */
bool err_is_retryable(enum err e);

#endif
