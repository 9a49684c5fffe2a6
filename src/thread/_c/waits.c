/* What happens when a lock is not to be had at once.
 *
 * States of a waiter:
 *
 *     state    | meaning                              | left when
 *     ---------+--------------------------------------+----------------------------------------------------------
 *     QUEUED   | asleep in the queue of the mutex     | release() finds it first in the queue      -> WOKEN
 *     WOKEN    | told that the mutex was released     | the mutex is free when it looks            -> owner, leaves
 *              |                                      | another thread was faster                  -> QUEUED
 *              |                                      | the same, and it has waited FAIR_AFTER_NS  -> OVERDUE
 *     OVERDUE  | asleep, and next in any case         | release() makes it the owner               -> GRANTED
 *              |                                      | released while it became so                -> WOKEN
 *     GRANTED  | owner before it runs                 | it runs                                    -> owner, leaves
 *
 * A waiter whose time is up, or whose signal handler raised, leaves from any state. It keeps the mutex if it was
 * granted it and its time was up; if it gives up a mutex that was offered to it, the next waiter is told.
 *
 * Only the first in the queue is ever told, and only once until it has looked: a thread that acquires and releases
 * in a loop meanwhile pays for no second wake. That thread may be faster than the waiter (a mutex with barging, as
 * in parking_lot and WebKit); FAIR_AFTER_NS bounds for how long.
 *
 * The mutex changes hands with the GIL held. A waiter that was woken looks at `owner` before it asks for the GIL,
 * which the thread that was faster would have to give up to it for nothing. So `state` and `owner` are atomic: who
 * releases stores the owner and then reads the state, who goes back to sleep stores the state and then reads the
 * owner, and sequential consistency lets at least one of them see what the other did. A semaphore is released by
 * whoever changes the state to WOKEN or GRANTED on behalf of the waiter, and taken once for each such change.
 *
 * A wait that takes place elsewhere (semaphores.c) is a waiter too. It is in no queue and has no state; it is there
 * to be seen, to give evidence and to be recorded. */
#include "core.h"

#define FAIR_AFTER_NS 100000000 /* 100 ms: rare enough not to make a convoy of the queue, see benchmarks/ */
#define SPARE_WAITERS 64

typedef enum { QUEUED, WOKEN, OVERDUE, GRANTED } WaiterState;

struct Waiter {
    Waiter *next, *previous; /* in the queue of the mutex, a ring */
    Waiter *newer, *older;   /* among all waiters of the process */
    Mutex *mutex;            /* a strong reference */
    PyThread_type_lock semaphore;
    _Atomic(int) state; /* a WaiterState */
    bool told;          /* it is WOKEN or GRANTED, and the semaphore was taken for it */
    unsigned long ident;
    int64_t started;
    int64_t evidence_due; /* when the wait becomes a slow one; FOREVER once that was seen to */
    int64_t woken_at;     /* end of the last sleep, before the GIL was had */
    bool elsewhere;       /* in no queue */
    bool recorded;        /* false for locks of the telemetry, and where a thread only gets back the lock that it
                             gave up in Condition.wait */
    bool forgotten;       /* it was that of another thread, in the process that this one was forked from */
    int64_t charged_until;
    PyObject *charged_site; /* the owner site of the last charge, NULL before the first */
    PyObject *acquire_site; /* borrowed: sites live as long as the process */
    PyObject *owner_site;
    PyObject *evidence; /* a tuple, or NULL */
};

static Waiter *newest = NULL;

/* Waiters keep their semaphores when they are spared, so that a wait usually allocates nothing. They are never on
 * the C stack: a daemon thread that the interpreter ends while it waits leaves its waiter in the queue. */
static Waiter *spare[SPARE_WAITERS];
static int spare_count = 0;

/* ---- the queue of a mutex ---- */

