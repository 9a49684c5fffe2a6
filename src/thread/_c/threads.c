/* Starting threads, and what is recorded from the request to the end.
 *
 * The interpreter's own functions start the thread, so that daemon threads, handles, stack sizes and the rest are
 * theirs; what they run is `thread_run` of a record, which runs what the caller asked for. */
#include "core.h"

#include <string.h>
#include <time.h>

#define MAX_TARGETS 1000

typedef struct Target {
    struct Target *next;
    PyObject *name;
    uint64_t started;
    uint64_t finished;
    Sum cpu_time_ns; /* of those finished */
    Histogram *start_delay;
    Histogram *lifetime;
} Target;

typedef enum { RETURNED, EXITED, RAISED } Outcome;

typedef struct Record {
    PyObject_HEAD
    struct Record *newer, *older; /* among all that run */
    PyObject *function;
    PyObject *args;
    PyObject *kwargs; /* NULL: none */
    Target *target;   /* NULL: nothing is recorded of it */
    bool hidden;      /* a thread of the telemetry */
    PyObject *starter; /* borrowed: sites live as long as the process */
    ThreadTrace trace;
    unsigned long ident;
    unsigned long native_id;
    int64_t requested;
    int64_t started;
    Outcome outcome;
} Record;

static PyObject *targets; /* dict: name -> capsule of a Target, which lives as long as the process */
static Target *first_target = NULL;
static Record *newest = NULL;

static PyObject *raw_start_new_thread;
static PyObject *raw_start_joinable_thread; /* NULL up to 3.12 */
static PyObject *describe_target;
static PyObject *watch_excepthook;
static PyObject *record_unhandled;

static PyTypeObject RecordType;

/* ---- targets ---- */

static Target *
target_add(PyObject *name)
{
    Target *target = PyMem_RawCalloc(1, sizeof(Target));
    PyObject *capsule = target == NULL ? PyErr_NoMemory() : PyCapsule_New(target, NULL, NULL);
    if (capsule == NULL || PyDict_SetItem(targets, name, capsule) < 0) {
        Py_XDECREF(capsule);
        PyMem_RawFree(target);
        return NULL;
    }
    Py_DECREF(capsule);
    target->name = Py_NewRef(name);
    target->next = first_target;
    first_target = target;
    return target;
}

static Target *
target_named(PyObject *name)
{
    PyObject *capsule = PyDict_GetItemWithError(targets, name);
    if (capsule != NULL) {
        return PyCapsule_GetPointer(capsule, NULL);
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (PyDict_GET_SIZE(targets) < MAX_TARGETS) {
        return target_add(name);
    }
    sites_are_capped = true;
    PyObject *other = PyUnicode_FromString("other");
    if (other == NULL) {
        return NULL;
    }
    capsule = PyDict_GetItemWithError(targets, other);
    Target *target = capsule != NULL ? PyCapsule_GetPointer(capsule, NULL) : PyErr_Occurred() ? NULL : target_add(other);
    Py_DECREF(other);
    return target;
}

/* A plain function's target is remembered by the identity of the two strings that make its name. They are kept
 * alive here, so that no other string can take their place. */
#define REMEMBERED 64

static struct {
    PyObject *module;
    PyObject *qualname;
    Target *target;
} remembered[REMEMBERED];

static size_t
slot_of(const PyFunctionObject *function)
{
    return ((uintptr_t)function->func_qualname >> 4) % REMEMBERED;
}

/* Not so what may be a wrapper, which is called as what it wraps. */
static bool
is_named_by_itself(PyObject *function)
{
    if (!PyFunction_Check(function) || may_start_untracked_thread(function)) {
        return false;
    }
    PyObject *attributes = ((PyFunctionObject *)function)->func_dict;
    return attributes == NULL || PyDict_GET_SIZE(attributes) == 0;
}

static Target *
target_remembered(PyObject *function)
{
    if (!is_named_by_itself(function)) {
        return NULL;
    }
    const PyFunctionObject *plain = (PyFunctionObject *)function;
    size_t slot = slot_of(plain);
    bool same = remembered[slot].module == plain->func_module && remembered[slot].qualname == plain->func_qualname;
    return same ? remembered[slot].target : NULL;
}

static void
target_remember(PyObject *function, Target *target)
{
    const PyFunctionObject *plain = (PyFunctionObject *)function;
    if (!is_named_by_itself(function) || plain->func_module == NULL || !PyUnicode_CheckExact(plain->func_module)) {
        return;
    }
    size_t slot = slot_of(plain);
    Py_XSETREF(remembered[slot].module, Py_NewRef(plain->func_module));
    Py_XSETREF(remembered[slot].qualname, Py_NewRef(plain->func_qualname));
    remembered[slot].target = target;
}

static Target *
target_of(PyObject *function, PyObject *name)
{
    Target *target = name == NULL ? target_remembered(function) : NULL;
    if (target != NULL) {
        return target;
    }
    PyObject *called = name != NULL ? PyUnicode_FromObject(name) : PyObject_CallOneArg(describe_target, function);
    if (called != NULL && PyUnicode_CheckExact(called)) {
        target = target_named(called);
    }
    Py_XDECREF(called);
    if (target != NULL && name == NULL) {
        target_remember(function, target);
    }
    return target;
}

/* ---- records ---- */

static void
record_link(Record *record)
{
    record->newer = NULL;
    record->older = newest;
    if (newest != NULL) {
        newest->newer = record;
    }
    newest = record;
}

static void
record_unlink(Record *record)
{
    *(record->newer != NULL ? &record->newer->older : &newest) = record->older;
    if (record->older != NULL) {
        record->older->newer = record->newer;
    }
}

static void
record_dealloc(PyObject *self)
{
    Record *record = (Record *)self;
    Py_XDECREF(record->function);
    Py_XDECREF(record->args);
    Py_XDECREF(record->kwargs);
    thread_trace_drop(&record->trace);
    PyObject_Free(self);
}

static int64_t
cpu_time_ns(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) != 0) {
        return 0;
    }
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void
record_begin(Record *record)
{
    record->ident = this_thread();
    record->native_id = PyThreadState_Get()->native_thread_id;
    record->started = monotonic_ns();
    record->target->started++;
    record_link(record);
    thread_trace_begin(&record->trace);
}

