/* HTTP to another schedd; see post.h. libcurl says which sockets and which
 * time it waits for, and the loop tells it when they are there. */

#define _DEFAULT_SOURCE /* explicit_bzero */

#include "relay/post.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <event2/event.h>

#include "core/loop.h"
#include "core/mem.h"

enum {
	ANSWER_MAX = 4 << 20,
	CONNECT_MS = 5000,
	TIMEOUT_MS = 30000,
	SOCKETS_MAX = 8 /* one is in use, some may be being tried */
};

struct socket {
	curl_socket_t fd;
	struct event *event;
};

struct post_client {
	struct loop *loop;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	char *url, *ca;
	struct timer timer;
	struct socket sockets[SOCKETS_MAX];
	struct buf answer;
	char why[CURL_ERROR_SIZE];
	post_cb *cb; /* NULL: none is under way */
	void *arg;
};

/* ---- what libcurl asks for ---------------------------------------------- */

static void
post_check(struct post_client *c)
{
	struct CURLMsg *message;
	post_cb *cb = c->cb;
	long status = 0;
	int left;

	message = curl_multi_info_read(c->multi, &left);
	if (message == NULL || message->msg != CURLMSG_DONE || cb == NULL)
		return;
	if (message->data.result == CURLE_OK)
		(void)curl_easy_getinfo(
		    c->easy, CURLINFO_RESPONSE_CODE, &status);
	else if (c->why[0] == '\0')
		(void)snprintf(c->why, sizeof(c->why), "%s",
		    curl_easy_strerror(message->data.result));
	(void)curl_multi_remove_handle(c->multi, c->easy);
	c->cb = NULL;
	cb((int)status, buf_span(&c->answer), c->why, c->arg);
}

static void
post_on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct post_client *c = arg;
	int bits = 0, running;

	if ((what & EV_READ) != 0)
		bits |= CURL_CSELECT_IN;
	if ((what & EV_WRITE) != 0)
		bits |= CURL_CSELECT_OUT;
	(void)curl_multi_socket_action(c->multi, fd, bits, &running);
	post_check(c);
}

static void
post_on_timer(void *arg)
{
	struct post_client *c = arg;
	int running;

	(void)curl_multi_socket_action(
	    c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	post_check(c);
}

static int
post_set_timer(CURLM *multi, long ms, void *arg)
{
	struct post_client *c = arg;

	(void)multi;
	if (ms < 0)
		timer_disarm(&c->timer);
	else
		timer_arm_ms(&c->timer, (uint64_t)ms);
	return 0;
}

static void
socket_clear(struct socket *s)
{
	if (s->event != NULL)
		event_free(s->event);
	*s = (struct socket){0};
}

static int
post_set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *of)
{
	struct post_client *c = arg;
	struct socket *s = of;
	short events = EV_PERSIST;

	(void)easy;
	for (size_t i = 0; s == NULL && i < SOCKETS_MAX; i++)
		if (c->sockets[i].event == NULL)
			s = &c->sockets[i];
	if (s == NULL)
		return -1;
	socket_clear(s);
	(void)curl_multi_assign(
	    c->multi, fd, what == CURL_POLL_REMOVE ? NULL : s);
	if (what == CURL_POLL_REMOVE)
		return 0;
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		events |= EV_READ;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		events |= EV_WRITE;
	s->fd = fd;
	s->event = event_new(loop_base(c->loop), fd, events, post_on_ready, c);
	ASSERT(s->event != NULL);
	return event_add(s->event, NULL);
}

static size_t
post_on_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct post_client *c = arg;

	buf_add(&c->answer, bytes, size * n);
	return c->answer.failed ? 0 : size * n;
}

/* ---- what callers do ---------------------------------------------------- */

static void
post_set_options(struct post_client *c)
{
	CURL *e = c->easy;

	(void)curl_easy_setopt(e, CURLOPT_URL, c->url);
	(void)curl_easy_setopt(e, CURLOPT_HTTPHEADER, c->headers);
	(void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(e, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(e, CURLOPT_POST, 1L);
	(void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	(void)curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
	(void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->why);
	(void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, post_on_body);
	(void)curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
	if (c->ca[0] != '\0')
		(void)curl_easy_setopt(e, CURLOPT_CAINFO, c->ca);
}

struct post_client *
post_open(struct loop *loop, const struct post_options *options)
{
	struct post_client *c = xcalloc(1, sizeof(*c));
	struct buf text;

	c->loop = loop;
	c->multi = curl_multi_init();
	c->easy = curl_easy_init();
	ASSERT(c->multi != NULL && c->easy != NULL);
	timer_init(&c->timer, loop, post_on_timer, c);
	buf_init(&c->answer, ANSWER_MAX);
	buf_init(&text, 64 * 1024);
	buf_addf(&text, "%s%s", options->url, options->path);
	c->url = xmemdupz(text.data, text.len);
	c->ca = xstrdup(options->ca);
	c->headers = curl_slist_append(NULL, "Content-Type: application/json");
	/* No waiting for a 100 that costs a round trip. */
	c->headers = curl_slist_append(c->headers, "Expect:");
	if (options->token[0] != '\0') {
		buf_reset(&text, 64 * 1024);
		buf_addf(&text, "Authorization: Bearer %s", options->token);
		buf_add_char(&text, '\0');
		c->headers = curl_slist_append(c->headers, text.data);
		explicit_bzero(text.data, text.len);
	}
	buf_clear(&text);
	post_set_options(c);
	(void)curl_multi_setopt(
	    c->multi, CURLMOPT_SOCKETFUNCTION, post_set_socket);
	(void)curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	(void)curl_multi_setopt(
	    c->multi, CURLMOPT_TIMERFUNCTION, post_set_timer);
	(void)curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	return c;
}

void
post_send(struct post_client *c, struct span body, post_cb *cb, void *arg)
{
	ASSERT(c->cb == NULL);
	c->cb = cb;
	c->arg = arg;
	c->why[0] = '\0';
	buf_reset(&c->answer, ANSWER_MAX);
	(void)curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, body.p);
	(void)curl_easy_setopt(
	    c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
	(void)curl_multi_add_handle(c->multi, c->easy);
}

void
post_free(struct post_client *c)
{
	if (c == NULL)
		return;
	c->cb = NULL;
	(void)curl_multi_remove_handle(c->multi, c->easy);
	curl_easy_cleanup(c->easy);
	(void)curl_multi_cleanup(c->multi);
	for (size_t i = 0; i < SOCKETS_MAX; i++)
		socket_clear(&c->sockets[i]);
	timer_clear(&c->timer);
	buf_clear(&c->answer);
	for (struct curl_slist *h = c->headers; h != NULL; h = h->next)
		explicit_bzero(h->data, strlen(h->data));
	curl_slist_free_all(c->headers);
	free(c->url);
	free(c->ca);
	free(c);
}
