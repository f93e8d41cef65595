/*
 * The request parser; see parser.h. A head is read line by line, each line
 * as soon as it is whole, so that the first fault in reading order decides.
 * What follows the size of a chunk is read byte by byte.
 */

#include "http/parser.h"

#include <string.h>
#include <strings.h>

#include "core/mem.h"
#include "http/unescape.h"

enum state {
	STATE_LINE,       /* the request line, or one empty line before it */
	STATE_FIELDS,     /* header lines */
	STATE_BODY,       /* left bytes of a body with a length */
	STATE_SIZE_FIRST, /* the first digit of a chunk's size */
	STATE_SIZE,       /* its other digits */
	STATE_EXT_BLANK,  /* blanks between the size and a ';' */
	STATE_EXT,        /* an extension, up to CR */
	STATE_SIZE_LF,
	STATE_DATA, /* left bytes of a chunk */
	STATE_DATA_CR,
	STATE_DATA_LF,
	STATE_TRAILER_FIRST, /* the first byte of a trailer line */
	STATE_TRAILER_NAME,
	STATE_TRAILER_VALUE,
	STATE_TRAILER_LF,
	STATE_END_LF, /* the LF of the empty line that ends all */
	STATE_DONE,   /* whole, but not yet said */
	STATE_ERROR
};

enum {
	SEEN_HOST = 1u << 0,
	SEEN_LENGTH = 1u << 1,
	SEEN_CODING = 1u << 2,
	SEEN_CLOSE = 1u << 3,
	SEEN_AUTHORIZATION = 1u << 4,
	SEEN_ORIGIN = 1u << 5,
	SEEN_FETCH_SITE = 1u << 6,
	SEEN_TYPE = 1u << 7
};

/* What a byte may be part of: tokens, field values, targets, Host. */
enum { TCHAR = 1, VALUE = 2, TARGET = 4, HOST = 8 };

/* Bits of the four classes, by byte; 32 in a line. */
/* clang-format off */
static const uint8_t classes[256] = {
	0,0,0,0,0,0,0,0,0,2,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,
	2,15,6,3,15,15,15,15,14,14,15,15,6,15,15,6,15,15,15,15,15,15,15,15,15,15,14,14,6,14,6,6,
	6,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,14,6,14,7,15,
	7,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,15,6,7,6,15,0,
	2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,
	2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,
	2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,
	2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,
};
/* clang-format on */

static bool
is_all(struct span s, uint8_t class)
{
	for (size_t i = 0; i < s.len; i++)
		if ((classes[(uint8_t)s.p[i]] & class) == 0)
			return false;
	return true;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_word(struct span s, struct span word)
{
	return s.len == word.len && strncasecmp(s.p, word.p, word.len) == 0;
}

static struct span
trim(struct span s)
{
	while (s.len > 0 && is_blank(s.p[0])) {
		s.p++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.p[s.len - 1]))
		s.len--;
	return s;
}

/* Cuts the next item off a list with commas, without its blanks. */
static bool
list_cut(struct span *list, struct span *item)
{
	const char *comma;

	if (list->p == NULL)
		return false;
	comma = list->len == 0 ? NULL : memchr(list->p, ',', list->len);
	if (comma == NULL) {
		*item = trim(*list);
		list->p = NULL;
		return true;
	}
	*item = trim((struct span){list->p, (size_t)(comma - list->p)});
	list->len -= (size_t)(comma + 1 - list->p);
	list->p = comma + 1;
	return true;
}

static bool
fail(struct parser *p, enum err err, const char *why)
{
	p->state = STATE_ERROR;
	p->err = err;
	p->why = why;
	return false;
}

static bool
bad(struct parser *p, const char *why)
{
	return fail(p, ERR_HTTP_BAD, why);
}

void
parser_init(struct parser *p)
{
	memset(p, 0, sizeof(*p));
	p->state = STATE_LINE;
	p->body_max = UINT64_MAX;
}

bool
parser_is_idle(const struct parser *p)
{
	return p->state == STATE_LINE && p->scan_at == 0 && !p->had_blank;
}

