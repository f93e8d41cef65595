#ifndef SCHEDD_CLI_SETTINGS_H
#define SCHEDD_CLI_SETTINGS_H

/*
 * What schedctl itself goes by, such as where the server is. Each setting is
 * taken from the option, else from the environment, else from the file
 * (schedctl.conf), else it is what is built in; where it came from is kept,
 * for messages. docs/schedctl.md has the table of them.
 */

#include "cli/args.h"
#include "core/buf.h"
#include "core/err.h"

enum settings_key {
	SETTING_CA,
	SETTING_CERT,
	SETTING_JSON,
	SETTING_NO_COLOR,
	SETTING_QUIET,
	SETTING_SERVER,
	SETTING_TIMEOUT,
	SETTING_TOKEN_FILE,
	SETTING_COUNT
};

struct settings {
	struct {
		char *text; /* NULL: not set, and nothing is built in */
		char *from; /* "--server", "SCHEDCTL_SERVER", "file:3", "the
			       default" */
	} values[SETTING_COUNT];
};

/*
 * USAGE with a line in why when the file cannot be read or holds what it may
 * not (file and line are named), or when a value is none. settings_clear ends
 * them, also after a failure.
 */
enum err settings_load(
    struct settings *s, const struct args *args, struct buf *why) MUST_CHECK;
void settings_clear(struct settings *s);

const char *settings_text(const struct settings *s, enum settings_key which);
/* Of those that are yes or no. */
bool settings_is_on(const struct settings *s, enum settings_key which);
/* Of those that are a span of time. */
uint64_t settings_ms(const struct settings *s, enum settings_key which);
const char *settings_from(const struct settings *s, enum settings_key which);

#endif
