/* The C core of thread-telemetry: what its files share.
 *
 * All state is guarded by the GIL. Nothing here takes a second lock, and no function that runs while a thread waits
 * for an application lock calls Python code. The readable specification is the package `_core_py`.
 *
 *     module.c      the module, its settings, hidden threads, fork
 *     locks.c       Lock and RLock
 *     semaphores.c  the records of semaphores
 *     waits.c       what happens when a lock is not to be had at once
 *     blocking.c    waits that are no contention: for conditions, queues and the like
 *     simple_queue.c  waiting in queue.SimpleQueue
 *     tasks.c       which asyncio task a thread runs
 *     spans.c       which span of a trace a thread runs in
 *     identities.c  the totals of all locks of one name or place
 *     places.c      from a frame to an identity or a site
 *     frames.c      reading frames of this and of other threads
 *     blame.c       who waited for whom
 *     shares.c      how long each owner of a mutex kept it while others waited
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

/* Up to 3.11 an allocation can run the collector and with it finalizers of the program, which must not happen to a
 * thread that is about to wait or gives evidence. Later interpreters collect between instructions only. */

#if PY_VERSION_HEX < 0x030C0000
#define PAUSE_COLLECTOR int collector_was_on = PyGC_Disable()
#define RESUME_COLLECTOR       \
    if (collector_was_on) {    \
        PyGC_Enable();         \
    }
#else
#define PAUSE_COLLECTOR
#define RESUME_COLLECTOR
#endif

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
void count_internal_error(void); /* clears the error indicator */
/* The same for what was raised where Python code of ours ran. False where the program raised it, as a signal handler
 * does that interrupts such code: it stays set, and has to reach the program. */
bool absorb_internal_error(void);
bool is_untracked(void);   /* whether this thread works for the telemetry */
void untrack_this_thread(int change);

/* ---- histogram.c ---- */

#define MIN_EXPONENT (-24)
#define MAX_EXPONENT 16
#define BUCKET_COUNT (MAX_EXPONENT - MIN_EXPONENT + 2)

/* A sum of durations that cannot overflow: a thousand threads that wait all the time have 292 years in 107 days. */
typedef struct {
    uint64_t low, high;
} Sum;

static inline void
sum_add(Sum *sum, int64_t duration_ns)
{
    uint64_t added = duration_ns > 0 ? (uint64_t)duration_ns : 0;
    sum->low += added;
    sum->high += sum->low < added;
}

PyObject *sum_read(const Sum *sum);

typedef struct {
    uint64_t count;
    Sum sum_ns;
    int64_t max_ns;
    uint64_t buckets[BUCKET_COUNT];
} Histogram;

void histogram_init(void);
void histogram_add(Histogram **histogram, int64_t duration_ns); /* allocated when first needed */
void histogram_reset(Histogram **histogram);
PyObject *histogram_read(const Histogram *histogram);

extern PyTypeObject HistogramCountsType;

/* ---- identities.c ---- */

typedef enum { KIND_LOCK, KIND_RLOCK, KIND_SEMAPHORE, KIND_COUNT } Kind;

typedef struct {
    uint64_t acquisitions;
    uint64_t next_sample; /* the acquisition whose hold will be timed */
    uint64_t contentions;
    uint64_t timeouts;
    Py_ssize_t live;
    Histogram *wait;
    Histogram *hold;
    PyObject *name;
    PyObject *object_name; /* what `name` begins with: the object that the lock is a part of, or the lock itself */
    PyObject *location;
    Kind kind;
} Identity;

#define NEVER UINT64_MAX

extern Identity unobserved_identity; /* of the telemetry's own locks, shown to nobody */
extern bool sites_are_capped;

const char *kind_name(Kind kind);
Identity *identity_named(PyObject *name, Kind kind, PyObject *location, PyObject *object_name);
/* The identity of the same part of an object of that name. */
Identity *identity_renamed(Identity *identity, PyObject *object_name);
void identity_draw_next_sample(Identity *identity);
void identities_redraw_samples(void);
void identities_reset(void);
int identities_init(void);
PyObject *identities_read(void);

/* ---- frames.c ---- */

/* The code (a strong reference) and the byte offset that this thread is at; NULL when it runs no Python code. */
PyCodeObject *innermost_code(int *offset);
/* From the code that this thread runs (borrowed, it is running) to what called it, innermost first. NULL at the end of
 * the stack, and at once where that takes frame objects. */