static void
push_finished(const Record *record, int64_t lifetime, int64_t cpu_time)
{
    static const char *const outcomes[] = {"returned", "exited", "raised"};
    PyObject *trace = thread_trace_end(&record->trace);
    PyObject *event = trace == NULL ? NULL
                                    : Py_BuildValue("skkOOLLLLs", "thread_finished", record->ident, record->native_id,
                                                    record->target->name, record->starter, record->requested,
                                                    record->started - record->requested, lifetime, cpu_time,
                                                    outcomes[record->outcome]);
    events_push(event == NULL ? NULL : PySequence_Concat(event, trace));
    Py_XDECREF(event);
    Py_XDECREF(trace);
}

static void
record_end(Record *record)
{
    Target *target = record->target;
    int64_t cpu_time = cpu_time_ns();
    int64_t lifetime = monotonic_ns() - record->started;
    record_unlink(record);
    target->finished++;
    sum_add(&target->cpu_time_ns, cpu_time);
    histogram_add(&target->start_delay, record->started - record->requested);
    histogram_add(&target->lifetime, lifetime);
    if (settings.listening) {
        push_finished(record, lifetime, cpu_time);
    }
    thread_trace_drop(&record->trace);
}

/* ---- unhandled exceptions ---- */

/* -1 where the program raised something meanwhile. */
static int
record_exception(Record *record, PyObject *exception)
{
    record->outcome = RAISED;
    PyObject *event = PyObject_CallFunction(record_unhandled, "OOkkLN", exception, record->target->name, record->ident,
                                            record->native_id, monotonic_ns(), span_context_of_this_thread());
    if (event == NULL) {
        return absorb_internal_error() ? 0 : -1;
    }
    if (settings.listening) {
        events_push(event);
    }
    else {
        Py_DECREF(event);
    }
    return 0;
}

/* For a thread of `threading`, which catches the exception itself and calls a hook. */
static PyObject *
record_exception_method(PyObject *self, PyObject *exception)
{
    return record_exception((Record *)self, exception) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyMethodDef record_exception_def = {"record_exception", record_exception_method, METH_O, NULL};

/* Print the exception that is set as `_thread` would have, had the function been started without us. */
static void
write_unraisable(PyObject *function)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyErr_FormatUnraisable("Exception ignored in thread started by %R", function);
#else
    _PyErr_WriteUnraisableMsg("in thread started by", function);
#endif
}

static PyObject *
take_exception(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL && value != NULL) {
        PyException_SetTraceback(value, traceback);
    }
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
}

