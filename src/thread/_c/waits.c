/* The contended path: queueing, hand-over, waiting.
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
 * - A waiter that was told takes the mutex as it would take the interpreter's own lock. Up to 3.13 that is a semaphore,
 *   taken without the GIL: with it, no waiter would win against a thread that takes the lock again at once. Since 3.14
 *   a waiter needs the GIL first, and a thread that uses the lock in a loop is not slowed down by one that cannot run.
 * - Others had their turn TURN_NS after the first waiter came, or after the last one that was served began to run.
 *   From then on the first one is due, and release() makes it the owner. The interpreter's lock does so since 3.14.
 *   The time runs anew for each that is served, so that a long queue is no convoy in which each release hands over.
 *
 * A release with the GIL held and a waiter without it share two variables, `word` and `state`. The release stores the
 * word and then reads the state; a waiter that goes back to sleep stores the state and then reads the word; sequential
 * consistency lets at least one of them see what the other did. Without the GIL, a waiter changes nothing else: it
 * turns OFFERED into TAKEN, and the next thread that looks at the mutex with the GIL held (`mutex_settle`) makes it the
 * owner. `posts` counts the releases of the semaphore for it, which only happen with the GIL held.
 *
 * A signal that arrives when a thread is about to sleep ends no sleep, and nobody can look for signals and fall asleep
 * in one step. So a waiter looks for them again LOOK_UP_NS after it began, then after twice that time, and so on.
 *
 * A wait that takes place elsewhere (semaphores.c) is a waiter in the queue too, but is never told. It is there to be
 * seen, to give evidence and to be recorded. */
#include "waits.h"
#include "runtime.h"
#include "sites.h"

#include <time.h>

/* Longer turns do more operations a second and make waiters wait; see docs/overhead.md. */
#if PY_VERSION_HEX >= 0x030E0000
#define TURN_NS 500000
#define TAKES_WITHOUT_GIL false
#else
#define TURN_NS 200000
#define TAKES_WITHOUT_GIL true
#endif
#define LOOK_UP_NS 10000000

/* ---- hand-over ---- */

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

/* Its shares end here: earlier owners are not to blame for the time until it runs. */
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

/* If the first waiter took the mutex by itself, make it the owner. */
static void
mutex_settle(Mutex *mutex)
{
    if (atomic_load(&mutex->word) == TAKEN) {
        Waiter *first = queue_first(mutex->queue);
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

static bool
queue_is_due(const Queue *queue, int64_t now)
{
    int64_t came = queue_first(queue)->wait.started;
    int64_t since = came > queue->turn_began ? came : queue->turn_began;
    /* Nothing is given to threads that will never have the GIL again. */
    return now - since >= TURN_NS && !interpreter_ends();
}

void
mutex_offer(Mutex *mutex)
{
    Waiter *first = queue_first(mutex->queue);
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
    Waiter *first = queue_first(queue);
    if (waiter_becomes_owner(first, now)) {
        waiter_post(first);
    }
}

/* ---- the begin of a wait ---- */

static void
waiter_begin_record(Waiter *waiter)
{
    Mutex *mutex = waiter->mutex;
    waiter->acquire_site = site_of_this_thread();
    mutex_look_at_owner(mutex, waiter->wait.started);
    waiter->noted = shares_note(&waiter->shares, &mutex->queue->totals);
    waiter->evidence_due = waiter->wait.started + settings.slow_wait_ns;
}

Waiter *
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
    waiter->wait.started = waiter->owner_since = now;
    waiter->evidence_due = FOREVER;
    waiter->evidence = waiter->owner_evidence = NULL;
    mutex->queue = queue;
    waiter_appear(waiter);
    queue_append(queue, waiter);
    if (waiter->recorded) {
        PAUSE_COLLECTOR;
        waiter_begin_record(waiter);
        RESUME_COLLECTOR;
    }
    return waiter;
}

/* ---- the end of a wait ---- */

/* Nobody releases the semaphore for it any more: it has left the queue, and this thread holds the GIL. */
static void
waiter_take_posts(Waiter *waiter)
{
    for (; atomic_load(&waiter->posts) > 0; atomic_fetch_sub(&waiter->posts, 1)) {
        PyThread_acquire_lock(waiter->semaphore, WAIT_LOCK);
    }
}

void
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

void
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
    waiter_disappear(waiter);
    waiter_free(waiter);
    Py_DECREF(mutex);
}

/* ---- the wait ---- */

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Without the GIL, after it was told: whether the mutex is now its own. If not, it was overtaken and sleeps again. */
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

/* Sleep until the mutex is its own, until a point in time, or until a signal arrives. */
static void
waiter_sleep(Waiter *waiter, int64_t until)
{
    Py_BEGIN_ALLOW_THREADS
    while (PyThread_acquire_lock_timed(waiter->semaphore, microseconds_until(until), 1) == PY_LOCK_ACQUIRED) {
        atomic_fetch_sub(&waiter->posts, 1);
        if (!TAKES_WITHOUT_GIL || waiter_takes_alone(waiter)) {
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
        state_changes(waiter, WOKEN, QUEUED); /* it was overtaken */
        return false;
    }
    int64_t now = monotonic_ns();
    queue_charge(mutex->queue, gil_site, now);
    waiter_becomes_owner(waiter, now);
    return true;
}

/* Only this thread runs while the interpreter ends. Its own lock raises then since 3.15, and waits for ever before. */
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
    int64_t look_up = waiter->wait.started + LOOK_UP_NS;
    while (!waiter_takes(waiter)) {
        int64_t now = monotonic_ns();
        if (now >= waiter->evidence_due) {
            waiter_look_at_owner(waiter);
        }
        if (now >= deadline) {
            return WAIT_TIMED_OUT;
        }
        if (now >= look_up) {
            look_up = now + (now - waiter->wait.started);
        }
        /* A signal that arrived while this thread was awake ends no sleep. */
        if ((interruptible && Py_MakePendingCalls() < 0) || nobody_can_release()) {
            return WAIT_INTERRUPTED;
        }
        waiter_sleep(waiter, earlier(earlier(deadline, waiter->evidence_due), interruptible ? look_up : FOREVER));
    }
    return WAIT_ACQUIRED;
}

/* ---- a wait for which memory is too short ---- */

#define POLL_NS 1000000

static void
sleep_until(int64_t until)
{
    int64_t left = earlier(until - monotonic_ns(), POLL_NS);
    struct timespec time = {0, (long)(left < 0 ? 0 : left)};
    Py_BEGIN_ALLOW_THREADS
    nanosleep(&time, NULL);
    Py_END_ALLOW_THREADS
}

/* Try to take the mutex, and sleep for a moment if it is held. True if the wait is over. */
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
