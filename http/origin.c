/* Where a request without a token may come from; see origin.h. */

/* For memmem and memrchr. */
#define _GNU_SOURCE

#include "http/origin.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

enum { HOST_MAX = 255 };

static bool
is_same(struct span a, struct span b)
{
	return a.len == b.len && strncasecmp(a.p, b.p, a.len) == 0;
}

/* ---- the name it was reached under ------------------------------------ */

/* Without the port. */
static struct span
host_name(struct span host)
{
	const char *colon = memrchr(host.p, ':', host.len);
	const char *bracket = memrchr(host.p, ']', host.len);

	if (colon != NULL && (bracket == NULL || bracket < colon))
		host.len = (size_t)(colon - host.p);
	return host;
}

static bool
is_address(const char *name, size_t len)
{
	struct in6_addr v6;
	struct in_addr v4;
	char inner[INET6_ADDRSTRLEN];

	if (name[0] != '[')
		return inet_pton(AF_INET, name, &v4) == 1;
	if (len < 3 || len - 2 >= sizeof(inner) || name[len - 1] != ']')
		return false;
	memcpy(inner, name + 1, len - 2);
	inner[len - 2] = '\0';
	return inet_pton(AF_INET6, inner, &v6) == 1;
}

/* localhost and what is below it lead to this machine whatever a name server
 * says (RFC 6761). */
static bool
is_localhost(struct span name)
{
	const struct span local = SPAN("localhost");
	size_t more = name.len - local.len;

	if (name.len < local.len ||
	    !is_same((struct span){name.p + more, local.len}, local))
		return false;
	return more == 0 || name.p[more - 1] == '.';
}

static bool
is_allowed(const char *allowed, struct span name)
{
	const char *p = allowed;

	for (;;) {
		size_t len;

		p += strspn(p, ", \t");
		len = strcspn(p, ", \t");
		if (len == 0)
			return false;
		if (is_same((struct span){p, len}, name))
			return true;
		p += len;
	}
}

/* HTTP/1.0 may come without one; browsers do not. */
static bool
is_our_host(const char *allowed, struct span host)
{
	struct span name = host_name(host);
	char text[HOST_MAX + 1];

	if (name.len == 0)
		return host.len == 0;
	if (name.len > HOST_MAX)
		return false;
	memcpy(text, name.p, name.len);
	text[name.len] = '\0';
	return is_address(text, name.len) || is_localhost(name) ||
	       is_allowed(allowed, name);
}

/* ---- the page that asks ----------------------------------------------- */

static bool
is_our_site(struct span fetch_site)
{
	return fetch_site.len == 0 || span_is(fetch_site, "same-origin") ||
	       span_is(fetch_site, "none");
}

/* "scheme://host:port", or "null" of a page that has none. */
static bool
is_our_origin(struct span origin, struct span host)
{
	const char *slashes;
	size_t skip;

	if (origin.len == 0)
		return true;
	slashes = memmem(origin.p, origin.len, "://", 3);
	if (slashes == NULL)
		return false;
	skip = (size_t)(slashes + 3 - origin.p);
	return is_same((struct span){origin.p + skip, origin.len - skip}, host);
}

/* ---- the whole -------------------------------------------------------- */

enum err
origin_check(const struct parser_head *head, const char *allowed_hosts,
    bool is_change, const char **why)
{
	if (allowed_hosts != NULL && !is_our_host(allowed_hosts, head->host)) {
		*why = "without tokens, Host must be an IP address, localhost, "
		       "or one of http.allowed_hosts";
		return ERR_HOST_UNKNOWN;
	}
	if (is_change && !is_our_site(head->fetch_site)) {
		*why = "Sec-Fetch-Site is neither same-origin nor none";
		return ERR_CROSS_SITE;
	}
	if (is_change && !is_our_origin(head->origin, head->host)) {
		*why = "Origin has another host than Host";
		return ERR_CROSS_SITE;
	}
	return ERR_OK;
}

/* The last one is what curl says of "-d" unasked. */
bool
origin_is_body_type(struct span type)
{
	const char *semicolon = memchr(type.p, ';', type.len);

	if (semicolon != NULL)
		type.len = (size_t)(semicolon - type.p);
	while (type.len > 0 && strchr(" \t", type.p[type.len - 1]) != NULL)
		type.len--;
	return type.len == 0 || is_same(type, SPAN("application/json")) ||
	       is_same(type, SPAN("application/x-ndjson")) ||
	       is_same(type, SPAN("application/ndjson")) ||
	       is_same(type, SPAN("application/x-www-form-urlencoded"));
}