static void
queue_append(Mutex *mutex, Waiter *waiter)
{
    Waiter *head = mutex->queue;
    if (head == NULL) {
        waiter->next = waiter->previous = waiter;
        mutex->queue = waiter;
        return;
    }
    waiter->next = head;
    waiter->previous = head->previous;
    head->previous->next = waiter;
    head->previous = waiter;
}

static void
queue_remove(Mutex *mutex, Waiter *waiter)
{
    if (waiter->next == waiter) {
        mutex->queue = NULL;
        return;
    }
    waiter->previous->next = waiter->next;
    waiter->next->previous = waiter->previous;
    if (mutex->queue == waiter) {
        mutex->queue = waiter->next;
    }
}

static bool
state_changes(Waiter *waiter, WaiterState from, WaiterState to)
{
    int expected = from;
    return atomic_compare_exchange_strong(&waiter->state, &expected, to);
}

void
mutex_release_to_waiters(Mutex *mutex)
{
    Waiter *head = mutex->queue;
    if (state_changes(head, OVERDUE, GRANTED)) {
        mutex_set_owner(mutex, head->ident);
        PyThread_release_lock(head->semaphore);
        return;
    }
    atomic_store(&mutex->owner, 0);
    if (state_changes(head, QUEUED, WOKEN) || state_changes(head, OVERDUE, WOKEN)) {
        PyThread_release_lock(head->semaphore);
    }
}

/* Whether it was told. With the GIL held nobody else changes the state, and who changed it has released the semaphore. */
static bool
waiter_was_told(Waiter *waiter)
{
    int state = atomic_load(&waiter->state);
    if (state != WOKEN && state != GRANTED) {
        return false;
    }
    if (!waiter->told) {
        PyThread_acquire_lock(waiter->semaphore, WAIT_LOCK);
        waiter->told = true;
    }
    return true;
}

/* Back to sleep: another thread has the mutex. */
static void
waiter_rearm(Waiter *waiter)
{
    waiter->told = false;
    atomic_store(&waiter->state, monotonic_ns() - waiter->started > FAIR_AFTER_NS ? OVERDUE : QUEUED);
}

/* ---- the life of a waiter ---- */

static Waiter *
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
    return waiter;
}

static void
waiter_free(Waiter *waiter)
{
    if (spare_count < SPARE_WAITERS) {
        spare[spare_count++] = waiter;
        return;
    }
    PyThread_release_lock(waiter->semaphore); /* some platforms insist on freeing it unlocked */
    PyThread_free_lock(waiter->semaphore);
    PyMem_RawFree(waiter);
}

static void
waiter_link(Waiter *waiter)
{
    waiter->newer = NULL;
    waiter->older = newest;
    if (newest != NULL) {
        newest->newer = waiter;
    }
    newest = waiter;
}

static void
waiter_unlink(Waiter *waiter)
{
    *(waiter->newer != NULL ? &waiter->newer->older : &newest) = waiter->older;
    if (waiter->older != NULL) {
        waiter->older->newer = waiter->newer;
    }
}

static Waiter *
waiter_begin(Mutex *mutex, bool recorded)
{
    Waiter *waiter = waiter_allocate();
    if (waiter == NULL) {
        return NULL;
    }
    PAUSE_COLLECTOR;
    waiter->mutex = (Mutex *)Py_NewRef(mutex);
    atomic_store(&waiter->state, QUEUED);
    waiter->told = false;
    waiter->elsewhere = false;
    waiter->recorded = recorded && mutex->identity != &unobserved_identity;
    waiter->forgotten = false;
    waiter->ident = this_thread();
    waiter->started = waiter->charged_until = waiter->woken_at = monotonic_ns();
    waiter->evidence_due = waiter->recorded ? waiter->started + settings.slow_wait_ns : FOREVER;
    waiter->charged_site = NULL;
    waiter->evidence = NULL;
    if (waiter->recorded) {
        waiter->acquire_site = site_of_this_thread();
        waiter->owner_site = site_of_thread(mutex_owner(mutex));
    }
    waiter_link(waiter);
    RESUME_COLLECTOR;
    return waiter;
}

