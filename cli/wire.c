/*
 * Several requests at the same time; see wire.h. libcurl says which sockets
 * it wants to hear of, and an epoll descriptor stands for all of them: so the
 * caller polls one descriptor, however many connections there are. Owns the
 * calls that are under way and those kept for the next ones.
 */

#include "cli/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "cli/client_priv.h"
#include "core/clock.h"

enum { EVENTS = 16 };

struct wire_call {
	struct wire *wire;
	bool is_busy;
	struct client *client;
	struct client_request request;
	wire_cb *cb;
	void *arg;
};

struct wire {
	const struct client *like;
	CURLM *multi;
	int epoll_fd;
	int64_t due_us; /* when libcurl wants to be called; -1 = not */
	struct wire_call *calls[WIRE_CALLS_MAX]; /* NULL: not needed yet */
};

/* ---- what libcurl asks for -------------------------------------------- */

static int
wire_on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
	struct wire *w = arg;
	struct epoll_event event = {.data.fd = fd};

	(void)easy;
	(void)unused;
	if (what == CURL_POLL_REMOVE) {
		(void)epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		event.events |= EPOLLIN;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		event.events |= EPOLLOUT;
	/* The number may be known from before, or not: of a socket that was
	 * closed in between epoll forgets it by itself. */
	if (epoll_ctl(w->epoll_fd, EPOLL_CTL_MOD, fd, &event) != 0 &&
	    errno == ENOENT)
		ASSERT(epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0);
	return 0;
}

static int
wire_on_timer(CURLM *multi, long ms, void *arg)
{
	struct wire *w = arg;

	(void)multi;
	w->due_us = ms < 0 ? -1 : clock_mono_us_fresh() + ms * 1000;
	return 0;
}

/* ---- life ------------------------------------------------------------- */

#define SET(option, value) \
	ASSERT(curl_multi_setopt(w->multi, (option), (value)) == CURLM_OK)

struct wire *
wire_open(const struct client *like)
{
	struct wire *w = xcalloc(1, sizeof(*w));

	w->like = like;
	w->due_us = -1;
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->multi = curl_multi_init();
	ASSERT(w->epoll_fd >= 0 && w->multi != NULL);
	SET(CURLMOPT_SOCKETFUNCTION, wire_on_socket);
	SET(CURLMOPT_SOCKETDATA, w);
	SET(CURLMOPT_TIMERFUNCTION, wire_on_timer);
	SET(CURLMOPT_TIMERDATA, w);
	return w;
}

#undef SET

static void
call_free(struct wire_call *call)
{
	if (call == NULL)
		return;
	if (call->is_busy)
		ASSERT(curl_multi_remove_handle(
			   call->wire->multi, call->client->curl) == CURLM_OK);
	client_close(call->client);
	free(call);
}

void
wire_close(struct wire *w)
{
	if (w == NULL)
		return;
	for (size_t i = 0; i < WIRE_CALLS_MAX; i++)
		call_free(w->calls[i]);
	ASSERT(curl_multi_cleanup(w->multi) == CURLM_OK);
	(void)close(w->epoll_fd);
	free(w);
}

/* ---- calls ------------------------------------------------------------ */

static struct wire_call *
call_new(struct wire *w)
{
	struct wire_call *call = xcalloc(1, sizeof(*call));

	call->wire = w;
	call->client = client_twin(w->like);
	ASSERT(curl_easy_setopt(call->client->curl, CURLOPT_PRIVATE, call) ==
	       CURLE_OK);
	return call;
}

/* One that is not under way. */
static struct wire_call *
call_get(struct wire *w)
{
	size_t i = 0;

	while (i + 1 < WIRE_CALLS_MAX && w->calls[i] != NULL &&
	       w->calls[i]->is_busy)
		i++;
	if (w->calls[i] == NULL)
		w->calls[i] = call_new(w);
	/* The caller has no more under way than there may be. */
	ASSERT(!w->calls[i]->is_busy);
	return w->calls[i];
}

struct wire_call *
wire_send(struct wire *w, const struct client_request *request, wire_cb *cb,
    void *arg)
{
	struct wire_call *call = call_get(w);

	call->request = *request;
	call->cb = cb;
	call->arg = arg;
	client_prepare(call->client, request);
	call->request.path = NULL;
	call->is_busy = true;
	ASSERT(curl_multi_add_handle(w->multi, call->client->curl) == CURLM_OK);
	return call;
}

void
wire_break(struct wire_call *call)
{
	struct wire *w = call->wire;

	/* Its connection is in the middle of something: libcurl closes it. */
	for (size_t i = 0; i < WIRE_CALLS_MAX; i++)
		if (w->calls[i] == call)
			w->calls[i] = NULL;
	call_free(call);
}

static void
call_end(struct wire_call *call, CURLcode code)
{
	struct wire_result result = {.via = call->client};
	struct wire *w = call->wire;

	ASSERT(
	    curl_multi_remove_handle(w->multi, call->client->curl) == CURLM_OK);
	result.err = client_end(call->client, code, &result.answer);
	/* Busy while it calls back, as the answer is in it: what is sent from
	 * there takes another one. */
	call->cb(&result, call->arg);
	call->is_busy = false;
}

/* ---- the loop --------------------------------------------------------- */

int
wire_fd(const struct wire *w)
{
	return w->epoll_fd;
}

int
wire_wait_ms(const struct wire *w)
{
	int64_t left;

	if (w->due_us < 0)
		return -1;
	left = w->due_us - clock_mono_us_fresh();
	return left <= 0 ? 0 : (int)((left + 999) / 1000);
}

static void
wire_hear(struct wire *w, const struct epoll_event *event)
{
	int mask = 0, running;

	if (event->events & (EPOLLIN | EPOLLHUP))
		mask |= CURL_CSELECT_IN;
	if (event->events & EPOLLOUT)
		mask |= CURL_CSELECT_OUT;
	if (event->events & EPOLLERR)
		mask |= CURL_CSELECT_ERR;
	ASSERT(curl_multi_socket_action(
		   w->multi, event->data.fd, mask, &running) == CURLM_OK);
}

static void
wire_end_calls(struct wire *w)
{
	const CURLMsg *msg;
	int left;
	void *call;

	while ((msg = curl_multi_info_read(w->multi, &left)) != NULL) {
		CURLcode code = msg->data.result;

		if (msg->msg != CURLMSG_DONE)
			continue;
		ASSERT(curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE,
			   &call) == CURLE_OK);
		call_end(call, code);
	}
}

void
wire_turn(struct wire *w)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(w->epoll_fd, events, EVENTS, 0), running;

	for (int i = 0; i < n; i++)
		wire_hear(w, &events[i]);
	if (w->due_us >= 0 && w->due_us <= clock_mono_us_fresh()) {
		w->due_us = -1;
		ASSERT(curl_multi_socket_action(w->multi, CURL_SOCKET_TIMEOUT,
			   0, &running) == CURLM_OK);
	}
	wire_end_calls(w);
}