static void
handle_exception(Record *record, PyObject *function)
{
    if (PyErr_ExceptionMatches(PyExc_SystemExit)) {
        record->outcome = EXITED;
        PyErr_Clear();
        return;
    }
    if (record->target != NULL) {
        PyObject *exception = take_exception();
        if (exception != NULL) {
            (void)record_exception(record, exception);
            PyErr_Restore(Py_NewRef(Py_TYPE(exception)), exception, PyException_GetTraceback(exception));
        }
    }
    write_unraisable(function);
}

/* ---- the thread itself ---- */

static PyObject *
thread_run(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Record *record = (Record *)self;
    bool observed = record->target != NULL;
    if (observed) {
        record_begin(record);
    }
    if (record->hidden) {
        untrack_this_thread(1);
    }
    PyObject *result = PyObject_Call(record->function, record->args, record->kwargs);
    if (result == NULL) {
        handle_exception(record, record->function);
    }
    Py_XDECREF(result);
    /* While the thread still counts as running, since letting go of arguments can run finalizers. */
    Py_CLEAR(record->function);
    Py_CLEAR(record->args);
    Py_CLEAR(record->kwargs);
    if (observed) {
        record_end(record);
    }
    if (record->hidden) {
        untrack_this_thread(-1);
    }
    Py_RETURN_NONE;
}

static PyMethodDef thread_run_def = {"run", thread_run, METH_NOARGS, NULL};

/* ---- starting ---- */

/* Whether the function may be the bound method `_bootstrap` of a `threading.Thread`, or a debugger's wrapper of it. */
bool
may_start_untracked_thread(PyObject *function)
{
    if (!PyFunction_Check(function)) {
        return !PyCFunction_Check(function) && !PyType_Check(function);
    }
    PyObject *cells = PyFunction_GET_CLOSURE(function);
    for (Py_ssize_t i = 0; cells != NULL && i < PyTuple_GET_SIZE(cells); i++) {
        PyObject *content = PyCell_GET(PyTuple_GET_ITEM(cells, i));
        if (content != NULL && PyMethod_Check(content)) {
            return true;
        }
    }
    return false;
}

/* What the caller of `threading.Thread.start` ran is found behind its bound method `_bootstrap`. */
/* -1 where the program raised something meanwhile. */
static int
watch_method(Record *record)
{
    PyObject *recorder = PyCFunction_New(&record_exception_def, (PyObject *)record);
    PyObject *result =
        recorder == NULL ? NULL : PyObject_CallFunctionObjArgs(watch_excepthook, record->function, recorder,
                                                               record->target->name, NULL);
    Py_XDECREF(recorder);
    Py_XDECREF(result);
    return result == NULL && !absorb_internal_error() ? -1 : 0;
}

/* It will not run. The thread object would lead to itself through what watches it. */
static void
record_abandon(Record *record)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    Py_CLEAR(record->function);
    Py_CLEAR(record->args);
    Py_CLEAR(record->kwargs);
    thread_trace_drop(&record->trace);
    PyErr_Restore(type, value, traceback);
}

/* What is recorded of a thread from its request on; nothing where that fails. -1 where the program raised something
 * meanwhile: a signal handler interrupts Python code of ours as well. */
static int
record_request(Record *record, PyObject *name)
{
    record->target = target_of(record->function, name);
    if (record->target == NULL) {
        return absorb_internal_error() ? 0 : -1;
    }
    record->starter = site_of_this_thread();
    if (thread_trace_request(&record->trace, record->function) < 0 ||
        (may_start_untracked_thread(record->function) && watch_method(record) < 0)) {
        return -1;
    }
    record->requested = monotonic_ns();
    return 0;
}

static Record *
record_new(PyObject *function, PyObject *args, PyObject *kwargs, PyObject *name)
{
    Record *record = PyObject_New(Record, &RecordType);
    if (record == NULL) {
        return NULL;
    }
    memset((char *)record + sizeof(PyObject), 0, sizeof(Record) - sizeof(PyObject));
    record->function = Py_NewRef(function);
    record->args = Py_NewRef(args);
    record->kwargs = Py_XNewRef(kwargs);
    record->hidden = is_untracked() || serves_telemetry();
    if (!record->hidden && record_request(record, name) < 0) {
        record_abandon(record);
        Py_CLEAR(record);
    }
    return record;
}

