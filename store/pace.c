/* See pace.h. */

#include "store/pace.h"

#include "core/clock.h"
#include "store/store_priv.h"

enum {
	/* Redis rests for an eighth of what a window took, not for longer. */
	REST_MOST_US = 125,
	REQUEST_US = 200 * 1000 /* one request walks for so long */
};

void
pace_init(struct pace *p, struct store *s, loop_fn *next, void *arg)
{
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
	int64_t rest_us = (clock_mono_us() - p->sent_us) / 8;

	if (rest_us > REST_MOST_US)
		rest_us = REST_MOST_US;
	timer_arm_us(&p->timer, (unsigned)rest_us);
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
