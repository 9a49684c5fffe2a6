/* The module `thread._core`: its functions, its settings, hidden threads, fork. */
#include "core.h"

#include <string.h>
#include <time.h>

Settings settings = {
    .slow_wait_ns = 10000000,
    .hold_sampling = 64,
    .event_capacity = 4096,
    .stack_depth = 64,
    .listening = false,
};

static uint64_t internal_error_count = 0;
static _Thread_local int untracked_depth = 0;
static Py_ssize_t untracked_threads = 0;
static PyObject *reset_the_rest;
static PyObject *tell_interruption;

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
    PyObject *answer = PyObject_CallOneArg(tell_interruption, error);
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

/* ---- settings ---- */

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
    /* A bound that keeps sums of times from overflowing: two hundred years. */
    settings.slow_wait_ns = slow_wait_ns < FOREVER / 4 ? slow_wait_ns : FOREVER / 4;
    settings.stack_depth = (Py_ssize_t)stack_depth;
    settings.listening = listening != 0;
    if ((uint64_t)hold_sampling != settings.hold_sampling) {
        settings.hold_sampling = (uint64_t)hold_sampling;
        identities_redraw_samples();
    }
    if (event_capacity != settings.event_capacity) {
        settings.event_capacity = (Py_ssize_t)event_capacity;
        events_set_capacity(settings.event_capacity);
    }
    Py_RETURN_NONE;
}

/* ---- from zero ---- */

