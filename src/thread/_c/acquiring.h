/* Acquiring and releasing a mutex. While nobody waits, that is a check and a store under the GIL, and inline. */
#ifndef THREAD_ACQUIRING_H
#define THREAD_ACQUIRING_H

#include "mutex.h"
#include "runtime.h"

/* ---- the rare cases ---- */

void hold_begin(Mutex *mutex);
PyObject *release_unlocked(void);
PyObject *mutex_release_slow(Mutex *mutex);
/* -1 with an exception set, 0: not acquired, 1: acquired. */
int mutex_acquire_contended(Mutex *mutex, int64_t timeout_ns);
PyObject *acquired_or_error(int acquired);

/* ---- the usual ones ---- */

static inline void
mutex_count_acquisition(Mutex *mutex)
{
    Identity *identity = mutex->identity;
    if (UNLIKELY(++identity->acquisitions == identity->next_sample)) {
        hold_begin(mutex);
    }
}

static inline void
mutex_acquired(Mutex *mutex, unsigned long owner)
{
    mutex_set_word(mutex, owner);
    mutex_count_acquisition(mutex);
}

static inline int
mutex_acquire(Mutex *mutex, int64_t timeout_ns)
{
    if (LIKELY(mutex_word(mutex) == FREE)) {
        mutex_acquired(mutex, this_thread());
        return 1;
    }
    return mutex_acquire_contended(mutex, timeout_ns);
}

/* Returns None, so that the compiler can leave the rare case by a jump. */
static inline PyObject *
mutex_release(Mutex *mutex)
{
    if (UNLIKELY(((uintptr_t)mutex->queue | (uint64_t)mutex->hold_started) != 0)) {
        return mutex_release_slow(mutex);
    }
    mutex_set_word(mutex, FREE);
    Py_RETURN_NONE;
}

/* ---- its life, and the methods that Lock and RLock share ---- */

static inline void
mutex_reinitialize(Mutex *mutex)
{
    mutex_set_word(mutex, FREE);
    mutex->queue = NULL;
    mutex->hold_started = 0;
    mutex->depth = 0;
}

static inline void
mutex_init(Mutex *mutex, Identity *identity)
{
    mutex->weakrefs = NULL;
    mutex_reinitialize(mutex);
    mutex->identity = identity;
    identity->live++;
}

static inline void
mutex_drop(Mutex *mutex)
{
    if (mutex->weakrefs != NULL) {
        PyObject_ClearWeakRefs((PyObject *)mutex);
    }
    mutex->identity->live--;
}

PyObject *mutex_locked(PyObject *self, PyObject *ignored);
PyObject *mutex_at_fork_reinit(PyObject *self, PyObject *ignored);

#define ACQUIRE_SIGNATURE "($self, /, blocking=True, timeout=-1)\n--\n\n"

#define LOCKED_DOC "locked($self, /)\n--\n\nWhether somebody holds the lock."
#define ENTER_DOC "__enter__($self, /)\n--\n\nLock the lock."
#define EXIT_DOC "__exit__($self, /, *exc_info)\n--\n\nRelease the lock."

#endif
