#ifndef SCHEDD_BENCH_HTTP_CLIENT_H
#define SCHEDD_BENCH_HTTP_CLIENT_H

/* As much of HTTP/1.1 as a driver needs: requests with a JSON body, answers
 * with a Content-Length. */

#include <stdbool.h>

#include "core/buf.h"

struct conn;

/* Adds a request to c->out and expects its answer; body may be NULL. */
void http_client_request(struct conn *c, const char *method, const char *path,
    const struct buf *body);
/* Consumes one answer: false while it is not all there. Anything but 2xx
 * ends the program. */
bool http_client_answer(struct conn *c, struct span *body);

#endif
