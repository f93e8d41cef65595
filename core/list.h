#ifndef SCHEDD_CORE_LIST_H
#define SCHEDD_CORE_LIST_H

/*
 * An intrusive doubly linked ring. A struct list is both the head and the
 * link inside an element; an unlinked one points at itself.
 */

#include <stdbool.h>
#include <stddef.h>

#include "core/mem.h"

struct list {
	struct list *next, *prev;
};

#define LIST_FOREACH(pos, head) \
	for ((pos) = (head)->next; (pos) != (head); (pos) = (pos)->next)

/* As LIST_FOREACH, but pos may be unlinked in the body. */
#define LIST_FOREACH_SAFE(pos, tmp, head)                                \
	for ((pos) = (head)->next, (tmp) = (pos)->next; (pos) != (head); \
	     (pos) = (tmp), (tmp) = (pos)->next)

static inline void
list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool
list_is_empty(const struct list *l)
{
	return l->next == l;
}

static inline void
list_insert(struct list *link, struct list *prev, struct list *next)
{
	link->prev = prev;
	link->next = next;
	prev->next = next->prev = link;
}

static inline void
list_add_tail(struct list *head, struct list *link)
{
	list_insert(link, head->prev, head);
}

static inline void
list_add_head(struct list *head, struct list *link)
{
	list_insert(link, head, head->next);
}

/* Unlinks; harmless on a link that is on no list (but was initialised). */
static inline void
list_del(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

#endif
