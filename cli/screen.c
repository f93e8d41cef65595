/* The whole terminal, by ncurses; see screen.h. */

#include "cli/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define NCURSES_NOMACROS
#include <curses.h>

#include "core/mem.h"

enum { ESCAPE_MS = 25, LEAVE_MAX = 128, PAIR_GOOD = 1, PAIR_WARN, PAIR_BAD };

struct screen {
	SCREEN *terminal;
	bool has_colour;
	int ended_by; /* the signal, 0 = none */
};

/* For signal handlers: where they tell of themselves, and what an abort has
 * to undo by itself. */
static int signal_pipe[2] = {-1, -1};
static struct termios terminal_before;
static char leave[LEAVE_MAX];
static size_t leave_len;

/* ---- signals ----------------------------------------------------------- */

static const int heeded[] = {
    SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH};

static void
on_signal(int number)
{
	unsigned char byte = (unsigned char)number;
	int kept = errno;

	/* A full pipe has enough to tell already. */
	(void)!write(signal_pipe[1], &byte, 1);
	errno = kept;
}

/* An assertion failed: the terminal first, then the end. */
static void
on_abort(int number)
{
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
	(void)!write(STDOUT_FILENO, leave, leave_len);
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

static void
signal_set(int number, void (*handler)(int))
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = handler;
	(void)sigemptyset(&action.sa_mask);
	(void)sigaction(number, &action, NULL);
}

static void
signals_open(void)
{
	ASSERT(pipe(signal_pipe) == 0);
	for (size_t i = 0; i < 2; i++) {
		(void)fcntl(signal_pipe[i], F_SETFD, FD_CLOEXEC);
		(void)fcntl(signal_pipe[i], F_SETFL, O_NONBLOCK);
	}
	for (size_t i = 0; i < COUNT_OF(heeded); i++)
		signal_set(heeded[i], on_signal);
	signal_set(SIGABRT, on_abort);
}

static void
signals_close(void)
{
	for (size_t i = 0; i < COUNT_OF(heeded); i++)
		signal_set(heeded[i], SIG_DFL);
	signal_set(SIGABRT, SIG_DFL);
	(void)close(signal_pipe[0]);
	(void)close(signal_pipe[1]);
}

/* ---- open and close ---------------------------------------------------- */

static void
leave_add(const char *capability)
{
	char name[16];
	const char *text;
	size_t len;

	(void)snprintf(name, sizeof(name), "%s", capability);
	text = tigetstr(name);
	if (text == NULL || text == (char *)-1)
		return;
	len = strcspn(text, "$"); /* "$<5>": a pause of very old terminals */
	if (leave_len + len > sizeof(leave))
		return;
	memcpy(leave + leave_len, text, len);
	leave_len += len;
}

/* Can the cursor be put anywhere? */
static bool
has_places(void)
{
	char name[] = "cup";
	const char *text = tigetstr(name);

	return text != NULL && text != (char *)-1;
}

static void
colours_open(struct screen *s)
{
	short background = -1;

	if (!has_colors())
		return;
	(void)start_color();
	if (use_default_colors() != OK)
		background = COLOR_BLACK;
	(void)init_pair(PAIR_GOOD, COLOR_GREEN, background);
	(void)init_pair(PAIR_WARN, COLOR_YELLOW, background);
	(void)init_pair(PAIR_BAD, COLOR_RED, background);
	s->has_colour = true;
}

struct screen *
screen_open(bool colour)
{
	struct screen *s;
	SCREEN *terminal;

	if (tcgetattr(STDIN_FILENO, &terminal_before) != 0)
		return NULL;
	terminal = newterm(NULL, stdout, stdin);
	if (terminal == NULL)
		return NULL;
	if (!has_places()) {
		(void)endwin();
		delscreen(terminal);
		return NULL;
	}
	s = xcalloc(1, sizeof(*s));
	s->terminal = terminal;
	leave_len = 0;
	leave_add("sgr0");
	leave_add("cnorm");
	leave_add("rmcup");
	signals_open();
	(void)set_escdelay(ESCAPE_MS);
	(void)cbreak();
	(void)noecho();
	(void)nodelay(stdscr, TRUE);
	(void)keypad(stdscr, TRUE);
	(void)curs_set(0);
	if (colour)
		colours_open(s);
	return s;
}

void
screen_close(struct screen *s)
{
	int ended_by;

	if (s == NULL)
		return;
	ended_by = s->ended_by;
	(void)endwin();
	delscreen(s->terminal);
	free(s);
	signals_close();
	if (ended_by != 0 && ended_by != SIGINT)
		(void)raise(ended_by);
}

/* ---- what happens to it ------------------------------------------------ */

void
screen_fds(const struct screen *s, int fds[SCREEN_FDS])
{
	(void)s;
	fds[0] = STDIN_FILENO;
	fds[1] = signal_pipe[0];
}

static void
screen_resize(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 &&
	    size.ws_col > 0)
		(void)resizeterm(size.ws_row, size.ws_col);
}

/* The terminal is ours again, whatever was done to it meanwhile. */
static void
screen_enter(struct screen *s)
{
	(void)reset_prog_mode();
	screen_resize();
	screen_redraw(s);
	(void)refresh();
}

