/*
 * The private redis-server's folders, locks, settings, and its fork and exec;
 * see redis_child_priv.h.
 */

#define _GNU_SOURCE /* close_range, getrandom */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/folder.h"
#include "core/log.h"
#include "core/mem.h"
#include "store/aof_tail.h"
#include "store/redis_child_priv.h"

enum {
	LOG_MAX_BYTES = 10 * 1024 * 1024,
	SETTINGS_MAX = 32 * 1024, /* fits a pipe, so writing never waits */
	LOCK_FD = 3,              /* in the child */
	TAIL_FD = 4,              /* there too, until exec */
	HIGH_FD = 10,             /* out of the way of 0 to 4 */
	EXIT_NO_EXEC = 127,
	EXIT_LOCKED = 126
};

static const char program_name[] = "redis-server";

static char *
join(const char *folder, const char *name)
{
	size_t size = strlen(folder) + strlen(name) + 2;
	char *path = xcalloc(size, 1);

	snprintf(path, size, "%s/%s", folder, name);
	return path;
}

/* ---- the place -------------------------------------------------------- */

static enum err
fail_state(struct buf *why, const char *path, const char *what)
{
	buf_addf(why, "state folder: %s %s: %s", what, path, strerror(errno));
	return ERR_STATE_DIR;
}

static enum err
lock_state(struct child_place *p, const char *state_dir, struct buf *why)
{
	char *path = join(state_dir, "schedd.lock");
	enum err err;

	p->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (p->lock_fd < 0) {
		err = fail_state(why, path, "cannot open");
	} else if (flock(p->lock_fd, LOCK_EX | LOCK_NB) == 0) {
		err = ERR_OK;
	} else if (errno == EWOULDBLOCK) {
		buf_addf(
		    why, "another schedd uses the state folder %s", state_dir);
		err = ERR_STATE_LOCKED;
	} else {
		err = fail_state(why, path, "cannot lock");
	}
	free(path);
	return err;
}

