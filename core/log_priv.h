#ifndef SCHEDD_CORE_LOG_PRIV_H
#define SCHEDD_CORE_LOG_PRIV_H

/*
 * What the files of the log share: log.c makes lines, log_out.c brings them
 * to where they belong, log_rate.c bounds what one client can cause.
 */

#include "core/log.h"

enum { LOG_LINE_MAX = 4096 /* with its line break; at most PIPE_BUF */ };

/* ---- log.c ------------------------------------------------------------ */

/* A line with its line break into dst; its length. pairs: fmt's, or "". */
size_t log_make_line(char dst[LOG_LINE_MAX], enum log_level level,
    const char *event, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- log_out.c -------------------------------------------------------- */

/* Takes one whole line of a component (LOG_COMPONENT_COUNT: of none). */
void log_out(enum log_component c, enum log_level level, struct span line);
/* Access lines of this turn, if any are held, go out. */
void log_out_flush(void);

/* ---- log_rate.c ------------------------------------------------------- */

/* Sums whose second is over are told; all of them when is_last. */
void log_rate_flush(bool is_last);

#endif
