/* See pace.h. What a window cost is seen by how long its answer took. */

#include "store/pace.h"

#include "core/clock.h"
#include "store/store_priv.h"

enum {
	WINDOW_FIRST = 250,
	WINDOW_LEAST = 100,
	WINDOW_MOST = 1000,
	SHORT_US = 400, /* a window that took less is made larger */
	LONG_US = 800,  /* more: smaller */
	REST_MOST_US = 2000,
	REQUEST_US = 200 * 1000 /* one request walks for so long */
};

void
pace_init(struct pace *p, struct store *s, loop_fn *next, void *arg)
{
	p->window = WINDOW_FIRST;
	p->began_us = clock_mono_us();
	p->next = next;
	p->arg = arg;
	timer_init(&p->timer, s->loop, next, arg);
	list_add_tail(&s->walks, &p->link);
}

void
pace_clear(struct pace *p)
{
	timer_clear(&p->timer);
	list_del(&p->link);
}

void
pace_sent(struct pace *p)
{
	p->sent_us = clock_mono_us();
}

void
pace_go_on(struct pace *p)
{
	int64_t took_us = clock_mono_us() - p->sent_us;

	if (took_us < SHORT_US)
		p->window += p->window / 2;
	else if (took_us > LONG_US)
		p->window /= 2;
	if (p->window < WINDOW_LEAST)
		p->window = WINDOW_LEAST;
	if (p->window > WINDOW_MOST)
		p->window = WINDOW_MOST;
	timer_arm_us(&p->timer,
	    (unsigned)(took_us < REST_MOST_US ? took_us : REST_MOST_US));
}

bool
pace_is_over(const struct pace *p)
{
	return clock_mono_us() - p->began_us >= REQUEST_US;
}

void
pace_hurry(struct store *s)
{
	struct list *pos, *tmp;

	LIST_FOREACH_SAFE (pos, tmp, &s->walks) {
		struct pace *p = CONTAINER_OF(pos, struct pace, link);

		if (!timer_is_armed(&p->timer))
			continue;
		timer_disarm(&p->timer);
		p->next(p->arg);
	}
}
