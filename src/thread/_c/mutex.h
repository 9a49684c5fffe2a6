/* The state of a mutex, all changes but one made with the GIL held:
 *
 *     word    | queue    | meaning
 *     --------+----------+------------------------------------------------------------------------------------
 *     FREE    | empty    | free
 *     ident   | empty    | held, nobody waits: releasing is one store
 *     ident   | waiters  | held: releasing wakes the first waiter, or makes it the owner if it is due
 *     OFFERED | waiters  | free: the first waiter was told and did not look yet; anybody may acquire
 *     TAKEN   | waiters  | the first waiter took it without the GIL and holds it
 */
#ifndef THREAD_MUTEX_H
#define THREAD_MUTEX_H

#include "identities.h"

#include <stdatomic.h>

typedef struct Queue Queue;

typedef struct {
    PyObject_HEAD
    Identity *identity;
    PyObject *weakrefs;
    _Atomic(unsigned long) word; /* the owner, see the table */
    Queue *queue;                /* of those that wait, NULL: nobody waits */
    int64_t hold_started;        /* when it was acquired, 0: this hold is not sampled */
    unsigned long depth;         /* RLock: how often its owner has acquired it */
} Mutex;

/* What `word` is unless it is the ident of the owner; no ident is as small. OFFERED and TAKEN occur only while there
 * is a queue. Written with the GIL held, but for the step from OFFERED to TAKEN. */
enum { FREE = 0, OFFERED = 1, TAKEN = 2 };

static inline unsigned long
mutex_word(const Mutex *mutex)
{
    return atomic_load_explicit(&((Mutex *)mutex)->word, memory_order_relaxed);
}

/* Enough while nobody waits; waits.c explains the stores while somebody does. */
static inline void
mutex_set_word(Mutex *mutex, unsigned long word)
{
    atomic_store_explicit(&mutex->word, word, memory_order_relaxed);
}

#endif
