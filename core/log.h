#ifndef SCHEDD_CORE_LOG_H
#define SCHEDD_CORE_LOG_H

/*
 * One line per event: "time level event key=value ...". The event name is a
 * constant whose first part is the component ("redis.lost"); each component
 * of log.def may have a level and a file of its own, else its lines go by
 * the common level to the common file, which is stderr unless one is named.
 * Values are quoted and escaped by log_quote or by the format %s helpers
 * below; never log bodies, keys or tokens.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

enum log_level {
	LOG_ERROR, /* someone must act */
	LOG_WARN,  /* we cope, and count it */
	LOG_INFO,  /* life cycle and access */
	LOG_DEBUG  /* every state change */
};

enum log_component {
#define L(name, about) LOG_COMPONENT_##name,
#include "core/log.def"
#undef L
	LOG_COMPONENT_COUNT
};

/* ---- levels ----------------------------------------------------------- */

/* A component that has no level of its own. */
enum { LOG_LEVEL_COMMON = -1 };

/* The common level, and that of one component or LOG_LEVEL_COMMON. */
void log_set_level(enum log_level level);
enum log_level log_level(void);
void log_set_component_level(enum log_component c, int level);
int log_component_level(enum log_component c);

/* "error" "warn" "info" "debug". */
const char *log_level_name(enum log_level level);
bool log_level_parse(struct span s, enum log_level *out);
const char *log_component_name(enum log_component c);
bool log_component_parse(struct span s, enum log_component *out);

/* Is a line of that level and event written? Saves building its values. */
extern enum log_level log_loudest; /* of all levels, ours to write */
bool log_look(enum log_level level, const char *event);
static inline bool
log_is_on(enum log_level level, const char *event)
{
	return level <= log_loudest && log_look(level, event);
}

/* ---- lines ------------------------------------------------------------ */

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

/* The value as it stands in a line: bare when it is plain, else in double
 * quotes with \" \\ \n \xNN. Returns dst. size >= 5. */
const char *log_quote(char *dst, size_t size, struct span value);

/*
 * For lines that one client can cause as often as it likes: may this one be
 * written? Of an event each source has so many lines in a second, all sources
 * together ten times as many (0 sets no bound). Those beyond are counted, and
 * when the second is over a line "event peer=SOURCE suppressed=N" stands for
 * them. source is cut at 63 bytes; "*" is kept for all together.
 */
bool log_may(enum log_level level, const char *event, struct span source);
void log_set_rate(uint64_t lines_a_second);

/* ---- where they go ---------------------------------------------------- */

/* Absolute paths; "" = none of its own. The same path may stand often. */
struct log_files {
	const char *common; /* "": stderr */
	const char *errors; /* lines of level error, as a copy */
	const char *of[LOG_COMPONENT_COUNT];
};

/*
 * Opens the files that are not open yet; on failure a line for people is in
 * why, and nothing has changed. Then log_files_take says whether lines go
 * there from now on, or all stays as it was.
 */
enum err log_files_prepare(
    const struct log_files *files, struct buf *why) MUST_CHECK;
void log_files_take(bool is_taken);
/* Opens all files anew by their names: somebody has moved them. One that
 * cannot be opened is kept as it is, and told (log.kept). */
void log_files_reopen(void);
/* Writes out what is held; lines go to stderr again. */
void log_files_close(void);

/* Lines that were not written because a file took none: full, slow, gone. */
uint64_t log_dropped(void);
/* Tests: lines go to fn instead (NULL: back to where they belong). */
void log_set_sink(void (*fn)(const char *line, size_t len));

/* While on, lines of the component "access" wait for log_flush, which the
 * loop calls at the end of each turn; every other line goes out at once. */
void log_hold_access(bool on);
void log_flush(void);

#endif
