/* The top of every file of the C core of thread-telemetry: Python.h, and hints for the compiler.
 *
 * The GIL guards all state. Nothing here takes a second lock, and no function that runs while a thread waits for an
 * application lock calls Python code. The package `_core_py` is the readable specification.
 *
 * A file uses the floors below its own and nothing above; `tests/project/test_c_layers.py` checks that. From the top:
 *
 *     module.c            the method tables, and the order in which the files are initialized
 *     fork.c              a fresh start, by reset() and in a forked child
 *     renaming.c          the names of locks, for telemetry.named
 *     locks.c rlocks.c semaphores.c simple_queue.c threads.c     called by the program
 *     acquiring.c         the fast paths of a mutex, for Lock and RLock
 *     lock_arguments.c    the arguments of acquire() and of constructors
 *     lock_types.c        isinstance() for our locks and the interpreter's own
 *     waits.c             the contended path: queueing, hand-over, waiting
 *     evidence.c          the record of a wait, and the evidence of a slow one
 *     waiters.c           those that wait for a mutex, and how long each owner kept it meanwhile
 *     blocking.c          waits that are no contention: for conditions, queues and the like
 *     naming.c            from the creation of a lock to its identity
 *     thread_records.c    the record of one thread, from the request to start it to its end
 *     blocking_sites.c    where the program waits for conditions, queues and the like, and for what
 *     sites.c             where a thread is: charged frame, interned sites, stacks
 *     code_info.c         a cache of facts about each code object
 *     blame.c             blame for waits, by lock, acquire site and owner site
 *     shares.c            how long each owner of one mutex kept it
 *     spans.c             the span of a trace that a thread runs in
 *     mutex.h             the state of a mutex
 *     identities.c        the totals of all locks of one name or creation site
 *     targets.c           the totals of all threads that run the same function
 *     tasks.c             the asyncio task that a thread runs
 *     events.c            the bounded buffer of events that the drain thread empties
 *     histogram.c         counts of durations
 *     frames.c            reading frames of this and of other threads
 *     runtime.c           settings, clock, internal errors, untracked threads: what every file may use
 *     list.h hash.h
 */
#ifndef THREAD_CORE_H
#define THREAD_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <pthread.h>
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

#define FAST(function) ((PyCFunction)(void (*)(void))(function)), METH_FASTCALL
#define FAST_WITH_KEYWORDS(function) ((PyCFunction)(void (*)(void))(function)), METH_FASTCALL | METH_KEYWORDS
#define WITH_KEYWORDS(function) ((PyCFunction)(void (*)(void))(function)), METH_VARARGS | METH_KEYWORDS

/* A list with one more row; takes both references. NULL if either is NULL or memory ran out. */
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

#endif
