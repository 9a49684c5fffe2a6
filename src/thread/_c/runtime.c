/* Settings, clock, internal errors, untracked threads: what every file may use. */
#include "runtime.h"

#include <time.h>

PyObject *unknown_site;
PyObject *other_site;
PyObject *gil_site;

static PyObject *is_interruption_in_python;
static uint64_t internal_error_count = 0;
static bool capped = false;

/* ---- the clock ---- */

int64_t
monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Nanoseconds since the epoch, by the clock of the system: that of the module `time` stands still in some tests. */
static PyObject *
py_time_ns(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return PyLong_FromLongLong((long long)now.tv_sec * 1000000000 + now.tv_nsec);
}

static PyObject *
py_monotonic_ns(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLongLong(monotonic_ns());
}

/* ---- internal errors ---- */

void
count_internal_error(void)
{
    internal_error_count++;
    PyErr_Clear();
}

/* -1 with an exception set if a signal handler raised once more. */
static int
is_interruption(PyObject *error)
{
    PyObject *answer = PyObject_CallOneArg(is_interruption_in_python, error);
    int interrupts = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    if (interrupts < 0 && PyErr_ExceptionMatches(PyExc_Exception)) {
        PyErr_Clear();
        return 0;
    }
    return interrupts;
}

bool
absorb_internal_error(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (traceback == NULL && type != NULL && PyErr_GivenExceptionMatches(type, PyExc_Exception)) {
        internal_error_count++; /* raised where no Python code ran */
        Py_XDECREF(type);
        Py_XDECREF(value);
        return true;
    }
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL && value != NULL) {
        PyException_SetTraceback(value, traceback);
    }
    int interrupts = value == NULL ? 0 : is_interruption(value);
    if (interrupts > 0) {
        PyErr_Restore(type, value, traceback);
        return false;
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    if (interrupts < 0) {
        return false;
    }
    internal_error_count++;
    return true;
}

static PyObject *
py_count_internal_error(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    internal_error_count++;
    Py_RETURN_NONE;
}

static PyObject *
py_internal_errors(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromUnsignedLongLong(internal_error_count);
}

/* ---- untracked threads ---- */

static _Thread_local int untracked_depth = 0;
static Py_ssize_t untracked_threads = 0;

bool
is_untracked(void)
{
    /* The count first: a thread-local variable of a shared library costs a call. */
    return untracked_threads > 0 && untracked_depth > 0;
}

void
untrack_this_thread(int change)
{
    int before = untracked_depth;
    untracked_depth += change;
    untracked_threads += (untracked_depth > 0) - (before > 0);
}

static PyObject *
py_enter_untracked(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    untrack_this_thread(1);
    Py_RETURN_NONE;
}

static PyObject *
py_leave_untracked(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(exception))
{
    if (is_untracked()) {
        untrack_this_thread(-1);
    }
    Py_RETURN_NONE;
}

static PyObject *
py_untracked_count(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromSsize_t(untracked_threads);
}

static PyObject *
py_is_untracked(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(is_untracked());
}

/* ---- bounds ---- */

void
note_cap(void)
{
    capped = true;
}

static PyObject *
sites_capped(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(capped);
}

/* ---- the interpreter ---- */

bool
interpreter_ends(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return Py_IsFinalizing();
#else
    return _Py_IsFinalizing();
#endif
}

/* ---- settings ---- */

Settings settings = {
    .slow_wait_ns = 10000000,
    .hold_sampling = 64,
    .event_capacity = 4096,
    .stack_depth = 64,
    .listening = false,
};

#define MAX_HOOKS 2

static ConfigureHook configure_hooks[MAX_HOOKS];
static int hook_count = 0;

void
on_configure(ConfigureHook hook)
{
    assert(hook_count < MAX_HOOKS);
    configure_hooks[hook_count++] = hook;
}