uint64_t
parser_body_left(const struct parser *p)
{
	return p->state == STATE_BODY || p->state == STATE_DATA ? p->left : 0;
}

/* ---- the request line ------------------------------------------------- */

static bool
read_version(struct parser *p, struct span v)
{
	if (v.len != 8 || memcmp(v.p, "HTTP/", 5) != 0 || v.p[6] != '.' ||
	    v.p[5] < '0' || v.p[5] > '9' || v.p[7] < '0' || v.p[7] > '9')
		return bad(p, "the request line must be METHOD /path HTTP/1.1");
	if (v.p[5] != '1' || v.p[7] > '1')
		return fail(p, ERR_HTTP_VERSION, NULL);
	p->head.is_http10 = v.p[7] == '0';
	p->head.keep_alive = !p->head.is_http10;
	return true;
}

/* As an offset from the beginning of the input. */
static void
keep(struct parser_place *place, const char *in, struct span value)
{
	place->at = (uint32_t)(value.p - in);
	place->len = (uint32_t)value.len;
}

static bool
read_line(struct parser *p, const char *in, struct span line)
{
	const char *end = line.p + line.len, *sp1, *sp2;
	struct span method, target;

	sp1 = line.len == 0 ? NULL : memchr(line.p, ' ', line.len);
	sp2 = sp1 == NULL ? NULL : memchr(sp1 + 1, ' ', end - (sp1 + 1));
	if (sp2 == NULL || sp1 == line.p || sp2 == sp1 + 1)
		return bad(p, "the request line must be METHOD /path HTTP/1.1");
	method = (struct span){line.p, (size_t)(sp1 - line.p)};
	target = (struct span){sp1 + 1, (size_t)(sp2 - (sp1 + 1))};
	if (!is_all(method, TCHAR))
		return bad(p, "the method holds a byte that may not be there");
	if (!is_all(target, TARGET))
		return bad(p, "the target holds a byte that may not be there");
	if (!read_version(p, (struct span){sp2 + 1, end - (sp2 + 1)}))
		return false;
	if (target.p[0] != '/' &&
	    !(span_is(target, "*") && span_is(method, "OPTIONS")))
		return bad(p, "the target must begin with '/'");
	keep(&p->method, in, method);
	keep(&p->target, in, target);
	return true;
}

/* ---- header lines ----------------------------------------------------- */

static bool
see_once(struct parser *p, uint8_t bit, const char *why)
{
	if ((p->seen & bit) != 0)
		return bad(p, why);
	p->seen |= bit;
	return true;
}

static bool
read_host(struct parser *p, const char *in, struct span value)
{
	if (!see_once(p, SEEN_HOST, "there is more than one Host"))
		return false;
	keep(&p->host, in, value);
	return is_all(value, HOST) || bad(p, "Host is not a host");
}

static bool
read_length(struct parser *p, struct span value)
{
	uint64_t n = 0;

	if (!see_once(p, SEEN_LENGTH, "there is more than one Content-Length"))
		return false;
	if (value.len == 0)
		return bad(p, "Content-Length is not a number");
	for (size_t i = 0; i < value.len; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return bad(p, "Content-Length is not a number");
		/* Past this it is too large for every route anyway. */
		if (n < UINT64_MAX / 100)
			n = n * 10 + (uint64_t)(value.p[i] - '0');
	}
	p->head.length = n;
	p->head.has_length = true;
	return true;
}

static bool
read_coding(struct parser *p, struct span value)
{
	struct span item;
	unsigned chunked = 0;

	if (!see_once(
		p, SEEN_CODING, "there is more than one Transfer-Encoding"))
		return false;
	if (p->head.is_http10)
		return bad(p, "HTTP/1.0 has no Transfer-Encoding");
	while (list_cut(&value, &item)) {
		if (item.len > 0 && !is_word(item, SPAN("chunked")))
			return fail(p, ERR_NOT_IMPLEMENTED,
			    "the only transfer encoding is chunked");
		chunked += item.len > 0 ? 1 : 2;
	}
	if (chunked != 1)
		return bad(p, "Transfer-Encoding is not just chunked");
	p->head.is_chunked = true;
	return true;
}

