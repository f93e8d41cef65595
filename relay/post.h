#ifndef SCHEDD_RELAY_POST_H
#define SCHEDD_RELAY_POST_H

/*
 * One POST after the other to another schedd, by libcurl, from the loop; the
 * connection is kept in between.
 */

#include <stdbool.h>

#include "core/buf.h"
#include "core/str.h"

struct loop;
struct post_client;

struct post_options {
	const char *url;   /* http://host:port or https://host:port */
	const char *path;  /* behind it */
	const char *token; /* "" = none */
	const char *ca;    /* PEM; "" = those that the system trusts */
};

/* status 0: no answer, and why says so for people. body is valid until the
 * callback returns. */
typedef void post_cb(int status, struct span body, const char *why, void *arg);

/* Copies what it is given. */
struct post_client *post_open(
    struct loop *loop, const struct post_options *options);
/* One at a time. body is kept until cb. */
void post_send(struct post_client *c, struct span body, post_cb *cb, void *arg);
/* cb of one that is under way is not called any more. */
void post_free(struct post_client *c);

#endif
