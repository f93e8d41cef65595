/* How many connections each address has open; see peers.h. */

#include "http/peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/list.h"
#include "core/mem.h"

enum { BUCKETS = 1024, KEY_MAX = 64 };

struct peer {
	struct list link; /* in its bucket */
	size_t count;
	char key[KEY_MAX];
};

struct peers {
	struct list buckets[BUCKETS];
};

/* Cuts "[v6]:port" to its first 64 bits; others lose their port only. */
static void
key_of(char key[KEY_MAX], const char *addr)
{
	const char *end = addr[0] == '[' ? strchr(addr, ']') + 1 : addr;
	size_t len;
	struct in6_addr v6;

	end += strcspn(end, addr[0] == 'u' ? "" : ":");
	len = (size_t)(end - addr);
	ASSERT(len < KEY_MAX);
	memset(key, 0, KEY_MAX);
	memcpy(key, addr, len);
	if (addr[0] != '[')
		return;
	key[len - 1] = '\0';
	if (inet_pton(AF_INET6, key + 1, &v6) != 1 || IN6_IS_ADDR_V4MAPPED(&v6))
		return;
	memset(v6.s6_addr + 8, 0, 8);
	ASSERT(inet_ntop(AF_INET6, &v6, key, KEY_MAX) != NULL);
}

static struct list *
bucket_of(struct peers *ps, const char *key)
{
	uint32_t h = 2166136261u;

	for (; *key != '\0'; key++)
		h = (h ^ (unsigned char)*key) * 16777619u;
	return &ps->buckets[h % BUCKETS];
}

static struct peer *
peer_find(const struct list *bucket, const char *key)
{
	struct list *pos;

	LIST_FOREACH (pos, bucket) {
		struct peer *p = CONTAINER_OF(pos, struct peer, link);

		if (strcmp(p->key, key) == 0)
			return p;
	}
	return NULL;
}

struct peers *
peers_new(void)
{
	struct peers *ps = xcalloc(1, sizeof(*ps));

	for (size_t i = 0; i < BUCKETS; i++)
		list_init(&ps->buckets[i]);
	return ps;
}

void
peers_free(struct peers *ps)
{
	for (size_t i = 0; ps != NULL && i < BUCKETS; i++)
		ASSERT(list_is_empty(&ps->buckets[i]));
	free(ps);
}

size_t
peers_count(struct peers *ps, const char *addr)
{
	char key[KEY_MAX];
	const struct peer *p;

	key_of(key, addr);
	p = peer_find(bucket_of(ps, key), key);
	return p == NULL ? 0 : p->count;
}

struct peer *
peers_join(struct peers *ps, const char *addr)
{
	char key[KEY_MAX];
	struct list *bucket;
	struct peer *p;

	key_of(key, addr);
	bucket = bucket_of(ps, key);
	p = peer_find(bucket, key);
	if (p == NULL) {
		p = xcalloc(1, sizeof(*p));
		memcpy(p->key, key, KEY_MAX);
		list_add_head(bucket, &p->link);
	}
	p->count++;
	return p;
}

void
peer_leave(struct peer *p)
{
	if (--p->count > 0)
		return;
	list_del(&p->link);
	free(p);
}

bool
peer_may_log(enum log_level level, const char *event, const char *addr)
{
	char key[KEY_MAX];

	if (!log_is_on(level, event))
		return false;
	key_of(key, addr);
	return log_may(level, event, span_of(key));
}
