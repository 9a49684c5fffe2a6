/* The C core of thread-telemetry: what its files share.
 *
 * All state is guarded by the GIL. Nothing here takes a second lock, and no function that runs while a thread waits
 * for an application lock calls Python code. The readable specification is the package `_core_py`.
 *
 *     module.c      the module, its settings, hidden threads, fork
 *     locks.c       Lock and RLock
 *     waits.c       what happens when a lock is not to be had at once
 *     identities.c  the totals of all locks of one name or place
 *     places.c      from a frame to an identity or a site
 *     frames.c      reading frames of this and of other threads
 *     blame.c       who waited for whom
 *     histogram.c   counts of durations
 *     events.c      the bounded buffer that the drain thread empties
 *     threads.c     starting threads, and what is recorded from the request to the end
 */
#ifndef THREAD_CORE_H
#define THREAD_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef Py_GIL_DISABLED
#error "the C core relies on the GIL; a free-threaded interpreter uses the pure-Python twin"
#endif

#if defined(__GNUC__)
#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define NOINLINE __attribute__((noinline))
#else
#define LIKELY(condition) (condition)
#define UNLIKELY(condition) (condition)
#define NOINLINE
#endif

/* What `PyThread_get_thread_ident` returns, without its two calls, since every acquisition needs it. With glibc on
 * x86-64 it is the thread pointer, one instruction; the module checks that when it is imported. */
static inline unsigned long
this_thread(void)
{
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && __GNUC__ >= 11
    return (unsigned long)(uintptr_t)__builtin_thread_pointer();
#else
    return (unsigned long)pthread_self();
#endif
}

#define FAST_WITH_KEYWORDS(function) ((PyCFunction)(void (*)(void))(function)), METH_FASTCALL | METH_KEYWORDS

/* A list with one more row; takes both references. NULL where either is NULL or memory ran out. */
static inline PyObject *
rows_with(PyObject *rows, PyObject *row)
{
    if (row == NULL || PyList_Append(rows, row) < 0) {
        Py_CLEAR(rows);
    }
    Py_XDECREF(row);
    return rows;
}

/* ---- settings (module.c) ---- */

typedef struct {
    int64_t slow_wait_ns;
    uint64_t hold_sampling; /* one acquisition in so many; 0: none */
    Py_ssize_t event_capacity;
    Py_ssize_t stack_depth;
    bool listening; /* whether anybody fetches events */
} Settings;

extern Settings settings;

int64_t monotonic_ns(void);
void count_fault(void); /* clears the error indicator */
bool is_hidden(void);   /* whether this thread works for the telemetry */
void hide_this_thread(int change);

/* ---- histogram.c ---- */

#define MIN_EXPONENT (-24)
#define MAX_EXPONENT 16
#define BUCKET_COUNT (MAX_EXPONENT - MIN_EXPONENT + 2)

typedef struct {
    uint64_t count;
    int64_t sum_ns;
    int64_t max_ns;
    uint64_t buckets[BUCKET_COUNT];
} Histogram;

void histogram_init(void);
void histogram_add(Histogram **histogram, int64_t duration_ns); /* allocated when first needed */
void histogram_reset(Histogram **histogram);
PyObject *histogram_read(const Histogram *histogram);

/* ---- identities.c ---- */

typedef enum { KIND_LOCK, KIND_RLOCK, KIND_COUNT } Kind;

typedef struct {
    uint64_t acquisitions;
    uint64_t next_sample; /* the acquisition whose hold will be timed */
    uint64_t contentions;
    uint64_t timeouts;
    Py_ssize_t live;
    Histogram *wait;
    Histogram *hold;
    PyObject *name;
    PyObject *location;
    Kind kind;
} Identity;

#define NEVER UINT64_MAX

extern Identity unobserved_identity; /* of the telemetry's own locks, shown to nobody */
extern bool sites_are_capped;

