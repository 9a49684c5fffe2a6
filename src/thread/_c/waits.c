/* What happens when a lock is not to be had at once.
 *
 * States of a waiter:
 *
 *     state  | meaning                               | left when
 *     -------+---------------------------------------+---------------------------------------------------------------
 *     QUEUED | asleep in the queue of the mutex      | release() finds it first in the queue, and due       -> OWNER
 *            |                                       | the same, and not yet due                            -> WOKEN
 *     WOKEN  | told that the mutex was released      | the mutex is free when it looks                      -> OWNER
 *            |                                       | another thread was faster                            -> QUEUED
 *            |                                       | release() finds it first in the queue, and due       -> OWNER
 *     OWNER  | it has the mutex, and left the queue  | it runs
 *
 * A waiter whose time is up, or whose signal handler raised, leaves from any state. It keeps the mutex if it has it
 * and its time was up; if it gives up a mutex that was offered to it, the next waiter is told.
 *
 * Only the first in the queue is ever told, and only once until it has looked: a thread that acquires and releases
 * in a loop meanwhile pays for no second wake. That thread may be faster than the waiter (a mutex with barging, as
 * in parking_lot and WebKit). Two things keep the race fair:
 *
 * - A waiter that was told takes the mutex without the GIL, as it would take the semaphore that is the interpreter's
 *   own lock up to 3.13. With the GIL it could win against no thread that takes the lock again at once.
 * - Others had their turn TURN_NS after the first waiter came, or after the last one that was served began to run.
 *   From then on the first one is due, and release() makes it the owner. The interpreter's lock does so since 3.14.
 *   The time runs anew for each that is served, so that a long queue is no convoy in which each release hands over.
 *
 * A release with the GIL held and a waiter without it meet in two places, `word` and `state`. Who releases stores the
 * word and then reads the state; who goes back to sleep stores the state and then reads the word; sequential
 * consistency lets at least one of them see what the other did. Without the GIL, a waiter changes nothing else: it
 * turns OFFERED into TAKEN, and whoever next looks at the mutex with the GIL held (`mutex_settle`) makes it the owner.
 * `posts` counts how often the semaphore was released for it, which only happens with the GIL held.
 *
 * A signal that arrives when a thread is about to sleep ends no sleep, and nobody can look for signals and fall asleep in
 * one step. So a waiter looks for them again LOOK_UP_NS after it began, then after twice that time, and so on.
 *
 * A wait that takes place elsewhere (semaphores.c) is a waiter in the queue too, but is never told. It is there to be
 * seen, to give evidence and to be recorded. */
#include "core.h"

#include <time.h>

#define TURN_NS 50000 /* 0.05 ms: longer turns do more operations, and make waiters wait; see docs/overhead.md */
#define LOOK_UP_NS 10000000
#define SPARE_WAITERS 64

typedef enum { QUEUED, WOKEN, OWNER } WaiterState;

struct Waiter {
    Waiter *next, *previous; /* in the queue of the mutex, a ring */
    Waiter *newer, *older;   /* among all waiters of the process */
    Mutex *mutex;            /* a strong reference */
    PyThread_type_lock semaphore;
    _Atomic(int) state;       /* a WaiterState */
    _Atomic(int) posts;       /* for which the semaphore was not yet taken */
    _Atomic(int64_t) looked;  /* when it last looked at the mutex without the GIL */
    unsigned long ident;
    int64_t started;
    int64_t owner_since;  /* as an OWNER */
    int64_t evidence_due; /* when the wait becomes a slow one; FOREVER once that was seen to */
    bool elsewhere;       /* never told */
    bool recorded;        /* false for locks of the telemetry, and where a thread only gets back the lock that it
                             gave up in Condition.wait */
    bool forgotten;       /* it was that of another thread, in the process that this one was forked from */
    bool noted;           /* false where memory was too short for `shares` */
    Shares shares;        /* as noted at the beginning; those of the wait once it is an OWNER or ends otherwise */
    PyObject *acquire_site;   /* borrowed: sites live as long as the process */
    PyObject *evidence;       /* of this thread: a tuple, or NULL */
    PyObject *owner_evidence; /* of the owner that kept the mutex for the longest time of those seen, or NULL */
    int64_t owner_kept;       /* for how long it did, during this wait */
};

