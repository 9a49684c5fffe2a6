/* Those that wait for a mutex, and how long each owner kept it meanwhile. */
#ifndef THREAD_WAITERS_H
#define THREAD_WAITERS_H

#include "mutex.h"
#include "shares.h"

typedef enum { QUEUED, WOKEN, OWNER } WaiterState; /* waits.c has the table */

typedef struct Waiter Waiter;

struct Waiter {
    Link in_queue; /* of the mutex */
    Link in_all;   /* waiters of the process */
    Wait wait;     /* for the identity of the mutex */
    Mutex *mutex;  /* a strong reference */
    PyThread_type_lock semaphore;
    _Atomic(int) state;      /* a WaiterState */
    _Atomic(int) posts;      /* of the semaphore that it did not take yet */
    _Atomic(int64_t) looked; /* when it last looked at the mutex without the GIL */
    unsigned long ident;
    int64_t owner_since;  /* as an OWNER */
    int64_t evidence_due; /* when the wait becomes a slow one; FOREVER once that was seen to */
    bool elsewhere;       /* never told */
    bool recorded;        /* will be: false for locks of the telemetry, and if a thread only gets back the lock that it
                             gave up in Condition.wait */
    bool forgotten;       /* a wait of another thread, in the process that this one was forked from */
    bool noted;           /* false if memory was too short for `shares` */
    Shares shares;        /* as noted at the beginning; those of the wait once it is an OWNER or ends otherwise */
    PyObject *acquire_site;   /* borrowed: sites live as long as the process */
    PyObject *evidence;       /* of this thread: a tuple, or NULL */
    PyObject *owner_evidence; /* of the owner that kept the mutex for the longest time of those seen, or NULL */
    int64_t owner_kept;       /* for how long it did, during this wait */
};

/* The state of a mutex while threads wait for it. */
struct Queue {
    Link waiters; /* in the order in which they came */
    int64_t turn_began;
    int recorded; /* the number of waiters that are */
    Shares totals;
    int64_t charged_until;
    int64_t owner_since;      /* when this owner became it, or the queue began */
    PyObject *owner_site;     /* where the owner was last seen; NULL: not yet */
    PyObject *owner_evidence; /* from the last look at the owner, or NULL */
    Queue *next_spare;
};

/* NULL with an exception set. */
Waiter *waiter_allocate(void);
void waiter_free(Waiter *waiter);
/* Begin and end to be seen waiting. */
void waiter_appear(Waiter *waiter);
void waiter_disappear(Waiter *waiter);

extern Link all_waiters; /* of the process, the oldest first */

static inline Waiter *
queue_first(const Queue *queue)
{
    return CARRIER(queue->waiters.next, Waiter, in_queue);
}

/* NULL with an exception set. */
Queue *queue_new(int64_t now);
void queue_free(Queue *queue);
void queue_append(Queue *queue, Waiter *waiter);
/* The last waiter frees the queue; the mutex is then no longer OFFERED. */
void queue_leave(Mutex *mutex, Waiter *waiter);

/* Give a mutex, and the waits for it, another identity. */
void mutex_set_identity(Mutex *mutex, Identity *identity);
/* The ident of the thread that holds a mutex, 0: it is free. */
unsigned long mutex_owner(const Mutex *mutex);

/* Charge a site for the time since the last charge. */
void queue_charge(Queue *queue, PyObject *site, int64_t until);
void queue_begin_ownership(Queue *queue, PyObject *owner_site, int64_t since);
/* Where the owner is, if nobody has looked since it became the owner. */
PyObject *queue_owner_site(Mutex *mutex);
/* Charge the owner until now, or the GIL while the mutex is free. */
void mutex_charge(Mutex *mutex, int64_t now);
/* A copy of the totals in which the owner is charged until now; of a mutex that is free, until it was released. Returns
 * that time, or 0 if memory is short. */
int64_t mutex_preview(Mutex *mutex, Shares *totals, int64_t now);
/* Look up where the owner is, to charge that site from now on. */
void mutex_look_at_owner(Mutex *mutex, int64_t now);

extern PyMethodDef waiters_functions[];

#endif
