/* What keys do to what top shows; see top.h. */

#include "cli/top.h"

#include <stdio.h>

#include "cli/screen.h"
#include "core/mem.h"

typedef enum top_wish key_fn(struct top *t);

/* ---- one key each ------------------------------------------------------ */

static enum top_wish
key_quit(struct top *t)
{
	(void)t;
	return TOP_WISH_QUIT;
}

static enum top_wish
key_now(struct top *t)
{
	(void)t;
	return TOP_WISH_NOW;
}

static enum top_wish
key_redraw(struct top *t)
{
	(void)t;
	return TOP_WISH_REDRAW;
}

static enum top_wish
key_help(struct top *t)
{
	t->has_help = true;
	t->help_first = 0;
	return TOP_WISH_NOTHING;
}

static enum top_wish
key_filter(struct top *t)
{
	t->is_typing = true;
	return TOP_WISH_NOTHING;
}

static enum top_wish
key_unfilter(struct top *t)
{
	top_set_filter(t, "");
	return TOP_WISH_NOTHING;
}

static enum top_wish
key_sort_next(struct top *t)
{
	top_sort_next(t, 1);
	return TOP_WISH_NOTHING;
}

static enum top_wish
key_sort_back(struct top *t)
{
	top_sort_next(t, -1);
	return TOP_WISH_NOTHING;
}

static enum top_wish
key_reverse(struct top *t)
{
	top_reverse(t);
	return TOP_WISH_NOTHING;
}

static enum top_wish
key_view(struct top *t)
{
	top_set_view(t, (enum top_view)((t->view + 1) % TOP_VIEWS));
	return TOP_WISH_NOTHING;
}

static enum top_wish
key_up(struct top *t)
{
	top_move(t, -1);
	return TOP_WISH_NOTHING;
}

static enum top_wish
key_down(struct top *t)
{
	top_move(t, 1);
	return TOP_WISH_NOTHING;
}

static enum top_wish
key_page_up(struct top *t)
{
	top_move(t, -(int64_t)t->page);
	return TOP_WISH_NOTHING;
}

static enum top_wish
key_page_down(struct top *t)
{
	top_move(t, (int64_t)t->page);
	return TOP_WISH_NOTHING;
}

static enum top_wish
key_home(struct top *t)
{
	top_home(t);
	return TOP_WISH_NOTHING;
}

static enum top_wish
key_end(struct top *t)
{
	top_move(t, (int64_t)t->row_count);
	return TOP_WISH_NOTHING;
}

/* Asks first. A name that no schedd gives is none that could be sent. */
static enum top_wish
key_pause(struct top *t)
{
	const struct top_queue *q = top_selected(t);

	if (t->view != TOP_QUEUES)
		top_say(t, TOP_WARN, "only queues can be paused");
	else if (q == NULL || !name_is_valid(q->name))
		top_say(t, TOP_WARN, "there is no queue to pause");
	if (q == NULL || !name_is_valid(q->name))
		return TOP_WISH_NOTHING;
	t->will_pause = !q->paused;
	(void)snprintf(t->asked, sizeof(t->asked), "%.*s", SPAN_ARG(q->name));
	return TOP_WISH_NOTHING;
}

static enum top_wish
on_plain_key(struct top *t, int key)
{
	static const struct {
		int key;
		key_fn *fn;
	} keys[] = {
	    {' ', key_now},
	    {'/', key_filter},
	    {'<', key_sort_back},
	    {'>', key_sort_next},
	    {'?', key_help},
	    {'G', key_end},
	    {'S', key_sort_back},
	    {'\t', key_view},
	    {'g', key_home},
	    {'h', key_help},
	    {'j', key_down},
	    {'k', key_up},
	    {'p', key_pause},
	    {'q', key_quit},
	    {'r', key_reverse},
	    {'s', key_sort_next},
	    {SCREEN_CTRL_L, key_redraw},
	    {SCREEN_ESCAPE, key_unfilter},
	    {SCREEN_UP, key_up},
	    {SCREEN_DOWN, key_down},
	    {SCREEN_LEFT, key_sort_back},
	    {SCREEN_RIGHT, key_sort_next},
	    {SCREEN_PAGE_UP, key_page_up},
	    {SCREEN_PAGE_DOWN, key_page_down},
	    {SCREEN_HOME, key_home},
	    {SCREEN_END, key_end},
	};

	for (size_t i = 0; i < COUNT_OF(keys); i++)
		if (keys[i].key == key)
			return keys[i].fn(t);
	return TOP_WISH_NOTHING;
}

/* ---- keys that mean something else for a while ------------------------- */

static void
on_filter_key(struct top *t, int key)
{
	char filter[TOP_FILTER_MAX + 1];
	size_t len = strlen(t->filter);

	memcpy(filter, t->filter, len + 1);
	if (key == SCREEN_ENTER || key == SCREEN_ESCAPE)
		t->is_typing = false;
	if (key == SCREEN_ESCAPE)
		len = 0;
	else if (key == SCREEN_BACKSPACE && len > 0)
		len--;
	else if (key > ' ' && key < 0x7f && len < TOP_FILTER_MAX)
		filter[len++] = (char)key;
	filter[len] = '\0';
	top_set_filter(t, filter);
}

static void
on_help_key(struct top *t, int key)
{
	if (key == SCREEN_DOWN || key == 'j')
		t->help_first++;
	else if (key == SCREEN_UP || key == 'k')
		t->help_first -= t->help_first > 0;
	else
		t->has_help = false;
}

static enum top_wish
on_answer_key(struct top *t, int key)
{
	bool is_yes = key == 'y' || key == 'Y';

	if (!is_yes) {
		t->asked[0] = '\0';
		top_say(t, TOP_NOTE, "nothing was changed");
	}
	return is_yes ? TOP_WISH_PAUSE : TOP_WISH_NOTHING;
}

enum top_wish
top_key(struct top *t, int key)
{
	if (t->asked[0] != '\0')
		return on_answer_key(t, key);
	if (t->is_typing)
		on_filter_key(t, key);
	else if (t->has_help)
		on_help_key(t, key);
	else
		return on_plain_key(t, key);
	return TOP_WISH_NOTHING;
}