const char *kind_name(Kind kind);
Identity *identity_named(PyObject *name, Kind kind, PyObject *location);
void identity_draw_next_sample(Identity *identity);
void identities_redraw_samples(void);
void identities_reset(void);
int identities_init(void);
PyObject *identities_read(void);

/* ---- frames.c ---- */

/* The code (a strong reference) and the byte offset that this thread is at; NULL when it runs no Python code. */
PyCodeObject *innermost_code(int *offset);
/* The innermost frame (a strong reference) of a thread; NULL when it has none. */
PyFrameObject *frame_of_thread(unsigned long ident);
/* The `__name__` of the module that a frame runs in: a strong reference. */
PyObject *frame_module(PyFrameObject *frame);

/* ---- places.c ---- */

extern PyObject *unknown_site;
extern PyObject *other_site;

int places_init(PyObject *naming);
/* The identity of a lock being created now; NULL with an exception set only if one must reach the program. */
Identity *identity_created(Kind kind, PyObject *name);
/* The site this thread, or the thread of that ident, is charged with: a borrowed reference that stays valid. */
PyObject *site_of_this_thread(void);
PyObject *site_of_thread(unsigned long ident);
/* A tuple of the sites of a thread's whole stack, innermost first. */
PyObject *stack_of_thread(unsigned long ident);

/* ---- blame.c ---- */

void blame_add(Identity *identity, PyObject *acquire_site, PyObject *owner_site, uint64_t count, int64_t ns);
void blame_reset(void);
PyObject *blame_read(void);

/* ---- events.c ---- */

int events_init(void);
void events_after_fork(void);
void events_push(PyObject *event); /* takes the reference; NULL counts a fault */
void events_set_capacity(Py_ssize_t capacity);
void events_reset(void);
void events_wake(void);
PyObject *events_take(void);
PyObject *events_wait(double timeout);
uint64_t events_dropped(void);

/* ---- locks.c and waits.c ---- */

typedef struct Waiter Waiter;

typedef struct {
    PyObject_HEAD
    Identity *identity;
    PyObject *weakrefs;
    _Atomic(unsigned long) owner; /* ident of the thread that holds it, 0: unlocked; written with the GIL held */
    Waiter *queue;                /* the first of those that wait, NULL: nobody waits */
    int64_t hold_started;         /* when it was acquired, 0: this hold is not sampled */
    unsigned long depth;          /* RLock: how often its owner has acquired it */
} Mutex;

static inline unsigned long
mutex_owner(Mutex *mutex)
{
    return atomic_load_explicit(&mutex->owner, memory_order_relaxed);
}

/* Enough while nobody waits; waits.c says what releasing takes otherwise. */
static inline void
mutex_set_owner(Mutex *mutex, unsigned long owner)
{
    atomic_store_explicit(&mutex->owner, owner, memory_order_relaxed);
}

#define FOREVER INT64_MAX

typedef enum { WAIT_ACQUIRED, WAIT_TIMED_OUT, WAIT_INTERRUPTED } WaitOutcome;

/* Wait for a mutex that somebody holds. When acquired, this thread is its owner already; when interrupted, the
 * exception is set. Signal handlers run during the wait only if it is interruptible. */
WaitOutcome mutex_wait(Mutex *mutex, int64_t timeout_ns, bool interruptible);
/* Unlock a mutex that somebody waits for, and tell the first of them. */
void mutex_release_to_waiters(Mutex *mutex);
void waits_after_fork(void);
PyObject *waits_read(void);
/* How many threads wait for locks of an identity, and since when the first of them does (`now` if none). */
Py_ssize_t waits_of_identity(const Identity *identity, int64_t now, int64_t *oldest);

extern PyTypeObject LockType;
extern PyTypeObject RLockType;

int locks_init(void);
PyObject *allocate_lock(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

/* ---- threads.c ---- */

int threads_init(PyObject *naming, PyObject *lifecycle);
void threads_after_fork(void);
void threads_reset(void);
PyObject *start_new_thread(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *start_joinable_thread(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *threads_read(void);
PyObject *threads_read_live(void);

#endif
