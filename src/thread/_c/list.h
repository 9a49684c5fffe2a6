/* A list of structs that carry their own links, so adding and removing allocates nothing. The head is a link, too. */
#ifndef THREAD_LIST_H
#define THREAD_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Link {
    struct Link *next, *previous;
} Link;

#define EMPTY_LIST(list) {&(list), &(list)}

/* The struct that carries a link. */
#define CARRIER(link, Type, member) ((Type *)((char *)(link) - offsetof(Type, member)))

#define EACH_LINK(link, list) (Link *link = (list)->next; link != (list); link = link->next)

static inline void
list_init(Link *list)
{
    list->next = list->previous = list;
}

static inline bool
list_is_empty(const Link *list)
{
    return list->next == list;
}

static inline void
list_insert_after(Link *before, Link *link)
{
    link->previous = before;
    link->next = before->next;
    before->next->previous = link;
    before->next = link;
}

static inline void
list_append(Link *list, Link *link)
{
    list_insert_after(list->previous, link);
}

static inline void
list_remove(Link *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
}

#endif