static void
waiter_leave_queue(Waiter *waiter, WaitOutcome outcome)
{
    Mutex *mutex = waiter->mutex;
    queue_remove(mutex, waiter);
    if (outcome == WAIT_ACQUIRED) {
        return;
    }
    if (waiter_was_told(waiter) && atomic_load(&waiter->state) == GRANTED) {
        mutex_set_owner(mutex, 0);
    }
    if (mutex_owner(mutex) == 0 && mutex->queue != NULL) {
        mutex_release_to_waiters(mutex);
    }
}

/* ---- what is recorded ---- */

/* Charge the time since the last look to the owner seen at the last look. A wait counts once for each owner met. */
static void
waiter_charge(Waiter *waiter, int64_t now)
{
    blame_add(waiter->mutex->identity, waiter->acquire_site, waiter->owner_site,
              waiter->owner_site != waiter->charged_site, now - waiter->charged_until);
    waiter->charged_site = waiter->owner_site;
    waiter->charged_until = now;
}

/* The evidence of a slow wait. The owner is 0 where it is too late to look at one. */
static void
waiter_give_evidence(Waiter *waiter, unsigned long owner)
{
    if (!settings.listening || is_hidden()) {
        return;
    }
    int64_t oldest;
    Py_ssize_t waiters = waits_of_identity(waiter->mutex->identity, 0, &oldest);
    PAUSE_COLLECTOR;
    waiter->evidence = Py_BuildValue("NOkNOnNNN", stack_of_thread(waiter->ident), waiter->acquire_site, owner,
                                     stack_of_thread(owner), waiter->owner_site, waiters, task_of_this_thread(),
                                     span_context_of_this_thread(), span_context_of_thread(owner));
    RESUME_COLLECTOR;
    if (waiter->evidence == NULL) {
        count_fault();
    }
}

/* Who holds the lock and what does that thread do at this moment, while it still holds it? */
static void
waiter_take_evidence(Waiter *waiter)
{
    unsigned long owner = mutex_owner(waiter->mutex);
    waiter_charge(waiter, monotonic_ns());
    waiter->evidence_due = FOREVER;
    if (owner != 0) {
        PAUSE_COLLECTOR;
        waiter->owner_site = site_of_thread(owner);
        RESUME_COLLECTOR;
    }
    waiter_give_evidence(waiter, owner);
}

/* The part of the wait in which the lock was to be had but the GIL was not. */
static PyObject *
gil_wait_of(const Waiter *waiter, WaitOutcome outcome, int64_t ended)
{
    if (waiter->elsewhere) {
        Py_RETURN_NONE;
    }
    return PyLong_FromLongLong(outcome == WAIT_ACQUIRED ? ended - waiter->woken_at : 0);
}

static void
waiter_push_event(Waiter *waiter, WaitOutcome outcome, int64_t ended)
{
    static const char *const outcomes[] = {"acquired", "timed out", "interrupted"};
    const Identity *identity = waiter->mutex->identity;
    PyObject *begin = Py_BuildValue("sOsOkk", "slow_wait", identity->name, kind_name(identity->kind),
                                    identity->location, waiter->ident, PyThread_get_thread_native_id());
    PyObject *end = Py_BuildValue("LLNs", waiter->started, ended - waiter->started,
                                  gil_wait_of(waiter, outcome, ended), outcomes[outcome]);
    PyObject *middle = begin == NULL || end == NULL ? NULL : PySequence_Concat(begin, waiter->evidence);
    events_push(middle == NULL ? NULL : PySequence_Concat(middle, end));
    Py_XDECREF(begin);
    Py_XDECREF(middle);
    Py_XDECREF(end);
}

