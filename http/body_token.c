/* The body of POST /v1/tokens. */

#include "http/body.h"

#include <string.h>

static const uint64_t EXPIRES_MAX_MS = 3153600000000ull; /* 100 years */

static bool
token_read_name(struct body *b, void *into)
{
	struct token_body *token = into;

	return body_text(b, &token->name) &&
	       (name_is_valid(token->name) || body_refuse(b, ERR_TOKEN_NAME_BAD,
						  "1-64 of A-Za-z0-9._:@-"));
}

static bool
token_read_role(struct body *b, void *into)
{
	struct span name;

	return body_text(b, &name) &&
	       (role_parse(name, &((struct token_body *)into)->role) ||
		   body_refuse(b, ERR_FIELD_RANGE,
		       "producer, worker, viewer, operator or admin"));
}

/* What can match a queue's name, without what separates patterns. */
static bool
pattern_is_valid(struct span pattern)
{
	if (pattern.len == 0 || pattern.len > NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < pattern.len; i++) {
		struct span one = {pattern.p + i, 1};

		if (!name_is_valid(one) && memchr("*?[]^\\", *one.p, 6) == NULL)
			return false;
	}
	return true;
}

static bool
token_read_queue(struct body *b, void *into)
{
	struct token_body *token = into;
	struct span pattern;
	char *text;
	size_t len = token->queues.len;

	if (!body_text(b, &pattern))
		return false;
	if (!pattern_is_valid(pattern))
		return body_refuse(b, ERR_FIELD_RANGE,
		    "a glob of 1-64 of A-Za-z0-9._:@-*?[]^\\");
	text = arena_alloc(b->arena, len + pattern.len + 1);
	if (text == NULL)
		return body_refuse(b, ERR_NO_MEMORY, "less");
	memcpy(text, token->queues.p, len);
	if (len > 0)
		text[len++] = ' ';
	memcpy(text + len, pattern.p, pattern.len);
	token->queues = (struct span){text, len + pattern.len};
	return true;
}

static bool
token_read_queues(struct body *b, void *into)
{
	struct token_body *token = into;

	if (!body_list(b, TOKEN_PATTERNS_MAX, token_read_queue, into))
		return false;
	return token->queues.len > 0 ||
	       body_refuse(b, ERR_FIELD_RANGE, "at least one glob");
}

static bool
token_read_expires(struct body *b, void *into)
{
	return body_seconds(
	    b, 1000, EXPIRES_MAX_MS, &((struct token_body *)into)->expires_ms);
}

enum { F_NAME, F_ROLE, F_QUEUES, F_EXPIRES };

/* clang-format off */
static const struct body_field token_fields[] = {
	[F_NAME]    = {"name",      token_read_name,    true},
	[F_ROLE]    = {"role",      token_read_role,    true},
	[F_QUEUES]  = {"queues",    token_read_queues,  false},
	[F_EXPIRES] = {"expires_s", token_read_expires, false},
};
/* clang-format on */

enum err
body_read_token(struct body *b, struct token_body *out)
{
	unsigned seen = 0;

	memset(out, 0, sizeof(*out));
	out->queues = SPAN("");
	if (body_object(b, token_fields, COUNT_OF(token_fields), out, &seen)) {
		if ((seen & 1u << F_QUEUES) == 0)
			out->queues = SPAN("*");
		if (out->role == ROLE_ADMIN && !span_is(out->queues, "*"))
			body_refusef(b, ERR_FIELD_CONFLICT,
			    "field 'queues': expected none, an admin has all");
	}
	return body_end(b);
}
