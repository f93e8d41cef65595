/*
 * A proxy that misbehaves on command, between a program and its server.
 *
 *	faultproxy LISTEN TARGET [SEED]
 *
 * LISTEN and TARGET are unix:/path or tcp:127.0.0.1:port (port 0 to listen:
 * any). It prints "listening ADDRESS", then obeys lines on stdin, each
 * answered by "ok" or "error", and ends when stdin does. WAY is up (to the
 * target) or down (to the client), and down when it is left out:
 *
 *	delay MS [WAY]       hold every piece that long (0: no more)
 *	jitter MS [WAY]      and up to so much more, at random
 *	rate N [WAY]         at most N bytes a second (0: no more)
 *	slice N [WAY]        at most N bytes per write (0: no more)
 *	stall [WAY]          forward nothing; resume [WAY] ends it
 *	cut N [WAY]          after N more bytes, reset that connection
 *	flip N [WAY]         damage the Nth byte from now (0: the next)
 *	say TEXT             send TEXT to every client; \r \n \\ are known
 *	half-close           end the stream to every client, go on reading
 *	reset                reset every connection
 *	close                close every connection in order
 *	refuse               close the listening socket; accept opens it again
 *	clear                undo delay, jitter, rate, slice, stall, cut, flip
 *	count                answers "ok N": how many connections are open
 *	cuts                 answers "ok N": how many cuts were made
 */

#define _GNU_SOURCE /* accept4 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	CONN_MAX = 128,
	PIECE_BYTES = 16 * 1024,
	HELD_BYTES = 1024 * 1024, /* per way: then it stops reading */
	WAIT_MAX_MS = 1000,
	RATE_STEP_MS = 20
};

enum way { UP, DOWN, WAY_COUNT };

/* Bytes on their way, not before their time. */
struct piece {
	struct piece *next;
	int64_t due_ms;
	size_t len, off;
	char bytes[];
};

struct flow {
	struct piece *first, *last;
	size_t held;
	bool ended; /* its source has closed */
	bool shut;  /* and that was handed on */
};

struct conn {
	int fd[WAY_COUNT]; /* where bytes of that way go to */
	struct flow flow[WAY_COUNT];
};

struct fault {
	long delay_ms, jitter_ms, slice;
	long rate;        /* bytes per second; 0: any */
	long credit;      /* of them, bytes that may go now */
	int64_t credited; /* until when they were counted, ms */
	long cut, flip;   /* bytes until then; -1: not at all */
	bool stall;
};

struct address {
	struct sockaddr_storage addr;
	socklen_t len;
};

static struct conn *conns[CONN_MAX];
static size_t conn_count;
static struct fault faults[WAY_COUNT];
static struct address listen_at, target_at;
static int listen_fd = -1;
static uint64_t seed = 1;
static long cut_count;

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "faultproxy: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* xorshift: the same seed damages the same bits. */
static unsigned
random_below(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % n;
}

static void
faults_clear(void)
{
	static const struct fault none = {.cut = -1, .flip = -1};

	faults[UP] = faults[DOWN] = none;
}

/* ---- addresses -------------------------------------------------------- */

static void
address_parse(struct address *a, const char *text)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&a->addr;
	struct sockaddr_in *in = (struct sockaddr_in *)&a->addr;
	const char *port = strrchr(text, ':');

	memset(a, 0, sizeof(*a));
	if (strncmp(text, "unix:", 5) == 0 &&
	    strlen(text + 5) < sizeof(un->sun_path)) {
		un->sun_family = AF_UNIX;
		memcpy(un->sun_path, text + 5, strlen(text + 5) + 1);
		a->len = sizeof(*un);
	} else if (strncmp(text, "tcp:127.0.0.1:", 14) == 0) {
		in->sin_family = AF_INET;
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		in->sin_port = htons((uint16_t)strtoul(port + 1, NULL, 10));
		a->len = sizeof(*in);
	} else {
		errno = EINVAL;
		die(text);
	}
}

static void
listen_open(void)
{
	const struct sockaddr_un *un = (struct sockaddr_un *)&listen_at.addr;
	int one = 1;

	if (listen_fd >= 0)
		return;
	listen_fd = socket(listen_at.addr.ss_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (un->sun_family == AF_UNIX)
		unlink(un->sun_path);
	setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listen_fd, (struct sockaddr *)&listen_at.addr,
		listen_at.len) != 0 ||
	    listen(listen_fd, CONN_MAX) != 0)
		die("listen");
	/* The port that was picked is kept for the next time. */
	if (listen_at.addr.ss_family == AF_INET)
		getsockname(listen_fd, (struct sockaddr *)&listen_at.addr,
		    &listen_at.len);
}