typedef struct {
    bool started;
    struct _PyInterpreterFrame *frame;
} Walk;
PyCodeObject *next_code(Walk *walk, int *offset);
/* The innermost frame (a strong reference) of a thread; NULL when it has none. */
PyFrameObject *frame_of_thread(unsigned long ident);
/* What called the code of a frame (a strong reference), NULL at the end of the stack. */
PyFrameObject *frame_back(PyFrameObject *frame);
/* The `__name__` of the module that a frame runs in: a strong reference. */
PyObject *frame_module(PyFrameObject *frame);
/* What the code of a frame was called with first, as methods are with their object; None where it has none. A strong
 * reference; NULL with an exception set. */
PyObject *first_argument(PyObject *module, PyObject *frame);

/* ---- places.c ---- */

extern PyObject *unknown_site;
extern PyObject *other_site;
extern PyObject *gil_site; /* to blame for the time in which a lock was to be had, but not the GIL */

int places_init(PyObject *naming);
/* Whether what this thread makes now is for the SDK of a telemetry library. */
bool serves_telemetry(void);
/* The identity of a lock being created now; NULL with an exception set only if one must reach the program. */
Identity *identity_created(Kind kind, PyObject *name);
/* The site this thread, or the thread of that ident, is charged with: a borrowed reference that stays valid. */
PyObject *site_of_this_thread(void);
PyObject *site_of_thread(unsigned long ident);
/* Declare that code which waits for a lock does so to get back what it gave up in Condition.wait. */
int mark_reacquisition(PyObject *code);
/* Whether this thread runs such code. */
bool is_reacquisition(void);
/* Declare what code waits for when it blocks; an empty `kind`: that is not to be recorded. */
int mark_blocking(PyObject *code, PyObject *kind);
/* Where the program waits, and, instead of the `kind` given, for what; borrowed references. False: not to be recorded.
 * `library`: the folders of the one that made what is waited for, a tuple of str, or NULL. */
bool blocking_of_this_thread(PyObject *library, PyObject **kind, PyObject **site);
/* A tuple of the sites of a thread's whole stack, innermost first. */
PyObject *stack_of_thread(unsigned long ident);

/* ---- blame.c ---- */

void blame_add(Identity *identity, PyObject *acquire_site, PyObject *owner_site, uint64_t count, int64_t ns);
void blame_reset(void);
PyObject *blame_read(void);

/* ---- shares.c ---- */

typedef struct {
    PyObject *site; /* borrowed: sites live as long as the process */
    int64_t ns;
    int64_t until; /* when it was last added to */
} Share;

#define FEW_SHARES 6

typedef struct {
    Share *items; /* `few`, until there are more */
    int count, capacity;
    Share few[FEW_SHARES];
} Shares;

void shares_init(Shares *shares);
void shares_free(Shares *shares);
/* Totals of a mutex that threads begin to wait for. */
void shares_begin(Shares *totals);
/* Add time that went by until then, which is to blame on a site. No wait in progress began before `oldest_wait`. */
void shares_charge(Shares *totals, PyObject *site, int64_t ns, int64_t until, int64_t oldest_wait);
/* Note the totals at the beginning of a wait, and turn them into the shares of the wait at its end. False where memory
 * is short. */
bool shares_note(Shares *noted, const Shares *totals);
bool shares_take(Shares *noted, const Shares *totals);

/* ---- blocking.c ---- */

extern PyTypeObject BlockingRowType;

int blocking_init(void);
void blocking_reset(void);
PyObject *blocking_row(PyObject *module, PyObject *const *args, Py_ssize_t nargs);
PyObject *blocking_read(void);

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
typedef struct Queue Queue;

typedef struct {
    PyObject_HEAD
    Identity *identity;
    PyObject *weakrefs;
    _Atomic(unsigned long) word; /* who has it; see below */
    Queue *queue;                /* of those that wait, NULL: nobody waits */
    int64_t hold_started;        /* when it was acquired, 0: this hold is not sampled */
    unsigned long depth;         /* RLock: how often its owner has acquired it */
} Mutex;

/* What `word` is where it is not the ident of the owner; no ident is as small. OFFERED and TAKEN occur only while there
 * is a queue. Written with the GIL held, but for the step from OFFERED to TAKEN. */
enum {
    FREE = 0,
    OFFERED = 1, /* free, and the first in the queue was told */
    TAKEN = 2,   /* that one has it, and nobody saw to it yet */
};

static inline unsigned long
mutex_word(const Mutex *mutex)
{
    return atomic_load_explicit(&((Mutex *)mutex)->word, memory_order_relaxed);
}

