/*
 * What a schedd that keeps the order in its own memory does at its start:
 * reads every task out of Redis and puts the ids in order. It prints how long
 * that took and how much memory the ids need, without payloads.
 *
 * usage: rebuild SOCKET KEY order|chunks
 */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	READ_BYTES = 1 << 20,
	SEQ_DIGITS = 8, /* behind the P of a value that carries its sequence */
	FIRST_TASKS = 1024,
	ID_MAX = 255
};

/* One task: where its id stands, its place in the order, its chunk. */
struct task {
	uint32_t id_at;
	uint32_t chunk;
	uint64_t seq;
	uint8_t id_len;
	uint8_t state, lane, attempts;
};

/* All that is kept. slots is a hash table of task numbers + 1. */
struct memory {
	struct task *tasks;
	size_t count, room;
	char *ids;
	size_t ids_len, ids_room;
	uint32_t *slots;
	size_t slots_count;
};

struct wire {
	int fd;
	char *bytes;
	size_t at, len, room;
};

static _Noreturn void
die(const char *what)
{
	(void)fprintf(stderr, "rebuild: %s\n", what);
	exit(1);
}

static void *
grow(void *p, size_t size)
{
	p = realloc(p, size);
	if (p == NULL)
		die("no memory");
	return p;
}

/* ---- what is kept -------------------------------------------------------- */

static uint64_t
hash_id(const char *id, size_t len)
{
	uint64_t h = 1469598103934665603U;

	while (len-- > 0)
		h = (h ^ (unsigned char)*id++) * 1099511628211U;
	return h ^ h >> 32;
}

static void
slot_put(struct memory *m, uint32_t number)
{
	const struct task *t = &m->tasks[number];
	size_t i = hash_id(m->ids + t->id_at, t->id_len);

	while (m->slots[i &= m->slots_count - 1] != 0)
		i++;
	m->slots[i] = number + 1;
}

static void
memory_double(struct memory *m)
{
	m->room = m->room == 0 ? FIRST_TASKS : m->room * 2;
	m->tasks = grow(m->tasks, m->room * sizeof(m->tasks[0]));
	m->slots_count = m->room * 2;
	free(m->slots);
	m->slots = calloc(m->slots_count, sizeof(m->slots[0]));
	if (m->slots == NULL)
		die("no memory");
	for (uint32_t i = 0; i < m->count; i++)
		slot_put(m, i);
}

static void
memory_add(struct memory *m, const char *id, size_t len, uint64_t seq)
{
	if (len == 0 || len > ID_MAX)
		die("an id of a wrong length");
	if (m->count == m->room)
		memory_double(m);
	if (m->ids_len + len > m->ids_room) {
		m->ids_room = m->ids_room * 2 + ID_MAX;
		m->ids = grow(m->ids, m->ids_room);
	}
	memcpy(m->ids + m->ids_len, id, len);
	m->tasks[m->count] = (struct task){
	    .id_at = (uint32_t)m->ids_len, .seq = seq, .id_len = (uint8_t)len};
	m->ids_len += len;
	slot_put(m, (uint32_t)m->count++);
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = ((const struct task *)a)->seq;
	uint64_t y = ((const struct task *)b)->seq;

	return x < y ? -1 : x > y;
}

/* Sorted where they lie, and found anew. */
static void
memory_order(struct memory *m)
{
	if (m->count == 0)
		return;
	qsort(m->tasks, m->count, sizeof(m->tasks[0]), compare);
	memset(m->slots, 0, m->slots_count * sizeof(m->slots[0]));
	for (uint32_t i = 0; i < m->count; i++)
		slot_put(m, i);
}

/* ---- Redis --------------------------------------------------------------- */