/* A unix socket's file stays, so that connecting is refused there as well. */
static void
listen_close(void)
{
	if (listen_fd >= 0)
		close(listen_fd);
	listen_fd = -1;
}

static void
listen_print(void)
{
	if (listen_at.addr.ss_family == AF_UNIX)
		printf("listening unix:%s\n",
		    ((struct sockaddr_un *)&listen_at.addr)->sun_path);
	else
		printf("listening tcp:127.0.0.1:%u\n",
		    ntohs(((struct sockaddr_in *)&listen_at.addr)->sin_port));
	fflush(stdout);
}

/* ---- connections ------------------------------------------------------ */

static void
flow_clear(struct flow *f)
{
	while (f->first != NULL) {
		struct piece *p = f->first;

		f->first = p->next;
		free(p);
	}
}

static void
conn_free(size_t i, bool reset)
{
	struct linger linger = {.l_onoff = 1};
	struct conn *c = conns[i];

	if (reset)
		setsockopt(c->fd[DOWN], SOL_SOCKET, SO_LINGER, &linger,
		    sizeof(linger));
	close(c->fd[DOWN]);
	close(c->fd[UP]);
	flow_clear(&c->flow[UP]);
	flow_clear(&c->flow[DOWN]);
	free(c);
	conns[i] = conns[--conn_count];
}