static int
zero_everything(void)
{
    internal_error_count = 0;
    identities_reset();
    blame_reset();
    blocking_reset();
    events_reset();
    threads_reset();
    PyObject *result = PyObject_CallNoArgs(reset_the_rest);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static PyObject *
reset(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    if (zero_everything() < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
after_fork_in_child(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    untracked_threads = untracked_depth > 0;
    waits_after_fork();
    threads_after_fork();
    events_after_fork();
    return reset(NULL, NULL);
}

static PyMethodDef after_fork_def = {"after_fork_in_child", after_fork_in_child, METH_NOARGS, NULL};

static int
register_at_fork(void)
{
    PyObject *os = PyImport_ImportModule("os");
    PyObject *register_function = os == NULL ? NULL : PyObject_GetAttrString(os, "register_at_fork");
    PyObject *handler = register_function == NULL ? NULL : PyCFunction_New(&after_fork_def, NULL);
    PyObject *keywords = handler == NULL ? NULL : Py_BuildValue("{sO}", "after_in_child", handler);
    PyObject *no_args = keywords == NULL ? NULL : PyTuple_New(0);
    PyObject *result = no_args == NULL ? NULL : PyObject_Call(register_function, no_args, keywords);
    Py_XDECREF(no_args);
    Py_XDECREF(keywords);
    Py_XDECREF(handler);
    Py_XDECREF(register_function);
    Py_XDECREF(os);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* ---- the small functions ---- */

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

static PyObject *
py_listening(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(settings.listening);
}

static PyObject *
py_monotonic_ns(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLongLong(monotonic_ns());
}

static PyObject *
py_sites_capped(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(sites_are_capped);
}

static PyObject *
py_dropped_events(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromUnsignedLongLong(events_dropped());
}

static PyObject *
py_take_events(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return events_take();
}

static PyObject *
py_push_event(PyObject *Py_UNUSED(module), PyObject *event)
{
    if (!PyTuple_Check(event)) {
        PyErr_Format(PyExc_TypeError, "an event must be a tuple, not %.100s", Py_TYPE(event)->tp_name);
        return NULL;
    }
    events_push(Py_NewRef(event));
    Py_RETURN_NONE;
}

static PyObject *
py_wait_for_events(PyObject *Py_UNUSED(module), PyObject *timeout)
{
    double seconds = PyFloat_AsDouble(timeout);
    return seconds == -1.0 && PyErr_Occurred() ? NULL : events_wait(seconds);
}

static PyObject *
py_wake(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    events_wake();
    Py_RETURN_NONE;
}

static PyObject *
py_read_locks(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return identities_read();
}

static PyObject *
py_read_blame(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return blame_read();
}

static PyObject *
py_read_blocking(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return blocking_read();
}

static PyObject *
py_read_current_waits(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return waits_read();
}

static PyObject *
py_read_threads(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return threads_read();
}

static PyObject *
py_read_live_threads(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return threads_read_live();
}

static Mutex *
mutex_from(PyObject *lock)
{
    bool is_mutex = PyObject_TypeCheck(lock, &LockType) || PyObject_TypeCheck(lock, &RLockType) ||
                    PyObject_TypeCheck(lock, &SemaphoreRecordType);
    return is_mutex ? (Mutex *)lock : NULL;
}

static PyObject *
py_object_name(PyObject *Py_UNUSED(module), PyObject *lock)
{
    const Mutex *mutex = mutex_from(lock);
    if (mutex == NULL || mutex->identity == &unobserved_identity) {
        Py_RETURN_NONE;
    }
    return Py_NewRef(mutex->identity->object_name);
}

/* Where the object was made that a lock is a part of, as `file:line`. */
static PyObject *
py_object_location(PyObject *Py_UNUSED(module), PyObject *lock)
{
    const Mutex *mutex = mutex_from(lock);
    if (mutex == NULL || mutex->identity == &unobserved_identity) {
        Py_RETURN_NONE;
    }
    return Py_NewRef(mutex->identity->location);
}

static PyObject *
py_current_task(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return task_of_this_thread();
}

static PyObject *
py_current_stack(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return stack_of_thread(this_thread());
}

static PyObject *
rename_mutex(Mutex *mutex, PyObject *given)
{
    PyObject *name = PyUnicode_FromObject(given);
    Identity *identity = name == NULL ? NULL : identity_renamed(mutex->identity, name);
    Py_XDECREF(name);
    if (identity == NULL) {
        return absorb_internal_error() ? Py_NewRef(Py_None) : NULL;
    }
    mutex->identity->live--;
    mutex->identity = identity;
    identity->live++;
    Py_RETURN_NONE;
}

static PyObject *
py_rename(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *lock, *name;
    if (!PyArg_ParseTuple(args, "OO:rename", &lock, &name)) {
        return NULL;
    }
    Mutex *mutex = mutex_from(lock);
    if (mutex == NULL) {
        PyErr_Format(PyExc_TypeError, "expected an observed lock, got %.100s", Py_TYPE(lock)->tp_name);
        return NULL;
    }
    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "a lock's name must be a str, not %.100s", Py_TYPE(name)->tp_name);
        return NULL;
    }
    return rename_mutex(mutex, name);
}

static PyObject *
py_is_untracked(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(is_untracked());
}

static PyObject *
py_serves_telemetry(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(is_untracked() || serves_telemetry());
}

static PyObject *
py_current_span(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return span_context_of_this_thread();
}

static PyObject *
py_mark_reacquisition(PyObject *Py_UNUSED(module), PyObject *code)
{
    if (mark_reacquisition(code) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
py_mark_blocking(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *code, *kind;
    if (!PyArg_ParseTuple(args, "OU:mark_blocking", &code, &kind) || mark_blocking(code, kind) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(allocate_lock_doc,
"allocate_lock($module, /, *, name=None)\n--\n\n"
"Create a new lock object, initially unlocked.\n\n"
"name is what its acquisitions and waits are recorded under; without it, the\n"
"place that creates the lock.");
PyDoc_STRVAR(start_new_thread_doc,
"start_new_thread($module, function, args, kwargs={}, /, *, name=None)\n--\n\n"
"Start a new thread and return its identifier.\n\n"
"The thread calls the function with positional arguments from the tuple args\n"
"and keyword arguments taken from the optional dictionary kwargs. It exits\n"
"when the function returns; the return value is ignored. It also exits when\n"
"the function raises an unhandled exception, of which a stack trace is\n"
"printed unless the exception is SystemExit. name is what the thread is\n"
"counted under instead of the name of the function.");
#if PY_VERSION_HEX >= 0x030D0000
PyDoc_STRVAR(start_joinable_thread_doc,
"start_joinable_thread($module, /, function, handle=None, daemon=True, *,\n"
"                      name=None)\n--\n\n"
"Start a new thread that calls function, and return a handle that is either\n"
"the one given or a new one. name is what the thread is counted under.");
#endif

#define WITH_KEYWORDS(function) ((PyCFunction)(void (*)(void))(function)), METH_VARARGS | METH_KEYWORDS

static PyMethodDef functions[] = {
    {"allocate_lock", FAST_WITH_KEYWORDS(allocate_lock), allocate_lock_doc},
    {"start_new_thread", FAST_WITH_KEYWORDS(start_new_thread), start_new_thread_doc},
#if PY_VERSION_HEX >= 0x030D0000
    {"start_joinable_thread", WITH_KEYWORDS(start_joinable_thread), start_joinable_thread_doc},
#endif
    {"configure", WITH_KEYWORDS(configure), NULL},
    {"reset", reset, METH_NOARGS, NULL},
    {"enter_untracked", py_enter_untracked, METH_NOARGS, NULL},
    {"leave_untracked", py_leave_untracked, METH_VARARGS, NULL},
    {"untracked_count", py_untracked_count, METH_NOARGS, NULL},
    {"count_internal_error", py_count_internal_error, METH_NOARGS, NULL},
    {"internal_errors", py_internal_errors, METH_NOARGS, NULL},
    {"listening", py_listening, METH_NOARGS, NULL},
    {"monotonic_ns", py_monotonic_ns, METH_NOARGS, NULL},
    {"time_ns", py_time_ns, METH_NOARGS, NULL},
    {"sites_capped", py_sites_capped, METH_NOARGS, NULL},
    {"dropped_events", py_dropped_events, METH_NOARGS, NULL},
    {"take_events", py_take_events, METH_NOARGS, NULL},
    {"set_tracing", set_tracing, METH_O, NULL},
    {"current_span", py_current_span, METH_NOARGS, NULL},
    {"push_event", py_push_event, METH_O, NULL},
    {"wait_for_events", py_wait_for_events, METH_O, NULL},
    {"wake", py_wake, METH_NOARGS, NULL},
    {"object_name", py_object_name, METH_O, NULL},
    {"object_location", py_object_location, METH_O, NULL},
    {"current_stack", py_current_stack, METH_NOARGS, NULL},
    {"first_argument", first_argument, METH_O, NULL},
    {"current_task", py_current_task, METH_NOARGS, NULL},
    {"observed_run", observed_run, METH_VARARGS, NULL},
    {"pass_on", pass_on, METH_VARARGS, NULL},
    {"rename", py_rename, METH_VARARGS, NULL},
    {"is_untracked", py_is_untracked, METH_NOARGS, NULL},
    {"serves_telemetry", py_serves_telemetry, METH_NOARGS, NULL},
    {"simple_queue_get", simple_queue_get, METH_VARARGS, NULL},
    {"set_in_type", set_in_type, METH_VARARGS, NULL},
    {"mark_reacquisition", py_mark_reacquisition, METH_O, NULL},
    {"mark_blocking", py_mark_blocking, METH_VARARGS, NULL},
    {"blocking_row", (PyCFunction)(void (*)(void))blocking_row, METH_FASTCALL, NULL},
    {"read_locks", py_read_locks, METH_NOARGS, NULL},
    {"read_blame", py_read_blame, METH_NOARGS, NULL},
    {"read_blocking", py_read_blocking, METH_NOARGS, NULL},
    {"read_current_waits", py_read_current_waits, METH_NOARGS, NULL},
    {"read_threads", py_read_threads, METH_NOARGS, NULL},
    {"read_live_threads", py_read_live_threads, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

/* ---- initialization ---- */

/* `allocate_lock` and the like belong to `_thread` as far as the program can see. */
static int
disguise(PyObject *module)
{
    PyObject *ours = PyUnicode_FromString("_thread");
    int result = ours == NULL ? -1 : 0;
    for (PyMethodDef *def = functions; result == 0 && def->ml_flags & METH_KEYWORDS; def++) {
        if (strcmp(def->ml_name, "configure") == 0) {
            break;
        }
        PyObject *function = PyObject_GetAttrString(module, def->ml_name);
        result = function == NULL ? -1 : PyObject_SetAttrString(function, "__module__", ours);
        Py_XDECREF(function);
    }
    Py_XDECREF(ours);
    return result;
}

static int
check_platform(void)
{
    if (this_thread() != PyThread_get_thread_ident()) {
        PyErr_SetString(PyExc_ImportError, "this platform identifies threads otherwise than the C core expects");
        return -1;
    }
    return 0;
}

static int
floors_init(void)
{
    histogram_init();
    PyObject *naming = PyImport_ImportModule("thread._inspection.naming");
    PyObject *lifecycle = naming == NULL ? NULL : PyImport_ImportModule("thread._inspection.unhandled");
    PyObject *resets = lifecycle == NULL ? NULL : PyImport_ImportModule("thread._base.resets");
    PyObject *interruptions = resets == NULL ? NULL : PyImport_ImportModule("thread._base.interruptions");
    int result = -1;
    if (interruptions != NULL) {
        reset_the_rest = PyObject_GetAttrString(resets, "reset");
        tell_interruption = PyObject_GetAttrString(interruptions, "is_interruption");
        if (reset_the_rest != NULL && tell_interruption != NULL && places_init(naming) == 0 && identities_init() == 0 && blocking_init() == 0 &&
            events_init() == 0 && locks_init() == 0 && semaphores_init() == 0 &&
            threads_init(lifecycle) == 0) {
            result = register_at_fork();
        }
    }
    Py_XDECREF(interruptions);
    Py_XDECREF(resets);
    Py_XDECREF(naming);
    Py_XDECREF(lifecycle);
    return result;
}

static int
core_exec(PyObject *module)
{
    static bool initialized = false;
    if (initialized) {
        PyErr_SetString(PyExc_ImportError, "thread._core can be imported once in a process, by the main interpreter");
        return -1;
    }
    initialized = true;
    if (check_platform() < 0 || floors_init() < 0 || PyModule_AddStringConstant(module, "NAME", "c") < 0 ||
        PyModule_AddObjectRef(module, "LockType", (PyObject *)&LockType) < 0 ||
        PyModule_AddObjectRef(module, "RLock", (PyObject *)&RLockType) < 0 ||
        PyType_Ready(&HistogramCountsType) < 0 ||
        PyModule_AddObjectRef(module, "HistogramCounts", (PyObject *)&HistogramCountsType) < 0 ||
        PyModule_AddObjectRef(module, "SemaphoreRecord", (PyObject *)&SemaphoreRecordType) < 0) {
        return -1;
    }
    return disguise(module);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, core_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "thread._core",
    .m_doc = "The C core of thread-telemetry; `thread._core_py` is its readable specification.",
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&module_def);
}
