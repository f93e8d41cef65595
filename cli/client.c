/* HTTP to one schedd, by libcurl; see client.h and client_priv.h. */

#include "cli/client_priv.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>

#include "core/mem.h"
#include "core/secret.h"
#include "core/version.h"

enum {
	CONNECT_TIMEOUT_MS = 3000,
	ANSWER_MAX = 256 << 20,
	ANSWER_KEEP = 1 << 20, /* of memory, for the next answer */
	URL_MAX = 64 * 1024,
	HEADER_MAX = 1024,
	WHY_MAX = 512
};

/* ---- the server's address --------------------------------------------- */

/* Splits the address into what libcurl is told; why on failure. */
static bool
client_set_server(struct client *c, const char *server, struct buf *why)
{
	struct buf url;
	size_t len;

	if (strncmp(server, "unix:", 5) == 0) {
		if (server[5] == '\0' ||
		    strlen(server + 5) >=
			sizeof(((struct sockaddr_un *)0)->sun_path)) {
			buf_addf(why,
			    "server '%s': expected unix:/path of at most "
			    "107 bytes",
			    server);
			return false;
		}
		c->server = xstrdup(server);
		c->unix_path = xstrdup(server + 5);
		c->base = xstrdup("http://localhost");
		return true;
	}
	buf_init(&url, URL_MAX);
	if (strstr(server, "://") == NULL)
		buf_add_str(&url, "http://");
	buf_add_str(&url, server);
	for (len = url.len; len > 0 && url.data[len - 1] == '/'; len--)
		continue;
	if (!url.failed)
		c->server = xmemdupz(url.data, len);
	buf_clear(&url);
	if (c->server == NULL)
		return false;
	c->base = xstrdup(c->server);
	return true;
}

/* Is the part there and not empty? */
static bool
url_has(CURLU *url, CURLUPart part)
{
	char *text = NULL;
	bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK &&
		   text != NULL && *text != '\0';

	curl_free(text);
	return has;
}

static bool
client_check_server(const struct client *c, struct buf *why)
{
	CURLU *url = curl_url();
	bool ok;

	ASSERT(url != NULL);
	ok = (strncmp(c->base, "http://", 7) == 0 ||
		 strncmp(c->base, "https://", 8) == 0) &&
	     curl_url_set(url, CURLUPART_URL, c->base, 0) == CURLUE_OK &&
	     url_has(url, CURLUPART_HOST) && !url_has(url, CURLUPART_QUERY) &&
	     !url_has(url, CURLUPART_FRAGMENT);
	if (!ok)
		buf_addf(why,
		    "server '%s': expected http://host:port or unix:/path",
		    c->server);
	else if (url_has(url, CURLUPART_USER) ||
		 url_has(url, CURLUPART_PASSWORD)) {
		buf_add_str(
		    why, "server: expected http://host:port, without a user");
		ok = false;
	}
	curl_url_cleanup(url);
	return ok;
}

/* ---- life ------------------------------------------------------------- */

static size_t
client_on_body(char *data, size_t size, size_t n, void *arg)
{
	struct client *c = arg;

	buf_add(&c->answer, data, size * n);
	return c->answer.failed ? 0 : size * n;
}

#define SET(option, value) \
	ASSERT(curl_easy_setopt(c->curl, (option), (value)) == CURLE_OK)

/* Where a token may go without TLS. */
static bool
is_this_machine(const struct client *c)
{
	CURLU *url = curl_url();
	char *host = NULL;
	bool is = c->unix_path != NULL;

	ASSERT(url != NULL);
	if (!is && curl_url_set(url, CURLUPART_URL, c->base, 0) == CURLUE_OK &&
	    curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK)
		is = strcmp(host, "localhost") == 0 ||
		     strcmp(host, "[::1]") == 0 ||
		     strncmp(host, "127.", 4) == 0;
	curl_free(host);
	curl_url_cleanup(url);
	return is;
}

static enum err
client_set_token(struct client *c, const char *file, struct buf *why)
{
	struct buf text, line;
	enum err err;

	if (strncmp(c->base, "https://", 8) != 0 && !is_this_machine(c)) {
		buf_addf(why,
		    "server '%s': a token goes over https:// only, or to "
		    "this machine",
		    c->server);
		return ERR_USAGE;
	}
	buf_init(&text, SECRET_FILE_MAX);
	buf_init(&line, HEADER_MAX);
	err = secret_read("token file", file, &text, why);
	if (err == ERR_OK) {
		size_t len = 0;

		while (len < text.len && text.data[len] > ' ' &&
		       text.data[len] < 0x7f)
			len++;
		buf_addf(
		    &line, "Authorization: Bearer %.*s", (int)len, text.data);
		buf_add_char(&line, '\0');
		if (line.failed)
			buf_addf(why, "token file: %s holds no token", file);
		else
			ASSERT(
			    curl_slist_append(c->headers, line.data) != NULL);
		err = line.failed ? ERR_USAGE : ERR_OK;
	}
	secret_wipe(text.data, text.len);
	secret_wipe(line.data, line.len);
	buf_clear(&text);
	buf_clear(&line);
	return err == ERR_OK ? ERR_OK : ERR_USAGE;
}