/* The first executable of that name in PATH, absolute. */
static char *
find_program(void)
{
	const char *at = getenv("PATH");
	char folder[PATH_MAX], *path;
	size_t len;

	for (; at != NULL && *at != '\0'; at += len + (at[len] == ':')) {
		len = strcspn(at, ":");
		if (*at != '/' || len >= sizeof(folder))
			continue;
		memcpy(folder, at, len);
		folder[len] = '\0';
		path = join(folder, program_name);
		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

static bool
socket_fits(const char *path)
{
	return strlen(path) < sizeof(((struct sockaddr_un *)NULL)->sun_path);
}

/* A new folder of ours alone below base. */
static bool
make_short_folder(struct child_place *p, const char *base)
{
	if (base == NULL || base[0] != '/')
		return false;
	p->short_folder = join(base, "schedd-XXXXXX");
	p->socket = join(p->short_folder, "redis.sock");
	if (socket_fits(p->socket) && mkdtemp(p->short_folder) != NULL) {
		free(p->socket);
		p->socket = join(p->short_folder, "redis.sock");
		return true;
	}
	free(p->socket);
	free(p->short_folder);
	p->socket = p->short_folder = NULL;
	return false;
}

static enum err
pick_socket(struct child_place *p, struct buf *why)
{
	p->socket = join(p->folder, "redis.sock");
	if (socket_fits(p->socket))
		return ERR_OK;
	free(p->socket);
	p->socket = NULL;
	if (make_short_folder(p, getenv("XDG_RUNTIME_DIR")) ||
	    make_short_folder(p, "/tmp"))
		return ERR_OK;
	return fail_state(why, p->folder, "too long for a socket, and /tmp");
}

static enum err
make_place(struct child_place *p, const char *state_dir, struct buf *why)
{
	char *real;

	if (!folder_make(state_dir))
		return fail_state(why, state_dir, "cannot make");
	real = realpath(state_dir, NULL);
	if (real == NULL)
		return fail_state(why, state_dir, "cannot resolve");
	p->folder = join(real, "redis");
	free(real);
	return ERR_OK;
}

enum err
child_place_open(struct child_place *p, const char *state_dir, struct buf *why)
{
	enum err err;

	*p = (struct child_place){.lock_fd = -1};
	err = make_place(p, state_dir, why);
	if (err == ERR_OK)
		err = lock_state(p, state_dir, why);
	if (err == ERR_OK && !folder_make(p->folder))
		err = fail_state(why, p->folder, "cannot make");
	if (err == ERR_OK && access(p->folder, W_OK | X_OK) != 0)
		err = fail_state(why, p->folder, "cannot write to");
	if (err == ERR_OK && (p->program = find_program()) == NULL) {
		buf_addf(why, "there is no %s in PATH", program_name);
		err = ERR_REDIS_SERVER;
	}
	if (err == ERR_OK)
		err = pick_socket(p, why);
	if (err != ERR_OK)
		child_place_close(p);
	else
		/* We hold the lock, so whoever still listens there belongs to
		 * a schedd that has ended: nobody may reach it any more. */
		unlink(p->socket);
	return err;
}

void
child_place_close(struct child_place *p)
{
	if (p->short_folder != NULL) {
		unlink(p->socket);
		rmdir(p->short_folder);
	}
	if (p->lock_fd >= 0)
		close(p->lock_fd);
	free(p->program);
	free(p->folder);
	free(p->socket);
	free(p->short_folder);
	*p = (struct child_place){.lock_fd = -1};
}

static int
open_in(const struct child_place *p, const char *name, int flags)
{
	char *path = join(p->folder, name);
	int fd = open(path, flags | O_CREAT | O_CLOEXEC, 0600);

	free(path);
	return fd;
}

pid_t
child_place_user(const struct child_place *p)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open_in(p, "redis.lock", O_RDWR);
	pid_t user = 0;

	if (fd < 0)
		return 0;
	if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
		user = lock.l_pid;
	close(fd);
	return user;
}

/* ---- settings --------------------------------------------------------- */

bool
child_make_password(char password[CHILD_SECRET_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[CHILD_SECRET_LEN / 2];
	size_t i;

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return false;
	for (i = 0; i < sizeof(bytes); i++) {
		password[2 * i] = digits[bytes[i] >> 4];
		password[2 * i + 1] = digits[bytes[i] & 15];
	}
	password[CHILD_SECRET_LEN] = '\0';
	explicit_bzero(bytes, sizeof(bytes));
	return true;
}

/* name "value" as Redis reads it in its settings. */
static void
add_setting(struct buf *b, const char *name, const char *value)
{
	buf_add_str(b, name);
	buf_add_str(b, " \"");
	for (; *value != '\0'; value++) {
		if ((unsigned char)*value < ' ')
			buf_addf(b, "\\x%02x", (unsigned char)*value);
		else if (*value == '"' || *value == '\\')
			buf_addf(b, "\\%c", *value);
		else
			buf_add_char(b, *value);
	}
	buf_add_str(b, "\"\n");
}

/* Through stdin, so that the password is on no command line and no disk. */
static void
add_settings(struct buf *b, const struct child_place *p, const char *password)
{
	char *log = join(p->folder, "redis.log");

	/* Listpacks are short: they are searched from end to end, and the
	 * tasks that fifty workers hold would pay for it. Rewriting a small
	 * file over and over costs a sixth of the processor under load; 256
	 * MiB are read in again in some seconds. */
	buf_add_str(b, "port 0\n"
		       "unixsocketperm 600\n"
		       "hash-max-listpack-entries 16\n"
		       "zset-max-listpack-entries 16\n"
		       "maxclients 128\n"
		       "databases 1\n"
		       "loglevel notice\n"
		       "appendonly yes\n"
		       "appendfsync always\n"
		       "aof-use-rdb-preamble yes\n"
		       "auto-aof-rewrite-percentage 100\n"
		       "auto-aof-rewrite-min-size 256mb\n"
		       "save \"\"\n"
		       "maxmemory-policy noeviction\n"
		       "enable-debug-command no\n"
		       "crash-log-enabled yes\n");
	add_setting(b, "unixsocket", p->socket);
	add_setting(b, "dir", p->folder);
	add_setting(b, "logfile", log);
	add_setting(b, "requirepass", password);
	free(log);
}

/* A pipe that already holds all settings and then ends; -1 on failure. */
static int
settings_pipe(const struct child_place *p, const char *password)
{
	struct buf text;
	int fds[2], code;
	ssize_t n = -1;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -1;
	buf_init(&text, SETTINGS_MAX);
	add_settings(&text, p, password);
	errno = ENAMETOOLONG;
	if (!text.failed)
		n = write(fds[1], text.data, text.len);
	code = errno;
	close(fds[1]);
	if (text.data != NULL)
		explicit_bzero(text.data, text.len);
	buf_clear(&text);
	if (n > 0)
		return fds[0];
	close(fds[0]);
	errno = code;
	return -1;
}

/* ---- fork and exec ---------------------------------------------------- */

static int
open_log(const struct child_place *p)
{
	char *path = join(p->folder, "redis.log");
	char *old = join(p->folder, "redis.log.1");
	struct stat st;

	if (stat(path, &st) == 0 && st.st_size > LOG_MAX_BYTES)
		rename(path, old);
	free(path);
	free(old);
	return open_in(p, "redis.log", O_WRONLY | O_APPEND);
}

struct spawn {
	const char *program;
	const char *folder;
	int settings_fd, log_fd, lock_fd, tail_fd;
	pid_t parent;
	sigset_t signals; /* the mask to go on with */
};

static void
reset_signals(const sigset_t *mask)
{
	struct sigaction sa = {.sa_handler = SIG_DFL};
	int signo;

	for (signo = 1; signo < NSIG; signo++)
		if (signo != SIGKILL && signo != SIGSTOP)
			sigaction(signo, &sa, NULL);
	sigprocmask(SIG_SETMASK, mask, NULL);
}

/* 0 to 4 become settings, log, log, lock, tail; nothing else stays open. */
static bool
move_fds(const struct spawn *s)
{
	int settings = fcntl(s->settings_fd, F_DUPFD, HIGH_FD);
	int log = fcntl(s->log_fd, F_DUPFD, HIGH_FD);
	int lock = fcntl(s->lock_fd, F_DUPFD, HIGH_FD);
	int tail = fcntl(s->tail_fd, F_DUPFD, HIGH_FD);

	return dup2(settings, 0) == 0 && dup2(log, 1) == 1 &&
	       dup2(log, 2) == 2 && dup2(lock, LOCK_FD) == LOCK_FD &&
	       dup3(tail, TAIL_FD, O_CLOEXEC) == TAIL_FD &&
	       close_range(TAIL_FD + 1, ~0U, 0) == 0;
}

/* Here, as it reads the whole file: schedd's loop must not wait for that. */
static bool
mend_tail(void)
{
	struct aof_tail tail = aof_tail_mend(AT_FDCWD);

	return write(TAIL_FD, &tail, sizeof(tail)) == (ssize_t)sizeof(tail);
}

/* In the child: nothing but calls that are safe after fork. */
static _Noreturn void
run_child(const struct spawn *s)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	/* A terminal's Ctrl-C must not end it before schedd has drained. */
	setsid();
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != s->parent)
		_exit(EXIT_NO_EXEC);
	if (!move_fds(s) || chdir(s->folder) != 0)
		_exit(EXIT_NO_EXEC);
	/* Record locks outlive exec and are not inherited by the children
	 * that Redis forks to rewrite its file. */
	if (fcntl(LOCK_FD, F_SETLK, &lock) != 0)
		_exit(EXIT_LOCKED);
	if (!mend_tail())
		_exit(EXIT_NO_EXEC);
	reset_signals(&s->signals);
	execl(s->program, program_name, "-", (char *)NULL);
	_exit(EXIT_NO_EXEC);
}

