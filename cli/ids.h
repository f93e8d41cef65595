#ifndef SCHEDD_CLI_IDS_H
#define SCHEDD_CLI_IDS_H

/*
 * Acting on tasks that are named one by one: each is told, and those that are
 * refused do not keep the others from it. Nothing is asked: they were named.
 */

#include "cli/cli.h"

/* On one of them. CLI_DONE also when it was refused alone; anything else ends
 * the run. All is told. */
struct ids;
typedef enum cli_exit ids_fn(struct ids *s, const char *id);

ids_fn ids_remove, ids_retry;

/* On the arguments behind the queue's name, with --dry-run. */
enum cli_exit ids_run(struct cli *c, ids_fn *one);

#endif