static bool
read_connection(struct parser *p, struct span value)
{
	struct span item;

	while (list_cut(&value, &item)) {
		if (is_word(item, SPAN("close"))) {
			p->head.keep_alive = false;
			p->seen |= SEEN_CLOSE;
		} else if (is_word(item, SPAN("keep-alive"))) {
			/* close wins, in whatever order. */
			p->head.keep_alive = (p->seen & SEEN_CLOSE) == 0;
		}
	}
	return true;
}

static bool
read_expect(struct parser *p, struct span value)
{
	/* RFC 9110 10.1.1: to be ignored in HTTP/1.0. */
	if (p->head.is_http10)
		return true;
	if (!is_word(value, SPAN("100-continue")))
		p->head.expect = EXPECT_OTHER;
	else if (p->head.expect == EXPECT_NONE)
		p->head.expect = EXPECT_CONTINUE;
	return true;
}

/* An id of the client's for its request, where it is harmless to echo. */
static void
read_request_id(struct parser *p, const char *in, struct span value)
{
	if (value.len == 0 || value.len > PARSER_REQUEST_ID_MAX)
		return;
	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];

		if ((classes[(uint8_t)c] & TCHAR) == 0 ||
		    strchr("!#$%&'*+^`|~", c) != NULL)
			return;
	}
	keep(&p->request_id, in, value);
}

static bool
read_authorization(struct parser *p, const char *in, struct span value)
{
	if (!see_once(
		p, SEEN_AUTHORIZATION, "there is more than one Authorization"))
		return false;
	keep(&p->authorization, in, value);
	return true;
}

static bool
read_origin(struct parser *p, const char *in, struct span value)
{
	if (!see_once(p, SEEN_ORIGIN, "there is more than one Origin"))
		return false;
	keep(&p->origin, in, value);
	return true;
}

static bool
read_fetch_site(struct parser *p, const char *in, struct span value)
{
	if (!see_once(
		p, SEEN_FETCH_SITE, "there is more than one Sec-Fetch-Site"))
		return false;
	keep(&p->fetch_site, in, value);
	return true;
}

static bool
read_type(struct parser *p, const char *in, struct span value)
{
	const char *end = memchr(value.p, ';', value.len);

	if (!see_once(p, SEEN_TYPE, "there is more than one Content-Type"))
		return false;
	keep(&p->type, in, value);
	if (end != NULL)
		value.len = (size_t)(end - value.p);
	value = trim(value);
	p->head.is_lines = is_word(value, SPAN("application/x-ndjson")) ||
			   is_word(value, SPAN("application/ndjson"));
	return true;
}

/* The few headers that mean something to us. */
static bool
read_known(
    struct parser *p, const char *in, struct span name, struct span value)
{
	switch (name.len) {
	case 4:
		if (is_word(name, SPAN("Host")))
			return read_host(p, in, value);
		break;
	case 6:
		if (is_word(name, SPAN("Expect")))
			return read_expect(p, value);
		if (is_word(name, SPAN("Origin")))
			return read_origin(p, in, value);
		break;
	case 10:
		if (is_word(name, SPAN("Connection")))
			return read_connection(p, value);
		break;
	case 12:
		if (is_word(name, SPAN("Content-Type")))
			return read_type(p, in, value);
		if (is_word(name, SPAN("X-Request-Id")))
			read_request_id(p, in, value);
		break;
	case 13:
		if (is_word(name, SPAN("Authorization")))
			return read_authorization(p, in, value);
		break;
	case 14:
		if (is_word(name, SPAN("Content-Length")))
			return read_length(p, value);
		if (is_word(name, SPAN("Sec-Fetch-Site")))
			return read_fetch_site(p, in, value);
		break;
	case 17:
		if (is_word(name, SPAN("Transfer-Encoding")))
			return read_coding(p, value);
		break;
	default:
		break;
	}
	return true;
}