static int
integer_at_least(const char *name, PyObject *given, long long least, int64_t *value)
{
    if (given == NULL) {
        return 0;
    }
    long long number = PyLong_AsLongLong(given);
    if (number == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (number < least) {
        PyErr_Format(PyExc_ValueError, "%s must be at least %lld, got %lld", name, least, number);
        return -1;
    }
    *value = number;
    return 0;
}

static PyObject *
configure(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"slow_wait_ns", "hold_sampling", "event_capacity", "stack_depth", "listening", NULL};
    PyObject *slow_wait = NULL, *sampling = NULL, *capacity = NULL, *depth = NULL;
    int listening = settings.listening;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$OOOOp:configure", keywords, &slow_wait, &sampling, &capacity,
                                     &depth, &listening)) {
        return NULL;
    }
    int64_t slow_wait_ns = settings.slow_wait_ns, hold_sampling = (int64_t)settings.hold_sampling;
    int64_t event_capacity = settings.event_capacity, stack_depth = settings.stack_depth;
    if (integer_at_least("slow_wait_ns", slow_wait, 0, &slow_wait_ns) < 0 ||
        integer_at_least("hold_sampling", sampling, 0, &hold_sampling) < 0 ||
        integer_at_least("event_capacity", capacity, 1, &event_capacity) < 0 ||
        integer_at_least("stack_depth", depth, 1, &stack_depth) < 0) {
        return NULL;
    }
    const Settings former = settings;
    /* A bound that keeps sums of times from overflowing. */
    settings.slow_wait_ns = slow_wait_ns < FOREVER / 4 ? slow_wait_ns : FOREVER / 4;
    settings.stack_depth = (Py_ssize_t)stack_depth;
    settings.listening = listening != 0;
    settings.hold_sampling = (uint64_t)hold_sampling;
    settings.event_capacity = (Py_ssize_t)event_capacity;
    for (int i = 0; i < hook_count; i++) {
        configure_hooks[i](&former);
    }
    Py_RETURN_NONE;
}

static PyObject *
listening(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(settings.listening);
}

/* ---- arguments ---- */

int
check_name(PyObject **name, const char *whose)
{
    if (*name == Py_None) {
        *name = NULL;
    }
    if (*name != NULL && !PyUnicode_Check(*name)) {
        PyErr_Format(PyExc_TypeError, "a %s's name must be a str or None, not %.100s", whose, Py_TYPE(*name)->tp_name);
        return -1;
    }
    if (*name != NULL && PyUnicode_GET_LENGTH(*name) == 0) {
        *name = NULL;
    }
    return 0;
}

/* ---- life of the module ---- */

PyObject *
attribute_of_module(const char *module, const char *name)
{
    PyObject *imported = PyErr_Occurred() ? NULL : PyImport_ImportModule(module);
    PyObject *attribute = imported == NULL ? NULL : PyObject_GetAttrString(imported, name);
    Py_XDECREF(imported);
    return attribute;
}

int
runtime_init(void)
{
    unknown_site = attribute_of_module("thread._inspection.naming", "UNKNOWN_SITE");
    other_site = attribute_of_module("thread._inspection.naming", "OTHER_SITE");
    gil_site = attribute_of_module("thread._inspection.naming", "GIL_SITE");
    is_interruption_in_python = attribute_of_module("thread._base.interruptions", "is_interruption");
    return PyErr_Occurred() ? -1 : 0;
}

void
runtime_reset(void)
{
    internal_error_count = 0;
}

/* Of the parent's threads only this one exists here. */
void
runtime_after_fork(void)
{
    untracked_threads = untracked_depth > 0;
}

PyMethodDef runtime_functions[] = {
    {"configure", WITH_KEYWORDS(configure), NULL},
    {"listening", listening, METH_NOARGS, NULL},
    {"monotonic_ns", py_monotonic_ns, METH_NOARGS, NULL},
    {"time_ns", py_time_ns, METH_NOARGS, NULL},
    {"count_internal_error", py_count_internal_error, METH_NOARGS, NULL},
    {"internal_errors", py_internal_errors, METH_NOARGS, NULL},
    {"enter_untracked", py_enter_untracked, METH_NOARGS, NULL},
    {"leave_untracked", py_leave_untracked, METH_VARARGS, NULL},
    {"is_untracked", py_is_untracked, METH_NOARGS, NULL},
    {"untracked_count", py_untracked_count, METH_NOARGS, NULL},
    {"sites_capped", sites_capped, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
