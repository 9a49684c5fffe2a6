/* The rare cases of acquiring and releasing a mutex: a hold that is sampled, and a mutex that somebody waits for. */
#include "acquiring.h"
#include "code_info.h"
#include "waits.h"

NOINLINE void
hold_begin(Mutex *mutex)
{
    identity_draw_next_sample(mutex->identity);
    mutex->hold_started = monotonic_ns();
}

NOINLINE static void
hold_end(Mutex *mutex)
{
    histogram_add(&mutex->identity->hold, monotonic_ns() - mutex->hold_started);
    mutex->hold_started = 0;
}

NOINLINE PyObject *
release_unlocked(void)
{
    PyErr_SetString(PyExc_RuntimeError, "release unlocked lock");
    return NULL;
}

NOINLINE PyObject *
mutex_release_slow(Mutex *mutex)
{
    if (mutex_word(mutex) == OFFERED) {
        return release_unlocked();
    }
    if (mutex->hold_started != 0) {
        hold_end(mutex);
    }
    if (mutex->queue != NULL) {
        mutex_release_to_waiters(mutex);
    }
    else {
        mutex_set_word(mutex, FREE);
    }
    Py_RETURN_NONE;
}

int
mutex_acquire_contended(Mutex *mutex, int64_t timeout_ns)
{
    if (mutex_take_offered(mutex)) {
        mutex_count_acquisition(mutex);
        return 1;
    }
    if (timeout_ns == 0) {
        return 0;
    }
    WaitOutcome outcome = mutex_wait(mutex, timeout_ns, true, !is_reacquisition());
    if (outcome == WAIT_ACQUIRED) {
        mutex_count_acquisition(mutex);
        return 1;
    }
    return outcome == WAIT_TIMED_OUT ? 0 : -1;
}

NOINLINE PyObject *
acquired_or_error(int acquired)
{
    return acquired < 0 ? NULL : PyBool_FromLong(acquired);
}

/* ---- methods of both types ---- */

PyObject *
mutex_locked(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(mutex_owner((Mutex *)self) != 0);
}

PyObject *
mutex_at_fork_reinit(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    mutex_reinitialize((Mutex *)self);
    Py_RETURN_NONE;
}