static bool
read_field(struct parser *p, const char *in, struct span line)
{
	const char *colon = memchr(line.p, ':', line.len);
	struct span name, value;

	if (p->lines == PARSER_LINES_MAX)
		return fail(
		    p, ERR_HEADERS_TOO_LARGE, "at most 100 header lines");
	p->lines++;
	if (is_blank(line.p[0]))
		return bad(p, "header lines must not be folded");
	if (colon == NULL)
		return bad(p, "a header line has no colon");
	name = (struct span){line.p, (size_t)(colon - line.p)};
	value = (struct span){colon + 1, line.len - name.len - 1};
	if (name.len == 0 || !is_all(name, TCHAR))
		return bad(
		    p, "a header name holds a byte that may not be there");
	if (!is_all(value, VALUE))
		return bad(p, "a header value holds a control character");
	return read_known(p, in, name, trim(value));
}

/* ---- the head --------------------------------------------------------- */

static struct span
place_span(const struct parser_place *place, const char *in)
{
	return (struct span){in + place->at, place->len};
}

static enum parser_event
end_head(struct parser *p, const char *in, size_t *used)
{
	struct parser_head *h = &p->head;

	if ((p->seen & SEEN_HOST) == 0 && !h->is_http10)
		(void)bad(p, "HTTP/1.1 needs a Host");
	else if (h->is_chunked && h->has_length)
		(void)bad(p,
		    "Content-Length and Transfer-Encoding exclude each other");
	if (p->state == STATE_ERROR)
		return PARSER_ERROR;
	h->method = place_span(&p->method, in);
	h->target = place_span(&p->target, in);
	h->request_id = place_span(&p->request_id, in);
	h->authorization = place_span(&p->authorization, in);
	h->host = place_span(&p->host, in);
	h->origin = place_span(&p->origin, in);
	h->fetch_site = place_span(&p->fetch_site, in);
	h->type = place_span(&p->type, in);
	p->left = h->length;
	p->state = STATE_DONE;
	if (h->is_chunked)
		p->state = STATE_SIZE_FIRST;
	else if (h->length > 0)
		p->state = STATE_BODY;
	*used = p->scan_at;
	return PARSER_HEAD;
}

/* The first byte tells what is no HTTP at all, TLS above all: at once, not
 * when its deadline comes. */
static bool
check_first(struct parser *p, struct span in)
{
	if (in.len > 0 && in.p[0] != '\r' &&
	    (classes[(uint8_t)in.p[0]] & TCHAR) == 0)
		return bad(p, "this is not HTTP");
	return true;
}

/* Is what is held of this part of the head too much? A part that has no end
 * yet needs one byte more at least. */
static bool
check_size(struct parser *p, size_t end, bool is_whole)
{
	size_t more = is_whole ? 0 : 1;

	if (p->state == STATE_LINE && end - p->line_at + more > PARSER_LINE_MAX)
		return fail(
		    p, ERR_URI_TOO_LONG, "a request line has at most 8 KiB");
	if (p->state == STATE_FIELDS &&
	    end - p->fields_at + more > PARSER_FIELDS_MAX)
		return fail(
		    p, ERR_HEADERS_TOO_LARGE, "headers have at most 16 KiB");
	return true;
}

/* One line without its CRLF, and not the empty one that ends the head. */
static bool
read_head_line(struct parser *p, const char *in, struct span line)
{
	if (p->state == STATE_FIELDS)
		return read_field(p, in, line);
	if (!read_line(p, in, line))
		return false;
	p->state = STATE_FIELDS;
	p->fields_at = p->scan_at;
	return true;
}

/* RFC 9112 2.2: an empty line before a request is let pass. */
static size_t
skip_blank(struct parser *p, struct span in)
{
	if (p->state != STATE_LINE || p->had_blank || in.len < 2 ||
	    in.p[0] != '\r' || in.p[1] != '\n')
		return 0;
	p->had_blank = true;
	p->scan_at = 0;
	return 2;
}