/* What is known of a mutex while threads wait for it. */
struct Queue {
    Waiter *first;
    int64_t turn_began;
    int recorded; /* how many of the waiters are */
    Shares totals;
    int64_t charged_until;
    int64_t owner_since;      /* when this owner became it, or the queue began */
    PyObject *owner_site;     /* where the owner was last seen; NULL: not yet */
    PyObject *owner_evidence; /* what it did when it was last looked at, or NULL */
    Queue *next_spare;
};

static Waiter *newest = NULL;

/* Waiters keep their semaphores when they are spared, so that a wait usually allocates nothing. They are never on
 * the C stack: a daemon thread that the interpreter ends while it waits leaves its waiter in the queue. */
static Waiter *spare[SPARE_WAITERS];
static int spare_count = 0;

/* ---- the queue of a mutex ---- */

static Queue *spare_queues = NULL;

static Queue *
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
    queue->first = NULL;
    queue->recorded = 0;
    queue->turn_began = queue->charged_until = queue->owner_since = now;
    queue->owner_site = queue->owner_evidence = NULL;
    queue->totals.count = 0;
    shares_begin(&queue->totals);
    return queue;
}

static void
queue_free(Queue *queue)
{
    Py_CLEAR(queue->owner_evidence);
    shares_free(&queue->totals);
    queue->next_spare = spare_queues;
    spare_queues = queue;
}

static void
queue_append(Queue *queue, Waiter *waiter)
{
    queue->recorded += waiter->recorded;
    Waiter *first = queue->first;
    if (first == NULL) {
        waiter->next = waiter->previous = waiter;
        queue->first = waiter;
        return;
    }
    waiter->next = first;
    waiter->previous = first->previous;
    first->previous->next = waiter;
    first->previous = waiter;
}

static void
queue_unlink(Queue *queue, Waiter *waiter)
{
    queue->recorded -= waiter->recorded;
    waiter->previous->next = waiter->next;
    waiter->next->previous = waiter->previous;
    if (queue->first == waiter) {
        queue->first = waiter->next == waiter ? NULL : waiter->next;
    }
}