/* Ctrl-Z: gives the terminal back and stops, until somebody goes on. */
static void
screen_stop(struct screen *s)
{
	(void)endwin();
	signal_set(SIGTSTP, SIG_DFL);
	(void)raise(SIGTSTP);
	signal_set(SIGTSTP, on_signal);
	screen_enter(s);
}

static void
screen_on_signal(struct screen *s, int number)
{
	if (number == SIGWINCH)
		screen_resize();
	else if (number == SIGTSTP)
		screen_stop(s);
	else if (number == SIGCONT)
		screen_enter(s);
	else if (s->ended_by == 0)
		s->ended_by = number;
}

bool
screen_heed(struct screen *s)
{
	unsigned char byte;

	while (s->ended_by == 0 && read(signal_pipe[0], &byte, 1) == 1)
		screen_on_signal(s, byte);
	return s->ended_by == 0;
}

/* Input that can be read, and yet gives no key, is at its end. */
static bool
is_gone(void)
{
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&fd, 1, 0) == 1;
}

int
screen_key(struct screen *s)
{
	static const struct {
		int theirs, ours;
	} keys[] = {
	    {KEY_UP, SCREEN_UP},
	    {KEY_DOWN, SCREEN_DOWN},
	    {KEY_LEFT, SCREEN_LEFT},
	    {KEY_RIGHT, SCREEN_RIGHT},
	    {KEY_PPAGE, SCREEN_PAGE_UP},
	    {KEY_NPAGE, SCREEN_PAGE_DOWN},
	    {KEY_HOME, SCREEN_HOME},
	    {KEY_END, SCREEN_END},
	    {KEY_BACKSPACE, SCREEN_BACKSPACE},
	    {'\b', SCREEN_BACKSPACE},
	    {0x7f, SCREEN_BACKSPACE},
	    {KEY_ENTER, SCREEN_ENTER},
	    {'\r', SCREEN_ENTER},
	};
	int key;

	(void)s;
	do {
		key = getch();
		if (key == ERR)
			return is_gone() ? SCREEN_GONE : SCREEN_NONE;
	} while (key == KEY_RESIZE);
	for (size_t i = 0; i < COUNT_OF(keys); i++)
		if (keys[i].theirs == key)
			return keys[i].ours;
	return key > 0 && key < KEY_MIN ? key : SCREEN_NONE;
}

/* ---- showing ----------------------------------------------------------- */

void
screen_size(const struct screen *s, size_t *columns, size_t *lines)
{
	int height, width;

	(void)s;
	getmaxyx(stdscr, height, width);
	*columns = width > 0 ? (size_t)width : 1;
	*lines = height > 0 ? (size_t)height : 1;
}

static attr_t
attributes_of(const struct screen *s, enum frame_style style)
{
	static const struct {
		attr_t attributes;
		short pair;
	} looks[FRAME_STYLES] = {
	    [FRAME_PLAIN] = {A_NORMAL, 0},
	    [FRAME_DIM] = {A_DIM, 0},
	    [FRAME_BOLD] = {A_BOLD, 0},
	    [FRAME_GOOD] = {A_NORMAL, PAIR_GOOD},
	    [FRAME_WARN] = {A_NORMAL, PAIR_WARN},
	    [FRAME_BAD] = {A_BOLD, PAIR_BAD},
	    [FRAME_BAR] = {A_REVERSE, 0},
	    [FRAME_HEAD] = {A_UNDERLINE, 0},
	    [FRAME_HEAD_ON] = {A_UNDERLINE | A_BOLD, 0},
	};
	attr_t attributes = looks[style].attributes;

	if (s->has_colour && looks[style].pair != 0)
		attributes |= COLOR_PAIR(looks[style].pair);
	return attributes;
}

static void
fill_line(size_t line, attr_t attributes)
{
	(void)attrset(attributes);
	(void)mvhline((int)line, 0, ' ', getmaxx(stdscr));
}

/* Clean UTF-8, of which a terminal of single bytes sees only its ASCII. */
static void
put_text(struct span text)
{
	if (MB_CUR_MAX > 1) {
		(void)addnstr(text.p, (int)text.len);
		return;
	}
	for (size_t i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.p[i];

		if ((byte & 0xc0) != 0x80)
			(void)addch(byte < 0x80 ? byte : '?');
	}
}

void
screen_show(struct screen *s, const struct frame *f)
{
	size_t line = SIZE_MAX;

	(void)erase();
	for (size_t i = 0; i < f->run_count; i++) {
		const struct frame_run *run = &f->runs[i];
		attr_t attributes = run->line == f->marked
					? A_REVERSE
					: attributes_of(s, run->style);

		if (run->line != line && (attributes & A_REVERSE) != 0)
			fill_line(run->line, A_REVERSE);
		line = run->line;
		(void)attrset(attributes);
		(void)move((int)run->line, (int)run->column);
		put_text((struct span){f->text.data + run->at, run->len});
	}
	(void)refresh();
}

void
screen_redraw(struct screen *s)
{
	(void)s;
	(void)clearok(stdscr, TRUE);
}
