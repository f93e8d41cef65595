#ifndef SCHEDD_CORE_LOOP_H
#define SCHEDD_CORE_LOOP_H

/*
 * The one event loop: a thin layer on libevent that adds posting, timers
 * owned by a struct, signals, and one reading of the clock per turn.
 * Everything here is called from the loop's own thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/list.h"

struct event;
struct event_base;
struct loop;

typedef void loop_fn(void *arg);
typedef void loop_signal_fn(int signo, void *arg);

/* Comes before any other use of libevent. NULL (after a log line) when the
 * base cannot be made. */
struct loop *loop_new(void);
void loop_free(struct loop *l);
/* Runs to the end of the turn in which loop_stop came, then what is posted. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* For http/ and store/, which hang their own events on it. Borrowed. */
struct event_base *loop_base(struct loop *l);

/*
 * A piece of work to be done once, behind everything that is ready in this
 * turn. Embedded in the struct it works on; posting one that is already
 * posted does nothing. post_cancel before its owner is freed.
 */
struct post {
	struct list link;
	loop_fn *fn;
	void *arg;
	bool is_last;
};
void post_init(struct post *p, loop_fn *fn, void *arg);
/* Runs behind the other posts of the turn, and those that they post: for what
 * keeps nobody busy but us. */
void post_init_last(struct post *p, loop_fn *fn, void *arg);
void loop_post(struct loop *l, struct post *p);
void post_cancel(struct post *p);
/* Is it to run yet? */
bool post_is_pending(const struct post *p);

/* A one-shot timer, re-armed at will. Embedded; timer_clear ends it. */
struct timer {
	struct loop *loop;
	struct event *ev;
	loop_fn *fn;
	void *arg;
};
void timer_init(struct timer *t, struct loop *l, loop_fn *fn, void *arg);
void timer_arm_ms(struct timer *t, uint64_t ms);
void timer_arm_us(struct timer *t, unsigned us);
void timer_disarm(struct timer *t);
bool timer_is_armed(const struct timer *t);
void timer_clear(struct timer *t);

/* fn runs in the loop for each arrival of signo, until loop_free. */
void loop_on_signal(struct loop *l, int signo, loop_signal_fn *fn, void *arg);

/*
 * How long callbacks held the loop: called with microseconds after every
 * turn (metrics). A turn takes no new callback once it is a millisecond old.
 * NULL switches it off.
 */
void loop_set_turn_observer(struct loop *l, void (*fn)(uint64_t us));

#endif
