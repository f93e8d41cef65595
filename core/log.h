#ifndef SCHEDD_CORE_LOG_H
#define SCHEDD_CORE_LOG_H

/*
 * One line per event on stderr: "time level event key=value ...". The event
 * name is a constant whose first part is the component ("redis.lost"); each
 * component has its level. Values are quoted and escaped by log_quote or by
 * the format %s helpers below; never log bodies, keys or tokens.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/str.h"

enum log_level {
	LOG_ERROR, /* someone must act */
	LOG_WARN,  /* we cope, and count it */
	LOG_INFO,  /* life cycle and access */
	LOG_DEBUG  /* every state change */
};

/* The default level, and that of one component ("access"). */
void log_set_level(enum log_level level);
void log_set_component_level(const char *component, enum log_level level);
/* "error" "warn" "info" "debug". */
bool log_level_parse(struct span s, enum log_level *out);
/* Is a line of that level and event written? Saves building its values. */
bool log_is_on(enum log_level level, const char *event);
/* Lines that were not written because stderr took none: full or gone. */
uint64_t log_dropped(void);
/* Tests: lines go to fn instead of stderr (NULL: back to stderr). */
void log_set_sink(void (*fn)(const char *line, size_t len));

/* event: a literal "component.what". fmt: the key=value pairs, or "".
 * A line is cut at 4 KiB; control characters in values come out escaped. */
void log_write(enum log_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with the pairs already made, for a line that is written often. */
void log_write_span(enum log_level level, const char *event, struct span pairs);

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                                                 \
	do {                                                           \
		if (log_is_on(LOG_DEBUG, LOG_FIRST_(__VA_ARGS__, ""))) \
			log_write(LOG_DEBUG, __VA_ARGS__);             \
	} while (0)
#define LOG_FIRST_(first, ...) first

/* While on, lines of the component "access" wait for log_flush, which the
 * loop calls at the end of each turn; every other line goes out at once. */
void log_hold_access(bool on);
void log_flush(void);

/* The value as it stands in a line: bare when it is plain, else in double
 * quotes with \" \\ \n \xNN. Returns dst. size >= 5. */
const char *log_quote(char *dst, size_t size, struct span value);

#endif
