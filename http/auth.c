/* Who calls, and what they may; see auth.h. */

#include "http/auth.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/secret.h"
#include "http/conn.h"
#include "http/guess.h"
#include "http/peers.h"
#include "http/req_priv.h"
#include "http/server_priv.h"
#include "store/store.h"

static const char scheme[] = "schedd_";

enum {
	SCHEME_LEN = sizeof(scheme) - 1,
	SECRET_AT = SCHEME_LEN + TOKEN_ID_LEN + 1
};

_Static_assert(
    AUTH_TOKEN_LEN == SECRET_AT + 2 * AUTH_SECRET_LEN, "a token's length");

/* What kind of key failed. */
enum { GUESS_ADDRESS = 'a', GUESS_TOKEN = 't' };

/* ---- what a role may -------------------------------------------------- */

#define MAY(role) (1u << ROLE_##role)

static const unsigned role_rights[ROLE_COUNT] = {
    [ROLE_PRODUCER] = MAY(KNOWN) | MAY(SENDER) | MAY(PRODUCER),
    [ROLE_WORKER] = MAY(KNOWN) | MAY(SENDER) | MAY(WORKER),
    [ROLE_VIEWER] = MAY(KNOWN) | MAY(VIEWER),
    [ROLE_OPERATOR] = MAY(KNOWN) | MAY(VIEWER) | MAY(OPERATOR),
    [ROLE_ADMIN] = MAY(KNOWN) | MAY(SENDER) | MAY(PRODUCER) | MAY(WORKER) |
		   MAY(VIEWER) | MAY(OPERATOR) | MAY(ADMIN),
};

bool
auth_role_may(enum role have, enum role need)
{
	return need == ROLE_ANY || (role_rights[have] & 1u << need) != 0;
}

bool
auth_sees_all(const struct auth_caller *caller)
{
	return span_is(caller->queues, "*");
}

bool
auth_sees(const struct auth_caller *caller, struct span queue)
{
	return globs_match(caller->queues, queue);
}

bool
auth_sees_channel(const struct auth_caller *caller, struct span channel)
{
	char name[sizeof("channel:") + NAME_MAX_LEN];

	if (auth_sees_all(caller))
		return true;
	if (channel.len > NAME_MAX_LEN)
		return false;
	memcpy(name, "channel:", 8);
	memcpy(name + 8, channel.p, channel.len);
	return auth_sees(caller, (struct span){name, 8 + channel.len});
}

/* ---- tokens ----------------------------------------------------------- */

void
auth_token_make(char text[AUTH_TOKEN_LEN + 1], struct store_token *token)
{
	unsigned char id[TOKEN_ID_LEN / 2], secret[AUTH_SECRET_LEN];

	secret_random(id, sizeof(id));
	secret_random(secret, sizeof(secret));
	hex_print(token->id, id, sizeof(id));
	memcpy(text, scheme, SCHEME_LEN);
	memcpy(text + SCHEME_LEN, token->id, TOKEN_ID_LEN);
	text[SECRET_AT - 1] = '_';
	hex_print(text + SECRET_AT, secret, sizeof(secret));
	secret_wipe(secret, sizeof(secret));
	digest_sha256(token->hash, (struct span){text, AUTH_TOKEN_LEN});
}

/* "Bearer TOKEN"; false for what has not even a token's form. */
static bool
read_bearer(struct span value, struct span *token)
{
	static const char word[] = "bearer ";
	const size_t len = sizeof(word) - 1;

	if (value.len != len + AUTH_TOKEN_LEN)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((value.p[i] | 0x20) != word[i])
			return false;
	*token = (struct span){value.p + len, AUTH_TOKEN_LEN};
	return memcmp(token->p, scheme, SCHEME_LEN) == 0 &&
	       token->p[SECRET_AT - 1] == '_';
}

/* The address without its port; of IPv6 the /64, which one subscriber has. */
static struct span
address_of(const char *peer, char text[CONN_PEER_MAX])
{
	size_t len = strcspn(peer, peer[0] == '[' ? "]" : ":");
	struct in6_addr v6;

	memcpy(text, peer, len);
	text[len] = '\0';
	if (peer[0] != '[' || inet_pton(AF_INET6, text + 1, &v6) != 1 ||
	    IN6_IS_ADDR_V4MAPPED(&v6))
		return (struct span){text, len};
	memcpy(text, v6.s6_addr, 8);
	return (struct span){text, 8};
}

/* ---- guessing --------------------------------------------------------- */

/* Loopback is never locked out. */
static bool
is_counted(const struct req *req)
{
	return (conn_flags(req->conn) & LISTEN_FROM_HERE) == 0;
}

static enum err
refuse_guess(struct req *req, uint64_t wait_s)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)wait_s);
	req_set_header(req, "Retry-After", text);
	return ERR_GUESSING;
}

static enum err
refuse_bad(struct req *req)
{
	req_set_header(req, "WWW-Authenticate", "Bearer");
	return ERR_TOKEN_BAD;
}

/* A guess is charged to its address, and to the token whose id it has. */
static void
charge(struct req *req, struct span address, struct span id, bool is_known)
{
	struct server *s = req->server;
	int64_t now_us = clock_mono_us();

	if (!is_counted(req))
		return;
	guesses_failed(s->guesses, GUESS_ADDRESS, address, now_us);
	if (is_known)
		guesses_failed(s->guesses, GUESS_TOKEN, id, now_us);
	if (guesses_wait_s(s->guesses, GUESS_ADDRESS, address, now_us) > 0 &&
	    peer_may_log(LOG_WARN, "access.guessing", req_peer(req)))
		log_warn("access.guessing", "peer=%s", req_peer(req));
}