static void
wire_open(struct wire *w, const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(to.sun_path))
		die("the socket's path is too long");
	memcpy(to.sun_path, path, strlen(path));
	w->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (w->fd < 0 ||
	    connect(w->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		die("cannot connect");
}

static void
wire_send(const struct wire *w, const char *key, const char *cursor)
{
	char text[512];
	int n = snprintf(text, sizeof(text),
	    "*5\r\n$5\r\nHSCAN\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n"
	    "$5\r\nCOUNT\r\n$4\r\n1000\r\n",
	    strlen(key), key, strlen(cursor), cursor);

	if (n < 0 || (size_t)n >= sizeof(text) ||
	    write(w->fd, text, (size_t)n) != n)
		die("cannot write");
}

/* Reads more; what was read before stays. */
static void
wire_read(struct wire *w)
{
	ssize_t n;

	if (w->room - w->len < READ_BYTES) {
		w->room += READ_BYTES * 2;
		w->bytes = grow(w->bytes, w->room);
	}
	n = read(w->fd, w->bytes + w->len, READ_BYTES);
	if (n <= 0)
		die("the connection ended");
	w->len += (size_t)n;
}

/* The number of a line that begins with this letter. */
static size_t
wire_number(struct wire *w, char letter)
{
	const char *end;
	size_t n;

	while (w->len == w->at ||
	       (end = memchr(w->bytes + w->at, '\n', w->len - w->at)) == NULL)
		wire_read(w);
	if (w->bytes[w->at] != letter)
		die("an answer of another shape");
	n = strtoul(w->bytes + w->at + 1, NULL, 10);
	w->at = (size_t)(end - w->bytes) + 1;
	return n;
}

/* Where the next string stands; its length in *len. */
static size_t
wire_string(struct wire *w, size_t *len)
{
	size_t at;

	*len = wire_number(w, '$');
	while (w->len - w->at < *len + 2)
		wire_read(w);
	at = w->at;
	w->at += *len + 2;
	return at;
}

/* ---- reading all --------------------------------------------------------- */

static uint64_t
digits(const char *p, size_t n)
{
	uint64_t x = 0;

	while (n-- > 0)
		x = x * 10 + (uint64_t)(*p++ - '0');
	return x;
}

/* A chunk: a line for each task, its id in front. */
static void
add_chunk(struct memory *m, const char *p, size_t len, uint64_t seq)
{
	const char *end = p + len, *space, *line;

	for (; p < end; p = line + 1) {
		space = memchr(p, ' ', (size_t)(end - p));
		line = memchr(p, '\n', (size_t)(end - p));
		if (line == NULL)
			line = end;
		if (space == NULL || space > line)
			die("a chunk of another shape");
		memory_add(m, p, (size_t)(space - p), seq++);
	}
}

static void
read_field(struct wire *w, struct memory *m, int chunks)
{
	size_t id_len, len, id = wire_string(w, &id_len);
	size_t at = wire_string(w, &len);

	if (chunks)
		add_chunk(m, w->bytes + at, len, digits(w->bytes + id, id_len));
	else if (len <= SEQ_DIGITS)
		die("a value of another shape");
	else
		memory_add(m, w->bytes + id, id_len,
		    digits(w->bytes + at + 1, SEQ_DIGITS));
}

static void
read_all(struct wire *w, struct memory *m, const char *key, int chunks)
{
	char cursor[24] = "0";
	size_t at, len, n;

	do {
		w->at = w->len = 0;
		wire_send(w, key, cursor);
		(void)wire_number(w, '*');
		at = wire_string(w, &len);
		(void)snprintf(
		    cursor, sizeof(cursor), "%.*s", (int)len, w->bytes + at);
		for (n = wire_number(w, '*'); n > 0; n -= 2)
			read_field(w, m, chunks);
	} while (strcmp(cursor, "0") != 0);
}

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int
main(int argc, char **argv)
{
	struct wire wire = {0};
	struct memory m = {0};
	double began, read_ms, sorted_ms;

	if (argc != 4)
		die("usage: rebuild SOCKET KEY order|chunks");
	wire_open(&wire, argv[1]);
	began = now_ms();
	read_all(&wire, &m, argv[2], strcmp(argv[3], "chunks") == 0);
	read_ms = now_ms();
	memory_order(&m);
	sorted_ms = now_ms();
	printf("%zu %.0f %.0f %zu\n", m.count, read_ms - began,
	    sorted_ms - read_ms,
	    m.room * sizeof(m.tasks[0]) + m.ids_room +
		m.slots_count * sizeof(m.slots[0]));
	return 0;
}