/* Forks with all signals blocked: a handler of ours must not run in the
 * child, where it would write into our own loop. */
static pid_t
fork_child(struct spawn *s)
{
	sigset_t all;
	pid_t pid;
	int code;

	s->parent = getpid();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &s->signals);
	pid = fork();
	if (pid == 0)
		run_child(s);
	code = errno;
	sigprocmask(SIG_SETMASK, &s->signals, NULL);
	errno = code;
	return pid;
}

static void
close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

pid_t
child_spawn(const struct child_place *p, const char *password, int *tail_fd)
{
	struct spawn s = {.program = p->program, .folder = p->folder};
	int code, tail[2] = {-1, -1};
	pid_t pid = -1;

	s.settings_fd = settings_pipe(p, password);
	s.log_fd = s.settings_fd < 0 ? -1 : open_log(p);
	s.lock_fd = s.log_fd < 0 ? -1 : open_in(p, "redis.lock", O_RDWR);
	if (s.lock_fd >= 0 && pipe2(tail, O_CLOEXEC | O_NONBLOCK) == 0) {
		s.tail_fd = tail[1];
		pid = fork_child(&s);
	}
	code = errno;
	close_if_open(s.settings_fd);
	close_if_open(s.log_fd);
	close_if_open(s.lock_fd);
	close_if_open(tail[1]);
	if (pid < 0)
		close_if_open(tail[0]);
	else
		*tail_fd = tail[0];
	errno = code;
	return pid;
}

/* ---- its log ---------------------------------------------------------- */

/* Cuts the last non-empty line out of text. */
static char *
last_line(char *text)
{
	size_t len = strlen(text);
	char *at;

	while (len > 0 && text[len - 1] <= ' ')
		text[--len] = '\0';
	at = strrchr(text, '\n');
	return at == NULL ? text : at + 1;
}

void
child_last_words(const struct child_place *p, char *dst, size_t size)
{
	char tail[1024];
	int fd = open_in(p, "redis.log", O_RDONLY);
	ssize_t n = 0;

	if (fd >= 0) {
		if (lseek(fd, -(off_t)(sizeof(tail) - 1), SEEK_END) < 0)
			(void)lseek(fd, 0, SEEK_SET);
		n = read(fd, tail, sizeof(tail) - 1);
		close(fd);
	}
	tail[n > 0 ? n : 0] = '\0';
	snprintf(dst, size, "%s", last_line(tail));
}