/* With the last waiter goes what is known of the mutex, and the only reason for it to be OFFERED. */
static void
queue_leave(Mutex *mutex, Waiter *waiter)
{
    Queue *queue = mutex->queue;
    queue_unlink(queue, waiter);
    if (queue->first == NULL) {
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
    return word == OFFERED ? FREE : word == TAKEN ? mutex->queue->first->ident : word;
}

/* ---- to whom the time is charged ---- */

/* The one who had the mutex until then is to blame for the time since the last charge. */
static void
queue_charge(Queue *queue, PyObject *site, int64_t until)
{
    int64_t ns = until - queue->charged_until;
    if (ns > 0) {
        shares_charge(&queue->totals, site, ns, until, queue->first->started);
        queue->charged_until = until;
    }
}

/* Where the owner is, if nobody has looked since it became the owner. */
static PyObject *
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

/* Charge the owner until now. Nobody is to blame while it is free, but who keeps the GIL. */
static void
mutex_charge(Mutex *mutex, int64_t now)
{
    Queue *queue = mutex->queue;
    if (queue->recorded > 0) {
        queue_charge(queue, mutex_word(mutex) == OFFERED ? gil_site : queue_owner_site(mutex), now);
    }
}

/* Look where the owner is now, to charge it there from now on. */
static void
mutex_look_at_owner(Mutex *mutex, int64_t now)
{
    mutex_charge(mutex, now);
    mutex->queue->charged_until = now;
    mutex->queue->owner_site = NULL;
    queue_owner_site(mutex);
}

static void
queue_begin_ownership(Queue *queue, PyObject *owner_site, int64_t since)
{
    queue->owner_since = since;
    queue->owner_site = owner_site;
    Py_CLEAR(queue->owner_evidence);
}

/* ---- the evidence of an owner ---- */

/* The owner, what it does, where, and in which span: while it still holds the mutex. NULL counts a fault. */
static PyObject *
owner_evidence(Mutex *mutex)
{
    unsigned long owner = mutex_owner(mutex);
    PyObject *site = queue_owner_site(mutex);
    PAUSE_COLLECTOR;
    PyObject *span = owner == this_thread() ? span_context_of_this_thread() : span_context_of_thread(owner);
    PyObject *evidence = Py_BuildValue("kNON", owner, stack_of_thread(owner), site, span);
    RESUME_COLLECTOR;
    if (evidence == NULL) {
        count_internal_error();
    }
    return evidence;
}

/* The evidence of the owner that kept the mutex for the longest part of this wait is that of the wait. */
static void
waiter_weigh_evidence(Waiter *waiter, PyObject *evidence, int64_t kept)
{
    int64_t part = monotonic_ns() - waiter->started;
    part = part < kept ? part : kept;
    if (waiter->recorded && (waiter->owner_evidence == NULL || part > waiter->owner_kept)) {
        waiter->owner_kept = part;
        Py_XSETREF(waiter->owner_evidence, Py_NewRef(evidence));
    }
}

/* At the end of an ownership. One that nobody looked at gives evidence of itself if it alone made a wait slow. */
static void
mutex_weigh_owner(Mutex *mutex, int64_t now)
{
    Queue *queue = mutex->queue;
    int64_t kept = now - queue->owner_since;
    if (queue->owner_evidence == NULL && kept >= settings.slow_wait_ns && queue->recorded > 0 &&
        settings.listening && !is_untracked() && mutex_owner(mutex) != 0) {
        queue->owner_evidence = owner_evidence(mutex);
    }
    if (queue->owner_evidence == NULL) {
        return;
    }
    Waiter *waiter = queue->first;
    do {
        waiter_weigh_evidence(waiter, queue->owner_evidence, kept);
        waiter = waiter->next;
    } while (waiter != queue->first);
}

/* ---- who gets the mutex ---- */

static bool
state_changes(Waiter *waiter, WaiterState from, WaiterState to)
{
    int expected = from;
    return atomic_compare_exchange_strong(&waiter->state, &expected, to);
}

static void
waiter_post(Waiter *waiter)
{
    atomic_fetch_add(&waiter->posts, 1);
    PyThread_release_lock(waiter->semaphore);
}

/* Its shares are those until then; what comes before it runs is not the fault of who had the mutex earlier. */
static void
waiter_close_shares(Waiter *waiter)
{
    waiter->noted = waiter->noted && shares_take(&waiter->shares, &waiter->mutex->queue->totals);
}

/* Make a waiter the owner, since that time. True if it was asleep. */
static bool
waiter_becomes_owner(Waiter *waiter, int64_t since)
{
    Mutex *mutex = waiter->mutex;
    if (waiter->recorded) {
        waiter_close_shares(waiter);
    }
    waiter->owner_since = since;
    queue_begin_ownership(mutex->queue, waiter->recorded ? waiter->acquire_site : NULL, since);
    queue_leave(mutex, waiter);
    atomic_store(&mutex->word, waiter->ident);
    return atomic_exchange(&waiter->state, OWNER) == QUEUED;
}

/* See to it that the first waiter is known for the owner, if it took the mutex by itself. */
static void
mutex_settle(Mutex *mutex)
{
    if (atomic_load(&mutex->word) == TAKEN) {
        Waiter *first = mutex->queue->first;
        int64_t since = atomic_load(&first->looked);
        queue_charge(mutex->queue, gil_site, since);
        waiter_becomes_owner(first, since);
    }
}

static bool
mutex_is_offered(Mutex *mutex)
{
    unsigned long expected = OFFERED;
    return atomic_compare_exchange_strong(&mutex->word, &expected, this_thread());
}

bool
mutex_take_offered(Mutex *mutex)
{
    if (!mutex_is_offered(mutex)) {
        return false;
    }
    int64_t now = monotonic_ns();
    queue_charge(mutex->queue, gil_site, now);
    queue_begin_ownership(mutex->queue, NULL, now);
    return true;
}

/* Threads that have no GIL will never have it again when the interpreter ends: they get nothing any more. */
static bool
interpreter_ends(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return Py_IsFinalizing();
#else
    return _Py_IsFinalizing();
#endif
}

static bool
queue_is_due(const Queue *queue, int64_t now)
{
    int64_t since = queue->first->started > queue->turn_began ? queue->first->started : queue->turn_began;
    return now - since >= TURN_NS && !interpreter_ends();
}

static void
mutex_offer(Mutex *mutex)
{
    Waiter *first = mutex->queue->first;
    atomic_store(&mutex->word, OFFERED);
    if (state_changes(first, QUEUED, WOKEN)) {
        waiter_post(first);
    }
}

void
mutex_release_to_waiters(Mutex *mutex)
{
    mutex_settle(mutex);
    Queue *queue = mutex->queue;
    if (queue == NULL) {
        mutex_set_word(mutex, FREE);
        return;
    }
    int64_t now = monotonic_ns();
    mutex_charge(mutex, now);
    mutex_weigh_owner(mutex, now);
    if (!queue_is_due(queue, now)) {
        mutex_offer(mutex);
        return;
    }
    Waiter *first = queue->first;
    if (waiter_becomes_owner(first, now)) {
        waiter_post(first);
    }
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
    shares_init(&waiter->shares);
    return waiter;
}

static void
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

static void
waiter_begin_record(Waiter *waiter)
{
    Mutex *mutex = waiter->mutex;
    waiter->acquire_site = site_of_this_thread();
    mutex_look_at_owner(mutex, waiter->started);
    waiter->noted = shares_note(&waiter->shares, &mutex->queue->totals);
    waiter->evidence_due = waiter->started + settings.slow_wait_ns;
}

static Waiter *
waiter_begin(Mutex *mutex, bool recorded, bool elsewhere)
{
    mutex_settle(mutex);
    int64_t now = monotonic_ns();
    Queue *queue = mutex->queue != NULL ? mutex->queue : queue_new(now);
    Waiter *waiter = queue == NULL ? NULL : waiter_allocate();
    if (waiter == NULL) {
        if (queue != NULL && mutex->queue == NULL) {
            queue_free(queue);
        }
        return NULL;
    }
    waiter->mutex = (Mutex *)Py_NewRef(mutex);
    atomic_store(&waiter->state, QUEUED);
    atomic_store(&waiter->posts, 0);
    waiter->elsewhere = elsewhere;
    waiter->recorded = recorded && mutex->identity != &unobserved_identity;
    waiter->forgotten = waiter->noted = false;
    waiter->ident = this_thread();
    waiter->started = waiter->owner_since = now;
    waiter->evidence_due = FOREVER;
    waiter->evidence = waiter->owner_evidence = NULL;
    mutex->queue = queue;
    waiter_link(waiter);
    queue_append(queue, waiter);
    if (waiter->recorded) {
        PAUSE_COLLECTOR;
        waiter_begin_record(waiter);
        RESUME_COLLECTOR;
    }
    return waiter;
}

/* Nobody releases the semaphore for it any more: it has left the queue, and this thread holds the GIL. */
static void
waiter_take_posts(Waiter *waiter)
{
    for (; atomic_load(&waiter->posts) > 0; atomic_fetch_sub(&waiter->posts, 1)) {
        PyThread_acquire_lock(waiter->semaphore, WAIT_LOCK);
    }
}

static void
waiter_leaves(Waiter *waiter)
{
    Mutex *mutex = waiter->mutex;
    if (waiter->recorded) {
        int64_t now = monotonic_ns();
        mutex_charge(mutex, now);
        mutex_weigh_owner(mutex, now);
        waiter_close_shares(waiter);
    }
    queue_leave(mutex, waiter);
}

/* Without the mutex. If it was offered to this waiter or is its own, the next one gets it. */
static void
waiter_gives_up(Waiter *waiter)
{
    Mutex *mutex = waiter->mutex;
    mutex_settle(mutex);
    if (atomic_load(&waiter->state) == OWNER) {
        if (mutex_word(mutex) == waiter->ident) {
            mutex_release_to_waiters(mutex);
        }
        return;
    }
    waiter_leaves(waiter);
    if (mutex_word(mutex) == OFFERED) {
        mutex_offer(mutex);
    }
}

/* ---- what is recorded ---- */

/* The evidence of a slow wait. */
static void
waiter_give_evidence(Waiter *waiter)
{
    waiter->evidence_due = FOREVER;
    if (!settings.listening || is_untracked()) {
        return;
    }
    int64_t oldest;
    Py_ssize_t waiters = waits_of_identity(waiter->mutex->identity, 0, &oldest);
    PAUSE_COLLECTOR;
    waiter->evidence = Py_BuildValue("NnNN", stack_of_thread(waiter->ident), waiters, task_of_this_thread(),
                                     span_context_of_this_thread());
    RESUME_COLLECTOR;
    if (waiter->evidence == NULL) {
        count_internal_error();
    }
}

/* Who holds the lock and what does that thread do at this moment, while it still holds it? */
static void
waiter_look_at_owner(Waiter *waiter)
{
    Mutex *mutex = waiter->mutex;
    Queue *queue = mutex->queue;
    int64_t now = monotonic_ns();
    mutex_look_at_owner(mutex, now);
    waiter_give_evidence(waiter);
    if (waiter->evidence == NULL || mutex_owner(mutex) == 0) {
        return;
    }
    Py_XSETREF(queue->owner_evidence, owner_evidence(mutex));
    if (queue->owner_evidence != NULL) {
        waiter_weigh_evidence(waiter, queue->owner_evidence, now - queue->owner_since);
    }
}

/* The rows of blame add up to the wait. Returns the part of it in which the lock was to be had but the GIL was not. */
static int64_t
waiter_blame(const Waiter *waiter, int64_t ended)
{
    Identity *identity = waiter->mutex->identity;
    int64_t rest = ended - waiter->started, gil = 0;
    for (int i = 0; waiter->noted && i < waiter->shares.count; i++) {
        Share share = waiter->shares.items[i];
        rest -= share.ns;
        if (share.site == gil_site) {
            gil += share.ns;
        }
        else if (share.ns > 0) {
            blame_add(identity, waiter->acquire_site, share.site, 1, share.ns);
        }
    }
    if (!waiter->noted || waiter->elsewhere) {
        blame_add(identity, waiter->acquire_site, unknown_site, rest > 0, rest);
        return gil;
    }
    gil += rest;
    if (gil > 0) {
        blame_add(identity, waiter->acquire_site, gil_site, 1, gil);
    }
    return gil;
}

static PyObject *
gil_wait_of(const Waiter *waiter, int64_t gil_ns)
{
    if (waiter->elsewhere) {
        Py_RETURN_NONE;
    }
    return PyLong_FromLongLong(gil_ns);
}

/* Of a wait for many owners, each for a short time, only the site with the largest share is known. */
static PyObject *
site_most_to_blame(const Waiter *waiter)
{
    Share most = {unknown_site, 0, 0};
    for (int i = 0; waiter->noted && i < waiter->shares.count; i++) {
        if (waiter->shares.items[i].ns > most.ns && waiter->shares.items[i].site != gil_site) {
            most = waiter->shares.items[i];
        }
    }
    return most.site;
}

static PyObject *
owner_evidence_of(const Waiter *waiter)
{
    return waiter->owner_evidence != NULL ? Py_NewRef(waiter->owner_evidence)
                                          : Py_BuildValue("k()OO", 0UL, site_most_to_blame(waiter), Py_None);
}

static void
waiter_push_event(Waiter *waiter, WaitOutcome outcome, int64_t ended, int64_t gil_ns)
{
    static const char *const outcomes[] = {"acquired", "timed out", "interrupted"};
    const Identity *identity = waiter->mutex->identity;
    PyObject *owner = owner_evidence_of(waiter);
    PyObject *event = NULL;
    if (owner != NULL) {
#define OF(tuple, index) PyTuple_GET_ITEM(tuple, index)
        event = Py_BuildValue("sOsOkkOOOOOOOOOLLNs", "slow_wait", identity->name, kind_name(identity->kind),
                              identity->location, waiter->ident, PyThread_get_thread_native_id(),
                              OF(waiter->evidence, 0), waiter->acquire_site, OF(owner, 0), OF(owner, 1), OF(owner, 2),
                              OF(waiter->evidence, 1), OF(waiter->evidence, 2), OF(waiter->evidence, 3), OF(owner, 3),
                              waiter->started, ended - waiter->started, gil_wait_of(waiter, gil_ns), outcomes[outcome]);
#undef OF
        Py_DECREF(owner);
    }
    events_push(event);
}

static void
waiter_record(Waiter *waiter, WaitOutcome outcome, int64_t ended)
{
    Identity *identity = waiter->mutex->identity;
    histogram_add(&identity->wait, ended - waiter->started);
    identity->contentions += outcome == WAIT_ACQUIRED;
    identity->timeouts += outcome == WAIT_TIMED_OUT;
    int64_t gil_ns = waiter_blame(waiter, ended);
    if (ended >= waiter->evidence_due) {
        waiter_give_evidence(waiter); /* it became a slow one while it had no GIL to look with */
    }
    if (waiter->evidence != NULL) {
        waiter_push_event(waiter, outcome, ended, gil_ns);
    }
    Py_CLEAR(waiter->evidence);
}

/* ---- the wait ---- */

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Without the GIL, after it was told: whether the mutex is now its own. Else it was overtaken, and sleeps again. */
static bool
waiter_takes_alone(Waiter *waiter)
{
    Mutex *mutex = waiter->mutex;
    for (;;) {
        atomic_store(&waiter->looked, monotonic_ns());
        unsigned long expected = OFFERED;
        if (atomic_load(&waiter->state) == OWNER || interpreter_ends() ||
            atomic_compare_exchange_strong(&mutex->word, &expected, TAKEN)) {
            return true;
        }
        if (!state_changes(waiter, WOKEN, QUEUED)) {
            return true;
        }
        if (atomic_load(&mutex->word) != OFFERED || !state_changes(waiter, QUEUED, WOKEN)) {
            return false;
        }
    }
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

/* Sleep until the mutex was had, until a point in time, or until a signal arrives. */
static void
waiter_sleep(Waiter *waiter, int64_t until)
{
    Py_BEGIN_ALLOW_THREADS
    while (PyThread_acquire_lock_timed(waiter->semaphore, microseconds_until(until), 1) == PY_LOCK_ACQUIRED) {
        atomic_fetch_sub(&waiter->posts, 1);
        if (waiter_takes_alone(waiter)) {
            break;
        }
    }
    Py_END_ALLOW_THREADS
}

/* With the GIL held: whether the mutex is its own. */
static bool
waiter_takes(Waiter *waiter)
{
    Mutex *mutex = waiter->mutex;
    mutex_settle(mutex);
    if (atomic_load(&waiter->state) == OWNER) {
        return true;
    }
    if (!mutex_is_offered(mutex)) {
        return false;
    }
    int64_t now = monotonic_ns();
    queue_charge(mutex->queue, gil_site, now);
    waiter_becomes_owner(waiter, now);
    return true;
}

/* While the interpreter ends only this thread runs. Its own lock raises then since 3.15; up to 3.14 it waits for ever. */
static bool
nobody_can_release(void)
{
#if PY_VERSION_HEX >= 0x030F0000
    if (Py_IsFinalizing()) {
        PyErr_SetString(PyExc_PythonFinalizationError, "cannot acquire lock at interpreter finalization");
        return true;
    }
#endif
    return false;
}

static WaitOutcome
waiter_wait(Waiter *waiter, int64_t deadline, bool interruptible)
{
    int64_t look_up = waiter->started + LOOK_UP_NS;
    while (!waiter_takes(waiter)) {
        int64_t now = monotonic_ns();
        if (now >= waiter->evidence_due) {
            waiter_look_at_owner(waiter);
        }
        if (now >= deadline) {
            return WAIT_TIMED_OUT;
        }
        if (now >= look_up) {
            look_up = now + (now - waiter->started);
        }
        /* A signal that arrived while this thread was awake ends no sleep. */
        if ((interruptible && Py_MakePendingCalls() < 0) || nobody_can_release()) {
            return WAIT_INTERRUPTED;
        }
        waiter_sleep(waiter, earlier(earlier(deadline, waiter->evidence_due), interruptible ? look_up : FOREVER));
    }
    return WAIT_ACQUIRED;
}

static void
waiter_end(Waiter *waiter, WaitOutcome outcome)
{
    Mutex *mutex = waiter->mutex;
    int64_t now = monotonic_ns();
    if (waiter->recorded) {
        waiter_record(waiter, outcome, now);
    }
    if (mutex->queue != NULL && outcome == WAIT_ACQUIRED) {
        mutex->queue->turn_began = now;
    }
    Py_CLEAR(waiter->owner_evidence);
    waiter_take_posts(waiter);
    waiter_unlink(waiter);
    waiter_free(waiter);
    Py_DECREF(mutex);
}

/* ---- a wait for which memory is too short ---- */

#define POLL_NS 1000000

static void
sleep_until(int64_t until)
{
    int64_t left = until - monotonic_ns();
    struct timespec time = {0, (long)(left < 0 ? 0 : left < POLL_NS ? left : POLL_NS)};
    Py_BEGIN_ALLOW_THREADS
    nanosleep(&time, NULL);
    Py_END_ALLOW_THREADS
}

/* Look whether the mutex can be had, sleep for a moment if not. True if that ends the wait. */
static bool
mutex_poll(Mutex *mutex, int64_t deadline, bool interruptible, WaitOutcome *outcome)
{
    bool is_free = mutex_word(mutex) == FREE;
    if (is_free) {
        mutex_set_word(mutex, this_thread());
    }
    if (is_free || mutex_take_offered(mutex)) {
        *outcome = WAIT_ACQUIRED;
        return true;
    }
    if (monotonic_ns() >= deadline) {
        *outcome = WAIT_TIMED_OUT;
        return true;
    }
    if ((interruptible && Py_MakePendingCalls() < 0) || nobody_can_release()) {
        *outcome = WAIT_INTERRUPTED;
        return true;
    }
    sleep_until(deadline);
    return false;
}

WaitOutcome
mutex_wait(Mutex *mutex, int64_t timeout_ns, bool interruptible, bool recorded)
{
    int64_t now = monotonic_ns();
    int64_t deadline = timeout_ns >= FOREVER - now ? FOREVER : now + timeout_ns;
    Waiter *waiter;
    while ((waiter = waiter_begin(mutex, recorded, false)) == NULL) {
        WaitOutcome ended;
        count_internal_error();
        if (mutex_poll(mutex, deadline, interruptible, &ended)) {
            return ended;
        }
    }
    WaitOutcome outcome = waiter_wait(waiter, deadline, interruptible);
    PyObject *type, *value, *traceback; /* that of the signal handler, if one raised */
    PyErr_Fetch(&type, &value, &traceback);
    if (outcome != WAIT_ACQUIRED) {
        waiter_gives_up(waiter);
    }
    waiter_end(waiter, outcome);
    PyErr_Restore(type, value, traceback);
    return outcome;
}

/* ---- a wait elsewhere ---- */

Waiter *
wait_elsewhere_begin(Mutex *mutex)
{
    return waiter_begin(mutex, true, true);
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
        waiter_look_at_owner(waiter);
    }
}

void
wait_elsewhere_end(Waiter *waiter, WaitOutcome outcome)
{
    if (waiter->forgotten) {
        return;
    }
    PyObject *type, *value, *traceback; /* that went through the wait, if one did */
    PyErr_Fetch(&type, &value, &traceback);
    waiter_leaves(waiter);
    waiter_end(waiter, outcome);
    PyErr_Restore(type, value, traceback);
}

void
wait_elsewhere_set_owner(Mutex *mutex, unsigned long owner)
{
    if (mutex_word(mutex) == owner) {
        return;
    }
    if (mutex->queue != NULL) {
        int64_t now = monotonic_ns();
        mutex_charge(mutex, now);
        mutex_weigh_owner(mutex, now);
        queue_begin_ownership(mutex->queue, NULL, now);
    }
    mutex_set_word(mutex, owner);
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

/* It was given the mutex, or took it, and did not run yet. */
static bool
waiter_has_mutex(const Waiter *waiter)
{
    const Mutex *mutex = waiter->mutex;
    return atomic_load(&((Waiter *)waiter)->state) == OWNER ||
           (mutex_word(mutex) == TAKEN && mutex->queue->first == waiter);
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
        if (waiter->mutex->identity != &unobserved_identity && !waiter_has_mutex(waiter)) {
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

/* One that a thread of the parent had been given, or had taken, but did not have the GIL to use, is free. */
static void
mutex_forget_waiters(Mutex *mutex, const Waiter *waiter, unsigned long me)
{
    unsigned long word = mutex_word(mutex);
    bool given = atomic_load(&((Waiter *)waiter)->state) == OWNER && word == waiter->ident && word != me;
    if (word == OFFERED || word == TAKEN || given) {
        mutex_set_word(mutex, FREE);
    }
    if (mutex->queue != NULL) {
        mutex->queue->first = NULL;
        mutex->queue->recorded = 0;
    }
}

static void
waiter_waits_on(Waiter *waiter)
{
    Mutex *mutex = waiter->mutex;
    waiter_link(waiter);
    if (atomic_load(&waiter->state) == OWNER) {
        return;
    }
    queue_append(mutex->queue, waiter);
    if (mutex_word(mutex) == FREE && !waiter->elsewhere) {
        mutex_offer(mutex);
    }
}

static void
waiter_forget(Waiter *waiter)
{
    Mutex *mutex = waiter->mutex;
    waiter->forgotten = true;
    if (mutex->queue != NULL && mutex->queue->first == NULL) {
        queue_free(mutex->queue);
        mutex->queue = NULL;
    }
}

/* Of the parent's threads only this one exists here. Its own waits, if a signal handler forks in the middle of one,
 * go on; those of the others are forgotten, and their memory with them. */
void
waits_after_fork(void)
{
    unsigned long me = this_thread();
    Waiter *waiter = newest, *mine = NULL, *others = NULL;
    newest = NULL;
    while (waiter != NULL) {
        Waiter *older = waiter->older, **whose = waiter->ident == me ? &mine : &others;
        mutex_forget_waiters(waiter->mutex, waiter, me);
        waiter->older = *whose;
        *whose = waiter;
        waiter = older;
    }
    for (waiter = mine; waiter != NULL; waiter = mine) {
        mine = waiter->older;
        waiter_waits_on(waiter);
    }
    for (waiter = others; waiter != NULL; waiter = waiter->older) {
        waiter_forget(waiter);
    }
}