/* Enough while nobody waits; waits.c says what it takes otherwise. */
static inline void
mutex_set_word(Mutex *mutex, unsigned long word)
{
    atomic_store_explicit(&mutex->word, word, memory_order_relaxed);
}

#define FOREVER INT64_MAX

typedef enum { WAIT_ACQUIRED, WAIT_TIMED_OUT, WAIT_INTERRUPTED } WaitOutcome;

/* The ident of the thread that holds a mutex, 0: it is free. */
unsigned long mutex_owner(const Mutex *mutex);
/* Take a mutex that is free but was offered to those that wait. False if somebody has it. */
bool mutex_take_offered(Mutex *mutex);
/* Wait for a mutex that somebody holds. When acquired, this thread is its owner already; when interrupted, the
 * exception is set. Signal handlers run during the wait only if it is interruptible. What a thread waits to get back
 * the lock that it gave up in Condition.wait is not recorded: it is a part of that wait. */
WaitOutcome mutex_wait(Mutex *mutex, int64_t timeout_ns, bool interruptible, bool recorded);
/* Unlock a mutex that somebody waits for: the first of them gets it, or is told. */
void mutex_release_to_waiters(Mutex *mutex);
/* A wait that takes place elsewhere, to be recorded as one for this mutex, whose owner is to blame for it. NULL with
 * an exception set where memory is short. */
Waiter *wait_elsewhere_begin(Mutex *mutex);
/* When it becomes a slow one and evidence is to be given; FOREVER once that was done. */
int64_t wait_elsewhere_evidence_due(const Waiter *waiter);
void wait_elsewhere_give_evidence(Waiter *waiter);
void wait_elsewhere_end(Waiter *waiter, WaitOutcome outcome);
/* Another thread, or none, is to blame for waits elsewhere from now on. */
void wait_elsewhere_set_owner(Mutex *mutex, unsigned long owner);
void waits_after_fork(void);
PyObject *waits_read(void);
/* How many threads wait for locks of an identity, and since when the first of them does (`now` if none). */
Py_ssize_t waits_of_identity(const Identity *identity, int64_t now, int64_t *oldest);

extern PyTypeObject LockType;
extern PyTypeObject RLockType;

int locks_init(void);
/* -1 with an exception set unless `*name` is a str or None. None and the empty name become NULL. */
int check_name(PyObject **name, const char *whose);
PyObject *allocate_lock(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

/* ---- semaphores.c ---- */

extern PyTypeObject SemaphoreRecordType;

int semaphores_init(void);

/* ---- simple_queue.c ---- */

PyObject *simple_queue_get(PyObject *module, PyObject *args);
PyObject *set_in_type(PyObject *module, PyObject *args);

/* ---- tasks.c ---- */

/* The name of the asyncio task that this thread runs, empty when its event loop runs none, None without a loop. */
PyObject *task_of_this_thread(void);

/* ---- spans.c ---- */

/* The context of the span that a thread runs in, None if there is none or nothing traces. */
PyObject *span_context_of_this_thread(void);
PyObject *span_context_of_thread(unsigned long ident);
/* What is known of the trace that a thread was started in. All of it NULL: it was started in none. */
typedef struct {
    PyObject *starter_context; /* of the span that it was started in */
    PyObject *span;            /* the thread's own; NULL also where it belongs to no trace */
    PyObject *current;         /* what the tracer's variable is to hold in the thread; until it does */
} ThreadTrace;

/* In the thread that starts another. -1 where the program raised something meanwhile. */
int thread_trace_request(ThreadTrace *trace, PyObject *function);
void thread_trace_begin(ThreadTrace *trace);                       /* in the new thread */
/* At its end, the last three fields of its event: the context of the starter's span, the thread's span, and the span of
 * the starter itself if it still exists, for who reads the event to see when that ended. NULL with an exception set. */
PyObject *thread_trace_end(const ThreadTrace *trace);
void thread_trace_drop(ThreadTrace *trace);
PyObject *set_tracing(PyObject *module, PyObject *tracing);

/* ---- threads.c ---- */

int threads_init(PyObject *lifecycle);
bool may_start_untracked_thread(PyObject *function);
void threads_after_fork(void);
void threads_reset(void);
PyObject *start_new_thread(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *start_joinable_thread(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *observed_run(PyObject *module, PyObject *args);
PyObject *pass_on(PyObject *module, PyObject *args);
PyObject *threads_read(void);
PyObject *threads_read_live(void);

#endif
