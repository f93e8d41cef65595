/* Redis addresses: urls and name resolution; see redis_addr.h. */

#include "store/redis_addr.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>

#include "core/loop.h"
#include "core/str.h"

/* One look-up with an evdns base of its own, so that a changed resolv.conf
 * counts at the next attempt and an end never waits for another's answer. */
struct resolve {
	struct loop *loop;
	struct evdns_base *dns;
	resolve_cb *cb; /* NULL: cancelled, or it was called */
	void *arg;
	uint16_t port;
	struct redis_addr addrs[REDIS_ADDR_MAX];
	size_t count;
	char reason[160];
	struct post post; /* tells the owner and frees */
	bool answered;
};

static bool
unix_addr(struct redis_url *out, const char *path, char *why, size_t size)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&out->addr.addr;
	size_t len = strlen(path);

	if (path[0] != '/' || len >= sizeof(un->sun_path)) {
		snprintf(why, size, "socket path %s (1 to %zu bytes): %s",
		    path[0] == '/' ? "is too long" : "is not absolute",
		    sizeof(un->sun_path) - 1, path);
		return false;
	}
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, len + 1);
	out->addr.len =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	return true;
}

/* host:port, host a name, an IPv4 address or an IPv6 one in brackets. */
static bool
tcp_addr(struct redis_url *out, const char *text, char *why, size_t size)
{
	const char *colon = strrchr(text, ':');
	int len = sizeof(out->addr.addr);
	uint64_t port;

	if (colon == NULL || colon == text ||
	    (size_t)(colon - text) >= sizeof(out->host) ||
	    !str_to_u64(span_of(colon + 1), &port) || port < 1 ||
	    port > 65535) {
		snprintf(why, size, "not host:port: %s", text);
		return false;
	}
	out->port = (uint16_t)port;
	if (evutil_parse_sockaddr_port(
		text, (struct sockaddr *)&out->addr.addr, &len) == 0) {
		out->addr.len = (socklen_t)len;
		return true;
	}
	memcpy(out->host, text, (size_t)(colon - text));
	if (strpbrk(out->host, "[]/@ :") == NULL)
		return true;
	snprintf(why, size, "not a host name or address: %s", text);
	return false;
}

bool
redis_url_parse(
    struct redis_url *out, const char *url, char *why, size_t why_size)
{
	static const char tcp[] = "tcp://", local[] = "unix:";

	memset(out, 0, sizeof(*out));
	if (strncmp(url, local, sizeof(local) - 1) == 0)
		return unix_addr(out, url + sizeof(local) - 1, why, why_size);
	if (strncmp(url, tcp, sizeof(tcp) - 1) == 0)
		return tcp_addr(out, url + sizeof(tcp) - 1, why, why_size);
	snprintf(why, why_size, "not unix:/path or tcp://host:port: %s", url);
	return false;
}

/* Ends the look-up behind evdns's back: never inside its callback. */
static void
resolve_on_post(void *arg)
{
	struct resolve *r = arg;
	resolve_cb *cb = r->cb;

	r->cb = NULL;
	if (r->dns != NULL)
		evdns_base_free(r->dns, 1);
	r->dns = NULL;
	if (cb != NULL)
		cb(r->addrs, r->count, r->reason, r->arg);
	free(r);
}

static void
resolve_add(struct resolve *r, const struct evutil_addrinfo *ai)
{
	struct redis_addr *a = &r->addrs[r->count];

	if (ai->ai_family != AF_INET && ai->ai_family != AF_INET6)
		return;
	memcpy(&a->addr, ai->ai_addr, ai->ai_addrlen);
	a->len = (socklen_t)ai->ai_addrlen;
	if (ai->ai_family == AF_INET)
		((struct sockaddr_in *)&a->addr)->sin_port = htons(r->port);
	else
		((struct sockaddr_in6 *)&a->addr)->sin6_port = htons(r->port);
	r->count++;
}

static void
resolve_on_answer(int result, struct evutil_addrinfo *res, void *arg)
{
	struct resolve *r = arg;
	const struct evutil_addrinfo *ai;

	for (ai = res; ai != NULL && r->count < REDIS_ADDR_MAX;
	     ai = ai->ai_next)
		resolve_add(r, ai);
	if (res != NULL)
		evutil_freeaddrinfo(res);
	if (r->count == 0)
		snprintf(r->reason, sizeof(r->reason),
		    "name resolution failed: %s",
		    result == 0 ? "no address" : evutil_gai_strerror(result));
	r->answered = true;
	loop_post(r->loop, &r->post);
}

struct resolve *
resolve_start(
    struct loop *loop, const struct redis_url *url, resolve_cb *cb, void *arg)
{
	struct resolve *r = xcalloc(1, sizeof(*r));
	struct evutil_addrinfo hints;

	r->loop = loop;
	r->cb = cb;
	r->arg = arg;
	r->port = url->port;
	post_init(&r->post, resolve_on_post, r);
	r->dns =
	    evdns_base_new(loop_base(loop), EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	ASSERT(r->dns != NULL);
	/* Reads the hosts file as well; without resolv.conf it falls back to
	 * a name server on this machine. */
	evdns_base_resolv_conf_parse(
	    r->dns, DNS_OPTIONS_ALL, "/etc/resolv.conf");
	memset(&hints, 0, sizeof(hints));
	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	evdns_getaddrinfo(
	    r->dns, url->host, NULL, &hints, resolve_on_answer, r);
	return r;
}

void
resolve_cancel(struct resolve *r)
{
	struct evdns_base *dns = r->dns;

	r->cb = NULL;
	if (r->answered)
		return;
	/* Fails the look-up; its callback comes from the loop and frees. */
	r->dns = NULL;
	evdns_base_free(dns, 1);
}