static void
set_nodelay(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void
conn_accept(void)
{
	int client =
	    accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int target;
	struct conn *c;

	if (client < 0)
		return;
	target = socket(target_at.addr.ss_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (conn_count == CONN_MAX || target < 0 ||
	    (connect(target, (struct sockaddr *)&target_at.addr,
		 target_at.len) != 0 &&
		errno != EINPROGRESS)) {
		close(client);
		close(target);
		return;
	}
	set_nodelay(client);
	set_nodelay(target);
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		die("memory");
	c->fd[DOWN] = client;
	c->fd[UP] = target;
	conns[conn_count++] = c;
}

/* ---- bytes ------------------------------------------------------------ */

/* Reads what goes that way. False: the connection failed. */
static bool
flow_read(struct conn *c, enum way way)
{
	struct fault *fault = &faults[way];
	struct flow *f = &c->flow[way];
	struct piece *p = malloc(sizeof(*p) + PIECE_BYTES);
	ssize_t n;

	if (p == NULL)
		die("memory");
	n = read(c->fd[way == UP ? DOWN : UP], p->bytes, PIECE_BYTES);
	if (n <= 0) {
		free(p);
		f->ended = n == 0;
		return n == 0 || errno == EAGAIN || errno == EINTR;
	}
	if (fault->flip >= 0 && fault->flip < n)
		p->bytes[fault->flip] ^= (char)(1u << random_below(7));
	if (fault->flip >= 0)
		fault->flip = fault->flip < n ? -1 : fault->flip - n;
	p->len = (size_t)n;
	p->off = 0;
	p->next = NULL;
	p->due_ms = now_ms() + fault->delay_ms;
	if (fault->jitter_ms > 0)
		p->due_ms += random_below((unsigned)fault->jitter_ms + 1);
	/* A stream keeps its order. */
	if (f->first != NULL && p->due_ms < f->last->due_ms)
		p->due_ms = f->last->due_ms;
	if (f->first == NULL)
		f->first = p;
	else
		f->last->next = p;
	f->last = p;
	f->held += p->len;
	return true;
}

static bool
flow_is_due(const struct flow *f, enum way way)
{
	const struct fault *fault = &faults[way];

	return !fault->stall && f->first != NULL &&
	       f->first->due_ms <= now_ms() &&
	       (fault->rate == 0 || fault->credit > 0);
}

/* A step's worth of bytes at a time, and none saved up. */
static void
rate_credit(struct fault *fault)
{
	int64_t now = now_ms();

	if (fault->rate == 0 || now - fault->credited < RATE_STEP_MS)
		return;
	fault->credit = fault->rate * RATE_STEP_MS / 1000 + 1;
	fault->credited = now;
}

static size_t
flow_allowed(const struct piece *p, const struct fault *fault)
{
	size_t n = p->len - p->off;

	if (fault->slice > 0 && n > (size_t)fault->slice)
		n = (size_t)fault->slice;
	if (fault->cut >= 0 && n > (size_t)fault->cut)
		n = (size_t)fault->cut;
	if (fault->rate > 0 && n > (size_t)fault->credit)
		n = (size_t)fault->credit;
	return n;
}

/* Writes one piece or slice. False: failed, or it is time to cut. */
static bool
flow_write(struct conn *c, enum way way)
{
	struct fault *fault = &faults[way];
	struct flow *f = &c->flow[way];
	struct piece *p = f->first;
	ssize_t n = 0;

	if (fault->cut != 0)
		n = send(c->fd[way], p->bytes + p->off, flow_allowed(p, fault),
		    MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	p->off += (size_t)n;
	f->held -= (size_t)n;
	fault->credit -= n;
	if (p->off == p->len) {
		f->first = p->next;
		free(p);
	}
	if (fault->cut < 0)
		return true;
	fault->cut -= n;
	if (fault->cut > 0)
		return true;
	fault->cut = -1;
	cut_count++;
	return false;
}

/* One way's turn. False: the connection is over. */
static bool
flow_turn(struct conn *c, enum way way, bool readable, bool writable)
{
	struct flow *f = &c->flow[way];

	if (readable && !flow_read(c, way))
		return false;
	if (writable && flow_is_due(f, way) && !flow_write(c, way))
		return false;
	if (f->ended && !f->shut && f->first == NULL && !faults[way].stall) {
		shutdown(c->fd[way], SHUT_WR);
		f->shut = true;
	}
	return !(c->flow[UP].shut && c->flow[DOWN].shut);
}

/* ---- commands --------------------------------------------------------- */

static void
each_conn_free(bool reset)
{
	while (conn_count > 0)
		conn_free(0, reset);
}

static void
say(const char *text)
{
	char out[1024];
	size_t n = 0, i;

	for (; *text != '\0' && n < sizeof(out); text++) {
		if (*text == '\\' && text[1] != '\0') {
			text++;
			out[n++] = *text == 'r'   ? '\r'
				   : *text == 'n' ? '\n'
						  : *text;
		} else {
			out[n++] = *text;
		}
	}
	for (i = 0; i < conn_count; i++)
		(void)!send(conns[i]->fd[DOWN], out, n, MSG_NOSIGNAL);
}

static void
half_close(void)
{
	size_t i;

	for (i = 0; i < conn_count; i++)
		shutdown(conns[i]->fd[DOWN], SHUT_WR);
}

/* Commands about one way, with or without a number. */
static bool
obey_way(const char *word, long n, struct fault *fault)
{
	if (strcmp(word, "delay") == 0)
		fault->delay_ms = n;
	else if (strcmp(word, "jitter") == 0)
		fault->jitter_ms = n;
	else if (strcmp(word, "rate") == 0)
		fault->rate = n;
	else if (strcmp(word, "slice") == 0)
		fault->slice = n;
	else if (strcmp(word, "cut") == 0)
		fault->cut = n;
	else if (strcmp(word, "flip") == 0)
		fault->flip = n;
	else if (strcmp(word, "stall") == 0)
		fault->stall = true;
	else if (strcmp(word, "resume") == 0)
		fault->stall = false;
	else
		return false;
	return true;
}

static bool
obey_all(const char *word)
{
	if (strcmp(word, "reset") == 0)
		each_conn_free(true);
	else if (strcmp(word, "close") == 0)
		each_conn_free(false);
	else if (strcmp(word, "half-close") == 0)
		half_close();
	else if (strcmp(word, "refuse") == 0)
		listen_close();
	else if (strcmp(word, "accept") == 0)
		listen_open();
	else if (strcmp(word, "clear") == 0)
		faults_clear();
	else
		return false;
	return true;
}

static void
obey(char *line)
{
	char word[16] = "", second[16] = "", third[16] = "";
	bool has_number;
	const char *way;

	if (strncmp(line, "say ", 4) == 0) {
		say(line + 4);
		printf("ok\n");
		return;
	}
	if (strcmp(line, "count") == 0) {
		printf("ok %zu\n", conn_count);
		return;
	}
	if (strcmp(line, "cuts") == 0) {
		printf("ok %ld\n", cut_count);
		return;
	}
	sscanf(line, "%15s %15s %15s", word, second, third);
	has_number = second[0] >= '0' && second[0] <= '9';
	way = has_number ? third : second;
	if (obey_all(word) || obey_way(word, strtol(second, NULL, 10),
				  &faults[strcmp(way, "up") == 0 ? UP : DOWN]))
		printf("ok\n");
	else
		printf("error\n");
}

/* Reads commands; the end of stdin ends the proxy. */
static void
commands_read(void)
{
	static char text[4096];
	static size_t len;
	char *end;
	ssize_t n = read(0, text + len, sizeof(text) - 1 - len);

	if (n <= 0) {
		each_conn_free(false);
		listen_close();
		exit(0);
	}
	len += (size_t)n;
	text[len] = '\0';
	while ((end = strchr(text, '\n')) != NULL) {
		*end = '\0';
		obey(text);
		len -= (size_t)(end + 1 - text);
		memmove(text, end + 1, len + 1);
	}
	if (len == sizeof(text) - 1)
		len = 0;
	fflush(stdout);
}

/* ---- the loop --------------------------------------------------------- */

static short
events_for(const struct conn *c, enum way to)
{
	enum way from = to == UP ? DOWN : UP;
	const struct flow *in = &c->flow[from];
	short events = 0;

	/* fd[to] is read for the other way and written for its own. */
	if (!in->ended && !faults[from].stall && in->held < HELD_BYTES)
		events |= POLLIN;
	if (flow_is_due(&c->flow[to], to))
		events |= POLLOUT;
	return events;
}

static int
wait_ms(void)
{
	int64_t wait = WAIT_MAX_MS, left;
	size_t i;
	int way;

	if (faults[UP].rate > 0 || faults[DOWN].rate > 0)
		wait = RATE_STEP_MS;
	for (i = 0; i < conn_count; i++)
		for (way = UP; way < WAY_COUNT; way++) {
			const struct piece *p = conns[i]->flow[way].first;

			if (p == NULL || faults[way].stall)
				continue;
			left = p->due_ms - now_ms();
			if (left > 0 && left < wait)
				wait = left;
		}
	return (int)wait;
}

static bool
conn_turn(struct conn *c, const struct pollfd *up, const struct pollfd *down)
{
	const short in = POLLIN | POLLHUP | POLLERR;
	const short out = POLLOUT | POLLHUP | POLLERR;

	return flow_turn(c, UP, (down->events & POLLIN) && down->revents & in,
		   up->revents & out) &&
	       flow_turn(c, DOWN, (up->events & POLLIN) && up->revents & in,
		   down->revents & POLLOUT);
}

static void
loop_once(void)
{
	static struct pollfd fds[2 + 2 * CONN_MAX];
	size_t i, n = conn_count;

	rate_credit(&faults[UP]);
	rate_credit(&faults[DOWN]);
	fds[0] = (struct pollfd){.fd = 0, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = listen_fd, .events = POLLIN};
	for (i = 0; i < n; i++) {
		short up = events_for(conns[i], UP);
		short down = events_for(conns[i], DOWN);

		/* A stalled socket that hung up would wake us for ever. */
		fds[2 + 2 * i] = (struct pollfd){
		    .fd = up != 0 ? conns[i]->fd[UP] : -1, .events = up};
		fds[3 + 2 * i] = (struct pollfd){
		    .fd = down != 0 ? conns[i]->fd[DOWN] : -1, .events = down};
	}
	if (poll(fds, (nfds_t)(2 + 2 * n), wait_ms()) < 0 && errno != EINTR)
		die("poll");
	for (i = n; i-- > 0;)
		if (!conn_turn(conns[i], &fds[2 + 2 * i], &fds[3 + 2 * i]))
			conn_free(i, true);
	if (fds[1].revents != 0 && listen_fd >= 0)
		conn_accept();
	if (fds[0].revents != 0)
		commands_read();
}

int
main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: faultproxy LISTEN TARGET [SEED]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	address_parse(&listen_at, argv[1]);
	address_parse(&target_at, argv[2]);
	if (argc > 3)
		seed = strtoull(argv[3], NULL, 10) * 2654435761u + 1;
	faults_clear();
	listen_open();
	listen_print();
	for (;;)
		loop_once();
}
