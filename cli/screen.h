#ifndef SCHEDD_CLI_SCREEN_H
#define SCHEDD_CLI_SCREEN_H

/*
 * The whole terminal for one program: shows frames, reads keys, hears of a
 * new size, of Ctrl-Z and of the signals that end. The only file that knows
 * ncurses. Whichever way the program ends, the terminal is as it was.
 */

#include <stdbool.h>
#include <stddef.h>

#include "cli/frame.h"

struct screen;

/* Keys besides characters, which are themselves. */
enum screen_key {
	SCREEN_NONE = 0,
	SCREEN_CTRL_L = 12,
	SCREEN_ENTER = '\n',
	SCREEN_ESCAPE = 27,
	SCREEN_UP = 1000,
	SCREEN_DOWN,
	SCREEN_LEFT,
	SCREEN_RIGHT,
	SCREEN_PAGE_UP,
	SCREEN_PAGE_DOWN,
	SCREEN_HOME,
	SCREEN_END,
	SCREEN_BACKSPACE,
	SCREEN_GONE /* there is no terminal any more */
};

/* NULL when the terminal cannot be drawn on. One at a time. */
struct screen *screen_open(bool colour);
/* A terminal as it was; then, when a signal ended it that is not Ctrl-C, that
 * signal once more, for whoever waits for us. */
void screen_close(struct screen *s);

/* Descriptors to wait on: keys, signals. */
enum { SCREEN_FDS = 2 };
void screen_fds(const struct screen *s, int fds[SCREEN_FDS]);
/* What signals asked for: false to end. Stops here on Ctrl-Z. */
bool screen_heed(struct screen *s);
/* The next key that was typed; SCREEN_NONE when there is none. */
int screen_key(struct screen *s);
void screen_size(const struct screen *s, size_t *columns, size_t *lines);
void screen_show(struct screen *s, const struct frame *f);
/* Whatever stands there now, the next picture is drawn whole. */
void screen_redraw(struct screen *s);

#endif