static int
take_name(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, const char *whose, PyObject **name)
{
    *name = NULL;
    Py_ssize_t named = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *keyword = PyTuple_GET_ITEM(kwnames, i);
        if (PyUnicode_CompareWithASCIIString(keyword, "name") != 0) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", whose, keyword);
            return -1;
        }
        *name = args[nargs + i];
    }
    return check_name(name, "thread");
}

static int
check_start(PyObject *const *args, Py_ssize_t nargs)
{
    const char *error = NULL;
    if (nargs < 2 || nargs > 3) {
        PyErr_Format(PyExc_TypeError, "start_new_thread expected at %s arguments, got %zd",
                     nargs < 2 ? "least 2" : "most 3", nargs);
        return -1;
    }
    if (!PyCallable_Check(args[0])) {
        error = "first arg must be callable";
    }
    else if (!PyTuple_Check(args[1])) {
        error = "2nd arg must be a tuple";
    }
    else if (nargs == 3 && !PyDict_Check(args[2])) {
        error = "optional 3rd arg must be a dictionary";
    }
    if (error != NULL) {
        PyErr_SetString(PyExc_TypeError, error);
        return -1;
    }
    return 0;
}

/* A callable that runs the record in the new thread and owns it. */
static PyObject *
runner_new(PyObject *function, PyObject *args, PyObject *kwargs, PyObject *name)
{
    Record *record = record_new(function, args, kwargs, name);
    if (record == NULL) {
        return NULL;
    }
    PyObject *runner = PyCFunction_New(&thread_run_def, (PyObject *)record);
    if (runner == NULL) {
        record_abandon(record);
    }
    Py_DECREF(record);
    return runner;
}

/* When the interpreter's own function has been called. It can raise for want of memory though it has started the
 * thread, which then has the runner as well. Takes the reference. */
static PyObject *
runner_started(PyObject *runner, PyObject *result)
{
    if (result == NULL && runner != NULL && Py_REFCNT(runner) == 1) {
        record_abandon((Record *)PyCFunction_GET_SELF(runner));
    }
    Py_XDECREF(runner);
    return result;
}

/* How many calls of `pass_on` this thread is in. */
static _Thread_local int passing_on = 0;

/* What runs a function as an observed thread, for who has another start it by `pass_on`. */
PyObject *
observed_run(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *function, *arguments, *keywords, *name;
    if (!PyArg_ParseTuple(args, "OO!O!O:observed_run", &function, &PyTuple_Type, &arguments, &PyDict_Type, &keywords,
                          &name) ||
        check_name(&name, "thread") < 0) {
        return NULL;
    }
    return runner_new(function, arguments, keywords, name);
}

/* Call what starts threads for others, such as a debugger, with something to run and more arguments. It may call what
 * starts threads here again: that starts what it is given, and no more. */
PyObject *
pass_on(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *start, *run, *rest, *keywords;
    if (!PyArg_ParseTuple(args, "OOO!O!:pass_on", &start, &run, &PyTuple_Type, &rest, &PyDict_Type, &keywords)) {
        return NULL;
    }
    PyObject *first = PyTuple_Pack(1, run);
    PyObject *all = first == NULL ? NULL : PySequence_Concat(first, rest);
    PyObject *result = NULL;
    if (all != NULL) {
        passing_on++;
        result = PyObject_Call(start, all, keywords);
        passing_on--;
    }
    Py_XDECREF(all);
    Py_XDECREF(first);
    return result;
}

PyObject *
start_new_thread(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *name;
    if (take_name(args, nargs, kwnames, "start_new_thread", &name) < 0 || check_start(args, nargs) < 0) {
        return NULL;
    }
    if (passing_on > 0) {
        return PyObject_Vectorcall(raw_start_new_thread, args, (size_t)nargs, NULL);
    }
    PyObject *runner = runner_new(args[0], args[1], nargs == 3 ? args[2] : NULL, name);
    PyObject *no_args = runner == NULL ? NULL : PyTuple_New(0);
    PyObject *ident = NULL;
    if (no_args != NULL) {
        ident = PyObject_CallFunctionObjArgs(raw_start_new_thread, runner, no_args, NULL);
    }
    Py_XDECREF(no_args);
    return runner_started(runner, ident);
}

static PyObject *
start_joinable(PyObject *function, PyObject *handle, PyObject *daemon, PyObject *name)
{
    PyObject *no_args = PyTuple_New(0);
    PyObject *runner = no_args == NULL ? NULL : runner_new(function, no_args, NULL, name);
    PyObject *result = NULL;
    if (runner != NULL) {
        result = PyObject_CallFunctionObjArgs(raw_start_joinable_thread, runner, handle, daemon, NULL);
    }
    Py_XDECREF(no_args);
    return runner_started(runner, result);
}