/*
 * How long this one is not looked at. A token whose id is known is looked at
 * also when its address guessed too much, until somebody guesses at this very
 * token: one worker with an old token must not lock out its neighbours.
 */
static uint64_t
guess_wait_s(
    const struct req *req, struct span address, struct span id, bool is_known)
{
	const struct server *s = req->server;
	int64_t now_us = clock_mono_us();

	if (!is_counted(req))
		return 0;
	if (is_known)
		return guesses_wait_s(s->guesses, GUESS_TOKEN, id, now_us);
	return guesses_wait_s(s->guesses, GUESS_ADDRESS, address, now_us);
}

/* ---- who it is -------------------------------------------------------- */

static const struct auth_caller nobody = {
    .name = "-", .role = ROLE_ANY, .queues = {"", 0}};
static const struct auth_caller local = {
    .name = "local", .role = ROLE_ADMIN, .queues = {"*", 1}};
/* Before the tokens are known nobody can say who is local; what is read from
 * memory then holds nothing yet. */
static const struct auth_caller early = {
    .name = "local", .role = ROLE_VIEWER, .queues = {"*", 1}};

static enum err
caller_of_token(struct req *req, const struct store_token *t,
    const struct auth_caller **caller)
{
	struct auth_caller *c = arena_alloc(req->arena, sizeof(*c));
	char *queues = arena_dup(req->arena, t->queues);

	if (c == NULL || queues == NULL)
		return ERR_NO_MEMORY;
	memcpy(c->name, t->name, sizeof(c->name));
	memcpy(c->token, t->id, sizeof(c->token));
	c->role = t->role;
	c->queues = (struct span){queues, t->queues.len};
	*caller = c;
	return ERR_OK;
}

static enum err
find_by_token(struct req *req, struct span authorization,
    const struct auth_caller **caller)
{
	struct store *store = req->server->store;
	unsigned char hash[TOKEN_HASH_LEN];
	const struct store_token *t;
	char text[CONN_PEER_MAX];
	struct span token, id, address = address_of(req_peer(req), text);
	uint64_t wait_s;
	bool is_good;

	if (!read_bearer(authorization, &token))
		return refuse_bad(req);
	id = (struct span){token.p + SCHEME_LEN, TOKEN_ID_LEN};
	t = store_token_find(store, id);
	wait_s = guess_wait_s(req, address, id, t != NULL);
	if (wait_s > 0)
		return refuse_guess(req, wait_s);
	/* The same work for one that is known and one that is not. */
	digest_sha256(hash, token);
	is_good = t != NULL && secret_eq(hash, t->hash, sizeof(hash)) &&
		  !store_token_is_over(store, t);
	if (!is_good) {
		charge(req, address, id, t != NULL);
		return refuse_bad(req);
	}
	store_token_used(store, t);
	return caller_of_token(req, t, caller);
}

static enum err
find_caller(struct req *req, struct span authorization,
    const struct auth_caller **caller)
{
	unsigned flags = conn_flags(req->conn);
	enum store_tokens tokens = store_tokens_state(req->server->store);
	bool is_local = (flags & LISTEN_LOCAL) != 0;

	*caller = &local;
	if ((flags & LISTEN_OWNER) != 0 && authorization.len == 0)
		return ERR_OK;
	if (tokens == STORE_TOKENS_NONE && is_local)
		return ERR_OK;
	*caller = &early;
	if (tokens == STORE_TOKENS_UNREAD)
		return is_local ? ERR_OK : ERR_REDIS_DOWN;
	if (authorization.len > 0)
		return find_by_token(req, authorization, caller);
	req_set_header(req, "WWW-Authenticate", "Bearer");
	return ERR_TOKEN_MISSING;
}

/* ---- what they may ---------------------------------------------------- */

static enum err
check_route(const struct req *req, const struct auth_caller *caller)
{
	const struct route *route = req->match.route;

	if (!auth_role_may(caller->role, route->role))
		return caller == &early ? ERR_REDIS_DOWN : ERR_FORBIDDEN;
	switch (route->scope) {
	case SCOPE_QUEUE:
		if (!auth_sees(caller, req_param(req, "queue")))
			return ERR_QUEUE_UNKNOWN;
		break;
	case SCOPE_CHANNEL:
		if (!auth_sees_channel(caller, req_param(req, "channel")))
			return ERR_CHANNEL_UNKNOWN;
		break;
	case SCOPE_ALL:
		if (!auth_sees_all(caller))
			return ERR_FORBIDDEN;
		break;
	case SCOPE_LIST:
	case SCOPE_NONE:
		break;
	}
	return ERR_OK;
}

enum err
auth_check(struct req *req, struct span authorization,
    const struct auth_caller **caller)
{
	const struct route *route = req->match.route;
	enum err err;

	*caller = &nobody;
	if (route == NULL || route->role == ROLE_ANY)
		return ERR_OK;
	err = find_caller(req, authorization, caller);
	return err == ERR_OK ? check_route(req, *caller) : err;
}

bool
auth_is_local(const struct req *req)
{
	return (conn_flags(req->conn) & LISTEN_LOCAL) != 0;
}

bool
auth_is_current(const struct req *req)
{
	struct store *store = req->server->store;
	const struct store_token *t;

	if (req->caller == NULL || req->caller->token[0] == '\0')
		return true;
	t = store_token_find(store, span_of(req->caller->token));
	return t != NULL && !store_token_is_over(store, t);
}