static void
client_set_up(struct client *c, const struct client_options *options)
{
	char agent[64];

	ASSERT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
	c->curl = curl_easy_init();
	ASSERT(c->curl != NULL);
	c->headers = curl_slist_append(NULL, "Content-Type: application/json");
	ASSERT(c->headers != NULL);
	/* The body follows at once: one round trip, also for large ones. */
	ASSERT(curl_slist_append(c->headers, "Expect:") != NULL);
	SET(CURLOPT_ERRORBUFFER, c->curl_text);
	SET(CURLOPT_NOSIGNAL, 1L);
	/* A look-up that hangs is not waited for when a request is left. */
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	/* An http_proxy in the environment is meant for other hosts. */
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_TCP_NODELAY, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	(void)snprintf(agent, sizeof(agent), "schedctl/%.32s", version_text());
	SET(CURLOPT_USERAGENT, agent);
	SET(CURLOPT_WRITEFUNCTION, client_on_body);
	SET(CURLOPT_WRITEDATA, c);
	SET(CURLOPT_HTTPHEADER, c->headers);
	if (c->unix_path != NULL)
		SET(CURLOPT_UNIX_SOCKET_PATH, c->unix_path);
	if (options->ca != NULL)
		SET(CURLOPT_CAINFO, options->ca);
	if (options->cert != NULL) {
		SET(CURLOPT_SSLCERT, options->cert);
		SET(CURLOPT_SSLKEY, options->cert);
	}
}

enum err
client_open(
    struct client **out, const struct client_options *options, struct buf *why)
{
	struct client *c = xcalloc(1, sizeof(*c));

	*out = NULL;
	c->timeout_ms = options->timeout_ms;
	buf_init(&c->url, URL_MAX);
	buf_init(&c->answer, ANSWER_MAX);
	buf_init(&c->why, WHY_MAX);
	if (!client_set_server(c, options->server, why) ||
	    !client_check_server(c, why)) {
		client_close(c);
		return ERR_USAGE;
	}
	client_set_up(c, options);
	if (options->token_file != NULL &&
	    client_set_token(c, options->token_file, why) != ERR_OK) {
		client_close(c);
		return ERR_USAGE;
	}
	*out = c;
	return ERR_OK;
}

struct client *
client_twin(const struct client *like)
{
	struct client *c = xcalloc(1, sizeof(*c));

	c->curl = curl_easy_duphandle(like->curl);
	ASSERT(c->curl != NULL);
	c->server = xstrdup(like->server);
	c->base = xstrdup(like->base);
	c->timeout_ms = like->timeout_ms;
	buf_init(&c->url, URL_MAX);
	buf_init(&c->answer, ANSWER_MAX);
	buf_init(&c->why, WHY_MAX);
	SET(CURLOPT_ERRORBUFFER, c->curl_text);
	SET(CURLOPT_WRITEDATA, c);
	return c;
}

void
client_close(struct client *c)
{
	if (c == NULL)
		return;
	curl_easy_cleanup(c->curl);
	curl_slist_free_all(c->headers);
	free(c->server);
	free(c->base);
	free(c->unix_path);
	buf_clear(&c->url);
	buf_clear(&c->answer);
	buf_clear(&c->why);
	free(c);
}

/* ---- one request ------------------------------------------------------ */

void
client_prepare(struct client *c, const struct client_request *r)
{
	buf_reset(&c->answer, ANSWER_KEEP);
	c->curl_text[0] = '\0';
	buf_reset(&c->url, URL_MAX);
	buf_add_str(&c->url, c->base);
	buf_add_str(&c->url, r->path);
	buf_add_char(&c->url, '\0');
	ASSERT(!c->url.failed);
	SET(CURLOPT_URL, c->url.data);
	/* POST with a body and the right word: also for PATCH and DELETE. */
	if (r->body.len > 0) {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
		SET(CURLOPT_POSTFIELDS, r->body.p);
	} else {
		SET(CURLOPT_HTTPGET, 1L);
	}
	SET(CURLOPT_CUSTOMREQUEST, r->method);
	c->limit_ms =
	    r->wait_ms + (r->timeout_ms > 0 ? r->timeout_ms : c->timeout_ms);
	SET(CURLOPT_TIMEOUT_MS, (long)c->limit_ms);
}

static enum client_fault
client_find_fault(const struct client *c, CURLcode code, long os_errno)
{
	switch ((int)code) {
	case CURLE_OPERATION_TIMEDOUT:
		return c->was_refused ? CLIENT_FAULT_NO_ANSWER
				      : CLIENT_FAULT_SLOW;
	case CURLE_COULDNT_CONNECT:
		return os_errno == EACCES || os_errno == EPERM
			   ? CLIENT_FAULT_DENIED
			   : CLIENT_FAULT_REFUSED;
	case CURLE_COULDNT_RESOLVE_HOST:
		return CLIENT_FAULT_NO_HOST;
	case CURLE_PEER_FAILED_VERIFICATION:
		return CLIENT_FAULT_UNTRUSTED;
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
		return CLIENT_FAULT_FILES;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		return CLIENT_FAULT_CLOSED;
	default:
		return CLIENT_FAULT_OTHER;
	}
}

