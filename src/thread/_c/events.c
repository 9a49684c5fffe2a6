/* The bounded buffer between the threads that are observed and the thread that drains it: a ring of Python objects. */
#include "events.h"
#include "runtime.h"

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

void
events_after_fork(void)
{
    /* The old semaphore is left alone: a thread of the parent may have been asleep in it. */
    if (wakeup_init() < 0) {
        count_internal_error();
    }
}

static void
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

static PyObject *
take_events(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
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

/* Events that no longer fit are dropped and counted, oldest first. */
static void
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

static PY_TIMEOUT_T
microseconds_of(double seconds)
{
    const double longest = (double)PY_TIMEOUT_MAX * 1e-6;
    if (seconds < 0.0) {
        return 0;
    }
    return (PY_TIMEOUT_T)((seconds < longest ? seconds : longest) * 1e6);
}

static PyObject *
wait_for_events(PyObject *Py_UNUSED(module), PyObject *timeout)
{
    double seconds = PyFloat_AsDouble(timeout);
    if (seconds == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    if (used == 0) {
        PY_TIMEOUT_T microseconds = microseconds_of(seconds);
        PyThread_type_lock asleep_in = wakeup;
        PyLockStatus status;
        Py_BEGIN_ALLOW_THREADS
        status = PyThread_acquire_lock_timed(asleep_in, microseconds, 0);
        Py_END_ALLOW_THREADS
        if (status == PY_LOCK_ACQUIRED && asleep_in == wakeup) {
            wakeup_posted = false;
        }
    }
    return PyBool_FromLong(used > 0);
}

static PyObject *
dropped_events(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromUnsignedLongLong(dropped);
}

static PyObject *
push_event(PyObject *Py_UNUSED(module), PyObject *event)
{
    if (!PyTuple_Check(event)) {
        PyErr_Format(PyExc_TypeError, "an event must be a tuple, not %.100s", Py_TYPE(event)->tp_name);
        return NULL;
    }
    events_push(Py_NewRef(event));
    Py_RETURN_NONE;
}

static PyObject *
wake(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    events_wake();
    Py_RETURN_NONE;
}

/* ---- life of the module ---- */

static void
events_configure(const Settings *former)
{
    if (settings.event_capacity != former->event_capacity) {
        events_set_capacity(settings.event_capacity);
    }
}

int
events_init(void)
{
    on_configure(events_configure);
    return wakeup_init();
}

PyMethodDef events_functions[] = {
    {"push_event", push_event, METH_O, NULL},
    {"take_events", take_events, METH_NOARGS, NULL},
    {"wait_for_events", wait_for_events, METH_O, NULL},
    {"wake", wake, METH_NOARGS, NULL},
    {"dropped_events", dropped_events, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