static enum parser_event
next_head(struct parser *p, struct span in, size_t *used)
{
	const char *lf;
	struct span line;

	if (p->state == STATE_LINE && !check_first(p, in))
		return PARSER_ERROR;
	while (p->scan_at < in.len) {
		lf = memchr(in.p + p->scan_at, '\n', in.len - p->scan_at);
		p->scan_at =
		    (uint32_t)(lf == NULL ? in.len : (size_t)(lf + 1 - in.p));
		if (!check_size(p, p->scan_at, lf != NULL))
			return PARSER_ERROR;
		if (lf == NULL)
			break;
		line.p = in.p + p->line_at;
		line.len = (size_t)(lf - line.p);
		if (line.len == 0 || lf[-1] != '\r') {
			(void)bad(p, "a line must end in CR LF");
			return PARSER_ERROR;
		}
		line.len--;
		if (line.len == 0 && p->state == STATE_FIELDS)
			return end_head(p, in.p, used);
		if (!read_head_line(p, in.p, line))
			return PARSER_ERROR;
		p->line_at = p->scan_at;
	}
	return PARSER_MORE;
}

/* ---- bodies ----------------------------------------------------------- */

/* What there is of the body, or of the chunk. */
static enum parser_event
next_piece(struct parser *p, struct span in, size_t *used)
{
	p->piece = in;
	if (p->piece.len > p->left)
		p->piece.len = (size_t)p->left;
	*used = p->piece.len;
	p->left -= p->piece.len;
	p->body_seen += p->piece.len;
	if (p->left == 0)
		p->state = p->state == STATE_BODY ? STATE_DONE : STATE_DATA_CR;
	return PARSER_BODY;
}

static bool
read_size_digit(struct parser *p, char c)
{
	if (++p->line_bytes > PARSER_EXT_LINE_MAX)
		return bad(p, "a chunk's size has too many digits");
	/* Past this it is too large for every route anyway. */
	if (p->left < UINT64_MAX / 100)
		p->left = p->left * 16 + (uint64_t)hex_digit(c);
	return true;
}

/* What may follow the size: blanks and extensions, or its end. */
static bool
read_size(struct parser *p, char c)
{
	if (c == '\r')
		p->state = STATE_SIZE_LF;
	else if (hex_digit(c) >= 0)
		return read_size_digit(p, c);
	else if (is_blank(c))
		p->state = STATE_EXT_BLANK;
	else if (c == ';')
		p->state = STATE_EXT;
	else
		return bad(p, "a chunk's size is not a hexadecimal number");
	return true;
}

static bool
read_extension(struct parser *p, char c)
{
	if (p->line_bytes++ >= PARSER_EXT_LINE_MAX ||
	    p->ext_bytes++ >= PARSER_EXT_MAX)
		return bad(p, "chunk extensions are too long");
	if (p->state == STATE_EXT && c == '\r')
		p->state = STATE_SIZE_LF;
	else if (p->state == STATE_EXT_BLANK && c == ';')
		p->state = STATE_EXT;
	else if (p->state == STATE_EXT_BLANK && !is_blank(c))
		return bad(p, "a chunk's size is not a hexadecimal number");
	else if ((classes[(uint8_t)c] & VALUE) == 0)
		return bad(p, "a chunk extension holds a control character");
	return true;
}

static bool
end_size(struct parser *p, char c)
{
	if (c != '\n')
		return bad(p, "a line must end in CR LF");
	if (p->left > p->body_max || p->body_seen > p->body_max - p->left)
		return fail(p, ERR_BODY_TOO_LARGE, NULL);
	p->line_bytes = 0;
	p->state = p->left == 0 ? STATE_TRAILER_FIRST : STATE_DATA;
	return true;
}

