/* Those that wait for a mutex, and how long each owner kept it meanwhile. */
#include "waiters.h"
#include "runtime.h"
#include "sites.h"

#define SPARE_WAITERS 64

/* ---- the life of a waiter ---- */

/* Waiters keep their semaphores when they are spared, so that a wait usually allocates nothing. They are never on
 * the C stack: a daemon thread that the interpreter ends while it waits leaves its waiter in the queue. */
static Waiter *spare[SPARE_WAITERS];
static int spare_count = 0;

Waiter *
waiter_allocate(void)
{
    if (spare_count > 0) {
        return spare[--spare_count];
    }
    Waiter *waiter = PyMem_RawCalloc(1, sizeof(Waiter));
    if (waiter == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    waiter->semaphore = PyThread_allocate_lock();
    if (waiter->semaphore == NULL) {
        PyMem_RawFree(waiter);
        PyErr_SetString(PyExc_RuntimeError, "can't allocate lock");
        return NULL;
    }
    PyThread_acquire_lock(waiter->semaphore, NOWAIT_LOCK);
    shares_init(&waiter->shares);
    return waiter;
}

void
waiter_free(Waiter *waiter)
{
    shares_free(&waiter->shares);
    if (spare_count < SPARE_WAITERS) {
        spare[spare_count++] = waiter;
        return;
    }
    PyThread_release_lock(waiter->semaphore); /* some platforms insist on freeing it unlocked */
    PyThread_free_lock(waiter->semaphore);
    PyMem_RawFree(waiter);
}

/* ---- the queue of a mutex ---- */

static Queue *spare_queues = NULL;

Queue *
queue_new(int64_t now)
{
    Queue *queue = spare_queues;
    if (queue != NULL) {
        spare_queues = queue->next_spare;
    }
    else {
        queue = PyMem_RawMalloc(sizeof(Queue));
        if (queue == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        shares_init(&queue->totals);
    }
    list_init(&queue->waiters);
    queue->recorded = 0;
    queue->turn_began = queue->charged_until = queue->owner_since = now;
    queue->owner_site = queue->owner_evidence = NULL;
    queue->totals.count = 0;
    shares_begin(&queue->totals);
    return queue;
}

void
queue_free(Queue *queue)
{
    Py_CLEAR(queue->owner_evidence);
    shares_free(&queue->totals);
    queue->next_spare = spare_queues;
    spare_queues = queue;
}

void
queue_append(Queue *queue, Waiter *waiter)
{
    queue->recorded += waiter->recorded;
    list_append(&queue->waiters, &waiter->in_queue);
}

void
queue_leave(Mutex *mutex, Waiter *waiter)
{
    Queue *queue = mutex->queue;
    queue->recorded -= waiter->recorded;
    list_remove(&waiter->in_queue);
    if (list_is_empty(&queue->waiters)) {
        mutex->queue = NULL;
        if (mutex_word(mutex) == OFFERED) {
            mutex_set_word(mutex, FREE);
        }
        queue_free(queue);
    }
}

unsigned long
mutex_owner(const Mutex *mutex)
{
    unsigned long word = mutex_word(mutex);
    if (word == OFFERED) {
        return FREE;
    }
    return word == TAKEN ? queue_first(mutex->queue)->ident : word;
}

/* ---- charging the time ---- */

void
queue_charge(Queue *queue, PyObject *site, int64_t until)
{
    int64_t ns = until - queue->charged_until;
    if (ns > 0) {
        shares_charge(&queue->totals, site, ns, until, queue_first(queue)->wait.started);
        queue->charged_until = until;
    }
}

void
queue_begin_ownership(Queue *queue, PyObject *owner_site, int64_t since)
{
    queue->owner_since = since;
    queue->owner_site = owner_site;
    Py_CLEAR(queue->owner_evidence);
}

PyObject *
queue_owner_site(Mutex *mutex)
{
    Queue *queue = mutex->queue;
    if (queue->owner_site == NULL) {
        unsigned long owner = mutex_owner(mutex);
        PAUSE_COLLECTOR;
        queue->owner_site = owner == this_thread() ? site_of_this_thread() : site_of_thread(owner);
        RESUME_COLLECTOR;
    }
    return queue->owner_site;
}

void
mutex_charge(Mutex *mutex, int64_t now)
{
    Queue *queue = mutex->queue;
    if (queue->recorded > 0) {
        queue_charge(queue, mutex_word(mutex) == OFFERED ? gil_site : queue_owner_site(mutex), now);
    }
}

int64_t
mutex_preview(Mutex *mutex, Shares *totals, int64_t now)
{
    Queue *queue = mutex->queue;
    unsigned long word = mutex_word(mutex);
    if (!shares_note(totals, &queue->totals)) {
        return 0;
    }
    int64_t ns = now - queue->charged_until;
    /* Whose the time is since it was offered is known once somebody has taken it. */
    if (word == OFFERED || word == TAKEN || ns <= 0) {
        return queue->charged_until;
    }
    shares_charge(totals, queue_owner_site(mutex), ns, now, queue_first(queue)->wait.started);
    return now;
}

void
mutex_look_at_owner(Mutex *mutex, int64_t now)
{
    mutex_charge(mutex, now);
    mutex->queue->charged_until = now;
    mutex->queue->owner_site = NULL;
    queue_owner_site(mutex);
}

/* ---- all waiters of the process ---- */

Link all_waiters = EMPTY_LIST(all_waiters);

void
waiter_appear(Waiter *waiter)
{
    list_append(&all_waiters, &waiter->in_all);
    identity_add_wait(waiter->mutex->identity, &waiter->wait);
}

void
waiter_disappear(Waiter *waiter)
{
    list_remove(&waiter->in_all);
    identity_remove_wait(waiter->mutex->identity, &waiter->wait);
}

void
mutex_set_identity(Mutex *mutex, Identity *identity)
{
    Identity *former = mutex->identity;
    if (identity == former) {
        return;
    }
    for (Link *link = former->waits.next, *next; link != &former->waits; link = next) {
        Waiter *waiter = CARRIER(link, Waiter, wait.link);
        next = link->next;
        if (waiter->mutex == mutex) {
            identity_remove_wait(former, &waiter->wait);
            identity_add_wait(identity, &waiter->wait);
        }
    }
    former->live--;
    mutex->identity = identity;
    identity->live++;
}

/* It was given the mutex, or took it, and did not run yet. */
static bool
waiter_has_mutex(const Waiter *waiter)
{
    const Mutex *mutex = waiter->mutex;
    return atomic_load(&((Waiter *)waiter)->state) == OWNER ||
           (mutex_word(mutex) == TAKEN && queue_first(mutex->queue) == waiter);
}

static PyObject *
read_current_waits(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    size_t count = 0;
    for EACH_LINK(link, &all_waiters) {
        count++;
    }
    /* Copied first, since building the rows can run finalizers that begin and end waits. */
    typedef struct {
        unsigned long ident, owner;
        int64_t started;
        const Identity *identity;
    } Copy;
    Copy *copies = PyMem_RawCalloc(count + 1, sizeof(Copy));
    if (copies == NULL) {
        return PyErr_NoMemory();
    }
    Copy *end = copies;
    for EACH_LINK(link, &all_waiters) {
        const Waiter *waiter = CARRIER(link, Waiter, in_all);
        if (waiter->mutex->identity != &unobserved_identity && !waiter_has_mutex(waiter)) {
            *end++ = (Copy){waiter->ident, mutex_owner(waiter->mutex), waiter->wait.started, waiter->mutex->identity};
        }
    }
    PyObject *rows = PyList_New(0);
    for (const Copy *copy = copies; rows != NULL && copy < end; copy++) {
        /* CurrentWaitRow */
        PyObject *row = Py_BuildValue("kOsLk", copy->ident, copy->identity->name, kind_name(copy->identity->kind),
                                      copy->started, copy->owner);
        rows = rows_with(rows, row);
    }
    PyMem_RawFree(copies);
    return rows;
}

PyMethodDef waiters_functions[] = {
    {"read_current_waits", read_current_waits, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