static void
waiter_record(Waiter *waiter, WaitOutcome outcome, int64_t ended)
{
    Identity *identity = waiter->mutex->identity;
    histogram_add(&identity->wait, ended - waiter->started);
    identity->contentions += outcome == WAIT_ACQUIRED;
    identity->timeouts += outcome == WAIT_TIMED_OUT;
    waiter_charge(waiter, ended);
    PyObject *type, *value, *traceback; /* that of the signal handler, if one raised */
    PyErr_Fetch(&type, &value, &traceback);
    if (ended >= waiter->evidence_due) {
        /* It became a slow one while it had no GIL to look with, and the lock was free when it had. */
        waiter_give_evidence(waiter, 0);
    }
    if (waiter->evidence != NULL) {
        waiter_push_event(waiter, outcome, ended);
    }
    Py_CLEAR(waiter->evidence);
    PyErr_Restore(type, value, traceback);
}

/* ---- the wait ---- */

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Without the GIL: whether another thread was faster, so that there is nothing to do but to sleep again. */
static bool
waiter_was_overtaken(Waiter *waiter)
{
    Mutex *mutex = waiter->mutex;
    if (atomic_load(&waiter->state) == GRANTED || atomic_load(&mutex->owner) == 0) {
        return false;
    }
    waiter_rearm(waiter);
    if (atomic_load(&mutex->owner) != 0) {
        return true;
    }
    /* Released in between. Who did that has seen the new state and releases the semaphore, or nobody does. */
    waiter->told = state_changes(waiter, QUEUED, WOKEN) || state_changes(waiter, OVERDUE, WOKEN);
    return !waiter->told;
}

static PY_TIMEOUT_T
microseconds_until(int64_t until)
{
    if (until == FOREVER) {
        return -1;
    }
    int64_t left = until - monotonic_ns();
    return left <= 0 ? 0 : (PY_TIMEOUT_T)(left / 1000 + 1);
}

/* Sleep until the mutex can be had, until a point in time, or until a signal arrives. */
static PyLockStatus
waiter_sleep(Waiter *waiter, int64_t until)
{
    PyLockStatus status;
    int64_t woken_at;
    Py_BEGIN_ALLOW_THREADS
    do {
        status = PyThread_acquire_lock_timed(waiter->semaphore, microseconds_until(until), 1);
        waiter->told = status == PY_LOCK_ACQUIRED;
    } while (waiter->told && waiter_was_overtaken(waiter));
    woken_at = monotonic_ns();
    Py_END_ALLOW_THREADS
    waiter->woken_at = woken_at;
    return status;
}

static bool
waiter_takes(Waiter *waiter)
{
    Mutex *mutex = waiter->mutex;
    bool told = waiter_was_told(waiter);
    if (told && atomic_load(&waiter->state) == GRANTED) {
        return true;
    }
    if (mutex_owner(mutex) == 0) {
        mutex_set_owner(mutex, waiter->ident);
        return true;
    }
    if (told) {
        waiter_rearm(waiter);
    }
    return false;
}

static WaitOutcome
waiter_wait(Waiter *waiter, int64_t deadline, bool interruptible)
{
    while (!waiter_takes(waiter)) {
        PyLockStatus status = waiter_sleep(waiter, earlier(deadline, waiter->evidence_due));
        if (waiter_takes(waiter)) {
            break;
        }
        if (status == PY_LOCK_INTR && interruptible && Py_MakePendingCalls() < 0) {
            return WAIT_INTERRUPTED;
        }
        if (status == PY_LOCK_ACQUIRED) {
            continue;
        }
        int64_t now = monotonic_ns();
        if (now >= waiter->evidence_due) {
            waiter_take_evidence(waiter);
        }
        if (now >= deadline) {
            return waiter_takes(waiter) ? WAIT_ACQUIRED : WAIT_TIMED_OUT;
        }
    }
    return WAIT_ACQUIRED;
}

static void
waiter_end(Waiter *waiter, WaitOutcome outcome)
{
    Mutex *mutex = waiter->mutex;
    if (waiter->recorded) {
        waiter_record(waiter, outcome, monotonic_ns());
    }
    waiter_unlink(waiter);
    waiter_free(waiter);
    Py_DECREF(mutex);
}