/* Trailers are held to the rules of header lines, and dropped. */
static bool
read_trailer(struct parser *p, char c)
{
	uint8_t class = classes[(uint8_t)c];

	if (p->trailer_bytes++ >= PARSER_TRAILER_MAX)
		return fail(
		    p, ERR_HEADERS_TOO_LARGE, "a trailer has at most 8 KiB");
	if (p->state == STATE_TRAILER_FIRST) {
		if (c == '\r') {
			p->state = STATE_END_LF;
			return true;
		}
		p->state = STATE_TRAILER_NAME;
		return (class & TCHAR) != 0 || bad(p, "a trailer is not valid");
	}
	if (c == '\r' && p->state == STATE_TRAILER_VALUE)
		p->state = STATE_TRAILER_LF;
	else if (c == ':' && p->state == STATE_TRAILER_NAME)
		p->state = STATE_TRAILER_VALUE;
	else if (p->state == STATE_TRAILER_NAME ? (class & TCHAR) == 0
						: (class & VALUE) == 0)
		return bad(p, "a trailer is not valid");
	return true;
}

static bool
end_line(struct parser *p, char c, enum state next)
{
	if (c != '\n')
		return bad(p, "a line must end in CR LF");
	p->state = (uint8_t)next;
	return true;
}

/* One byte of what stands between the pieces of a chunked body. */
static bool
read_framing(struct parser *p, char c)
{
	switch ((enum state)p->state) {
	case STATE_SIZE_FIRST:
		if (hex_digit(c) < 0)
			return bad(p, "a chunk begins with its size");
		p->left = 0;
		p->state = STATE_SIZE;
		return read_size_digit(p, c);
	case STATE_SIZE:
		return read_size(p, c);
	case STATE_EXT_BLANK:
	case STATE_EXT:
		return read_extension(p, c);
	case STATE_SIZE_LF:
		return end_size(p, c);
	case STATE_DATA_CR:
		if (c != '\r')
			return bad(p, "a chunk is longer than its size");
		p->state = STATE_DATA_LF;
		return true;
	case STATE_DATA_LF:
		return end_line(p, c, STATE_SIZE_FIRST);
	case STATE_TRAILER_FIRST:
	case STATE_TRAILER_NAME:
	case STATE_TRAILER_VALUE:
		return read_trailer(p, c);
	case STATE_TRAILER_LF:
		if (++p->trailer_lines > PARSER_LINES_MAX)
			return fail(p, ERR_HEADERS_TOO_LARGE,
			    "at most 100 trailer lines");
		return end_line(p, c, STATE_TRAILER_FIRST);
	case STATE_END_LF:
		return end_line(p, c, STATE_DONE);
	case STATE_LINE:
	case STATE_FIELDS:
	case STATE_BODY:
	case STATE_DATA:
	case STATE_DONE:
	case STATE_ERROR:
		break;
	}
	ASSERT(!"a state without framing");
	return false;
}

static enum parser_event
next_framing(struct parser *p, struct span in, size_t *used)
{
	size_t at = 0;

	while (at < in.len) {
		if (!read_framing(p, in.p[at++]))
			return PARSER_ERROR;
		if (p->state == STATE_DATA || p->state == STATE_DONE)
			break;
	}
	*used = at;
	return PARSER_MORE;
}

/* ---- the steps -------------------------------------------------------- */

static enum parser_event
next_done(struct parser *p)
{
	parser_init(p);
	return PARSER_DONE;
}

enum parser_event
parser_next(struct parser *p, struct span in, size_t *used)
{
	enum parser_event event;
	size_t n = 0;

	ASSERT(p->state != STATE_ERROR);
	*used = skip_blank(p, in);
	in.p += *used;
	in.len -= *used;
	if (p->state <= STATE_FIELDS) {
		event = next_head(p, in, &n);
		*used += n;
		return event;
	}
	if (p->state != STATE_BODY && p->state != STATE_DATA &&
	    p->state != STATE_DONE) {
		event = next_framing(p, in, used);
		if (event == PARSER_ERROR)
			return event;
		in.p += *used;
		in.len -= *used;
	}
	if (p->state == STATE_DONE)
		return next_done(p);
	if (in.len == 0 || (p->state != STATE_BODY && p->state != STATE_DATA))
		return PARSER_MORE;
	event = next_piece(p, in, &n);
	*used += n;
	return event;
}