PyObject *
start_joinable_thread(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"function", "handle", "daemon", "name", NULL};
    PyObject *function, *handle = Py_None, *daemon = Py_True, *name = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|OO$O:start_joinable_thread", keywords, &function, &handle,
                                     &daemon, &name)) {
        return NULL;
    }
    if (!PyCallable_Check(function)) {
        PyErr_SetString(PyExc_TypeError, "thread function must be callable");
        return NULL;
    }
    if (check_name(&name, "thread") < 0) {
        return NULL;
    }
    if (passing_on > 0) {
        return PyObject_CallFunctionObjArgs(raw_start_joinable_thread, function, handle, daemon, NULL);
    }
    return start_joinable(function, handle, daemon, name);
}

/* ---- reading ---- */

PyObject *
threads_read(void)
{
    PyObject *rows = PyList_New(0);
    for (Target *target = first_target; rows != NULL && target != NULL; target = target->next) {
        if (target->started == 0) {
            continue; /* known from before everything was zeroed */
        }
        PyObject *row =
            Py_BuildValue("OKKNNN", target->name, target->started, target->finished,
                          histogram_read(target->start_delay), histogram_read(target->lifetime),
                          sum_read(&target->cpu_time_ns));
        rows = rows_with(rows, row);
    }
    return rows;
}

PyObject *
threads_read_live(void)
{
    Py_ssize_t count = 0;
    for (Record *record = newest; record != NULL; record = record->older) {
        count++;
    }
    /* Copied first, since building the rows can switch to threads that begin and end. */
    typedef struct {
        unsigned long ident, native_id;
        PyObject *name;
        int64_t started;
    } Copy;
    Copy *copies = PyMem_RawCalloc((size_t)count + 1, sizeof(Copy));
    if (copies == NULL) {
        return PyErr_NoMemory();
    }
    Copy *copy = copies;
    for (Record *record = newest; record != NULL; record = record->older) {
        *copy++ = (Copy){record->ident, record->native_id, record->target->name, record->started};
    }
    PyObject *rows = PyList_New(0);
    while (rows != NULL && copy-- > copies) {
        PyObject *row = Py_BuildValue("kkOL", copy->ident, copy->native_id, copy->name, copy->started);
        rows = rows_with(rows, row);
    }
    PyMem_RawFree(copies);
    return rows;
}

/* ---- life of the module ---- */

void
threads_reset(void)
{
    for (Target *target = first_target; target != NULL; target = target->next) {
        target->started = target->finished = 0;
        target->cpu_time_ns = (Sum){0, 0};
        histogram_reset(&target->start_delay);
        histogram_reset(&target->lifetime);
    }
    for (Record *record = newest; record != NULL; record = record->older) {
        record->target->started++;
    }
}

/* Of the parent's threads only this one exists here. */
void
threads_after_fork(void)
{
    unsigned long me = this_thread();
    Record *record = newest;
    newest = NULL;
    while (record != NULL) {
        Record *older = record->older;
        if (record->ident == me) {
            record_link(record);
        }
        record = older;
    }
}

static PyTypeObject RecordType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "thread._core.ThreadRecord",
    .tp_basicsize = sizeof(Record),
    .tp_dealloc = record_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
};

int
threads_init(PyObject *lifecycle)
{
    PyObject *raw = PyImport_ImportModule("_thread");
    PyObject *targets_module = raw == NULL ? NULL : PyImport_ImportModule("thread._inspection.targets");
    if (targets_module == NULL) {
        Py_XDECREF(raw);
        return -1;
    }
    targets = PyDict_New();
    raw_start_new_thread = PyObject_GetAttrString(raw, "start_new_thread");
#if PY_VERSION_HEX >= 0x030D0000
    raw_start_joinable_thread = PyObject_GetAttrString(raw, "start_joinable_thread");
#endif
    Py_DECREF(raw);
    describe_target = PyObject_GetAttrString(targets_module, "describe_target");
    Py_DECREF(targets_module);
    watch_excepthook = PyObject_GetAttrString(lifecycle, "watch_excepthook");
    record_unhandled = PyObject_GetAttrString(lifecycle, "record_exception");
    return PyErr_Occurred() ? -1 : PyType_Ready(&RecordType);
}