WaitOutcome
mutex_wait(Mutex *mutex, int64_t timeout_ns, bool interruptible, bool recorded)
{
    Waiter *waiter = waiter_begin(mutex, recorded);
    if (waiter == NULL) {
        return WAIT_INTERRUPTED;
    }
    queue_append(mutex, waiter);
    int64_t deadline = timeout_ns >= FOREVER - waiter->started ? FOREVER : waiter->started + timeout_ns;
    WaitOutcome outcome = waiter_wait(waiter, deadline, interruptible);
    waiter_leave_queue(waiter, outcome);
    waiter_end(waiter, outcome);
    return outcome;
}

/* ---- a wait elsewhere ---- */

Waiter *
wait_elsewhere_begin(Mutex *mutex)
{
    Waiter *waiter = waiter_begin(mutex, true);
    if (waiter != NULL) {
        waiter->elsewhere = true;
    }
    return waiter;
}

int64_t
wait_elsewhere_evidence_due(const Waiter *waiter)
{
    return waiter->forgotten ? FOREVER : waiter->evidence_due;
}

void
wait_elsewhere_give_evidence(Waiter *waiter)
{
    if (!waiter->forgotten && waiter->evidence_due != FOREVER) {
        waiter_take_evidence(waiter);
    }
}

void
wait_elsewhere_end(Waiter *waiter, WaitOutcome outcome)
{
    if (!waiter->forgotten) {
        waiter_end(waiter, outcome);
    }
}

/* ---- who waits now ---- */

Py_ssize_t
waits_of_identity(const Identity *identity, int64_t now, int64_t *oldest)
{
    Py_ssize_t count = 0;
    *oldest = now;
    for (Waiter *waiter = newest; waiter != NULL; waiter = waiter->older) {
        if (waiter->mutex->identity == identity) {
            count++;
            *oldest = waiter->started;
        }
    }
    return count;
}

PyObject *
waits_read(void)
{
    Py_ssize_t count = 0;
    for (Waiter *waiter = newest; waiter != NULL; waiter = waiter->older) {
        count++;
    }
    /* Copied first, since building the rows can run finalizers that begin and end waits. */
    typedef struct {
        unsigned long ident, owner;
        int64_t started;
        const Identity *identity;
    } Copy;
    Copy *copies = PyMem_RawCalloc((size_t)count + 1, sizeof(Copy));
    if (copies == NULL) {
        return PyErr_NoMemory();
    }
    Copy *copy = copies;
    for (Waiter *waiter = newest; waiter != NULL; waiter = waiter->older) {
        if (waiter->mutex->identity != &unobserved_identity) {
            *copy++ = (Copy){waiter->ident, mutex_owner(waiter->mutex), waiter->started, waiter->mutex->identity};
        }
    }
    PyObject *rows = PyList_New(0);
    while (rows != NULL && copy-- > copies) {
        PyObject *row = Py_BuildValue("kOsLk", copy->ident, copy->identity->name, kind_name(copy->identity->kind),
                                      copy->started, copy->owner);
        rows = rows_with(rows, row);
    }
    PyMem_RawFree(copies);
    return rows;
}

/* Of the parent's threads only this one exists here. Its own waits, if a signal handler forks in the middle of one,
 * go on; those of the others are forgotten, and their memory with them. */
void
waits_after_fork(void)
{
    unsigned long me = this_thread();
    Waiter *waiter = newest, *mine = NULL;
    newest = NULL;
    while (waiter != NULL) {
        Waiter *older = waiter->older;
        waiter->mutex->queue = NULL;
        if (waiter->ident == me) {
            waiter->older = mine;
            mine = waiter;
        }
        else {
            waiter->forgotten = true;
        }
        waiter = older;
    }
    for (waiter = mine; waiter != NULL; waiter = mine) {
        mine = waiter->older;
        waiter_link(waiter);
        if (!waiter->elsewhere) {
            queue_append(waiter->mutex, waiter);
        }
    }
}
