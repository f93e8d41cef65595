#ifndef SCHEDD_HTTP_PARSER_H
#define SCHEDD_HTTP_PARSER_H

/*
 * HTTP/1.0 and 1.1 requests: bytes in, events out, no I/O and no memory of
 * its own. Strict: whatever two readers could understand in two ways is
 * refused (bare LF, folding, two lengths, a length beside an encoding). The
 * events do not depend on how the bytes are cut.
 *
 * The caller offers what it holds and did not yet use. While a head is
 * incomplete nothing of it is used, so that its spans point into the input:
 * no more than PARSER_HEAD_MAX bytes ever wait there.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"

enum {
	PARSER_LINE_MAX = 8 * 1024,    /* request line, with its CRLF */
	PARSER_FIELDS_MAX = 16 * 1024, /* all header lines, with CRLFs */
	PARSER_LINES_MAX = 100,        /* header lines; trailer lines */
	PARSER_TRAILER_MAX = 8 * 1024, /* bytes of a trailer */
	PARSER_EXT_LINE_MAX = 256,     /* extensions of one chunk */
	PARSER_EXT_MAX = 16 * 1024,    /* and of all of one body */
	PARSER_HEAD_MAX = PARSER_LINE_MAX + PARSER_FIELDS_MAX,
	PARSER_REQUEST_ID_MAX = 64
};

enum parser_event {
	PARSER_MORE, /* all is used that can be */
	PARSER_HEAD, /* p->head is filled */
	PARSER_BODY, /* p->piece is some more of the body */
	PARSER_DONE, /* the request is whole; the next one may follow */
	PARSER_ERROR /* p->err and p->why; no further call but parser_init */
};

enum parser_expect { EXPECT_NONE, EXPECT_CONTINUE, EXPECT_OTHER };

/* The spans are good until the input moves. */
struct parser_head {
	struct span method;
	struct span target;     /* begins with '/', or is "*" */
	struct span request_id; /* X-Request-Id when it is usable, else empty */
	struct span authorization;
	struct span host, origin, fetch_site, type; /* empty: it has none */
	uint64_t length; /* Content-Length; 0 without */
	bool has_length;
	bool is_chunked;
	bool is_http10;
	bool keep_alive; /* what the client wants, or its version implies */
	bool is_lines;   /* its Content-Type is NDJSON */
	enum parser_expect expect;
};

struct parser {
	struct parser_head head;
	struct span piece;
	enum err err;    /* HTTP_BAD, URI_TOO_LONG, ... */
	const char *why; /* a literal for people, or NULL */

	uint64_t body_max;  /* set by the caller after PARSER_HEAD */
	uint64_t body_seen; /* bytes of the body so far, without framing */
	uint64_t left;      /* of the length, or of the chunk */
	uint32_t line_at; /* where the line that is read begins in the input */
	uint32_t scan_at; /* no LF before here */
	uint32_t fields_at; /* where the header lines begin */
	uint32_t ext_bytes, line_bytes, trailer_bytes;
	uint8_t state;
	uint8_t lines, trailer_lines;
	uint8_t seen; /* which headers may not come again */
	bool had_blank;
	/* Offsets of the spans above; the input may move between calls. */
	struct parser_place {
		uint32_t at, len;
	} method, target, request_id, authorization, host, origin, fetch_site,
	    type;
};

void parser_init(struct parser *p);

/*
 * One step: call it until PARSER_MORE or PARSER_ERROR. used says how many
 * bytes of in were used and must not be offered again; those not used must
 * be, in front of what comes later. After PARSER_HEAD the caller may set
 * body_max; a body that grows past it is BODY_TOO_LARGE.
 */
enum parser_event parser_next(
    struct parser *p, struct span in, size_t *used) MUST_CHECK;

/* So many of the next bytes are the body's, whatever they are. */
uint64_t parser_body_left(const struct parser *p);

/* Has nothing of a next request been seen? (The input may hold some.) */
bool parser_is_idle(const struct parser *p);

#endif
