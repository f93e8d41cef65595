/*
 * The request parser: a corpus of requests with what must come of them, each
 * whole, byte by byte, and cut in two at every place.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/parser_trace.h"

enum { BODY_MAX = 20 };

struct sample {
	const char *in;
	size_t len;
	const char *want;
};

#define S(in, want)                      \
	{                                \
		in, sizeof(in) - 1, want \
	}
#define H "Host: x\r\n"
#define GET "GET / HTTP/1.1\r\n" H
#define POST "POST /p HTTP/1.1\r\n" H
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define BAD "!HTTP_BAD"
#define OK "GET / 1.1. "

/* clang-format off */
static const struct sample request_lines[] = {
	S("", ""),
	S("G", "~"),
	S("GET / HTTP/1.1\r\n", "~"),
	S(GET "\r", "~"),
	S(GET "\r\n", OK),
	S("\r\n" GET "\r\n", OK),
	S("\r", "~"),
	S("\r\n", "~"),
	S("\r\n\r\n" GET "\r\n", BAD),
	S("\n" GET "\r\n", BAD),
	S("\r\r\n" GET "\r\n", BAD),
	S(" GET / HTTP/1.1\r\n" H "\r\n", BAD),
	S("GET  / HTTP/1.1\r\n" H "\r\n", BAD),
	S("GET /  HTTP/1.1\r\n" H "\r\n", BAD),
	S("GET / HTTP/1.1 \r\n" H "\r\n", BAD),
	S("GET\t/ HTTP/1.1\r\n" H "\r\n", BAD),
	S("GET /a b HTTP/1.1\r\n" H "\r\n", BAD),
	S("GET /\r\n", BAD),
	S("GET\r\n", BAD),
	S("GET / \r\n", BAD),
	S("GET HTTP/1.1\r\n", BAD),
	S("GET / HTTP/1.1\n" H "\r\n", BAD),
	S("GET / HTTP/1.1\r" H "\r\n", BAD),
	S("GET / http/1.1\r\n" H "\r\n", BAD),
	S("GET / HTTP/1\r\n" H "\r\n", BAD),
	S("GET / HTTP/11\r\n" H "\r\n", BAD),
	S("GET / HTTP/1.10\r\n" H "\r\n", BAD),
	S("GET / HTTP/-1.1\r\n" H "\r\n", BAD),
	S("GET / HTTP/ 1.1\r\n" H "\r\n", BAD),
	S("GET / HTTPS/1.1\r\n" H "\r\n", BAD),
	S("GET / HTTP/1.2\r\n" H "\r\n", "!HTTP_VERSION"),
	S("GET / HTTP/1.9\r\n" H "\r\n", "!HTTP_VERSION"),
	S("GET / HTTP/0.9\r\n" H "\r\n", "!HTTP_VERSION"),
	S("GET / HTTP/2.0\r\n" H "\r\n", "!HTTP_VERSION"),
	S("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "!HTTP_VERSION"),
	S("GET / HTTP/1.0\r\n\r\n", "GET / 1.0 close. "),
	S("get / HTTP/1.1\r\n" H "\r\n", "get / 1.1. "),
	S("BREW /pot HTTP/1.1\r\n" H "\r\n", "BREW /pot 1.1. "),
	S("G(T / HTTP/1.1\r\n" H "\r\n", BAD),
	S("G\0T / HTTP/1.1\r\n" H "\r\n", BAD),
	S("\x16\x03\x01\x02", BAD),
	S("\0", BAD),
	S("{\"a\":1}", BAD),
	S("\x80", BAD),
	S("GET http://x/a HTTP/1.1\r\n" H "\r\n", BAD),
	S("GET x:80 HTTP/1.1\r\n" H "\r\n", BAD),
	S("CONNECT x:80 HTTP/1.1\r\n" H "\r\n", BAD),
	S("GET * HTTP/1.1\r\n" H "\r\n", BAD),
	S("GET *a HTTP/1.1\r\n" H "\r\n", BAD),
	S("OPTIONS * HTTP/1.1\r\n" H "\r\n", "OPTIONS * 1.1. "),
	S("OPTIONS ** HTTP/1.1\r\n" H "\r\n", BAD),
	S("GET ?a HTTP/1.1\r\n" H "\r\n", BAD),
	S("GET a HTTP/1.1\r\n" H "\r\n", BAD),
	S("GET //a HTTP/1.1\r\n" H "\r\n", "GET //a 1.1. "),
	S("GET /a?b=c&d=%20 HTTP/1.1\r\n" H "\r\n", "GET /a?b=c&d=%20 1.1. "),
	S("GET /a#b HTTP/1.1\r\n" H "\r\n", BAD),
	S("GET /a\tb HTTP/1.1\r\n" H "\r\n", BAD),
	S("GET /a\0b HTTP/1.1\r\n" H "\r\n", BAD),
	S("GET /\x7f HTTP/1.1\r\n" H "\r\n", BAD),
	S("GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n", BAD),
	S("GET /{a|b} HTTP/1.1\r\n" H "\r\n", "GET /{a|b} 1.1. "),
};

static const struct sample headers[] = {
	S("GET / HTTP/1.1\r\n\r\n", BAD),
	S("GET / HTTP/1.0\r\n" H "\r\n", "GET / 1.0 close. "),
	S(GET H "\r\n", BAD),
	S("GET / HTTP/1.0\r\n" H H "\r\n", BAD),
	S("GET / HTTP/1.1\r\nHost:\r\n\r\n", OK),
	S("GET / HTTP/1.1\r\nHOST: x\r\n\r\n", OK),
	S("GET / HTTP/1.1\r\nhost:x\r\n\r\n", OK),
	S("GET / HTTP/1.1\r\nHost: \t x:80 \t\r\n\r\n", OK),
	S("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", OK),
	S("GET / HTTP/1.1\r\nHost: x y\r\n\r\n", BAD),
	S("GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", BAD),
	S("GET / HTTP/1.1\r\nHost: u@x\r\n\r\n", BAD),
	S("GET / HTTP/1.1\r\nHost: x,y\r\n\r\n", BAD),
	S("GET / HTTP/1.1\r\nHost : x\r\n\r\n", BAD),
	S("GET / HTTP/1.1\r\n Host: x\r\n\r\n", BAD),
	S(GET "A: b\r\n c\r\n\r\n", BAD),
	S(GET "A: b\r\n\tc\r\n\r\n", BAD),
	S(GET " \r\n\r\n", BAD),
	S(GET "A: b\n\r\n", BAD),
	S(GET "A: b\r\n\n", BAD),
	S(GET "A: b\rC: d\r\n\r\n", BAD),
	S(GET "A: b\r\r\n\r\n", BAD),
	S(GET "A b\r\n\r\n", BAD),
	S(GET ": b\r\n\r\n", BAD),
	S(GET "A : b\r\n\r\n", BAD),
	S(GET "A\t: b\r\n\r\n", BAD),
	S(GET "A(: b\r\n\r\n", BAD),
	S(GET "A\0: b\r\n\r\n", BAD),
	S(GET "\xc3\xa4: b\r\n\r\n", BAD),
	S(GET "A\"B: c\r\n\r\n", BAD),
	S(GET "A: \x01\r\n\r\n", BAD),
	S(GET "A: b\0c\r\n\r\n", BAD),
	S(GET "A: \x7f\r\n\r\n", BAD),
	S(GET "A: \x0b\r\n\r\n", BAD),
	S(GET "A:\r\n\r\n", OK),
	S(GET "A: b:c d\te \xc3\xa4\r\n\r\n", OK),
	S(GET "!#$%&'*+-.^_`|~09azAZ: b\r\n\r\n", OK),
	S(GET "Connection: close\r\n\r\n", "GET / 1.1 close. "),
	S(GET "Connection: Close , x\r\n\r\n", "GET / 1.1 close. "),
	S(GET "Connection: x,close\r\n\r\n", "GET / 1.1 close. "),
	S(GET "Connection: closed\r\n\r\n", OK),
	S(GET "Connection: keep-alive\r\n\r\n", OK),
	S(GET "Connection: close, keep-alive\r\n\r\n", "GET / 1.1 close. "),
	S(GET "Connection: keep-alive\r\nConnection: close\r\n\r\n", "GET / 1.1 close. "),
	S(GET "Connection: close\r\nConnection: keep-alive\r\n\r\n", "GET / 1.1 close. "),
	S(GET "Connection:\r\n\r\n", OK),
	S(GET "Connection: ,,\r\n\r\n", OK),
	S("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET / 1.0. "),
	S("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", "GET / 1.0 close. "),
	S(GET "X-Request-Id: a-B_9.z\r\n\r\n", "GET / 1.1 id=a-B_9.z. "),
	S(GET "x-request-id: a b\r\n\r\n", OK),
	S(GET "X-Request-Id: a\"b\r\n\r\n", OK),
	S(GET "X-Request-Id: a~b\r\n\r\n", OK),
	S(GET "X-Request-Id:\r\n\r\n", OK),
	S(GET "X-Request-Id: a\r\nX-Request-Id: b\r\n\r\n", "GET / 1.1 id=b. "),
	S(GET "X-Request-Id: 1234567890123456789012345678901234567890123456789012345678901234\r\n\r\n",
	    "GET / 1.1 id=1234567890123456789012345678901234567890123456789012345678901234. "),
	S(GET "X-Request-Id: 12345678901234567890123456789012345678901234567890123456789012345\r\n\r\n", OK),
	S(POST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\na", "POST /p 1.1 len=1 expect [a]. "),
	S(POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\na", "POST /p 1.1 len=1 expect [a]. "),
	S(POST "Expect: 200-ok\r\nContent-Length: 1\r\n\r\na", "POST /p 1.1 len=1 expect? [a]. "),
	S(POST "Expect:\r\nContent-Length: 0\r\n\r\n", "POST /p 1.1 len=0 expect?. "),
	S(POST "Expect: x\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n", "POST /p 1.1 len=0 expect?. "),
	S("POST /p HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na", "POST /p 1.0 close len=1 [a]. "),
};

static const struct sample lengths[] = {
	S(POST "\r\n", "POST /p 1.1. "),
	S(POST "Content-Length: 0\r\n\r\n", "POST /p 1.1 len=0. "),
	S(POST "Content-Length: 3\r\n\r\nabc", "POST /p 1.1 len=3 [abc]. "),
	S(POST "content-length:3\t\r\n\r\nabc", "POST /p 1.1 len=3 [abc]. "),
	S(POST "Content-Length: 003\r\n\r\nabc", "POST /p 1.1 len=3 [abc]. "),
	S(POST "Content-Length: 3\r\n\r\nab", "POST /p 1.1 len=3 [ab~"),
	S(POST "Content-Length: 3\r\n\r\n", "POST /p 1.1 len=3~"),
	S(POST "Content-Length: 3\r\n\r\na\0\n", "POST /p 1.1 len=3 [a"),
	S(POST "Content-Length: 2\r\n\r\nab" GET "\r\n", "POST /p 1.1 len=2 [ab]. " OK),
	S(POST "Content-Length: 2\r\n\r\nab\r\n" GET "\r\n", "POST /p 1.1 len=2 [ab]. " OK),
	S(POST "Content-Length: 2\r\n\r\nabc", "POST /p 1.1 len=2 [ab]. ~"),
	S(GET "Content-Length: 2\r\n\r\nab" GET "\r\n", "GET / 1.1 len=2 [ab]. " OK),
	S("HEAD / HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nab" GET "\r\n", "HEAD / 1.1 len=2 [ab]. " OK),
	S(GET "\r\n" GET "\r\n" GET "\r\n", OK OK OK),
	S(GET "\r\n\r\n" GET "\r\n", OK OK),
	S(GET "\r\n\r\n\r\n" GET "\r\n", OK BAD),
	S(GET "\r\nGET / HTTP/1.1\r\n\r\n", OK BAD),
	S(POST "Content-Length:\r\n\r\n", BAD),
	S(POST "Content-Length: a\r\n\r\n", BAD),
	S(POST "Content-Length: 3a\r\n\r\nabc", BAD),
	S(POST "Content-Length: 0x3\r\n\r\nabc", BAD),
	S(POST "Content-Length: +3\r\n\r\nabc", BAD),
	S(POST "Content-Length: -3\r\n\r\nabc", BAD),
	S(POST "Content-Length: 3 3\r\n\r\nabc", BAD),
	S(POST "Content-Length: 3, 3\r\n\r\nabc", BAD),
	S(POST "Content-Length: 3.0\r\n\r\nabc", BAD),
	S(POST "Content-Length: \"3\"\r\n\r\nabc", BAD),
	S(POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", BAD),
	S(POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", BAD),
	S(POST "Content-Length: 3\r\ncontent-length: 0\r\n\r\nabc", BAD),
	S(POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc", BAD),
	S(POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc", BAD),
	S(POST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", BAD),
};

static const struct sample codings[] = {
	S(POST "Transfer-Encoding: gzip\r\n\r\n", "!NOT_IMPLEMENTED"),
	S(POST "Transfer-Encoding: identity\r\n\r\n", "!NOT_IMPLEMENTED"),
	S(POST "Transfer-Encoding: gzip, chunked\r\n\r\n", "!NOT_IMPLEMENTED"),
	S(POST "Transfer-Encoding: chunked, gzip\r\n\r\n", "!NOT_IMPLEMENTED"),
	S(POST "Transfer-Encoding: chunked;q=1\r\n\r\n", "!NOT_IMPLEMENTED"),
	S(POST "Transfer-Encoding: xchunked\r\n\r\n", "!NOT_IMPLEMENTED"),
	S(POST "Transfer-Encoding: chunked, chunked\r\n\r\n", BAD),
	S(POST "Transfer-Encoding: chunked,\r\n\r\n", BAD),
	S(POST "Transfer-Encoding: ,chunked\r\n\r\n", BAD),
	S(POST "Transfer-Encoding:\r\n\r\n", BAD),
	S(POST "Transfer-Encoding: \x0b" "chunked\r\n\r\n", BAD),
	S(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", BAD),
	S(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n", BAD),
	S(POST "Transfer-Encoding\r\n : chunked\r\n\r\n", BAD),
	S(POST "Transfer-Encoding : chunked\r\n\r\n", BAD),
	S("POST /p HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", BAD),
	S("POST /p HTTP/1.0\r\nTransfer-Encoding: gzip\r\n\r\n", BAD),
	S(POST "TRANSFER-ENCODING: \tCHUNKED \r\n\r\n0\r\n\r\n", "POST /p 1.1 chunked. "),
};

#define C "POST /p 1.1 chunked"
static const struct sample chunks[] = {
	S(CHUNKED, C "~"),
	S(CHUNKED "0\r\n\r\n", C ". "),
	S(CHUNKED "0\r\n\r", C "~"),
	S(CHUNKED "000\r\n\r\n", C ". "),
	S(CHUNKED "3\r\nabc\r\n0\r\n\r\n", C " [abc]. "),
	S(CHUNKED "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n" GET "\r\n", C " [abcde]. " OK),
	S(CHUNKED "3\r\na\r\n\r\n0\r\n\r\n", C " [a\r\n]. "),
	S(CHUNKED "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", C " [01234567890123456789]. "),
	S(CHUNKED "15\r\n", C "!BODY_TOO_LARGE"),
	S(CHUNKED "A\r\n0123456789\r\nb\r\n", C " [0123456789!BODY_TOO_LARGE"),
	S(CHUNKED "ffffffffffffffff\r\n", C "!BODY_TOO_LARGE"),
	S(CHUNKED "fffffffffffffffff\r\n", C "!BODY_TOO_LARGE"),
	S(CHUNKED "10000000000000001\r\na", C "!BODY_TOO_LARGE"),
	S(CHUNKED "00000000000000000000000000000001\r\na\r\n0\r\n\r\n", C " [a]. "),
	S(CHUNKED "3;x=y\r\nabc\r\n0;z\r\n\r\n", C " [abc]. "),
	S(CHUNKED "3 ;x\r\nabc\r\n0\t ;\r\n\r\n", C " [abc]. "),
	S(CHUNKED "3;x=\"a;b\"\r\nabc\r\n0\r\n\r\n", C " [abc]. "),
	S(CHUNKED "3 \r\nabc\r\n0\r\n\r\n", C BAD),
	S(CHUNKED "3 x\r\nabc\r\n0\r\n\r\n", C BAD),
	S(CHUNKED "3;x\ny\r\nabc\r\n", C BAD),
	S(CHUNKED "3;\0\r\nabc\r\n", C BAD),
	S(CHUNKED "3;x\ry\r\nabc\r\n", C BAD),
	S(CHUNKED " 3\r\nabc\r\n", C BAD),
	S(CHUNKED "\r\n3\r\nabc\r\n", C BAD),
	S(CHUNKED ";x\r\n\r\n", C BAD),
	S(CHUNKED "0x3\r\nabc\r\n", C BAD),
	S(CHUNKED "+3\r\nabc\r\n", C BAD),
	S(CHUNKED "-3\r\nabc\r\n", C BAD),
	S(CHUNKED "g\r\nabc\r\n", C BAD),
	S(CHUNKED "3\nabc\r\n", C BAD),
	S(CHUNKED "3\r\rabc\r\n", C BAD),
	S(CHUNKED "3\r\nabc\n0\r\n\r\n", C " [abc" BAD),
	S(CHUNKED "3\r\nabcd\r\n0\r\n\r\n", C " [abc" BAD),
	S(CHUNKED "3\r\nabc\r0\r\n\r\n", C " [abc" BAD),
	S(CHUNKED "3\r\nabc0\r\n\r\n", C " [abc" BAD),
	S(CHUNKED "3\r\nab", C " [ab~"),
	S(CHUNKED "0\r\nA: b\r\n\r\n", C ". "),
	S(CHUNKED "0\r\nA: b\r\nC:\r\n\r\n" GET "\r\n", C ". " OK),
	S(CHUNKED "0\r\nContent-Length: 5\r\n\r\n" GET "\r\n", C ". " OK),
	S(CHUNKED "0\r\nA b\r\n\r\n", C BAD),
	S(CHUNKED "0\r\nA\r\n\r\n", C BAD),
	S(CHUNKED "0\r\n: b\r\n\r\n", C BAD),
	S(CHUNKED "0\r\n A: b\r\n\r\n", C BAD),
	S(CHUNKED "0\r\nA: b\r\n c\r\n\r\n", C BAD),
	S(CHUNKED "0\r\nA: b\n\r\n", C BAD),
	S(CHUNKED "0\r\nA: \x01\r\n\r\n", C BAD),
	S(CHUNKED "0\r\n\n", C BAD),
	S(CHUNKED "0\r\n\r\r", C BAD),
	S(CHUNKED "0\r\nGET / HTTP/1.1\r\n" H "\r\n", C BAD),
};
/* clang-format on */

/* ---- running them ----------------------------------------------------- */

static void
expect(struct trace *t, const struct sample *s, const char *how, size_t at)
{
	trace_end(t);
	buf_add_char(&t->text, '\0');
	if (strcmp(t->text.data, s->want) != 0)
		fail_msg("%s %zu of %zu: '%.*s'\n got  '%s'\n want '%s'", how,
		    at, s->len, (int)(s->len > 400 ? 400 : s->len), s->in,
		    t->text.data, s->want);
	trace_clear(t);
}

static void
check_split(const struct sample *s, size_t at)
{
	struct trace t;

	trace_init(&t, BODY_MAX);
	trace_feed(&t, s->in, at);
	trace_feed(&t, s->in + at, s->len - at);
	expect(&t, s, "split at", at);
}

static void
check_steps(const struct sample *s, size_t step)
{
	struct trace t;

	trace_init(&t, BODY_MAX);
	for (size_t at = 0; at < s->len; at += step)
		trace_feed(
		    &t, s->in + at, s->len - at < step ? s->len - at : step);
	expect(&t, s, "in steps of", step);
}

/* Long ones are cut at some places only: near both ends, and at every
 * hundredth byte or so. */
static void
check(const struct sample *s)
{
	for (size_t at = 0; at <= s->len; at++)
		if (s->len < 2000 || at % 97 == 0 || at + 40 > s->len)
			check_split(s, at);
	check_steps(s, 1);
	check_steps(s, 2);
	check_steps(s, 7);
}

static void
check_all(const struct sample *samples, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check(&samples[i]);
}

static void
test_request_lines(void **state)
{
	(void)state;
	check_all(request_lines, COUNT_OF(request_lines));
}

static void
test_headers(void **state)
{
	(void)state;
	check_all(headers, COUNT_OF(headers));
}

static void
test_lengths(void **state)
{
	(void)state;
	check_all(lengths, COUNT_OF(lengths));
}

static void
test_codings(void **state)
{
	(void)state;
	check_all(codings, COUNT_OF(codings));
}

static void
test_chunks(void **state)
{
	(void)state;
	check_all(chunks, COUNT_OF(chunks));
}

static void
test_corpus_is_large(void **state)
{
	(void)state;
	assert_true(COUNT_OF(request_lines) + COUNT_OF(headers) +
			COUNT_OF(lengths) + COUNT_OF(codings) +
			COUNT_OF(chunks) >=
		    200);
}

/* ---- limits ----------------------------------------------------------- */

/* before, n times the byte c, after. */
static void
check_long(
    const char *before, size_t n, char c, const char *after, const char *want)
{
	struct buf in;
	struct sample s;

	buf_init(&in, 1 << 20);
	buf_add_str(&in, before);
	for (size_t i = 0; i < n; i++)
		buf_add_char(&in, c);
	buf_add_str(&in, after);
	s = (struct sample){in.data, in.len, want};
	check(&s);
	buf_clear(&in);
}

/* A wanted text that begins with what was let pass is too long to write down:
 * only that it is no error. */
static void
check_passes(const char *before, size_t n, char c, const char *after)
{
	struct trace t;

	for (size_t step = 1; step <= 4096; step = step * 8 - 1) {
		trace_init(&t, BODY_MAX);
		trace_feed(&t, before, strlen(before));
		for (size_t i = 0; i < n; i++)
			trace_feed(&t, &c, 1);
		for (size_t i = 0; i < strlen(after); i += step)
			trace_feed(&t, after + i,
			    strlen(after) - i < step ? strlen(after) - i
						     : step);
		assert_false(t.is_over);
		trace_end(&t);
		assert_memory_equal(t.text.data + t.text.len - 2, ". ", 2);
		trace_clear(&t);
	}
}

static void
test_request_line_limit(void **state)
{
	const size_t frame = strlen("GET / HTTP/1.1\r\n");

	(void)state;
	check_passes(
	    "GET /", PARSER_LINE_MAX - frame, 'a', " HTTP/1.1\r\n" H "\r\n");
	check_long("GET /", PARSER_LINE_MAX - frame + 1, 'a',
	    " HTTP/1.1\r\n" H "\r\n", "!URI_TOO_LONG");
	check_long("GET /", PARSER_LINE_MAX, 'a', "", "!URI_TOO_LONG");
	check_long(
	    "GET /", 12000, 'a', " HTTP/1.1\r\n" H "\r\n", "!URI_TOO_LONG");
	check_long("GET /\x01", 12000, '\x01', "", "!URI_TOO_LONG");
	check_long("", 12000, 'A', "", "!URI_TOO_LONG");
	check_long("", 8191, 'A', "", "~");
	check_long("", 8192, 'A', "", "!URI_TOO_LONG");
	check_long("\r\n", 8191, 'A', "", "~");
	check_long("\r\n", 8192, 'A', "", "!URI_TOO_LONG");
}

static void
test_header_limit(void **state)
{
	const size_t frame = strlen(H "A: \r\n\r\n");

	(void)state;
	check_long(GET "A: ", PARSER_FIELDS_MAX - frame, 'a', "\r\n\r\n", OK);
	check_long(GET "A: ", PARSER_FIELDS_MAX - frame + 1, 'a', "\r\n\r\n",
	    "!HEADERS_TOO_LARGE");
	check_long(GET, PARSER_FIELDS_MAX + 10, 'a', "", "!HEADERS_TOO_LARGE");
	check_long(GET "A: \x01", PARSER_FIELDS_MAX, 'a', "\r\n\r\n",
	    "!HEADERS_TOO_LARGE");
}

static void
check_lines(const char *before, size_t n, const char *after, const char *want)
{
	struct buf in;
	struct sample s;

	buf_init(&in, 1 << 20);
	buf_add_str(&in, before);
	for (size_t i = 0; i < n; i++)
		buf_addf(&in, "A%zu: b\r\n", i);
	buf_add_str(&in, after);
	s = (struct sample){in.data, in.len, want};
	check(&s);
	buf_clear(&in);
}

static void
test_line_limit(void **state)
{
	(void)state;
	check_lines(GET, PARSER_LINES_MAX - 1, "\r\n", OK);
	check_lines(GET, PARSER_LINES_MAX, "\r\n", "!HEADERS_TOO_LARGE");
	check_lines(CHUNKED "0\r\n", PARSER_LINES_MAX, "\r\n", C ". ");
	check_lines(CHUNKED "0\r\n", PARSER_LINES_MAX + 1, "\r\n",
	    C "!HEADERS_TOO_LARGE");
}

static void
test_chunk_limits(void **state)
{
	(void)state;
	check_long(
	    CHUNKED "1;", PARSER_EXT_LINE_MAX - 3, 'x', "\r\na\r\n", C " [a~");
	check_long(CHUNKED "1;", PARSER_EXT_LINE_MAX, 'x', "\r\na\r\n", C BAD);
	check_long(CHUNKED, PARSER_EXT_LINE_MAX + 1, '0', "1\r\na\r\n", C BAD);
	check_long(CHUNKED "0\r\nA:", PARSER_TRAILER_MAX, 'x', "\r\n\r\n",
	    C "!HEADERS_TOO_LARGE");
	check_long(
	    CHUNKED "0\r\nA:", PARSER_TRAILER_MAX - 6, 'x', "\r\n\r\n", C ". ");
}

/* Many small chunks, each with an extension: their sum is bounded. */
static void
test_extension_sum(void **state)
{
	struct trace t;
	char chunk[256];
	size_t fed = 0;

	(void)state;
	snprintf(chunk, sizeof(chunk), "1;%0200d\r\na\r\n", 0);
	trace_init(&t, UINT64_MAX);
	trace_feed(&t, CHUNKED, strlen(CHUNKED));
	for (; !t.is_over && fed < 1000; fed++)
		trace_feed(&t, chunk, strlen(chunk));
	assert_true(t.is_over);
	assert_int_equal(t.parser.err, ERR_HTTP_BAD);
	assert_true(fed < PARSER_EXT_MAX / 200 + 2);
	trace_clear(&t);
}

/* A length that no number holds is refused by the route, not taken small. */
static void
test_huge_length(void **state)
{
	static const char *const texts[] = {"18446744073709551616",
	    "184467440737095516160", "99999999999999999999999999999999"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct trace t;
		char in[200];

		snprintf(in, sizeof(in), POST "Content-Length: %s\r\n\r\n",
		    texts[i]);
		trace_init(&t, BODY_MAX);
		trace_feed(&t, in, strlen(in));
		assert_false(t.is_over);
		assert_true(t.parser.head.length > UINT64_MAX / 1000);
		trace_clear(&t);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_request_lines),
	    cmocka_unit_test(test_headers),
	    cmocka_unit_test(test_lengths),
	    cmocka_unit_test(test_codings),
	    cmocka_unit_test(test_chunks),
	    cmocka_unit_test(test_corpus_is_large),
	    cmocka_unit_test(test_request_line_limit),
	    cmocka_unit_test(test_header_limit),
	    cmocka_unit_test(test_line_limit),
	    cmocka_unit_test(test_chunk_limits),
	    cmocka_unit_test(test_extension_sum),
	    cmocka_unit_test(test_huge_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
