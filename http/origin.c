/* Where a request without a token may come from; see origin.h. */

/* For memmem. */
#define _GNU_SOURCE

#include "http/origin.h"

#include <string.h>
#include <strings.h>

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
	const char *colon = memchr(host.p, ':', host.len);

	if (colon != NULL)
		host.len = (size_t)(colon - host.p);
	return host;
}

/* No name has a bracket, nor digits alone in its last part. */
static bool
is_address(struct span host)
{
	size_t n = 0;

	if (host.len > 0 && host.p[0] == '[')
		return true;
	while (n < host.len &&
	       ((host.p[n] >= '0' && host.p[n] <= '9') || host.p[n] == '.'))
		n++;
	return n > 0 && (n == host.len || host.p[n] == ':');
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
	struct span name;

	if (host.len == 0 || is_address(host))
		return true;
	name = host_name(host);
	return is_localhost(name) || is_allowed(allowed, name);
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
	const char *semicolon;

	if (type.len == 0 || span_is(type, "application/json"))
		return true;
	semicolon = memchr(type.p, ';', type.len);
	if (semicolon != NULL)
		type.len = (size_t)(semicolon - type.p);
	while (type.len > 0 && strchr(" \t", type.p[type.len - 1]) != NULL)
		type.len--;
	return is_same(type, SPAN("application/json")) ||
	       is_same(type, SPAN("application/x-ndjson")) ||
	       is_same(type, SPAN("application/ndjson")) ||
	       is_same(type, SPAN("application/x-www-form-urlencoded"));
}