static void
client_explain(struct client *c, CURLcode code)
{
	uint64_t connect_ms = CONNECT_TIMEOUT_MS;
	long os_errno = 0;

	if (connect_ms > c->limit_ms)
		connect_ms = c->limit_ms;

	(void)curl_easy_getinfo(c->curl, CURLINFO_OS_ERRNO, &os_errno);
	c->fault = client_find_fault(c, code, os_errno);
	buf_reset(&c->why, WHY_MAX);
	if (code == CURLE_OPERATION_TIMEDOUT && c->was_refused)
		buf_addf(&c->why, "no connection within %g s",
		    (double)connect_ms / 1000);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		buf_addf(&c->why, "no answer within %g s",
		    (double)c->limit_ms / 1000);
	else if (code == CURLE_WRITE_ERROR)
		buf_addf(&c->why, "the answer has more than %d MiB",
		    ANSWER_MAX >> 20);
	else if (code == CURLE_GOT_NOTHING)
		buf_add_str(&c->why, "it closed the connection");
	else if (code == CURLE_COULDNT_CONNECT && os_errno != 0)
		buf_add_str(&c->why, strerror((int)os_errno));
	else if (c->curl_text[0] != '\0')
		buf_add_str(&c->why, c->curl_text);
	else
		buf_add_str(&c->why, curl_easy_strerror(code));
	buf_add_char(&c->why, '\0');
}

/* What stands in the answer's head besides its status. */
static void
client_read_head(struct client *c, struct client_answer *out)
{
	struct curl_header *date = NULL;
	curl_off_t retry_after = 0, took_us = 0;
	time_t at;

	(void)curl_easy_getinfo(c->curl, CURLINFO_RETRY_AFTER, &retry_after);
	(void)curl_easy_getinfo(c->curl, CURLINFO_TOTAL_TIME_T, &took_us);
	out->retry_after_s = retry_after > 0 ? (uint64_t)retry_after : 0;
	out->took_us = took_us > 0 ? (uint64_t)took_us : 0;
	if (curl_easy_header(c->curl, "Date", 0, CURLH_HEADER, -1, &date) !=
	    CURLHE_OK)
		return;
	at = curl_getdate(date->value, NULL);
	out->date_ms = at > 0 ? (int64_t)at * 1000 : 0;
}

enum err
client_end(struct client *c, CURLcode code, struct client_answer *out)
{
	long status = 0, sent = 0;
	curl_off_t connect_us = 0;

	*out = (struct client_answer){0};
	(void)curl_easy_getinfo(c->curl, CURLINFO_REQUEST_SIZE, &sent);
	(void)curl_easy_getinfo(c->curl, CURLINFO_CONNECT_TIME_T, &connect_us);
	c->was_sent = sent > 0;
	c->was_refused = sent == 0 && connect_us == 0;
	if (code != CURLE_OK) {
		client_explain(c, code);
		return ERR_UNREACHABLE;
	}
	(void)curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	out->status = (int)status;
	out->body = buf_span(&c->answer);
	client_read_head(c, out);
	return ERR_OK;
}

enum err
client_call(struct client *c, const struct client_request *request,
    struct client_answer *out)
{
	client_prepare(c, request);
	return client_end(c, curl_easy_perform(c->curl), out);
}

#undef SET

const char *
client_why(const struct client *c)
{
	return c->why.len > 0 ? c->why.data : "";
}

enum client_fault
client_fault(const struct client *c)
{
	return c->fault;
}

bool
client_was_sent(const struct client *c)
{
	return c->was_sent;
}

bool
client_was_refused(const struct client *c)
{
	return c->was_refused;
}

void
client_copy_why(struct client *c, const struct client *other)
{
	buf_reset(&c->why, WHY_MAX);
	buf_add_span(&c->why, buf_span(&other->why));
	c->fault = other->fault;
	c->was_sent = other->was_sent;
	c->was_refused = other->was_refused;
}

const char *
client_server(const struct client *c)
{
	return c->server;
}

/* ---- paths ------------------------------------------------------------ */

static void
add_escaped(struct buf *path, struct span text, const char *plain)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.len; i++) {
		unsigned char ch = (unsigned char)text.p[i];

		if (isalnum(ch) || (ch != 0 && strchr(plain, ch) != NULL)) {
			buf_add_char(path, (char)ch);
			continue;
		}
		buf_add_char(path, '%');
		buf_add_char(path, hex[ch >> 4]);
		buf_add_char(path, hex[ch & 15]);
	}
}

void
client_add_segment(struct buf *path, struct span text)
{
	/* Dots alone would name a folder. */
	if (span_is(text, ".") || span_is(text, ".."))
		add_escaped(path, text, "");
	else
		add_escaped(path, text, "-_.~:@");
}

void
client_add_value(struct buf *path, struct span text)
{
	add_escaped(path, text, "-_.~");
}
