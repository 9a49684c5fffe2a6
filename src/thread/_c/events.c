/* The bounded buffer between the threads that are observed and the one that drains it: a ring of Python objects. */
#include "core.h"

static PyObject **ring = NULL;
static Py_ssize_t ring_size = 0;
static Py_ssize_t first = 0;
static Py_ssize_t used = 0;
static uint64_t dropped = 0;

/* A binary semaphore: taken, except between a wake and the end of the sleep that it ends. */
static PyThread_type_lock wakeup = NULL;
static bool wakeup_posted = false;

static int
wakeup_init(void)
{
    wakeup = PyThread_allocate_lock();
    if (wakeup == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "can't allocate lock");
        return -1;
    }
    PyThread_acquire_lock(wakeup, NOWAIT_LOCK);
    wakeup_posted = false;
    return 0;
}

int
events_init(void)
{
    return wakeup_init();
}

void
events_after_fork(void)
{
    /* The old semaphore is left alone: a thread of the parent may have been asleep in it. */
    if (wakeup_init() < 0) {
        count_internal_error();
    }
}

void
events_wake(void)
{
    if (!wakeup_posted) {
        wakeup_posted = true;
        PyThread_release_lock(wakeup);
    }
}

static bool
ring_allocated(void)
{
    if (ring == NULL) {
        ring = PyMem_RawCalloc((size_t)settings.event_capacity, sizeof(PyObject *));
        ring_size = ring == NULL ? 0 : settings.event_capacity;
    }
    return ring != NULL;
}

void
events_push(PyObject *event)
{
    if (event == NULL) {
        count_internal_error();
        return;
    }
    if (!ring_allocated() || used == ring_size) {
        dropped++;
        Py_DECREF(event);
        return;
    }
    ring[(first + used) % ring_size] = event;
    used++;
    events_wake();
}

static PyObject *
ring_pop(void)
{
    PyObject *event = ring[first];
    ring[first] = NULL;
    first = (first + 1) % ring_size;
    used--;
    return event;
}

PyObject *
events_take(void)
{
    PyObject *events = PyList_New(0);
    for (Py_ssize_t left = used; events != NULL && left > 0 && used > 0; left--) {
        PyObject *event = ring_pop();
        if (PyList_Append(events, event) < 0) {
            dropped++;
            Py_CLEAR(events);
        }
        Py_DECREF(event);
    }
    return events;
}

/* What no longer fits is dropped and counted, oldest first. */
void
events_set_capacity(Py_ssize_t capacity)
{
    PyObject **larger = PyMem_RawCalloc((size_t)capacity, sizeof(PyObject *));
    if (larger == NULL) {
        count_internal_error();
        return;
    }
    while (used > capacity) {
        dropped++;
        Py_DECREF(ring_pop());
    }
    Py_ssize_t kept = used;
    for (Py_ssize_t i = 0; i < kept; i++) {
        larger[i] = ring_pop();
    }
    PyMem_RawFree(ring);
    ring = larger;
    ring_size = capacity;
    first = 0;
    used = kept;
}

void
events_reset(void)
{
    while (used > 0) {
        Py_DECREF(ring_pop());
    }
    dropped = 0;
    if (wakeup_posted && PyThread_acquire_lock(wakeup, NOWAIT_LOCK)) {
        wakeup_posted = false;
    }
}

uint64_t
events_dropped(void)
{
    return dropped;
}

PyObject *
events_wait(double timeout)
{
    if (used == 0) {
        const double longest = (double)PY_TIMEOUT_MAX * 1e-6;
        double bounded = timeout < 0.0 ? 0.0 : timeout > longest ? longest : timeout;
        PyThread_type_lock asleep_in = wakeup;
        PyLockStatus status;
        Py_BEGIN_ALLOW_THREADS
        status = PyThread_acquire_lock_timed(asleep_in, (PY_TIMEOUT_T)(bounded * 1e6), 0);
        Py_END_ALLOW_THREADS
        if (status == PY_LOCK_ACQUIRED && asleep_in == wakeup) {
            wakeup_posted = false;
        }
    }
    return PyBool_FromLong(used > 0);
}
